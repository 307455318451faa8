//! A client of a live query that believes nothing: it does what every frame says, and says where a frame is wrong.

use blaze_schema::document::Document;
use blaze_schema::error::Error;
use blaze_schema::patch::apply_trusted;
use blaze_schema::wire::query::{Change, Changes, Content, QueryMessage, join_parts, targeted};
use serde_json::Value;
use std::collections::BTreeSet;

/// A client of one live query.
#[derive(Clone, Debug, Default)]
pub struct LiveClient {
    /// The result, each document with its resource as JSON.
    held: Vec<(Document, String)>,
    /// What the last frame said of where to go on.
    resume: Option<String>,
    /// The first frames of a result whose last one is not here yet.
    parts: Option<Changes>,
}

/// What a frame was.
#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    /// The result moved.
    Changes {
        /// Whether what was held before was void.
        reset: bool,
        /// How many documents were told.
        told: usize,
    },
    /// More frames of the same result follow.
    Part,
    /// The end.
    Ended(Error),
}

impl LiveClient {
    /// Applies frames, a line each; returns what the last one was.
    ///
    /// # Errors
    /// The first fault of a frame.
    pub fn receive_all(&mut self, frames: &str) -> Result<Received, String> {
        frames.lines().try_fold(Received::Part, |_, frame| self.receive(frame))
    }

    /// Applies a frame, with a target or without.
    ///
    /// # Errors
    /// The fault of the frame.
    pub fn receive(&mut self, frame: &str) -> Result<Received, String> {
        let value: Value = serde_json::from_str(frame).map_err(|error| error.to_string())?;
        if value["type"] == "error" {
            let message = serde_json::from_str(&targeted(0, frame)).map_err(|e| e.to_string())?;
            return match QueryMessage::from_json(message) {
                Ok(QueryMessage::Error { error, .. }) => Ok(Received::Ended(error)),
                other => Err(format!("{other:?}")),
            };
        }
        let changes = Changes::from_json(value).ok_or("a frame that cannot be read")?;
        let Some(changes) = join_parts(&mut self.parts, changes) else { return Ok(Received::Part) };
        match (changes.reset, self.resume.is_some()) {
            (false, false) => return Err("what comes first is not the whole result".to_owned()),
            (true, _) => self.held.clear(),
            (false, true) => {}
        }
        let told = changes.changes.len();
        let mut paths = BTreeSet::new();
        for (number, change) in changes.changes.into_iter().enumerate() {
            let path = match &change {
                Change::Added { path, .. }
                | Change::Modified { path, .. }
                | Change::Removed { path, .. } => path.to_string(),
            };
            self.change(change, &path).map_err(|error| format!("change {number}: {error}"))?;
            if !paths.insert(path) {
                return Err(format!("change {number}: told twice"));
            }
        }
        self.resume = Some(changes.resume);
        Ok(Received::Changes { reset: changes.reset, told })
    }

    fn change(&mut self, change: Change, path: &str) -> Result<(), String> {
        match change {
            Change::Added { new_index, document, .. } => {
                if self.held.iter().any(|(held, _)| held.path == path) {
                    return Err(format!("{path} is added, and here already"));
                }
                self.put(new_index, path, document)
            }
            Change::Modified { old_index, new_index, content, .. } => {
                let before = self.take(old_index, path)?;
                let document = match content {
                    Content::Document(document) => document,
                    Content::Patch { patch, version, update_time } => {
                        let data = Value::Object(before.data.clone().unwrap_or_default());
                        let mut data = data;
                        apply_trusted(&mut data, &patch).map_err(|error| error.to_string())?;
                        let data = data.as_object().cloned();
                        Document { version, update_time, data, ..before.clone() }
                    }
                };
                if document == before {
                    return Err(format!("{path} is modified, and has not changed"));
                }
                self.put(new_index, path, document)
            }
            Change::Removed { old_index, .. } => self.take(old_index, path).map(drop),
        }
    }

    /// The document of this path, which is to be at `index`.
    fn take(&mut self, index: usize, path: &str) -> Result<Document, String> {
        match self.held.get(index) {
            Some((held, _)) if held.path == path => Ok(self.held.remove(index).0),
            there => {
                Err(format!("{path} is not at {index}, but {:?}", there.map(|(_, text)| text)))
            }
        }
    }

    fn put(&mut self, index: usize, path: &str, document: Document) -> Result<(), String> {
        if index > self.held.len() {
            return Err(format!("{path} at {index} of {}", self.held.len()));
        }
        if document.path != path {
            return Err(format!("{path} is {}", document.path));
        }
        let text = serde_json::to_string(&document).map_err(|error| error.to_string())?;
        self.held.insert(index, (document, text));
        Ok(())
    }

    /// What the next socket can go on from.
    pub fn resume(&self) -> Option<&str> {
        self.resume.as_deref()
    }

    /// The documents.
    pub fn documents(&self) -> impl Iterator<Item = &Document> {
        self.held.iter().map(|(document, _)| document)
    }

    /// What is held as an answer to the query begins: `{"documents":[…]`.
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self.held.iter().map(|(_, text)| text.as_str()).collect();
        format!("{{\"documents\":[{}]", texts.join(","))
    }

    /// How many documents of the result have come, changed or gone since `earlier`.
    pub fn differences(&self, earlier: &LiveClient) -> usize {
        let (now, then) = (&self.held, &earlier.held);
        let is_new = |(document, _): &&(Document, String)| {
            !then.iter().any(|(then, _)| is_same(document, then))
        };
        let has_gone = |(document, _): &&(Document, String)| {
            !now.iter().any(|(now, _)| now.path == document.path)
        };
        now.iter().filter(is_new).count() + then.iter().filter(has_gone).count()
    }
}

fn is_same(a: &Document, b: &Document) -> bool {
    (&a.path, a.version, &a.update_time) == (&b.path, b.version, &b.update_time)
}
