//! Whether an id token is true (OpenID Connect Core 1.0, section 3.1.3.7), by a provider's keys and a time that are
//! given.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use blaze_schema::limits::{EMAIL_BYTES, ID_TOKEN_BYTES, PROVIDER_KEYS, SUBJECT_BYTES};
use blaze_schema::timestamp::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::{Map, Value};

/// How far a provider's clock may be ahead, in seconds, for `nbf` and `iat`. The end of a token is its `exp`.
const SKEW_SECONDS: f64 = 60.0;

/// Bytes of an RSA key's modulus, at least: 2,048 bits (RFC 7518, section 3.3). Leading zeros do not count.
const RSA_BYTES: usize = 256;

/// Whom an id token is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who, to this provider.
    pub sub: String,
    /// The email address, if the provider says one.
    pub email: Option<String>,
    /// Whether the provider says that it is theirs.
    pub email_verified: bool,
}

/// Why an id token is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Untrue {
    /// Its key is not among those given: there may be newer ones.
    UnknownKey,
    /// It is not true, whatever the keys are.
    Wrong(String),
}

fn wrong(what: impl Into<String>) -> Untrue {
    Untrue::Wrong(what.into())
}

/// What a token must be.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// `iss`, exactly.
    pub issuer: &'a str,
    /// `aud`, alone; and `azp`, if there is one.
    pub client_id: &'a str,
    /// `nonce`, exactly.
    pub nonce: &'a str,
}

/// Verifies an id token by a provider's JSON Web Key Set.
///
/// # Errors
/// Why it is not taken.
pub fn verify(
    token: &str,
    keys: &str,
    expected: Expected<'_>,
    now: Timestamp,
) -> Result<Identity, Untrue> {
    if token.len() > ID_TOKEN_BYTES {
        return Err(wrong(format!("more than {ID_TOKEN_BYTES} bytes")));
    }
    let (message, signature) =
        token.rsplit_once('.').ok_or_else(|| wrong("not a JSON Web Token"))?;
    let (header, claims) = message.split_once('.').ok_or_else(|| wrong("not a JSON Web Token"))?;
    let header = decode(header).ok_or_else(|| wrong("its header is not JSON"))?;
    let (key, algorithm) = find(&header, keys)?;
    match crypto::verify(signature, message.as_bytes(), &key, algorithm) {
        Ok(true) => {}
        Ok(false) | Err(_) => return Err(wrong("its signature is not the provider's")),
    }
    let claims = decode(claims).ok_or_else(|| wrong("its claims are not JSON"))?;
    check(&claims, expected, now)?;
    identity(&claims)
}

fn decode(part: &str) -> Option<Map<String, Value>> {
    match serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()? {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

/// The key that a token says it is signed with, and how. The algorithm is the key's: a token that names another finds no
/// key (RFC 8725, section 3.1).
fn find(header: &Map<String, Value>, keys: &str) -> Result<(DecodingKey, Algorithm), Untrue> {
    if header.contains_key("crit") {
        return Err(wrong("its header has critical parts that are not understood"));
    }
    let (algorithm, kind, curve) = match header.get("alg").and_then(Value::as_str) {
        Some("RS256") => (Algorithm::RS256, "RSA", None),
        Some("ES256") => (Algorithm::ES256, "EC", Some("P-256")),
        Some("EdDSA") => (Algorithm::EdDSA, "OKP", Some("Ed25519")),
        _ => return Err(wrong("its algorithm is none of RS256, ES256 and EdDSA")),
    };
    let keys: Value =
        serde_json::from_str(keys).map_err(|_| wrong("the provider's keys are not JSON"))?;
    let keys = keys.get("keys").and_then(Value::as_array);
    let keys = keys.ok_or_else(|| wrong("the provider's keys are not a JSON Web Key Set"))?;
    let kid = header.get("kid").and_then(Value::as_str);
    let fits = |key: &&Value| {
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        text("kty") == Some(kind)
            && (curve.is_none() || text("crv") == curve)
            && text("use").is_none_or(|purpose| purpose == "sig")
            && text("alg").is_none_or(|named| header.get("alg").is_some_and(|alg| alg == named))
            && (kid.is_none() || text("kid") == kid)
    };
    let mut found = keys.iter().take(PROVIDER_KEYS).filter(fits);
    let key = found.next().ok_or(Untrue::UnknownKey)?;
    // Core, section 10.1: where there are several keys, the token says which.
    if kid.is_none() && found.next().is_some() {
        return Err(wrong("it does not say which of several keys it is signed with"));
    }
    let key = decoding_key(key, algorithm).ok_or_else(|| wrong("its key cannot be used"))?;
    Ok((key, algorithm))
}

fn decoding_key(key: &Value, algorithm: Algorithm) -> Option<DecodingKey> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let made = match algorithm {
        Algorithm::RS256 => {
            let modulus = URL_SAFE_NO_PAD.decode(text("n")?).ok()?;
            let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
            if modulus.len().saturating_sub(zeros) < RSA_BYTES {
                return None;
            }
            DecodingKey::from_rsa_components(text("n")?, text("e")?)
        }
        Algorithm::ES256 => DecodingKey::from_ec_components(text("x")?, text("y")?),
        Algorithm::EdDSA => DecodingKey::from_ed_components(text("x")?),
        _ => return None,
    };
    made.ok()
}

fn check(
    claims: &Map<String, Value>,
    expected: Expected<'_>,
    now: Timestamp,
) -> Result<(), Untrue> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(expected.issuer) {
        return Err(wrong("iss: it is of another issuer"));
    }
    let is_client = |audience: &Value| audience == expected.client_id;
    let is_for_us = match claims.get("aud") {
        // Others in it are nobody that is trusted here.
        Some(Value::Array(audiences)) => matches!(&audiences[..], [only] if is_client(only)),
        Some(audience) => is_client(audience),
        None => false,
    };
    if !is_for_us {
        return Err(wrong("aud: it is for another client, or not for this one alone"));
    }
    if claims.get("azp").is_some_and(|party| !is_client(party)) {
        return Err(wrong("azp: it was given to another client"));
    }
    if text("nonce") != Some(expected.nonce) {
        return Err(wrong("nonce: it is of another sign-in"));
    }
    // Times are numbers of seconds, which need not be whole (RFC 7519, section 2).
    let seconds = |name: &str| claims.get(name).and_then(Value::as_f64);
    let now = now.micros() as f64 / 1e6;
    let latest = now + SKEW_SECONDS;
    if seconds("exp").is_none_or(|exp| now >= exp) {
        return Err(wrong("exp: it is no longer good"));
    }
    if seconds("iat").is_none_or(|iat| iat > latest) {
        return Err(wrong("iat: it was made in the future"));
    }
    if claims.contains_key("nbf") && seconds("nbf").is_none_or(|nbf| nbf > latest) {
        return Err(wrong("nbf: it is not good yet"));
    }
    Ok(())
}

fn identity(claims: &Map<String, Value>) -> Result<Identity, Untrue> {
    let is_plain = |sub: &&str| {
        (1..=SUBJECT_BYTES).contains(&sub.len()) && sub.bytes().all(|b| (b' '..=b'~').contains(&b))
    };
    let sub = claims.get("sub").and_then(Value::as_str).filter(is_plain);
    let sub =
        sub.ok_or_else(|| wrong(format!("sub: not 1 to {SUBJECT_BYTES} characters of ASCII")))?;
    let email = claims.get("email").and_then(Value::as_str);
    let email = email.filter(|email| email.len() <= EMAIL_BYTES).map(str::to_owned);
    // Some providers write it as a text.
    let verified = claims.get("email_verified");
    let verified = verified.is_some_and(|verified| verified == true || verified == "true");
    Ok(Identity { sub: sub.to_owned(), email_verified: verified && email.is_some(), email })
}

#[cfg(test)]
mod tests;
