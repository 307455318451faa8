//! In which order a query wants its documents.

use super::{Field, Query, field};
use crate::field_path::FieldPath;
use crate::path::DocumentPath;
use crate::value::Map;
use crate::value_order::{compare, compare_paths};
use std::cmp::Ordering;

/// One sort key of a query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    /// What is sorted by.
    pub field: Field,
    /// Which way.
    pub direction: Direction,
}

/// Which way an order goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// `asc`
    Ascending,
    /// `desc`
    Descending,
}

impl Direction {
    /// The direction as it is written in a query.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::Ascending => "asc",
            Direction::Descending => "desc",
        }
    }

    /// The direction that is written as `text`.
    pub fn parse(text: &str) -> Option<Self> {
        [Direction::Ascending, Direction::Descending]
            .into_iter()
            .find(|direction| direction.as_str() == text)
    }

    /// What an ascending comparison is in this direction.
    pub fn of(self, ascending: Ordering) -> Ordering {
        match self {
            Direction::Ascending => ascending,
            Direction::Descending => ascending.reverse(),
        }
    }
}

impl Query {
    /// The whole order: the orders that were given, then every field of an inequality (`<` `<=` `>` `>=` `!=` `not-in`)
    /// that is not among them, by its path, then `__name__`; what is added goes the way of the last order that was given,
    /// or ascending (Firestore: `StructuredQuery.order_by`). No two documents are equal in `__name__`, so it is the last.
    pub fn orders(&self) -> Vec<Order> {
        self.split_orders().0
    }

    /// [`Query::orders`], and what is left out there because it comes after `__name__`: it sorts nothing, but a document
    /// must have these fields too.
    pub(super) fn split_orders(&self) -> (Vec<Order>, Vec<Order>) {
        let direction = self.order_by.last().map_or(Direction::Ascending, |last| last.direction);
        let mut orders = self.order_by.clone();
        let mut add = |field: Field| {
            if !orders.iter().any(|order| order.field == field) {
                orders.push(Order { field, direction });
            }
        };
        for path in self.inequality_fields() {
            add(Field::Path(path.clone()));
        }
        add(Field::Name);
        let name = orders.iter().position(|order| order.field == Field::Name);
        let rest = orders.split_off(name.map_or(orders.len(), |name| name.saturating_add(1)));
        (orders, rest)
    }

    /// The fields of inequalities, each once, in the order of their paths.
    fn inequality_fields(&self) -> Vec<&FieldPath> {
        let mut fields = Vec::new();
        let Some(filter) = &self.filter else { return fields };
        filter.for_each(&mut |filter| {
            if let (true, Field::Path(path)) = (filter.op.is_inequality(), &filter.field)
                && let Err(place) = fields.binary_search(&path)
            {
                fields.insert(place, path);
            }
        });
        fields
    }
}

/// Compares two documents by these orders. One without a field comes before those that have it.
pub(super) fn compare_documents(
    orders: &[Order],
    a: (&DocumentPath, &Map),
    b: (&DocumentPath, &Map),
) -> Ordering {
    let mut all = orders.iter().map(|order| order.direction.of(compare_by(&order.field, a, b)));
    all.find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
}

fn compare_by(by: &Field, a: (&DocumentPath, &Map), b: (&DocumentPath, &Map)) -> Ordering {
    match by {
        Field::Name => compare_paths(a.0.as_str(), b.0.as_str()),
        Field::Path(path) => match (field(a.1, path), field(b.1, path)) {
            (Some(a), Some(b)) => compare(a, b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{data, documents, path, queries, query};
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// The whole order as text: `a desc, __name__ desc`.
    fn orders(keys: Value) -> String {
        let orders = query(keys).orders();
        let orders = orders.iter().map(|order| match order.direction {
            Direction::Ascending => order.field.to_string(),
            Direction::Descending => format!("{} desc", order.field),
        });
        orders.collect::<Vec<_>>().join(", ")
    }

    fn filter(field: &str, op: &str) -> Value {
        let value = match op {
            "in" | "not-in" | "array-contains-any" => json!(["x"]),
            _ => json!("x"),
        };
        json!({"field": field, "op": op, "value": value})
    }

    #[test]
    fn inequality_fields_and_the_name_complete_the_order() {
        let (up, down) = (
            |field: &str| json!({ "field": field }),
            |field: &str| json!({"field": field, "direction": "desc"}),
        );
        for (keys, whole) in [
            (json!({}), "__name__"),
            (json!({"where": filter("a", "<")}), "a, __name__"),
            (json!({"where": filter("a", "==")}), "__name__"),
            (json!({"where": filter("__name__", ">")}), "__name__"),
            (json!({"orderBy": [up("a")]}), "a, __name__"),
            (json!({"orderBy": [down("a")]}), "a desc, __name__ desc"),
            (json!({"orderBy": [down("a"), up("b")]}), "a desc, b, __name__"),
            (json!({"orderBy": [up("a"), down("b")]}), "a, b desc, __name__ desc"),
            (json!({"orderBy": [up("a"), down("__name__")]}), "a, __name__ desc"),
            (json!({"orderBy": [down("a"), up("__name__")]}), "a desc, __name__"),
            (json!({"orderBy": [up("__name__"), down("a")]}), "__name__"),
            (json!({"where": filter("a", ">"), "orderBy": [down("__name__")]}), "__name__ desc"),
            (json!({"where": filter("a", ">"), "orderBy": [down("a")]}), "a desc, __name__ desc"),
            (
                json!({"where": filter("a", ">"), "orderBy": [up("c"), down("b")]}),
                "c, b desc, a desc, __name__ desc",
            ),
            // Each once, by its path: keys in the order of their bytes, a prefix first.
            (
                json!({"where": {"and": [
                    filter("b", "<"), {"or": [filter("a.b", "!="), filter("__name__", "<")]},
                    filter("a", "not-in"), filter("B", ">="), filter("b", ">"), filter("a!", "<="),
                ]}}),
                "B, a, a.b, a!, b, __name__",
            ),
        ] {
            assert_eq!(orders(keys.clone()), whole, "{keys}");
        }
        for op in super::super::Operator::ALL {
            let whole = if op.is_inequality() { "a, __name__" } else { "__name__" };
            assert_eq!(orders(json!({"where": filter("a", op.as_str())})), whole, "{op:?}");
        }
    }

    #[test]
    fn documents_are_compared_by_one_order_after_the_other() {
        let query =
            query(json!({"orderBy": [{"field": "a"}, {"field": "b.c", "direction": "desc"}]}));
        // Ascending, of equal values by path, which goes the way of the last order.
        let ascending = [
            ("c/1", json!({"a": null, "b": {"c": 1}})),
            ("c/1", json!({"a": 1, "b": {"c": "x"}})),
            ("c/3", json!({"a": 1.0, "b": {"c": 2}})),
            ("c/2", json!({"a": 1, "b": {"c": 2.0}})),
            ("c/9", json!({"a": 1, "b": {"c": 1}})),
            ("c/0", json!({"a": "a", "b": {"c": 7}})),
        ];
        let ascending: Vec<_> =
            ascending.into_iter().map(|(name, value)| (path(name), data(value))).collect();
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(query.compare((&a.0, &a.1), (&b.0, &b.1)), i.cmp(&j), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn a_direction_is_read_as_it_is_written() {
        assert_eq!(Direction::parse("asc"), Some(Direction::Ascending));
        assert_eq!(Direction::parse("desc"), Some(Direction::Descending));
        assert_eq!(Direction::parse("DESCENDING"), None);
        assert_eq!(Direction::Descending.as_str(), "desc");
    }

    proptest! {
        #[test]
        fn compare_is_a_total_order(query in queries(), a in documents(), b in documents(), c in documents()) {
            let compare = |a: &(DocumentPath, Map), b: &(DocumentPath, Map)| {
                query.compare((&a.0, &a.1), (&b.0, &b.1))
            };
            let (ab, bc, ac) = (compare(&a, &b), compare(&b, &c), compare(&a, &c));
            prop_assert_eq!(ab, compare(&b, &a).reverse());
            if ab == bc || bc.is_eq() {
                prop_assert_eq!(ac, ab);
            }
            if ab.is_eq() {
                prop_assert_eq!(ac, bc);
                prop_assert_eq!(&a.0, &b.0, "documents of two paths are not equal");
            }
            prop_assert_eq!(compare(&a, &a), Ordering::Equal);
        }
    }
}
