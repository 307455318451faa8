//! Clients of many targets that do not read, and those that do; results that are longer than one frame.

use crate::{client, places, put, session};
use blaze_engine::unread::UNREAD_REASON;
use blaze_schema::limits::{ACKNOWLEDGE_BYTES, FRAME_BYTES, UNREAD_BYTES};
use blaze_schema::wire::document::PING;
use blaze_tests::client::fresh_collection;
use blaze_tests::socket::{LiveResult, Socket};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Bytes of each document's text.
const TEXT: usize = 500_000;

fn fill(place: &str, documents: usize) {
    for n in 0..documents {
        put(place, &format!("d{n:02}"), json!({"n": n, "text": "x".repeat(TEXT)}));
    }
}

/// Reads frames and says so, until all of `results` are whole; the bytes of the largest one.
fn read(socket: &mut Socket, results: &mut BTreeMap<u64, LiveResult>, whole: usize) -> usize {
    let (mut unacknowledged, mut largest) = (0, 0);
    while results.values().filter(|result| result.resume.is_some()).count() < whole {
        let text = socket.text();
        largest = largest.max(text.len());
        unacknowledged += text.len();
        if unacknowledged >= ACKNOWLEDGE_BYTES {
            unacknowledged = 0;
            socket.send_text(PING);
        }
        let frame: Value = serde_json::from_str(&text).expect("JSON");
        if let Some(target) = frame["target"].as_u64() {
            results.entry(target).or_default().apply(&frame);
        }
    }
    largest
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let place = fresh_collection();
    put(&place, "a", json!({"n": 0, "text": "x".repeat(TEXT)}));
    for what in [json!({"document": format!("{place}/a")}), json!({"query": {"from": place}})] {
        let mut session = session();
        session.listen(1, what.clone());
        // It has begun.
        session.next(1);
        let writes = 2 * UNREAD_BYTES / TEXT + 3;
        for n in 0..writes {
            let text = char::from(b'a' + (n % 26) as u8).to_string().repeat(TEXT);
            put(&place, "a", json!({"n": n, "text": text}));
        }
        let (messages, code, reason) = session.socket.closed();
        let bytes: usize = messages.iter().map(|message| message.to_string().len()).sum();
        assert!(bytes > UNREAD_BYTES / 2 && bytes < UNREAD_BYTES + 2 * TEXT, "{bytes}: {what}");
        assert_eq!((code, reason.as_str()), (1012, UNREAD_REASON), "{what}");
    }
}

#[test]
fn a_long_result_comes_in_frames_that_everybody_takes() {
    for place in places() {
        fill(&place, 15);
        let query = json!({"from": place, "orderBy": [{"field": "n", "direction": "asc"}]});
        let mut session = session();
        session.listen(1, json!({"query": query}));
        let mut results = BTreeMap::new();
        let largest = read(&mut session.socket, &mut results, 1);
        assert!(largest <= FRAME_BYTES, "{largest}");
        let result = results.remove(&1).unwrap_or_default();
        assert_eq!(result.documents.len(), 15, "more than {UNREAD_BYTES} bytes at once");
        assert_eq!(result.documents, crate::now(&query));
    }
}

#[test]
fn many_large_results_at_once_get_through_to_a_client_that_reads() {
    let place = fresh_collection();
    fill(&place, 2);
    let mut session = session();
    for target in 1..=20 {
        let query = json!({"from": place, "where": {"field": "n", "op": "<", "value": 1 + target}});
        session.listen(target, json!({"query": query}));
    }
    let mut results = BTreeMap::new();
    read(&mut session.socket, &mut results, 20);
    assert!(results.values().all(|result| result.documents.len() == 2));
    // And it goes on.
    client().delete(&format!("/v1/docs/{place}/d00")).send().expect(204);
    while results.values().any(|result| result.documents.len() == 2) {
        let frame = session.socket.receive();
        if let Some(target) = frame["target"].as_u64() {
            results.entry(target).or_default().apply(&frame);
        }
    }
}
