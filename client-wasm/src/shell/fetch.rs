//! HTTP requests by `fetch`.

use crate::core::error::closed;
use crate::core::http::{
    Method, Reply, Request, Response, error_of, pause_ms, refuses_token, socket_failure,
};
use crate::core::json;
use crate::core::link::SLOWEST_LINE;
use crate::shell::credentials::Credentials;
use crate::shell::hub::Hub;
use crate::shell::platform::{random, sleep};
use blaze_schema::error::{Code, Error};
use blaze_schema::value::Map;
use gloo_net::http::Headers;
use js_sys::{JSON, Promise, Reflect};
use serde_json::Value;
use std::mem;
use std::rc::{Rc, Weak};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortSignal;

/// A read without an answer is given up after so long, in milliseconds.
const READ_MS: u32 = 30_000;
/// A write without an answer: the server waits ten seconds for indexes at most. What the write carries has to get through
/// besides ([`SLOWEST_LINE`]).
const WRITE_MS: u32 = 15_000;

#[wasm_bindgen]
extern "C" {
    // Of whatever global object there is: a window's, a worker's, that of Node.js.
    #[wasm_bindgen(catch)]
    fn fetch(url: &str, init: &JsValue) -> Result<Promise, JsValue>;
}

/// The server of a database, for one client.
pub(crate) struct Server {
    /// `http://host:port`, and perhaps a path; no `/` at the end.
    pub(crate) origin: String,
    /// The same for sockets.
    pub(crate) socket_origin: String,
    pub(crate) credentials: Rc<Credentials>,
    /// The client that is told whether the server is reached.
    pub(crate) hub: Weak<dyn Hub>,
}

impl Server {
    /// Sends `request` to the server.
    ///
    /// A request whose token is refused is sent once more with another one, if there is one; one that the server has no
    /// room for, when the server says.
    pub(crate) async fn send(&self, request: &Request) -> Reply {
        let method = match request.method {
            Method::Get => "GET",
            Method::Post => "POST",
        };
        let url = format!("{}{}", self.origin, request.target);
        self.exchange(&url, method, &request.headers, request.body.as_deref()).await
    }

    /// The same with JSON by `POST`, of what may be asked twice.
    pub(crate) async fn post(&self, target: &str, body: &str) -> Reply {
        let headers = [("Content-Type", "application/json".to_owned())];
        self.exchange(&format!("{}{target}", self.origin), "POST", &headers, Some(body)).await
    }

    /// Why no socket can be opened.
    pub(crate) async fn look_for_sockets(&self) -> Error {
        let url = format!("{}/v1/listen", self.origin);
        socket_failure(self.exchange(&url, "GET", &[], None).await)
    }

    async fn exchange(
        &self,
        url: &str,
        method: &str,
        headers: &[(&str, String)],
        body: Option<&str>,
    ) -> Reply {
        // Keeps the client as long as the request.
        let Some(client) = self.hub.upgrade() else { return Err(closed()) };
        let (mut renewed, mut pauses) = (false, 0);
        loop {
            let token = self.credentials.token().await?;
            let response = once(url, method, token.as_deref(), headers, body).await;
            let Some(response) = response else {
                client.doubt();
                let detail = format!("the server cannot be reached: no answer from {url}");
                return Err(Error::new(Code::Unavailable, detail));
            };
            client.reached();
            if refuses_token(&response) {
                let another = self.credentials.refused(&token);
                if another && !mem::replace(&mut renewed, true) {
                    continue;
                }
                return Ok(response);
            }
            if response.status < 500 {
                self.credentials.accepted(&token);
            }
            let Some(after_ms) = pause_ms(&response, pauses, random()) else {
                return Ok(response);
            };
            pauses += 1;
            client.pause(after_ms, error_of(&response));
            sleep(after_ms).await;
            client.go_on();
            if client.is_closed() {
                return Ok(response);
            }
        }
    }
}

async fn once(
    url: &str,
    method: &str,
    token: Option<&str>,
    headers: &[(&str, String)],
    body: Option<&str>,
) -> Option<Response> {
    let init = init(method, token, headers, body)?;
    let response = JsFuture::from(fetch(url, &init).ok()?).await.ok()?;
    let response: web_sys::Response = response.unchecked_into();
    let text = JsFuture::from(response.text().ok()?).await.ok()?;
    let headers = Headers::from_raw(response.headers());
    Some(Response {
        url: response.url(),
        content_type: headers.get("Content-Type"),
        status: response.status(),
        retry_after: headers.get("Retry-After").and_then(|seconds| seconds.parse().ok()),
        body: text.as_string()?,
    })
}

/// `fetch`'s second argument. Made by JavaScript from JSON: each setter of a builder would be a function to import.
fn init(
    method: &str,
    token: Option<&str>,
    headers: &[(&str, String)],
    body: Option<&str>,
) -> Option<JsValue> {
    let (mut init, mut sent) = (Map::new(), Map::new());
    for (name, value) in headers {
        sent.insert((*name).to_owned(), Value::from(value.as_str()));
    }
    if let Some(token) = token {
        sent.insert("Authorization".to_owned(), Value::from(format!("Bearer {token}")));
    }
    init.insert("headers".to_owned(), Value::Object(sent));
    init.insert("method".to_owned(), Value::from(method));
    let mut timeout_ms = READ_MS;
    match body {
        // Not for a write: a browser would not remember either that pages of this origin may send it.
        None => drop(init.insert("cache".to_owned(), Value::from("no-store"))),
        Some(body) => {
            init.insert("body".to_owned(), Value::from(body));
            if headers.iter().any(|(name, _)| *name == "Idempotency-Key") {
                timeout_ms = WRITE_MS + body.len() as u32 / SLOWEST_LINE;
            }
        }
    }
    let init = JSON::parse(&json::print_object(&init)).ok()?;
    let signal = AbortSignal::timeout_with_u32(timeout_ms);
    Reflect::set(&init, &"signal".into(), &signal).ok()?;
    Some(init)
}
