//! The total order over values, ascending, as Firestore has it ("Data types", value type ordering):
//! null < boolean < number < timestamp < string < bytes < reference < geo point < array < map.

use crate::value::{Kind, Map, Number, kind};
use serde_json::Value;
use std::cmp::Ordering;

/// Compares two values in canonical form; `Equal` is Firestore's equality: 1 equals 1.0, NaN equals NaN, 0 equals -0.
pub fn compare(a: &Value, b: &Value) -> Ordering {
    let (a, b) = (kind(a), kind(b));
    match (&a, &b) {
        (Kind::Boolean(a), Kind::Boolean(b)) => a.cmp(b),
        (Kind::Number(a), Kind::Number(b)) => compare_numbers(*a, *b),
        (Kind::Timestamp(a), Kind::Timestamp(b)) => a.cmp(b),
        (Kind::String(a), Kind::String(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Kind::Bytes(a), Kind::Bytes(b)) => a.cmp(b),
        (Kind::Reference(a), Kind::Reference(b)) => compare_paths(a, b),
        (Kind::GeoPoint(a, b), Kind::GeoPoint(c, d)) => {
            compare_doubles(*a, *c).then(compare_doubles(*b, *d))
        }
        (Kind::Array(a), Kind::Array(b)) => compare_arrays(a, b),
        (Kind::Map(a), Kind::Map(b)) => compare_maps(a, b),
        _ => type_order(&a).cmp(&type_order(&b)),
    }
}

/// Whether two values are the same to a transform or a query.
pub fn equal(a: &Value, b: &Value) -> bool {
    compare(a, b) == Ordering::Equal
}

/// The place of a value's type among the types, 0 for null.
pub fn type_order(value: &Kind<'_>) -> u8 {
    match value {
        Kind::Null => 0,
        Kind::Boolean(_) => 1,
        Kind::Number(_) => 2,
        Kind::Timestamp(_) => 3,
        Kind::String(_) => 4,
        Kind::Bytes(_) => 5,
        Kind::Reference(_) => 6,
        Kind::GeoPoint(..) => 7,
        Kind::Array(_) => 8,
        Kind::Map(_) => 9,
    }
}

/// Compares exactly, an integer with a double too: no rounding beyond 2^53. NaN comes first.
pub fn compare_numbers(a: Number, b: Number) -> Ordering {
    match (a, b) {
        (Number::Integer(a), Number::Integer(b)) => a.cmp(&b),
        (Number::Double(a), Number::Double(b)) => compare_doubles(a, b),
        (Number::Integer(a), Number::Double(b)) => compare_integer_with_double(a, b),
        (Number::Double(a), Number::Integer(b)) => compare_integer_with_double(b, a).reverse(),
    }
}

/// 2^63 as a double, the first that no i64 reaches.
const I64_END: f64 = 9_223_372_036_854_775_808.0;

fn compare_integer_with_double(integer: i64, double: f64) -> Ordering {
    if double.is_nan() || double < -I64_END {
        return Ordering::Greater;
    }
    if double >= I64_END {
        return Ordering::Less;
    }
    // In range, so truncation is exact and the fraction decides a tie.
    let whole = double.trunc();
    integer.cmp(&(whole as i64)).then_with(|| compare_doubles(whole, double))
}

fn compare_doubles(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

/// Compares paths segment by segment, each by its UTF-8 bytes.
pub fn compare_paths(a: &str, b: &str) -> Ordering {
    a.split('/').map(str::as_bytes).cmp(b.split('/').map(str::as_bytes))
}

/// Element by element, then the shorter first.
fn compare_arrays(a: &[Value], b: &[Value]) -> Ordering {
    a.iter()
        .zip(b)
        .map(|(a, b)| compare(a, b))
        .find(|order| order.is_ne())
        .unwrap_or(a.len().cmp(&b.len()))
}

/// Entry by entry in the order of the keys: key, then value; then the shorter first.
fn compare_maps(a: &Map, b: &Map) -> Ordering {
    a.iter()
        .zip(b)
        .map(|((a_key, a), (b_key, b))| {
            a_key.as_bytes().cmp(b_key.as_bytes()).then_with(|| compare(a, b))
        })
        .find(|order| order.is_ne())
        .unwrap_or(a.len().cmp(&b.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Values in ascending order; those of one row are equal.
    fn ascending() -> Vec<Vec<Value>> {
        let max = i64::MAX;
        vec![
            vec![json!(null)],
            vec![json!(false)],
            vec![json!(true)],
            vec![json!({"$number": "NaN"})],
            vec![json!({"$number": "-Infinity"})],
            vec![json!(f64::MIN)],
            vec![json!(i64::MIN), json!(i64::MIN as f64)],
            vec![json!(-1.5)],
            vec![json!(-1), json!(-1.0)],
            vec![json!(0), json!(0.0), json!(-0.0)],
            vec![json!(f64::MIN_POSITIVE)],
            vec![json!(1), json!(1.0)],
            vec![json!(1.5)],
            vec![json!(9_007_199_254_740_992_i64), json!(9_007_199_254_740_992.0)],
            vec![json!(9_007_199_254_740_993_i64)],
            vec![json!(max)],
            vec![json!(I64_END)],
            vec![json!({"$number": "Infinity"})],
            vec![json!({"$timestamp": "2026-11-21T10:00:00Z"})],
            vec![json!({"$timestamp": "2026-11-21T10:00:00.000001Z"})],
            vec![json!("")],
            vec![json!("a")],
            vec![json!("ab")],
            vec![json!("b")],
            vec![json!("é")],
            vec![json!("\u{ffff}")],
            vec![json!("\u{10000}")],
            vec![json!({"$bytes": ""})],
            vec![json!({"$bytes": "AA=="})],
            vec![json!({"$bytes": "/w=="})],
            vec![json!({"$ref": "a/b"})],
            vec![json!({"$ref": "a/b/c/d"})],
            vec![json!({"$ref": "a/b!"})],
            vec![json!({"$geopoint": [-90, 0]})],
            vec![json!({"$geopoint": [1, 2]}), json!({"$geopoint": [1.0, 2.0]})],
            vec![json!({"$geopoint": [1, 3]})],
            vec![json!([])],
            vec![json!([1]), json!([1.0])],
            vec![json!([1, 2])],
            vec![json!([2])],
            vec![json!(["a"])],
            vec![json!({})],
            vec![json!({"a": 1})],
            vec![json!({"a": 1, "b": 0})],
            vec![json!({"a": 2})],
            vec![json!({"b": 0})],
        ]
    }

    #[test]
    fn values_are_ordered_across_and_within_types() {
        let rows = ascending();
        for (i, left) in rows.iter().enumerate() {
            for (j, right) in rows.iter().enumerate() {
                for a in left {
                    for b in right {
                        assert_eq!(compare(a, b), i.cmp(&j), "{a} and {b}");
                    }
                }
            }
        }
    }
}
