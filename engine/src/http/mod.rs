//! The meaning of HTTP requests, and the form of answers: RFC 9110, without any I/O.
//!
//! The Worker [`route`]s a request by its method and path; the document's object reads the rest of it into an event
//! ([`document_request`]) and writes the answer ([`reply`]). The shells move bytes.

pub mod account_request;
pub mod admin_request;
pub mod commit_request;
pub mod conditional;
pub mod content_encoding;
pub mod cors;
pub mod credential;
pub mod document_request;
pub mod group_request;
pub mod home;
pub mod incoming;
pub mod loopback;
#[cfg(feature = "openapi")]
pub mod openapi;
pub mod parameters;
pub mod query_request;
pub mod reply;
pub mod route;
pub mod security;

/// The parts of a request that its meaning depends on, besides the body.
pub struct Request<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The URL's path, percent-encoded as it came.
    pub path: &'a str,
    /// The URL's query, without the `?`; empty when there is none.
    pub query: &'a str,
    /// Its headers.
    pub headers: &'a dyn Headers,
}

/// A request's headers.
pub trait Headers {
    /// The header's value, several joined by `, `; the name is in lower case.
    fn get(&self, name: &str) -> Option<String>;

    /// The network address of the connection; empty if it is not known.
    fn address(&self) -> String {
        String::new()
    }
}

/// Returns the value of `name` in a URL's query, decoded as a form's.
pub fn query_value(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode_form(key) == name).then(|| decode_form(value))
    })
}

/// Returns the names and values of a URL's query, decoded as a form's.
pub fn query_pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(key, value)| (decode_form(key), decode_form(value))).collect()
}

/// `+` is a space and `%XX` a byte (WHATWG URL, application/x-www-form-urlencoded).
fn decode_form(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded_as_a_form() {
        let query = "since=3&epoch=a%2Bb+c&flag&since=4";
        assert_eq!(query_value(query, "since").as_deref(), Some("3"));
        assert_eq!(query_value(query, "epoch").as_deref(), Some("a+b c"));
        assert_eq!(query_value(query, "flag").as_deref(), Some(""));
        assert_eq!(query_value(query, "none"), None);
        assert_eq!(query_value("", ""), Some(String::new()));
    }
}
