//! Where a query's result starts or ends.

use super::{Field, Order, field};
use crate::path::DocumentPath;
use crate::value::{Kind, Map, kind};
use crate::value_order::{compare, compare_paths};
use serde_json::Value;
use std::cmp::Ordering;

/// A place in the order of a query's documents: between two of them.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct Cursor {
    /// Values of the first of the query's orders, at least one. A value of `__name__` is `{"$ref":path}`.
    pub values: Vec<Value>,
    /// Whether documents that have just these values are on the inner side: `startAt`, `endAt`; not so `startAfter`,
    /// `endBefore`.
    pub inclusive: bool,
}

impl Cursor {
    /// Whether the document is not before this start.
    pub(super) fn starts_before(&self, orders: &[Order], path: &DocumentPath, data: &Map) -> bool {
        self.admits(orders, path, data, Ordering::Greater)
    }

    /// Whether the document is not after this end.
    pub(super) fn ends_after(&self, orders: &[Order], path: &DocumentPath, data: &Map) -> bool {
        self.admits(orders, path, data, Ordering::Less)
    }

    /// Whether the document lies to the `inner` side. One that lacks an ordered field lies nowhere.
    fn admits(&self, orders: &[Order], path: &DocumentPath, data: &Map, inner: Ordering) -> bool {
        for (value, order) in self.values.iter().zip(orders) {
            let Some(ascending) = side(&order.field, path, data, value) else { return false };
            let side = order.direction.of(ascending);
            if side.is_ne() {
                return side == inner;
            }
        }
        self.inclusive
    }
}

/// The document's value against the cursor's; across types, unlike a filter.
fn side(order: &Field, path: &DocumentPath, data: &Map, value: &Value) -> Option<Ordering> {
    match order {
        Field::Name => match kind(value) {
            Kind::Reference(name) => Some(compare_paths(path.as_str(), name)),
            _ => None,
        },
        Field::Path(path) => field(data, path).map(|there| compare(there, value)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{data, documents, path, queries, query};
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use std::cmp::Ordering;

    /// The ids of the documents within the bounds.
    fn within(keys: &Value) -> String {
        let query = query(keys.clone());
        let documents = [
            ("c/n", json!({"a": null, "b": 1})),
            ("c/1", json!({"a": 1, "b": 1})),
            ("c/2", json!({"a": 1, "b": 2})),
            ("c/3", json!({"a": 2.0, "b": 1})),
            ("c/s", json!({"a": "s", "b": 1})),
            ("c/-", json!({"b": 1})),
        ];
        let inside = documents
            .into_iter()
            .filter(|(name, value)| query.in_bounds(&path(name), &data(value.clone())));
        inside.map(|(name, _)| name.trim_start_matches("c/")).collect()
    }

    #[test]
    fn a_cursor_is_a_place_in_the_order() {
        let (up, down) = (json!([{"field": "a"}]), json!([{"field": "a", "direction": "desc"}]));
        for (order, cursor, value, inside) in [
            (&up, "startAt", json!([1]), "123s"),
            (&up, "startAfter", json!([1.0]), "3s"),
            (&up, "endAt", json!([1]), "n12"),
            (&up, "endBefore", json!([1]), "n"),
            (&up, "startAt", json!([1.5]), "3s"),
            // Across types, unlike a filter.
            (&up, "startAfter", json!([null]), "123s"),
            (&up, "endBefore", json!(["a"]), "n123"),
            (&up, "startAt", json!([{}]), ""),
            (&down, "startAt", json!([1]), "n12"),
            (&down, "startAfter", json!([1]), "n"),
            (&down, "endAt", json!([1]), "123s"),
            (&down, "endBefore", json!([1]), "3s"),
            // The name follows, in the same direction.
            (&up, "startAt", json!([1, "2"]), "23s"),
            (&up, "startAfter", json!([1, "c/1"]), "23s"),
            (&up, "endBefore", json!([1, {"$ref": "c/2"}]), "n1"),
            (&down, "startAt", json!([1, "1"]), "n1"),
            (&down, "endBefore", json!([1, "2"]), "3s"),
        ] {
            let keys = json!({"orderBy": order, cursor: value});
            assert_eq!(within(&keys), inside, "{keys}");
        }
    }

    #[test]
    fn start_and_end_bound_together_and_nothing_is_bounded_without() {
        assert_eq!(within(&json!({"orderBy": [{"field": "a"}]})), "n123s-");
        let both = json!({"orderBy": [{"field": "a"}], "startAt": [1], "endBefore": ["s"]});
        assert_eq!(within(&both), "123");
        let void = json!({"orderBy": [{"field": "a"}], "startAfter": [1], "endAt": [1]});
        assert_eq!(within(&void), "");
        // Implicit orders have values too.
        let implicit = json!({"where": {"field": "a", "op": ">", "value": 0}, "startAt": [2]});
        assert_eq!(within(&implicit), "3s");
        assert_eq!(within(&json!({"startAfter": ["2"]})), "n3s");
        let mixed = json!({
            "orderBy": [{"field": "b", "direction": "desc"}, {"field": "a"}], "startAfter": [1, 1],
        });
        assert_eq!(within(&mixed), "3s");
    }

    proptest! {
        /// A cursor with the values of a document stands where the document does.
        #[test]
        fn a_document_is_a_cursor(query in queries(), a in documents(), b in documents()) {
            let orders = query.orders();
            let values = |(path, data): &(_, _)| -> Option<Vec<Value>> {
                orders.iter().map(|order| Some(order.field.value(path, data)?.into_owned())).collect()
            };
            let (Some(values), Some(_)) = (values(&b), values(&a)) else { return Ok(()) };
            let order = query.compare((&a.0, &a.1), (&b.0, &b.1));
            for (inclusive, start, end) in [
                (true, order != Ordering::Less, order != Ordering::Greater),
                (false, order == Ordering::Greater, order == Ordering::Less),
            ] {
                let cursor = super::Cursor { values: values.clone(), inclusive };
                let mut query = query.clone();
                (query.start, query.end) = (Some(cursor.clone()), None);
                prop_assert_eq!(query.in_bounds(&a.0, &a.1), start);
                (query.start, query.end) = (None, Some(cursor));
                prop_assert_eq!(query.in_bounds(&a.0, &a.1), end);
            }
        }
    }
}
