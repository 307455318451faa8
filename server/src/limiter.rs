//! Rate limits: the leases of this isolate, and the object that gives them out. `server/limiter.js` goes between the
//! two.

use crate::bridge;
use crate::incoming::Incoming;
use crate::respond::{allow_origin, response};
use blaze_engine::http::security;
use blaze_engine::rate::{Buckets, Grant, Kind, Lessee, Rates, Taken};
use blaze_schema::message::error_text;
use std::cell::RefCell;
use wasm_bindgen::prelude::*;
use web_sys::{Request, Response};
use worker::Env;

thread_local! {
    static LESSEE: RefCell<Lessee> = RefCell::new(Lessee::default());
}

/// Takes the rates of `access.json`. Without them there are no limits.
pub(crate) fn configure(rates: Rates) {
    LESSEE.set(Lessee::new(rates));
}

/// True if requests are counted.
#[wasm_bindgen(js_name = isLimited)]
pub fn is_limited() -> bool {
    with_lessee(|lessee| lessee.rates().are_limited())
}

fn with_lessee<T>(step: impl FnOnce(&mut Lessee) -> T) -> T {
    LESSEE.with_borrow_mut(step)
}

/// Counts a request of `who`, an address or a `uid`: 0 if it may go on, the seconds to wait if it may not, or less than 0:
/// minus the number of requests that a lease is to be asked for.
#[wasm_bindgen(js_name = rateTake)]
pub fn rate_take(kind: u8, who: &str) -> f64 {
    as_number(with_lessee(|lessee| lessee.take(kind_of(kind), who, bridge::now())))
}

/// Returns the name of the object that counts for `who`.
#[wasm_bindgen(js_name = rateSubject)]
pub fn rate_subject(kind: u8, who: &str) -> String {
    kind_of(kind).subject(who)
}

/// What the object gave; nothing, if it failed. 0 or the seconds to wait, for the request that asked.
#[wasm_bindgen(js_name = rateGranted)]
pub fn rate_granted(subject: &str, amount: Option<f64>, micros: Option<f64>) -> f64 {
    let grant = amount
        .zip(micros)
        .map(|(amount, micros)| Grant { amount: amount as u32, micros: micros as i64 });
    as_number(with_lessee(|lessee| lessee.granted(subject, grant, bridge::now())))
}

/// Answers a request that must come back after some seconds: 429.
///
/// # Errors
/// When the answer cannot be built.
#[wasm_bindgen(js_name = tooMany)]
pub fn too_many(
    request: &Request,
    env: &Env,
    kind: u8,
    retry_after_seconds: f64,
) -> Result<Response, JsValue> {
    let kind = kind_of(kind);
    let mut reply = with_lessee(|lessee| lessee.rates().refusal(kind, retry_after_seconds as u32));
    security::add(&mut reply, security::ANSWER);
    allow_origin(&mut reply, &Incoming::new(request)?, env);
    response(&reply)
}

/// Makes the frame for a socket that must come back after some seconds.
#[wasm_bindgen(js_name = tooManyFrame)]
pub fn too_many_frame(kind: u8, retry_after_seconds: f64) -> String {
    let kind = kind_of(kind);
    error_text(&with_lessee(|lessee| lessee.rates().error(kind, retry_after_seconds as u32)))
}

/// Reads the number of a kind; `server/limiter.js` has the same numbers.
fn kind_of(number: u8) -> Kind {
    Kind::ALL.get(usize::from(number)).copied().unwrap_or(Kind::Address)
}

fn as_number(taken: Taken) -> f64 {
    match taken {
        Taken::Yes => 0.0,
        Taken::Refused { retry_after_seconds } => f64::from(retry_after_seconds),
        Taken::Ask { want, .. } => -f64::from(want),
    }
}

/// The object that counts, in memory alone: for one subject, or for all of them where there is one machine.
#[wasm_bindgen]
#[derive(Default)]
pub struct Limiter {
    buckets: RefCell<Buckets>,
}

#[wasm_bindgen]
impl Limiter {
    /// Creates the object. It knows of nothing yet: full buckets.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Limiter {
        Limiter::default()
    }

    /// A lease of at most `want` requests: how many, for how long, and how long this must be remembered, in
    /// microseconds. `subject` says whose requests are counted.
    pub fn lease(&self, subject: &str, want: f64) -> Vec<f64> {
        let rate = with_lessee(|lessee| {
            Kind::of_subject(subject).and_then(|kind| lessee.rates().of(kind))
        });
        // An isolate of another version of the code may ask about a rate that there is no more.
        let Some(rate) = rate else { return vec![want.max(1.0), 1_000_000.0, 0.0] };
        let mut buckets = self.buckets.borrow_mut();
        let (grant, memory) = buckets.lease(subject, rate, want as u32, bridge::now());
        let Grant { amount, micros } = grant;
        vec![f64::from(amount), micros as f64, memory as f64]
    }
}
