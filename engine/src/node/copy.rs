//! This process's copy of what the access object keeps: rules, API keys, public keys.
//!
//! ```text
//!   age   0 ──── SNAPSHOT_MICROS ─────────────── SNAPSHOT_GRACE_MICROS ────▶
//!         used    asked for again; used as long     nothing is decided without a new one
//!                 as there is no answer
//! ```

use super::config::Config;
use crate::guard::{Explain, Guard};
use blaze_identity::access::snapshot::Snapshot;
use blaze_identity::auth::{Identities, Issuers, OWN_ISSUER};
use blaze_rules::Rules;
use blaze_rules::auth::Auth;
use blaze_schema::error::Error;
use blaze_schema::limits::{
    KEYS_JOIN_MICROS, KEYS_PAUSE_MICROS, SNAPSHOT_CALLS, SNAPSHOT_GRACE_MICROS, SNAPSHOT_MICROS,
};
use blaze_schema::timestamp::Timestamp;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The copy.
#[derive(Default)]
pub(super) struct Copy {
    /// The snapshot's version.
    version: Option<u64>,
    /// The time at which the snapshot was asked for: a change made during the call may not be in the answer.
    asked: Option<Timestamp>,
    identities: Option<(Issuers, Identities)>,
    guard: Option<Guard>,
    /// Blaze's own public keys, as JSON.
    own: String,
    /// The number of calls for a snapshot that were made without an answer, and when the first of them was.
    asking: (u32, Option<Timestamp>),
    /// By issuer, the last call for its keys.
    renewals: BTreeMap<String, Renewal>,
}

/// A call for an issuer's keys.
struct Renewal {
    began: Timestamp,
    is_done: bool,
}

/// The need of a copy before decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// None: the copy is fresh.
    Nothing,
    /// A new one; this one serves if there is no answer.
    Refresh,
    /// A new one.
    New,
}

impl Copy {
    pub(super) fn need(&self, now: Timestamp) -> Need {
        let Some(asked) = self.asked else { return Need::New };
        if is_fresh(asked, now) {
            Need::Nothing
        } else if age(asked, now) < SNAPSHOT_GRACE_MICROS {
            Need::Refresh
        } else {
            Need::New
        }
    }

    pub(super) fn version(&self) -> Option<u64> {
        self.version
    }

    /// The rules in force; none before the first snapshot.
    pub(super) fn guard(&self) -> &Guard {
        self.guard.as_ref().unwrap_or(&Guard::Closed)
    }

    pub(super) fn identities(&mut self) -> Option<&mut Identities> {
        self.identities.as_mut().map(|(_, identities)| identities)
    }

    /// True if an identity is that of an API key that was revoked.
    pub(super) fn is_revoked(&self, auth: &Auth) -> bool {
        self.identities.as_ref().is_some_and(|(_, identities)| identities.is_revoked(auth))
    }

    pub(super) fn own_keys(&self) -> &str {
        &self.own
    }

    /// Takes a snapshot that was asked for at `asked`.
    ///
    /// # Errors
    /// `internal` for a snapshot that cannot be read, or a secret of the configuration that is missing.
    pub(super) fn take(
        &mut self,
        text: &str,
        asked: Timestamp,
        now: Timestamp,
        config: &Config,
    ) -> Result<(), Error> {
        // A later call was answered before.
        if self.asked.is_some_and(|present| asked < present && present <= now) {
            return Ok(());
        }
        let (version, snapshot) = Snapshot::parse(text)?;
        if let Some(snapshot) = snapshot {
            self.replace(snapshot, config)?;
            self.version = Some(version);
        } else if self.version != Some(version) {
            // The copy was lost meanwhile: it is asked for again.
            return Ok(());
        }
        self.asked = Some(asked);
        self.asking = (0, None);
        Ok(())
    }

    /// Notes a call for a snapshot. Returns false if so many are under way that others wait for these: the access object
    /// is one for everybody.
    pub(super) fn may_ask(&mut self, now: Timestamp) -> bool {
        let (calls, since) = &mut self.asking;
        if since.is_none_or(|since| age(since, now) >= KEYS_JOIN_MICROS) {
            (*calls, *since) = (0, Some(now));
        }
        *calls = calls.saturating_add(1);
        *calls <= SNAPSHOT_CALLS
    }

    fn replace(&mut self, snapshot: Snapshot, config: &Config) -> Result<(), Error> {
        let (issuers, mut identities) = match self.identities.take() {
            Some(identities) => identities,
            None => configured(config)?,
        };
        for (issuer, _) in issuers.jwks() {
            let keys = snapshot.jwks.get(issuer).cloned().unwrap_or_default();
            identities.set_jwks(issuer, &json(&keys)?)?;
        }
        self.own = json(&snapshot.own)?;
        identities.set_jwks(OWN_ISSUER, &self.own)?;
        let keys = snapshot.keys.into_iter().chain(config.first_key.clone());
        identities.set_api_keys(keys.map(|key| (key.id.clone(), key)).collect());
        self.identities = Some((issuers, identities));
        self.guard = Some(match snapshot.rules {
            None if config.is_open => Guard::Open,
            None => Guard::Closed,
            // The rules compiled when they were put.
            Some(rules) if self.guard().version() == Some(rules.version) => self.guard().clone(),
            Some(rules) => Guard::Rules {
                rules: Rc::new(Rules::compile(&rules.text).map_err(|wrong| {
                    let first = wrong.first().map(|one| one.message.clone());
                    Error::internal(format!("rules: {}", first.unwrap_or_default()))
                })?),
                version: rules.version,
                explain: if config.is_open { Explain::Answer } else { Explain::Log },
            },
        });
        Ok(())
    }

    /// True if another call for an issuer's keys is under way, which is not waited for for ever: the runtime may have
    /// ended the request that made it.
    pub(super) fn is_renewing(&self, issuer: &str, now: Timestamp) -> bool {
        let renewal = self.renewals.get(issuer);
        renewal
            .is_some_and(|renewal| !renewal.is_done && age(renewal.began, now) < KEYS_JOIN_MICROS)
    }

    /// Notes a call for an issuer's keys. Returns false if it comes too soon after the last one.
    pub(super) fn may_renew(&mut self, issuer: &str, now: Timestamp) -> bool {
        let last = self.renewals.get(issuer);
        if last.is_some_and(|last| age(last.began, now) < KEYS_PAUSE_MICROS) {
            return false;
        }
        self.renewals.insert(issuer.to_owned(), Renewal { began: now, is_done: false });
        true
    }

    /// Notes that a call for an issuer's keys was answered.
    pub(super) fn renewed(&mut self, issuer: &str) {
        if let Some(renewal) = self.renewals.get_mut(issuer) {
            renewal.is_done = true;
        }
    }
}

/// True if a snapshot that was asked for at a time is fresh.
pub(super) fn is_fresh(asked: Timestamp, now: Timestamp) -> bool {
    age(asked, now) < SNAPSHOT_MICROS
}

/// Microseconds since a time; a time that is yet to come was told by a clock that was wrong.
fn age(since: Timestamp, now: Timestamp) -> i64 {
    let passed = now.since(since);
    if passed < 0 { i64::MAX } else { passed }
}

fn configured(config: &Config) -> Result<(Issuers, Identities), Error> {
    let issuers = config.settings.issuers.clone();
    let identities = Identities::new(&issuers, |name| config.secrets.get(name).cloned())
        .map_err(|error| Error::internal(error.detail))?;
    Ok((issuers, identities))
}

fn json(value: &impl serde::Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn copy() -> (Copy, Config) {
        let config = Config::read("{}", "{}", |_| None).unwrap();
        let mut copy = Copy::default();
        let text = r#"{"version":3,"rules":null,"keys":[],"jwks":{},"own":{"keys":[]}}"#;
        copy.take(text, at(0), at(5), &config).unwrap();
        (copy, config)
    }

    #[test]
    fn a_copy_is_used_as_long_as_it_is_fresh_and_a_little_longer_in_need() {
        assert_eq!(Copy::default().need(at(0)), Need::New);
        let (copy, _) = copy();
        for (age, need) in [
            (0, Need::Nothing),
            (SNAPSHOT_MICROS - 1, Need::Nothing),
            (SNAPSHOT_MICROS, Need::Refresh),
            (SNAPSHOT_GRACE_MICROS - 1, Need::Refresh),
            (SNAPSHOT_GRACE_MICROS, Need::New),
            (-1, Need::New),
        ] {
            assert_eq!(copy.need(at(age)), need, "{age}");
        }
    }

    #[test]
    fn an_answer_counts_from_when_it_was_asked_for_and_an_earlier_one_changes_nothing() {
        let (mut copy, config) = copy();
        let unchanged = |version: u64| format!(r#"{{"version":{version}}}"#);
        copy.take(&unchanged(3), at(SNAPSHOT_MICROS), at(SNAPSHOT_MICROS + 9), &config).unwrap();
        assert_eq!(copy.need(at(2 * SNAPSHOT_MICROS - 1)), Need::Nothing);
        assert_eq!(copy.need(at(2 * SNAPSHOT_MICROS)), Need::Refresh);
        let rules = r#"{"version":2,"rules":{"version":1,"text":""},"keys":[],"jwks":{},"own":{"keys":[]}}"#;
        copy.take(rules, at(5), at(SNAPSHOT_MICROS + 10), &config).unwrap();
        assert_eq!(copy.version(), Some(3), "a later call was answered before");
        // Nothing is new about a version that is not the copy's.
        copy.take(&unchanged(9), at(3 * SNAPSHOT_MICROS), at(3 * SNAPSHOT_MICROS), &config)
            .unwrap();
        assert_eq!((copy.version(), copy.need(at(3 * SNAPSHOT_MICROS))), (Some(3), Need::Refresh));
        assert!(copy.take("{", at(i64::MAX), at(i64::MAX), &config).is_err());
    }

    #[test]
    fn so_many_ask_for_a_snapshot_at_once_and_others_wait_for_them() {
        let (mut copy, config) = copy();
        for _ in 0..SNAPSHOT_CALLS {
            assert!(copy.may_ask(at(7)));
        }
        assert!(!copy.may_ask(at(7 + KEYS_JOIN_MICROS - 1)));
        assert!(copy.may_ask(at(7 + KEYS_JOIN_MICROS)), "they may have been ended");
        for _ in 0..SNAPSHOT_CALLS {
            copy.may_ask(at(9 + KEYS_JOIN_MICROS));
        }
        copy.take(r#"{"version":3}"#, at(9), at(9 + KEYS_JOIN_MICROS), &config).unwrap();
        assert!(copy.may_ask(at(9 + KEYS_JOIN_MICROS)), "they were answered");
    }

    #[test]
    fn an_issuer_is_asked_once_in_a_while_and_others_wait_for_that() {
        let (mut copy, _) = copy();
        assert!(!copy.is_renewing("a", at(0)) && copy.may_renew("a", at(0)));
        assert!(copy.may_renew("b", at(0)), "each issuer by itself");
        assert!(copy.is_renewing("a", at(KEYS_JOIN_MICROS - 1)));
        assert!(!copy.is_renewing("a", at(KEYS_JOIN_MICROS)));
        assert!(!copy.may_renew("a", at(KEYS_PAUSE_MICROS - 1)));
        copy.renewed("a");
        assert!(!copy.is_renewing("a", at(1)));
        assert!(copy.may_renew("a", at(KEYS_PAUSE_MICROS)));
        assert!(copy.is_renewing("a", at(KEYS_PAUSE_MICROS)));
    }
}
