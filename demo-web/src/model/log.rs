//! What the server sent about the open document: the newest messages, the newest first.

use super::json_text;
use blaze_client::ServerMessage;
use serde_json::Value;
use std::collections::VecDeque;

/// How many messages are kept.
const CAPACITY: usize = 100;
/// How many operations of one message are shown.
const OPERATIONS: usize = 20;
/// How much of a value is shown.
const VALUE: usize = 120;

/// The newest messages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    entries: VecDeque<Entry>,
    next: u64,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its number: no other entry has it.
    pub(crate) number: u64,
    /// The time of day when it arrived.
    pub(crate) time: String,
    /// `snapshot`, `patch`, `delete` or `error`.
    pub(crate) kind: &'static str,
    /// The version that it leads to.
    pub(crate) version: Option<u64>,
    /// What it says, line by line.
    pub(crate) lines: Vec<Line>,
}

/// A line of an entry: `replace /capital/0 → "Lyon"`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    /// What is done, or what there is to say.
    pub(crate) verb: String,
    /// Where.
    pub(crate) path: String,
    /// The new value.
    pub(crate) value: Option<String>,
}

impl Log {
    /// Notes a message that arrived at `time`. Answers to this page's own requests are no news of the document.
    pub(crate) fn push(&mut self, time: String, message: &ServerMessage) {
        let (kind, version, lines) = match message {
            ServerMessage::Snapshot { version, data: Some(data), .. } => {
                let plural = if data.len() == 1 { "" } else { "s" };
                (
                    "snapshot",
                    Some(*version),
                    vec![Line::say(format!("{} field{plural}", data.len()))],
                )
            }
            ServerMessage::Snapshot { version, data: None, .. } => {
                ("snapshot", Some(*version), vec![Line::say("the document does not exist")])
            }
            ServerMessage::Patch { version, patch, .. } => {
                let operations = serde_json::to_value(patch).unwrap_or_default();
                ("patch", Some(*version), operation_lines(&operations))
            }
            ServerMessage::Delete { version, .. } => {
                ("delete", Some(*version), vec![Line::say("the document was deleted")])
            }
            ServerMessage::Error(error) => ("error", None, vec![Line::say(error.to_string())]),
            ServerMessage::Written { .. } | ServerMessage::Pong(_) => return,
        };
        self.entries.push_front(Entry { number: self.next, time, kind, version, lines });
        self.entries.truncate(CAPACITY);
        self.next += 1;
    }

    /// The entries, the newest first.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }
}

impl Line {
    fn say(text: impl Into<String>) -> Self {
        Line { verb: text.into(), ..Line::default() }
    }

    fn of_operation(operation: &Value) -> Self {
        let text =
            |key: &str| operation.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let value = match operation.get("from").and_then(Value::as_str) {
            Some(from) => Some(format!("from {from}")),
            None => operation.get("value").map(|value| json_text::preview(value, VALUE)),
        };
        let path = match text("path") {
            root if root.is_empty() => "the whole document".to_owned(),
            path => path,
        };
        Line { verb: text("op"), path, value }
    }
}

fn operation_lines(operations: &Value) -> Vec<Line> {
    let operations = operations.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut lines: Vec<Line> = operations.iter().take(OPERATIONS).map(Line::of_operation).collect();
    if let Some(more @ 1..) = operations.len().checked_sub(OPERATIONS) {
        lines.push(Line::say(format!("and {more} more")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn message(frame: Value) -> ServerMessage {
        ServerMessage::parse(&frame.to_string()).unwrap()
    }

    fn pushed(frames: impl IntoIterator<Item = Value>) -> Log {
        let mut log = Log::default();
        for frame in frames {
            log.push("10:00:00".to_owned(), &message(frame));
        }
        log
    }

    fn patch(version: u64, patch: Value) -> Value {
        json!({"type": "patch", "base": version - 1, "version": version, "patch": patch})
    }

    #[test]
    fn an_operation_is_a_line() {
        let log = pushed([patch(
            5,
            json!([
                {"op": "replace", "path": "/capital/0", "value": "Lyon"},
                {"op": "remove", "path": "/area"},
                {"op": "add", "path": "", "value": {}},
                {"op": "move", "from": "/a", "path": "/b"}
            ]),
        )]);
        let entry = log.entries().next().unwrap();
        assert_eq!((entry.kind, entry.version), ("patch", Some(5)));
        let lines: Vec<(&str, &str, Option<&str>)> = entry
            .lines
            .iter()
            .map(|line| (line.verb.as_str(), line.path.as_str(), line.value.as_deref()))
            .collect();
        assert_eq!(
            lines,
            [
                ("replace", "/capital/0", Some("\"Lyon\"")),
                ("remove", "/area", None),
                ("add", "the whole document", Some("{}")),
                ("move", "/b", Some("from /a"))
            ]
        );
    }

    #[test]
    fn the_newest_is_first_and_the_oldest_goes() {
        let log = pushed((1..=150).map(|version| patch(version, json!([]))));
        let versions: Vec<u64> = log.entries().filter_map(|entry| entry.version).collect();
        assert_eq!(
            (versions.len(), versions.first(), versions.last()),
            (100, Some(&150), Some(&51))
        );
        let numbers: Vec<u64> = log.entries().map(|entry| entry.number).collect();
        assert_eq!((numbers.first(), numbers.last()), (Some(&149), Some(&50)));
    }

    #[test]
    fn a_long_patch_is_cut() {
        let operations: Vec<Value> =
            (0..25).map(|number| json!({"op": "remove", "path": format!("/{number}")})).collect();
        let log = pushed([patch(1, json!(operations))]);
        let lines = &log.entries().next().unwrap().lines;
        assert_eq!((lines.len(), lines.last().unwrap().verb.as_str()), (21, "and 5 more"));
    }

    #[test]
    fn news_of_the_document_is_noted_and_answers_are_not() {
        let log = pushed([
            json!({"type": "snapshot", "epoch": "e", "version": 1, "data": {"a": 1}}),
            json!({"type": "snapshot", "epoch": "e", "version": 0, "data": null}),
            json!({"type": "delete", "base": 1, "version": 2}),
            json!({"type": "error", "code": "unavailable", "detail": "later"}),
            json!({"pong": 0}),
            json!({"id": "w1", "result": {"version": 3}}),
        ]);
        let said: Vec<String> = log
            .entries()
            .map(|entry| format!("{} {}", entry.kind, entry.lines.first().unwrap().verb))
            .collect();
        assert_eq!(
            said,
            [
                "error unavailable: later",
                "delete the document was deleted",
                "snapshot the document does not exist",
                "snapshot 1 field"
            ]
        );
    }
}
