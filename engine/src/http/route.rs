//! The route of a request, by its method and path.

use super::account_request;
use super::admin_request;
use super::reply::Reply;
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::REQUEST_URL_BYTES;
use blaze_schema::path::{CollectionPath, DocumentPath, Path};

/// The path that tells whether the server answers.
pub const HEALTH: &str = "/health";

/// A route: the resource that a request is for.
#[derive(Clone, Debug, PartialEq)]
pub enum Route {
    /// A document's object answers.
    Document(DocumentPath),
    /// `POST` to a collection: a new document.
    Create(CollectionPath),
    /// `GET /health`
    Health,
    /// `GET /v1/openapi.json`
    OpenApi,
    /// `GET` of a collection: its documents, or those of the query in the URL.
    List(CollectionPath),
    /// `POST /v1/query`
    Query,
    /// `POST /v1/aggregate`
    Aggregate,
    /// `GET /v1/listen`
    Listen,
    /// `/v1/rules`, `/v1/keys`, `/v1/audit` and what is below them: for administrators, see [`admin_request`].
    Admin,
    /// `GET /v1/groups/{id}`: for administrators.
    Group(String),
    /// `GET /v1/jwks.json`
    Jwks,
    /// `GET /v1/accounts`: the ways to sign in.
    SignIns,
    /// A resource below `/v1/accounts/`: see [`account_request`].
    Accounts,
    /// `POST /v1/commit`
    Commit,
    /// `OPTIONS` of anything; the methods that the resource has.
    Options(&'static str),
    /// A file, or the page at `/`.
    Page,
}

const DOCUMENT_METHODS: &str = "GET, HEAD, PUT, PATCH, DELETE";
const COLLECTION_METHODS: &str = "GET, HEAD, POST";

/// Refuses a URL that is too long to be examined.
///
/// # Errors
/// 414 `invalid-argument`.
pub fn check_url(url: &str) -> Result<(), Error> {
    if url.len() > REQUEST_URL_BYTES {
        let detail = format!("URL: {} bytes, of {REQUEST_URL_BYTES} at most", url.len());
        return Err(Error::invalid(detail).with_status(414));
    }
    Ok(())
}

/// Finds the route. `path` is the URL's path as it came.
///
/// # Errors
/// The whole answer: 404 for no such route, 405 with `Allow`, 400 for a path that names nothing possible.
pub fn route(method: &str, path: &str) -> Result<Route, Reply> {
    if let Some(resource) = path.strip_prefix("/v1/docs/") {
        return match Path::parse_url(resource) {
            Err(error) => Err(error.into()),
            Ok(Path::Document(path)) => match method {
                "GET" | "HEAD" | "PUT" | "PATCH" | "DELETE" => Ok(Route::Document(path)),
                _ => other_method(method, DOCUMENT_METHODS),
            },
            Ok(Path::Collection(path)) => match method {
                "GET" | "HEAD" => Ok(Route::List(path)),
                "POST" => Ok(Route::Create(path)),
                _ => other_method(method, COLLECTION_METHODS),
            },
        };
    }
    if let Some(methods) = admin_request::methods(path) {
        return allow(method, methods, Route::Admin);
    }
    if let Some(methods) = account_request::methods(path) {
        return allow(method, methods, Route::Accounts);
    }
    if let Some(id) = path.strip_prefix("/v1/groups/") {
        return match Path::parse_url(id).map_err(Reply::from)? {
            Path::Collection(path) if path.as_str() == path.id() => {
                allow(method, "GET, HEAD", Route::Group(path.id().to_owned()))
            }
            _ => Err(no_route(path)),
        };
    }
    let (methods, found) = match path {
        "/v1/jwks.json" => ("GET, HEAD", Route::Jwks),
        "/v1/accounts" => ("GET, HEAD", Route::SignIns),
        HEALTH => ("GET, HEAD", Route::Health),
        "/v1/openapi.json" => ("GET, HEAD", Route::OpenApi),
        "/v1/query" => ("POST", Route::Query),
        "/v1/aggregate" => ("POST", Route::Aggregate),
        "/v1/commit" => ("POST", Route::Commit),
        "/v1/listen" => ("GET", Route::Listen),
        _ if path == "/v1" || path.starts_with("/v1/") => {
            return Err(no_route(path));
        }
        _ => ("GET, HEAD", Route::Page),
    };
    allow(method, methods, found)
}

fn no_route(path: &str) -> Reply {
    Error::new(Code::NotFound, format!("no route {path}")).into()
}

fn allow(method: &str, methods: &'static str, found: Route) -> Result<Route, Reply> {
    if methods.split(", ").any(|allowed| allowed == method) {
        Ok(found)
    } else {
        other_method(method, methods)
    }
}

fn other_method(method: &str, methods: &'static str) -> Result<Route, Reply> {
    if method == "OPTIONS" {
        return Ok(Route::Options(methods));
    }
    let error = Error::invalid(format!(
        "the method {method:.20} is not for this resource, which has {methods}"
    ));
    let mut reply = Reply::from(error.with_status(405));
    reply.headers.push(("allow", methods.to_owned()));
    Err(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_contract_has_its_route() {
        let document = || Route::Document(DocumentPath::parse("users/al ice").unwrap());
        for (method, path, expected) in [
            ("GET", "/v1/docs/users/al%20ice", document()),
            ("HEAD", "/v1/docs/users/al%20ice", document()),
            ("PUT", "/v1/docs/users/al%20ice", document()),
            ("PATCH", "/v1/docs/users/al%20ice", document()),
            ("DELETE", "/v1/docs/users/al%20ice", document()),
            ("POST", "/v1/docs/users", Route::Create(CollectionPath::parse("users").unwrap())),
            ("GET", "/v1/docs/users", Route::List(CollectionPath::parse("users").unwrap())),
            ("POST", "/v1/query", Route::Query),
            ("POST", "/v1/aggregate", Route::Aggregate),
            ("GET", "/v1/listen", Route::Listen),
            ("POST", "/v1/accounts/signUp", Route::Accounts),
            ("POST", "/v1/accounts/signIn", Route::Accounts),
            ("POST", "/v1/accounts/refresh", Route::Accounts),
            ("POST", "/v1/accounts/signOut", Route::Accounts),
            ("POST", "/v1/accounts/oidc/google/start", Route::Accounts),
            ("POST", "/v1/accounts/oidc/google/finish", Route::Accounts),
            ("OPTIONS", "/v1/accounts/signUp", Route::Options("POST")),
            ("GET", "/health", Route::Health),
            ("GET", "/v1/openapi.json", Route::OpenApi),
            ("GET", "/v1/rules", Route::Admin),
            ("PUT", "/v1/rules", Route::Admin),
            ("GET", "/v1/rules/versions", Route::Admin),
            ("GET", "/v1/keys", Route::Admin),
            ("POST", "/v1/keys", Route::Admin),
            ("DELETE", "/v1/keys/abc", Route::Admin),
            ("GET", "/v1/audit", Route::Admin),
            ("GET", "/v1/groups/mess%20ages", Route::Group("mess ages".to_owned())),
            ("OPTIONS", "/v1/keys", Route::Options("GET, HEAD, POST")),
            ("GET", "/v1/jwks.json", Route::Jwks),
            ("OPTIONS", "/v1/docs/users/alice", Route::Options(DOCUMENT_METHODS)),
            ("GET", "/", Route::Page),
            ("GET", "/style.css", Route::Page),
        ] {
            if method == "GET" && path != "/v1/listen" {
                assert_eq!(route("HEAD", path).as_ref(), Ok(&expected), "HEAD {path}");
            }
            assert_eq!(route(method, path), Ok(expected), "{method} {path}");
        }
        assert_eq!(route("POST", "/v1/commit"), Ok(Route::Commit));
    }

    #[test]
    fn urls_are_limited() {
        assert_eq!(check_url(&"u".repeat(REQUEST_URL_BYTES)), Ok(()));
        let error = check_url(&"u".repeat(REQUEST_URL_BYTES + 1)).unwrap_err();
        assert_eq!(error.status, 414);
    }

    #[test]
    fn what_has_no_route_is_refused() {
        for (method, path, status) in [
            ("GET", "/v1/nothing", 404),
            ("GET", "/v1", 404),
            ("GET", "/v1/docs", 404),
            ("GET", "/v1/docs/", 400),
            ("GET", "/v1/docs/users/alice/", 400),
            ("GET", "/v1/docs/users//", 400),
            ("GET", "/v1/docs/users/__a__", 400),
            ("POST", "/v1/docs/users/alice", 405),
            ("PUT", "/v1/docs/users", 405),
            ("GET", "/v1/query", 405),
            ("GET", "/v1/accounts/signUp", 405),
            ("POST", "/v1/accounts/other", 404),
            ("POST", "/v1/accounts/oidc/google", 404),
            ("POST", "/v1/accounts/oidc/google/start/more", 404),
            ("POST", "/health", 405),
            ("POST", "/v1/rules", 405),
            ("PUT", "/v1/rules/versions", 405),
            ("GET", "/v1/keys/abc", 405),
            ("DELETE", "/v1/audit", 405),
            ("POST", "/v1/jwks.json", 405),
            ("GET", "/v1/keys/", 404),
            ("DELETE", "/v1/keys/a/b", 404),
            ("GET", "/v1/rules/", 404),
            ("GET", "/v1/groups", 404),
            ("GET", "/v1/groups/", 400),
            ("GET", "/v1/groups/a/b", 404),
            ("GET", "/v1/groups/a/b/c", 404),
            ("POST", "/v1/groups/a", 405),
            ("DELETE", "/", 405),
        ] {
            let reply = route(method, path).unwrap_err();
            assert_eq!(reply.status, status, "{method} {path}");
            assert_eq!(reply.headers.iter().any(|(name, _)| *name == "allow"), status == 405);
        }
    }
}
