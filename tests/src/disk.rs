//! A store that may be full.

use blaze_store::memory::MemoryStore;
use blaze_store::{Change, Range, Row, Store, StoreError};

/// A store in memory that takes no changes while it is full.
#[derive(Debug, Default)]
pub struct Disk {
    /// What it has.
    pub rows: MemoryStore,
    /// True while it is full.
    pub full: bool,
    /// Number of changes that it did not take.
    pub refused: u64,
    /// True if it does not say so.
    pub lies: bool,
}

impl Store for Disk {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.rows.get(key)
    }

    fn commit(&mut self, changes: &[Change<'_>]) -> Result<(), StoreError> {
        if self.full {
            self.refused += 1;
            if self.lies {
                return Ok(());
            }
            return Err(StoreError("the disk is full".to_owned()));
        }
        self.rows.commit(changes)
    }

    fn record(&self, key: &[u8]) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        self.rows.record(key)
    }

    fn follow(&self, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.rows.follow(range, limit)
    }

    fn last_record(&self) -> Result<u64, StoreError> {
        self.rows.last_record()
    }

    fn count(&self, range: &Range, limit: u64) -> Result<u64, StoreError> {
        self.rows.count(range, limit)
    }
}
