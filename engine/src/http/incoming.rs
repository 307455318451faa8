//! A request as it came: its headers are read when they are asked for.

use super::{Headers, Request, query_value};
use std::fmt;
use std::rc::Rc;

/// The headers that a request to an object of another process takes along.
const TAKEN_ALONG: [&str; 9] = [
    "authorization",
    "if-match",
    "if-none-match",
    "origin",
    "content-type",
    "idempotency-key",
    "prefer",
    "if-unmodified-since",
    "content-range",
];

/// A request, which a step may keep.
#[derive(Clone)]
pub struct Incoming {
    method: String,
    /// The absolute URL, normalised as the WHATWG URL standard says.
    url: String,
    headers: Rc<dyn Headers>,
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url)
    }
}

impl Incoming {
    /// A request that came to the shell.
    pub fn new(method: String, url: String, headers: Rc<dyn Headers>) -> Self {
        Incoming { method, url, headers }
    }

    /// Reads what [`Incoming::describe`] wrote.
    pub fn described(text: &str) -> Self {
        let mut lines = text.split('\n');
        let mut line = || lines.next().unwrap_or_default().to_owned();
        let (method, url) = (line(), line());
        let pair = |line: &str| {
            line.split_once(' ').map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        let headers = Described(lines.filter_map(pair).collect());
        Incoming { method, url, headers: Rc::new(headers) }
    }

    /// The same request to another URL.
    #[must_use]
    pub fn with_url(&self, url: String) -> Self {
        Incoming { url, ..self.clone() }
    }

    /// Writes method, URL and the headers that an object may need, a line each.
    pub fn describe(&self) -> String {
        let mut text = format!("{}\n{}", self.method, self.url);
        for name in TAKEN_ALONG {
            if let Some(value) = self.headers.get(name) {
                text.push_str(&format!("\n{name} {value}"));
            }
        }
        text
    }

    /// The method, in capitals.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The whole URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Scheme and host: what comes before the path.
    pub fn origin(&self) -> &str {
        self.url.strip_suffix(self.path_and_query()).unwrap_or_default()
    }

    /// A header's value, several joined by `, `.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name)
    }

    /// The network address of the connection, as far as the shell knows it.
    pub fn address(&self) -> String {
        self.headers.address()
    }

    fn path_and_query(&self) -> &str {
        let after_scheme = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        after_scheme.find('/').and_then(|slash| after_scheme.get(slash..)).unwrap_or("/")
    }

    /// The path, percent-encoded as it came.
    pub fn path(&self) -> &str {
        let path = self.path_and_query();
        path.split(['?', '#']).next().unwrap_or(path)
    }

    /// The URL's query, without the `?`.
    pub fn query(&self) -> &str {
        let path = self.path_and_query();
        path.split_once('?').map_or("", |(_, query)| query.split('#').next().unwrap_or_default())
    }

    /// A value of the URL's query.
    pub fn value(&self, name: &str) -> Option<String> {
        query_value(self.query(), name)
    }

    /// The same as the readers of requests take it.
    pub fn request(&self) -> Request<'_> {
        Request {
            method: &self.method,
            path: self.path(),
            query: self.query(),
            headers: &*self.headers,
        }
    }
}

/// Headers by name.
struct Described(Vec<(String, String)>);

impl Headers for Described {
    fn get(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(there, _)| there == name).map(|(_, value)| value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_holds_what_an_object_reads() {
        let headers = Described(
            [("authorization", "Bearer a b"), ("prefer", "return=minimal"), ("cookie", "x")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
        );
        let url = "https://h:1/v1/docs/a/b%2Fc?since=3&epoch=x%20y#f".to_owned();
        let incoming = Incoming::new("GET".to_owned(), url, Rc::new(headers));
        let described = Incoming::described(&incoming.describe());
        for one in [&incoming, &described] {
            assert_eq!((one.method(), one.origin()), ("GET", "https://h:1"));
            assert_eq!((one.path(), one.query()), ("/v1/docs/a/b%2Fc", "since=3&epoch=x%20y"));
            assert_eq!(one.value("epoch").as_deref(), Some("x y"));
            assert_eq!(one.header("authorization").as_deref(), Some("Bearer a b"));
            assert_eq!(one.header("if-match"), None);
        }
        assert_eq!(described.header("cookie"), None);
        let root =
            Incoming::new("GET".to_owned(), "https://h".to_owned(), Rc::new(Described(vec![])));
        assert_eq!((root.path(), root.query()), ("/", ""));
    }
}
