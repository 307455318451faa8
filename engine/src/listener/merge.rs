//! The merger of the parts that the shards of a collection have: one live result.
//!
//! Each shard keeps the first documents of its own part. The client sees the first of all of them, so a change of one
//! part may bring in a document of another; it is here already.

use crate::index::live::steps::{Entry, Step, steps};
use crate::index::live::{check_size, state_of};
use crate::index::request::Request;
use blaze_schema::document::Document;
use blaze_schema::error::Error;
use blaze_schema::patch::apply_trusted;
use blaze_schema::path::DocumentPath;
use blaze_schema::query::{Query, project};
use blaze_schema::value::Map;
use blaze_schema::wire::query::{
    Change, Changes, Content, added_text, changes_texts, join_parts, modified_text, removed_text,
    replaced_text,
};
use serde_json::Value;

/// The merger of one target.
#[derive(Debug)]
pub(super) struct Merge {
    request: Request<'static>,
    /// Documents by shard; `None` before the shard's first frame.
    parts: Vec<Option<Vec<Held>>>,
    /// By shard, the first frames of a result whose last one is not there yet.
    begun: Vec<Option<Changes>>,
    /// The result that the client has: paths, and numbers that tell the states of the documents apart.
    shown: Vec<(String, u64)>,
    /// The digest of the result with which the client came, until all parts are there.
    resumed: Option<u64>,
    has_begun: bool,
}

/// A document of a part.
#[derive(Clone, Debug)]
struct Held {
    sort_key: Vec<u8>,
    path: DocumentPath,
    document: Document,
    state: u64,
    /// The bytes of its resource.
    bytes: usize,
}

impl Held {
    fn new(request: &Request<'_>, document: Document) -> Result<Self, Error> {
        let path = DocumentPath::parse(&document.path).map_err(|_| broken())?;
        let sort_key = request.sort_key(&path, document.data.as_ref().unwrap_or(&Map::new()));
        let state = state_of(&document.path, document.version, &document.update_time);
        let bytes = serde_json::to_string(&document).map_err(|_| broken())?.len();
        Ok(Held { sort_key, path, document, state, bytes })
    }
}

/// A change of a document that is seen, as the shard sent it.
struct Told {
    path: String,
    text: Option<(String, u64, String)>,
}

fn broken() -> Error {
    Error::internal("a shard's frame cannot be read")
}

impl Merge {
    /// # Errors
    /// The errors of the query's page token: it has none.
    pub(super) fn new(query: Query, shards: usize, resume: Option<&str>) -> Result<Self, Error> {
        Ok(Merge {
            request: Request::owned(query)?,
            parts: (0..shards).map(|_| None).collect(),
            begun: (0..shards).map(|_| None).collect(),
            shown: Vec::new(),
            resumed: resume.and_then(|resume| u64::from_str_radix(resume, 16).ok()),
            has_begun: false,
        })
    }

    /// Takes a shard's frame. Returns the client's, none if nothing changes for it.
    ///
    /// # Errors
    /// `internal` for a frame that no shard sends; `resource-exhausted` for a result that is too large, though no
    /// part of it is.
    pub(super) fn frame(&mut self, part: usize, text: &str) -> Result<Vec<String>, Error> {
        let frame: Value = serde_json::from_str(text).map_err(|_| broken())?;
        let changes = Changes::from_json(frame).ok_or_else(broken)?;
        let begun = self.begun.get_mut(part).ok_or_else(broken)?;
        let Some(changes) = join_parts(begun, changes) else { return Ok(Vec::new()) };
        let Some(place) = self.parts.get_mut(part) else { return Err(broken()) };
        if changes.reset {
            *place = Some(Vec::new());
        }
        let Some(held) = place else { return Err(broken()) };
        let mut told = Vec::new();
        for change in changes.changes {
            told.extend(apply(&self.request, held, change)?);
        }
        if self.parts.iter().any(Option::is_none) {
            return Ok(Vec::new());
        }
        self.show(&told, changes.reset && self.has_begun)
    }

    /// Returns the result that the client must see now, as changes of the result that it has.
    fn show(&mut self, told: &[Told], reset: bool) -> Result<Vec<String>, Error> {
        let mut all: Vec<&Held> = self.parts.iter().flatten().flatten().collect();
        all.sort_by(|a, b| a.sort_key.cmp(&b.sort_key));
        if let Some(wanted) = self.request.wanted {
            all.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
        }
        let bytes = all.iter().fold(0_usize, |bytes, held| bytes.saturating_add(held.bytes));
        check_size(all.len(), bytes)?;
        let offset = usize::try_from(self.request.query.offset).unwrap_or(usize::MAX);
        let mut seen: Vec<&Held> = all.into_iter().skip(offset).collect();
        if self.request.is_turned {
            seen.reverse();
        }
        let next: Vec<Entry<'_>> =
            seen.iter().map(|held| (held.path.as_str(), held.state)).collect();
        let digest = next.iter().fold(0_u64, |digest, (_, state)| digest.wrapping_add(*state));
        let is_first = !self.has_begun;
        self.has_begun = true;
        let is_resumed = is_first && self.resumed.take() == Some(digest);
        let old: Vec<Entry<'_>> = if is_first || reset {
            Vec::new()
        } else {
            self.shown.iter().map(|(path, state)| (path.as_str(), *state)).collect()
        };
        let mut texts = Vec::new();
        if !is_resumed {
            for step in steps(&old, &next) {
                texts.extend(self.text(step, &old, &seen, told));
            }
        }
        let resets = (is_first && !is_resumed) || reset;
        let frames = if resets || is_first || !texts.is_empty() {
            changes_texts(resets, &texts, &format!("{digest:x}"))
        } else {
            Vec::new()
        };
        self.shown = next.into_iter().map(|(path, state)| (path.to_owned(), state)).collect();
        Ok(frames)
    }

    fn text(&self, step: Step, old: &[Entry<'_>], seen: &[&Held], told: &[Told]) -> Option<String> {
        Some(match step {
            Step::Removed { old: place, index } => {
                let (path, _) = old.get(place)?;
                removed_text(&DocumentPath::parse(path).ok()?, index)
            }
            Step::Added { new, index } => {
                let held = seen.get(new)?;
                added_text(&held.path, index, &self.resource(held))
            }
            Step::Modified { new, old_index, new_index } => {
                let held = seen.get(new)?;
                let mut changes = told.iter().filter(|told| told.path == held.path.as_str());
                match (changes.next(), changes.next(), &self.request.query.select) {
                    (Some(Told { text: Some((patch, version, time)), .. }), None, None) => {
                        modified_text(&held.path, old_index, new_index, *version, time, patch)
                    }
                    _ => replaced_text(&held.path, old_index, new_index, &self.resource(held)),
                }
            }
        })
    }

    fn resource(&self, held: &Held) -> String {
        let mut document = held.document.clone();
        if let (Some(select), Some(data)) = (&self.request.query.select, &document.data) {
            document.data = Some(project(data, Some(select)));
        }
        // A document always serialises; were it not to, the client would refuse the frame and come back.
        serde_json::to_string(&document).unwrap_or_default()
    }
}

/// Applies a change to a part. Returns the change of a document that stays, as the shard sent it.
fn apply(
    request: &Request<'_>,
    part: &mut Vec<Held>,
    change: Change,
) -> Result<Option<Told>, Error> {
    match change {
        Change::Added { new_index, document, .. } => {
            let held = Held::new(request, document)?;
            if new_index > part.len() {
                return Err(broken());
            }
            part.insert(new_index, held);
            Ok(None)
        }
        Change::Removed { old_index, .. } => {
            if old_index >= part.len() {
                return Err(broken());
            }
            part.remove(old_index);
            Ok(None)
        }
        Change::Modified { path, old_index, new_index, content } => {
            if old_index >= part.len() || new_index >= part.len() {
                return Err(broken());
            }
            let mut held = part.remove(old_index);
            let mut text = None;
            let document = match content {
                Content::Document(document) => document,
                Content::Patch { patch, version, update_time } => {
                    let mut data = Value::Object(held.document.data.take().unwrap_or_default());
                    apply_trusted(&mut data, &patch)?;
                    let patch = serde_json::to_string(&patch).map_err(|_| broken())?;
                    text = Some((patch, version, update_time.clone()));
                    let Value::Object(data) = data else { return Err(broken()) };
                    Document { version, update_time, data: Some(data), ..held.document }
                }
            };
            part.insert(new_index, Held::new(request, document)?);
            Ok(Some(Told { path: path.as_str().to_owned(), text }))
        }
    }
}
