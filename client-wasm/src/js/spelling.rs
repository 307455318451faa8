//! Data as the JSON text that JavaScript's own parser reads without loss.
//!
//! `JSON.parse` makes a double of every number. So an integer beyond 2^53 crosses as `{"$number":"9007199254740993"}`, which
//! `values.js` makes a `BigInt` of; data that comes back as such text is read by [`unspelled`].

use crate::core::json;
use blaze_schema::value::{Map, dollar_entry, typed};
use serde_json::Value;

/// The integers that a JavaScript number holds exactly end here.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// Data as text.
pub(crate) fn data_text(data: &Map) -> String {
    json::print_object(&spelled_map(data))
}

/// A value as text.
pub(crate) fn value_text(value: &Value) -> String {
    json::print(&spelled(value))
}

fn is_big_integer(value: &Value) -> bool {
    value.as_i64().is_some_and(|integer| integer.unsigned_abs() > MAX_SAFE_INTEGER)
}

fn spelled_map(map: &Map) -> Map {
    let mut spelled_map = Map::new();
    spelled_map.extend(map.iter().map(|(key, value)| (key.clone(), spelled(value))));
    spelled_map
}

fn spelled(value: &Value) -> Value {
    match value {
        Value::Array(values) => values.iter().map(spelled).collect(),
        Value::Object(map) => Value::Object(spelled_map(map)),
        _ if is_big_integer(value) => typed("$number", json::print(value).into()),
        other => other.clone(),
    }
}

/// The value whose text this was.
pub(crate) fn unspelled(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(unspelled),
        Value::Object(map) => {
            if let Some(("$number", Value::String(digits))) = dollar_entry(map)
                && let Ok(integer) = digits.parse::<i64>()
            {
                *value = Value::from(integer);
                return;
            }
            map.values_mut().for_each(unspelled);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn integers_beyond_2_to_the_53_are_spelled_out() {
        for (data, text) in [
            (
                r#"{"a":[9007199254740991,-9007199254740991,0.5]}"#,
                r#"{"a":[9007199254740991,-9007199254740991,0.5]}"#,
            ),
            (
                r#"{"a":[{"b":9007199254740992}],"c":-9223372036854775808,"d":9.3e18}"#,
                r#"{"a":[{"b":{"$number":"9007199254740992"}}],"c":{"$number":"-9223372036854775808"},"d":9300000000000000000.0}"#,
            ),
        ] {
            assert_eq!(data_text(&serde_json::from_str(data).unwrap()), text);
        }
        assert_eq!(value_text(&json!(i64::MAX)), r#"{"$number":"9223372036854775807"}"#);
    }

    proptest! {
        #[test]
        fn spelled_data_is_read_as_it_was(
            integers in prop::collection::vec(any::<i64>(), 0..4),
            double in any::<f64>(),
            key in "[a-z]{0,3}",
        ) {
            let value = json!({
                key: integers, "double": double, "nan": {"$number": "NaN"}, "deep": [{"least": i64::MIN}],
                "time": {"$timestamp": "2026-11-21T10:00:00.123456Z"},
            });
            let text = data_text(value.as_object().unwrap());
            let mut read = json::parse(&text).unwrap();
            unspelled(&mut read);
            prop_assert_eq!(read, value);
        }
    }
}
