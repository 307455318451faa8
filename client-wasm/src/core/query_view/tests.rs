use super::*;
use crate::core::document_changes::document_changes;
use blaze_schema::document::Document;
use serde_json::{Value, json};

/// A view.
struct Bench {
    view: QueryView,
}

fn path(id: &str) -> DocumentPath {
    DocumentPath::parse(&format!("c/{id}")).unwrap()
}

fn update(data: Value) -> Operation {
    Operation::update(data).unwrap()
}

fn set(data: Value) -> Operation {
    Operation::set(data).unwrap()
}

fn increment() -> Operation {
    update(json!({"n": {"$increment": 1}}))
}

impl Bench {
    /// The view of a query of `c`, before its first frame.
    fn new(mut query: Value) -> Self {
        query["from"] = json!("c");
        Bench { view: QueryView::new(Query::from_json(query).unwrap()) }
    }

    /// The view of a query that has had its first frame: ids and data, all at version 5.
    fn with(query: Value, rows: Value) -> Self {
        let mut bench = Bench::new(query);
        bench.reset(rows);
        bench
    }

    fn reset(&mut self, rows: Value) {
        let mut changes = Vec::new();
        for (index, row) in rows.as_array().unwrap().iter().enumerate() {
            changes.push(added(row[0].as_str().unwrap(), 5, row[1].clone(), index));
        }
        self.frame(true, changes);
    }

    fn frame(&mut self, reset: bool, changes: Vec<Change>) {
        assert!(self.view.frame(Changes { reset, changes, resume: "s".to_owned() }));
    }

    /// The document at `old` becomes `data` at `version`, at `new`.
    fn moved(&mut self, id: &str, version: u64, data: Value, old: usize, new: usize) {
        let Change::Added { path, document, .. } = added(id, version, data, new) else { panic!() };
        let content = Content::Document(document);
        let change = Change::Modified { path, old_index: old, new_index: new, content };
        self.frame(false, vec![change]);
    }

    fn removed(&mut self, id: &str, old_index: usize) {
        self.frame(false, vec![Change::Removed { path: path(id), old_index }]);
    }

    fn write(&mut self, id: &str, operation: Operation) {
        let now = Timestamp::from_micros(0);
        self.view.write(&Rc::new(path(id)), &Rc::new(operation), now);
    }

    fn done(&mut self, id: &str, version: u64) {
        self.view.settled(&path(id), Some(version));
    }

    fn refused(&mut self, id: &str) {
        self.view.settled(&path(id), None);
    }

    /// A ping is sent, and answered.
    fn ping(&mut self) {
        self.view.pinged();
        self.view.passed(true);
    }

    /// `a5 {"n":1}` for each row; with `*` where writes are pending.
    fn seen(&mut self) -> String {
        let Some(rows) = self.view.rows() else { return "nothing".to_owned() };
        let short = |row: &Rc<Row>| {
            let mark = if row.pending { "*" } else { "" };
            format!("{}{}{mark} {}", row.path.id(), row.version, Value::Object((*row.data).clone()))
        };
        rows.iter().map(short).collect::<Vec<_>>().join(", ")
    }
}

fn added(id: &str, version: u64, data: Value, new_index: usize) -> Change {
    let path = path(id);
    let document = Document {
        path: path.to_string(),
        id: id.to_owned(),
        version,
        create_time: "c".to_owned(),
        update_time: "u".to_owned(),
        data: data.as_object().cloned(),
    };
    Change::Added { path, new_index, document }
}

fn by_n() -> Value {
    json!({"orderBy": [{"field": "n"}]})
}

#[test]
fn a_write_moves_its_row_at_once_and_its_frame_changes_nothing_more() {
    let mut bench = Bench::with(by_n(), json!([["a", {"n": 1}], ["b", {"n": 3}]]));
    bench.write("a", update(json!({"n": 4})));
    assert_eq!(bench.seen(), r#"b5 {"n":3}, a5* {"n":4}"#);
    let before = bench.view.rows().unwrap();
    bench.done("a", 6);
    assert!(Rc::ptr_eq(&before, &bench.view.rows().unwrap()), "version 6 is not here yet");
    bench.moved("a", 6, json!({"n": 4}), 0, 1);
    assert_eq!(bench.seen(), r#"b5 {"n":3}, a6 {"n":4}"#);
    assert_eq!(document_changes(&before, &bench.view.rows().unwrap()), []);
}

#[test]
fn what_a_frame_says_of_a_document_is_held_back_until_its_write_is_answered() {
    let mut bench = Bench::with(by_n(), json!([["a", {"n": 0}], ["b", {"n": 3}]]));
    bench.write("a", increment());
    bench.write("a", increment());
    assert_eq!(bench.seen(), r#"a5* {"n":2}, b5 {"n":3}"#);
    // The first increment, and somebody's 10 on top. The other document moves on.
    bench.moved("a", 6, json!({"n": 1}), 0, 0);
    bench.moved("a", 7, json!({"n": 11}), 0, 1);
    bench.moved("b", 6, json!({"n": 4}), 0, 0);
    assert_eq!(bench.seen(), r#"a5* {"n":2}, b6 {"n":4}"#);
    bench.done("a", 6);
    assert_eq!(bench.seen(), r#"b6 {"n":4}, a7* {"n":12}"#);
    bench.done("a", 8);
    bench.moved("a", 9, json!({"n": 22}), 1, 1);
    assert_eq!(bench.seen(), r#"b6 {"n":4}, a9 {"n":22}"#);
}

#[test]
fn an_answer_before_its_frame_keeps_the_write_over_older_states() {
    let mut bench = Bench::with(by_n(), json!([["a", {"n": 0}]]));
    bench.write("a", increment());
    bench.done("a", 7);
    assert_eq!(bench.seen(), r#"a5* {"n":1}"#);
    bench.moved("a", 6, json!({"n": 10}), 0, 0);
    assert_eq!(bench.seen(), r#"a6* {"n":11}"#);
    bench.moved("a", 7, json!({"n": 11}), 0, 0);
    assert_eq!(bench.seen(), r#"a7 {"n":11}"#);
}

#[test]
fn a_refused_write_is_rolled_back_and_the_others_stay() {
    let mut bench = Bench::with(by_n(), json!([["a", {"n": 0}]]));
    bench.write("a", update(json!({"x": 1})));
    bench.write("a", increment());
    bench.moved("a", 6, json!({"n": 10}), 0, 0);
    assert_eq!(bench.seen(), r#"a5* {"n":1,"x":1}"#);
    bench.refused("a");
    assert_eq!(bench.seen(), r#"a6* {"n":11}"#);
    bench.refused("a");
    assert_eq!(bench.seen(), r#"a6 {"n":10}"#);
}

#[test]
fn a_new_document_is_seen_at_once_and_until_its_frame() {
    let mut bench = Bench::with(by_n(), json!([["a", {"n": 1}], ["b", {"n": 3}]]));
    bench.write("x", set(json!({"n": 2})));
    bench.write("y", set(json!({"no": 2})));
    bench.write("b", Operation::Delete);
    assert_eq!(bench.seen(), r#"a5 {"n":1}, x0* {"n":2}"#);
    bench.done("x", 1);
    bench.done("y", 1);
    bench.done("b", 6);
    bench.moved("a", 6, json!({"n": 1, "z": 0}), 0, 0);
    assert_eq!(bench.seen(), r#"a6 {"n":1,"z":0}, x0* {"n":2}"#, "another document's frame");
    bench.frame(false, vec![added("x", 1, json!({"n": 2}), 1)]);
    bench.removed("b", 2);
    assert_eq!(bench.seen(), r#"a6 {"n":1,"z":0}, x1 {"n":2}"#);
    bench.ping();
    assert_eq!(bench.seen(), r#"a6 {"n":1,"z":0}, x1 {"n":2}"#);
    assert!(bench.view.overlays.is_empty());
}

#[test]
fn a_document_that_leaves_by_an_own_write_leaves_once() {
    let query = json!({"where": {"field": "done", "op": "==", "value": false}});
    for frame_first in [true, false] {
        let mut bench = Bench::with(query.clone(), json!([["a", {"done": false}]]));
        bench.write("a", update(json!({"done": true})));
        assert_eq!(bench.seen(), "");
        if frame_first {
            bench.removed("a", 0);
            bench.done("a", 6);
        } else {
            bench.done("a", 6);
            assert_eq!(bench.seen(), "");
            bench.removed("a", 0);
        }
        assert_eq!(bench.seen(), "");
        bench.ping();
        assert_eq!(bench.seen(), "");
        assert!(bench.view.overlays.is_empty());
    }
}

#[test]
fn a_document_that_leaves_and_comes_back_by_own_writes_stays() {
    let query = json!({"where": {"field": "done", "op": "==", "value": false}});
    let mut bench = Bench::with(query, json!([["a", {"done": false}]]));
    bench.write("a", update(json!({"done": true})));
    bench.write("a", update(json!({"done": false})));
    let seen = r#"a5* {"done":false}"#;
    assert_eq!(bench.seen(), seen);
    bench.removed("a", 0);
    assert_eq!(bench.seen(), seen);
    bench.done("a", 6);
    assert_eq!(bench.seen(), seen);
    bench.done("a", 7);
    assert_eq!(bench.seen(), seen);
    bench.frame(false, vec![added("a", 7, json!({"done": false}), 0)]);
    assert_eq!(bench.seen(), r#"a7 {"done":false}"#);
}

#[test]
fn what_no_frame_confirms_stays_until_a_ping_has_passed() {
    let mut bench = Bench::with(by_n(), json!([["a", {"n": 1}]]));
    bench.write("x", set(json!({"n": 2})));
    assert!(!bench.view.needs_ping(), "it is on its way");
    bench.done("x", 1);
    assert!(bench.view.needs_ping());
    bench.view.pinged();
    assert!(!bench.view.needs_ping());
    bench.write("y", set(json!({"n": 3})));
    bench.done("y", 1);
    assert!(bench.view.needs_ping(), "it was answered after the ping");
    bench.write("a", increment());
    // Somebody deleted it, or changed it at once.
    bench.view.passed(true);
    assert_eq!(bench.seen(), r#"a5* {"n":2}, y0* {"n":3}"#);
    bench.done("a", 6);
    bench.removed("a", 0);
    assert_eq!(bench.seen(), r#"a5* {"n":2}, y0* {"n":3}"#, "perhaps by an older change");
    bench.ping();
    assert_eq!(bench.seen(), "");
    assert!(bench.view.overlays.is_empty());
}

#[test]
fn a_document_that_is_deleted_and_made_again_stays_while_frames_are_late() {
    let mut bench = Bench::with(by_n(), json!([["a", {"n": 1}]]));
    bench.write("a", Operation::Delete);
    bench.done("a", 6);
    bench.write("a", set(json!({"n": 2})));
    bench.done("a", 7);
    let seen = r#"a5* {"n":2}"#;
    assert_eq!(bench.seen(), seen);
    bench.removed("a", 0);
    assert_eq!(bench.seen(), seen, "that was the delete");
    bench.frame(false, vec![added("a", 7, json!({"n": 2}), 0)]);
    assert_eq!(bench.seen(), r#"a7 {"n":2}"#);
}

#[test]
fn late_frames_of_what_has_left_are_not_seen() {
    let query = json!({"where": {"field": "state", "op": "==", "value": "open"}});
    let mut bench = Bench::with(query, json!([]));
    bench.write("a", set(json!({"state": "open"})));
    bench.done("a", 1);
    bench.write("a", set(json!({"state": "done"})));
    assert_eq!(bench.seen(), "");
    bench.done("a", 2);
    bench.frame(false, vec![added("a", 1, json!({"state": "open"}), 0)]);
    assert_eq!(bench.seen(), "");
    bench.removed("a", 0);
    bench.ping();
    assert_eq!(bench.seen(), "");
    assert!(bench.view.overlays.is_empty());
}

#[test]
fn a_window_that_is_older_than_an_answer_is_no_reason_to_wait_for_the_next_one() {
    let query = json!({"where": {"field": "n", "op": ">", "value": 0}});
    let mut bench = Bench::with(query, json!([]));
    bench.write("a", increment());
    bench.done("a", 5);
    bench.write("a", increment());
    bench.frame(false, vec![added("a", 3, json!({"n": 1}), 0)]);
    assert_eq!(bench.seen(), r#"a3* {"n":3}"#, "it lacks both");
    bench.moved("a", 5, json!({"n": 2}), 0, 0);
    assert_eq!(bench.seen(), r#"a3* {"n":3}"#, "it may hold the second one");
    bench.done("a", 6);
    assert_eq!(bench.seen(), r#"a5* {"n":3}"#);
}

#[test]
fn what_a_ping_has_passed_is_in_the_state_that_follows_the_next_answer() {
    let query = json!({"where": {"field": "n", "op": ">", "value": 0}});
    let mut bench = Bench::with(query.clone(), json!([["a", {"n": 1}]]));
    bench.write("a", increment());
    bench.done("a", 6);
    bench.view.pinged();
    bench.write("a", increment());
    assert_eq!(bench.seen(), r#"a5* {"n":3}"#);
    // Somebody took it out of the result before.
    bench.removed("a", 0);
    bench.view.passed(true);
    assert_eq!(bench.seen(), r#"a5* {"n":3}"#, "the second one is on its way");
    bench.done("a", 8);
    assert_eq!(bench.seen(), "", "of which nothing is known");

    // A query that has no frame yet on this socket will have one that holds it.
    let mut bench = Bench::with(query, json!([["a", {"n": 1}]]));
    bench.write("a", increment());
    bench.done("a", 9);
    bench.view.pinged();
    bench.view.passed(false);
    assert_eq!(bench.seen(), r#"a5* {"n":2}"#);
    bench.reset(json!([["a", {"n": 7}]]));
    assert_eq!(bench.seen(), r#"a5 {"n":7}"#);
}

#[test]
fn the_first_frame_on_another_socket_holds_what_was_answered_before() {
    let rows = || json!([["a", {"n": 0}], ["b", {"n": 5}]]);
    let mut bench = Bench::with(by_n(), rows());
    bench.write("a", increment());
    bench.write("b", increment());
    bench.write("x", set(json!({"n": 2})));
    bench.done("a", 9);
    bench.done("x", 1);
    bench.view.relistened();
    bench.write("a", increment());
    assert_eq!(bench.seen(), r#"a5* {"n":2}, x0* {"n":2}, b5* {"n":6}"#);
    // A restored backup: versions go back, and `x` is gone.
    bench.reset(rows());
    assert_eq!(bench.seen(), r#"a5* {"n":2}, b5* {"n":6}"#, "the rest is on its way");
    bench.done("a", 6);
    assert_eq!(bench.seen(), r#"a5* {"n":1}, b5* {"n":6}"#);
    bench.moved("a", 6, json!({"n": 1}), 0, 0);
    assert_eq!(bench.seen(), r#"a6 {"n":1}, b5* {"n":6}"#);
}

#[test]
fn a_window_shows_the_first_or_last_of_what_is_known() {
    let rows = || json!([["a", {"n": 1}], ["b", {"n": 3}], ["c", {"n": 5}]]);
    let mut query = by_n();
    query["limit"] = json!(3);
    let mut bench = Bench::with(query, rows());
    bench.write("x", set(json!({"n": 2})));
    bench.write("y", set(json!({"n": 9})));
    assert_eq!(bench.seen(), r#"a5 {"n":1}, x0* {"n":2}, b5 {"n":3}"#);
    bench.write("a", Operation::Delete);
    assert_eq!(bench.seen(), r#"x0* {"n":2}, b5 {"n":3}, c5 {"n":5}"#);

    let mut query = by_n();
    query["limitToLast"] = json!(3);
    let mut bench = Bench::with(query, rows());
    bench.write("x", set(json!({"n": 2})));
    bench.write("y", set(json!({"n": 0})));
    assert_eq!(bench.seen(), r#"x0* {"n":2}, b5 {"n":3}, c5 {"n":5}"#);

    let mut query = by_n();
    query["offset"] = json!(2);
    let mut bench = Bench::with(query, rows());
    bench.write("a", update(json!({"z": 0})));
    bench.write("x", set(json!({"n": 0})));
    bench.write("y", set(json!({"n": 9})));
    let seen = r#"a5* {"n":1,"z":0}, b5 {"n":3}, c5 {"n":5}, y0* {"n":9}"#;
    assert_eq!(bench.seen(), seen, "nothing before the window");

    let mut query = by_n();
    query["startAfter"] = json!([1]);
    query["endAt"] = json!([4]);
    let mut bench = Bench::with(query, json!([["b", {"n": 3}]]));
    for (id, n) in [("x", 1), ("y", 4), ("z", 5)] {
        bench.write(id, set(json!({ "n": n })));
    }
    bench.write("b", update(json!({"n": 7})));
    assert_eq!(bench.seen(), r#"y0* {"n":4}"#);
}

#[test]
fn a_selection_is_shown_and_what_the_query_looks_at_is_not() {
    let mut query = by_n();
    query["select"] = json!(["name"]);
    query["where"] = json!({"field": "at.x", "op": "==", "value": 1});
    let mut bench = Bench::with(
        query,
        json!([["a", {"n": 1, "at": {"x": 1}, "name": "A"}], ["b", {"n": 3, "at": {"x": 1}}]]),
    );
    assert_eq!(bench.seen(), r#"a5 {"name":"A"}, b5 {}"#);
    bench.write("a", update(json!({"n": 4})));
    bench.write("b", update(json!({"name": "B"})));
    assert_eq!(bench.seen(), r#"b5* {"name":"B"}, a5* {"name":"A"}"#);
    bench.write("a", update(json!({"at.x": 2})));
    assert_eq!(bench.seen(), r#"b5* {"name":"B"}"#);
}

#[test]
fn what_cannot_be_told_is_left_to_the_server() {
    let mut query = by_n();
    query["where"] = json!({"field": "n", "op": ">", "value": 0});
    let mut bench = Bench::new(query);
    bench.write("a", increment());
    assert_eq!(bench.seen(), "nothing");
    // It holds the increment, or not yet.
    bench.reset(json!([["a", {"n": 1}], ["b", {"n": 3}]]));
    assert_eq!(bench.seen(), r#"a5 {"n":1}, b5 {"n":3}"#);
    bench.done("a", 6);
    assert_eq!(bench.seen(), r#"a5* {"n":2}, b5 {"n":3}"#);
    bench.moved("a", 6, json!({"n": 2}), 0, 0);
    // Outside of the window.
    bench.write("x", increment());
    bench.write("y", Operation::merge(json!({"n": 2})).unwrap());
    assert_eq!(bench.seen(), r#"a6 {"n":2}, b5 {"n":3}"#);
    bench.done("x", 8);
    bench.done("y", 8);
    assert_eq!(bench.seen(), r#"a6 {"n":2}, b5 {"n":3}"#);
    bench.ping();
    assert!(bench.view.overlays.is_empty());

    // What there is in a whole collection is not known before the first frame.
    let mut bench = Bench::new(json!({}));
    bench.write("a", Operation::merge(json!({"n": 2})).unwrap());
    bench.reset(json!([["a", {"n": 1, "z": 0}]]));
    assert_eq!(bench.seen(), r#"a5 {"n":1,"z":0}"#);
    bench.done("a", 6);
    assert_eq!(bench.seen(), r#"a5* {"n":2,"z":0}"#);

    // In a whole collection, what is not there does not exist.
    let mut bench = Bench::with(json!({}), json!([["a", {"n": 1}]]));
    bench.write("x", increment());
    bench.write("y", Operation::merge(json!({"n": 2})).unwrap());
    assert_eq!(bench.seen(), r#"a5 {"n":1}, y0* {"n":2}"#);
    bench.write("d/c/e", set(json!({})));
    assert_eq!(bench.seen(), r#"a5 {"n":1}, y0* {"n":2}"#, "another collection");
}

#[test]
fn a_frame_that_does_not_fit_changes_nothing() {
    let mut bench = Bench::new(by_n());
    let no_reset = Changes { reset: false, changes: Vec::new(), resume: "s".to_owned() };
    assert!(!bench.view.frame(no_reset), "nothing to apply it to");
    bench.reset(json!([["a", {"n": 1}], ["b", {"n": 3}]]));
    let patch = |path: &str| {
        let operations = json!([{"op": "replace", "path": path, "value": 2}]);
        blaze_schema::patch::read(operations).unwrap()
    };
    let modified = |id: &str, old_index, new_index, at: &str| {
        let update_time = "u".to_owned();
        let content = Content::Patch { patch: patch(at), version: 6, update_time };
        Change::Modified { path: path(id), old_index, new_index, content }
    };
    for bad in [
        added("x", 1, json!({"n": 2}), 3),
        added("x", 1, json!(null), 0),
        Change::Removed { path: path("a"), old_index: 1 },
        Change::Removed { path: path("a"), old_index: 2 },
        modified("b", 0, 0, "/n"),
        modified("a", 0, 2, "/n"),
        modified("a", 0, 0, "/m"),
        modified("a", 0, 0, ""),
    ] {
        let changes = vec![
            Change::Removed { path: path("b"), old_index: 1 },
            added("b", 6, json!({"n": 0}), 1),
            bad,
        ];
        let frame = Changes { reset: false, changes, resume: "s".to_owned() };
        assert!(!bench.view.frame(frame.clone()), "{:?}", frame.changes[2]);
        assert_eq!(bench.seen(), r#"a5 {"n":1}, b5 {"n":3}"#);
    }
    bench.frame(false, vec![modified("a", 0, 1, "/n")]);
    assert_eq!(bench.seen(), r#"b5 {"n":3}, a6 {"n":2}"#);
}
