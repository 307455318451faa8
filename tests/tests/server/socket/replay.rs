//! A client that applies every message holds, at every version, exactly what `GET` would have returned at that version.

use crate::{client, document, open};
use blaze_tests::client::{Call, JSON, JSON_PATCH, MERGE_PATCH, fresh};
use blaze_tests::random::Random;
use blaze_tests::seed::seed;
use blaze_tests::socket::{Listener, Socket};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::thread;

const WRITERS: usize = 4;
const WRITES: usize = 120;

/// Data at every version that an answer told of.
type Answered = BTreeMap<u64, Value>;

/// A value that documents hold, none too deep.
fn value(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 9 } else { 12 }) {
        0 => json!(null),
        1 => json!(random.chance(50)),
        2 => json!(random.below(5)),
        3 => json!(random.below(5) as f64),
        4 => json!(i64::MAX - random.below(3) as i64),
        5 => json!("é/~\"\u{1}".repeat(random.below(4))),
        6 => json!({"$timestamp": "2026-11-21T10:00:00.123Z"}),
        7 => json!({"$geopoint": [random.below(90), 2.5]}),
        8 => json!({"$number": "NaN"}),
        9 | 10 => fields(random, depth - 1),
        _ => (0..random.below(4)).map(|_| value(random, depth - 1)).collect(),
    }
}

/// A field's name; some have to be escaped somewhere.
fn name(random: &mut Random) -> String {
    ["a", "b", "c/d", "e~f", "", "g.h", "0"][random.below(7)].to_owned()
}

fn fields(random: &mut Random, depth: usize) -> Value {
    let fields: Map<String, Value> =
        (0..random.below(5)).map(|_| (name(random), value(random, depth))).collect();
    Value::Object(fields)
}

/// A random write by HTTP. Some of them are refused.
fn call(random: &mut Random, path: &str) -> Call<'static> {
    let client = client();
    match random.below(9) {
        0 | 1 => client.put(path, &fields(random, 3)),
        2 | 3 => client.patch(path, MERGE_PATCH, &fields(random, 3)),
        4 => client.put(&format!("{path}?merge=true"), &fields(random, 3)),
        5 => client.patch(
            path,
            JSON,
            &json!({"a.b": value(random, 2), "list": {"$arrayUnion": [random.below(9)]}}),
        ),
        6 => client.patch(
            path,
            JSON,
            &json!({"n": {"$increment": random.below(3)}, "at": {"$serverTimestamp": true}}),
        ),
        7 => {
            let add = json!({"op": "add", "path": "/list/-", "value": value(random, 1)});
            let moved = json!({"op": "move", "from": "/a", "path": "/b"});
            client.patch(path, JSON_PATCH, &json!([add, moved]))
        }
        _ => client.delete(path),
    }
}

/// Writes at random, half of it by HTTP and half on a socket; returns what the HTTP answers said.
fn writer(mut random: Random, path: &str) -> Answered {
    let mut answered = Answered::new();
    let mut socket = open(path);
    for number in 0..WRITES {
        if random.chance(50) {
            let reply = call(&mut random, path).send();
            assert!(reply.status < 500, "{reply:?}");
            match reply.status {
                200 | 201 => drop(answered.insert(reply.version(), reply.json()["data"].take())),
                204 => drop(answered.insert(reply.version(), Value::Null)),
                _ => {}
            }
        } else {
            let data = fields(&mut random, 2);
            let kind = ["set", "merge"][random.below(2)];
            let write = json!({"id": number.to_string(), kind: document(path), "data": data});
            socket.send(&json!({"write": write}));
        }
    }
    // The last answer has come when this has: every write of the socket is committed.
    socket.settled();
    answered
}

/// Follows the document until it says `stop`; with `restless`, on one socket after another.
fn listener(mut random: Random, path: &str, restless: bool) -> Listener {
    let mut socket = open(path);
    let mut listener = Listener::of(&mut socket);
    loop {
        let frame = socket.receive();
        listener.apply(&frame);
        if listener.state["stop"] == true {
            return listener;
        }
        if restless && random.chance(20) {
            socket = reopened(&mut random, socket, path, &listener);
        }
    }
}

/// Another socket, which goes on after what the listener has seen.
fn reopened(random: &mut Random, socket: Socket, path: &str, listener: &Listener) -> Socket {
    if random.chance(50) {
        socket.close(None);
    }
    open(&format!("{path}{}", listener.resume()))
}

#[test]
fn frames_applied_are_the_document_at_every_version() {
    let mut random = Random::new(seed());
    let path = &fresh("replay");
    let mut split = || Random::new(random.bits());
    let restless = [false, false, true, true];
    let (answered, listeners) = thread::scope(|scope| {
        let listeners = restless.map(|restless| {
            let random = split();
            scope.spawn(move || listener(random, path, restless))
        });
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| split())
            .map(|random| scope.spawn(move || writer(random, path)))
            .collect();
        let mut answered = Answered::new();
        for (version, data) in writers.into_iter().flat_map(|writer| writer.join().unwrap()) {
            let other = answered.insert(version, data.clone());
            assert!(other.is_none_or(|other| other == data), "two answers of version {version}");
        }
        client().put(path, &json!({"stop": true})).send();
        (answered, listeners.map(|listener| listener.join().unwrap()))
    });
    assert!(answered.len() > WRITES / 4, "{} answers", answered.len());
    let last = client().resource(path);
    for (listener, restless) in listeners.iter().zip(restless) {
        assert_eq!((listener.version, &listener.state), (last["version"].as_u64(), &last["data"]));
        let first = *listener.history.keys().next().unwrap();
        for (version, data) in answered.range(first..) {
            match listener.history.get(version) {
                Some(state) => assert_eq!(state, data, "version {version}"),
                // A snapshot stands for the versions before it.
                None => assert!(restless, "version {version} was not told"),
            }
        }
    }
}
