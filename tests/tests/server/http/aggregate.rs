//! `POST /v1/aggregate`: count, sum and average over a query.

use crate::{client, refusal};
use blaze_tests::client::{JSON, fresh_collection};
use serde_json::{Value, json};
use std::sync::LazyLock;

/// Products, some of whose prices are no numbers.
fn products() -> &'static str {
    static PRODUCTS: LazyLock<String> = LazyLock::new(|| {
        let collection = fresh_collection();
        for (id, data) in [
            ("a", json!({"price": 10, "kind": "x", "weight": 1.5})),
            ("b", json!({"price": 20, "kind": "x"})),
            ("c", json!({"price": 5, "kind": "y", "weight": 2})),
            ("d", json!({"price": "much", "kind": "y", "weight": 1})),
            ("e", json!({"price": null, "kind": "y"})),
            ("f", json!({"kind": "z", "m": {"n": i64::MAX}})),
            ("g", json!({"kind": "z", "m": {"n": 1}})),
            ("h", json!({"kind": "nan", "price": {"$number": "NaN"}})),
        ] {
            client().put(&format!("/v1/docs/{collection}/{id}"), &data).send().expect(201);
        }
        collection
    });
    &PRODUCTS
}

fn aggregate(rest: Value, aggregates: Value) -> Value {
    let mut query = rest.as_object().unwrap().clone();
    query.insert("from".to_owned(), json!(products()));
    let body = json!({"query": query, "aggregates": aggregates});
    let reply = client().post("/v1/aggregate", &body).send().expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    reply.json()
}

fn of_kind(kind: &str) -> Value {
    json!({"where": {"field": "kind", "op": "==", "value": kind}})
}

#[test]
fn the_example_of_the_contract() {
    let all = json!({"n": "count", "t": {"sum": "price"}, "m": {"avg": "price"}});
    assert_eq!(aggregate(of_kind("x"), all), json!({"n": 2, "t": 30, "m": 15.0}));
}

#[test]
fn a_count_counts_what_the_query_finds() {
    let count = |rest: Value| aggregate(rest, json!({"n": "count"}))["n"].clone();
    for (rest, expected) in [
        (json!({}), 8),
        (of_kind("y"), 3),
        (of_kind("none"), 0),
        (json!({"limit": 3}), 3),
        (json!({"limit": 100}), 8),
        (json!({"offset": 6}), 2),
        (json!({"offset": 6, "limit": 1}), 1),
        (json!({"offset": 60}), 0),
        (json!({"orderBy": [{"field": "price"}]}), 6),
        (json!({"orderBy": [{"field": "price"}], "limitToLast": 2}), 2),
        (json!({"orderBy": [{"field": "price"}], "startAfter": [5]}), 3),
        (json!({"where": {"field": "price", "op": ">", "value": 5}}), 2),
        (json!({"where": {"field": "price", "op": "!=", "value": 5}}), 4),
        (json!({"where": {"field": "kind", "op": "in", "value": ["x", "z"]}}), 4),
        (
            json!({"where": {"or": [{"field": "kind", "op": "==", "value": "x"}, {"field": "price", "op": "==", "value": 10}]}}),
            2,
        ),
        (json!({"select": ["price"], "explain": true}), 8),
    ] {
        assert_eq!(count(rest.clone()), expected, "{rest}");
    }
}

#[test]
fn a_sum_is_of_numbers() {
    let sum = |rest: Value, field: &str| aggregate(rest, json!({"t": {"sum": field}}))["t"].clone();
    assert_eq!(sum(of_kind("y"), "price"), json!(5), "what is no number counts nothing");
    assert_eq!(sum(of_kind("x"), "weight"), json!(1.5));
    assert_eq!(sum(of_kind("y"), "weight"), json!(3), "integers stay integers");
    assert_eq!(sum(json!({}), "weight"), json!(4.5));
    assert_eq!(sum(json!({}), "nothing"), json!(0), "the sum of none");
    assert_eq!(sum(json!({}), "price"), json!({"$number": "NaN"}), "NaN propagates");
    assert_eq!(sum(of_kind("z"), "m.n"), json!(9_223_372_036_854_775_808.0), "beyond i64");
    let first = json!({"where": {"field": "m.n", "op": ">", "value": 1}});
    assert_eq!(sum(first, "m.n"), json!(i64::MAX), "exactly");
    let cheap = json!({"orderBy": [{"field": "price"}], "where": {"field": "price", "op": ">", "value": 0}, "limit": 2});
    assert_eq!(sum(cheap, "price"), json!(15));
}

#[test]
fn an_average_is_of_numbers() {
    let avg = |rest: Value, field: &str| aggregate(rest, json!({"m": {"avg": field}}))["m"].clone();
    assert_eq!(avg(of_kind("x"), "price"), json!(15.0));
    assert_eq!(avg(of_kind("y"), "price"), json!(5.0));
    assert_eq!(avg(of_kind("y"), "weight"), json!(1.5));
    assert_eq!(avg(json!({}), "nothing"), Value::Null, "the average of none");
    assert_eq!(avg(of_kind("nan"), "price"), json!({"$number": "NaN"}));
}

#[test]
fn with_several_aggregates_documents_need_all_the_fields() {
    let both = json!({"n": "count", "t": {"sum": "price"}, "w": {"sum": "weight"}});
    assert_eq!(aggregate(json!({}), both), json!({"n": 3, "t": 15, "w": 4.5}));
    let alone = aggregate(json!({}), json!({"n": "count", "t": {"sum": "weight"}}));
    assert_eq!(alone, json!({"n": 3, "t": 4.5}));
    let five =
        json!({"a": "count", "b": "count", "c": {"sum": "m.n"}, "d": {"avg": "m.n"}, "": "count"});
    let answer = aggregate(of_kind("z"), five);
    assert_eq!(
        (&answer["a"], &answer[""], answer.as_object().unwrap().len()),
        (&json!(2), &json!(2), 5)
    );
}

#[test]
fn what_is_no_aggregation_is_refused_with_its_place() {
    let (query, count) = (json!({"from": "c"}), json!({"n": "count"}));
    for (body, place) in [
        (json!([]), "body"),
        (json!({"aggregates": count}), "query"),
        (json!({"query": {}, "aggregates": count}), "\"from\""),
        (json!({"query": {"from": "c", "limit": 0}, "aggregates": count}), "limit"),
        (json!({"query": {"from": "c", "pageToken": "x"}, "aggregates": count}), "pageToken"),
        (json!({"query": query}), "aggregates"),
        (json!({"query": query, "aggregates": {}}), "aggregates"),
        (json!({"query": query, "aggregates": []}), "aggregates"),
        (json!({"query": query, "aggregates": {"n": "sum"}}), "aggregates.n"),
        (json!({"query": query, "aggregates": {"n": {"sum": "a", "avg": "a"}}}), "aggregates.n"),
        (json!({"query": query, "aggregates": {"n": {"sum": "a..b"}}}), "aggregates.n"),
        (json!({"query": query, "aggregates": {"n": {"min": "a"}}}), "aggregates.n"),
        (json!({"query": query, "aggregates": count, "extra": 1}), "extra"),
    ] {
        let detail = refusal("/v1/aggregate", &body);
        assert!(detail.contains(place), "{body}: {place} in {detail}");
    }
    client()
        .request("POST", "/v1/aggregate")
        .body(JSON, "{")
        .send()
        .problem(400, "invalid-argument");
}
