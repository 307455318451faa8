//! How a socket opens: subprotocols, authentication, refusals.

use crate::{answer, assert_error, client, document, open};
use blaze_tests::client::fresh;
use blaze_tests::server::shared;
use blaze_tests::socket::{Refusal, Socket};
use serde_json::{Value, json};

fn opened(path: &str, protocols: &str) -> Result<Socket, Refusal> {
    Socket::open_with(&shared().url(), path, protocols)
}

#[test]
fn the_first_frame_is_a_snapshot() {
    let path = fresh("open");
    let snapshot = open(&path).receive();
    let epoch = snapshot["epoch"].as_str().expect("an epoch").to_owned();
    assert_eq!(snapshot, json!({"type": "snapshot", "epoch": epoch, "version": 0, "data": null}));
    client().put(&path, &json!({"n": 1, "s": {"t": null}})).send().expect(201);
    let data = json!({"n": 1, "s": {"t": null}});
    assert_eq!(
        open(&path).receive(),
        json!({"type": "snapshot", "epoch": epoch, "version": 1, "data": data})
    );
    client().delete(&path).send().expect(204);
    assert_eq!(
        open(&path).receive(),
        json!({"type": "snapshot", "epoch": epoch, "version": 2, "data": null})
    );
    let elsewhere = open(&fresh("open")).receive();
    assert_ne!(elsewhere["epoch"], epoch.as_str());
}

#[test]
fn listening_makes_no_document() {
    let path = fresh("open");
    open(&path).receive();
    client().get(&path).send().problem(404, "not-found");
    assert_eq!(client().put(&path, &json!({})).send().expect(201).version(), 1);
}

#[test]
fn the_servers_subprotocol_is_blaze_v1_and_never_a_token() {
    let path = fresh("open");
    for offered in ["blaze.v1", "blaze.v1, bearer.x", "bearer.a-b_c.d, blaze.v1"] {
        let mut socket = opened(&path, offered).unwrap();
        assert_eq!(socket.protocol.as_deref(), Some("blaze.v1"), "{offered}");
        assert_eq!(socket.receive()["type"], "snapshot");
    }
    assert_eq!(opened(&path, "").unwrap().protocol, None);
    for offered in ["bearer.x", "blaze.v2", "xblaze.v1"] {
        assert_eq!(
            opened(&path, offered).err().map(|refusal| refusal.status),
            Some(101),
            "{offered}"
        );
    }
}

#[test]
fn a_first_message_may_be_the_token() {
    let path = fresh("open");
    let mut socket = open(&path);
    socket.receive();
    socket.send(&json!({"auth": "token"}));
    assert_eq!(socket.settled(), Vec::<Value>::new());
    let set = json!({"write": {"id": "w", "set": document(&path), "data": {"n": 1}}});
    socket.send(&set);
    assert_eq!(answer(&mut socket).0["result"]["version"], 1);
    assert_error(&open_then_ask(&path, &json!({"auth": 1})), "invalid-argument");
}

/// The answer to a message on a socket of its own.
fn open_then_ask(path: &str, message: &Value) -> Value {
    let mut socket = open(path);
    socket.receive();
    socket.ask(message)
}

#[test]
fn what_is_no_document_has_no_socket() {
    for (path, status) in [
        ("/v1/docs/open", 400),
        ("/v1/docs/open/a/open", 400),
        ("/v1/docs/open/__x__", 400),
        ("/v1/docs/open/a%2Fb", 400),
        ("/v1/docs/open/a?since=x&epoch=e", 400),
        ("/v1/docs/open/a?since=-1&epoch=e", 400),
        ("/v1/docs/open/a?since=1.5&epoch=e", 400),
        ("/v1/docs/open/a?since=&epoch=e", 400),
        ("/v1/docs/open/a?since=18446744073709551616&epoch=e", 400),
        ("/v1/nothing", 404),
    ] {
        let refusal = opened(path, "blaze.v1").err().expect("a refusal");
        assert_eq!(refusal.status, status, "{path}");
        let problem: Value = serde_json::from_str(&refusal.body).unwrap();
        assert_eq!(problem["status"], status, "{path}");
    }
}

#[test]
fn a_close_is_answered_and_leaves_the_others_alone() {
    let path = fresh("open");
    let mut witness = open(&path);
    witness.receive();
    for code in [None, Some(1000), Some(1001), Some(3001), Some(4999)] {
        let mut socket = open(&path);
        socket.receive();
        assert_eq!(socket.close(code), code);
    }
    client().put(&path, &json!({"n": 1})).send().expect(201);
    assert_eq!(witness.receive()["version"], 1);
    assert_eq!(witness.close(None), None);
    client().put(&path, &json!({"n": 2})).send().expect(200);
}
