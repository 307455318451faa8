//! The SQL of every SQLite behind a [`super::Store`]: the Durable Object's and the tests' speak the same text.
//!
//! A range's bounds and limits stand in subqueries: SQLite looks at a bare parameter to plan by its value, and so would
//! plan every time anew.

use super::{Range, Row, StoreError};

/// One table. `WITHOUT ROWID` makes a row one entry of one B-tree, so that a write is one row written; with a rowid and
/// a key of bytes it would be two.
pub const CREATE: &str =
    "CREATE TABLE IF NOT EXISTS store (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID";

/// Whether the table is there: one row if so.
pub const EXISTS: &str = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'store'";

/// The value of key ?1, or null.
pub const GET: &str = "SELECT (SELECT value FROM store WHERE key = ?1) AS value";

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
pub const COUNT: &str = "SELECT count(*) AS value FROM (SELECT 1 FROM store WHERE key >= (SELECT ?1) AND key < (SELECT ?2) LIMIT (SELECT ?3))";

/// As [`SCAN`], all rows in one value, as [`rows`] reads it: for each the key in hexadecimal, the value's length and the
/// value. One value crosses into the program faster than many. An error when the text is too long for SQLite.
pub const SCAN_AS_TEXT: &str = "SELECT CAST(group_concat(hex(key) || ' ' || length(value) || ' ' || CAST(value AS TEXT), '') AS BLOB) AS value FROM \
                                (SELECT key, value FROM store WHERE key >= (SELECT ?1) AND key < (SELECT ?2) ORDER BY key LIMIT (SELECT ?3))";

/// The last ones, last first.
pub const SCAN_REVERSE_AS_TEXT: &str = "SELECT CAST(group_concat(hex(key) || ' ' || length(value) || ' ' || CAST(value AS TEXT), '') AS BLOB) AS value FROM \
                                        (SELECT key, value FROM store WHERE key >= (SELECT ?1) AND key < (SELECT ?2) ORDER BY key DESC LIMIT (SELECT ?3))";

/// As [`FOLLOW`], in one text.
pub const FOLLOW_AS_TEXT: &str = "SELECT CAST(group_concat(hex(key) || ' ' || length(value) || ' ' || CAST(value AS TEXT), '') AS BLOB) AS value FROM \
                                  (SELECT a.key, b.value FROM store a CROSS JOIN store b ON b.key = a.value \
                                  WHERE a.key >= (SELECT ?1) AND a.key < (SELECT ?2) ORDER BY a.key LIMIT (SELECT ?3))";

/// The last ones, last first.
pub const FOLLOW_REVERSE_AS_TEXT: &str = "SELECT CAST(group_concat(hex(key) || ' ' || length(value) || ' ' || CAST(value AS TEXT), '') AS BLOB) AS value FROM \
                                          (SELECT a.key, b.value FROM store a CROSS JOIN store b ON b.key = a.value \
                                          WHERE a.key >= (SELECT ?1) AND a.key < (SELECT ?2) ORDER BY a.key DESC LIMIT (SELECT ?3))";

/// How a store asks SQLite for rows of a range.
pub trait Reads {
    /// What a statement `*_AS_TEXT` gives for the first so many rows of a range.
    ///
    /// # Errors
    /// SQLite's: the text may be too long.
    fn text(&self, range: &Range, limit: usize) -> Result<Option<Vec<u8>>, StoreError>;

    /// The first row of a range, from the statement that is not as text.
    ///
    /// # Errors
    /// SQLite's.
    fn first(&self, range: &Range) -> Result<Option<Row>, StoreError>;
}

/// The first `limit` rows of a range: in one text; where that would be too long, in several; where one row is too much for
/// a text, as it stands.
///
/// # Errors
/// SQLite's.
pub fn rows(reads: &impl Reads, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError> {
    if limit == 0 || range.is_empty() {
        return Ok(Vec::new());
    }
    if let Ok(text) = reads.text(range, limit) {
        let broken = || StoreError("rows that are not as they were asked for".to_owned());
        return split(&text.unwrap_or_default()).ok_or_else(broken);
    }
    if limit == 1 {
        return reads.first(range).map(|row| row.into_iter().collect());
    }
    let (mut rest, mut found) = (range.clone(), Vec::new());
    loop {
        let asked = limit.div_ceil(8).min(limit.saturating_sub(found.len()));
        let part = rows(reads, &rest, asked)?;
        let is_end = part.len() < asked;
        let Some((key, _)) = part.last() else { return Ok(found) };
        rest.skip_to_after(key);
        found.extend(part);
        if is_end {
            return Ok(found);
        }
    }
}

/// The rows of a text; `None` for what is none.
fn split(mut text: &[u8]) -> Option<Vec<Row>> {
    let mut rows = Vec::new();
    while !text.is_empty() {
        let space = text.iter().position(|byte| *byte == b' ')?;
        let (hex, rest) = text.split_at_checked(space)?;
        let mut key = Vec::with_capacity(space / 2);
        for &[high, low] in hex.as_chunks::<2>().0 {
            key.push((digit(high)? << 4) | digit(low)?);
        }
        let mut length = 0_usize;
        let mut rest = rest.get(1..)?;
        while let Some((digit @ b'0'..=b'9', after)) = rest.split_first() {
            length = length.checked_mul(10)?.checked_add(usize::from(digit.wrapping_sub(b'0')))?;
            rest = after;
        }
        let (value, after) = rest.get(1..)?.split_at_checked(length)?;
        rows.push((key, value.to_vec()));
        text = after;
    }
    Some(rows)
}

/// The value of a digit of SQLite's `hex`.
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte.wrapping_sub(b'0')),
        b'A'..=b'F' => Some(byte.wrapping_sub(b'A').wrapping_add(10)),
        _ => None,
    }
}
