//! A field's value as text that a person edits, and back.

use super::json_text;
use serde_json::{Map, Value, json};

/// Longer strings are edited in a box of several lines.
const SHORT_TEXT: usize = 60;

/// How a value is edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A string of one short line.
    Text,
    /// Any other string.
    LongText,
    /// A number, non-finite ones included.
    Number,
    /// `true` or `false`.
    Boolean,
    /// `{"$timestamp":…}` as RFC 3339.
    Timestamp,
    /// `{"$bytes":…}` as base64.
    Bytes,
    /// `{"$ref":…}` as a path.
    Reference,
    /// `{"$geopoint":[…]}` as `latitude, longitude`.
    GeoPoint,
    /// Arrays, maps, null, and whatever else, as JSON.
    Json,
}

impl Shape {
    /// The shape that fits `value` best.
    pub(crate) fn of(value: &Value) -> Self {
        match value {
            Value::String(text) if text.chars().count() > SHORT_TEXT || text.contains('\n') => {
                Shape::LongText
            }
            Value::String(_) => Shape::Text,
            Value::Number(_) => Shape::Number,
            Value::Bool(_) => Shape::Boolean,
            Value::Null | Value::Array(_) => Shape::Json,
            Value::Object(map) => match typed(map) {
                Some(("$timestamp", Value::String(_))) => Shape::Timestamp,
                Some(("$bytes", Value::String(_))) => Shape::Bytes,
                Some(("$ref", Value::String(_))) => Shape::Reference,
                Some(("$number", Value::String(_))) => Shape::Number,
                Some(("$geopoint", Value::Array(point))) if point.len() == 2 => Shape::GeoPoint,
                _ => Shape::Json,
            },
        }
    }

    /// `value` as the text that is edited. A value of another shape is written as JSON.
    pub(crate) fn text(self, value: &Value) -> String {
        let payload = value.as_object().and_then(typed).map(|(_, payload)| payload);
        match (self, value, payload) {
            (Shape::Json, _, _) => json_text::readable(value),
            (_, Value::String(text), _) | (_, _, Some(Value::String(text))) => text.clone(),
            (Shape::GeoPoint, _, Some(Value::Array(point))) => {
                let parts: Vec<String> = point.iter().map(Value::to_string).collect();
                parts.join(", ")
            }
            _ => json_text::readable(value),
        }
    }

    /// The value that `text` means.
    ///
    /// # Errors
    /// What is wrong with the text, for the person who typed it. What only the database can judge, such as whether a
    /// path names a document, is left to it.
    pub(crate) fn parse(self, text: &str) -> Result<Value, String> {
        match self {
            Shape::Text | Shape::LongText => Ok(Value::from(text)),
            Shape::Number => number(text),
            Shape::Boolean | Shape::Json => {
                serde_json::from_str(text).map_err(|error| format!("Not valid JSON: {error}"))
            }
            Shape::Timestamp => Ok(json!({"$timestamp": text.trim()})),
            Shape::Bytes => Ok(json!({"$bytes": text.split_whitespace().collect::<String>()})),
            Shape::Reference => Ok(json!({"$ref": text.trim()})),
            Shape::GeoPoint => {
                let (latitude, longitude) = point_parts(text);
                let latitude = degrees(&latitude, "latitude", 90.0)?;
                let longitude = degrees(&longitude, "longitude", 180.0)?;
                Ok(json!({"$geopoint": [latitude, longitude]}))
            }
        }
    }
}

/// What a person calls the type of `value`.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match (Shape::of(value), value) {
        (Shape::Text | Shape::LongText, _) => "string",
        (Shape::Number, _) => "number",
        (Shape::Boolean, _) => "boolean",
        (Shape::Timestamp, _) => "timestamp",
        (Shape::Bytes, _) => "bytes",
        (Shape::Reference, _) => "reference",
        (Shape::GeoPoint, _) => "geo point",
        (Shape::Json, Value::Null) => "null",
        (Shape::Json, Value::Array(_)) => "list",
        (Shape::Json, _) => "map",
    }
}

/// The value that a person means who typed `text` without naming a type: JSON, or else a string.
pub(crate) fn guess(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

/// A geo point's text in its two halves.
pub(crate) fn point_parts(text: &str) -> (String, String) {
    let (latitude, longitude) = text.split_once(',').unwrap_or((text, ""));
    (latitude.trim().to_owned(), longitude.trim().to_owned())
}

/// How many bytes the base64 `text` stands for.
pub(crate) fn bytes_len(text: &str) -> usize {
    let digits = text.chars().filter(|character| !character.is_whitespace() && *character != '=');
    digits.count() * 3 / 4
}

/// The field path that names the top-level field `name`, whatever characters it has.
pub(crate) fn field_path(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

/// The only entry of an object whose only key begins with `$`.
fn typed(map: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (key, value) = map.iter().next()?;
    (map.len() == 1 && key.starts_with('$')).then_some((key.as_str(), value))
}

fn number(text: &str) -> Result<Value, String> {
    let text = text.trim();
    if let Ok(integer) = text.parse::<i64>() {
        return Ok(Value::from(integer));
    }
    if matches!(text, "NaN" | "Infinity" | "-Infinity") {
        return Ok(json!({"$number": text}));
    }
    // Rust also reads "inf" and "nan", in any case.
    let digits = |character: char| character.is_ascii_digit() || "+-.eE".contains(character);
    match text.parse::<f64>() {
        Ok(double) if text.chars().all(digits) => serde_json::Number::from_f64(double)
            .map(Value::Number)
            .ok_or_else(|| format!("{text} is too large for a number")),
        _ => Err(format!("{text:?} is not a number")),
    }
}

fn degrees(text: &str, name: &str, limit: f64) -> Result<Value, String> {
    let value = number(text).map_err(|error| format!("{name}: {error}"))?;
    match value.as_f64() {
        Some(degrees) if degrees.abs() <= limit => Ok(value),
        _ => Err(format!("{name}: {text} is not between -{limit} and {limit}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_value_are_inverse() {
        for value in [
            json!("Paris"),
            json!(""),
            json!("two\nlines"),
            json!("x".repeat(200)),
            json!(9_007_199_254_740_993_i64),
            json!(-1.5),
            json!(1.0),
            json!({"$number": "-Infinity"}),
            json!(true),
            json!(null),
            json!(["Paris", {"a": 1}]),
            json!({}),
            json!({"a": {"$ref": "x/y"}}),
            json!({"$timestamp": "2026-11-21T10:00:00.123456Z"}),
            json!({"$bytes": "AAEC/w=="}),
            json!({"$ref": "countries/FRA"}),
            json!({"$geopoint": [48.85, -2]}),
            json!({"$geopoint": "odd"}),
        ] {
            let shape = Shape::of(&value);
            assert_eq!(shape.parse(&shape.text(&value)), Ok(value.clone()), "{shape:?}");
            assert_eq!(Shape::Json.parse(&Shape::Json.text(&value)), Ok(value));
        }
    }

    #[test]
    fn shapes_follow_types() {
        for (value, shape, name) in [
            (json!("a"), Shape::Text, "string"),
            (json!("a\nb"), Shape::LongText, "string"),
            (json!(1), Shape::Number, "number"),
            (json!({"$number": "NaN"}), Shape::Number, "number"),
            (json!(null), Shape::Json, "null"),
            (json!([]), Shape::Json, "list"),
            (json!({"$geopoint": [1, 2]}), Shape::GeoPoint, "geo point"),
            (json!({"$geopoint": [1]}), Shape::Json, "map"),
            (json!({"$ref": "a/b", "x": 1}), Shape::Json, "map"),
        ] {
            assert_eq!((Shape::of(&value), type_name(&value)), (shape, name), "{value}");
        }
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        let read = |text| Shape::Number.parse(text);
        assert_eq!(read(" 12 "), Ok(json!(12)));
        assert_eq!(read("+3"), Ok(json!(3)));
        assert_eq!(read("1e3"), Ok(json!(1000.0)));
        assert_eq!(read(".5"), Ok(json!(0.5)));
        for bad in ["", "-", "1,5", "inf", "nan", "12 km", "1e999"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn points_name_the_half_that_is_wrong() {
        let read = |text| Shape::GeoPoint.parse(text);
        assert_eq!(read("1,2.5"), Ok(json!({"$geopoint": [1, 2.5]})));
        assert!(read("91, 0").unwrap_err().contains("latitude"));
        assert!(read("0, x").unwrap_err().contains("longitude"));
        assert!(read("0, NaN").unwrap_err().contains("longitude"));
        assert!(read("5").unwrap_err().contains("longitude"));
    }

    #[test]
    fn bad_json_says_where() {
        let error = Shape::Json.parse("[1,\n2").unwrap_err();
        assert!(error.contains("line 2"), "{error}");
    }

    #[test]
    fn what_is_no_json_is_a_string() {
        assert_eq!(guess("42"), json!(42));
        assert_eq!(guess(r#"["a"]"#), json!(["a"]));
        assert_eq!(guess("\"42\""), json!("42"));
        assert_eq!(guess("Bonjour, monde"), json!("Bonjour, monde"));
        assert_eq!(guess(""), json!(""));
    }

    #[test]
    fn base64_is_counted_in_bytes() {
        for (text, bytes) in [("", 0), ("AA==", 1), ("AAE=", 2), ("AAEC", 3), ("AAEC /w", 4)] {
            assert_eq!(bytes_len(text), bytes, "{text}");
        }
    }

    #[test]
    fn any_name_makes_one_path() {
        assert_eq!(field_path("a.b"), "`a.b`");
        assert_eq!(field_path(r"a`b\c"), r"`a\`b\\c`");
    }
}
