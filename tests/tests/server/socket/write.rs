//! Writes over the socket.

use crate::{answer, assert_error, client, document, open};
use blaze_tests::client::fresh;
use blaze_tests::socket::{Listener, Socket};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Sends a write, and returns its answer and the frames before it.
fn write_among(socket: &mut Socket, id: &str, write: Value) -> (Value, Vec<Value>) {
    let Value::Object(mut write) = write else { panic!("a write is an object") };
    write.insert("id".to_owned(), json!(id));
    socket.send(&json!({"write": write}));
    let (answer, before) = answer(socket);
    assert_eq!(answer["id"], id, "{answer}");
    (answer, before)
}

/// Sends a write that changes nothing, and returns its answer; a frame before the answer is a failure.
fn write(socket: &mut Socket, id: &str, write: Value) -> Value {
    let (answer, before) = write_among(socket, id, write);
    assert_eq!(before, Vec::<Value>::new());
    answer
}

#[test]
fn every_kind_of_write_is_told_and_answered() {
    let path = fresh("socket-write");
    let name = document(&path);
    let (mut socket, mut other) = (open(&path), open(&path));
    let (mut listener, mut witness) = (Listener::of(&mut socket), Listener::of(&mut other));
    for (operation, version, data) in [
        (json!({"create": name, "data": {"n": {"$increment": 1}}}), 1, json!({"n": 1})),
        (json!({"set": name, "data": {"n": 2, "m": {"a": 1}}}), 2, json!({"n": 2, "m": {"a": 1}})),
        (
            json!({"merge": name, "data": {"m": {"b": null}, "n": {"$delete": true}}}),
            3,
            json!({"m": {"a": 1, "b": null}}),
        ),
        (
            json!({"update": name, "data": {"m.b": {"$arrayUnion": [1]}}, "ifVersion": 3}),
            4,
            json!({"m": {"a": 1, "b": [1]}}),
        ),
        (
            json!({"patch": name, "operations": [{"op": "remove", "path": "/m/a"}]}),
            5,
            json!({"m": {"b": [1]}}),
        ),
        (json!({"delete": name, "ifVersion": 5}), 6, Value::Null),
        (json!({"set": name, "data": {}, "ifVersion": 0}), 7, json!({})),
    ] {
        let id = format!("w{version}");
        let (answer, before) = write_among(&mut socket, &id, operation);
        assert_eq!(answer, json!({"id": id, "result": {"path": name, "version": version}}));
        before.iter().for_each(|frame| listener.apply(frame));
        listener.follow(&mut socket, version);
        witness.follow(&mut other, version);
        assert_eq!((&listener.state, &witness.state), (&data, &data));
    }
    assert_eq!(client().data(&path), json!({}));
}

#[test]
fn a_write_that_changes_nothing_is_answered_and_not_told() {
    let path = fresh("socket-write");
    let name = document(&path);
    client().put(&path, &json!({"n": 1})).send().expect(201);
    let mut socket = open(&path);
    socket.receive();
    for operation in [
        json!({"set": name, "data": {"n": 1}}),
        json!({"verify": name}),
        json!({"verify": name, "ifVersion": 1}),
        json!({"patch": name, "operations": []}),
    ] {
        let answer = write(&mut socket, "same", operation);
        assert_eq!(answer["result"], json!({"path": name, "version": 1}));
    }
    assert_eq!(socket.settled(), Vec::<Value>::new());
}

#[test]
fn a_refused_write_says_why_and_changes_nothing() {
    let path = fresh("socket-write");
    let name = document(&path);
    let missing = fresh("socket-write");
    client().put(&path, &json!({"n": 1})).send().expect(201);
    let before = client().state(&path);
    let mut socket = open(&path);
    socket.receive();
    for (operation, code) in [
        (json!({"create": name, "data": {}}), "already-exists"),
        (json!({"set": name, "data": {}, "ifVersion": 0}), "failed-precondition"),
        (json!({"set": name, "data": {}, "ifVersion": 2}), "failed-precondition"),
        (json!({"delete": name, "ifVersion": 9}), "failed-precondition"),
        (json!({"verify": name, "ifVersion": 9}), "failed-precondition"),
        (
            json!({"patch": name, "operations": [{"op": "test", "path": "/n", "value": 2}]}),
            "failed-precondition",
        ),
        (json!({"set": name, "data": {"a": "x".repeat(1 << 20)}}), "resource-exhausted"),
        (json!({"set": name}), "invalid-argument"),
        (json!({"set": name, "data": []}), "invalid-argument"),
        (json!({"set": name, "data": {"$x": 1}}), "invalid-argument"),
        (json!({"set": name, "data": {}, "ifVersion": "1"}), "invalid-argument"),
        (json!({"set": name, "data": {}, "extra": 1}), "invalid-argument"),
        (json!({"set": name, "data": {}, "delete": name}), "invalid-argument"),
        (json!({"set": "socket-write", "data": {}}), "invalid-argument"),
        (json!({"set": document(&missing), "data": {}}), "invalid-argument"),
        (json!({"jump": name}), "invalid-argument"),
        (json!({}), "invalid-argument"),
    ] {
        let answer = write(&mut socket, "refused", operation.clone());
        let keys: Vec<&String> = answer["error"].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["code", "detail"], "{operation}: {answer}");
        assert_eq!(answer["error"]["code"], code, "{operation}: {answer}");
        assert_eq!(answer.get("result"), None, "{operation}");
    }
    assert_eq!(socket.settled(), Vec::<Value>::new());
    assert_eq!(client().state(&path), before);
    client().get(&missing).send().problem(404, "not-found");
}

#[test]
fn an_update_of_a_missing_document_is_not_found() {
    let path = fresh("socket-write");
    let mut socket = open(&path);
    socket.receive();
    for operation in [
        json!({"update": document(&path), "data": {"n": 1}}),
        json!({"patch": document(&path), "operations": []}),
    ] {
        assert_eq!(write(&mut socket, "w", operation)["error"]["code"], "not-found");
    }
    let gone = write(&mut socket, "d", json!({"delete": document(&path)}));
    assert_eq!(gone["result"]["version"], 0);
}

#[test]
fn a_path_in_a_message_is_not_percent_decoded() {
    let path = format!("{}/c/a%2520b", fresh("socket-write"));
    let name = document(&path).replace("%25", "%");
    let mut socket = open(&path);
    socket.receive();
    let (answer, _) = write_among(&mut socket, "w", json!({"set": name, "data": {"n": 1}}));
    assert_eq!(answer["result"], json!({"path": name, "version": 1}));
    let encoded = write(&mut socket_after(&path), "w", json!({"set": document(&path), "data": {}}));
    assert_eq!(encoded["error"]["code"], "invalid-argument");
    assert_eq!(client().data(&path), json!({"n": 1}));
}

fn socket_after(path: &str) -> Socket {
    let mut socket = open(path);
    socket.receive();
    socket
}

#[test]
fn many_writes_may_be_on_their_way_at_once() {
    let path = fresh("socket-write");
    let mut socket = open(&path);
    let mut listener = Listener::of(&mut socket);
    for n in 0..100 {
        let write = json!({"id": format!("w{n}"), "merge": document(&path), "data": {"n": n}});
        socket.send(&json!({"write": write}));
    }
    // Each is answered once, and told in its order.
    let mut answers = BTreeMap::new();
    while answers.len() < 100 || listener.version < Some(100) {
        let message = socket.receive();
        match message["id"].as_str() {
            Some(id) => {
                assert_eq!(answers.insert(id.to_owned(), message["result"].clone()), None, "{id}");
            }
            None => {
                listener.apply(&message);
                assert_eq!(listener.state, json!({"n": listener.version.unwrap() - 1}));
            }
        }
    }
    for n in 0..100 {
        let expected = json!({"path": document(&path), "version": n + 1});
        assert_eq!(answers[&format!("w{n}")], expected);
    }
    assert_error(&socket.ask(&json!({"write": {"id": 1}})), "invalid-argument");
}
