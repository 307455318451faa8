//! The limits of a socket of `/v1/listen`.

use crate::{client, server};
use blaze_schema::limits::{
    BODY_BYTES, LIVE_LOG_BYTES, SUBPROTOCOL_BYTES, TARGETS, WRITE_ID_BYTES,
};
use blaze_tests::client::{fresh, fresh_collection};
use blaze_tests::socket::{LiveResult, Session, Socket};
use serde_json::{Value, json};

fn session() -> Session {
    Session::open(&server().url())
}

fn assert_error(frame: &Value, code: &str, words: &str) {
    assert_eq!((&frame["type"], &frame["code"]), (&json!("error"), &json!(code)), "{frame}");
    assert!(frame["detail"].as_str().is_some_and(|detail| detail.contains(words)), "{frame}");
}

#[test]
fn targets() {
    let collection = fresh_collection();
    let mut session = session();
    let query = json!({"from": collection});
    let mut results: Vec<LiveResult> = Vec::new();
    for target in 0..TARGETS as u64 {
        session.listen(target, json!({"query": query}));
    }
    for target in 0..TARGETS as u64 {
        let mut result = LiveResult::default();
        result.apply(&session.next(target));
        results.push(result);
    }
    for what in [json!({"query": query}), json!({"document": format!("{collection}/a")})] {
        session.listen(9_999, what);
        assert_error(&session.next(9_999), "resource-exhausted", "more than 200 targets");
    }
    // The others go on; one in place of itself is none more, nor is one after another.
    client().put(&format!("/v1/docs/{collection}/a"), &json!({})).send().expect(201);
    for (target, result) in (0..).zip(&mut results) {
        assert_eq!(result.apply(&session.next(target)).changes, ["added a"]);
    }
    assert_eq!(session.query(7, &query).ids(), ["a"]);
    session.socket.send(&json!({"unlisten": 3}));
    assert_eq!(session.query(9_999, &query).ids(), ["a"]);
}

#[test]
fn bytes_of_a_message() {
    let mut socket = Socket::open(&server().url(), "/v1/listen");
    let ping = |bytes: usize| {
        let ping = r#"{"ping":7}"#;
        format!("{ping}{}", " ".repeat(bytes - ping.len()))
    };
    socket.send_text(ping(BODY_BYTES));
    assert_eq!(socket.receive(), json!({"pong": 7}));
    socket.send_text(ping(BODY_BYTES + 1));
    assert_error(&socket.receive(), "resource-exhausted", "10485761 bytes, of 10485760");
    assert_eq!(socket.ask(&json!({"ping": 8})), json!({"pong": 8}));
}

#[test]
fn bytes_of_a_writes_id() {
    let path = fresh("limits");
    let name = path.strip_prefix("/v1/docs/").unwrap();
    let mut session = session();
    let id = "w".repeat(WRITE_ID_BYTES);
    let answer = session.write(&id, json!({"set": name, "data": {"n": 1}}));
    assert_eq!(answer, json!({"result": {"path": name, "version": 1}}));
    session.send_write(&(id + "w"), json!({"set": name, "data": {"n": 2}}));
    assert_error(&session.other(), "invalid-argument", "255 bytes");
    assert_eq!(client().data(&path), json!({"n": 1}));
}

#[test]
fn bytes_of_subprotocols() {
    let protocol = |bytes: usize| {
        let token = "t".repeat(bytes - "blaze.v1, bearer.".len());
        let offered = format!("blaze.v1, bearer.{token}");
        match Socket::open_with(&server().url(), "/v1/listen", &offered) {
            Ok(socket) => socket.protocol,
            Err(refusal) => Some(refusal.status.to_string()),
        }
    };
    assert_eq!(protocol(SUBPROTOCOL_BYTES).as_deref(), Some("blaze.v1"));
    assert_eq!(protocol(SUBPROTOCOL_BYTES + 1).as_deref(), Some("101"));
}

/// What a listener is told that comes back after a document of so many bytes was changed: whether it is everything.
fn resets(bytes: usize) -> bool {
    let collection = fresh_collection();
    let path = format!("{collection}/d");
    let url = format!("/v1/docs/{path}");
    let mut result = session().query(1, &json!({"from": collection}));
    // The log keeps what documents were, beside their paths.
    let wanted = bytes - path.len();
    let mut data = wanted - 200;
    loop {
        client().put(&url, &json!({"a": "x".repeat(data)})).send();
        match client().get(&url).send().expect(200).body.len() {
            size if size == wanted => break,
            size => data = data + wanted - size,
        }
    }
    let mut session = session();
    session.go_on(1, &json!({"from": collection}), &mut result);
    session.socket.send(&json!({"unlisten": 1}));
    client().put(&url, &json!({"a": 1})).send().expect(200);
    let told = session.go_on(1, &json!({"from": collection}), &mut result);
    assert_eq!(result.documents, [client().resource(&url)]);
    told.reset
}

#[test]
fn bytes_that_are_remembered_for_those_who_come_back() {
    assert!(!resets(LIVE_LOG_BYTES));
    assert!(resets(LIVE_LOG_BYTES + 1));
}
