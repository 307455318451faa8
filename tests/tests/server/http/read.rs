//! `GET`, `HEAD`, `/health`.

use crate::{client, document};
use blaze_schema::timestamp::Timestamp;
use blaze_tests::client::fresh;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

#[test]
fn a_missing_document_is_404_and_the_detail_names_it() {
    let path = fresh("read");
    let reply = client().get(&path).send();
    let detail = reply.problem(404, "not-found");
    assert!(detail.contains(document(&path)), "{detail}");
    assert_eq!(reply.header("etag"), None);
    let named = |problem: &Value| (problem["path"].clone(), problem["version"].clone());
    assert_eq!(named(&reply.json()), (json!(document(&path)), json!(0)));
    client().put(&path, &json!({})).send().expect(201);
    client().request("DELETE", &path).send().expect(204);
    assert_eq!(named(&client().get(&path).send().json()), (json!(document(&path)), json!(2)));
    // A wrong address is no missing document.
    let elsewhere = client().get(&format!("/v1{path}")).send();
    elsewhere.problem(404, "not-found");
    assert_eq!(named(&elsewhere.json()), (Value::Null, Value::Null));
}

#[test]
fn a_document_is_a_resource_with_its_version_as_the_entity_tag() {
    let path = fresh("read");
    let before = now();
    let written = client().put(&path, &json!({"name": "Alice", "n": 1})).send().expect(201);
    let found = client().get(&path).send().expect(200);
    assert_eq!(found.body, written.body);
    assert_eq!(found.header("etag"), Some("\"1\""));
    assert_eq!(found.header("content-type"), Some("application/json"));
    let mut resource = found.json();
    let times = [resource["createTime"].take(), resource["updateTime"].take()];
    assert_eq!(
        resource,
        json!({
            "path": document(&path), "id": path.rsplit('/').next(), "version": 1,
            "createTime": null, "updateTime": null, "data": {"name": "Alice", "n": 1}
        })
    );
    assert_eq!(times[0], times[1]);
    let time = Timestamp::parse(times[0].as_str().unwrap()).unwrap();
    let tolerance = Timestamp::from_micros(before.micros() - 2_000_000)
        ..=Timestamp::from_micros(now().micros() + 2_000_000);
    assert!(tolerance.contains(&time), "{time}");
}

fn now() -> Timestamp {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_micros(time.as_micros().try_into().unwrap())
}

#[test]
fn a_reader_who_has_the_version_gets_304() {
    let path = fresh("read");
    client().put(&path, &json!({"n": 1})).send().expect(201);
    for tags in ["\"1\"", "W/\"1\"", "\"7\", \"1\"", "*", " \"1\" "] {
        let reply = client().get(&path).header("if-none-match", tags).send().expect(304);
        assert_eq!((reply.header("etag"), reply.body.len()), (Some("\"1\""), 0), "{tags}");
        let reply = client().request("HEAD", &path).header("if-none-match", tags).send();
        assert_eq!((reply.status, reply.header("etag")), (304, Some("\"1\"")), "{tags}");
    }
    for tags in ["\"2\"", "W/\"2\", \"0\"", "\"one\"", "\"01x\""] {
        let reply = client().get(&path).header("if-none-match", tags).send().expect(200);
        assert_eq!(reply.json()["data"], json!({"n": 1}), "{tags}");
    }
    client().put(&path, &json!({"n": 2})).send().expect(200);
    client().get(&path).header("if-none-match", "\"1\"").send().expect(200);
    client().get(&path).header("if-none-match", "\"2\"").send().expect(304);
    client().delete(&path).send().expect(204);
    let reply = client().get(&path).header("if-none-match", "*").send();
    reply.problem(404, "not-found");
}

#[test]
fn a_read_may_have_if_match() {
    let path = fresh("read");
    client().get(&path).header("if-match", "*").send().problem(412, "failed-precondition");
    client().put(&path, &json!({"n": 1})).send().expect(201);
    client().get(&path).header("if-match", "\"1\"").send().expect(200);
    client().get(&path).header("if-match", "\"2\"").send().problem(412, "failed-precondition");
    for malformed in ["1", "\"1", "w/\"1\""] {
        let reply = client().get(&path).header("if-match", malformed).send();
        reply.problem(400, "invalid-argument");
    }
}

#[test]
fn head_is_get_without_the_body() {
    let path = fresh("read");
    let missing = client().request("HEAD", &path).send().expect(404);
    assert_eq!(missing.header("content-type"), Some("application/problem+json"));
    assert_eq!(missing.body.len(), 0);
    client().put(&path, &json!({"n": 1})).send().expect(201);
    let (get, head) = (client().get(&path).send(), client().request("HEAD", &path).send());
    assert_eq!((head.status, head.body.len()), (200, 0));
    for name in ["etag", "content-type"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
}

#[test]
fn health_is_ok() {
    let reply = client().get("/health").send().expect(200);
    assert_eq!(reply.json(), json!({"status": "ok"}));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(client().request("HEAD", "/health").send().expect(200).body.len(), 0);
}
