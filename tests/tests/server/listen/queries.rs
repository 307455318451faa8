//! Queries as targets: the whole result first, then every change of it.

use crate::{Live, assert_error, client, delete, now, places, put, session};
use blaze_tests::client::{JSON, fresh_collection};
use serde_json::{Value, json};

fn by(field: &str, direction: &str) -> Value {
    json!({"field": field, "direction": direction})
}

fn filter(field: &str, op: &str, value: impl Into<Value>) -> Value {
    json!({"field": field, "op": op, "value": value.into()})
}

#[test]
fn the_first_frame_is_the_whole_result() {
    for place in places() {
        let query = json!({"from": place, "orderBy": [by("n", "desc")]});
        let mut empty = session();
        empty.listen(1, json!({"query": query}));
        let frame = empty.next(1);
        let resume = frame["resume"].as_str().expect("a token").to_owned();
        let nothing = json!({"type": "changes", "reset": true, "changes": [], "resume": resume});
        assert_eq!(frame, nothing);
        for n in 0..5 {
            put(&place, &format!("d{n}"), json!({"n": n, "s": "é"}));
        }
        let mut full = session();
        full.listen(1, json!({"query": query}));
        let mut frame = full.next(1);
        assert!(frame["resume"].take().is_string());
        let added = |(index, document): (usize, &Value)| json!({"type": "added", "path": document["path"], "oldIndex": -1, "newIndex": index, "document": document});
        let changes: Vec<Value> = now(&query).iter().enumerate().map(added).collect();
        assert_eq!(changes.len(), 5);
        let whole = json!({"type": "changes", "reset": true, "changes": changes, "resume": null});
        assert_eq!(frame, whole);
    }
}

#[test]
fn every_change_is_told_with_its_places() {
    for place in places() {
        for n in [10, 20, 30] {
            put(&place, &format!("d{n}"), json!({"n": n}));
        }
        let mut live = Live::new(json!({"from": place, "orderBy": [by("n", "asc")]}));
        put(&place, "d15", json!({"n": 15}));
        let frame = live.session.next(1);
        let resource = client().resource(&format!("/v1/docs/{place}/d15"));
        let added = json!({"type": "added", "path": format!("{place}/d15"), "oldIndex": -1, "newIndex": 1, "document": resource});
        assert_eq!(frame["changes"], json!([added]));
        live.result.apply(&frame);
        // A patch, and a new place.
        client()
            .patch(&format!("/v1/docs/{place}/d10"), JSON, &json!({"n": 25}))
            .send()
            .expect(200);
        let frame = live.session.next(1);
        let resource = client().resource(&format!("/v1/docs/{place}/d10"));
        let modified = json!({
            "type": "modified", "path": format!("{place}/d10"), "oldIndex": 0, "newIndex": 2,
            "patch": [{"op": "replace", "path": "/n", "value": 25}], "version": 2, "updateTime": resource["updateTime"],
        });
        assert_eq!(frame["changes"], json!([modified]));
        live.result.apply(&frame);
        client().delete(&format!("/v1/docs/{place}/d20")).send().expect(204);
        let frame = live.session.next(1);
        let removed = json!({"type": "removed", "path": format!("{place}/d20"), "oldIndex": 1, "newIndex": -1});
        assert_eq!(frame["changes"], json!([removed]));
        live.result.apply(&frame);
        assert_eq!(live.result.ids(), ["d15", "d10", "d30"]);
        assert_eq!(live.result.documents, now(&live.query));
        // A change that does not move it; one that takes the ordered field away; and back.
        put(&place, "d15", json!({"n": 15, "more": true}));
        assert_eq!(live.told(), ["modified d15"]);
        put(&place, "d15", json!({"more": true}));
        assert_eq!(live.told(), ["removed d15"]);
        put(&place, "d20", json!({"n": 5}));
        assert_eq!(live.told(), ["added d20"], "made again, at another place");
        assert_eq!(live.result.ids(), ["d20", "d10", "d30"]);
    }
}

#[test]
fn only_what_concerns_the_query_is_told() {
    for place in places() {
        put(&place, "a", json!({"city": "Paris", "n": 1}));
        put(&place, "b", json!({"city": "Rome", "n": 1}));
        let mut live = Live::new(json!({"from": place, "where": filter("city", "==", "Paris")}));
        put(&place, "b", json!({"city": "Rome", "n": 2}));
        put(&place, "c", json!({"n": 2}));
        put(&place, "a", json!({"city": "Paris", "n": 1}));
        delete(&place, "c");
        put(&format!("{place}/a/x"), "d", json!({"city": "Paris"}));
        // The next frame is of the first write that matters.
        put(&place, "b", json!({"city": "Paris", "n": 2}));
        assert_eq!(live.told(), ["added b"]);
        put(&place, "a", json!({"city": "Oslo", "n": 1}));
        assert_eq!(live.told(), ["removed a"]);
        put(&place, "b", json!({"city": "Paris", "n": 3}));
        assert_eq!(live.told(), ["modified b"]);
    }
}

#[test]
fn a_document_that_leaves_a_limited_result_lets_the_next_one_in() {
    for place in places() {
        for n in 0..10 {
            put(&place, &format!("d{n}"), json!({"n": n}));
        }
        let mut first = Live::new(json!({"from": place, "orderBy": [by("n", "asc")], "limit": 3}));
        delete(&place, "d1");
        assert_eq!(first.told(), ["removed d1", "added d3"]);
        assert_eq!(first.result.ids(), ["d0", "d2", "d3"]);
        put(&place, "d05", json!({"n": 0.5}));
        assert_eq!(first.told(), ["removed d3", "added d05"]);
        // Out of it and past the others.
        put(&place, "d0", json!({"n": 100}));
        assert_eq!(first.told(), ["removed d0", "added d3"]);
        assert_eq!(first.result.ids(), ["d05", "d2", "d3"]);
        // Beyond the limit nothing is to be told.
        put(&place, "d9", json!({"n": 90}));
        put(&place, "d2", json!({"n": 2, "x": 1}));
        assert_eq!(first.told(), ["modified d2"]);
        // One place on, still within.
        put(&place, "d05", json!({"n": 2.5}));
        assert_eq!(first.told(), ["modified d05"]);
        assert_eq!(first.result.ids(), ["d2", "d05", "d3"]);
        for id in ["d2", "d05", "d3", "d4", "d5", "d6", "d7", "d8"] {
            delete(&place, id);
            assert_eq!(first.told()[0], format!("removed {id}"));
        }
        assert_eq!(first.result.ids(), ["d9", "d0"]);
    }
}

#[test]
fn the_last_of_a_query_are_followed_from_their_end() {
    for place in places() {
        for n in 0..6 {
            put(&place, &format!("d{n}"), json!({"n": n}));
        }
        let mut last =
            Live::new(json!({"from": place, "orderBy": [by("n", "asc")], "limitToLast": 3}));
        assert_eq!(last.result.ids(), ["d3", "d4", "d5"]);
        put(&place, "d6", json!({"n": 6}));
        assert_eq!(last.told(), ["removed d3", "added d6"]);
        delete(&place, "d5");
        assert_eq!(last.told().len(), 2);
        assert_eq!(last.result.ids(), ["d3", "d4", "d6"]);
        put(&place, "d0", json!({"n": 3.5}));
        last.told();
        assert_eq!(last.result.ids(), ["d0", "d4", "d6"]);
        put(&place, "d6", json!({"n": -1}));
        last.told();
        assert_eq!(last.result.ids(), ["d3", "d0", "d4"]);
    }
}

#[test]
fn every_kind_of_query_can_be_followed() {
    for place in places() {
        for n in 0..12 {
            put(
                &place,
                &format!("d{n:02}"),
                json!({"n": n, "odd": n % 2, "tags": [n % 3, "x"], "m": {"k": n}}),
            );
        }
        let queries = [
            json!({"from": place}),
            json!({"from": place, "offset": 2, "limit": 4}),
            json!({"from": place, "orderBy": [by("odd", "desc"), by("n", "asc")], "limit": 5}),
            json!({"from": place, "orderBy": [by("n", "asc")], "startAfter": [3], "endAt": [8]}),
            json!({"from": place, "orderBy": [by("n", "desc")], "startAt": [6], "limit": 3}),
            json!({"from": place, "orderBy": [by("n", "asc")], "offset": 1, "limitToLast": 2}),
            json!({"from": place, "where": filter("n", "in", json!([1, 4, 7, 20]))}),
            json!({"from": place, "where": filter("n", "not-in", json!([1, 4, 7]))}),
            json!({"from": place, "where": filter("n", "!=", 4), "limit": 6}),
            json!({"from": place, "where": filter("tags", "array-contains", 1)}),
            json!({"from": place, "where": filter("tags", "array-contains-any", json!([0, 2])), "limit": 3}),
            json!({"from": place, "where": {"or": [filter("n", "<", 3), filter("m.k", ">=", 9)]}}),
            json!({"from": place, "where": {"and": [filter("odd", "==", 1), filter("n", ">", 2)]}, "limit": 3}),
            json!({"from": place, "where": filter("__name__", ">=", "d05"), "limit": 3}),
            json!({"from": place, "where": filter("__name__", "in", json!(["d03", "d30"]))}),
            json!({"from": place, "orderBy": [by("m.k", "asc")], "select": ["odd"]}),
        ];
        let mut session = session();
        let mut results: Vec<_> =
            queries.iter().zip(0..).map(|(query, target)| session.query(target, query)).collect();
        let check = |session: &mut blaze_tests::socket::Session,
                     results: &mut Vec<blaze_tests::socket::LiveResult>| {
            for (target, (query, result)) in (0..).zip(queries.iter().zip(results)) {
                session.follow(target, result, &now(query));
            }
        };
        check(&mut session, &mut results);
        for (id, data) in [
            ("d04", Some(json!({"n": 7.5, "odd": 1, "tags": [], "m": {"k": 1}}))),
            ("d00", None),
            ("d30", Some(json!({"n": 20, "odd": 0, "tags": [2], "m": {"k": 9}}))),
            ("d11", Some(json!({"n": null, "odd": null, "tags": null, "m": null}))),
            ("d05", Some(json!({}))),
            ("d03", None),
            ("d00", Some(json!({"n": 4, "odd": 5, "tags": ["x", "x"], "m": {"k": 30}}))),
            ("d30", None),
            ("d05", Some(json!({"n": 5, "odd": 1, "tags": [1], "m": {"k": 5}}))),
        ] {
            match data {
                Some(data) => put(&place, id, data),
                None => delete(&place, id),
            }
            check(&mut session, &mut results);
        }
    }
}

#[test]
fn a_selection_is_patched_as_it_is_shown() {
    for place in places() {
        put(&place, "a", json!({"shown": 1, "hidden": 1, "m": {"x": 1, "y": 2}}));
        let mut live = Live::new(json!({"from": place, "select": ["shown", "m.x"]}));
        assert_eq!(live.result.documents[0]["data"], json!({"shown": 1, "m": {"x": 1}}));
        put(&place, "a", json!({"shown": 2, "hidden": 1, "m": {"x": 1, "y": 3}}));
        live.told();
        put(&place, "a", json!({"shown": 2, "hidden": 1}));
        live.told();
        assert_eq!(live.result.documents[0]["data"], json!({"shown": 2}));
        // The version moves though nothing that is shown does.
        put(&place, "a", json!({"shown": 2, "hidden": 2}));
        live.told();
        assert_eq!(live.result.documents[0]["version"], 4);
    }
}

#[test]
fn a_group_can_be_followed() {
    for group in ["cast", "eight"] {
        let root = fresh_collection();
        let mine = filter("root", "==", root.as_str());
        let mut live = Live::new(
            json!({"from": {"group": group}, "where": mine, "orderBy": [by("n", "asc")]}),
        );
        put(&format!("{root}/a/{group}"), "x", json!({"root": root, "n": 2}));
        assert_eq!(live.told(), ["added x"]);
        put(&format!("{root}/b/deep/er/{group}"), "x", json!({"root": root, "n": 1}));
        assert_eq!(live.told(), ["added x"]);
        put(&format!("{root}/b/other"), "x", json!({"root": root, "n": 1}));
        put(&format!("{root}/a/{group}"), "x", json!({"root": root, "n": 0}));
        assert_eq!(live.told(), ["modified x"]);
        delete(&format!("{root}/b/deep/er/{group}"), "x");
        assert_eq!(live.told(), ["removed x"]);
    }
}

#[test]
fn documents_of_any_kind_are_told() {
    for place in places() {
        let mut live = Live::new(json!({"from": place}));
        let large = json!({"text": "\"é\n".repeat(100_000)});
        let typed = json!({
            "t": {"$timestamp": "2026-11-21T10:00:00.000001Z"}, "b": {"$bytes": "AAE="}, "r": {"$ref": "a/b"},
            "g": {"$geopoint": [1.5, -2]}, "n": [i64::MAX, -0.5, {"$number": "NaN"}], "`~/": {"a/b~c": [null]},
        });
        put(&place, "large", large.clone());
        assert_eq!(live.told(), ["added large"]);
        put(&place, "typed", typed.clone());
        live.told();
        put(&place, "large", typed);
        live.told();
        put(&place, "typed", large);
        live.told();
        put(&place, "%22%5C%0A%E2%80%A8", json!({"`~/": 1}));
        live.told();
        let all =
            json!([{"op": "add", "path": "/n", "value": 1}, {"op": "remove", "path": "/`~0~1"}]);
        let path = format!("/v1/docs/{place}/%22%5C%0A%E2%80%A8");
        client().patch(&path, "application/json-patch+json", &all).send().expect(200);
        live.told();
    }
}

#[test]
fn what_cannot_be_followed_is_an_error_of_its_target() {
    let place = fresh_collection();
    let mut session = session();
    let mut result = session.query(1, &json!({"from": place}));
    let long = "x".repeat(9_000);
    for (query, code, words) in [
        (json!(1), "invalid-argument", "query"),
        (json!({}), "invalid-argument", "from"),
        (json!({"from": "a/b"}), "invalid-argument", "from"),
        (json!({"from": place, "limit": 0}), "invalid-argument", "limit"),
        (json!({"from": place, "where": filter("a", "in", 1)}), "invalid-argument", "where.value"),
        (json!({"from": place, "pageToken": "x"}), "invalid-argument", "pageToken"),
        (json!({"from": place, "where": filter("a", "==", long)}), "invalid-argument", "bytes"),
        (json!({"from": {"group": "undeclared"}}), "failed-precondition", "undeclared"),
    ] {
        session.listen(2, json!({"query": query}));
        assert_error(&session.next(2), code, words);
    }
    session.listen(2, json!({"query": {"from": place}, "resume": 1}));
    assert_error(&session.next(2), "invalid-argument", "resume");
    // The others go on, and the number is free.
    let mut second = session.query(2, &json!({"from": place, "explain": true}));
    put(&place, "a", json!({"n": 1}));
    assert_eq!(result.apply(&session.next(1)).changes, ["added a"]);
    assert_eq!(second.apply(&session.next(2)).changes, ["added a"]);
}
