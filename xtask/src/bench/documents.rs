//! The documents that are measured with.

use std::cell::Cell;
use std::ops::Range;

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use serde::Deserialize;

use super::http::{self, Connection};
use super::subject::Subject;

/// How many documents stand for "many".
pub(crate) const COUNT: u64 = 1_000;

/// What [`change`] adds to its numbers: more than any document is created with.
const CHANGED: u64 = 1_000_000;

/// What both contestants' answers and messages have in common.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

/// The path of a numbered document.
pub(crate) fn path(collection: &str, number: u64) -> String {
    format!("/v1/docs/{collection}/document-{number}")
}

/// Where somebody can live: however many documents there are, one in eight has a given city.
pub(crate) const CITIES: [&str; 8] =
    ["Paris", "Rome", "Oslo", "Lima", "Cairo", "Tokyo", "Quito", "Dakar"];

/// How many documents, one after the other, share a group.
pub(crate) const GROUP: u64 = 25;

/// The data of a new document: 300 bytes, of the shape that an application would store.
pub(crate) fn data(number: u64) -> String {
    format!(
        concat!(
            r#"{{"n":{number},"name":"Person number {number:04}","email":"person{number:04}@example.com","age":{age},"#,
            r#""active":true,"address":{{"street":"Rue de la Paix {age}","city":"{city}","country":"FR"}},"#,
            r#""tags":["vip","newsletter","group-{group}"],"#,
            r#""bio":"Writes documents, listens to documents, and would like both to be quick and never lost."}}"#
        ),
        number = number,
        age = 18 + number % 80,
        city = CITIES[number as usize % CITIES.len()],
        group = number / GROUP,
    )
}

/// The change that every measured write makes: one field, the one by which both contestants find documents, to a value
/// that it did not have.
pub(crate) fn change(number: u64) -> String {
    format!(r#"{{"n":{}}}"#, CHANGED + number)
}

/// Makes new documents with the numbers of a range in a collection, over all connections.
///
/// # Errors
/// If a request fails.
pub(crate) async fn create(subject: &Subject, collection: &str, numbers: Range<u64>) -> Result<()> {
    let Range { start, end } = numbers;
    let numbers = Cell::new(start);
    let create = async |mut connection: Connection| {
        while numbers.get() < end {
            let number = numbers.replace(numbers.get() + 1);
            connection.put(&path(collection, number), data(number)).await?;
        }
        anyhow::Ok(())
    };
    try_join_all(http::connect(subject.address()).await?.into_iter().map(create)).await?;
    Ok(())
}

/// The version that an answer or a message says.
///
/// # Errors
/// If it says none.
pub(crate) fn version(json: &[u8]) -> Result<u64> {
    let Versioned { version } = serde_json::from_slice(json)
        .with_context(|| format!("no version in {}", String::from_utf8_lossy(json)))?;
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::{data, version};

    #[test]
    fn a_document_is_about_as_long_as_the_report_says() {
        assert!((290..310).contains(&data(999).len()), "{}", data(999).len());
    }

    #[test]
    fn the_version_is_found_among_other_fields() {
        assert_eq!(version(br#"{"type":"patch","base":3,"version":4,"patch":[]}"#).unwrap(), 4);
        assert!(version(br#"{"pong":1}"#).is_err());
    }
}
