//! Queries of collections of several sizes through the whole server, and what loading the largest does to others.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::Effort;
use super::curve::{self, Curve, collection};
use super::documents;
use super::http::Connection;
use super::queries::composite;
use super::stats::{Pair, percentile};
use super::subject::{Contestant, Subject, Variant};

/// From one probe to the next.
pub(crate) const PROBE_INTERVAL: Duration = Duration::from_millis(50);
/// A document that nothing but probes reads.
const PROBED: &str = "/v1/docs/probes/document";

/// All that was measured on the growing server.
pub(crate) struct Growth {
    /// What queries cost.
    pub(crate) curves: Vec<Curve>,
    /// What loading cost.
    pub(crate) load: BulkLoad,
}

/// The loading of one collection.
pub(crate) struct BulkLoad {
    /// Documents loaded.
    pub(crate) documents: u64,
    /// How long it took.
    pub(crate) time: Duration,
    /// Point reads meanwhile.
    pub(crate) during: Probes,
    /// Point reads after it.
    pub(crate) after: Probes,
    /// Documents loaded into an empty server first, and how many of them a second each contestant takes.
    pub(crate) first: (u64, Pair<f64>),
    /// Memory of the process before, at the end of the loading and at the end, in MiB.
    pub(crate) memory: [f64; 3],
}

/// How long point reads took, one at a time, at most one every [`PROBE_INTERVAL`].
pub(crate) struct Probes {
    /// The median.
    pub(crate) p50: Duration,
    /// What 99 of 100 did not exceed.
    pub(crate) p99: Duration,
    /// The longest.
    pub(crate) longest: Duration,
}

/// Loads and measures.
///
/// # Errors
/// If a request fails, or an answer is not what it should be.
pub(crate) async fn measure(contestants: &Pair<Contestant>, effort: &Effort) -> Result<Growth> {
    let collections = Some(json!({curve::ID: {"indexes": composite()}}));
    let subject = contestants.blaze.start_as(&Variant { collections, ..Variant::default() })?;
    let address = subject.address();
    Connection::open(address).await?.put(PROBED, documents::data(0)).await?;

    let (largest, others) = effort.sizes.split_last().context("no sizes")?;
    let mut first = (0, Pair { baseline: 0.0, blaze: 0.0 });
    for size in others {
        first = (
            *size,
            Pair { baseline: 0.0, blaze: load(&subject, &collection(*size), *size).await? },
        );
    }
    first.1.baseline = load(&contestants.baseline.start()?, curve::ID, first.0).await?;
    let before = subject.resident_mebibytes()?;
    let start = Instant::now();
    let is_done = Cell::new(None);
    let load_all = async {
        documents::create(&subject, &collection(*largest), 0..*largest).await?;
        is_done.set(Some(start.elapsed()));
        anyhow::Ok(subject.resident_mebibytes()?)
    };
    let (loaded, during) = tokio::try_join!(load_all, probe(address, || is_done.get().is_some()))?;
    let time = is_done.get().unwrap_or_default();
    let end = Instant::now() + effort.watch;
    let after = probe(address, || Instant::now() > end).await?;
    let memory = [before, loaded, subject.resident_mebibytes()?];

    let mut connection = Connection::open(address).await?;
    let curves = curve::measure(effort.sizes, effort.curve, async |_, query| {
        let query = query.to_string();
        let sent = Instant::now();
        let answer = connection.query(query).await?;
        Ok((sent.elapsed(), answer.body.to_vec()))
    })
    .await?;
    let load = BulkLoad { documents: *largest, time, during, after, first, memory };
    Ok(Growth { curves, load })
}

/// Makes so many documents; how many a second.
async fn load(subject: &Subject, collection: &str, documents: u64) -> Result<f64> {
    let start = Instant::now();
    documents::create(subject, collection, 0..documents).await?;
    Ok(documents as f64 / start.elapsed().as_secs_f64())
}

/// Reads one document again and again until `is_over`.
async fn probe(address: SocketAddr, is_over: impl Fn() -> bool) -> Result<Probes> {
    let mut connection = Connection::open(address).await?;
    let mut times = Vec::new();
    while !is_over() {
        let sent = Instant::now();
        connection.get(PROBED).await?;
        times.push(sent.elapsed());
        sleep_until(sent + PROBE_INTERVAL).await;
    }
    times.sort_unstable();
    let longest = times.last().copied().unwrap_or_default();
    Ok(Probes { p50: percentile(&times, 0.5), p99: percentile(&times, 0.99), longest })
}
