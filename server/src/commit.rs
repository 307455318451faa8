//! `POST /v1/commit` in the Worker: selects the documents' objects to ask, and joins their answers.

use crate::bridge;
use crate::entry::{finish, too_large};
use crate::incoming::Incoming;
use blaze_engine::http::commit_request;
use blaze_engine::http::reply::Reply;
use blaze_schema::commit::Part;
use js_sys::Array;
use serde_json::json;
use wasm_bindgen::prelude::*;
use web_sys::Request;
use worker::Env;

/// Splits a commit into `[path, part, path, part, …]`, or returns the response if no object is to be asked. `body` is
/// `None` if it is too large.
///
/// # Errors
/// When not even the answer to a failure can be built.
#[wasm_bindgen(js_name = splitCommit)]
pub fn split_commit(
    request: &Request,
    env: &Env,
    body: Option<Vec<u8>>,
) -> Result<JsValue, JsValue> {
    let incoming = Incoming::new(request)?;
    let parts = body
        .ok_or_else(too_large)
        .and_then(|body| commit_request::parts(&incoming.request(), &body));
    let reply = match parts {
        Ok(parts) if parts.is_empty() => {
            let time = bridge::now().to_string();
            Reply::json(200, json!({"commitTime": time, "results": []}).to_string())
        }
        Ok(parts) => {
            let flat = Array::new();
            for Part { path, body } in parts {
                flat.push(&path.as_str().into());
                flat.push(&body.into());
            }
            return Ok(flat.into());
        }
        Err(error) => error.into(),
    };
    finish(reply, &incoming, env).map(JsValue::from)
}

/// Returns the position of the answer that is the commit's, by the statuses of the documents' answers.
#[wasm_bindgen(js_name = decisiveAnswer)]
pub fn decisive_answer(statuses: &[u16]) -> usize {
    commit_request::decisive(statuses).unwrap_or_default()
}
