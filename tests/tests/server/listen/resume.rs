//! Going on after a disconnect: only what has changed meanwhile is sent.

use crate::{Live, delete, now, places, put, session};
use blaze_schema::limits::LIVE_LOG_CHANGES;
use blaze_tests::client::fresh_collection;
use blaze_tests::socket::LiveResult;
use serde_json::{Value, json};

fn by_n(place: &str, more: Value) -> Value {
    let mut query = json!({"from": place, "orderBy": [{"field": "n", "direction": "asc"}]});
    query.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    query
}

/// Comes back with what is here, on a socket of its own; whether it was sent everything, and the changes as words.
fn come_back(query: &Value, result: &mut LiveResult) -> (bool, Vec<String>) {
    let told = session().go_on(7, query, result);
    assert_eq!(result.documents, now(query), "{query}");
    (told.reset, told.changes)
}

#[test]
fn nothing_is_sent_when_nothing_has_changed() {
    for place in places() {
        for n in 0..8 {
            put(&place, &format!("d{n}"), json!({"n": n}));
        }
        for more in [
            json!({}),
            json!({"limit": 3}),
            json!({"limitToLast": 3}),
            json!({"offset": 2, "limit": 2}),
            json!({"startAfter": [100]}),
        ] {
            let query = by_n(&place, more);
            let mut result = Live::new(query.clone()).result;
            assert_eq!(come_back(&query, &mut result), (false, vec![]), "{query}");
            assert_eq!(come_back(&query, &mut result), (false, vec![]), "{query}");
        }
        // Other documents are none of its business.
        let query = json!({"from": place, "where": {"field": "n", "op": "<", "value": 4}});
        let mut result = Live::new(query.clone()).result;
        put(&place, "d7", json!({"n": 70}));
        put(&place, "d8", json!({"n": 80}));
        assert_eq!(come_back(&query, &mut result), (false, vec![]));
    }
}

#[test]
fn only_what_has_changed_is_sent() {
    let place = fresh_collection();
    for n in 0..20 {
        put(&place, &format!("d{n:02}"), json!({"n": n}));
    }
    let all = by_n(&place, json!({}));
    let mut result = Live::new(all.clone()).result;
    put(&place, "d03", json!({"n": 3, "x": 1}));
    delete(&place, "d05");
    put(&place, "new", json!({"n": 7.5}));
    put(&place, "d09", json!({"n": 100}));
    // There and back is no change of the result, though it is another version.
    delete(&place, "d10");
    put(&place, "d10", json!({"n": 10}));
    let (reset, mut changes) = come_back(&all, &mut result);
    changes.sort();
    assert!(!reset);
    assert_eq!(
        changes,
        ["added new", "modified d03", "modified d09", "modified d10", "removed d05"]
    );
    // Of a limited result, what leaves and what comes in.
    let first = by_n(&place, json!({"limit": 5}));
    let mut result = Live::new(first.clone()).result;
    delete(&place, "d00");
    put(&place, "d04", json!({"n": 50}));
    put(&place, "d19", json!({"n": 60}));
    let (reset, mut changes) = come_back(&first, &mut result);
    changes.sort();
    assert!(!reset);
    assert_eq!(changes, ["added d06", "added d07", "removed d00", "removed d04"]);
    // Of the last ones, too.
    let last = by_n(&place, json!({"limitToLast": 3}));
    let mut result = Live::new(last.clone()).result;
    let before: Vec<String> = result.ids().iter().map(|id| (*id).to_owned()).collect();
    delete(&place, &before[1]);
    put(&place, "end", json!({"n": 1_000}));
    let (reset, mut changes) = come_back(&last, &mut result);
    changes.sort();
    assert!(!reset);
    assert_eq!(changes, ["added end".to_owned(), format!("removed {}", before[1])]);
}

#[test]
fn it_goes_on_from_the_last_frame_that_came() {
    for place in places() {
        let query = by_n(&place, json!({"limit": 10}));
        let mut live = Live::new(query.clone());
        for n in 0..5 {
            put(&place, &format!("d{n}"), json!({"n": n}));
            live.told();
        }
        let mut result = live.result.clone();
        // These frames come to a socket that is not read any more.
        for n in 5..8 {
            put(&place, &format!("d{n}"), json!({"n": n}));
        }
        drop(live);
        let (reset, changes) = come_back(&query, &mut result);
        if reset {
            // Shards cannot serve it from their history.
            assert!(place.ends_with("eight"), "{query}");
        } else {
            assert_eq!(changes, ["added d5", "added d6", "added d7"]);
        }
        // And live from there.
        let mut socket = session();
        assert!(!socket.go_on(1, &query, &mut result).reset);
        delete(&place, "d6");
        assert_eq!(result.apply(&socket.next(1)).changes, ["removed d6"]);
        assert_eq!(result.documents, now(&query));
    }
}

#[test]
fn what_is_no_token_of_the_query_gets_everything() {
    for place in places() {
        for n in 0..4 {
            put(&place, &format!("d{n}"), json!({"n": n}));
        }
        let query = by_n(&place, json!({}));
        let other = by_n(&place, json!({"limit": 2}));
        let of_other = session().query(1, &other).resume.unwrap();
        for token in
            ["", "x", "0.0.0", "ffffffffffffffff.1.ffffffffffffffff", "é", of_other.as_str()]
        {
            let mut result = LiveResult { resume: Some(token.to_owned()), ..LiveResult::default() };
            let (reset, changes) = come_back(&query, &mut result);
            assert!(reset, "{token}");
            assert_eq!(changes.len(), 4);
        }
    }
}

#[test]
fn a_history_that_is_too_long_is_not_kept() {
    let place = fresh_collection();
    put(&place, "a", json!({"n": 0}));
    put(&place, "other", json!({"n": 1}));
    let query = json!({"from": place});
    let mut early = Live::new(query.clone()).result;
    put(&place, "a", json!({"n": 1}));
    let mut late = Live::new(query.clone()).result;
    // As many as are remembered: one less than the first has missed.
    let mut session = session();
    for n in 0..LIVE_LOG_CHANGES {
        let set = json!({"set": format!("{place}/a"), "data": {"n": n + 2}});
        session.send_write(&format!("w{n}"), set);
    }
    for n in 0..LIVE_LOG_CHANGES {
        session.answer(&format!("w{n}"));
    }
    assert_eq!(come_back(&query, &mut late), (false, vec!["modified a".to_owned()]));
    let everything = vec!["added a".to_owned(), "added other".to_owned()];
    assert_eq!(come_back(&query, &mut early), (true, everything));
}
