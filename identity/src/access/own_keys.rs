//! Blaze's own signing key: an Ed25519 seed that is made before the first copy of what is kept here is given, and never
//! leaves its row.

use super::Step;
use super::snapshot::KeySet;
use super::state::OWN_KEYS_ROW;
use crate::auth::signer::Signer;
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{OWN_KEY_GRACE_MICROS, OWN_KEY_LEAD_MICROS, OWN_KEYS};
use blaze_schema::timestamp::Timestamp;
use blaze_schema::value::Map;
use blaze_store::Store;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt;

/// The key that signs, those that did, and the one that will.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OwnKeys {
    seed: Seed,
    former: Vec<Former>,
    #[serde(default)]
    next: Option<Next>,
}

impl OwnKeys {
    fn of(seed: Seed) -> Self {
        OwnKeys { seed, former: Vec::new(), next: None }
    }

    /// How many are known.
    fn count(&self) -> usize {
        self.former.len().saturating_add(1).saturating_add(usize::from(self.next.is_some()))
    }

    /// The next key signs, if it is time.
    fn go_on(&mut self, now: i64) {
        let Some(Next { seed, from }) = self.next.take_if(|next| next.from <= now) else {
            return;
        };
        let until = from.saturating_add(OWN_KEY_GRACE_MICROS);
        self.former.push(Former { jwk: self.seed.signer().public_jwk(), until });
        self.seed = seed;
    }
}

/// A key that is published before it signs.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Next {
    seed: Seed,
    /// From when on it signs, in microseconds since 1970.
    from: i64,
}

/// A key that signs no more.
#[derive(Debug, Serialize, Deserialize)]
struct Former {
    jwk: Value,
    /// Until when what it signed holds, in microseconds since 1970.
    until: i64,
}

/// What a signing key is made of. It is never shown.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Seed([u8; 32]);

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed")
    }
}

impl Seed {
    fn new([first, second]: [u128; 2]) -> Self {
        let mut seed = [0; 32];
        let bits = first.to_be_bytes().into_iter().chain(second.to_be_bytes());
        seed.iter_mut().zip(bits).for_each(|(byte, bits)| *byte = bits);
        Seed(seed)
    }

    fn signer(self) -> Signer {
        Signer::from_seed(self.0)
    }
}

impl<S: Store> Step<'_, S> {
    /// Makes the key, unless there is one. Copies of what is kept here have it before anything is signed: the first token
    /// must not be one that nobody knows.
    pub(super) fn make_own_key(&mut self) -> Result<(), Error> {
        if self.state.own_keys.is_some() {
            return Ok(());
        }
        self.keep_own_keys(OwnKeys::of(Seed::new(self.random)))
    }

    pub(super) fn sign(&mut self, claims: &Map) -> Result<String, Error> {
        if let Some(keys) = &self.state.own_keys {
            return keys.seed.signer().sign(claims);
        }
        let seed = Seed::new(self.random);
        let token = seed.signer().sign(claims)?;
        self.keep_own_keys(OwnKeys::of(seed))?;
        Ok(token)
    }

    /// Makes another key. It is published at once, and signs when everybody has had the time to fetch it: others may
    /// have a copy of `/v1/jwks.json`. With `revoke` it signs at once, and what was signed before is good no more.
    pub(super) fn rotate(&mut self, revoke: bool, actor: &str) -> Result<String, Error> {
        let seed = Seed::new(self.random);
        let jwk = seed.signer().public_jwk();
        let (from, keys) = match self.state.own_keys.take() {
            Some(keys) if !revoke => self.with_next(keys, seed)?,
            _ => (self.now, OwnKeys::of(seed)),
        };
        let kid = jwk.get("kid").and_then(Value::as_str).unwrap_or_default();
        let act = if revoke { "signing-key.revoke" } else { "signing-key.rotate" };
        self.audit(actor, act, &format!("key {kid}"))?;
        self.keep_own_keys(keys)?;
        Ok(json!({"key": jwk, "signsFrom": from.to_string()}).to_string())
    }

    fn with_next(&self, mut keys: OwnKeys, seed: Seed) -> Result<(Timestamp, OwnKeys), Error> {
        if let Some(next) = keys.next {
            let from = Timestamp::from_micros(next.from);
            let detail = format!("signing keys: the next one is there, and signs from {from}");
            return Err(Error::new(Code::FailedPrecondition, detail));
        }
        if keys.count() >= OWN_KEYS {
            let detail = format!("signing keys: {OWN_KEYS} are known, which is the most");
            return Err(Error::new(Code::ResourceExhausted, detail).with_status(429));
        }
        let from = self.now.micros().saturating_add(OWN_KEY_LEAD_MICROS);
        keys.next = Some(Next { seed, from });
        Ok((Timestamp::from_micros(from), keys))
    }

    /// Lets the next key sign when it is time, and forgets former keys whose tokens have all expired.
    pub(super) fn expire_own_keys(&mut self) -> Result<(), Error> {
        let now = self.now.micros();
        let is_over = |former: &Former| former.until < now;
        let is_due = |keys: &mut OwnKeys| {
            keys.former.iter().any(is_over) || keys.next.is_some_and(|next| next.from <= now)
        };
        if let Some(mut keys) = self.state.own_keys.take_if(is_due) {
            keys.go_on(now);
            keys.former.retain(|former| !is_over(former));
            self.keep_own_keys(keys)?;
        }
        Ok(())
    }

    pub(super) fn own_keys(&self) -> KeySet {
        let Some(own) = &self.state.own_keys else { return KeySet::default() };
        let former = own.former.iter().map(|former| former.jwk.clone());
        let others = [Some(own.seed), own.next.map(|next| next.seed)].into_iter().flatten();
        KeySet { keys: former.chain(others.map(|seed| seed.signer().public_jwk())).collect() }
    }

    fn keep_own_keys(&mut self, keys: OwnKeys) -> Result<(), Error> {
        self.batch.put(OWN_KEYS_ROW.to_vec(), &keys)?;
        self.state.own_keys = Some(keys);
        self.state.changed(self.now);
        Ok(())
    }
}
