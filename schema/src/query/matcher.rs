//! What a query says of one document, and of two.

use super::order_by::compare_documents;
use super::{Field, Order, Query, field};
use crate::path::DocumentPath;
use crate::value::Map;
use std::cmp::Ordering;

/// A query that is ready for many documents: its whole order is worked out once.
#[derive(Clone, Debug, PartialEq)]
pub struct Matcher {
    query: Query,
    orders: Vec<Order>,
    rest: Vec<Order>,
}

impl Matcher {
    /// Makes the query ready.
    pub fn new(query: Query) -> Self {
        let (orders, rest) = query.split_orders();
        Matcher { query, orders, rest }
    }

    /// The query.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// As [`Query::orders`].
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// As [`Query::matches`].
    pub fn matches(&self, path: &DocumentPath, data: &Map) -> bool {
        self.query.admits(path, data) && has(&self.orders, data) && has(&self.rest, data)
    }

    /// As [`Query::in_bounds`].
    pub fn in_bounds(&self, path: &DocumentPath, data: &Map) -> bool {
        self.query.bounds(&self.orders, path, data)
    }

    /// As [`Query::compare`].
    pub fn compare(&self, a: (&DocumentPath, &Map), b: (&DocumentPath, &Map)) -> Ordering {
        compare_documents(&self.orders, a, b)
    }
}

/// Each of these works out the whole order; [`Matcher`] does it once.
impl Query {
    /// Whether the document is one that the query asks for: it is where the query looks, the filter holds, and it has
    /// every field that the query orders by, those of inequalities included, also of one in a branch of an `or` that does
    /// not hold (Firestore's SDK: `queryMatchesOrderBy`). Cursors and limits are not looked at.
    pub fn matches(&self, path: &DocumentPath, data: &Map) -> bool {
        self.admits(path, data) && {
            let (orders, rest) = self.split_orders();
            has(&orders, data) && has(&rest, data)
        }
    }

    /// Whether the document lies between the cursors. One that lacks a field of a cursor does not.
    pub fn in_bounds(&self, path: &DocumentPath, data: &Map) -> bool {
        if self.start.is_none() && self.end.is_none() {
            return true;
        }
        self.bounds(&self.orders(), path, data)
    }

    /// Compares two documents in the whole order, so that two of different paths are never equal. Documents that the
    /// query does not match are in some order too.
    pub fn compare(&self, a: (&DocumentPath, &Map), b: (&DocumentPath, &Map)) -> Ordering {
        compare_documents(&self.orders(), a, b)
    }

    fn admits(&self, path: &DocumentPath, data: &Map) -> bool {
        self.from.contains(path)
            && self.filter.as_ref().is_none_or(|filter| filter.matches(path, data))
    }

    fn bounds(&self, orders: &[Order], path: &DocumentPath, data: &Map) -> bool {
        self.start.as_ref().is_none_or(|start| start.starts_before(orders, path, data))
            && self.end.as_ref().is_none_or(|end| end.ends_after(orders, path, data))
    }
}

/// Whether the document has every field of the orders.
fn has(orders: &[Order], data: &Map) -> bool {
    orders.iter().all(|order| match &order.field {
        Field::Name => true,
        Field::Path(path) => field(data, path).is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{data, documents, path, queries, query};
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn a_document_has_what_the_query_orders_by() {
        let less = json!({"field": "a", "op": "<", "value": 5});
        let or = json!({"or": [{"field": "b", "op": "==", "value": 1}, less]});
        let both = json!({"a": 1, "b": 1});
        for (keys, document, matches) in [
            (json!({}), json!({}), true),
            (json!({"orderBy": [{"field": "a"}]}), json!({"b": 1}), false),
            (json!({"orderBy": [{"field": "a"}]}), json!({"a": null}), true),
            (json!({"orderBy": [{"field": "a.b"}]}), json!({"a": {"$ref": "x/y"}}), false),
            (json!({"orderBy": [{"field": "a"}, {"field": "b"}]}), json!({"a": 1}), false),
            (json!({"orderBy": [{"field": "a"}, {"field": "b"}]}), both.clone(), true),
            // Also one of an inequality in the branch that does not hold.
            (json!({"where": or}), json!({"b": 1}), false),
            (json!({"where": or}), json!({"b": 1, "a": "x"}), true),
            (json!({"where": or}), json!({"b": 2, "a": 1}), true),
            (json!({"where": or}), json!({"b": 2, "a": 5}), false),
            // Also one that sorts nothing.
            (json!({"orderBy": [{"field": "__name__"}, {"field": "a"}]}), json!({"b": 1}), false),
            (json!({"orderBy": [{"field": "__name__"}, {"field": "a"}]}), json!({"a": 1}), true),
            (json!({"where": or, "orderBy": [{"field": "__name__"}]}), json!({"b": 1}), false),
            (json!({"where": or, "orderBy": [{"field": "__name__"}]}), both, true),
            // Cursors and limits are not looked at.
            (json!({"startAt": ["z"], "offset": 7}), json!({}), true),
        ] {
            assert_eq!(
                query(keys.clone()).matches(&path("c/1"), &data(document)),
                matches,
                "{keys}"
            );
        }
        assert!(!query(json!({})).matches(&path("d/1"), &Map::new()));
        assert!(!query(json!({})).matches(&path("c/1/c/1"), &Map::new()));
    }

    #[test]
    fn both_forms_of_a_query_carry_it() {
        let keys = json!({"orderBy": [{"field": "a", "direction": "desc"}], "limit": 3});
        let query = query(keys);
        let matcher = Matcher::new(query.clone());
        assert_eq!((matcher.query(), matcher.orders()), (&query, query.orders().as_slice()));
        assert_eq!(query.orders().len(), 2);
        let data: Value = json!({"a": 1});
        assert!(matcher.matches(&path("c/1"), data.as_object().unwrap()));
    }

    proptest! {
        #[test]
        fn a_matcher_says_what_its_query_says(query in queries(), a in documents(), b in documents()) {
            let matcher = Matcher::new(query.clone());
            let (a, b) = ((&a.0, &a.1), (&b.0, &b.1));
            prop_assert_eq!(matcher.matches(a.0, a.1), query.matches(a.0, a.1));
            prop_assert_eq!(matcher.in_bounds(a.0, a.1), query.in_bounds(a.0, a.1));
            prop_assert_eq!(matcher.compare(a, b), query.compare(a, b));
        }
    }
}
