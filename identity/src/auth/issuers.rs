//! The issuers whose tokens are trusted: the array `issuers` of `access.json`.

use super::algorithm::Algorithm;
use super::key::Key;
use super::signer::{OWN_AUDIENCE, OWN_ISSUER};
use crate::url::check_secure;
use blaze_schema::error::Error;
use blaze_schema::limits::{ISSUERS, JWKS_KEYS};
use blaze_schema::settings::{ANY, Field, Kind, Object, Setting};
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
    /// The exact `iss` of its tokens.
    pub(super) issuer: String,
    /// One of them has to be in `aud`.
    pub(super) audience: Vec<String>,
    /// The claim with the roles: its name, or names with dots between, from the outside in.
    pub(super) roles: String,
    /// True if its tokens may grant the role `admin`. Unless the configuration says so, that role is taken away from
    /// what a token says: rules do not apply to it, and whoever runs an issuer could give it to themselves.
    pub(super) admins: bool,
    /// Its keys.
    pub(super) keys: Keys,
}

/// The source of an issuer's keys.
#[derive(Clone, Debug)]
pub(super) enum Keys {
    /// A key set that it publishes.
    Jwks {
        /// The set's URL. Blaze's own set has none: the access object keeps it.
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

/// A key of an issuer.
const KEY: Kind = Kind::Object(&[
    Field::optional("kid", Kind::Text),
    Field::required("algorithm", Kind::OneOf(&Algorithm::NAMES)),
    Field::optional("secret", Kind::Text),
    Field::optional("jwk", Kind::Other("an object: a public key as a JSON Web Key (RFC 7517)")),
    Field::optional("pem", Kind::Text),
]);

impl Issuers {
    /// The description of the settings.
    pub const KIND: Kind = Kind::Array(
        0,
        ISSUERS,
        &Kind::Object(&[
            Field::required("issuer", Kind::Text),
            Field::required("audience", Kind::OneOrMore(&Kind::Text)),
            Field::optional("jwks", Kind::Text),
            Field::or(
                "algorithms",
                Kind::Array(1, ANY, &Kind::OneOf(&Algorithm::PUBLIC_NAMES)),
                r#"["RS256","ES256","EdDSA"]"#,
            ),
            Field::optional("keys", Kind::Array(1, JWKS_KEYS, &KEY)),
            Field::or("roles", Kind::Text, "\"roles\""),
            Field::or("admins", Kind::Boolean, "false"),
        ]),
    );

    /// Reads the array `issuers` of `access.json`.
    ///
    /// # Errors
    /// `invalid-argument` naming the place, such as `access.json: issuers[1].keys[0].algorithm: …`.
    pub fn from_json(value: &Value) -> Result<Self, Error> {
        Issuers::read(&Setting::new("access.json: issuers", value, Issuers::KIND))
    }

    /// Reads issuers of [`Issuers::KIND`].
    ///
    /// # Errors
    /// `invalid-argument` naming the place (`access.json: issuers[1].keys[0].algorithm: …`): besides what [`Setting`]
    /// refuses a URL that is not confidential, a key that is weak or not of its algorithm, and two issuers of one name.
    pub fn read(setting: &Setting<'_>) -> Result<Self, Error> {
        let (mut issuers, mut names) = (Vec::new(), BTreeSet::from([OWN_ISSUER.to_owned()]));
        for setting in setting.elements()? {
            let fields = setting.object()?;
            let issuer = Issuer::read(&setting, &fields)?;
            if !names.insert(issuer.issuer.clone()) {
                return Err(fields.get("issuer")?.wrong("there is one of this name already"));
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

    /// The names of the secrets that keys are made of.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let keys = self.0.iter().filter_map(|issuer| match &issuer.keys {
            Keys::Configured(keys) => Some(keys),
            Keys::Jwks { .. } => None,
        });
        keys.flatten().filter_map(|key| match key {
            ConfiguredKey::Secret { name, .. } => Some(name.as_str()),
            ConfiguredKey::Public(_) => None,
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

    fn read(setting: &Setting<'_>, fields: &Object<'_>) -> Result<Self, Error> {
        Ok(Issuer {
            issuer: fields.get("issuer")?.text()?.to_owned(),
            audience: fields.get("audience")?.texts()?,
            roles: fields.get("roles")?.text()?.to_owned(),
            admins: fields.get("admins")?.boolean()?,
            keys: keys(setting, fields)?,
        })
    }
}

fn keys(setting: &Setting<'_>, fields: &Object<'_>) -> Result<Keys, Error> {
    match (fields.find("jwks")?, fields.find("keys")?) {
        (Some(jwks), None) => {
            let url = jwks.text()?.to_owned();
            check_secure(&url).map_err(|error| jwks.wrong(error.detail))?;
            let algorithms = fields.get("algorithms")?;
            let algorithms = algorithms.elements()?.iter().map(algorithm).collect::<Result<_, _>>();
            Ok(Keys::Jwks { url: Some(url), algorithms: algorithms? })
        }
        (None, Some(_)) if fields.has("algorithms") => {
            Err(fields.get("algorithms")?.wrong("each of the keys names its own"))
        }
        (None, Some(keys)) => {
            let keys = keys.elements()?;
            keys.iter().map(ConfiguredKey::read).collect::<Result<_, _>>().map(Keys::Configured)
        }
        _ => Err(setting.wrong("not exactly one of jwks and keys")),
    }
}

fn algorithm(setting: &Setting<'_>) -> Result<Algorithm, Error> {
    Algorithm::parse(setting.text()?).ok_or_else(|| setting.misfit())
}

impl ConfiguredKey {
    fn read(setting: &Setting<'_>) -> Result<Self, Error> {
        let fields = setting.object()?;
        let kid = fields.text("kid")?;
        let algorithm = algorithm(&fields.get("algorithm")?)?;
        let is_secret = algorithm == Algorithm::Hs256;
        match (fields.find("secret")?, fields.find("jwk")?, fields.find("pem")?) {
            (Some(secret), None, None) if is_secret => {
                let (name, place) = (secret.text()?.to_owned(), secret.place().to_owned());
                Ok(ConfiguredKey::Secret { kid, name, place })
            }
            (None, Some(setting), None) if !is_secret => {
                let jwk = setting.value().as_object().ok_or_else(|| setting.misfit())?;
                let mut key = Key::from_jwk(jwk).map_err(|refusal| setting.wrong(refusal))?;
                if key.algorithm != algorithm {
                    return Err(fields.get("algorithm")?.wrong("not that of the key"));
                }
                if kid.is_some() && key.kid.is_some() && kid != key.kid {
                    return Err(fields.get("kid")?.wrong("not that of the key"));
                }
                key.kid = kid.or(key.kid);
                Ok(ConfiguredKey::Public(key))
            }
            (None, None, Some(pem)) if !is_secret => Key::from_pem(kid, algorithm, pem.text()?)
                .map(ConfiguredKey::Public)
                .map_err(|refusal| pem.wrong(refusal)),
            _ if is_secret => Err(setting.wrong("HS256 has a secret, and neither jwk nor pem")),
            _ => Err(setting.wrong("not exactly one of jwk and pem, without a secret")),
        }
    }
}
