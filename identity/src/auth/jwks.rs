//! A JSON Web Key Set (RFC 7517, 5): the public keys of an issuer, as it publishes them.

use super::algorithm::Algorithm;
use super::key::Key;
use blaze_schema::error::Error;
use blaze_schema::limits::{JWKS_BYTES, JWKS_KEYS};
use serde_json::Value;
use std::collections::BTreeSet;

/// Keys that verify tokens.
#[derive(Clone, Debug, Default)]
pub struct Jwks {
    keys: Vec<Key>,
}

impl Jwks {
    /// Reads a key set and takes the keys of these algorithms. A key that cannot be used is left out, as RFC 7517
    /// wishes: one of another type or purpose, one that is weak, one that should not be public (private keys and
    /// secrets). HS256 has no public keys and is never found here.
    ///
    /// # Errors
    /// `invalid-argument` when it is no key set: not JSON, too long ([`JWKS_BYTES`]), without an array `keys`, or with
    /// more than [`JWKS_KEYS`].
    pub fn parse(text: &str, algorithms: &BTreeSet<Algorithm>) -> Result<Self, Error> {
        if text.len() > JWKS_BYTES {
            return Err(Error::invalid(format!("jwks: more than {JWKS_BYTES} bytes")));
        }
        let document: Value =
            serde_json::from_str(text).map_err(|_| Error::invalid("jwks: not JSON"))?;
        let Some(keys) = document.get("keys").and_then(Value::as_array) else {
            return Err(Error::invalid("jwks: no array `keys`"));
        };
        if keys.len() > JWKS_KEYS {
            return Err(Error::invalid(format!("jwks: more than {JWKS_KEYS} keys")));
        }
        let usable = keys.iter().filter_map(|key| Key::from_jwk(key.as_object()?).ok());
        let keys = usable.filter(|key| algorithms.contains(&key.algorithm)).collect();
        Ok(Jwks { keys })
    }

    /// How many of its keys can be used.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether none can.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn into_keys(self) -> Vec<Key> {
        self.keys
    }
}
