//! The public keys of issuers, which are fetched, and outlive an issuer that cannot be reached for a while.

use super::snapshot::KeySet;
use super::state::issuer_row;
use super::{Access, Effect, Step};
use crate::auth::OWN_ISSUER;
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{
    JWKS_BYTES, JWKS_FRESH_MICROS, JWKS_GRACE_MICROS, JWKS_PAUSE_MICROS, JWKS_RETRY_MICROS,
};
use blaze_schema::timestamp::Timestamp;
use blaze_schema::value::Map;
use blaze_store::Store;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The members of a public key (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2). What else a key has is
/// dropped, private parts first of all.
const MEMBERS: [&str; 10] = ["kty", "use", "key_ops", "alg", "kid", "crv", "x", "y", "n", "e"];

/// The types of keys that have a public half. A symmetric key that an issuer publishes would let everybody sign.
const PUBLIC_TYPES: [&str; 3] = ["RSA", "EC", "OKP"];

/// An issuer's keys, as they were when they last came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct IssuerKeys {
    pub(super) issuer: String,
    /// Where they came from.
    url: String,
    /// When, in microseconds since 1970.
    fetched: i64,
    keys: Vec<Value>,
}

impl Access {
    pub(super) fn url(&self, issuer: &str) -> Result<&String, Error> {
        let detail = || format!("issuer: no keys are fetched of {issuer:.200}");
        self.issuers.get(issuer).ok_or_else(|| Error::new(Code::NotFound, detail()))
    }

    /// Has keys fetched that are missing or old.
    pub(super) fn fetch_stale<S: Store>(&mut self, step: &mut Step<'_, S>) {
        for (issuer, url) in &self.issuers {
            let fetched = step.fetched(issuer);
            let is_stale = fetched.is_none_or(|at| has_passed(step.now, at, JWKS_FRESH_MICROS));
            if is_stale && may_ask(&self.asked, issuer, fetched, step.now, JWKS_PAUSE_MICROS) {
                self.asked.insert(issuer.clone(), step.now);
                step.fetch(issuer, url);
            }
        }
    }

    /// Has an issuer's keys fetched, if that was not done just now.
    pub(super) fn refresh<S: Store>(
        &mut self,
        step: &mut Step<'_, S>,
        issuer: String,
    ) -> Result<String, Error> {
        if issuer == OWN_ISSUER {
            return Ok(String::new());
        }
        let url = self.url(&issuer)?;
        let fetched = step.fetched(&issuer);
        let pause = if fetched.is_some() { JWKS_PAUSE_MICROS } else { JWKS_RETRY_MICROS };
        if may_ask(&self.asked, &issuer, fetched, step.now, pause) {
            step.fetch(&issuer, url);
            self.asked.insert(issuer, step.now);
        }
        Ok(String::new())
    }
}

impl<S: Store> Step<'_, S> {
    fn fetched(&self, issuer: &str) -> Option<Timestamp> {
        let keys = self.state.issuers.get(issuer)?;
        Some(Timestamp::from_micros(keys.fetched))
    }

    fn fetch(&mut self, issuer: &str, url: &str) {
        self.effects.push(Effect::FetchJwks { issuer: issuer.to_owned(), url: url.to_owned() });
    }

    pub(super) fn keep_jwks(
        &mut self,
        issuer: String,
        url: String,
        fetched: Result<String, String>,
    ) -> Result<String, Error> {
        let failed = |what: String| {
            Error::new(Code::Unavailable, format!("the keys of {issuer}, from {url}: {what}"))
        };
        let keys = fetched.and_then(|text| public_keys(&text)).map_err(failed)?;
        let before = self.state.issuers.get(&issuer);
        let has_changed = before.is_none_or(|before| before.keys != keys);
        let is_new = before.is_none();
        let kept = IssuerKeys { issuer, url, fetched: self.now.micros(), keys };
        let row = issuer_row(&kept.issuer);
        match self.store.record(&row)? {
            Some((record, _)) if !is_new => self.batch.change_record(record, &kept)?,
            _ => {
                let record = self.state.new_record();
                self.batch.put_record(row, record, &kept)?;
            }
        }
        self.state.issuers.insert(kept.issuer.clone(), kept);
        if has_changed {
            self.state.changed(self.now);
        }
        Ok(String::new())
    }

    /// Drops the keys that could not be fetched for too long, and those of issuers that the settings name no more.
    pub(super) fn expire_issuer_keys(
        &mut self,
        issuers: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        let now = self.now;
        let is_over = |keys: &IssuerKeys| {
            let age = now.micros().saturating_sub(keys.fetched);
            issuers.get(&keys.issuer) != Some(&keys.url) || age > JWKS_GRACE_MICROS
        };
        let over = self.state.issuers.extract_if(.., |_, keys| is_over(keys));
        for (issuer, _) in over.collect::<Vec<_>>() {
            self.batch.delete_record(self.store, issuer_row(&issuer))?;
            self.state.changed(now);
        }
        Ok(())
    }

    pub(super) fn issuer_keys(&self) -> BTreeMap<String, KeySet> {
        let issuers = self.state.issuers.iter();
        issuers.map(|(name, kept)| (name.clone(), KeySet { keys: kept.keys.clone() })).collect()
    }
}

/// Whether an issuer may be asked again, `pause` after it was asked last.
fn may_ask(
    asked: &BTreeMap<String, Timestamp>,
    issuer: &str,
    fetched: Option<Timestamp>,
    now: Timestamp,
    pause: i64,
) -> bool {
    let last = asked.get(issuer).copied().max(fetched);
    last.is_none_or(|last| has_passed(now, last, pause))
}

/// Whether so much time went by. A time that is yet to come was told by a clock that was wrong.
fn has_passed(now: Timestamp, since: Timestamp, micros: i64) -> bool {
    let passed = now.since(since);
    passed >= micros || passed < 0
}

/// The public keys of a JSON Web Key Set (RFC 7517 section 5): those of a type that is unknown are left out.
fn public_keys(text: &str) -> Result<Vec<Value>, String> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    if text.len() > JWKS_BYTES {
        return Err(format!("{} bytes, of {JWKS_BYTES} at most", text.len()));
    }
    let set: Set =
        serde_json::from_str(text).map_err(|error| format!("not a JSON Web Key Set: {error}"))?;
    Ok(set.keys.into_iter().filter_map(public_key).collect())
}

fn public_key(key: Value) -> Option<Value> {
    let Value::Object(mut key) = key else { return None };
    let mut public = Map::new();
    for member in MEMBERS {
        public.extend(key.remove_entry(member));
    }
    let kty = public.get("kty").and_then(Value::as_str)?;
    PUBLIC_TYPES.contains(&kty).then_some(Value::Object(public))
}
