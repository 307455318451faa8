//! The SQL of every SQLite behind a [`super::Store`]: the Durable Object's and the tests' speak the same text.
//!
//! A range's bounds and limits stand in subqueries: SQLite looks at a bare parameter to plan by its value, and so would
//! plan every time anew.

use super::{Range, Row, StoreError};

/// One table. `WITHOUT ROWID` makes a row one entry of one B-tree, so that a write is one row written; with a rowid and
/// a key of bytes it would be two.
pub const CREATE: &str =
    "CREATE TABLE IF NOT EXISTS store (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID";

/// The table of records: rows with a number each, found by it, many to a page.
pub const CREATE_RECORDS: &str =
    "CREATE TABLE IF NOT EXISTS record (id INTEGER PRIMARY KEY, value BLOB NOT NULL)";

/// Whether the table with the name ?1, in bytes, is there: 1 or null.
pub const EXISTS: &str = "SELECT (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = CAST(?1 AS TEXT)) AS value";

/// The name of the table that [`CREATE`] makes.
pub const STORE: &[u8] = b"store";

/// The name of the table that [`CREATE_RECORDS`] makes.
pub const RECORDS: &[u8] = b"record";

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

/// Sets record ?1, a number in decimal digits.
pub const PUT_RECORD: &str = "INSERT INTO record (id, value) VALUES (CAST(?1 AS INTEGER), ?2) \
                              ON CONFLICT (id) DO UPDATE SET value = excluded.value";

/// Removes record ?1.
pub const DELETE_RECORD: &str = "DELETE FROM record WHERE id = CAST(?1 AS INTEGER)";

/// The greatest number of a record, or null.
pub const LAST_RECORD: &str = "SELECT max(id) AS value FROM record";

/// The record that key ?1 names, as [`numbered`] reads it, or null.
pub const RECORD: &str = "SELECT (SELECT CAST(CAST(a.value AS TEXT) || ' ' || CAST(b.value AS TEXT) AS BLOB) \
                          FROM store a CROSS JOIN record b ON b.id = CAST(a.value AS INTEGER) WHERE a.key = ?1) AS value";

/// `CROSS JOIN` keeps the order of the two.
macro_rules! follow {
    ($direction:literal) => {
        concat!(
            "SELECT a.key, b.value FROM store a CROSS JOIN record b ON b.id = CAST(a.value AS INTEGER) ",
            "WHERE a.key >= (SELECT ?1) AND a.key < (SELECT ?2) ORDER BY a.key ",
            $direction,
            " LIMIT (SELECT ?3)"
        )
    };
}

macro_rules! as_text {
    ($rows:expr) => {
        concat!(
            "SELECT CAST(group_concat(hex(key) || ' ' || length(value) || ' ' || CAST(value AS TEXT), '') AS BLOB) ",
            "AS value FROM (",
            $rows,
            ")"
        )
    };
}

/// The first ?3 rows from key ?1 to before key ?2, with the values of the records that they name; where the range is
/// reverse the last ones, last first.
pub fn follow(range: &Range) -> &'static str {
    if range.reverse { follow!("DESC") } else { follow!("ASC") }
}

/// As [`follow`], all rows in one value, as [`rows`] reads it: for each the key in hexadecimal, the value's length and the
/// value. One value crosses into the program faster than many. An error when the text is too long for SQLite.
pub fn follow_as_text(range: &Range) -> &'static str {
    if range.reverse { as_text!(follow!("DESC")) } else { as_text!(follow!("ASC")) }
}

/// How many rows there are from key ?1 to before key ?2, at most ?3.
pub const COUNT: &str = "SELECT count(*) AS value FROM (SELECT 1 FROM store WHERE key >= (SELECT ?1) AND key < (SELECT ?2) LIMIT (SELECT ?3))";

/// A number and a record, from the value of [`RECORD`].
///
/// # Errors
/// For any other value.
pub fn numbered(value: &[u8]) -> Result<(u64, Vec<u8>), StoreError> {
    let broken = || StoreError("a record that is not as it was asked for".to_owned());
    let space = value.iter().position(|byte| *byte == b' ').ok_or_else(broken)?;
    let (number, record) = value.split_at_checked(space).ok_or_else(broken)?;
    let number = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
    Ok((number.ok_or_else(broken)?, record.get(1..).unwrap_or_default().to_vec()))
}

/// How a store asks SQLite for rows of a range.
pub trait Reads {
    /// What [`follow_as_text`] gives for the first so many rows of a range.
    ///
    /// # Errors
    /// SQLite's: the text may be too long.
    fn text(&self, range: &Range, limit: usize) -> Result<Option<Vec<u8>>, StoreError>;

    /// The first row of a range, as [`follow`] gives it.
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
