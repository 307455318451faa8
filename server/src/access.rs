//! The Durable Object that is the authority for everything about access that changes at run time.
//!
//! As in a document's object, nothing is awaited between reading an event and having carried out its effects.
//! `server/access.js` fetches the issuers' keys that the methods' results name.

use crate::bridge;
use crate::entry::too_large;
use crate::incoming::Incoming;
use crate::limiter;
use crate::respond::{count_rows, reply_in_parts};
use crate::sqlite::SqliteStore;
use blaze_engine::http::admin_request;
use blaze_engine::settings::Settings;
use blaze_identity::access::{Access as Engine, Effect, Event};
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::JWKS_BYTES;
use js_sys::Array;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use worker::Env;
use worker::worker_sys::DurableObjectState;

thread_local! {
    /// The settings of `access.json`.
    static SETTINGS: RefCell<Option<Result<Rc<Settings>, Error>>> = const { RefCell::new(None) };
}

/// Takes the text of `access.json`: before anything else, and again after wasm is instantiated anew. While it is wrong
/// nothing is answered.
#[wasm_bindgen(js_name = configureAccess)]
pub fn configure_access(text: &str) {
    let parsed = Settings::parse(text).map(Rc::new).map_err(|error| {
        worker::console_error!("{}", error.detail);
        // It is nobody's request that is wrong.
        Error::new(Code::Internal, error.detail)
    });
    if let Ok(settings) = &parsed {
        limiter::configure(settings.rates);
    }
    SETTINGS.set(Some(parsed));
}

/// The settings of `access.json`.
///
/// # Errors
/// `internal`, saying what is wrong in the file.
pub(crate) fn settings() -> Result<Rc<Settings>, Error> {
    let missing = || Err(Error::new(Code::Internal, "access.json was not read"));
    SETTINGS.with_borrow(|settings| settings.clone().unwrap_or_else(missing))
}

/// Bytes of an issuer's key set that are read before it is refused.
#[wasm_bindgen(js_name = jwksLimit)]
pub fn jwks_limit() -> f64 {
    JWKS_BYTES as f64
}

/// The class that the platform constructs, once and after every loss of memory.
#[wasm_bindgen]
pub struct Access {
    engine: RefCell<Engine>,
    store: RefCell<SqliteStore>,
}

#[wasm_bindgen]
impl Access {
    /// Creates the object. Reads nothing yet.
    ///
    /// # Errors
    /// When the object has no SQLite, or `access.json` is wrong.
    #[wasm_bindgen(constructor)]
    pub fn new(state: DurableObjectState, env: Env) -> Result<Access, JsValue> {
        let settings = settings().map_err(|error| JsValue::from(error.detail))?;
        let store = RefCell::new(SqliteStore::new(&state, count_rows(&env))?);
        Ok(Access { engine: RefCell::new(Engine::new(&settings.issuers)), store })
    }

    /// Returns the snapshot, or `{"version":n}` if that is the `known` one: its text, then issuers and URLs in turn,
    /// whose keys are to be fetched.
    ///
    /// # Errors
    /// The engine's error, as its detail.
    pub fn snapshot(&self, known: Option<f64>) -> Result<Array, JsValue> {
        // Versions are times, and so exact in a float.
        self.ask(Event::Snapshot { known: known.map(|known| known as u64) })
    }

    /// Handles a key id that an issuer's keys do not have. Returns as [`Access::snapshot`] does, with an empty text.
    ///
    /// # Errors
    /// The engine's error, as its detail.
    pub fn refresh(&self, issuer: String) -> Result<Array, JsValue> {
        self.ask(Event::Refresh { issuer })
    }

    /// Takes the outcome of fetching an issuer's keys: their text, or the failure.
    ///
    /// # Errors
    /// The reason why the keys stay as they were, for the log.
    pub fn jwks(
        &self,
        issuer: String,
        text: Option<String>,
        problem: Option<String>,
    ) -> Result<(), JsValue> {
        let fetched = text.ok_or_else(|| problem.unwrap_or_default());
        self.ask(Event::Jwks { issuer, fetched }).map(drop)
    }

    /// Signs a token with Blaze's own key. `claims` are a JSON object.
    ///
    /// # Errors
    /// The engine's error, as its detail.
    pub fn sign(&self, claims: &str) -> Result<String, JsValue> {
        let claims = serde_json::from_str(claims)
            .map_err(|error| JsValue::from(format!("claims: no JSON object: {error}")))?;
        self.answer(Event::Sign { claims }).map_err(|error| JsValue::from(error.detail))
    }

    /// Records an administrative act that was done elsewhere.
    ///
    /// # Errors
    /// The engine's error, as its detail.
    pub fn audited(&self, actor: String, act: String, what: String) -> Result<(), JsValue> {
        let noted = self.answer(Event::Audited { actor, act, what });
        noted.map(drop).map_err(|error| JsValue::from(error.detail))
    }

    /// Answers an administrator's request. `description` is the result of `describe` in `bridge.js`, `body` is `None`
    /// if it is too large, `actor` is the sender, who was found to be an administrator. Returns the status, the
    /// headers (names and values in turn, a line each) and the body: what `respond` in `bridge.js` takes.
    pub fn act(&self, description: String, body: Option<Vec<u8>>, actor: &str) -> Array {
        let incoming = Incoming::described(description);
        let request = incoming.request();
        let answer = body
            .ok_or_else(too_large)
            .and_then(|body| admin_request::event(&request, &body, actor))
            .and_then(|event| self.answer(event));
        reply_in_parts(admin_request::reply(&request, answer))
    }
}

impl Access {
    fn answer(&self, event: Event) -> Result<String, Error> {
        self.step(event).0
    }

    /// Handles an event. Returns the answer, then issuers and URLs in turn.
    fn ask(&self, event: Event) -> Result<Array, JsValue> {
        let (answer, fetches) = self.step(event);
        let result = Array::of1(&answer.map_err(|error| JsValue::from(error.detail))?.into());
        for (issuer, url) in fetches {
            result.push(&issuer.into());
            result.push(&url.into());
        }
        Ok(result)
    }

    /// Handles an event, and carries out its effects. Returns the answer, and the issuers and URLs to fetch.
    fn step(&self, event: Event) -> (Result<String, Error>, Vec<(String, String)>) {
        let random = [bridge::random(), bridge::random()];
        let store = &mut *self.store.borrow_mut();
        let effects = self.engine.borrow_mut().handle(store, bridge::now(), random, event);
        let mut answer = Err(Error::new(Code::Internal, "the access object gave no answer"));
        let mut fetches = Vec::new();
        for effect in effects {
            match effect {
                Effect::FetchJwks { issuer, url } => fetches.push((issuer, url)),
                Effect::Audit(line) => worker::console_log!("audit {line}"),
                Effect::Answer(given) => answer = given,
            }
        }
        (answer, fetches)
    }
}
