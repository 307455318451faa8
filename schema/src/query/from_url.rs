//! A query as the parameters of a URL, for curl: `?where=age>=18&orderBy=-age&limit=20`.

use super::{Operator, Query};
use crate::error::Error;
use crate::field_path::{outside_of_quotes, split_list};
use crate::path::CollectionPath;
use crate::value::Map;
use serde_json::{Value, json};

/// The parameters of a URL that [`Query::from_list`] reads.
pub const PARAMETERS: [&str; 12] = [
    "where",
    "orderBy",
    "limit",
    "limitToLast",
    "offset",
    "startAt",
    "startAfter",
    "endAt",
    "endBefore",
    "select",
    "pageToken",
    "explain",
];

/// The parameters that may be given several times: all of their values count.
pub const ADDING_UP: [&str; 2] = ["where", "orderBy"];

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
                    orders.extend(split_list(text).map(read_order));
                    continue;
                }
                "limit" | "limitToLast" | "offset" | "explain" => read_value(text),
                "pageToken" => Value::from(text.as_str()),
                "select" if text.trim().is_empty() => Value::Array(Vec::new()),
                "select" => split_list(text).map(Value::from).collect(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn list(pairs: &[(&str, &str)]) -> Result<Value, String> {
        let pairs: Vec<_> =
            pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let collection = CollectionPath::parse("c").unwrap();
        let query = Query::from_list(collection, &pairs).map_err(|error| {
            assert_eq!(error.code, crate::error::Code::InvalidArgument);
            error.detail
        })?;
        let mut json = query.to_json();
        assert_eq!(json.as_object_mut().unwrap().remove("from"), Some(json!("c")));
        Ok(json)
    }

    #[test]
    fn a_condition_is_field_operator_and_value() {
        let filter = |field: &str, op: &str, value: Value| json!({"where": {"field": field, "op": op, "value": value}});
        for (text, query) in [
            ("age>=18", filter("age", ">=", json!(18))),
            ("age>18", filter("age", ">", json!(18))),
            ("age<=-1.5", filter("age", "<=", json!(-1.5))),
            ("age<0", filter("age", "<", json!(0))),
            ("age != 18 ", filter("age", "!=", json!(18))),
            ("city==Paris", filter("city", "==", json!("Paris"))),
            ("city == New York", filter("city", "==", json!("New York"))),
            ("zip==\"75001\"", filter("zip", "==", json!("75001"))),
            ("city==", filter("city", "==", json!(""))),
            ("a==null", filter("a", "==", json!(null))),
            ("a=={\"$number\":\"NaN\"}", filter("a", "==", json!({"$number": "NaN"}))),
            ("a.b==[1,\"x\"]", filter("a.b", "==", json!([1, "x"]))),
            // The first operator counts, the longest one there.
            ("a==b>=c", filter("a", "==", json!("b>=c"))),
            ("a<b==c", filter("a", "<", json!("b==c"))),
            ("a<=>b", filter("a", "<=", json!(">b"))),
            ("a== x in y", filter("a", "==", json!("x in y"))),
            ("a===b", filter("a", "==", json!("=b"))),
            // Words stand between spaces.
            ("city in [\"Paris\",\"Rome\"]", filter("city", "in", json!(["Paris", "Rome"]))),
            ("city not-in [1]", filter("city", "not-in", json!([1]))),
            ("tags array-contains vip", filter("tags", "array-contains", json!("vip"))),
            ("tags array-contains-any [1, 2]", filter("tags", "array-contains-any", json!([1, 2]))),
            ("in in [\"a==b\"]", filter("in", "in", json!(["a==b"]))),
            ("origin==x", filter("origin", "==", json!("x"))),
            // Quotes hide an operator; the value has none.
            ("`a==b`==1", filter("`a==b`", "==", json!(1))),
            ("`a in \\`b`.c in [1]", filter("`a in \\`b`.c", "in", json!([1]))),
            ("a==`b", filter("a", "==", json!("`b"))),
            ("é≥==ü", filter("é≥", "==", json!("ü"))),
            ("__name__>b", filter("__name__", ">", json!({"$ref": "c/b"}))),
        ] {
            let mut query = query;
            if let Some(field) = query["where"]["field"].as_str() {
                query["where"]["field"] =
                    json!(super::super::Field::parse(field).unwrap().to_string());
            }
            assert_eq!(list(&[("where", text)]), Ok(query), "{text}");
        }
        let (a, b) = (
            json!({"field": "a", "op": "==", "value": 1}),
            json!({"field": "b", "op": "<", "value": 2}),
        );
        assert_eq!(
            list(&[("where", "a==1"), ("where", "b<2")]),
            Ok(json!({"where": {"and": [a, b]}}))
        );
    }

    #[test]
    fn orders_have_a_sign_or_a_word() {
        let orders = |orders: &[(&str, &str)]| {
            let orders =
                orders.iter().map(|(field, way)| json!({"field": field, "direction": way}));
            Ok(json!({"orderBy": orders.collect::<Vec<_>>()}))
        };
        for (texts, expected) in [
            (vec!["age"], orders(&[("age", "asc")])),
            (vec!["-age"], orders(&[("age", "desc")])),
            (vec!["age desc"], orders(&[("age", "desc")])),
            (vec!["age asc"], orders(&[("age", "asc")])),
            (vec!["age,-name"], orders(&[("age", "asc"), ("name", "desc")])),
            (vec![" age , - name "], orders(&[("age", "asc"), ("name", "desc")])),
            (vec!["age", "name desc"], orders(&[("age", "asc"), ("name", "desc")])),
            (vec!["`a,b`,`-c`"], orders(&[("`a,b`", "asc"), ("`-c`", "asc")])),
            (vec!["-`a`.b,__name__"], orders(&[("a.b", "desc"), ("__name__", "asc")])),
            (vec!["desc"], orders(&[("desc", "asc")])),
            (vec!["first name"], orders(&[("first name", "asc")])),
        ] {
            let pairs: Vec<_> = texts.iter().map(|text| ("orderBy", *text)).collect();
            let found = list(&pairs).map(|mut query| {
                // Names are printed with quotes only where they need them.
                for order in query["orderBy"].as_array_mut().unwrap() {
                    if order["field"] == "a,b" || order["field"] == "-c" {
                        order["field"] = json!(format!("`{}`", order["field"].as_str().unwrap()));
                    }
                }
                query
            });
            assert_eq!(found, expected, "{texts:?}");
        }
    }

    #[test]
    fn the_other_parameters_are_the_querys_keys() {
        let by_age = ("orderBy", "age");
        let age = json!([{"field": "age", "direction": "asc"}]);
        for (pairs, query) in [
            (vec![], json!({})),
            (vec![("limit", "20")], json!({"limit": 20})),
            (vec![("limitToLast", "2"), by_age], json!({"limitToLast": 2, "orderBy": age})),
            (vec![("offset", "7")], json!({"offset": 7})),
            (vec![("explain", "true")], json!({"explain": true})),
            (vec![("explain", "false")], json!({})),
            // Not JSON: a token of digits is a string too.
            (vec![("pageToken", "12")], json!({"pageToken": "12"})),
            (vec![("select", "name, a.b")], json!({"select": ["name", "a.b"]})),
            (vec![("select", "")], json!({"select": []})),
            (vec![("select", "__name__")], json!({"select": []})),
            (vec![by_age, ("startAt", "[42]")], json!({"orderBy": age, "startAt": [42]})),
            (vec![by_age, ("startAfter", "42")], json!({"orderBy": age, "startAfter": [42]})),
            (vec![by_age, ("endAt", "x")], json!({"orderBy": age, "endAt": ["x"]})),
            (vec![by_age, ("endAt", "[[1]]")], json!({"orderBy": age, "endAt": [[1]]})),
            (
                vec![by_age, ("endBefore", "[42,\"b\"]")],
                json!({"orderBy": age, "endBefore": [42, {"$ref": "c/b"}]}),
            ),
        ] {
            assert_eq!(list(&pairs), Ok(query), "{pairs:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (pairs, named) in [
            (vec![("limits", "1")], "\"limits\""),
            (vec![("from", "x")], "\"from\""),
            (vec![("", "")], "\"\""),
            (vec![("limit", "1"), ("limit", "1")], "limit: given twice"),
            (vec![("select", "a"), ("select", "b")], "select: given twice"),
            (vec![("where", "age=18")], "where=age=18: without an operator"),
            (vec![("where", "agein [1]")], "without an operator"),
            (vec![("where", "tags array-contains")], "without an operator"),
            (vec![("where", "`a==b")], "without an operator"),
            (vec![("where", "==1")], "where.field: field path \"\""),
            (vec![("where", "a==1"), ("where", "a in 1")], "where.and[1].value: a number"),
            (vec![("where", "a=={\"$increment\":1}")], "where.value: "),
            (vec![("limit", "many")], "limit: a string"),
            (vec![("limit", "")], "limit: a string"),
            (vec![("limit", "0")], "limit: "),
            (vec![("limitToLast", "1")], "limitToLast: without orderBy"),
            (vec![("explain", "yes")], "explain: a string"),
            (vec![("orderBy", "")], "orderBy[0].field"),
            (vec![("orderBy", "a,,b")], "orderBy[1].field"),
            (vec![("orderBy", "a,-a")], "orderBy[1]: a a second time"),
            (vec![("orderBy", "a down,b.")], "orderBy[1].field"),
            (vec![("select", "a,")], "select[1]"),
            (vec![("startAt", "[1, 2]")], "startAt: 2 values"),
            (vec![("startAt", "[]")], "startAt: 0 values"),
        ] {
            let detail = list(&pairs).unwrap_err();
            assert!(detail.contains(named), "{pairs:?}: {detail}");
        }
    }
}
