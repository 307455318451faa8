//! Commits of one document: several writes, one change.

use super::*;
use crate::guard::Explain;
use blaze_rules::{Lookups, Rules};
use blaze_schema::commit;
use blaze_schema::wire::document::ServerMessage;
use blaze_store::memory::MemoryStore;
use proptest::prelude::*;
use serde_json::json;

struct Bench {
    document: Document,
    store: MemoryStore,
    guard: Guard,
    now: i64,
}

impl Bench {
    fn under(guard: Guard) -> Self {
        let document = Document::new(DocumentPath::parse("a/b").unwrap());
        Bench { document, store: MemoryStore::default(), guard, now: 0 }
    }

    fn ruled(rules: &str) -> Self {
        let rules = Rc::new(Rules::compile(rules).unwrap());
        Bench::under(Guard::Rules { rules, version: 1, explain: Explain::Never })
    }

    fn open() -> Self {
        Bench::under(Guard::Open)
    }

    fn step(&mut self, event: Event) -> Vec<Effect> {
        self.now += 1_000_000;
        let now = Timestamp::from_micros(self.now);
        let auth = Auth {
            uid: "ann".to_owned(),
            token: Map::new(),
            roles: Default::default(),
            expires: None,
        };
        // Nobody has a grant.
        let grant = DocumentPath::parse("roles/ann").unwrap();
        let lookups = Lookups::from([(grant, None)]);
        let caller = Caller { auth: Some(Rc::new(auth)), lookups };
        self.document.handle_as(&mut self.store, now, 7, event, &self.guard, &caller)
    }

    fn commit_with(&mut self, writes: Value, is_part: bool, key: Option<&str>) -> Vec<Effect> {
        let body = json!({"writes": writes}).to_string();
        let writes = commit::read(body.as_bytes()).unwrap();
        let idempotency =
            key.map(|key| Idempotency::new(key.to_owned(), &[b"commit", body.as_bytes()]));
        let stage = if is_part { Stage::Trial } else { Stage::Alone };
        self.step(Event::Commit { writes, stage, idempotency })
    }

    fn commit(&mut self, writes: Value) -> Result<u64, Error> {
        outcome(&self.commit_with(writes, false, None))
    }

    fn data(&mut self) -> Value {
        let data = self.document.data(&self.store).unwrap();
        data.map_or(Value::Null, |data| serde_json::from_str(&data).unwrap())
    }
}

/// Returns the version that a commit left, or the refusal.
fn outcome(effects: &[Effect]) -> Result<u64, Error> {
    let answer = effects.iter().find_map(|effect| match effect {
        Effect::Answer(answer) => Some(answer),
        _ => None,
    });
    match answer {
        Some(Answer::Committed { version, .. }) => Ok(*version),
        Some(Answer::Refused(error)) => Err(error.clone()),
        other => panic!("{other:?}"),
    }
}

fn broadcasts(effects: &[Effect]) -> Vec<Value> {
    let frame = |effect: &Effect| match effect {
        Effect::Broadcast(frame) => Some(serde_json::from_str(frame).unwrap()),
        _ => None,
    };
    effects.iter().filter_map(frame).collect()
}

fn refused(outcome: Result<u64, Error>) -> (Code, String) {
    let error = outcome.unwrap_err();
    (error.code, error.detail)
}

#[test]
fn several_writes_apply_in_order_and_make_one_version() {
    let mut bench = Bench::open();
    let effects = bench.commit_with(
        json!([
            {"create": "a/b", "data": {"n": 1, "list": []}},
            {"update": "a/b", "data": {"n": {"$increment": 4}, "list": {"$arrayUnion": [1]}}},
            {"patch": "a/b", "operations": [{"op": "test", "path": "/n", "value": 5},
                                            {"op": "add", "path": "/list/-", "value": 2}]},
            {"merge": "a/b", "data": {"at": {"$serverTimestamp": true}}},
        ]),
        false,
        None,
    );
    assert_eq!(outcome(&effects), Ok(1));
    assert!(effects.contains(&Effect::Answer(Answer::Committed {
        time: "1970-01-01T00:00:01Z".to_owned(),
        version: 1,
        writes: 4,
    })));
    let at = json!({"$timestamp": "1970-01-01T00:00:01Z"});
    let data = json!({"n": 5, "list": [1, 2], "at": at});
    assert_eq!(bench.data(), data);
    let patch = json!([{"op": "add", "path": "", "value": data}]);
    let frame = json!({"type": "patch", "base": 0, "version": 1, "patch": patch});
    assert_eq!(broadcasts(&effects), [frame]);
    assert_eq!(bench.store.rows_written(), 1);
    // No listener sees a removal in between.
    let effects = bench.commit_with(
        json!([{"delete": "a/b"}, {"set": "a/b", "data": {"n": 5}}]),
        false,
        None,
    );
    assert_eq!(outcome(&effects), Ok(2));
    assert_eq!(broadcasts(&effects)[0]["type"], "patch");
    assert_eq!(bench.commit(json!([{"set": "a/b", "data": {"x": 1}}, {"delete": "a/b"}])), Ok(3));
    assert_eq!(bench.data(), Value::Null);
}

#[test]
fn what_changes_nothing_keeps_the_version() {
    let mut bench = Bench::open();
    assert_eq!(bench.commit(json!([{"set": "a/b", "data": {"n": 1}}])), Ok(1));
    let rows = bench.store.rows_written();
    let there_and_back = json!([
        {"update": "a/b", "data": {"n": {"$increment": 1}}},
        {"update": "a/b", "data": {"n": {"$increment": -1}}},
    ]);
    let effects = bench.commit_with(there_and_back, false, None);
    assert_eq!((outcome(&effects), broadcasts(&effects)), (Ok(1), Vec::new()));
    assert_eq!(bench.commit(json!([{"verify": "a/b", "ifVersion": 1}])), Ok(1));
    assert_eq!(bench.commit(json!([{"verify": "a/b"}, {"verify": "a/b"}])), Ok(1));
    assert_eq!(bench.store.rows_written(), rows);
}

#[test]
fn one_write_that_fails_fails_all_and_says_which() {
    let mut bench = Bench::open();
    bench.commit(json!([{"set": "a/b", "data": {"n": 1}}])).unwrap();
    let rows = bench.store.rows_written();
    let set = || json!({"set": "a/b", "data": {"n": 2}});
    for (writes, code, named) in [
        (
            json!([set(), {"verify": "a/b", "ifVersion": 2}]),
            Code::FailedPrecondition,
            "a/b: write 2 of 2: ifVersion 2",
        ),
        // The version is the one before all of them.
        (
            json!([{"delete": "a/b"}, {"set": "a/b", "data": {}, "ifVersion": 0}]),
            Code::FailedPrecondition,
            "write 2 of 2",
        ),
        (json!([set(), {"create": "a/b", "data": {}}]), Code::AlreadyExists, "a/b: write 2 of 2"),
        (
            json!([{"delete": "a/b"}, {"update": "a/b", "data": {"n": 1}}]),
            Code::NotFound,
            "write 2 of 2",
        ),
        (
            json!([set(), {"patch": "a/b", "operations": [{"op": "test", "path": "/n", "value": 1}]}, set()]),
            Code::FailedPrecondition,
            "write 2 of 3: operations[0]",
        ),
        (json!([{"verify": "a/b", "ifVersion": 9}]), Code::FailedPrecondition, "a/b: ifVersion 9"),
    ] {
        let (found, detail) = refused(bench.commit(writes));
        assert_eq!(found, code, "{detail}");
        assert!(detail.contains(named), "{detail}");
    }
    let elsewhere = bench.commit(json!([set(), {"delete": "a/c"}]));
    assert_eq!(refused(elsewhere).0, Code::InvalidArgument);
    assert_eq!((bench.data(), bench.store.rows_written()), (json!({"n": 1}), rows));
}

#[test]
fn what_patches_may_do_they_may_do_in_all() {
    use blaze_schema::limits::{PATCH_COPY_BYTES, PATCH_OPERATIONS};
    let mut bench = Bench::open();
    let tests = |count: usize| {
        let one = json!({"op": "test", "path": "/n", "value": 1});
        json!({"patch": "a/b", "operations": vec![one; count]})
    };
    let set = json!({"set": "a/b", "data": {"n": 1, "text": "x".repeat(1_000_000)}});
    let half = PATCH_OPERATIONS / 2;
    assert_eq!(bench.commit(json!([set, tests(half), tests(half)])), Ok(1));
    let (code, detail) = refused(bench.commit(json!([tests(half), tests(half), tests(1)])));
    assert_eq!(code, Code::ResourceExhausted, "{detail}");
    let copy = json!({"patch": "a/b", "operations": [
        {"op": "copy", "from": "/text", "path": "/copy"}, {"op": "remove", "path": "/copy"},
    ]});
    assert_eq!(bench.commit(Value::Array(vec![copy.clone(); PATCH_COPY_BYTES / 1_000_010])), Ok(1));
    let (code, _) =
        refused(bench.commit(Value::Array(vec![copy; PATCH_COPY_BYTES / 1_000_000 + 1])));
    assert_eq!(code, Code::ResourceExhausted);
}

#[test]
fn a_large_document_is_gone_over_so_many_times() {
    use blaze_schema::limits::COMMIT_DOCUMENT_BYTES;
    let mut bench = Bench::open();
    // A key of one letter, a text, and what is counted for its quotes.
    let text = "x".repeat(COMMIT_DOCUMENT_BYTES / 64 - 5);
    assert_eq!(bench.commit(json!([{"set": "a/b", "data": {"t": text}}])), Ok(1));
    let touch = json!({"patch": "a/b", "operations": []});
    assert_eq!(bench.commit(Value::Array(vec![touch.clone(); 65])), Ok(1));
    let (code, detail) = refused(bench.commit(Value::Array(vec![touch; 66])));
    assert_eq!(code, Code::ResourceExhausted);
    assert!(detail.starts_with("a/b: write 66 of 66: "), "{detail}");
}

#[test]
fn a_part_of_a_larger_commit_is_decided_and_not_done() {
    let mut bench =
        Bench::ruled("match /a/{b} { allow read, create: if request.auth.uid == 'ann'; }");
    let set = || json!([{"set": "a/b", "data": {"n": 1}}]);
    assert_eq!(refused(outcome(&bench.commit_with(set(), true, Some("k")))).0, Code::Unimplemented);
    assert_eq!((bench.data(), bench.store.rows_written()), (Value::Null, 0));
    assert_eq!(bench.commit(set()), Ok(1));
    let update = json!([{"update": "a/b", "data": {"n": 2}}]);
    let effects = bench.commit_with(update, true, None);
    assert_eq!(refused(outcome(&effects)).0, Code::PermissionDenied);
    let late = json!([{"verify": "a/b", "ifVersion": 9}]);
    assert_eq!(refused(outcome(&bench.commit_with(late, true, None))).0, Code::FailedPrecondition);
}

#[test]
fn a_commit_repeated_is_answered_again() {
    let mut bench = Bench::open();
    let add = || json!([{"merge": "a/b", "data": {"n": {"$increment": 1}}}]);
    let first = bench.commit_with(add(), false, Some("k"));
    let again = bench.commit_with(add(), false, Some("k"));
    let answers = [first, again]
        .map(|effects| effects.into_iter().find(|effect| matches!(effect, Effect::Answer(_))));
    assert_eq!(answers[0], answers[1]);
    assert_eq!(bench.data(), json!({"n": 1}));
    let other = bench.commit_with(json!([{"delete": "a/b"}]), false, Some("k"));
    assert_eq!(outcome(&other).unwrap_err().status, 422);
}

#[test]
fn rules_see_what_all_writes_do_together() {
    let mut bench = Bench::ruled(
        "match /a/{b} {
           allow create: if request.resource.data.n == 1;
           allow update: if request.resource.data.n == resource.data.n + 1;
           allow delete: if resource.data.n == 2;
         }",
    );
    let n = |n: i64| json!({"set": "a/b", "data": {"n": n}});
    assert_eq!(refused(bench.commit(json!([n(2)]))).0, Code::PermissionDenied);
    assert_eq!(bench.commit(json!([n(2), n(1)])), Ok(1));
    assert_eq!(refused(bench.commit(json!([n(2), n(3)]))).0, Code::PermissionDenied);
    assert_eq!(refused(bench.commit(json!([n(2), {"delete": "a/b"}]))).0, Code::PermissionDenied);
    assert_eq!(bench.commit(json!([{"delete": "a/b"}, n(2)])), Ok(2));
    assert_eq!(bench.commit(json!([{"delete": "a/b"}])), Ok(3));
}

#[test]
fn an_administrators_commit_is_logged_where_it_is_done() {
    let mut bench = Bench::under(Guard::Closed);
    let set = |n: i64| json!([{"set": "a/b", "data": {"n": n}}]);
    let mut acts = |writes: Value, stage| {
        let body = json!({"writes": writes}).to_string();
        let writes = commit::read(body.as_bytes()).unwrap();
        let event = Event::Commit { writes, stage, idempotency: None };
        let roles = ["admin".to_owned()].into();
        let auth = Auth { uid: "root".to_owned(), token: Map::new(), roles, expires: None };
        let caller = Caller::new(Some(Rc::new(auth)));
        let (now, guard) = (Timestamp::from_micros(1), bench.guard.clone());
        let effects = bench.document.handle_as(&mut bench.store, now, 7, event, &guard, &caller);
        let audit =
            |effect: &Effect| matches!(effect, Effect::Audit { actor, .. } if actor == "root");
        effects.iter().filter(|effect| audit(effect)).count()
    };
    assert_eq!(acts(set(1), Stage::Alone), 1);
    assert_eq!(acts(set(2), Stage::Trial), 0, "nothing is done");
    assert_eq!(acts(set(1), Stage::Alone), 0, "nothing is changed");
    assert_eq!(acts(set(2), Stage::Decided), 1);
}

#[test]
fn a_version_is_told_to_nobody_who_may_not_read() {
    let mut bench = Bench::ruled("match /a/{b} { allow write: if true; }");
    let set = || json!({"set": "a/b", "data": {"n": 1}});
    assert_eq!(bench.commit(json!([set()])), Ok(1));
    let told: Vec<_> = [0, 1, 2]
        .into_iter()
        .flat_map(|version| {
            let verify = json!({"verify": "a/b", "ifVersion": version});
            [json!([verify]), json!([verify, set()]), json!([set(), verify])]
        })
        .map(|writes| refused(bench.commit(writes)))
        .collect();
    let (_, detail) = &told[0];
    assert!(detail.contains("reading a/b is not allowed"), "{detail}");
    assert!(told.iter().all(|one| one == &told[0]), "{told:?}");
}

#[test]
fn an_error_that_depends_on_the_document_is_told_to_nobody_who_may_not_read() {
    let rules = "match /a/{b} { allow write: if true; }";
    let (mut there, mut missing) = (Bench::ruled(rules), Bench::ruled(rules));
    let text = "x".repeat(900_000);
    assert_eq!(there.commit(json!([{"set": "a/b", "data": {"text": text}}])), Ok(1));
    let copy = |to: &str| json!({"op": "copy", "from": "/text", "path": to});
    let writes = || {
        json!([
            {"patch": "a/b", "operations": [copy("/1"), copy("/2"), copy("/3")]},
            {"set": "a/b", "data": {}},
        ])
    };
    let told = refused(there.commit(writes()));
    assert_eq!(told, refused(missing.commit(writes())));
    assert_eq!(told.0, Code::PermissionDenied);
    // What is wrong with new data itself may be told.
    let huge = || json!([{"set": "a/b", "data": {"text": "x".repeat(2_000_000)}}]);
    assert_eq!(refused(there.commit(huge())), refused(missing.commit(huge())));
    assert_eq!(refused(there.commit(huge())).0, Code::ResourceExhausted);
}

proptest! {
    /// One after the other they leave the same data, where none fails.
    #[test]
    fn a_commit_does_what_its_writes_do_one_by_one(
        steps in proptest::collection::vec((0..7_u8, 0..3_u8, -2..3_i64), 1..8),
    ) {
        let write = |(kind, field, n): &(u8, u8, i64)| {
            let field = ["x", "y", "z"][usize::from(*field)];
            match kind {
                0 => json!({"set": "a/b", "data": {field: n}}),
                1 => json!({"merge": "a/b", "data": {field: {"deep": n}}}),
                2 => json!({"update": "a/b", "data": {field: {"$increment": n}}}),
                3 => json!({"update": "a/b", "data": {field: {"$delete": true}}}),
                4 => json!({"patch": "a/b", "operations": [{"op": "add", "path": format!("/{field}"), "value": n}]}),
                5 => json!({"create": "a/b", "data": {field: n}}),
                _ => json!({"delete": "a/b"}),
            }
        };
        let writes: Vec<Value> = steps.iter().map(write).collect();
        let (mut together, mut one_by_one) = (Bench::open(), Bench::open());
        let mut all_done = true;
        for write in &writes {
            all_done = all_done && one_by_one.commit(json!([write])).is_ok();
        }
        let done = together.commit(Value::Array(writes)).is_ok();
        prop_assert_eq!(done, all_done);
        if done {
            prop_assert_eq!(together.data(), one_by_one.data());
        } else {
            prop_assert_eq!(together.store.rows_written(), 0);
        }
    }
}

#[test]
fn a_write_is_done_once_whichever_ways_it_comes() {
    let write = |n: u64| json!({"merge": "a/b", "data": {"n": {"$increment": n}}});
    let framed = |bench: &mut Bench, n: u64, key: Option<&str>| {
        let mut frame = write(n);
        frame["id"] = json!("w");
        if let Some(key) = key {
            frame["idempotencyKey"] = json!(key);
        }
        let text = json!({"write": frame}).to_string();
        let effects = bench.step(Event::Message { text });
        let sent = effects.iter().find_map(|effect| match effect {
            Effect::Send(text) => ServerMessage::parse(text).ok(),
            _ => None,
        });
        match sent {
            Some(ServerMessage::Written { result, .. }) => result.map_err(|error| error.code),
            other => panic!("{other:?}"),
        }
    };
    for frame_first in [false, true] {
        let mut bench = Bench::open();
        let commit = |bench: &mut Bench, n: u64| {
            outcome(&bench.commit_with(json!([write(n)]), false, Some("k"))).map_err(|e| e.code)
        };
        let first =
            if frame_first { framed(&mut bench, 1, Some("k")) } else { commit(&mut bench, 1) };
        assert_eq!(first, Ok(1));
        assert_eq!(framed(&mut bench, 1, None), Ok(2), "another write");
        assert_eq!(commit(&mut bench, 1), Ok(1));
        assert_eq!(framed(&mut bench, 1, Some("k")), Ok(1));
        assert_eq!(framed(&mut bench, 2, Some("k")), Err(Code::InvalidArgument));
        assert_eq!(commit(&mut bench, 2), Err(Code::InvalidArgument));
        assert_eq!(framed(&mut bench, 1, Some("l")), Ok(3));
        assert_eq!(bench.data(), json!({"n": 3}));
    }
    let mut bench = Bench::open();
    let mut refused = |key| {
        let text =
            json!({"write": {"id": "w", "idempotencyKey": key, "update": "a/b", "data": {}}});
        let effects = bench.step(Event::Message { text: text.to_string() });
        let refused =
            |effect: &Effect| matches!(effect, Effect::Send(text) if text.contains("not-found"));
        effects.iter().any(refused)
    };
    assert!(refused("k") && refused("k"), "a refusal is repeated too");
}
