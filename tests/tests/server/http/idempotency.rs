//! `Idempotency-Key`: a request repeated is answered again, not done again.

use crate::client;
use blaze_engine::http::document_request::new_document;
use blaze_engine::http::{Headers, Request};
use blaze_schema::path::CollectionPath;
use blaze_tests::client::{Call, JSON, JSON_PATCH, MERGE_PATCH, Reply, fresh};
use serde_json::json;
use std::thread;

/// Every write, each of which changes a document of `{"n": 1}` whenever it is applied, or deletes it.
fn writes(path: &str) -> Vec<Call<'static>> {
    let client = client();
    let time = json!({"$serverTimestamp": true});
    let append = json!([{"op": "add", "path": "/list/-", "value": 1}]);
    vec![
        client.put(path, &json!({"list": [], "at": time})),
        client.put(&format!("{path}?merge=true"), &json!({"n": {"$increment": 1}})),
        client.patch(path, MERGE_PATCH, &json!({"n": {"$increment": 1}})),
        client.patch(path, JSON_PATCH, &append),
        client.patch(path, JSON, &json!({"n": {"$increment": 1}})),
        client.delete(path),
    ]
}

/// What must be the same in the answers to a request and to its repetition.
fn answer(reply: &Reply) -> (u16, String, [Option<&str>; 3]) {
    let headers = ["etag", "content-type", "location"].map(|name| reply.header(name));
    (reply.status, reply.text(), headers)
}

#[test]
fn a_repeated_write_gets_the_first_answer_and_is_applied_once() {
    for number in 0..writes("").len() {
        let path = fresh("idempotency");
        client().put(&path, &json!({"n": 1, "list": []})).send().expect(201);
        let call = writes(&path).swap_remove(number).header("idempotency-key", "k 1");
        let first = call.clone().send();
        assert!([200, 204].contains(&first.status), "{first:?}");
        let after = client().state(&path);
        for _ in 0..2 {
            assert_eq!(answer(&call.clone().send()), answer(&first));
            assert_eq!(client().state(&path), after);
        }
        // Also when the document has moved on.
        client().put(&path, &json!({"n": 100})).send();
        let after = client().state(&path);
        assert_eq!(answer(&call.clone().send()), answer(&first));
        assert_eq!(client().state(&path), after);
        let other = writes(&path).swap_remove(1).header("idempotency-key", "k 2").send();
        assert_eq!(other.json()["data"]["n"], 101);
    }
}

#[test]
fn a_repeated_create_by_put_is_201_again() {
    let path = fresh("idempotency");
    let call = client().put(&path, &json!({"n": 1})).header("idempotency-key", "create");
    let call = call.header("if-none-match", "*");
    let first = call.clone().send().expect(201);
    let again = call.send().expect(201);
    assert_eq!(answer(&again), answer(&first));
    assert_eq!(again.header("location"), Some(path.as_str()));
}

#[test]
fn the_same_key_with_another_request_is_422() {
    let path = fresh("idempotency");
    let key = "idempotency-key";
    client().put(&path, &json!({"n": 1})).header(key, "k").send().expect(201);
    for call in [
        client().put(&path, &json!({"n": 2})),
        client().put(&format!("{path}?merge=true"), &json!({"n": 1})),
        client().patch(&path, JSON, &json!({"n": 1})),
        client().patch(&path, MERGE_PATCH, &json!({"n": 1})),
        client().delete(&path),
    ] {
        call.header(key, "k").refused(422, "invalid-argument");
    }
    let elsewhere = fresh("idempotency");
    client().put(&elsewhere, &json!({"n": 2})).header(key, "k").send().expect(201);
    client().put(&path, &json!({"n": 1})).header(key, "k").send().expect(201);
}

#[test]
fn a_repeated_post_finds_the_document_that_it_made() {
    let post = |collection: &str, key: &str, n: i64| {
        client().post(collection, &json!({"n": n})).header("idempotency-key", key).send()
    };
    let collection = "/v1/docs/idempotent";
    let first = post(collection, "post", 1).expect(201);
    let location = first.header("location").unwrap();
    assert_eq!(first.json()["id"].as_str().map(str::len), Some(26));
    assert_eq!(answer(&post(collection, "post", 1)), answer(&first));
    assert_eq!(client().resource(location), first.json());
    post(collection, "post", 2).problem(422, "invalid-argument");
    assert_ne!(post(collection, "other", 1).expect(201).header("location"), Some(location));
    let elsewhere = post("/v1/docs/idempotent2", "post", 1).expect(201);
    assert_ne!(elsewhere.json()["id"], first.json()["id"]);
    client().delete(location).send().expect(204);
    assert_eq!(answer(&post(collection, "post", 1)), answer(&first));
    client().get(location).send().problem(404, "not-found");
}

/// One header.
struct Key(&'static str);

impl Headers for Key {
    fn get(&self, name: &str) -> Option<String> {
        (name == "idempotency-key").then(|| self.0.to_owned())
    }
}

#[test]
fn a_keyed_post_to_where_another_document_is_already_is_409() {
    let collection = CollectionPath::parse("idempotent").unwrap();
    let headers = Key("taken");
    let request = Request { method: "POST", path: "", query: "", headers: &headers };
    let path = new_document(&collection, &request, None, String::new).unwrap();
    let url = format!("/v1/docs/{path}");
    client().put(&url, &json!({"n": 1})).send().expect(201);
    let before = client().state(&url);
    let call = client().post("/v1/docs/idempotent", &json!({"n": 2}));
    call.header("idempotency-key", "taken").send().problem(409, "already-exists");
    assert_eq!(client().state(&url), before);
}

#[test]
fn one_request_sent_many_times_at_once_is_applied_once() {
    let path = fresh("idempotency");
    client().put(&path, &json!({"n": 0})).send().expect(201);
    let call = client().patch(&path, JSON, &json!({"n": {"$increment": 1}}));
    let call = call.header("idempotency-key", "at once");
    let replies: Vec<Reply> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| call.clone().send())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for reply in &replies {
        assert_eq!(answer(reply), answer(&replies[0]));
    }
    assert_eq!(client().resource(&path), replies[0].json());
    assert_eq!((replies[0].version(), &replies[0].json()["data"]), (2, &json!({"n": 1})));
}

#[test]
fn a_refused_request_is_refused_again_whatever_has_happened_since() {
    let path = fresh("idempotency");
    let call = client().patch(&path, JSON, &json!({"n": {"$increment": 1}}));
    let keyed = call.clone().header("idempotency-key", "refused");
    let first = keyed.clone().send();
    first.problem(404, "not-found");
    client().put(&path, &json!({"n": 1})).send().expect(201);
    assert_eq!(answer(&keyed.clone().send()), answer(&first));
    assert_eq!(client().data(&path), json!({"n": 1}));
    call.header("idempotency-key", "another").send().expect(200);
    keyed.refused(404, "not-found");
    let stale = client().put(&path, &json!({"n": 9})).header("idempotency-key", "stale");
    stale.clone().header("if-match", "\"1\"").refused(412, "failed-precondition");
    stale.header("if-match", "\"1\"").refused(412, "failed-precondition");
    // What is wrong in itself was never a request: its key is free.
    let wrong = client().put(&path, &json!({"$n": 1})).header("idempotency-key", "wrong");
    wrong.refused(400, "invalid-argument");
    client().put(&path, &json!({"n": 9})).header("idempotency-key", "wrong").send().expect(200);
}
