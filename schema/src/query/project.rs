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

#[cfg(test)]
mod tests {
    use super::super::testing::{data, field_path};
    use super::*;
    use serde_json::json;

    #[test]
    fn only_the_selected_fields_are_left() {
        let whole = json!({
            "a": {"b": {"c": 1, "d": 2}, "e": 3}, "f": [1, {"g": 2}], "r": {"$ref": "x/y"}, "n": null,
            "q.r": 4, "m": {},
        });
        for (select, left) in [
            (vec![], json!({})),
            (vec!["n"], json!({"n": null})),
            (vec!["a"], json!({"a": whole["a"]})),
            (vec!["a.b.c"], json!({"a": {"b": {"c": 1}}})),
            (vec!["a.b.c", "a.e"], json!({"a": {"b": {"c": 1}, "e": 3}})),
            (vec!["a.b.c", "a.b"], json!({"a": {"b": {"c": 1, "d": 2}}})),
            (vec!["a.b", "a.b.c"], json!({"a": {"b": {"c": 1, "d": 2}}})),
            (vec!["a.e", "a.e"], json!({"a": {"e": 3}})),
            (vec!["a.x", "a.b.x.y", "z", "a.e.x"], json!({})),
            (vec!["f.g", "f.0"], json!({})),
            (vec!["r.$ref"], json!({})),
            (vec!["r", "f"], json!({"r": {"$ref": "x/y"}, "f": [1, {"g": 2}]})),
            (vec!["`q.r`", "m"], json!({"q.r": 4, "m": {}})),
        ] {
            let paths: Vec<_> = select.iter().map(|text| field_path(text)).collect();
            assert_eq!(
                Value::Object(project(&data(whole.clone()), Some(&paths))),
                left,
                "{select:?}"
            );
        }
        assert_eq!(Value::Object(project(&data(whole.clone()), None)), whole);
    }
}
