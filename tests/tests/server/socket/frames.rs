//! What a listener gets for every kind of commit, and what it gets for anything that is no message.

use crate::{answer, assert_error, client, document, open};
use blaze_tests::client::{JSON, JSON_PATCH, MERGE_PATCH, fresh};
use blaze_tests::socket::Listener;
use serde_json::{Value, json};

#[test]
fn every_commit_is_one_frame_in_order_and_without_a_gap() {
    let path = fresh("frames");
    let mut socket = open(&path);
    let mut listener = Listener::of(&mut socket);
    let merge = format!("{path}?merge=true");
    let calls = [
        client().put(&path, &json!({"n": 1, "s": "x"})),
        client().put(&merge, &json!({"m": {"k": [1, 2]}})),
        client().patch(&path, MERGE_PATCH, &json!({"s": null})),
        client().patch(&path, JSON_PATCH, &json!([{"op": "add", "path": "/m/k/1", "value": 9}])),
        client().patch(&path, JSON, &json!({"m.k": {"$arrayRemove": [1]}, "n": {"$increment": 1}})),
        client().delete(&path),
        client().put(&path, &json!({"again": true})),
    ];
    let mut frames = Vec::new();
    for (call, version) in calls.into_iter().zip(1..) {
        call.send();
        let frame = socket.receive();
        listener.apply(&frame);
        assert_eq!(listener.version, Some(version));
        let kept = client().get(&path).send();
        let data = if kept.status == 200 { kept.json()["data"].take() } else { Value::Null };
        assert_eq!(listener.state, data);
        frames.push(frame);
    }
    assert_eq!(
        frames,
        [
            json!({"type": "patch", "base": 0, "version": 1, "patch": [{"op": "add", "path": "", "value": {"n": 1, "s": "x"}}]}),
            json!({"type": "patch", "base": 1, "version": 2, "patch": [{"op": "add", "path": "/m", "value": {"k": [1, 2]}}]}),
            json!({"type": "patch", "base": 2, "version": 3, "patch": [{"op": "remove", "path": "/s"}]}),
            json!({"type": "patch", "base": 3, "version": 4, "patch": [{"op": "add", "path": "/m/k/1", "value": 9}]}),
            frames[4].clone(),
            json!({"type": "delete", "base": 5, "version": 6}),
            json!({"type": "patch", "base": 6, "version": 7, "patch": [{"op": "add", "path": "", "value": {"again": true}}]}),
        ]
    );
    assert_eq!(listener.history[&5], json!({"m": {"k": [9, 2]}, "n": 2}));
}

#[test]
fn what_changes_nothing_is_not_told() {
    let path = fresh("frames");
    client().put(&path, &json!({"n": 1})).send().expect(201);
    let mut socket = open(&path);
    socket.receive();
    client().put(&path, &json!({"n": 1})).send().expect(200);
    client().get(&path).send().expect(200);
    client().put(&path, &json!({"n": 2})).header("if-match", "\"9\"").send().expect(412);
    client().put(&path, &json!({"$n": 2})).send().expect(400);
    client().patch(&path, JSON_PATCH, &json!([{"op": "remove", "path": "/x"}])).send().expect(409);
    client().put(&path, &json!({"n": 1})).header("idempotency-key", "k").send().expect(200);
    client().put(&path, &json!({"n": 1})).header("idempotency-key", "k").send().expect(200);
    assert_eq!(socket.settled(), Vec::<Value>::new());
    client().delete(&path).send().expect(204);
    assert_eq!(socket.receive(), json!({"type": "delete", "base": 1, "version": 2}));
    client().delete(&path).send().expect(204);
    assert_eq!(socket.settled(), Vec::<Value>::new());
}

#[test]
fn a_change_of_one_field_of_a_large_document_is_a_small_frame() {
    let path = fresh("frames");
    let fields: serde_json::Map<String, Value> =
        (0..2_000).map(|n| (format!("field{n}"), json!("x".repeat(100)))).collect();
    client().put(&path, &Value::Object(fields)).send().expect(201);
    let mut socket = open(&path);
    let mut listener = Listener::of(&mut socket);
    client().patch(&path, JSON, &json!({"field1234": "y"})).send().expect(200);
    let frame = socket.text();
    assert!(frame.len() < 200, "{frame:.300}");
    listener.apply(&serde_json::from_str(&frame).unwrap());
    assert_eq!(listener.state, client().data(&path));
}

#[test]
fn only_the_documents_own_changes_are_told() {
    let path = fresh("frames");
    let mut socket = open(&path);
    socket.receive();
    let encoded = path.replace("/frames/", "/fr%61mes/");
    client().put(&format!("{path}x"), &json!({})).send().expect(201);
    client().put(&format!("{path}/sub/doc"), &json!({})).send().expect(201);
    assert_eq!(socket.settled(), Vec::<Value>::new());
    client().put(&encoded, &json!({"n": 1})).send().expect(201);
    assert_eq!(socket.receive()["version"], 1);
}

#[test]
fn a_ping_is_answered_with_its_number() {
    let mut socket = open(&fresh("frames"));
    socket.receive();
    for number in [0, 1, -1, i64::MAX, i64::MIN] {
        assert_eq!(socket.ask(&json!({"ping": number})), json!({"pong": number}));
    }
    // Spelled otherwise than the one that the runtime answers by itself.
    socket.send_text("{ \"ping\" : 0 }");
    assert_eq!(socket.receive(), json!({"pong": 0}));
}

#[test]
fn what_is_no_message_is_an_error_and_the_socket_lives_on() {
    let path = fresh("frames");
    let mut socket = open(&path);
    socket.receive();
    let mut deep = "[".repeat(100_000);
    for text in [
        "",
        " ",
        "nonsense",
        "{",
        "{}",
        "[]",
        "null",
        "1",
        "\"ping\"",
        r#"{"ping":1.5}"#,
        r#"{"ping":"1"}"#,
        r#"{"ping":1,"pong":1}"#,
        r#"{"pong":1}"#,
        r#"{"auth":null}"#,
        r#"{"listen":{"target":1,"document":"a/b"}}"#,
        r#"{"unlisten":1}"#,
        r#"{"write":1}"#,
        r#"{"write":{}}"#,
        r#"{"write":{"id":1,"delete":"a/b"}}"#,
        r#"{"write":{"set":"a/b","data":{}}}"#,
        r#"{"ping":"\ud800"}"#,
        r#"{"ping":1e400}"#,
        "{\"ping\":\u{0}1}",
        "\u{feff}{\"ping\":1}",
    ] {
        socket.send_text(text);
        assert_error(&socket.receive(), "invalid-argument");
    }
    socket.send_text(std::mem::take(&mut deep));
    assert_error(&socket.receive(), "invalid-argument");
    for bytes in [b"".as_slice(), b"\x00\xff", br#"{"ping":1}"#] {
        socket.send_binary(bytes);
        assert_error(&socket.receive(), "invalid-argument");
    }
    assert_eq!(socket.settled(), Vec::<Value>::new());
    socket.send(&json!({"write": {"id": "w", "set": document(&path), "data": {}}}));
    assert_eq!(answer(&mut socket).0["result"]["version"], 1);
}
