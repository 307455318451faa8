//! Which pages of other origins may read the answers: the Fetch standard's CORS protocol.

/// The headers that let `origin` (the request's `Origin`) read an answer. `allowed` is the configuration: origins
/// separated by spaces, or `*` for any.
pub fn headers(origin: Option<&str>, allowed: &str) -> Vec<(&'static str, String)> {
    let Some(origin) = origin else { return Vec::new() };
    let any = allowed.split_whitespace().any(|allowed| allowed == "*");
    let named = allowed.split_whitespace().any(|allowed| allowed == origin);
    let mut headers = vec![("vary", "Origin".to_owned())];
    if any || named {
        headers.push(("access-control-allow-origin", origin.to_owned()));
        headers.push((
            "access-control-expose-headers",
            "ETag, Location, Preference-Applied, Retry-After".to_owned(),
        ));
    }
    headers
}

/// What a preflight request is told besides.
pub fn preflight_headers() -> Vec<(&'static str, String)> {
    vec![
        ("access-control-allow-methods", "GET, HEAD, POST, PUT, PATCH, DELETE".to_owned()),
        (
            "access-control-allow-headers",
            "Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, Prefer"
                .to_owned(),
        ),
        ("access-control-max-age", "86400".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(origin: Option<&str>, configuration: &str) -> Option<String> {
        let headers = headers(origin, configuration);
        headers
            .into_iter()
            .find(|(name, _)| *name == "access-control-allow-origin")
            .map(|(_, value)| value)
    }

    #[test]
    fn origins_are_those_that_the_configuration_names() {
        assert_eq!(allowed(Some("https://a.example"), "*").as_deref(), Some("https://a.example"));
        let two = "https://a.example https://b.example";
        assert_eq!(allowed(Some("https://b.example"), two).as_deref(), Some("https://b.example"));
        assert_eq!(allowed(Some("https://c.example"), two), None);
        assert_eq!(allowed(Some("https://a.example"), ""), None);
        assert_eq!(allowed(None, "*"), None);
    }
}
