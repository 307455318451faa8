//! The caller as rules see it: `request.auth`.

use blaze_schema::timestamp::Timestamp;
use blaze_schema::value::Map;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The role that no rule stops.
pub const ADMIN: &str = "admin";

/// A known caller. An anonymous one is an `Option` that is `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Auth {
    /// The name: the token's `sub`, or `key:` and the API key's id. Rules see it as `request.auth.uid`.
    pub uid: String,
    /// The token's claims: `request.auth.token`.
    pub token: Map,
    /// The roles that the token (its claim `roles`, an array of strings) or the API key grants.
    pub roles: BTreeSet<String>,
    /// When this ends to be true.
    #[serde(with = "blaze_schema::micros")]
    pub expires: Option<Timestamp>,
}

impl Auth {
    /// Returns true if rules do not apply to the caller.
    pub fn is_admin(&self) -> bool {
        self.roles.contains(ADMIN)
    }
}
