//! The engine's store over the Durable Object's SQLite.

use crate::platform::{self, Sql};
use blaze_store::sql::{self, Reads};
use blaze_store::{Change, Range, Row, Store, StoreError, number};
use js_sys::{Array, ArrayBuffer, Float64Array, Uint8Array};
use std::cell::Cell;
use wasm_bindgen::prelude::*;
use worker::worker_sys::DurableObjectState;

/// The rows of one object. Counts the rows that SQLite says it read and wrote.
pub(crate) struct SqliteStore {
    storage: JsValue,
    sql: Sql,
    /// True if the tables are known to exist; a read must not create them.
    has_table: Cell<bool>,
    has_records: Cell<bool>,
    /// Rows read and written since they were last taken, as SQLite counts them (and the platform bills them).
    counts: Float64Array,
    /// True if the counts will be taken.
    is_counting: bool,
    /// True if there is no object behind the store: it has no rows, and takes none.
    is_absent: bool,
    /// True if an absent object was given rows all the same.
    was_written: bool,
}

impl SqliteStore {
    /// Opens the rows of an object; without its state, it was never written.
    ///
    /// # Errors
    /// When the object has no SQLite.
    pub(crate) fn of(
        state: Option<&DurableObjectState>,
        is_counting: bool,
    ) -> Result<Self, JsValue> {
        let (storage, sql) = match state.map(DurableObjectState::storage).transpose()? {
            Some(storage) => (storage.clone().into(), storage.sql().into()),
            None => (JsValue::UNDEFINED, JsValue::UNDEFINED),
        };
        Ok(SqliteStore {
            storage,
            sql: sql.unchecked_into(),
            has_table: Cell::new(false),
            has_records: Cell::new(false),
            counts: Float64Array::new_with_length(2),
            is_counting,
            is_absent: state.is_none(),
            was_written: false,
        })
    }

    /// True if an absent object was given rows to keep: only the object itself can.
    pub(crate) fn was_written(&self) -> bool {
        self.was_written
    }

    /// Forgets what is known of the tables, which are removed.
    pub(crate) fn forget(&mut self) {
        self.has_table.set(false);
        self.has_records.set(false);
    }

    /// Takes the rows read and written since the last call, if they are counted.
    pub(crate) fn take_counts(&self) -> Option<(f64, f64)> {
        if !self.is_counting {
            return None;
        }
        let counts = (self.counts.get_index(0), self.counts.get_index(1));
        self.counts.fill(0.0, 0, 2);
        Some(counts)
    }

    /// Counts an alarm that is set: the platform bills it as a row.
    pub(crate) fn count_alarm(&self) {
        self.counts.set_index(1, self.counts.get_index(1) + 1.0);
    }

    /// Runs a statement to its end; returns its rows.
    fn run(&self, query: &'static str, bindings: &Array) -> Result<Array, StoreError> {
        let query = platform::constant(query);
        platform::rows_of(&self.sql, &query, self.counts(), bindings).map_err(failed)
    }

    fn has_table(&self) -> Result<bool, StoreError> {
        self.has(&self.has_table, sql::STORE)
    }

    fn has_records(&self) -> Result<bool, StoreError> {
        self.has(&self.has_records, sql::RECORDS)
    }

    fn has(&self, known: &Cell<bool>, table: &[u8]) -> Result<bool, StoreError> {
        if !known.get() && !self.is_absent {
            known.set(!self.value_of(sql::EXISTS, table)?.is_null());
        }
        Ok(known.get())
    }

    fn make_table(&self) -> Result<(), StoreError> {
        if !self.has_table()? {
            self.run(sql::CREATE, &Array::new())?;
            self.has_table.set(true);
        }
        Ok(())
    }

    fn make_records(&self) -> Result<(), StoreError> {
        if !self.has_records()? {
            self.run(sql::CREATE_RECORDS, &Array::new())?;
            self.has_records.set(true);
        }
        Ok(())
    }

    /// Reads the value that a statement has for a key.
    fn value_of(&self, statement: &'static str, key: &[u8]) -> Result<JsValue, StoreError> {
        let statement = platform::constant(statement);
        platform::value_of_key(&self.sql, &statement, self.counts(), key).map_err(failed)
    }

    fn value_of_range(
        &self,
        statement: &'static str,
        range: &Range,
        limit: f64,
    ) -> Result<JsValue, StoreError> {
        let statement = platform::constant(statement);
        let (start, end) = (&range.start, &range.end);
        platform::value_of_range(&self.sql, &statement, self.counts(), start, end, limit)
            .map_err(failed)
    }

    /// Returns the array in which calls into JavaScript count.
    fn counts(&self) -> Option<&Float64Array> {
        self.is_counting.then_some(&self.counts)
    }
}

impl Reads for SqliteStore {
    fn text(&self, range: &Range, limit: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.value_of_range(sql::follow_as_text(range), range, limit as f64)?;
        Ok(bytes(&value))
    }

    fn first(&self, range: &Range) -> Result<Option<Row>, StoreError> {
        let bound = |bound: &Vec<u8>| JsValue::from(Uint8Array::from(bound.as_slice()));
        let bindings = Array::of3(&bound(&range.start), &bound(&range.end), &1.into());
        let row: JsValue = self.run(sql::follow(range), &bindings)?.get(0);
        let Ok(columns) = row.dyn_into::<Array>() else { return Ok(None) };
        let column = |number| Uint8Array::new(&columns.get(number)).to_vec();
        Ok(Some((column(0), column(1))))
    }
}

impl Store for SqliteStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if !self.has_table()? {
            return Ok(None);
        }
        Ok(bytes(&self.value_of(sql::GET, key)?))
    }

    fn commit(&mut self, changes: &[Change<'_>]) -> Result<(), StoreError> {
        if self.is_absent && !changes.is_empty() {
            self.was_written = true;
            return Err(StoreError("an object that is not there".to_owned()));
        }
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

    fn record(&self, key: &[u8]) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        if !self.has_records()? {
            return Ok(None);
        }
        bytes(&self.value_of(sql::RECORD, key)?).map(|value| sql::numbered(&value)).transpose()
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
        let statement = platform::constant(sql::LAST_RECORD);
        let last = platform::value_of_all(&self.sql, &statement, self.counts()).map_err(failed)?;
        // Numbers are given in turn: no double is too small for them.
        Ok(last.as_f64().map_or(0, |last| last as u64))
    }

    fn count(&self, range: &Range, limit: u64) -> Result<u64, StoreError> {
        if range.is_empty() || !self.has_table()? {
            return Ok(0);
        }
        // SQLite's integers end where a double cannot follow; no range has so many rows.
        let limit = (limit as f64).min(9e15);
        let count = self.value_of_range(sql::COUNT, range, limit)?.as_f64();
        count
            .map(|count| count as u64)
            .ok_or_else(|| StoreError("a count that is no number".to_owned()))
    }
}

impl SqliteStore {
    fn commit_many(&mut self, changes: &[Change<'_>]) -> Result<(), StoreError> {
        self.make_table()?;
        if changes.iter().any(|change| matches!(change, Change::PutRecord(..))) {
            self.make_records()?;
        }
        let mut packed = Vec::new();
        let mut push = |statement: u8, bindings: &[&[u8]]| {
            packed.extend([statement, bindings.len() as u8]);
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
                Change::PutRecord(record, value) => push(3, &[&number(record), value]),
                Change::DeleteRecord(record) => push(4, &[&number(record)]),
            }
        }
        let statements =
            [sql::PUT_ONE, sql::DELETE, sql::MOVE, sql::PUT_RECORD, sql::DELETE_RECORD];
        let statements: Array = statements.into_iter().map(platform::constant).collect();
        platform::run_all(&self.storage, &statements, &packed, self.counts()).map_err(failed)
    }
}

fn failed(thrown: JsValue) -> StoreError {
    StoreError(platform::message(&thrown))
}

fn bytes(value: &JsValue) -> Option<Vec<u8>> {
    value.dyn_ref::<ArrayBuffer>().map(|buffer| Uint8Array::new(buffer).to_vec())
}
