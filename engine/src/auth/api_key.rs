//! API keys: a stand-in, which the branch `auth` replaces.

use blaze_schema::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt::Write;

/// An API key, without its secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApiKey {
    /// What it is called by.
    pub id: String,
    /// What somebody called it.
    pub name: String,
    /// SHA-256 of the secret, in hexadecimal digits.
    pub hash: String,
    /// The roles that it grants.
    pub roles: BTreeSet<String>,
    /// When it was made.
    #[serde(with = "time")]
    pub created: Timestamp,
    /// When it ends to hold.
    #[serde(with = "super::micros")]
    pub expires: Option<Timestamp>,
}

impl ApiKey {
    /// A new key, and its text, which is shown once.
    pub fn mint(
        random: [u128; 2],
        name: String,
        roles: BTreeSet<String>,
        now: Timestamp,
        expires: Option<Timestamp>,
    ) -> (ApiKey, String) {
        let [first, second] = random;
        let digest = crate::hash(&[&first.to_be_bytes(), &second.to_be_bytes()]);
        let hex = |bytes: &[u8]| {
            bytes.iter().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
        };
        let id: String = hex(&digest).chars().take(10).collect();
        let secret = format!("{first:032x}{second:032x}");
        let hash = hex(&crate::hash(&[secret.as_bytes()]));
        let text = format!("blz_{id}_{secret}");
        (ApiKey { id, name, hash, roles, created: now, expires }, text)
    }
}

/// A time as microseconds since 1970.
mod time {
    use super::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        time.micros().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(from).map(Timestamp::from_micros)
    }
}
