//! Nothing is ignored: a parameter, a key or a header that is not understood is refused by name, and the document stays as
//! it was.

use crate::{client, document};
use blaze_tests::client::{JSON, fresh};
use blaze_tests::socket::Socket;
use serde_json::{Value, json};

/// Every route by each of its methods, with a body that it takes.
fn routes(document: &str) -> Vec<(&'static str, String, Option<Value>)> {
    let collection = document.rsplit_once('/').unwrap().0.to_owned();
    let path = document.strip_prefix("/v1/docs/").unwrap();
    let query = json!({"from": "strict"});
    vec![
        ("GET", document.to_owned(), None),
        ("HEAD", document.to_owned(), None),
        ("PUT", document.to_owned(), Some(json!({"b": 2}))),
        ("PATCH", document.to_owned(), Some(json!({"b": 2}))),
        ("DELETE", document.to_owned(), None),
        ("POST", collection.clone(), Some(json!({"b": 2}))),
        ("GET", collection.clone(), None),
        ("HEAD", collection, None),
        ("POST", "/v1/query".to_owned(), Some(query.clone())),
        (
            "POST",
            "/v1/aggregate".to_owned(),
            Some(json!({"query": query, "aggregates": {"n": "count"}})),
        ),
        ("POST", "/v1/commit".to_owned(), Some(json!({"writes": [{"delete": path}]}))),
        ("GET", "/v1/accounts".to_owned(), None),
        ("POST", "/v1/accounts/signIn".to_owned(), Some(json!({}))),
        ("GET", "/v1/rules".to_owned(), None),
        ("PUT", "/v1/rules".to_owned(), Some(json!("x"))),
        ("GET", "/v1/rules/versions".to_owned(), None),
        ("GET", "/v1/keys".to_owned(), None),
        ("POST", "/v1/keys".to_owned(), Some(json!({"name": "strict"}))),
        ("DELETE", "/v1/keys/none".to_owned(), None),
        ("POST", "/v1/signing-keys".to_owned(), None),
        ("GET", "/v1/audit".to_owned(), None),
        ("GET", "/v1/jwks.json".to_owned(), None),
        ("GET", "/v1/openapi.json".to_owned(), None),
        ("GET", "/health".to_owned(), None),
        ("GET", "/v1/listen".to_owned(), None),
    ]
}

#[test]
fn a_parameter_that_a_route_does_not_know_is_refused_by_name() {
    let path = fresh("strict");
    client().put(&path, &json!({"a": 1, "b": 1})).send().expect(201);
    let before = client().state(&path);
    for (method, route, body) in routes(&path) {
        for (query, name) in [
            ("Merge=true", "\"Merge\""),
            ("updateMask=b", "\"updateMask\""),
            ("ifVersion=77", "\"ifVersion\""),
            ("dryRun=true", "\"dryRun\""),
            ("wait=no", "\"wait\""),
        ] {
            let call = client().request(method, &format!("{route}?{query}"));
            let call = match &body {
                Some(body) => call.body(JSON, body.to_string()),
                None => call,
            };
            let reply = call.send();
            assert_eq!(reply.status, 400, "{method} {route}?{query}");
            if method != "HEAD" {
                let detail = reply.problem(400, "invalid-argument");
                assert!(detail.contains(name), "{method} {route}?{query}: {detail}");
            }
        }
    }
    assert_eq!(client().state(&path), before);
    // A page is opened with whatever somebody hangs on to its address; a preflight asks about another request.
    assert_eq!(client().request("OPTIONS", &format!("{path}?Merge=true")).send().status, 204);
}

#[test]
fn parameters_that_contradict_each_other_are_refused() {
    let path = fresh("strict");
    client().put(&path, &json!({"a": 1, "b": 1})).send().expect(201);
    let before = client().state(&path);
    for query in [
        "merge=false&merge=true",
        "merge=true&mergeFields=b",
        "mergeFields=b&mergeFields=a",
        "mergeFields=c",
        "mergeFields=b,b.x",
        "mergeFields=b,",
        "mergeFields=%ff",
    ] {
        let reply = client().put(&format!("{path}?{query}"), &json!({"b": 2})).send();
        let detail = reply.problem(400, "invalid-argument");
        assert!(detail.contains("merge"), "{query}: {detail}");
    }
    for method in ["PATCH", "DELETE"] {
        let call = client().request(method, &format!("{path}?merge=true"));
        let call = if method == "PATCH" { call.body(JSON, r#"{"b":2}"#) } else { call };
        call.send().problem(400, "invalid-argument");
    }
    assert_eq!(client().state(&path), before);
}

#[test]
fn a_header_that_would_forbid_the_write_is_not_ignored() {
    let path = fresh("strict");
    client().put(&path, &json!({"a": 1})).send().expect(201);
    let before = client().state(&path);
    for (name, value) in [
        ("If-Unmodified-Since", "Sat, 29 Oct 1994 19:43:31 GMT"),
        ("Content-Range", "bytes 0-3/10"),
        ("If-Match", "1"),
        ("If-None-Match", "1"),
    ] {
        for method in ["PUT", "DELETE"] {
            let call = client().request(method, &path).header(name, value);
            let call = if method == "PUT" { call.body(JSON, "{}") } else { call };
            let detail = call.send().problem(400, "invalid-argument");
            assert!(detail.starts_with(name), "{method} {name}: {detail}");
        }
    }
    let body = client().request("DELETE", &path).body(JSON, r#"{"ifVersion":7}"#).send();
    assert!(body.problem(400, "invalid-argument").contains("body"));
    assert_eq!(client().state(&path), before);
}

#[test]
fn merge_fields_takes_what_is_named() {
    let path = fresh("strict");
    let put = |query: &str, data: Value| client().put(&format!("{path}?{query}"), &data).send();
    put("mergeFields=a,m.x", json!({"a": 1, "m": {"x": 1, "y": 1}, "z": 1})).expect(201);
    assert_eq!(client().data(&path), json!({"a": 1, "m": {"x": 1}}));
    put("", json!({"a": 1, "m": {"x": 1, "y": 1}, "n": 1, "gone": 1})).expect(200);
    let data = json!({
        "a": 9, "m": {"y": 2}, "n": {"$increment": 2}, "gone": {"$delete": true},
        "t": {"$serverTimestamp": true}
    });
    put("mergeFields=m,n,gone", data).expect(200);
    assert_eq!(client().data(&path), json!({"a": 1, "m": {"y": 2}, "n": 3}));
    let before = client().state(&path);
    put("mergeFields=", json!({"a": 2})).expect(200);
    assert_eq!(client().state(&path), before);
    // In a commit, on a socket too.
    let write = json!({"merge": document(&path), "data": {"a": 5, "n": 0}, "mergeFields": ["a"]});
    client().post("/v1/commit", &json!({"writes": [write]})).send().expect(200);
    assert_eq!(client().data(&path), json!({"a": 5, "m": {"y": 2}, "n": 3}));
    for wrong in [
        json!({"set": document(&path), "data": {"a": 5}, "mergeFields": ["a"]}),
        json!({"merge": document(&path), "data": {"a": 5}, "mergeFields": ["b"]}),
        json!({"merge": document(&path), "data": {"a": 5}, "mergefields": ["a"]}),
    ] {
        let reply = client().post("/v1/commit", &json!({"writes": [wrong]})).send();
        assert!(reply.problem(400, "invalid-argument").starts_with("writes[0]"));
    }
    assert_eq!(client().data(&path), json!({"a": 5, "m": {"y": 2}, "n": 3}));
}

#[test]
fn a_socket_has_the_parameters_of_a_socket() {
    let path = fresh("strict");
    client().put(&path, &json!({"a": 1})).send().expect(201);
    for query in ["merge=true", "Since=1&epoch=e", "since=1&since=2&epoch=e", "token=x", "wait=no"]
    {
        assert_eq!(socket(&format!("{path}?{query}")), 400, "{query}");
    }
    assert_eq!(socket("/v1/listen?token=x"), 400);
    // Nor has a read those of a socket.
    client().get(&format!("{path}?since=1&epoch=e")).send().problem(400, "invalid-argument");
}

/// The status that a request for a socket is refused with.
fn socket(path: &str) -> u16 {
    match Socket::open_with(client().base(), path, "") {
        Ok(_) => panic!("{path}: a socket"),
        Err(refusal) => refusal.status,
    }
}
