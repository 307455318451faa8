//! The platform's request as the engine reads it.

use crate::platform;
use blaze_engine::http::Headers;
use blaze_engine::http::incoming::Incoming;
use js_sys::Array;
use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use wasm_bindgen::JsValue;
use web_sys::Request;

/// The headers that are read in one crossing each: those that every route needs, and those of documents. The headers of
/// a body come last in both: a `GET` has none.
const HEADERS: [(&[&str], usize); 2] = [
    (&["authorization", "origin", "content-type", "content-encoding"], 2),
    (
        &[
            "if-match",
            "if-none-match",
            "upgrade",
            "sec-websocket-protocol",
            "idempotency-key",
            "prefer",
            "if-unmodified-since",
            "content-range",
        ],
        4,
    ),
];

thread_local! {
    /// The names of both groups as JavaScript has them: for a `GET`, and for other methods.
    static NAMES: [[Array; 2]; 2] = HEADERS.map(|(names, of_get)| {
        [of_get, names.len()].map(|count| names.iter().take(count).map(|name| JsValue::from(*name)).collect())
    });
}

thread_local! {
    /// True if the runtime itself tells the address of a connection.
    static IS_DIRECT: Cell<bool> = const { Cell::new(false) };
}

/// The headers of a request, which are read when the first of a group is asked for.
struct Lazy {
    request: Request,
    is_get: bool,
    described: [OnceCell<String>; 2],
}

impl Lazy {
    fn describe(&self, group: usize) -> String {
        let headers = self.request.headers();
        NAMES
            .with(|names| {
                let [of_get, all] = names.get(group)?;
                platform::describe(&headers, if self.is_get { of_get } else { all }).ok()
            })
            .unwrap_or_default()
    }
}

impl Headers for Lazy {
    fn get(&self, name: &str) -> Option<String> {
        for (group, ((names, _), described)) in HEADERS.iter().zip(&self.described).enumerate() {
            if let Some(place) = names.iter().position(|known| *known == name) {
                let described = described.get_or_init(|| self.describe(group));
                let value = described.split('\n').nth(place);
                return value.filter(|value| *value != "\0").map(str::to_owned);
            }
        }
        self.request.headers().get(name).ok().flatten()
    }

    /// Cloudflare's network sets `CF-Connecting-IP`, whatever the client sent. workerd on its own does not, but tells the
    /// address itself; the header is not trusted there.
    fn address(&self) -> String {
        let connection = platform::connection(&self.request).ok().flatten();
        if IS_DIRECT.get() || connection.is_some() {
            IS_DIRECT.set(true);
            return connection.unwrap_or_default();
        }
        self.get("cf-connecting-ip").unwrap_or_default()
    }
}

/// Makes a request whose method and URL are known.
pub(crate) fn incoming(request: Request, method: String, url: String) -> Incoming {
    let is_get = method == "GET";
    let headers = Lazy { request, is_get, described: Default::default() };
    Incoming::new(method, url, Rc::new(headers))
}
