//! The rows of one object in the file: the engine's [`Store`].

use crate::database::{Database, Found, VALUE_BYTES, class_number};
use blaze_engine::actor::Object;
use blaze_store::{Change, Range, Row, Store, StoreError};
use rusqlite::{OptionalExtension, params};
use std::cell::Cell;
use std::rc::Rc;

/// The key whose value stands in the object's own row.
const OWN: &[u8] = b"d";

const GET: &str = "SELECT value FROM row WHERE object = ?1 AND key = ?2";
const GET_OWN: &str = "SELECT value FROM object WHERE id = ?1";
const PUT: &str = "REPLACE INTO row (object, key, value) VALUES (?1, ?2, ?3)";
const PUT_OWN: &str = "UPDATE object SET value = ?2 WHERE id = ?1";
const MAKE: &str = "INSERT INTO object (class, name, value) VALUES (?1, ?2, ?3)";
const DELETE: &str = "DELETE FROM row WHERE object = ?1 AND key = ?2";
const PUT_RECORD: &str = "REPLACE INTO record (id, value) VALUES (?1, ?2)";
const DELETE_RECORD: &str = "DELETE FROM record WHERE id = ?1";
/// `CROSS JOIN` keeps the order of the two.
const RECORD: &str = "SELECT a.value, b.value FROM row a CROSS JOIN record b ON b.id = ?3 + CAST(a.value AS INTEGER) \
                      WHERE a.object = ?1 AND a.key = ?2";
const FOLLOW: &str = "SELECT a.key, b.value FROM row a CROSS JOIN record b ON b.id = ?4 + CAST(a.value AS INTEGER) \
                      WHERE a.object = ?1 AND a.key >= ?2 AND a.key < ?3 ORDER BY a.key LIMIT ?5";
const FOLLOW_BACK: &str = "SELECT a.key, b.value FROM row a CROSS JOIN record b ON b.id = ?4 + CAST(a.value AS INTEGER) \
                           WHERE a.object = ?1 AND a.key >= ?2 AND a.key < ?3 ORDER BY a.key DESC LIMIT ?5";
const LAST_RECORD: &str = "SELECT max(id) FROM record WHERE id >= ?1 AND id < ?2";
const COUNT: &str = "SELECT count(*) FROM (SELECT 1 FROM row WHERE object = ?1 AND key >= ?2 AND key < ?3 LIMIT ?4)";

/// The object behind the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Id {
    Unknown,
    Absent,
    Known(i64),
}

/// The rows of one object. Writes are part of the database's transaction.
#[derive(Debug)]
pub(crate) struct Rows {
    database: Rc<Database>,
    /// `None` for an actor that keeps nothing.
    object: Option<Object>,
    id: Cell<Id>,
}

impl Rows {
    /// The rows of an object, whether it has any or not.
    pub(crate) fn of(database: &Rc<Database>, object: Object) -> Self {
        Rows { database: Rc::clone(database), object: Some(object), id: Cell::new(Id::Unknown) }
    }

    /// No rows, and no place for any.
    pub(crate) fn none(database: &Rc<Database>) -> Self {
        Rows { database: Rc::clone(database), object: None, id: Cell::new(Id::Absent) }
    }

    /// The object's number, if it has rows.
    pub(crate) fn id(&self) -> Result<Option<i64>, StoreError> {
        match (self.id.get(), &self.object) {
            (Id::Known(id), _) => Ok(Some(id)),
            (Id::Unknown, Some(_)) => self.find().map(|found| found.map(|(id, _)| id)),
            _ => Ok(None),
        }
    }

    fn find(&self) -> Result<Option<Found>, StoreError> {
        let Some(object) = &self.object else { return Ok(None) };
        let found = self.did(self.database.find(object))?;
        self.id.set(found.as_ref().map_or(Id::Absent, |(id, _)| Id::Known(*id)));
        Ok(found)
    }

    /// The object's number; makes it if it is not there.
    pub(crate) fn made(&self, value: Option<&[u8]>) -> Result<i64, StoreError> {
        if let Some(id) = self.id()? {
            return Ok(id);
        }
        let Some(object) = &self.object else {
            return Err(StoreError("an actor that keeps no rows".to_owned()));
        };
        self.did(self.database.begin())?;
        let id = self
            .run(MAKE, params![class_number(object.class), object.name, value])
            .map(|_| self.database.connection.last_insert_rowid())?;
        self.id.set(Id::Known(id));
        Ok(id)
    }

    /// Removes all rows of the object, and its alarm.
    pub(crate) fn erase(&mut self) -> Result<(), StoreError> {
        let Some(id) = self.id()? else { return Ok(()) };
        self.did(self.database.begin())?;
        self.run("DELETE FROM row WHERE object = ?1", [id])?;
        let (first, end) = records(id);
        self.run("DELETE FROM record WHERE id >= ?1 AND id < ?2", [first, end])?;
        self.run("DELETE FROM alarm WHERE object = ?1", [id])?;
        self.run("DELETE FROM object WHERE id = ?1", [id])?;
        self.id.set(Id::Absent);
        Ok(())
    }

    /// Forgets what is known of the object: the transaction that made it may have been undone.
    pub(crate) fn forget(&self) {
        if self.object.is_some() {
            self.id.set(Id::Unknown);
        }
    }

    fn did<T>(&self, result: rusqlite::Result<T>) -> Result<T, StoreError> {
        result.map_err(|error| {
            self.database.notice(&error);
            StoreError(error.to_string())
        })
    }

    fn run(&self, statement: &str, bindings: impl rusqlite::Params) -> Result<usize, StoreError> {
        let prepared = self.database.connection.prepare_cached(statement);
        self.did(prepared.and_then(|mut statement| statement.execute(bindings)))
    }

    fn value<T: rusqlite::types::FromSql>(
        &self,
        statement: &str,
        bindings: impl rusqlite::Params,
    ) -> Result<Option<T>, StoreError> {
        let prepared = self.database.connection.prepare_cached(statement);
        let read = prepared
            .and_then(|mut statement| statement.query_row(bindings, |row| row.get(0)).optional());
        self.did(read).map(Option::flatten)
    }

    fn change(&self, id: i64, change: Change<'_>) -> Result<(), StoreError> {
        match change {
            Change::Put(OWN, value) => self.run(PUT_OWN, params![id, value]),
            Change::Put(key, value) => self.run(PUT, params![id, key, value]),
            Change::Delete(OWN) => self.run(PUT_OWN, params![id, None::<&[u8]>]),
            Change::Delete(key) => self.run(DELETE, params![id, key]),
            Change::Move { from, to, value } => {
                self.change(id, Change::Delete(from))?;
                return self.change(id, Change::Put(to, value));
            }
            Change::PutRecord(record, value) => {
                self.run(PUT_RECORD, params![record_id(id, record)?, value])
            }
            Change::DeleteRecord(record) => self.run(DELETE_RECORD, [record_id(id, record)?]),
        }
        .map(drop)
    }
}

/// The numbers of an object's records: from the first to before the second.
fn records(id: i64) -> (i64, i64) {
    (id << 32, (id + 1) << 32)
}

/// Refuses what no row can hold, before anything is changed.
fn check(change: &Change<'_>) -> Result<(), StoreError> {
    let (bytes, record) = match *change {
        Change::Put(key, value) => (key.len().saturating_add(value.len()), 0),
        Change::Move { to, value, .. } => (to.len().saturating_add(value.len()), 0),
        Change::PutRecord(record, value) => (value.len(), record),
        Change::Delete(_) | Change::DeleteRecord(_) => (0, 0),
    };
    if bytes > VALUE_BYTES / 2 {
        return Err(StoreError(format!("a row of {bytes} bytes")));
    }
    record_id(0, record).map(drop)
}

fn record_id(id: i64, record: u64) -> Result<i64, StoreError> {
    let record = u32::try_from(record);
    let record =
        record.map_err(|_| StoreError("more records than an object may have".to_owned()))?;
    Ok((id << 32) | i64::from(record))
}

impl Store for Rows {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if key == OWN && self.id.get() == Id::Unknown {
            return Ok(self.find()?.and_then(|(_, value)| value));
        }
        match self.id()? {
            None => Ok(None),
            Some(id) if key == OWN => self.value(GET_OWN, [id]),
            Some(id) => self.value(GET, params![id, key]),
        }
    }

    fn commit(&mut self, changes: &[Change<'_>]) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        changes.iter().try_for_each(check)?;
        self.did(self.database.begin())?;
        if let [Change::Put(OWN, value)] = changes
            && self.id()?.is_none()
        {
            return self.made(Some(value)).map(drop);
        }
        let id = self.made(None)?;
        // What fails in the middle fails the whole transaction: a savepoint would copy every page that is changed.
        let changed = changes.iter().try_for_each(|change| self.change(id, *change));
        changed.inspect_err(|error| self.database.fail(&error.0))
    }

    fn record(&self, key: &[u8]) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let Some(id) = self.id()? else { return Ok(None) };
        let prepared = self.database.connection.prepare_cached(RECORD);
        let read = prepared.and_then(|mut statement| {
            let bindings = params![id, key, records(id).0];
            let row =
                statement.query_row(bindings, |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?)));
            row.optional()
        });
        let named = self.did(read)?;
        Ok(named.and_then(|(named, value)| {
            Some((std::str::from_utf8(&named).ok()?.parse().ok()?, value))
        }))
    }

    fn follow(&self, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError> {
        let Some(id) = self.id()? else { return Ok(Vec::new()) };
        let statement = if range.reverse { FOLLOW_BACK } else { FOLLOW };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let read = || -> rusqlite::Result<Vec<Row>> {
            let mut statement = self.database.connection.prepare_cached(statement)?;
            let bindings = params![id, range.start, range.end, records(id).0, limit];
            statement.query_map(bindings, |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        self.did(read())
    }

    fn last_record(&self) -> Result<u64, StoreError> {
        let Some(id) = self.id()? else { return Ok(0) };
        let (first, end) = records(id);
        let last: Option<i64> = self.value(LAST_RECORD, [first, end])?;
        Ok(last.map_or(0, |last| (last - first).cast_unsigned()))
    }

    fn count(&self, range: &Range, limit: u64) -> Result<u64, StoreError> {
        let Some(id) = self.id()? else { return Ok(0) };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let count: Option<i64> = self.value(COUNT, params![id, range.start, range.end, limit])?;
        Ok(count.unwrap_or_default().cast_unsigned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blaze_engine::actor::Class;
    use blaze_store::suite;

    #[test]
    fn objects_of_one_file_pass_the_suite_of_stores() {
        let database = Rc::new(Database::in_memory().unwrap());
        let mut last = 0;
        suite::check(|| {
            last += 1;
            Rows::of(&database, Object::new(Class::Index, last.to_string()))
        });
        database.commit().unwrap();
    }

    #[test]
    fn what_no_row_can_hold_changes_nothing_and_does_not_end_what_others_do() {
        let database = Rc::new(Database::in_memory().unwrap());
        let rows = |name: &str| Rows::of(&database, Object::new(Class::Index, name));
        rows("a").put_all(&[(b"k", b"1")]).unwrap();
        let huge = vec![0; 17 << 20];
        let mut failing = rows("b");
        let changes = [Change::Put(b"x", b"1"), Change::Put(b"y", &huge)];
        assert!(failing.commit(&changes).is_err());
        assert_eq!(failing.get(b"x").unwrap(), None);
        database.commit().unwrap();
        assert_eq!(rows("a").get(b"k").unwrap(), Some(b"1".to_vec()));
        assert_eq!(rows("b").id().unwrap(), None, "it was not made");
    }

    #[test]
    fn an_object_that_is_erased_leaves_the_others() {
        let database = Rc::new(Database::in_memory().unwrap());
        let rows = |name: &str| Rows::of(&database, Object::new(Class::Document, name));
        for name in ["a", "b"] {
            let mut rows = rows(name);
            rows.commit(&[
                Change::Put(b"d", b"1"),
                Change::Put(b"k", b"1"),
                Change::PutRecord(1, b"r"),
            ])
            .unwrap();
        }
        rows("a").erase().unwrap();
        assert_eq!((rows("a").get(b"d").unwrap(), rows("a").last_record().unwrap()), (None, 0));
        assert_eq!(
            (rows("b").get(b"d").unwrap(), rows("b").last_record().unwrap()),
            (Some(b"1".to_vec()), 1)
        );
    }

    #[test]
    fn what_is_abandoned_was_never_there() {
        let database = Rc::new(Database::in_memory().unwrap());
        let mut rows = Rows::of(&database, Object::new(Class::Document, "a/b"));
        rows.put_all(&[(b"d", b"1")]).unwrap();
        database.abandon();
        rows.forget();
        assert_eq!(rows.get(b"d").unwrap(), None);
        rows.put_all(&[(b"d", b"2")]).unwrap();
        database.commit().unwrap();
        database.abandon();
        assert_eq!(rows.get(b"d").unwrap(), Some(b"2".to_vec()));
    }
}
