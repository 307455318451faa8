//! What a credential says: verified with the keys that are known, and remembered.

use super::api_key::{self, ApiKey};
use super::cache::Cache;
use super::issuers::{ConfiguredKey, Issuer, Issuers, Keys};
use super::jwks::Jwks;
use super::key::Key;
use super::token::{Token, refused};
use blaze_rules::auth::Auth;
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::KEYS_TRIED;
use blaze_schema::timestamp::Timestamp;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Everybody who can be known, and how.
pub struct Identities {
    issuers: BTreeMap<String, Trusted>,
    api_keys: BTreeMap<String, ApiKey>,
    cache: Cache,
}

/// What came of a credential.
#[derive(Clone, Debug, PartialEq)]
pub enum Identified {
    /// It is true: this is who asks.
    Known(Rc<Auth>),
    /// It is not: `unauthenticated`, with what is wrong.
    Refused(Error),
    /// It names a key that its issuer is not known to have. The issuer's JWKS has to be fetched (of Blaze's own issuer:
    /// a new copy from the access object), unless that was done a moment ago; then [`Identities::identify_final`]
    /// decides. Anybody can make up names of keys, so whoever fetches has to limit how often.
    Refresh {
        /// The issuer.
        issuer: String,
    },
}

/// An issuer and the keys that it has now.
struct Trusted {
    config: Issuer,
    keys: Vec<Key>,
    /// The text of the JWKS that the keys are from.
    jwks: Option<String>,
}

impl Identities {
    /// Those of these issuers, and of Blaze itself. `secret` knows secrets by their name. The issuers' JWKS, Blaze's own
    /// and the API keys come later: [`Identities::set_jwks`], [`Identities::set_api_keys`].
    ///
    /// # Errors
    /// `invalid-argument` naming the place in the configuration: there is no such secret, or it is too short.
    pub fn new(issuers: &Issuers, secret: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let mut trusted = BTreeMap::new();
        let own = Issuer::own();
        for config in issuers.iter().chain([&own]) {
            let keys = match &config.keys {
                Keys::Jwks { .. } => Vec::new(),
                Keys::Configured(keys) => {
                    keys.iter().map(|key| key.resolve(&secret)).collect::<Result<_, _>>()?
                }
            };
            let known = Trusted { config: config.clone(), keys, jwks: None };
            trusted.insert(config.issuer.clone(), known);
        }
        Ok(Identities { issuers: trusted, api_keys: BTreeMap::new(), cache: Cache::default() })
    }

    /// Replaces the keys of an issuer with those of a JWKS, or Blaze's own ([`super::OWN_ISSUER`]). What was signed with
    /// a key that is gone is not true any more. A JWKS that cannot be read changes nothing, and the same one again costs
    /// a comparison.
    ///
    /// # Errors
    /// `invalid-argument` when it is no JWKS, `not-found` when no issuer of this name publishes one.
    pub fn set_jwks(&mut self, issuer: &str, jwks: &str) -> Result<(), Error> {
        let unknown = || Error::new(Code::NotFound, "jwks: no issuer of this name publishes one");
        let trusted = self.issuers.get_mut(issuer).ok_or_else(unknown)?;
        let Keys::Jwks { algorithms, .. } = &trusted.config.keys else { return Err(unknown()) };
        if trusted.jwks.as_deref() == Some(jwks) {
            return Ok(());
        }
        trusted.keys = Jwks::parse(jwks, algorithms)?.into_keys();
        trusted.jwks = Some(jwks.to_owned());
        self.cache.clear();
        Ok(())
    }

    /// Replaces all API keys, by their ids. One that is gone is not true any more.
    pub fn set_api_keys(&mut self, api_keys: BTreeMap<String, ApiKey>) {
        self.api_keys = api_keys;
    }

    /// True if an identity is that of an API key which is there no more.
    pub fn is_revoked(&self, auth: &Auth) -> bool {
        let key = auth.uid.strip_prefix("key:");
        key.is_some_and(|id| !self.api_keys.contains_key(id))
    }

    /// What a credential says now: the text after `Bearer `.
    pub fn identify(&mut self, credential: &str, now: Timestamp) -> Identified {
        match self.known(credential, now) {
            Ok(auth) => Identified::Known(auth),
            Err(Failure::Refused(error)) => Identified::Refused(error),
            Err(Failure::NoSuchKey { issuer }) => Identified::Refresh { issuer },
        }
    }

    /// The same, when there is nothing to fetch.
    ///
    /// # Errors
    /// `unauthenticated`, with what is wrong.
    pub fn identify_final(&mut self, credential: &str, now: Timestamp) -> Result<Rc<Auth>, Error> {
        self.known(credential, now).map_err(|failure| match failure {
            Failure::Refused(error) => error,
            Failure::NoSuchKey { .. } => refused("kid: its issuer has no such key"),
        })
    }

    fn known(&mut self, credential: &str, now: Timestamp) -> Result<Rc<Auth>, Failure> {
        if credential.starts_with(api_key::PREFIX) {
            return self.holder(credential, now).map_err(Failure::Refused);
        }
        if let Some(auth) = self.cache.get(credential) {
            if auth.expires.is_some_and(|expires| now >= expires) {
                return Err(refused("expired").into());
            }
            return Ok(auth);
        }
        let token = Token::parse(credential)?;
        let trusted = self.issuers.get(token.issuer()?).ok_or_else(|| refused("iss: unknown"))?;
        trusted.verify(&token, now)?;
        let auth = Rc::new(token.auth(&trusted.config, now)?);
        self.cache.insert(credential, Rc::clone(&auth));
        Ok(auth)
    }

    /// Who has an API key. That there is none of this id and that its secret is wrong are one refusal: ids are not told.
    fn holder(&self, text: &str, now: Timestamp) -> Result<Rc<Auth>, Error> {
        let (id, secret) = api_key::parse(text).ok_or_else(|| api_key::refused("malformed"))?;
        let key = self.api_keys.get(id).filter(|key| key.verifies(secret));
        let key = key.ok_or_else(|| api_key::refused("unknown"))?;
        if key.expires.is_some_and(|expires| now >= expires) {
            return Err(api_key::refused("expired"));
        }
        Ok(Rc::new(key.auth()))
    }
}

/// Why a credential is not known to be true.
enum Failure {
    Refused(Error),
    NoSuchKey { issuer: String },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Refused(error)
    }
}

impl ConfiguredKey {
    fn resolve(&self, secret: &impl Fn(&str) -> Option<String>) -> Result<Key, Error> {
        match self {
            ConfiguredKey::Public(key) => Ok(key.clone()),
            ConfiguredKey::Secret { kid, name, place } => {
                let wrong = |what| Error::invalid(format!("{place}: {name:?}: {what}"));
                let secret = secret(name).ok_or_else(|| wrong("there is no such secret"))?;
                Key::from_secret(kid.clone(), secret.as_bytes()).map_err(wrong)
            }
        }
    }
}

impl Trusted {
    /// Whether a token is signed by this issuer.
    fn verify(&self, token: &Token<'_>, now: Timestamp) -> Result<(), Failure> {
        if !self.allows(token) {
            return Err(refused("algorithm").into());
        }
        // A key without a name may be any.
        let is_named = |key: &&Key| match (&token.kid, &key.kid) {
            (Some(wanted), Some(kid)) => wanted == kid,
            _ => true,
        };
        let fits = |key: &&Key| key.algorithm == token.algorithm && is_named(key);
        if self.keys.iter().filter(fits).count() > KEYS_TRIED {
            return Err(refused(&format!("kid: more than {KEYS_TRIED} keys fit")).into());
        }
        let mut fitting = self.keys.iter().filter(fits);
        if fitting.any(|key| key.verifies(token.message, token.signature)) {
            return Ok(());
        }
        if self.may_be_new(token) {
            // What would be refused with any key is not worth a fetch.
            token.auth(&self.config, now)?;
            return Err(Failure::NoSuchKey { issuer: self.config.issuer.clone() });
        }
        Err(refused("signature").into())
    }

    /// Whether the issuer may sign with the token's algorithm.
    fn allows(&self, token: &Token<'_>) -> bool {
        match &self.config.keys {
            Keys::Jwks { algorithms, .. } => algorithms.contains(&token.algorithm),
            Keys::Configured(_) => self.keys.iter().any(|key| key.algorithm == token.algorithm),
        }
    }

    /// Whether the token's key may be one that the issuer has published since.
    fn may_be_new(&self, token: &Token<'_>) -> bool {
        let is_published = matches!(self.config.keys, Keys::Jwks { .. });
        is_published
            && match &token.kid {
                Some(kid) => !self.keys.iter().any(|key| key.kid.as_ref() == Some(kid)),
                None => self.jwks.is_none(),
            }
    }
}
