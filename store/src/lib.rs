//! The durable storage of one object: ordered rows and numbered records, both of bytes. The contract is [`Store`]; here are
//! a store in memory ([`memory`]), the statements of those over SQLite ([`sql`]), and the suite that all must pass.
//!
//! Nothing here panics, whatever the input: a panic takes down every document of an isolate.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::string_slice
)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::string_slice))]

pub mod memory;
pub mod sql;
#[cfg(feature = "testing")]
#[allow(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test suite says so what it expected"
)]
pub mod suite;

use blaze_schema::error::Error;
use std::fmt;

/// One object's durable rows, in the order of their keys, and beside them numbered records, which rows may name: a row
/// names a record by having its number in decimal digits ([`number`]) for a value; numbers have 32 bits. Many rows can name a record that is
/// kept and changed once, and a number finds it faster than a key would. Implementations: SQLite in the Durable Object
/// (`blaze-server`), a `BTreeMap` ([`memory::MemoryStore`]), `rusqlite` (in the tests); all are held to [`suite`].
pub trait Store {
    /// The value of `key`, if there is one.
    ///
    /// # Errors
    /// When the storage fails.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Makes the changes, in their order, all or none of them.
    ///
    /// # Errors
    /// When the storage fails; then nothing was changed.
    fn commit(&mut self, changes: &[Change<'_>]) -> Result<(), StoreError>;

    /// Sets keys to their values, all or none of them.
    ///
    /// # Errors
    /// When the storage fails; then nothing was set.
    fn put_all(&mut self, rows: &[(&[u8], &[u8])]) -> Result<(), StoreError> {
        let changes: Vec<Change<'_>> =
            rows.iter().map(|(key, value)| Change::Put(key, value)).collect();
        self.commit(&changes)
    }

    /// The number and the value of the record that a row names, if there is such a row.
    ///
    /// # Errors
    /// When the storage fails.
    fn record(&self, key: &[u8]) -> Result<Option<(u64, Vec<u8>)>, StoreError>;

    /// The first `limit` rows of a range that name records: each record's value stands in the place of its number. A row
    /// that names none is left out.
    ///
    /// # Errors
    /// When the storage fails.
    fn follow(&self, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError>;

    /// The greatest number of a record; 0 without any.
    ///
    /// # Errors
    /// When the storage fails.
    fn last_record(&self) -> Result<u64, StoreError>;

    /// How many rows a range has, counting no further than `limit`.
    ///
    /// # Errors
    /// When the storage fails.
    fn count(&self, range: &Range, limit: u64) -> Result<u64, StoreError>;
}

/// One change of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// Sets a key to a value. One row written.
    Put(&'a [u8], &'a [u8]),
    /// Removes a key, if it is there. One row written.
    Delete(&'a [u8]),
    /// Removes `from`, if it is there, and sets `to`. One row written, where a delete and a put are two.
    Move {
        /// The key that goes.
        from: &'a [u8],
        /// The key that comes.
        to: &'a [u8],
        /// Its value.
        value: &'a [u8],
    },
    /// Sets a record to a value. One row written.
    PutRecord(u64, &'a [u8]),
    /// Removes a record, if it is there. One row written.
    DeleteRecord(u64),
}

/// How a row names a record.
pub fn number(record: u64) -> Vec<u8> {
    record.to_string().into_bytes()
}

/// A key and a value.
pub type Row = (Vec<u8>, Vec<u8>);

/// The rows from one key to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The least key of it.
    pub start: Vec<u8>,
    /// The least key beyond it.
    pub end: Vec<u8>,
    /// Whether the last row comes first.
    pub reverse: bool,
}

impl Range {
    /// The rows whose keys begin with this byte and the rest, and those after them that begin with the byte.
    pub fn from_within(first: u8, rest: &[u8]) -> Self {
        let start = [&[first], rest].concat();
        Range { start, end: vec![first.saturating_add(1)], reverse: false }
    }

    /// Whether no key can be in it.
    pub fn is_empty(&self) -> bool {
        self.start >= self.end
    }

    /// Leaves only the rows that come after a key of it.
    pub fn skip_to_after(&mut self, key: &[u8]) {
        if self.reverse {
            self.end = key.to_vec();
        } else {
            self.start = [key, &[0]].concat();
        }
    }
}

/// The storage failed: what it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError(pub String);

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "storage: {}", self.0)
    }
}

impl std::error::Error for StoreError {}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Error::internal(error.to_string())
    }
}
