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
                // Until the index is known to have it, there is always an alarm.
                self.index(store, true)
            }
        };
        (self, effects)
    }

    /// What brings the present state to the indexes, unless they are known to have it. With `alarm` one sees to it should this
    /// object's memory be lost.
    fn index(&mut self, store: &impl Store, alarm: bool) -> Vec<Effect> {
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
        if alarm {
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
mod tests;
