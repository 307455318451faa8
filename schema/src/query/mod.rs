//! A query: which documents of a collection, in which order, from where to where (Firestore: `StructuredQuery`).
//!
//! In scope: what a query means, document by document, so that the server's index, a listener and an optimistic client
//! agree on it. Out of scope: how the documents are found (`blaze-engine`), and `limit`, `offset` and `pageToken`, which
//! mean something only to whoever has all of them.

mod cursor;
mod disjunctions;
mod filter;
mod from_json;
pub mod from_url;
mod matcher;
mod order_by;
mod project;
#[cfg(test)]
mod testing;
mod to_json;

pub use cursor::Cursor;
pub use filter::{FieldFilter, Filter, Operator};
pub use matcher::Matcher;
pub use order_by::{Direction, Order};
pub use project::project;

use crate::error::Error;
use crate::field_path::FieldPath;
use crate::path::{CollectionPath, DocumentPath};
use crate::value::{Map, as_plain_map, typed};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// What a query calls the document's path among the fields (Firestore: `FieldPath.documentId()`).
const NAME: &str = "__name__";

/// Where a query looks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The documents of one collection.
    Collection(CollectionPath),
    /// The documents of every collection with this id, at any depth.
    Group(String),
}

impl Source {
    /// Whether the document is where the query looks; not whether it exists.
    pub fn contains(&self, path: &DocumentPath) -> bool {
        let Some((collection, _)) = path.as_str().rsplit_once('/') else { return false };
        match self {
            Source::Collection(wanted) => collection == wanted.as_str(),
            Source::Group(wanted) => {
                collection.rsplit_once('/').map_or(collection, |(_, id)| id) == wanted
            }
        }
    }
}

/// What a filter compares, or an order sorts by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// `__name__`: the document's path.
    Name,
    /// A field of the data.
    Path(FieldPath),
}

impl Field {
    /// Reads `__name__` or a field path. A field of the data that is called `__name__` cannot be named, with quotes
    /// neither: Firestore has none.
    ///
    /// # Errors
    /// As [`FieldPath::parse`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let path = FieldPath::parse(text)?;
        match path.keys() {
            [key] if key == NAME => Ok(Field::Name),
            _ => Ok(Field::Path(path)),
        }
    }

    /// The document's value, `{"$ref":path}` for its name; `None` when it lacks the field.
    pub fn value<'a>(&self, path: &DocumentPath, data: &'a Map) -> Option<Cow<'a, Value>> {
        match self {
            Field::Name => Some(Cow::Owned(reference(path))),
            Field::Path(path) => field(data, path).map(Cow::Borrowed),
        }
    }
}

/// `{"$ref":path}`
fn reference(path: &DocumentPath) -> Value {
    typed("$ref", Value::from(path.as_str()))
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Field::Name => f.write_str(NAME),
            Field::Path(path) => path.fmt(f),
        }
    }
}

/// The value at `path` in a document's data. There is nothing inside a typed value: `{"$ref":"a/b"}` has no field `$ref`.
pub fn field<'a>(data: &'a Map, path: &FieldPath) -> Option<&'a Value> {
    let (first, rest) = path.keys().split_first()?;
    rest.iter().try_fold(data.get(first)?, |value, key| as_plain_map(value)?.get(key))
}

/// How many documents a query wants, and from which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The first so many.
    First(u64),
    /// The last so many, still in the query's order.
    Last(u64),
}

/// A query. One that [`Query::from_json`] or [`Query::from_list`] made is checked: every limit holds, every value is in
/// canonical form.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Where it looks.
    pub from: Source,
    /// Which documents; all without.
    pub filter: Option<Filter>,
    /// The orders as they were given; [`Query::orders`] has the whole order.
    pub order_by: Vec<Order>,
    /// How many.
    pub limit: Option<Limit>,
    /// How many to leave out before the first.
    pub offset: u64,
    /// Where it starts.
    pub start: Option<Cursor>,
    /// Where it ends.
    pub end: Option<Cursor>,
    /// The fields that are answered; all without.
    pub select: Option<Vec<FieldPath>>,
    /// Where the page before ended, as the server said; opaque.
    pub page_token: Option<String>,
    /// Whether the answer says how it was found.
    pub explain: bool,
}

impl Query {
    /// Everything that is there, by path.
    pub fn all(from: Source) -> Self {
        Query {
            from,
            filter: None,
            order_by: Vec::new(),
            limit: None,
            offset: 0,
            start: None,
            end: None,
            select: None,
            page_token: None,
            explain: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{data, field_path, path};
    use super::*;
    use serde_json::json;

    #[test]
    fn a_source_contains_the_documents_right_in_it() {
        let collection = |text: &str| Source::Collection(CollectionPath::parse(text).unwrap());
        let group = |id: &str| Source::Group(id.to_owned());
        for (source, document, contained) in [
            (collection("users"), "users/a", true),
            (collection("users"), "users/a/users/b", false),
            (collection("users"), "user/a", false),
            (collection("users"), "xusers/a", false),
            (collection("rooms/1/users"), "rooms/1/users/a", true),
            (collection("rooms/1/users"), "rooms/2/users/a", false),
            (collection("rooms/1/users"), "users/a", false),
            (group("users"), "users/a", true),
            (group("users"), "rooms/1/users/a", true),
            (group("users"), "users/1/rooms/a", false),
            (group("users"), "xusers/a", false),
            (group("users"), "rooms/users", false),
        ] {
            assert_eq!(source.contains(&path(document)), contained, "{source:?} {document}");
        }
    }

    #[test]
    fn a_field_is_looked_up_in_maps_only() {
        let data = data(json!({
            "a": {"b": {"c": null}}, "a.b": 1, "r": {"$ref": "x/y"}, "t": {"s": {"$geopoint": [1, 2]}},
            "l": [{"a": 1}], "e": {"": 2}, "s": "text",
        }));
        for (path, found) in [
            ("a", Some(json!({"b": {"c": null}}))),
            ("a.b", Some(json!({"c": null}))),
            ("a.b.c", Some(json!(null))),
            ("a.b.c.d", None),
            ("`a.b`", Some(json!(1))),
            ("a.c", None),
            ("z", None),
            ("r", Some(json!({"$ref": "x/y"}))),
            ("r.$ref", None),
            ("t.s.$geopoint", None),
            ("l.a", None),
            ("l.0", None),
            ("e.``", Some(json!(2))),
            ("s.length", None),
        ] {
            assert_eq!(field(&data, &field_path(path)), found.as_ref(), "{path}");
            let by_field = Field::Path(field_path(path)).value(&testing::path("x/y"), &data);
            assert_eq!(by_field.as_deref(), found.as_ref(), "{path}");
        }
    }

    #[test]
    fn the_name_is_a_field_of_its_own() {
        for name in ["__name__", "`__name__`"] {
            assert_eq!(Field::parse(name), Ok(Field::Name));
        }
        assert_eq!(Field::parse("a.__name__"), Ok(Field::Path(field_path("a.__name__"))));
        assert_eq!(Field::Name.to_string(), "__name__");
        assert_eq!(
            Field::parse("`a.b`.c").map(|field| field.to_string()),
            Ok("`a.b`.c".to_owned())
        );
        assert!(Field::parse("").is_err());
        let data = data(json!({"__name__": 1}));
        let name = Field::Name.value(&path("a/b"), &data);
        assert_eq!(name.as_deref(), Some(&json!({"$ref": "a/b"})));
    }
}
