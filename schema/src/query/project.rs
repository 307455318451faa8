//! Which fields of a document a query answers.

use super::field;
use crate::field_path::FieldPath;
use crate::value::Map;
use serde_json::Value;

/// Only the fields at `select`; all of it for `None`. A field that is missing stays missing, and so do the maps that
/// would lead to it.
pub fn project(data: &Map, select: Option<&[FieldPath]>) -> Map {
    let Some(select) = select else { return data.clone() };
    let mut projected = Map::new();
    for path in select {
        if let Some(value) = field(data, path) {
            put(&mut projected, path.keys(), value);
        }
    }
    projected
}

/// Puts `value` at `keys`. What is on the way there was put by another path, or is a map of the data: a map in any case.
fn put(map: &mut Map, keys: &[String], value: &Value) {
    match keys {
        [] => {}
        [key] => {
            map.insert(key.clone(), value.clone());
        }
        [key, rest @ ..] => {
            let inner = map.entry(key.as_str()).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}
