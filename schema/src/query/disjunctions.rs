//! A filter as an `or` of `and`s: each of these one range of an index can serve.

use super::{FieldFilter, Filter, Operator, Query};
use crate::limits::QUERY_DISJUNCTIONS;
use serde_json::Value;

impl Filter {
    /// How many disjunctions the filter has in disjunctive normal form, counted as Firestore does: an `in` or
    /// `array-contains-any` is an `or` of its values.
    pub fn disjunction_count(&self) -> usize {
        match self {
            Filter::And(filters) => filters
                .iter()
                .fold(1, |count, filter| count.saturating_mul(filter.disjunction_count())),
            Filter::Or(filters) => filters
                .iter()
                .fold(0, |count, filter| count.saturating_add(filter.disjunction_count())),
            Filter::Field(filter) => match (filter.op, &filter.value) {
                (Operator::In | Operator::ArrayContainsAny, Value::Array(values)) => {
                    values.len().max(1)
                }
                _ => 1,
            },
        }
    }

    /// The filter in disjunctive normal form: it holds where all conditions of one of these hold. `in` and
    /// `array-contains-any` stay as they are. `None` when [`Filter::disjunction_count`] is more than
    /// [`QUERY_DISJUNCTIONS`], which is found out before anything is built.
    pub fn disjunctions(&self) -> Option<Vec<Vec<&FieldFilter>>> {
        (self.disjunction_count() <= QUERY_DISJUNCTIONS).then(|| self.build())
    }

    fn build(&self) -> Vec<Vec<&FieldFilter>> {
        match self {
            Filter::And(filters) => filters.iter().fold(vec![Vec::new()], |left, filter| {
                let right = filter.build();
                let pairs = left.iter().flat_map(|left| {
                    right.iter().map(move |right| [left.as_slice(), right.as_slice()].concat())
                });
                pairs.collect()
            }),
            Filter::Or(filters) => filters.iter().flat_map(Filter::build).collect(),
            Filter::Field(filter) => vec![vec![filter]],
        }
    }
}

impl Query {
    /// As [`Filter::disjunctions`]: one without conditions when there is no filter. A query that was not checked, and has
    /// too many, has none here.
    pub fn disjunctions(&self) -> Vec<Vec<&FieldFilter>> {
        match &self.filter {
            Some(filter) => filter.disjunctions().unwrap_or_default(),
            None => vec![Vec::new()],
        }
    }
}
