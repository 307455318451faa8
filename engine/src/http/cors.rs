//! The pages of other origins that may read the answers: the Fetch standard's CORS protocol.
//!
//! Credentials (cookies) are never allowed, and Blaze has none: `Authorization` names the caller, and a page of
//! another origin must know it by itself.

use super::loopback;

/// Headers of an answer that a page may read, besides those that it always may.
const EXPOSED: &str = "ETag, Location, Preference-Applied, Retry-After, WWW-Authenticate";
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";
const REQUEST_HEADERS: &str = "Authorization, Content-Encoding, Content-Type, If-Match, If-None-Match, Idempotency-Key, Prefer";
/// The origins of pages that servers on this machine gave, on any port: those of development servers.
const LOOPBACK: &str = "loopback";
/// Time for which a browser need not ask again, in seconds.
const MAX_AGE: &str = "86400";

/// True if a page of `origin` may call. `allowed` is the configuration: origins separated by spaces, `loopback` for those of
/// this machine, or `*` for any.
/// All pages without an origin have the origin `null` (a file, somebody's sandboxed frame), so it cannot be named: it
/// may call only if any origin may.
pub(super) fn is_allowed(origin: &str, allowed: &str) -> bool {
    let mut names = allowed.split_whitespace();
    names.any(|name| match name {
        "*" => true,
        LOOPBACK => loopback::is_origin(origin),
        _ => name == origin && origin != "null",
    })
}

/// Returns the headers that let `origin` (the request's `Origin`) read an answer. If the configuration names origins,
/// or any, each answer says that it depends on the origin, even one to a request without an origin: a cache may give
/// it to another.
pub fn headers(origin: Option<&str>, allowed: &str) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    if origin.is_some() || !allowed.trim().is_empty() {
        headers.push(("vary", "Origin".to_owned()));
    }
    if let Some(origin) = origin.filter(|origin| is_allowed(origin, allowed)) {
        headers.push(("access-control-allow-origin", origin.to_owned()));
        headers.push(("access-control-expose-headers", EXPOSED.to_owned()));
    }
    headers
}

/// Returns the further headers for a preflight request, if its origin may call.
pub fn preflight(origin: Option<&str>, allowed: &str) -> Vec<(&'static str, String)> {
    match origin {
        Some(origin) if is_allowed(origin, allowed) => preflight_headers(),
        _ => Vec::new(),
    }
}

/// Returns the further headers for a preflight request of an allowed origin.
fn preflight_headers() -> Vec<(&'static str, String)> {
    [
        ("access-control-allow-methods", METHODS),
        ("access-control-allow-headers", REQUEST_HEADERS),
        ("access-control-max-age", MAX_AGE),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "access-control-allow-origin";

    fn value(headers: &[(&'static str, String)], name: &str) -> Option<String> {
        headers.iter().find(|(there, _)| *there == name).map(|(_, value)| value.clone())
    }

    fn allowed(origin: Option<&str>, configuration: &str) -> Option<String> {
        value(&headers(origin, configuration), ORIGIN)
    }

    #[test]
    fn origins_are_those_that_the_configuration_names() {
        assert_eq!(allowed(Some("https://a.example"), "*").as_deref(), Some("https://a.example"));
        let two = "https://a.example https://b.example";
        assert_eq!(allowed(Some("https://b.example"), two).as_deref(), Some("https://b.example"));
        for other in
            ["https://c.example", "https://a.example.c.example", "http://a.example", "", "*"]
        {
            assert_eq!(allowed(Some(other), two), None, "{other}");
        }
        assert_eq!(allowed(Some("https://a.example"), ""), None);
        assert_eq!(allowed(None, "*"), None);
    }

    #[test]
    fn the_origins_of_this_machine_have_one_name() {
        let both = "https://a.example loopback";
        for origin in ["http://localhost:5173", "https://127.0.0.1", "http://[::1]:1"] {
            assert_eq!(allowed(Some(origin), both).as_deref(), Some(origin));
            assert_eq!(preflight(Some(origin), both), preflight_headers());
            assert_eq!(allowed(Some(origin), "https://a.example"), None);
        }
        for other in ["loopback", "null", "http://localhost.example", "https://b.example"] {
            assert_eq!(allowed(Some(other), both), None, "{other}");
        }
    }

    #[test]
    fn an_origin_that_is_none_may_call_where_any_may() {
        for configuration in ["*", "https://a.example null *"] {
            let origin = allowed(Some("null"), configuration);
            assert_eq!(origin.as_deref(), Some("null"), "{configuration}");
            assert_eq!(preflight(Some("null"), configuration), preflight_headers());
        }
        for configuration in ["null", "https://a.example null", ""] {
            assert_eq!(allowed(Some("null"), configuration), None, "{configuration}");
            assert_eq!(preflight(Some("null"), configuration), []);
        }
    }

    #[test]
    fn answers_depend_on_the_origin_wherever_one_is_named() {
        for configuration in ["*", "https://a.example"] {
            for origin in [None, Some("https://a.example"), Some("https://c.example"), Some("null")]
            {
                let vary = value(&headers(origin, configuration), "vary");
                assert_eq!(vary.as_deref(), Some("Origin"), "{configuration} {origin:?}");
            }
        }
        assert_eq!(headers(None, " "), []);
    }

    #[test]
    fn what_a_client_must_know_can_be_read_and_credentials_are_not_asked_for() {
        let origin = Some("https://a.example");
        let all = [headers(origin, "*"), preflight(origin, "*")].concat();
        let exposed = value(&all, "access-control-expose-headers").unwrap();
        for name in ["ETag", "Location", "Preference-Applied", "Retry-After", "WWW-Authenticate"] {
            assert!(exposed.split(", ").any(|there| there == name), "{name}");
        }
        assert_eq!(value(&all, "access-control-allow-credentials"), None);
        // `*` would not stand for it (Fetch standard, "CORS-preflight fetch").
        let sent = value(&all, "access-control-allow-headers").unwrap();
        assert!(sent.split(", ").any(|there| there == "Authorization"));
    }

    #[test]
    fn preflights_are_answered_for_allowed_origins_alone() {
        assert_eq!(preflight(Some("https://a.example"), "https://a.example"), preflight_headers());
        for origin in [None, Some("https://c.example")] {
            assert_eq!(preflight(origin, "https://a.example"), [], "{origin:?}");
        }
    }
}
