//! What each operation costs in SQLite rows, as the server counted them: rows are what Cloudflare bills.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use blaze_engine::index::count_entries;
use blaze_engine::index::settings::Collections;
use hyper::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::documents;
use super::http::{Connection, MERGE_PATCH};
use super::queries::Shape;
use super::subject::{Contestant, Subject, Variant};

/// The collection's id.
const ID: &str = "rows";
const DOCUMENT: &str = "/v1/docs/rows/document";
const COLLECTION: &str = "/v1/docs/rows";
const JSON: (&str, &str) = ("content-type", "application/json");
const MERGE: (&str, &str) = ("content-type", MERGE_PATCH);
const JSON_PATCH: (&str, &str) = ("content-type", "application/json-patch+json");
const OPERATIONS: &str = r#"[{"op":"replace","path":"/n","value":3}]"#;
const KEY: (&str, &str) = ("idempotency-key", "bench");
const UNCHANGED: (&str, &str) = ("if-none-match", "\"1\"");
/// The field that the settings exempt from the index, changed.
const EXEMPT: &str = r#"{"bio":"Now writes less."}"#;
/// How long after a write the document's alarm rings, and some more. The next write sets it again.
const ALARM: Duration = Duration::from_secs(9);
/// Headers that a server with the variable `COUNT_ROWS` adds to its answers: the rows of the object that answered, and
/// of the index that it told.
const WRITTEN: &str = "blaze-rows-written";
const READ: &str = "blaze-rows-read";
const INDEX_WRITTEN: &str = "blaze-index-rows-written";
const INDEX_READ: &str = "blaze-index-rows-read";

/// One request whose rows are counted. They run in the order of [`operations`], each on what the last one left.
struct Operation {
    kind: Kind,
    name: &'static str,
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: String,
    status: StatusCode,
    /// How many indexed values it changes.
    changed: u64,
}

/// What an operation is an example of, in a bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A write whose document's alarm is to be set: the most that a write of one value costs.
    Write,
    /// A read of a document that is awake.
    Read,
    /// A query of 20 documents.
    Query,
    /// Nothing that a bill is made for.
    Other,
}

/// What one operation cost.
pub(crate) struct Cost {
    /// What it is an example of.
    pub(crate) kind: Kind,
    /// For a table's first column.
    pub(crate) name: &'static str,
    /// The HTTP status that answered it.
    pub(crate) status: StatusCode,
    /// How many indexed values it changes.
    pub(crate) changed: u64,
    /// Rows of the object that answered: the document, or for a query the index.
    pub(crate) answering: Rows,
    /// Rows of the index that was told of a write.
    pub(crate) index: Option<Rows>,
}

/// Rows that SQLite counted in one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rows {
    /// Written, index entries included.
    pub(crate) written: u64,
    /// Read.
    pub(crate) read: u64,
}

impl Cost {
    /// How many objects were called.
    pub(crate) fn objects(&self) -> u64 {
        1 + u64::from(self.index.is_some())
    }
}

/// Counts every operation's rows on a fresh server.
///
/// # Errors
/// If an operation is not answered as it should be, or the server does not count.
pub(crate) async fn count(blaze: &Contestant) -> Result<Vec<Cost>> {
    let settings = json!({ID: {"exempt": ["bio"]}});
    let entries = entries(&settings)?;
    let variant = Variant { counts_rows: true, collections: Some(settings), ..Variant::default() };
    let mut subject = blaze.start_as(&variant)?;
    let mut costs = run(&subject, operations(entries)).await?;
    sleep(ALARM).await;
    costs.extend(run(&subject, operations_after_the_alarm()).await?);
    for operation in operations_asleep() {
        // As after ten idle seconds: the object is on disk only.
        subject.restart()?;
        costs.extend(run(&subject, vec![operation]).await?);
    }
    documents::create(&subject, ID, 0..QUERIED).await?;
    costs.extend(run(&subject, vec![query()]).await?);
    Ok(costs)
}

/// How many values of a new document are indexed under these settings.
fn entries(settings: &Value) -> Result<u64> {
    let settings = Collections::parse(&settings.to_string())?.of(ID);
    let data = serde_json::from_str(&documents::data(0))?;
    Ok(count_entries(&data, &settings) as u64)
}

async fn run(subject: &Subject, operations: Vec<Operation>) -> Result<Vec<Cost>> {
    let mut connection = Connection::open(subject.address()).await?;
    let mut costs = Vec::new();
    for operation in operations {
        costs.push(operation.cost(&mut connection).await?);
    }
    Ok(costs)
}

/// Every kind of operation on one document that is awake, but for the first one, which makes it. Of a new document,
/// `entries` values are indexed.
fn operations(entries: u64) -> Vec<Operation> {
    let new = documents::data(0);
    let create = |name, method, path| {
        operation(name, method, path, &[JSON], &new).status(StatusCode::CREATED).changing(entries)
    };
    let path = DOCUMENT;
    let (key, nothing) = (r#"{"n":4}"#, r#"{"n":3}"#);
    vec![
        create("Create (`PUT`)", "PUT", path),
        operation("Read", "GET", path, &[], "").kind(Kind::Read),
        operation("Read, not modified", "GET", path, &[UNCHANGED], "")
            .status(StatusCode::NOT_MODIFIED),
        operation("Merge patch, one field", "PATCH", path, &[MERGE], r#"{"n":1}"#).changing(1),
        operation("Update, one field", "PATCH", path, &[JSON], r#"{"address.city":"Rome"}"#)
            .changing(1),
        operation("JSON patch, one field", "PATCH", path, &[JSON_PATCH], OPERATIONS).changing(1),
        operation("Merge patch, a field exempt from the index", "PATCH", path, &[MERGE], EXEMPT),
        operation("Write that changes nothing", "PATCH", path, &[MERGE], nothing),
        operation("Write with an idempotency key", "PATCH", path, &[MERGE, KEY], key).changing(1),
        operation("The same key again", "PATCH", path, &[MERGE, KEY], key),
        operation("Delete", "DELETE", path, &[], "")
            .status(StatusCode::NO_CONTENT)
            .changing(entries),
        operation("Delete of a missing document", "DELETE", path, &[], "")
            .status(StatusCode::NO_CONTENT),
        create("Create where one was deleted", "PUT", path),
        create("Create (`POST`)", "POST", COLLECTION),
    ]
}

fn operations_after_the_alarm() -> Vec<Operation> {
    let name = "Merge patch, one field, the first in eight seconds";
    let patch = operation(name, "PATCH", DOCUMENT, &[MERGE], r#"{"n":1}"#);
    vec![patch.changing(1).kind(Kind::Write)]
}

/// Operations that have to read the document from disk first.
fn operations_asleep() -> Vec<Operation> {
    let name = "Merge patch, one field, object asleep";
    vec![
        operation("Read, object asleep", "GET", DOCUMENT, &[], ""),
        operation(name, "PATCH", DOCUMENT, &[MERGE], r#"{"n":2}"#).changing(1),
    ]
}

/// How many documents there are for the query.
const QUERIED: u64 = 200;

fn query() -> Operation {
    let query = Shape::Range.query(ID, QUERIED, 0).to_string();
    let name = "Query of 20 documents";
    operation(name, "POST", "/v1/query", &[JSON], &query).kind(Kind::Query)
}

fn operation(
    name: &'static str,
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &str,
) -> Operation {
    let (kind, body, status) = (Kind::Other, body.to_owned(), StatusCode::OK);
    Operation { kind, name, method, path, headers, body, status, changed: 0 }
}

impl Operation {
    fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    fn changing(self, changed: u64) -> Self {
        Self { changed, ..self }
    }

    fn kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    async fn cost(self, connection: &mut Connection) -> Result<Cost> {
        let Self { kind, name, method, path, headers, body, status, changed } = self;
        let answer = connection.send(method.parse()?, path, headers, body).await?;
        ensure!(
            answer.status == status,
            "{name} was answered {} instead of {status}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        let answering = rows(&answer.headers, WRITTEN, READ)
            .with_context(|| format!("{name}: no header {WRITTEN}"))?;
        let index = rows(&answer.headers, INDEX_WRITTEN, INDEX_READ);
        Ok(Cost { kind, name, status, changed, answering, index })
    }
}

fn rows(headers: &HeaderMap, written: &str, read: &str) -> Option<Rows> {
    let number = |name| headers.get(name)?.to_str().ok()?.parse().ok();
    Some(Rows { written: number(written)?, read: number(read)? })
}
