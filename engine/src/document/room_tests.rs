//! A document's object: what waits for the indexes, for other objects and for time, and in which order it is let out.

use crate::actor::bench::{Bench, calls, frames, open, request, statuses};
use crate::actor::{Body, Call, Class, Effect, Event};
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{
    INDEX_WAIT_MICROS, LATE_MICROS, SNAPSHOT_MICROS, TELL_PAUSES, WAITING_BYTES,
};
use serde_json::json;

fn bench() -> Bench {
    Bench::of(Class::Document, "docs/a", open("{}"))
}

/// Writes the document; returns the effects after its body was read.
fn put(bench: &mut Bench, ticket: u64, data: &str) -> Vec<Effect> {
    let effects = bench.request(ticket, request("PUT", "/v1/docs/docs/a", &[]));
    assert!(matches!(effects[..], [Effect::Read { .. }]), "{effects:?}");
    bench.event(Event::Body { ticket, body: Body::Whole(data.as_bytes().to_vec()) })
}

fn get() -> crate::http::incoming::Incoming {
    request("GET", "/v1/docs/docs/a", &[])
}

fn down() -> Error {
    Error::new(Code::Unavailable, "down")
}

#[test]
fn a_write_is_answered_when_its_index_has_it() {
    let mut bench = bench();
    let effects = put(&mut bench, 1, r#"{"n":1}"#);
    assert_eq!(statuses(&effects), []);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::SetAlarm(_))));
    let [(number, object, Call::Update { .. })] = calls(&effects)[..] else {
        panic!("{effects:?}")
    };
    assert_eq!((object.class, object.name.as_str()), (Class::Index, "c/0/docs"));
    // A read of that state waits, too.
    assert_eq!(statuses(&bench.request(2, get())), []);
    assert!(bench.actor.wakes().is_some());
    assert_eq!(statuses(&bench.told(number, Ok(""))), [(1, 201), (2, 200)]);
    assert_eq!(bench.actor.wakes(), None, "nothing keeps the object awake");
    assert_eq!(statuses(&bench.request(3, get())), [(3, 200)]);
}

#[test]
fn an_index_that_fails_is_told_again_after_each_pause_and_then_given_up() {
    let mut bench = bench();
    let effects = put(&mut bench, 1, "{}");
    let mut number = calls(&effects)[0].0;
    for pause in TELL_PAUSES {
        assert_eq!(bench.told(number, Err(down())), []);
        assert_eq!(bench.actor.wakes().unwrap().micros(), bench.now + pause);
        bench.now += pause - 1;
        assert_eq!(bench.event(Event::Timer), []);
        bench.now += 1;
        let effects = bench.event(Event::Timer);
        number = calls(&effects)[0].0;
    }
    let effects = bench.told(number, Err(down()));
    assert_eq!(statuses(&effects), [(1, 503)]);
    // The next read tells it once more.
    let effects = bench.request(2, get());
    let number = calls(&effects)[0].0;
    assert_eq!(statuses(&bench.told(number, Ok(""))), [(2, 200)]);
}

#[test]
fn an_answer_waits_for_a_silent_index_so_long_and_no_longer() {
    let mut bench = bench();
    let effects = put(&mut bench, 1, "{}");
    let number = calls(&effects)[0].0;
    bench.now += INDEX_WAIT_MICROS - 1;
    assert_eq!(bench.event(Event::Timer), []);
    bench.now += 1;
    assert_eq!(statuses(&bench.event(Event::Timer)), [(1, 503)]);
    // A late confirmation counts: the next one need not wait.
    bench.told(number, Ok(""));
    assert_eq!(statuses(&bench.request(2, get())), []);
}

#[test]
fn a_newer_version_that_the_indexes_have_is_as_good() {
    let mut bench = bench();
    let first = put(&mut bench, 1, r#"{"n":1}"#);
    let second = put(&mut bench, 2, r#"{"n":2}"#);
    assert_eq!(statuses(&bench.told(calls(&second)[0].0, Ok(""))), [(1, 201), (2, 200)]);
    assert_eq!(bench.told(calls(&first)[0].0, Ok("")), []);
}

#[test]
fn frames_come_when_the_index_has_their_state_and_sockets_resume_if_it_has_not() {
    let mut bench = bench();
    let upgrade = || request("GET", "/v1/docs/docs/a", &[("upgrade", "websocket")]);
    let effects = bench.request(1, upgrade());
    let [Effect::Accept { socket: 1, .. }, Effect::Send { .. }, ..] = &effects[..] else {
        panic!("{effects:?}")
    };
    let told = put(&mut bench, 2, r#"{"n":1}"#);
    assert_eq!(frames(&told), Vec::<&str>::new());
    // A pong says that all frames of before have come.
    assert_eq!(frames(&bench.message(1, r#"{"ping":7}"#)), Vec::<&str>::new());
    let effects = bench.told(calls(&told)[0].0, Ok(""));
    assert!(
        frames(&effects)[0].starts_with(r#"{"type":"patch","base":0,"version":1"#),
        "{effects:?}"
    );
    assert_eq!(frames(&effects)[1], r#"{"pong":7}"#);
    put(&mut bench, 3, r#"{"n":2}"#);
    bench.now += INDEX_WAIT_MICROS;
    let effects = bench.event(Event::Timer);
    assert!(effects.contains(&Effect::Close { socket: 1, code: 1012, reason: "" }), "{effects:?}");
    assert_eq!(statuses(&effects), [(3, 503)]);
    assert_eq!(frames(&effects), Vec::<&str>::new());
}

#[test]
fn a_step_waits_until_the_copy_of_the_rules_is_fresh_and_messages_behind_it_wait_too() {
    let mut bench = bench();
    bench.request(1, request("GET", "/v1/docs/docs/a", &[("upgrade", "websocket")]));
    bench.now += SNAPSHOT_MICROS;
    let effects = bench.message(1, r#"{"write":{"id":"w","set":"docs/a","data":{}}}"#);
    let [(number, _, Call::Snapshot { known: Some(1) })] = calls(&effects)[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(bench.message(1, r#"{"ping":1}"#), []);
    let effects = bench.told(number, Ok(r#"{"version":1}"#));
    let [(number, _, Call::Update { .. })] = calls(&effects)[..] else { panic!("{effects:?}") };
    let effects = bench.told(number, Ok(""));
    let frames = frames(&effects);
    assert_eq!(frames.len(), 3, "the write's answer, its patch, the pong: {frames:?}");
    assert_eq!(frames[2], r#"{"pong":1}"#);
}

#[test]
fn what_is_sent_while_a_message_waits_is_unread_until_the_next_one() {
    let mut bench = bench();
    bench.request(1, request("GET", "/v1/docs/docs/a", &[("upgrade", "websocket")]));
    let told = put(&mut bench, 2, r#"{"n":1}"#);
    bench.now += SNAPSHOT_MICROS - 1;
    bench.event(Event::Message { socket: 1, text: None });
    bench.now += 1;
    let waits = bench.message(1, r#"{"ping":1}"#);
    bench.message(1, r#"{"ping":2}"#);
    let patch = bench.told(calls(&told)[0].0, Ok(""));
    let pongs = bench.told(calls(&waits)[0].0, Ok(r#"{"version":1}"#));
    let sent: usize = frames(&patch).iter().chain(&frames(&pongs)).map(|text| text.len()).sum();
    let Some(Effect::Attach { attachment, .. }) = pongs.last() else { panic!("{pongs:?}") };
    let kept: serde_json::Value = serde_json::from_str(attachment).unwrap();
    assert_eq!(kept["unread"]["bytes"], sent);
}

#[test]
fn messages_that_wait_are_bounded_in_bytes() {
    let mut bench = bench();
    bench.request(1, request("GET", "/v1/docs/docs/a", &[("upgrade", "websocket")]));
    bench.now += SNAPSHOT_MICROS;
    let ping = format!(r#"{{"ping":1{}}}"#, " ".repeat(WAITING_BYTES / 2));
    assert_eq!(calls(&bench.message(1, &ping)).len(), 1);
    assert_eq!(bench.message(1, &ping), []);
    let effects = bench.message(1, &ping);
    assert!(frames(&effects)[0].contains("bytes wait on this socket"), "{effects:?}");
    assert!(effects.contains(&Effect::Close { socket: 1, code: 4429, reason: "" }), "{effects:?}");
    assert_eq!(bench.message(1, r#"{"ping":2}"#), [], "it is gone, with all that waited");
}

#[test]
fn a_socket_without_a_token_has_its_time_to_send_one() {
    let closed = || crate::node::config::Config::read("{}", "{}", |_| None).unwrap();
    let mut bench = Bench::of(Class::Document, "docs/a", closed());
    let rules = json!({
        "version": 2, "keys": [], "jwks": {}, "own": {"keys": []},
        "rules": {"version": 1, "text": "match /docs/{id} { allow get: if request.auth != null; }"},
    });
    let now = bench.time();
    bench.node.take_snapshot(&rules.to_string(), now, now).unwrap();
    let upgrade = |query: &str| {
        request("GET", &format!("/v1/docs/docs/a{query}"), &[("upgrade", "websocket")])
    };
    let effects = bench.request(1, upgrade(""));
    assert!(matches!(effects.last(), Some(Effect::Accept { socket: 1, .. })), "{effects:?}");
    bench.now += LATE_MICROS - 1;
    assert_eq!(bench.event(Event::Timer), []);
    bench.now += 1;
    let effects = bench.event(Event::Timer);
    assert!(frames(&effects)[0].contains("unauthenticated"), "{effects:?}");
    assert!(effects.contains(&Effect::Close { socket: 1, code: 4401, reason: "" }), "{effects:?}");
    assert_eq!(bench.actor.wakes(), None);
    // One that has nothing to wait for is closed at once.
    let effects = bench.request(2, upgrade("?wait=no"));
    assert!(matches!(effects.last(), Some(Effect::Refuse { code: 4401, .. })), "{effects:?}");
}

#[test]
fn rules_that_deny_end_whoever_listens_at_the_next_change() {
    let closed = crate::node::config::Config::read("{}", "{}", |_| None).unwrap();
    let mut bench = Bench::of(Class::Document, "docs/a", closed);
    let know = |bench: &mut Bench, version: u64, get: &str| {
        let text = format!("match /docs/{{id}} {{ allow write: if true; allow get: if {get}; }}");
        let rules = json!({
            "version": version, "keys": [], "jwks": {}, "own": {"keys": []},
            "rules": {"version": version, "text": text},
        });
        bench.now += 1;
        let now = bench.time();
        bench.node.take_snapshot(&rules.to_string(), now, now).unwrap();
    };
    let upgrade = || request("GET", "/v1/docs/docs/a?wait=no", &[("upgrade", "websocket")]);
    let is_accepted =
        |effects: &[Effect]| effects.iter().any(|effect| matches!(effect, Effect::Accept { .. }));
    know(&mut bench, 2, "resource == null || resource.data.n > 0");
    assert!(is_accepted(&bench.request(1, upgrade())));
    assert!(is_accepted(&bench.request(2, upgrade())));
    let told = put(&mut bench, 3, r#"{"n":1}"#);
    bench.told(calls(&told)[0].0, Ok(""));
    know(&mut bench, 3, "resource == null || resource.data.n >= 1");
    assert!(is_accepted(&bench.request(4, upgrade())));
    bench.event(Event::Closed { socket: 2 });
    know(&mut bench, 4, "false");
    assert!(!is_accepted(&bench.request(5, upgrade())));
    bench.event(Event::Closed { socket: 3 });
    let told = put(&mut bench, 6, r#"{"n":2}"#);
    let close = Effect::Close { socket: 1, code: 4401, reason: "" };
    assert!(told.contains(&close), "{told:?}");
    assert!(frames(&bench.told(calls(&told)[0].0, Ok(""))).is_empty());
}
