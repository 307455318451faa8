//! Joining: the documents that existed before a collection group was declared are added to the group's index.
//!
//! ```text
//! awake ──list──▶ nothing is missing: whole
//!    ▲            some indexes are: a row, an alarm ──pull──pull──…──list──▶ whole, or some more
//!    └── everything is erased: a collection changed while it was in no group
//! ```
//!
//! The index answers no query until it is whole. Each alarm continues from the row, with a page of one collection's
//! documents. Documents written meanwhile arrive by themselves, and a document that arrives twice is applied once.
//! The object forgets that the index is whole when it loses its memory: collections may be in no group for a while,
//! and then in one again.

use super::registry::{self, Page, Question, Seen};
use super::settings::Settings;
use blaze_schema::error::{Code, Error};
use blaze_store::{Change, Store};
use serde::{Deserialize, Serialize};

/// The row that keeps the progress.
const JOINING: &[u8] = b"j";

/// Progress of the joining.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Progress {
    /// Indexes that have not given all their documents; the first may have given some.
    waiting: Vec<String>,
    /// Position in the first index: the key after which its documents were not asked for, in hexadecimal digits; empty
    /// at its start.
    after: String,
    /// Position in the registry's notes.
    seen: Seen,
    /// Number of documents that have joined.
    documents: u64,
}

/// A question to another object: the object's name and the message.
pub(crate) type Call = (String, String);

/// A request to a collection's index: documents for one shard of the group's index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pull {
    pub(crate) shard: u32,
    pub(crate) shards: u32,
    /// The key after which to continue, in hexadecimal digits; empty at first.
    pub(crate) after: String,
}

/// The answer to a [`Pull`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pulled {
    pub(crate) rows: Vec<String>,
    /// The key after which to continue; `None` if there are no more documents.
    pub(crate) after: Option<String>,
}

/// The consequence of an answer to a [`Call`].
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// The answer is to a call of another state, or there is nothing to do.
    Nothing,
    /// Another call is to be made, at an alarm soon.
    GoOn,
    /// These documents must be applied, followed by [`Joining::applied`].
    Apply(Pulled),
}

/// The joining of one shard of a group's index.
#[derive(Clone, Debug)]
pub(crate) struct Joining {
    id: String,
    shard: u32,
    shards: u32,
    /// True if the settings declare the group. While they do not, collections change without telling its index.
    is_declared: bool,
    /// `None` until the row is read.
    progress: Option<Progress>,
    is_whole: bool,
    /// True if an alarm is set, as far as is known.
    has_alarm: bool,
}

impl Joining {
    pub(crate) fn new(id: String, shard: u32, settings: &Settings) -> Self {
        Joining {
            id,
            shard,
            shards: settings.shards,
            is_declared: settings.group,
            progress: None,
            is_whole: false,
            has_alarm: false,
        }
    }

    fn progress(&mut self, store: &impl Store) -> Result<&mut Progress, Error> {
        if self.progress.is_none() {
            let row = store.get(JOINING)?;
            let progress = row.map(|row| serde_json::from_slice(&row).map_err(broken));
            self.progress = Some(progress.transpose()?.unwrap_or_default());
        }
        Ok(self.progress.get_or_insert_default())
    }

    /// Returns the call without which a query can neither be answered nor refused.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn first_call(&mut self, store: &impl Store) -> Result<Option<Call>, Error> {
        if self.is_whole || !self.progress(store)?.waiting.is_empty() {
            return Ok(None);
        }
        self.call(store).map(Some)
    }

    /// Returns the call that an alarm makes while documents may be missing.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn rings(&mut self, store: &impl Store) -> Result<Option<Call>, Error> {
        self.has_alarm = false;
        let is_done = self.is_whole || !self.is_declared;
        if is_done || *self.progress(store)? == Progress::default() {
            return Ok(None);
        }
        self.call(store).map(Some)
    }

    /// Returns whether an alarm must be set for the joining to go on. The alarm then counts as set.
    pub(crate) fn wants_alarm(&mut self) -> bool {
        !self.is_whole && self.is_declared && !std::mem::replace(&mut self.has_alarm, true)
    }

    fn call(&mut self, store: &impl Store) -> Result<Call, Error> {
        let (id, shard, shards) = (self.id.clone(), self.shard, self.shards);
        let progress = self.progress(store)?;
        let (object, message) = match progress.waiting.first() {
            Some(index) => {
                let pull = Pull { shard, shards, after: progress.after.clone() };
                (index.clone(), serde_json::to_string(&pull))
            }
            None => {
                let object = registry::object(&id);
                let list = Question::List { id, seen: progress.seen };
                (object, serde_json::to_string(&list))
            }
        };
        Ok((object, message.map_err(broken)?))
    }

    /// Takes the answer to a call.
    ///
    /// # Errors
    /// The store's; `internal` for an answer that no object gives.
    pub(crate) fn told(
        &mut self,
        store: &mut impl Store,
        call: &Call,
        answer: &str,
    ) -> Result<Next, Error> {
        if self.is_whole || self.call(store)? != *call {
            return Ok(Next::Nothing);
        }
        let progress = self.progress(store)?.clone();
        if !progress.waiting.is_empty() {
            return serde_json::from_str(answer).map(Next::Apply).map_err(broken);
        }
        let Page { indexes, seen } = serde_json::from_str(answer).map_err(broken)?;
        if indexes.is_empty() {
            self.is_whole = true;
            return Ok(Next::Nothing);
        }
        self.keep(store, Progress { waiting: indexes, after: String::new(), seen, ..progress })
    }

    /// Notes that documents were applied.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn applied(
        &mut self,
        store: &mut impl Store,
        pulled: &Pulled,
    ) -> Result<Next, Error> {
        let mut progress = self.progress(store)?.clone();
        progress.documents = progress.documents.saturating_add(pulled.rows.len() as u64);
        match &pulled.after {
            Some(after) => progress.after.clone_from(after),
            None => {
                progress.waiting = progress.waiting.split_off(1.min(progress.waiting.len()));
                progress.after.clear();
            }
        }
        self.keep(store, progress)
    }

    fn keep(&mut self, store: &mut impl Store, progress: Progress) -> Result<Next, Error> {
        let row = serde_json::to_vec(&progress).map_err(broken)?;
        store.commit(&[Change::Put(JOINING, &row)])?;
        self.progress = Some(progress);
        Ok(Next::GoOn)
    }

    /// Refuses a query while documents are missing.
    ///
    /// # Errors
    /// `failed-precondition` with the progress and what to do; the store's.
    pub(crate) fn check(&mut self, store: &impl Store) -> Result<(), Error> {
        let State { whole, documents } = self.state(store)?;
        if whole {
            return Ok(());
        }
        let id = &self.id;
        Err(Error::new(
            Code::FailedPrecondition,
            format!(
                "from: the collections {id:?} had documents before they became a group, and these are joining its index \
                 by themselves, {documents} so far. Ask again later; an administrator sees how far it is by GET \
                 /v1/groups/{id} or `blaze group {id}`"
            ),
        ))
    }

    /// Returns the progress.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn state(&mut self, store: &impl Store) -> Result<State, Error> {
        Ok(State { whole: self.is_whole, documents: self.progress(store)?.documents })
    }
}

/// Progress of a shard of a group's index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    /// True if no document is missing.
    pub(crate) whole: bool,
    /// Number of documents that have joined late.
    pub(crate) documents: u64,
}

pub(crate) fn broken(error: serde_json::Error) -> Error {
    Error::internal(format!("a group's index: {error}"))
}
