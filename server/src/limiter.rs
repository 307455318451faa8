//! Rate limits: the leases of this isolate, and the object that gives them out. `server/limiter.js` goes between the
//! two.

use crate::bridge;
use crate::incoming::Incoming;
use crate::respond::{allow_origin, response};
use blaze_engine::access::configuration;
use blaze_engine::http::security;
use blaze_engine::rate::{Buckets, Grant, Kind, Lessee, Rates, Taken};
use blaze_schema::error::{Code, Error};
use blaze_schema::message::error_text;
use std::cell::RefCell;
use wasm_bindgen::prelude::*;
use web_sys::{Request, Response};
use worker::Env;

thread_local! {
    static LESSEE: RefCell<Result<Lessee, Error>> = RefCell::new(Ok(Lessee::default()));
}

/// Takes the text of `access.json`, of which it reads `rates`: before anything else. Without it there are no limits;
/// if it is not valid, nothing is let through.
#[wasm_bindgen(js_name = configureRates)]
pub fn configure_rates(text: &str) {
    let read = || {
        let access = configuration::read(text)?;
        let rates = access.get("rates").map_or(Ok(Rates::default()), Rates::from_json);
        rates.map_err(|error| error.at("access.json"))
    };
    let lessee = read().map(Lessee::new).map_err(|error| {
        worker::console_error!("{}", error.detail);
        // The configuration is wrong, and nobody's request.
        Error::new(Code::Internal, error.detail)
    });
    LESSEE.set(lessee);
}

/// Counts a request of `who`.
///
/// # Errors
/// `internal`, when `access.json` is wrong.
pub(crate) fn take(kind: Kind, who: &str) -> Result<Taken, Error> {
    with_lessee(|lessee| lessee.take(kind, who, bridge::now()))
}

fn with_lessee<T>(step: impl FnOnce(&mut Lessee) -> T) -> Result<T, Error> {
    LESSEE.with_borrow_mut(|lessee| lessee.as_mut().map(step).map_err(|error| error.clone()))
}

/// Counts a request of `who`, an address or a `uid`. Returns 0 if it may go on, the seconds to wait if it may not, or
/// a negative number: minus the number of requests for which a lease must be asked.
///
/// # Errors
/// When `access.json` is wrong.
#[wasm_bindgen(js_name = rateTake)]
pub fn rate_take(kind: u8, who: &str) -> Result<f64, JsValue> {
    take(kind_of(kind), who).map(as_number).map_err(|error| error.detail.into())
}

/// Returns the name of the object that counts for `who`.
#[wasm_bindgen(js_name = rateSubject)]
pub fn rate_subject(kind: u8, who: &str) -> String {
    kind_of(kind).subject(who)
}

/// Takes the lease that the object gave; nothing, if it failed. Returns 0 or the seconds to wait, for the request
/// that asked.
///
/// # Errors
/// When `access.json` is wrong.
#[wasm_bindgen(js_name = rateGranted)]
pub fn rate_granted(
    subject: &str,
    amount: Option<f64>,
    micros: Option<f64>,
) -> Result<f64, JsValue> {
    let grant = amount
        .zip(micros)
        .map(|(amount, micros)| Grant { amount: amount as u32, micros: micros as i64 });
    with_lessee(|lessee| lessee.granted(subject, grant, bridge::now()))
        .map(as_number)
        .map_err(|error| error.detail.into())
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
    let refusal = |lessee: &mut Lessee| lessee.rates().refusal(kind, retry_after_seconds as u32);
    let mut reply = with_lessee(refusal).unwrap_or_else(|error| error.into());
    security::add(&mut reply, security::ANSWER);
    allow_origin(&mut reply, &Incoming::new(request)?, env);
    response(&reply)
}

/// Makes the frame for a socket that must come back after some seconds.
#[wasm_bindgen(js_name = tooManyFrame)]
pub fn too_many_frame(kind: u8, retry_after_seconds: f64) -> String {
    let kind = kind_of(kind);
    let error = with_lessee(|lessee| lessee.rates().error(kind, retry_after_seconds as u32));
    error_text(&error.unwrap_or_else(|error| error))
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

    /// Gives a lease of at most `want` requests: their number, how long it lasts, and how long it must be remembered,
    /// in microseconds. `subject` says whose requests are counted.
    ///
    /// # Errors
    /// When `access.json` is wrong.
    pub fn lease(&self, subject: &str, want: f64) -> Result<Vec<f64>, JsValue> {
        let rate = with_lessee(|lessee| {
            Kind::of_subject(subject).and_then(|kind| lessee.rates().of(kind))
        })
        .map_err(|error| JsValue::from(error.detail))?;
        // An isolate of another version of the code may ask about a rate that no longer exists.
        let Some(rate) = rate else { return Ok(vec![want.max(1.0), 1_000_000.0, 0.0]) };
        let mut buckets = self.buckets.borrow_mut();
        let (grant, memory) = buckets.lease(subject, rate, want as u32, bridge::now());
        let Grant { amount, micros } = grant;
        Ok(vec![f64::from(amount), micros as f64, memory as f64])
    }
}
