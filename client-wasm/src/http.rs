//! Reads and writes as HTTP requests, and what their answers and those to queries mean.

use crate::change::Change;
use crate::json;
use crate::row::Row;
use blaze_schema::changes::read_document;
use blaze_schema::document::Document;
use blaze_schema::error::{Code, Error};
use blaze_schema::field_path::FieldPath;
use blaze_schema::path::DocumentPath;
use blaze_schema::value::Map;
use blaze_schema::write::Operation;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::rc::Rc;

/// The methods that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
}

/// A request to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query, from `/v1/` on; percent-encoded.
    pub target: String,
    /// Names and values; `Authorization` is added where the request is sent.
    pub headers: Vec<(&'static str, String)>,
    /// JSON text.
    pub body: Option<String>,
}

/// A response, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The header `ETag`.
    pub etag: Option<String>,
    /// The header `Retry-After`, where it is a number of seconds.
    pub retry_after: Option<u64>,
    /// The body's text.
    pub body: String,
}

/// A document that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its version.
    pub version: u64,
    /// When it was created, RFC 3339.
    pub create_time: String,
    /// When it last changed, RFC 3339.
    pub update_time: String,
    /// Its fields.
    pub data: Map,
}

/// What came of a write's request.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It is done.
    Done {
        /// The document's version after it.
        version: u64,
    },
    /// It was refused, and will always be.
    Refused(Error),
    /// Nobody knows, or not now: the same request is to be sent again.
    Again,
}

/// The request that does `change`. Its `key` makes it safe to repeat.
pub fn write_request(path: &DocumentPath, change: Change, key: String) -> (Operation, Request) {
    const JSON: &str = "application/json";
    let (operation, body) = change.into_parts();
    let mut target = resource(path);
    let (method, content_type) = match operation {
        Operation::Create(_) | Operation::Set(_) => (Method::Put, Some(JSON)),
        Operation::Merge(_) => {
            target.push_str("?merge=true");
            (Method::Put, Some(JSON))
        }
        Operation::MergeFields(ref fields) => {
            let fields = FieldPath::print_list(fields.iter().map(|(field, _)| field));
            let fields = utf8_percent_encode(&fields, NON_ALPHANUMERIC);
            target.push_str(&format!("?mergeFields={fields}"));
            (Method::Put, Some(JSON))
        }
        Operation::MergePatch(_) => (Method::Patch, Some("application/merge-patch+json")),
        Operation::Update(_) => (Method::Patch, Some(JSON)),
        Operation::Patch(_) => (Method::Patch, Some("application/json-patch+json")),
        Operation::Delete => (Method::Delete, None),
        Operation::Verify => (Method::Get, None),
    };
    let mut headers = vec![("Idempotency-Key", key), ("Prefer", "return=minimal".to_owned())];
    if let Some(content_type) = content_type {
        headers.push(("Content-Type", content_type.to_owned()));
    }
    if matches!(operation, Operation::Create(_)) {
        headers.push(("If-None-Match", "*".to_owned()));
    }
    (operation, Request { method, target, headers, body })
}

/// The request that reads a document.
pub fn read_request(path: &DocumentPath) -> Request {
    Request { method: Method::Get, target: resource(path), headers: Vec::new(), body: None }
}

/// The socket's address behind the server's: path and query.
pub fn socket_target(path: &DocumentPath, since: Option<(u64, &str)>) -> String {
    let mut target = resource(path);
    if let Some((version, epoch)) = since {
        let epoch = utf8_percent_encode(epoch, NON_ALPHANUMERIC);
        target.push_str(&format!("?since={version}&epoch={epoch}"));
    }
    target
}

fn resource(path: &DocumentPath) -> String {
    format!("/v1/docs/{}", path.to_url())
}

/// A request that the server has no room for is sent again so often.
pub const PAUSES: u32 = 3;
/// And each time after so long at most, in milliseconds, whatever the server says.
pub const PAUSE_MS: u32 = 30_000;

/// How long to wait before the same request is sent again, in milliseconds: the server has no room for it (429), said
/// for how long, and has been asked `before` times already. Clients that were refused together do not come back
/// together: of `random`, the low 32 bits are used.
pub fn pause_ms(response: &Response, before: u32, random: u128) -> Option<u32> {
    let seconds = response.retry_after.filter(|_| response.status == 429 && before < PAUSES)?;
    let least = seconds.min(u64::from(PAUSE_MS / 1_000)) * 1_000;
    let later = (u64::from(random as u32) * (least / 4 + 1)) >> 32;
    Some(PAUSE_MS.min((least + later) as u32))
}

/// An error as if the server had answered it.
pub fn refusal(error: &Error) -> Response {
    let mut problem = Map::new();
    problem.insert("code".to_owned(), Value::from(error.code.as_str()));
    problem.insert("detail".to_owned(), Value::from(error.detail.as_str()));
    let body = json::print_object(&problem);
    Response { status: error.status, etag: None, retry_after: None, body }
}

/// What the response to a write's request means; `None` when there was none.
pub fn write_answer(response: Option<Response>) -> Answer {
    let Some(response) = response else { return Answer::Again };
    if (200..300).contains(&response.status) {
        // A server that does not say the version costs the listeners a flicker, no false state.
        let version = tagged_version(&response).or_else(|| written_version(&response));
        return Answer::Done { version: version.unwrap_or(0) };
    }
    match problem(&response) {
        // Firestore's SDK repeats contention too. A full house (429) passes, a document too large (413) does not.
        Some(error) if matches!(error.code, Code::Unavailable | Code::Aborted) => Answer::Again,
        _ if response.status == 429 => Answer::Again,
        // The one precondition that is sent is that of a create.
        Some(error) if response.status == 412 => {
            Answer::Refused(Error::new(Code::AlreadyExists, error.detail))
        }
        Some(error) => Answer::Refused(error),
        // Not the database's own words: something on the way to it, or it broke off; whether it wrote is not known.
        None if response.status >= 500 => Answer::Again,
        None => Answer::Refused(foreign(&response)),
    }
}

/// What the response to a read's request means; `None` when there was none. The answer is `Ok(None)` for a document
/// that does not exist.
///
/// # Errors
/// The server's; `unavailable` when nothing came back, or something strange.
pub fn read_answer(response: Option<Response>) -> Result<Option<Found>, Error> {
    let missing = |error: Error| error.code == Code::NotFound;
    if response.as_ref().and_then(problem).is_some_and(missing) {
        return Ok(None);
    }
    found(answered(response)?).map(Some).ok_or_else(strange)
}

/// What a query answered, or a part of that.
#[derive(Debug, PartialEq)]
pub struct Page {
    /// The documents.
    pub rows: Vec<Rc<Row>>,
    /// Where the next part begins.
    pub next: Option<String>,
}

/// What the response to a query means; `None` when there was none.
///
/// # Errors
/// As [`read_answer`].
pub fn query_answer(response: Option<Response>) -> Result<Page, Error> {
    page(answered(response)?).ok_or_else(strange)
}

/// What the response to an aggregation means: its values by their names; `None` when there was none.
///
/// # Errors
/// As [`read_answer`].
pub fn aggregate_answer(response: Option<Response>) -> Result<Map, Error> {
    answered(response)
}

/// The fields of a good answer.
fn answered(response: Option<Response>) -> Result<Map, Error> {
    let Some(response) = response else {
        return Err(Error::new(Code::Unavailable, "the server cannot be reached"));
    };
    if response.status == 200 {
        return fields(&response).ok_or_else(strange);
    }
    Err(problem(&response).unwrap_or_else(|| foreign(&response)))
}

fn strange() -> Error {
    Error::new(Code::Unavailable, "the answer is none to what was asked")
}

/// `"7"` or, where something on the way compressed it, `W/"7"`.
fn tagged_version(response: &Response) -> Option<u64> {
    let tag = response.etag.as_deref()?;
    tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"').parse().ok()
}

fn written_version(response: &Response) -> Option<u64> {
    fields(response)?.get("version")?.as_u64()
}

/// The body, where it is a JSON object.
fn fields(response: &Response) -> Option<Map> {
    match json::parse(&response.body) {
        Ok(Value::Object(fields)) => Some(fields),
        _ => None,
    }
}

fn found(fields: Map) -> Option<Found> {
    let Document { version, create_time, update_time, data, .. } =
        read_document(Value::Object(fields))?;
    Some(Found { version, create_time, update_time, data: data? })
}

fn page(mut fields: Map) -> Option<Page> {
    let Some(Value::Array(documents)) = fields.remove("documents") else { return None };
    let mut rows = Vec::with_capacity(documents.len());
    for document in documents {
        let document = read_document(document)?;
        let path = DocumentPath::parse(&document.path).ok()?;
        rows.push(Rc::new(Row::of(path, document, None)?));
    }
    let next = fields.get("nextPageToken").and_then(Value::as_str);
    Some(Page { rows, next: next.map(str::to_owned) })
}

/// A problem document (RFC 9457), as the schema's `Problem` describes it.
fn problem(response: &Response) -> Option<Error> {
    let fields = fields(response)?;
    let code = Code::parse(fields.get("code")?.as_str()?)?;
    let detail = fields.get("detail")?.as_str()?;
    Some(Error::new(code, detail).with_status(response.status))
}

/// An error of something that is not Blaze.
fn foreign(response: &Response) -> Error {
    let code = match response.status {
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        429 => Code::ResourceExhausted,
        400..500 => Code::InvalidArgument,
        _ => Code::Unavailable,
    };
    Error::new(code, format!("the answer is no problem document: {:.120}", response.body))
        .with_status(response.status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(change: Change) -> Request {
        let path = DocumentPath::parse("a b/é").unwrap();
        write_request(&path, change, "key".to_owned()).1
    }

    fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
        request.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn every_change_has_its_request() {
        let data = || json!({"n": {"$increment": 1}});
        let operations = json!([{"op": "test", "path": "/a", "value": 1}]);
        let path = "/v1/docs/a%20b/%C3%A9";
        let json = Some("application/json");
        for (change, method, target, content_type, body) in [
            (Change::create(data()).unwrap(), Method::Put, path.to_owned(), json, Some(data())),
            (Change::set(data()).unwrap(), Method::Put, path.to_owned(), json, Some(data())),
            (
                Change::merge(data()).unwrap(),
                Method::Put,
                format!("{path}?merge=true"),
                json,
                Some(data()),
            ),
            (
                Change::merge_fields(data(), &[FieldPath::parse("n").unwrap()]).unwrap(),
                Method::Put,
                format!("{path}?mergeFields=n"),
                json,
                Some(data()),
            ),
            (Change::update(data()).unwrap(), Method::Patch, path.to_owned(), json, Some(data())),
            (
                Change::patch(operations.clone()).unwrap(),
                Method::Patch,
                path.to_owned(),
                Some("application/json-patch+json"),
                Some(operations),
            ),
            (Change::delete(), Method::Delete, path.to_owned(), None, None),
        ] {
            let creates = matches!(change.operation(), Operation::Create(_));
            let request = request(change);
            assert_eq!((request.method, request.target.as_str()), (method, target.as_str()));
            assert_eq!(header(&request, "Content-Type"), content_type);
            assert_eq!(header(&request, "If-None-Match"), creates.then_some("*"));
            assert_eq!(header(&request, "Idempotency-Key"), Some("key"));
            assert_eq!(header(&request, "Prefer"), Some("return=minimal"));
            assert_eq!(request.body, body.map(|body| body.to_string()));
        }
    }

    #[test]
    fn a_socket_resumes_where_it_was() {
        let path = DocumentPath::parse("a/b").unwrap();
        assert_eq!(socket_target(&path, None), "/v1/docs/a/b");
        assert_eq!(
            socket_target(&path, Some((3, "e&1é"))),
            "/v1/docs/a/b?since=3&epoch=e%261%C3%A9"
        );
    }

    fn response(status: u16, etag: Option<&str>, body: &str) -> Option<Response> {
        let etag = etag.map(str::to_owned);
        Some(Response { status, etag, retry_after: None, body: body.to_owned() })
    }

    #[test]
    fn a_full_house_is_asked_again_when_it_said() {
        let full =
            |status, retry_after| Response { retry_after, ..response(status, None, "").unwrap() };
        assert_eq!(pause_ms(&full(429, Some(4)), 0, 0), Some(4_000));
        assert_eq!(pause_ms(&full(429, Some(4)), PAUSES - 1, u128::MAX), Some(5_000));
        assert_eq!(pause_ms(&full(429, Some(0)), 0, u128::MAX), Some(0));
        assert_eq!(pause_ms(&full(429, Some(30)), 0, u128::MAX), Some(PAUSE_MS));
        assert_eq!(pause_ms(&full(429, Some(u64::MAX)), 0, 0), Some(PAUSE_MS));
        assert_eq!(pause_ms(&full(429, Some(4)), PAUSES, 0), None);
        assert_eq!(pause_ms(&full(429, None), 0, 0), None);
        assert_eq!(pause_ms(&full(503, Some(4)), 0, 0), None);
    }

    #[test]
    fn an_error_of_this_side_is_an_answer_too() {
        let lost = Error::new(Code::Unavailable, "token: lost");
        assert_eq!(write_answer(Some(refusal(&lost))), Answer::Again);
        assert_eq!(read_answer(Some(refusal(&lost))).unwrap_err(), lost);
        let wrong = Error::new(Code::Unauthenticated, "token: wrong");
        assert_eq!(write_answer(Some(refusal(&wrong))), Answer::Refused(wrong));
    }

    #[test]
    fn an_answer_is_a_version_a_refusal_or_a_reason_to_ask_again() {
        let document = r#"{"path":"a/b","id":"b","version":7,"createTime":"c","updateTime":"u"}"#;
        for answer in [
            response(201, Some("\"7\""), ""),
            response(200, Some("W/\"7\""), ""),
            response(204, Some("\"7\""), ""),
            response(200, None, document),
        ] {
            assert_eq!(write_answer(answer), Answer::Done { version: 7 });
        }
        let problem = |code: Code, status| {
            let error = Error::new(code, "why").with_status(status);
            (response(status, None, &error.to_problem_json()), error)
        };
        for (code, status) in [
            (Code::FailedPrecondition, 409),
            (Code::NotFound, 404),
            (Code::ResourceExhausted, 413),
            (Code::Internal, 500),
        ] {
            let (answer, error) = problem(code, status);
            assert_eq!(write_answer(answer), Answer::Refused(error));
        }
        let exists = Answer::Refused(Error::new(Code::AlreadyExists, "why"));
        assert_eq!(write_answer(problem(Code::FailedPrecondition, 412).0), exists);
        for answer in [
            None,
            problem(Code::Unavailable, 503).0,
            problem(Code::Aborted, 409).0,
            problem(Code::ResourceExhausted, 429).0,
            response(429, None, ""),
            response(500, None, "<html>"),
            response(502, None, "<html>"),
        ] {
            assert_eq!(write_answer(answer.clone()), Answer::Again, "{answer:?}");
        }
        let Answer::Refused(error) = write_answer(response(403, None, "<html>")) else { panic!() };
        assert_eq!((error.code, error.status), (Code::PermissionDenied, 403));
    }

    #[test]
    fn a_query_is_answered_in_parts() {
        let text = r#"{"documents":[{"path":"a/b","id":"b","version":7,"createTime":"c","updateTime":"u","data":{"a":1}}],"readTime":"r","nextPageToken":"t"}"#;
        let page = query_answer(response(200, None, text)).unwrap();
        let row = &page.rows[0];
        assert_eq!((page.rows.len(), page.next.as_deref()), (1, Some("t")));
        assert_eq!(
            (row.path.as_str(), row.version, row.data.get("a")),
            ("a/b", 7, Some(&json!(1)))
        );
        let last = query_answer(response(200, None, r#"{"documents":[]}"#)).unwrap();
        assert_eq!(last, Page { rows: Vec::new(), next: None });
        let refused = Error::invalid("where: why").to_problem_json();
        for (answer, code) in [
            (None, Code::Unavailable),
            (response(200, None, "[]"), Code::Unavailable),
            (response(200, None, r#"{"documents":[{"path":"a/b"}]}"#), Code::Unavailable),
            (response(400, None, &refused), Code::InvalidArgument),
        ] {
            assert_eq!(query_answer(answer.clone()).unwrap_err().code, code, "{answer:?}");
        }
        let sums = aggregate_answer(response(200, None, r#"{"n":2,"m":null}"#)).unwrap();
        assert_eq!(Value::Object(sums), json!({"n": 2, "m": null}));
        assert!(aggregate_answer(response(400, None, &refused)).is_err());
    }

    #[test]
    fn a_read_is_a_document_or_none() {
        let document = r#"{"path":"a/b","id":"b","version":7,"createTime":"c","updateTime":"u","data":{"a":1}}"#;
        let read = read_answer(response(200, None, document)).unwrap().unwrap();
        assert_eq!((read.version, Value::Object(read.data)), (7, json!({"a": 1})));
        let missing = Error::new(Code::NotFound, "no document").to_problem_json();
        assert_eq!(read_answer(response(404, None, &missing)), Ok(None));
        for (answer, code) in [
            (None, Code::Unavailable),
            (response(200, None, "<html>"), Code::Unavailable),
            (response(404, None, "<html>"), Code::NotFound),
            (response(502, None, "<html>"), Code::Unavailable),
        ] {
            assert_eq!(read_answer(answer).unwrap_err().code, code);
        }
    }
}
