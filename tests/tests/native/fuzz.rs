//! Random input to everything that reads what strangers send. Nothing may panic, what was accepted is in canonical form
//! and within the limits, and what was written can be read.
//!
//! `BLAZE_FUZZ_CASES` is how many cases are tried, all targets together; `BLAZE_FUZZ_SEED` repeats one.

use blaze_engine::document::{Answer, Document, Effect, Event, Stage};
use blaze_engine::http::reply::Reply;
use blaze_engine::http::route::{Route, route};
use blaze_engine::http::{Headers, Request, document_request};
use blaze_engine::idempotency::Idempotency;
use blaze_schema::commit;
use blaze_schema::error::Problem;
use blaze_schema::field_path::FieldPath;
use blaze_schema::limits::{
    DOCUMENT_BYTES, DOCUMENT_DEPTH, FIELD_PATH_KEYS, PATH_BYTES, PATH_SEGMENTS, ROW_BYTES,
};
use blaze_schema::patch::{self, apply_trusted, diff};
use blaze_schema::path::{DocumentPath, Path, check_id};
use blaze_schema::timestamp::Timestamp;
use blaze_schema::transform::resolve_map;
use blaze_schema::value::{Map, Transforms, check_data, check_value, data_to_text, depth};
use blaze_schema::value_order::compare;
use blaze_schema::wire::document::{ClientMessage, ServerMessage, base_of};
use blaze_schema::write::{Operation, Write};
use blaze_store::memory::MemoryStore;
use blaze_store::{Change, Range, Row, Store, StoreError};
use blaze_tests::generate;
use blaze_tests::random::Random;
use serde_json::{Value, json};
use std::any::Any;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{SystemTime, UNIX_EPOCH};

/// Cases of all targets together, unless the environment says otherwise.
const CASES: u64 = 20_000;
/// How many targets share them.
const TARGETS: u64 = 11;

fn environment(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")))
}

/// Tries a target with its share of the cases, each of its own seed. A usual run tries the same ones every time; a long
/// one others every time.
fn fuzz(name: &str, target: fn(&mut Random)) {
    if let Some(seed) = environment("BLAZE_FUZZ_SEED") {
        return target(&mut Random::new(seed));
    }
    let asked = environment("BLAZE_FUZZ_CASES");
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let first = asked.map_or(0, |_| since_1970.as_nanos() as u64);
    let seeds = (0..asked.unwrap_or(CASES) / TARGETS).map(|case| first.wrapping_add(case));
    if let Some((seed, panic)) = first_panic(seeds, target) {
        eprintln!(
            "\nTo repeat: BLAZE_FUZZ_SEED={seed} cargo test -p blaze-tests --test fuzz -- --exact {name}\n"
        );
        resume_unwind(panic);
    }
}

/// The first seed with which the target panics, and its panic.
fn first_panic(
    seeds: impl IntoIterator<Item = u64>,
    target: fn(&mut Random),
) -> Option<(u64, Box<dyn Any + Send>)> {
    seeds.into_iter().find_map(|seed| {
        let case = catch_unwind(AssertUnwindSafe(|| target(&mut Random::new(seed))));
        case.err().map(|panic| (seed, panic))
    })
}

#[test]
fn a_target_that_panics_is_found_with_its_seed() {
    let target: fn(&mut Random) = |random| {
        if random.bits().is_multiple_of(50) {
            // As a panic, without its noise.
            resume_unwind(Box::new("found"));
        }
    };
    let (seed, panic) = first_panic(0..1_000, target).unwrap();
    assert_eq!(panic.downcast_ref(), Some(&"found"));
    assert!(Random::new(seed).bits().is_multiple_of(50));
    assert!(first_panic(0..seed, target).is_none());
}

#[test]
fn paths() {
    fuzz("paths", |random| {
        let text = generate::path(random);
        let decoded = Path::parse_url(&text);
        for path in [Path::parse(&text), decoded].into_iter().flatten() {
            let (text, url) = match &path {
                Path::Document(path) => (path.as_str(), path.to_url()),
                Path::Collection(path) => (path.as_str(), path.to_url()),
            };
            let segments = text.split('/').count();
            assert!(text.len() <= PATH_BYTES && segments <= PATH_SEGMENTS);
            assert!(text.split('/').all(|id| check_id(id).is_ok()));
            assert_eq!(matches!(path, Path::Document(_)), segments.is_multiple_of(2));
            assert_eq!(Path::parse(text).as_ref(), Ok(&path));
            assert!(url.is_ascii());
            assert_eq!(Path::parse_url(&url), Ok(path));
        }
    });
}

#[test]
fn field_paths() {
    fuzz("field_paths", |random| {
        if let Ok(path) = FieldPath::parse(&generate::field_path(random)) {
            assert!((1..=FIELD_PATH_KEYS).contains(&path.keys().len()));
            assert!(path.overlaps(&path));
            assert_eq!(FieldPath::parse(&path.to_string()), Ok(path));
        }
    });
}

#[test]
fn timestamps() {
    fuzz("timestamps", |random| {
        let text = match random.below(3) {
            0 => generate::text(random),
            1 => generate::mutated(random, "2026-11-21T10:00:00.123456Z"),
            _ => generate::timestamp(random),
        };
        if let Ok(timestamp) = Timestamp::parse(&text) {
            assert!((Timestamp::MIN..=Timestamp::MAX).contains(&timestamp));
            assert_eq!(Timestamp::parse(&timestamp.to_string()), Ok(timestamp));
        }
        let any = Timestamp::from_micros(random.bits() as i64);
        assert_eq!(Timestamp::parse(&any.to_string()), Ok(any));
    });
}

/// A value that was accepted is the same after being accepted again, and is read from its text as it is.
fn assert_canonical(value: &Value, transforms: Transforms) {
    let text = value.to_string();
    let mut again = value.clone();
    check_value(&mut again, transforms, "again").unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(again.to_string(), text, "a second check changes it");
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap().to_string(), text);
    assert!(depth(value) <= DOCUMENT_DEPTH, "{text}");
}

/// A document's data after a write, which must be one that could be written as it is.
fn assert_data(data: Map) {
    let data = Value::Object(data);
    match data_to_text(&data) {
        Ok(text) => {
            assert!(text.len() <= DOCUMENT_BYTES);
            assert_canonical(&data, Transforms::Refused);
        }
        Err(error) => assert!(matches!(error.status, 400 | 413), "{error}"),
    }
}

#[test]
fn values() {
    fuzz("values", |random| {
        let (raw, other) = (generate::value(random), generate::value(random));
        for transforms in [Transforms::Refused, Transforms::WithoutDelete, Transforms::Allowed] {
            let mut value = raw.clone();
            if check_value(&mut value, transforms, "data").is_ok() {
                assert_canonical(&value, transforms);
                assert_eq!(compare(&value, &value), Ordering::Equal);
                assert_eq!(compare(&value, &other), compare(&other, &value).reverse());
            }
            if let Ok(map) = check_data(raw.clone(), transforms, "data") {
                assert_data(resolve_map(map, Timestamp::MAX));
            }
        }
    });
}

/// Data that a document may have.
fn some_data(random: &mut Random) -> Map {
    match check_data(generate::map(random), Transforms::Refused, "data") {
        Ok(data) => data,
        Err(_) => json!({"a": {"b": [1, {"c": "x"}]}, "c": 1}).as_object().cloned().unwrap(),
    }
}

#[test]
fn writes() {
    fuzz("writes", |random| {
        let mut json = generate::write(random);
        if random.chance(30) {
            let text = generate::mutated(random, &json.to_string());
            json = serde_json::from_str(&text).unwrap_or_default();
        }
        let Ok(write) = Write::from_json(json, "write") else { return };
        let present = random.chance(80).then(|| some_data(random));
        if let Ok(Some(data)) = write.operation.apply(present.as_ref(), Timestamp::MIN) {
            assert_data(data);
        }
        if let Ok(Operation::MergePatch(patch)) = Operation::merge_patch(generate::map(random)) {
            let merged = Operation::MergePatch(patch).apply(present.as_ref(), Timestamp::MIN);
            assert_data(merged.unwrap().unwrap());
        }
    });
}

#[test]
fn patches() {
    fuzz("patches", |random| {
        let (old, operations) = (some_data(random), generate::operations(random));
        let Ok(parsed) = patch::parse(operations.clone()) else { return };
        let Ok(new) = patch::apply(old.clone(), &parsed, &mut Default::default()) else { return };
        assert_canonical(&Value::Object(new.clone()), Transforms::Refused);
        assert_diff(old, new);
    });
}

/// Whoever has the old state and gets the difference has the new one, to the letter.
fn assert_diff(old: Map, new: Map) {
    let (old, new) = (Value::Object(old), Value::Object(new));
    let patch = diff(&old, &new);
    let mut state = old.clone();
    apply_trusted(&mut state, &patch).unwrap();
    let (before, after) = (old.to_string(), new.to_string());
    assert_eq!(state.to_string(), after, "the difference from {old}");
    assert_eq!(patch.0.is_empty(), before == after, "{old} and {new}");
}

#[test]
fn differences() {
    fuzz("differences", |random| {
        let old = some_data(random);
        let new = generate::perturbed(random, &Value::Object(old.clone()));
        if let Ok(new) = check_data(new, Transforms::Refused, "data") {
            assert_diff(old, new);
        }
    });
}

#[test]
fn messages() {
    fuzz("messages", |random| {
        let text = generate::json_text(random);
        let _ = ClientMessage::parse(&text);
        let _ = base_of(&text);
        match ServerMessage::parse(&text) {
            Ok(ServerMessage::Patch { base, .. } | ServerMessage::Delete { base, .. }) => {
                assert!(text.contains(&base.to_string()));
            }
            Ok(_) => {}
            Err(error) => assert!(error.detail.len() < 1_000, "{error}"),
        }
    });
}

/// Headers by name.
struct Few(BTreeMap<&'static str, String>);

impl Headers for Few {
    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }
}

/// A few headers, each of some use.
fn some_headers(random: &mut Random) -> Few {
    const HEADERS: [(&str, [&str; 4]); 7] = [
        ("if-match", ["*", "\"1\"", "W/\"2\", \"3\"", "\""]),
        ("if-none-match", ["*", "\"1\"", "W/\"1\"", "1"]),
        ("upgrade", ["websocket", "WebSocket", "h2c", ""]),
        (
            "content-type",
            [
                "application/json",
                "application/merge-patch+json",
                "application/json-patch+json",
                "text/plain",
            ],
        ),
        ("idempotency-key", ["k", "l", "", "\u{7f}"]),
        ("prefer", ["return=minimal", "return=\"minimal\"; x", ",", "wait=9"]),
        ("origin", ["https://a.example", "null", "", "*"]),
    ];
    let mut headers = BTreeMap::new();
    for (name, values) in &HEADERS {
        let sample = *random.pick(values);
        match random.below(10) {
            0 => drop(headers.insert(*name, generate::text(random))),
            1 => drop(headers.insert(*name, generate::mutated(random, sample))),
            2..=6 => drop(headers.insert(*name, sample.to_owned())),
            _ => {}
        }
    }
    Few(headers)
}

/// What is refused is refused in the contract's form.
fn assert_problem(reply: &Reply) {
    assert!((400..=503).contains(&reply.status), "{reply:?}");
    let problem: Problem = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(problem.status, reply.status);
    assert!(!problem.detail.is_empty());
}

#[test]
fn requests() {
    fuzz("requests", |random| {
        let method =
            *random.pick(&["GET", "HEAD", "PUT", "PATCH", "DELETE", "POST", "OPTIONS", "get", "é"]);
        let path = match random.below(8) {
            0 => generate::text(random),
            1 => (*random.pick(&["/", "/health", "/v1/query", "/v1/x", "/v1"])).to_owned(),
            2..=5 => "/v1/docs/users/al%20ice".to_owned(),
            _ => format!("/v1/docs/{}", generate::path(random)),
        };
        let query = match random.below(3) {
            0 => String::new(),
            1 => format!("since={}&epoch=e&merge=true", generate::text(random)),
            _ => generate::mutated(random, "since=3&epoch=a%2Bb+c&merge=true"),
        };
        let headers = some_headers(random);
        let request = Request { method, path: &path, query: &query, headers: &headers };
        let body = match random.below(4) {
            0 => generate::map(random).to_string(),
            1 => generate::operations(random).to_string(),
            _ => generate::json_text(random),
        };
        let mut body = body.into_bytes();
        if random.chance(10) {
            // Not even UTF-8, as like as not.
            body.insert(random.below(body.len()), random.bits() as u8);
        }
        check_request(random, &request, &body);
    });
}

fn check_request(random: &mut Random, request: &Request<'_>, body: &[u8]) {
    let path = match route(request.method, request.path) {
        Err(reply) => return assert_problem(&reply),
        Ok(Route::Create(path)) => {
            match document_request::new_document(&path, request, None, || "id".to_owned()) {
                Ok(path) => path,
                Err(error) => return assert_problem(&error.into()),
            }
        }
        Ok(Route::Document(path)) => path,
        Ok(_) => return,
    };
    if let Err(error) = document_request::connect_event(request) {
        assert_problem(&error.into());
    }
    let event = match document_request::event(request, body) {
        Ok(event) => event,
        Err(error) => return assert_problem(&error.into()),
    };
    let mut world = World::new(path.clone());
    if random.chance(50) {
        world.step(random, set(json!({"a": {"b": 1}, "c": [1, 2]})));
    }
    let effects = world.step(random, event);
    let answer = answer_of(&effects);
    let reply = Reply::of(answer.clone(), &path, request);
    for (name, value) in &reply.headers {
        assert!(!value.chars().any(char::is_control), "{name}: {value:?}");
    }
    match reply.status {
        200 | 201 => drop(serde_json::from_str::<Value>(&reply.body).unwrap()),
        204 | 304 => assert_eq!(reply.body, ""),
        _ => assert_problem(&reply),
    }
}

fn set(data: Value) -> Event {
    Event::Write {
        operation: Operation::set(data).unwrap(),
        preconditions: Vec::new(),
        idempotency: None,
        return_data: true,
    }
}

/// A store that takes no more than the platform does.
#[derive(Default)]
struct Platform(MemoryStore);

impl Store for Platform {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(key)
    }

    fn commit(&mut self, changes: &[Change<'_>]) -> Result<(), StoreError> {
        for change in changes {
            let bytes = match change {
                Change::Put(key, value) | Change::Move { to: key, value, .. } => {
                    key.len() + value.len()
                }
                Change::PutRecord(_, value) => value.len(),
                Change::Delete(_) | Change::DeleteRecord(_) => 0,
            };
            assert!(bytes <= ROW_BYTES + 4_096);
        }
        self.0.commit(changes)
    }

    fn record(&self, key: &[u8]) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        self.0.record(key)
    }

    fn last_record(&self) -> Result<u64, StoreError> {
        self.0.last_record()
    }

    fn follow(&self, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.0.follow(range, limit)
    }

    fn count(&self, range: &Range, limit: u64) -> Result<u64, StoreError> {
        self.0.count(range, limit)
    }
}

/// The answer among the effects.
fn answer_of(effects: &[Effect]) -> &Answer {
    for effect in effects {
        if let Effect::Answer(answer) = effect {
            return answer;
        }
    }
    panic!("{effects:?}")
}

/// A document, and a listener who was there from the start.
struct World {
    path: DocumentPath,
    document: Document,
    store: Platform,
    now: i64,
    /// What the listener has: version, and data as text.
    version: u64,
    held: Value,
}

impl World {
    fn new(path: DocumentPath) -> Self {
        World {
            document: Document::new(path.clone()),
            path,
            store: Platform::default(),
            now: 0,
            version: 0,
            held: Value::Null,
        }
    }

    /// One event; the listener gets what is broadcast, and then has what a read would give.
    fn step(&mut self, random: &mut Random, event: Event) -> Vec<Effect> {
        if random.chance(20) {
            self.document = Document::new(self.path.clone());
        }
        self.now += random.below(3_000_000) as i64 - 500_000;
        let now = Timestamp::from_micros(self.now);
        let rows = self.store.0.rows_written();
        let effects = self.document.handle(&mut self.store, now, random.wide(), event);
        assert!(self.store.0.rows_written() - rows <= 2);
        let answers = effects.iter().filter(|effect| matches!(effect, Effect::Answer(_))).count();
        assert!(answers <= 1, "{effects:?}");
        for effect in &effects {
            match effect {
                Effect::Broadcast(frame) => self.receive(frame),
                Effect::Send(frame) => drop(ServerMessage::parse(frame).unwrap()),
                _ => {}
            }
        }
        let get = Event::Get { preconditions: Vec::new() };
        let read = self.document.handle(&mut self.store, now, 0, get);
        let data = match read.as_slice() {
            [.., Effect::Answer(Answer::Found { version, body })] => {
                assert_eq!(*version, self.version);
                serde_json::from_str::<Value>(body).unwrap()["data"].take()
            }
            _ => Value::Null,
        };
        assert_eq!(self.held.to_string(), data.to_string(), "the listener and a read");
        effects
    }

    fn receive(&mut self, frame: &str) {
        let (base, version) = match ServerMessage::parse(frame).unwrap() {
            ServerMessage::Patch { base, version, patch } => {
                apply_trusted(&mut self.held, &patch).unwrap();
                (base, version)
            }
            ServerMessage::Delete { base, version } => {
                self.held = Value::Null;
                (base, version)
            }
            other => panic!("{other:?}"),
        };
        assert_eq!((base, version), (self.version, self.version + 1));
        self.version = version;
    }
}

#[test]
fn document_writes() {
    fuzz("document_writes", |random| {
        let mut world = World::new(DocumentPath::parse("users/alice").unwrap());
        let mut kept = Kept::new();
        for _ in 0..random.between(2, 10) {
            let json = match random.chance(40) {
                true => {
                    json!({"set": "users/alice", "data": generate::perturbed(random, &world.held)})
                }
                false => generate::write(random),
            };
            let more = (0..random.below(4)).map(|_| generate::write(random));
            let json = Value::Array([json].into_iter().chain(more).collect());
            let key = random.chance(50).then(|| format!("key{}", random.below(3)));
            // The same request again, now and then.
            let again = key.as_ref().and_then(|key| kept.get(key)).filter(|_| random.chance(50));
            let text = again.map_or_else(|| json.to_string(), |(text, _)| text.clone());
            let body = format!("{{\"writes\":{text}}}");
            let Ok(mut writes) = commit::read(body.as_bytes()) else { continue };
            let idempotency = key.clone().map(|key| Idempotency::new(key, &[text.as_bytes()]));
            let event = if writes.len() == 1 {
                let Write { operation, preconditions, .. } = writes.remove(0);
                Event::Write { operation, preconditions, idempotency, return_data: true }
            } else {
                // The Worker takes it apart by document.
                writes.iter_mut().for_each(|write| write.path = world.path.clone());
                Event::Commit { writes, stage: Stage::Alone, idempotency }
            };
            let effects = world.step(random, event);
            if let Some(key) = key {
                check_kept(&mut kept, key, text, &effects);
            }
        }
    });
}

/// Which request, as text, a key was first used with, and its answer.
type Kept = BTreeMap<String, (String, Answer)>;

/// A request repeated gets its first answer and does nothing; another one under its key is refused.
fn check_kept(kept: &mut Kept, key: String, text: String, effects: &[Effect]) {
    let answer = answer_of(effects);
    let Some((first, first_answer)) = kept.get(&key) else {
        kept.insert(key, (text, answer.clone()));
        return;
    };
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Broadcast(_))), "{effects:?}");
    if *first == text {
        assert_eq!(answer, first_answer);
    } else {
        assert!(matches!(answer, Answer::Refused(error) if error.status == 422), "{answer:?}");
    }
}

#[test]
fn document_sockets() {
    fuzz("document_sockets", |random| {
        let mut world = World::new(DocumentPath::parse("users/alice").unwrap());
        for _ in 0..random.between(2, 6) {
            let event = match random.below(4) {
                0 => Event::Connect { since: None },
                1 => {
                    Event::Connect { since: Some((random.below(9) as u64, generate::text(random))) }
                }
                2 => Event::Message { text: generate::json_text(random) },
                _ => {
                    let mut write = generate::write(random);
                    write["id"] = json!(generate::text(random));
                    Event::Message { text: json!({ "write": write }).to_string() }
                }
            };
            world.step(random, event);
        }
    });
}
