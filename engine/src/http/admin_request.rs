//! Requests of administrators, to `/v1/rules`, `/v1/keys`, `/v1/signing-keys` or `/v1/audit`: each is read into an
//! event of the access object, and its answer written as a response.

use super::conditional::{UNKNOWN, no_preconditions, refuse};
use super::document_request::{check_json, media_type, no_body};
use super::parameters::Names;
use super::reply::Reply;
use super::{Request, query_value};
use blaze_identity::access::Event;
use blaze_rules::auth::Auth;
use blaze_schema::error::{Code, Error};
use blaze_schema::timestamp::Timestamp;
use blaze_schema::value::Map;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// Number of entries of the audit log if `limit` does not say how many.
pub(super) const AUDIT_LIMIT: usize = 100;

/// The resource of an administrator's request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Resource<'a> {
    Rules,
    Versions,
    Keys,
    Key(&'a str),
    SigningKeys,
    Audit,
}

/// Returns the methods of an administrator's resource; `None` if `path` is not one.
pub(super) fn methods(path: &str) -> Option<&'static str> {
    Some(match resource(path)? {
        Resource::Rules => "GET, HEAD, PUT",
        Resource::Versions | Resource::Audit => "GET, HEAD",
        Resource::Keys => "GET, HEAD, POST",
        Resource::Key(_) => "DELETE",
        Resource::SigningKeys => "POST",
    })
}

/// Returns the parameters of the URL that a request to an administrator's resource may have.
pub(super) fn parameters(method: &str, path: &str) -> Names {
    match (method, resource(path)) {
        ("GET" | "HEAD", Some(Resource::Rules)) => &["version"],
        ("GET" | "HEAD", Some(Resource::Audit)) => &["before", "limit"],
        _ => &[],
    }
}

fn resource(path: &str) -> Option<Resource<'_>> {
    match path {
        "/v1/rules" => Some(Resource::Rules),
        "/v1/rules/versions" => Some(Resource::Versions),
        "/v1/keys" => Some(Resource::Keys),
        "/v1/signing-keys" => Some(Resource::SigningKeys),
        "/v1/audit" => Some(Resource::Audit),
        _ => {
            let id = path.strip_prefix("/v1/keys/")?;
            (!id.is_empty() && !id.contains('/')).then_some(Resource::Key(id))
        }
    }
}

/// Returns the acting administrator.
///
/// # Errors
/// `unauthenticated` for an anonymous caller, `permission-denied` for one who is not an administrator.
pub fn actor(auth: Option<&Auth>) -> Result<&str, Error> {
    match auth {
        None => Err(Error::new(
            Code::Unauthenticated,
            "Authorization: this takes an administrator's API key or token",
        )),
        Some(auth) if auth.is_admin() => Ok(&auth.uid),
        Some(_) => {
            Err(Error::new(Code::PermissionDenied, "this takes the role admin, which you have not"))
        }
    }
}

/// Reads a request. `actor` is the sender, an administrator.
///
/// # Errors
/// `invalid-argument` for a header, a body or a query that is wrong; 415 for a body of another type; `not-found` for
/// a path that is not an administrator's resource.
pub fn event(request: &Request<'_>, body: &[u8], actor: &str) -> Result<Event, Error> {
    let actor = || actor.to_owned();
    match (request.method, resource(request.path)) {
        ("PUT", Some(Resource::Rules)) => refuse(request.headers, &UNKNOWN)?,
        ("POST" | "DELETE", _) => {
            no_preconditions(request.headers, "only rules have versions")?;
            // Repeated, it would make another key.
            refuse(request.headers, &[("Idempotency-Key", "only documents' writes have it")])?;
        }
        _ => {}
    }
    match (request.method, resource(request.path)) {
        ("GET" | "HEAD", Some(Resource::Rules)) => {
            Ok(Event::GetRules { version: number(request, "version")? })
        }
        ("PUT", Some(Resource::Rules)) => {
            let if_version = if_version(request)?;
            Ok(Event::PutRules { text: rules_text(request, body)?, if_version, actor: actor() })
        }
        ("GET" | "HEAD", Some(Resource::Versions)) => Ok(Event::ListRules),
        ("GET" | "HEAD", Some(Resource::Keys)) => Ok(Event::ListKeys),
        ("POST", Some(Resource::Keys)) => create_key(request, body, actor()),
        ("DELETE", Some(Resource::Key(id))) => {
            no_body("DELETE", body)?;
            let id = percent_encoding::percent_decode_str(id).decode_utf8_lossy().into_owned();
            Ok(Event::RevokeKey { id, actor: actor() })
        }
        ("POST", Some(Resource::SigningKeys)) => {
            Ok(Event::RotateSigningKey { revoke: is_revocation(request, body)?, actor: actor() })
        }
        ("GET" | "HEAD", Some(Resource::Audit)) => {
            let limit = number(request, "limit")?;
            let limit = limit.map_or(AUDIT_LIMIT, |n| usize::try_from(n).unwrap_or(usize::MAX));
            Ok(Event::ListAudit { before: number(request, "before")?, limit })
        }
        _ => Err(Error::new(Code::NotFound, format!("no route {}", request.path))),
    }
}

/// The response to a request, from the access object's answer to its [`event`].
pub fn reply(request: &Request<'_>, answer: Result<String, Error>) -> Reply {
    let text = match answer {
        Ok(text) => text,
        Err(error) => return error.into(),
    };
    match (request.method, resource(request.path)) {
        ("GET" | "HEAD" | "PUT", Some(Resource::Rules)) => rules_reply(text),
        ("POST", Some(Resource::Keys)) => {
            // The key, which is shown only this once, must not be in anybody's cache.
            let mut reply = Reply::json(201, text);
            reply.headers.push(("cache-control", "no-store".to_owned()));
            reply
        }
        ("POST", Some(Resource::SigningKeys)) => Reply::json(201, text),
        _ if text.is_empty() => Reply::empty(204),
        _ => Reply::json(200, text),
    }
}

/// Answers with the version as the entity tag, and 201 if there were no rules before.
fn rules_reply(text: String) -> Reply {
    #[derive(Deserialize)]
    struct Answer {
        version: u64,
        #[serde(default)]
        changed: bool,
    }
    let answer = serde_json::from_str(&text);
    let Answer { version, changed } = answer.unwrap_or(Answer { version: 0, changed: false });
    let mut reply = Reply::json(if changed && version == 1 { 201 } else { 200 }, text);
    reply.headers.push(("etag", format!("\"{version}\"")));
    reply
}

fn number(request: &Request<'_>, name: &str) -> Result<Option<u64>, Error> {
    let Some(text) = query_value(request.query, name) else { return Ok(None) };
    let wrong = |_| Error::invalid(format!("{name}: {text:?} is no number"));
    text.parse().map(Some).map_err(wrong)
}

/// `If-Match: "3"` is version 3, and `If-None-Match: *` is none at all (RFC 9110 section 13.1).
fn if_version(request: &Request<'_>) -> Result<Option<u64>, Error> {
    let header = |name| request.headers.get(name);
    match (header("if-match"), header("if-none-match")) {
        (None, None) => Ok(None),
        (Some(tag), None) => {
            let quoted = tag.trim().strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            let wrong = || Error::invalid(format!("If-Match: {tag:?} is no version in quotes"));
            quoted.and_then(|tag| tag.parse().ok()).map(Some).ok_or_else(wrong)
        }
        (None, Some(tag)) if tag.trim() == "*" => Ok(Some(0)),
        _ => Err(Error::invalid("rules take If-Match: \"<version>\" or If-None-Match: *")),
    }
}

/// The body as it is. JSON is refused: rules in a JSON string would be taken for rules.
fn rules_text(request: &Request<'_>, body: &[u8]) -> Result<String, Error> {
    let media_type = media_type(request.headers.get("content-type").as_deref());
    if media_type.is_some_and(|it| it == "application/json" || it.ends_with("+json")) {
        return Err(Error::invalid("Content-Type: rules are text/plain, no JSON").with_status(415));
    }
    let text = std::str::from_utf8(body).map_err(|error| {
        Error::invalid(format!("body: not UTF-8 after {} bytes", error.valid_up_to()))
    })?;
    // A byte order mark is no part of the text (RFC 3629 section 6).
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned())
}

fn create_key(request: &Request<'_>, body: &[u8], actor: String) -> Result<Event, Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Wanted {
        name: String,
        #[serde(default)]
        roles: BTreeSet<String>,
        #[serde(default)]
        expire_time: Option<String>,
    }
    check_json("POST", request.headers.get("content-type").as_deref())?;
    let wrong = |error| Error::invalid(format!("body: not a key to be made: {error}"));
    // An object: a list of its values would be read as well. Read from the
    // text, and not from this object, so that an error names line and column.
    serde_json::from_slice::<Map>(body).map_err(wrong)?;
    let Wanted { name, roles, expire_time } = serde_json::from_slice(body).map_err(wrong)?;
    let expires = match expire_time {
        None => None,
        Some(text) => Some(
            Timestamp::parse(&text)
                .map_err(|error| Error::invalid(format!("expireTime: {}", error.detail)))?,
        ),
    };
    Ok(Event::CreateKey { name, roles, expires, actor })
}

/// `{"revoke": true}`; no body is as good as `{}`.
fn is_revocation(request: &Request<'_>, body: &[u8]) -> Result<bool, Error> {
    check_json("POST", request.headers.get("content-type").as_deref())?;
    let wrong = |why: &dyn std::fmt::Display| Error::invalid(format!("body: {why}"));
    let mut fields: Map = match body {
        b"" => Map::new(),
        body => serde_json::from_slice(body).map_err(|error| wrong(&error))?,
    };
    let revoke = fields.remove("revoke").unwrap_or(Value::Bool(false));
    match (revoke, fields.keys().next()) {
        (Value::Bool(revoke), None) => Ok(revoke),
        (_, Some(key)) => Err(wrong(&format!("the key {key:?} means nothing here"))),
        _ => Err(wrong(&"revoke: neither true nor false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Headers;

    struct Given(Vec<(&'static str, &'static str)>);

    impl Headers for Given {
        fn get(&self, name: &str) -> Option<String> {
            self.0.iter().find(|(given, _)| *given == name).map(|(_, value)| (*value).to_owned())
        }
    }

    type Lines = &'static [(&'static str, &'static str)];

    fn read(method: &str, url: &str, headers: Lines, body: &[u8]) -> Result<Event, Error> {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let headers = Given(headers.to_vec());
        event(&Request { method, path, query, headers: &headers }, body, "key:a")
    }

    fn put(if_version: Option<u64>) -> Event {
        Event::PutRules { text: "é".to_owned(), if_version, actor: "key:a".to_owned() }
    }

    #[test]
    fn requests_are_events() {
        let get = |version| Ok(Event::GetRules { version });
        let audit = |before, limit| Ok(Event::ListAudit { before, limit });
        assert_eq!(read("GET", "/v1/rules", &[], b""), get(None));
        assert_eq!(read("GET", "/v1/rules?version=3", &[], b""), get(Some(3)));
        assert_eq!(read("GET", "/v1/rules/versions", &[], b""), Ok(Event::ListRules));
        assert_eq!(read("GET", "/v1/keys", &[], b""), Ok(Event::ListKeys));
        assert_eq!(read("GET", "/v1/audit", &[], b""), audit(None, 100));
        assert_eq!(read("GET", "/v1/audit?before=7&limit=2", &[], b""), audit(Some(7), 2));
        let revoke = Event::RevokeKey { id: "a b".to_owned(), actor: "key:a".to_owned() };
        assert_eq!(read("DELETE", "/v1/keys/a%20b", &[], b""), Ok(revoke));
        let roles = ["admin".to_owned(), "editor".to_owned()].into();
        let (name, actor) = ("ci".to_owned(), "key:a".to_owned());
        let expires = Some(Timestamp::from_micros(1_000_000));
        let body =
            br#"{"name":"ci","roles":["editor","admin"],"expireTime":"1970-01-01T00:00:01Z"}"#;
        let create = Event::CreateKey { name: name.clone(), roles, expires, actor: actor.clone() };
        assert_eq!(
            read("POST", "/v1/keys", &[("content-type", "application/json")], body),
            Ok(create)
        );
        for (body, revoke) in [(b"" as &[u8], false), (b"{}", false), (br#"{"revoke":true}"#, true)]
        {
            let rotate = Event::RotateSigningKey { revoke, actor: actor.clone() };
            assert_eq!(read("POST", "/v1/signing-keys", &[], body), Ok(rotate));
        }
        let bare = Event::CreateKey { name, roles: BTreeSet::new(), expires: None, actor };
        assert_eq!(read("POST", "/v1/keys", &[], br#"{"name":"ci"}"#), Ok(bare));
    }

    #[test]
    fn rules_come_as_text_of_any_type_but_json() {
        for (headers, if_version) in [
            (&[] as Lines, None),
            (&[("content-type", "text/plain; charset=utf-8")], None),
            (&[("content-type", "application/x-www-form-urlencoded")], None),
            (&[("if-match", "\"3\"")], Some(3)),
            (&[("if-none-match", "*")], Some(0)),
        ] {
            assert_eq!(read("PUT", "/v1/rules", headers, "é".as_bytes()), Ok(put(if_version)));
        }
        let marked = "\u{feff}é".as_bytes();
        assert_eq!(read("PUT", "/v1/rules", &[], marked), Ok(put(None)));
    }

    #[test]
    fn what_is_wrong_with_a_request_is_named() {
        for (method, url, headers, body, status, named) in [
            (
                "PUT",
                "/v1/rules",
                &[("content-type", "application/json")] as Lines,
                b"" as &[u8],
                415,
                "text/plain",
            ),
            ("PUT", "/v1/rules", &[("content-type", "Application/X+JSON")], b"", 415, "text/plain"),
            ("PUT", "/v1/rules", &[("if-match", "3")], b"", 400, "If-Match"),
            ("PUT", "/v1/rules", &[("if-match", "*")], b"", 400, "If-Match"),
            ("PUT", "/v1/rules", &[("if-match", "\"1\", \"2\"")], b"", 400, "If-Match"),
            ("PUT", "/v1/rules", &[("if-none-match", "\"1\"")], b"", 400, "If-None-Match"),
            ("PUT", "/v1/rules", &[("if-match", "\"1\""), ("if-none-match", "*")], b"", 400, "If-"),
            ("PUT", "/v1/rules", &[], b"ab\xff", 400, "after 2 bytes"),
            ("GET", "/v1/rules?version=x", &[], b"", 400, "version"),
            ("GET", "/v1/rules?version=", &[], b"", 400, "version"),
            ("GET", "/v1/audit?limit=-1", &[], b"", 400, "limit"),
            ("POST", "/v1/keys", &[("content-type", "text/plain")], b"{}", 415, "application/json"),
            ("POST", "/v1/keys", &[], b"{}", 400, "name"),
            ("POST", "/v1/keys", &[], br#"{"name":"a","role":"admin"}"#, 400, "role"),
            ("POST", "/v1/keys", &[], br#"{"name":"a","roles":"admin"}"#, 400, "column 27"),
            ("POST", "/v1/keys", &[], br#"{"name":"a","expireTime":"soon"}"#, 400, "expireTime"),
            ("DELETE", "/v1/keys/a", &[], b"{}", 400, "body"),
            ("DELETE", "/v1/keys/a", &[("if-match", "\"1\"")], b"", 400, "If-Match"),
            ("POST", "/v1/keys", &[("if-none-match", "*")], br#"{"name":"a"}"#, 400, "If-None-"),
            ("POST", "/v1/keys", &[("idempotency-key", "k")], br#"{"name":"a"}"#, 400, "Idempot"),
            ("PUT", "/v1/rules", &[("if-unmodified-since", "x")], b"", 400, "If-Unmodified-"),
            ("POST", "/v1/signing-keys", &[], br#"{"revoke":1}"#, 400, "revoke"),
            ("POST", "/v1/signing-keys", &[], br#"{"revoked":true}"#, 400, "revoked"),
            ("POST", "/v1/signing-keys", &[], b"true", 400, "body"),
            ("GET", "/v1/keys/a", &[], b"", 404, "/v1/keys/a"),
            ("GET", "/v1/docs/a", &[], b"", 404, "/v1/docs/a"),
        ] {
            let error = read(method, url, headers, body).unwrap_err();
            assert_eq!(error.status, status, "{method} {url} {headers:?}: {error}");
            assert!(error.detail.contains(named), "{method} {url} {headers:?}: {error}");
        }
    }

    #[test]
    fn an_answer_has_its_status_and_its_version() {
        let replied = |method: &str, path: &str, answer: Result<&str, Error>| {
            let headers = Given(Vec::new());
            let request = Request { method, path, query: "", headers: &headers };
            let reply = reply(&request, answer.map(str::to_owned));
            let etag = reply.headers.iter().find(|(name, _)| *name == "etag");
            (reply.status, etag.map(|(_, value)| value.clone()))
        };
        let tag = |version: &str| Some(version.to_owned());
        let first = r#"{"version":1,"changed":true}"#;
        assert_eq!(replied("PUT", "/v1/rules", Ok(first)), (201, tag("\"1\"")));
        let again = r#"{"version":1,"changed":false}"#;
        assert_eq!(replied("PUT", "/v1/rules", Ok(again)), (200, tag("\"1\"")));
        let second = r#"{"version":2,"changed":true}"#;
        assert_eq!(replied("PUT", "/v1/rules", Ok(second)), (200, tag("\"2\"")));
        let text = r#"{"version":2,"text":"","updateTime":""}"#;
        assert_eq!(replied("GET", "/v1/rules", Ok(text)), (200, tag("\"2\"")));
        assert_eq!(replied("GET", "/v1/rules/versions", Ok("{}")), (200, None));
        assert_eq!(replied("POST", "/v1/keys", Ok("{}")), (201, None));
        assert_eq!(replied("DELETE", "/v1/keys/a", Ok("")), (204, None));
        let missing = Error::new(Code::NotFound, "");
        assert_eq!(replied("DELETE", "/v1/keys/a", Err(missing)), (404, None));
    }

    #[test]
    fn only_an_administrator_acts() {
        let somebody = |role: &str| Auth {
            uid: "u".to_owned(),
            token: Default::default(),
            roles: [role.to_owned()].into(),
            expires: None,
        };
        assert_eq!(actor(None).unwrap_err().status, 401);
        assert_eq!(actor(Some(&somebody("editor"))).unwrap_err().status, 403);
        assert_eq!(actor(Some(&somebody("admin"))), Ok("u"));
    }
}
