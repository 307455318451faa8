//! A request to one document, read into an event.

use super::conditional::preconditions;
use super::parameters::Names;
use super::{Request, query_value};
use crate::document::Event;
use crate::idempotency::Idempotency;
use blaze_schema::error::Error;
use blaze_schema::field_path::FieldPath;
use blaze_schema::hash::hash;
use blaze_schema::limits::IDEMPOTENCY_KEY_BYTES;
use blaze_schema::path::{CollectionPath, DocumentPath};
use blaze_schema::write::Operation;
use serde_json::Value;
use std::borrow::Cow;
use ulid::Ulid;

/// The body of a write.
#[derive(Clone, Debug, PartialEq)]
enum Body {
    Create,
    Set,
    Merge,
    MergeFields(Vec<FieldPath>),
    MergePatch,
    Update,
    Patch,
    None,
}

impl Body {
    /// The part of a request's fingerprint that says how its body is meant.
    fn name(&self) -> Cow<'static, [u8]> {
        let name: &[u8] = match self {
            Body::MergeFields(fields) => {
                return Cow::Owned(format!("merge {}", FieldPath::print_list(fields)).into_bytes());
            }
            Body::Create => b"create",
            Body::Set => b"set",
            Body::Merge => b"merge",
            Body::MergePatch => b"merge-patch",
            Body::Update => b"update",
            Body::Patch => b"patch",
            Body::None => b"delete",
        };
        Cow::Borrowed(name)
    }
}

/// True if the request asks for a WebSocket (RFC 6455 section 4.1: by `GET`).
pub fn is_upgrade(request: &Request<'_>) -> bool {
    request.method == "GET"
        && request
            .headers
            .get("upgrade")
            .is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"))
}

/// The parameters of the URL that a request to a document may have.
pub(super) fn parameters(request: &Request<'_>) -> Names {
    match request.method {
        "PUT" => &["merge", "mergeFields"],
        "GET" if is_upgrade(request) => &["since", "epoch"],
        _ => &[],
    }
}

/// Reads a request to a document; `POST` is a create, under the id that the Worker chose.
///
/// # Errors
/// `invalid-argument` for a malformed header, body or query; 415 for a body of another type.
pub fn event(request: &Request<'_>, body: &[u8]) -> Result<Event, Error> {
    if matches!(request.method, "GET" | "HEAD") {
        return Ok(Event::Get { preconditions: preconditions(request.headers)? });
    }
    let kind = body_kind(request)?;
    Ok(Event::Write {
        idempotency: idempotency(request, &[&kind.name(), body])?,
        operation: operation(kind, body)?,
        preconditions: preconditions(request.headers)?,
        return_data: !prefers_minimal(request),
    })
}

/// Returns the key under which a request may be repeated, if it has one; `asked` must be the same then.
///
/// # Errors
/// `invalid-argument` for a key that is too long or empty.
pub(super) fn idempotency(
    request: &Request<'_>,
    asked: &[&[u8]],
) -> Result<Option<Idempotency>, Error> {
    let Some(key) = request.headers.get("idempotency-key") else { return Ok(None) };
    check_key(&key)?;
    Ok(Some(Idempotency::new(key, asked)))
}

/// Reads a request for a document's socket.
///
/// # Errors
/// `invalid-argument` for a `since` that is not a version.
pub fn connect_event(request: &Request<'_>) -> Result<Event, Error> {
    let since = match query_value(request.query, "since") {
        None => None,
        Some(since) => {
            let version = since
                .parse()
                .map_err(|_| Error::invalid(format!("since: {since:?} is not a version")))?;
            // Without an epoch the version is of no known history.
            query_value(request.query, "epoch").map(|epoch| (version, epoch))
        }
    };
    Ok(Event::Connect { since })
}

/// True if `Prefer` asks for `return=minimal` (RFC 7240 section 4.2).
pub fn prefers_minimal(request: &Request<'_>) -> bool {
    request.headers.get("prefer").is_some_and(|prefer| {
        prefer.split(',').any(|preference| {
            let token = preference.split(';').next().unwrap_or_default();
            let compact: String =
                token.chars().filter(|c| !c.is_whitespace() && *c != '"').collect();
            compact.eq_ignore_ascii_case("return=minimal")
        })
    })
}

/// Chooses the path of the document that a `POST` creates: under a ULID made from `fresh`; or, with an
/// `Idempotency-Key`, under an id that the key and the caller determine, so that the same request repeated finds the
/// document that it made.
///
/// # Errors
/// `invalid-argument` for a bad key, or a path that is too long.
pub fn new_document(
    collection: &CollectionPath,
    request: &Request<'_>,
    uid: Option<&str>,
    fresh: impl FnOnce() -> String,
) -> Result<DocumentPath, Error> {
    let id = match request.headers.get("idempotency-key") {
        None => fresh(),
        Some(key) => {
            check_key(&key)?;
            let (collection, key) = (collection.as_str().as_bytes(), key.as_bytes());
            let digest = match uid {
                None => hash(&[collection, key]),
                Some(uid) => hash(&[collection, uid.as_bytes(), key]),
            };
            let bits =
                digest.iter().take(16).fold(0_u128, |bits, byte| (bits << 8) | u128::from(*byte));
            Ulid::from(bits).to_string()
        }
    };
    collection.child(&id)
}

fn check_key(key: &str) -> Result<(), Error> {
    if key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES {
        let detail =
            format!("Idempotency-Key: {} bytes, of 1 to {IDEMPOTENCY_KEY_BYTES}", key.len());
        return Err(Error::invalid(detail));
    }
    Ok(())
}

fn body_kind(request: &Request<'_>) -> Result<Body, Error> {
    if request.method == "DELETE" {
        return Ok(Body::None);
    }
    let media_type = media_type(request.headers.get("content-type").as_deref());
    match (request.method, media_type.as_deref()) {
        ("POST", Some("application/json") | None) => Ok(Body::Create),
        ("PUT", Some("application/json") | None) => set_kind(request.query),
        ("PATCH", Some("application/merge-patch+json")) => Ok(Body::MergePatch),
        ("PATCH", Some("application/json-patch+json")) => Ok(Body::Patch),
        ("PATCH", Some("application/json")) => Ok(Body::Update),
        (method, media_type) => Err(other_type(method, media_type)),
    }
}

/// Returns the kind of a `PUT`, by the URL's query.
fn set_kind(query: &str) -> Result<Body, Error> {
    let merge = match query_value(query, "merge").as_deref() {
        None => None,
        Some("false") => Some(Body::Set),
        Some("true" | "") => Some(Body::Merge),
        Some(other) => {
            let detail = format!("merge: {other:?} is neither true nor false");
            return Err(Error::invalid(detail));
        }
    };
    match (merge, query_value(query, "mergeFields")) {
        (merge, None) => Ok(merge.unwrap_or(Body::Set)),
        (None, Some(fields)) => {
            let fields = FieldPath::parse_list(&fields).map_err(|error| error.at("mergeFields"))?;
            Ok(Body::MergeFields(fields))
        }
        (Some(_), Some(_)) => {
            Err(Error::invalid("merge and mergeFields: a request has one of them"))
        }
    }
}

/// Checks the type of a body that is JSON, if it has one.
///
/// # Errors
/// 415 for another type.
pub fn check_json(method: &str, content_type: Option<&str>) -> Result<(), Error> {
    match media_type(content_type).as_deref() {
        Some("application/json") | None => Ok(()),
        other => Err(other_type(method, other)),
    }
}

/// Checks that a request has no body, if a body would have no effect.
///
/// # Errors
/// `invalid-argument`
pub(super) fn no_body(method: &str, body: &[u8]) -> Result<(), Error> {
    if body.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(format!("body: {method} takes none; a precondition is a header")))
}

/// Returns the type without its parameters, in lower case.
pub(super) fn media_type(content_type: Option<&str>) -> Option<String> {
    let bare =
        |value: &str| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    content_type.map(bare)
}

fn other_type(method: &str, media_type: Option<&str>) -> Error {
    let accepted = match method {
        "PATCH" => ACCEPT_PATCH,
        _ => "application/json",
    };
    let given = media_type.map_or("no type".to_owned(), |media_type| format!("{media_type:?}"));
    Error::invalid(format!("Content-Type: {method} takes {accepted}, not {given}")).with_status(415)
}

/// The types of patches that a document takes.
pub const ACCEPT_PATCH: &str =
    "application/merge-patch+json, application/json-patch+json, application/json";

fn operation(kind: Body, body: &[u8]) -> Result<Operation, Error> {
    if kind == Body::None {
        no_body("DELETE", body)?;
        return Ok(Operation::Delete);
    }
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| Error::invalid(format!("body: not JSON: {error}")))?;
    match kind {
        Body::Create => Operation::create(value),
        Body::Set => Operation::set(value),
        Body::Merge => Operation::merge(value),
        Body::MergeFields(fields) => Operation::merge_fields(value, &fields),
        Body::MergePatch => Operation::merge_patch(value),
        Body::Update => Operation::update(value),
        Body::Patch => Operation::patch(value),
        Body::None => Ok(Operation::Delete),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Headers;
    use blaze_schema::write::{Precondition, Versions};
    use std::collections::HashMap;

    struct Map(HashMap<String, String>);

    impl Headers for Map {
        fn get(&self, name: &str) -> Option<String> {
            self.0.get(name).cloned()
        }
    }

    fn headers(pairs: &[(&str, &str)]) -> Map {
        Map(pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect())
    }

    fn read(method: &str, query: &str, pairs: &[(&str, &str)], body: &str) -> Result<Event, Error> {
        let headers = headers(pairs);
        event(&Request { method, path: "/v1/docs/a/b", query, headers: &headers }, body.as_bytes())
    }

    fn operation_of(event: Result<Event, Error>) -> Result<Operation, u16> {
        match event {
            Ok(Event::Write { operation, .. }) => Ok(operation),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.status),
        }
    }

    #[test]
    fn method_and_content_type_choose_the_operation() {
        let json = ("content-type", "application/json; charset=utf-8");
        let merge_patch = ("content-type", "Application/Merge-Patch+JSON");
        let json_patch = ("content-type", "application/json-patch+json");
        let name = |method, query, pairs: &[(&str, &str)], body| match operation_of(read(
            method, query, pairs, body,
        )) {
            Ok(Operation::Create(_)) => "create",
            Ok(Operation::Set(_)) => "set",
            Ok(Operation::Merge(_)) => "merge",
            Ok(Operation::MergeFields(_)) => "merge-fields",
            Ok(Operation::MergePatch(_)) => "merge-patch",
            Ok(Operation::Update(_)) => "update",
            Ok(Operation::Patch(_)) => "patch",
            Ok(Operation::Delete) => "delete",
            Ok(Operation::Verify) => "verify",
            Err(415) => "415",
            Err(400) => "400",
            Err(other) => panic!("{other}"),
        };
        assert_eq!(name("POST", "", &[json], "{}"), "create");
        assert_eq!(name("PUT", "", &[json], "{}"), "set");
        assert_eq!(name("PUT", "", &[], "{}"), "set");
        assert_eq!(name("PUT", "merge=true", &[json], "{}"), "merge");
        assert_eq!(name("PUT", "merge=yes", &[json], "{}"), "400");
        let data = r#"{"a":1,"b":{"c":2}}"#;
        for (query, expected) in [
            ("mergeFields=a,b.c", "merge-fields"),
            ("mergeFields=%60a%60%2Cb", "merge-fields"),
            ("mergeFields=", "merge-fields"),
            ("mergeFields=a,d", "400"),
            ("mergeFields=a,", "400"),
            ("merge=true&mergeFields=a", "400"),
            ("mergeFields=a&merge=false", "400"),
        ] {
            assert_eq!(name("PUT", query, &[json], data), expected, "{query}");
        }
        assert_eq!(name("PATCH", "", &[merge_patch], "{}"), "merge-patch");
        assert_eq!(name("PATCH", "", &[json_patch], "[]"), "patch");
        assert_eq!(name("PATCH", "", &[json], "{}"), "update");
        assert_eq!(name("DELETE", "", &[], ""), "delete");
        assert_eq!(name("DELETE", "", &[], r#"{"ifVersion":3}"#), "400");
        assert_eq!(name("PATCH", "", &[], "{}"), "415");
        assert_eq!(name("PUT", "", &[merge_patch], "{}"), "415");
        assert_eq!(name("PUT", "", &[("content-type", "text/plain")], "{}"), "415");
        for body in ["", "{", "[]", "1", "null", "{\"a\":1}x", "\u{feff}{}", "{\"a\":1e999}"] {
            assert_eq!(name("PUT", "", &[json], body), "400", "{body}");
        }
        assert_eq!(operation_of(event_of_bytes(b"{\"a\":\"\xff\"}")), Err(400));
    }

    fn event_of_bytes(body: &[u8]) -> Result<Event, Error> {
        let headers = headers(&[]);
        event(&Request { method: "PUT", path: "", query: "", headers: &headers }, body)
    }

    #[test]
    fn headers_become_preconditions_key_and_preference() {
        let pairs = [
            ("if-none-match", "*"),
            ("if-match", "\"2\""),
            ("idempotency-key", "k"),
            ("prefer", "respond-async, return = \"minimal\"; x"),
        ];
        let Ok(Event::Write { preconditions, idempotency, return_data, .. }) =
            read("PUT", "", &pairs, "{}")
        else {
            panic!()
        };
        let expected = [
            Precondition::IfMatch(Versions::Of(vec![2])),
            Precondition::IfNoneMatch(Versions::Any),
        ];
        assert_eq!(preconditions, expected);
        assert_eq!(idempotency.map(|idempotency| idempotency.key).as_deref(), Some("k"));
        assert!(!return_data);
        let key = |bytes: usize| {
            read("PUT", "", &[("idempotency-key", &"k".repeat(bytes))], "{}").is_ok()
        };
        assert_eq!((key(0), key(1), key(255), key(256)), (false, true, true, false));
    }

    #[test]
    fn a_fingerprint_is_of_the_meaning_and_the_body() {
        let of_query = |method, query, pairs: &[(&str, &str)], body| {
            let pairs: Vec<_> = pairs.iter().copied().chain([("idempotency-key", "k")]).collect();
            match read(method, query, &pairs, body) {
                Ok(Event::Write { idempotency: Some(idempotency), .. }) => idempotency.fingerprint,
                other => panic!("{other:?}"),
            }
        };
        let fingerprint = |method, pairs: &[(&str, &str)], body| of_query(method, "", pairs, body);
        let put = |query| of_query("PUT", query, &[], r#"{"a":1,"b":1}"#);
        let kinds = ["", "merge=true", "mergeFields=", "mergeFields=a", "mergeFields=a,b"].map(put);
        for (number, kind) in kinds.iter().enumerate() {
            assert!(!kinds.iter().skip(number + 1).any(|other| other == kind), "{number}");
        }
        assert_eq!(put("mergeFields=a,b"), put("mergeFields=a%2C+%60b%60"));
        assert_eq!(
            fingerprint("PUT", &[], "{}"),
            fingerprint("PUT", &[("content-type", "application/json")], "{}")
        );
        assert_ne!(fingerprint("PUT", &[], "{}"), fingerprint("PUT", &[], "{ }"));
        assert_ne!(fingerprint("PUT", &[], "{}"), fingerprint("POST", &[], "{}"));
    }

    #[test]
    fn a_socket_starts_after_a_version_of_an_epoch() {
        let since = |query| {
            let headers = headers(&[]);
            match connect_event(&Request { method: "GET", path: "", query, headers: &headers }) {
                Ok(Event::Connect { since }) => Ok(since),
                Ok(other) => panic!("{other:?}"),
                Err(error) => Err(error.status),
            }
        };
        assert_eq!(since(""), Ok(None));
        assert_eq!(since("since=3&epoch=e"), Ok(Some((3, "e".to_owned()))));
        assert_eq!(since("since=3"), Ok(None));
        assert_eq!(since("since=x&epoch=e"), Err(400));
        assert_eq!(since("since=-1&epoch=e"), Err(400));
    }

    #[test]
    fn a_keyed_post_finds_its_document_again() {
        let collection = CollectionPath::parse("users").unwrap();
        let created_by = |uid: Option<&str>, pairs: &[(&str, &str)]| {
            let headers = headers(pairs);
            let request = Request { method: "POST", path: "", query: "", headers: &headers };
            new_document(&collection, &request, uid, || "FRESH".to_owned()).unwrap()
        };
        let created = |pairs: &[(&str, &str)]| created_by(None, pairs);
        assert_eq!(created(&[]).as_str(), "users/FRESH");
        let keyed = created(&[("idempotency-key", "k")]);
        assert_eq!((keyed.id().len(), &keyed), (26, &created(&[("idempotency-key", "k")])));
        assert_ne!(keyed, created(&[("idempotency-key", "l")]));
        assert_ne!(keyed, created_by(Some("alice"), &[("idempotency-key", "k")]));
    }
}
