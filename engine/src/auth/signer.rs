//! Blaze's own tokens: a stand-in, which the branch `auth` replaces.

use blaze_schema::error::Error;
use blaze_schema::value::Map;
use serde_json::{Value, json};

/// What signs.
pub struct Signer {
    seed: [u8; 32],
}

impl Signer {
    /// The signer of an Ed25519 seed.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Signer { seed }
    }

    fn kid(&self) -> String {
        crate::hash(&[b"kid", &self.seed]).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The public key.
    pub fn public_jwk(&self) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": self.kid(), "x": self.kid()})
    }

    /// A token with these claims.
    ///
    /// # Errors
    /// `internal`.
    pub fn sign(&self, claims: &Map) -> Result<String, Error> {
        let claims = Value::Object(claims.clone()).to_string();
        Ok(format!("{}.{}", self.kid(), claims))
    }
}
