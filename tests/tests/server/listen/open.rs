//! How the socket opens, what may be sent on it, and how it ends.

use crate::{assert_error, client, put, server, session};
use blaze_schema::limits::BODY_BYTES;
use blaze_tests::client::fresh_collection;
use blaze_tests::socket::Socket;
use serde_json::{Value, json};

#[test]
fn it_is_a_websocket_and_nothing_else() {
    let reply = client().get("/v1/listen").send();
    let detail = reply.problem(426, "invalid-argument");
    assert!(detail.contains("WebSocket"), "{detail}");
    let foreign = client().get("/v1/listen").header("origin", "https://foreign.example").send();
    assert_eq!(foreign.header("access-control-allow-origin"), Some("https://foreign.example"));
}

#[test]
fn the_servers_subprotocol_is_blaze_v1_and_never_a_token() {
    let opened = |offered: &str| Socket::open_with(&server().url(), "/v1/listen", offered);
    for offered in ["blaze.v1", "blaze.v1, bearer.x", "bearer.a-b_c.d, blaze.v1"] {
        let mut socket = opened(offered).unwrap();
        assert_eq!(socket.protocol.as_deref(), Some("blaze.v1"), "{offered}");
        assert_eq!(socket.ask(&json!({"ping": 3})), json!({"pong": 3}));
    }
    assert_eq!(opened("").unwrap().protocol, None);
    assert_eq!(opened("bearer.x").err().map(|refusal| refusal.status), Some(101));
}

#[test]
fn nothing_is_said_that_was_not_asked_for() {
    let mut session = session();
    session.socket.send(&json!({"auth": "token"}));
    assert_eq!(session.socket.settled(), Vec::<Value>::new());
    assert_eq!(session.socket.ask(&json!({"ping": -7})), json!({"pong": -7}));
    assert_eq!(session.socket.ask(&json!({"ping": 0})), json!({"pong": 0}));
}

#[test]
fn what_is_no_message_is_an_error_and_the_socket_lives_on() {
    let collection = fresh_collection();
    put(&collection, "a", json!({"n": 1}));
    let mut session = session();
    let mut result = session.query(1, &json!({"from": collection}));
    let deep = format!("{}1", "[".repeat(100_000));
    for text in [
        "",
        "x",
        "{}",
        "[]",
        "null",
        r#"{"ping":1.5}"#,
        r#"{"ping":1,"pong":1}"#,
        r#"{"auth":null}"#,
        r#"{"listen":1}"#,
        r#"{"listen":{}}"#,
        r#"{"listen":{"target":"1","document":"a/b"}}"#,
        r#"{"listen":{"target":-1,"document":"a/b"}}"#,
        r#"{"listen":{"target":1.5,"document":"a/b"}}"#,
        r#"{"unlisten":"1"}"#,
        r#"{"unlisten":null}"#,
        r#"{"write":{}}"#,
        r#"{"write":{"id":1,"delete":"a/b"}}"#,
        r#"{"listen":{"target":1,"document":"a/b"},"ping":1}"#,
        "{\"ping\":\u{0}1}",
        "\u{feff}{\"ping\":1}",
        &deep,
    ] {
        session.socket.send_text(text);
        assert_error(&session.other(), "invalid-argument", "message: ");
    }
    for bytes in [b"".as_slice(), b"\x00\xff", br#"{"ping":1}"#] {
        session.socket.send_binary(bytes);
        assert_error(&session.other(), "invalid-argument", "message: ");
    }
    let ping = r#"{"ping":7}"#;
    session.socket.send_text(format!("{ping}{}", " ".repeat(BODY_BYTES - ping.len())));
    assert_eq!(session.other(), json!({"pong": 7}));
    session.socket.send_text(format!("{ping}{}", " ".repeat(BODY_BYTES - ping.len() + 1)));
    assert_error(&session.other(), "resource-exhausted", "message: ");
    // What was listened to before is so still.
    put(&collection, "b", json!({"n": 2}));
    assert_eq!(result.apply(&session.next(1)).changes, ["added b"]);
}

#[test]
fn a_close_is_answered_and_leaves_the_others_alone() {
    let collection = fresh_collection();
    let query = json!({"from": collection});
    let mut witness = session();
    let mut result = witness.query(1, &query);
    for code in [None, Some(1000), Some(1001), Some(3001), Some(4999)] {
        let mut other = session();
        other.query(5, &query);
        other.document(6, &format!("{collection}/a"));
        assert_eq!(other.socket.close(code), code);
    }
    // One that is lost is none of the others' business either.
    for _ in 0..3 {
        let mut lost = session();
        lost.query(1, &query);
        lost.listen(2, json!({"query": query}));
        lost.socket.reset();
    }
    put(&collection, "a", json!({"n": 1}));
    assert_eq!(result.apply(&witness.next(1)).changes, ["added a"]);
    put(&collection, "a", json!({"n": 2}));
    assert_eq!(result.apply(&witness.next(1)).changes, ["modified a"]);
}
