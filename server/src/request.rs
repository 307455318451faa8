//! The platform's request as the engine reads it.

use crate::platform;
use blaze_engine::http::Headers;
use blaze_engine::http::incoming::Incoming;
use std::cell::OnceCell;
use std::rc::Rc;
use web_sys::Request;

/// The headers that are read in one crossing, in the order of `describe` in `platform.js`.
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

/// The headers of a request, which are read when the first of them is asked for.
struct Lazy {
    request: Request,
    described: OnceCell<String>,
}

impl Headers for Lazy {
    fn get(&self, name: &str) -> Option<String> {
        let Some(place) = HEADERS.iter().position(|header| *header == name) else {
            return self.request.headers().get(name).ok().flatten();
        };
        let described =
            self.described.get_or_init(|| platform::describe(&self.request).unwrap_or_default());
        described.split('\n').nth(place).filter(|value| *value != "\0").map(str::to_owned)
    }

    fn address(&self) -> String {
        platform::address(&self.request).unwrap_or_default()
    }
}

/// Reads method and URL of a request.
pub(crate) fn incoming(request: Request) -> Incoming {
    let (method, url) = (request.method(), request.url());
    Incoming::new(method, url, Rc::new(Lazy { request, described: OnceCell::new() }))
}
