//! The engine's store over the Durable Object's SQLite.

use crate::bridge::{self, Cursor, Sql};
use blaze_engine::store::{Change, Range, Row, Store, StoreError, sql};
use js_sys::{Array, Float64Array, Uint8Array};
use std::cell::Cell;
use wasm_bindgen::prelude::*;
use worker::worker_sys::DurableObjectState;

/// The rows of one object. Counts the rows that SQLite says it read and wrote.
pub(crate) struct SqliteStore {
    storage: JsValue,
    sql: Sql,
    /// Whether the table is known to be there; a read must not create it.
    has_table: Cell<bool>,
    /// Rows read and written since the last look, as SQLite counts them (and the platform bills them).
    counts: Float64Array,
    /// Whether anybody will look.
    is_counting: bool,
}

impl SqliteStore {
    /// # Errors
    /// When the object has no SQLite.
    pub(crate) fn new(state: &DurableObjectState, is_counting: bool) -> Result<Self, JsValue> {
        let storage = state.storage()?;
        let sql: Sql = storage.sql().unchecked_into();
        Ok(SqliteStore {
            storage: storage.into(),
            sql,
            has_table: Cell::new(false),
            counts: Float64Array::new_with_length(2),
            is_counting,
        })
    }

    /// Rows read and written since the last call, if they are counted.
    pub(crate) fn take_counts(&self) -> Option<(f64, f64)> {
        let counts = (self.counts.get_index(0), self.counts.get_index(1));
        self.counts.fill(0.0, 0, 2);
        self.is_counting.then_some(counts)
    }

    /// Counts an alarm that is set: the platform bills it as a row.
    pub(crate) fn count_alarm(&self) {
        self.counts.set_index(1, self.counts.get_index(1) + 1.0);
    }

    /// Runs a statement to its end; returns its rows.
    fn run(&self, query: &'static str, bindings: &Array) -> Result<Array, StoreError> {
        let cursor = self.sql.exec(&bridge::constant(query), bindings).map_err(failed)?;
        let rows = cursor.raw().and_then(|raw| raw.to_array()).map_err(failed)?;
        self.count(&cursor);
        Ok(rows)
    }

    fn count(&self, cursor: &Cursor) {
        if self.is_counting {
            let add = |index, rows: f64| {
                self.counts.set_index(index, self.counts.get_index(index) + rows)
            };
            add(0, cursor.rows_read().unwrap_or_default());
            add(1, cursor.rows_written().unwrap_or_default());
        }
    }

    fn has_table(&self) -> Result<bool, StoreError> {
        if !self.has_table.get() {
            let found = self.run(sql::EXISTS, &Array::new())?.length() > 0;
            self.has_table.set(found);
        }
        Ok(self.has_table.get())
    }

    fn make_table(&self) -> Result<(), StoreError> {
        if !self.has_table()? {
            self.run(sql::CREATE, &Array::new())?;
            self.has_table.set(true);
        }
        Ok(())
    }

    /// The rows of a range. `as_text` is for few rows, whose values are texts.
    fn rows(
        &self,
        statement: &'static str,
        as_text: &'static str,
        range: &Range,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        if range.is_empty() || !self.has_table()? {
            return Ok(Vec::new());
        }
        let (start, end, limit_value) = (&range.start, &range.end, limit as f64);
        if limit <= FEW_ROWS {
            let as_text = bridge::constant(as_text);
            let text =
                bridge::value_of_range(&self.sql, &as_text, start, end, limit_value, &self.counts);
            // An error: too much for one text, perhaps.
            if let Ok(text) = text {
                let bytes = text.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec);
                return bytes.map_or(Ok(Vec::new()), |bytes| read_text(&bytes));
            }
        }
        let statement = bridge::constant(statement);
        let packed =
            bridge::packed_rows(&self.sql, &statement, start, end, limit_value, &self.counts)
                .map_err(failed)?;
        unpack(&packed.to_vec())
    }
}

/// So many rows are read as one text.
const FEW_ROWS: usize = 64;

impl Store for SqliteStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if !self.has_table()? {
            return Ok(None);
        }
        let get = bridge::constant(sql::GET);
        let value = bridge::value_of(&self.sql, &get, key, &self.counts).map_err(failed)?;
        Ok(value.map(|bytes| bytes.to_vec()))
    }

    fn commit(&mut self, changes: &[Change<'_>]) -> Result<(), StoreError> {
        // One statement is all or nothing by itself; that is all that documents need.
        let statement = match changes {
            [] => return Ok(()),
            [Change::Put(..)] => sql::PUT_ONE,
            [Change::Put(..), Change::Put(..)] => sql::PUT_TWO,
            _ => return self.commit_many(changes),
        };
        self.make_table()?;
        let bindings = Array::new();
        for change in changes {
            if let Change::Put(key, value) = change {
                bindings.push(&Uint8Array::from(*key));
                bindings.push(&Uint8Array::from(*value));
            }
        }
        self.run(statement, &bindings).map(drop)
    }

    fn scan(&self, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError> {
        match range.reverse {
            false => self.rows(sql::SCAN, sql::SCAN_AS_TEXT, range, limit),
            true => self.rows(sql::SCAN_REVERSE, sql::SCAN_REVERSE_AS_TEXT, range, limit),
        }
    }

    fn follow(&self, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError> {
        match range.reverse {
            false => self.rows(sql::FOLLOW, sql::FOLLOW_AS_TEXT, range, limit),
            true => self.rows(sql::FOLLOW_REVERSE, sql::FOLLOW_REVERSE_AS_TEXT, range, limit),
        }
    }

    fn count(&self, range: &Range, limit: u64) -> Result<u64, StoreError> {
        if range.is_empty() || !self.has_table()? {
            return Ok(0);
        }
        // SQLite's integers end where a double cannot follow; no range has so many rows.
        let limit = (limit as f64).min(9e15);
        let statement = bridge::constant(sql::COUNT);
        let count = bridge::value_of_range(
            &self.sql,
            &statement,
            &range.start,
            &range.end,
            limit,
            &self.counts,
        );
        let count = count.map_err(failed)?.as_f64();
        count
            .map(|count| count as u64)
            .ok_or_else(|| StoreError("a count that is no number".to_owned()))
    }
}

impl SqliteStore {
    fn commit_many(&mut self, changes: &[Change<'_>]) -> Result<(), StoreError> {
        self.make_table()?;
        let mut packed = Vec::new();
        let mut push = |statement: u8, bindings: &[&[u8]]| {
            packed.push(statement);
            for binding in bindings {
                packed.extend_from_slice(&(binding.len() as u32).to_be_bytes());
                packed.extend_from_slice(binding);
            }
        };
        for change in changes {
            match *change {
                Change::Put(key, value) => push(0, &[key, value]),
                Change::Delete(key) => push(1, &[key]),
                Change::Move { from, to, value } => push(2, &[from, to, value]),
            }
        }
        let statements = Array::of3(
            &bridge::constant(sql::PUT_ONE),
            &bridge::constant(sql::DELETE),
            &bridge::constant(sql::MOVE),
        );
        bridge::run_all(&self.storage, &statements, &packed, &self.counts).map_err(failed)
    }
}

fn failed(thrown: JsValue) -> StoreError {
    StoreError(bridge::message(&thrown))
}

/// Rows as [`sql::FOLLOW_AS_TEXT`] writes them.
fn read_text(text: &[u8]) -> Result<Vec<Row>, StoreError> {
    let broken = || StoreError("a row that is not as it was asked for".to_owned());
    let digit = |byte: u8| (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let row = |row: &[u8]| {
        let space = row.iter().position(|byte| *byte == b' ').ok_or_else(broken)?;
        let (key, value) = row.split_at_checked(space).ok_or_else(broken)?;
        let (pairs, _) = key.as_chunks::<2>();
        let byte = |&[high, low]: &[u8; 2]| Some((digit(high)? << 4) | digit(low)?);
        let key = pairs.iter().map(byte).collect::<Option<Vec<u8>>>().ok_or_else(broken)?;
        Ok((key, value.get(1..).unwrap_or_default().to_vec()))
    };
    text.split(|byte| *byte == 30).map(row).collect()
}

/// Rows of two columns, as `packedRows` packs them.
fn unpack(mut packed: &[u8]) -> Result<Vec<Row>, StoreError> {
    let mut rows = Vec::new();
    let mut column = || {
        let (length, rest) = packed.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (column, rest) = rest.split_at_checked(length)?;
        packed = rest;
        Some(column.to_vec())
    };
    while let Some(key) = column() {
        let value = column().ok_or_else(|| StoreError("half a row".to_owned()))?;
        rows.push((key, value));
    }
    Ok(rows)
}
