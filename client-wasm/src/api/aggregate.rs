//! What can be computed over a query's documents.

use blaze_schema::value::typed;
use serde_json::Value;

/// One computation over all documents of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// How many there are.
    Count,
    /// The sum of a field's numbers; 0 of none.
    Sum(String),
    /// The average of a field's numbers; `null` of none.
    Average(String),
}

/// How many documents there are.
pub fn count() -> Aggregate {
    Aggregate::Count
}

/// The sum of a field's numbers.
pub fn sum(field: &str) -> Aggregate {
    Aggregate::Sum(field.to_owned())
}

/// The average of a field's numbers.
pub fn average(field: &str) -> Aggregate {
    Aggregate::Average(field.to_owned())
}

impl Aggregate {
    /// As it is written in a request: `"count"`, `{"sum":"price"}`, `{"avg":"price"}`.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Aggregate::Count => Value::from("count"),
            Aggregate::Sum(field) => typed("sum", Value::from(field.as_str())),
            Aggregate::Average(field) => typed("avg", Value::from(field.as_str())),
        }
    }
}
