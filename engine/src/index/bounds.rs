//! The ranges of a field's keys that its filters leave.

use super::key::{AFTER_NULL, Precision, VALUES_END, after_prefix, push_indexed, type_bounds};
use blaze_schema::query::{FieldFilter, Operator};
use blaze_schema::value::{Kind, kind};
use serde_json::Value;

/// Disjoint ranges in ascending order, each from its first bytes to the first beyond it.
pub(crate) type Ranges = Vec<Span>;

/// The first bytes of a range, and the first beyond it.
pub(crate) type Span = (Vec<u8>, Vec<u8>);

/// What the filters on one field leave of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bounds {
    /// The ranges.
    pub(crate) ranges: Ranges,
    /// Whether every value in the ranges passes the filters; else the documents must be looked at.
    pub(crate) exact: bool,
    /// The values that equality leaves; `None` when a range is left.
    pub(crate) points: Option<Vec<Value>>,
}

impl Bounds {
    /// What is left by filters on one field. Those on the elements of an array are not for these keys.
    pub(crate) fn of<'a>(filters: impl Iterator<Item = &'a FieldFilter>) -> Self {
        let mut bounds =
            Bounds { ranges: vec![(vec![0], vec![VALUES_END])], exact: true, points: None };
        for filter in filters {
            bounds.narrow(filter);
        }
        bounds
    }

    fn narrow(&mut self, filter: &FieldFilter) {
        let (ranges, exact) = match filter.op {
            Operator::Equal => self.equality(std::slice::from_ref(&filter.value)),
            Operator::In => {
                let wanted: Vec<Value> =
                    elements(filter).filter(|value| is_comparable(value)).cloned().collect();
                self.equality(&wanted)
            }
            Operator::NotEqual => all_but(std::slice::from_ref(&filter.value)),
            Operator::NotIn if elements(filter).any(Value::is_null) => (Vec::new(), true),
            Operator::NotIn => all_but(filter.value.as_array().map_or(&[], Vec::as_slice)),
            Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => comparison(filter.op, &filter.value),
            Operator::ArrayContains | Operator::ArrayContainsAny => {
                (vec![(vec![0], vec![VALUES_END])], false)
            }
        };
        self.ranges = intersection(&self.ranges, &ranges);
        self.exact &= exact;
    }

    fn equality(&mut self, values: &[Value]) -> (Ranges, bool) {
        let mut points: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut exact = true;
        for value in values {
            let (key, precision) = indexed(value);
            exact &= precision == Precision::Exact;
            let after = after_prefix(&key);
            points.push((key, after));
        }
        points.sort();
        points.dedup();
        // With two equalities the ranges say which of the points are left.
        self.points = Some(values.to_vec());
        (points, exact)
    }

    /// The values that equality leaves, each with its range, where a range holds one value only.
    pub(crate) fn single_values(&self) -> Option<Vec<(Value, Span)>> {
        let points = self.points.as_ref()?;
        let mut found = Vec::new();
        for range in &self.ranges {
            let value = points.iter().find(|value| indexed(value).0 == range.0)?;
            found.push((value.clone(), range.clone()));
        }
        Some(found)
    }
}

/// A value's key in an index entry.
pub(crate) fn indexed(value: &Value) -> (Vec<u8>, Precision) {
    let mut key = Vec::new();
    let precision = push_indexed(&mut key, value);
    (key, precision)
}

/// The elements of a filter that has several.
pub(crate) fn elements(filter: &FieldFilter) -> impl Iterator<Item = &Value> {
    filter.value.as_array().into_iter().flatten()
}

/// Whether `in` can find a value: null and NaN it does not.
fn is_comparable(value: &Value) -> bool {
    super::entries::is_findable(value)
}

fn all_but(values: &[Value]) -> (Ranges, bool) {
    let mut ranges = vec![(vec![AFTER_NULL], vec![VALUES_END])];
    let mut exact = true;
    for value in values {
        let (key, precision) = indexed(value);
        match precision {
            Precision::Exact => {
                let after = after_prefix(&key);
                let around = [(vec![0], key), (after, vec![VALUES_END])];
                ranges = intersection(&ranges, &around);
            }
            Precision::Inexact => exact = false,
        }
    }
    (ranges, exact)
}

fn comparison(op: Operator, value: &Value) -> (Ranges, bool) {
    let (start, end) = type_bounds(value);
    let (key, precision) = indexed(value);
    let exact = precision == Precision::Exact;
    let after = after_prefix(&key);
    // Values that share an inexact key may be on either side.
    let range = match op {
        Operator::Less if exact => (vec![start], key),
        Operator::Less | Operator::LessOrEqual => (vec![start], after),
        Operator::Greater if exact => (after, vec![end]),
        _ => (key, vec![end]),
    };
    // Nothing is greater than null, and it has no range of its own to speak of.
    debug_assert!(!matches!(kind(value), Kind::Null) || range.0.len() <= 1);
    (vec![range], exact)
}

/// What two lists of ranges have in common.
pub(crate) fn intersection(left: &[(Vec<u8>, Vec<u8>)], right: &[(Vec<u8>, Vec<u8>)]) -> Ranges {
    let mut common = Vec::new();
    for (start, end) in left {
        for (other_start, other_end) in right {
            let (start, end) = (start.max(other_start), end.min(other_end));
            if start < end {
                common.push((start.clone(), end.clone()));
            }
        }
    }
    common
}

/// The ranges of the same values where keys are turned round.
pub(crate) fn inverted(ranges: &Ranges) -> Ranges {
    let turned = |bound: &[u8]| {
        let flipped: Vec<u8> = bound.iter().map(|byte| !byte).collect();
        after_prefix(&flipped)
    };
    ranges.iter().rev().map(|(start, end)| (turned(end), turned(start))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use blaze_schema::field_path::FieldPath;
    use blaze_schema::query::Field;
    use serde_json::json;

    fn filter(op: Operator, value: Value) -> FieldFilter {
        FieldFilter { field: Field::Path(FieldPath::parse("f").unwrap()), op, value }
    }

    fn samples() -> Vec<Value> {
        let long = "x".repeat(1_600);
        vec![
            json!(null),
            json!(false),
            json!(true),
            json!({"$number": "NaN"}),
            json!(-1),
            json!(0),
            json!(1.5),
            json!(""),
            json!("a"),
            json!("ab"),
            json!(long.clone()),
            json!(format!("{long}y")),
            json!({"$bytes": "AA=="}),
            json!({"$ref": "a/b"}),
            json!([]),
            json!([1]),
            json!({"k": 1}),
        ]
    }

    /// Whatever the filters let pass is in the ranges, and nothing else where they are exact; also turned round.
    #[test]
    fn ranges_hold_what_passes() {
        use Operator::*;
        let values = samples();
        let mut filters: Vec<FieldFilter> = Vec::new();
        for op in [Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual] {
            filters.extend(values.iter().map(|value| filter(op, value.clone())));
        }
        for op in [In, NotIn] {
            for pair in values.windows(2) {
                filters.push(filter(op, Value::from(pair.to_vec())));
            }
        }
        for (number, one) in filters.iter().enumerate() {
            for two in [one, &filters[(number * 7 + 3) % filters.len()]] {
                let bounds = Bounds::of([one, two].into_iter());
                let turned = inverted(&bounds.ranges);
                for value in &values {
                    let passes = one.matches(Some(value)) && two.matches(Some(value));
                    let (mut key, precision) = indexed(value);
                    let within = |ranges: &Ranges, key: &[u8]| {
                        ranges
                            .iter()
                            .any(|(start, end)| start.as_slice() <= key && key < end.as_slice())
                    };
                    let is_in = within(&bounds.ranges, &key);
                    key.push(7);
                    assert_eq!(within(&bounds.ranges, &key), is_in, "what follows does not matter");
                    super::super::key::invert(&mut key, 0);
                    assert_eq!(within(&turned, &key), is_in, "turned: {one:?} {two:?} {value}");
                    assert!(is_in || !passes, "{one:?} {two:?} lose {value}");
                    let exact = bounds.exact && precision == Precision::Exact;
                    assert!(passes || !is_in || !exact, "{one:?} {two:?} do not keep out {value}");
                }
            }
        }
    }
}
