//! A store in memory, for tests and the simulation.

use super::{Store, StoreError};
use std::collections::BTreeMap;

/// Rows in a `BTreeMap`; counts the rows written.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    rows_written: u64,
}

impl MemoryStore {
    /// Rows written since the store was made.
    pub fn rows_written(&self) -> u64 {
        self.rows_written
    }
}

impl Store for MemoryStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.rows.get(key).cloned())
    }

    fn put_all(&mut self, rows: &[(&[u8], &[u8])]) -> Result<(), StoreError> {
        if rows.len() > 2 {
            return Err(StoreError("more rows than a write has".to_owned()));
        }
        for (key, value) in rows {
            self.rows.insert(key.to_vec(), value.to_vec());
            self.rows_written = self.rows_written.saturating_add(1);
        }
        Ok(())
    }
}
