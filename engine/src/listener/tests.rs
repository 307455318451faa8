use super::*;

use blaze_schema::document::document_text;
use blaze_schema::limits::{
    ANSWER_BYTES, FRAME_BYTES, LISTENER_PINGS, LISTENER_WRITE_MS, LIVE_DOCUMENTS,
};
use blaze_schema::wire::query::{QueryMessage, added_text, changes_text, changes_texts};

const NOW: Timestamp = Timestamp::MIN;

/// The bytes of a resource `big/a0` besides those of its text.
fn document_text_bytes() -> usize {
    let path = DocumentPath::parse("big/a0").unwrap();
    document_text(&path, 1, "c", "u", Some("{\"t\":\"\"}")).len()
}

fn listener(collections: &str) -> Listener {
    Listener::new(Rc::new(Collections::parse(collections).unwrap()))
}

fn said(listener: &mut Listener, text: &str) -> Vec<Effect> {
    listener.handle(NOW, &Guard::Open, Event::Message { text: text.to_owned() })
}

fn sent(effects: &[Effect]) -> Vec<&str> {
    let mut frames = Vec::new();
    for effect in effects {
        if let Effect::Send(text) = effect {
            frames.push(text.as_str());
        }
    }
    frames
}

#[test]
fn frames_get_the_number_of_their_target_until_it_is_closed() {
    let mut listener = listener("{}");
    let effects =
        said(&mut listener, r#"{"listen":{"target":7,"document":"a/b","since":2,"epoch":"e"}}"#);
    let path = DocumentPath::parse("a/b").unwrap();
    let object = Upstream::Document { path, since: Some((2, "e".to_owned())) };
    assert_eq!(effects, [Effect::Open { upstream: 1, object }]);
    let frame = Event::Frame { upstream: 1, text: r#"{"type":"snapshot"}"#.to_owned() };
    let effects = listener.handle(NOW, &Guard::Open, frame.clone());
    assert_eq!(sent(&effects), [r#"{"target":7,"type":"snapshot"}"#]);
    assert_eq!(said(&mut listener, r#"{"unlisten":7}"#), [Effect::Close { upstream: 1 }]);
    assert_eq!(listener.handle(NOW, &Guard::Open, frame), []);
    assert_eq!(listener.handle(NOW, &Guard::Open, Event::Lost { upstream: 1 }), []);
    assert_eq!(said(&mut listener, r#"{"unlisten":7}"#), []);
}

#[test]
fn a_query_goes_to_its_index_or_to_all_its_shards() {
    let mut listener = listener(r#"{"big":{"shards":3}}"#);
    let effects = said(
        &mut listener,
        r#"{"listen":{"target":1,"query":{"from":"small","limit":3},"resume":"r"}}"#,
    );
    let [Effect::Open { object: Upstream::Index { name, subscription, resume }, .. }] =
        effects.as_slice()
    else {
        panic!("{effects:?}")
    };
    assert_eq!((name.as_str(), resume.as_deref()), ("c/0/small", Some("r")));
    assert!(Subscription::parse(subscription).is_ok());
    let effects = said(
        &mut listener,
        r#"{"listen":{"target":2,"query":{"from":"big","limit":3,"offset":1}}}"#,
    );
    assert_eq!(effects.len(), 3);
    let effects =
        said(&mut listener, r#"{"listen":{"target":3,"query":{"from":{"group":"big"}}}}"#);
    assert!(
        sent(&effects)[0].starts_with(r#"{"target":3,"type":"error","code":"failed-precondition""#)
    );
    assert_eq!(
        listener.handle(NOW, &Guard::Open, Event::Lost { upstream: 2 }),
        [Effect::End { code: 1012, reason: "" }]
    );
}

#[test]
fn an_error_ends_its_target_only() {
    let mut listener = listener("{}");
    said(&mut listener, r#"{"listen":{"target":1,"document":"a/b"}}"#);
    said(&mut listener, r#"{"listen":{"target":2,"document":"a/c"}}"#);
    let text = error_text(&Error::new(Code::PermissionDenied, "no"));
    let effects = listener.handle(NOW, &Guard::Open, Event::Frame { upstream: 1, text });
    assert_eq!(effects[0], Effect::Close { upstream: 1 });
    assert_eq!(
        sent(&effects),
        [r#"{"target":1,"type":"error","code":"permission-denied","detail":"no"}"#]
    );
    assert!(
        !listener
            .handle(NOW, &Guard::Open, Event::Frame { upstream: 2, text: "{}".to_owned() })
            .is_empty()
    );
    for (message, answer) in [
        ("[]", r#"{"type":"error""#),
        (r#"{"listen":{"target":5,"document":"a"}}"#, r#"{"target":5,"type":"error""#),
        (
            r#"{"listen":{"target":5,"query":{"from":"a","pageToken":"x"}}}"#,
            r#"{"target":5,"type":"error""#,
        ),
        (r#"{"write":{"id":"w","set":"a"}}"#, r#"{"id":"w","error""#),
        (r#"{"ping":0}"#, r#"{"pong":0}"#),
    ] {
        let effects = said(&mut listener, message);
        assert!(sent(&effects)[0].starts_with(answer), "{message}: {effects:?}");
    }
    let write = r#"{"write":{"id":"w","delete":"a/b"}}"#;
    let path = DocumentPath::parse("a/b").unwrap();
    let (text, token) = (write.to_owned(), String::new());
    let begun = Effect::Write { path, text, token, within_ms: LISTENER_WRITE_MS };
    assert_eq!(said(&mut listener, write), [begun]);
}

#[test]
fn a_ping_is_answered_after_everything_behind_the_socket_has_answered_it() {
    let mut listener = listener(r#"{"big":{"shards":2}}"#);
    assert_eq!(sent(&said(&mut listener, r#"{"ping":6}"#)), [r#"{"pong":6}"#], "there is nothing");
    said(&mut listener, r#"{"listen":{"target":1,"document":"a/b"}}"#);
    said(&mut listener, r#"{"listen":{"target":2,"query":{"from":"big"}}}"#);
    let ping = r#"{"ping":7}"#.to_owned();
    let forwarded = |upstream| Effect::Forward { upstream, text: ping.clone() };
    assert_eq!(said(&mut listener, &ping), [1, 2, 3].map(forwarded));
    assert_eq!(sent(&said(&mut listener, r#"{"ping":0}"#)), [r#"{"pong":0}"#]);
    let mut hear = |upstream, text: &str| {
        let text = text.to_owned();
        let effects = listener.handle(NOW, &Guard::Open, Event::Frame { upstream, text });
        sent(&effects).iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(hear(2, r#"{"pong":7}"#), [""; 0]);
    assert_eq!(hear(3, r#"{"pong":8}"#), [""; 0], "another ping");
    assert_eq!(hear(1, r#"{"type":"x"}"#), [r#"{"target":1,"type":"x"}"#], "frames go on");
    assert_eq!(hear(1, r#"{"pong":7}"#), [""; 0]);
    assert_eq!(hear(3, r#"{"pong":7}"#), [r#"{"pong":7}"#]);
    // Nothing comes of what is closed.
    said(&mut listener, r#"{"ping":9}"#);
    let effects = said(&mut listener, r#"{"unlisten":2}"#);
    assert_eq!(sent(&effects), [""; 0]);
    let effects = said(&mut listener, r#"{"unlisten":1}"#);
    assert_eq!(sent(&effects), [r#"{"pong":9}"#]);
}

#[test]
fn pings_on_their_way_are_limited() {
    let mut listener = listener("{}");
    said(&mut listener, r#"{"listen":{"target":1,"document":"a/b"}}"#);
    for number in 1..=LISTENER_PINGS {
        assert_eq!(said(&mut listener, &format!(r#"{{"ping":{number}}}"#)).len(), 1);
    }
    let effects = said(&mut listener, r#"{"ping":99}"#);
    assert!(sent(&effects)[0].contains(r#""code":"resource-exhausted""#), "{effects:?}");
}

#[test]
fn a_result_of_shards_is_no_larger_than_that_of_one_index() {
    let part = |id: &str, count: usize, text: &str| {
        let changes: Vec<String> = (0..count)
            .map(|n| {
                let path = DocumentPath::parse(&format!("big/{id}{n}")).unwrap();
                let data = format!("{{\"t\":\"{text}\"}}");
                added_text(&path, n, &document_text(&path, 1, "c", "u", Some(&data)))
            })
            .collect();
        changes_text(true, &changes, "r")
    };
    let bytes = ANSWER_BYTES / 2 - document_text_bytes();
    let (half, text) = (LIVE_DOCUMENTS / 2, "x".repeat(bytes));
    for (limit, first, second, is_error) in [
        ("", part("a", half, ""), part("b", half, ""), false),
        ("", part("a", half, ""), part("b", half + 1, ""), true),
        (",\"limit\":7", part("a", half, ""), part("b", half + 1, ""), false),
        ("", part("a", 1, &text), part("b", 1, &text), false),
        ("", part("a", 1, &text), part("b", 1, &format!("{text}x")), true),
    ] {
        let mut listener = listener(r#"{"big":{"shards":2}}"#);
        said(
            &mut listener,
            &format!(r#"{{"listen":{{"target":1,"query":{{"from":"big"{limit}}}}}}}"#),
        );
        let effects = delivered(&mut listener, 1, &first);
        assert!(sent(&effects).is_empty(), "{limit}");
        let effects =
            listener.handle(NOW, &Guard::Open, Event::Frame { upstream: 2, text: second });
        let frames = sent(&effects);
        let code = r#"{"target":1,"type":"error","code":"resource-exhausted""#;
        assert_eq!(frames[0].starts_with(code), is_error, "{limit} {:.99}", frames[0]);
        assert_eq!(listener.targets.is_empty(), is_error);
    }
}

#[test]
fn targets_are_limited() {
    let mut listener = listener("{}");
    for target in 0..TARGETS {
        let effects = said(
            &mut listener,
            &format!(
                r#"{{"listen":{{"target":{target},"document":"a/b","since":1,"epoch":"e"}}}}"#
            ),
        );
        let [Effect::Open { upstream, .. }] = effects.as_slice() else { panic!("{effects:?}") };
        let opened = Event::Opened { upstream: *upstream };
        assert_eq!(listener.handle(NOW, &Guard::Open, opened), []);
    }
    let effects = said(&mut listener, r#"{"listen":{"target":9999,"document":"a/b"}}"#);
    assert!(sent(&effects)[0].contains("resource-exhausted"));
    let effects = said(&mut listener, r#"{"listen":{"target":0,"document":"a/b"}}"#);
    assert!(
        matches!(effects.as_slice(), [Effect::Close { .. }, Effect::Open { .. }]),
        "in place of itself"
    );
}

fn delivered(listener: &mut Listener, upstream: u64, text: &str) -> Vec<Effect> {
    let event = Event::Frame { upstream, text: text.to_owned() };
    listener.handle(NOW, &Guard::Open, event)
}

/// A document's frame that has so many bytes once it has the number of its target, a digit.
fn frame_of(bytes: usize) -> String {
    let frame = |text: &str| format!("{{\"type\":\"patch\",\"patch\":\"{text}\"}}");
    let rest = targeted(1, &frame("")).len();
    frame(&"x".repeat(bytes - rest))
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    for (first, is_cut) in [(UNREAD_BYTES, false), (UNREAD_BYTES + 1, true)] {
        let mut listener = listener("{}");
        for target in [1, 2] {
            let listen = format!(r#"{{"listen":{{"target":{target},"document":"a/b"}}}}"#);
            said(&mut listener, &listen);
            delivered(&mut listener, target, "{}");
        }
        said(&mut listener, PING);
        let effects = delivered(&mut listener, 1, &frame_of(first));
        assert_eq!(sent(&effects).len(), 1, "whatever its size");
        // The other target is on the same socket.
        let effects = delivered(&mut listener, 2, &frame_of(100));
        let end = Effect::End { code: 1012, reason: UNREAD_REASON };
        assert_eq!(effects.contains(&end), is_cut);
        assert_eq!(sent(&effects).is_empty(), is_cut);
    }
}

#[test]
fn a_client_that_reads_says_so_by_any_message() {
    let mut listener = listener("{}");
    said(&mut listener, r#"{"listen":{"target":1,"document":"a/b"}}"#);
    for round in 0..100 {
        let effects = delivered(&mut listener, 1, &frame_of(UNREAD_BYTES + 1));
        assert_eq!(sent(&effects).len(), 1, "{round}");
        assert_eq!(sent(&said(&mut listener, PING)), [PONG]);
    }
}

#[test]
fn the_frames_of_one_result_get_through_together() {
    let mut listener = listener("{}");
    said(&mut listener, r#"{"listen":{"target":1,"query":{"from":"a"}}}"#);
    said(&mut listener, r#"{"listen":{"target":2,"document":"a/b"}}"#);
    delivered(&mut listener, 2, "{}");
    let document = document_text(
        &DocumentPath::parse("a/b").unwrap(),
        1,
        "c",
        "u",
        Some(&format!("{{\"t\":\"{}\"}}", "x".repeat(FRAME_BYTES / 2))),
    );
    let added = |n| added_text(&DocumentPath::parse("a/b").unwrap(), n, &document);
    let changes: Vec<String> = (0..15).map(added).collect();
    let texts = changes_texts(true, &changes, "r");
    assert!(texts.len() > 10);
    for text in &texts {
        assert_eq!(sent(&delivered(&mut listener, 1, text)).len(), 1);
    }
    let effects = delivered(&mut listener, 2, "{}");
    assert!(matches!(effects.as_slice(), [Effect::End { .. }]), "then it counts");
}

#[test]
fn a_result_of_shards_is_split_and_waits_for_whole_parts() {
    let document = |n: usize| {
        let path = DocumentPath::parse(&format!("big/a{n}")).unwrap();
        let data = format!("{{\"t\":\"{}\"}}", "x".repeat(FRAME_BYTES / 2));
        (document_text(&path, 1, "c", "u", Some(&data)), path)
    };
    let added: Vec<String> = (0..5)
        .map(|n| {
            let (text, path) = document(n);
            added_text(&path, n, &text)
        })
        .collect();
    let texts = changes_texts(true, &added, "r");
    assert_eq!(texts.len(), 5);
    let mut listener = listener(r#"{"big":{"shards":2}}"#);
    said(&mut listener, r#"{"listen":{"target":1,"query":{"from":"big"}}}"#);
    assert_eq!(delivered(&mut listener, 2, &changes_text(true, &[], "r")), []);
    let mut frames = Vec::new();
    for text in &texts {
        assert!(frames.is_empty(), "not before the part is whole");
        let effects = delivered(&mut listener, 1, text);
        frames = sent(&effects).into_iter().map(str::to_owned).collect();
    }
    let mut parts = None;
    let mut whole = None;
    for frame in &frames {
        let frame = QueryMessage::from_json(serde_json::from_str(frame).unwrap());
        let Ok(QueryMessage::Changes { changes, .. }) = frame else { panic!() };
        whole = blaze_schema::wire::query::join_parts(&mut parts, changes);
    }
    assert_eq!((frames.len(), whole.map(|whole| whole.changes.len())), (5, Some(5)));
}

#[test]
fn sockets_behind_a_listener_are_acknowledged() {
    let mut listener = listener("{}");
    said(&mut listener, r#"{"listen":{"target":1,"document":"a/b"}}"#);
    let ping = Effect::Forward { upstream: 1, text: PING.to_owned() };
    let text = "x".repeat(ACKNOWLEDGE_BYTES - 1);
    for _ in 0..3 {
        assert!(!delivered(&mut listener, 1, &text).contains(&ping));
        assert!(delivered(&mut listener, 1, "x").contains(&ping));
        said(&mut listener, PING);
    }
    assert_eq!(delivered(&mut listener, 1, PONG), [], "not a frame of the target");
}

#[test]
fn sockets_are_opened_a_few_at_a_time_and_not_while_much_is_unread() {
    let opened = |effects: &[Effect]| {
        effects.iter().filter(|effect| matches!(effect, Effect::Open { .. })).count()
    };
    let listen = |target: usize| {
        format!(r#"{{"listen":{{"target":{target},"document":"a/b","since":1,"epoch":"e"}}}}"#)
    };
    let mut listener = listener("{}");
    let mut count = 0;
    for target in 0..=OPENING_UPSTREAMS + 2 {
        count += opened(&said(&mut listener, &listen(target)));
        assert_eq!(count, (target + 1).min(OPENING_UPSTREAMS));
    }
    // One that waits is closed without having been opened.
    let last = OPENING_UPSTREAMS + 2;
    assert_eq!(said(&mut listener, &format!(r#"{{"unlisten":{last}}}"#)), []);
    let open = |listener: &mut Listener, upstream| {
        opened(&listener.handle(NOW, &Guard::Open, Event::Opened { upstream }))
    };
    assert_eq!(open(&mut listener, 1), 1);
    delivered(&mut listener, 1, &frame_of(UNREAD_BYTES / 2 + 1));
    assert_eq!(open(&mut listener, 2), 0, "the client has much to read");
    assert_eq!(opened(&said(&mut listener, PING)), 1);
    assert_eq!(open(&mut listener, 3), 0, "there are no more");
}
