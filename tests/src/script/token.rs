//! The issuer that a closed Blaze trusts in scripts, and its tokens.

use blaze_schema::timestamp::Timestamp;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Map, Value, json};

const SECRET: &str = "a secret of these tests, 32 bytes.";
const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "blaze";
/// An hour, in seconds.
const TOKEN_SECONDS: i64 = 3_600;

/// Makes an `access.json` that trusts the issuer.
pub(crate) fn access() -> Value {
    let key = json!({"kid": "k", "algorithm": "HS256", "secret": "TOKEN_SECRET"});
    let issuer = json!({"issuer": ISSUER, "audience": AUDIENCE, "admins": true, "keys": [key]});
    json!({"issuers": [issuer]})
}

/// The variable with the issuer's secret.
pub(crate) fn variable() -> (String, String) {
    ("TOKEN_SECRET".to_owned(), SECRET.to_owned())
}

/// Makes a token with these claims, which may say when it ends: else that is an hour after `now`.
pub(crate) fn token(now: Timestamp, claims: &Map<String, Value>) -> String {
    let end = now.micros() / 1_000_000 + TOKEN_SECONDS;
    let mut all = json!({"iss": ISSUER, "aud": AUDIENCE, "exp": end});
    all.as_object_mut().expect("an object").extend(claims.clone());
    let header = Header { kid: Some("k".to_owned()), ..Header::default() };
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&header, &all, &key).expect("a token")
}
