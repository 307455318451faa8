//! A store whose operations fail when they are told to.

use blaze_store::{Change, Range, Row, Store, StoreError};
use std::cell::Cell;

/// A store that fails once, at an operation that is chosen before.
#[derive(Debug, Default)]
pub struct FlakyStore<S> {
    inner: S,
    /// How many operations go well first.
    fails_after: Cell<Option<usize>>,
    failed_commits: u64,
}

impl<S> FlakyStore<S> {
    /// The operation after so many fails; none with `None`.
    pub fn fail_after(&mut self, operations: Option<usize>) {
        self.fails_after.set(operations);
    }

    /// Commits that failed so far.
    pub fn failed_commits(&self) -> u64 {
        self.failed_commits
    }

    /// The store itself, which does not fail.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn check(&self) -> Result<(), StoreError> {
        let left = self.fails_after.get();
        self.fails_after.set(left.and_then(|left| left.checked_sub(1)));
        match left {
            Some(0) => Err(StoreError("told to fail".to_owned())),
            _ => Ok(()),
        }
    }
}

impl<S: Store> Store for FlakyStore<S> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.check()?;
        self.inner.get(key)
    }

    fn commit(&mut self, changes: &[Change<'_>]) -> Result<(), StoreError> {
        self.check().inspect_err(|_| self.failed_commits += 1)?;
        self.inner.commit(changes)
    }

    fn record(&self, key: &[u8]) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        self.check()?;
        self.inner.record(key)
    }

    fn follow(&self, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.check()?;
        self.inner.follow(range, limit)
    }

    fn last_record(&self) -> Result<u64, StoreError> {
        self.check()?;
        self.inner.last_record()
    }

    fn count(&self, range: &Range, limit: u64) -> Result<u64, StoreError> {
        self.check()?;
        self.inner.count(range, limit)
    }
}
