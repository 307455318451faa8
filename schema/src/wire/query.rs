//! The frames of a query on `/v1/listen`, both ways: JSON texts.
//!
//! ```text
//! client  {"listen":{"target":2,"query":{…},"resume":"…"}}   {"unlisten":2}
//! server  {"target":2,"type":"changes","reset":true,"changes":[…],"resume":"…"}
//!         {"target":2,"type":"error","code":"…","detail":"…"}
//! ```
//!
//! A frame of changes leads from one result of the query to the next one. Its indexes are those of Firestore's
//! `docChanges`: `oldIndex` counts where the earlier changes of the frame are applied, `newIndex` where this one is too.
//! With `reset` it leads there from an empty result, whatever the client had.
//!
//! A result that is too long for one frame comes in several. All but the last lack `resume`: a client shows the result when
//! the last one has arrived, and has the same result if it applies each by itself.
//!
//! ```text
//! server  {"target":2,"type":"changes","reset":true,"changes":[…]}
//!         {"target":2,"type":"changes","changes":[…]}
//!         {"target":2,"type":"changes","changes":[…],"resume":"…"}
//! ```
//!
//! The server makes a frame once for everybody with the same query, so its texts are without a target:
//! [`targeted`] adds it.

use crate::document::{Document, push_json_string};
use crate::error::Error;
use crate::limits::FRAME_BYTES;
use crate::patch::{Patch, read};
use crate::path::DocumentPath;
use crate::value::Map;
use crate::wire::document::{parse_error, read_written};
use serde_json::Value;

/// What leads from one result of a query to the next one.
#[derive(Clone, Debug, PartialEq)]
pub struct Changes {
    /// Whether it starts from an empty result: what the client had is void.
    pub reset: bool,
    /// The changes, each after those before it.
    pub changes: Vec<Change>,
    /// Position after this frame, from which to resume; opaque to the client. Empty while more frames of the same
    /// result follow.
    pub resume: String,
}

/// One document of a result came, changed or went.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It came.
    Added {
        /// Where it is.
        path: DocumentPath,
        /// Its place, counted with it.
        new_index: usize,
        /// The document.
        document: Document,
    },
    /// It changed, and may have moved.
    Modified {
        /// Where it is.
        path: DocumentPath,
        /// Its place before.
        old_index: usize,
        /// Its place after.
        new_index: usize,
        /// What it is now.
        content: Content,
    },
    /// It went: it was deleted, or the query wants it no more.
    Removed {
        /// Where it is, or was.
        path: DocumentPath,
        /// Its place before.
        old_index: usize,
    },
}

impl Change {
    /// Where the document is, or was.
    pub fn path(&self) -> &DocumentPath {
        match self {
            Change::Added { path, .. }
            | Change::Modified { path, .. }
            | Change::Removed { path, .. } => path,
        }
    }
}

/// What a modified document is now.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Its data before, patched.
    Patch {
        /// What changed in the data.
        patch: Patch,
        /// The version that this led to.
        version: u64,
        /// When that was, RFC 3339.
        update_time: String,
    },
    /// This one, whole.
    Document(Document),
}

/// What a server sends on `/v1/listen`, as far as queries go.
#[derive(Clone, Debug, PartialEq)]
pub enum QueryMessage {
    /// The query's result moved.
    Changes {
        /// The client's number for the query.
        target: u64,
        /// How.
        changes: Changes,
    },
    /// The query is not listened to, or no more.
    Error {
        /// The client's number for the query; `None` when the socket itself is meant.
        target: Option<u64>,
        /// Why.
        error: Error,
    },
    /// The answer to a ping.
    Pong(i64),
    /// The answer to a write.
    Written {
        /// The client's name for the write.
        id: String,
        /// The document's version after it, or why it was refused.
        result: Result<u64, Error>,
    },
}

impl QueryMessage {
    /// Reads a frame. Unknown keys are left alone, so that an older client understands a newer server.
    ///
    /// # Errors
    /// `internal` for what no server sends.
    pub fn from_json(frame: Value) -> Result<Self, Error> {
        read_frame(frame).ok_or_else(|| Error::internal("a frame that no server sends"))
    }
}

impl Changes {
    /// Reads a frame of changes, with a target or without; `None` for what no server sends.
    pub fn from_json(frame: Value) -> Option<Self> {
        let Value::Object(mut fields) = frame else { return None };
        read_changes(&mut fields)
    }

    /// True if more frames of the same result follow.
    pub fn is_part(&self) -> bool {
        self.resume.is_empty()
    }

    /// Adds the next frame of the same result.
    pub fn append(&mut self, next: Changes) {
        if next.reset {
            *self = next;
        } else {
            self.changes.extend(next.changes);
            self.resume = next.resume;
        }
    }
}

/// Adds `next` to the frames of its result that came before it; the whole result once its last frame is there.
pub fn join_parts(parts: &mut Option<Changes>, next: Changes) -> Option<Changes> {
    let whole = match parts.take() {
        Some(mut earlier) => {
            earlier.append(next);
            earlier
        }
        None => next,
    };
    if whole.is_part() {
        *parts = Some(whole);
        return None;
    }
    Some(whole)
}

fn read_frame(frame: Value) -> Option<QueryMessage> {
    let Value::Object(mut fields) = frame else { return None };
    let target = fields.get("target").and_then(Value::as_u64);
    match fields.get("type").and_then(Value::as_str) {
        Some("changes") => {
            Some(QueryMessage::Changes { target: target?, changes: read_changes(&mut fields)? })
        }
        Some("error") => Some(QueryMessage::Error { target, error: parse_error(&fields) }),
        _ => match fields.get("pong").map(Value::as_i64) {
            Some(number) => number.map(QueryMessage::Pong),
            None => read_written(&fields).map(|(id, result)| QueryMessage::Written { id, result }),
        },
    }
}

fn read_changes(fields: &mut Map) -> Option<Changes> {
    let Some(Value::Array(list)) = fields.remove("changes") else { return None };
    let mut changes = Vec::with_capacity(list.len());
    for change in list {
        changes.push(read_change(change)?);
    }
    Some(Changes {
        reset: fields.get("reset").and_then(Value::as_bool).unwrap_or(false),
        changes,
        resume: match fields.get("resume") {
            Some(resume) => resume.as_str()?.to_owned(),
            None => String::new(),
        },
    })
}

fn read_change(change: Value) -> Option<Change> {
    let Value::Object(mut fields) = change else { return None };
    let path = DocumentPath::parse(fields.get("path")?.as_str()?).ok()?;
    let index = |key| usize::try_from(fields.get(key)?.as_u64()?).ok();
    let (old_index, new_index) = (index("oldIndex"), index("newIndex"));
    let kind = fields.get("type")?.as_str()?.to_owned();
    match kind.as_str() {
        "added" => Some(Change::Added {
            path,
            new_index: new_index?,
            document: read_document(fields.remove("document")?)?,
        }),
        "modified" => {
            let content = match fields.remove("document") {
                Some(document) => Content::Document(read_document(document)?),
                None => Content::Patch {
                    patch: read(fields.remove("patch")?).ok()?,
                    version: fields.get("version")?.as_u64()?,
                    update_time: fields.get("updateTime")?.as_str()?.to_owned(),
                },
            };
            Some(Change::Modified { path, old_index: old_index?, new_index: new_index?, content })
        }
        "removed" => Some(Change::Removed { path, old_index: old_index? }),
        _ => None,
    }
}

/// Reads a document resource. By hand: what serde derives for it is larger than all of this file.
pub fn read_document(resource: Value) -> Option<Document> {
    let Value::Object(mut fields) = resource else { return None };
    let data = match fields.remove("data") {
        Some(Value::Object(data)) => Some(data),
        Some(_) => return None,
        None => None,
    };
    let text = |key| Some(fields.get(key)?.as_str()?.to_owned());
    Some(Document {
        path: text("path")?,
        id: text("id")?,
        version: fields.get("version")?.as_u64()?,
        create_time: text("createTime")?,
        update_time: text("updateTime")?,
        data,
    })
}

/// The frame that begins to listen. `query` is JSON; `resume` is the one of the last frame of this query, if there was
/// one.
pub fn listen_text(target: u64, query: &str, resume: Option<&str>) -> String {
    let mut text = format!("{{\"listen\":{{\"target\":{target},\"query\":{query}");
    if let Some(resume) = resume {
        text.push_str(",\"resume\":");
        push_json_string(&mut text, resume);
    }
    text.push_str("}}");
    text
}

/// The frame that ends it.
pub fn unlisten_text(target: u64) -> String {
    format!("{{\"unlisten\":{target}}}")
}

/// The change that a document came. `document` is its resource as JSON.
pub fn added_text(path: &DocumentPath, new_index: usize, document: &str) -> String {
    let mut text = change_text("added", path);
    text.push_str(&format!(",\"oldIndex\":-1,\"newIndex\":{new_index},\"document\":{document}}}"));
    text
}

/// The change that a document's data changed. `patch` is JSON (RFC 6902), made for its data as it was before.
pub fn modified_text(
    path: &DocumentPath,
    old_index: usize,
    new_index: usize,
    version: u64,
    update_time: &str,
    patch: &str,
) -> String {
    let mut text = change_text("modified", path);
    text.push_str(&format!(
        ",\"oldIndex\":{old_index},\"newIndex\":{new_index},\"patch\":{patch},\"version\":{version},\"updateTime\":"
    ));
    push_json_string(&mut text, update_time);
    text.push('}');
    text
}

/// The same with the whole document, its resource as JSON: for where a patch is no shorter.
pub fn replaced_text(
    path: &DocumentPath,
    old_index: usize,
    new_index: usize,
    document: &str,
) -> String {
    let mut text = change_text("modified", path);
    text.push_str(&format!(
        ",\"oldIndex\":{old_index},\"newIndex\":{new_index},\"document\":{document}}}"
    ));
    text
}

/// The change that a document went.
pub fn removed_text(path: &DocumentPath, old_index: usize) -> String {
    let mut text = change_text("removed", path);
    text.push_str(&format!(",\"oldIndex\":{old_index},\"newIndex\":-1}}"));
    text
}

fn change_text(kind: &str, path: &DocumentPath) -> String {
    let mut text = format!("{{\"type\":\"{kind}\",\"path\":");
    push_json_string(&mut text, path.as_str());
    text
}

/// A frame of changes, still without a target.
pub fn changes_text(reset: bool, changes: &[String], resume: &str) -> String {
    let mut text = part_text(reset, changes);
    text.pop();
    text.push_str(",\"resume\":");
    push_json_string(&mut text, resume);
    text.push('}');
    text
}

/// The frames of changes that lead to one result, each of [`FRAME_BYTES`] at most, still without a target.
pub fn changes_texts(reset: bool, changes: &[String], resume: &str) -> Vec<String> {
    // What a frame has besides its changes: keys, a token, the target.
    let room = FRAME_BYTES.saturating_sub(256);
    let mut texts = Vec::new();
    let mut rest = changes;
    loop {
        let mut bytes = 0_usize;
        let fits = |change: &&String| {
            bytes = bytes.saturating_add(change.len()).saturating_add(1);
            bytes <= room
        };
        let count = rest.iter().take_while(fits).count().max(1);
        let resets = reset && texts.is_empty();
        match rest.split_at_checked(count) {
            Some((part, more)) if !more.is_empty() => {
                texts.push(part_text(resets, part));
                rest = more;
            }
            _ => {
                texts.push(changes_text(resets, rest, resume));
                return texts;
            }
        }
    }
}

/// True if a frame's text is one of [`changes_texts`], and not the last one.
pub fn is_part_text(text: &str) -> bool {
    text.starts_with("{\"type\":\"changes\"") && text.ends_with("]}")
}

fn part_text(reset: bool, changes: &[String]) -> String {
    let mut text = String::from("{\"type\":\"changes\",");
    if reset {
        text.push_str("\"reset\":true,");
    }
    text.push_str("\"changes\":[");
    text.push_str(&changes.join(","));
    text.push_str("]}");
    text
}

/// A frame, with the client's number for what it is about.
pub fn targeted(target: u64, frame: &str) -> String {
    let fields = frame.strip_prefix('{').unwrap_or(frame);
    format!("{{\"target\":{target},{fields}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::document_text;
    use crate::error::Code;
    use crate::patch::diff;
    use crate::wire::document::{PONG, error_text};
    use serde_json::json;

    fn path(text: &str) -> DocumentPath {
        DocumentPath::parse(text).unwrap()
    }

    fn document(path: &DocumentPath, version: u64, data: &Value) -> (String, Document) {
        let text = document_text(path, version, "c", "u", Some(&data.to_string()));
        let document = Document {
            path: path.to_string(),
            id: path.id().to_owned(),
            version,
            create_time: "c".to_owned(),
            update_time: "u".to_owned(),
            data: data.as_object().cloned(),
        };
        (text, document)
    }

    fn parsed(text: &str) -> Result<QueryMessage, Error> {
        QueryMessage::from_json(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn what_the_server_writes_the_client_reads() {
        let [a, b] = ["r/1/m/\"a\"", "r/1/m/b"].map(path);
        let (old, new) = (json!({"n": 1, "s": "\n"}), json!({"n": 2, "s": "\n"}));
        let patch = diff(&old, &new);
        let (added, came) = document(&a, 3, &old);
        let (replaced, whole) = document(&b, 9, &new);
        let texts = [
            added_text(&a, 0, &added),
            modified_text(&a, 0, 1, 4, "t", &serde_json::to_string(&patch).unwrap()),
            replaced_text(&b, 2, 0, &replaced),
            removed_text(&b, 7),
        ];
        let content = Content::Patch { patch, version: 4, update_time: "t".to_owned() };
        let changes = [
            Change::Added { path: a.clone(), new_index: 0, document: came },
            Change::Modified { path: a, old_index: 0, new_index: 1, content },
            Change::Modified {
                path: b.clone(),
                old_index: 2,
                new_index: 0,
                content: Content::Document(whole),
            },
            Change::Removed { path: b, old_index: 7 },
        ];
        for (reset, texts, changes) in [
            (true, &texts[..1], &changes[..1]),
            (false, &texts[..], &changes[..]),
            (false, &[], &[]),
        ] {
            let changes = Changes { reset, changes: changes.to_vec(), resume: "s\"1".to_owned() };
            let frame = targeted(2, &changes_text(reset, texts, "s\"1"));
            assert_eq!(parsed(&frame), Ok(QueryMessage::Changes { target: 2, changes }), "{frame}");
            assert_eq!(frame.contains("reset"), reset, "{frame}");
        }
        let error = Error::new(Code::PermissionDenied, "not \"yours\"");
        for (frame, target) in
            [(error_text(&error), None), (targeted(3, &error_text(&error)), Some(3))]
        {
            assert_eq!(
                parsed(&frame),
                Ok(QueryMessage::Error { target, error: error.clone() }),
                "{frame}"
            );
        }
        assert_eq!(parsed(PONG), Ok(QueryMessage::Pong(0)));
        assert_eq!(
            parsed(r#"{"id":"w","result":{"path":"a/b","version":7}}"#),
            Ok(QueryMessage::Written { id: "w".to_owned(), result: Ok(7) })
        );
        assert!(parsed(r#"{"ping":0}"#).is_err() && parsed("{}").is_err());
    }

    #[test]
    fn a_long_result_comes_in_frames_of_which_the_last_one_has_the_token() {
        let room = FRAME_BYTES - 256;
        let of = |bytes: usize| {
            let empty =
                added_text(&path("c/a"), 0, &document(&path("c/a"), 1, &json!({"s": ""})).0);
            let text = "x".repeat(bytes - empty.len() - 1);
            added_text(&path("c/a"), 0, &document(&path("c/a"), 1, &json!({"s": text})).0)
        };
        for (sizes, frames) in [
            (vec![], vec![0]),
            (vec![1_000], vec![1]),
            (vec![room / 2, room / 2], vec![2]),
            (vec![room / 2, room / 2 + 1], vec![1, 1]),
            (vec![room], vec![1]),
            (vec![2 * room], vec![1]),
            (vec![2 * room, 1_000, 1_000, 3 * room], vec![1, 2, 1]),
        ] {
            for reset in [false, true] {
                let changes: Vec<String> = sizes.iter().map(|size| of(*size)).collect();
                let texts = changes_texts(reset, &changes, "s");
                let mut parts = None;
                let mut whole = None;
                for (place, text) in texts.iter().enumerate() {
                    assert!(whole.is_none(), "{sizes:?}");
                    let frame = targeted(u64::from(u32::MAX), text);
                    assert!(frame.len() <= FRAME_BYTES || frames[place] == 1, "{}", frame.len());
                    assert_eq!(is_part_text(text), place + 1 < texts.len());
                    let Ok(QueryMessage::Changes { changes, .. }) = parsed(&frame) else {
                        panic!()
                    };
                    assert_eq!(changes.changes.len(), frames[place], "{sizes:?}");
                    assert_eq!(changes.reset, reset && place == 0);
                    whole = join_parts(&mut parts, changes);
                }
                assert_eq!(texts.len(), frames.len(), "{sizes:?}");
                let once = parsed(&targeted(2, &changes_text(reset, &changes, "s")));
                let whole = whole.map(|changes| QueryMessage::Changes { target: 2, changes });
                assert_eq!(whole, once.ok());
            }
        }
    }

    #[test]
    fn a_reset_voids_the_parts_before_it() {
        let part = Changes { reset: false, changes: Vec::new(), resume: String::new() };
        let removed = Change::Removed { path: path("c/a"), old_index: 0 };
        let mut parts = None;
        let first = Changes { changes: vec![removed], ..part.clone() };
        assert_eq!(join_parts(&mut parts, first), None);
        let last = Changes { reset: true, resume: "s".to_owned(), ..part };
        assert_eq!(join_parts(&mut parts, last.clone()), Some(last));
        assert_eq!(parts, None);
    }

    #[test]
    fn indexes_are_written_on_both_sides_as_firestore_has_them() {
        let change = |text: &str| {
            let change: Value = serde_json::from_str(text).unwrap();
            json!([change["type"], change["path"], change["oldIndex"], change["newIndex"]])
        };
        let a = path("c/a");
        assert_eq!(change(&added_text(&a, 4, "{}")), json!(["added", "c/a", -1, 4]));
        assert_eq!(
            change(&modified_text(&a, 4, 2, 1, "t", "[]")),
            json!(["modified", "c/a", 4, 2])
        );
        assert_eq!(change(&replaced_text(&a, 4, 2, "{}")), json!(["modified", "c/a", 4, 2]));
        assert_eq!(change(&removed_text(&a, 4)), json!(["removed", "c/a", 4, -1]));
    }

    #[test]
    fn what_the_client_writes_is_json_with_its_parts() {
        let query = r#"{"from":"users","limit":2}"#;
        let listen: Value = serde_json::from_str(&listen_text(2, query, Some("s\"1"))).unwrap();
        let parts = json!({"target": 2, "query": {"from": "users", "limit": 2}, "resume": "s\"1"});
        assert_eq!(listen, json!({"listen": parts}));
        let listen: Value = serde_json::from_str(&listen_text(2, query, None)).unwrap();
        assert_eq!(listen["listen"].get("resume"), None);
        assert_eq!(unlisten_text(2), r#"{"unlisten":2}"#);
    }

    #[test]
    fn frames_that_no_server_sends_are_errors() {
        let frame = |change: &str| targeted(2, &changes_text(false, &[change.to_owned()], "s"));
        let (resource, _) = document(&path("c/a"), 1, &json!({}));
        let good = frame(&added_text(&path("c/a"), 0, &resource));
        assert!(matches!(parsed(&good), Ok(QueryMessage::Changes { .. })));
        for bad in [
            "[]".to_owned(),
            good.replace("\"target\":2,", ""),
            good.replace("\"resume\":\"s\"", "\"resume\":1"),
            good.replace("added", "adopted"),
            good.replace("\"newIndex\":0", "\"newIndex\":-1"),
            good.replace("\"data\":{}", "\"data\":1"),
            good.replace("\"path\":\"c/a\"", "\"path\":\"c\""),
            frame(r#"{"type":"modified","path":"c/a","oldIndex":0,"newIndex":0}"#),
            frame(&removed_text(&path("c/a"), 0).replace("oldIndex", "index")),
        ] {
            assert!(parsed(&bad).is_err(), "{bad}");
        }
    }
}
