//! In which order a query wants its documents.

use super::{Field, Query, field};
use crate::field_path::FieldPath;
use crate::order::{compare, compare_paths};
use crate::path::DocumentPath;
use crate::value::Map;
use std::cmp::Ordering;

/// One sort key of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What is sorted by.
    pub field: Field,
    /// Which way.
    pub direction: Direction,
}

/// Which way an order goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
