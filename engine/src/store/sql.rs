//! The SQL of every SQLite behind a [`super::Store`]: the Durable Object's and the tests' speak the same text.
//!
//! A range's bounds and limits stand in subqueries: SQLite looks at a bare parameter to plan by its value, and so would
//! plan every time anew.

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

/// Removes key ?1.
pub const DELETE: &str = "DELETE FROM store WHERE key = ?1";

/// Makes key ?1 key ?2 with value ?3, if there is a ?1. One row written.
pub const MOVE: &str = "UPDATE OR REPLACE store SET key = ?2, value = ?3 WHERE key = ?1";

/// The first ?3 rows from key ?1 to before key ?2.
pub const SCAN: &str = "SELECT key, value FROM store WHERE key >= (SELECT ?1) AND key < (SELECT ?2) ORDER BY key LIMIT (SELECT ?3)";

/// The last ones, last first.
pub const SCAN_REVERSE: &str = "SELECT key, value FROM store WHERE key >= (SELECT ?1) AND key < (SELECT ?2) ORDER BY key DESC LIMIT (SELECT ?3)";

/// As [`SCAN`], with the values of the rows that the values name. `CROSS JOIN` keeps the order of the two.
pub const FOLLOW: &str = "SELECT a.key, b.value FROM store a CROSS JOIN store b ON b.key = a.value \
                          WHERE a.key >= (SELECT ?1) AND a.key < (SELECT ?2) ORDER BY a.key LIMIT (SELECT ?3)";

/// The last ones, last first.
pub const FOLLOW_REVERSE: &str = "SELECT a.key, b.value FROM store a CROSS JOIN store b ON b.key = a.value \
                                  WHERE a.key >= (SELECT ?1) AND a.key < (SELECT ?2) ORDER BY a.key DESC LIMIT (SELECT ?3)";

/// How many rows there are from key ?1 to before key ?2, at most ?3.
pub const COUNT: &str = "SELECT count(*) FROM (SELECT 1 FROM store WHERE key >= (SELECT ?1) AND key < (SELECT ?2) LIMIT (SELECT ?3))";

/// As [`SCAN`], all rows in one value: for each the key in hexadecimal, a space, the value, and between rows a byte 30,
/// which no value has. One value crosses into the program faster than many. An error when the text is too long.
pub const SCAN_AS_TEXT: &str = "SELECT CAST(group_concat(hex(key) || ' ' || CAST(value AS TEXT), char(30)) AS BLOB) FROM \
                                (SELECT key, value FROM store WHERE key >= (SELECT ?1) AND key < (SELECT ?2) ORDER BY key LIMIT (SELECT ?3))";

/// The last ones, last first.
pub const SCAN_REVERSE_AS_TEXT: &str = "SELECT CAST(group_concat(hex(key) || ' ' || CAST(value AS TEXT), char(30)) AS BLOB) FROM \
                                        (SELECT key, value FROM store WHERE key >= (SELECT ?1) AND key < (SELECT ?2) ORDER BY key DESC LIMIT (SELECT ?3))";

/// As [`FOLLOW`], in one text.
pub const FOLLOW_AS_TEXT: &str = "SELECT CAST(group_concat(hex(key) || ' ' || CAST(value AS TEXT), char(30)) AS BLOB) FROM \
                                  (SELECT a.key, b.value FROM store a CROSS JOIN store b ON b.key = a.value \
                                  WHERE a.key >= (SELECT ?1) AND a.key < (SELECT ?2) ORDER BY a.key LIMIT (SELECT ?3))";

/// The last ones, last first.
pub const FOLLOW_REVERSE_AS_TEXT: &str = "SELECT CAST(group_concat(hex(key) || ' ' || CAST(value AS TEXT), char(30)) AS BLOB) FROM \
                                          (SELECT a.key, b.value FROM store a CROSS JOIN store b ON b.key = a.value \
                                          WHERE a.key >= (SELECT ?1) AND a.key < (SELECT ?2) ORDER BY a.key DESC LIMIT (SELECT ?3))";
