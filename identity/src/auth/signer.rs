//! Blaze's own tokens, which it gives to those who signed in.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::TOKEN_BYTES;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::value::Map;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt;

/// `iss` of Blaze's own tokens.
pub const OWN_ISSUER: &str = "blaze";
/// `aud` of Blaze's own tokens.
pub const OWN_AUDIENCE: &str = "blaze";

/// Blaze's own key. It signs with Ed25519.
#[derive(Clone)]
pub struct Signer {
    key: SigningKey,
    kid: String,
}

/// The key is not shown.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl Signer {
    /// The key that these 32 random bytes are (RFC 8032, 5.1.5).
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let key = SigningKey::from_bytes(&seed);
        // RFC 7638, 3.2; RFC 8037, 2: the required members, in the order of their names.
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, public(&key));
        let kid = URL_SAFE_NO_PAD.encode(Sha256::digest(members));
        Signer { key, kid }
    }

    /// The key's name: the thumbprint of its public part (RFC 7638).
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public part of the key, for a JWKS.
    pub fn public_jwk(&self) -> Value {
        json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "x": public(&self.key),
            "kid": self.kid,
            "alg": "EdDSA",
            "use": "sig",
        })
    }

    /// A token with these claims.
    ///
    /// # Errors
    /// `resource-exhausted` when it would be longer than a token may be ([`TOKEN_BYTES`]).
    pub fn sign(&self, claims: &Map) -> Result<String, Error> {
        let header = json!({"alg": "EdDSA", "kid": self.kid, "typ": "JWT"}).to_string();
        let claims = Value::Object(claims.clone()).to_string();
        let encode = |text: String| URL_SAFE_NO_PAD.encode(text);
        let message = format!("{}.{}", encode(header), encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(message.as_bytes()).to_bytes());
        let token = format!("{message}.{signature}");
        if token.len() > TOKEN_BYTES {
            let detail = format!("token: more than {TOKEN_BYTES} bytes");
            return Err(Error::new(Code::ResourceExhausted, detail));
        }
        Ok(token)
    }
}

fn public(key: &SigningKey) -> String {
    URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes())
}

/// The claims of one of Blaze's own tokens, good from now on for `lifetime` microseconds (whole seconds of them). What
/// `extra` says of `iss`, `aud`, `sub`, `roles`, `iat`, `nbf` and `exp` does not count.
pub fn access_claims(
    uid: &str,
    roles: &BTreeSet<String>,
    extra: &Map,
    now: Timestamp,
    lifetime: i64,
) -> Map {
    let seconds = |micros: i64| micros.div_euclid(1_000_000);
    let mut claims = extra.clone();
    claims.remove("nbf");
    for (name, value) in [
        ("iss", json!(OWN_ISSUER)),
        ("aud", json!(OWN_AUDIENCE)),
        ("sub", json!(uid)),
        ("roles", json!(roles)),
        ("iat", json!(seconds(now.micros()))),
        ("exp", json!(seconds(now.micros().saturating_add(lifetime)))),
    ] {
        claims.insert(name.to_owned(), value);
    }
    claims
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037, appendix A.1 to A.3.
    #[test]
    fn the_public_part_and_its_thumbprint_are_those_of_the_rfc() {
        let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let signer = Signer::from_seed(seed.try_into().unwrap());
        assert_eq!(signer.public_jwk()["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(signer.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!(signer.public_jwk()["kid"], signer.kid());
        assert_eq!(format!("{signer:?}"), format!("Signer {{ kid: {:?}, .. }}", signer.kid()));
    }

    #[test]
    fn the_claims_are_of_whole_seconds_and_extra_ones_change_none() {
        let extra = json!({"name": "Ada", "sub": "eve", "iss": "eve", "exp": 9e9, "nbf": 9e9});
        let roles = BTreeSet::from(["reader".to_owned()]);
        let now = Timestamp::from_micros(10_999_999);
        let claims = access_claims("ada", &roles, extra.as_object().unwrap(), now, 5_500_000);
        let expected = json!({
            "iss": "blaze", "aud": "blaze", "sub": "ada", "roles": ["reader"], "iat": 10,
            "exp": 16, "name": "Ada",
        });
        assert_eq!(Value::Object(claims), expected);
    }

    #[test]
    fn a_token_is_as_long_as_it_may_be() {
        let signer = Signer::from_seed([7; 32]);
        let sign = |bytes: usize| {
            let claims = json!({"a": "x".repeat(bytes)});
            signer.sign(claims.as_object().unwrap()).map(|token| token.len())
        };
        let longest = (5_900..6_100).rev().find(|bytes| sign(*bytes).is_ok()).unwrap();
        assert!(sign(longest).unwrap() > TOKEN_BYTES - 3);
        assert_eq!(sign(longest + 1).unwrap_err().detail, "token: more than 8192 bytes");
    }
}
