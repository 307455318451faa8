//! The one SQLite file: its tables, and the transaction of a group of steps.
//!
//! ```text
//!   object   id │ class │ name │ value      value: the row `d`; most documents have no other
//!   row      object, key │ value
//!   record   object << 32 | number │ value
//!   alarm    object │ at
//! ```

use anyhow::{Context, Result, bail};
use blaze_engine::actor::{Class, Object};
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use std::cell::{Cell, RefCell};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

/// The version of the tables, which stands in the file's `user_version`.
const FORMAT: i64 = 1;
/// The name of the file in the data directory.
const FILE: &str = "blaze.sqlite";
/// Bytes of a value at most: those of the engine's largest row fit.
pub(crate) const VALUE_BYTES: usize = 16 * 1_024 * 1_024;
/// Statements that are kept prepared.
const STATEMENTS: usize = 64;
/// Pages of 4 KiB that are kept in memory.
const CACHED_PAGES: i64 = 4_000;
/// Pages in the write-ahead log after which they are moved into the file.
const CHECKPOINT_PAGES: i64 = 4_000;
/// Bytes of the write-ahead log's file that are kept when all of it is in the file.
const LOG_BYTES: i64 = 64 * 1_024 * 1_024;

const TABLES: &str = "
    CREATE TABLE object (
        id INTEGER PRIMARY KEY, class INTEGER NOT NULL, name TEXT NOT NULL, value BLOB, UNIQUE (class, name)
    );
    CREATE TABLE row (
        object INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (object, key)
    ) WITHOUT ROWID;
    CREATE TABLE record (id INTEGER PRIMARY KEY, value BLOB NOT NULL);
    CREATE TABLE alarm (object INTEGER PRIMARY KEY, at INTEGER NOT NULL);";

/// The number of an object, and the row `d`.
pub(crate) type Found = (i64, Option<Vec<u8>>);

/// The file, opened by this process alone.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) connection: Connection,
    is_writing: Cell<bool>,
    /// The reason why the present transaction cannot be committed.
    failure: RefCell<Option<String>>,
    /// Held as long as the directory is ours.
    _lock: Option<File>,
}

impl Database {
    /// Opens the file in a data directory; makes both if they are not there.
    ///
    /// # Errors
    /// If another server uses the directory, if it cannot be written, or if the file is none of ours or of a later
    /// version.
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        private_directory(directory)
            .with_context(|| format!("creating the data directory {}", directory.display()))?;
        let lock = lock(directory)?;
        let file = directory.join(FILE);
        let open = || -> Result<Self> {
            private_file(&file)?;
            let connection = Connection::open(&file)?;
            Self::over(connection, Some(lock))
        };
        open().with_context(|| format!("opening {}", file.display()))
    }

    /// A database that is gone with the value.
    ///
    /// # Errors
    /// SQLite's.
    #[cfg(test)]
    pub(crate) fn in_memory() -> Result<Self> {
        Self::over(Connection::open_in_memory()?, None)
    }

    fn over(connection: Connection, lock: Option<File>) -> Result<Self> {
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, i32::try_from(VALUE_BYTES)?)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // Or statements would be planned anew for other values of their parameters.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        // No other process may look at the file: so its locks need no shared memory, and are taken once.
        connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE")?;
        // Before anything is changed: it may be somebody else's.
        let is_new = is_new(&connection)?;
        connection.execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
             PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON; \
             PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}; PRAGMA journal_size_limit = {LOG_BYTES}; \
             PRAGMA cache_size = {CACHED_PAGES}; PRAGMA temp_store = MEMORY;"
        ))?;
        if is_new {
            connection.execute_batch(&format!(
                "BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {FORMAT}; COMMIT"
            ))?;
        }
        Ok(Database {
            connection,
            is_writing: Cell::new(false),
            failure: RefCell::new(None),
            _lock: lock,
        })
    }

    /// Begins the transaction, unless it has begun.
    pub(crate) fn begin(&self) -> rusqlite::Result<()> {
        if !self.is_writing.get() {
            self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
            self.is_writing.set(true);
        }
        Ok(())
    }

    /// Notes an error. One after which SQLite has ended the transaction, or cannot go on with it, fails all of it; what
    /// cannot be read is the matter of who reads it.
    pub(crate) fn notice(&self, error: &rusqlite::Error, is_write: bool) {
        let is_storage = is_write
            && matches!(
                error.sqlite_error_code(),
                Some(
                    ErrorCode::DiskFull
                        | ErrorCode::SystemIoFailure
                        | ErrorCode::OutOfMemory
                        | ErrorCode::DatabaseCorrupt
                        | ErrorCode::NotADatabase
                        | ErrorCode::ReadOnly
                        | ErrorCode::CannotOpen
                )
            );
        let is_over = self.is_writing.get() && self.connection.is_autocommit();
        if is_storage || is_over {
            self.fail(&error.to_string());
        }
    }

    /// Has the transaction fail when it is to be committed.
    pub(crate) fn fail(&self, reason: &str) {
        self.failure.borrow_mut().get_or_insert_with(|| reason.to_owned());
    }

    /// Commits the transaction, if one has begun. On return all that was written is on disk.
    ///
    /// # Errors
    /// The reason why nothing of it was committed.
    pub(crate) fn commit(&self) -> Result<(), String> {
        if let Some(failure) = self.failure.take() {
            self.abandon();
            return Err(failure);
        }
        if !self.is_writing.get() {
            return Ok(());
        }
        let committed =
            self.connection.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([]));
        if let Err(error) = committed {
            self.abandon();
            return Err(error.to_string());
        }
        self.is_writing.set(false);
        Ok(())
    }

    /// Undoes the transaction, if one has begun.
    pub(crate) fn abandon(&self) {
        self.failure.take();
        if self.is_writing.replace(false) && !self.connection.is_autocommit() {
            // It fails if SQLite has undone everything already.
            self.connection.execute_batch("ROLLBACK").ok();
        }
    }

    /// The object's number and its own row.
    pub(crate) fn find(&self, object: &Object) -> rusqlite::Result<Option<Found>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT id, value FROM object WHERE class = ?1 AND name = ?2")?;
        let bindings = params![class_number(object.class), object.name];
        statement.query_row(bindings, |row| Ok((row.get(0)?, row.get(1)?))).optional()
    }

    /// The object of a number.
    pub(crate) fn object(&self, id: i64) -> rusqlite::Result<Option<Object>> {
        let mut statement =
            self.connection.prepare_cached("SELECT class, name FROM object WHERE id = ?1")?;
        let row = statement.query_row([id], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)));
        let row: Option<(i64, String)> = row.optional()?;
        Ok(row.and_then(|(class, name)| {
            let class = usize::try_from(class).ok()?;
            Some(Object::new(*Class::ALL.get(class)?, name))
        }))
    }

    /// All alarms: objects' numbers and times (µs).
    pub(crate) fn alarms(&self) -> rusqlite::Result<Vec<(i64, i64)>> {
        let mut statement = self.connection.prepare_cached("SELECT object, at FROM alarm")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    }

    /// Sets or removes an object's alarm.
    pub(crate) fn set_alarm(&self, object: i64, at: Option<i64>) -> rusqlite::Result<()> {
        self.begin()?;
        match at {
            Some(at) => self
                .connection
                .prepare_cached("INSERT OR REPLACE INTO alarm (object, at) VALUES (?1, ?2)")?
                .execute([object, at])?,
            None => self
                .connection
                .prepare_cached("DELETE FROM alarm WHERE object = ?1")?
                .execute([object])?,
        };
        Ok(())
    }

    /// Moves the write-ahead log into the file, and ends the use of it.
    pub(crate) fn close(self) {
        let Database { connection, .. } = self;
        connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").ok();
        connection.close().ok();
    }
}

/// The number that stands for a class in the file: never another one.
pub(crate) fn class_number(class: Class) -> i64 {
    match class {
        Class::Document => 0,
        Class::Index => 1,
        Class::Access => 2,
        Class::Account => 3,
        Class::Limiter => 4,
    }
}

/// True if the file has no tables yet.
///
/// # Errors
/// If it is none of ours, or of a later version.
fn is_new(connection: &Connection) -> Result<bool> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    match number("PRAGMA user_version")? {
        FORMAT => Ok(false),
        0 if number("SELECT count(*) FROM sqlite_schema")? > 0 => {
            bail!("a SQLite file of another program")
        }
        0 => Ok(true),
        newer if newer > FORMAT => bail!(
            "written by a later version of Blaze (format {newer}, this one knows {FORMAT}): use that version"
        ),
        other => bail!("of format {other}, which no version of Blaze writes"),
    }
}

/// Makes a directory, which only its owner may enter, unless it is there.
fn private_directory(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// Makes an empty file, which only its owner may read, unless it is there. SQLite gives its other files the same mode.
fn private_file(file: &Path) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(file) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn lock(directory: &Path) -> Result<File> {
    let path = directory.join("lock");
    let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another server is using the data directory {}: stop it, or choose another directory (--data)",
            directory.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("locking {}", path.display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_program_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        Connection::open(&file).unwrap().execute_batch("CREATE TABLE other (a)").unwrap();
        let before = fs::read(&file).unwrap();
        let error = Database::open(folder.path()).unwrap_err();
        assert!(format!("{error:#}").contains("another program"), "{error:#}");
        assert_eq!(fs::read(&file).unwrap(), before);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_what_is_made() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let database = Database::open(&data).unwrap();
        assert_eq!((mode(&data), mode(&data.join(FILE))), (0o700, 0o600));
        assert_eq!(mode(&data.join("blaze.sqlite-wal")), 0o600);
        database.close();
        drop(Database::open(&data).unwrap());
    }
}
