//! `GET /v1/docs/{collection}?…`: a query in a URL, for curl.

use crate::{client, encode};
use blaze_tests::client::{documents, fresh_collection, ids};
use blaze_tests::server::shared;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// Five people.
fn people() -> &'static str {
    static PEOPLE: LazyLock<String> = LazyLock::new(|| {
        let collection = fresh_collection();
        for (id, data) in [
            ("ada", json!({"age": 36, "city": "Paris", "tags": ["vip"], "zip": "75001"})),
            ("bob", json!({"age": 17, "city": "Paris", "tags": [], "zip": 75001})),
            ("cid", json!({"age": 40, "city": "New York", "tags": ["vip", "a,b"]})),
            ("dan", json!({"age": 50, "city": "a b+c&d=e", "x": null})),
            ("eve", json!({"city": "Zürich", "a,b": {"c": 1}})),
        ] {
            client().put(&format!("/v1/docs/{collection}/{id}"), &data).send().expect(201);
        }
        collection
    });
    &PEOPLE
}

/// The answer to a list with these parameters, which are encoded here.
fn list(pairs: &[(&str, &str)]) -> Value {
    let query: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    client().get(&format!("/v1/docs/{}?{}", people(), query.join("&"))).send().expect(200).json()
}

#[test]
fn a_list_is_the_query_of_its_parameters() {
    for (pairs, expected) in [
        (vec![], vec!["ada", "bob", "cid", "dan", "eve"]),
        (vec![("where", "age>=18")], vec!["ada", "cid", "dan"]),
        (vec![("where", "age>=18"), ("where", "city==Paris")], vec!["ada"]),
        (vec![("where", "age >= 18"), ("orderBy", "-age"), ("limit", "2")], vec!["dan", "cid"]),
        (vec![("where", "age<40"), ("orderBy", "age desc")], vec!["ada", "bob"]),
        (vec![("where", "city==New York")], vec!["cid"]),
        (vec![("where", "city==a b+c&d=e")], vec!["dan"]),
        (vec![("where", "city==Zürich")], vec!["eve"]),
        (vec![("where", "city!=Paris"), ("orderBy", "city")], vec!["cid", "eve", "dan"]),
        // A value is JSON, or else a string.
        (vec![("where", "zip==75001")], vec!["bob"]),
        (vec![("where", "zip==\"75001\"")], vec!["ada"]),
        (vec![("where", "x==null")], vec!["dan"]),
        (vec![("where", "tags==[]")], vec!["bob"]),
        (vec![("where", "city in [\"Paris\",\"Zürich\"]")], vec!["ada", "bob", "eve"]),
        (vec![("where", "city not-in [\"Paris\",\"Zürich\"]")], vec!["cid", "dan"]),
        (vec![("where", "tags array-contains vip")], vec!["ada", "cid"]),
        (vec![("where", "tags array-contains a,b")], vec!["cid"]),
        (vec![("where", "tags array-contains-any [\"a,b\",\"x\"]")], vec!["cid"]),
        (vec![("where", "`a,b`.c==1")], vec!["eve"]),
        (vec![("where", "__name__>=cid")], vec!["cid", "dan", "eve"]),
        (vec![("orderBy", "city,-age")], vec!["cid", "ada", "bob", "dan"]),
        (vec![("orderBy", "city"), ("orderBy", "age")], vec!["cid", "bob", "ada", "dan"]),
        (vec![("orderBy", "age"), ("limitToLast", "2")], vec!["cid", "dan"]),
        (vec![("orderBy", "age"), ("startAfter", "36")], vec!["cid", "dan"]),
        (vec![("orderBy", "age"), ("startAt", "[36]"), ("endBefore", "50")], vec!["ada", "cid"]),
        (vec![("startAt", "cid"), ("endAt", "dan")], vec!["cid", "dan"]),
        (vec![("offset", "3")], vec!["dan", "eve"]),
    ] {
        assert_eq!(ids(&list(&pairs)), expected, "{pairs:?}");
    }
}

#[test]
fn a_list_answers_as_a_query_does() {
    let query = json!({"from": people(), "orderBy": [{"field": "age"}], "select": ["age"], "limit": 1, "explain": true});
    let mut answers = [
        client().query(&query),
        list(&[("orderBy", "age"), ("select", "age"), ("limit", "1"), ("explain", "true")]),
    ];
    for answer in &mut answers {
        assert!(answer["readTime"].take().is_string());
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(documents(&answers[1])[0]["data"], json!({"age": 17}));
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let page = match token.as_str() {
            "" => list(&[("limit", "2")]),
            token => list(&[("limit", "2"), ("pageToken", token)]),
        };
        seen.extend(ids(&page));
        match page["nextPageToken"].as_str() {
            Some(next) => token = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, ["ada", "bob", "cid", "dan", "eve"]);
    let deep = format!("/v1/docs/{}/ada/none", people());
    assert_eq!(client().get(&deep).send().expect(200).json()["documents"], json!([]));
}

#[test]
fn what_is_no_list_is_refused_with_its_place() {
    for (query, place) in [
        ("limits=1", "limits"),
        ("where=age%3D18", "operator"),
        ("where=age%3E%3D18&where=x", "operator"),
        ("where=a..b%3D%3D1", "where.field"),
        ("where=a%20in%201", "where.value"),
        ("where=a%3D%3D%7B%22%24x%22%3A1%7D", "where.value"),
        ("limit=0", "limit"),
        ("limit=many", "limit"),
        ("limit=1&limit=2", "twice"),
        ("limitToLast=1", "limitToLast"),
        ("orderBy=a,,b", "orderBy[1]"),
        ("orderBy=a&startAt=%5B1,2,3%5D", "startAt"),
        ("pageToken=x", "pageToken"),
        ("from=other", "from"),
        ("explain=maybe", "explain"),
        ("select=a,b..c", "select[1]"),
    ] {
        let reply = client().get(&format!("/v1/docs/{}?{query}", people())).send();
        let detail = reply.problem(400, "invalid-argument");
        assert!(detail.contains(place), "{query}: {place} in {detail}");
    }
}

#[test]
fn a_list_has_no_version() {
    let path = format!("/v1/docs/{}", people());
    // No body is looked at, and no conditional header: a list has no version.
    let reply = client().get(&path).header("if-none-match", "*").send().expect(200);
    assert_eq!(reply.header("etag"), None);
    assert_eq!(
        shared().client().get(&format!("{path}?")).send().expect(200).json()["documents"]
            .as_array()
            .map(Vec::len),
        Some(5)
    );
}
