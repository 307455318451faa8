//! Listeners that come back.

use crate::bench::{Bench, query};
use blaze_schema::limits::LIVE_LOG_CHANGES;
use serde_json::json;

fn numbers() -> Bench {
    let mut bench = Bench::new();
    for n in 0..10 {
        bench.set(&format!("d{n}"), json!({ "n": n }));
    }
    bench
}

#[test]
fn who_comes_back_is_told_what_it_missed_and_nothing_else() {
    let mut bench = numbers();
    for keys in [
        json!({"orderBy": [{"field": "n"}]}),
        json!({"orderBy": [{"field": "n"}], "limit": 4}),
        json!({"orderBy": [{"field": "n"}], "limitToLast": 4}),
        json!({"orderBy": [{"field": "n"}], "limit": 3, "offset": 2}),
        json!({"orderBy": [{"field": "n"}], "startAfter": [2], "limit": 4, "select": []}),
    ] {
        let query = query(keys);
        let mut client = bench.listen(&query).unwrap();
        assert_eq!(bench.resume(&query, &mut client), (false, 0));
        for (id, n) in
            [("d3", Some(20)), ("d8", Some(-1)), ("d4", None), ("e", Some(5)), ("d4", Some(4))]
        {
            match n {
                Some(n) => bench.set(id, json!({ "n": n, "again": id })),
                None => bench.delete(id),
            };
            let before = client.clone();
            let (reset, told) = bench.resume(&query, &mut client);
            assert_eq!((reset, told), (false, client.differences(&before)), "{query}");
        }
        // And all at once.
        let before = client.clone();
        for (id, n) in [("d3", 3), ("d8", 8), ("d4", 4)] {
            bench.set(id, json!({ "n": n }));
        }
        bench.delete("e");
        let (reset, told) = bench.resume(&query, &mut client);
        assert_eq!((reset, told), (false, client.differences(&before)), "{query}");
    }
}

/// With so many changes missed, and one that changes the result among them or not.
#[test]
fn a_reset_is_sent_when_the_log_does_not_go_back_so_far() {
    for (concerns, missed, reset) in [
        (true, LIVE_LOG_CHANGES, false),
        (true, LIVE_LOG_CHANGES + 1, true),
        (false, LIVE_LOG_CHANGES + 1, false),
    ] {
        let mut bench = numbers();
        let query = query(json!({"where": {"field": "n", "op": "<", "value": 3}}));
        let mut client = bench.listen(&query).unwrap();
        bench.leave(&query);
        if concerns {
            bench.set("d1", json!({"n": 2}));
        } else {
            bench.set("d5", json!({"n": 6}));
        }
        for number in 1..missed {
            bench.set("d9", json!({ "n": 9 + number }));
        }
        let told = if reset { 3 } else { usize::from(concerns) };
        assert_eq!(bench.resume(&query, &mut client), (reset, told), "{missed}");
        assert_eq!(bench.resume(&query, &mut client), (false, 0));
    }
}

#[test]
fn memory_that_is_lost_matters_only_if_the_result_has_changed() {
    for changes in [false, true] {
        let mut bench = numbers();
        let query = query(json!({"where": {"field": "n", "op": "<", "value": 3}}));
        let mut client = bench.listen(&query).unwrap();
        bench.lose_memory(&[]);
        bench.set("d9", json!({"n": 10}));
        if changes {
            bench.set("d1", json!({"n": 1, "s": 1}));
        }
        bench.lose_memory(&[]);
        let told = if changes { 3 } else { 0 };
        assert_eq!(bench.resume(&query, &mut client), (changes, told));
        // From here on there is a log again.
        bench.set("d2", json!({"n": 1}));
        assert_eq!(bench.resume(&query, &mut client), (false, 1));
    }
}

/// Two losses, after each of which as many changes were counted: what was said after one is not of the other.
#[test]
fn one_memory_is_not_taken_for_another() {
    let mut bench = numbers();
    let query = query(json!({}));
    let mut client = bench.listen(&query).unwrap();
    for loss in 0..2 {
        if loss == 0 {
            bench.lose_memory(&[]);
        } else {
            let row = bench.version("d0", None);
            bench.store.fail_after(Some(2));
            assert!(bench.update(row).is_err() && bench.store.failed_commits() == 1);
        }
        let mut other = bench.listen(&query).unwrap();
        bench.set("d1", json!({ "loss": loss }));
        assert!(bench.resume(&query, &mut client).0);
        assert_eq!(bench.resume(&query, &mut other), (false, 1));
        bench.set("d2", json!({ "loss": loss }));
        bench.resume(&query, &mut client);
    }
}

#[test]
fn what_is_no_token_of_the_query_gets_the_whole_result() {
    let mut bench = numbers();
    let [up, down] = ["asc", "desc"]
        .map(|direction| query(json!({"orderBy": [{"field": "n", "direction": direction}]})));
    let client = bench.listen(&up).unwrap();
    let token = client.resume().unwrap().to_owned();
    let parts: Vec<&str> = token.split('.').collect();
    let later = format!("{}.{}.{}", parts[0], u64::MAX, "1");
    let wrong = format!("{}.{}.{}", parts[0], parts[1], "1");
    for changes in [false, true] {
        if changes {
            bench.set("d1", json!({"n": 7}));
        }
        for (query, resume) in [
            (&down, token.as_str()),
            (&up, ""),
            (&up, "x"),
            (&up, "1.2"),
            (&up, &later),
            (&up, &wrong),
            (&up, &format!("{token}.1")),
        ] {
            let frame = bench.connect(query, Some(resume));
            assert!(frame.contains("\"reset\":true"), "{resume}");
        }
    }
    let frame = bench.connect(&up, Some(&token));
    assert!(!frame.contains("\"reset\""));
}

/// Hibernation: who is connected goes on as if nothing had been.
#[test]
fn sockets_outlive_a_loss_of_memory() {
    let mut bench = numbers();
    let first = query(json!({"orderBy": [{"field": "n"}], "limit": 2}));
    let other = query(json!({"where": {"field": "n", "op": "==", "value": 5}}));
    let (mut client, mut second) = (bench.listen(&first).unwrap(), bench.listen(&other).unwrap());
    for round in 0..3 {
        bench.lose_memory(&[&first, &other, "what was refused"]);
        // Concerns nobody.
        assert_eq!(bench.set("d9", json!({"n": 9, "round": round})), []);
        bench.lose_memory(&[&first, &other]);
        let frames = bench.set("d0", json!({"n": 5, "round": round}));
        assert_eq!(frames.len(), if round == 0 { 2 } else { 1 });
        let is_first = frames.len() == 2;
        second.receive(&frames[usize::from(is_first)].text).unwrap();
        if is_first {
            client.receive(&frames[0].text).unwrap();
        }
        bench.check(&first, &client);
        bench.check(&other, &second);
    }
}
