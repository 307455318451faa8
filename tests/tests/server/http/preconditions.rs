//! `If-Match` and `If-None-Match` on every write.

use crate::client;
use blaze_tests::client::{Call, JSON, JSON_PATCH, MERGE_PATCH, fresh};
use serde_json::json;

/// Every write of a document that exists; each changes it.
fn writes(path: &str) -> Vec<Call<'static>> {
    let client = client();
    let add = json!([{"op": "replace", "path": "/n", "value": "patched"}]);
    vec![
        client.put(path, &json!({"n": "set"})),
        client.put(&format!("{path}?merge=true"), &json!({"n": "merged"})),
        client.patch(path, MERGE_PATCH, &json!({"n": "merge-patched"})),
        client.patch(path, JSON_PATCH, &add),
        client.patch(path, JSON, &json!({"n": "updated"})),
        client.delete(path),
    ]
}

/// A document at version 2.
fn document() -> String {
    let path = fresh("preconditions");
    client().put(&path, &json!({"n": 1})).send().expect(201);
    client().put(&path, &json!({"n": 2})).send().expect(200);
    path
}

#[test]
fn a_true_precondition_lets_every_write_through() {
    for (header, value) in [
        ("if-match", "\"2\""),
        ("if-match", "*"),
        ("if-match", "\"9\", \"2\""),
        ("if-match", "\"2\",W/\"3\",\"x\""),
        ("if-none-match", "\"1\""),
        ("if-none-match", "\"1\", \"3\""),
    ] {
        for number in 0..writes("").len() {
            let path = document();
            let reply = writes(&path).swap_remove(number).header(header, value).send();
            assert!([200, 204].contains(&reply.status), "{header}: {value}: {reply:?}");
            assert_ne!(client().get(&path).send().header("etag"), Some("\"2\""));
        }
    }
}

#[test]
fn a_false_precondition_stops_every_write() {
    let path = document();
    for (header, value) in [
        ("if-match", "\"1\""),
        ("if-match", "\"3\""),
        ("if-match", "\"1\", \"3\""),
        ("if-match", "W/\"2\""),
        ("if-match", "\"two\""),
        ("if-none-match", "*"),
        ("if-none-match", "\"2\""),
        ("if-none-match", "W/\"2\""),
        ("if-none-match", "\"1\", \"2\""),
    ] {
        for call in writes(&path) {
            call.header(header, value).refused(412, "failed-precondition");
        }
    }
}

#[test]
fn a_malformed_precondition_stops_every_write() {
    let path = document();
    for header in ["if-match", "if-none-match"] {
        for value in ["2", "\"2", "'2'", "\"2\"\"3\"", "\"2\",", "w/\"2\""] {
            for call in writes(&path) {
                call.header(header, value).refused(400, "invalid-argument");
            }
        }
    }
}

#[test]
fn both_preconditions_must_hold() {
    let path = document();
    let call = |if_match: &str, if_none_match: &str| {
        let call = client().put(&path, &json!({"n": 3}));
        call.header("if-match", if_match).header("if-none-match", if_none_match)
    };
    call("\"1\"", "\"1\"").refused(412, "failed-precondition");
    call("\"2\"", "\"2\"").refused(412, "failed-precondition");
    assert_eq!(call("\"2\"", "\"1\"").send().expect(200).version(), 3);
}

#[test]
fn on_a_missing_document_if_match_is_false_and_if_none_match_is_true() {
    let missing = fresh("preconditions");
    for value in ["*", "\"0\"", "\"1\""] {
        for call in writes(&missing) {
            call.header("if-match", value).refused(412, "failed-precondition");
        }
    }
    let put = |path: &str| client().put(path, &json!({"n": 1})).header("if-none-match", "*");
    put(&missing).send().expect(201);
    put(&missing).refused(412, "failed-precondition");
    client().delete(&missing).send().expect(204);
    assert_eq!(put(&missing).send().expect(201).version(), 3);
    let merged = fresh("preconditions");
    let call = client().patch(&merged, MERGE_PATCH, &json!({"n": 1}));
    call.header("if-none-match", "*").send().expect(201);
    let deleted = fresh("preconditions");
    client().delete(&deleted).header("if-none-match", "*").send().expect(204);
}

#[test]
fn a_version_of_before_a_delete_is_never_true_again() {
    let path = document();
    client().delete(&path).header("if-match", "\"2\"").send().expect(204);
    client().put(&path, &json!({"n": 2})).send().expect(201);
    client()
        .put(&path, &json!({"n": 9}))
        .header("if-match", "\"2\"")
        .refused(412, "failed-precondition");
    client().put(&path, &json!({"n": 9})).header("if-match", "\"4\"").send().expect(200);
}
