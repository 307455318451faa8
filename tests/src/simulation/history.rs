//! Every state that a document ever had, read from its row after every step: the judge of what anybody else says.

use blaze_engine::document::{Answer, Document, Effect, Event};
use blaze_engine::http::reply::Reply;
use blaze_engine::record::Record;
use blaze_schema::path::DocumentPath;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::wire::document::ServerMessage;
use blaze_store::Store;
use blaze_store::memory::MemoryStore;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::mem;

/// What a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It made this version.
    Made(u64),
    /// It found the document at this version, and nothing to change.
    Found(u64),
}

impl Fate {
    /// The version since which the document holds the write.
    pub(super) fn version(self) -> u64 {
        match self {
            Fate::Made(version) | Fate::Found(version) => version,
        }
    }
}

/// One history of a document.
#[derive(Default)]
pub(super) struct Epoch {
    pub(super) name: String,
    /// Data by version, `Null` when the document does not exist; from 0 on, without a gap.
    states: Vec<Value>,
    /// What was done, by idempotency key.
    fates: BTreeMap<String, Fate>,
    /// The object lost it all: only what somebody else holds is left.
    wiped: bool,
}

impl Epoch {
    pub(super) fn version(&self) -> u64 {
        self.states.len().saturating_sub(1) as u64
    }

    /// The data at `version`, if there was one.
    pub(super) fn state(&self, version: u64) -> Option<&Value> {
        self.states.get(usize::try_from(version).ok()?)
    }
}

/// All histories of a document, the present one last. There is a second one only after a wipe.
#[derive(Default)]
pub(super) struct History {
    epochs: Vec<Epoch>,
    /// Writes that were done when there was nothing to delete, and not even a history.
    early: BTreeMap<String, Fate>,
}

impl History {
    /// Everything that the object stored is gone. The next that it stores is another history.
    pub(super) fn wipe(&mut self) {
        let early = mem::take(&mut self.early);
        if self.epochs.is_empty() {
            self.epochs.push(Epoch::default());
        }
        if let Some(epoch) = self.epochs.last_mut() {
            epoch.fates.extend(early);
            epoch.wiped = true;
        }
    }

    /// The present one; `None` before the document's object wrote anything.
    pub(super) fn present(&self) -> Option<&Epoch> {
        self.epochs.last()
    }

    pub(super) fn epoch(&self, name: &str) -> Option<&Epoch> {
        self.epochs.iter().find(|epoch| epoch.name == name)
    }

    /// Whether the object lost its history and has not begun another: what indexes know is of one that nobody has.
    pub(super) fn is_lost(&self) -> bool {
        self.is_rewritten()
            && self.present().is_none_or(|epoch| epoch.wiped || epoch.version() == 0)
    }

    /// Whether history was ever rewritten.
    pub(super) fn is_rewritten(&self) -> bool {
        self.epochs.iter().any(|epoch| epoch.wiped)
    }

    pub(super) fn fate(&self, key: &str) -> Option<Fate> {
        let late = self.epochs.iter().rev().find_map(|epoch| epoch.fates.get(key));
        late.or_else(|| self.early.get(key)).copied()
    }

    /// Whether any history has this state.
    pub(super) fn had(&self, version: u64, data: &Value) -> bool {
        self.epochs
            .iter()
            .any(|epoch| epoch.state(version).is_some_and(|state| is_same(state, data)))
    }

    /// A read was answered: by the present state.
    pub(super) fn check_read(&self, reply: &Reply) {
        let present = self.present().filter(|epoch| !epoch.wiped);
        let present = present.and_then(|epoch| epoch.states.last());
        let data = match reply.status {
            200 => serde_json::from_str::<Value>(&reply.body).expect("a resource")["data"].take(),
            404 => Value::Null,
            _ => panic!("a read is answered by {reply:?}"),
        };
        assert_eq!(data.to_string(), present.unwrap_or(&Value::Null).to_string());
    }

    /// The last version and its data, which a read at the end must give too; every version of it was made by one write.
    pub(super) fn check_end(&self, read: Option<(u64, Value)>) -> (u64, Value) {
        let Some(epoch) = self.present().filter(|epoch| !epoch.wiped) else {
            assert_eq!(read, None);
            return (0, Value::Null);
        };
        let made: BTreeSet<u64> = epoch
            .fates
            .values()
            .filter_map(|fate| match fate {
                Fate::Made(version) => Some(*version),
                Fate::Found(_) => None,
            })
            .collect();
        assert_eq!(made, (1..=epoch.version()).collect(), "versions and the writes that made them");
        let last = (epoch.version(), epoch.states.last().cloned().unwrap_or_default());
        let read = read.unwrap_or((last.0, Value::Null));
        assert_eq!((read.0, read.1.to_string()), (last.0, last.1.to_string()));
        last
    }

    /// The document has this epoch. One that it was never written in may have been forgotten.
    fn begin(&mut self, name: &str) {
        if self.present().is_some_and(|epoch| epoch.name == name) {
            return;
        }
        let may = self.present().is_none_or(|epoch| epoch.wiped || epoch.version() == 0);
        assert!(may, "another history: {name}");
        let states = vec![Value::Null];
        self.epochs.push(Epoch { name: name.to_owned(), states, ..Epoch::default() });
    }

    /// Looks at the row after a step, which was a write under `key` or something else.
    pub(super) fn observe(&mut self, store: &MemoryStore, key: Option<&str>, effects: &[Effect]) {
        for effect in effects {
            if let Effect::Admit { unborn: Some(epoch), .. } = effect {
                self.begin(epoch);
            }
        }
        let row = store.get(b"d").expect("memory does not fail");
        let Some(record) = row.map(|row| Record::from_row(row).expect("a row is readable")) else {
            let done = key.filter(|_| is_done(effects));
            self.early.extend(done.map(|key| (key.to_owned(), Fate::Found(0))));
            return;
        };
        let data: Value = record
            .data
            .as_deref()
            .map_or(Value::Null, |text| serde_json::from_str(text).expect("data is JSON"));
        self.begin(&record.epoch);
        let epoch = self.epochs.last_mut().expect("there is one");
        let (before, version) = (epoch.version(), record.version);
        assert!(version == before || version == before + 1, "from version {before} to {version}");
        assert_eq!(broadcast(effects), (version > before).then_some((before, version)));
        if version > before {
            epoch.states.push(data);
        } else {
            assert_eq!(epoch.states.last(), Some(&data), "another state of version {version}");
        }
        if let Some(key) = key {
            let known = epoch.fates.get(key).or_else(|| self.early.get(key)).copied();
            epoch.record(key, known, version > before, effects);
        }
    }
}

impl Epoch {
    fn record(&mut self, key: &str, known: Option<Fate>, moved: bool, effects: &[Effect]) {
        let version = self.version();
        if moved {
            assert_eq!(known, None, "the write {key} was applied twice");
            self.fates.insert(key.to_owned(), Fate::Made(version));
        } else if known.is_none() && is_done(effects) {
            self.fates.insert(key.to_owned(), Fate::Found(version));
        }
    }
}

/// Whether two values have the same text: 1 is not 1.0, and 0.0 not -0.0.
fn is_same(one: &Value, other: &Value) -> bool {
    let (one, other) = (one.to_string(), other.to_string());
    one == other
}

/// The versions that the only broadcast of a step leads from and to.
fn broadcast(effects: &[Effect]) -> Option<(u64, u64)> {
    let mut frames = effects.iter().filter_map(|effect| match effect {
        Effect::Broadcast(frame) => Some(frame),
        _ => None,
    });
    let frame = frames.next()?;
    assert_eq!(frames.next(), None, "two broadcasts of one step");
    match ServerMessage::parse(frame) {
        Ok(
            ServerMessage::Patch { base, version, .. } | ServerMessage::Delete { base, version },
        ) => Some((base, version)),
        other => panic!("a broadcast of {other:?}"),
    }
}

/// Whether a write was answered as done.
fn is_done(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| match effect {
        Effect::Answer(answer) => !matches!(answer, Answer::Refused(_)),
        Effect::Send(frame) => {
            matches!(ServerMessage::parse(frame), Ok(ServerMessage::Written { result: Ok(_), .. }))
        }
        _ => false,
    })
}

/// What a read would answer, asked of an object that has no memory: version and data.
pub(super) fn read(path: &DocumentPath, store: &mut MemoryStore) -> Option<(u64, Value)> {
    let get = Event::Get { preconditions: Vec::new() };
    let effects = Document::new(path.clone()).handle(store, Timestamp::MIN, 0, get);
    effects.iter().find_map(|effect| match effect {
        Effect::Answer(Answer::Found { version, body }) => {
            let mut body: Value = serde_json::from_str(body).expect("a resource is JSON");
            Some((*version, body["data"].take()))
        }
        _ => None,
    })
}

/// What the document's indexes are to have, asked of an object that has no memory; `None` before its first version.
pub(super) fn row(path: &DocumentPath, rows: &MemoryStore) -> Option<String> {
    let mut rows = rows.clone();
    let effects = Document::new(path.clone()).handle(&mut rows, Timestamp::MIN, 0, Event::Alarm);
    effects.into_iter().find_map(|effect| match effect {
        Effect::Index { row, .. } => Some(row),
        _ => None,
    })
}
