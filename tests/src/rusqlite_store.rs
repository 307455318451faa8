//! The engine's store over SQLite as a library: the same SQL as in the Durable Object, on this machine's disk.

use blaze_engine::store::{Store, StoreError, sql};
use rusqlite::{Connection, OptionalExtension, ToSql, params_from_iter};
use std::cell::Cell;
use std::path::Path;

/// One object's rows in one SQLite database. As in the Durable Object, the table is made by the first write only: a
/// read leaves no trace.
#[derive(Debug)]
pub struct RusqliteStore {
    connection: Connection,
    has_table: Cell<bool>,
}

impl RusqliteStore {
    /// A database that is gone with the store.
    ///
    /// # Errors
    /// SQLite's.
    pub fn in_memory() -> Result<Self, StoreError> {
        Connection::open_in_memory().map(Self::over).map_err(failed)
    }

    /// The database in this file, made if it is not there.
    ///
    /// # Errors
    /// SQLite's.
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        Connection::open(file).map(Self::over).map_err(failed)
    }

    /// A database that somebody else opened.
    pub fn over(connection: Connection) -> Self {
        RusqliteStore { connection, has_table: Cell::new(false) }
    }

    fn has_table(&self) -> Result<bool, StoreError> {
        if !self.has_table.get() {
            let found = self.connection.query_row(sql::EXISTS, [], |_| Ok(())).optional();
            self.has_table.set(found.map_err(failed)?.is_some());
        }
        Ok(self.has_table.get())
    }
}

impl Store for RusqliteStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if !self.has_table()? {
            return Ok(None);
        }
        let mut statement = self.connection.prepare_cached(sql::GET).map_err(failed)?;
        statement.query_row([key], |row| row.get(0)).optional().map_err(failed)
    }

    fn put_all(&mut self, rows: &[(&[u8], &[u8])]) -> Result<(), StoreError> {
        let statement = match rows {
            [] => return Ok(()),
            [_] => sql::PUT_ONE,
            [_, _] => sql::PUT_TWO,
            _ => return Err(StoreError("more rows than a write has".to_owned())),
        };
        if !self.has_table()? {
            self.connection.execute(sql::CREATE, []).map_err(failed)?;
            self.has_table.set(true);
        }
        let bindings = rows.iter().flat_map(|(key, value)| [key as &dyn ToSql, value]);
        let mut statement = self.connection.prepare_cached(statement).map_err(failed)?;
        statement.execute(params_from_iter(bindings)).map(drop).map_err(failed)
    }
}

fn failed(error: rusqlite::Error) -> StoreError {
    StoreError(error.to_string())
}
