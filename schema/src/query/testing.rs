//! What the tests of queries share: documents that are easy to write, and random queries and documents over few fields
//! and values, so that they meet.

use super::{
    Cursor, Direction, Field, FieldFilter, Filter, Limit, Operator, Order, Query, Source, reference,
};
use crate::field_path::FieldPath;
use crate::path::{CollectionPath, DocumentPath};
use crate::value::{Map, Transforms, check_data};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

pub(super) fn path(text: &str) -> DocumentPath {
    DocumentPath::parse(text).unwrap()
}

pub(super) fn data(value: Value) -> Map {
    check_data(value, Transforms::Refused, "data").unwrap()
}

pub(super) fn field_path(text: &str) -> FieldPath {
    FieldPath::parse(text).unwrap()
}

/// The query of the collection `c` with these keys besides.
pub(super) fn query(mut keys: Value) -> Query {
    keys["from"] = json!("c");
    Query::from_json(keys).unwrap()
}

fn fields() -> impl Strategy<Value = Field> {
    let paths = ["a", "b", "m.x", "`q.r`"].map(|text| Field::Path(field_path(text)));
    prop_oneof![8 => select(paths.to_vec()), 1 => Just(Field::Name)]
}

fn directions() -> impl Strategy<Value = Direction> {
    select(vec![Direction::Ascending, Direction::Descending])
}

fn scalars() -> impl Strategy<Value = Value> {
    select(vec![
        json!(null),
        json!(true),
        json!({"$number": "NaN"}),
        json!(0),
        json!(1),
        json!(1.0),
        json!(2.5),
        json!({"$timestamp": "2026-11-21T10:00:00Z"}),
        json!("x"),
        json!("y"),
        json!({"$bytes": "AA=="}),
        json!({"$ref": "c/1"}),
        json!({"$geopoint": [1, 2]}),
    ])
}

/// Values in canonical form.
pub(super) fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => scalars(),
        1 => vec(scalars(), 0..3).prop_map(Value::Array),
        1 => scalars().prop_map(|value| json!({"x": value})),
    ]
}

pub(super) fn paths() -> impl Strategy<Value = DocumentPath> {
    select(["c/1", "c/2", "c/3", "d/1", "c/1/c/1"].map(path).to_vec())
}

pub(super) fn documents() -> impl Strategy<Value = (DocumentPath, Map)> {
    let value = || prop::option::weighted(0.8, values());
    (paths(), value(), value(), value(), value()).prop_map(|(path, a, b, x, q)| {
        let mut data = Map::new();
        for (key, value) in [("a", a), ("b", b), ("m", x.map(|x| json!({"x": x}))), ("q.r", q)] {
            data.extend(value.map(|value| (key.to_owned(), value)));
        }
        (path, data)
    })
}

/// A value that may be compared with the field.
fn operands(field: &Field) -> BoxedStrategy<Value> {
    match field {
        Field::Name => paths().prop_map(|path| reference(&path)).boxed(),
        Field::Path(_) => values().boxed(),
    }
}

fn field_filters() -> impl Strategy<Value = FieldFilter> {
    (fields(), select(Operator::ALL.to_vec()))
        .prop_filter("__name__ is no array", |(field, op)| {
            let contains = matches!(op, Operator::ArrayContains | Operator::ArrayContainsAny);
            !(contains && *field == Field::Name)
        })
        .prop_flat_map(|(field, op)| {
            let value = if op.takes_values() {
                vec(operands(&field), 1..3).prop_map(Value::Array).boxed()
            } else {
                operands(&field)
            };
            value.prop_map(move |value| FieldFilter { field: field.clone(), op, value })
        })
}

/// Filters within the limits, or beyond that of disjunctions.
pub(super) fn filters() -> impl Strategy<Value = Filter> {
    field_filters().prop_map(Filter::Field).prop_recursive(4, 16, 4, |inner| {
        let several = || vec(inner.clone(), 1..4);
        prop_oneof![several().prop_map(Filter::And), several().prop_map(Filter::Or)]
    })
}

fn orders() -> impl Strategy<Value = Vec<Order>> {
    vec((fields(), directions()), 0..4).prop_map(|orders| {
        let mut kept: Vec<Order> = Vec::new();
        for (field, direction) in orders {
            if kept.iter().all(|order| order.field != field) {
                kept.push(Order { field, direction });
            }
        }
        kept
    })
}

fn cursors(orders: &[Order]) -> BoxedStrategy<Option<Cursor>> {
    let values: Vec<_> = orders.iter().map(|order| operands(&order.field)).collect();
    let cut = 1..=values.len();
    let cursor = (values, cut, any::<bool>()).prop_map(|(mut values, cut, inclusive)| {
        values.truncate(cut);
        Cursor { values, inclusive }
    });
    prop::option::of(cursor).boxed()
}

/// Queries that are checked: what `from_json` could have made.
pub(super) fn queries() -> impl Strategy<Value = Query> {
    let from = select(vec![
        Source::Collection(CollectionPath::parse("c").unwrap()),
        Source::Collection(CollectionPath::parse("c/1/c").unwrap()),
        Source::Group("c".to_owned()),
    ]);
    let filter = prop::option::of(
        filters().prop_filter("a limit", |filter| filter.disjunctions().is_some()),
    );
    let limit = prop::option::of((1_u64..5, any::<bool>()));
    let answer = (
        prop::option::of(vec(select(["a", "m.x", "m"].map(field_path).to_vec()), 0..3)),
        prop::option::of(select(vec![String::new(), "token".to_owned()])),
        any::<bool>(),
    );
    (from, filter, orders(), limit, 0_u64..3, answer)
        .prop_map(|(from, filter, order_by, limit, offset, (select, page_token, explain))| Query {
            filter,
            limit: limit.map(|(count, last)| match last && !order_by.is_empty() {
                true => Limit::Last(count),
                false => Limit::First(count),
            }),
            order_by,
            offset,
            select,
            page_token,
            explain,
            ..Query::all(from)
        })
        .prop_flat_map(|query| {
            let orders = query.orders();
            (cursors(&orders), cursors(&orders)).prop_map(move |(start, end)| Query {
                start,
                end,
                ..query.clone()
            })
        })
}
