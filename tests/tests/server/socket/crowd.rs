//! Many sockets on one document, some of them broken or slow.

use crate::{client, open};
use blaze_schema::limits::ACKNOWLEDGE_BYTES;
use blaze_schema::wire::document::{PING, PONG};
use blaze_tests::client::{JSON, PATIENCE, fresh};
use blaze_tests::socket::{Listener, Socket};
use serde_json::json;
use std::thread;
use std::time::Instant;

/// The text frames up to the one of this version. The server is told that they are read.
fn texts(socket: &mut Socket, version: u64) -> Vec<String> {
    let (mut texts, mut bytes) = (Vec::new(), 0);
    loop {
        let text = socket.text();
        bytes += text.len();
        if bytes >= ACKNOWLEDGE_BYTES {
            bytes = 0;
            socket.send_text(PING);
        }
        if text == PONG {
            continue;
        }
        let frame: serde_json::Value = serde_json::from_str(&text).unwrap();
        texts.push(text);
        if frame["version"] == version {
            return texts;
        }
    }
}

#[test]
fn sixty_sockets_are_told_the_same_bytes() {
    let path = fresh("crowd");
    client().put(&path, &json!({"n": 0})).send().expect(201);
    let mut sockets: Vec<Socket> = (0..60).map(|_| open(&path)).collect();
    for n in 1..=20 {
        let update = json!({"n": n, format!("field{n}"): "x".repeat(n)});
        client().patch(&path, JSON, &update).send().expect(200);
    }
    let all: Vec<Vec<String>> = sockets.iter_mut().map(|socket| texts(socket, 21)).collect();
    assert_eq!(all[0].len(), 21);
    for texts in &all {
        assert_eq!(texts, &all[0]);
    }
    let mut listener = Listener::default();
    all[0].iter().for_each(|text| listener.apply(&serde_json::from_str(text).unwrap()));
    assert_eq!(listener.state, client().data(&path));
}

#[test]
fn broken_sockets_do_not_harm_the_others() {
    let path = fresh("crowd");
    client().put(&path, &json!({"n": 0})).send().expect(201);
    let mut sockets: Vec<Socket> = (0..6).map(|_| open(&path)).collect();
    // Between every two writes some sockets are lost, with frames on their way to them.
    let mut version = 1;
    for _ in 0..5 {
        let broken: Vec<Socket> = (0..4).map(|_| open(&path)).collect();
        let mut writes = |count: u64| {
            for _ in 0..count {
                let update = json!({"n": {"$increment": 1}});
                client().patch(&path, JSON, &update).send().expect(200);
                version += 1;
            }
        };
        writes(2);
        broken.into_iter().for_each(Socket::reset);
        writes(3);
    }
    let all: Vec<Vec<String>> = sockets.iter_mut().map(|socket| texts(socket, version)).collect();
    assert_eq!(all[0].len() as u64, version);
    for texts in &all {
        assert_eq!(texts, &all[0]);
    }
    assert_eq!(client().data(&path), json!({"n": version - 1}));
}

#[test]
fn a_socket_that_never_reads_does_not_hold_up_the_others() {
    let path = fresh("crowd");
    client().put(&path, &json!({"n": 0})).send().expect(201);
    let slow = open(&path);
    let mut sockets: Vec<Socket> = (0..3).map(|_| open(&path)).collect();
    // Far more than the kernel buffers for a connection.
    let (writes, bytes) = (40_u64, 700_000_usize);
    let started = Instant::now();
    let letters = |n: u64| char::from(b'a' + (n % 26) as u8).to_string().repeat(bytes);
    thread::scope(|scope| {
        let readers: Vec<_> =
            sockets.iter_mut().map(|socket| scope.spawn(|| texts(socket, writes + 1))).collect();
        for n in 1..=writes {
            client().put(&path, &json!({"n": n, "text": letters(n)})).send().expect(200);
        }
        for reader in readers {
            let texts = reader.join().unwrap();
            let mut listener = Listener::default();
            texts.iter().for_each(|text| listener.apply(&serde_json::from_str(text).unwrap()));
            assert_eq!(listener.history.len() as u64, writes + 1);
            for (version, state) in &listener.history {
                assert_eq!(state["n"], version - 1);
            }
            assert_eq!(listener.state["text"], letters(writes));
        }
    });
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    // What it was sent before it was cut off waits for it, in order; and it goes on from there.
    let mut listener = Listener::default();
    slow.ended().0.iter().for_each(|frame| listener.apply(frame));
    let mut again = open(&format!("{path}{}", listener.resume()));
    listener.follow(&mut again, writes + 1);
    assert_eq!(listener.state, client().data(&path));
}

#[test]
fn a_lost_socket_that_never_read_takes_nothing_with_it() {
    let path = fresh("crowd");
    client().put(&path, &json!({"n": 0})).send().expect(201);
    let slow = open(&path);
    for n in 1..=12 {
        let data = json!({"n": n, "text": n.to_string().repeat(500_000)});
        client().put(&path, &data).send().expect(200);
    }
    slow.reset();
    client().put(&path, &json!({"n": 13})).send().expect(200);
    let mut socket = open(&path);
    assert_eq!(Listener::of(&mut socket).state, json!({"n": 13}));
    client().put(&path, &json!({"n": 14})).send().expect(200);
    assert_eq!(socket.receive()["version"], 15);
}
