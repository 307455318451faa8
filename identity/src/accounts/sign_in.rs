//! One sign-in with a provider, from the start in a browser to its end in the same browser.
//!
//! What the end must match is kept here, once: the first end that matches takes it away, before it asks the provider.
//! A state and a code that were seen by others (in a history, in a log) are worth nothing without the secret that the
//! start gave to the browser, so nobody can be signed in to an account that is not theirs either (RFC 6749, section 10.12).

use super::id_token::{Expected, Untrue, verify};
use super::oidc::{self, Endpoints, Fetch, Fetched};
use super::settings::{Provider, Settings};
use super::{
    Action, Answer, Effect, Event, Next, Pending, Random, Refusal, Secret, misdirected,
    subject_object, unauthenticated,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use blaze_schema::error::{Code, Error};
use blaze_schema::hash::hash;
use blaze_schema::limits::SIGN_IN_MICROS;
use blaze_schema::timestamp::Timestamp;
use blaze_store::{Change, Store};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The key of the row.
const ROW: &[u8] = b"s";

/// What the end must match.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Attempt {
    provider: String,
    redirect_uri: String,
    nonce: String,
    /// PKCE's.
    verifier: Secret,
    /// The hash of the browser's secret.
    secret: String,
    /// When it is too late, in microseconds.
    expires: i64,
    endpoints: Endpoints,
}

/// The provider's keys are on their way.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Verifying {
    attempt: Attempt,
    id_token: Secret,
    /// Whether they are as new as can be.
    fresh: bool,
}

pub(super) struct Step<'a> {
    pub(super) state: &'a str,
    pub(super) settings: &'a Settings,
    pub(super) secrets: &'a BTreeMap<String, Secret>,
    pub(super) now: Timestamp,
    pub(super) random: Random,
}

type Effects = Result<Vec<Effect>, Refusal>;

impl Step<'_> {
    pub(super) fn run(&self, store: &mut impl Store, event: Event) -> Effects {
        match event {
            Event::Act(Action::Start { provider, redirect_uri }) => {
                let fetch = Fetch::discovery(self.settings.provider(&provider)?);
                let next = Next::Starting { provider, redirect_uri };
                Ok(vec![Effect::Fetch { fetch, pending: Pending(next) }])
            }
            Event::Act(Action::Finish { provider, redirect_uri, code, issuer, secret }) => {
                let attempt = self.load(store)?.ok_or_else(over)?;
                self.check(&attempt, (&provider, &redirect_uri), issuer.as_deref(), &secret)?;
                self.exchange(store, attempt, &code)
            }
            Event::Fetched(Pending(Next::Starting { provider, redirect_uri }), fetched) => {
                self.started(store, provider, redirect_uri, &fetched)
            }
            Event::Fetched(Pending(Next::Exchanging(attempt)), fetched) => {
                let id_token = Secret(oidc::id_token(&fetched)?);
                Ok(fetch_keys(Verifying { attempt: *attempt, id_token, fresh: false }))
            }
            Event::Fetched(Pending(Next::Verifying(verifying)), fetched) => {
                self.verified(*verifying, &fetched)
            }
            Event::Alarm => self.alarm(store),
            Event::Act(_) | Event::Hashed(..) | Event::Signed(..) | Event::Fetched(..) => {
                Err(misdirected())
            }
        }
    }

    fn load(&self, store: &impl Store) -> Result<Option<Attempt>, Refusal> {
        let Some(row) = store.get(ROW).map_err(Error::from)? else { return Ok(None) };
        let attempt: Attempt = serde_json::from_slice(&row).map_err(|error| {
            Error::internal(format!("the sign-in's row cannot be read: {error}"))
        })?;
        Ok((self.now.micros() < attempt.expires).then_some(attempt))
    }

    fn started(
        &self,
        store: &mut impl Store,
        name: String,
        redirect_uri: String,
        fetched: &Fetched,
    ) -> Effects {
        let provider = self.settings.provider(&name)?;
        let document = oidc::body(fetched, "discovery document")?;
        let (endpoints, endpoint) = Endpoints::read(&document, provider)?;
        if store.get(ROW).map_err(Error::from)?.is_some() {
            // States are random: that is no accident.
            return Err(Error::new(Code::AlreadyExists, "a sign-in with this state").into());
        }
        let text = |name| URL_SAFE_NO_PAD.encode(self.random.bytes(name));
        let (verifier, secret) = (text("verifier"), text("secret"));
        let expires = self.now.after(SIGN_IN_MICROS);
        let attempt = Attempt {
            provider: name,
            redirect_uri,
            nonce: text("nonce"),
            verifier: Secret(verifier.clone()),
            secret: kept(&secret),
            expires: expires.micros(),
            endpoints,
        };
        let row = serde_json::to_vec(&attempt)
            .map_err(|error| Error::internal(format!("the sign-in's row: {error}")))?;
        store.commit(&[Change::Put(ROW, &row)]).map_err(Error::from)?;
        let authorization_url = oidc::authorization_url(
            &endpoint,
            provider,
            &attempt.redirect_uri,
            self.state,
            &attempt.nonce,
            &verifier,
        );
        let answer = Answer::Started {
            authorization_url,
            state: self.state.to_owned(),
            secret: Secret(secret),
            expires_in: u32::try_from(SIGN_IN_MICROS.div_euclid(1_000_000)).unwrap_or(0),
        };
        Ok(vec![Effect::SetAlarm(expires), Effect::Answer(Ok(answer))])
    }

    /// Whether an end is the one of this start. One that is not changes nothing, so that nobody can spoil it.
    fn check(
        &self,
        attempt: &Attempt,
        (provider, redirect_uri): (&str, &str),
        issuer: Option<&str>,
        secret: &Secret,
    ) -> Result<(), Refusal> {
        if kept(&secret.0) != attempt.secret {
            return Err(over());
        }
        if provider != attempt.provider {
            return Err(Error::invalid("the sign-in was started with another provider").into());
        }
        if redirect_uri != attempt.redirect_uri {
            return Err(Error::invalid("redirectUri: not the one of the start").into());
        }
        let expected = &self.settings.provider(provider)?.issuer;
        match issuer {
            Some(issuer) if issuer != expected => {
                Err(unauthenticated("iss: the code is of another provider"))
            }
            // RFC 9207, section 2.4.
            None if attempt.endpoints.names_itself => Err(Error::invalid(
                "iss is missing: this provider sends it with the code, as a parameter of the redirectUri",
            )
            .into()),
            _ => Ok(()),
        }
    }

    fn exchange(&self, store: &mut impl Store, attempt: Attempt, code: &Secret) -> Effects {
        let provider = self.settings.provider(&attempt.provider)?;
        let secret = self.secret(&attempt.provider, provider)?;
        store.commit(&[Change::Delete(ROW)]).map_err(Error::from)?;
        let (redirect_uri, verifier) = (&attempt.redirect_uri, &attempt.verifier.0);
        let fetch = attempt.endpoints.exchange(provider, secret, &code.0, redirect_uri, verifier);
        let next = Next::Exchanging(Box::new(attempt));
        Ok(vec![Effect::Erase, Effect::Fetch { fetch, pending: Pending(next) }])
    }

    fn secret(&self, name: &str, provider: &Provider) -> Result<Option<&str>, Refusal> {
        let Some(wanted) = &provider.client_secret else { return Ok(None) };
        let missing = || {
            let place = format!("access.json: accounts.providers.{name}.clientSecret");
            Error::internal(format!("{place}: the environment has no {wanted}"))
        };
        Ok(Some(&self.secrets.get(wanted).ok_or_else(missing)?.0))
    }

    fn verified(&self, it: Verifying, fetched: &Fetched) -> Effects {
        let keys = oidc::body(fetched, "keys")?;
        let name = &it.attempt.provider;
        let provider = self.settings.provider(name)?;
        let expected = Expected {
            issuer: &provider.issuer,
            client_id: &provider.client_id,
            nonce: &it.attempt.nonce,
        };
        match verify(&it.id_token.0, &keys, expected, self.now) {
            Ok(identity) => Ok(vec![Effect::Pass {
                object: subject_object(name, &identity.sub),
                action: Action::SignInWith {
                    provider: name.clone(),
                    sub: identity.sub,
                    email: identity.email,
                    email_verified: identity.email_verified,
                },
            }]),
            // The provider may have made new keys since these were kept.
            Err(Untrue::UnknownKey) if !it.fresh => Ok(fetch_keys(Verifying { fresh: true, ..it })),
            Err(Untrue::UnknownKey) => Err(unauthenticated(
                "the provider's id token: its key is not one of the provider's",
            )),
            Err(Untrue::Wrong(what)) => {
                Err(unauthenticated(format!("the provider's id token: {what}")))
            }
        }
    }

    fn alarm(&self, store: &mut impl Store) -> Effects {
        if let Some(attempt) = self.load(store)? {
            return Ok(vec![Effect::SetAlarm(Timestamp::from_micros(attempt.expires))]);
        }
        store.commit(&[Change::Delete(ROW)]).map_err(Error::from)?;
        Ok(vec![Effect::Erase])
    }
}

fn fetch_keys(verifying: Verifying) -> Vec<Effect> {
    let max_age = if verifying.fresh { 0 } else { oidc::KEPT_SECONDS };
    let fetch = Fetch::keys(&verifying.attempt.endpoints, max_age);
    vec![Effect::Fetch { fetch, pending: Pending(Next::Verifying(Box::new(verifying))) }]
}

fn kept(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(hash(&[b"sign-in", secret.as_bytes()]))
}

/// The answer to an end without a start, or of another browser.
fn over() -> Refusal {
    unauthenticated(
        "there is no sign-in with this state and secret: it took too long, was finished already, or began elsewhere",
    )
}
