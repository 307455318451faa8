//! What a write costs: rows, bytes on the wire, and work that grows no faster than what was asked.

use blaze_engine::document::{Document, Effect, Event};
use blaze_engine::idempotency::Idempotency;
use blaze_engine::store::memory::MemoryStore;
use blaze_schema::Error;
use blaze_schema::message::ServerMessage;
use blaze_schema::path::DocumentPath;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::write::{Operation, Precondition};
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};

/// A document whose rows are counted.
struct Counted {
    document: Document,
    store: MemoryStore,
}

impl Counted {
    fn new() -> Self {
        let document = Document::new(DocumentPath::parse("users/alice").unwrap());
        Counted { document, store: MemoryStore::default() }
    }

    /// The effects of an event, and the rows that it wrote.
    fn step(&mut self, event: Event) -> (Vec<Effect>, u64) {
        let before = self.store.rows_written();
        let now = Timestamp::from_micros(1_000_000);
        let effects = self.document.handle(&mut self.store, now, 7, event);
        (effects, self.store.rows_written() - before)
    }

    fn write(
        &mut self,
        operation: Result<Operation, Error>,
        key: Option<&str>,
    ) -> (Vec<Effect>, u64) {
        let idempotency = key.map(|key| Idempotency::new(key.to_owned(), &[b"request"]));
        self.step(Event::Write {
            operation: operation.unwrap(),
            preconditions: Vec::new(),
            idempotency,
            return_data: false,
        })
    }

    fn set(&mut self, data: Value) {
        self.write(Operation::set(data), None);
    }
}

#[test]
fn a_write_is_one_row_and_two_with_an_idempotency_key() {
    let mut counted = Counted::new();
    let increment = || Operation::merge(json!({"n": {"$increment": 1}}));
    for number in 0..500 {
        assert_eq!(counted.write(increment(), None).1, 1);
        assert_eq!(counted.write(increment(), Some(&format!("key{number}"))).1, 2);
    }
    assert_eq!(counted.write(Ok(Operation::Delete), None).1, 1);
}

#[test]
fn what_changes_nothing_writes_nothing() {
    let mut counted = Counted::new();
    let connect = || Event::Connect { since: None };
    assert_eq!(counted.step(connect()).1, 1, "the epoch of a document's history, once");
    counted.set(json!({"n": 1}));
    assert_eq!(counted.step(connect()).1, 0);
    assert_eq!(counted.step(Event::Get { preconditions: Vec::new() }).1, 0);
    assert_eq!(counted.write(Operation::set(json!({"n": 1})), None).1, 0, "no change");
    assert_eq!(counted.write(Operation::create(json!({})), None).1, 0, "refused");
    let keyed = |counted: &mut Counted| counted.write(Operation::set(json!({"n": 1})), Some("k")).1;
    assert_eq!(keyed(&mut counted), 1, "the answer is kept");
    assert_eq!(keyed(&mut counted), 0, "and found");
    let (_, rows) = counted.step(Event::Write {
        operation: Operation::Delete,
        preconditions: vec![Precondition::IfVersion(9)],
        idempotency: None,
        return_data: false,
    });
    assert_eq!(rows, 0);
}

#[test]
fn one_changed_field_of_a_large_document_is_a_small_frame() {
    let fields: Map<String, Value> =
        (0..2_000).map(|n| (format!("field{n}"), json!("x".repeat(40)))).collect();
    let large = Value::Object(fields);
    assert!(large.to_string().len() > 100_000);
    let mut counted = Counted::new();
    counted.set(large);
    let (effects, _) = counted.write(Operation::update(json!({"field1234": "y"})), None);
    let Some(Effect::Broadcast(frame)) = effects.last() else { panic!("{effects:?}") };
    let ServerMessage::Patch { patch, .. } = ServerMessage::parse(frame).unwrap() else {
        panic!("{frame}");
    };
    assert_eq!(patch.0.len(), 1);
    assert!(frame.len() < 200, "{} bytes", frame.len());
}

/// The time that writing takes. A bound on it is a bound on how the work grows, so it is wide: tens of times what was
/// measured, and a tenth of what the square took.
fn time_of(present: Value, write: Value) -> Duration {
    let mut counted = Counted::new();
    counted.set(present);
    let started = Instant::now();
    counted.write(Operation::update(write), None);
    started.elapsed()
}

#[test]
fn unions_and_removals_of_long_arrays_take_no_square_of_time() {
    let numbers = |range: std::ops::Range<i64>| range.map(Value::from).collect::<Value>();
    for (name, write) in [
        ("union", json!({"a": {"$arrayUnion": numbers(50_000..90_000)}})),
        ("removal", json!({"a": {"$arrayRemove": numbers(50_000..90_000)}})),
    ] {
        let time = time_of(json!({"a": numbers(0..40_000)}), write);
        println!("{name} {time:?}");
        assert!(time < Duration::from_secs(5), "{name} took {time:?}");
    }
}
