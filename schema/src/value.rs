//! What a document may hold: JSON, and typed values written as objects with one key that begins with `$`.
//!
//! Data is kept as [`serde_json::Value`] in *canonical form*, which [`check_data`] establishes once, when it enters:
//! integers in the i64 range are integers and every other number a double; timestamps are in UTC to the microsecond;
//! bytes are padded base64.

use crate::base64;
use crate::error::{Code, Error};
use crate::limits::{DOCUMENT_BYTES, DOCUMENT_DEPTH};
use crate::path::DocumentPath;
use crate::timestamp::Timestamp;
use crate::transform::Transform;
use serde_json::Value;

/// A JSON object: field names to values, in the order of their names.
pub type Map = serde_json::Map<String, Value>;

/// A number as Firestore has it: exact integers and doubles, one order over both.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// A 64-bit integer.
    Integer(i64),
    /// A double, non-finite ones included.
    Double(f64),
}

/// A value by its type, typed values included.
#[derive(Clone, Debug)]
pub enum Kind<'a> {
    /// `null`
    Null,
    /// `true`, `false`
    Boolean(bool),
    /// A JSON number, or `{"$number":…}`.
    Number(Number),
    /// `{"$timestamp":…}`
    Timestamp(Timestamp),
    /// A JSON string.
    String(&'a str),
    /// `{"$bytes":…}`, decoded.
    Bytes(Vec<u8>),
    /// `{"$ref":…}`
    Reference(&'a str),
    /// `{"$geopoint":[latitude, longitude]}`, in degrees.
    GeoPoint(f64, f64),
    /// A JSON array.
    Array(&'a [Value]),
    /// A JSON object that is no typed value.
    Map(&'a Map),
}

/// The only entry of an object whose only key begins with `$`: a typed value or a transform.
pub fn dollar_entry(map: &Map) -> Option<(&str, &Value)> {
    let (key, value) = map.iter().next()?;
    (map.len() == 1 && key.starts_with('$')).then_some((key.as_str(), value))
}

/// The fields of a value that is a map, and neither a typed value nor a transform.
pub fn as_plain_map(value: &Value) -> Option<&Map> {
    value.as_object().filter(|map| dollar_entry(map).is_none())
}

/// The type of a value in canonical form.
pub fn kind(value: &Value) -> Kind<'_> {
    match value {
        Value::Null => Kind::Null,
        Value::Bool(boolean) => Kind::Boolean(*boolean),
        Value::Number(number) => Kind::Number(Number::from_json(number)),
        Value::String(text) => Kind::String(text),
        Value::Array(values) => Kind::Array(values),
        Value::Object(map) => dollar_entry(map).and_then(typed_kind).unwrap_or(Kind::Map(map)),
    }
}

fn typed_kind<'a>((key, value): (&str, &'a Value)) -> Option<Kind<'a>> {
    match key {
        "$timestamp" => Timestamp::parse(value.as_str()?).ok().map(Kind::Timestamp),
        "$bytes" => base64::decode(value.as_str()?).map(Kind::Bytes),
        "$ref" => value.as_str().map(Kind::Reference),
        "$geopoint" => {
            geo_point(value).map(|(latitude, longitude)| Kind::GeoPoint(latitude, longitude))
        }
        "$number" => non_finite(value).map(|double| Kind::Number(Number::Double(double))),
        _ => None,
    }
}

fn geo_point(value: &Value) -> Option<(f64, f64)> {
    let [latitude, longitude] = value.as_array()?.as_slice() else { return None };
    let (latitude, longitude) = (latitude.as_f64()?, longitude.as_f64()?);
    (latitude.abs() <= 90.0 && longitude.abs() <= 180.0).then_some((latitude, longitude))
}

fn non_finite(value: &Value) -> Option<f64> {
    match value.as_str()? {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

impl Number {
    fn from_json(number: &serde_json::Number) -> Self {
        match number.as_i64() {
            Some(integer) => Number::Integer(integer),
            None => Number::Double(number.as_f64().unwrap_or(f64::NAN)),
        }
    }

    /// The number of a value that is one.
    pub fn of(value: &Value) -> Option<Self> {
        match kind(value) {
            Kind::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The number as a double; beyond 2^53 the nearest one.
    pub fn to_f64(self) -> f64 {
        match self {
            Number::Integer(integer) => integer as f64,
            Number::Double(double) => double,
        }
    }
}

impl From<Number> for Value {
    fn from(number: Number) -> Self {
        let double = match number {
            Number::Integer(integer) => return Value::from(integer),
            Number::Double(double) => double,
        };
        match serde_json::Number::from_f64(double) {
            Some(finite) => Value::Number(finite),
            None => {
                let name = match double {
                    f64::INFINITY => "Infinity",
                    f64::NEG_INFINITY => "-Infinity",
                    _ => "NaN",
                };
                typed("$number", Value::from(name))
            }
        }
    }
}

impl From<Timestamp> for Value {
    fn from(timestamp: Timestamp) -> Self {
        typed("$timestamp", Value::from(timestamp.to_string()))
    }
}

/// `{key: value}`.
pub fn typed(key: &str, value: Value) -> Value {
    let mut map = Map::new();
    map.insert(key.to_owned(), value);
    Value::Object(map)
}

/// Which transforms data may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transforms {
    /// None: the values of a JSON Patch, the elements of an array.
    Refused,
    /// All but `$delete`: `create`, `set`, the nested fields of an `update`.
    WithoutDelete,
    /// All: `merge`, the fields that an `update` names.
    Allowed,
}

/// What is wrong with a value, and the keys that lead to it, innermost first.
struct Misfit {
    reason: String,
    at: Vec<String>,
}

impl Misfit {
    fn new(reason: impl Into<String>) -> Self {
        Misfit { reason: reason.into(), at: Vec::new() }
    }

    fn inside(mut self, key: String) -> Self {
        self.at.push(key);
        self
    }

    fn into_error(self, root: &str) -> Error {
        let mut place = root.to_owned();
        for key in self.at.iter().rev() {
            place.push_str(key);
        }
        Error::invalid(format!("{place}: {}", self.reason))
    }
}

/// Checks that `value` may stand in a document, and brings it into canonical form. `root` is what error details call
/// it, such as `data`.
///
/// # Errors
/// `invalid-argument` naming the place: a key that begins with `$` and is no typed value, a malformed typed value, a
/// transform where `transforms` refuses it, nesting beyond [`DOCUMENT_DEPTH`].
pub fn check_value(value: &mut Value, transforms: Transforms, root: &str) -> Result<(), Error> {
    check(value, transforms, 1).map_err(|misfit| misfit.into_error(root))
}

/// As [`check_value`], for a whole document's data, which is a map.
///
/// # Errors
/// Also when `value` is no map.
pub fn check_data(mut value: Value, transforms: Transforms, root: &str) -> Result<Map, Error> {
    check_value(&mut value, transforms, root)?;
    match value {
        Value::Object(map) if dollar_entry(&map).is_none() => Ok(map),
        other => Err(Error::invalid(format!(
            "{root}: a document is a JSON object, not {}",
            name(&other)
        ))),
    }
}

/// What people call the value's type.
pub fn name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(map) if dollar_entry(map).is_some() => "a typed value",
        Value::Object(_) => "an object",
    }
}

fn check(value: &mut Value, transforms: Transforms, level: usize) -> Result<(), Misfit> {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
        Value::Number(number) => {
            if number.as_i64().is_none()
                && let Some(double) = number.as_f64()
            {
                *value = Value::from(double);
            }
            Ok(())
        }
        Value::Array(values) => {
            check_level(level)?;
            for (index, value) in values.iter_mut().enumerate() {
                check(value, Transforms::Refused, level.saturating_add(1))
                    .map_err(|misfit| misfit.inside(format!("[{index}]")))?;
            }
            Ok(())
        }
        Value::Object(map) => {
            if dollar_entry(map).is_some() {
                return check_dollar(value, transforms);
            }
            check_level(level)?;
            for (key, value) in map.iter_mut() {
                if key.starts_with('$') {
                    return Err(Misfit::new(format!(
                        "the key {key:?}: a key that begins with '$' stands alone in its object, as a typed value or a transform"
                    )));
                }
                check(value, transforms, level.saturating_add(1))
                    .map_err(|misfit| misfit.inside(format!(".{key}")))?;
            }
            Ok(())
        }
    }
}

fn check_level(level: usize) -> Result<(), Misfit> {
    if level > DOCUMENT_DEPTH {
        return Err(Misfit::new(format!("nested more than {DOCUMENT_DEPTH} levels deep")));
    }
    Ok(())
}

/// Checks an object whose only key begins with `$`.
fn check_dollar(value: &mut Value, transforms: Transforms) -> Result<(), Misfit> {
    let Some((key, content)) = value.as_object().and_then(dollar_entry) else { return Ok(()) };
    let canonical = match key {
        "$timestamp" => {
            let text = content.as_str().ok_or_else(|| Misfit::new("$timestamp: not a string"))?;
            let timestamp = Timestamp::parse(text)
                .map_err(|error| Misfit::new(format!("$timestamp: {}", error.detail)))?;
            Value::from(timestamp.to_string())
        }
        "$bytes" => {
            let text = content.as_str().ok_or_else(|| Misfit::new("$bytes: not a string"))?;
            let bytes = base64::decode(text).ok_or_else(|| Misfit::new("$bytes: not base64"))?;
            Value::from(base64::encode(&bytes))
        }
        "$ref" => {
            let text = content.as_str().ok_or_else(|| Misfit::new("$ref: not a string"))?;
            DocumentPath::parse(text)
                .map_err(|error| Misfit::new(format!("$ref: {}", error.detail)))?;
            return Ok(());
        }
        "$geopoint" => {
            let reason = "$geopoint: not [latitude, longitude] with latitude within ±90 and longitude within ±180";
            let (latitude, longitude) = geo_point(content).ok_or_else(|| Misfit::new(reason))?;
            Value::from(vec![compact_degrees(latitude), compact_degrees(longitude)])
        }
        "$number" => {
            non_finite(content).ok_or_else(|| {
                Misfit::new("$number: not \"NaN\", \"Infinity\" or \"-Infinity\"")
            })?;
            return Ok(());
        }
        _ => return check_transform(value, transforms),
    };
    let key = key.to_owned();
    *value = typed(&key, canonical);
    Ok(())
}

/// A coordinate is a double whose text has no `.0`: `[48, 2.35]` stays as it was written.
fn compact_degrees(degrees: f64) -> Value {
    let whole = degrees as i64;
    if whole as f64 == degrees { Value::from(whole) } else { Value::from(degrees) }
}

fn check_transform(value: &mut Value, transforms: Transforms) -> Result<(), Misfit> {
    let Some((key, content)) = value.as_object_mut().and_then(|map| map.iter_mut().next()) else {
        return Ok(());
    };
    let key = key.as_str();
    if !Transform::NAMES.contains(&key) {
        return Err(Misfit::new(format!("the key {key:?} is no typed value and no transform")));
    }
    if transforms == Transforms::Refused {
        return Err(Misfit::new(format!(
            "the transform {key} cannot stand inside an array or a JSON Patch"
        )));
    }
    if transforms == Transforms::WithoutDelete && key == "$delete" {
        return Err(Misfit::new("$delete stands only in a merge and as a field of an update"));
    }
    if let Value::Array(elements) = content {
        for (index, element) in elements.iter_mut().enumerate() {
            check(element, Transforms::Refused, 2)
                .map_err(|misfit| misfit.inside(format!(".{key}[{index}]")))?;
        }
    }
    let (key, content) = (key.to_owned(), content.clone());
    Transform::from_entry(&key, &content).map(|_| ()).map_err(Misfit::new)
}

/// Levels of maps and arrays in `value`: 0 for a scalar and for a typed value.
pub fn depth(value: &Value) -> usize {
    let inner = match value {
        Value::Array(values) => values.iter().map(depth).max(),
        Value::Object(map) if dollar_entry(map).is_some() => return 0,
        Value::Object(map) => map.values().map(depth).max(),
        _ => return 0,
    };
    inner.unwrap_or(0).saturating_add(1)
}

/// The document's data as compact JSON.
///
/// # Errors
/// `resource-exhausted` beyond [`DOCUMENT_BYTES`], `invalid-argument` beyond [`DOCUMENT_DEPTH`].
pub fn data_to_text(data: &Value) -> Result<String, Error> {
    let deep = depth(data);
    if deep > DOCUMENT_DEPTH {
        return Err(Error::invalid(format!(
            "data: {deep} levels deep, of {DOCUMENT_DEPTH} at most"
        )));
    }
    let text = serde_json::to_string(data).map_err(Error::internal)?;
    if text.len() > DOCUMENT_BYTES {
        let detail = format!(
            "data: the document would have {} bytes as JSON, of {DOCUMENT_BYTES} at most",
            text.len()
        );
        return Err(Error::new(Code::ResourceExhausted, detail));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn canonical(mut value: Value) -> Value {
        check_value(&mut value, Transforms::Allowed, "data").unwrap();
        value
    }

    fn refusal(mut value: Value, transforms: Transforms) -> String {
        check_value(&mut value, transforms, "data").unwrap_err().detail
    }

    #[test]
    fn numbers_in_the_i64_range_stay_exact_and_others_become_doubles() {
        let parsed: Value = serde_json::from_str(
            "[9223372036854775807,-9223372036854775808,9223372036854775808,1.0,0.1]",
        )
        .unwrap();
        let text = serde_json::to_string(&canonical(parsed)).unwrap();
        assert_eq!(
            text,
            "[9223372036854775807,-9223372036854775808,9.223372036854776e+18,1.0,0.1]"
        );
    }

    #[test]
    fn typed_values_are_brought_into_one_form() {
        assert_eq!(
            canonical(
                json!({"t": {"$timestamp": "2026-11-21T11:00:00.1234567+01:00"}, "b": {"$bytes": "aGk"}})
            ),
            json!({"t": {"$timestamp": "2026-11-21T10:00:00.123456Z"}, "b": {"$bytes": "aGk="}})
        );
        let kept = json!({"r": {"$ref": "users/alice"}, "g": {"$geopoint": [48.85, 2]}, "n": {"$number": "NaN"}});
        assert_eq!(canonical(kept.clone()), kept);
    }

    #[test]
    fn a_misfit_is_named_with_its_place() {
        for (value, place) in [
            (json!({"a": {"b": [1, {"$foo": 1}]}}), "data.a.b[1]: the key \"$foo\""),
            (json!({"a": {"$timestamp": "x"}}), "data.a: $timestamp"),
            (
                json!({"a": {"$timestamp": "2026-11-21T10:00:00Z", "b": 1}}),
                "data.a: the key \"$timestamp\"",
            ),
            (json!({"a": {"$bytes": "~"}}), "data.a: $bytes"),
            (json!({"a": {"$ref": "users"}}), "data.a: $ref"),
            (json!({"a": {"$geopoint": [91, 0]}}), "data.a: $geopoint"),
            (json!({"a": {"$number": "1"}}), "data.a: $number"),
            (json!({"a": [{"$increment": 1}]}), "data.a[0]: the transform $increment"),
            (
                json!({"a": {"$arrayUnion": [{"$increment": 1}]}}),
                "data.a.$arrayUnion[0]: the transform $increment",
            ),
            (json!({"a": {"$increment": "1"}}), "data.a: $increment"),
        ] {
            let detail = refusal(value, Transforms::Allowed);
            assert!(detail.starts_with(place), "{detail}");
        }
        assert!(
            refusal(json!({"a": {"$delete": true}}), Transforms::WithoutDelete)
                .starts_with("data.a: $delete")
        );
    }

    #[test]
    fn depth_is_limited_and_a_typed_value_is_no_level() {
        let nested = |levels: usize| {
            (0..levels).fold(json!({"$geopoint": [1, 2]}), |inner, _| json!({"a": inner}))
        };
        let mut deepest = nested(DOCUMENT_DEPTH);
        assert_eq!(depth(&deepest), DOCUMENT_DEPTH);
        assert!(check_value(&mut deepest, Transforms::Refused, "data").is_ok());
        assert!(data_to_text(&deepest).is_ok());
        assert!(check_value(&mut nested(DOCUMENT_DEPTH + 1), Transforms::Refused, "data").is_err());
        assert!(data_to_text(&nested(DOCUMENT_DEPTH + 1)).is_err());
    }

    #[test]
    fn size_is_limited() {
        let sized = |bytes: usize| json!({"a": "x".repeat(bytes - r#"{"a":""}"#.len())});
        assert_eq!(data_to_text(&sized(DOCUMENT_BYTES)).unwrap().len(), DOCUMENT_BYTES);
        assert_eq!(data_to_text(&sized(DOCUMENT_BYTES + 1)).unwrap_err().status, 413);
    }

    #[test]
    fn a_document_is_an_object() {
        for value in [json!(null), json!([]), json!("a"), json!(1), json!({"$bytes": "aGk="})] {
            assert!(check_data(value, Transforms::Refused, "data").is_err());
        }
    }
}
