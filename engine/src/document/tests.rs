use super::*;
use blaze_schema::limits::{ENTRIES, OUTBOX_MICROS};
use blaze_schema::write::Versions;
use blaze_store::memory::MemoryStore;
use blaze_store::{Change as StoreChange, Range, Row, StoreError};
use serde_json::json;

/// A document, its store, and a clock that ticks with every step.
struct Bench {
    document: Document,
    store: MemoryStore,
    now: i64,
    /// True if the effects that concern the indexes are examined.
    with_outbox: bool,
}

impl Bench {
    fn new() -> Self {
        let document = Document::new(DocumentPath::parse("users/alice").unwrap());
        Bench { document, store: MemoryStore::default(), now: 1_000_000, with_outbox: false }
    }

    fn with_outbox() -> Self {
        Bench { with_outbox: true, ..Bench::new() }
    }

    fn step(&mut self, event: Event) -> Vec<Effect> {
        self.now += 1_000_000;
        let now = Timestamp::from_micros(self.now);
        let mut effects = self.document.handle(&mut self.store, now, 7, event);
        let is_outbox = |effect: &Effect| {
            matches!(effect, Effect::SetAlarm(_) | Effect::Index { .. } | Effect::Await { .. })
        };
        effects.retain(|effect| self.with_outbox || !is_outbox(effect));
        effects
    }

    fn write(
        &mut self,
        operation: Result<Operation, Error>,
        preconditions: Vec<Precondition>,
    ) -> Vec<Effect> {
        self.write_with(operation, preconditions, None)
    }

    fn write_with(
        &mut self,
        operation: Result<Operation, Error>,
        preconditions: Vec<Precondition>,
        idempotency: Option<Idempotency>,
    ) -> Vec<Effect> {
        let operation = operation.unwrap();
        self.step(Event::Write { operation, preconditions, idempotency, return_data: true })
    }

    fn set(&mut self, data: Value) -> Vec<Effect> {
        self.write(Operation::set(data), Vec::new())
    }

    fn get(&mut self) -> Answer {
        answer(&self.step(Event::Get { preconditions: Vec::new() }))
    }

    fn connect(&mut self, since: Option<(u64, &str)>) -> Vec<String> {
        let since = since.map(|(version, epoch)| (version, epoch.to_owned()));
        frames(&self.step(Event::Connect { since }))
    }

    fn forget(&mut self) {
        self.document = Document::new(self.document.path.clone());
    }
}

fn answer(effects: &[Effect]) -> Answer {
    let Some(Effect::Answer(answer)) = effects.first() else { panic!("{effects:?}") };
    answer.clone()
}

fn status(effects: &[Effect]) -> u16 {
    match answer(effects) {
        Answer::Refused(error) => error.status,
        Answer::Written { created: true, .. } => 201,
        Answer::Deleted { .. } => 204,
        Answer::Missing { .. } => 404,
        Answer::NotModified { .. } => 304,
        _ => 200,
    }
}

fn frames(effects: &[Effect]) -> Vec<String> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send(frame) | Effect::Broadcast(frame) => Some(frame.clone()),
            _ => None,
        })
        .collect()
}

fn body(answer: &Answer) -> Value {
    match answer {
        Answer::Found { body, .. } | Answer::Written { body, .. } => {
            serde_json::from_str(body).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_document_is_created_read_changed_and_deleted() {
    let mut bench = Bench::new();
    assert_eq!(status(&bench.step(Event::Get { preconditions: Vec::new() })), 404);
    assert_eq!(status(&bench.set(json!({"n": 1}))), 201);
    let found = body(&bench.get());
    assert_eq!(
        found,
        json!({
            "path": "users/alice", "id": "alice", "version": 1, "data": {"n": 1},
            "createTime": "1970-01-01T00:00:03Z", "updateTime": "1970-01-01T00:00:03Z"
        })
    );
    assert_eq!(status(&bench.set(json!({"n": 2}))), 200);
    let found = body(&bench.get());
    assert_eq!(
        (&found["version"], &found["createTime"]),
        (&json!(2), &json!("1970-01-01T00:00:03Z"))
    );
    assert_eq!(found["updateTime"], json!("1970-01-01T00:00:05Z"));
    assert_eq!(status(&bench.write(Ok(Operation::Delete), Vec::new())), 204);
    assert_eq!(status(&bench.write(Ok(Operation::Delete), Vec::new())), 204);
    assert_eq!(status(&bench.step(Event::Get { preconditions: Vec::new() })), 404);
}

#[test]
fn a_version_goes_on_through_delete_and_recreation() {
    let mut bench = Bench::new();
    bench.set(json!({"n": 1}));
    bench.write(Ok(Operation::Delete), Vec::new());
    bench.forget();
    assert_eq!(status(&bench.set(json!({"n": 2}))), 201);
    let found = body(&bench.get());
    assert_eq!((&found["version"], &found["createTime"]), (&json!(3), &found["updateTime"]));
}

#[test]
fn a_write_that_changes_nothing_keeps_the_version_and_tells_nobody() {
    let mut bench = Bench::new();
    bench.set(json!({"n": 1}));
    let rows = bench.store.rows_written();
    let before = body(&bench.get());
    let effects = bench.set(json!({"n": 1}));
    assert_eq!(frames(&effects), Vec::<String>::new());
    assert_eq!(body(&answer(&effects)), before);
    assert_eq!(bench.store.rows_written(), rows);
}

#[test]
fn a_refused_write_changes_nothing() {
    let mut bench = Bench::new();
    bench.set(json!({"n": 1}));
    let before = (body(&bench.get()), bench.store.rows_written());
    let conditions = |precondition| vec![precondition];
    for (effects, expected) in [
        (bench.write(Operation::create(json!({})), Vec::new()), 409),
        (
            bench.write(
                Operation::set(json!({})),
                conditions(Precondition::IfMatch(Versions::Of(vec![9]))),
            ),
            412,
        ),
        (bench.write(Ok(Operation::Delete), conditions(Precondition::IfVersion(2))), 409),
        (
            bench.write(
                Operation::set(json!({})),
                conditions(Precondition::IfNoneMatch(Versions::Any)),
            ),
            412,
        ),
        (bench.write(Operation::patch(json!([{"op": "remove", "path": "/x"}])), Vec::new()), 409),
        (bench.write(Operation::update(json!({"big": "x".repeat(1 << 20)})), Vec::new()), 413),
    ] {
        assert_eq!((status(&effects), effects.len()), (expected, 1));
    }
    assert_eq!((body(&bench.get()), bench.store.rows_written()), before);
}

#[test]
fn one_row_is_written_by_a_write_and_two_with_an_idempotency_key() {
    let mut bench = Bench::new();
    let rows = |bench: &mut Bench, idempotency| {
        let before = bench.store.rows_written();
        bench.write_with(
            Operation::update(json!({"n": {"$increment": 1}})),
            Vec::new(),
            idempotency,
        );
        bench.store.rows_written() - before
    };
    bench.set(json!({"n": 1}));
    assert_eq!(rows(&mut bench, None), 1);
    let key = Idempotency::new("k".to_owned(), &[b"body"]);
    assert_eq!(rows(&mut bench, Some(key.clone())), 2);
    assert_eq!(rows(&mut bench, Some(key)), 0);
    assert_eq!(body(&bench.get())["data"], json!({"n": 3}));
}

#[test]
fn a_repeated_request_gets_the_first_answer() {
    let mut bench = Bench::new();
    let key = Idempotency::new("k".to_owned(), &[b"body"]);
    let first = bench.write_with(Operation::create(json!({"n": 1})), Vec::new(), Some(key.clone()));
    bench.set(json!({"n": 2}));
    bench.forget();
    let again = bench.write_with(Operation::create(json!({"n": 1})), Vec::new(), Some(key));
    assert_eq!(answer(&again), answer(&first));
    assert_eq!(frames(&again), Vec::<String>::new());
    let other = Idempotency::new("k".to_owned(), &[b"other body"]);
    assert_eq!(status(&bench.write_with(Operation::set(json!({})), Vec::new(), Some(other))), 422);
}

#[test]
fn a_repeated_request_is_refused_again_though_the_document_has_changed() {
    let mut bench = Bench::new();
    let key = Idempotency::new("k".to_owned(), &[b"body"]);
    let update = || Operation::update(json!({"n": 2}));
    let first = bench.write_with(update(), Vec::new(), Some(key.clone()));
    assert_eq!((status(&first), bench.store.rows_written()), (404, 1));
    bench.set(json!({"n": 1}));
    bench.forget();
    assert_eq!(bench.write_with(update(), Vec::new(), Some(key)), first);
    assert_eq!(body(&bench.get())["data"], json!({"n": 1}));
    assert_eq!(status(&bench.write(update(), Vec::new())), 200);
}

#[test]
fn a_listener_gets_a_snapshot_and_every_change() {
    let mut bench = Bench::new();
    let snapshot = bench.connect(None);
    let [snapshot] = snapshot.as_slice() else { panic!("{snapshot:?}") };
    let epoch =
        serde_json::from_str::<Value>(snapshot).unwrap()["epoch"].as_str().unwrap().to_owned();
    assert_eq!(*snapshot, snapshot_text(&epoch, 0, None));
    let mut live = Vec::new();
    live.extend(frames(&bench.set(json!({"n": 1, "s": "x"}))));
    live.extend(frames(&bench.write(Operation::update(json!({"n": 2})), Vec::new())));
    live.extend(frames(&bench.write(Ok(Operation::Delete), Vec::new())));
    assert_eq!(
        live,
        [
            r#"{"type":"patch","base":0,"version":1,"patch":[{"op":"add","path":"","value":{"n":1,"s":"x"}}]}"#,
            r#"{"type":"patch","base":1,"version":2,"patch":[{"op":"replace","path":"/n","value":2}]}"#,
            r#"{"type":"delete","base":2,"version":3}"#,
        ]
    );
    bench.forget();
    assert_eq!(bench.connect(Some((0, &epoch))), live);
    assert_eq!(bench.connect(Some((2, &epoch))), live[2..]);
    assert_eq!(bench.connect(Some((3, &epoch))), Vec::<String>::new());
    let snapshot = [snapshot_text(&epoch, 3, None)];
    assert_eq!(bench.connect(Some((3, "another"))), snapshot);
    assert_eq!(bench.connect(Some((4, &epoch))), snapshot);
}

#[test]
fn a_patch_larger_than_the_document_is_sent_as_the_document() {
    let mut bench = Bench::new();
    let data = |value: i64| -> Value {
        (0..9).map(|n| (format!("f{n}"), json!(value))).collect::<Map>().into()
    };
    bench.set(data(1));
    let sent = frames(&bench.set(data(2)));
    assert!(
        sent[0].contains(r#""patch":[{"op":"replace","path":"","value":{"f0":2"#),
        "{}",
        sent[0]
    );
}

#[test]
fn a_socket_writes_and_is_answered_before_the_patch() {
    let mut bench = Bench::new();
    let send = |bench: &mut Bench, text: &str| {
        let effects = bench.step(Event::Message { text: text.to_owned() });
        (frames(&effects), effects)
    };
    let (sent, effects) =
        send(&mut bench, r#"{"write":{"id":"w1","set":"users/alice","data":{"n":1}}}"#);
    assert_eq!(sent[0], r#"{"id":"w1","result":{"path":"users/alice","version":1}}"#);
    assert!(matches!(effects.as_slice(), [Effect::Send(_), Effect::Broadcast(_)]));
    for (text, code) in [
        (r#"{"write":{"id":"w2","set":"users/bob","data":{}}}"#, "invalid-argument"),
        (r#"{"write":{"id":"w3","create":"users/alice","data":{}}}"#, "already-exists"),
        (
            r#"{"write":{"id":"w4","set":"users/alice","data":{},"ifVersion":9}}"#,
            "failed-precondition",
        ),
        (r#"{"write":{"id":"w5","set":"users/alice"}}"#, "invalid-argument"),
        (r#"{"listen":{"target":1}}"#, "invalid-argument"),
        ("nonsense", "invalid-argument"),
    ] {
        let (sent, effects) = send(&mut bench, text);
        assert!(matches!(effects.as_slice(), [Effect::Send(_)]));
        assert!(sent[0].contains(code), "{}", sent[0]);
    }
    assert_eq!(send(&mut bench, r#"{"ping":5}"#).0, [r#"{"pong":5}"#]);
    assert_eq!(body(&bench.get())["version"], json!(1));
}

#[test]
fn times_never_go_back() {
    let mut bench = Bench::new();
    bench.set(json!({"n": 1}));
    bench.now = 0;
    let effects = bench.set(json!({"n": {"$serverTimestamp": true}}));
    assert_eq!(body(&answer(&effects))["updateTime"], json!("1970-01-01T00:00:02Z"));
}

/// A store whose disk is full.
struct Full(MemoryStore);

impl Store for Full {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(key)
    }

    fn commit(&mut self, _: &[StoreChange<'_>]) -> Result<(), StoreError> {
        Err(StoreError("full".to_owned()))
    }

    fn record(&self, key: &[u8]) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        self.0.record(key)
    }

    fn follow(&self, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.0.follow(range, limit)
    }

    fn last_record(&self) -> Result<u64, StoreError> {
        self.0.last_record()
    }

    fn count(&self, range: &Range, limit: u64) -> Result<u64, StoreError> {
        self.0.count(range, limit)
    }
}

#[test]
fn a_write_that_cannot_be_stored_is_not_answered_as_done_and_not_remembered() {
    let mut bench = Bench::new();
    bench.set(json!({"n": 1}));
    let mut full = Full(bench.store.clone());
    let write = Event::Write {
        operation: Operation::set(json!({"n": 2})).unwrap(),
        preconditions: Vec::new(),
        idempotency: None,
        return_data: true,
    };
    let effects = bench.document.handle(&mut full, Timestamp::from_micros(9), 7, write);
    assert_eq!((status(&effects), effects.len()), (500, 1));
    assert_eq!(body(&bench.get())["data"], json!({"n": 1}));
}

#[test]
fn a_large_document_is_not_kept_in_memory() {
    let mut bench = Bench::new();
    bench.set(json!({"n": "x".repeat(CACHED_BYTES)}));
    assert!(bench.document.cache.is_none());
    assert_eq!(body(&bench.get())["version"], json!(1));
    bench.set(json!({"n": 1}));
    bench.set(json!({"n": 2}));
}

/// Summarizes the effects that the outside sees of a step.
fn told(effects: &[Effect]) -> String {
    let short = |effect: &Effect| match effect {
        Effect::SetAlarm(at) => format!("alarm {}", at.micros() / 1_000_000),
        Effect::Index { version, .. } => format!("index {version}"),
        Effect::Answer(Answer::Refused(_)) => "refused".to_owned(),
        Effect::Answer(_) => "answer".to_owned(),
        Effect::Send(_) => "send".to_owned(),
        Effect::Broadcast(_) => "broadcast".to_owned(),
        Effect::Admit { .. } => "admit".to_owned(),
        Effect::Lookup(_) => "lookup".to_owned(),
        Effect::Identify { .. } => "identify".to_owned(),
        Effect::Close { code } => format!("close {code}"),
        Effect::End { code, .. } => format!("end {code}"),
        Effect::Audit { act, .. } => format!("audit {act}"),
        Effect::Await { version } => format!("await {version}"),
        Effect::Log(_) => "log".to_owned(),
    };
    effects.iter().map(short).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_change_goes_to_the_index_before_it_is_answered_and_an_alarm_looks_after_it() {
    let mut bench = Bench::with_outbox();
    assert_eq!(told(&bench.set(json!({"n": 1}))), "alarm 10, index 1, answer, broadcast");
    assert_eq!(10, bench.now / 1_000_000 + OUTBOX_MICROS / 1_000_000);
    assert_eq!(
        told(&bench.set(json!({"n": 2}))),
        "index 2, answer, broadcast",
        "one alarm serves both"
    );
    // What changes nothing is answered at once only when the index is known to have the present version.
    assert_eq!(told(&bench.set(json!({"n": 2}))), "await 2, answer");
    assert_eq!(told(&bench.step(Event::Indexed { version: 2, done: true })), "");
    assert_eq!(told(&bench.step(Event::Indexed { version: 1, done: true })), "");
    assert_eq!(told(&bench.set(json!({"n": 2}))), "answer");
    assert_eq!(told(&bench.step(Event::Alarm)), "");
    assert_eq!(told(&bench.set(json!({"n": 3}))), "alarm 17, index 3, answer, broadcast");
    assert_eq!(told(&bench.step(Event::Alarm)), "alarm 18, index 3");
    assert_eq!(told(&bench.step(Event::Indexed { version: 3, done: false })), "");
}

#[test]
fn nobody_is_shown_a_state_before_the_indexes_have_it() {
    let get = || Event::Get { preconditions: Vec::new() };
    let connect = || Event::Connect { since: None };
    let ping = |number| Event::Message { text: format!(r#"{{"ping":{number}}}"#) };
    let mut bench = Bench::with_outbox();
    assert_eq!(told(&bench.step(get())), "answer", "there is no state");
    bench.set(json!({"n": 1}));
    assert_eq!(told(&bench.step(get())), "await 1, answer");
    assert_eq!(told(&bench.step(connect())), "admit, await 1, send");
    assert_eq!(told(&bench.step(ping(1))), "await 1, send", "a pong comes after the frames");
    bench.step(Event::Indexed { version: 1, done: true });
    assert_eq!(told(&bench.step(get())), "answer");
    assert_eq!(told(&bench.step(connect())), "admit, send");
    assert_eq!(told(&bench.step(ping(1))), "send");
    bench.set(json!({"n": 2}));
    bench.step(Event::Indexed { version: 2, done: false });
    assert_eq!(told(&bench.step(get())), "index 2, answer", "they are told again");
    let missing = Event::Get { preconditions: vec![Precondition::IfMatch(Versions::Any)] };
    assert_eq!(told(&bench.step(missing)), "await 2, answer");
}

#[test]
fn an_object_that_wakes_without_an_alarm_has_told_its_indexes() {
    let mut bench = Bench::with_outbox();
    bench.set(json!({"n": 1}));
    let path = bench.document.path.clone();
    let woken = |alarm| Document::new(path.clone()).with_alarm(alarm);
    let get = || Event::Get { preconditions: Vec::new() };
    bench.forget();
    assert_eq!(told(&bench.step(get())), "index 1, answer", "nothing is known of an alarm");
    bench.document = woken(Some(Timestamp::from_micros(20_000_000)));
    assert_eq!(told(&bench.step(get())), "index 1, answer");
    bench.document = woken(None);
    assert_eq!(told(&bench.step(get())), "answer");
    assert_eq!(told(&bench.set(json!({"n": 2}))), "alarm 14, index 2, answer, broadcast");
}

#[test]
fn where_the_indexes_are_told_in_the_transaction_an_alarm_is_only_for_what_they_were_not_told() {
    let mut bench = Bench::with_outbox();
    bench.document = Document::new(bench.document.path.clone()).with_alarm(None).atomic();
    let step = bench.set(json!({"n": 1}));
    assert!(!step.iter().any(|effect| matches!(effect, Effect::SetAlarm(_))), "{}", told(&step));
    let now = Timestamp::from_micros(1_000_000);
    assert_eq!(bench.document.secure(now), Some(now.after(OUTBOX_MICROS)));
    assert_eq!(bench.document.secure(now), None, "it is set");
    bench.step(Event::Alarm);
    bench.step(Event::Indexed { version: 1, done: true });
    assert_eq!(bench.document.secure(now), None, "they were told");
}

#[test]
fn an_object_without_memory_sends_what_it_has_when_the_alarm_rings() {
    let mut bench = Bench::with_outbox();
    assert_eq!(told(&bench.step(Event::Alarm)), "");
    bench.set(json!({"n": 1}));
    let path = bench.document.path.clone();
    bench.document = Document::new(path.clone());
    let effects = bench.step(Event::Alarm);
    let [Effect::SetAlarm(_), Effect::Index { version: 1, row }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    let (epoch, resource) = row.split_once('\n').unwrap();
    assert_eq!(epoch.len(), 26);
    let document: blaze_schema::document::Document = serde_json::from_str(resource).unwrap();
    assert_eq!((document.path.as_str(), document.version), (path.as_str(), 1));
    assert_eq!(Value::from(document.data.unwrap()), json!({"n": 1}));
    bench.document = Document::new(path);
    let delete = Event::Write {
        operation: Operation::Delete,
        preconditions: Vec::new(),
        idempotency: None,
        return_data: true,
    };
    let effects = bench.step(delete);
    let Some(Effect::Index { version: 2, row }) = effects.get(1) else { panic!("{effects:?}") };
    assert!(!row.contains("data"), "{row}");
}

#[test]
fn index_entries_are_limited() {
    let array = |elements: usize| json!({"a": (0..elements).collect::<Vec<_>>()});
    let mut bench = Bench::new();
    // One entry is the array's own.
    assert_eq!(status(&bench.set(array(ENTRIES - 1))), 201);
    assert_eq!(status(&bench.set(array(ENTRIES))), 413);
    assert_eq!(status(&bench.set(json!({"a": vec![0; 3 * ENTRIES]}))), 200, "equal ones are one");
    let collections = crate::index::settings::Collections::parse(r#"{"users":{"exempt":["a"]}}"#);
    bench.document =
        Document::new(bench.document.path.clone()).under(collections.unwrap().of("users"));
    assert_eq!(status(&bench.set(array(ENTRIES))), 200);
}

#[test]
fn data_must_be_as_the_collections_schema_says_whichever_way_it_is_written() {
    let collections = r#"{"users": {"schema": {
        "type": "object", "required": ["name"], "additionalProperties": false,
        "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 18}}}}}"#;
    let settings = crate::index::settings::Collections::parse(collections).unwrap().of("users");
    let mut bench = Bench::new();
    bench.document = Document::new(DocumentPath::parse("users/alice").unwrap()).under(settings);
    let effects = bench.set(json!({"age": 17, "name": "A"}));
    let Answer::Refused(error) = answer(&effects) else { panic!("{effects:?}") };
    assert_eq!((error.status, error.detail.as_str()), (400, "age: 17 is less than 18"));
    assert_eq!(status(&bench.step(Event::Get { preconditions: Vec::new() })), 404);
    assert_eq!(status(&bench.set(json!({"name": "A", "age": 18}))), 201);
    for operation in [
        Operation::merge(json!({"age": {"$increment": -1}})),
        Operation::update(json!({"name": {"$delete": true}})),
        Operation::merge_patch(json!({"other": 1})),
        Operation::patch(json!([{"op": "replace", "path": "/name", "value": 1}])),
    ] {
        let effects = bench.write(operation, Vec::new());
        assert_eq!(status(&effects), 400, "{effects:?}");
    }
    assert_eq!(body(&bench.get())["data"], json!({"name": "A", "age": 18}));
}
