//! Many sockets, many targets, and some that are lost.

use crate::{client, now, places, put, server, session};
use blaze_schema::wire::document::PING;
use blaze_tests::client::fresh_collection;
use blaze_tests::socket::{LiveResult, Session};
use serde_json::{Value, json};
use std::thread;

#[test]
fn sixty_sockets_are_told_the_same() {
    for place in places() {
        let query = json!({"from": place, "orderBy": [{"field": "n"}], "limit": 4});
        let mut all: Vec<(Session, LiveResult)> = (0..60)
            .map(|_| {
                let mut session = session();
                let result = session.query(1, &query);
                (session, result)
            })
            .collect();
        for n in 0..12 {
            put(&place, &format!("d{n}"), json!({"n": 100 - n}));
        }
        let documents = now(&query);
        for (session, result) in &mut all {
            session.follow(1, result, &documents);
        }
    }
}

#[test]
fn one_socket_has_many_targets() {
    let places: Vec<String> = (0..10).map(|_| fresh_collection()).collect();
    let mut session = session();
    let queries: Vec<Value> = places
        .iter()
        .flat_map(|place| {
            (0..10).map(move |n| json!({"from": place, "where": {"field": "n", "op": ">=", "value": n}, "limit": 3}))
        })
        .collect();
    for (query, target) in queries.iter().zip(0..) {
        session.listen(target, json!({"query": query}));
    }
    let mut results: Vec<LiveResult> = Vec::new();
    for target in 0..queries.len() as u64 {
        let mut result = LiveResult::default();
        result.apply(&session.next(target));
        results.push(result);
    }
    for (number, place) in places.iter().enumerate() {
        for n in 0..4 {
            put(place, &format!("d{n}"), json!({"n": n + number}));
        }
    }
    for (target, (query, result)) in (0..).zip(queries.iter().zip(&mut results)) {
        session.follow(target, result, &now(query));
    }
}

#[test]
fn lost_sockets_do_not_harm_the_others() {
    for place in places() {
        let query = json!({"from": place});
        let mut witness = session();
        let mut result = witness.query(1, &query);
        for round in 0..4 {
            let lost: Vec<Session> = (0..4)
                .map(|_| {
                    let mut session = session();
                    session.query(1, &query);
                    session
                })
                .collect();
            put(&place, &format!("a{round}"), json!({"n": round}));
            // With a frame on its way, or before its first one.
            let mut early = session();
            early.listen(1, json!({"query": query}));
            drop(early);
            lost.into_iter().for_each(|session| session.socket.reset());
            put(&place, &format!("b{round}"), json!({"n": round}));
        }
        witness.follow(1, &mut result, &now(&query));
        assert_eq!(result.documents.len(), 8);
    }
}

#[test]
fn a_socket_that_never_reads_does_not_hold_up_the_others() {
    let place = fresh_collection();
    let query = json!({"from": place});
    let mut slow = session();
    slow.listen(1, json!({"query": query}));
    let mut witness = session();
    let mut result = witness.query(1, &query);
    // Far more than the kernel buffers for a connection.
    let (writes, bytes) = (30, 400_000);
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..writes {
                let data = json!({"text": char::from(b'a' + n as u8).to_string().repeat(bytes)});
                put(&place, &format!("d{}", n % 3), data);
            }
        });
        for _ in 0..writes {
            result.apply(&witness.next(1));
            witness.socket.send_text(PING);
        }
    });
    assert_eq!(result.documents, now(&query));
    // What it was sent before it was cut off waits for it, and it goes on from there.
    let mut late = LiveResult::default();
    for frame in slow.socket.ended().0 {
        late.apply(&frame);
    }
    session().go_on(1, &query, &mut late);
    assert_eq!(late.documents, result.documents);
}

#[test]
fn targets_that_come_and_go_leave_nothing_behind() {
    let place = fresh_collection();
    let query = |n: u64| json!({"from": place, "where": {"field": "n", "op": "==", "value": n}});
    thread::scope(|scope| {
        for number in 0..4_u64 {
            let query = &query;
            scope.spawn(move || {
                let mut session = Session::open(&server().url());
                for target in 0..25 {
                    session.query(2 * target, &query(target % 3));
                    session.listen(2 * target + 1, json!({"query": query(number)}));
                    for target in [2 * target, 2 * target + 1] {
                        session.socket.send(&json!({"unlisten": target}));
                    }
                }
            });
        }
        for n in 0..60 {
            put(&place, "a", json!({"n": n % 3}));
        }
    });
    let mut session = session();
    let mut results: Vec<LiveResult> = (0..3).map(|n| session.query(n, &query(n))).collect();
    put(&place, "a", json!({"n": 0}));
    put(&place, "b", json!({"n": 1}));
    for (n, result) in (0..).zip(&mut results) {
        session.follow(n, result, &now(&query(n)));
    }
    assert_eq!(client().ids(&json!({"from": place})), ["a", "b"]);
}
