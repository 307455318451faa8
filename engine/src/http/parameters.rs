//! The parameters of a URL's query: each route declares those that it knows, and any other is refused.

use super::route::Route;
use super::{Request, admin_request, document_request, query_pairs};
use blaze_schema::error::Error;
use blaze_schema::query::from_url;

/// The names of the parameters that a resource knows, as they are written.
pub type Names = &'static [&'static str];

impl Route {
    /// Returns the parameters that a request to this route may have; `None` if they are not Blaze's: a page's, a
    /// preflight's.
    fn parameters(&self, request: &Request<'_>) -> Option<Names> {
        match self {
            Route::Document(_) => Some(document_request::parameters(request)),
            Route::List(_) => Some(&from_url::PARAMETERS),
            Route::Admin => Some(admin_request::parameters(request.method, request.path)),
            Route::Page | Route::Options(_) => None,
            Route::Create(_)
            | Route::Health
            | Route::OpenApi
            | Route::Query
            | Route::Aggregate
            | Route::Listen
            | Route::Group(_)
            | Route::Jwks
            | Route::SignIns
            | Route::Accounts
            | Route::Commit => Some(&[]),
        }
    }
}

/// Checks the parameters of a request whose route was found.
///
/// # Errors
/// `invalid-argument` for a parameter that the route does not know, one that is given twice (except for those of a list
/// that add up), and text that is not UTF-8.
pub fn check(route: &Route, request: &Request<'_>) -> Result<(), Error> {
    let Some(known) = route.parameters(request) else { return Ok(()) };
    let mut seen: Vec<&str> = Vec::new();
    for (name, value) in query_pairs(request.query) {
        let Some(name) = known.iter().find(|known| **known == name) else {
            return Err(unknown(&name, known, request));
        };
        if value.contains(char::REPLACEMENT_CHARACTER) && !is_utf8(request.query) {
            return Err(Error::invalid(format!("{name}: the URL is not UTF-8")));
        }
        if seen.contains(name) && !from_url::ADDING_UP.contains(name) {
            return Err(Error::invalid(format!("{name}: given twice")));
        }
        seen.push(name);
    }
    Ok(())
}

fn unknown(name: &str, known: Names, request: &Request<'_>) -> Error {
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let method = request.method;
    Error::invalid(format!(
        "{name:?} is no parameter of {method:.20} here; the parameters are: {known}"
    ))
}

fn is_utf8(query: &str) -> bool {
    percent_encoding::percent_decode_str(query).decode_utf8().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Headers;
    use crate::http::route::route;

    struct Upgrade(bool);

    impl Headers for Upgrade {
        fn get(&self, name: &str) -> Option<String> {
            (self.0 && name == "upgrade").then(|| "websocket".to_owned())
        }
    }

    fn checked(method: &str, path: &str, query: &str, is_socket: bool) -> Result<(), Error> {
        let route = route(method, path).unwrap();
        check(&route, &Request { method, path, query, headers: &Upgrade(is_socket) })
    }

    /// Every route with each of its methods, and the parameters that it takes, as a query.
    const ROUTES: &[(&str, &str, &[&str])] = &[
        ("GET", "/v1/docs/a/b", &[]),
        ("HEAD", "/v1/docs/a/b", &[]),
        ("PUT", "/v1/docs/a/b", &["merge=true", "mergeFields=a"]),
        ("PATCH", "/v1/docs/a/b", &[]),
        ("DELETE", "/v1/docs/a/b", &[]),
        ("POST", "/v1/docs/a", &[]),
        ("GET", "/v1/docs/a", &["limit=1", "where=a==1&where=b==2", "orderBy=a&orderBy=b"]),
        ("HEAD", "/v1/docs/a", &["limit=1"]),
        ("POST", "/v1/query", &[]),
        ("POST", "/v1/aggregate", &[]),
        ("POST", "/v1/commit", &[]),
        ("GET", "/v1/listen", &[]),
        ("GET", "/v1/accounts", &[]),
        ("POST", "/v1/accounts/signUp", &[]),
        ("POST", "/v1/accounts/signIn", &[]),
        ("POST", "/v1/accounts/refresh", &[]),
        ("POST", "/v1/accounts/signOut", &[]),
        ("POST", "/v1/accounts/oidc/own/start", &[]),
        ("POST", "/v1/accounts/oidc/own/finish", &[]),
        ("GET", "/v1/rules", &["version=1"]),
        ("PUT", "/v1/rules", &[]),
        ("GET", "/v1/rules/versions", &[]),
        ("GET", "/v1/keys", &[]),
        ("POST", "/v1/keys", &[]),
        ("DELETE", "/v1/keys/k", &[]),
        ("POST", "/v1/signing-keys", &[]),
        ("GET", "/v1/audit", &["limit=1&before=2"]),
        ("GET", "/v1/groups/m", &[]),
        ("GET", "/v1/jwks.json", &[]),
        ("GET", "/v1/openapi.json", &[]),
        ("GET", "/health", &[]),
    ];

    #[test]
    fn a_parameter_that_a_route_does_not_know_is_refused_by_name() {
        let others = [
            "Merge=true",
            "dryRun=true",
            "updateMask=b",
            "ifVersion=77",
            "since=1",
            "wait=no",
            "x",
            "=1",
            "%6Derge_=1",
        ];
        for (method, path, known) in ROUTES {
            for query in *known {
                assert_eq!(checked(method, path, query, false), Ok(()), "{method} {path}?{query}");
            }
            for query in others.iter().chain(["merge=true", "version=1", "limit=1"].iter()) {
                if known.iter().any(|known| known.split('&').any(|pair| pair == *query)) {
                    continue;
                }
                let error = checked(method, path, query, false).unwrap_err();
                assert_eq!(error.status, 400, "{method} {path}?{query}");
                let name = query_pairs(query).remove(0).0;
                assert!(error.detail.contains(&format!("{name:?}")), "{error}");
            }
            for empty in ["", "&", "&&"] {
                assert_eq!(checked(method, path, empty, false), Ok(()), "{method} {path}?{empty}");
            }
        }
    }

    #[test]
    fn a_parameter_is_given_once() {
        for (method, path, query) in [
            ("PUT", "/v1/docs/a/b", "merge=false&merge=true"),
            ("PUT", "/v1/docs/a/b", "mergeFields=a&mergeFields=b"),
            ("GET", "/v1/docs/a", "limit=1&limit=1"),
            ("GET", "/v1/rules", "version=1&version=2"),
        ] {
            let error = checked(method, path, query, false).unwrap_err();
            assert!(error.detail.contains("given twice"), "{error}");
        }
        let latin = checked("PUT", "/v1/docs/a/b", "mergeFields=%e9", false).unwrap_err();
        assert!(latin.detail.contains("mergeFields: the URL is not UTF-8"), "{latin}");
        assert_eq!(checked("PUT", "/v1/docs/a/b", "mergeFields=%EF%BF%BD", false), Ok(()));
    }

    #[test]
    fn a_socket_has_other_parameters_than_a_read() {
        assert_eq!(checked("GET", "/v1/docs/a/b", "since=3&epoch=e", true), Ok(()));
        for (path, query) in [
            ("/v1/docs/a/b", "wait=no"),
            ("/v1/docs/a/b", "merge=true"),
            ("/v1/docs/a/b", "since=3&since=4"),
            ("/v1/listen", "token=x"),
        ] {
            assert_eq!(
                checked("GET", path, query, true).unwrap_err().status,
                400,
                "{path}?{query}"
            );
        }
    }

    #[test]
    fn pages_and_preflights_have_what_they_like() {
        for (method, path) in [("GET", "/"), ("HEAD", "/a.css"), ("OPTIONS", "/v1/docs/a/b")] {
            assert_eq!(checked(method, path, "utm_source=x&x=1&x=2", false), Ok(()));
        }
    }
}
