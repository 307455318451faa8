//! `PUT` and `DELETE`; versions and times; `Prefer`.

use crate::{client, document};
use blaze_tests::client::{Call, JSON, JSON_PATCH, MERGE_PATCH, fresh};
use serde_json::{Value, json};

#[test]
fn put_creates_with_201_and_replaces_with_200() {
    let path = fresh("write");
    let created = client().put(&path, &json!({"a": 1, "b": {"c": 2}})).send().expect(201);
    assert_eq!((created.version(), created.header("location")), (1, Some(path.as_str())));
    let replaced = client().put(&path, &json!({"b": {"d": 3}})).send().expect(200);
    assert_eq!((replaced.version(), replaced.header("location")), (2, None));
    let (first, second) = (created.json(), replaced.json());
    assert_eq!(second["data"], json!({"b": {"d": 3}}));
    assert_eq!((&second["version"], &second["createTime"]), (&json!(2), &first["createTime"]));
    assert!(second["updateTime"].as_str() >= first["updateTime"].as_str());
    assert_eq!(client().resource(&path), second);
}

#[test]
fn put_needs_no_content_type() {
    let path = fresh("write");
    client().request("PUT", &path).body("", "{}").send().expect(201);
    let charset = "Application/JSON; charset=utf-8";
    client().request("PUT", &path).body(charset, "{\"a\":1}").send().expect(200);
    assert_eq!(client().data(&path), json!({"a": 1}));
}

#[test]
fn put_with_merge_is_firestores_set_with_merge() {
    let path = fresh("write");
    let merge = format!("{path}?merge=true");
    let created = client().put(&merge, &json!({"a": {"b": 1, "c": 2}, "d": [1]})).send();
    assert_eq!(created.expect(201).version(), 1);
    let patch = json!({
        "a": {"b": null, "e": {"$increment": 4}}, "d": [2, 3], "gone": {"$delete": true}, "f": {}
    });
    let merged = client().put(&merge, &patch).send().expect(200);
    let expected = json!({"a": {"b": null, "c": 2, "e": 4}, "d": [2, 3], "f": {}});
    assert_eq!((merged.version(), &merged.json()["data"]), (2, &expected));
    client().put(&merge, &json!({"a": {"$delete": true}, "d": 1})).send().expect(200);
    assert_eq!(client().data(&path), json!({"d": 1, "f": {}}));
    client().put(&format!("{path}?merge=false"), &json!({"x": 1})).send().expect(200);
    assert_eq!(client().data(&path), json!({"x": 1}));
    let strange = client().put(&format!("{path}?merge=maybe"), &json!({"y": 1}));
    strange.refused(400, "invalid-argument");
}

#[test]
fn a_write_that_changes_nothing_keeps_version_and_time() {
    let path = fresh("write");
    client().put(&path, &json!({"n": 1, "list": [1]})).send().expect(201);
    let before = client().state(&path);
    for call in [
        client().put(&path, &json!({"list": [1], "n": 1})),
        client().put(&format!("{path}?merge=true"), &json!({"n": 1})),
        client().patch(&path, MERGE_PATCH, &json!({"n": 1, "gone": null})),
        client().patch(&path, JSON, &json!({"n": {"$max": 0}, "list": {"$arrayUnion": [1]}})),
        client().patch(&path, JSON, &json!({})),
        client().patch(&path, JSON_PATCH, &json!([])),
        client().patch(&path, JSON_PATCH, &json!([{"op": "test", "path": "/n", "value": 1}])),
        client().patch(&path, JSON, &json!({"n": 1})).header("idempotency-key", "noop"),
    ] {
        let reply = call.send().expect(200);
        assert_eq!((reply.version(), reply.text()), (1, before.2.clone()));
        assert_eq!(client().state(&path), before);
    }
    // 1 and 1.0 are equal in a query, and yet not the same value.
    assert_eq!(client().put(&path, &json!({"n": 1.0, "list": [1]})).send().version(), 2);
}

#[test]
fn delete_is_204_however_often_and_says_the_version() {
    let path = fresh("write");
    let delete = || {
        let reply = client().delete(&path).send().expect(204);
        assert_eq!(reply.body.len(), 0);
        client().get(&path).send().problem(404, "not-found");
        reply.version()
    };
    assert_eq!((delete(), delete()), (0, 0));
    client().put(&path, &json!({"n": 1})).send().expect(201);
    assert_eq!((delete(), delete()), (2, 2));
}

#[test]
fn a_version_goes_on_through_delete_and_recreation() {
    let path = fresh("write");
    assert_eq!(client().put(&path, &json!({"n": 1})).send().expect(201).version(), 1);
    client().delete(&path).send().expect(204);
    client().delete(&path).send().expect(204);
    let again = client().put(&path, &json!({"n": 1})).send().expect(201);
    assert_eq!(again.version(), 3);
    assert_eq!(again.json()["createTime"], again.json()["updateTime"]);
    client().delete(&path).send().expect(204);
    let merged = client().patch(&path, MERGE_PATCH, &json!({"m": 1})).send().expect(201);
    assert_eq!((merged.version(), &merged.json()["data"]), (5, &json!({"m": 1})));
}

#[test]
fn prefer_minimal_leaves_the_data_out() {
    let minimal = |call: Call<'_>, status| {
        let reply = call.header("prefer", "return=minimal").send().expect(status);
        assert_eq!(reply.header("preference-applied"), Some("return=minimal"));
        let keys: Vec<String> = reply.json().as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["createTime", "id", "path", "updateTime", "version"]);
        assert_eq!(reply.json()["version"], reply.version());
    };
    let path = fresh("write");
    minimal(client().put(&path, &json!({"n": 1})), 201);
    minimal(client().put(&format!("{path}?merge=true"), &json!({"n": 2})), 200);
    minimal(client().patch(&path, MERGE_PATCH, &json!({"n": 3})), 200);
    minimal(client().patch(&path, JSON, &json!({"n": 4})), 200);
    let replace = json!([{"op": "replace", "path": "/n", "value": 5}]);
    minimal(client().patch(&path, JSON_PATCH, &replace), 200);
    minimal(client().post("/v1/docs/write", &json!({"n": 1})), 201);
    assert_eq!(client().data(&path), json!({"n": 5}));
    client().delete(&path).header("prefer", "return=minimal").send().expect(204);
    let full = client().put(&path, &json!({"n": 6})).header("prefer", "return=representation");
    let reply = full.send().expect(201);
    assert_eq!(reply.json()["data"], json!({"n": 6}));
    assert_eq!(reply.header("preference-applied"), None);
}

#[test]
fn documents_under_documents_are_their_own() {
    let path = fresh("write");
    let nested = format!("{path}/notes/n1");
    client().put(&nested, &json!({"text": "hi"})).send().expect(201);
    client().get(&path).send().problem(404, "not-found");
    client().put(&path, &json!({})).send().expect(201);
    client().delete(&path).send().expect(204);
    let resource = client().resource(&nested);
    assert_eq!(resource["path"], document(&nested));
    assert_eq!((&resource["id"], &resource["data"]), (&json!("n1"), &json!({"text": "hi"})));
}

#[test]
fn a_body_that_is_no_document_is_refused() {
    let path = fresh("write");
    client().put(&path, &json!({"n": 1})).send().expect(201);
    for body in ["", "{", "{\"a\":1}x", "[]", "1", "\"a\"", "null", "true", "{'a':1}", "{a:1}"] {
        for content_type in [JSON, MERGE_PATCH] {
            let method = if content_type == JSON { "PUT" } else { "PATCH" };
            let call = client().request(method, &path).body(content_type, body);
            call.refused(400, "invalid-argument");
        }
        client().request("PATCH", &path).body(JSON, body).refused(400, "invalid-argument");
    }
    let not_utf8 = client().request("PUT", &path).body(JSON, b"{\"a\":\"\xff\"}".to_vec());
    not_utf8.refused(400, "invalid-argument");
    let surrogate = client().request("PUT", &path).body(JSON, r#"{"a":"\ud800"}"#);
    surrogate.refused(400, "invalid-argument");
    let huge = client().request("PUT", &path).body(JSON, r#"{"a":1e999}"#);
    huge.refused(400, "invalid-argument");
    let typed: Value = json!({"$ref": "users/alice"});
    client().put(&path, &typed).refused(400, "invalid-argument");
}
