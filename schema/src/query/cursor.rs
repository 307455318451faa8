//! Where a query's result starts or ends.

use super::{Field, Order, field};
use crate::order::{compare, compare_paths};
use crate::path::DocumentPath;
use crate::value::{Kind, Map, kind};
use serde_json::Value;
use std::cmp::Ordering;

/// A place in the order of a query's documents: between two of them.
#[derive(Clone, Debug, PartialEq)]
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
