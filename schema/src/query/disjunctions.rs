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

#[cfg(test)]
mod tests {
    use super::super::testing::{documents, filters, query};
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn leaf(field: &str) -> Value {
        json!({"field": field, "op": "==", "value": 1})
    }

    /// The normal form as text: fields beside each other, disjunctions with `|` between.
    fn normal_form(filter: &Value) -> String {
        let query = query(json!({ "where": filter }));
        let disjunctions = query.disjunctions();
        let disjunctions = disjunctions.iter().map(|filters| {
            filters.iter().map(|filter| filter.field.to_string()).collect::<String>()
        });
        disjunctions.collect::<Vec<_>>().join("|")
    }

    #[test]
    fn and_is_distributed_over_or() {
        let [a, b, c, d] = ["a", "b", "c", "d"].map(leaf);
        let many = json!({"field": "m", "op": "in", "value": [1, 2, 3]});
        for (filter, form) in [
            (a.clone(), "a"),
            (json!({"and": [a, b, c]}), "abc"),
            (json!({"or": [a, b, c]}), "a|b|c"),
            (json!({"and": [a, {"or": [b, c]}]}), "ab|ac"),
            (json!({"and": [{"or": [a, b]}, {"or": [c, d]}]}), "ac|ad|bc|bd"),
            (json!({"or": [{"and": [a, b]}, {"and": [c, {"or": [d, a]}]}]}), "ab|cd|ca"),
            (json!({"and": [{"and": [a, {"and": [b]}]}, {"or": [{"or": [c]}]}]}), "abc"),
            (json!({"and": [many, {"or": [a, b]}]}), "ma|mb"),
        ] {
            assert_eq!(normal_form(&filter), form, "{filter}");
        }
        assert_eq!(query(json!({})).disjunctions(), vec![Vec::<&FieldFilter>::new()]);
    }

    #[test]
    fn values_count_as_disjunctions() {
        let values =
            |op: &str, count: usize| json!({"field": "a", "op": op, "value": vec![1; count]});
        for (filter, count) in [
            (leaf("a"), 1),
            (values("in", 7), 7),
            (values("array-contains-any", 7), 7),
            (values("not-in", 7), 1),
            (json!({"field": "a", "op": "==", "value": [1, 2]}), 1),
            (json!({"and": [values("in", 5), values("in", 6)]}), 30),
            (json!({"or": [values("in", 5), values("in", 6), leaf("a")]}), 12),
            (json!({"and": [values("in", 5), {"or": [leaf("a"), values("in", 2)]}]}), 15),
        ] {
            let query = query(json!({ "where": filter }));
            assert_eq!(query.filter.unwrap().disjunction_count(), count, "{filter}");
        }
    }

    #[test]
    fn too_many_are_counted_and_never_built() {
        let field = query(json!({"where": leaf("a")})).filter.unwrap();
        let or = |count: usize| Filter::Or(vec![field.clone(); count]);
        assert_eq!(or(QUERY_DISJUNCTIONS).disjunctions().map(|form| form.len()), Some(30));
        assert_eq!(or(QUERY_DISJUNCTIONS + 1).disjunctions(), None);
        // Nobody could hold these.
        let explosion = Filter::And(vec![or(10); 100]);
        assert_eq!(explosion.disjunction_count(), usize::MAX);
        assert_eq!(explosion.disjunctions(), None);
        let mut unchecked = query(json!({}));
        unchecked.filter = Some(explosion);
        assert_eq!(unchecked.disjunctions(), Vec::<Vec<&FieldFilter>>::new());
    }

    proptest! {
        #[test]
        fn the_normal_form_wants_the_same_documents(filter in filters(), document in documents()) {
            let (path, data) = &document;
            let Some(disjunctions) = filter.disjunctions() else {
                prop_assert!(filter.disjunction_count() > QUERY_DISJUNCTIONS);
                return Ok(());
            };
            prop_assert!(disjunctions.len() <= filter.disjunction_count());
            let holds = |filter: &&FieldFilter| filter.matches(filter.field.value(path, data).as_deref());
            let any = disjunctions.iter().any(|filters| filters.iter().all(holds));
            prop_assert_eq!(any, filter.matches(path, data));
        }
    }
}
