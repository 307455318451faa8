//! Writes and queries of a collection that several index objects share.

use std::cell::Cell;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tokio::time::Instant;

use super::Effort;
use super::documents;
use super::http::Connection;
use super::load::{self, Throughput};
use super::queries::{Answer, Shape};
use super::stats::{median, spread};
use super::subject::{Contestant, Subject, Variant};

/// The numbers of index objects.
const SHARDS: [u32; 4] = [1, 2, 4, 8];
/// Documents of the collection.
pub(crate) const DOCUMENTS: u64 = 1_000;
const COLLECTION: &str = "sharded";

/// What a collection of so many shards does.
pub(crate) struct Sharded {
    /// Index objects.
    pub(crate) shards: u32,
    writes: Vec<Throughput>,
    queries: Vec<Throughput>,
    /// The median time of a query with nothing else going on, of each round.
    alone: Vec<Duration>,
}

/// Measures a server for every number of shards, in turns.
///
/// # Errors
/// If a request fails.
pub(crate) async fn measure(blaze: &Contestant, effort: &Effort) -> Result<Vec<Sharded>> {
    let mut servers = Vec::new();
    for shards in SHARDS {
        let collections = Some(json!({COLLECTION: {"shards": shards}}));
        let subject = blaze.start_as(&Variant { collections, ..Variant::default() })?;
        documents::create(&subject, COLLECTION, 0..DOCUMENTS).await?;
        let sharded =
            Sharded { shards, writes: Vec::new(), queries: Vec::new(), alone: Vec::new() };
        servers.push((subject, Cell::new(0), sharded));
    }
    // The first round is to warm up.
    for round in 0..=effort.shard_rounds {
        for (subject, next, sharded) in &mut servers {
            let (writes, queries, alone) = one_round(subject, next, effort).await?;
            if round > 0 {
                sharded.writes.push(writes);
                sharded.queries.push(queries);
                sharded.alone.push(alone);
            }
        }
    }
    Ok(servers.into_iter().map(|(_, _, sharded)| sharded).collect())
}

async fn one_round(
    subject: &Subject,
    next: &Cell<u64>,
    effort: &Effort,
) -> Result<(Throughput, Throughput, Duration)> {
    let write = async |connection: &mut Connection, number| {
        let path = documents::path(COLLECTION, number % DOCUMENTS);
        // Values that the queries find, so that they go on finding enough.
        let change = format!(r#"{{"n":{}}}"#, (number + number / DOCUMENTS) % DOCUMENTS);
        connection.merge(&path, change).await.map(drop)
    };
    let writes = load::round(subject, effort.shard_time, next, write).await?;
    let query = |number| Shape::Range.query(COLLECTION, DOCUMENTS, number).to_string();
    let ask =
        async |connection: &mut Connection, number| connection.query(query(number)).await.map(drop);
    let queries = load::round(subject, effort.shard_time, &Cell::new(0), ask).await?;
    let mut connection = Connection::open(subject.address()).await?;
    let mut times = Vec::new();
    for number in 0..effort.curve.queries {
        let query = query(number);
        let sent = Instant::now();
        let answer = connection.query(query).await?;
        times.push(sent.elapsed());
        Answer::read(&answer.body)?;
    }
    Ok((writes, queries, median(times)))
}

impl Sharded {
    /// Writes per second.
    pub(crate) fn writes(&self) -> f64 {
        spread(self.writes.iter().map(|round| round.rate)).median
    }

    /// The median time of a write.
    pub(crate) fn write(&self) -> Duration {
        median(self.writes.iter().map(|round| round.p50).collect())
    }

    /// Queries per second.
    pub(crate) fn queries(&self) -> f64 {
        spread(self.queries.iter().map(|round| round.rate)).median
    }

    /// The median time of a query with nothing else going on.
    pub(crate) fn alone(&self) -> Duration {
        median(self.alone.clone())
    }
}
