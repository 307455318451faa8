//! Which documents a query wants.

use super::Field;
use crate::order::{compare, equal, type_order};
use crate::path::DocumentPath;
use crate::value::{Map, Number, kind};
use serde_json::Value;
use std::cmp::Ordering;

/// A condition on a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// All hold.
    And(Vec<Filter>),
    /// At least one holds.
    Or(Vec<Filter>),
    /// One field compares as it should.
    Field(FieldFilter),
}

/// `{"field","op","value"}`
#[derive(Clone, Debug, PartialEq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
