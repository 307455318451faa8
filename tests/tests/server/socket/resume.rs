//! `?since=…&epoch=…`: a listener that comes back.

use crate::{client, open};
use blaze_tests::client::{JSON, fresh};
use blaze_tests::socket::Listener;
use serde_json::{Value, json};

/// What a socket that opens with this query is sent before anything changes.
fn first_frames(path: &str, query: &str) -> Vec<Value> {
    open(&format!("{path}{query}")).settled()
}

/// A document with versions 1 to 4, the third a delete, and a listener that was there from before the first.
fn watched() -> (String, Listener, Vec<Value>) {
    let path = fresh("resume");
    let mut socket = open(&path);
    let listener = Listener::of(&mut socket);
    client().put(&path, &json!({"n": 1})).send().expect(201);
    client().put(&path, &json!({"n": 2})).send().expect(200);
    client().delete(&path).send().expect(204);
    client().put(&path, &json!({"n": 4, "s": "x"})).send().expect(201);
    let frames = socket.settled();
    assert_eq!(frames.len(), 4);
    (path, listener, frames)
}

#[test]
fn the_missed_frames_are_those_that_were_sent() {
    let (path, listener, frames) = watched();
    for since in 0..=4 {
        let query = format!("?since={since}&epoch={}", listener.epoch);
        assert_eq!(first_frames(&path, &query), frames[since..], "{since}");
    }
    // In any order, and encoded as a form.
    let query = format!("?epoch={}&since=%33", listener.epoch);
    assert_eq!(first_frames(&path, &query), frames[3..]);
}

#[test]
fn a_socket_that_was_served_what_it_missed_goes_on_live() {
    let (path, mut listener, _) = watched();
    let mut socket = open(&format!("{path}{}", listener.resume()));
    client().patch(&path, JSON, &json!({"n": 5})).send().expect(200);
    listener.follow(&mut socket, 5);
    assert_eq!(listener.state, json!({"n": 5, "s": "x"}));
    let mut current = open(&format!("{path}{}", listener.resume()));
    assert_eq!(current.settled(), Vec::<Value>::new());
    client().patch(&path, JSON, &json!({"n": 6})).send().expect(200);
    listener.follow(&mut current, 6);
    assert_eq!(listener.state, json!({"n": 6, "s": "x"}));
}

#[test]
fn another_history_or_a_version_of_the_future_gets_a_snapshot() {
    let (path, listener, _) = watched();
    let epoch = &listener.epoch;
    let data = json!({"n": 4, "s": "x"});
    let snapshot = json!({"type": "snapshot", "epoch": epoch, "version": 4, "data": data});
    for query in [
        String::new(),
        "?since=2".to_owned(),
        format!("?epoch={epoch}"),
        "?since=4&epoch=another".to_owned(),
        "?since=2&epoch=".to_owned(),
        format!("?since=5&epoch={epoch}"),
        format!("?since={}&epoch={epoch}", u64::MAX),
        format!("?since=2&epoch={}", epoch.to_lowercase()),
    ] {
        assert_eq!(first_frames(&path, &query), std::slice::from_ref(&snapshot), "{query}");
    }
    let elsewhere = fresh("resume");
    let frames = first_frames(&elsewhere, &format!("?since=0&epoch={epoch}"));
    assert_eq!(frames[0]["type"], "snapshot");
    assert_ne!(frames[0]["epoch"], epoch.as_str());
}

#[test]
fn who_is_too_far_behind_gets_a_snapshot() {
    let path = fresh("resume");
    client().put(&path, &json!({"n": 0})).send().expect(201);
    let epoch = Listener::of(&mut open(&path)).epoch;
    // Patches larger than the document are not worth keeping.
    for n in 1..20 {
        client().patch(&path, JSON, &json!({"n": "x".repeat(1_000 + n)})).send().expect(200);
    }
    let frames = first_frames(&path, &format!("?since=1&epoch={epoch}"));
    assert_eq!((frames.len(), &frames[0]["type"]), (1, &json!("snapshot")));
    assert_eq!((&frames[0]["version"], &frames[0]["epoch"]), (&json!(20), &json!(epoch)));
    assert_eq!(frames[0]["data"], client().data(&path));
    let last = first_frames(&path, &format!("?since=19&epoch={epoch}"));
    assert_eq!((last.len(), &last[0]["base"]), (1, &json!(19)));
}
