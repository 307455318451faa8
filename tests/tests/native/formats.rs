//! What lies on disks and travels between versions, to the letter. A change here needs a reader of the old form, or a
//! new name for the new one.

use blaze_engine::document::{Document, Effect, Event};
use blaze_engine::http::{Headers, Request, document_request};
use blaze_engine::idempotency::Idempotency;
use blaze_schema::error::{Code, Error};
use blaze_schema::path::{CollectionPath, DocumentPath};
use blaze_schema::timestamp::Timestamp;
use blaze_schema::wire::document::{PING, PONG, SUBPROTOCOL, error_text, pong_text, written_text};
use blaze_schema::write::{Operation, Precondition};
use blaze_store::memory::MemoryStore;
use blaze_store::{Store, sql};
use serde_json::json;

/// A document at 2026-11-21T10:00:00.000001Z.
struct Sample {
    document: Document,
    store: MemoryStore,
}

impl Sample {
    fn new() -> Self {
        let document = Document::new(DocumentPath::parse("users/alice").unwrap());
        Sample { document, store: MemoryStore::default() }
    }

    /// The effects, one a line.
    fn step(&mut self, event: Event) -> String {
        let now = Timestamp::from_micros(1_795_255_200_000_001);
        let effects = self.document.handle(&mut self.store, now, 7, event);
        let text = |effect: &Effect| match effect {
            Effect::Answer(answer) => Some(format!("{answer:?}")),
            Effect::Send(frame) | Effect::Broadcast(frame) => Some(frame.clone()),
            _ => None,
        };
        effects.iter().filter_map(text).collect::<Vec<_>>().join("\n")
    }

    fn write(&mut self, operation: Operation, key: Option<&str>) -> String {
        let preconditions = match &operation {
            Operation::Verify => vec![Precondition::IfVersion(9)],
            _ => Vec::new(),
        };
        let idempotency = key.map(key_of);
        self.step(Event::Write { operation, preconditions, idempotency, return_data: true })
    }

    fn row(&self, key: &[u8]) -> String {
        String::from_utf8(self.store.get(key).unwrap().unwrap()).unwrap()
    }
}

/// Compares with `tests/data/formats/{name}.txt`; `BLAZE_GOLDEN=write` writes that file, for git to show the change.
fn golden(name: &str, actual: &str) {
    let file = format!("{}/data/formats/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var("BLAZE_GOLDEN").is_ok_and(|wish| wish == "write") {
        std::fs::write(&file, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(actual, expected, "{file}");
}

fn key_of(key: &str) -> Idempotency {
    Idempotency::new(key.to_owned(), &[b"set", b"{}"])
}

#[test]
fn a_documents_row_is_pinned() {
    let mut sample = Sample::new();
    sample.write(Operation::set(json!({"a": 1, "b": {"$bytes": "aGk="}})).unwrap(), None);
    sample.write(Operation::update(json!({"a": {"$increment": 0.5}})).unwrap(), None);
    sample.write(Operation::Delete, None);
    let again = json!({"é\n": {"$serverTimestamp": true}});
    sample.write(Operation::set(again).unwrap(), None);
    golden("document_row", &sample.row(b"d"));
}

#[test]
fn an_idempotency_row_is_pinned() {
    let mut sample = Sample::new();
    for (operation, key) in [
        (Operation::set(json!({"a": 1})).unwrap(), "written"),
        (Operation::Verify, "refused"),
        (Operation::Delete, "deleted"),
    ] {
        sample.write(operation, Some(key));
    }
    assert_eq!(key_of("written").row_key(), [b'i', 21, 199]);
    let rows = ["written", "refused", "deleted"].map(|key| sample.row(&key_of(key).row_key()));
    golden("idempotency_rows", &rows.concat());
}

#[test]
fn rows_of_this_form_are_read() {
    let mut sample = Sample::new();
    let row = include_bytes!("../../data/formats/document_row.txt");
    let kept = include_str!("../../data/formats/idempotency_rows.txt");
    let written: String = kept.split_inclusive('\n').take(2).collect();
    let key = key_of("written").row_key();
    sample.store.put_all(&[(b"d", row), (&key, written.as_bytes())]).unwrap();
    let read = sample.step(Event::Get { preconditions: Vec::new() });
    assert!(read.contains("Found { version: 4"), "{read}");
    let again = sample.write(Operation::set(json!({"a": 2})).unwrap(), Some("written"));
    assert!(again.starts_with("Written { created: true, version: 1,"), "{again}");
    let epoch = "01M7YRRT800000000000000007".to_owned();
    let missed = sample.step(Event::Connect { since: Some((2, epoch)) });
    assert!(missed.starts_with(r#"{"type":"delete","base":2,"version":3}"#), "{missed}");
}

#[test]
fn the_table_is_pinned() {
    assert_eq!(
        sql::CREATE,
        "CREATE TABLE IF NOT EXISTS store (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"
    );
}

#[test]
fn frames_are_pinned() {
    let mut sample = Sample::new();
    let mut frames = vec![sample.step(Event::Connect { since: None })];
    let send =
        |sample: &mut Sample, text: &str| sample.step(Event::Message { text: text.to_owned() });
    frames.push(send(
        &mut sample,
        r#"{"write":{"id":"w1","set":"users/alice","data":{"a":[1,"\u00e9"]}}}"#,
    ));
    frames.push(send(&mut sample, r#"{"write":{"id":"w2","create":"users/alice","data":{}}}"#));
    frames.push(send(&mut sample, r#"{"write":{"id":"w3","delete":"users/alice"}}"#));
    frames.push(send(&mut sample, r#"{"ping":3}"#));
    frames.push(send(&mut sample, "[]"));
    frames.push(sample.step(Event::Connect { since: None }));
    let refused = Error::new(Code::FailedPrecondition, "\"why\"");
    frames.extend([error_text(&refused), written_text("w", "a/b", &Err(refused)), pong_text(-1)]);
    frames.extend([PING, PONG, SUBPROTOCOL].map(str::to_owned));
    golden("frames", &frames.join("\n"));
}

#[test]
fn a_refusal_and_a_resource_are_pinned() {
    let refused = Error::new(Code::FailedPrecondition, "\"why\"").with_status(412);
    golden("problem", &refused.to_problem_json());
    let mut sample = Sample::new();
    sample.write(Operation::set(json!({"a": 1})).unwrap(), None);
    let read = Event::Get { preconditions: Vec::new() };
    golden("answer", &sample.step(read));
}

/// Only a key.
struct Keyed;

impl Headers for Keyed {
    fn get(&self, name: &str) -> Option<String> {
        (name == "idempotency-key").then(|| "k".to_owned())
    }
}

#[test]
fn the_id_that_a_key_determines_is_pinned() {
    let request = Request { method: "POST", path: "/v1/docs/users", query: "", headers: &Keyed };
    let collection = CollectionPath::parse("users").unwrap();
    let path = document_request::new_document(&collection, &request, None, String::new).unwrap();
    assert_eq!(path.as_str(), "users/5EBFWAW79M81RMHNDHMAZ3CN4H");
}
