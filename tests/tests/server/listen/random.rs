//! A thousand random writes under the eyes of many listeners, some of whom go and come back: in the end everybody has what
//! a fresh query answers.

use crate::{client, now, places, server};
use blaze_tests::client::JSON;
use blaze_tests::random::Random;
use blaze_tests::seed::seed;
use blaze_tests::socket::{LiveResult, Session};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const WRITERS: usize = 4;
const WRITES: usize = 125;

fn queries(place: &str) -> Vec<Value> {
    let by = |field: &str, direction: &str| json!({"field": field, "direction": direction});
    let is =
        |field: &str, op: &str, value: Value| json!({"field": field, "op": op, "value": value});
    let all = [
        json!({}),
        json!({"orderBy": [by("n", "asc")], "limit": 5}),
        json!({"orderBy": [by("n", "desc"), by("k", "asc")], "limit": 3}),
        json!({"orderBy": [by("n", "asc")], "limitToLast": 4}),
        json!({"orderBy": [by("n", "asc")], "offset": 3, "limit": 4}),
        json!({"where": is("k", "==", json!(2))}),
        json!({"where": is("k", "!=", json!(2)), "limit": 6}),
        json!({"where": is("n", ">=", json!(50)), "limit": 7}),
        json!({"where": is("tags", "array-contains", json!("t1")), "limit": 5}),
        json!({"where": {"or": [is("k", "==", json!(1)), is("n", "<", json!(20))]}, "limit": 8}),
        json!({"orderBy": [by("n", "asc")], "startAfter": [30], "endBefore": [60]}),
        json!({"where": is("k", "in", json!([0, 3])), "orderBy": [by("n", "desc")], "limit": 4, "select": ["k"]}),
    ];
    let with_place = |query: Value| {
        let Value::Object(mut query) = query else { panic!("a query is an object") };
        query.insert("from".to_owned(), json!(place));
        Value::Object(query)
    };
    all.into_iter().map(with_place).collect()
}

fn write(random: &mut Random, place: &str) {
    let path = format!("/v1/docs/{place}/d{:02}", random.below(40));
    let data = |random: &mut Random| {
        let tags: Vec<String> =
            (0..random.below(3)).map(|_| format!("t{}", random.below(3))).collect();
        json!({"n": random.below(100), "k": random.below(4), "tags": tags, "text": "x".repeat(random.below(200))})
    };
    let reply = match random.below(10) {
        0..2 => client().delete(&path).send(),
        2 => client().put(&path, &json!({"k": random.below(4)})).send(),
        3..6 => client()
            .patch(&path, JSON, &json!({"n": random.below(100), "k": {"$increment": 1}}))
            .send(),
        _ => client().put(&path, &data(random)).send(),
    };
    assert!(matches!(reply.status, 200 | 201 | 204 | 404), "{}", reply.text());
}

/// Listens to all queries until the writers are done, on sockets that last some frames; then until it has what a fresh
/// query answers. How often it came back, and how often that sent everything.
fn listen(
    random: &mut Random,
    queries: &[Value],
    running: &AtomicUsize,
    keep: bool,
) -> (usize, usize) {
    let mut results: Vec<LiveResult> = queries.iter().map(|_| LiveResult::default()).collect();
    let (mut returns, mut resets) = (0, 0);
    loop {
        let mut session = Session::open(&server().url());
        for ((query, result), target) in queries.iter().zip(&mut results).zip(0..) {
            let is_first = result.resume.is_none();
            let told = session.go_on(target, query, result);
            if !is_first {
                returns += 1;
                resets += usize::from(told.reset);
            }
        }
        let last = random.between(20, 200);
        let mut frames = 0;
        while running.load(Ordering::Relaxed) > 0 && (keep || frames < last) {
            let target = random.below(queries.len());
            let frame = session.next_within(target as u64, Duration::from_millis(5));
            if let Some(frame) = frame {
                results[target].apply(&frame);
                frames += 1;
            }
        }
        if running.load(Ordering::Relaxed) == 0 {
            for ((query, result), target) in queries.iter().zip(&mut results).zip(0..) {
                session.follow(target, result, &now(query));
            }
            return (returns, resets);
        }
    }
}

#[test]
fn listeners_have_what_a_fresh_query_answers() {
    let mut random = Random::new(seed());
    for place in places() {
        let queries = queries(&place);
        let running = AtomicUsize::new(WRITERS);
        let mut seeds = || Random::new(random.bits());
        let (returns, resets) = thread::scope(|scope| {
            for mut random in (0..WRITERS).map(|_| seeds()).collect::<Vec<_>>() {
                let (running, place) = (&running, &place);
                scope.spawn(move || {
                    for _ in 0..WRITES {
                        write(&mut random, place);
                    }
                    running.fetch_sub(1, Ordering::Relaxed);
                });
            }
            let listeners: Vec<_> = [true, false, false]
                .into_iter()
                .map(|keep| (keep, seeds()))
                .map(|(keep, mut random)| {
                    let (queries, running) = (&queries, &running);
                    scope.spawn(move || listen(&mut random, queries, running, keep))
                })
                .collect();
            let all = listeners.into_iter().map(|listener| listener.join().unwrap());
            all.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
        });
        println!("{place}: {returns} came back, {resets} were sent everything");
        assert!(returns > 10, "{returns}");
        if !place.ends_with("eight") {
            assert!(resets * 4 < returns, "{resets} of {returns} were sent everything");
        }
    }
}
