//! Frames, one by one: what is told, and what never is.

use crate::bench::{Bench, query, receive};
use blaze_engine::index::live::Subscription;
use blaze_schema::error::Code;
use blaze_schema::limits::PATCH_OPERATIONS;
use blaze_schema::query::Query;
use blaze_tests::live_client::Received;
use serde_json::{Value, json};

fn changes(frame: &str) -> Value {
    serde_json::from_str::<Value>(frame).unwrap()["changes"].take()
}

#[test]
fn a_change_is_told_once_to_each_query_that_it_concerns() {
    let mut bench = Bench::new();
    let [one, two, other] = [1, 2, 3].map(|n| {
        query(json!({"where": {"field": "n", "op": "in", "value": [n, n + 1]}, "select": []}))
    });
    for query in [&one, &one, &two, &other] {
        bench.listen(query).unwrap();
    }
    let frames = bench.set("a", json!({"n": 2}));
    let tags: Vec<&str> = frames.iter().map(|frame| frame.tag.as_str()).collect();
    assert_eq!(tags, [Subscription::tag_of(&one), Subscription::tag_of(&two)]);
    bench.leave(&one);
    assert_eq!(bench.set("a", json!({"n": 1})).len(), 1);
    bench.leave(&two);
    assert_eq!(bench.set("a", json!({"n": 2})), []);
}

#[test]
fn a_document_that_changes_is_told_as_a_patch_of_what_is_shown() {
    let mut bench = Bench::new();
    bench.set("a", json!({"n": 1, "text": "x".repeat(500), "m": {"k": 1, "l": 2}}));
    let (all, some) = (query(json!({})), query(json!({"select": ["m.k"]})));
    let (mut whole, mut part) = (bench.listen(&all).unwrap(), bench.listen(&some).unwrap());
    for (data, patch, shown) in [
        (
            json!({"n": 2, "text": "x".repeat(500), "m": {"k": 1, "l": 2}}),
            json!([{"op": "replace", "path": "/n", "value": 2}]),
            json!([]),
        ),
        (
            json!({"n": 2, "text": "x".repeat(500), "m": {"k": 3}}),
            json!([{"op": "replace", "path": "/m/k", "value": 3}, {"op": "remove", "path": "/m/l"}]),
            json!([{"op": "replace", "path": "/m/k", "value": 3}]),
        ),
    ] {
        let frames = bench.set("a", data);
        let [first, second] = &frames[..] else { panic!("{frames:?}") };
        assert_eq!(changes(&first.text)[0]["patch"], patch);
        assert_eq!(changes(&second.text)[0]["patch"], shown);
        whole.receive(&first.text).unwrap();
        part.receive(&second.text).unwrap();
        bench.check(&all, &whole);
        bench.check(&some, &part);
    }
}

#[test]
fn a_patch_that_is_longer_than_the_document_or_than_clients_read_is_not_sent() {
    let mut bench = Bench::new();
    let all = query(json!({}));
    let count = PATCH_OPERATIONS + 1;
    let list = |n: usize, end: usize| -> Value { (0..end).map(|_| json!(n)).collect() };
    let rest = "x".repeat(900_000);
    bench.set("few", json!({"list": list(1, 100)}));
    bench.set("most", json!({"list": list(1, count - 1), "rest": rest}));
    bench.set("more", json!({"list": list(1, count), "rest": rest}));
    let mut client = bench.listen(&all).unwrap();
    for (id, data, is_patch) in [
        ("few", json!({"list": list(2, 100)}), false),
        ("most", json!({"list": list(2, count - 1), "rest": rest}), true),
        ("more", json!({"list": list(2, count), "rest": rest}), false),
    ] {
        let frames = bench.set(id, data);
        let change = &changes(&frames[0].text)[0];
        assert_eq!(
            (change.get("patch").is_some(), change.get("document").is_some()),
            (is_patch, !is_patch),
            "{id}"
        );
        receive(&mut client, &frames);
    }
    bench.check(&all, &client);
}

/// A patch does not say that a document was created again.
#[test]
fn a_document_that_is_another_is_told_whole() {
    let mut bench = Bench::new();
    let all = query(json!({}));
    bench.set("a", json!({"n": 1}));
    let mut client = bench.listen(&all).unwrap();
    let mut away = client.clone();
    // The index is told of the new one only.
    bench.version("a", None);
    let frames = bench.set("a", json!({"n": 2}));
    assert_eq!(receive(&mut client, &frames), Received::Changes { reset: false, told: 1 });
    bench.check(&all, &client);
    assert_eq!(bench.resume(&all, &mut away), (false, 1));
}

#[test]
fn a_refused_request_concerns_nobody_else() {
    let mut bench = Bench::new();
    let all = query(json!({}));
    bench.set("a", json!({"n": 1}));
    let mut client = bench.listen(&all).unwrap();
    let mut away = client.clone();
    for (text, code) in [
        ("".to_owned(), Code::InvalidArgument),
        ("{}".to_owned(), Code::InvalidArgument),
        (query(json!({"limit": 0})), Code::InvalidArgument),
        (query(json!({"pageToken": "x"})), Code::InvalidArgument),
        (json!({"from": "d"}).to_string(), Code::Internal),
    ] {
        assert_eq!(bench.listen(&text).map(drop).unwrap_err().code, code, "{text}");
    }
    let mut bad = Query::from_json(json!({"from": "c"})).unwrap();
    bad.page_token = Some("x".to_owned());
    assert_eq!(bench.ask(bad).unwrap_err().code, Code::InvalidArgument);
    assert!(bench.update(b"no row".to_vec()).is_err());
    let frames = bench.set("a", json!({"n": 2}));
    assert_eq!(receive(&mut client, &frames), Received::Changes { reset: false, told: 1 });
    assert_eq!(bench.resume(&all, &mut away), (false, 1));
}

#[test]
fn after_a_write_that_failed_everybody_gets_the_whole_result() {
    let mut bench = Bench::new();
    let (all, none) =
        (query(json!({})), query(json!({"where": {"field": "n", "op": "==", "value": 9}})));
    bench.set("a", json!({"n": 1}));
    let (mut client, mut other) = (bench.listen(&all).unwrap(), bench.listen(&none).unwrap());
    let mut away = client.clone();
    let row = bench.version("a", Some(&json!({"n": 2})));
    // The row is read, then the write fails.
    bench.store.fail_after(Some(1));
    assert_eq!(bench.update(row.clone()).unwrap_err().code, Code::Internal);
    assert_eq!(bench.store.failed_commits(), 1);
    bench.check(&all, &client);
    let frames = bench.update(row).unwrap();
    assert_eq!(receive(&mut client, &frames), Received::Changes { reset: true, told: 1 });
    bench.check(&all, &client);
    // The other one when something concerns it.
    let frames = bench.set("b", json!({"n": 9}));
    assert_eq!(other.receive(&frames[1].text), Ok(Received::Changes { reset: true, told: 1 }));
    assert_eq!(client.receive(&frames[0].text), Ok(Received::Changes { reset: false, told: 1 }));
    bench.check(&none, &other);
    // What the log said before is not known.
    assert!(bench.resume(&all, &mut away).0);
}

#[test]
fn a_query_whose_rows_cannot_be_read_ends_for_its_listeners() {
    let mut bench = Bench::new();
    let first = query(json!({"orderBy": [{"field": "n"}], "limit": 1}));
    for (id, n) in [("a", 1), ("b", 2), ("c", 3)] {
        bench.set(id, json!({ "n": n }));
    }
    let mut client = bench.listen(&first).unwrap();
    let row = bench.version("a", None);
    // The row and old tombstones are read, the change is written; then the result is read again.
    bench.store.fail_after(Some(3));
    let frames = bench.update(row).unwrap();
    let Received::Ended(error) = receive(&mut client, &frames) else { panic!("{frames:?}") };
    assert_eq!(error.code, Code::Internal);
    assert_eq!(bench.set("0", json!({"n": 0})), [], "nobody listens");
    assert_eq!(bench.resume(&first, &mut client), (false, 2));
}
