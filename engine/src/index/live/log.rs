//! The last changes of an index's documents: what a listener that comes back is brought up to date with.

use crate::index::row::Parsed;
use blaze_schema::limits::{LIVE_LOG_BYTES, LIVE_LOG_CHANGES};
use std::collections::{HashMap, VecDeque};

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
    /// The document's resource before it, if there was one.
    before: Option<String>,
}

/// The resources that documents had at some time, by their paths; `None` for those that were not there.
pub(crate) type Earlier<'a> = HashMap<&'a str, Option<&'a str>>;

impl Change {
    fn bytes(&self) -> usize {
        self.path.len().saturating_add(self.before.as_ref().map_or(0, String::len))
    }
}

impl Log {
    pub(crate) fn new(name: u64) -> Self {
        Log { name, count: 0, changes: VecDeque::new(), bytes: 0 }
    }

    /// Notes a change, and forgets the oldest ones beyond the bounds.
    pub(crate) fn push(&mut self, before: Option<&Parsed>, path: &str) {
        let before = before.filter(|before| before.data.is_some());
        let before = before.map(|before| before.resource.clone());
        let change = Change { path: path.to_owned(), before };
        self.bytes = self.bytes.saturating_add(change.bytes());
        self.changes.push_back(change);
        self.count = self.count.saturating_add(1);
        while self.changes.len() > LIVE_LOG_CHANGES || self.bytes > LIVE_LOG_BYTES {
            let Some(oldest) = self.changes.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.bytes());
        }
    }

    /// The documents that changed after the first `count` changes, as they were then; `None` when not all of these
    /// changes are known.
    pub(crate) fn since(&self, count: u64) -> Option<Earlier<'_>> {
        let missed = usize::try_from(self.count.checked_sub(count)?).ok()?;
        let first = self.changes.len().checked_sub(missed)?;
        let mut earlier = Earlier::new();
        for change in self.changes.iter().skip(first) {
            earlier.entry(&change.path).or_insert(change.before.as_deref());
        }
        Some(earlier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(number: u64, text: &str) -> Parsed {
        let row = format!(
            "0\n{{\"path\":\"c/a\",\"id\":\"a\",\"version\":{number},\"createTime\":\"\",\"updateTime\":\"\",\"data\":{{\"t\":\"{text}\"}}}}"
        );
        Parsed::parse(row.as_bytes()).unwrap()
    }

    #[test]
    fn a_document_is_told_as_it_was_before_the_first_change_that_was_missed() {
        let mut log = Log::new(7);
        let [one, two] = [state(1, ""), state(2, "")];
        log.push(None, "c/a");
        log.push(Some(&one), "c/a");
        log.push(Some(&two), "c/a");
        let deleted = Parsed { data: None, ..state(4, "") };
        log.push(Some(&deleted), "c/b");
        let at = |count, path| log.since(count).map(|earlier| earlier.get(path).copied());
        assert_eq!(at(0, "c/a"), Some(Some(None)));
        assert_eq!(at(1, "c/a"), Some(Some(Some(one.resource.as_str()))));
        assert_eq!(at(2, "c/a"), Some(Some(Some(two.resource.as_str()))));
        assert_eq!(at(3, "c/a"), Some(None));
        assert_eq!(at(3, "c/b"), Some(Some(None)));
        assert_eq!(log.since(4), Some(Earlier::new()));
        assert_eq!(log.since(5), None, "nobody can have missed what has not happened");
    }

    #[test]
    fn the_oldest_changes_are_forgotten_beyond_the_bounds() {
        let mut log = Log::new(7);
        for _ in 0..LIVE_LOG_CHANGES {
            log.push(None, "c/a");
        }
        assert!(log.since(0).is_some());
        log.push(None, "c/a");
        assert!(log.since(0).is_none() && log.since(1).is_some());
        let large = state(1, &"x".repeat(LIVE_LOG_BYTES / 2));
        let mut log = Log::new(7);
        log.push(Some(&large), "c/a");
        assert!(log.since(0).is_some());
        log.push(Some(&large), "c/a");
        assert!(log.since(0).is_none() && log.since(1).is_some());
        assert!(log.bytes <= LIVE_LOG_BYTES);
        // One that fits in nowhere is not kept, and known to be missing.
        log.push(Some(&state(1, &"x".repeat(LIVE_LOG_BYTES))), "c/a");
        assert!(log.since(2).is_none() && log.since(3).is_some());
        assert_eq!((log.changes.len(), log.bytes), (0, 0));
    }
}
