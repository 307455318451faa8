//! Which documents a query wants.

use super::Field;
use crate::path::DocumentPath;
use crate::value::{Map, Number, kind};
use crate::value_order::{compare, equal, type_order};
use serde_json::Value;
use std::cmp::Ordering;

/// A condition on a document.
#[derive(Clone, Debug, PartialEq, Hash)]
pub enum Filter {
    /// All hold.
    And(Vec<Filter>),
    /// At least one holds.
    Or(Vec<Filter>),
    /// One field compares as it should.
    Field(FieldFilter),
}

/// `{"field","op","value"}`
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct FieldFilter {
    /// The field.
    pub field: Field,
    /// How it is compared.
    pub op: Operator,
    /// With what; an array for `in`, `not-in` and `array-contains-any`. For [`Field::Name`], `{"$ref":path}` (or an array
    /// of these).
    pub value: Value,
}

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `in`
    In,
    /// `not-in`
    NotIn,
    /// `array-contains`
    ArrayContains,
    /// `array-contains-any`
    ArrayContainsAny,
}

impl Operator {
    /// Every operator.
    pub const ALL: [Operator; 10] = [
        Operator::Equal,
        Operator::NotEqual,
        Operator::Less,
        Operator::LessOrEqual,
        Operator::Greater,
        Operator::GreaterOrEqual,
        Operator::In,
        Operator::NotIn,
        Operator::ArrayContains,
        Operator::ArrayContainsAny,
    ];

    /// The operator as it is written in a query.
    pub fn as_str(self) -> &'static str {
        match self {
            Operator::Equal => "==",
            Operator::NotEqual => "!=",
            Operator::Less => "<",
            Operator::LessOrEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterOrEqual => ">=",
            Operator::In => "in",
            Operator::NotIn => "not-in",
            Operator::ArrayContains => "array-contains",
            Operator::ArrayContainsAny => "array-contains-any",
        }
    }

    /// The operator that is written as `text`.
    pub fn parse(text: &str) -> Option<Self> {
        Operator::ALL.into_iter().find(|operator| operator.as_str() == text)
    }

    /// Whether the operator orders the query by its field (Firestore: inequality).
    pub fn is_inequality(self) -> bool {
        match self {
            Operator::NotEqual
            | Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual
            | Operator::NotIn => true,
            Operator::Equal
            | Operator::In
            | Operator::ArrayContains
            | Operator::ArrayContainsAny => false,
        }
    }

    /// Whether the operator compares with an array of values.
    pub fn takes_values(self) -> bool {
        matches!(self, Operator::In | Operator::NotIn | Operator::ArrayContainsAny)
    }
}

impl Filter {
    /// Whether the condition holds for the document.
    pub fn matches(&self, path: &DocumentPath, data: &Map) -> bool {
        match self {
            Filter::And(filters) => filters.iter().all(|filter| filter.matches(path, data)),
            Filter::Or(filters) => filters.iter().any(|filter| filter.matches(path, data)),
            Filter::Field(filter) => filter.matches(filter.field.value(path, data).as_deref()),
        }
    }

    /// Looks at every condition on a field, from left to right.
    pub fn for_each<'a>(&'a self, look: &mut dyn FnMut(&'a FieldFilter)) {
        match self {
            Filter::And(filters) | Filter::Or(filters) => {
                for filter in filters {
                    filter.for_each(look);
                }
            }
            Filter::Field(filter) => look(filter),
        }
    }
}

impl FieldFilter {
    /// Whether a document with this value of the field (`None`: without the field) is wanted. The rules are Firestore's
    /// (js SDK, `src/core/filter.ts`, and what its `test/integration/api/query.test.ts` shows of the server):
    ///
    /// - a missing field is never wanted;
    /// - values of another type than the filter's are neither below nor above it; NaN is the smallest number;
    /// - `==` compares by value, null and NaN too;
    /// - `!=` and `not-in` do not want null; `not-in` with a null wants nothing;
    /// - a null or NaN is never `in`, and no array contains it.
    pub fn matches(&self, value: Option<&Value>) -> bool {
        let Some(there) = value else { return false };
        match self.op {
            Operator::Equal => equal(there, &self.value),
            Operator::NotEqual => !there.is_null() && !equal(there, &self.value),
            Operator::Less => self.in_type(there, Ordering::is_lt),
            Operator::LessOrEqual => self.in_type(there, Ordering::is_le),
            Operator::Greater => self.in_type(there, Ordering::is_gt),
            Operator::GreaterOrEqual => self.in_type(there, Ordering::is_ge),
            Operator::In => is_among(there, self.values()),
            Operator::NotIn => {
                let values = self.values();
                !there.is_null()
                    && !values.iter().any(|value| value.is_null() || equal(value, there))
            }
            Operator::ArrayContains => is_among(&self.value, elements(there)),
            Operator::ArrayContainsAny => {
                elements(there).iter().any(|element| is_among(element, self.values()))
            }
        }
    }

    fn values(&self) -> &[Value] {
        elements(&self.value)
    }

    /// Whether a value of the filter's type compares with it so.
    fn in_type(&self, there: &Value, wanted: fn(Ordering) -> bool) -> bool {
        type_order(&kind(there)) == type_order(&kind(&self.value))
            && wanted(compare(there, &self.value))
    }
}

/// The elements of an array; none of anything else.
fn elements(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        _ => &[],
    }
}

/// Whether `value` equals one of `values`; null and NaN equal nothing here.
fn is_among(value: &Value, values: &[Value]) -> bool {
    let is_nan = matches!(Number::of(value), Some(Number::Double(double)) if double.is_nan());
    !value.is_null() && !is_nan && values.iter().any(|other| equal(value, other))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{data, path, query};
    use super::*;
    use serde_json::json;

    /// Values that a field has in turn; the first place of a row in the tables below belongs to the first of these.
    fn there() -> Vec<Option<Value>> {
        let nan = json!({"$number": "NaN"});
        vec![
            None,
            Some(json!(null)),
            Some(json!(false)),
            Some(nan.clone()),
            Some(json!({"$number": "-Infinity"})),
            Some(json!(1)),
            Some(json!(1.0)),
            Some(json!(2)),
            Some(json!("1")),
            Some(json!([1, 2])),
            Some(json!([null])),
            Some(json!([nan])),
            Some(json!({"a": 1})),
        ]
    }

    /// Every value beside whether the filter wants it, as a row of the tables: `.` for no, another character for yes.
    fn wanted(op: &str, value: &Value) -> String {
        let op = Operator::parse(op).unwrap();
        let field = Field::parse("f").unwrap();
        let filter = FieldFilter { field, op, value: value.clone() };
        let letters = "-nfNI1d2s[0@{".chars();
        let row = there().into_iter().zip(letters);
        row.map(|(there, letter)| if filter.matches(there.as_ref()) { letter } else { '.' })
            .collect()
    }

    #[test]
    fn every_operator_wants_what_firestore_wants() {
        let nan = json!({"$number": "NaN"});
        for (op, value, row) in [
            // By value; null and NaN too.
            ("==", json!(null), ".n..........."),
            ("==", nan.clone(), "...N........."),
            ("==", json!(1), ".....1d......"),
            ("==", json!(1.0), ".....1d......"),
            ("==", json!("1"), "........s...."),
            ("==", json!([1.0, 2]), ".........[..."),
            ("==", json!([null]), "..........0.."),
            ("==", json!([nan]), "...........@."),
            ("==", json!({"a": 1.0}), "............{"),
            // What is there and not null.
            ("!=", json!(null), "..fNI1d2s[0@{"),
            ("!=", nan.clone(), "..f.I1d2s[0@{"),
            ("!=", json!(1), "..fNI..2s[0@{"),
            ("!=", json!([null]), "..fNI1d2s[.@{"),
            // One type only; NaN is the smallest number.
            ("<", json!(2), "...NI1d......"),
            ("<=", json!(1), "...NI1d......"),
            (">", json!(1), ".......2....."),
            (">=", json!(1.0), ".....1d2....."),
            ("<", nan.clone(), "............."),
            ("<=", nan.clone(), "...N........."),
            (">", nan.clone(), "....I1d2....."),
            (">=", nan.clone(), "...NI1d2....."),
            ("<", json!(null), "............."),
            ("<=", json!(null), ".n..........."),
            (">=", json!(null), ".n..........."),
            (">", json!(null), "............."),
            ("<", json!(true), "..f.........."),
            (">", json!("0"), "........s...."),
            (">=", json!([]), ".........[0@."),
            (">", json!([null]), ".........[.@."),
            ("<=", json!({"a": 1}), "............{"),
            ("<", json!({"$timestamp": "2026-11-21T10:00:00Z"}), "............."),
            // Null and NaN are in nothing, and hinder nothing.
            ("in", json!([null]), "............."),
            ("in", json!([nan]), "............."),
            ("in", json!([null, 1, nan]), ".....1d......"),
            ("in", json!(["1", [1, 2], {"a": 1}]), "........s[..{"),
            ("in", json!([[null], [nan]]), "..........0@."),
            // With a null there is nothing that is certainly not in it.
            ("not-in", json!([1]), "..fNI..2s[0@{"),
            ("not-in", json!([nan]), "..f.I1d2s[0@{"),
            ("not-in", json!([nan, 1]), "..f.I..2s[0@{"),
            ("not-in", json!([null]), "............."),
            ("not-in", json!([1, null]), "............."),
            ("not-in", json!([[null]]), "..fNI1d2s[.@{"),
            ("array-contains", json!(1), ".........[..."),
            ("array-contains", json!(2.0), ".........[..."),
            ("array-contains", json!(3), "............."),
            ("array-contains", json!(null), "............."),
            ("array-contains", nan.clone(), "............."),
            ("array-contains-any", json!([0, 2.0]), ".........[..."),
            ("array-contains-any", json!([null, nan]), "............."),
            ("array-contains-any", json!([null, nan, 1]), ".........[..."),
        ] {
            assert_eq!(wanted(op, &value), row, "{op} {value}");
        }
    }

    #[test]
    fn elements_are_compared_whole() {
        let filter = |op: &str, value: Value| FieldFilter {
            field: Field::parse("f").unwrap(),
            op: Operator::parse(op).unwrap(),
            value,
        };
        let there = json!([41, "42", {"a": 42}, [42], {"$ref": "a/b"}]);
        for (value, found) in [
            (json!(42), false),
            (json!("42"), true),
            (json!({"a": 42.0}), true),
            (json!({"a": 42, "b": 1}), false),
            (json!([42]), true),
            (json!({"$ref": "a/b"}), true),
            (json!({"$ref": "a/c"}), false),
        ] {
            assert_eq!(
                filter("array-contains", value.clone()).matches(Some(&there)),
                found,
                "{value}"
            );
            let any = filter("array-contains-any", json!([0, value]));
            assert_eq!(any.matches(Some(&there)), found);
        }
    }

    #[test]
    fn names_compare_as_paths() {
        // `!` comes before `/`, but a path ends before its children begin.
        let ascending = ["c/a", "c/a!", "c/b"];
        for (op, value, wanted) in [
            ("==", json!("a"), vec!["c/a"]),
            ("!=", json!("a"), vec!["c/a!", "c/b"]),
            ("<", json!("a!"), vec!["c/a"]),
            ("<=", json!("c/a!"), vec!["c/a", "c/a!"]),
            (">", json!({"$ref": "c/a/d/e"}), vec!["c/a!", "c/b"]),
            (">=", json!({"$ref": "d/a"}), vec![]),
            ("in", json!(["b", "a", "z"]), vec!["c/a", "c/b"]),
            ("not-in", json!(["b"]), vec!["c/a", "c/a!"]),
        ] {
            let query = query(json!({"where": {"field": "__name__", "op": op, "value": value}}));
            let filter = query.filter.unwrap();
            let found =
                ascending.into_iter().filter(|name| filter.matches(&path(name), &Map::new()));
            assert_eq!(found.collect::<Vec<_>>(), wanted, "{op} {value}");
        }
    }

    #[test]
    fn and_wants_all_and_or_wants_one() {
        let data = data(json!({"a": 1, "b": 2}));
        let holds = |filter: Value| {
            query(json!({ "where": filter })).filter.unwrap().matches(&path("c/1"), &data)
        };
        let (yes, no) = (
            json!({"field": "a", "op": "==", "value": 1}),
            json!({"field": "b", "op": "==", "value": 1}),
        );
        assert!(holds(json!({"and": [yes, yes]})));
        assert!(!holds(json!({"and": [yes, no]})));
        assert!(holds(json!({"or": [no, yes]})));
        assert!(!holds(json!({"or": [no, no]})));
        assert!(holds(json!({"and": [{"or": [no, yes]}, {"and": [yes]}]})));
    }

    #[test]
    fn filters_are_looked_at_from_left_to_right() {
        let leaf = |n: i64| json!({"field": "a", "op": "==", "value": n});
        let filter = json!({"and": [leaf(1), {"or": [leaf(2), {"and": [leaf(3)]}]}, leaf(4)]});
        let query = query(json!({ "where": filter }));
        let mut seen = Vec::new();
        query.filter.unwrap().for_each(&mut |filter| seen.push(filter.value.as_i64().unwrap()));
        assert_eq!(seen, [1, 2, 3, 4]);
    }

    #[test]
    fn an_operator_is_read_as_it_is_written() {
        for op in Operator::ALL {
            assert_eq!(Operator::parse(op.as_str()), Some(op));
        }
        for bad in ["=", "===", "IN", "not in", ""] {
            assert_eq!(Operator::parse(bad), None);
        }
        let names = |which: fn(Operator) -> bool| {
            Operator::ALL
                .into_iter()
                .filter(|op| which(*op))
                .map(Operator::as_str)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(Operator::is_inequality), ["!=", "<", "<=", ">", ">=", "not-in"]);
        assert_eq!(names(Operator::takes_values), ["in", "not-in", "array-contains-any"]);
    }
}
