//! This isolate's knowledge of callers and of their rights: a copy of what the access object keeps, with the
//! configuration and the secrets that the platform gives.

use crate::access::settings;
use crate::bridge;
use crate::incoming::Incoming;
use blaze_engine::guard::{Explain, Guard};
use blaze_engine::http::credential::credential;
use blaze_identity::access::snapshot::Snapshot;
use blaze_identity::auth::{ApiKey, Identified, Identities, Issuers, OWN_ISSUER};
use blaze_rules::Rules;
use blaze_rules::auth::Auth;
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::EXPLANATIONS;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use worker::Env;

thread_local! {
    static KNOWN: RefCell<Known> = const { RefCell::new(Known::nothing()) };
}

struct Known {
    /// The snapshot's version.
    version: Option<u64>,
    identities: Option<(Issuers, Identities)>,
    guard: Guard,
    /// Blaze's own public keys, as JSON.
    own: String,
}

impl Known {
    const fn nothing() -> Self {
        Known { version: None, identities: None, guard: Guard::Closed, own: String::new() }
    }

    fn take(&mut self, env: &Env, text: &str) -> Result<u64, Error> {
        let (version, snapshot) = Snapshot::parse(text)?;
        let Some(snapshot) = snapshot else { return Ok(version) };
        let (issuers, mut identities) = match self.identities.take() {
            Some(identities) => identities,
            None => configured(env)?,
        };
        for (issuer, _) in issuers.jwks() {
            let keys = snapshot.jwks.get(issuer).cloned().unwrap_or_default();
            identities.set_jwks(issuer, &json(&keys)?)?;
        }
        self.own = json(&snapshot.own)?;
        identities.set_jwks(OWN_ISSUER, &self.own)?;
        let keys = snapshot.keys.into_iter().chain(first_key(env)?);
        identities.set_api_keys(keys.map(|key| (key.id.clone(), key)).collect());
        self.identities = Some((issuers, identities));
        self.guard = match snapshot.rules {
            None if is_open(env) => Guard::Open,
            None => Guard::Closed,
            // The rules compiled when they were put.
            Some(rules) if self.guard.version() == Some(rules.version) => self.guard.clone(),
            Some(rules) => Guard::Rules {
                rules: Rc::new(Rules::compile(&rules.text).map_err(|wrong| {
                    let first = wrong.first().map(|one| one.message.clone());
                    Error::new(Code::Internal, format!("rules: {}", first.unwrap_or_default()))
                })?),
                version: rules.version,
                explain: if is_open(env) { Explain::Answer } else { Explain::Log },
            },
        };
        self.version = Some(version);
        Ok(version)
    }
}

/// True if everything is allowed as long as there are no rules (`OPEN`), which `cargo xtask serve` sets on this
/// machine.
fn is_open(env: &Env) -> bool {
    env.var("OPEN").is_ok_and(|value| value.to_string() == "1")
}

/// Reads the first administrator's key, which makes the others (`ADMIN_KEY_HASH`).
fn first_key(env: &Env) -> Result<Option<ApiKey>, Error> {
    let Ok(text) = env.var("ADMIN_KEY_HASH") else { return Ok(None) };
    let wrong =
        || Error::new(Code::Internal, "ADMIN_KEY_HASH: not what `cargo xtask key mint` prints");
    ApiKey::configured(&text.to_string()).map(Some).ok_or_else(wrong)
}

fn configured(env: &Env) -> Result<(Issuers, Identities), Error> {
    let issuers = settings()?.issuers.clone();
    let secret = |name: &str| env.secret(name).ok().map(|secret| secret.to_string());
    let identities = Identities::new(&issuers, secret)
        .map_err(|error| Error::new(Code::Internal, error.detail))?;
    Ok((issuers, identities))
}

fn json(value: &impl serde::Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::new(Code::Internal, error.to_string()))
}

/// Takes the access object's snapshot; returns its version, for the next call.
///
/// # Errors
/// The mistake in the configuration, or in the snapshot.
#[wasm_bindgen(js_name = takeSnapshot)]
pub fn take_snapshot(env: &Env, text: &str) -> Result<f64, JsValue> {
    let taken = KNOWN.with_borrow_mut(|known| known.take(env, text));
    taken.map(|version| version as f64).map_err(|error| JsValue::from(error.detail))
}

/// Returns the rules in force. If others than the people of this machine are under them, at most [`EXPLANATIONS`]
/// refusals are explained in a second: forbidden requests must not keep the isolate busy.
pub(crate) fn guard() -> Guard {
    let mut guard = KNOWN.with_borrow(|known| known.guard.clone());
    if let Guard::Rules { explain: explain @ Explain::Log, .. } = &mut guard
        && EXPLAINED
            .with(|explained| explained.get().1 >= EXPLANATIONS && explained.get().0 == second())
    {
        *explain = Explain::Never;
    }
    guard
}

thread_local! {
    /// The second in which refusals were last explained, and how many were.
    static EXPLAINED: Cell<(i64, usize)> = const { Cell::new((0, 0)) };
}

fn second() -> i64 {
    bridge::now().micros() / 1_000_000
}

/// Logs the reason of a refusal.
pub(crate) fn log_refusal(line: &str) {
    EXPLAINED.with(|explained| {
        let (since, count) = explained.get();
        let now = second();
        explained.set((now, if since == now { count.saturating_add(1) } else { 1 }));
    });
    worker::console_log!("refused {line}");
}

/// Returns Blaze's own public keys, as JSON.
pub(crate) fn own_keys() -> String {
    KNOWN.with_borrow(|known| known.own.clone())
}

/// The identity that a credential proves.
pub(crate) enum Who {
    /// This identity; `None` is anonymous.
    Known(Option<Rc<Auth>>),
    /// The credential is not valid.
    Refused(Error),
    /// Fresh keys of this issuer are needed to know.
    Refresh(String),
}

/// Identifies the sender of a request. If everything is open, a malformed credential counts as none.
pub(crate) fn who(incoming: &Incoming, is_final: bool) -> Who {
    match credential(&incoming.request()) {
        Ok(credential) => identify(credential.as_deref(), is_final),
        Err(_) if guard().is_open() => Who::Known(None),
        Err(error) => Who::Refused(error),
    }
}

/// Identifies the sender of a credential. With `is_final` there are no fresher keys to be had. If everything is open,
/// an invalid credential counts as none.
pub(crate) fn identify(credential: Option<&str>, is_final: bool) -> Who {
    let Some(credential) = credential.filter(|credential| !credential.is_empty()) else {
        return Who::Known(None);
    };
    KNOWN.with_borrow_mut(|known| {
        let is_open = known.guard.is_open();
        let Some((_, identities)) = &mut known.identities else { return Who::Known(None) };
        match identities.identify(credential, bridge::now()) {
            Identified::Known(auth) => Who::Known(Some(auth)),
            Identified::Refresh { issuer } if !is_final => Who::Refresh(issuer),
            _ if is_open => Who::Known(None),
            Identified::Refused(error) => Who::Refused(error),
            Identified::Refresh { .. } => {
                match identities.identify_final(credential, bridge::now()) {
                    Ok(auth) => Who::Known(Some(auth)),
                    Err(error) => Who::Refused(error),
                }
            }
        }
    })
}
