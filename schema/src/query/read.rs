//! Reading a query from JSON, and checking it.

use super::{
    Cursor, Direction, Field, FieldFilter, Filter, Limit, Operator, Order, Query, Source, reference,
};
use crate::error::Error;
use crate::field_path::FieldPath;
use crate::limits::{IN_VALUES, NOT_IN_VALUES, QUERY_DEPTH, QUERY_DISJUNCTIONS, QUERY_TERMS};
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
    /// `array-contains-any`, more than [`QUERY_DISJUNCTIONS`], [`IN_VALUES`], [`NOT_IN_VALUES`], [`QUERY_TERMS`] or
    /// [`QUERY_DEPTH`].
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
    let mut orders: Vec<Order> = Vec::new();
    for (index, value) in array(value, "orderBy")?.into_iter().enumerate() {
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
    let mut select = Vec::new();
    for (index, value) in array(value, "select")?.into_iter().enumerate() {
        let place = format!("select[{index}]");
        let text = string(value, &place)?;
        match Field::parse(&text).map_err(|error| invalid(&place, error.detail))? {
            Field::Name => {}
            Field::Path(path) => select.push(path),
        }
    }
    Ok(select)
}
