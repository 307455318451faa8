//! Which rows an index has for a document.
//!
//! ```text
//! f field value name    every scalar; every map and array, by its type alone
//! a field element name  every element of an array
//! c index columns name  every declared composite index whose fields are all there
//! d name                a document that is there
//! t name                a document that was deleted
//! m                     which settings the rows follow
//! ```
//!
//! All but the last name the document's record: its epoch, a newline, its resource as JSON.
//!
//! `field` is a field's path at any depth, `value` an order-preserving key ([`super::key`]), and `name` the document's id
//! or, in the index of a collection group, its path.

use super::key::{Precision, invert, push_ended_name, push_field, push_indexed};
use super::settings::{Column, Composite, Settings};
use blaze_schema::field_path::FieldPath;
use blaze_schema::query::field;
use blaze_schema::value::{Kind, Map, as_plain_map, kind};
use blaze_schema::value_order::equal;
use serde_json::Value;
use std::collections::BTreeSet;

pub(crate) const FIELD: u8 = b'f';
pub(crate) const ELEMENT: u8 = b'a';
pub(crate) const COMPOSITE: u8 = b'c';
pub(crate) const DOCUMENT: u8 = b'd';
pub(crate) const TOMBSTONE: u8 = b't';
pub(crate) const META: &[u8] = b"m";

/// The start of the rows of a field's values.
pub(crate) fn field_prefix(space: u8, field: &str) -> Vec<u8> {
    let mut prefix = vec![space];
    push_field(&mut prefix, field);
    prefix
}

/// The start of the rows of a composite index.
pub(crate) fn composite_prefix(composite: &Composite) -> Vec<u8> {
    let mut prefix = vec![COMPOSITE];
    prefix.extend_from_slice(&composite.id);
    prefix
}

/// The key of a document's row, or of its tombstone's.
pub(crate) fn named(space: u8, name: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(name.len().saturating_add(1));
    key.push(space);
    key.extend_from_slice(name);
    key
}

/// The keys of a document's entries. `name` is the last part of each.
pub(crate) fn entries(data: &Map, name: &[u8], settings: &Settings) -> BTreeSet<Vec<u8>> {
    let mut walk = Walk { name, settings, keys: Vec::new(), entries: BTreeSet::new() };
    walk.map(data);
    for composite in &settings.composites {
        composite_entries(data, name, composite, &mut walk.entries);
    }
    walk.entries
}

/// How many entries a document has, those of composite indexes left out.
pub fn count(data: &Map, settings: &Settings) -> usize {
    let mut walk = Walk { name: b"", settings, keys: Vec::new(), entries: BTreeSet::new() };
    walk.map(data);
    walk.entries.len()
}

struct Walk<'a> {
    name: &'a [u8],
    settings: &'a Settings,
    /// The keys that lead to the map that is looked at.
    keys: Vec<String>,
    entries: BTreeSet<Vec<u8>>,
}

impl Walk<'_> {
    fn map(&mut self, map: &Map) {
        for (key, value) in map {
            self.keys.push(key.clone());
            self.field(value);
            self.keys.pop();
        }
    }

    fn field(&mut self, value: &Value) {
        let Ok(path) = FieldPath::from_keys(self.keys.clone()) else { return };
        if self.settings.is_exempt(&path) {
            return;
        }
        let path = path.to_string();
        self.push(FIELD, &path, value);
        if let Value::Array(elements) = value {
            for element in elements.iter().filter(|element| is_findable(element)) {
                self.push(ELEMENT, &path, element);
            }
        }
        if let Some(map) = as_plain_map(value) {
            self.map(map);
        }
    }

    fn push(&mut self, space: u8, field: &str, value: &Value) {
        let mut key = field_prefix(space, field);
        push_indexed(&mut key, value);
        key.extend_from_slice(self.name);
        self.entries.insert(key);
    }
}

/// Whether `array-contains` can ever find an element: null and NaN it does not.
pub(crate) fn is_findable(element: &Value) -> bool {
    match kind(element) {
        Kind::Null => false,
        Kind::Number(number) => !number.to_f64().is_nan(),
        _ => true,
    }
}

fn composite_entries(
    data: &Map,
    name: &[u8],
    composite: &Composite,
    entries: &mut BTreeSet<Vec<u8>>,
) {
    let mut keys = vec![composite_prefix(composite)];
    for column in &composite.columns {
        let Some(value) = field(data, &column.field) else { return };
        keys = match (column.array, value) {
            (false, value) => {
                for key in &mut keys {
                    push_column(key, column, value);
                }
                keys
            }
            (true, Value::Array(elements)) => {
                let mut longer = Vec::new();
                let findable = elements.iter().enumerate().filter(|(_, one)| is_findable(one));
                for (number, element) in findable {
                    if elements.iter().take(number).any(|earlier| equal(earlier, element)) {
                        continue;
                    }
                    longer.extend(keys.iter().cloned().map(|mut key| {
                        push_column(&mut key, column, element);
                        key
                    }));
                }
                longer
            }
            (true, _) => return,
        };
    }
    for mut key in keys {
        push_composite_name(&mut key, composite, name);
        entries.insert(key);
    }
}

/// Appends a column's value, turned round in a descending column.
pub(crate) fn push_column(key: &mut Vec<u8>, column: &Column, value: &Value) -> Precision {
    let from = key.len();
    let precision = push_indexed(key, value);
    if column.descending {
        invert(key, from);
    }
    precision
}

/// Appends the name, which goes the way of the last column, as a query's order by name does.
pub(crate) fn push_composite_name(key: &mut Vec<u8>, composite: &Composite, name: &[u8]) {
    if composite.ends_descending() {
        let from = key.len();
        push_ended_name(key, name);
        invert(key, from);
    } else {
        key.extend_from_slice(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(data: Value, settings: &Settings) -> Vec<String> {
        let entries = entries(data.as_object().unwrap(), b"N", settings);
        let text = |key: &Vec<u8>| key.escape_ascii().to_string();
        entries.iter().map(text).collect()
    }

    #[test]
    fn scalars_elements_and_map_paths_have_entries() {
        let data = json!({"s": "x", "m": {"k": true, "e": {}}, "t": ["y", "y", null, {"z": 1}], "n": null});
        assert_eq!(
            shown(data, &Settings::default()),
            [
                r"a\x01t\x000y\x00\x01N",
                r"a\x01t\x00XN",
                r"f\x01m\x00XN",
                r"f\x01m.e\x00XN",
                r"f\x01m.k\x00\x19N",
                r"f\x01n\x00\x10N",
                r"f\x01s\x000x\x00\x01N",
                r"f\x01t\x00PN",
            ]
        );
    }

    #[test]
    fn exempt_fields_have_none_nor_has_what_is_below() {
        let settings = Settings::for_tests(json!({"exempt": ["m", "s.deep"]}));
        let data = json!({"m": {"k": [1]}, "s": {"deep": {"x": 1}, "k": true}});
        assert_eq!(shown(data, &settings), [r"f\x01s\x00XN", r"f\x01s.k\x00\x19N"]);
    }

    #[test]
    fn a_composite_index_holds_documents_that_have_all_its_fields() {
        let settings =
            Settings::for_tests(json!({"indexes": [["b", "-s"], ["t[]", "b"]], "exempt": ["*"]}));
        let composites = |data| shown(data, &settings).len();
        assert_eq!(composites(json!({"b": true, "s": "x"})), 1);
        assert_eq!(composites(json!({"b": true, "s": "x", "t": ["p", "q", "p", null]})), 3);
        assert_eq!(composites(json!({"b": true})), 0);
        assert_eq!(composites(json!({"b": true, "t": "p"})), 0);
    }

    #[test]
    fn entries_are_counted_once_each() {
        let settings = Settings::default();
        let data = json!({"t": [1, 2, 2, 3]});
        assert_eq!(count(data.as_object().unwrap(), &settings), 4);
    }
}
