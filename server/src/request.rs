//! The platform's request as the engine reads it.

use crate::platform;
use blaze_engine::http::Headers;
use blaze_engine::http::incoming::Incoming;
use js_sys::Array;
use std::cell::OnceCell;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use web_sys::Request;

/// The headers that are read in one crossing. Those of a write come last.
const HEADERS: [&str; 11] = [
    "authorization",
    "if-match",
    "if-none-match",
    "origin",
    "upgrade",
    "sec-websocket-protocol",
    "content-type",
    "idempotency-key",
    "prefer",
    "if-unmodified-since",
    "content-range",
];
/// Number of those that matter to a `GET`.
const READ_HEADERS: usize = 6;

thread_local! {
    /// The names of the headers of a `GET`, and of others, as JavaScript has them.
    static NAMES: [Array; 2] = [READ_HEADERS, HEADERS.len()].map(|count| {
        HEADERS.iter().take(count).map(|name| JsValue::from(*name)).collect()
    });
}

/// The headers of a request, which are read when the first of them is asked for.
struct Lazy {
    request: Request,
    described: OnceCell<String>,
}

impl Lazy {
    fn describe(&self) -> String {
        let is_read = self.request.method() == "GET";
        let headers = self.request.headers();
        NAMES
            .with(|[read, all]| platform::describe(&headers, if is_read { read } else { all }))
            .unwrap_or_default()
    }
}

impl Headers for Lazy {
    fn get(&self, name: &str) -> Option<String> {
        let Some(place) = HEADERS.iter().position(|header| *header == name) else {
            return self.request.headers().get(name).ok().flatten();
        };
        let described = self.described.get_or_init(|| self.describe());
        let value = described.split('\n').nth(place.saturating_add(1));
        value.filter(|value| *value != "\0").map(str::to_owned)
    }

    fn address(&self) -> String {
        platform::address(&self.request).unwrap_or_default()
    }
}

/// Makes a request whose method and URL are known.
pub(crate) fn incoming(request: Request, method: String, url: String) -> Incoming {
    Incoming::new(method, url, Rc::new(Lazy { request, described: OnceCell::new() }))
}
