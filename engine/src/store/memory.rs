//! A store in memory, for tests and the simulation.

use super::{Change, Range, Row, Store, StoreError};
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

    /// All rows.
    pub fn rows(&self) -> &BTreeMap<Vec<u8>, Vec<u8>> {
        &self.rows
    }

    fn range(&self, range: &Range) -> Box<dyn Iterator<Item = (&Vec<u8>, &Vec<u8>)> + '_> {
        if range.is_empty() {
            return Box::new(std::iter::empty());
        }
        let rows = self.rows.range(range.start.clone()..range.end.clone());
        if range.reverse { Box::new(rows.rev()) } else { Box::new(rows) }
    }
}

impl Store for MemoryStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.rows.get(key).cloned())
    }

    fn commit(&mut self, changes: &[Change<'_>]) -> Result<(), StoreError> {
        for change in changes {
            let written = match *change {
                Change::Put(key, value) => {
                    self.rows.insert(key.to_vec(), value.to_vec());
                    1
                }
                Change::Delete(key) => u64::from(self.rows.remove(key).is_some()),
                Change::Move { from, to, value } => {
                    self.rows.remove(from);
                    self.rows.insert(to.to_vec(), value.to_vec());
                    1
                }
            };
            self.rows_written = self.rows_written.saturating_add(written);
        }
        Ok(())
    }

    fn scan(&self, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError> {
        Ok(self.range(range).take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn follow(&self, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError> {
        let followed = self
            .range(range)
            .filter_map(|(key, target)| Some((key.clone(), self.rows.get(target)?.clone())));
        Ok(followed.take(limit).collect())
    }

    fn count(&self, range: &Range, limit: u64) -> Result<u64, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self.range(range).take(limit).count() as u64)
    }
}
