//! The access object: the one place that keeps the rules, the API keys, the public keys of issuers, Blaze's own signing
//! key and the audit log. Every isolate has a copy of its [`Snapshot`], which is asked for again and again and is small
//! unless something changed.
//!
//! [`Access::handle`] is one step: it reads rows, commits at most one change, then says what is to be done. A step that
//! refuses has changed nothing. Memory is a cache of the rows, but for when issuers were last asked, which may be
//! forgotten: then one is asked once more.
//!
//! Who may do any of this is decided before: an event's `actor` is only written down.

mod audit;
mod issuer_keys;
mod keys;
mod own_keys;
pub mod snapshot;
mod state;
mod versions;

use crate::auth::Issuers;
use blaze_schema::error::Error;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::value::Map;
use blaze_store::Store;
use snapshot::Snapshot;
use state::{Batch, State};
use std::collections::{BTreeMap, BTreeSet};

/// What happens to the access object.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An isolate wants a copy of what is kept here. The answer is [`Snapshot`]'s text.
    Snapshot {
        /// The version of the copy that it has. Where that is the present one the answer is `{"version":n}`.
        known: Option<u64>,
    },
    /// New rules. The answer is `{"version","updateTime","changed"}`; the text that is there already makes no version.
    PutRules {
        /// The text.
        text: String,
        /// The version that must be the present one; 0 where there must be none.
        if_version: Option<u64>,
        /// Who.
        actor: String,
    },
    /// The rules: `{"version","text","updateTime"}`; `not-found` where there are none.
    GetRules {
        /// Which version; `None` is the present one.
        version: Option<u64>,
    },
    /// The versions that are kept, the newest first: `{"versions":[{"version","updateTime","actor"}]}`.
    ListRules,
    /// A new API key: `{"id","key"}`. The key is shown this once.
    CreateKey {
        /// What it is called.
        name: String,
        /// What it may do.
        roles: BTreeSet<String>,
        /// When it ends to hold.
        expires: Option<Timestamp>,
        /// Who.
        actor: String,
    },
    /// The API keys by id: `{"keys":[{"id","name","roles","createTime","expireTime"}]}`.
    ListKeys,
    /// Ends an API key; `not-found` where there is none of that id. The answer is empty.
    RevokeKey {
        /// Its id.
        id: String,
        /// Who.
        actor: String,
    },
    /// Somebody saw a key id that an issuer's keys do not have. The answer is empty; what is to be fetched, if it may be
    /// by now, is an effect.
    Refresh {
        /// The issuer; `not-found` for one whose keys are not fetched. For Blaze itself there is nothing to fetch: who
        /// asks takes a new copy.
        issuer: String,
    },
    /// What became of [`Effect::FetchJwks`]. The answer is empty, or says why the keys are as they were.
    Jwks {
        /// The issuer.
        issuer: String,
        /// The body, or what went wrong.
        fetched: Result<String, String>,
    },
    /// A token with these claims, signed with Blaze's own key. The answer is the token.
    Sign {
        /// The claims.
        claims: Map,
    },
    /// Makes another own key. The answer: `{"key": <its public key>, "signsFrom": <RFC 3339>}`.
    RotateSigningKey {
        /// Whether it signs at once, and what was signed before is good no more.
        revoke: bool,
        /// Who.
        actor: String,
    },
    /// An administrative act that was done elsewhere. The answer is empty.
    Audited {
        /// Who.
        actor: String,
        /// Did what, such as `document.write`.
        act: String,
        /// To what. No secrets.
        what: String,
    },
    /// The audit log, the newest entry first: `{"entries":[{"number","time","actor","act","what"}],"nextBefore"}`.
    ListAudit {
        /// Only entries with smaller numbers.
        before: Option<u64>,
        /// How many, 1 to [`blaze_schema::limits::AUDIT_PAGE`].
        limit: usize,
    },
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Fetch an issuer's keys, and say what became of it with [`Event::Jwks`]. Nobody need wait for it but who sent
    /// [`Event::Refresh`].
    FetchJwks {
        /// The issuer.
        issuer: String,
        /// Where they are.
        url: String,
    },
    /// Print an entry of the audit log: one line of JSON.
    Audit(String),
    /// Answer: a JSON text, a token, or nothing.
    Answer(Result<String, Error>),
}

/// The access object.
#[derive(Debug)]
pub struct Access {
    /// Where each issuer's keys are.
    issuers: BTreeMap<String, String>,
    state: Option<State>,
    /// When each issuer was last asked.
    asked: BTreeMap<String, Timestamp>,
}

/// One step as it is taken: what is read, what is to be written, and what is to be done then.
struct Step<'a, S> {
    store: &'a S,
    now: Timestamp,
    random: [u128; 2],
    state: &'a mut State,
    batch: Batch,
    effects: Vec<Effect>,
}

impl Access {
    /// The access object where the keys of these issuers are fetched. Reads nothing yet.
    pub fn new(issuers: &Issuers) -> Self {
        let jwks = issuers.jwks().map(|(issuer, url)| (issuer.to_owned(), url.to_owned()));
        Access { issuers: jwks.collect(), state: None, asked: BTreeMap::new() }
    }

    /// One step. `random` is 256 fresh random bits, of which secrets are made.
    pub fn handle(
        &mut self,
        store: &mut impl Store,
        now: Timestamp,
        random: [u128; 2],
        event: Event,
    ) -> Vec<Effect> {
        self.step(store, now, random, event).unwrap_or_else(|error| {
            // What was computed for a commit that failed is void.
            self.state = None;
            vec![Effect::Answer(Err(error))]
        })
    }

    fn step(
        &mut self,
        store: &mut impl Store,
        now: Timestamp,
        random: [u128; 2],
        event: Event,
    ) -> Result<Vec<Effect>, Error> {
        let mut state = match self.state.take() {
            Some(state) => state,
            None => State::load(store)?,
        };
        let mut step = Step {
            store: &*store,
            now,
            random,
            state: &mut state,
            batch: Batch::default(),
            effects: Vec::new(),
        };
        step.expire(&self.issuers)?;
        let answer = self.act(&mut step, event)?;
        let Step { mut batch, mut effects, .. } = step;
        state.save_head(&mut batch)?;
        batch.commit(store)?;
        self.state = Some(state);
        effects.push(Effect::Answer(Ok(answer)));
        Ok(effects)
    }

    fn act<S: Store>(&mut self, step: &mut Step<'_, S>, event: Event) -> Result<String, Error> {
        match event {
            Event::Snapshot { known } => {
                self.fetch_stale(step);
                step.make_own_key()?;
                step.snapshot(known)
            }
            Event::PutRules { text, if_version, actor } => step.put_rules(text, if_version, &actor),
            Event::GetRules { version } => step.get_rules(version),
            Event::ListRules => Ok(step.list_rules()),
            Event::CreateKey { name, roles, expires, actor } => {
                step.create_key(name, roles, expires, &actor)
            }
            Event::ListKeys => Ok(step.list_keys()),
            Event::RevokeKey { id, actor } => step.revoke_key(&id, &actor),
            Event::Refresh { issuer } => self.refresh(step, issuer),
            Event::Jwks { issuer, fetched } => {
                let url = self.url(&issuer)?.clone();
                step.keep_jwks(issuer, url, fetched)
            }
            Event::Sign { claims } => step.sign(&claims),
            Event::RotateSigningKey { revoke, actor } => step.rotate(revoke, &actor),
            Event::Audited { actor, act, what } => {
                step.audit(&actor, &act, &what)?;
                Ok(String::new())
            }
            Event::ListAudit { before, limit } => step.list_audit(before, limit),
        }
    }
}

impl<S: Store> Step<'_, S> {
    /// Drops what has had its time: keys of Blaze and of issuers.
    fn expire(&mut self, issuers: &BTreeMap<String, String>) -> Result<(), Error> {
        self.expire_own_keys()?;
        self.expire_issuer_keys(issuers)
    }

    fn snapshot(&self, known: Option<u64>) -> Result<String, Error> {
        let version = self.state.head.version;
        if known == Some(version) {
            return Ok(Snapshot::unchanged(version));
        }
        let snapshot = Snapshot {
            version,
            rules: self.present_rules()?,
            keys: self.state.keys.values().cloned().collect(),
            jwks: self.issuer_keys(),
            own: self.own_keys(),
        };
        Ok(snapshot.to_json())
    }
}
