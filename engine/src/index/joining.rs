//! How the documents that were there before a collection group was declared join its index.
//!
//! ```text
//! awake ──list──▶ nothing is missing: whole
//!    ▲            some indexes are: a row, an alarm ──pull──pull──…──list──▶ whole, or some more
//!    └── everything is erased: a collection changed while it was in no group
//! ```
//!
//! Until it is whole the index answers no query. It goes on at every alarm, from its row, with a page of one collection's
//! documents; what is written meanwhile comes by itself, and a document that comes twice is applied once. That it is whole
//! is known until its object loses its memory: collections may be in no group for a while, and then be again.

use super::registry::{self, Page, Question, Seen};
use super::settings::Settings;
use crate::store::{Change, Store};
use blaze_schema::error::{Code, Error};
use serde::{Deserialize, Serialize};

/// The row that says how far it is.
const JOINING: &[u8] = b"j";

/// How far it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Progress {
    /// Indexes that are still to be asked for their documents; the first has been in part.
    waiting: Vec<String>,
    /// Where to go on in the first: the key after which its documents were not asked for.
    after: String,
    /// What the registry has named.
    seen: Seen,
    /// Documents that have joined.
    documents: u64,
}

/// A question to another object: its name and the message.
pub(crate) type Call = (String, String);

/// What a collection's index is asked for: documents for one shard of the group's index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pull {
    pub(crate) shard: u32,
    pub(crate) shards: u32,
    /// The key after which to go on, in hexadecimal digits; empty at first.
    pub(crate) after: String,
}

/// What it answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pulled {
    pub(crate) rows: Vec<String>,
    /// Where to go on, if there are more.
    pub(crate) after: Option<String>,
}

/// What an answer to a [`Call`] leads to.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// Nothing: it is of another state, or there is nothing to do.
    Nothing,
    /// Another call is to be made, at an alarm soon.
    GoOn,
    /// These documents are to be applied; then [`Joining::applied`].
    Apply(Pulled),
}

/// The joining of one shard of a group's index.
#[derive(Clone, Debug)]
pub(crate) struct Joining {
    id: String,
    shard: u32,
    shards: u32,
    /// While it is not, collections change without it.
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

    /// The call without which a query can neither be answered nor refused.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn first_call(&mut self, store: &impl Store) -> Result<Option<Call>, Error> {
        if self.is_whole || !self.progress(store)?.waiting.is_empty() {
            return Ok(None);
        }
        self.call(store).map(Some)
    }

    /// The call that an alarm makes, while documents may be missing.
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

    /// True if an alarm is to be set, for the joining to go on; it counts as set then.
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
    /// The store's; `internal` for what no object answers.
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

    /// Takes note that documents were applied.
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

    /// Refuses, while documents are missing.
    ///
    /// # Errors
    /// `failed-precondition` that says how far it is and what to do; the store's.
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
                 /v1/groups/{id} or `cargo xtask group {id}`"
            ),
        ))
    }

    /// How far it is.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn state(&mut self, store: &impl Store) -> Result<State, Error> {
        Ok(State { whole: self.is_whole, documents: self.progress(store)?.documents })
    }
}

/// How far a shard of a group's index is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    /// No document is missing.
    pub(crate) whole: bool,
    /// Documents that have joined late.
    pub(crate) documents: u64,
}

pub(crate) fn broken(error: serde_json::Error) -> Error {
    Error::new(Code::Internal, format!("a group's index: {error}"))
}
