//! Order-preserving keys: bytes whose order is the order of the values.
//!
//! A value is one byte for its type, then its content. No encoding is a prefix of another, so encodings can follow one
//! another in a key. Text and bytes end with `00 01`; a zero inside is `00 FF`.
//!
//! ```text
//! null 10 | false 18 | true 19 | NaN 20 | number 21 | timestamp 28 | string 30 | bytes 38 | reference 40
//! geo point 48 | array 50 elements 00 | map 58 (01 key value)… 00
//! ```
//!
//! Index entries are bounded in size: there, an array or a map is its type's byte alone, and a text beyond
//! [`INDEXED_BYTES`] is cut. Such an encoding is *inexact*: several values share it, and who reads the entries must look
//! at the documents to tell them apart.

use blaze_schema::hash::hash;
use blaze_schema::limits::INDEXED_BYTES;
use blaze_schema::query::Field;
use blaze_schema::value::{Kind, Number, kind};
use blaze_schema::value_order::type_order;
use serde_json::Value;

const NULL: u8 = 0x10;
const FALSE: u8 = 0x18;
const TRUE: u8 = 0x19;
const NAN: u8 = 0x20;
const NUMBER: u8 = 0x21;
const TIMESTAMP: u8 = 0x28;
const STRING: u8 = 0x30;
const BYTES: u8 = 0x38;
const REFERENCE: u8 = 0x40;
const GEO_POINT: u8 = 0x48;
const ARRAY: u8 = 0x50;
const MAP: u8 = 0x58;
/// Beyond every value.
pub(crate) const VALUES_END: u8 = 0x60;

const ESCAPE: u8 = 0x00;
const END: u8 = 0x01;
const SEPARATOR: u8 = 0x02;
/// Ends a text that was cut.
const CUT: u8 = 0x03;
const ESCAPED_ZERO: u8 = 0xff;

/// Whether an encoding stands for one value or for several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precision {
    /// Equal encodings are equal values.
    Exact,
    /// The values must be looked at.
    Inexact,
}

/// Appends the whole encoding of a value: for any two values, byte order is value order, and equal bytes are equal
/// values.
pub(crate) fn push_value(key: &mut Vec<u8>, value: &Value) {
    match kind(value) {
        Kind::Array(values) => {
            key.push(ARRAY);
            for value in values {
                push_value(key, value);
            }
            key.push(0);
        }
        Kind::Map(map) => {
            key.push(MAP);
            for (name, value) in map {
                key.push(1);
                push_text(key, name.as_bytes(), usize::MAX);
                push_value(key, value);
            }
            key.push(0);
        }
        scalar => drop(push_scalar(key, &scalar, usize::MAX)),
    }
}

/// Appends the encoding that an index entry has.
pub(crate) fn push_indexed(key: &mut Vec<u8>, value: &Value) -> Precision {
    push_scalar(key, &kind(value), INDEXED_BYTES)
}

fn push_scalar(key: &mut Vec<u8>, value: &Kind<'_>, most: usize) -> Precision {
    match value {
        Kind::Null => key.push(NULL),
        Kind::Boolean(false) => key.push(FALSE),
        Kind::Boolean(true) => key.push(TRUE),
        Kind::Number(number) => push_number(key, *number),
        Kind::Timestamp(timestamp) => {
            key.push(TIMESTAMP);
            let shifted = timestamp.micros().cast_unsigned() ^ (1 << 63);
            key.extend_from_slice(&shifted.to_be_bytes());
        }
        Kind::String(text) => {
            key.push(STRING);
            return push_text(key, text.as_bytes(), most);
        }
        Kind::Bytes(bytes) => {
            key.push(BYTES);
            return push_text(key, bytes, most);
        }
        Kind::Reference(path) => {
            key.push(REFERENCE);
            return push_path(key, path.as_bytes(), most);
        }
        Kind::GeoPoint(latitude, longitude) => {
            key.push(GEO_POINT);
            push_double(key, *latitude);
            push_double(key, *longitude);
        }
        Kind::Array(_) => {
            key.push(ARRAY);
            return Precision::Inexact;
        }
        Kind::Map(_) => {
            key.push(MAP);
            return Precision::Inexact;
        }
    }
    Precision::Exact
}

/// A double that is not above the number, then what is missing to it: so integers beyond 2^53 are exact, and 1 is 1.0.
fn push_number(key: &mut Vec<u8>, number: Number) {
    let (double, rest) = match number {
        Number::Double(double) => (double, 0),
        Number::Integer(integer) => {
            let nearest = integer as f64;
            let is_above = nearest as i128 > i128::from(integer);
            let double = if is_above { nearest.next_down() } else { nearest };
            (double, i128::from(integer).wrapping_sub(double as i128) as u16)
        }
    };
    if double.is_nan() {
        key.push(NAN);
        return;
    }
    key.push(NUMBER);
    push_double(key, double);
    key.extend_from_slice(&rest.to_be_bytes());
}

fn push_double(key: &mut Vec<u8>, double: f64) {
    // Minus zero is zero.
    let bits = (double + 0.0).to_bits();
    let ordered = if bits >> 63 == 1 { !bits } else { bits ^ (1 << 63) };
    key.extend_from_slice(&ordered.to_be_bytes());
}

fn push_text(key: &mut Vec<u8>, text: &[u8], most: usize) -> Precision {
    let kept = text.get(..most).unwrap_or(text);
    for &byte in kept {
        key.push(byte);
        if byte == ESCAPE {
            key.push(ESCAPED_ZERO);
        }
    }
    end(key, kept.len() < text.len())
}

/// A path's segments compare one by one: the separator comes before every character.
fn push_path(key: &mut Vec<u8>, path: &[u8], most: usize) -> Precision {
    let kept = path.get(..most).unwrap_or(path);
    push_segments(key, kept);
    end(key, kept.len() < path.len())
}

fn push_segments(key: &mut Vec<u8>, path: &[u8]) {
    for &byte in path {
        match byte {
            b'/' => key.extend_from_slice(&[ESCAPE, SEPARATOR]),
            ESCAPE => key.extend_from_slice(&[ESCAPE, ESCAPED_ZERO]),
            byte => key.push(byte),
        }
    }
}

fn end(key: &mut Vec<u8>, is_cut: bool) -> Precision {
    key.extend_from_slice(&[ESCAPE, if is_cut { CUT } else { END }]);
    if is_cut { Precision::Inexact } else { Precision::Exact }
}

/// A document's name as the last part of a key: of the order of paths, and without an end.
pub(crate) fn name_key(name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(name.len());
    push_segments(&mut key, name.as_bytes());
    key
}

/// The name with an end, for an inverted column.
pub(crate) fn push_ended_name(key: &mut Vec<u8>, name: &[u8]) {
    key.extend_from_slice(name);
    key.extend_from_slice(&[ESCAPE, END]);
}

/// The bytes that the types of a value's order take in keys: from the first to beyond the last.
pub(crate) fn type_bounds(value: &Value) -> (u8, u8) {
    let step = type_order(&kind(value)).saturating_mul(8);
    let start = NULL.saturating_add(step);
    (start, start.saturating_add(8))
}

/// Beyond `null`.
pub(crate) const AFTER_NULL: u8 = FALSE;

/// The least bytes beyond every key that starts with `prefix`; empty when there are none.
pub(crate) fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut after = prefix.to_vec();
    while let Some(last) = after.pop() {
        if last < u8::MAX {
            after.push(last.saturating_add(1));
            break;
        }
    }
    after
}

/// Turns the order of what follows `from` round.
pub(crate) fn invert(key: &mut [u8], from: usize) {
    for byte in key.iter_mut().skip(from) {
        *byte = !*byte;
    }
}

/// The length of the indexed encoding at the start of `key`, and whether it is exact; `inverted` when its bytes are.
pub(crate) fn indexed_length(key: &[u8], inverted: bool) -> Option<(usize, Precision)> {
    let flip = |byte: u8| if inverted { !byte } else { byte };
    let length = match flip(*key.first()?) {
        NULL | FALSE | TRUE | NAN => 1,
        NUMBER => 11,
        TIMESTAMP => 9,
        GEO_POINT => 17,
        ARRAY | MAP => return Some((1, Precision::Inexact)),
        STRING | BYTES | REFERENCE => return text_length(key, flip),
        _ => return None,
    };
    (key.len() >= length).then_some((length, Precision::Exact))
}

fn text_length(key: &[u8], flip: impl Fn(u8) -> u8) -> Option<(usize, Precision)> {
    let mut bytes = key.iter().enumerate();
    while let Some((_, &byte)) = bytes.next() {
        if flip(byte) != ESCAPE {
            continue;
        }
        let (at, &kind) = bytes.next()?;
        match flip(kind) {
            END => return Some((at.saturating_add(1), Precision::Exact)),
            CUT => return Some((at.saturating_add(1), Precision::Inexact)),
            _ => {}
        }
    }
    None
}

/// Field paths up to this length stand in keys as they are.
const PLAIN_FIELD_BYTES: usize = 64;

/// Appends what names a field in keys.
pub(crate) fn push_field(key: &mut Vec<u8>, field: &str) {
    if field.len() <= PLAIN_FIELD_BYTES && !field.contains('\0') {
        key.push(1);
        key.extend_from_slice(field.as_bytes());
        key.push(0);
    } else {
        key.push(2);
        key.extend(hash(&[field.as_bytes()]).into_iter().take(16));
    }
}

/// Appends what a field of an order is in a document's sort key.
pub(crate) fn push_sort_value(key: &mut Vec<u8>, field: &Field, value: &Value, descending: bool) {
    let from = key.len();
    match (field, value.get("$ref").and_then(Value::as_str)) {
        (Field::Name, Some(path)) => {
            push_segments(key, path.as_bytes());
            key.extend_from_slice(&[ESCAPE, END]);
        }
        _ => push_value(key, value),
    }
    if descending {
        invert(key, from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blaze_schema::value::{Transforms, check_value};
    use blaze_schema::value_order::compare;
    use proptest::prelude::*;
    use serde_json::json;
    use std::cmp::Ordering;

    fn whole(value: &Value) -> Vec<u8> {
        let mut key = Vec::new();
        push_value(&mut key, value);
        key
    }

    fn indexed(value: &Value) -> (Vec<u8>, Precision) {
        let mut key = Vec::new();
        let precision = push_indexed(&mut key, value);
        (key, precision)
    }

    fn scalar() -> impl Strategy<Value = Value> {
        let text = prop_oneof!["[ab\u{0}\u{1}é\u{10000}]{0,3}", "a{1498,1503}", "a{1500}[ab]"];
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-3_i64..3).prop_map(Value::from),
            (0_i64..4, 52_u32..63)
                .prop_map(|(near, bits)| Value::from((1_i64 << bits).wrapping_add(near - 2))),
            (0_i64..4).prop_map(|near| Value::from(i64::MAX - near)),
            any::<f64>().prop_map(|double| Value::from(Number::Double(double))),
            (52_u32..64).prop_map(|bits| Value::from(2_f64.powi(bits as i32))),
            (52_u32..64).prop_map(|bits| Value::from(-2_f64.powi(bits as i32))),
            Just(json!(-0.0)),
            Just(json!(0.5)),
            Just(json!({"$number": "NaN"})),
            Just(json!({"$number": "Infinity"})),
            Just(json!({"$number": "-Infinity"})),
            (-4_000_000_i64..4_000_000)
                .prop_map(|micros| blaze_schema::timestamp::Timestamp::from_micros(micros).into()),
            text.prop_map(Value::from),
            prop_oneof![Just("AA=="), Just("AAA="), Just("AAE="), Just("/w=="), Just("")]
                .prop_map(|text| json!({"$bytes": text})),
            prop_oneof![Just("a/b"), Just("a/b/c/d"), Just("a/b!"), Just("a/b\u{0}"), Just("b/a")]
                .prop_map(|text| json!({"$ref": text})),
            (-2_i8..2, -2_i8..2).prop_map(|(a, b)| json!({"$geopoint": [a, b]})),
        ]
    }

    fn value() -> impl Strategy<Value = Value> {
        let value = scalar().prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[ab\u{0}]{0,2}", inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        });
        value.prop_map(|mut value| {
            check_value(&mut value, Transforms::Refused, "value").unwrap();
            value
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn byte_order_is_value_order(a in value(), b in value(), tail in 0_u8..3) {
            let (mut left, mut right) = (whole(&a), whole(&b));
            prop_assert_eq!(left.cmp(&right), compare(&a, &b), "{} and {}", a, b);
            // Also with something after it, and turned round.
            left.push(tail);
            right.push(tail);
            prop_assert_eq!(left.cmp(&right), compare(&a, &b));
            invert(&mut left, 0);
            invert(&mut right, 0);
            prop_assert_eq!(right.cmp(&left), compare(&a, &b));
        }

        #[test]
        fn an_indexed_key_never_contradicts_the_order(a in value(), b in value()) {
            let ((left, precision), (right, other)) = (indexed(&a), indexed(&b));
            let order = left.cmp(&right);
            let inexact = precision == Precision::Inexact && other == Precision::Inexact;
            prop_assert!(order == compare(&a, &b) || (order == Ordering::Equal && inexact), "{} and {}", a, b);
        }

        #[test]
        fn the_length_of_an_indexed_key_is_found(a in value(), tail in "[ab\u{0}]{0,2}", inverted: bool) {
            let (mut key, precision) = indexed(&a);
            let length = key.len();
            key.extend_from_slice(tail.as_bytes());
            if inverted {
                invert(&mut key, 0);
            }
            prop_assert_eq!(indexed_length(&key, inverted), Some((length, precision)));
        }

        #[test]
        fn a_value_lies_within_its_type(a in value(), b in value()) {
            let (start, end) = type_bounds(&a);
            let key = whole(&b);
            let within = key.first().is_some_and(|first| (start..end).contains(first));
            prop_assert_eq!(within, type_order(&kind(&a)) == type_order(&kind(&b)));
        }

        #[test]
        fn names_are_ordered_as_paths(a in "[ab\u{0}!]{1,2}(/[ab\u{0}]){0,2}", b in "[ab\u{0}!]{1,2}(/[ab\u{0}]){0,2}") {
            let order = blaze_schema::value_order::compare_paths(&a, &b);
            prop_assert_eq!(name_key(&a).cmp(&name_key(&b)), order);
            let (mut left, mut right) = (Vec::new(), Vec::new());
            push_ended_name(&mut left, &name_key(&a));
            push_ended_name(&mut right, &name_key(&b));
            prop_assert_eq!(left.cmp(&right), order);
        }
    }

    #[test]
    fn what_follows_a_prefix_is_beyond_all_that_start_with_it() {
        assert_eq!(after_prefix(b"ab"), b"ac");
        assert_eq!(after_prefix(&[1, 0xff]), [2]);
        assert_eq!(after_prefix(&[0xff]), b"");
    }

    #[test]
    fn a_text_is_cut_beyond_what_is_indexed() {
        let text = |bytes: usize| Value::from("x".repeat(bytes));
        assert_eq!(indexed(&text(INDEXED_BYTES)).1, Precision::Exact);
        let (key, precision) = indexed(&text(INDEXED_BYTES + 1));
        assert_eq!(precision, Precision::Inexact);
        assert_eq!(key, indexed(&text(INDEXED_BYTES + 9)).0);
        assert!(key > indexed(&text(INDEXED_BYTES)).0);
    }

    #[test]
    fn long_field_names_are_hashed() {
        let key = |field: &str| {
            let mut key = Vec::new();
            push_field(&mut key, field);
            key
        };
        assert_eq!(key("a.b"), b"\x01a.b\x00");
        assert_eq!(key(&"a".repeat(1_000)).len(), 17);
        assert_ne!(key(&"a".repeat(1_000)), key(&"a".repeat(1_001)));
    }
}
