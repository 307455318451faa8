//! Who asks: what a bearer token or an API key says, once it is found to be true.
//!
//! In scope: the issuers that are trusted ([`issuers`]) and their keys ([`jwks`]), what a credential says
//! ([`identities`]), API keys ([`api_key`]), Blaze's own tokens ([`signer`]). Out of scope: what somebody may do
//! ([`crate::rules`]), fetching keys, and where secrets come from.

mod algorithm;
pub mod api_key;
mod cache;
pub mod identities;
pub mod issuers;
pub mod jwks;
mod key;
pub mod signer;
mod token;

pub use algorithm::Algorithm;
pub use api_key::ApiKey;
pub use identities::{Identified, Identities};
pub use issuers::Issuers;
pub use signer::{OWN_AUDIENCE, OWN_ISSUER, Signer, access_claims};

use blaze_schema::timestamp::Timestamp;
use blaze_schema::value::Map;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The role that no rule stops.
pub const ADMIN: &str = "admin";

/// Somebody who is known. Nobody in particular (anonymous) is an `Option` that is `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Auth {
    /// Who: the token's `sub`, or `key:` and the API key's id. Rules see it as `request.auth.uid`.
    pub uid: String,
    /// The token's claims: `request.auth.token`.
    pub token: Map,
    /// The roles that the token (its claim `roles`, an array of strings) or the API key grants.
    pub roles: BTreeSet<String>,
    /// When this ends to be true.
    #[serde(with = "micros")]
    pub expires: Option<Timestamp>,
}

impl Auth {
    /// Whether rules do not apply to it.
    pub fn is_admin(&self) -> bool {
        self.roles.contains(ADMIN)
    }
}

/// A time as microseconds since 1970.
mod micros {
    use super::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        time: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(Timestamp::micros).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        Ok(Option::<i64>::deserialize(deserializer)?.map(Timestamp::from_micros))
    }
    /// The same of a time that is always there.
    pub(super) mod required {
        use super::{Deserialize, Deserializer, Serialize, Serializer, Timestamp};

        pub(in super::super) fn serialize<S: Serializer>(
            time: &Timestamp,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            time.micros().serialize(serializer)
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Timestamp, D::Error> {
            i64::deserialize(deserializer).map(Timestamp::from_micros)
        }
    }
}
