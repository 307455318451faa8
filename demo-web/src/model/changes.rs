//! Which fields changed by someone else's hand, so that the page can point at them.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// How often each field of a document has changed without this page having written it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    /// This page's writes that the document is not known to hold yet.
    ours: Vec<Ours>,
    theirs: BTreeMap<String, u32>,
    /// The version that was seen last.
    seen: u64,
}

/// A write of this page to one field.
#[derive(Clone, Debug)]
struct Ours {
    name: String,
    /// The version that holds it, once it is answered.
    done_at: Option<u64>,
}

impl Changes {
    /// This page starts to write a field.
    pub(crate) fn begin(&mut self, name: &str) {
        self.ours.push(Ours { name: name.to_owned(), done_at: None });
    }

    /// The first write to that field that [`begin`](Self::begin) told of was answered: it is in `version`, or nowhere
    /// because it was refused. The answer may come before the document does.
    pub(crate) fn end(&mut self, name: &str, version: Option<u64>) {
        let first = self.ours.iter().position(|ours| ours.name == name && ours.done_at.is_none());
        let Some(first) = first else { return };
        match version.filter(|version| *version > self.seen) {
            Some(version) => self.ours[first].done_at = Some(version),
            None => drop(self.ours.remove(first)),
        }
    }

    /// The document went from `old` to `new`, which is at `version`. Of a document that did not exist before, nothing
    /// stands out.
    pub(crate) fn observe(
        &mut self,
        old: Option<&Map<String, Value>>,
        new: &Map<String, Value>,
        version: u64,
    ) {
        if let Some(old) = old {
            self.compare(old, new);
        } else {
            self.theirs.clear();
        }
        self.seen = version;
        self.ours.retain(|ours| ours.done_at.is_none_or(|done_at| done_at > version));
    }

    fn compare(&mut self, old: &Map<String, Value>, new: &Map<String, Value>) {
        for (name, value) in new {
            let is_ours = self.ours.iter().any(|ours| ours.name == *name);
            if !is_ours && old.get(name) != Some(value) {
                *self.theirs.entry(name.clone()).or_default() += 1;
            }
        }
    }

    /// How often others have changed the field.
    pub(crate) fn of(&self, name: &str) -> u32 {
        self.theirs.get(name).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn observe(changes: &mut Changes, old: Value, new: Value, version: u64) {
        changes.observe(old.as_object(), new.as_object().unwrap(), version);
    }

    #[test]
    fn what_others_change_counts() {
        let mut changes = Changes::default();
        observe(&mut changes, json!({"a": 1, "b": 1}), json!({"a": 2, "b": 1, "c": 1}), 2);
        assert_eq!(["a", "b", "c"].map(|name| changes.of(name)), [1, 0, 1]);
        observe(&mut changes, Value::Null, json!({"a": 3}), 4);
        assert_eq!(changes.of("a"), 0);
    }

    #[test]
    fn a_write_is_ours_until_the_document_holds_it() {
        let mut changes = Changes::default();
        observe(&mut changes, json!({}), json!({}), 1);
        changes.begin("t");
        observe(&mut changes, json!({}), json!({"t": "an estimate"}), 1);
        changes.end("t", Some(2));
        observe(&mut changes, json!({"t": "an estimate"}), json!({"t": "the commit's time"}), 2);
        assert_eq!(changes.of("t"), 0);
        observe(&mut changes, json!({"t": "the commit's time"}), json!({"t": "theirs"}), 3);
        assert_eq!(changes.of("t"), 1);
    }

    #[test]
    fn an_answer_that_comes_late_or_refuses_ends_it_at_once() {
        let mut changes = Changes::default();
        for (version, answer) in [(2, Some(2)), (3, None)] {
            changes.begin("a");
            observe(&mut changes, json!({"a": 0}), json!({"a": version}), version);
            changes.end("a", answer);
        }
        assert_eq!(changes.of("a"), 0);
        observe(&mut changes, json!({"a": 3}), json!({"a": 4}), 4);
        assert_eq!(changes.of("a"), 1);
        changes.end("never begun", Some(9));
    }

    #[test]
    fn writes_to_one_field_are_told_apart() {
        let mut changes = Changes::default();
        changes.begin("a");
        changes.begin("a");
        changes.end("a", Some(1));
        observe(&mut changes, json!({}), json!({"a": 1}), 1);
        observe(&mut changes, json!({"a": 1}), json!({"a": 2}), 2);
        assert_eq!(changes.of("a"), 0);
        changes.end("a", Some(2));
        observe(&mut changes, json!({"a": 2}), json!({"a": 3}), 3);
        assert_eq!(changes.of("a"), 1);
    }
}
