//! A query as JSON.

use super::{Cursor, Filter, Limit, Query, Source};
use crate::field_path::FieldPath;
use crate::value::Map;
use serde_json::Value;

impl Query {
    /// The query as [`Query::from_json`] reads it; what is absent or the default is left out.
    pub fn to_json(&self) -> Value {
        let mut json = Map::new();
        let mut put = |key: &str, value: Value| {
            json.insert(key.to_owned(), value);
        };
        put(
            "from",
            match &self.from {
                Source::Collection(path) => Value::from(path.as_str()),
                Source::Group(id) => object([("group", Value::from(id.as_str()))]),
            },
        );
        if let Some(filter) = &self.filter {
            put("where", filter.to_json());
        }
        if !self.order_by.is_empty() {
            let orders = self.order_by.iter().map(|order| {
                object([
                    ("field", Value::from(order.field.to_string())),
                    ("direction", Value::from(order.direction.as_str())),
                ])
            });
            put("orderBy", orders.collect());
        }
        match self.limit {
            Some(Limit::First(limit)) => put("limit", Value::from(limit)),
            Some(Limit::Last(limit)) => put("limitToLast", Value::from(limit)),
            None => {}
        }
        if self.offset > 0 {
            put("offset", Value::from(self.offset));
        }
        let cursors =
            [(&self.start, ["startAt", "startAfter"]), (&self.end, ["endAt", "endBefore"])];
        for (cursor, [at, beside]) in cursors {
            if let Some(Cursor { values, inclusive }) = cursor {
                put(if *inclusive { at } else { beside }, Value::Array(values.clone()));
            }
        }
        if let Some(select) = &self.select {
            let select = select.iter().map(FieldPath::to_string).map(Value::from);
            put("select", select.collect());
        }
        if let Some(token) = &self.page_token {
            put("pageToken", Value::from(token.as_str()));
        }
        if self.explain {
            put("explain", Value::Bool(true));
        }
        Value::Object(json)
    }
}

impl Filter {
    fn to_json(&self) -> Value {
        match self {
            Filter::And(filters) => {
                object([("and", filters.iter().map(Filter::to_json).collect())])
            }
            Filter::Or(filters) => object([("or", filters.iter().map(Filter::to_json).collect())]),
            Filter::Field(filter) => object([
                ("field", Value::from(filter.field.to_string())),
                ("op", Value::from(filter.op.as_str())),
                ("value", filter.value.clone()),
            ]),
        }
    }
}

fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
    let mut map = Map::new();
    for (key, value) in entries {
        map.insert(key.to_owned(), value);
    }
    Value::Object(map)
}

#[cfg(test)]
mod tests {
    use super::super::testing::queries;
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn what_is_the_default_is_not_written() {
        let written = |json: Value| Query::from_json(json).unwrap().to_json();
        for same in [
            json!({"from": "c"}),
            json!({"from": "a/b/c", "select": []}),
            json!({"from": {"group": "c"}, "limit": 1, "pageToken": ""}),
            json!({
                "from": "c",
                "where": {"or": [{"and": [{"field": "a.`b.c`", "op": "not-in", "value": [1, null]}]}]},
                "orderBy": [{"field": "a", "direction": "desc"}, {"field": "__name__", "direction": "asc"}],
                "limitToLast": 2, "offset": 3, "startAt": [1, {"$ref": "c/d"}], "endBefore": [{"x": 1}],
                "select": ["a", "b.`c d.`"], "pageToken": "t", "explain": true,
            }),
            json!({"from": "c", "startAfter": [{"$ref": "c/d"}], "endAt": [{"$ref": "c/e"}]}),
        ] {
            assert_eq!(written(same.clone()), same);
        }
        for (long, short) in [
            (
                json!({"from": "c", "offset": 0, "explain": false, "orderBy": []}),
                json!({"from": "c"}),
            ),
            (
                json!({"from": "c", "orderBy": [{"field": "`a`"}], "select": ["__name__"]}),
                json!({"from": "c", "orderBy": [{"field": "a", "direction": "asc"}], "select": []}),
            ),
            (
                json!({"from": "c", "where": {"field": "__name__", "op": "in", "value": ["x", "d/y"]}}),
                json!({"from": "c", "where": {
                    "field": "__name__", "op": "in", "value": [{"$ref": "c/x"}, {"$ref": "d/y"}],
                }}),
            ),
        ] {
            assert_eq!(written(long), short);
        }
    }

    proptest! {
        #[test]
        fn writing_and_reading_are_inverse(query in queries()) {
            prop_assert_eq!(Query::from_json(query.to_json()), Ok(query));
        }
    }
}
