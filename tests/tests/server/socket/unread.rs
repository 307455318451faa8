//! Listeners that do not read, and those that do: what a socket may cost.

use crate::{client, open};
use blaze_engine::unread::UNREAD_REASON;
use blaze_schema::limits::{ACKNOWLEDGE_BYTES, DOCUMENT_BYTES, UNREAD_BYTES};
use blaze_schema::wire::document::PING;
use blaze_tests::client::fresh;
use blaze_tests::server::shared;
use blaze_tests::socket::{Listener, Socket};
use serde_json::{Value, json};
use std::thread;

/// Bytes of each write's text.
const TEXT: usize = 500_000;

/// Writes the document as version `version`: all of its text is new.
fn write(path: &str, version: u64) {
    let text = char::from(b'a' + (version % 26) as u8).to_string().repeat(TEXT);
    let data = json!({"n": version, "text": text});
    let reply = client().put(path, &data).header("prefer", "return=minimal").send();
    assert_eq!(reply.version(), version);
}

fn bytes_of(messages: &[Value]) -> usize {
    messages.iter().map(|message| message.to_string().len()).sum()
}

#[test]
fn a_listener_that_does_not_read_is_cut_off_and_resumes() {
    let path = fresh("unread");
    write(&path, 1);
    let deaf = open(&path);
    let versions = 2 * (UNREAD_BYTES / TEXT) as u64 + 3;
    (2..=versions).for_each(|version| write(&path, version));
    let (messages, code, reason) = deaf.closed();
    let bytes = bytes_of(&messages);
    assert!(bytes > UNREAD_BYTES && bytes < UNREAD_BYTES + 2 * TEXT, "{bytes}");
    assert_eq!((code, reason.as_str()), (1012, UNREAD_REASON));
    // What it got is without a gap, and it goes on from there.
    let mut listener = Listener::default();
    messages.iter().for_each(|message| listener.apply(message));
    let mut again = open(&format!("{path}{}", listener.resume()));
    listener.follow(&mut again, versions);
    assert_eq!(listener.state["n"], versions);
}

#[test]
fn a_listener_that_reads_and_pings_is_never_cut_off() {
    let path = fresh("unread");
    write(&path, 1);
    let mut socket = open(&path);
    let versions = 100_000_000 / TEXT as u64;
    let reader = thread::spawn(move || {
        let (mut listener, mut bytes) = (Listener::default(), 0);
        while listener.version != Some(versions) {
            let text = socket.text();
            bytes += text.len();
            if bytes >= ACKNOWLEDGE_BYTES {
                bytes = 0;
                socket.send_text(PING);
            }
            let frame: Value = serde_json::from_str(&text).expect("JSON");
            if frame.get("pong").is_none() {
                listener.apply(&frame);
                // Each is half a megabyte.
                listener.history.clear();
            }
        }
        listener.state["n"].clone()
    });
    (2..=versions).for_each(|version| write(&path, version));
    assert_eq!(reader.join().expect("a reader that was not cut off"), versions);
}

#[test]
fn a_listener_that_never_sends_anything_misses_nothing() {
    let path = fresh("unread");
    write(&path, 1);
    let versions = 3 * (UNREAD_BYTES / TEXT) as u64;
    let from = path.clone();
    let reader = thread::spawn(move || {
        let (mut listener, mut sockets) = (Listener::default(), 0);
        while listener.version != Some(versions) {
            let query = listener.version.map_or(String::new(), |_| listener.resume());
            let mut socket = Socket::open(&shared().url(), &format!("{from}{query}"));
            sockets += 1;
            while listener.version != Some(versions)
                && let Some(text) = socket.text_or_end()
            {
                listener.apply(&serde_json::from_str(&text).expect("JSON"));
            }
        }
        (listener.state["n"].clone(), sockets)
    });
    (2..=versions).for_each(|version| write(&path, version));
    let (state, sockets) = reader.join().expect("a reader");
    assert_eq!(state, versions);
    assert!(sockets > 1, "it was never cut off");
}

#[test]
fn the_largest_document_gets_through_to_a_listener_at_the_limit() {
    let path = fresh("unread");
    let largest = |n: u64| {
        let empty = json!({"n": n, "t": ""}).to_string().len();
        json!({"n": n, "t": "x".repeat(DOCUMENT_BYTES - empty)})
    };
    client().put(&path, &largest(0)).send().expect(201);
    let mut socket = open(&path);
    let mut listener = Listener::of(&mut socket);
    for n in 1..=9 {
        client().put(&path, &json!({"n": n})).send().expect(200);
        client().put(&path, &largest(n)).send().expect(200);
        listener.follow(&mut socket, 2 * n + 1);
        listener.history.clear();
        socket.settled();
    }
    assert_eq!(listener.state, largest(9));
}
