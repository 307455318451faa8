//! What each operation costs in SQLite rows, as the server counted them: rows are what Cloudflare bills.

use anyhow::{Context, Result, ensure};
use hyper::{HeaderMap, StatusCode};

use super::documents;
use super::http::{Connection, MERGE_PATCH};
use super::subject::{Contestant, Subject};

const DOCUMENT: &str = "/v1/docs/rows/document";
const COLLECTION: &str = "/v1/docs/rows";
const JSON: (&str, &str) = ("content-type", "application/json");
const MERGE: (&str, &str) = ("content-type", MERGE_PATCH);
const JSON_PATCH: (&str, &str) = ("content-type", "application/json-patch+json");
const OPERATIONS: &str = r#"[{"op":"replace","path":"/n","value":3}]"#;
const KEY: (&str, &str) = ("idempotency-key", "bench");
const UNCHANGED: (&str, &str) = ("if-none-match", "\"1\"");
/// How many objects one of these requests wakes: the document, and no other.
pub(crate) const OBJECTS_CALLED: u64 = 1;
/// Headers that a server with the variable `COUNT_ROWS` adds to its answers.
const WRITTEN: &str = "blaze-rows-written";
const READ: &str = "blaze-rows-read";

/// One request whose rows are counted. They run in the order of [`operations`], each on what the last one left.
struct Operation {
    name: &'static str,
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: String,
    status: StatusCode,
}

/// What one operation cost.
pub(crate) struct Cost {
    /// For a table's first column.
    pub(crate) name: &'static str,
    /// The HTTP status that answered it.
    pub(crate) status: StatusCode,
    /// Rows that SQLite wrote, index entries included.
    pub(crate) written: u64,
    /// Rows that SQLite read.
    pub(crate) read: u64,
}

/// Counts every operation's rows on a fresh server.
///
/// # Errors
/// If an operation is not answered as it should be, or the server does not count.
pub(crate) async fn count(blaze: &Contestant) -> Result<Vec<Cost>> {
    let mut subject = blaze.start_counting_rows()?;
    let mut costs = run(&subject, operations()).await?;
    for operation in operations_asleep() {
        // As after ten idle seconds: the object is on disk only.
        subject.restart()?;
        costs.extend(run(&subject, vec![operation]).await?);
    }
    Ok(costs)
}

async fn run(subject: &Subject, operations: Vec<Operation>) -> Result<Vec<Cost>> {
    let mut connection = Connection::open(subject.address()).await?;
    let mut costs = Vec::new();
    for operation in operations {
        costs.push(operation.cost(&mut connection).await?);
    }
    Ok(costs)
}

/// Every kind of operation on one document that is awake, but for the first one, which makes it.
fn operations() -> Vec<Operation> {
    let name = DOCUMENT;
    vec![
        operation("Create (`PUT`)", "PUT", name, &[JSON], &documents::data(0), StatusCode::CREATED),
        operation("Read", "GET", name, &[], "", StatusCode::OK),
        operation("Read, not modified", "GET", name, &[UNCHANGED], "", StatusCode::NOT_MODIFIED),
        operation("Merge patch", "PATCH", name, &[MERGE], r#"{"n":1}"#, StatusCode::OK),
        operation("Update", "PATCH", name, &[JSON], r#"{"address.city":"Rome"}"#, StatusCode::OK),
        operation("JSON patch", "PATCH", name, &[JSON_PATCH], OPERATIONS, StatusCode::OK),
        operation(
            "Write that changes nothing",
            "PATCH",
            name,
            &[MERGE],
            r#"{"n":3}"#,
            StatusCode::OK,
        ),
        operation(
            "Write with an idempotency key",
            "PATCH",
            name,
            &[MERGE, KEY],
            r#"{"n":4}"#,
            StatusCode::OK,
        ),
        operation("The same key again", "PATCH", name, &[MERGE, KEY], r#"{"n":4}"#, StatusCode::OK),
        operation("Delete", "DELETE", name, &[], "", StatusCode::NO_CONTENT),
        operation("Delete of a missing document", "DELETE", name, &[], "", StatusCode::NO_CONTENT),
        operation(
            "Create where one was deleted",
            "PUT",
            name,
            &[JSON],
            &documents::data(0),
            StatusCode::CREATED,
        ),
        operation(
            "Create (`POST`)",
            "POST",
            COLLECTION,
            &[JSON],
            &documents::data(0),
            StatusCode::CREATED,
        ),
    ]
}

/// Operations that have to read the document from disk first.
fn operations_asleep() -> Vec<Operation> {
    vec![
        operation("Read, object asleep", "GET", DOCUMENT, &[], "", StatusCode::OK),
        operation(
            "Merge patch, object asleep",
            "PATCH",
            DOCUMENT,
            &[MERGE],
            r#"{"n":1}"#,
            StatusCode::OK,
        ),
    ]
}

fn operation(
    name: &'static str,
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &str,
    status: StatusCode,
) -> Operation {
    Operation { name, method, path, headers, body: body.to_owned(), status }
}

impl Operation {
    async fn cost(self, connection: &mut Connection) -> Result<Cost> {
        let Self { name, method, path, headers, body, status } = self;
        let answer = connection.send(method.parse()?, path, headers, body).await?;
        ensure!(
            answer.status == status,
            "{name} was answered {} instead of {status}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        let count = |header| {
            number(&answer.headers, header).with_context(|| format!("{name}: no header {header}"))
        };
        Ok(Cost { name, status, written: count(WRITTEN)?, read: count(READ)? })
    }
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}
