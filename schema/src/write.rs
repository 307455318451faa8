//! What a client asks to be done to one document, and what it does to the document's data.

use crate::error::{Code, Error};
use crate::field_path::FieldPath;
use crate::patch::{self, Patch};
use crate::path::DocumentPath;
use crate::spent::Spent;
use crate::timestamp::Timestamp;
use crate::transform::{Transform, resolve, resolve_map};
use crate::value::{Map, Transforms, as_plain_map, check_data, check_value, dollar_entry};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A change of one document's data, checked and in canonical form.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Firestore's create: the document must not exist.
    Create(Map),
    /// Firestore's set: replaces the document, or creates it.
    Set(Map),
    /// Firestore's set with merge: leaves overwrite, siblings survive. Creates the document if it is missing.
    Merge(Map),
    /// Firestore's set with merge fields: these fields alone, each as a whole, in the order of their paths. Creates the
    /// document if it is missing.
    MergeFields(Vec<(FieldPath, Value)>),
    /// RFC 7396: as `Merge`, but `null` removes. Creates the document if it is missing.
    MergePatch(Map),
    /// Firestore's update: fields by path, in the order of their paths. The document must exist.
    Update(Vec<(FieldPath, Value)>),
    /// RFC 6902. The document must exist.
    Patch(Patch),
    /// Removes the document, if it is there.
    Delete,
    /// Changes nothing: only the preconditions count.
    Verify,
}

impl Operation {
    /// Reads the data of a create.
    ///
    /// # Errors
    /// As [`check_data`].
    pub fn create(data: Value) -> Result<Self, Error> {
        check_data(data, Transforms::WithoutDelete, "data").map(Operation::Create)
    }

    /// Reads the data of a set.
    ///
    /// # Errors
    /// As [`check_data`].
    pub fn set(data: Value) -> Result<Self, Error> {
        check_data(data, Transforms::WithoutDelete, "data").map(Operation::Set)
    }

    /// Reads the data of a set with merge.
    ///
    /// # Errors
    /// As [`check_data`].
    pub fn merge(data: Value) -> Result<Self, Error> {
        check_data(data, Transforms::Allowed, "data").map(Operation::Merge)
    }

    /// Reads the data of a set with merge fields: only what `fields` name is taken from it. A field that is named
    /// twice counts once.
    ///
    /// # Errors
    /// As [`check_data`], also for what is not named; and for a field that `data` does not hold (its removal is written
    /// as `{"$delete": true}`), and for two fields of which one lies in the other.
    pub fn merge_fields(data: Value, fields: &[FieldPath]) -> Result<Self, Error> {
        let data = check_data(data, Transforms::Allowed, "data")?;
        let mut named = BTreeMap::new();
        for field in fields {
            let value = field_of(&data, field.keys()).ok_or_else(|| {
                let detail = "is named, and data does not hold it; {\"$delete\": true} removes it";
                Error::invalid(format!("mergeFields: the field {field} {detail}"))
            })?;
            named.insert(field, value);
        }
        let mut taken = Vec::with_capacity(named.len());
        taken.extend(named.into_iter().map(|(field, value)| (field.clone(), value.clone())));
        check_disjoint("mergeFields", &taken)?;
        Ok(Operation::MergeFields(taken))
    }

    /// Reads a merge patch. The document stays an object, so the patch must be one too.
    ///
    /// # Errors
    /// As [`check_data`].
    pub fn merge_patch(patch: Value) -> Result<Self, Error> {
        check_data(patch, Transforms::Allowed, "data").map(Operation::MergePatch)
    }

    /// Reads the data of an update: field paths to values.
    ///
    /// # Errors
    /// As [`check_data`]; also for a key that is no field path, and for two fields of which one lies in the other.
    pub fn update(data: Value) -> Result<Self, Error> {
        let Value::Object(data) = data else {
            return Err(Error::invalid(
                "data: an update is a JSON object of field paths and values",
            ));
        };
        let mut fields: Vec<(FieldPath, Value)> = Vec::new();
        for (key, mut value) in data {
            let path = FieldPath::parse(&key)?;
            if let Some(dollar) = path.keys().iter().find(|key| key.starts_with('$')) {
                return Err(Error::invalid(format!(
                    "data.{key}: the key {dollar:?} begins with '$'"
                )));
            }
            let is_delete = matches!(Transform::of(&value), Some(Transform::Delete));
            let transforms =
                if is_delete { Transforms::Allowed } else { Transforms::WithoutDelete };
            check_value(&mut value, transforms, &format!("data.{key}"))?;
            match fields.binary_search_by(|(other, _)| other.cmp(&path)) {
                Ok(_) => {
                    return Err(Error::invalid(format!("data: the field {key} is named twice")));
                }
                Err(place) => fields.insert(place, (path, value)),
            }
        }
        check_disjoint("data", &fields)?;
        Ok(Operation::Update(fields))
    }

    /// Reads a JSON Patch.
    ///
    /// # Errors
    /// As [`patch::parse`].
    pub fn patch(operations: Value) -> Result<Self, Error> {
        patch::parse(operations).map(Operation::Patch)
    }

    /// The document's data after this operation, `None` when it does not exist then. Size and depth of the result are
    /// not checked here (see [`crate::value::data_to_text`]).
    ///
    /// # Errors
    /// `already-exists`, `not-found`, and what [`patch::apply`] says.
    pub fn apply(self, present: Option<&Map>, now: Timestamp) -> Result<Option<Map>, Error> {
        self.apply_to(present.map(Cow::Borrowed), now, &mut Spent::default())
    }

    /// The same, after other operations of one request where the data is owned. `spent` is what they have done.
    ///
    /// # Errors
    /// As [`Operation::apply`]; `resource-exhausted` where all of them are too much.
    pub fn apply_to(
        self,
        present: Option<Cow<'_, Map>>,
        now: Timestamp,
        spent: &mut Spent,
    ) -> Result<Option<Map>, Error> {
        if let Some(Cow::Owned(data)) = &present {
            spent.go_over(data)?;
        }
        match self {
            Operation::Create(data) => match present {
                None => Ok(Some(resolve_map(data, now))),
                Some(_) => Err(Error::new(Code::AlreadyExists, "the document exists already")),
            },
            Operation::Set(data) => Ok(Some(resolve_map(data, now))),
            Operation::Merge(data) => Ok(Some(merged(present, data, Nulls::AreValues, now))),
            Operation::MergePatch(data) => Ok(Some(merged(present, data, Nulls::Remove, now))),
            Operation::MergeFields(fields) => {
                let data = present.map(Cow::into_owned).unwrap_or_default();
                Ok(Some(with_fields(data, fields, now)))
            }
            Operation::Update(fields) => Ok(Some(with_fields(existing(present)?, fields, now))),
            Operation::Patch(patch) => patch::apply(existing(present)?, &patch, spent).map(Some),
            Operation::Delete => Ok(None),
            Operation::Verify => Ok(present.map(Cow::into_owned)),
        }
    }
}

fn existing(present: Option<Cow<'_, Map>>) -> Result<Map, Error> {
    let missing = || Error::new(Code::NotFound, "the document does not exist");
    present.map(Cow::into_owned).ok_or_else(missing)
}

/// Refuses fields of which one lies in another; `fields` are in the order of their paths, and none is there twice.
fn check_disjoint(place: &str, fields: &[(FieldPath, Value)]) -> Result<(), Error> {
    // In order, the fields inside another one follow it.
    for ((a, _), (b, _)) in fields.iter().zip(fields.iter().skip(1)) {
        if a.overlaps(b) {
            return Err(Error::invalid(format!("{place}: the fields {a} and {b} overlap")));
        }
    }
    Ok(())
}

/// The value at a path of maps; `None` where there is none.
fn field_of<'a>(map: &'a Map, keys: &[String]) -> Option<&'a Value> {
    let (key, rest) = keys.split_first()?;
    let value = map.get(key)?;
    if rest.is_empty() { Some(value) } else { field_of(as_plain_map(value)?, rest) }
}

/// What `null` does in a merge.
#[derive(Clone, Copy, PartialEq)]
enum Nulls {
    /// It is a value like any other (Firestore).
    AreValues,
    /// It removes the field (RFC 7396).
    Remove,
}

fn merged(present: Option<Cow<'_, Map>>, data: Map, nulls: Nulls, now: Timestamp) -> Map {
    let mut target = present.map(Cow::into_owned).unwrap_or_default();
    merge_into(&mut target, data, nulls, now);
    target
}

/// RFC 7396 section 2, and Firestore's merge. Typed values are leaves on both sides.
fn merge_into(target: &mut Map, data: Map, nulls: Nulls, now: Timestamp) {
    for (key, value) in data {
        if let Some(transform) = Transform::of(&value) {
            match transform.apply(target.get(&key), now) {
                Some(value) => target.insert(key, value),
                None => target.remove(&key),
            };
            continue;
        }
        match value {
            Value::Null if nulls == Nulls::Remove => {
                target.remove(&key);
            }
            Value::Object(map) if dollar_entry(&map).is_none() => {
                merge_map(target, key, map, nulls, now)
            }
            leaf => {
                target.insert(key, leaf);
            }
        }
    }
}

fn merge_map(target: &mut Map, key: String, map: Map, nulls: Nulls, now: Timestamp) {
    // Firestore: an empty map is a leaf and overwrites; a map of nothing but `$delete` creates no map around it.
    let overwrites = nulls == Nulls::AreValues && map.is_empty();
    let creates_empty = nulls == Nulls::Remove || overwrites;
    match target.get_mut(&key) {
        Some(Value::Object(there)) if dollar_entry(there).is_none() && !overwrites => {
            merge_into(there, map, nulls, now);
        }
        _ => {
            let mut fresh = Map::new();
            merge_into(&mut fresh, map, nulls, now);
            if creates_empty || !fresh.is_empty() {
                target.insert(key, Value::Object(fresh));
            }
        }
    }
}

fn with_fields(mut data: Map, fields: Vec<(FieldPath, Value)>, now: Timestamp) -> Map {
    for (path, value) in fields {
        set_field(&mut data, path.keys(), value, now);
    }
    data
}

/// Sets one field of an update. Maps on the way are created, and replace what is no map; for `$delete` nothing is.
fn set_field(map: &mut Map, keys: &[String], value: Value, now: Timestamp) {
    let Some((key, rest)) = keys.split_first() else { return };
    if rest.is_empty() {
        let new = match Transform::of(&value) {
            Some(transform) => transform.apply(map.get(key), now),
            None => resolve(value, now),
        };
        match new {
            Some(value) => map.insert(key.clone(), value),
            None => map.remove(key),
        };
        return;
    }
    let is_map = map.get(key).is_some_and(|there| as_plain_map(there).is_some());
    if !is_map {
        if matches!(Transform::of(&value), Some(Transform::Delete)) {
            return;
        }
        map.insert(key.clone(), Value::Object(Map::new()));
    }
    if let Some(Value::Object(inner)) = map.get_mut(key) {
        set_field(inner, rest, value, now);
    }
}

/// Which versions of a document an entity tag list names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Versions {
    /// Any version: the document exists.
    Any,
    /// One of these.
    Of(Vec<u64>),
}

impl Versions {
    /// Whether the document's present version, `None` when it does not exist, is among them.
    pub fn contain(&self, present: Option<u64>) -> bool {
        match (self, present) {
            (_, None) => false,
            (Versions::Any, Some(_)) => true,
            (Versions::Of(versions), Some(present)) => versions.contains(&present),
        }
    }
}

/// What must be true of the document for a write to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// `ifVersion`: exactly this version; 0 for a document that does not exist.
    IfVersion(u64),
    /// `If-Match` (RFC 9110 section 13.1.1).
    IfMatch(Versions),
    /// `If-None-Match` (RFC 9110 section 13.1.2).
    IfNoneMatch(Versions),
}

impl Precondition {
    /// Checks it against the document's present version, `None` when it does not exist.
    ///
    /// # Errors
    /// `failed-precondition`: 409 for `ifVersion`, 412 for the headers.
    pub fn check(&self, present: Option<u64>) -> Result<(), Error> {
        let state = || match present {
            Some(version) => format!("the document is at version {version}"),
            None => "the document does not exist".to_owned(),
        };
        let failed =
            |what: String| Error::new(Code::FailedPrecondition, format!("{what}: {}", state()));
        match self {
            Precondition::IfVersion(version) if *version != present.unwrap_or(0) => {
                Err(failed(format!("ifVersion {version}")))
            }
            Precondition::IfMatch(versions) if !versions.contain(present) => {
                Err(failed("If-Match".to_owned()).with_status(412))
            }
            Precondition::IfNoneMatch(versions) if versions.contain(present) => {
                Err(failed("If-None-Match".to_owned()).with_status(412))
            }
            _ => Ok(()),
        }
    }
}

/// One write: where, what, and on which conditions.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// The document.
    pub path: DocumentPath,
    /// The change.
    pub operation: Operation,
    /// All must hold.
    pub preconditions: Vec<Precondition>,
}

impl Write {
    /// Reads one write as it stands in a commit: `{"set": path, "data": {…}, "ifVersion": 3}`. A `merge` may have
    /// `"mergeFields": ["a", "b.c"]` ([`Operation::merge_fields`]). `place` is what error
    /// details call it, such as `writes[2]`.
    ///
    /// # Errors
    /// `invalid-argument` for none or several of the operation keys, a missing or a strange key, bad data.
    pub fn from_json(value: Value, place: &str) -> Result<Self, Error> {
        let invalid = |reason: String| Error::invalid(format!("{place}: {reason}"));
        let Value::Object(mut fields) = value else {
            return Err(invalid("a write is a JSON object".to_owned()));
        };
        let named: Vec<&str> =
            OPERATIONS.into_iter().filter(|name| fields.contains_key(*name)).collect();
        let &[name] = named.as_slice() else {
            return Err(invalid(format!(
                "exactly one of {} names the document",
                OPERATIONS.join(", ")
            )));
        };
        let path = match fields.remove(name) {
            Some(Value::String(path)) => {
                DocumentPath::parse(&path).map_err(|error| error.at(place))?
            }
            _ => return Err(invalid(format!("{name}: not a path"))),
        };
        let preconditions = match fields.remove("ifVersion") {
            None => Vec::new(),
            Some(version) => match version.as_u64() {
                Some(version) => vec![Precondition::IfVersion(version)],
                None => return Err(invalid("ifVersion: not a version".to_owned())),
            },
        };
        let body_key = match name {
            "patch" => Some("operations"),
            "delete" | "verify" => None,
            _ => Some("data"),
        };
        let body = match body_key {
            None => Value::Null,
            Some(key) => {
                fields.remove(key).ok_or_else(|| invalid(format!("{name} needs {key:?}")))?
            }
        };
        let merge_fields = match fields.remove("mergeFields") {
            Some(list) if name == "merge" => {
                Some(read_fields(list).map_err(|error| error.at(place))?)
            }
            Some(_) => return Err(invalid("mergeFields: only a \"merge\" has it".to_owned())),
            None => None,
        };
        if let Some(key) = fields.keys().next() {
            return Err(invalid(format!("the key {key:?} means nothing here")));
        }
        let operation = match (name, merge_fields) {
            (_, Some(fields)) => Operation::merge_fields(body, &fields),
            (name, None) => Self::operation(name, body),
        };
        Ok(Write { path, operation: operation.map_err(|error| error.at(place))?, preconditions })
    }

    fn operation(name: &str, body: Value) -> Result<Operation, Error> {
        match name {
            "create" => Operation::create(body),
            "set" => Operation::set(body),
            "merge" => Operation::merge(body),
            "update" => Operation::update(body),
            "patch" => Operation::patch(body),
            "delete" => Ok(Operation::Delete),
            _ => Ok(Operation::Verify),
        }
    }
}

fn read_fields(list: Value) -> Result<Vec<FieldPath>, Error> {
    let invalid = |detail: &str| Error::invalid(format!("mergeFields: {detail}"));
    let Value::Array(list) = list else {
        return Err(invalid("not an array of field paths"));
    };
    let mut fields = Vec::with_capacity(list.len());
    for field in &list {
        let text = field.as_str().ok_or_else(|| invalid("a field path is a string"))?;
        fields.push(FieldPath::parse(text).map_err(|error| error.at("mergeFields"))?);
    }
    Ok(fields)
}

/// The keys that name a write's operation, in a commit and on a socket.
const OPERATIONS: [&str; 7] = ["create", "set", "merge", "update", "patch", "delete", "verify"];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn now() -> Timestamp {
        Timestamp::parse("2026-11-21T10:00:00Z").unwrap()
    }

    fn applied(operation: Result<Operation, Error>, present: Value) -> Result<Value, Error> {
        let result = operation?.apply(present.as_object(), now())?;
        Ok(result.map_or(Value::Null, Value::Object))
    }

    #[test]
    fn set_replaces_and_its_transforms_find_nothing() {
        let set =
            Operation::set(json!({"a": {"$increment": 1}, "b": {"c": {"$serverTimestamp": true}}}));
        assert_eq!(
            applied(set, json!({"a": 5, "z": 1})).unwrap(),
            json!({"a": 1, "b": {"c": {"$timestamp": "2026-11-21T10:00:00Z"}}})
        );
    }

    #[test]
    fn create_wants_no_document_and_update_wants_one() {
        assert_eq!(
            applied(Operation::create(json!({"a": 1})), Value::Null).unwrap(),
            json!({"a": 1})
        );
        let code = |operation, present| applied(operation, present).unwrap_err().code;
        assert_eq!(code(Operation::create(json!({})), json!({})), Code::AlreadyExists);
        assert_eq!(code(Operation::update(json!({"a": 1})), Value::Null), Code::NotFound);
        assert_eq!(code(Operation::patch(json!([])), Value::Null), Code::NotFound);
    }

    #[test]
    fn merge_overwrites_leaves_and_keeps_siblings() {
        let present = json!({"a": {"b": 1, "c": 2}, "n": 1, "t": {"$ref": "x/y"}, "m": {"k": 1}});
        let merge = Operation::merge(json!({
            "a": {"b": {"$delete": true}, "d": null},
            "n": {"$increment": 2},
            "t": {"u": 1},
            "m": {},
            "new": {"gone": {"$delete": true}},
            "list": [{"k": null}]
        }));
        assert_eq!(
            applied(merge, present).unwrap(),
            json!({"a": {"c": 2, "d": null}, "n": 3, "t": {"u": 1}, "m": {}, "list": [{"k": null}]})
        );
        assert_eq!(
            applied(Operation::merge(json!({"a": 1})), Value::Null).unwrap(),
            json!({"a": 1})
        );
    }

    fn merge_fields(data: Value, fields: &[&str]) -> Result<Operation, Error> {
        let fields: Vec<_> = fields.iter().map(|field| FieldPath::parse(field).unwrap()).collect();
        Operation::merge_fields(data, &fields)
    }

    #[test]
    fn merge_fields_takes_what_is_named_and_leaves_the_rest() {
        let present = json!({"a": {"b": 1, "c": 2}, "n": 1, "z": 0, "gone": 1});
        let data = json!({
            "a": {"d": 3, "t": {"$increment": 1}, "none": {"$delete": true}},
            "n": {"$increment": 2},
            "z": {"$delete": true},
            "gone": {"$delete": true},
            "x": {"y": 1, "w": 2},
        });
        for (fields, expected) in [
            // A field that is named is replaced as a whole; what is inside it is a leaf by leaf merge nowhere.
            (vec!["a"], json!({"a": {"d": 3, "t": 1}, "n": 1, "z": 0, "gone": 1})),
            (vec!["a.d"], json!({"a": {"b": 1, "c": 2, "d": 3}, "n": 1, "z": 0, "gone": 1})),
            // Transforms and deletes count where they are named, and nowhere else.
            (vec!["n", "gone"], json!({"a": {"b": 1, "c": 2}, "n": 3, "z": 0})),
            (
                vec!["x.y", "x.y"],
                json!({"a": {"b": 1, "c": 2}, "n": 1, "z": 0, "gone": 1, "x": {"y": 1}}),
            ),
            (vec![], present.clone()),
        ] {
            let merged = applied(merge_fields(data.clone(), &fields), present.clone());
            assert_eq!(merged, Ok(expected), "{fields:?}");
        }
        let made = applied(merge_fields(data, &["x.w", "n", "a.none"]), Value::Null);
        assert_eq!(made, Ok(json!({"x": {"w": 2}, "n": 2})));
        assert_eq!(applied(merge_fields(json!({"a": 1}), &[]), Value::Null), Ok(json!({})));
        let quoted = merge_fields(json!({"a.b": 1, "a": {"b": 2}}), &["`a.b`"]);
        assert_eq!(applied(quoted, Value::Null), Ok(json!({"a.b": 1})));
    }

    #[test]
    fn merge_fields_that_are_not_in_the_data_are_refused() {
        for (data, fields, named) in [
            (json!({"a": 1}), vec!["a", "b"], "the field b "),
            (json!({"a": {"b": 1}}), vec!["a.c"], "the field a.c "),
            (json!({"a": 1}), vec!["a.b"], "the field a.b "),
            (json!({"a": {"$increment": 1}}), vec!["a.$increment"], "the field a.$increment "),
            (json!({"a": {"$ref": "b/c"}}), vec!["a.$ref"], "the field a.$ref "),
            (json!({"a": {"b": 1}}), vec!["a.b", "a"], "a and a.b overlap"),
            (json!({"a": 1, "b": {"$x": 1}}), vec!["a"], "data.b"),
            (json!([]), vec![], "data: "),
        ] {
            let error = merge_fields(data.clone(), &fields).unwrap_err();
            assert_eq!(error.code, Code::InvalidArgument, "{data} {fields:?}");
            assert!(error.detail.contains(named), "{data} {fields:?}: {error}");
        }
    }

    #[test]
    fn update_sets_fields_by_path() {
        let present = json!({"a": {"b": 1, "c": 2}, "n": 1, "s": "x", "a.b": 0});
        let update = Operation::update(json!({
            "a.b": 9,
            "`a.b`": {"$increment": 1},
            "n": {"$delete": true},
            "s.t": 1,
            "q": {"r": {"$increment": 1}},
            "gone.gone": {"$delete": true}
        }));
        assert_eq!(
            applied(update, present).unwrap(),
            json!({"a": {"b": 9, "c": 2}, "a.b": 1, "s": {"t": 1}, "q": {"r": 1}})
        );
        let replaced =
            applied(Operation::update(json!({"a": {"z": 1}})), json!({"a": {"b": 1}})).unwrap();
        assert_eq!(replaced, json!({"a": {"z": 1}}));
    }

    #[test]
    fn an_update_that_contradicts_itself_is_refused() {
        for data in [
            json!({"a": 1, "a.b": 2}),
            json!({"a": 1, "`a`": 2}),
            json!({"a..b": 1}),
            json!({"a": {"b": {"$delete": true}}}),
            json!({"$a": 1}),
            json!({"a.$b": 1}),
            json!([]),
        ] {
            assert_eq!(
                Operation::update(data.clone()).unwrap_err().code,
                Code::InvalidArgument,
                "{data}"
            );
        }
        assert!(Operation::update(json!({"a.b": 1, "a.c": 2, "ab": 3})).is_ok());
    }

    #[test]
    fn preconditions_are_of_the_version() {
        let of = |versions: &[u64]| Versions::Of(versions.to_vec());
        assert!(Precondition::IfVersion(0).check(None).is_ok());
        assert_eq!(Precondition::IfVersion(0).check(Some(1)).unwrap_err().status, 409);
        assert!(Precondition::IfVersion(2).check(Some(2)).is_ok());
        assert_eq!(Precondition::IfMatch(of(&[1, 2])).check(Some(3)).unwrap_err().status, 412);
        assert!(Precondition::IfMatch(of(&[1, 2])).check(Some(2)).is_ok());
        assert!(Precondition::IfMatch(Versions::Any).check(None).is_err());
        assert!(Precondition::IfNoneMatch(Versions::Any).check(None).is_ok());
        assert!(Precondition::IfNoneMatch(Versions::Any).check(Some(1)).is_err());
        assert!(Precondition::IfNoneMatch(of(&[1])).check(Some(2)).is_ok());
    }

    #[test]
    fn a_write_of_a_commit_is_read_strictly() {
        let write =
            Write::from_json(json!({"set": "a/b", "data": {"x": 1}, "ifVersion": 0}), "writes[0]")
                .unwrap();
        assert_eq!(write.path.as_str(), "a/b");
        assert_eq!(write.preconditions, [Precondition::IfVersion(0)]);
        let merge =
            json!({"merge": "a/b", "data": {"x": {"y": 1}, "z": 1}, "mergeFields": ["x.y"]});
        let fields = vec![(FieldPath::parse("x.y").unwrap(), json!(1))];
        let merge = Write::from_json(merge, "writes[0]").unwrap();
        assert_eq!(merge.operation, Operation::MergeFields(fields));
        for bad in [
            json!({"set": "a/b", "data": {}, "mergeFields": []}),
            json!({"merge": "a/b", "data": {}, "mergeFields": "x"}),
            json!({"merge": "a/b", "data": {"x": 1}, "mergeFields": ["x", 1]}),
            json!({"merge": "a/b", "data": {"x": 1}, "mergeFields": ["x."]}),
            json!({"merge": "a/b", "data": {"x": 1}, "mergeFields": ["y"]}),
            json!({"merge": "a/b", "data": {"x": 1}, "mergeFields": null}),
            json!(1),
            json!({}),
            json!({"set": "a/b"}),
            json!({"set": "a", "data": {}}),
            json!({"set": 1, "data": {}}),
            json!({"set": "a/b", "data": {}, "delete": "a/b"}),
            json!({"set": "a/b", "data": {}, "operations": []}),
            json!({"set": "a/b", "data": {}, "ifVersion": -1}),
            json!({"set": "a/b", "data": {}, "ifVersion": "1"}),
            json!({"delete": "a/b", "data": {}}),
            json!({"patch": "a/b", "data": {}}),
            json!({"patch": "a/b", "operations": {}}),
        ] {
            assert!(Write::from_json(bad.clone(), "writes[0]").is_err(), "{bad}");
        }
    }

    fn plain_map() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![Just(json!(null)), (0_i64..3).prop_map(Value::from), Just(json!("s"))];
        let value = leaf.prop_recursive(3, 24, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-c]", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        });
        prop::collection::btree_map("[a-c]", value, 0..4)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn on_plain_json_a_merge_patch_is_the_librarys(present in plain_map(), patch in plain_map()) {
            let mut expected = present.clone();
            json_patch::merge(&mut expected, &patch);
            prop_assert_eq!(applied(Operation::merge_patch(patch), present).unwrap(), expected);
        }
    }
}
