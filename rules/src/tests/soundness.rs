//! A query that the rules allow finds no document that they would not: random conditions, queries and documents.

use super::{auth, cases, compile, now, path};
use crate::{Lookups, Method, QueryRequest, Request, Resource, Rules, Verdict};
use blaze_schema::path::DocumentPath;
use blaze_schema::query::{FieldFilter, Filter, Matcher, Operator, Query};
use blaze_schema::value::Map;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

/// The values that fields and filters have, and how rules write them.
const VALUES: [(&str, &str); 17] = [
    ("null", "null"),
    ("true", "true"),
    ("false", "false"),
    ("0", "0"),
    ("1", "1"),
    ("1.0", "1.0"),
    ("2.5", "2.5"),
    (r#"{"$number":"NaN"}"#, "(0.0 / 0.0)"),
    (r#""x""#, "'x'"),
    (r#""alice""#, "request.auth.uid"),
    (r#""y""#, "'y'"),
    (r#"{"$timestamp":"2026-11-21T09:00:00Z"}"#, "timestamp('2026-11-21T09:00:00Z')"),
    (r#"{"$ref":"c/1"}"#, "/c/1"),
    (r#"{"$geopoint":[1,2]}"#, "latlng.value(1, 2)"),
    (r#"["x",1]"#, "['x', 1]"),
    (r#"["x"]"#, "['x']"),
    (r#"{"x":1}"#, "{'x': 1}"),
];

/// A few of them more often than the others, so that they meet.
fn pairs() -> impl Strategy<Value = (&'static str, &'static str)> {
    let often = [VALUES[1], VALUES[4], VALUES[5], VALUES[6], VALUES[8], VALUES[9]];
    prop_oneof![2 => select(often.to_vec()), 1 => select(VALUES.to_vec())]
}

fn values() -> impl Strategy<Value = Value> {
    pairs().prop_map(|(json, _)| serde_json::from_str(json).unwrap())
}

fn written() -> impl Strategy<Value = String> {
    pairs().prop_map(|(_, rule)| rule.to_owned())
}

fn fields() -> impl Strategy<Value = &'static str> {
    select(vec!["a", "b", "m", "m.x"])
}

/// Conditions on the document `D`, its field `F`, values `V` and `W` and a list `L`.
const SHAPES: &[&str] = &[
    "D.F in L",
    "V in D.F",
    "has(D.F)",
    "'x' in D.m",
    "'a' in D",
    "D.F.hasAny(L)",
    "D.F.hasAll(L)",
    "D.F.hasOnly(L)",
    "D.get('a', V) == W",
    "D['b'] == V",
    "id == '1'",
    "resource.id in ['1', '2']",
    "resource.__name__ == /c/1",
    "[D.F].hasAny(L)",
    "[D.F].size() == 1",
    "{'k': D.F}.diff({'k': V}).affectedKeys().size() == 0",
    "D.F",
    "f(D.F, V)",
    "L.exists(e, e == D.F)",
    "L.map(e, D.F).size() > 0",
    "D.F == D.b",
    "D.get(['m', 'x'], V) == W",
    "[D.F] == [V]",
    "resource.data != null",
    "D.F.size() == 1",
    "D.keys().hasAll(['a'])",
    "D.m == {'x': V}",
    "type(D.F) == int",
    "D.F in {'x': 1}",
    "D.F in request.auth.token",
    "g(D.F)",
    "D.m[D.F] == 1",
    "D.F.x == V",
    "D == {'a': V}",
    "has(resource.createTime)",
    "D.F + 1 > 1",
    "string(D.F) == 'x'",
    "debug(D.F) == V",
    "(D.F == V ? true : D.b == W)",
    "L.all(e, e != D.F)",
    "D.a in [D.b, V]",
];

/// Conditions on one field.
fn atoms() -> impl Strategy<Value = String> {
    let operators = select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let types = select(vec![
        "string",
        "int",
        "float",
        "number",
        "bool",
        "list",
        "map",
        "null",
        "timestamp",
        "latlng",
    ]);
    let lists = prop::collection::vec(written(), 1..4)
        .prop_map(|values| format!("[{}]", values.join(", ")));
    let shapes = select(SHAPES.to_vec());
    let shaped =
        (shapes, fields(), written(), written(), lists).prop_map(|(shape, field, v, w, list)| {
            let text = shape.replace('V', &v).replace('W', &w).replace('L', &list);
            text.replace("D.F", &format!("D.{field}"))
        });
    let compared = (fields(), operators, written(), any::<bool>()).prop_map(
        |(field, operator, value, turned)| {
            if turned {
                format!("{value} {operator} D.{field}")
            } else {
                format!("D.{field} {operator} {value}")
            }
        },
    );
    let typed = (fields(), types).prop_map(|(field, name)| format!("D.{field} is {name}"));
    prop_oneof![3 => compared, 3 => shaped, 1 => typed].prop_map(|text| {
        text.replace("D.", "resource.data.")
            .replace("D[", "resource.data[")
            .replace(" D", " resource.data")
            .replace("D ", "resource.data ")
    })
}

fn conditions() -> impl Strategy<Value = String> {
    atoms().prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
        ]
    })
}

fn filters() -> impl Strategy<Value = Value> {
    let one = (
        fields(),
        select(vec!["==", "==", "!=", "<", "<=", ">", ">=", "array-contains"]),
        values(),
    )
        .prop_map(|(field, op, value)| json!({"field": field, "op": op, "value": value}));
    let many = (
        fields(),
        select(vec!["in", "not-in", "array-contains-any"]),
        prop::collection::vec(values(), 1..3),
    )
        .prop_map(|(field, op, value)| json!({"field": field, "op": op, "value": value}));
    let name =
        (select(vec!["==", "in", "<", "!="]), select(vec!["1", "2"])).prop_map(|(op, id)| {
            let value = if op == "in" { json!([id, "1"]) } else { json!(id) };
            json!({"field": "__name__", "op": op, "value": value})
        });
    prop_oneof![5 => one, 2 => many, 1 => name].prop_recursive(3, 6, 3, |inner| {
        let several = || prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            several().prop_map(|filters| json!({ "and": filters })),
            several().prop_map(|filters| json!({ "or": filters })),
        ]
    })
}

fn queries() -> impl Strategy<Value = Query> {
    let group = prop::bool::weighted(0.2);
    (prop::option::weighted(0.9, filters()), prop::option::of(fields()), group).prop_filter_map(
        "a query",
        |(filter, order, group)| {
            let mut keys = json!({"from": if group { json!({"group": "c"}) } else { json!("c") }});
            if let Some(filter) = filter {
                keys["where"] = filter;
            }
            if let Some(order) = order {
                keys["orderBy"] = json!([{ "field": order }]);
            }
            Query::from_json(keys).ok()
        },
    )
}

/// The value of a field: one that a filter of it compares with, near to that, or any.
fn field_value(query: &Query, field: &str) -> BoxedStrategy<Option<Value>> {
    let mut near = Vec::new();
    let filter = query.filter.clone();
    let mut look = |filter: &FieldFilter| {
        if filter.field.to_string() != field {
            return;
        }
        match (filter.op, &filter.value) {
            (Operator::ArrayContains, value) => near.push(json!([value, "x"])),
            (Operator::ArrayContainsAny, Value::Array(values)) => {
                near.extend(values.iter().map(|value| json!([value])));
            }
            (Operator::In, Value::Array(values)) => near.extend(values.iter().cloned()),
            (_, value) => near.push(value.clone()),
        }
    };
    if let Some(filter) = &filter {
        filter.for_each(&mut look);
    }
    // Filters find numbers of both types alike.
    for value in near.clone() {
        if value == json!(1) {
            near.push(json!(1.0));
        } else if value == json!(1.0) {
            near.push(json!(1));
        }
    }
    if near.is_empty() {
        return prop::option::weighted(0.8, values()).boxed();
    }
    prop_oneof![3 => select(near).prop_map(Some), 1 => values().prop_map(Some)].boxed()
}

fn documents(query: &Query) -> impl Strategy<Value = (DocumentPath, Map)> + use<> {
    let inside = field_value(query, "m.x").prop_map(|x| match x {
        Some(x) => Some(json!({ "x": x })),
        None => Some(json!({})),
    });
    let m = prop_oneof![3 => inside, 2 => field_value(query, "m")];
    let (a, b) = (field_value(query, "a"), field_value(query, "b"));
    (select(vec!["c/1", "c/2", "d/1/c/1"]), a, b, m).prop_map(|(name, a, b, m)| {
        let mut data = Map::new();
        for (key, value) in [("a", a), ("b", b), ("m", m)] {
            data.extend(value.map(|value| (key.to_owned(), value)));
        }
        (path(name), data)
    })
}

/// How rules write a value.
fn as_rule(value: &Value) -> String {
    let text = value.to_string();
    match (VALUES.iter().find(|(json, _)| **json == *text), value) {
        (Some((_, rule)), _) => (*rule).to_owned(),
        (None, Value::Array(values)) => {
            format!("[{}]", values.iter().map(as_rule).collect::<Vec<_>>().join(", "))
        }
        (None, _) => panic!("{value}"),
    }
}

/// The condition that says what a filter says.
fn as_condition(filter: &Filter) -> String {
    let all = |filters: &[Filter], sign: &str| {
        format!("({})", filters.iter().map(as_condition).collect::<Vec<_>>().join(sign))
    };
    let filter = match filter {
        Filter::And(filters) => return all(filters, " && "),
        Filter::Or(filters) => return all(filters, " || "),
        Filter::Field(filter) => filter,
    };
    if filter.field.to_string() == "__name__" {
        return "resource.data != null".to_owned();
    }
    let (field, value) = (format!("resource.data.{}", filter.field), &filter.value);
    match filter.op {
        Operator::In => format!("{field} in {}", as_rule(value)),
        Operator::NotIn => format!("!({field} in {})", as_rule(value)),
        Operator::ArrayContains => format!("{} in {field}", as_rule(value)),
        Operator::ArrayContainsAny => format!("{field}.hasAny({})", as_rule(value)),
        op => format!("{field} {} {}", op.as_str(), as_rule(value)),
    }
}

/// A condition that is near to what the query says, or any.
fn conditions_for(query: &Query) -> BoxedStrategy<String> {
    let Some(filter) = &query.filter else { return conditions().boxed() };
    let same = as_condition(filter);
    prop_oneof![
        2 => conditions(),
        1 => Just(same.clone()),
        1 => (Just(same.clone()), conditions()).prop_map(|(a, b)| format!("({a} && {b})")),
        1 => (Just(same.clone()), conditions()).prop_map(|(a, b)| format!("({b} || {a})")),
        1 => (Just(same), conditions()).prop_map(|(a, b)| format!("({b} ? {b} : {a})")),
    ]
    .boxed()
}

fn asked() -> impl Strategy<Value = (Query, String, Vec<(DocumentPath, Map)>)> {
    queries().prop_flat_map(|query| {
        let found = prop::collection::vec(documents(&query), 12);
        (conditions_for(&query), found)
            .prop_map(move |(condition, found)| (query.clone(), condition, found))
    })
}

fn rules(condition: &str) -> Rules {
    compile(&format!(
        "function f(x, y) {{ let z = x; return z == y || x != y; }} function g(x) {{ return true; }}
        match /{{rest=**}}/c/{{id}} {{ allow list: if {condition}; }}"
    ))
}

/// Of the document, when it is listed by itself.
fn decide(rules: &Rules, name: &DocumentPath, data: &Map) -> Verdict {
    let text = serde_json::to_string(data).unwrap();
    rules.decide(&Request {
        method: Method::List,
        path: name,
        auth: Some(&auth("alice")),
        time: now(),
        before: Some(Resource { data: &text, create_time: now(), update_time: now() }),
        after: None,
        lookups: &Lookups::new(),
    })
}

fn decide_query(rules: &Rules, query: &Query) -> Verdict {
    let lookups = Lookups::new();
    rules.decide_query(&QueryRequest {
        query,
        auth: Some(&auth("alice")),
        time: now(),
        lookups: &lookups,
    })
}

proptest! {
    #![proptest_config(cases(12))]
    #[test]
    fn an_allowed_query_finds_nothing_that_is_not((query, condition, found) in asked()) {
        let rules = rules(&condition);
        if !matches!(decide_query(&rules, &query), Verdict::Allowed(_)) {
            return Ok(());
        }
        let matcher = Matcher::new(query);
        for (name, data) in found {
            if matcher.matches(&name, &data) {
                let verdict = decide(&rules, &name, &data);
                prop_assert!(matches!(verdict, Verdict::Allowed(_)), "{} {:?}: {}", name, data, condition);
            }
        }
    }
}

/// The property above would hold if nothing were ever allowed, or found: how much is.
#[test]
fn queries_that_say_enough_are_allowed() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut allowed, mut checked) = (0, 0);
    for _ in 0..2_000 {
        let (query, condition, found) = asked().new_tree(&mut runner).unwrap().current();
        if matches!(decide_query(&rules(&condition), &query), Verdict::Allowed(_)) {
            allowed += 1;
            let matcher = Matcher::new(query);
            checked += found.iter().filter(|(name, data)| matcher.matches(name, data)).count();
        }
    }
    assert!(allowed > 200 && checked > 600, "{allowed} allowed, {checked} documents");
}
