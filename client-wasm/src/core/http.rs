//! Reads and writes as HTTP requests, and what their answers and those to queries mean.
//!
//! Login pages of networks, fallback pages of applications and proxies answer too. An answer counts only if Blaze gave
//! it, and gave it to this request: a refusal is a problem document of Blaze, a done write names its document, a read
//! names what was read. Every other answer is [`foreign`]: it decides nothing.

use crate::core::change::Change;
use crate::core::error::may_pass;
use crate::core::json;
use crate::core::row::Row;
use blaze_schema::document::Document;
use blaze_schema::error::{Code, Error, PROBLEM_TYPE};
use blaze_schema::path::DocumentPath;
use blaze_schema::query::Source;
use blaze_schema::value::Map;
use blaze_schema::wire::query::read_document;
use blaze_schema::write::Operation;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::rc::Rc;

/// The methods that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`
    Post,
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
    /// The header `Retry-After`, where it is a number of seconds.
    pub retry_after: Option<u64>,
    /// The body's text.
    pub body: String,
}

/// The result of a read.
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
    /// Blaze asks for the same request later. The error says why.
    Again(Error),
    /// Blaze did not answer: nobody knows, and the same request is to be sent again. The error says why.
    Lost(Error),
}

/// A write as it is sent, by HTTP or on a socket of `/v1/listen`. Its key makes it safe to repeat, by either way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    key: String,
    /// The members of the write's JSON object.
    members: String,
}

impl Outgoing {
    /// The operation of `change`, and its write.
    pub fn new(path: &DocumentPath, change: Change, key: String) -> (Operation, Self) {
        let (operation, body) = change.into_parts();
        let (name, body_name) = match operation {
            Operation::Create(_) => ("create", "data"),
            Operation::Set(_) => ("set", "data"),
            Operation::Merge(_) | Operation::MergeFields(_) | Operation::MergePatch(_) => {
                ("merge", "data")
            }
            Operation::Update(_) => ("update", "data"),
            Operation::Patch(_) => ("patch", "operations"),
            Operation::Delete => ("delete", ""),
            Operation::Verify => ("verify", ""),
        };
        let path = json::print(&Value::from(path.as_str()));
        let mut body = body.map_or(String::new(), |body| format!(",\"{body_name}\":{body}"));
        if let Operation::MergeFields(fields) = &operation {
            let fields = fields.iter().map(|(field, _)| Value::from(field.to_string()));
            body.push_str(",\"mergeFields\":");
            body.push_str(&json::print(&fields.collect()));
        }
        (operation, Outgoing { key, members: format!("\"{name}\":{path}{body}") })
    }

    /// The idempotency key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The bytes of the write, about.
    pub fn bytes(&self) -> usize {
        self.members.len()
    }

    /// The request: a commit. One URL for all writes, so that a browser asks only once whether a page of another origin
    /// may send them.
    pub fn request(&self) -> Request {
        let headers = vec![
            ("Content-Type", "application/json".to_owned()),
            ("Idempotency-Key", self.key.clone()),
        ];
        let body = Some(format!("{{\"writes\":[{{{}}}]}}", self.members));
        Request { method: Method::Post, target: "/v1/commit".to_owned(), headers, body }
    }

    /// The frame. The server answers it by `id`.
    pub fn frame(&self, id: u64) -> String {
        // Nothing in a key needs quoting.
        let Outgoing { key, members } = self;
        format!("{{\"write\":{{\"id\":\"{id}\",\"idempotencyKey\":\"{key}\",{members}}}}}")
    }
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

/// Interprets the reply to the request that writes the document at `path`.
pub fn write_answer(path: &DocumentPath, reply: Reply) -> Answer {
    let response = match reply {
        Ok(response) => response,
        Err(error) if may_pass(&error) => return Answer::Lost(error),
        Err(error) => return Answer::Refused(error),
    };
    if (200..300).contains(&response.status) {
        return match written_version(path, &response) {
            Some(version) => Answer::Done { version },
            None => Answer::Lost(foreign(&response)),
        };
    }
    match problem(&response) {
        // Firestore's SDK repeats contention too.
        Some(error) if error.code != Code::Internal && may_pass(&error) => Answer::Again(error),
        Some(error) => Answer::Refused(error),
        None if ABOUT_THE_REQUEST.contains(&response.status) => Answer::Refused(foreign(&response)),
        None => Answer::Lost(foreign(&response)),
    }
}

/// Turns the refusal of a commit or a frame into that of its only write: strips the words that name the write and the
/// document.
pub fn of_one_write(path: &DocumentPath, mut error: Error) -> Error {
    for place in ["writes[0]", "write", path.as_str()] {
        let rest = error.detail.strip_prefix(place).and_then(|rest| rest.strip_prefix(": "));
        if let Some(rest) = rest.map(str::to_owned) {
            error.detail = rest;
        }
    }
    error
}

/// Interprets the reply to the request that reads the document at `path`.
///
/// # Errors
/// The server's error; `unavailable` if no reply came, or one that Blaze does not give.
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
/// ([`may_pass`](crate::core::error::may_pass)) unless the server has no such route: then the address is wrong.
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

/// True if Blaze refused the request's token.
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

/// Interprets the reply to a query of `from`.
///
/// # Errors
/// As [`read_answer`].
pub fn query_answer(from: Option<&Source>, reply: Reply) -> Result<Page, Error> {
    let response = reply?;
    let page = answered(&response)?.and_then(|fields| page(fields, from));
    page.ok_or_else(|| foreign(&response))
}

/// Interprets the reply to an aggregation: returns its values by the names in `aggregates`.
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

/// True if this is about that document.
fn names(fields: &Map, path: &DocumentPath) -> bool {
    fields.get("path").and_then(Value::as_str) == Some(path.as_str())
}

/// The version that a write of the document at `path` led to; `None` where this is no answer to it.
fn written_version(path: &DocumentPath, response: &Response) -> Option<u64> {
    let fields = fields(response)?;
    let [Value::Object(result)] = fields.get("results")?.as_array()?.as_slice() else {
        return None;
    };
    if names(result, path) { result.get("version")?.as_u64() } else { None }
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
    use blaze_schema::commit;
    use blaze_schema::error::Problem;
    use blaze_schema::field_path::FieldPath;
    use blaze_schema::path::CollectionPath;
    use blaze_schema::wire::document::{ClientMessage, Repeatable};
    use serde_json::json;

    fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
        request.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn every_change_has_its_request_and_its_frame() {
        let data = || json!({"n": {"$increment": 1}});
        let operations = json!([{"op": "test", "path": "/a", "value": 1}]);
        let path = DocumentPath::parse("a \"b/é").unwrap();
        let name = path.as_str();
        for (change, write) in [
            (Change::create(data()), json!({"create": name, "data": data()})),
            (Change::set(data()), json!({"set": name, "data": data()})),
            (Change::merge(data()), json!({"merge": name, "data": data()})),
            (
                Change::merge_fields(data(), &[FieldPath::parse("n").unwrap()]),
                json!({"merge": name, "data": data(), "mergeFields": ["n"]}),
            ),
            (Change::update(data()), json!({"update": name, "data": data()})),
            (Change::patch(operations.clone()), json!({"patch": name, "operations": operations})),
            (Ok(Change::delete()), json!({"delete": name})),
        ] {
            let (_, outgoing) = Outgoing::new(&path, change.unwrap(), "key".to_owned());
            let request = outgoing.request();
            assert_eq!((request.method, request.target.as_str()), (Method::Post, "/v1/commit"));
            assert_eq!(header(&request, "Content-Type"), Some("application/json"));
            assert_eq!(header(&request, "Idempotency-Key"), Some("key"));
            let body: Value = serde_json::from_str(&request.body.unwrap()).unwrap();
            assert_eq!(body, json!({"writes": [write]}));
            let ClientMessage::Write { id, repeatable, write: framed } =
                ClientMessage::parse(&outgoing.frame(7)).unwrap()
            else {
                panic!("{outgoing:?}")
            };
            assert_eq!((id.as_str(), framed.unwrap().path), ("7", path.clone()));
            let part = commit::split(body.to_string().as_bytes()).unwrap().remove(0);
            let expected = Repeatable { key: "key".to_owned(), body: part.body };
            assert_eq!(repeatable, Some(expected), "the same write to the server");
        }
    }

    #[test]
    fn a_refusal_does_not_say_that_it_is_one_of_several() {
        for (detail, said) in [
            ("writes[0]: data: too deep", "data: too deep"),
            ("write: a/b: the document does not exist", "the document does not exist"),
            ("a/b: why", "why"),
            ("a/bc: why", "a/bc: why"),
        ] {
            assert_eq!(of_one_write(&path(), Error::invalid(detail)), Error::invalid(said));
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

    const DONE: &str = r#"{"commitTime":"c","results":[{"path":"a/b","version":7}]}"#;
    const URL: &str = "https://db/v1/docs/a/b";

    fn response(status: u16, body: &str) -> Response {
        let (url, body) = (URL.to_owned(), body.to_owned());
        let content_type = Some("text/html".to_owned());
        Response { url, content_type, status, retry_after: None, body }
    }

    fn path() -> DocumentPath {
        DocumentPath::parse("a/b").unwrap()
    }

    fn written(response: Response) -> Answer {
        write_answer(&path(), Ok(response))
    }

    fn problem_of(code: Code, status: u16) -> (Response, Error) {
        let error = Error::new(code, "why").with_status(status);
        (response(status, &error.to_problem_json()), error)
    }

    /// A document resource without its data.
    fn resource_of(path: &str) -> String {
        format!(r#"{{"path":"{path}","id":"b","version":7,"createTime":"c","updateTime":"u"}}"#)
    }

    /// Answers of other servers: a login page, an application's fallback, a proxy, another API.
    fn foreign_answers() -> Vec<Response> {
        let page = "<html>log in</html>";
        let mut answers = vec![
            response(200, page),
            response(201, ""),
            response(204, ""),
            response(200, "{}"),
            response(200, "[]"),
            response(200, r#"{"version":7}"#),
            response(200, r#"{"results":[]}"#),
            response(200, r#"{"results":[{"path":"a/b"}]}"#),
            response(200, &DONE.replace("a/b", "a/c")),
            response(200, r#"{"path":"a/c","version":7}"#),
            response(200, &resource_of("a/b").replace("a/b", "v1/docs/a/b")),
            response(404, page),
            response(404, r#"{"code":"not-found","detail":"why"}"#),
            response(404, r#"{"type":"about:blank","code":"not-found","detail":"why"}"#),
            response(404, r#"{"type":"urn:blaze:internal","code":"not-found","detail":"why"}"#),
        ];
        answers.extend(
            [301, 302, 304, 401, 403, 405, 407, 429, 500, 502, 511]
                .map(|status| response(status, page)),
        );
        answers
    }

    #[test]
    fn a_full_house_is_asked_again_when_it_said() {
        let full = |status, retry_after| Response { retry_after, ..response(status, "") };
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
        assert_eq!(write_answer(&path(), Err(lost.clone())), Answer::Lost(lost.clone()));
        assert_eq!(read_answer(&path(), Err(lost.clone())), Err(lost));
        let wrong = Error::new(Code::Unauthenticated, "token: wrong");
        assert_eq!(write_answer(&path(), Err(wrong.clone())), Answer::Refused(wrong));
    }

    #[test]
    fn an_answer_is_a_version_a_refusal_or_a_reason_to_ask_again() {
        assert_eq!(written(response(200, DONE)), Answer::Done { version: 7 });
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
            let Answer::Lost(error) = written(answer.clone()) else { panic!("{answer:?}") };
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
            let Answer::Refused(error) = written(response(status, "<html>")) else { panic!() };
            assert_eq!((error.code, error.status), (Code::Unavailable, status));
        }
    }

    #[test]
    fn a_wrong_base_path_is_named() {
        let unknown = Error::new(Code::NotFound, "no route /v1/v1/docs/a/b");
        let answer = response(404, &unknown.to_problem_json());
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
        let page = query_answer(Some(&source("a")), Ok(response(200, text))).unwrap();
        let row = &page.rows[0];
        assert_eq!((page.rows.len(), page.next.as_deref()), (1, Some("t")));
        assert_eq!(
            (row.path.as_str(), row.version, row.data.get("a")),
            ("a/b", 7, Some(&json!(1)))
        );
        let none = r#"{"documents":[],"readTime":"r"}"#;
        let last = query_answer(None, Ok(response(200, none))).unwrap();
        assert_eq!(last, Page { rows: Vec::new(), next: None });
        for (from, answer, code) in [
            (None, response(200, r#"{"documents":[]}"#), Code::Unavailable),
            (
                None,
                response(200, r#"{"documents":[{"path":"a/b"}],"readTime":"r"}"#),
                Code::Unavailable,
            ),
            (Some(source("b")), response(200, text), Code::Unavailable),
            (None, problem_of(Code::InvalidArgument, 400).0, Code::InvalidArgument),
        ] {
            let error = query_answer(from.as_ref(), Ok(answer.clone())).unwrap_err();
            assert_eq!(error.code, code, "{answer:?}");
        }
        let asked = json!({"n": "count", "m": {"avg": "a"}});
        let whole = response(200, r#"{"n":2,"m":null}"#);
        assert_eq!(
            Value::Object(aggregate_answer(&asked, Ok(whole)).unwrap()),
            json!({"n": 2, "m": null})
        );
        let part = response(200, r#"{"n":2}"#);
        assert_eq!(aggregate_answer(&asked, Ok(part)).unwrap_err().code, Code::Unavailable);
    }

    #[test]
    fn a_read_is_the_document_or_says_that_it_is_missing() {
        let document = r#"{"path":"a/b","id":"b","version":7,"createTime":"c","updateTime":"u","data":{"a":1}}"#;
        let Ok(Read::Found(found)) = read_answer(&path(), Ok(response(200, document))) else {
            panic!()
        };
        assert_eq!((found.version, Value::Object(found.data)), (7, json!({"a": 1})));
        let missing = |path: &str| {
            let problem = Problem {
                path: Some(path.to_owned()),
                version: Some(8),
                ..Problem::from(&Error::new(Code::NotFound, "no document"))
            };
            response(404, &problem.to_json())
        };
        assert_eq!(read_answer(&path(), Ok(missing("a/b"))), Ok(Read::Missing { version: 8 }));
        let other = read_answer(&path(), Ok(missing("a/c"))).unwrap_err();
        assert_eq!(other.code, Code::NotFound, "the server's word, of another document");
    }
}
