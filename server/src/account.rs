//! The Durable Objects of accounts, and the Worker's side of them.
//!
//! A step is carried out here at once. `server/account.js` awaits what it needs (a signature, a provider, another
//! object), as the methods' results tell it: `[name, …]`, the last effect of the step. The state to go on with stays
//! here, under a number: secrets need not go through JavaScript.

use crate::access::settings;
use crate::bridge;
use crate::entry::finish;
use crate::incoming::Incoming;
use crate::respond::count_rows;
use crate::sqlite::SqliteStore;
use blaze_engine::http::account_request::{self, Ask};
use blaze_engine::http::reply::Reply;
use blaze_identity::accounts::{Action, Answer, Effect, Event, Object, Pending, Refusal, Secret};
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{ACCOUNT_REQUEST_BYTES, PROVIDER_ANSWER_BYTES};
use js_sys::Array;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use wasm_bindgen::prelude::*;
use web_sys::Request;
use worker::Env;
use worker::worker_sys::DurableObjectState;

/// Which ways there are to sign in.
pub(crate) fn offered() -> Reply {
    settings()
        .map_or_else(Reply::from, |settings| account_request::offered(settings.accounts.as_ref()))
}

/// Bytes of a request's body that are read before it is refused.
#[wasm_bindgen(js_name = accountLimit)]
pub fn account_limit() -> f64 {
    ACCOUNT_REQUEST_BYTES as f64
}

/// Bytes of a provider's answer that are read before it is given up.
#[wasm_bindgen(js_name = providerLimit)]
pub fn provider_limit() -> f64 {
    PROVIDER_ANSWER_BYTES as f64
}

/// Reads a request about accounts: `[object's name, action]` for the object's `act`, or the response if nothing can
/// be asked. `body` is `None` if it is too large.
///
/// # Errors
/// When not even the answer to a failure can be built.
#[wasm_bindgen(js_name = askAccount)]
pub fn ask_account(
    request: &Request,
    env: &Env,
    body: Option<Vec<u8>>,
) -> Result<JsValue, JsValue> {
    let incoming = Incoming::new(request)?;
    let random = [bridge::random(), bridge::random()];
    let asked = settings().and_then(|settings| {
        let request = incoming.request();
        account_request::read(&request, body.as_deref(), settings.accounts.as_ref(), random)
    });
    let asked = asked.and_then(|Ask { object, action }| Ok((object, text_of(&action)?)));
    match asked {
        Ok((object, action)) => Ok(Array::of2(&object.into(), &action.into()).into()),
        Err(error) => {
            let reply = account_request::reply(Err(Refusal::from(error)));
            finish(reply, &incoming, env).map(JsValue::from)
        }
    }
}

fn text_of(action: &Action) -> Result<String, Error> {
    serde_json::to_string(action)
        .map_err(|error| Error::new(Code::Internal, format!("an action: {error}")))
}

/// Writes the headers as `respond` in `bridge.js` takes them.
fn push_lines(lines: &mut String, reply: &Reply) {
    for (name, value) in &reply.headers {
        for part in [name, value.as_str()] {
            if !lines.is_empty() {
                lines.push('\n');
            }
            lines.push_str(part);
        }
    }
}

/// The class that the platform constructs, for an account or for a sign-in with a provider.
#[wasm_bindgen]
pub struct Account {
    /// `None` for one that was never written: see `server/absent.js`.
    state: Option<DurableObjectState>,
    env: Env,
    store: RefCell<SqliteStore>,
    /// Steps that wait for an effect outside of the object, by their numbers.
    pending: RefCell<BTreeMap<u32, Pending>>,
    last: Cell<u32>,
}

#[wasm_bindgen]
impl Account {
    /// Creates the object. Reads nothing yet. Without a `state` it is an account that was never written, whose object
    /// must not be made.
    ///
    /// # Errors
    /// When the object has no SQLite.
    #[wasm_bindgen(constructor)]
    pub fn new(state: Option<DurableObjectState>, env: Env) -> Result<Account, JsValue> {
        let store = RefCell::new(SqliteStore::of(state.as_ref(), count_rows(&env))?);
        Ok(Account { state, env, store, pending: RefCell::default(), last: Cell::new(0) })
    }

    /// True if a call on an account that was never written needs its object.
    #[wasm_bindgen(js_name = needsObject)]
    pub fn needs_object(&self) -> bool {
        self.store.borrow().was_written()
    }

    /// Carries out an action. `name` is the object's, `action` is the result of [`ask_account`], or passed on by
    /// another object.
    ///
    /// Returns the effects in their order, each an array: `["erase"]`, `["audit", uid, act, what]`, and as the last
    /// `["sign", number, claims]`,
    /// `["fetch", number, method, URL, headers as lines, body, seconds that an answer may be old]`,
    /// `["pass", object's name, action]` or `["answer", status, headers as lines, body]`.
    pub fn act(&self, name: &str, action: &str) -> Array {
        match serde_json::from_str::<Action>(action) {
            // An action that hashes a password or asks a provider is carried out once, where its result is kept.
            Ok(action) if self.state.is_none() && !action.needs_session() => Array::new(),
            Ok(action) => self.step(name, Event::Act(action)),
            Err(_) => answer(Err(Error::invalid("an action that there is not").into())),
        }
    }

    /// Takes a signed token; `None` if it could not be signed. Returns as [`Account::act`] does.
    pub fn signed(&self, name: &str, number: u32, token: Option<String>) -> Array {
        let token = token.map(Secret).ok_or_else(|| "not signed".to_owned());
        self.go_on(name, number, |pending| Event::Signed(pending, token))
    }

    /// Takes a provider's answer, or with status 0 the reason why there is none. Returns as [`Account::act`] does.
    pub fn fetched(&self, name: &str, number: u32, status: u16, text: String) -> Array {
        let fetched = if status == 0 { Err(text) } else { Ok((status, text)) };
        self.go_on(name, number, |pending| Event::Fetched(pending, fetched))
    }

    /// Handles the alarm. Returns as [`Account::act`] does, without an answer.
    pub fn alarm(&self, name: &str) -> Array {
        self.step(name, Event::Alarm)
    }
}

impl Account {
    fn go_on(&self, name: &str, number: u32, event: impl FnOnce(Pending) -> Event) -> Array {
        let pending = self.pending.borrow_mut().remove(&number);
        match pending {
            Some(pending) => self.step(name, event(pending)),
            None => {
                let detail = "the object was restarted meanwhile; repeat the request";
                answer(Err(Error::new(Code::Unavailable, detail).into()))
            }
        }
    }

    fn wait(&self, pending: Pending) -> JsValue {
        let number = self.last.get().wrapping_add(1);
        self.last.set(number);
        self.pending.borrow_mut().insert(number, pending);
        number.into()
    }

    /// Handles an event. Returns the effects that are left to do.
    fn step(&self, name: &str, event: Event) -> Array {
        match self.try_step(name, event) {
            Ok(effects) => effects,
            Err(error) => answer(Err(error.into())),
        }
    }

    fn try_step(&self, name: &str, event: Event) -> Result<Array, Error> {
        // Those whose accounts were turned off meanwhile keep their rows, and their alarms ring.
        let settings = settings()?.accounts.clone().unwrap_or_default();
        let secret = |name: &str| {
            let value = self.env.secret(name).ok()?.to_string();
            Some((name.to_owned(), Secret(value)))
        };
        let secrets = settings.secrets().filter_map(secret).collect();
        let object = Object::new(name.to_owned(), settings, secrets);
        let random = [bridge::random(), bridge::random()];
        let effects = object.handle(&mut *self.store.borrow_mut(), bridge::now(), random, event);
        let left = Array::new();
        for effect in effects {
            if let Some(effect) = self.carry_out(effect)? {
                left.push(&effect);
            }
        }
        Ok(left)
    }

    /// Carries out an effect that can be done at once; returns any other one.
    fn carry_out(&self, effect: Effect) -> Result<Option<Array>, Error> {
        let failed = |thrown: JsValue| Error::new(Code::Internal, bridge::message(&thrown));
        let parts = match effect {
            Effect::SetAlarm(at) => {
                if let Some(state) = &self.state {
                    self.store.borrow().count_alarm();
                    bridge::set_alarm(state, (at.micros() / 1_000) as f64).map_err(failed)?;
                }
                return Ok(None);
            }
            Effect::Erase => {
                // Its table goes too: nothing that is known of it holds any more.
                let store = SqliteStore::of(self.state.as_ref(), count_rows(&self.env));
                self.store.replace(store.map_err(failed)?);
                vec!["erase".into()]
            }
            Effect::Audit { uid, act, what } => {
                vec!["audit".into(), uid.into(), act.into(), what.into()]
            }
            Effect::Sign { claims, pending } => {
                vec!["sign".into(), self.wait(pending), claims.into()]
            }
            Effect::Fetch { fetch, pending } => {
                let mut reply = Reply::empty(0);
                reply.headers = fetch.headers;
                let mut lines = String::new();
                push_lines(&mut lines, &reply);
                vec![
                    "fetch".into(),
                    self.wait(pending),
                    fetch.method.into(),
                    fetch.url.into(),
                    lines.into(),
                    fetch.body.map_or(JsValue::UNDEFINED, JsValue::from),
                    fetch.max_age.into(),
                ]
            }
            Effect::Pass { object, action } => {
                vec!["pass".into(), object.into(), text_of(&action)?.into()]
            }
            Effect::Answer(given) => return Ok(Some(answered(given))),
        };
        Ok(Some(parts.into_iter().collect()))
    }
}

fn answered(given: Result<Answer, Refusal>) -> Array {
    let reply = account_request::reply(given);
    let mut lines = String::new();
    push_lines(&mut lines, &reply);
    Array::of4(&"answer".into(), &reply.status.into(), &lines.into(), &reply.body.into())
}

/// The effects of a step that only answers.
fn answer(given: Result<Answer, Refusal>) -> Array {
    Array::of1(&answered(given))
}
