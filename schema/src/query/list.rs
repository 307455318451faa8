//! A query as the parameters of a URL, for curl: `?where=age>=18&orderBy=-age&limit=20`.

use super::{Operator, Query};
use crate::error::Error;
use crate::path::CollectionPath;
use crate::value::Map;
use serde_json::{Value, json};

impl Query {
    /// Reads decoded pairs of a URL's query:
    ///
    /// - `where=age>=18`: field, operator, value; given more often, all must hold. `in`, `not-in`, `array-contains` and
    ///   `array-contains-any` stand between spaces. A value is JSON, or else a string;
    /// - `orderBy=age,-name` or `orderBy=name desc`, or given more often;
    /// - `limit`, `limitToLast`, `offset`, `pageToken`, `explain=true`, `select=name,age`;
    /// - `startAt`, `startAfter`, `endAt`, `endBefore`: a JSON array, or one value.
    ///
    /// # Errors
    /// `invalid-argument`: an unknown name, a name that stands for one thing given twice, a `where` without an operator,
    /// and as [`Query::from_json`].
    pub fn from_list(
        collection: CollectionPath,
        pairs: &[(String, String)],
    ) -> Result<Self, Error> {
        let (mut query, mut filters, mut orders) = (Map::new(), Vec::new(), Vec::new());
        query.insert("from".to_owned(), Value::from(collection.as_str()));
        for (name, text) in pairs {
            let value = match name.as_str() {
                "where" => {
                    filters.push(read_condition(text)?);
                    continue;
                }
                "orderBy" => {
                    orders.extend(split(text).map(read_order));
                    continue;
                }
                "limit" | "limitToLast" | "offset" | "explain" => read_value(text),
                "pageToken" => Value::from(text.as_str()),
                "select" if text.trim().is_empty() => Value::Array(Vec::new()),
                "select" => split(text).map(Value::from).collect(),
                "startAt" | "startAfter" | "endAt" | "endBefore" => match read_value(text) {
                    Value::Array(values) => Value::Array(values),
                    value => Value::Array(vec![value]),
                },
                _ => return Err(Error::invalid(format!("{name:?} is no parameter of a query"))),
            };
            if query.insert(name.clone(), value).is_some() {
                return Err(Error::invalid(format!("{name}: given twice")));
            }
        }
        if !orders.is_empty() {
            query.insert("orderBy".to_owned(), Value::Array(orders));
        }
        if filters.len() > 1 {
            query.insert("where".to_owned(), json!({ "and": filters }));
        } else if let Some(filter) = filters.pop() {
            query.insert("where".to_owned(), filter);
        }
        Query::from_json(Value::Object(query))
    }
}

/// JSON, or else a string.
fn read_value(text: &str) -> Value {
    let text = text.trim();
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

/// `age>=18`. The first operator counts, and where several begin, the longest; between backticks there is none.
fn read_condition(text: &str) -> Result<Value, Error> {
    for (at, _) in outside_of_quotes(text) {
        let Some((field, rest)) = text.split_at_checked(at) else { continue };
        if let Some((op, value)) = begins_with_operator(rest) {
            let (field, op) = (field.trim(), op.as_str());
            return Ok(json!({"field": field, "op": op, "value": read_value(value)}));
        }
    }
    let all = Operator::ALL.map(Operator::as_str).join(" ");
    Err(Error::invalid(format!("where={text}: without an operator, which is one of {all}")))
}

/// The operator at the beginning of `text`, and what follows it.
fn begins_with_operator(text: &str) -> Option<(Operator, &str)> {
    let found = Operator::ALL.into_iter().filter_map(|op| {
        let name = op.as_str();
        if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let rest = text.strip_prefix(' ')?.strip_prefix(name)?;
            return rest.starts_with(' ').then_some((op, rest));
        }
        Some((op, text.strip_prefix(name)?))
    });
    found.max_by_key(|(op, _)| op.as_str().len())
}

/// `age`, `-age`, `age desc`, `age asc`.
fn read_order(text: &str) -> Value {
    let text = text.trim();
    if let Some(field) = text.strip_prefix('-') {
        return json!({"field": field.trim(), "direction": "desc"});
    }
    match text.rsplit_once(' ') {
        Some((field, direction @ ("asc" | "desc"))) => {
            json!({"field": field.trim(), "direction": direction})
        }
        _ => json!({ "field": text }),
    }
}

/// The parts between commas, without the spaces around them.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let commas =
        outside_of_quotes(text).filter(|(_, character)| *character == ',').map(|(at, _)| at);
    let mut start = 0;
    commas.chain([text.len()]).map(move |end| {
        let part = text.get(start..end).unwrap_or_default();
        start = end.saturating_add(1);
        part.trim()
    })
}

/// The characters that stand outside of the backticks that quote a key, and where they stand.
fn outside_of_quotes(text: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut quoted, mut escaped) = (false, false);
    text.char_indices().filter(move |(_, character)| {
        let inside = quoted;
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '`' => quoted = !quoted,
            _ => {}
        }
        !inside && !quoted
    })
}
