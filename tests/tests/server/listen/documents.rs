//! Documents as targets.

use crate::{assert_error, client, session};
use blaze_tests::client::{JSON, fresh};
use blaze_tests::socket::{Listener, Session};
use serde_json::{Value, json};

/// A document's path, from its URL's.
fn name(url: &str) -> &str {
    url.strip_prefix("/v1/docs/").expect("a document's URL")
}

#[test]
fn a_target_is_told_as_a_documents_own_socket_is() {
    let path = fresh("targets");
    let mut session = session();
    session.listen(4, json!({"document": name(&path)}));
    let snapshot = session.next(4);
    let epoch = snapshot["epoch"].as_str().unwrap().to_owned();
    assert_eq!(snapshot, json!({"type": "snapshot", "epoch": epoch, "version": 0, "data": null}));
    let mut listener = Listener::default();
    listener.apply(&snapshot);
    client().put(&path, &json!({"n": 1, "s": "é"})).send().expect(201);
    let patch = json!([{"op": "add", "path": "", "value": {"n": 1, "s": "é"}}]);
    assert_eq!(session.next(4), json!({"type": "patch", "base": 0, "version": 1, "patch": patch}));
    client().patch(&path, JSON, &json!({"n": {"$increment": 1}})).send().expect(200);
    let patch = json!([{"op": "replace", "path": "/n", "value": 2}]);
    assert_eq!(session.next(4), json!({"type": "patch", "base": 1, "version": 2, "patch": patch}));
    client().delete(&path).send().expect(204);
    assert_eq!(session.next(4), json!({"type": "delete", "base": 2, "version": 3}));
    // A write that changes nothing is not told: the next frame is of the one after.
    client().delete(&path).send().expect(204);
    client().put(&path, &json!({})).header("if-match", "\"9\"").send().expect(412);
    client().put(&path, &json!({"n": 4})).send().expect(201);
    assert_eq!(session.next(4)["version"], 4);
}

/// The frames about a target when it starts after a version, up to the first frame of a write that is made then.
fn missed(session: &mut Session, path: &str, since: Value) -> Vec<(String, u64)> {
    let mut what = since;
    what["document"] = json!(name(path));
    session.listen(1, what);
    let mark = client().patch(path, JSON, &json!({"mark": {"$increment": 1}})).send().expect(200);
    let mut frames = Vec::new();
    loop {
        let frame = session.next(1);
        let version = frame["version"].as_u64().unwrap();
        let kind = frame["type"].as_str().unwrap().to_owned();
        if version >= mark.version() {
            if kind == "snapshot" {
                frames.push((kind, 0));
            }
            session.socket.send(&json!({"unlisten": 1}));
            return frames;
        }
        frames.push((kind, version));
    }
}

#[test]
fn a_target_may_start_after_a_version() {
    let path = fresh("targets");
    client().put(&path, &json!({"n": 0})).send().expect(201);
    let mut session = session();
    let epoch = session.document(1, name(&path)).epoch;
    session.socket.send(&json!({"unlisten": 1}));
    // Before the changes, which come another way.
    session.socket.settled();
    for n in 1..=4 {
        client().patch(&path, JSON, &json!({"n": n})).send().expect(200);
    }
    let patches = |versions: std::ops::RangeInclusive<u64>| -> Vec<(String, u64)> {
        versions.map(|version| ("patch".to_owned(), version)).collect()
    };
    let since = |version: u64| json!({"since": version, "epoch": epoch});
    assert_eq!(missed(&mut session, &path, since(5)), Vec::new(), "nothing was missed");
    assert_eq!(missed(&mut session, &path, since(4)), patches(5..=6));
    assert_eq!(missed(&mut session, &path, since(0)), patches(1..=7));
    // Another history, a version that is not yet, or none at all: everything.
    for since in [
        json!({"since": 4, "epoch": "another"}),
        json!({"since": 4}),
        json!({"since": 99, "epoch": epoch}),
        json!({}),
        json!({"since": null, "epoch": null}),
    ] {
        let frames = missed(&mut session, &path, since.clone());
        assert_eq!(frames.first().map(|(kind, _)| kind.as_str()), Some("snapshot"), "{since}");
    }
}

#[test]
fn many_documents_are_told_apart() {
    let paths: Vec<String> = (0..40).map(|_| fresh("targets")).collect();
    let mut session = session();
    let mut listeners: Vec<Listener> =
        paths.iter().zip(0..).map(|(path, target)| session.document(target, name(path))).collect();
    // One document under two targets.
    let mut twice = session.document(1_000, name(&paths[0]));
    for n in 1..=3 {
        for (number, path) in paths.iter().enumerate() {
            client().put(path, &json!({"number": number, "n": n})).send();
        }
    }
    for (number, (listener, target)) in listeners.iter_mut().zip(0..).enumerate() {
        for n in 1..=3 {
            listener.apply(&session.next(target));
            assert_eq!(listener.state, json!({"number": number, "n": n}));
        }
    }
    (0..3).for_each(|_| twice.apply(&session.next(1_000)));
    assert_eq!(twice.state, listeners[0].state);
}

#[test]
fn nothing_is_told_after_the_end_of_a_target() {
    let (path, other) = (fresh("targets"), fresh("targets"));
    let mut session = session();
    let mut listener = session.document(1, name(&path));
    session.document(2, name(&other));
    session.socket.send(&json!({"unlisten": 2}));
    session.socket.send(&json!({"unlisten": 2}));
    session.socket.send(&json!({"unlisten": 77}));
    assert_eq!(session.socket.settled(), Vec::<Value>::new());
    client().put(&other, &json!({"n": 1})).send().expect(201);
    client().put(&path, &json!({"n": 1})).send().expect(201);
    listener.apply(&session.next(1));
    assert_eq!(session.next_within(2, std::time::Duration::from_millis(50)), None);
    // The number is free again; and one that is in use is used anew.
    let mut again = session.document(2, name(&other));
    assert_eq!(again.state, json!({"n": 1}));
    let replaced = session.document(1, name(&other));
    assert_eq!(replaced.state, json!({"n": 1}));
    client().put(&path, &json!({"n": 2})).send().expect(200);
    client().put(&other, &json!({"n": 3})).send().expect(200);
    again.apply(&session.next(2));
    assert_eq!(session.next(1)["patch"], json!([{"op": "replace", "path": "/n", "value": 3}]));
}

#[test]
fn what_is_no_target_is_an_error_of_that_target() {
    let path = fresh("targets");
    let mut session = session();
    let mut listener = session.document(1, name(&path));
    for what in [
        json!({}),
        json!({"document": "a"}),
        json!({"document": "a/__b__"}),
        json!({"document": 1}),
        json!({"document": name(&path), "query": {"from": "a"}}),
        json!({"document": name(&path), "resume": "x"}),
        json!({"document": name(&path), "since": -1, "epoch": "e"}),
        json!({"document": name(&path), "since": "1", "epoch": "e"}),
        json!({"document": name(&path), "since": 1, "epoch": 1}),
        json!({"document": name(&path), "extra": 1}),
        json!({"query": {"from": "a"}, "since": 1}),
    ] {
        session.listen(9, what);
        assert_error(&session.next(9), "invalid-argument", "listen");
    }
    client().put(&path, &json!({"n": 1})).send().expect(201);
    listener.apply(&session.next(1));
    // It ends the target whose number it has, though that was another one.
    session.listen(1, json!({"document": "a"}));
    assert_error(&session.next(1), "invalid-argument", "listen");
    client().put(&path, &json!({"n": 2})).send().expect(200);
    assert_eq!(session.next_within(1, std::time::Duration::from_millis(50)), None);
}
