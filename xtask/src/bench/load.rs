//! Closed-loop load: every connection sends its next request when the last one was answered.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use tokio::time::timeout;

use super::Effort;
use super::documents;
use super::http::{self, Answer, Connection};
use super::queries::{self, start};
use super::stats::{Better, Comparison, Pair, milliseconds, percentile};
use super::subject::{self, Contestant, Subject};

/// An end for a round on a machine that answers without limit.
const MAX_REQUESTS: u64 = 500_000;
/// How long a round may take to come to its end before it counts as hung.
const GRACE: Duration = Duration::from_secs(60);
const COLLECTION: &str = "load";
/// The collection that is queried.
const QUERIED: &str = "queries";
/// How many documents it has.
pub(crate) const QUERIED_DOCUMENTS: u64 = 2_000;

/// What every connection keeps doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Workload {
    /// Reads of [`documents::COUNT`] documents, in turn.
    PointReads,
    /// Queries for some of [`QUERIED_DOCUMENTS`] documents, from another value on each time.
    Queries,
    /// One-field merges over [`documents::COUNT`] documents, in turn.
    SpreadWrites,
    /// One-field merges of one document.
    HotWrites,
}

/// A subject under one workload.
struct Run<'a> {
    workload: Workload,
    subject: &'a Subject,
    /// The next request's number. It goes on over the rounds, so that no write repeats the value that is there: that
    /// would change nothing.
    next: Cell<u64>,
}

/// What one round of load gave.
pub(crate) struct Throughput {
    /// Requests answered per second.
    pub(crate) rate: f64,
    /// Median time of a request.
    pub(crate) p50: Duration,
    /// The time that 99 of 100 requests did not exceed.
    pub(crate) p99: Duration,
}

/// Measures workloads on both contestants, in turns.
///
/// # Errors
/// If a request fails, takes too long, or a write is lost.
pub(crate) async fn compare(
    contestants: &Pair<Contestant>,
    workloads: &[Workload],
    effort: &Effort,
) -> Result<Vec<Comparison>> {
    if workloads.is_empty() {
        return Ok(Vec::new());
    }
    let subjects = subject::start(contestants)?;
    for subject in [&subjects.baseline, &subjects.blaze] {
        if workloads.iter().any(|workload| *workload != Workload::Queries) {
            documents::create(subject, COLLECTION, 0..documents::COUNT).await?;
        }
        if workloads.contains(&Workload::Queries) {
            documents::create(subject, QUERIED, 0..QUERIED_DOCUMENTS).await?;
        }
    }
    let mut comparisons = Vec::new();
    for workload in workloads {
        comparisons.extend(measure(*workload, &subjects, effort).await?);
    }
    Ok(comparisons)
}

async fn measure(
    workload: Workload,
    subjects: &Pair<Subject>,
    effort: &Effort,
) -> Result<Vec<Comparison>> {
    let baseline = Run::start(workload, &subjects.baseline, effort.warm_up).await?;
    let blaze = Run::start(workload, &subjects.blaze, effort.warm_up).await?;
    let mut rounds = Vec::new();
    for _ in 0..effort.load_rounds {
        rounds.push(Pair {
            baseline: baseline.round(effort.load_time).await?,
            blaze: blaze.round(effort.load_time).await?,
        });
    }
    if workload == Workload::HotWrites {
        baseline.ensure_nothing_lost().await?;
        blaze.ensure_nothing_lost().await?;
    }
    let [rate, p50, p99] = workload.names();
    Ok(vec![
        Comparison::new(rate, "req/s", Better::Higher, &rounds, |round| round.rate),
        Comparison::new(p50, "ms", Better::Lower, &rounds, |round| milliseconds(round.p50)),
        Comparison::new(p99, "ms", Better::Lower, &rounds, |round| milliseconds(round.p99)),
    ])
}

impl Workload {
    /// The metrics' names for the tables: rate, median, 99th percentile.
    fn names(self) -> [&'static str; 3] {
        match self {
            Self::PointReads => ["Point reads", "Point read, p50", "Point read, p99"],
            Self::Queries => ["Queries of 20", "Query of 20, p50", "Query of 20, p99"],
            Self::SpreadWrites => ["Spread writes", "Spread write, p50", "Spread write, p99"],
            Self::HotWrites => {
                ["Hot-document writes", "Hot-document write, p50", "Hot-document write, p99"]
            }
        }
    }

    async fn request(self, connection: &mut Connection, number: u64) -> Result<Answer> {
        let spread = || documents::path(COLLECTION, number % documents::COUNT);
        let change = || documents::change(number);
        match self {
            Self::PointReads => connection.get(&spread()).await,
            Self::Queries => connection.query(query(number)).await,
            Self::SpreadWrites => connection.merge(&spread(), change()).await,
            Self::HotWrites => connection.merge(&hot(), change()).await,
        }
    }
}

/// The path of the document that all hot writes go to.
fn hot() -> String {
    format!("/v1/docs/{COLLECTION}/hot")
}

/// The query number `number`. The load generator shares the cores with what it measures, so no JSON is built for it.
fn query(number: u64) -> String {
    format!(
        r#"{{"from":"{QUERIED}","where":{{"field":"n","op":">=","value":{}}},"orderBy":[{{"field":"n"}}],"limit":{}}}"#,
        start(QUERIED_DOCUMENTS, number),
        queries::LIMIT,
    )
}

/// One round of load over all connections. `next` is the next request's number, which goes on over the rounds.
///
/// # Errors
/// If a request fails or takes too long.
pub(crate) async fn round(
    subject: &Subject,
    time: Duration,
    next: &Cell<u64>,
    request: impl AsyncFn(&mut Connection, u64) -> Result<()>,
) -> Result<Throughput> {
    let connections = http::connect(subject.address()).await?;
    let end = next.get() + MAX_REQUESTS;
    let start = Instant::now();
    let drive = async |mut connection: Connection| {
        let mut latencies = Vec::new();
        while start.elapsed() < time && next.get() < end {
            let number = next.replace(next.get() + 1);
            let sent = Instant::now();
            request(&mut connection, number).await?;
            latencies.push(sent.elapsed());
        }
        anyhow::Ok(latencies)
    };
    let latencies = timeout(time + GRACE, try_join_all(connections.into_iter().map(drive)))
        .await
        .with_context(|| format!("{} hangs", subject.name()))?;
    let mut latencies = latencies?.concat();
    let rate = latencies.len() as f64 / start.elapsed().as_secs_f64();
    latencies.sort_unstable();
    Ok(Throughput { rate, p50: percentile(&latencies, 0.5), p99: percentile(&latencies, 0.99) })
}

impl<'a> Run<'a> {
    async fn start(workload: Workload, subject: &'a Subject, warm_up: Duration) -> Result<Self> {
        let run = Self { workload, subject, next: Cell::new(1) };
        let mut connection = Connection::open(subject.address()).await?;
        match workload {
            Workload::HotWrites => drop(connection.put(&hot(), documents::data(0)).await?),
            Workload::Queries => check_query(&mut connection).await?,
            Workload::PointReads | Workload::SpreadWrites => {}
        }
        // The first requests compile code and open objects.
        run.round(warm_up).await?;
        Ok(run)
    }

    async fn round(&self, time: Duration) -> Result<Throughput> {
        let request = async |connection: &mut Connection, number| {
            self.workload.request(connection, number).await.map(drop)
        };
        round(self.subject, time, &self.next, request)
            .await
            .with_context(|| format!("{:?}", self.workload))
    }

    /// Every write so far was answered, so each must have made a version after the creation's, which is 1.
    async fn ensure_nothing_lost(&self) -> Result<()> {
        let mut connection = Connection::open(self.subject.address()).await?;
        let version = connection.get(&hot()).await?.version()?;
        let writes = self.next.get() - 1;
        ensure!(
            version == writes + 1,
            "{}: {writes} writes were answered, the version is {version}",
            self.subject.name()
        );
        Ok(())
    }
}

/// Whether a query is answered by the documents that it is about, in its order.
async fn check_query(connection: &mut Connection) -> Result<()> {
    for number in 1..100 {
        let answer = connection.query(query(number)).await?;
        let found: Vec<u64> = queries::Answer::read(&answer.body)?.numbers().collect();
        let first = start(QUERIED_DOCUMENTS, number);
        let expected: Vec<u64> = (first..first + queries::LIMIT).collect();
        ensure!(found == expected, "documents {found:?} instead of {expected:?}");
    }
    Ok(())
}
