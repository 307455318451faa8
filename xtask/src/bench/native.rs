//! The engine's index as a library, over SQLite in a file: what queries cost without the platform, over more documents
//! than can be loaded through it.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use blaze_engine::http::query_request;
use blaze_engine::index::settings::Collections;
use blaze_engine::index::{Effect, Event, Index, row};
use blaze_schema::document::document_text;
use blaze_schema::id::ulid;
use blaze_schema::path::{CollectionPath, DocumentPath};
use blaze_schema::query::Source;
use blaze_schema::timestamp::Timestamp;
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::task::yield_now;
use xtask::rusqlite_store::RusqliteStore;

use super::Effort;
use super::curve::{self, Curve, collection};
use super::documents;
use super::queries::composite;

/// When everything happens, in microseconds: nothing here depends on the time.
const NOW: i64 = 1_700_000_000_000_000;
/// How many documents are loaded before something else may run: Ctrl-C, for one.
const STRIDE: u64 = 500;

/// One index and its rows.
pub(crate) struct Native {
    index: Index,
    store: RusqliteStore,
}

/// Measures queries of collections of several sizes.
///
/// # Errors
/// If the engine refuses something.
pub(crate) async fn measure(effort: &Effort) -> Result<Vec<Curve>> {
    let directory = tempfile::tempdir().context("creating a directory for the databases")?;
    let mut indexes = Vec::new();
    for size in effort.native_sizes {
        let file = directory.path().join(format!("{size}.sqlite"));
        indexes.push(Native::load(&file, *size).await?);
    }
    curve::measure(effort.native_sizes, effort.curve, async |place, query| {
        // A turn for others.
        yield_now().await;
        let native: &mut Native = indexes.get_mut(place).context("no such size")?;
        let question = format!("query {query}");
        let start = Instant::now();
        let answer = native.answer(query_request::event(&question)?)?;
        Ok((start.elapsed(), answer.into_bytes()))
    })
    .await
}

impl Native {
    /// An index over a database that holds nothing yet.
    ///
    /// # Errors
    /// If the collection or its settings are none.
    pub(crate) fn new(connection: Connection, collection: &str, settings: &Value) -> Result<Self> {
        let path = CollectionPath::parse(collection)?;
        let settings = Collections::parse(&settings.to_string())?.of(path.id());
        let index = Index::new(Source::Collection(path), settings);
        Ok(Native { index, store: RusqliteStore::over(connection) })
    }

    /// An index in this file that holds so many documents of a collection.
    ///
    /// # Errors
    /// SQLite's and the engine's.
    async fn load(file: &Path, documents: u64) -> Result<Self> {
        // Loading is not what is measured: all in one transaction.
        let connection = Connection::open(file)?;
        connection.execute_batch(
            "PRAGMA page_size = 16384; PRAGMA mmap_size = 2000000000; \
             PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN",
        )?;
        let collection = collection(documents);
        let settings = json!({curve::ID: {"indexes": composite()}});
        let mut native = Native::new(connection, &collection, &settings)?;
        for number in 0..documents {
            native.update(&collection, number, 1, &documents::data(number))?;
            if number % STRIDE == 0 {
                yield_now().await;
            }
        }
        let connection = native.store.into_connection();
        // Every page is touched once: a small file's soon would be, a large one's only after thousands of queries.
        connection.execute_batch(
            "COMMIT; SELECT sum(length(key)) FROM store; SELECT sum(length(CAST(value AS TEXT))) FROM record",
        )?;
        native.store = RusqliteStore::over(connection);
        Ok(native)
    }

    /// Tells it a document's state.
    ///
    /// # Errors
    /// The engine's.
    pub(crate) fn update(
        &mut self,
        collection: &str,
        number: u64,
        version: u64,
        data: &str,
    ) -> Result<()> {
        let row = Native::row(collection, number, version, data)?;
        self.answer(Event::Update { row }).map(drop)
    }

    /// A document's state, as its object tells it.
    ///
    /// # Errors
    /// If the collection is none.
    pub(crate) fn row(collection: &str, number: u64, version: u64, data: &str) -> Result<Vec<u8>> {
        let (now, path) = (now(), format!("{collection}/document-{number}"));
        let (path, time) = (DocumentPath::parse(&path)?, now.to_string());
        let resource = document_text(&path, version, &time, &time, Some(data));
        Ok(row::of(&ulid(now, u128::from(number)), &resource).into_bytes())
    }

    /// One step.
    pub(crate) fn handle(&mut self, event: Event) -> Vec<Effect> {
        self.index.handle(&mut self.store, now(), 1, event)
    }

    fn answer(&mut self, event: Event) -> Result<String> {
        let effects = self.handle(event);
        match effects.into_iter().next() {
            Some(Effect::Answer(answer)) => Ok(answer?),
            other => bail!("the engine answered {other:?}"),
        }
    }
}

fn now() -> Timestamp {
    Timestamp::from_micros(NOW)
}
