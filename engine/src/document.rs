//! The document: one JSON object, its only writer, and the room of those who listen to it.
//!
//! [`Document::handle`] is one step: it may read rows, then it commits at most one change (one call of
//! [`Store::put_all`]), then it says what is to be done. A step that refuses has changed nothing. The object's memory is
//! only a cache of its row, so it may be lost between any two steps.
//!
//! What a step changed has to reach the document's index. The row itself is the outbox: an alarm that is set with the
//! change sends it again unless the index is known to have it, and a write is answered only when it has.

use crate::idempotency::{Idempotency, Slot};
use crate::index::settings::Settings;
use crate::index::{count_entries, row};
use crate::record::Record;
use crate::store::Store;
use blaze_schema::document::document_text;
use blaze_schema::error::{Code, Error};
use blaze_schema::id::ulid;
use blaze_schema::limits::{BODY_BYTES, ENTRIES};
use blaze_schema::message::{
    ClientMessage, delete_text, error_text, patch_text, pong_text, snapshot_text, written_text,
};
use blaze_schema::patch::diff;
use blaze_schema::path::DocumentPath;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::value::{Map, data_to_text};
use blaze_schema::write::{Operation, Precondition};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The key of the document's row.
const ROW: &[u8] = b"d";

/// Records larger than this are read again instead of being kept: the memory of an isolate is shared by all its
/// documents.
const CACHED_BYTES: usize = 128 * 1_024;

/// The alarm looks after the outbox so long after a write, in microseconds: soon enough that the object has not been
/// closed meanwhile, and late enough that one alarm serves many writes.
const OUTBOX_MICROS: i64 = 8_000_000;

/// What happens to a document.
#[derive(Clone, Debug)]
pub enum Event {
    /// Somebody reads it.
    Get {
        /// `If-Match` and `If-None-Match`, in this order.
        preconditions: Vec<Precondition>,
    },
    /// Somebody writes it.
    Write {
        /// The change.
        operation: Operation,
        /// All must hold.
        preconditions: Vec<Precondition>,
        /// Under which key the request may be repeated.
        idempotency: Option<Idempotency>,
        /// Whether the answer holds the data (`Prefer: return=minimal` leaves it out).
        return_data: bool,
    },
    /// A socket opens.
    Connect {
        /// Which version of which epoch it has seen: `?since=…&epoch=…`.
        since: Option<(u64, String)>,
    },
    /// A socket sent a text frame.
    Message {
        /// The frame.
        text: String,
    },
    /// The outcome of an [`Effect::Index`].
    Indexed {
        /// The version that was sent.
        version: u64,
        /// Whether every index has it.
        done: bool,
    },
    /// The alarm rings.
    Alarm,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Ring at this time, instead of at any other. Part of the step's commit.
    SetAlarm(Timestamp),
    /// Tell the document's indexes, and then [`Event::Indexed`]. What is answered and sent by the same step waits until
    /// they have confirmed it, or so long that they will not soon; a broadcast does not.
    Index {
        /// The version that they are told.
        version: u64,
        /// The row that they are to have.
        row: String,
    },
    /// Answer the request.
    Answer(Answer),
    /// Send a frame to the socket that the event came from.
    Send(String),
    /// Send a frame to every socket of the document.
    Broadcast(String),
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// The document.
    Found {
        /// Its version.
        version: u64,
        /// The resource's JSON.
        body: String,
    },
    /// `If-None-Match` names the present version.
    NotModified {
        /// The version.
        version: u64,
    },
    /// The write is done, or there was nothing to change.
    Written {
        /// Whether the document was created by it.
        created: bool,
        /// The version.
        version: u64,
        /// The resource's JSON.
        body: String,
    },
    /// The document does not exist, any more or as before.
    Deleted {
        /// The last version.
        version: u64,
    },
    /// Nothing was done.
    Refused(Error),
}

/// One document.
#[derive(Debug)]
pub struct Document {
    path: DocumentPath,
    settings: Settings,
    cache: Option<Record>,
    outbox: Outbox,
}

/// What is known of the way to the indexes.
#[derive(Clone, Copy, Debug, Default)]
struct Outbox {
    /// The version that they have.
    indexed: Option<u64>,
    /// Whether an alarm is set.
    has_alarm: bool,
}

impl Document {
    /// The document at `path`. Reads nothing yet.
    pub fn new(path: DocumentPath) -> Self {
        Document { path, settings: Settings::default(), cache: None, outbox: Outbox::default() }
    }

    /// The same document under its collection's settings.
    pub fn under(self, settings: Settings) -> Self {
        Document { settings, ..self }
    }

    /// The document's path.
    pub fn path(&self) -> &DocumentPath {
        &self.path
    }

    /// One step. `random` is 128 fresh random bits.
    pub fn handle(
        &mut self,
        store: &mut impl Store,
        now: Timestamp,
        random: u128,
        event: Event,
    ) -> Vec<Effect> {
        let step = Step {
            path: &self.path,
            settings: &self.settings,
            now,
            random,
            record: self.cache.take(),
            outbox: self.outbox,
        };
        let (step, effects) = step.run(store, event);
        self.cache = step.record.filter(|record| record.bytes() <= CACHED_BYTES);
        self.outbox = step.outbox;
        effects
    }
}

struct Step<'a> {
    path: &'a DocumentPath,
    settings: &'a Settings,
    now: Timestamp,
    random: u128,
    record: Option<Record>,
    outbox: Outbox,
}

/// What a write came to.
struct Outcome {
    answer: Answer,
    /// The frame that every listener gets, when something changed.
    frame: Option<String>,
}

impl Step<'_> {
    fn run(mut self, store: &mut impl Store, event: Event) -> (Self, Vec<Effect>) {
        let effects = match event {
            Event::Get { preconditions } => {
                let answer = self.get(store, &preconditions).unwrap_or_else(Answer::Refused);
                vec![Effect::Answer(answer)]
            }
            Event::Write { operation, preconditions, idempotency, return_data } => {
                match self.write(store, operation, &preconditions, idempotency, return_data) {
                    Ok(outcome) => {
                        let mut effects = self.index(store, outcome.frame.is_some());
                        effects.push(Effect::Answer(outcome.answer));
                        effects.extend(outcome.frame.map(Effect::Broadcast));
                        effects
                    }
                    Err(error) => vec![Effect::Answer(Answer::Refused(error))],
                }
            }
            Event::Connect { since } => self.connect(store, since).unwrap_or_else(refusal),
            Event::Message { text } => self.message(store, &text).unwrap_or_else(refusal),
            Event::Indexed { version, done: true } => {
                self.outbox.indexed = self.outbox.indexed.max(Some(version));
                Vec::new()
            }
            Event::Indexed { done: false, .. } => self.set_alarm().into_iter().collect(),
            Event::Alarm => {
                self.outbox.has_alarm = false;
                self.index(store, false)
            }
        };
        (self, effects)
    }

    /// What brings the present state to the indexes, unless they are known to have it. `is_new` when it was written just
    /// now: then the alarm is to see to it should this object's memory be lost.
    fn index(&mut self, store: &impl Store, is_new: bool) -> Vec<Effect> {
        let path = self.path;
        let indexed = self.outbox.indexed;
        let update = match self.load(store) {
            Ok(Some(record))
                if record.version > 0 && indexed.is_none_or(|indexed| indexed < record.version) =>
            {
                let row = row::of(&record.epoch, &resource(path, record, true));
                Effect::Index { version: record.version, row }
            }
            _ => return Vec::new(),
        };
        let mut effects = Vec::with_capacity(4);
        if is_new {
            effects.extend(self.set_alarm());
        }
        effects.push(update);
        effects
    }

    fn set_alarm(&mut self) -> Option<Effect> {
        if self.outbox.has_alarm {
            return None;
        }
        self.outbox.has_alarm = true;
        let at = Timestamp::from_micros(self.now.micros().saturating_add(OUTBOX_MICROS));
        Some(Effect::SetAlarm(at))
    }

    /// The record, from memory or from its row; `None` for a document that was never written nor listened to.
    fn load(&mut self, store: &impl Store) -> Result<Option<&Record>, Error> {
        if self.record.is_none()
            && let Some(row) = store.get(ROW)?
        {
            self.record = Some(Record::from_row(row)?);
        }
        Ok(self.record.as_ref())
    }

    fn get(&mut self, store: &impl Store, preconditions: &[Precondition]) -> Result<Answer, Error> {
        let path = self.path;
        let record = self.load(store)?;
        let present = record.and_then(Record::present_version);
        for precondition in preconditions {
            if let (Precondition::IfNoneMatch(versions), Some(version)) = (precondition, present)
                && versions.contain(present)
            {
                return Ok(Answer::NotModified { version });
            }
            precondition.check(present)?;
        }
        match record {
            Some(record) if record.data.is_some() => {
                Ok(Answer::Found { version: record.version, body: resource(path, record, true) })
            }
            _ => Err(Error::new(Code::NotFound, format!("the document {path} does not exist"))),
        }
    }

    fn write(
        &mut self,
        store: &mut impl Store,
        operation: Operation,
        preconditions: &[Precondition],
        idempotency: Option<Idempotency>,
        return_data: bool,
    ) -> Result<Outcome, Error> {
        let mut slot = None;
        if let Some(request) = idempotency {
            let key = request.row_key();
            let there = Slot::from_row(store.get(&key)?, self.now)?;
            if let Some(answer) = there.find(&request)? {
                return Ok(Outcome { answer, frame: None });
            }
            slot = Some((key, there, request));
        }
        let record = match self.load(store)? {
            Some(record) => record.clone(),
            None => Record::unborn(self.epoch(), self.now),
        };
        let change = match Change::of(record, operation, preconditions, self.now, self.settings) {
            Ok(change) => change,
            Err(error) => {
                // A refusal is an answer too: the request repeated must not be done after all because the document has
                // changed meanwhile. A fault is none.
                if let Some((key, slot, request)) = slot
                    && error.code != Code::Internal
                {
                    let refused = Answer::Refused(error.clone());
                    store.put_all(&[(&key, &slot.to_row_with(request, refused, self.now)?)])?;
                }
                return Err(error);
            }
        };
        let answer = change.answer(self.path, return_data);
        let row = change.frame.as_ref().map(|_| change.record.to_row()).transpose()?;
        let slot_row = match slot {
            Some((key, slot, request)) => {
                Some((key, slot.to_row_with(request, answer.clone(), self.now)?))
            }
            None => None,
        };
        let mut rows: Vec<(&[u8], &[u8])> = Vec::with_capacity(2);
        rows.extend(row.as_ref().map(|row| (ROW, row.as_slice())));
        rows.extend(slot_row.as_ref().map(|(key, row)| (key.as_slice(), row.as_slice())));
        if !rows.is_empty() {
            store.put_all(&rows)?;
        }
        if change.frame.is_some() {
            self.record = Some(change.record);
        }
        Ok(Outcome { answer, frame: change.frame })
    }

    fn connect(
        &mut self,
        store: &mut impl Store,
        since: Option<(u64, String)>,
    ) -> Result<Vec<Effect>, Error> {
        if self.load(store)?.is_none() {
            // The epoch is kept, so that a listener who was here before the document can come back and be served
            // patches. It costs one row, once per document.
            let record = Record::unborn(self.epoch(), self.now);
            store.put_all(&[(ROW, &record.to_row()?)])?;
            self.record = Some(record);
        }
        let Some(record) = &self.record else { return Ok(Vec::new()) };
        let missed = since.and_then(|(version, epoch)| record.frames_since(version, &epoch));
        Ok(match missed {
            Some(frames) => {
                frames.into_iter().map(|frame| Effect::Send(frame.to_owned())).collect()
            }
            None => vec![Effect::Send(snapshot_text(
                &record.epoch,
                record.version,
                record.data.as_deref(),
            ))],
        })
    }

    fn message(&mut self, store: &mut impl Store, text: &str) -> Result<Vec<Effect>, Error> {
        if text.len() > BODY_BYTES {
            let detail = format!("message: {} bytes, of {BODY_BYTES} at most", text.len());
            return Err(Error::new(Code::ResourceExhausted, detail));
        }
        match ClientMessage::parse(text)? {
            ClientMessage::Ping(number) => Ok(vec![Effect::Send(pong_text(number))]),
            ClientMessage::Auth(_) => Ok(Vec::new()),
            ClientMessage::Listen { .. } | ClientMessage::Unlisten(_) => Err(Error::invalid(
                "message: this socket is of one document; targets are listened to on /v1/listen",
            )),
            ClientMessage::Write { id, write } => {
                let outcome = write.and_then(|write| {
                    if &write.path != self.path {
                        let detail = format!(
                            "write: this socket is of {}, not of {}",
                            self.path, write.path
                        );
                        return Err(Error::invalid(detail));
                    }
                    self.write(store, write.operation, &write.preconditions, None, false)
                });
                let (result, frame, mut effects) = match outcome {
                    Ok(Outcome { answer, frame }) => {
                        let effects = self.index(store, frame.is_some());
                        (Ok(version_of(&answer)), frame, effects)
                    }
                    Err(error) => (Err(error), None, Vec::new()),
                };
                effects.push(Effect::Send(written_text(&id, self.path.as_str(), &result)));
                effects.extend(frame.map(Effect::Broadcast));
                Ok(effects)
            }
        }
    }

    fn epoch(&self) -> String {
        ulid(self.now, self.random)
    }
}

fn refusal(error: Error) -> Vec<Effect> {
    vec![Effect::Send(error_text(&error))]
}

fn version_of(answer: &Answer) -> u64 {
    match answer {
        Answer::Found { version, .. }
        | Answer::NotModified { version }
        | Answer::Written { version, .. }
        | Answer::Deleted { version } => *version,
        Answer::Refused(_) => 0,
    }
}

fn resource(path: &DocumentPath, record: &Record, with_data: bool) -> String {
    let data = record.data.as_deref().filter(|_| with_data);
    document_text(
        path,
        record.version,
        &record.create_time.to_string(),
        &record.update_time.to_string(),
        data,
    )
}

/// What a write does to a record.
struct Change {
    record: Record,
    /// The frame for the listeners; `None` when nothing changed.
    frame: Option<String>,
    created: bool,
}

impl Change {
    fn of(
        record: Record,
        operation: Operation,
        preconditions: &[Precondition],
        now: Timestamp,
        settings: &Settings,
    ) -> Result<Self, Error> {
        for precondition in preconditions {
            precondition.check(record.present_version())?;
        }
        if matches!(operation, Operation::Verify) {
            return Ok(Change { record, frame: None, created: false });
        }
        // A document's times never go back, whatever the clock does.
        let now = now.max(record.update_time);
        let old = record.data.as_deref().map(parse_data).transpose()?;
        match (operation.apply(old.as_ref(), now)?, old) {
            (None, None) => Ok(Change { record, frame: None, created: false }),
            (None, Some(_)) => Ok(Change::delete(record, now)),
            (Some(new), old) => Change::set(record, old, new, now, settings),
        }
    }

    fn delete(mut record: Record, now: Timestamp) -> Self {
        let base = record.version;
        record.version = base.saturating_add(1);
        record.update_time = now;
        record.data = None;
        let frame = delete_text(base, record.version);
        record.push_log(&frame);
        Change { record, frame: Some(frame), created: false }
    }

    fn set(
        mut record: Record,
        old: Option<Map>,
        new: Map,
        now: Timestamp,
        settings: &Settings,
    ) -> Result<Self, Error> {
        let new = Value::Object(new);
        let text = data_to_text(&new)?;
        check_entries(&new, &text, settings)?;
        let created = old.is_none();
        let patch = match old {
            None => whole("add", &text),
            Some(old) => {
                let patch = diff(&Value::Object(old), &new);
                if patch.0.is_empty() {
                    return Ok(Change { record, frame: None, created: false });
                }
                let patch = serde_json::to_string(&patch)
                    .map_err(|error| Error::new(Code::Internal, error.to_string()))?;
                let replacement = whole("replace", &text);
                if patch.len() > replacement.len() { replacement } else { patch }
            }
        };
        let base = record.version;
        record.version = base.saturating_add(1);
        record.update_time = now;
        if created {
            record.create_time = now;
        }
        record.data = Some(text);
        let frame = patch_text(base, record.version, &patch);
        record.push_log(&frame);
        Ok(Change { record, frame: Some(frame), created })
    }

    fn answer(&self, path: &DocumentPath, return_data: bool) -> Answer {
        let version = self.record.version;
        match self.record.data {
            Some(_) => Answer::Written {
                created: self.created,
                version,
                body: resource(path, &self.record, return_data),
            },
            None => Answer::Deleted { version },
        }
    }
}

/// Refuses data with more than [`ENTRIES`] index entries. Each takes two bytes of JSON at least, so that most documents
/// need not be looked at.
fn check_entries(data: &Value, text: &str, settings: &Settings) -> Result<(), Error> {
    if text.len() <= ENTRIES.saturating_mul(2) {
        return Ok(());
    }
    let entries = data.as_object().map_or(0, |data| count_entries(data, settings));
    if entries > ENTRIES {
        let detail = format!(
            "data: {entries} index entries, of {ENTRIES} at most; exempt fields that are not queried"
        );
        return Err(Error::new(Code::ResourceExhausted, detail));
    }
    Ok(())
}

/// A patch that puts the whole document in place; `data` is compact JSON.
fn whole(operation: &str, data: &str) -> String {
    format!("[{{\"op\":\"{operation}\",\"path\":\"\",\"value\":{data}}}]")
}

fn parse_data(text: &str) -> Result<Map, Error> {
    serde_json::from_str(text).map_err(|error| {
        Error::new(Code::Internal, format!("the document cannot be read: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;
    use crate::store::{Change as StoreChange, Range, Row, StoreError};
    use blaze_schema::write::Versions;
    use serde_json::json;

    /// A document, its store, and a clock that ticks with every step.
    struct Bench {
        document: Document,
        store: MemoryStore,
        now: i64,
        /// Whether the effects that concern the indexes are looked at.
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
            let is_outbox =
                |effect: &Effect| matches!(effect, Effect::SetAlarm(_) | Effect::Index { .. });
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
            Answer::NotModified { .. } => 304,
            _ => 200,
        }
    }

    fn frames(effects: &[Effect]) -> Vec<String> {
        effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Send(frame) | Effect::Broadcast(frame) => Some(frame.clone()),
                Effect::Answer(_) | Effect::SetAlarm(_) | Effect::Index { .. } => None,
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
            (
                bench.write(Operation::patch(json!([{"op": "remove", "path": "/x"}])), Vec::new()),
                409,
            ),
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
        let first =
            bench.write_with(Operation::create(json!({"n": 1})), Vec::new(), Some(key.clone()));
        bench.set(json!({"n": 2}));
        bench.forget();
        let again = bench.write_with(Operation::create(json!({"n": 1})), Vec::new(), Some(key));
        assert_eq!(answer(&again), answer(&first));
        assert_eq!(frames(&again), Vec::<String>::new());
        let other = Idempotency::new("k".to_owned(), &[b"other body"]);
        assert_eq!(
            status(&bench.write_with(Operation::set(json!({})), Vec::new(), Some(other))),
            422
        );
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

        fn scan(&self, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError> {
            self.0.scan(range, limit)
        }

        fn follow(&self, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError> {
            self.0.follow(range, limit)
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

    /// What a step tells the outside, in short.
    fn told(effects: &[Effect]) -> String {
        let short = |effect: &Effect| match effect {
            Effect::SetAlarm(at) => format!("alarm {}", at.micros() / 1_000_000),
            Effect::Index { version, .. } => format!("index {version}"),
            Effect::Answer(Answer::Refused(_)) => "refused".to_owned(),
            Effect::Answer(_) => "answer".to_owned(),
            Effect::Send(_) => "send".to_owned(),
            Effect::Broadcast(_) => "broadcast".to_owned(),
        };
        effects.iter().map(short).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_change_goes_to_the_index_before_it_is_answered_and_an_alarm_looks_after_it() {
        let mut bench = Bench::with_outbox();
        assert_eq!(told(&bench.set(json!({"n": 1}))), "alarm 10, index 1, answer, broadcast");
        assert_eq!(
            told(&bench.set(json!({"n": 2}))),
            "index 2, answer, broadcast",
            "one alarm serves both"
        );
        // What changes nothing is answered at once only when the index is known to have the present version.
        assert_eq!(told(&bench.set(json!({"n": 2}))), "index 2, answer");
        assert_eq!(told(&bench.step(Event::Indexed { version: 2, done: true })), "");
        assert_eq!(told(&bench.step(Event::Indexed { version: 1, done: true })), "");
        assert_eq!(told(&bench.set(json!({"n": 2}))), "answer");
        assert_eq!(told(&bench.step(Event::Alarm)), "");
        assert_eq!(told(&bench.set(json!({"n": 3}))), "alarm 17, index 3, answer, broadcast");
        assert_eq!(told(&bench.step(Event::Alarm)), "index 3");
        assert_eq!(told(&bench.step(Event::Indexed { version: 3, done: false })), "alarm 19");
        assert_eq!(told(&bench.step(Event::Indexed { version: 3, done: false })), "");
    }

    #[test]
    fn an_object_without_memory_sends_what_it_has_when_the_alarm_rings() {
        let mut bench = Bench::with_outbox();
        assert_eq!(told(&bench.step(Event::Alarm)), "");
        bench.set(json!({"n": 1}));
        let path = bench.document.path().clone();
        bench.document = Document::new(path.clone());
        let effects = bench.step(Event::Alarm);
        let [Effect::Index { version: 1, row }] = effects.as_slice() else { panic!("{effects:?}") };
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
        assert_eq!(
            status(&bench.set(json!({"a": vec![0; 3 * ENTRIES]}))),
            200,
            "equal ones are one"
        );
        let collections =
            crate::index::settings::Collections::parse(r#"{"users":{"exempt":["a"]}}"#);
        bench.document =
            Document::new(bench.document.path().clone()).under(collections.unwrap().of("users"));
        assert_eq!(status(&bench.set(array(ENTRIES))), 200);
    }
}
