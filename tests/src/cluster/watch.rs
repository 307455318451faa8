//! The client's side of a socket: it applies every frame, and holds what it gets against the history.

use super::shell::State;
use serde_json::Value;
use std::collections::BTreeMap;

/// By path, the states of each document.
pub(super) type History = BTreeMap<String, Vec<State>>;

/// A state of a document that a client was shown.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shown {
    pub(super) path: String,
    pub(super) version: u64,
    pub(super) data: Option<Value>,
}

/// A document that is listened to.
#[derive(Clone, Debug)]
pub(super) struct DocumentWatch {
    pub(super) path: String,
    pub(super) epoch: String,
    /// Version and data, `None` for a document that does not exist.
    pub(super) held: Option<(u64, Option<Value>)>,
}

impl DocumentWatch {
    pub(super) fn new(path: &str) -> Self {
        DocumentWatch { path: path.to_owned(), epoch: String::new(), held: None }
    }

    /// Applies a frame. Returns the state that it shows.
    ///
    /// # Panics
    /// For a gap, and for a patch that does not apply.
    pub(super) fn apply(&mut self, frame: &Value) -> Option<Shown> {
        let path = &self.path;
        let version = frame["version"].as_u64()?;
        let data = match frame["type"].as_str()? {
            "snapshot" => {
                frame["epoch"].as_str()?.clone_into(&mut self.epoch);
                Some(frame["data"].clone()).filter(|data| !data.is_null())
            }
            kind @ ("patch" | "delete") => {
                let (held, data) = self.held.clone().unwrap_or_else(|| {
                    panic!("{path}: {frame} before any state");
                });
                let base = frame["base"].as_u64();
                assert_eq!(base, Some(held), "{path}: a gap before {frame}");
                assert_eq!(version, held + 1, "{path}: a gap in {frame}");
                (kind == "patch").then(|| patched(data.unwrap_or(Value::Null), &frame["patch"]))
            }
            _ => return None,
        };
        self.held = Some((version, data.clone()));
        Some(Shown { path: self.path.clone(), version, data })
    }
}

/// Applies a patch.
///
/// # Panics
/// If it does not apply.
pub(super) fn patched(mut data: Value, patch: &Value) -> Value {
    let patch: json_patch::Patch = serde_json::from_value(patch.clone()).expect("a patch");
    json_patch::patch(&mut data, &patch).unwrap_or_else(|error| panic!("a patch: {error}"));
    data
}

/// The condition of a query.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Filter {
    All,
    Owner(&'static str),
    /// `n` is at least this.
    AtLeast(i64),
}

impl Filter {
    pub(super) fn matches(&self, data: &Value) -> bool {
        match self {
            Filter::All => true,
            Filter::Owner(owner) => data["owner"] == **owner,
            Filter::AtLeast(least) => data["n"].as_i64().is_some_and(|n| n >= *least),
        }
    }

    /// The query of a collection with this condition.
    pub(super) fn query(&self, collection: &str) -> Value {
        let mut query = serde_json::json!({"from": collection});
        match self {
            Filter::All => {}
            Filter::Owner(owner) => {
                query["where"] = serde_json::json!({"field": "owner", "op": "==", "value": owner});
            }
            Filter::AtLeast(least) => {
                query["where"] = serde_json::json!({"field": "n", "op": ">=", "value": least});
            }
        }
        query
    }
}

/// A query that is listened to.
#[derive(Clone, Debug)]
pub(super) struct QueryWatch {
    pub(super) collection: &'static str,
    pub(super) filter: Filter,
    pub(super) held: Vec<Shown>,
    /// True once it holds a result.
    pub(super) has_result: bool,
    pub(super) resume: Option<String>,
    /// The versions that somebody had been shown when it began.
    pub(super) floors: BTreeMap<String, u64>,
}

impl QueryWatch {
    /// Applies a frame. Returns the states that it shows.
    ///
    /// # Panics
    /// For changes that do not fit what is held.
    pub(super) fn apply(&mut self, frame: &Value) -> Vec<Shown> {
        if frame["type"] != "changes" {
            return Vec::new();
        }
        if frame["reset"] == true {
            self.held.clear();
        } else {
            assert!(self.has_result, "changes before a result: {frame}");
        }
        self.has_result = true;
        if let Some(resume) = frame["resume"].as_str() {
            self.resume = Some(resume.to_owned());
        }
        let mut shown = Vec::new();
        for change in frame["changes"].as_array().into_iter().flatten() {
            shown.extend(self.change(change));
        }
        shown
    }

    fn change(&mut self, change: &Value) -> Option<Shown> {
        let path = change["path"].as_str().expect("a path").to_owned();
        let place = |name: &str| usize::try_from(change[name].as_i64().expect("a place")).ok();
        let before = place("oldIndex").map(|place| {
            assert!(place < self.held.len(), "no document is at the place of {change}");
            self.held.remove(place)
        });
        if let Some(before) = &before {
            assert_eq!(before.path, path, "another document is at the place of {change}");
        }
        let place = place("newIndex")?;
        let document = &change["document"];
        let shown = if document.is_null() {
            let before = before.expect("a patch is of something");
            let data = patched(before.data.unwrap_or(Value::Null), &change["patch"]);
            let version = change["version"].as_u64().expect("a version");
            Shown { path, version, data: Some(data) }
        } else {
            let version = document["version"].as_u64().expect("a version");
            Shown { path, version, data: Some(document["data"].clone()) }
        };
        assert!(place <= self.held.len(), "no place for {change}");
        self.held.insert(place, shown.clone());
        Some(shown)
    }
}
