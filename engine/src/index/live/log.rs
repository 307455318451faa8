//! The last changes of an index's documents: what a listener that comes back is brought up to date with.

use crate::index::row::Parsed;
use blaze_schema::limits::{LIVE_LOG_BYTES, LIVE_LOG_CHANGES};
use std::collections::VecDeque;

/// The log. It is memory only: an index that has lost it starts another, of another name.
#[derive(Debug)]
pub(crate) struct Log {
    /// What tells this log from others.
    pub(crate) name: u64,
    /// How many changes there were.
    pub(crate) count: u64,
    changes: VecDeque<Change>,
    bytes: usize,
}

#[derive(Debug)]
struct Change {
    path: String,
    /// The document before it.
    before: Option<Parsed>,
}

impl Change {
    fn bytes(&self) -> usize {
        let before = self.before.as_ref().map_or(0, |before| before.resource.len());
        before.saturating_add(self.path.len())
    }
}

impl Log {
    pub(crate) fn new(name: u64) -> Self {
        Log { name, count: 0, changes: VecDeque::new(), bytes: 0 }
    }

    /// Notes a change, and forgets the oldest ones beyond the bounds.
    pub(crate) fn push(&mut self, before: Option<&Parsed>, path: &str) {
        let before = before.filter(|before| before.data.is_some()).cloned();
        let change = Change { path: path.to_owned(), before };
        self.bytes = self.bytes.saturating_add(change.bytes());
        self.changes.push_back(change);
        self.count = self.count.saturating_add(1);
        while self.changes.len() > LIVE_LOG_CHANGES || self.bytes > LIVE_LOG_BYTES {
            let Some(oldest) = self.changes.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.bytes());
        }
    }

    /// The documents that changed since `count`, each as it was then (`None` when it was not there); `None` when not all
    /// of these changes are known.
    pub(crate) fn since(&self, count: u64) -> Option<Vec<(&str, Option<&Parsed>)>> {
        let missed = usize::try_from(self.count.checked_sub(count)?).ok()?;
        let first = self.changes.len().checked_sub(missed)?;
        let mut documents: Vec<(&str, Option<&Parsed>)> = Vec::new();
        for change in self.changes.iter().skip(first) {
            if !documents.iter().any(|(path, _)| *path == change.path) {
                documents.push((&change.path, change.before.as_ref()));
            }
        }
        Some(documents)
    }
}
