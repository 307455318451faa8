//! Blaze's own signing key: an Ed25519 seed that is made before the first copy of what is kept here is given, and never
//! leaves its row.

use super::Step;
use super::snapshot::KeySet;
use super::state::OWN_KEYS_ROW;
use crate::auth::signer::Signer;
use crate::store::Store;
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{OWN_KEY_GRACE_MICROS, OWN_KEYS};
use blaze_schema::value::Map;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// The key that signs, and those that did.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OwnKeys {
    seed: Seed,
    former: Vec<Former>,
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
        self.keep_own_keys(OwnKeys { seed: Seed::new(self.random), former: Vec::new() })
    }

    pub(super) fn sign(&mut self, claims: &Map) -> Result<String, Error> {
        if let Some(keys) = &self.state.own_keys {
            return keys.seed.signer().sign(claims);
        }
        let seed = Seed::new(self.random);
        let token = seed.signer().sign(claims)?;
        self.keep_own_keys(OwnKeys { seed, former: Vec::new() })?;
        Ok(token)
    }

    pub(super) fn rotate(&mut self, actor: &str) -> Result<String, Error> {
        let seed = Seed::new(self.random);
        let mut former = Vec::new();
        if let Some(before) = self.state.own_keys.take() {
            let jwk = before.seed.signer().public_jwk();
            let until = self.now.micros().saturating_add(OWN_KEY_GRACE_MICROS);
            former = before.former;
            former.push(Former { jwk, until });
        }
        if former.len() >= OWN_KEYS {
            let detail = format!("signing keys: {OWN_KEYS} are known, which is the most");
            return Err(Error::new(Code::ResourceExhausted, detail).with_status(429));
        }
        let jwk = seed.signer().public_jwk();
        let kid = jwk.get("kid").and_then(Value::as_str).unwrap_or_default();
        self.audit(actor, "signing-key.rotate", &format!("key {kid}"))?;
        self.keep_own_keys(OwnKeys { seed, former })?;
        Ok(jwk.to_string())
    }

    /// Forgets former keys whose tokens have all expired.
    pub(super) fn expire_own_keys(&mut self) -> Result<(), Error> {
        let now = self.now.micros();
        let is_over = |former: &Former| former.until < now;
        if let Some(mut keys) = self.state.own_keys.take_if(|keys| keys.former.iter().any(is_over))
        {
            keys.former.retain(|former| !is_over(former));
            self.keep_own_keys(keys)?;
        }
        Ok(())
    }

    pub(super) fn own_keys(&self) -> KeySet {
        let Some(own) = &self.state.own_keys else { return KeySet::default() };
        let former = own.former.iter().map(|former| former.jwk.clone());
        KeySet { keys: former.chain([own.seed.signer().public_jwk()]).collect() }
    }

    fn keep_own_keys(&mut self, keys: OwnKeys) -> Result<(), Error> {
        self.batch.put(OWN_KEYS_ROW.to_vec(), &keys)?;
        self.state.own_keys = Some(keys);
        self.state.changed(self.now);
        Ok(())
    }
}
