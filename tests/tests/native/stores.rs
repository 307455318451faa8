//! Every store holds to one suite, and the engine behaves the same over each.

use blaze_engine::document::{Document, Effect, Event};
use blaze_engine::idempotency::Idempotency;
use blaze_schema::id::ulid;
use blaze_schema::path::DocumentPath;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::write::Operation;
use blaze_store::memory::MemoryStore;
use blaze_store::{Change, Range, Row, Store, StoreError, suite};
use blaze_tests::random::Random;
use blaze_tests::rusqlite_store::RusqliteStore;
use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A directory whose files are fresh databases.
struct Files {
    directory: TempDir,
    count: usize,
}

impl Files {
    fn new() -> Self {
        Files { directory: tempfile::tempdir().unwrap(), count: 0 }
    }

    fn fresh(&mut self) -> PathBuf {
        self.count += 1;
        self.directory.path().join(format!("{}.sqlite", self.count))
    }
}

/// A store whose file is closed and opened again before every call.
struct Reopened(PathBuf);

impl Store for Reopened {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        RusqliteStore::open(&self.0)?.get(key)
    }

    fn commit(&mut self, changes: &[Change<'_>]) -> Result<(), StoreError> {
        RusqliteStore::open(&self.0)?.commit(changes)
    }

    fn record(&self, key: &[u8]) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        RusqliteStore::open(&self.0)?.record(key)
    }

    fn last_record(&self) -> Result<u64, StoreError> {
        RusqliteStore::open(&self.0)?.last_record()
    }

    fn follow(&self, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError> {
        RusqliteStore::open(&self.0)?.follow(range, limit)
    }

    fn count(&self, range: &Range, limit: u64) -> Result<u64, StoreError> {
        RusqliteStore::open(&self.0)?.count(range, limit)
    }
}

#[test]
fn the_store_in_memory_passes_the_suite() {
    suite::check(MemoryStore::default);
}

#[test]
fn sqlite_in_memory_passes_the_suite() {
    suite::check(|| RusqliteStore::in_memory().unwrap());
}

#[test]
fn sqlite_on_disk_passes_the_suite() {
    let mut files = Files::new();
    suite::check(|| RusqliteStore::open(&files.fresh()).unwrap());
}

#[test]
fn sqlite_on_disk_passes_the_suite_when_it_is_reopened_before_every_call() {
    let mut files = Files::new();
    suite::check(|| Reopened(files.fresh()));
}

#[test]
fn a_read_leaves_no_table_and_a_write_is_one_row_of_one_b_tree() {
    let mut files = Files::new();
    let file = files.fresh();
    let tables = || -> Vec<String> {
        let connection = Connection::open(&file).unwrap();
        let mut statement = connection.prepare("SELECT name FROM sqlite_schema").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let mut store = RusqliteStore::open(&file).unwrap();
    assert_eq!(store.get(b"a"), Ok(None));
    assert_eq!(tables(), Vec::<String>::new());
    store.put_all(&[(b"a", b"1")]).unwrap();
    // A second name here would be an index beside the table: two rows for every row.
    assert_eq!(tables(), ["store"]);
}

#[test]
fn a_failed_write_of_two_rows_leaves_neither() {
    let mut files = Files::new();
    let file = files.fresh();
    RusqliteStore::open(&file).unwrap().put_all(&[(b"a", b"1"), (b"b", b"1")]).unwrap();
    let connection = Connection::open(&file).unwrap();
    // The second row fails after the first was written, as it would on a full disk.
    connection
        .execute_batch(
            "CREATE TEMP TRIGGER full BEFORE UPDATE ON store WHEN new.key = x'62' \
             BEGIN SELECT RAISE(ABORT, 'full'); END",
        )
        .unwrap();
    let mut store = RusqliteStore::over(connection);
    let failure = store.put_all(&[(b"a", b"2"), (b"b", b"2")]).unwrap_err();
    assert!(failure.0.contains("full"), "{failure}");
    assert_eq!(store.get(b"a"), Ok(Some(b"1".to_vec())));

    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let mut store = RusqliteStore::over(Connection::open_with_flags(&file, flags).unwrap());
    assert!(store.put_all(&[(b"a", b"3")]).is_err());
    assert_eq!(store.get(b"a"), Ok(Some(b"1".to_vec())));
}

/// What a document is asked in turn: writes with and without keys, reads, listeners that come back.
fn some_event(random: &mut Random, epoch: &str) -> Event {
    let number = random.below(4);
    let operation = match random.below(6) {
        0 => Operation::set(json!({"n": number, "s": "x".repeat(random.below(3_000))})),
        1 => Operation::merge(json!({"m": {"k": number}, "t": {"$serverTimestamp": true}})),
        2 => Operation::update(json!({"n": {"$increment": number}})),
        3 => Operation::create(json!({"n": number})),
        4 => Operation::patch(json!([{"op": "add", "path": "/p", "value": [number]}])),
        _ => Ok(Operation::Delete),
    };
    let key = format!("key{}", random.below(5));
    let idempotency = random.chance(50).then(|| Idempotency::new(key, &[&[random.below(2) as u8]]));
    match random.below(8) {
        0 => Event::Get { preconditions: Vec::new() },
        1 => Event::Connect { since: Some((random.below(20) as u64, epoch.to_owned())) },
        2 => Event::Connect { since: None },
        _ => Event::Write {
            operation: operation.unwrap(),
            preconditions: Vec::new(),
            idempotency,
            return_data: true,
        },
    }
}

/// The database in `file`, for a test that does not pull plugs.
fn without_fsync(file: &Path) -> RusqliteStore {
    let connection = Connection::open(file).unwrap();
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY").unwrap();
    RusqliteStore::over(connection)
}

/// Effects but for those that depend on what an object remembers of its index.
fn without_outbox(mut effects: Vec<Effect>) -> Vec<Effect> {
    let is_outbox = |effect: &Effect| {
        matches!(effect, Effect::SetAlarm(_) | Effect::Index { .. } | Effect::Await { .. })
    };
    effects.retain(|effect| !is_outbox(effect));
    effects
}

/// The same events on a document over each store: the same effects, whenever either loses its memory.
fn check_mirror(seed: u64, file: &Path) {
    let mut random = Random::new(seed);
    let path = DocumentPath::parse("users/alice").unwrap();
    let (mut memory, mut disk) = (MemoryStore::default(), without_fsync(file));
    let (mut left, mut right) = (Document::new(path.clone()), Document::new(path.clone()));
    let mut epoch: Option<String> = None;
    for step in 0..60 {
        if random.chance(20) {
            left = Document::new(path.clone());
        }
        if random.chance(20) {
            right = Document::new(path.clone());
            disk = without_fsync(file);
        }
        let (now, bits) = (Timestamp::from_micros(1_000_000 * (step + 1)), random.wide());
        // The first event writes a row, and so gives the epoch.
        let event = match &epoch {
            None => Event::Write {
                operation: Operation::set(json!({})).unwrap(),
                preconditions: Vec::new(),
                idempotency: None,
                return_data: true,
            },
            Some(epoch) => some_event(&mut random, epoch),
        };
        epoch = epoch.or_else(|| Some(ulid(now, bits)));
        let effects = without_outbox(left.handle(&mut memory, now, bits, event.clone()));
        let mirrored = without_outbox(right.handle(&mut disk, now, bits, event.clone()));
        assert_eq!(effects, mirrored, "seed {seed}, step {step}: {event:?}");
    }
}

#[test]
fn a_document_does_the_same_over_memory_and_over_a_disk() {
    let mut files = Files::new();
    for seed in 0..20 {
        check_mirror(seed, &files.fresh());
    }
}
