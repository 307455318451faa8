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
use blaze_engine::http::incoming::Incoming;
use blaze_engine::node::config::Config;
use blaze_engine::node::{Home, Node};
use blaze_schema::error::{Code, Error};
use js_sys::Reflect;
use std::cell::RefCell;
use wasm_bindgen::prelude::*;
use web_sys::{Request, Response};

thread_local! {
    /// The node of this isolate.
    static NODE: RefCell<Node> =
        RefCell::new(Node::new(Err(Error::new(Code::Internal, "not configured")), Home::Cloud));
}

/// Takes the texts of `collections.json` and `access.json`, and the environment with variables and secrets: before
/// anything else, and again after wasm is instantiated anew. While they are wrong nothing is answered. `is_alone` is true
/// on a machine on its own, which keeps a file for every object.
#[wasm_bindgen]
pub fn configure(collections: &str, access: &str, env: &JsValue, is_alone: bool) {
    let variable = |name: &str| Reflect::get(env, &name.into()).ok()?.as_string();
    let config = Config::read(collections, access, variable);
    if let Err(error) = &config {
        worker::console_error!("{}", error.detail);
    }
    let home = if is_alone { Home::Files } else { Home::Cloud };
    NODE.set(Node::new(config, home));
}

/// Makes the response to a request that was relayed to an object or passed on to one: `answer` are the bytes of its
/// answer, none if it gave none.
///
/// # Errors
/// When the response cannot be built.
#[wasm_bindgen]
pub fn relayed(request: Request, answer: Option<Vec<u8>>) -> Result<Response, JsValue> {
    let answer = answer.map(|bytes| Answer::decode(&bytes).unwrap_or_else(Answer::from));
    let reply = NODE.with_borrow(|node| node.relayed(&known(request), answer));
    platform::response(&reply)
}

/// Makes the response to a request whose URL the platform cannot read: `Host` names no host. That shows only when the
/// request is passed on, by an error with this message.
///
/// # Errors
/// When the response cannot be built.
#[wasm_bindgen]
pub fn unreadable(request: Request, message: &str) -> Result<Response, JsValue> {
    let error = Error::invalid(format!("Host: the request's URL cannot be read: {message}"));
    let answer = Some(Answer::from(error));
    let reply = NODE.with_borrow(|node| node.relayed(&known(request), answer));
    platform::response(&reply)
}

fn known(request: Request) -> Incoming {
    let (method, url) = (request.method(), request.url());
    request::incoming(request, method, url)
}
