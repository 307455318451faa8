//! Reading a query from JSON, and checking it.

use super::{
    Cursor, Direction, Field, FieldFilter, Filter, Limit, Operator, Order, Query, Source, reference,
};
use crate::error::Error;
use crate::field_path::FieldPath;
use crate::limits::{
    IN_VALUES, NOT_IN_VALUES, QUERY_DEPTH, QUERY_DISJUNCTIONS, QUERY_SELECT, QUERY_TERMS,
};
use crate::path::{CollectionPath, DocumentPath, check_id};
use crate::value::{Kind, Map, Transforms, check_value, kind, name};
use serde_json::Value;

impl Query {
    /// Reads a query: `{"from","where"?,"orderBy"?,"limit"?,"limitToLast"?,"offset"?,"startAt"?,"startAfter"?,"endAt"?,
    /// "endBefore"?,"select"?,"pageToken"?,"explain"?}` (contract, Query).
    ///
    /// A value of `__name__` is `{"$ref":path}`, a document's path as a string, or in a query of one collection an id.
    /// Values of a cursor belong to the orders of [`Query::orders`], one by one.
    ///
    /// # Errors
    /// `invalid-argument` naming the place, such as `where.and[1].value`: an unknown or missing key, a wrong type, a bad
    /// path, a value that no document could hold, a field ordered by twice, `limit` with `limitToLast`, `limitToLast`
    /// without `orderBy`, a cursor with more values than orders, an empty `and`, `or`, `in`, `not-in` or
    /// `array-contains-any`, more than [`QUERY_DISJUNCTIONS`], [`IN_VALUES`], [`NOT_IN_VALUES`], [`QUERY_TERMS`],
    /// [`QUERY_DEPTH`] or [`QUERY_SELECT`].
    pub fn from_json(value: Value) -> Result<Self, Error> {
        let mut keys = fields(value, "query")?;
        let from = read_source(required(&mut keys, "from", "query")?)?;
        let mut query = Query::all(from);
        query.filter = match keys.remove("where") {
            Some(filter) => Some(read_filter(filter, "where", &query.from, 0)?),
            None => None,
        };
        if let Some(orders) = keys.remove("orderBy") {
            query.order_by = read_orders(orders)?;
        }
        check_terms(&query)?;
        query.limit = read_limit(&mut keys, &query.order_by)?;
        if let Some(offset) = keys.remove("offset") {
            query.offset = offset.as_u64().ok_or_else(|| {
                invalid("offset", format!("{} that is no integer from 0", name(&offset)))
            })?;
        }
        let orders = query.orders();
        query.start = read_cursor(&mut keys, ["startAt", "startAfter"], &orders, &query.from)?;
        query.end = read_cursor(&mut keys, ["endAt", "endBefore"], &orders, &query.from)?;
        query.select = keys.remove("select").map(read_select).transpose()?;
        query.page_token = keys.remove("pageToken").map(|v| string(v, "pageToken")).transpose()?;
        query.explain = match keys.remove("explain") {
            None => false,
            Some(Value::Bool(explain)) => explain,
            Some(other) => return Err(misfit("explain", &other, "a boolean")),
        };
        no_more(&keys, "query")?;
        Ok(query)
    }
}

fn invalid(place: &str, reason: impl std::fmt::Display) -> Error {
    Error::invalid(format!("{place}: {reason}"))
}

fn misfit(place: &str, value: &Value, wanted: &str) -> Error {
    invalid(place, format!("{} instead of {wanted}", name(value)))
}

fn fields(value: Value, place: &str) -> Result<Map, Error> {
    match value {
        Value::Object(map) => Ok(map),
        other => Err(misfit(place, &other, "an object")),
    }
}

fn array(value: Value, place: &str) -> Result<Vec<Value>, Error> {
    match value {
        Value::Array(values) => Ok(values),
        other => Err(misfit(place, &other, "an array")),
    }
}

fn string(value: Value, place: &str) -> Result<String, Error> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(misfit(place, &other, "a string")),
    }
}

fn required(keys: &mut Map, key: &str, place: &str) -> Result<Value, Error> {
    keys.remove(key).ok_or_else(|| invalid(place, format!("{key:?} is missing")))
}

fn no_more(keys: &Map, place: &str) -> Result<(), Error> {
    match keys.keys().next() {
        Some(key) => Err(invalid(place, format!("the key {key:?} is unknown"))),
        None => Ok(()),
    }
}

fn read_source(value: Value) -> Result<Source, Error> {
    let Value::Object(mut keys) = value else {
        let path = CollectionPath::parse(&string(value, "from")?);
        return path.map(Source::Collection).map_err(|error| invalid("from", error.detail));
    };
    let id = string(required(&mut keys, "group", "from")?, "from.group")?;
    no_more(&keys, "from")?;
    check_id(&id).map_err(|error| invalid("from.group", error.detail))?;
    Ok(Source::Group(id))
}

fn read_field(keys: &mut Map, place: &str) -> Result<Field, Error> {
    let inner = format!("{place}.field");
    let text = string(required(keys, "field", place)?, &inner)?;
    Field::parse(&text).map_err(|error| invalid(&inner, error.detail))
}

/// `depth` is how many `and` and `or` are around it.
fn read_filter(value: Value, place: &str, from: &Source, depth: usize) -> Result<Filter, Error> {
    let mut keys = fields(value, place)?;
    for (key, composite) in
        [("and", Filter::And as fn(Vec<Filter>) -> Filter), ("or", Filter::Or as _)]
    {
        let Some(filters) = keys.remove(key) else { continue };
        no_more(&keys, place)?;
        let place = format!("{place}.{key}");
        if depth >= QUERY_DEPTH {
            return Err(invalid(
                &place,
                format!("more than {QUERY_DEPTH} of and, or inside each other"),
            ));
        }
        let filters = array(filters, &place)?;
        if filters.is_empty() {
            return Err(invalid(&place, "no filters"));
        }
        let filters = filters.into_iter().enumerate().map(|(index, filter)| {
            read_filter(filter, &format!("{place}[{index}]"), from, depth.saturating_add(1))
        });
        return Ok(composite(filters.collect::<Result<_, _>>()?));
    }
    let field = read_field(&mut keys, place)?;
    let op = read_operator(&mut keys, &field, place)?;
    let value = required(&mut keys, "value", place)?;
    no_more(&keys, place)?;
    let value = read_operand(value, &field, op, &format!("{place}.value"), from)?;
    Ok(Filter::Field(FieldFilter { field, op, value }))
}

fn read_operator(keys: &mut Map, field: &Field, place: &str) -> Result<Operator, Error> {
    let inner = format!("{place}.op");
    let text = string(required(keys, "op", place)?, &inner)?;
    let op = Operator::parse(&text).ok_or_else(|| {
        let all = Operator::ALL.map(Operator::as_str).join(" ");
        invalid(&inner, format!("{text:?} is none of {all}"))
    })?;
    if *field == Field::Name && matches!(op, Operator::ArrayContains | Operator::ArrayContainsAny) {
        return Err(invalid(&inner, format!("{text} of __name__, which is no array")));
    }
    Ok(op)
}

fn read_operand(
    value: Value,
    field: &Field,
    op: Operator,
    place: &str,
    from: &Source,
) -> Result<Value, Error> {
    if !op.takes_values() {
        return read_value(value, field, place, from);
    }
    let values = array(value, place)?;
    let most = if op == Operator::NotIn { NOT_IN_VALUES } else { IN_VALUES };
    if values.is_empty() || values.len() > most {
        let (count, op) = (values.len(), op.as_str());
        return Err(invalid(place, format!("{count} values for {op}, of 1 to {most}")));
    }
    let values = values
        .into_iter()
        .enumerate()
        .map(|(index, value)| read_value(value, field, &format!("{place}[{index}]"), from));
    values.collect::<Result<_, _>>().map(Value::Array)
}

/// A value that is compared with the field, in canonical form.
fn read_value(mut value: Value, field: &Field, place: &str, from: &Source) -> Result<Value, Error> {
    if *field == Field::Name {
        return read_name(&value, place, from);
    }
    check_value(&mut value, Transforms::Refused, place)?;
    Ok(value)
}

/// A document's path in any form, as `{"$ref":path}`.
fn read_name(value: &Value, place: &str, from: &Source) -> Result<Value, Error> {
    let path = match (kind(value), from) {
        (Kind::String(id), Source::Collection(path)) if !id.contains('/') => path.child(id),
        (Kind::String(path) | Kind::Reference(path), _) => DocumentPath::parse(path),
        _ => return Err(misfit(place, value, "a document's path, which __name__ is")),
    };
    path.map(|path| reference(&path)).map_err(|error| invalid(place, error.detail))
}

fn read_orders(value: Value) -> Result<Vec<Order>, Error> {
    let values = array(value, "orderBy")?;
    // First of all, because each is looked for among those before it.
    if values.len() > QUERY_TERMS {
        let count = values.len();
        return Err(invalid("orderBy", format!("{count} orders, of {QUERY_TERMS} at most")));
    }
    let mut orders: Vec<Order> = Vec::new();
    for (index, value) in values.into_iter().enumerate() {
        let place = format!("orderBy[{index}]");
        let mut keys = fields(value, &place)?;
        let field = read_field(&mut keys, &place)?;
        let direction = match keys.remove("direction") {
            None => Direction::Ascending,
            Some(value) => {
                let place = format!("{place}.direction");
                let text = string(value, &place)?;
                Direction::parse(&text)
                    .ok_or_else(|| invalid(&place, format!("{text:?} is neither asc nor desc")))?
            }
        };
        no_more(&keys, &place)?;
        if orders.iter().any(|order| order.field == field) {
            return Err(invalid(&place, format!("{field} a second time")));
        }
        orders.push(Order { field, direction });
    }
    Ok(orders)
}

/// Checks how much there is to look at, before anything is built from it.
fn check_terms(query: &Query) -> Result<(), Error> {
    let mut terms = query.order_by.len();
    if let Some(filter) = &query.filter {
        filter.for_each(&mut |_| terms = terms.saturating_add(1));
        let count = filter.disjunction_count();
        if count > QUERY_DISJUNCTIONS {
            return Err(invalid(
                "where",
                format!(
                    "{count} disjunctions in disjunctive normal form, of {QUERY_DISJUNCTIONS} at most"
                ),
            ));
        }
    }
    if terms > QUERY_TERMS {
        return Err(invalid(
            "query",
            format!("{terms} filters and orders, of {QUERY_TERMS} at most"),
        ));
    }
    Ok(())
}

fn read_limit(keys: &mut Map, order_by: &[Order]) -> Result<Option<Limit>, Error> {
    let mut count = |key| match keys.remove(key) {
        None => Ok(None),
        Some(value) => match value.as_u64() {
            Some(count) if count > 0 => Ok(Some(count)),
            _ => Err(invalid(key, format!("{} that is no integer from 1", name(&value)))),
        },
    };
    match (count("limit")?, count("limitToLast")?) {
        (Some(_), Some(_)) => Err(invalid("limitToLast", "beside limit")),
        (None, Some(_)) if order_by.is_empty() => Err(invalid("limitToLast", "without orderBy")),
        (first, last) => Ok(first.map(Limit::First).or(last.map(Limit::Last))),
    }
}

/// `[at, beside]` are the names of an inclusive and an exclusive cursor.
fn read_cursor(
    keys: &mut Map,
    [at, beside]: [&str; 2],
    orders: &[Order],
    from: &Source,
) -> Result<Option<Cursor>, Error> {
    let (value, place, inclusive) = match (keys.remove(at), keys.remove(beside)) {
        (None, None) => return Ok(None),
        (Some(value), None) => (value, at, true),
        (None, Some(value)) => (value, beside, false),
        (Some(_), Some(_)) => return Err(invalid(beside, format!("beside {at}"))),
    };
    let values = array(value, place)?;
    if values.is_empty() || values.len() > orders.len() {
        let (count, most) = (values.len(), orders.len());
        return Err(invalid(place, format!("{count} values, of 1 to {most}: as many as orders")));
    }
    let values = values.into_iter().zip(orders).enumerate().map(|(index, (value, order))| {
        read_value(value, &order.field, &format!("{place}[{index}]"), from)
    });
    Ok(Some(Cursor { values: values.collect::<Result<_, _>>()?, inclusive }))
}

/// The paths of fields; `__name__` is answered in any case.
fn read_select(value: Value) -> Result<Vec<FieldPath>, Error> {
    let values = array(value, "select")?;
    if values.len() > QUERY_SELECT {
        let count = values.len();
        return Err(invalid("select", format!("{count} field paths, of {QUERY_SELECT} at most")));
    }
    let mut select = Vec::new();
    for (index, value) in values.into_iter().enumerate() {
        let place = format!("select[{index}]");
        let text = string(value, &place)?;
        match Field::parse(&text).map_err(|error| invalid(&place, error.detail))? {
            Field::Name => {}
            Field::Path(path) => select.push(path),
        }
    }
    Ok(select)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{field_path, query};
    use super::*;
    use crate::error::Code;
    use serde_json::json;

    fn refusal(json: Value) -> String {
        let error = Query::from_json(json.clone()).expect_err(&json.to_string());
        assert_eq!((error.code, error.status), (Code::InvalidArgument, 400));
        error.detail
    }

    fn leaf() -> Value {
        json!({"field": "a", "op": "==", "value": 1})
    }

    #[test]
    fn the_example_of_the_contract_is_read() {
        let filter = |field: &str, op, value| {
            Filter::Field(FieldFilter { field: Field::parse(field).unwrap(), op, value })
        };
        let query = Query::from_json(json!({
            "from": "users",
            "where": {"and": [
                {"field": "age", "op": ">=", "value": 18},
                {"or": [
                    {"field": "city", "op": "==", "value": "Paris"},
                    {"field": "tags", "op": "array-contains", "value": "vip"},
                ]},
            ]},
            "orderBy": [{"field": "age", "direction": "desc"}],
            "limit": 20, "startAfter": [42], "select": ["name", "age"], "explain": true,
        }));
        let expected = Query {
            filter: Some(Filter::And(vec![
                filter("age", Operator::GreaterOrEqual, json!(18)),
                Filter::Or(vec![
                    filter("city", Operator::Equal, json!("Paris")),
                    filter("tags", Operator::ArrayContains, json!("vip")),
                ]),
            ])),
            order_by: vec![Order {
                field: Field::parse("age").unwrap(),
                direction: Direction::Descending,
            }],
            limit: Some(Limit::First(20)),
            start: Some(Cursor { values: vec![json!(42)], inclusive: false }),
            select: Some(vec![field_path("name"), field_path("age")]),
            explain: true,
            ..Query::all(Source::Collection(CollectionPath::parse("users").unwrap()))
        };
        assert_eq!(query, Ok(expected));
    }

    #[test]
    fn absent_keys_have_defaults() {
        let group = Query::from_json(json!({"from": {"group": "messages"}}));
        assert_eq!(group, Ok(Query::all(Source::Group("messages".to_owned()))));
        let query = query(json!({"orderBy": [], "offset": 0, "explain": false}));
        assert_eq!(query, Query::all(Source::Collection(CollectionPath::parse("c").unwrap())));
    }

    #[test]
    fn values_are_brought_into_canonical_form() {
        let time = json!({"$timestamp": "2026-11-21T11:00:00.1234567+01:00"});
        let canonical = json!({"$timestamp": "2026-11-21T10:00:00.123456Z"});
        let query = query(json!({
            "where": {"and": [
                {"field": "a", "op": "==", "value": time},
                {"field": "b", "op": "in", "value": [time, [time], {"x": time}]},
            ]},
            "orderBy": [{"field": "a"}, {"field": "b"}],
            "startAt": [{"$bytes": "Zg"}],
            "endAt": [time, [time]],
        }));
        let written = query.to_json();
        assert_eq!(written["where"]["and"][0]["value"], canonical);
        let elements = json!([canonical, [canonical], {"x": canonical}]);
        assert_eq!(written["where"]["and"][1]["value"], elements);
        assert_eq!(written["startAt"], json!([{"$bytes": "Zg=="}]));
        assert_eq!(written["endAt"], json!([canonical, [canonical]]));
    }

    #[test]
    fn a_name_is_given_in_any_form() {
        let of = |from: Value, value: Value| -> Result<String, String> {
            let filter = json!({"field": "__name__", "op": "==", "value": value});
            let query = json!({"from": from, "where": filter, "startAt": [value]});
            let written = Query::from_json(query).map_err(|error| error.detail)?.to_json();
            assert_eq!(written["where"]["value"], written["startAt"][0]);
            Ok(written["startAt"][0]["$ref"].as_str().unwrap().to_owned())
        };
        let (collection, group) = (json!("r/1/users"), json!({"group": "users"}));
        for (from, value, path) in [
            (&collection, json!("alice"), "r/1/users/alice"),
            (&collection, json!("users/alice"), "users/alice"),
            (&collection, json!({"$ref": "users/alice"}), "users/alice"),
            (&group, json!("users/alice"), "users/alice"),
            (&group, json!({"$ref": "r/1/users/alice"}), "r/1/users/alice"),
        ] {
            assert_eq!(of(from.clone(), value.clone()).as_deref(), Ok(path), "{value}");
        }
        for (from, value) in [
            (&group, json!("alice")),
            (&group, json!("a/b/c")),
            (&collection, json!("a/b/c")),
            (&collection, json!("")),
            (&collection, json!("__x__")),
            (&collection, json!("a//b")),
            (&collection, json!({"$ref": "alice"})),
            (&collection, json!({"$ref": 1})),
            (&collection, json!({"ref": "users/alice"})),
            (&collection, json!(1)),
            (&collection, json!(null)),
            (&collection, json!(["alice"])),
        ] {
            let detail = of(from.clone(), value.clone()).expect_err(&value.to_string());
            assert!(detail.starts_with("where.value: "), "{detail}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let filter = |filter: Value| json!({"from": "c", "where": filter});
        let order = |order: Value| json!({"from": "c", "orderBy": order});
        let field = |field: Value| json!({"field": field, "op": "==", "value": 1});
        let op = |op: Value| json!({"field": "a", "op": op, "value": 1});
        let value = |op: &str, value: Value| json!({"field": "a", "op": op, "value": value});
        for (json, place) in [
            (json!([]), "query: an array instead of an object"),
            (json!({}), "query: \"from\" is missing"),
            (json!({"from": "c", "form": 1}), "query: the key \"form\" is unknown"),
            (json!({"from": 1}), "from: a number instead of a string"),
            (json!({"from": "a/b"}), "from: path: \"a/b\" names a document"),
            (json!({"from": ""}), "from: path: an id is empty"),
            (json!({"from": {}}), "from: \"group\" is missing"),
            (json!({"from": {"group": 1}}), "from.group: a number"),
            (json!({"from": {"group": "a/b/c"}}), "from.group: path: "),
            (json!({"from": {"group": "a", "b": 1}}), "from: the key \"b\" is unknown"),
            (filter(json!(null)), "where: null instead of an object"),
            (filter(json!({})), "where: \"field\" is missing"),
            (filter(json!({"field": "a", "value": 1})), "where: \"op\" is missing"),
            (filter(json!({"field": "a", "op": "=="})), "where: \"value\" is missing"),
            (filter(json!({"and": [leaf()], "or": [leaf()]})), "where: the key \"or\" is unknown"),
            (filter(json!({"or": [leaf()], "op": "=="})), "where: the key \"op\" is unknown"),
            (filter(json!({"and": leaf()})), "where.and: an object instead of an array"),
            (filter(json!({"and": []})), "where.and: no filters"),
            (filter(json!({"or": []})), "where.or: no filters"),
            (filter(json!({"and": [leaf(), 7]})), "where.and[1]: a number"),
            (
                filter(json!({"and": [{"or": [leaf(), {}]}]})),
                "where.and[0].or[1]: \"field\" is missing",
            ),
            (filter(field(json!(["a"]))), "where.field: an array instead of a string"),
            (filter(field(json!("a..b"))), "where.field: field path \"a..b\": a key is empty"),
            (filter(op(json!(1))), "where.op: a number instead of a string"),
            (filter(op(json!("="))), "where.op: \"=\" is none of == != "),
            (filter(value("==", json!({"$delete": true}))), "where.value: "),
            (filter(value("==", json!({"x": [{"$y": 1}]}))), "where.value.x[0]: "),
            (filter(value("in", json!(1))), "where.value: a number instead of an array"),
            (filter(value("in", json!([]))), "where.value: 0 values for in, of 1 to 30"),
            (filter(value("not-in", json!([]))), "where.value: 0 values for not-in, of 1 to 10"),
            (
                filter(value("array-contains-any", json!([]))),
                "where.value: 0 values for array-contains-any",
            ),
            (filter(value("not-in", json!([1, {"$ref": "a"}]))), "where.value[1]: $ref: path: "),
            (
                filter(json!({"and": [leaf(), value("==", json!({"$bytes": 1}))]})),
                "where.and[1].value: $bytes: not a string",
            ),
            (filter(json!({"field": "a", "op": "==", "value": 1, "x": 1})), "where: the key \"x\""),
            (
                filter(json!({"field": "__name__", "op": "array-contains", "value": "x"})),
                "where.op: array-contains of __name__",
            ),
            (
                filter(json!({"field": "__name__", "op": "array-contains-any", "value": ["x"]})),
                "where.op: array-contains-any of __name__",
            ),
            (
                filter(json!({"field": "__name__", "op": "in", "value": ["x", 1]})),
                "where.value[1]: a number instead of a document's path",
            ),
            (order(json!("a")), "orderBy: a string instead of an array"),
            (order(json!(["a"])), "orderBy[0]: a string instead of an object"),
            (order(json!([{"direction": "asc"}])), "orderBy[0]: \"field\" is missing"),
            (order(json!([{"field": "a"}, {"field": "."}])), "orderBy[1].field: "),
            (order(json!([{"field": "a", "direction": 1}])), "orderBy[0].direction: a number"),
            (order(json!([{"field": "a", "direction": "up"}])), "orderBy[0].direction: \"up\""),
            (
                order(json!([{"field": "a", "order": 1}])),
                "orderBy[0]: the key \"order\" is unknown",
            ),
            (order(json!([{"field": "a"}, {"field": "`a`"}])), "orderBy[1]: a a second time"),
            (json!({"from": "c", "limit": 0}), "limit: "),
            (json!({"from": "c", "limit": -1}), "limit: "),
            (json!({"from": "c", "limit": 1.5}), "limit: "),
            (json!({"from": "c", "limit": "1"}), "limit: a string"),
            (json!({"from": "c", "limit": null}), "limit: null"),
            (json!({"from": "c", "limitToLast": 1}), "limitToLast: without orderBy"),
            (
                json!({"from": "c", "limit": 1, "limitToLast": 1, "orderBy": [{"field": "a"}]}),
                "limitToLast: beside limit",
            ),
            (json!({"from": "c", "limitToLast": 0, "orderBy": [{"field": "a"}]}), "limitToLast: "),
            (json!({"from": "c", "offset": -1}), "offset: "),
            (json!({"from": "c", "startAt": "x"}), "startAt: a string instead of an array"),
            (json!({"from": "c", "startAt": []}), "startAt: 0 values, of 1 to 1"),
            (json!({"from": "c", "endBefore": ["x", "y"]}), "endBefore: 2 values, of 1 to 1"),
            (
                json!({"from": "c", "startAfter": [1]}),
                "startAfter[0]: a number instead of a document's",
            ),
            (
                json!({"from": "c", "startAt": ["x"], "startAfter": ["x"]}),
                "startAfter: beside startAt",
            ),
            (json!({"from": "c", "endAt": ["x"], "endBefore": ["x"]}), "endBefore: beside endAt"),
            (
                json!({"from": "c", "orderBy": [{"field": "a"}], "endAt": [{"x": {"$delete": true}}]}),
                "endAt[0].x: ",
            ),
            (json!({"from": "c", "select": "a"}), "select: a string instead of an array"),
            (json!({"from": "c", "select": ["a", 1]}), "select[1]: a number"),
            (json!({"from": "c", "select": ["a", "b."]}), "select[1]: field path"),
            (json!({"from": "c", "pageToken": 1}), "pageToken: a number"),
            (json!({"from": "c", "explain": 1}), "explain: a number"),
        ] {
            let detail = refusal(json.clone());
            assert!(detail.starts_with(place), "{json}\n{detail}");
        }
    }

    #[test]
    fn cursors_have_values_for_the_whole_order() {
        // The order of an inequality, and the name's.
        let filter = json!({"field": "a", "op": ">", "value": 1});
        let start = |values: Value| json!({"from": "c", "where": filter, "startAt": values});
        let query = Query::from_json(start(json!([1, "x"]))).unwrap();
        let values = vec![json!(1), json!({"$ref": "c/x"})];
        assert_eq!(query.start, Some(Cursor { values, inclusive: true }));
        assert!(refusal(start(json!([1, "x", 1]))).starts_with("startAt: 3 values, of 1 to 2"));
        // What comes after the name sorts nothing, and has no value.
        let orders = json!([{"field": "__name__"}, {"field": "a"}]);
        let end = json!({"from": "c", "orderBy": orders, "endAt": ["x", 1]});
        assert!(refusal(end).starts_with("endAt: 2 values, of 1 to 1"));
    }

    #[test]
    fn every_limit_holds_and_no_more() {
        let read = |filter: Value| Query::from_json(json!({"from": "c", "where": filter}));
        let check = |limit: usize, query: &dyn Fn(usize) -> Result<Query, Error>, detail: &str| {
            query(limit).unwrap();
            let error = query(limit + 1).unwrap_err();
            assert!(error.detail.contains(detail), "{error}");
        };
        let values =
            |op: &str, count: usize| json!({"field": "a", "op": op, "value": vec![1; count]});
        check(IN_VALUES, &|count| read(values("in", count)), "where.value: 31 values");
        check(IN_VALUES, &|count| read(values("array-contains-any", count)), "31 values");
        check(NOT_IN_VALUES, &|count| read(values("not-in", count)), "where.value: 11 values");
        let or = |count: usize| json!({"or": vec![leaf(); count]});
        check(QUERY_DISJUNCTIONS, &|count| read(or(count)), "where: 31 disjunctions");
        let product = |count: usize| json!({"and": [or(count / 3), or(3)]});
        read(product(30)).unwrap();
        assert!(read(product(33)).is_err());
        let and = |count: usize| json!({"and": vec![leaf(); count]});
        check(QUERY_TERMS, &|count| read(and(count)), "query: 101 filters and orders");
        let orders = |count: usize| {
            let orders: Vec<_> =
                (0..count / 2).map(|n| json!({"field": format!("f{n}")})).collect();
            Query::from_json(
                json!({"from": "c", "where": and(count.div_ceil(2)), "orderBy": orders}),
            )
        };
        check(QUERY_TERMS, &orders, "101 filters and orders");
        let fields = |count: usize| (0..count).map(|n| format!("f{n}"));
        let order_by = |count: usize| {
            let orders: Vec<_> = fields(count).map(|field| json!({ "field": field })).collect();
            Query::from_json(json!({"from": "c", "orderBy": orders}))
        };
        check(QUERY_TERMS, &order_by, "orderBy: 101 orders");
        let select = |count: usize| {
            Query::from_json(json!({"from": "c", "select": fields(count).collect::<Vec<_>>()}))
        };
        check(QUERY_SELECT, &select, "select: 1001 field paths");
        let nested = |depth: usize| {
            (0..depth).fold(leaf(), |inner, level| match level % 2 {
                0 => json!({"or": [inner]}),
                _ => json!({"and": [inner]}),
            })
        };
        check(QUERY_DEPTH, &|depth| read(nested(depth)), "more than 32 of and, or");
    }

    #[test]
    fn a_filter_that_would_explode_is_refused_at_once() {
        let or = json!({"or": [leaf(), leaf()]});
        let filter = json!({"and": vec![or; 50]});
        let detail = refusal(json!({"from": "c", "where": filter}));
        assert!(detail.starts_with("where: 1125899906842624 disjunctions"), "{detail}");
    }

    #[test]
    fn what_only_firestores_indexes_cannot_do_is_allowed() {
        let filter = |op: &str, value: Value| json!({"field": "a", "op": op, "value": value});
        query(json!({"where": {"and": [
            filter("array-contains", json!(1)), filter("array-contains", json!(2)),
            filter("array-contains-any", json!([3])), filter("!=", json!(1)), filter("!=", json!(2)),
            filter("not-in", json!([3])), filter("not-in", json!([4])), filter("in", json!([[1, 2]])),
            filter("<", json!(null)), filter(">=", json!({"$number": "NaN"})),
        ]}, "orderBy": [{"field": "b"}]}));
    }
}
