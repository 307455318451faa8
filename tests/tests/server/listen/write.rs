//! Writes on the socket: to any document, answered when the index has them.

use crate::{client, places, session};
use blaze_tests::client::{fresh, fresh_collection};
use blaze_tests::socket::{Listener, Socket};
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn every_kind_of_write_is_done_and_answered() {
    let path = fresh("listen-write");
    let name = path.strip_prefix("/v1/docs/").unwrap();
    let mut session = session();
    let mut listener = session.document(1, name);
    for (write, version, data) in [
        (json!({"create": name, "data": {"n": {"$increment": 1}}}), 1, json!({"n": 1})),
        (json!({"set": name, "data": {"n": 2, "m": {"a": 1}}}), 2, json!({"n": 2, "m": {"a": 1}})),
        (
            json!({"merge": name, "data": {"m": {"b": null}, "n": {"$delete": true}}}),
            3,
            json!({"m": {"a": 1, "b": null}}),
        ),
        (
            json!({"update": name, "data": {"m.b": [1]}, "ifVersion": 3}),
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
        let answer = session.write("w", write);
        assert_eq!(answer, json!({"result": {"path": name, "version": version}}));
        while listener.version != Some(version) {
            listener.apply(&session.next(1));
        }
        assert_eq!(listener.state, data);
    }
    for same in [json!({"set": name, "data": {}}), json!({"verify": name, "ifVersion": 7})] {
        assert_eq!(session.write("same", same), json!({"result": {"path": name, "version": 7}}));
    }
    assert_eq!(session.next_within(1, Duration::from_millis(50)), None);
    assert_eq!(client().data(&path), json!({}));
}

#[test]
fn a_write_that_is_answered_is_in_the_next_query() {
    for place in places() {
        let mut session = session();
        for n in 0..30 {
            let name = format!("{place}/d{}", n % 5);
            session.write("w", json!({"set": name, "data": {"n": n}}));
            let query = json!({"from": place, "where": {"field": "n", "op": "==", "value": n}});
            assert_eq!(client().ids(&query), [format!("d{}", n % 5)]);
        }
        session.write("w", json!({"delete": format!("{place}/d0")}));
        assert_eq!(client().ids(&json!({"from": place})), ["d1", "d2", "d3", "d4"]);
    }
}

#[test]
fn a_refused_write_says_why_and_changes_nothing() {
    let path = fresh("listen-write");
    let name = path.strip_prefix("/v1/docs/").unwrap();
    client().put(&path, &json!({"n": 1})).send().expect(201);
    let before = client().state(&path);
    let mut session = session();
    for (write, code) in [
        (json!({"create": name, "data": {}}), "already-exists"),
        (json!({"set": name, "data": {}, "ifVersion": 2}), "failed-precondition"),
        (json!({"verify": name, "ifVersion": 9}), "failed-precondition"),
        (
            json!({"patch": name, "operations": [{"op": "test", "path": "/n", "value": 2}]}),
            "failed-precondition",
        ),
        (json!({"update": format!("{name}x"), "data": {"n": 1}}), "not-found"),
        (json!({"set": name, "data": {"a": "x".repeat(1 << 20)}}), "resource-exhausted"),
        (json!({"set": name}), "invalid-argument"),
        (json!({"set": name, "data": {"$x": 1}}), "invalid-argument"),
        (json!({"set": "listen-write", "data": {}}), "invalid-argument"),
        (json!({"set": name, "data": {}, "delete": name}), "invalid-argument"),
        (json!({"jump": name}), "invalid-argument"),
        (json!({}), "invalid-argument"),
    ] {
        let answer = session.write("refused", write.clone());
        let keys: Vec<&String> = answer["error"].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["code", "detail"], "{write}: {answer}");
        assert_eq!(answer["error"]["code"], code, "{write}: {answer}");
    }
    assert_eq!(client().state(&path), before);
    // Paths in messages are not percent-decoded.
    let odd = format!("{}/a%20b", fresh_collection());
    let answer = session.write("odd", json!({"set": odd, "data": {"n": 1}}));
    assert_eq!(answer["result"]["path"], odd);
    assert_eq!(client().data(&format!("/v1/docs/{}", odd.replace('%', "%25"))), json!({"n": 1}));
}

#[test]
fn many_writes_may_be_on_their_way_at_once() {
    for place in places() {
        let mut session = session();
        let counter = format!("{place}/counter");
        let mut listener: Listener = session.document(1, &counter);
        let mut result = session.query(2, &json!({"from": place}));
        for n in 0..100 {
            let increment = json!({"merge": counter, "data": {"n": {"$increment": 1}}});
            session.send_write(&format!("w{n}"), increment);
            let other = json!({"set": format!("{place}/d{:02}", n % 20), "data": {"n": n}});
            session.send_write(&format!("o{n}"), other);
        }
        let mut versions: Vec<u64> = (0..100)
            .map(|n| session.answer(&format!("w{n}"))["result"]["version"].as_u64().unwrap())
            .collect();
        for n in 0..100 {
            let path = format!("{place}/d{:02}", n % 20);
            assert_eq!(session.answer(&format!("o{n}"))["result"]["path"], path);
        }
        versions.sort_unstable();
        assert_eq!(versions, (1..=100).collect::<Vec<_>>());
        while listener.version != Some(100) {
            listener.apply(&session.next(1));
        }
        assert_eq!(listener.state, json!({"n": 100}));
        let all = crate::now(&json!({"from": place}));
        assert_eq!(all.len(), 21);
        session.follow(2, &mut result, &all);
    }
}

#[test]
fn writes_to_many_documents_are_committed_in_their_order() {
    for place in places() {
        let mut session = session();
        let long = "x".repeat(200_000);
        let name = |n: usize| format!("{place}/d{n}");
        for n in 0..40 {
            // The even ones take longer.
            let data = if n % 2 == 0 { json!({"n": n, "text": long}) } else { json!({"n": n}) };
            session.send_write(&format!("w{n}"), json!({"set": name(n), "data": data}));
            session.send_write(&format!("no{n}"), json!({"update": name(1_000 + n), "data": {}}));
        }
        for n in 0..40 {
            assert_eq!(session.answer(&format!("w{n}"))["result"]["version"], 1);
            assert_eq!(session.answer(&format!("no{n}"))["error"]["code"], "not-found");
        }
        let times: Vec<String> = (0..40)
            .map(|n| client().get(&format!("/v1/docs/{}", name(n))).send().json())
            .map(|resource| resource["createTime"].as_str().unwrap().to_owned())
            .collect();
        assert!(times.is_sorted(), "{times:?}");
    }
}

#[test]
fn a_write_with_a_key_is_done_once_by_socket_and_by_http() {
    let path = fresh("listen-write");
    let name = path.strip_prefix("/v1/docs/").unwrap();
    let write = json!({"merge": name, "data": {"n": {"$increment": 1}}});
    let mut keyed = write.clone();
    keyed["idempotencyKey"] = json!("key");
    let done = json!({"result": {"path": name, "version": 1}});
    assert_eq!(session().write("w", keyed.clone()), done);
    let mut document = Socket::open(&crate::server().url(), &path);
    for _ in 0..2 {
        assert_eq!(session().write("again", keyed.clone()), done);
        let commit = client().post("/v1/commit", &json!({"writes": [write]}));
        let commit = commit.header("idempotency-key", "key").send().expect(200).json();
        assert_eq!(commit["results"], json!([{"path": name, "version": 1}]));
        let mut frame = keyed.clone();
        frame["id"] = json!("w");
        document.send(&json!({"write": frame}));
    }
    keyed["data"]["n"] = json!(7);
    assert_eq!(session().write("w", keyed.clone())["error"]["code"], "invalid-argument");
    keyed["idempotencyKey"] = json!(7);
    assert_eq!(session().write("w", keyed)["error"]["code"], "invalid-argument");
    assert_eq!(client().data(&path), json!({"n": 1}));
}
