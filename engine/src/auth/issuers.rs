//! The issuers whose tokens are trusted: the array `issuers` of `access.json`.

use super::algorithm::Algorithm;
use super::key::Key;
use super::signer::{OWN_AUDIENCE, OWN_ISSUER};
use blaze_schema::error::Error;
use blaze_schema::limits::{ISSUERS, JWKS_KEYS};
use blaze_schema::value::Map;
use serde_json::Value;
use std::collections::BTreeSet;

/// Issuers, as they are configured:
///
/// ```json
/// [
///   {
///     "issuer": "https://accounts.example",
///     "audience": ["my-app"],
///     "jwks": "https://accounts.example/keys",
///     "algorithms": ["RS256", "ES256"],
///     "roles": "realm_access.roles"
///   },
///   {
///     "issuer": "my-backend",
///     "audience": "blaze",
///     "admins": true,
///     "keys": [
///       {"kid": "k1", "algorithm": "HS256", "secret": "NAME_OF_THE_SECRET"},
///       {"kid": "k2", "algorithm": "EdDSA", "jwk": {"kty": "OKP", "crv": "Ed25519", "x": "…"}},
///       {"algorithm": "RS256", "pem": "-----BEGIN PUBLIC KEY-----…"}
///     ]
///   }
/// ]
/// ```
///
/// A key without a `kid` is tried for any token of its algorithm, if no more than [`KEYS_TRIED`] fit.
///
/// [`KEYS_TRIED`]: blaze_schema::limits::KEYS_TRIED
///
/// A uid is a token's `sub`, whoever issued it. Two issuers can use the same one for different people: where more than
/// one is trusted, rules should look at `request.auth.token.iss` too.
#[derive(Clone, Debug, Default)]
pub struct Issuers(Vec<Issuer>);

/// One issuer.
#[derive(Clone, Debug)]
pub(super) struct Issuer {
    /// What `iss` has to be, exactly.
    pub(super) issuer: String,
    /// One of them has to be in `aud`.
    pub(super) audience: Vec<String>,
    /// The claim with the roles: its name, or names with dots between, from the outside in.
    pub(super) roles: String,
    /// Whether its tokens may grant the role `admin`. Unless the configuration says so, that role is taken away from
    /// what a token says: rules do not apply to it, and whoever runs an issuer could give it to themselves.
    pub(super) admins: bool,
    /// Its keys.
    pub(super) keys: Keys,
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug)]
pub(super) enum Keys {
    /// A key set that it publishes.
    Jwks {
        /// Where. Blaze's own is nowhere: the access object keeps it.
        url: Option<String>,
        /// The algorithms that are taken from it.
        algorithms: BTreeSet<Algorithm>,
    },
    /// The configuration itself.
    Configured(Vec<ConfiguredKey>),
}

/// A key in the configuration.
#[derive(Clone, Debug)]
pub(super) enum ConfiguredKey {
    /// An HS256 secret that the environment has under this name.
    Secret {
        /// Its name in tokens.
        kid: Option<String>,
        /// The secret's name.
        name: String,
        /// The place in the configuration, for errors.
        place: String,
    },
    /// A public key.
    Public(Key),
}

impl Issuers {
    /// Reads the array `issuers` of `access.json`.
    ///
    /// # Errors
    /// `invalid-argument` naming the place (`issuers[1].keys[0].algorithm: …`): an unknown or missing key, a value of
    /// another type, an algorithm that is not supported, a key that is weak or not of its algorithm, two issuers of one
    /// name, a limit exceeded.
    pub fn from_json(value: &Value) -> Result<Self, Error> {
        let Some(values) = value.as_array() else {
            return Err(Error::invalid("issuers: not an array"));
        };
        if values.len() > ISSUERS {
            return Err(Error::invalid(format!("issuers: more than {ISSUERS}")));
        }
        let (mut issuers, mut names) = (Vec::new(), BTreeSet::from([OWN_ISSUER.to_owned()]));
        for (number, value) in values.iter().enumerate() {
            let issuer = Issuer::from_json(&Place::new(value, format!("issuers[{number}]"))?)?;
            if !names.insert(issuer.issuer.clone()) {
                let detail = format!("issuers[{number}].issuer: there is one of this name already");
                return Err(Error::invalid(detail));
            }
            issuers.push(issuer);
        }
        Ok(Issuers(issuers))
    }

    /// The issuers that publish their keys, each with the URL of its JWKS.
    pub fn jwks(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|issuer| match &issuer.keys {
            Keys::Jwks { url: Some(url), .. } => Some((issuer.issuer.as_str(), url.as_str())),
            _ => None,
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Issuer> {
        self.0.iter()
    }
}

impl Issuer {
    /// Blaze itself: its tokens are signed with EdDSA, and it knows itself who is an admin.
    pub(super) fn own() -> Self {
        Issuer {
            issuer: OWN_ISSUER.to_owned(),
            audience: vec![OWN_AUDIENCE.to_owned()],
            roles: "roles".to_owned(),
            admins: true,
            keys: Keys::Jwks { url: None, algorithms: BTreeSet::from([Algorithm::EdDsa]) },
        }
    }

    fn from_json(place: &Place<'_>) -> Result<Self, Error> {
        let known = ["issuer", "audience", "jwks", "algorithms", "keys", "roles", "admins"];
        place.only(&known)?;
        let admins = match place.fields.get("admins") {
            None => false,
            Some(Value::Bool(admins)) => *admins,
            Some(_) => return Err(place.wrong("admins", "not a boolean")),
        };
        Ok(Issuer {
            issuer: place.required("issuer")?.to_owned(),
            audience: audience(place)?,
            roles: place.text("roles")?.unwrap_or("roles").to_owned(),
            admins,
            keys: keys(place)?,
        })
    }
}

fn audience(place: &Place<'_>) -> Result<Vec<String>, Error> {
    let name = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let names = match place.fields.get("audience") {
        None => return Err(place.wrong("audience", "is missing")),
        Some(Value::Array(values)) => values.iter().map(name).collect(),
        Some(value) => name(value).map(|name| vec![name]),
    };
    names
        .filter(|names: &Vec<String>| !names.is_empty())
        .ok_or_else(|| place.wrong("audience", "neither a name nor a list of names"))
}

fn keys(place: &Place<'_>) -> Result<Keys, Error> {
    match (place.text("jwks")?, place.fields.get("keys")) {
        (Some(url), None) => {
            if !is_confidential(url) {
                return Err(place.wrong("jwks", "not an https URL"));
            }
            Ok(Keys::Jwks { url: Some(url.to_owned()), algorithms: algorithms(place)? })
        }
        (None, Some(Value::Array(values))) => {
            if place.fields.contains_key("algorithms") {
                return Err(place.wrong("algorithms", "each of the keys names its own"));
            }
            if values.is_empty() || values.len() > JWKS_KEYS {
                return Err(place.wrong("keys", &format!("not 1 to {JWKS_KEYS}")));
            }
            let keys = values.iter().enumerate().map(|(number, value)| {
                let place = Place::new(value, format!("{}.keys[{number}]", place.name))?;
                ConfiguredKey::from_json(&place)
            });
            keys.collect::<Result<_, _>>().map(Keys::Configured)
        }
        (None, Some(_)) => Err(place.wrong("keys", "not an array")),
        _ => Err(Error::invalid(format!("{}: not exactly one of `jwks` and `keys`", place.name))),
    }
}

/// The algorithms that are taken from a JWKS; all that have public keys unless they are named.
fn algorithms(place: &Place<'_>) -> Result<BTreeSet<Algorithm>, Error> {
    let Some(value) = place.fields.get("algorithms") else {
        return Ok(Algorithm::PUBLIC.into_iter().collect());
    };
    let algorithm = |value: &Value| Algorithm::parse(value.as_str()?);
    let is_public = |algorithm: &Algorithm| Algorithm::PUBLIC.contains(algorithm);
    let named: Option<BTreeSet<Algorithm>> = value
        .as_array()
        .and_then(|values| values.iter().map(|value| algorithm(value).filter(is_public)).collect());
    named
        .filter(|named| !named.is_empty())
        .ok_or_else(|| place.wrong("algorithms", "not a list of RS256, ES256 and EdDSA"))
}

/// Whether nobody can change on its way what comes from a URL: `https`, or this machine.
fn is_confidential(url: &str) -> bool {
    let is_local = |rest: &str| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit_once(':').map_or(authority, |(host, port)| {
            if port.bytes().all(|digit| digit.is_ascii_digit()) { host } else { authority }
        });
        ["localhost", "127.0.0.1", "[::1]"].contains(&host)
    };
    url.strip_prefix("https://").is_some_and(|rest| !rest.is_empty())
        || url.strip_prefix("http://").is_some_and(is_local)
}

impl ConfiguredKey {
    fn from_json(place: &Place<'_>) -> Result<Self, Error> {
        place.only(&["kid", "algorithm", "secret", "jwk", "pem"])?;
        let kid = place.text("kid")?.map(str::to_owned);
        let algorithm = Algorithm::parse(place.required("algorithm")?)
            .ok_or_else(|| place.wrong("algorithm", "not HS256, RS256, ES256 or EdDSA"))?;
        let wanted = if algorithm == Algorithm::Hs256 {
            "HS256 has a `secret`, and nothing else"
        } else {
            "it has a `jwk` or a `pem`, and not both"
        };
        let material = (place.text("secret")?, place.fields.get("jwk"), place.text("pem")?);
        match material {
            (Some(name), None, None) if algorithm == Algorithm::Hs256 => {
                let (name, place) = (name.to_owned(), format!("{}.secret", place.name));
                Ok(ConfiguredKey::Secret { kid, name, place })
            }
            (None, Some(jwk), None) if algorithm != Algorithm::Hs256 => {
                let Some(jwk) = jwk.as_object() else {
                    return Err(place.wrong("jwk", "not a JSON object"));
                };
                let mut key = Key::from_jwk(jwk).map_err(|refusal| place.wrong("jwk", refusal))?;
                if key.algorithm != algorithm {
                    return Err(place.wrong("algorithm", "not that of the key"));
                }
                if kid.is_some() && key.kid.is_some() && kid != key.kid {
                    return Err(place.wrong("kid", "not that of the key"));
                }
                key.kid = kid.or(key.kid);
                Ok(ConfiguredKey::Public(key))
            }
            (None, None, Some(pem)) if algorithm != Algorithm::Hs256 => {
                Key::from_pem(kid, algorithm, pem)
                    .map(ConfiguredKey::Public)
                    .map_err(|refusal| place.wrong("pem", refusal))
            }
            _ => Err(Error::invalid(format!("{}: {wanted}", place.name))),
        }
    }
}

/// An object of the configuration, and where it is.
struct Place<'a> {
    fields: &'a Map,
    name: String,
}

impl<'a> Place<'a> {
    fn new(value: &'a Value, name: String) -> Result<Self, Error> {
        match value.as_object() {
            Some(fields) => Ok(Place { fields, name }),
            None => Err(Error::invalid(format!("{name}: not a JSON object"))),
        }
    }

    fn wrong(&self, key: &str, what: &str) -> Error {
        Error::invalid(format!("{}.{key}: {what}", self.name))
    }

    fn only(&self, known: &[&str]) -> Result<(), Error> {
        let unknown = self.fields.keys().find(|key| !known.contains(&key.as_str()));
        unknown.map_or(Ok(()), |key| Err(self.wrong(key, "no such setting")))
    }

    fn text(&self, key: &str) -> Result<Option<&'a str>, Error> {
        match self.fields.get(key) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
            Some(_) => Err(self.wrong(key, "not a string, or empty")),
        }
    }

    fn required(&self, key: &str) -> Result<&'a str, Error> {
        self.text(key)?.ok_or_else(|| self.wrong(key, "is missing"))
    }
}
