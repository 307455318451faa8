//! Changes that are computed from the field's present value, inside the write (Firestore: `FieldTransform`).

use crate::timestamp::Timestamp;
use crate::value::{Kind, Map, Number, dollar_entry, kind};
use crate::value_order::{compare, compare_numbers};
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// A transform, its operand checked.
#[derive(Clone, Debug)]
pub enum Transform<'a> {
    /// The commit's time.
    ServerTimestamp,
    /// The sum; integers saturate; double when either is.
    Increment(Number),
    /// The smaller.
    Minimum(Number),
    /// The larger.
    Maximum(Number),
    /// Appends the elements that are not there yet.
    ArrayUnion(&'a [Value]),
    /// Removes every copy of the elements.
    ArrayRemove(&'a [Value]),
    /// Removes the field.
    Delete,
}

impl<'a> Transform<'a> {
    /// The keys that write transforms.
    pub const NAMES: [&'static str; 7] = [
        "$serverTimestamp",
        "$increment",
        "$min",
        "$max",
        "$arrayUnion",
        "$arrayRemove",
        "$delete",
    ];

    /// Reads `{key: operand}`.
    ///
    /// # Errors
    /// What is wrong with the operand.
    pub fn from_entry(key: &str, operand: &'a Value) -> Result<Self, String> {
        let number =
            || Number::of(operand).ok_or_else(|| format!("{key}: the operand is not a number"));
        let elements = || match operand {
            Value::Array(elements) => Ok(elements.as_slice()),
            _ => Err(format!("{key}: the operand is not an array")),
        };
        let truth = |transform| match operand {
            Value::Bool(true) => Ok(transform),
            _ => Err(format!("{key}: the operand is not true")),
        };
        match key {
            "$serverTimestamp" => truth(Transform::ServerTimestamp),
            "$increment" => number().map(Transform::Increment),
            "$min" => number().map(Transform::Minimum),
            "$max" => number().map(Transform::Maximum),
            "$arrayUnion" => elements().map(Transform::ArrayUnion),
            "$arrayRemove" => elements().map(Transform::ArrayRemove),
            "$delete" => truth(Transform::Delete),
            _ => Err(format!("{key} is no transform")),
        }
    }

    /// The transform that a checked value is, if it is one.
    pub fn of(value: &'a Value) -> Option<Self> {
        let (key, operand) = dollar_entry(value.as_object()?)?;
        Transform::from_entry(key, operand).ok()
    }

    /// The field's new value, given its present one; `None` removes it.
    pub fn apply(&self, present: Option<&Value>, now: Timestamp) -> Option<Value> {
        let number = present.and_then(Number::of);
        match self {
            Transform::ServerTimestamp => Some(now.into()),
            Transform::Increment(by) => Some(number.map_or(*by, |number| add(number, *by)).into()),
            Transform::Minimum(operand) => Some(extreme(number, *operand, Ordering::Less)),
            Transform::Maximum(operand) => Some(extreme(number, *operand, Ordering::Greater)),
            Transform::ArrayUnion(elements) => {
                let there = present_array(present);
                let mut seen = set_of(there);
                let new = elements.iter().filter(|element| seen.insert(Ordered(element)));
                Some(there.iter().chain(new).cloned().collect())
            }
            Transform::ArrayRemove(elements) => {
                let removed = set_of(elements);
                let kept = present_array(present)
                    .iter()
                    .filter(|there| !removed.contains(&Ordered(there)));
                Some(kept.cloned().collect())
            }
            Transform::Delete => None,
        }
    }
}

fn present_array(present: Option<&Value>) -> &[Value] {
    match present.map(kind) {
        Some(Kind::Array(values)) => values,
        _ => &[],
    }
}

/// Filled one by one: collecting would sort, and a sort is a kilobyte of wasm for every type.
fn set_of(values: &[Value]) -> BTreeSet<Ordered<'_>> {
    let mut set = BTreeSet::new();
    set.extend(values.iter().map(Ordered));
    set
}

/// A value among others in their order: a set of them finds equal ones without trying all, which for a request's
/// worth of elements would take hours.
struct Ordered<'a>(&'a Value);

impl Ord for Ordered<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self.0, other.0)
    }
}

impl PartialOrd for Ordered<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ordered<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ordered<'_> {}

fn add(a: Number, b: Number) -> Number {
    match (a, b) {
        (Number::Integer(a), Number::Integer(b)) => Number::Integer(a.saturating_add(b)),
        _ => Number::Double(a.to_f64() + b.to_f64()),
    }
}

/// The operand when it is `wanted` (less or greater) than the present number or when either is NaN; else the present
/// number, which therefore keeps its type when the two are equal.
fn extreme(present: Option<Number>, operand: Number, wanted: Ordering) -> Value {
    let Some(present) = present else { return operand.into() };
    if present.to_f64().is_nan() || operand.to_f64().is_nan() {
        return Number::Double(f64::NAN).into();
    }
    if compare_numbers(operand, present) == wanted { operand.into() } else { present.into() }
}

/// `value` as it is stored when nothing was there before: its transforms are applied to missing fields. `None` when
/// the value itself is `$delete`.
pub fn resolve(value: Value, now: Timestamp) -> Option<Value> {
    if let Some(transform) = Transform::of(&value) {
        return transform.apply(None, now);
    }
    match value {
        Value::Object(map) => Some(Value::Object(resolve_map(map, now))),
        other => Some(other),
    }
}

/// As [`resolve`], for every field of a map.
pub fn resolve_map(map: Map, now: Timestamp) -> Map {
    let mut resolved = Map::new();
    resolved.extend(map.into_iter().filter_map(|(key, value)| Some((key, resolve(value, now)?))));
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn applied(transform: Value, present: Value) -> Value {
        let now = Timestamp::parse("2026-11-21T10:00:00.123Z").unwrap();
        Transform::of(&transform).unwrap().apply(Some(&present), now).unwrap_or(json!("<removed>"))
    }

    #[test]
    fn transforms_do_what_firestore_does() {
        let nan = || json!({"$number": "NaN"});
        for (transform, present, expected) in [
            (
                json!({"$serverTimestamp": true}),
                json!(1),
                json!({"$timestamp": "2026-11-21T10:00:00.123Z"}),
            ),
            (json!({"$increment": 2}), json!(3), json!(5)),
            (json!({"$increment": 2}), json!(0.5), json!(2.5)),
            (json!({"$increment": 0.5}), json!(2), json!(2.5)),
            (json!({"$increment": 2}), json!("x"), json!(2)),
            (json!({"$increment": 1}), json!(i64::MAX), json!(i64::MAX)),
            (json!({"$increment": -1}), json!(i64::MIN), json!(i64::MIN)),
            (json!({"$increment": 1}), nan(), nan()),
            (json!({"$increment": f64::MAX}), json!(f64::MAX), json!({"$number": "Infinity"})),
            (json!({"$min": 2}), json!(3), json!(2)),
            (json!({"$min": 3.0}), json!(3), json!(3)),
            (json!({"$max": 3.0}), json!(3), json!(3)),
            (json!({"$max": 3.5}), json!(3), json!(3.5)),
            (json!({"$max": 1}), json!(-0.0), json!(1)),
            (json!({"$max": 1}), nan(), nan()),
            (json!({"$min": nan()}), json!(1), nan()),
            (json!({"$max": 7}), json!(null), json!(7)),
            (json!({"$arrayUnion": [2, 3, 3, 1.0]}), json!([1, 2]), json!([1, 2, 3])),
            (json!({"$arrayUnion": [1]}), json!({"a": 1}), json!([1])),
            (json!({"$arrayRemove": [1.0, nan()]}), json!([1, 2, 1, nan()]), json!([2])),
            (json!({"$arrayRemove": [1]}), json!("x"), json!([])),
            (json!({"$delete": true}), json!(1), json!("<removed>")),
        ] {
            assert_eq!(
                applied(transform.clone(), present.clone()),
                expected,
                "{transform} on {present}"
            );
        }
    }

    #[test]
    fn a_bad_operand_is_refused() {
        for (key, operand) in [
            ("$serverTimestamp", json!(false)),
            ("$increment", json!("1")),
            ("$min", json!(null)),
            ("$max", json!([1])),
            ("$arrayUnion", json!(1)),
            ("$arrayRemove", json!({"a": 1})),
            ("$delete", json!(1)),
            ("$nothing", json!(1)),
        ] {
            assert!(Transform::from_entry(key, &operand).is_err(), "{key}");
        }
    }
}
