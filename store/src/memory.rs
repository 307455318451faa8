//! A store in memory, for tests and the simulation.

use super::{Change, Range, Row, Store, StoreError};
use std::collections::BTreeMap;

/// Rows in a `BTreeMap`; counts the rows written.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    records: BTreeMap<u64, Vec<u8>>,
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

    /// How many records there are.
    pub fn records(&self) -> usize {
        self.records.len()
    }

    /// All rows, those that name a record with its value: what is the same whatever the numbers are.
    pub fn contents(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let value = |value: &Vec<u8>| self.named(value).map_or(value, |(_, record)| record).clone();
        self.rows.iter().map(|(key, row)| (key.clone(), value(row))).collect()
    }

    fn named(&self, value: &[u8]) -> Option<(u64, &Vec<u8>)> {
        let number = std::str::from_utf8(value).ok()?.parse().ok()?;
        Some((number, self.records.get(&number)?))
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
                Change::PutRecord(number, value) => {
                    self.records.insert(number, value.to_vec());
                    1
                }
                Change::DeleteRecord(number) => u64::from(self.records.remove(&number).is_some()),
            };
            self.rows_written = self.rows_written.saturating_add(written);
        }
        Ok(())
    }

    fn record(&self, key: &[u8]) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let named = self.rows.get(key).and_then(|value| self.named(value));
        Ok(named.map(|(number, record)| (number, record.clone())))
    }

    fn follow(&self, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError> {
        let followed = self
            .range(range)
            .filter_map(|(key, row)| Some((key.clone(), self.named(row)?.1.clone())));
        Ok(followed.take(limit).collect())
    }

    fn last_record(&self) -> Result<u64, StoreError> {
        Ok(self.records.keys().next_back().copied().unwrap_or(0))
    }

    fn count(&self, range: &Range, limit: u64) -> Result<u64, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self.range(range).take(limit).count() as u64)
    }
}
