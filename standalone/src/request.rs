//! A client's request as the engine reads it.

use blaze_engine::http::Headers;
use blaze_engine::http::incoming::Incoming;
use hyper::HeaderMap;
use std::net::IpAddr;
use std::rc::Rc;

/// A request's headers.
struct Lines {
    headers: HeaderMap,
    address: Option<IpAddr>,
}

impl Headers for Lines {
    fn get(&self, name: &str) -> Option<String> {
        let mut values = self.headers.get_all(name).iter();
        let mut text = String::from_utf8_lossy(values.next()?.as_bytes()).into_owned();
        for value in values {
            // RFC 9110 section 5.3.
            text.push_str(", ");
            text.push_str(&String::from_utf8_lossy(value.as_bytes()));
        }
        Some(text)
    }

    fn address(&self) -> String {
        self.address.map_or_else(String::new, |address| address.to_string())
    }
}

/// Makes a request.
pub(crate) fn incoming(
    method: String,
    url: String,
    headers: HeaderMap,
    address: Option<IpAddr>,
) -> Incoming {
    Incoming::new(method, url, Rc::new(Lines { headers, address }))
}
