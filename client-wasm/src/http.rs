//! Reads and writes as HTTP requests, and what their answers and those to queries mean.
//!
//! Login pages of networks, fallback pages of applications and proxies answer too. An answer counts only if Blaze gave
//! it, and gave it to this request: a refusal is a problem document of Blaze, a done write names its document, a read
//! names what was read. Every other answer is [`foreign`]: it decides nothing.

use crate::change::Change;
use crate::json;
use crate::row::Row;
use crate::session::may_pass;
use blaze_schema::changes::read_document;
use blaze_schema::document::Document;
use blaze_schema::error::{Code, Error, PROBLEM_TYPE};
use blaze_schema::field_path::FieldPath;
use blaze_schema::path::DocumentPath;
use blaze_schema::query::Source;
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

/// A response, or why there is none: nothing came back, or there is no token to ask with.
pub type Reply = Result<Response, Error>;

/// A response, as far as it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The URL that answered: another one than was asked, after a redirect.
    pub url: String,
    /// The header `Content-Type`.
    pub content_type: Option<String>,
    /// The status.
    pub status: u16,
    /// The header `ETag`.
    pub etag: Option<String>,
    /// The header `Retry-After`, where it is a number of seconds.
    pub retry_after: Option<u64>,
    /// The body's text.
    pub body: String,
}

/// What a read found.
#[derive(Clone, Debug, PartialEq)]
pub enum Read {
    /// The document.
    Found(Found),
    /// The document does not exist.
    Missing {
        /// The version of its delete; 0 if it never existed.
        version: u64,
    },
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
    /// Nobody knows, or not now: the same request is to be sent again. The error says why.
    Again(Error),
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

/// Statuses of proxies that a request gets for what it is itself: it gets them again (RFC 9110 section 15.5, RFC 6585).
const ABOUT_THE_REQUEST: [u16; 4] = [400, 413, 414, 431];

/// What the reply to the request that writes the document at `path` means.
pub fn write_answer(path: &DocumentPath, reply: Reply) -> Answer {
    let response = match reply {
        Ok(response) => response,
        Err(error) if may_pass(&error) => return Answer::Again(error),
        Err(error) => return Answer::Refused(error),
    };
    if (200..300).contains(&response.status) {
        return match written_version(path, &response) {
            Some(version) => Answer::Done { version },
            None => Answer::Again(foreign(&response)),
        };
    }
    match problem(&response) {
        // The one precondition that is sent is that of a create.
        Some(error) if response.status == 412 => {
            Answer::Refused(Error::new(Code::AlreadyExists, error.detail))
        }
        // Firestore's SDK repeats contention too.
        Some(error) if error.code != Code::Internal && may_pass(&error) => Answer::Again(error),
        Some(error) => Answer::Refused(error),
        None if ABOUT_THE_REQUEST.contains(&response.status) => Answer::Refused(foreign(&response)),
        None => Answer::Again(foreign(&response)),
    }
}

/// What the reply to the request that reads the document at `path` means.
///
/// # Errors
/// The server's; `unavailable` when nothing came back, or something that Blaze does not answer.
pub fn read_answer(path: &DocumentPath, reply: Reply) -> Result<Read, Error> {
    let response = reply?;
    if response.status == 404
        && problem(&response).is_some_and(|error| error.code == Code::NotFound)
        && let Some(problem) = fields(&response)
        && names(&problem, path)
    {
        let version = problem.get("version").and_then(Value::as_u64).unwrap_or(0);
        return Ok(Read::Missing { version });
    }
    let found = |fields: Map| if names(&fields, path) { found(fields) } else { None };
    answered(&response)?.and_then(found).map(Read::Found).ok_or_else(|| foreign(&response))
}

/// Why no socket can be opened, from the reply to a plain `GET` of its address. The error may pass
/// ([`may_pass`](crate::session::may_pass)) unless the server has no such route: then the address is wrong.
pub fn socket_failure(reply: Reply) -> Error {
    let response = match reply {
        Ok(response) => response,
        Err(error) => return Error::new(Code::Unavailable, error.detail),
    };
    match problem(&response) {
        Some(error) if error.code == Code::NotFound => error,
        Some(error) if error.status != 426 => Error::new(Code::Unavailable, error.detail),
        Some(_) => {
            let detail =
                "Blaze answers, and no WebSocket can be opened: does a proxy pass on Upgrade?";
            Error::new(Code::Unavailable, format!("{}: {detail}", response.url))
        }
        None => foreign(&response),
    }
}

/// The error of a response that refuses its request.
pub fn error_of(response: &Response) -> Error {
    problem(response).unwrap_or_else(|| foreign(response))
}

/// Whether Blaze refused the request's token.
pub fn refuses_token(response: &Response) -> bool {
    response.status == 401 && problem(response).is_some()
}

/// What a query answered, or a part of that.
#[derive(Debug, PartialEq)]
pub struct Page {
    /// The documents.
    pub rows: Vec<Rc<Row>>,
    /// Where the next part begins.
    pub next: Option<String>,
}

/// What the reply to a query of `from` means.
///
/// # Errors
/// As [`read_answer`].
pub fn query_answer(from: Option<&Source>, reply: Reply) -> Result<Page, Error> {
    let response = reply?;
    let page = answered(&response)?.and_then(|fields| page(fields, from));
    page.ok_or_else(|| foreign(&response))
}

/// What the reply to an aggregation means: its values by the names of `aggregates`.
///
/// # Errors
/// As [`read_answer`].
pub fn aggregate_answer(aggregates: &Value, reply: Reply) -> Result<Map, Error> {
    let response = reply?;
    let is_whole = |fields: &Map| {
        aggregates
            .as_object()
            .is_none_or(|asked| asked.keys().all(|name| fields.contains_key(name)))
    };
    answered(&response)?.filter(is_whole).ok_or_else(|| foreign(&response))
}

/// The fields of a good answer; `None` for what is none.
fn answered(response: &Response) -> Result<Option<Map>, Error> {
    if response.status == 200 {
        return Ok(fields(response));
    }
    Err(error_of(response))
}

/// Whether this is about that document.
fn names(fields: &Map, path: &DocumentPath) -> bool {
    fields.get("path").and_then(Value::as_str) == Some(path.as_str())
}

/// The version that a write of the document at `path` led to; `None` where this is no answer to it.
fn written_version(path: &DocumentPath, response: &Response) -> Option<u64> {
    if response.status == 204 {
        // A login page's 204 has no entity tag.
        return tagged_version(response);
    }
    let fields = fields(response)?;
    if names(&fields, path) { fields.get("version")?.as_u64() } else { None }
}

/// `"7"` or, where something on the way compressed it, `W/"7"`.
fn tagged_version(response: &Response) -> Option<u64> {
    let tag = response.etag.as_deref()?;
    tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"').parse().ok()
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

fn page(mut fields: Map, from: Option<&Source>) -> Option<Page> {
    fields.get("readTime")?.as_str()?;
    let Some(Value::Array(documents)) = fields.remove("documents") else { return None };
    let mut rows = Vec::with_capacity(documents.len());
    for document in documents {
        let document = read_document(document)?;
        let path = DocumentPath::parse(&document.path).ok()?;
        if from.is_some_and(|from| !from.contains(&path)) {
            return None;
        }
        rows.push(Rc::new(Row::of(path, document, None)?));
    }
    let next = fields.get("nextPageToken").and_then(Value::as_str);
    Some(Page { rows, next: next.map(str::to_owned) })
}

/// A problem document of Blaze (RFC 9457), as the schema's `Problem` describes it. Where the server has no such route,
/// the detail names the URL.
fn problem(response: &Response) -> Option<Error> {
    let fields = fields(response)?;
    let text = |name| fields.get(name).and_then(Value::as_str);
    let code = Code::parse(text("code")?)?;
    if text("type")?.strip_prefix(PROBLEM_TYPE) != Some(code.as_str()) {
        return None;
    }
    let detail = text("detail")?;
    if code == Code::NotFound && detail.starts_with("no route ") {
        let detail = format!(
            "{}: {detail}: connect() takes the URL of the server, without /v1",
            response.url
        );
        return Some(Error::new(code, detail).with_status(response.status));
    }
    Some(Error::new(code, detail).with_status(response.status))
}

/// The error of an answer that Blaze did not give, or not to this request.
fn foreign(response: &Response) -> Error {
    let Response { url, status, content_type, .. } = response;
    let kind = content_type.as_deref().unwrap_or("no content type");
    let detail = format!(
        "{url} answered {status} ({kind:.60}), which is no answer of Blaze to this request"
    );
    Error::new(Code::Unavailable, detail).with_status(*status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use blaze_schema::error::Problem;
    use blaze_schema::path::CollectionPath;
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

    const URL: &str = "https://db/v1/docs/a/b";

    fn response(status: u16, etag: Option<&str>, body: &str) -> Response {
        let (url, etag, body) = (URL.to_owned(), etag.map(str::to_owned), body.to_owned());
        let content_type = Some("text/html".to_owned());
        Response { url, content_type, status, etag, retry_after: None, body }
    }

    fn path() -> DocumentPath {
        DocumentPath::parse("a/b").unwrap()
    }

    fn written(response: Response) -> Answer {
        write_answer(&path(), Ok(response))
    }

    fn problem_of(code: Code, status: u16) -> (Response, Error) {
        let error = Error::new(code, "why").with_status(status);
        (response(status, None, &error.to_problem_json()), error)
    }

    /// A document resource without its data.
    fn resource_of(path: &str) -> String {
        format!(r#"{{"path":"{path}","id":"b","version":7,"createTime":"c","updateTime":"u"}}"#)
    }

    /// Answers of other servers: a login page, an application's fallback, a proxy, another API.
    fn foreign_answers() -> Vec<Response> {
        let page = "<html>log in</html>";
        let mut answers = vec![
            response(200, None, page),
            response(200, Some("\"7\""), page),
            response(201, None, ""),
            response(204, None, ""),
            response(204, Some("\"a1b2\""), ""),
            response(200, None, "{}"),
            response(200, None, "[]"),
            response(200, None, r#"{"version":7}"#),
            response(200, None, r#"{"path":"a/c","version":7}"#),
            response(200, None, &resource_of("a/b").replace("a/b", "v1/docs/a/b")),
            response(404, None, page),
            response(404, None, r#"{"code":"not-found","detail":"why"}"#),
            response(404, None, r#"{"type":"about:blank","code":"not-found","detail":"why"}"#),
            response(
                404,
                None,
                r#"{"type":"urn:blaze:internal","code":"not-found","detail":"why"}"#,
            ),
        ];
        answers.extend(
            [301, 302, 304, 401, 403, 405, 407, 429, 500, 502, 511]
                .map(|status| response(status, None, page)),
        );
        answers
    }

    #[test]
    fn a_full_house_is_asked_again_when_it_said() {
        let full = |status, retry_after| Response { retry_after, ..response(status, None, "") };
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
        assert_eq!(write_answer(&path(), Err(lost.clone())), Answer::Again(lost.clone()));
        assert_eq!(read_answer(&path(), Err(lost.clone())), Err(lost));
        let wrong = Error::new(Code::Unauthenticated, "token: wrong");
        assert_eq!(write_answer(&path(), Err(wrong.clone())), Answer::Refused(wrong));
    }

    #[test]
    fn an_answer_is_a_version_a_refusal_or_a_reason_to_ask_again() {
        for answer in [response(204, Some("\"7\""), ""), response(204, Some("W/\"7\""), "")]
            .into_iter()
            .chain([200, 201].map(|status| response(status, None, &resource_of("a/b"))))
        {
            assert_eq!(written(answer), Answer::Done { version: 7 });
        }
        for (code, status) in [
            (Code::FailedPrecondition, 409),
            (Code::NotFound, 404),
            (Code::ResourceExhausted, 413),
            (Code::Unauthenticated, 401),
            (Code::Internal, 500),
        ] {
            let (answer, error) = problem_of(code, status);
            assert_eq!(written(answer), Answer::Refused(error));
        }
        let exists = Answer::Refused(Error::new(Code::AlreadyExists, "why"));
        assert_eq!(written(problem_of(Code::FailedPrecondition, 412).0), exists);
        for (code, status) in
            [(Code::Unavailable, 503), (Code::Aborted, 409), (Code::ResourceExhausted, 429)]
        {
            let (answer, error) = problem_of(code, status);
            assert_eq!(written(answer), Answer::Again(error));
        }
    }

    #[test]
    fn an_answer_that_blaze_did_not_give_decides_nothing() {
        for answer in foreign_answers() {
            let Answer::Again(error) = written(answer.clone()) else { panic!("{answer:?}") };
            assert_eq!((error.code, error.status), (Code::Unavailable, answer.status));
            assert!(error.detail.contains(URL), "{error}");
            for read in [
                read_answer(&path(), Ok(answer.clone())).map(|_| ()),
                query_answer(None, Ok(answer.clone())).map(|_| ()),
                aggregate_answer(&json!({"n": "count"}), Ok(answer.clone())).map(|_| ()),
            ] {
                let error = read.unwrap_err();
                assert_eq!((error.code, error.status), (Code::Unavailable, answer.status));
                assert!(error.detail.contains(URL), "{error}");
            }
            assert!(!refuses_token(&answer));
            assert_eq!(socket_failure(Ok(answer)).code, Code::Unavailable);
        }
        for status in ABOUT_THE_REQUEST {
            let Answer::Refused(error) = written(response(status, None, "<html>")) else {
                panic!()
            };
            assert_eq!((error.code, error.status), (Code::Unavailable, status));
        }
    }

    #[test]
    fn a_wrong_base_path_is_named() {
        let unknown = Error::new(Code::NotFound, "no route /v1/v1/docs/a/b");
        let answer = response(404, None, &unknown.to_problem_json());
        let Answer::Refused(write) = written(answer.clone()) else { panic!() };
        let read = read_answer(&path(), Ok(answer.clone())).unwrap_err();
        for error in [write, read, socket_failure(Ok(answer))] {
            assert_eq!(error.code, Code::NotFound);
            assert!(error.detail.contains(URL) && error.detail.contains("connect()"), "{error}");
        }
    }

    #[test]
    fn a_socket_fails_for_good_only_where_there_is_no_route() {
        let upgrade = problem_of(Code::InvalidArgument, 426).0;
        let limited = problem_of(Code::ResourceExhausted, 429).0;
        let lost = Error::new(Code::Unauthenticated, "token: wrong");
        for reply in [Ok(upgrade), Ok(limited), Err(lost)] {
            assert_eq!(socket_failure(reply).code, Code::Unavailable);
        }
        assert!(refuses_token(&problem_of(Code::Unauthenticated, 401).0));
    }

    #[test]
    fn a_query_is_answered_in_parts() {
        let text = r#"{"documents":[{"path":"a/b","id":"b","version":7,"createTime":"c","updateTime":"u","data":{"a":1}}],"readTime":"r","nextPageToken":"t"}"#;
        let source = |path| Source::Collection(CollectionPath::parse(path).unwrap());
        let page = query_answer(Some(&source("a")), Ok(response(200, None, text))).unwrap();
        let row = &page.rows[0];
        assert_eq!((page.rows.len(), page.next.as_deref()), (1, Some("t")));
        assert_eq!(
            (row.path.as_str(), row.version, row.data.get("a")),
            ("a/b", 7, Some(&json!(1)))
        );
        let none = r#"{"documents":[],"readTime":"r"}"#;
        let last = query_answer(None, Ok(response(200, None, none))).unwrap();
        assert_eq!(last, Page { rows: Vec::new(), next: None });
        for (from, answer, code) in [
            (None, response(200, None, r#"{"documents":[]}"#), Code::Unavailable),
            (
                None,
                response(200, None, r#"{"documents":[{"path":"a/b"}],"readTime":"r"}"#),
                Code::Unavailable,
            ),
            (Some(source("b")), response(200, None, text), Code::Unavailable),
            (None, problem_of(Code::InvalidArgument, 400).0, Code::InvalidArgument),
        ] {
            let error = query_answer(from.as_ref(), Ok(answer.clone())).unwrap_err();
            assert_eq!(error.code, code, "{answer:?}");
        }
        let asked = json!({"n": "count", "m": {"avg": "a"}});
        let whole = response(200, None, r#"{"n":2,"m":null}"#);
        assert_eq!(
            Value::Object(aggregate_answer(&asked, Ok(whole)).unwrap()),
            json!({"n": 2, "m": null})
        );
        let part = response(200, None, r#"{"n":2}"#);
        assert_eq!(aggregate_answer(&asked, Ok(part)).unwrap_err().code, Code::Unavailable);
    }

    #[test]
    fn a_read_is_the_document_or_says_that_it_is_missing() {
        let document = r#"{"path":"a/b","id":"b","version":7,"createTime":"c","updateTime":"u","data":{"a":1}}"#;
        let Ok(Read::Found(found)) = read_answer(&path(), Ok(response(200, None, document))) else {
            panic!()
        };
        assert_eq!((found.version, Value::Object(found.data)), (7, json!({"a": 1})));
        let missing = |path: &str| {
            let problem = Problem {
                path: Some(path.to_owned()),
                version: Some(8),
                ..Problem::from(&Error::new(Code::NotFound, "no document"))
            };
            response(404, None, &problem.to_json())
        };
        assert_eq!(read_answer(&path(), Ok(missing("a/b"))), Ok(Read::Missing { version: 8 }));
        let other = read_answer(&path(), Ok(missing("a/c"))).unwrap_err();
        assert_eq!(other.code, Code::NotFound, "the server's word, of another document");
    }
}
