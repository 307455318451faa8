//! What a token is made of, and what its claims have to be (RFC 7519, RFC 8725).

use super::algorithm::Algorithm;
use super::issuers::Issuer;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use blaze_rules::auth::{ADMIN, Auth};
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{
    AUTH_BYTES, CLAIMS_DEPTH, CLOCK_LEEWAY_MICROS, ROLE_BYTES, ROLES, SUBJECT_BYTES, TOKEN_BYTES,
};
use blaze_schema::timestamp::Timestamp;
use blaze_schema::value::Map;
use serde::Deserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;

/// A token, read but not yet believed.
pub(super) struct Token<'a> {
    /// What is signed: header and claims, as they came.
    pub(super) message: &'a str,
    /// The signature, base64url.
    pub(super) signature: &'a str,
    /// What it says it is signed with.
    pub(super) algorithm: Algorithm,
    /// The name of the key.
    pub(super) kid: Option<String>,
    /// What it claims.
    pub(super) claims: Map,
}

/// A refusal: what is wrong, and nothing of the token itself.
pub(super) fn refused(what: &str) -> Error {
    Error::new(Code::Unauthenticated, format!("token: {what}"))
}

impl<'a> Token<'a> {
    /// Reads a JWS in compact form (RFC 7515, 3.1) with claims.
    ///
    /// Of the header `alg`, `kid`, `typ` and `crit` count. Keys that a header brings along or points to (`jwk`, `jku`,
    /// `x5c`, `x5u`) are not looked at: the token would say itself whom to believe.
    pub(super) fn parse(text: &'a str) -> Result<Self, Error> {
        if text.len() > TOKEN_BYTES {
            return Err(refused(&format!("more than {TOKEN_BYTES} bytes")));
        }
        let parts = || {
            let (message, signature) = text.rsplit_once('.')?;
            let (header, claims) = message.split_once('.')?;
            let is_complete = ![header, claims, signature].contains(&"") && !claims.contains('.');
            is_complete.then_some((message, header, claims, signature))
        };
        let (message, header, claims, signature) =
            parts().ok_or_else(|| refused("neither a JWT nor an API key"))?;
        let header = object(header)
            .ok_or_else(|| refused("header: not a JSON object, each member once, in base64url"))?;
        if header.contains_key("crit") {
            return Err(refused("header: crit is not supported"));
        }
        let algorithm = header.get("alg").and_then(Value::as_str).and_then(Algorithm::parse);
        let algorithm = algorithm.ok_or_else(|| refused("algorithm"))?;
        let kid = match header.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => return Err(refused("header: kid is not a string")),
        };
        if !header.get("typ").is_none_or(is_jwt) {
            return Err(refused("header: typ is neither JWT nor at+jwt"));
        }
        let claims = object(claims)
            .ok_or_else(|| refused("claims: not a JSON object, each member once, in base64url"))?;
        Ok(Token { message, signature, algorithm, kid, claims })
    }

    /// Its issuer, as it says.
    pub(super) fn issuer(&self) -> Result<&str, Error> {
        self.claims
            .get("iss")
            .and_then(Value::as_str)
            .ok_or_else(|| refused("iss: missing, or not a string"))
    }

    /// Who it is, if its issuer may say so, and now. The signature is not looked at here.
    pub(super) fn auth(&self, issuer: &Issuer, now: Timestamp) -> Result<Auth, Error> {
        let claims = &self.claims;
        let expires = time(claims, "exp")?.ok_or_else(|| refused("exp: missing"))?;
        if now >= expires {
            return Err(refused("expired"));
        }
        let clock = now.after(CLOCK_LEEWAY_MICROS);
        if time(claims, "nbf")?.is_some_and(|from| clock < from) {
            return Err(refused("nbf: not valid yet"));
        }
        if time(claims, "iat")?.is_some_and(|issued| clock < issued) {
            return Err(refused("iat: issued in the future"));
        }
        if !is_for(claims.get("aud"), &issuer.audience) {
            return Err(refused("aud: for somebody else"));
        }
        if depth(claims.values()) > CLAIMS_DEPTH {
            return Err(refused(&format!("claims: deeper than {CLAIMS_DEPTH}")));
        }
        let mut roles = roles(claims, &issuer.roles)?;
        if !issuer.admins {
            roles.remove(ADMIN);
        }
        let (uid, token) = (subject(claims)?.to_owned(), claims.clone());
        let auth = Auth { uid, token, roles, expires: Some(expires) };
        if serde_json::to_vec(&auth).map_or(usize::MAX, |text| text.len()) > AUTH_BYTES {
            return Err(refused(&format!("claims: more than {AUTH_BYTES} bytes")));
        }
        Ok(auth)
    }
}

/// RFC 9068, 2.1: a media type, which may be written in full, in any case.
fn is_jwt(typ: &Value) -> bool {
    let Some(typ) = typ.as_str() else { return false };
    let types = ["jwt", "at+jwt", "application/jwt", "application/at+jwt"];
    types.iter().any(|known| typ.eq_ignore_ascii_case(known))
}

/// A time in seconds since 1970, possibly with a fraction (RFC 7519, 2: NumericDate).
fn time(claims: &Map, name: &str) -> Result<Option<Timestamp>, Error> {
    let Some(claim) = claims.get(name) else { return Ok(None) };
    let micros = match (claim.as_i64(), claim.as_f64()) {
        (Some(seconds), _) => seconds.saturating_mul(1_000_000),
        // The conversion takes the nearest bound.
        (None, Some(seconds)) => (seconds * 1e6) as i64,
        (None, None) => return Err(refused(&format!("{name}: not a number"))),
    };
    Ok(Some(Timestamp::from_micros(micros)))
}

fn is_for(aud: Option<&Value>, audience: &[String]) -> bool {
    let is_ours = |aud: &Value| audience.iter().any(|ours| aud == ours);
    match aud {
        Some(Value::Array(all)) => all.iter().any(is_ours),
        Some(one) => is_ours(one),
        None => false,
    }
}

/// The `sub`. One that begins with `key:` would pass for an API key.
fn subject(claims: &Map) -> Result<&str, Error> {
    let subject = claims.get("sub").and_then(Value::as_str);
    let subject = subject.ok_or_else(|| refused("sub: missing, or not a string"))?;
    if subject.is_empty() || subject.len() > SUBJECT_BYTES {
        return Err(refused(&format!("sub: not 1 to {SUBJECT_BYTES} bytes")));
    }
    if subject.starts_with("key:") {
        return Err(refused("sub: begins as that of an API key"));
    }
    Ok(subject)
}

/// The roles that a claim lists; a text is a list of one. The claim's name is tried as it is first: names such as
/// `https://my-app.example/roles` have dots that separate nothing.
fn roles(claims: &Map, name: &str) -> Result<BTreeSet<String>, Error> {
    let nested = || {
        let (first, rest) = name.split_once('.')?;
        rest.split('.').try_fold(claims.get(first)?, |value, name| value.get(name))
    };
    let listed = match claims.get(name).or_else(nested) {
        None | Some(Value::Null) => return Ok(BTreeSet::new()),
        Some(Value::Array(listed)) => listed.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    let fits = |role: &&str| (1..=ROLE_BYTES).contains(&role.len());
    let role = |role: &Value| role.as_str().filter(fits).map(str::to_owned);
    let roles: Option<BTreeSet<String>> = listed.iter().map(role).collect();
    roles
        .filter(|roles| roles.len() <= ROLES)
        .ok_or_else(|| refused(&format!("roles: not {ROLES} texts of 1 to {ROLE_BYTES} bytes")))
}

/// Levels of maps and arrays: one, and those of the values. What serde_json has read has at most 128.
fn depth<'a>(values: impl Iterator<Item = &'a Value>) -> usize {
    let below = values.map(|value| match value {
        Value::Array(values) => depth(Box::new(values.iter()) as Box<dyn Iterator<Item = _>>),
        Value::Object(map) => depth(Box::new(map.values()) as Box<dyn Iterator<Item = _>>),
        _ => 0,
    });
    below.max().unwrap_or(0).saturating_add(1)
}

/// A JSON object in base64url without padding, where no member is there twice (RFC 7519, 4; RFC 7515, 4). Members of
/// members may be; of them the last counts, as RFC 8259 leaves open.
fn object(encoded: &str) -> Option<Map> {
    struct Object;

    impl<'de> Visitor<'de> for Object {
        type Value = Map;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Map, A::Error> {
            let mut map = Map::new();
            while let Some((name, value)) = access.next_entry::<String, Value>()? {
                if map.insert(name, value).is_some() {
                    return Err(A::Error::custom("a member is there twice"));
                }
            }
            Ok(map)
        }
    }

    let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
    let mut deserializer = serde_json::Deserializer::from_slice(&bytes);
    let map = deserializer.deserialize_map(Object).ok()?;
    deserializer.end().ok()?;
    Some(map)
}
