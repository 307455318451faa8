//! Where an object keeps what must outlive it: keys and values, both bytes, of one object.

pub mod memory;
pub mod sql;
#[cfg(feature = "testing")]
#[allow(clippy::panic, reason = "a test suite says so what it expected")]
pub mod suite;

use blaze_schema::error::{Code, Error};
use std::fmt;

/// One object's durable rows. Implementations: SQLite in the Durable Object (`blaze-server`), a `BTreeMap`
/// ([`memory::MemoryStore`]), `rusqlite` (in the tests); all are held to [`suite`].
pub trait Store {
    /// The value of `key`, if there is one.
    ///
    /// # Errors
    /// When the storage fails.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Sets up to two keys to their values, all or nothing. Each is one row written.
    ///
    /// # Errors
    /// When the storage fails, or there are more than two; then nothing was set.
    fn put_all(&mut self, rows: &[(&[u8], &[u8])]) -> Result<(), StoreError>;
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
        Error::new(Code::Internal, error.to_string())
    }
}
