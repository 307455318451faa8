//! What every isolate has a copy of: enough to know who asks, and what they may do, without another request.

use crate::auth::api_key::ApiKey;
use blaze_schema::error::Error;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The state of the access object. It is secret: API keys are here as hashes only, and signing keys as public ones, but
/// rules and names are nobody's business.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// It is another whenever anything here is; 0 before anything was changed. Never more than 2^53.
    pub version: u64,
    /// The rules; without any nobody but an administrator may do anything.
    pub rules: Option<Rules>,
    /// All API keys, those that have expired among them.
    pub keys: Vec<ApiKey>,
    /// The public keys of the issuers whose keys are fetched, by issuer; one whose keys never came is missing.
    pub jwks: BTreeMap<String, KeySet>,
    /// Blaze's own public keys: `GET /v1/jwks.json`.
    pub own: KeySet,
}

/// Rules, as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Their version, from 1.
    pub version: u64,
    /// The text, which compiled when it came.
    pub text: String,
}

/// A JSON Web Key Set (RFC 7517 section 5).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeySet {
    /// The keys.
    pub keys: Vec<Value>,
}

impl Snapshot {
    /// What [`super::Event::Snapshot`] answered: the version, and all of it unless it is the one that was known.
    ///
    /// # Errors
    /// `internal` for any other text.
    pub fn parse(text: &str) -> Result<(u64, Option<Self>), Error> {
        #[derive(Deserialize)]
        struct Unchanged {
            version: u64,
        }
        let broken = |error: serde_json::Error| {
            Error::internal(format!("access: the snapshot cannot be read: {error}"))
        };
        // All that is unchanged is so short.
        if text.len() < 64 && !text.contains("\"rules\"") {
            let Unchanged { version } = serde_json::from_str(text).map_err(broken)?;
            return Ok((version, None));
        }
        let snapshot: Self = serde_json::from_str(text).map_err(broken)?;
        Ok((snapshot.version, Some(snapshot)))
    }

    pub(super) fn unchanged(version: u64) -> String {
        format!("{{\"version\":{version}}}")
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
