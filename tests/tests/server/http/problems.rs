//! Errors: RFC 9457 problems for every class of error, and what HTTP itself refuses.

use crate::client;
use blaze_tests::client::{JSON, JSON_PATCH, MERGE_PATCH, fresh};
use serde_json::json;

#[test]
fn an_unknown_route_is_404() {
    for path in
        ["/v1", "/v1/", "/v1/nothing", "/v1/docs", "/v2/docs/a/b", "/nothing", "/V1/docs/a/b"]
    {
        let detail = client().get(path).send().problem(404, "not-found");
        assert!(detail.contains(path), "{path}: {detail}");
    }
}

#[test]
fn a_wrong_method_is_405_with_the_right_ones() {
    let document = fresh("problems");
    client().put(&document, &json!({"n": 1})).send().expect(201);
    let before = client().state(&document);
    for (method, path, allow) in [
        ("POST", document.as_str(), "GET, HEAD, PUT, PATCH, DELETE"),
        ("TRACE", document.as_str(), "GET, HEAD, PUT, PATCH, DELETE"),
        ("PUT", "/v1/docs/problems", "GET, HEAD, POST"),
        ("PATCH", "/v1/docs/problems", "GET, HEAD, POST"),
        ("DELETE", "/v1/docs/problems", "GET, HEAD, POST"),
        ("GET", "/v1/query", "POST"),
        ("PUT", "/v1/commit", "POST"),
        ("GET", "/v1/aggregate", "POST"),
        ("POST", "/v1/listen", "GET"),
        ("POST", "/health", "GET, HEAD"),
        ("DELETE", "/v1/openapi.json", "GET, HEAD"),
        ("POST", "/", "GET, HEAD"),
    ] {
        let call = client().request(method, path);
        let has_body = matches!(method, "POST" | "PUT" | "PATCH");
        let call = if has_body { call.body(JSON, "{}") } else { call };
        let reply = call.send();
        reply.problem(405, "invalid-argument");
        assert_eq!(reply.header("allow"), Some(allow), "{method} {path}");
    }
    assert_eq!(client().state(&document), before);
}

#[test]
fn a_wrong_content_type_is_415() {
    let document = fresh("problems");
    client().put(&document, &json!({"n": 1})).send().expect(201);
    let before = client().state(&document);
    for (method, content_type) in [
        ("PUT", "text/plain"),
        ("PUT", MERGE_PATCH),
        ("PUT", JSON_PATCH),
        ("PUT", "application/x-www-form-urlencoded"),
        ("PUT", "application/json5"),
        ("PATCH", "text/plain"),
        ("PATCH", ""),
        ("PATCH", "application/jsonpatch"),
    ] {
        let reply = client().request(method, &document).body(content_type, "{}").send();
        let detail = reply.problem(415, "invalid-argument");
        assert!(detail.contains("application/json"), "{detail}");
        let accept = (method == "PATCH").then_some(
            "application/merge-patch+json, application/json-patch+json, application/json",
        );
        assert_eq!(reply.header("accept-patch"), accept, "{method} {content_type}");
    }
    for path in ["/v1/docs/problems", "/v1/query", "/v1/aggregate"] {
        for content_type in ["text/plain", "application/x-www-form-urlencoded"] {
            let post = client().request("POST", path).body(content_type, "{}").send();
            let detail = post.problem(415, "invalid-argument");
            assert!(detail.contains("application/json"), "{path}: {detail}");
        }
    }
    assert_eq!(client().state(&document), before);
}

#[test]
fn a_detail_names_what_was_wrong_and_where() {
    let document = fresh("problems");
    client().put(&document, &json!({"n": 1})).send().expect(201);
    for (call, code, words) in [
        (client().put(&document, &json!({"a": [{"$x": 1}]})), 400, vec!["data.a[0]", "$x"]),
        (client().patch(&document, JSON, &json!({"a..b": 1})), 400, vec!["a..b", "empty"]),
        (
            client().patch(&document, JSON_PATCH, &json!([{"op": "remove", "path": "/x/y"}])),
            409,
            vec!["operations[0]", "/x/y"],
        ),
        (
            client().put(&document, &json!({})).header("if-match", "\"7\""),
            412,
            vec!["If-Match", "version 1"],
        ),
        (client().request("PUT", &document).body(JSON, "{"), 400, vec!["body", "JSON"]),
    ] {
        let name = if code == 400 { "invalid-argument" } else { "failed-precondition" };
        let detail = call.refused(code, name);
        for word in words {
            assert!(detail.contains(word), "{word} in {detail}");
        }
    }
}

#[test]
fn an_answer_never_says_more_of_the_request_than_a_detail_may() {
    // A detail repeats input: it must stay JSON, and an error page must not become HTML.
    let reply = client().get("/v1/docs/%3Cscript%3E%22%5C/%00%0A").send();
    let detail = reply.problem(404, "not-found");
    assert!(detail.contains("<script>\"\\/\u{0}\n"), "{detail}");
}
