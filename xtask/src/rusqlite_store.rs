//! The engine's store over SQLite as a library: the same SQL as in the Durable Object, on this machine's disk.

use blaze_store::sql::{self, Reads};
use blaze_store::{Change, Range, Row, Store, StoreError, number};
use rusqlite::limits::Limit;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use std::cell::Cell;
use std::path::Path;

/// Bytes of a text, a blob or a row: the platform's limit.
const LENGTH_LIMIT: i32 = 2_000_000;

/// One object's rows in one SQLite database. As in the Durable Object, the table is made by the first write only: a
/// read leaves no trace.
#[derive(Debug)]
pub struct RusqliteStore {
    connection: Connection,
    has_table: Cell<bool>,
    has_records: Cell<bool>,
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

    /// A database that somebody else opened. Its values may be as large as those of the platform's SQLite.
    #[must_use]
    pub fn over(connection: Connection) -> Self {
        // It fails for limits that SQLite does not have.
        let _ = connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LENGTH_LIMIT);
        RusqliteStore { connection, has_table: Cell::new(false), has_records: Cell::new(false) }
    }

    /// The database, for somebody else.
    #[must_use]
    pub fn into_connection(self) -> Connection {
        self.connection
    }

    fn has_table(&self) -> Result<bool, StoreError> {
        self.has(&self.has_table, sql::STORE)
    }

    fn has_records(&self) -> Result<bool, StoreError> {
        self.has(&self.has_records, sql::RECORDS)
    }

    fn has(&self, known: &Cell<bool>, table: &[u8]) -> Result<bool, StoreError> {
        if !known.get() {
            let found: Option<i64> = self
                .connection
                .query_row(sql::EXISTS, [table], |row| row.get(0))
                .map_err(failed)?;
            known.set(found.is_some());
        }
        Ok(known.get())
    }
}

impl Reads for RusqliteStore {
    fn text(&self, range: &Range, limit: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let mut statement =
            self.connection.prepare_cached(sql::follow_as_text(range)).map_err(failed)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let bindings = params![range.start, range.end, limit];
        statement.query_row(bindings, |row| row.get(0)).map_err(failed)
    }

    fn first(&self, range: &Range) -> Result<Option<Row>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql::follow(range)).map_err(failed)?;
        let row = statement
            .query_row(params![range.start, range.end, 1], |row| Ok((row.get(0)?, row.get(1)?)));
        row.optional().map_err(failed)
    }
}

impl Store for RusqliteStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if !self.has_table()? {
            return Ok(None);
        }
        let mut statement = self.connection.prepare_cached(sql::GET).map_err(failed)?;
        statement.query_row([key], |row| row.get(0)).map_err(failed)
    }

    fn commit(&mut self, changes: &[Change<'_>]) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        if !self.has_table()? {
            self.connection.execute(sql::CREATE, []).map_err(failed)?;
            self.has_table.set(true);
        }
        let has_record = |change: &Change<'_>| matches!(change, Change::PutRecord(..));
        if changes.iter().any(has_record) && !self.has_records()? {
            self.connection.execute(sql::CREATE_RECORDS, []).map_err(failed)?;
            self.has_records.set(true);
        }
        let transaction = self.connection.savepoint().map_err(failed)?;
        let run = |statement: &str, bindings: &[&[u8]]| {
            let mut statement = transaction.prepare_cached(statement).map_err(failed)?;
            statement.execute(params_from_iter(bindings)).map_err(failed)
        };
        for change in changes {
            match *change {
                Change::Put(key, value) => run(sql::PUT_ONE, &[key, value])?,
                Change::Delete(key) => run(sql::DELETE, &[key])?,
                Change::Move { from, to, value } => match run(sql::MOVE, &[from, to, value])? {
                    0 => run(sql::PUT_ONE, &[to, value])?,
                    moved => moved,
                },
                Change::PutRecord(record, value) => {
                    run(sql::PUT_RECORD, &[&number(record), value])?
                }
                Change::DeleteRecord(record) => run(sql::DELETE_RECORD, &[&number(record)])?,
            };
        }
        transaction.commit().map_err(failed)
    }

    fn record(&self, key: &[u8]) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        if !self.has_records()? {
            return Ok(None);
        }
        let mut statement = self.connection.prepare_cached(sql::RECORD).map_err(failed)?;
        let value: Option<Vec<u8>> =
            statement.query_row([key], |row| row.get(0)).map_err(failed)?;
        value.map(|value| sql::numbered(&value)).transpose()
    }

    fn follow(&self, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError> {
        if !self.has_records()? {
            return Ok(Vec::new());
        }
        sql::rows(self, range, limit)
    }

    fn last_record(&self) -> Result<u64, StoreError> {
        if !self.has_records()? {
            return Ok(0);
        }
        let last: Option<i64> =
            self.connection.query_row(sql::LAST_RECORD, [], |row| row.get(0)).map_err(failed)?;
        Ok(last.unwrap_or(0).cast_unsigned())
    }

    fn count(&self, range: &Range, limit: u64) -> Result<u64, StoreError> {
        if !self.has_table()? {
            return Ok(0);
        }
        let mut statement = self.connection.prepare_cached(sql::COUNT).map_err(failed)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let bindings = params![range.start, range.end, limit];
        let count: i64 = statement.query_row(bindings, |row| row.get(0)).map_err(failed)?;
        Ok(count.cast_unsigned())
    }
}

fn failed(error: rusqlite::Error) -> StoreError {
    StoreError(error.to_string())
}
