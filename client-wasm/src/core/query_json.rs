//! Queries as they travel: JSON that the application's calls put together.
//!
//! The server checks a query and says what is wrong with it. The client has to understand only those that are right, to
//! tell which documents they want; the schema's own reader with all its explanations is a twentieth of the client's
//! size. The tests hold the two against each other.

use blaze_schema::path::{CollectionPath, DocumentPath};
use blaze_schema::query::{
    Cursor, Direction, Field, FieldFilter, Filter, Limit, Operator, Order, Query, Source,
};
use blaze_schema::value::{Map, Transforms, check_value, typed};
use serde_json::Value;

/// Reads a query. `None` for what the server refuses, or will be asked about.
pub fn read(json: &Map) -> Option<Query> {
    let from = match json.get("from")? {
        Value::String(path) => Source::Collection(CollectionPath::parse(path).ok()?),
        group => Source::Group(group.get("group")?.as_str()?.to_owned()),
    };
    let mut query = Query::all(from);
    if let Some(filter) = json.get("where") {
        query.filter = Some(read_filter(filter, &query.from)?);
    }
    for order in list(json, "orderBy") {
        let order = order.as_object()?;
        let direction = match order.get("direction") {
            Some(direction) => Direction::parse(direction.as_str()?)?,
            None => Direction::Ascending,
        };
        query.order_by.push(Order { field: read_field(order)?, direction });
    }
    let count = |key| json.get(key).map(Value::as_u64);
    if let Some(count) = count("limit") {
        query.limit = Some(Limit::First(count?));
    }
    if let Some(count) = count("limitToLast") {
        query.limit = Some(Limit::Last(count?));
    }
    query.offset = count("offset").unwrap_or(Some(0))?;
    let orders = query.orders();
    query.start = read_cursor(json, ["startAt", "startAfter"], &orders, &query.from)?;
    query.end = read_cursor(json, ["endAt", "endBefore"], &orders, &query.from)?;
    if json.get("select").is_some() {
        let mut select = Vec::new();
        for field in list(json, "select") {
            if let Field::Path(path) = Field::parse(field.as_str()?).ok()? {
                select.push(path);
            }
        }
        query.select = Some(select);
    }
    Some(query)
}

fn list<'a>(json: &'a Map, key: &str) -> &'a [Value] {
    json.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn read_field(json: &Map) -> Option<Field> {
    Field::parse(json.get("field")?.as_str()?).ok()
}

fn read_filter(json: &Value, from: &Source) -> Option<Filter> {
    let json = json.as_object()?;
    let mut filters = Vec::new();
    let (and, or) = (list(json, "and"), list(json, "or"));
    for filter in and.iter().chain(or) {
        filters.push(read_filter(filter, from)?);
    }
    if !and.is_empty() {
        return Some(Filter::And(filters));
    }
    if !or.is_empty() {
        return Some(Filter::Or(filters));
    }
    let field = read_field(json)?;
    let op = Operator::parse(json.get("op")?.as_str()?)?;
    let mut value = json.get("value")?.clone();
    if op.takes_values() {
        for value in value.as_array_mut()? {
            normalize(value, &field, from)?;
        }
    } else {
        normalize(&mut value, &field, from)?;
    }
    Some(Filter::Field(FieldFilter { field, op, value }))
}

/// Brings a value that is compared with a field into canonical form.
fn normalize(value: &mut Value, field: &Field, from: &Source) -> Option<()> {
    if let (Field::Name, Value::String(name)) = (field, &*value) {
        let path = match from {
            Source::Collection(path) if !name.contains('/') => path.child(name),
            _ => DocumentPath::parse(name),
        };
        *value = typed("$ref", Value::from(path.ok()?.as_str()));
    }
    check_value(value, Transforms::Refused, "").ok()
}

/// `[at, beside]` are the names of an inclusive and an exclusive cursor.
fn read_cursor(
    json: &Map,
    [at, beside]: [&str; 2],
    orders: &[Order],
    from: &Source,
) -> Option<Option<Cursor>> {
    let inclusive = json.get(at).is_some();
    let mut values = list(json, if inclusive { at } else { beside }).to_vec();
    if values.is_empty() {
        return Some(None);
    }
    if values.len() > orders.len() {
        return None;
    }
    for (value, order) in values.iter_mut().zip(orders) {
        normalize(value, &order.field, from)?;
    }
    Some(Some(Cursor { values, inclusive }))
}

/// What the server is asked for when a query is listened to. With a selection, also the fields that the query looks at:
/// whether a write makes a document match, and where it is then, must be told from what is answered.
pub fn asked(json: &Map) -> Map {
    let mut asked = json.clone();
    if let Some(Value::Array(select)) = asked.get_mut("select") {
        if let Some(filter) = json.get("where") {
            add_fields(select, filter);
        }
        list(json, "orderBy").iter().for_each(|order| add_fields(select, order));
    }
    asked
}

fn add_fields(select: &mut Vec<Value>, json: &Value) {
    let Some(json) = json.as_object() else { return };
    if let Some(field) = json.get("field")
        && !select.contains(field)
    {
        select.push(field.clone());
    }
    for filter in list(json, "and").iter().chain(list(json, "or")) {
        add_fields(select, filter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(json: &Value) -> Option<Query> {
        super::read(json.as_object().unwrap())
    }

    #[test]
    fn what_the_server_reads_the_client_reads_alike() {
        let filter = |op: &str, value: Value| json!({"field": "a.`b c`", "op": op, "value": value});
        let name = |value: Value| json!({"field": "__name__", "op": "in", "value": [value]});
        for rest in [
            json!({}),
            json!({"limit": 3, "offset": 2}),
            json!({"limitToLast": 3, "orderBy": [{"field": "n"}, {"field": "__name__", "direction": "desc"}]}),
            json!({"where": filter(">=", json!(1.0)), "startAfter": [2, "x"], "endAt": [9]}),
            json!({"where": filter("==", json!({"$timestamp": "2026-11-21T12:00:00+02:00"}))}),
            json!({"where": {"and": [filter("in", json!([null, 1])), {"or": [name(json!("x")), filter("!=", json!("é"))]}]}}),
            json!({"where": name(json!({"$ref": "c/x"}))}),
            json!({"where": name(json!("c/x"))}),
            json!({"orderBy": [{"field": "n", "direction": "asc"}], "startAt": [1], "endBefore": [{"$bytes": "AA"}]}),
            json!({"startAt": ["x"]}),
            json!({"select": ["a", "__name__", "b.c"]}),
            json!({"select": []}),
        ] {
            let mut query = rest.clone();
            query["from"] = json!("c");
            assert_eq!(read(&query), Some(Query::from_json(query.clone()).unwrap()), "{query}");
        }
        let group = json!({"from": {"group": "c"}, "where": name(json!("a/b/c/d"))});
        assert_eq!(read(&group), Some(Query::from_json(group.clone()).unwrap()));
    }

    #[test]
    fn what_cannot_be_understood_is_no_query() {
        for query in [
            json!({}),
            json!({"from": "a/b"}),
            json!({"from": {"group": 1}}),
            json!({"from": "c", "where": {}}),
            json!({"from": "c", "where": {"field": "a", "op": "=", "value": 1}}),
            json!({"from": "c", "where": {"field": "a..b", "op": "==", "value": 1}}),
            json!({"from": "c", "where": {"field": "a", "op": "in", "value": 1}}),
            json!({"from": "c", "where": {"field": "a", "op": "==", "value": {"$increment": 1}}}),
            json!({"from": "c", "where": {"and": [{"or": [{"op": "=="}]}]}}),
            json!({"from": "c", "orderBy": [{"field": "a", "direction": "up"}]}),
            json!({"from": "c", "limit": 1.5}),
            json!({"from": "c", "startAt": [1, 2]}),
            json!({"from": "c", "endAt": ["a/b/c"]}),
            json!({"from": "c", "select": [1]}),
        ] {
            assert_eq!(read(&query), None, "{query}");
            assert!(Query::from_json(query.clone()).is_err(), "{query}");
        }
    }

    #[test]
    fn a_selection_is_asked_for_with_what_the_query_looks_at() {
        let filter = |field: &str| json!({"field": field, "op": "==", "value": 1});
        let mut query = json!({
            "from": "c",
            "where": {"and": [filter("a"), {"or": [filter("b"), filter("x.y")]}]},
            "orderBy": [{"field": "b"}, {"field": "n"}, {"field": "__name__"}],
        });
        let asked = |query: &Value| Value::Object(asked(query.as_object().unwrap()));
        assert_eq!(asked(&query), query);
        query["select"] = json!(["x", "a"]);
        assert_eq!(asked(&query)["select"], json!(["x", "a", "b", "x.y", "n", "__name__"]));
    }
}
