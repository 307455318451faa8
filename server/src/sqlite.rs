//! The engine's store over the Durable Object's SQLite.

use crate::bridge::{self, Cursor, Sql, column_bytes};
use blaze_engine::store::{Store, StoreError, sql};
use js_sys::{Array, Uint8Array};
use std::cell::Cell;
use wasm_bindgen::JsValue;

/// The rows of one object. Counts the rows that SQLite says it read and wrote, when asked to.
pub(crate) struct SqliteStore {
    sql: Sql,
    /// Whether the table is known to be there; a read must not create it.
    has_table: Cell<bool>,
    counts: Option<Counts>,
}

/// Rows, as SQLite counts them (and the platform bills them).
#[derive(Default)]
struct Counts {
    read: Cell<f64>,
    written: Cell<f64>,
}

impl SqliteStore {
    pub(crate) fn new(sql: Sql, count_rows: bool) -> Self {
        SqliteStore { sql, has_table: Cell::new(false), counts: count_rows.then(Counts::default) }
    }

    /// Rows read and written since the last call, if they are counted.
    pub(crate) fn take_counts(&self) -> Option<(f64, f64)> {
        self.counts.as_ref().map(|counts| (counts.read.take(), counts.written.take()))
    }

    /// Runs a statement to its end; returns its rows.
    fn run(&self, query: &str, bindings: &Array) -> Result<Array, StoreError> {
        let failed = |thrown: JsValue| StoreError(bridge::message(&thrown));
        let cursor = self.sql.exec(query, bindings).map_err(failed)?;
        let rows = cursor.raw().and_then(|raw| raw.to_array()).map_err(failed)?;
        self.count(&cursor);
        Ok(rows)
    }

    fn count(&self, cursor: &Cursor) {
        if let Some(counts) = &self.counts {
            counts.read.set(counts.read.get() + cursor.rows_read().unwrap_or_default());
            counts.written.set(counts.written.get() + cursor.rows_written().unwrap_or_default());
        }
    }

    fn has_table(&self) -> Result<bool, StoreError> {
        if !self.has_table.get() {
            let found = self.run(sql::EXISTS, &Array::new())?.length() > 0;
            self.has_table.set(found);
        }
        Ok(self.has_table.get())
    }
}

impl Store for SqliteStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if !self.has_table()? {
            return Ok(None);
        }
        let rows = self.run(sql::GET, &Array::of1(&Uint8Array::from(key)))?;
        if rows.length() == 0 {
            return Ok(None);
        }
        let row = Array::from(&rows.get(0));
        column_bytes(&row.get(0))
            .map(Some)
            .ok_or_else(|| StoreError("a value that is no blob".to_owned()))
    }

    fn put_all(&mut self, rows: &[(&[u8], &[u8])]) -> Result<(), StoreError> {
        let statement = match rows {
            [] => return Ok(()),
            [_] => sql::PUT_ONE,
            [_, _] => sql::PUT_TWO,
            _ => return Err(StoreError("more rows than a write has".to_owned())),
        };
        if !self.has_table()? {
            self.run(sql::CREATE, &Array::new())?;
            self.has_table.set(true);
        }
        let bindings = Array::new();
        for (key, value) in rows {
            bindings.push(&Uint8Array::from(*key));
            bindings.push(&Uint8Array::from(*value));
        }
        self.run(statement, &bindings).map(|_| ())
    }
}
