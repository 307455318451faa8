//! The SQL of every SQLite behind a [`super::Store`]: the Durable Object's and the tests' speak the same text.

/// One table. `WITHOUT ROWID` makes a row one entry of one B-tree, so that a write is one row written; with a rowid and
/// a key of bytes it would be two.
pub const CREATE: &str =
    "CREATE TABLE IF NOT EXISTS store (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID";

/// Whether the table is there: one row if so.
pub const EXISTS: &str = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'store'";

/// The value of key ?1: a row or none.
pub const GET: &str = "SELECT value FROM store WHERE key = ?1";

/// Sets key ?1.
pub const PUT_ONE: &str = "INSERT INTO store (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";

/// Sets keys ?1 and ?3, in one statement: all or nothing by itself.
pub const PUT_TWO: &str = "INSERT INTO store (key, value) VALUES (?1, ?2), (?3, ?4) \
                           ON CONFLICT (key) DO UPDATE SET value = excluded.value";
