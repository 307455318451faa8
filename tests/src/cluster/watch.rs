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

/// The state that a resource shows; `None` for one without data.
pub(super) fn shown(resource: &Value) -> Option<Shown> {
    let path = resource["path"].as_str()?.to_owned();
    let (version, data) = (resource["version"].as_u64()?, resource.get("data")?.clone());
    Some(Shown { path, version, data: Some(data) })
}

/// A document that is listened to.
#[derive(Clone, Debug)]
pub(super) struct DocumentWatch {
    pub(super) path: String,
    pub(super) epoch: String,
    /// Version and data, `None` for a document that does not exist.
    pub(super) held: Option<(u64, Option<Value>)>,
    /// True until the first frame for one who comes back with a state.
    pub(super) is_back: bool,
    /// The kind of its last frame.
    pub(super) frame: &'static str,
}

impl DocumentWatch {
    pub(super) fn new(path: &str) -> Self {
        let (path, epoch) = (path.to_owned(), String::new());
        DocumentWatch { path, epoch, held: None, is_back: false, frame: "" }
    }

    /// Applies a frame. Returns the state that it shows.
    ///
    /// # Panics
    /// For a gap, and for a patch that does not apply.
    pub(super) fn apply(&mut self, frame: &Value) -> Option<Shown> {
        let path = &self.path;
        self.frame = "";
        let version = frame["version"].as_u64()?;
        let kind = frame["type"].as_str()?;
        self.frame = match (std::mem::take(&mut self.is_back), kind) {
            (true, "snapshot") => "snapshot for who comes back",
            (true, _) => "missed frames served",
            (false, _) => "frame",
        };
        let data = match kind {
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
    /// The [`WINDOW`] documents with the greatest `n`, of an owner or of all.
    Top(Option<&'static str>),
}

/// Most documents of a [`Filter::Top`].
pub(super) const WINDOW: usize = 2;

impl Filter {
    pub(super) fn matches(&self, data: &Value) -> bool {
        match self {
            Filter::All => true,
            Filter::Owner(owner) => data["owner"] == **owner,
            Filter::AtLeast(least) => data["n"].as_i64().is_some_and(|n| n >= *least),
            Filter::Top(owner) => {
                data["n"].is_i64() && owner.is_none_or(|owner| data["owner"] == *owner)
            }
        }
    }

    /// True if the window is full: a document that matches may be out of it.
    pub(super) fn is_full(&self, found: usize) -> bool {
        matches!(self, Filter::Top(_)) && found >= WINDOW
    }

    /// Puts documents, by path and data, in the order of the query, and cuts what it does not show.
    pub(super) fn arrange<T>(&self, found: &mut Vec<T>, key: impl Fn(&T) -> (i64, String)) {
        if let Filter::Top(_) = self {
            found.sort_by_key(|one| std::cmp::Reverse(key(one)));
            found.truncate(WINDOW);
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
            Filter::Top(owner) => {
                query["orderBy"] = serde_json::json!([{"field": "n", "direction": "desc"}]);
                query["limit"] = serde_json::json!(WINDOW);
                if let Some(owner) = owner {
                    query["where"] =
                        serde_json::json!({"field": "owner", "op": "==", "value": owner});
                }
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
    /// True until the first frame for one who comes back.
    pub(super) is_back: bool,
    /// The kind of its last frame.
    pub(super) frame: &'static str,
}

impl QueryWatch {
    /// Applies a frame. Returns the states that it shows.
    ///
    /// # Panics
    /// For changes that do not fit what is held.
    pub(super) fn apply(&mut self, frame: &Value) -> Vec<Shown> {
        self.frame = "";
        if frame["type"] != "changes" {
            return Vec::new();
        }
        let is_reset = frame["reset"] == true;
        self.frame = match (std::mem::take(&mut self.is_back), is_reset) {
            (true, true) => "query resumed in vain",
            (true, false) => "query resumed",
            (false, true) if self.has_result => "query begun anew",
            (false, true) => "query begun",
            (false, false) => "changes of a query",
        };
        if is_reset {
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
