//! One client's replica of one document, and what it may be shown.

use super::history::{Fate, History};
use super::writes::ledger_tokens;
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
    /// What it leaves in the ledger, if it is one to the ledger.
    pub(super) token: Option<String>,
    /// Known when it is first sent.
    pub(super) key: Option<String>,
    pub(super) stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not answered.
    Open,
    /// Answered: done at this version.
    Done(u64),
    Refused,
}

/// What the application knows of the tokens that it left in a ledger.
#[derive(Default)]
pub(super) struct Tokens {
    /// Acknowledged.
    pub(super) done: BTreeSet<String>,
    /// Told that they were refused.
    pub(super) refused: BTreeSet<String>,
    /// Never answered.
    pub(super) unknown: BTreeSet<String>,
}

impl Tokens {
    /// A write over a socket was answered. What is not done was refused for a full disk, and no more is known of it.
    pub(super) fn raw_answered(&mut self, token: &str, is_done: bool) {
        if is_done && self.unknown.remove(token) {
            self.done.insert(token.to_owned());
        }
    }

    /// The tokens in the ledger at the end: all that were acknowledged, none that was refused, none that nobody left.
    pub(super) fn check(&self, kept: &BTreeSet<String>) {
        let lost: Vec<_> = self.done.difference(kept).collect();
        assert!(lost.is_empty(), "acknowledged, and lost: {lost:?}");
        let undead: Vec<_> = self.refused.intersection(kept).collect();
        assert!(undead.is_empty(), "refused, and there: {undead:?}");
        let strange: Vec<_> = kept
            .iter()
            .filter(|token| !self.done.contains(*token) && !self.unknown.contains(*token))
            .collect();
        assert!(strange.is_empty(), "written by nobody: {strange:?}");
    }
}

pub(super) struct Peer {
    pub(super) client: usize,
    pub(super) object: usize,
    pub(super) replica: Replica,
    /// The socket that it has, opening ones included.
    pub(super) socket: Option<u64>,
    /// Number of times that its timer was started or stopped: an older one does not ring.
    pub(super) timer: u64,
    pub(super) listening: bool,
    pub(super) connection: ConnectionState,
    pub(super) shown: Option<Visible>,
    pub(super) writes: Vec<Own>,
}

impl Peer {
    pub(super) fn new(client: usize, object: usize, path: DocumentPath) -> Self {
        Peer {
            client,
            object,
            replica: Replica::new(path),
            socket: None,
            timer: 0,
            listening: false,
            connection: ConnectionState::Idle,
            shown: None,
            writes: Vec::new(),
        }
    }

    /// The page is loaded anew. Writes without an answer may have been done.
    pub(super) fn reload(&mut self, tokens: &mut Tokens) {
        self.replica = Replica::new(self.replica.path().clone());
        self.socket = None;
        self.timer += 1;
        self.listening = false;
        self.connection = ConnectionState::Idle;
        self.shown = None;
        let open = self.writes.drain(..).filter(|write| write.stage == Stage::Open);
        tokens.unknown.extend(open.filter_map(|write| write.token));
    }

    /// The data that the application sees.
    pub(super) fn seen(&self) -> Option<&Map> {
        self.shown.as_ref()?.data.as_deref()
    }

    /// A write was answered. What the answer says must be so.
    pub(super) fn settle(
        &mut self,
        id: u64,
        result: &Result<u64, Error>,
        history: &History,
        tokens: &mut Tokens,
    ) {
        let write = self.writes.iter_mut().find(|write| write.id == id);
        let write = write.unwrap_or_else(|| panic!("an answer to write {id}, which nobody made"));
        assert_eq!(write.stage, Stage::Open, "a second answer to write {id}");
        let fate = write.key.as_deref().and_then(|key| history.fate(key));
        match result {
            Ok(version) => {
                let fate =
                    fate.unwrap_or_else(|| panic!("write {id} is acknowledged, and was not done"));
                assert!(
                    fate.version() == *version || history.is_rewritten(),
                    "write {id} is said to be done at version {version}, and is {fate:?}"
                );
                write.stage = Stage::Done(fate.version());
                tokens.done.extend(write.token.clone());
            }
            // A disk that fails cannot keep the refusal, so a late repetition may yet be done.
            Err(error) if error.code == Code::Internal => {
                write.stage = Stage::Refused;
                tokens.unknown.extend(write.token.clone());
            }
            Err(error) => {
                assert!(
                    fate.is_none() || history.is_rewritten(),
                    "write {id} is refused ({error}), and is {fate:?}"
                );
                write.stage = Stage::Refused;
                tokens.refused.extend(write.token.clone());
            }
        }
    }

    /// The listeners are shown `visible`: a state that was, with this client's unconfirmed writes over it, each once.
    pub(super) fn show(&mut self, visible: &Visible, history: &History, is_ledger: bool) {
        assert!(self.listening, "nobody listens");
        let data = as_value(visible.data.as_deref());
        // An answer says a version, and not of which history: after a rewriting a client may put a write over a state
        // that holds it, until it hears of the new history.
        if is_ledger && !(visible.pending && history.is_rewritten()) {
            ledger_tokens(&data);
        }
        if history.is_rewritten() {
            assert!(
                visible.pending || history.had(visible.version, &data),
                "version {} never was {data}",
                visible.version
            );
        } else {
            let (expected, pending) = self.expected(visible.version, history);
            assert_eq!(
                data.to_string(),
                expected.to_string(),
                "shown at version {}",
                visible.version
            );
            assert_eq!(visible.pending, pending, "whether {data} is pending");
            let last = self.shown.as_ref().map_or(0, |shown| shown.version);
            assert!(visible.version >= last, "shown version {} after {last}", visible.version);
            let held = |stage| matches!(stage, Stage::Done(version) if version <= visible.version);
            self.writes.retain(|write| write.stage != Stage::Refused && !held(write.stage));
        }
        self.shown = Some(visible.clone());
    }

    /// What the listeners should see over `version`, and whether something of it is pending.
    fn expected(&self, version: u64, history: &History) -> (Value, bool) {
        let state = history.present().and_then(|epoch| epoch.state(version));
        let state = state.unwrap_or_else(|| panic!("version {version} is shown, and never was"));
        let (mut data, mut pending) = (state.as_object().cloned(), false);
        for write in &self.writes {
            let fate = write.key.as_deref().and_then(|key| history.fate(key));
            match (write.stage, fate) {
                (Stage::Refused, _) => continue,
                (Stage::Done(done), _) if done <= version => continue,
                (Stage::Open, Some(Fate::Made(made))) => assert!(
                    version < made,
                    "write {} made version {made}, and is put over version {version} again",
                    write.id
                ),
                (Stage::Done(_) | Stage::Open, _) => {}
            }
            if let Ok(next) = write.operation.clone().apply(data.as_ref(), write.at) {
                (data, pending) = (next, true);
            }
        }
        (as_value(data.as_ref()), pending)
    }

    /// Nothing is under way any more: the listeners see what a read would give.
    pub(super) fn check_quiet(&self, version: u64, data: &Value, history: &History) {
        let name = format!("client {} at {}", self.client, self.replica.path());
        assert!(self.replica.is_settled(), "{name}: a write is not settled");
        assert!(
            self.writes.iter().all(|write| write.stage != Stage::Open),
            "{name}: a write has no answer"
        );
        if !self.listening {
            assert_eq!(self.connection, ConnectionState::Idle, "{name}");
            return;
        }
        assert_eq!(self.connection, ConnectionState::Connected, "{name}");
        let shown = self.shown.as_ref().unwrap_or_else(|| panic!("{name} was shown nothing"));
        if shown.pending && history.is_rewritten() {
            // Again a write that was answered with a version of the old history.
            assert_eq!(shown.version, version, "{name}");
            return;
        }
        assert!(!shown.pending, "{name}: something is pending");
        let shown_data = as_value(shown.data.as_deref()).to_string();
        assert_eq!((shown.version, shown_data), (version, data.to_string()), "{name}");
    }
}

fn as_value(data: Option<&Map>) -> Value {
    data.map_or(Value::Null, |data| Value::Object(data.clone()))
}
