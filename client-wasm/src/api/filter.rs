//! Conditions on documents, as an application writes them.

use blaze_schema::value::{Map, typed};
use serde_json::Value;

/// A condition on a document. What is wrong with it is said when the query is used.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter(pub(crate) Value);

/// A field compares as it should. `op` is one of `==`, `!=`, `<`, `<=`, `>`, `>=`, `in`, `not-in`, `array-contains` and
/// `array-contains-any`.
pub fn where_(field: &str, op: &str, value: impl Into<Value>) -> Filter {
    let mut filter = Map::new();
    filter.insert("field".to_owned(), Value::from(field));
    filter.insert("op".to_owned(), Value::from(op));
    filter.insert("value".to_owned(), value.into());
    Filter(Value::Object(filter))
}

/// All hold.
pub fn and(filters: impl IntoIterator<Item = Filter>) -> Filter {
    Filter(typed("and", filters.into_iter().map(|filter| filter.0).collect()))
}

/// At least one holds.
pub fn or(filters: impl IntoIterator<Item = Filter>) -> Filter {
    Filter(typed("or", filters.into_iter().map(|filter| filter.0).collect()))
}
