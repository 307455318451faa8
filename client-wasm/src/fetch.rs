//! HTTP requests by `fetch`.

use crate::http::{Method, Request, Response};
use crate::json;
use blaze_schema::value::Map;
use gloo_net::http::Headers;
use js_sys::{JSON, Promise, Reflect};
use serde_json::Value;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortSignal;

/// A request without an answer is given up after so long, in milliseconds.
const TIMEOUT_MS: u32 = 30_000;

#[wasm_bindgen]
extern "C" {
    // Of whatever global object there is: a window's, a worker's, that of Node.js.
    #[wasm_bindgen(catch)]
    fn fetch(url: &str, init: &JsValue) -> Result<Promise, JsValue>;
}

/// Sends `request` to the server at `origin`. `None` when nothing came back.
pub(crate) async fn send(origin: &str, token: Option<&str>, request: &Request) -> Option<Response> {
    let method = match request.method {
        Method::Get => "GET",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
    };
    let url = format!("{origin}{}", request.target);
    exchange(&url, method, token, &request.headers, request.body.as_deref()).await
}

/// Sends JSON by `POST`. `None` when nothing came back.
pub(crate) async fn post(
    origin: &str,
    token: Option<&str>,
    target: &str,
    body: &str,
) -> Option<Response> {
    let headers = [("Content-Type", "application/json".to_owned())];
    exchange(&format!("{origin}{target}"), "POST", token, &headers, Some(body)).await
}

async fn exchange(
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
    Some(Response {
        status: response.status(),
        etag: Headers::from_raw(response.headers()).get("ETag"),
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
    init.insert("cache".to_owned(), Value::from("no-store"));
    if let Some(body) = body {
        init.insert("body".to_owned(), Value::from(body));
    }
    let init = JSON::parse(&json::print_object(&init)).ok()?;
    let signal = AbortSignal::timeout_with_u32(TIMEOUT_MS);
    Reflect::set(&init, &"signal".into(), &signal).ok()?;
    Some(init)
}
