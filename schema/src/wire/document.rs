//! The frames of a document's socket, both ways: JSON texts.

use crate::commit;
use crate::document::push_json_string;
use crate::error::{Code, Error};
use crate::limits::{BODY_BYTES, IDEMPOTENCY_KEY_BYTES, WRITE_ID_BYTES};
use crate::patch::{Patch, read};
use crate::path::DocumentPath;
use crate::query::Query;
use crate::value::Map;
use crate::write::Write;
use serde_json::Value;

/// What a ping of the client is, exactly: the runtime answers this text with [`PONG`] by itself, so that a ping wakes
/// nothing.
pub const PING: &str = r#"{"ping":0}"#;
/// The answer to [`PING`].
pub const PONG: &str = r#"{"pong":0}"#;
/// The WebSocket subprotocol that the server speaks.
pub const SUBPROTOCOL: &str = "blaze.v1";

/// The HTTP status of a request that may be repeated later, too many having come at once (RFC 6585 section 4).
pub const TOO_MANY: u16 = 429;

/// The WebSocket close code of a socket that ends because of an error: 4401 and 4403 as the HTTP statuses, 4429 for too
/// many, 1012 where the client should simply come back (RFC 6455 section 7.4; from 4000 on they are private).
pub fn close_code(code: Code) -> u16 {
    match code {
        Code::Unauthenticated => 4401,
        Code::PermissionDenied => 4403,
        Code::ResourceExhausted => 4429,
        Code::Unavailable => 1012,
        Code::Internal => 1011,
        _ => 4400,
    }
}

/// What a client sends.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientMessage {
    /// `{"write":{"id":"w1","idempotencyKey":"…"?, …one write…}}`
    Write {
        /// The client's name for the write, in the answer.
        id: String,
        /// The key under which it may be repeated.
        repeatable: Option<Repeatable>,
        /// The write, or why it cannot be read.
        write: Result<Write, Error>,
    },
    /// `{"ping":n}`, answered by `{"pong":n}`.
    Ping(i64),
    /// `{"auth":"<token>"}`
    Auth(String),
    /// `{"listen":{"target":n, …}}`: only on `/v1/listen`.
    Listen {
        /// The client's number for it.
        target: u64,
        /// What is listened to, or why that cannot be read.
        what: Result<Listen, Error>,
    },
    /// `{"unlisten":n}`: only on `/v1/listen`.
    Unlisten(u64),
}

/// A write that is done once, however often it is sent: on any socket, or as a commit of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeatable {
    /// The client's key.
    pub key: String,
    /// The write as the body of a commit: the same key with another one is refused.
    pub body: String,
}

/// What a target is.
#[derive(Clone, Debug, PartialEq)]
pub enum Listen {
    /// `{"document":path,"since":3,"epoch":"…"}`
    Document {
        /// The document.
        path: DocumentPath,
        /// The version of which epoch the client has.
        since: Option<(u64, String)>,
    },
    /// `{"query":{…},"resume":"…"}`
    Query {
        /// The query.
        query: Box<Query>,
        /// What the last frame said.
        resume: Option<String>,
    },
}

impl ClientMessage {
    /// Reads a frame.
    ///
    /// # Errors
    /// `resource-exhausted` for more than [`BODY_BYTES`], which are not looked at; `invalid-argument` for what is no
    /// message. A message that is one, but holds a bad write, is a message.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > BODY_BYTES {
            let detail = format!("message: {} bytes, of {BODY_BYTES} at most", text.len());
            return Err(Error::new(Code::ResourceExhausted, detail));
        }
        let value: Value = serde_json::from_str(text)
            .map_err(|error| Error::invalid(format!("message: not JSON: {error}")))?;
        let Value::Object(fields) = value else {
            return Err(Error::invalid("message: not a JSON object"));
        };
        let mut fields = fields.into_iter();
        let (Some((key, value)), None) = (fields.next(), fields.next()) else {
            return Err(Error::invalid(
                "message: an object with one key: write, ping, auth, listen or unlisten",
            ));
        };
        match (key.as_str(), value) {
            ("write", Value::Object(write)) => Self::parse_write(write),
            ("ping", number) => match number.as_i64() {
                Some(number) => Ok(ClientMessage::Ping(number)),
                None => Err(Error::invalid("message: ping: not an integer")),
            },
            ("auth", Value::String(token)) => Ok(ClientMessage::Auth(token)),
            ("listen", Value::Object(mut listen)) => {
                let target = target(listen.remove("target").as_ref())?;
                Ok(ClientMessage::Listen { target, what: Listen::from_json(listen) })
            }
            ("unlisten", number) => Ok(ClientMessage::Unlisten(target(Some(&number))?)),
            ("write" | "auth" | "listen", _) => {
                Err(Error::invalid(format!("message: {key}: not of the right type")))
            }
            _ => Err(Error::invalid(format!("message: {key:?} is no message"))),
        }
    }

    fn parse_write(mut write: Map) -> Result<Self, Error> {
        let id = match write.remove("id") {
            Some(Value::String(id)) if id.len() <= WRITE_ID_BYTES => id,
            _ => {
                return Err(Error::invalid(format!(
                    "message: write: an id is a string of {WRITE_ID_BYTES} bytes at most"
                )));
            }
        };
        match repeatable(&mut write) {
            Ok(repeatable) => {
                let write = Write::from_json(Value::Object(write), "write");
                Ok(ClientMessage::Write { id, repeatable, write })
            }
            Err(error) => Ok(ClientMessage::Write { id, repeatable: None, write: Err(error) }),
        }
    }
}

/// Takes the key out of a write, if it has one.
fn repeatable(write: &mut Map) -> Result<Option<Repeatable>, Error> {
    let key = match write.remove("idempotencyKey") {
        None => return Ok(None),
        Some(Value::String(key)) if (1..=IDEMPOTENCY_KEY_BYTES).contains(&key.len()) => key,
        Some(_) => {
            let detail =
                format!("write: idempotencyKey: a string of 1 to {IDEMPOTENCY_KEY_BYTES} bytes");
            return Err(Error::invalid(detail));
        }
    };
    Ok(Some(Repeatable { key, body: commit::text_of(vec![Value::Object(write.clone())]) }))
}

fn target(value: Option<&Value>) -> Result<u64, Error> {
    value
        .and_then(Value::as_u64)
        .ok_or_else(|| Error::invalid("message: a target is a number from 0 on"))
}

impl Listen {
    fn from_json(mut fields: Map) -> Result<Self, Error> {
        let invalid = |detail: &str| Error::invalid(format!("listen: {detail}"));
        let mut text = |key: &str| match fields.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(invalid(&format!("{key}: not a string"))),
        };
        let (document, epoch, resume) = (text("document")?, text("epoch")?, text("resume")?);
        let since = match fields.remove("since") {
            None | Some(Value::Null) => None,
            Some(since) => Some(since.as_u64().ok_or_else(|| invalid("since: not a version"))?),
        };
        let query = fields.remove("query");
        if let Some(key) = fields.keys().next() {
            return Err(invalid(&format!("{key:?} is no key of it")));
        }
        match (document, query) {
            (Some(path), None) if resume.is_none() => Ok(Listen::Document {
                path: DocumentPath::parse(&path)
                    .map_err(|error| invalid(&format!("document: {}", error.detail)))?,
                // Without an epoch nobody can say which history the version is of.
                since: since.zip(epoch),
            }),
            (None, Some(query)) if since.is_none() && epoch.is_none() => {
                let query = Query::from_json(query).map_err(|error| {
                    Error::new(error.code, format!("listen: query: {}", error.detail))
                })?;
                Ok(Listen::Query { query: Box::new(query), resume })
            }
            _ => Err(invalid(
                "a target is a document, with since and epoch, or a query, with resume",
            )),
        }
    }
}

/// What a server sends on a document's socket.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerMessage {
    /// The whole state: where the patches that follow start.
    Snapshot {
        /// Which history the version counts in.
        epoch: String,
        /// The version; the last one, or 0, when the document does not exist.
        version: u64,
        /// The data; `None` when the document does not exist.
        data: Option<Map>,
    },
    /// One committed change.
    Patch {
        /// The version that the patch applies to.
        base: u64,
        /// The version that it leads to.
        version: u64,
        /// The change.
        patch: Patch,
    },
    /// The document was deleted.
    Delete {
        /// The version that was deleted.
        base: u64,
        /// The version of the delete.
        version: u64,
    },
    /// What the client sent was refused, or listening ended.
    Error(Error),
    /// The answer to a write on this socket.
    Written {
        /// The client's name for the write.
        id: String,
        /// The document's version after it, or why it was refused.
        result: Result<u64, Error>,
    },
    /// The answer to a ping.
    Pong(i64),
}

impl ServerMessage {
    /// Reads a frame's text.
    ///
    /// # Errors
    /// As [`ServerMessage::from_json`], and for what is no JSON.
    pub fn parse(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|_| strange()).and_then(Self::from_json)
    }

    /// Reads a frame. Unknown keys are left alone, so that an older client understands a newer server.
    ///
    /// # Errors
    /// `internal` for what no server sends.
    pub fn from_json(frame: Value) -> Result<Self, Error> {
        let Value::Object(mut fields) = frame else { return Err(strange()) };
        let number =
            |fields: &Map, key: &str| fields.get(key).and_then(Value::as_u64).ok_or_else(strange);
        if let Some(pong) = fields.get("pong").and_then(Value::as_i64) {
            return Ok(ServerMessage::Pong(pong));
        }
        if fields.contains_key("id") {
            let (id, result) = read_written(&fields).ok_or_else(strange)?;
            return Ok(ServerMessage::Written { id, result });
        }
        match fields.get("type").and_then(Value::as_str) {
            Some("snapshot") => Ok(ServerMessage::Snapshot {
                epoch: fields.get("epoch").and_then(Value::as_str).ok_or_else(strange)?.to_owned(),
                version: number(&fields, "version")?,
                data: match fields.remove("data") {
                    Some(Value::Object(data)) => Some(data),
                    Some(Value::Null) => None,
                    _ => return Err(strange()),
                },
            }),
            Some("patch") => Ok(ServerMessage::Patch {
                base: number(&fields, "base")?,
                version: number(&fields, "version")?,
                patch: fields
                    .remove("patch")
                    .and_then(|patch| read(patch).ok())
                    .ok_or_else(strange)?,
            }),
            Some("delete") => Ok(ServerMessage::Delete {
                base: number(&fields, "base")?,
                version: number(&fields, "version")?,
            }),
            Some("error") => Ok(ServerMessage::Error(parse_error(&fields))),
            _ => Err(strange()),
        }
    }
}

fn strange() -> Error {
    Error::internal("a message that no server sends")
}

/// Reads the error of a frame: `code`, `detail`, and `status` where that is 429.
/// The answer to a write: its id, and what came of it; `None` for what no server sends.
pub(crate) fn read_written(fields: &Map) -> Option<(String, Result<u64, Error>)> {
    let id = fields.get("id")?.as_str()?.to_owned();
    let result = match (fields.get("result"), fields.get("error")) {
        (Some(Value::Object(result)), _) => Ok(result.get("version")?.as_u64()?),
        (_, Some(Value::Object(error))) => Err(parse_error(error)),
        _ => return None,
    };
    Some((id, result))
}

pub(crate) fn parse_error(fields: &Map) -> Error {
    let code = fields.get("code").and_then(Value::as_str).and_then(Code::parse);
    let detail = fields.get("detail").and_then(Value::as_str).unwrap_or_default();
    let error = Error::new(code.unwrap_or(Code::Internal), detail);
    let is_too_many = fields.get("status").and_then(Value::as_u64) == Some(u64::from(TOO_MANY));
    if is_too_many { error.with_status(TOO_MANY) } else { error }
}

/// A snapshot's frame. `data` is compact JSON, `None` when the document does not exist.
pub fn snapshot_text(epoch: &str, version: u64, data: Option<&str>) -> String {
    let mut text = String::from("{\"type\":\"snapshot\",\"epoch\":");
    push_json_string(&mut text, epoch);
    text.push_str(",\"version\":");
    text.push_str(&version.to_string());
    text.push_str(",\"data\":");
    text.push_str(data.unwrap_or("null"));
    text.push('}');
    text
}

/// A patch's frame; `patch` is compact JSON.
pub fn patch_text(base: u64, version: u64, patch: &str) -> String {
    format!("{{\"type\":\"patch\",\"base\":{base},\"version\":{version},\"patch\":{patch}}}")
}

/// A delete's frame.
pub fn delete_text(base: u64, version: u64) -> String {
    format!("{{\"type\":\"delete\",\"base\":{base},\"version\":{version}}}")
}

/// The version that a frame of [`patch_text`] or [`delete_text`] applies to.
pub fn base_of(frame: &str) -> Option<u64> {
    let (_, after) = frame.split_once("\"base\":")?;
    let digits = after.split(|character: char| !character.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// The frame that refuses what the client sent.
pub fn error_text(error: &Error) -> String {
    let mut text = String::from("{\"type\":\"error\",");
    push_error_fields(&mut text, error);
    text.push('}');
    text
}

/// The frame by which a client says who it is.
pub fn auth_text(token: &str) -> String {
    let mut text = String::from("{\"auth\":");
    push_json_string(&mut text, token);
    text.push('}');
    text
}

/// The frame that answers a write: the document's version after it, or why it was refused.
pub fn written_text(id: &str, path: &str, result: &Result<u64, Error>) -> String {
    let mut text = String::from("{\"id\":");
    push_json_string(&mut text, id);
    match result {
        Ok(version) => {
            text.push_str(",\"result\":{\"path\":");
            push_json_string(&mut text, path);
            text.push_str(",\"version\":");
            text.push_str(&version.to_string());
        }
        Err(error) => {
            text.push_str(",\"error\":{");
            push_error_fields(&mut text, error);
        }
    }
    text.push_str("}}");
    text
}

/// The frame that answers a ping.
pub fn pong_text(number: i64) -> String {
    format!("{{\"pong\":{number}}}")
}

/// The frame of a ping.
pub fn ping_text(number: i64) -> String {
    format!("{{\"ping\":{number}}}")
}

/// The number of a frame of [`pong_text`]; `None` for another frame.
pub fn pong_of(frame: &str) -> Option<i64> {
    frame.strip_prefix("{\"pong\":")?.strip_suffix('}')?.parse().ok()
}

fn push_error_fields(text: &mut String, error: &Error) {
    text.push_str("\"code\":");
    push_json_string(text, error.code.as_str());
    text.push_str(",\"detail\":");
    push_json_string(text, &error.detail);
    if error.status == TOO_MANY {
        // Without it, `resource-exhausted` is a limit that stays exceeded.
        text.push_str(&format!(",\"status\":{TOO_MANY}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patch::diff;
    use crate::write::Operation;
    use serde_json::json;

    #[test]
    fn what_the_server_writes_the_client_reads() {
        let data = json!({"a": [1, {"b": "\"\n"}]});
        let patch = diff(&json!({}), &data);
        let refused = Error::new(Code::FailedPrecondition, "ifVersion \"2\"");
        let crowded = Error::new(Code::ResourceExhausted, "later").with_status(TOO_MANY);
        for (text, message) in [
            (
                snapshot_text("e\"1", 3, Some(&data.to_string())),
                ServerMessage::Snapshot {
                    epoch: "e\"1".to_owned(),
                    version: 3,
                    data: data.as_object().cloned(),
                },
            ),
            (
                snapshot_text("e", 0, None),
                ServerMessage::Snapshot { epoch: "e".to_owned(), version: 0, data: None },
            ),
            (
                patch_text(3, 4, &serde_json::to_string(&patch).unwrap()),
                ServerMessage::Patch { base: 3, version: 4, patch },
            ),
            (delete_text(4, 5), ServerMessage::Delete { base: 4, version: 5 }),
            (error_text(&refused), ServerMessage::Error(refused.clone())),
            (error_text(&crowded), ServerMessage::Error(crowded.clone())),
            (
                written_text("w\"", "a/b", &Ok(6)),
                ServerMessage::Written { id: "w\"".to_owned(), result: Ok(6) },
            ),
            (
                written_text("w", "a/b", &Err(refused.clone())),
                ServerMessage::Written { id: "w".to_owned(), result: Err(refused) },
            ),
            (pong_text(-7), ServerMessage::Pong(-7)),
            (PONG.to_owned(), ServerMessage::Pong(0)),
        ] {
            assert_eq!(ServerMessage::parse(&text), Ok(message), "{text}");
        }
        assert_eq!(base_of(&patch_text(37, 38, "[]")), Some(37));
        assert_eq!(base_of(&delete_text(4, 5)), Some(4));
        assert_eq!(pong_of(&pong_text(-7)), Some(-7));
        assert_eq!(pong_of(&delete_text(4, 5)), None);
        assert_eq!(ClientMessage::parse(&ping_text(7)), Ok(ClientMessage::Ping(7)));
    }

    #[test]
    fn frames_that_no_server_sends_are_errors() {
        for text in [
            "",
            "1",
            "{}",
            r#"{"type":"snapshot"}"#,
            r#"{"type":"patch","base":1,"version":2,"patch":[1]}"#,
        ] {
            assert!(ServerMessage::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_write_is_repeatable_as_a_commit_of_its_own() {
        let read = |key: Value| {
            let write =
                json!({"write": {"id": "w", "idempotencyKey": key, "set": "a/b", "data": {}}});
            match ClientMessage::parse(&write.to_string()) {
                Ok(ClientMessage::Write { repeatable, write, .. }) => {
                    write.map(|_| repeatable.unwrap())
                }
                other => panic!("{other:?}"),
            }
        };
        let longest = "k".repeat(IDEMPOTENCY_KEY_BYTES);
        let body = br#"{"writes":[{"set":"a/b","data":{}}]}"#;
        let body = commit::split(body).unwrap().remove(0).body;
        for key in ["k", &longest] {
            assert_eq!(
                read(json!(key)),
                Ok(Repeatable { key: key.to_owned(), body: body.clone() })
            );
        }
        for key in [json!(""), json!(format!("{longest}k")), json!(1), json!(null)] {
            assert!(read(key.clone()).unwrap_err().detail.contains("idempotencyKey"), "{key}");
        }
    }

    #[test]
    fn client_messages_are_read_strictly() {
        assert_eq!(ClientMessage::parse(PING), Ok(ClientMessage::Ping(0)));
        assert_eq!(
            ClientMessage::parse(r#"{"auth":"t"}"#),
            Ok(ClientMessage::Auth("t".to_owned()))
        );
        let text = r#"{"write":{"id":"w1","delete":"a/b"}}"#;
        let Ok(ClientMessage::Write { id, repeatable: None, write: Ok(write) }) =
            ClientMessage::parse(text)
        else {
            panic!()
        };
        assert_eq!((id.as_str(), write.operation), ("w1", Operation::Delete));
        let text = r#"{"write":{"id":"w1","delete":"a"}}"#;
        assert!(matches!(
            ClientMessage::parse(text),
            Ok(ClientMessage::Write { write: Err(_), .. })
        ));
        let text = r#"{"listen":{"target":2,"query":{"from":"users"},"resume":"r"}}"#;
        let resume = Some("r".to_owned());
        let query = Query::from_json(serde_json::json!({"from": "users"})).unwrap();
        let what = Ok(Listen::Query { query: Box::new(query), resume });
        assert_eq!(ClientMessage::parse(text), Ok(ClientMessage::Listen { target: 2, what }));
        let text = r#"{"listen":{"target":1,"document":"a/b","since":3,"epoch":"e"}}"#;
        let path = DocumentPath::parse("a/b").unwrap();
        let what = Ok(Listen::Document { path, since: Some((3, "e".to_owned())) });
        assert_eq!(ClientMessage::parse(text), Ok(ClientMessage::Listen { target: 1, what }));
        assert_eq!(ClientMessage::parse(r#"{"unlisten":1}"#), Ok(ClientMessage::Unlisten(1)));
        for what in [
            r#""document":"a""#,
            r#""document":"a/b","query":{"from":"a"}"#,
            r#""document":"a/b","since":"x""#,
            r#""document":"a/b","resume":"r""#,
            r#""query":{"from":1}"#,
            r#""query":{"from":"a"},"since":1"#,
            r#""query":{"from":"a"},"more":1"#,
            r#""since":1"#,
        ] {
            let text = format!(r#"{{"listen":{{"target":1,{what}}}}}"#);
            let message = ClientMessage::parse(&text);
            let refused = matches!(message, Ok(ClientMessage::Listen { target: 1, what: Err(_) }));
            assert!(refused, "{message:?}");
        }
        for text in [
            "",
            "[]",
            "{}",
            r#"{"listen":{"document":"a/b"}}"#,
            r#"{"listen":{"target":-1,"document":"a/b"}}"#,
            r#"{"unlisten":"1"}"#,
            r#"{"ping":"x"}"#,
            r#"{"ping":1,"auth":"t"}"#,
            r#"{"write":{}}"#,
            r#"{"x":1}"#,
        ] {
            assert!(ClientMessage::parse(text).is_err(), "{text}");
        }
    }
}
