//! What a write costs: rows in the document and in the index, bytes on the wire, and work that grows no faster than what
//! was asked.

use blaze_engine::document::{Document, Effect, Event};
use blaze_engine::idempotency::Idempotency;
use blaze_schema::Error;
use blaze_schema::path::DocumentPath;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::wire::document::ServerMessage;
use blaze_schema::write::{Operation, Precondition};
use blaze_store::memory::MemoryStore;
use blaze_tests::client::{Call, JSON, Reply};
use blaze_tests::server::TestServer;
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
    assert_eq!(
        counted.step(connect()).1,
        0,
        "the sockets keep the epoch of what was never written"
    );
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

/// The number in a header; 0 without it.
fn number(reply: &Reply, header: &str) -> u64 {
    reply.header(header).map_or(0, |value| value.parse().expect("a number"))
}

/// Sends a write that changes so many indexed values, and holds its rows against what they may be. `document` is what
/// the document's own object may write.
fn check_rows(call: Call<'_>, what: &str, values: u64, document: u64) {
    let reply = call.send();
    assert!(reply.status < 300, "{what}: {}", reply.text());
    let own = number(&reply, "blaze-rows-written");
    assert!(own <= document, "{what}: {own} rows of the document");
    let rows = number(&reply, "blaze-index-rows-written");
    assert_eq!(rows > 0, values > 0, "{what}: {rows} rows");
    let most = if values == 0 { 0 } else { 1 + 2 * values };
    assert!(rows <= most, "{what}: {rows} rows for {values} values");
}

#[test]
fn the_index_writes_a_row_and_two_for_every_value_that_changed() {
    let server = TestServer::start_with_collections(&json!({
        "declared": {"indexes": [["a", "-b"], ["tags[]", "a"]], "exempt": ["body"], "group": true},
    }));
    let client = server.client();
    let path = |collection: &str| format!("/v1/docs/{collection}/alice");
    // Whoever is first makes the tables: two rows each.
    for collection in ["plain", "declared"] {
        let put = |id: &str| client.put(&format!("/v1/docs/{collection}/{id}"), &json!({})).send();
        put("first").expect(201);
        let reply = client.put(&path(collection), &json!({"a": 0})).send().expect(201);
        assert!(number(&reply, "blaze-rows-written") <= 4, "a row, its table, an alarm");
        client.delete(&path(collection)).send().expect(204);
    }
    // A document's row, and its alarm at times.
    let own = 2;
    let plain = path("plain");
    let data = json!({"a": 1, "b": "x", "c": [1, 2, 3], "d": {"e": true, "f": null}});
    // a, b, c, its three elements, d, d.e, d.f
    check_rows(client.put(&plain, &data), "created again", 9, own);
    let update = |change: Value| client.patch(&plain, JSON, &change);
    check_rows(update(json!({"a": 2})), "one number", 1, own);
    check_rows(update(json!({"a": "two"})), "another type", 1, own);
    check_rows(update(json!({"a": 3, "b": "y"})), "two values", 2, own);
    check_rows(update(json!({"c": {"$arrayUnion": [4]}})), "an element, and its array", 2, own);
    check_rows(update(json!({"c": {"$arrayRemove": [1, 2]}})), "two elements fewer", 3, own);
    check_rows(update(json!({"d.e": false})), "in a map, which is a value itself", 2, own);
    check_rows(update(json!({"d.g": 5, "d.e": {"$delete": true}})), "one for another", 3, own);
    check_rows(update(json!({"a": {"$delete": true}})), "one value fewer", 1, own);
    check_rows(update(json!({"a": 1})), "one more", 1, own);
    check_rows(client.put(&plain, &client.data(&plain)), "nothing", 0, 0);
    check_rows(client.put(&plain, &json!({"z": 1})), "others", 9, own);
    check_rows(client.delete(&plain), "deleted", 1, own);
    check_rows(client.delete(&plain), "deleted again", 0, 0);
    check_rows(client.put(&plain, &json!({"z": 1})), "created again", 1, own);
    let keyed = update(json!({"z": 2})).header("idempotency-key", "k");
    check_rows(keyed.clone(), "with a key", 1, own + 1);
    check_rows(keyed, "the same again", 0, 0);
    // Two indexes, each with a row of the document; entries of two fields each; and none of what is exempt.
    let declared = path("declared");
    let data =
        json!({"a": 1, "b": 2, "tags": ["x", "y"], "body": {"text": "long", "words": [1, 2, 3]}});
    // In both: a, b, tags, its two elements, a and b, each element and a.
    let all = 2 * (2 + 3 + 1 + 2);
    check_rows(client.put(&declared, &data), "created again, declared", all, own);
    let update = |change: Value| client.patch(&declared, JSON, &change);
    check_rows(update(json!({"b": 3})), "one of two fields", 2 * 2, own);
    check_rows(update(json!({"a": 3})), "the one that both have", 2 * 4, own);
    let reply = update(json!({"body.text": "longer", "body.words": []})).send().expect(200);
    assert_eq!(number(&reply, "blaze-index-rows-written"), 2, "the document in both, and no entry");
    check_rows(client.delete(&declared), "deleted, declared", all, own);
}
