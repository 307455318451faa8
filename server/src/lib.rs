//! Blaze on Cloudflare Workers. A shell: it moves bytes between the platform and `blaze-engine`, which decides.
//!
//! `server/entry.js` has the Worker's handlers and the Durable Object classes. Each of them is a `Host` in JavaScript
//! ([`platform`]) and an [`actor::Actor`] here: the host hands events in, the object carries the engine's effects out
//! by the host's methods. What crosses is numbers, texts and bytes; calls between objects are the bytes of
//! [`blaze_engine::actor::Call`].
//!
//! Everything that JavaScript may throw is caught here: an uncaught exception, like a panic, would take down every object
//! of the isolate.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::string_slice
)]
// What `wasm_bindgen` exports is reached from JavaScript, which the lint does not see.
#![allow(unreachable_pub)]

mod actor;
mod platform;
mod request;
mod sqlite;

use blaze_engine::actor::Answer;
use blaze_engine::node::config::Config;
use blaze_engine::node::{Home, Node};
use blaze_schema::error::Error;
use blaze_schema::limits::ALARM_RETRY_MICROS;
use js_sys::Reflect;
use std::cell::RefCell;
use wasm_bindgen::prelude::*;
use web_sys::{Request, Response};

thread_local! {
    /// The node of this isolate.
    static NODE: RefCell<Node> =
        RefCell::new(Node::new(Err(Error::internal("not configured")), Home::Cloud));
}

/// Takes the texts of `collections.json` and `access.json`, and the environment with variables and secrets: before
/// anything else, and again after wasm is instantiated anew. While they are wrong nothing is answered.
#[wasm_bindgen]
pub fn configure(collections: &str, access: &str, env: &JsValue) {
    let get = |name: &str| Reflect::get(env, &name.into()).ok();
    let config = Config::read(collections, access, |name| get(name)?.as_string());
    if let Err(error) = &config {
        worker::console_error!("{}", error.detail);
    }
    // A machine on its own keeps a file for every object: see `server/absent.js`.
    let has_files = get("FILES").is_some_and(|files| !files.is_undefined());
    let home = if has_files { Home::Files } else { Home::Cloud };
    NODE.set(Node::new(config, home));
}

/// Returns when an alarm rings again whose handler failed, in milliseconds.
#[wasm_bindgen(js_name = alarmAgain)]
pub fn alarm_again() -> f64 {
    platform::milliseconds(platform::now().after(ALARM_RETRY_MICROS))
}

/// Makes the response to a request that was relayed to an object: `answer` are the bytes of its answer.
///
/// # Errors
/// When the response cannot be built.
#[wasm_bindgen]
pub fn relayed(request: Request, answer: &[u8]) -> Result<Response, JsValue> {
    respond(request, Some(Answer::decode(answer).unwrap_or_else(Answer::from)))
}

/// The beginnings of the errors of a request whose URL the platform cannot read: `Host` names no host. That shows only
/// when the request is passed on.
const UNREADABLE: [&str; 2] = ["Invalid URL", "Fetch API cannot load"];

/// Makes the response to a request that failed with an error: its object gave no answer.
///
/// # Errors
/// When the response cannot be built.
#[wasm_bindgen]
pub fn failed(request: Request, error: &JsValue) -> Result<Response, JsValue> {
    let message = platform::message(error);
    let is_unreadable = UNREADABLE.iter().any(|words| message.starts_with(words));
    let unreadable =
        || Error::invalid(format!("Host: the request's URL cannot be read: {message}"));
    if !is_unreadable {
        worker::console_error!("front: {message}");
    }
    respond(request, is_unreadable.then(|| unreadable().into()))
}

fn respond(request: Request, answer: Option<Answer>) -> Result<Response, JsValue> {
    let (method, url) = (request.method(), request.url());
    let incoming = request::incoming(request, method, url);
    let reply = NODE.with_borrow(|node| node.relayed(&incoming, answer));
    platform::response(&reply)
}
