//! A real client's replica of one document, and what it may show.

use super::ledger;
use super::shell::State;
use blaze_client::core::event::ConnectionState;
use blaze_client::core::replica::Replica;
use blaze_client::core::view::Visible;
use blaze_schema::error::{Code, Error};
use blaze_schema::path::DocumentPath;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::value::Map;
use blaze_schema::write::Operation;
use serde_json::Value;
use std::collections::BTreeSet;

/// A write of the peer.
pub(super) struct Own {
    pub(super) id: u64,
    pub(super) operation: Operation,
    /// The client's clock when it was made.
    pub(super) at: Timestamp,
    pub(super) token: String,
    pub(super) stage: Stage,
}

/// The outcome of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not answered.
    Open,
    /// Answered: done at this version.
    Done(u64),
    Refused,
}

/// The tokens that applications know of.
#[derive(Default)]
pub(super) struct Tokens {
    /// Acknowledged.
    done: BTreeSet<String>,
    refused: BTreeSet<String>,
    /// Never answered.
    unknown: BTreeSet<String>,
}

impl Tokens {
    /// Checks the tokens of all documents in the end: all that were acknowledged, none that was refused, none that nobody
    /// left.
    ///
    /// # Panics
    /// If it is otherwise.
    pub(super) fn check(&self, kept: &BTreeSet<String>) {
        let lost: Vec<_> = self.done.difference(kept).collect();
        assert!(lost.is_empty(), "acknowledged, and lost: {lost:?}");
        let undead: Vec<_> = self.refused.intersection(kept).collect();
        assert!(undead.is_empty(), "refused, and there: {undead:?}");
        let known = |token: &&String| self.done.contains(*token) || self.unknown.contains(*token);
        let strange: Vec<_> = kept.iter().filter(|token| !known(token)).collect();
        assert!(strange.is_empty(), "written by nobody: {strange:?}");
    }
}

/// The replica.
pub(super) struct Peer {
    pub(super) replica: Replica,
    /// True if the document is a [ledger](super::ledger).
    pub(super) is_ledger: bool,
    /// The socket, or the request for one.
    pub(super) socket: Option<u64>,
    /// Number of times that its timer was started or stopped: an older one does not ring.
    pub(super) timer: u64,
    pub(super) is_listening: bool,
    pub(super) connection: ConnectionState,
    pub(super) shown: Option<Visible>,
    pub(super) writes: Vec<Own>,
}

impl Peer {
    pub(super) fn new(path: DocumentPath) -> Self {
        Peer {
            is_ledger: is_ledger(&path),
            replica: Replica::new(path),
            socket: None,
            timer: 0,
            is_listening: false,
            connection: ConnectionState::Idle,
            shown: None,
            writes: Vec::new(),
        }
    }

    /// The page is loaded anew. Writes without an answer may have been done.
    pub(super) fn reload(&mut self, tokens: &mut Tokens) {
        let writes = std::mem::take(&mut self.writes);
        let open = writes.into_iter().filter(|write| write.stage == Stage::Open && self.is_ledger);
        tokens.unknown.extend(open.map(|write| write.token));
        let timer = self.timer + 1;
        *self = Peer { timer, ..Peer::new(self.replica.path().clone()) };
    }

    /// The data that the application sees.
    pub(super) fn seen(&self) -> Option<&Map> {
        self.shown.as_ref()?.data.as_deref()
    }

    /// A write was answered; `made` is the state that it made. Returns the time at which it was committed.
    ///
    /// # Panics
    /// If the answer is not true.
    pub(super) fn settle(
        &mut self,
        id: u64,
        result: &Result<u64, Error>,
        states: &[State],
        tokens: &mut Tokens,
    ) -> Option<i64> {
        let write = self.writes.iter_mut().find(|write| write.id == id);
        let write = write.unwrap_or_else(|| panic!("an answer to write {id}, which nobody made"));
        assert_eq!(write.stage, Stage::Open, "a second answer to write {id}");
        let made = ledger::made(states, &write.token);
        let note = |known: &mut BTreeSet<String>| {
            if self.is_ledger {
                known.insert(write.token.clone());
            }
        };
        match result {
            Ok(version) if matches!(write.operation, Operation::Delete) => {
                let state = states.iter().find(|state| state.version == *version);
                let data = state.and_then(|state| state.data.as_ref());
                assert_eq!(data, None, "delete {id} is said to be done at version {version}");
                write.stage = Stage::Done(*version);
                None
            }
            Ok(version) => {
                let made = made.map(|state| (state.version, state.at));
                let done = made.map(|(version, _)| version);
                assert_eq!(done, Some(*version), "write {id} is said to be done at a version");
                write.stage = Stage::Done(*version);
                note(&mut tokens.done);
                made.map(|(_, at)| at)
            }
            // A disk that fails cannot keep the refusal, so a late repetition may yet be done.
            Err(error) if error.code == Code::Internal => {
                write.stage = Stage::Refused;
                note(&mut tokens.unknown);
                None
            }
            Err(error) => {
                assert_eq!(made, None, "write {id} is refused ({error}), and done");
                write.stage = Stage::Refused;
                note(&mut tokens.refused);
                None
            }
        }
    }

    /// The listeners are shown `visible`: a state that was, with this client's unconfirmed writes over it, each once.
    ///
    /// # Panics
    /// If it is another.
    pub(super) fn show(&mut self, visible: &Visible, states: &[State]) {
        assert!(self.is_listening, "nobody listens");
        let data = as_value(visible.data.as_deref());
        if self.is_ledger {
            ledger::tokens(&data);
        }
        let (expected, is_pending) = self.expected(visible.version, states);
        assert_eq!(data, expected, "shown at version {}", visible.version);
        assert_eq!(visible.pending, is_pending, "whether {data} is pending");
        let last = self.shown.as_ref().map_or(0, |shown| shown.version);
        assert!(visible.version >= last, "shown version {} after {last}", visible.version);
        let is_held = |stage| matches!(stage, Stage::Done(version) if version <= visible.version);
        self.writes.retain(|write| write.stage != Stage::Refused && !is_held(write.stage));
        self.shown = Some(visible.clone());
    }

    /// The view that listeners should have over `version`, and true if something of it is pending.
    fn expected(&self, version: u64, states: &[State]) -> (Value, bool) {
        let state = states.iter().find(|state| state.version == version);
        assert!(state.is_some() || version == 0, "version {version} is shown, and never was");
        let data = state.and_then(|state| state.data.as_ref());
        let (mut data, mut is_pending) = (data.and_then(Value::as_object).cloned(), false);
        for write in &self.writes {
            match (write.stage, ledger::made(states, &write.token)) {
                (Stage::Refused, _) => continue,
                (Stage::Done(done), _) if done <= version => continue,
                (Stage::Open, Some(made)) => assert!(
                    version < made.version,
                    "write {} made version {}, and is put over version {version} again",
                    write.id,
                    made.version
                ),
                (Stage::Done(_) | Stage::Open, _) => {}
            }
            if let Ok(next) = write.operation.clone().apply(data.as_ref(), write.at) {
                (data, is_pending) = (next, true);
            }
        }
        (as_value(data.as_ref()), is_pending)
    }

    /// Checks that listeners see the last state, when nothing happens any more.
    ///
    /// # Panics
    /// If they do not.
    pub(super) fn check_quiet(&self, states: &[State]) {
        let path = self.replica.path();
        let is_open = self.writes.iter().any(|write| write.stage == Stage::Open);
        assert!(self.replica.is_settled() && !is_open, "a write of {path} is not settled");
        if !self.is_listening {
            return assert_eq!(self.connection, ConnectionState::Idle, "{path}");
        }
        assert_eq!(self.connection, ConnectionState::Connected, "{path}");
        let shown = self.shown.as_ref().unwrap_or_else(|| panic!("{path} was not shown"));
        assert!(!shown.pending, "something of {path} is pending");
        let last = states.last();
        let data = last.and_then(|state| state.data.clone()).unwrap_or_default();
        let version = last.map_or(0, |state| state.version);
        assert_eq!((shown.version, as_value(shown.data.as_deref())), (version, data), "{path}");
    }
}

/// True for the path of a ledger.
pub(super) fn is_ledger(path: &DocumentPath) -> bool {
    path.id() != "free"
}

fn as_value(data: Option<&Map>) -> Value {
    data.map_or(Value::Null, |data| Value::Object(data.clone()))
}
