//! A request as the engine reads it.

use crate::bridge;
use blaze_engine::http::{Headers, Request, query_value};
use wasm_bindgen::JsValue;

/// The headers in the order in which `bridge.js` describes them.
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

/// A request's description: method, URL and headers, a line each.
pub(crate) struct Incoming {
    text: String,
}

impl Incoming {
    /// Reads only method and URL, by which a route is found. All headers are missing.
    pub(crate) fn summary(request: &web_sys::Request) -> Result<Self, JsValue> {
        bridge::summarize(request, false).map(|text| Incoming { text })
    }

    /// Reads `Authorization` besides, which identifies the caller. Other headers are missing.
    pub(crate) fn credentials(request: &web_sys::Request) -> Result<Self, JsValue> {
        bridge::summarize(request, true).map(|text| Incoming { text })
    }

    pub(crate) fn new(request: &web_sys::Request) -> Result<Self, JsValue> {
        bridge::describe(request).map(|text| Incoming { text })
    }

    /// Makes a request of the text that [`Incoming::new`] reads, if it came another way.
    pub(crate) fn described(text: String) -> Self {
        Incoming { text }
    }

    pub(crate) fn method(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    pub(crate) fn url(&self) -> &str {
        self.text.lines().nth(1).unwrap_or_default()
    }

    /// Scheme and host: what comes before the path.
    pub(crate) fn origin_of_url(&self) -> &str {
        self.url().strip_suffix(self.path_and_query()).unwrap_or_default()
    }

    /// The path, percent-encoded as it came, with the query. The platform's URLs are always absolute and normalised.
    fn path_and_query(&self) -> &str {
        let url = self.url();
        let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
        after_scheme.find('/').and_then(|slash| after_scheme.get(slash..)).unwrap_or("/")
    }

    pub(crate) fn path(&self) -> &str {
        let path = self.path_and_query();
        path.split(['?', '#']).next().unwrap_or(path)
    }

    /// The URL's query, without the `?`.
    pub(crate) fn query(&self) -> &str {
        let path = self.path_and_query();
        path.split_once('?').map_or("", |(_, query)| query.split('#').next().unwrap_or_default())
    }

    /// A value of the URL's query.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        query_value(self.query(), name)
    }

    pub(crate) fn request(&self) -> Request<'_> {
        Request { method: self.method(), path: self.path(), query: self.query(), headers: self }
    }
}

impl Headers for Incoming {
    fn get(&self, name: &str) -> Option<String> {
        let line = HEADERS.iter().position(|header| *header == name)?.saturating_add(2);
        self.text.split('\n').nth(line).filter(|value| *value != "\0").map(str::to_owned)
    }
}
