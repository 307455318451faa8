//! The engine's reply as the platform's response.

use crate::bridge;
use blaze_engine::http::reply::Reply;
use blaze_engine::http::{Headers, cors, security};
use blaze_schema::error::{Code, Error};
use js_sys::Array;
use std::cell::OnceCell;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use web_sys::Response;
use worker::Env;

/// Adds the headers that let the request's origin read the reply. `CORS_ORIGINS` names the origins.
pub(crate) fn allow_origin(reply: &mut Reply, headers: &dyn Headers, env: &Env) {
    let origin = headers.get("origin");
    reply.headers.extend(cors::headers(origin.as_deref(), &allowed_origins(env)));
}

thread_local! {
    /// `CORS_ORIGINS`, read once: every answer needs it.
    static ORIGINS: OnceCell<Rc<str>> = const { OnceCell::new() };
}

/// Returns the origins that pages may call from, as [`cors`] reads them.
pub(crate) fn allowed_origins(env: &Env) -> Rc<str> {
    let read = || {
        let value = env.var("CORS_ORIGINS").map(|value| value.to_string());
        value.unwrap_or_default().into()
    };
    ORIGINS.with(|origins| Rc::clone(origins.get_or_init(read)))
}

/// True if answers say how many rows they cost (`COUNT_ROWS`).
pub(crate) fn count_rows(env: &Env) -> bool {
    env.var("COUNT_ROWS").is_ok_and(|value| value.to_string() == "1")
}

/// Makes the platform's response.
pub(crate) fn response(reply: &Reply) -> Result<Response, JsValue> {
    bridge::respond(reply.status, &lines_of(reply), &reply.body)
}

/// Writes a reply's headers as `bridge.js` takes them: names and values in turn, a line each.
fn lines_of(reply: &Reply) -> String {
    let mut lines = String::with_capacity(256);
    for (name, value) in &reply.headers {
        lines.push_str(name);
        lines.push('\n');
        lines.push_str(value);
        lines.push('\n');
    }
    lines
}

/// Splits a reply on its way from an object to the Worker: `[status, headers, body]`, the headers names and values in
/// turn, a line each. [`response_of`] takes it.
pub(crate) fn reply_in_parts(reply: Reply) -> Array {
    let lines = lines_of(&reply);
    let lines = lines.strip_suffix('\n').unwrap_or_default();
    Array::of3(&reply.status.into(), &lines.into(), &reply.body.into())
}

/// Makes the response of an object's answer in parts, its headers as lines; adds the headers that every answer has.
pub(crate) fn response_of(
    status: u16,
    lines: &str,
    body: &str,
    headers: &dyn Headers,
    env: &Env,
) -> Result<Response, JsValue> {
    let mut added = Reply::empty(status);
    security::add(&mut added, security::ANSWER);
    allow_origin(&mut added, headers, env);
    // Names and values in turn: a header that is there already stays.
    let is_new = |name: &str| lines.split('\n').step_by(2).all(|there| there != name);
    let mut all = lines.to_owned();
    for (name, value) in added.headers.iter().filter(|(name, _)| is_new(name)) {
        for part in [name, value.as_str()] {
            if !all.is_empty() {
                all.push('\n');
            }
            all.push_str(part);
        }
    }
    bridge::respond(status, &all, body)
}

/// Turns a thrown value into `internal`. The value is logged and not shown.
pub(crate) fn internal(thrown: &JsValue) -> Reply {
    failed(thrown).into()
}

/// As [`internal`], as an error.
pub(crate) fn failed(thrown: &JsValue) -> Error {
    worker::console_error!("{}", bridge::message(thrown));
    Error::new(Code::Internal, "the request failed inside the server")
}
