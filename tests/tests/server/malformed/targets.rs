//! Frames on `/v1/listen` with something wrong in them, while other targets of the same socket are told what happens.

use super::{SERVER, bytes, mutate};
use blaze_schema::wire::document::{ClientMessage, Listen};
use blaze_tests::client::{Client, documents, fresh, fresh_collection};
use blaze_tests::damage::damaged;
use blaze_tests::random::Random;
use blaze_tests::socket::{LiveResult, Session};
use serde_json::{Value, json};
use std::sync::LazyLock;

static CLIENT: LazyLock<Client> = LazyLock::new(|| SERVER.client());

/// Frames on one socket.
pub(super) const FRAMES: usize = 16;

/// The targets that must not suffer: a query and a document.
const QUERY: u64 = 3_141_592_653;
const DOCUMENT: u64 = 2_718_281_828;

/// Sends bad frames on one socket. Each is answered as its reader says, and nothing else is said.
pub(super) fn attack(random: &mut Random) {
    let place = match random.chance(50) {
        true => fresh_collection(),
        false => format!("x/{}/eight", fresh_collection()),
    };
    let url = fresh("witnesses");
    let query = json!({"from": place, "where": {"field": "n", "op": ">=", "value": 0}});
    let mut session = Session::open(&SERVER.url());
    let mut result = session.query(QUERY, &query);
    let mut listener =
        session.document(DOCUMENT, url.strip_prefix("/v1/docs/").expect("a document's URL"));
    for number in 0..FRAMES {
        let text = frame(random, &place);
        // A socket's binary frame is no message, whatever is in it.
        let message = std::str::from_utf8(&text).ok().map(ClientMessage::parse);
        if let Some(Ok(ClientMessage::Listen { target, .. } | ClientMessage::Unlisten(target))) =
            &message
            && [QUERY, DOCUMENT].contains(target)
        {
            continue;
        }
        match String::from_utf8(text.clone()) {
            Ok(text) => session.socket.send_text(text),
            Err(error) => session.socket.send_binary(error.into_bytes()),
        }
        session.socket.send(&json!({"ping": number + 1_000_000}));
        let shown = text[..text.len().min(1_000)].escape_ascii().to_string();
        answered(&mut session, message, &shown);
        assert_eq!(session.other(), json!({"pong": number + 1_000_000}), "{shown}");
        if number % 4 == 3 {
            go_on(&mut session, &place, number, &query, &mut result);
            CLIENT.put(&url, &json!({"n": number})).send();
            listener.apply(&session.next(DOCUMENT));
            assert_eq!(listener.state, json!({"n": number}));
        }
    }
}

/// A document comes: the witness is told.
fn go_on(
    session: &mut Session,
    place: &str,
    number: usize,
    query: &Value,
    result: &mut LiveResult,
) {
    CLIENT.put(&format!("/v1/docs/{place}/w{number}"), &json!({"n": number})).send().expect(201);
    let now = documents(&CLIENT.query(query)).to_vec();
    session.follow(QUERY, result, &now);
}

/// Waits for the answer that a frame is to have.
fn answered(
    session: &mut Session,
    message: Option<Result<ClientMessage, blaze_schema::error::Error>>,
    shown: &str,
) {
    let is_error = |frame: &Value| frame["type"] == "error" && frame["code"].is_string();
    match message {
        None | Some(Err(_)) => {
            let frame = session.other();
            assert!(is_error(&frame), "{shown}: {frame}");
        }
        Some(Ok(ClientMessage::Ping(number))) => {
            assert_eq!(session.other(), json!({"pong": number}), "{shown}");
        }
        Some(Ok(ClientMessage::Auth(_) | ClientMessage::Unlisten(_))) => {}
        Some(Ok(ClientMessage::Write { id, write, .. })) => {
            let answer = session.answer(&id);
            assert!(write.is_ok() || answer["error"]["code"].is_string(), "{shown}: {answer}");
        }
        Some(Ok(ClientMessage::Listen { target, what })) => loop {
            // What the target was before may have been told something.
            let frame = session.next(target);
            let is_first = match &what {
                Err(_) => is_error(&frame),
                Ok(Listen::Document { .. }) => frame["type"] != "changes",
                Ok(Listen::Query { .. }) => is_error(&frame) || frame["type"] == "changes",
            };
            if is_first {
                break;
            }
        },
    }
}

/// A frame, almost.
fn frame(random: &mut Random, place: &str) -> Vec<u8> {
    let good = good(random, place);
    let mut text = match random.below(20) {
        0 => return bytes(random, 300),
        1 => special(random),
        2..12 => return damaged(random, &good).to_string().into_bytes(),
        _ => good.to_string(),
    }
    .into_bytes();
    mutate(random, &mut text);
    text
}

fn good(random: &mut Random, place: &str) -> Value {
    let target = random.below(5);
    match random.below(10) {
        0 => json!({ "unlisten": target }),
        1 => json!({"ping": 5}),
        2 => {
            json!({"write": {"id": "w", "update": format!("{place}/u"), "data": {"n": {"$increment": 1}}}})
        }
        3 | 4 => {
            json!({"listen": {"target": target, "document": format!("{place}/d"), "since": 1, "epoch": "e"}})
        }
        _ => {
            let filter = json!({"field": "a", "op": "in", "value": [1, {"$ref": "a/b"}, [null]]});
            let filters =
                json!({"and": [filter, {"or": [{"field": "b.c", "op": "!=", "value": "x"}]}]});
            let query = json!({
                "from": place, "where": filters, "orderBy": [{"field": "b.c", "direction": "desc"}],
                "startAfter": [7], "limit": 5, "offset": 1, "select": ["a", "`b.c`"],
            });
            json!({"listen": {"target": target, "query": query, "resume": "3a.12.ff"}})
        }
    }
}

/// Texts that are large, deep, or no JSON in a way of their own.
fn special(random: &mut Random) -> String {
    let count = random.below(50_000);
    match random.below(8) {
        0 => r#"{"listen":"#.repeat(count),
        1 => "[".repeat(count),
        2 => format!(r#"{{"listen":{{"target":1,"query":{{"from":"{}"}}}}}}"#, "a/".repeat(count)),
        3 => format!(
            r#"{{"listen":{{"target":1,"query":{{"from":"a","where":{}"#,
            r#"{"and":["#.repeat(count)
        ),
        4 => r#"{"listen":{"target":1e999,"query":{"from":"a"}}}"#.to_owned(),
        5 => r#"{"listen":{"target":18446744073709551616,"document":"a/b"}}"#.to_owned(),
        6 => r#"{"listen":{"target":1,"document":"a/\ud800"}}"#.to_owned(),
        _ => json!({"listen": {"target": 1, "query": {"from": "a"}, "resume": "x".repeat(count)}})
            .to_string(),
    }
}
