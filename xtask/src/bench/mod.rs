//! `cargo xtask bench`: Blaze against a minimal Durable Object in hand-written JavaScript (`bench/baseline.js`), under
//! the same `workerd` in one run.
//!
//! Absolute numbers are the machine's. The ratios are ours, so rounds alternate between the two, which lets noise hit
//! both, and ratios are taken round by round.

mod access;
mod chart;
mod curve;
mod documents;
mod fanout;
mod growth;
mod http;
mod live;
mod load;
mod machine;
mod memory;
mod native;
mod prices;
mod queries;
mod report;
mod rows;
mod shards;
mod sizes;
mod stats;
mod subject;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use tokio::runtime;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::process::say;
use crate::setup::{self, Packages};
use crate::workspace::Workspace;
use curve::Repetitions;
use load::Workload;
use machine::Machine;
use stats::{Comparison, Pair};
use subject::Contestant;

/// An end for a run in which something hangs.
const TIME_LIMIT: Duration = Duration::from_secs(1_800);

/// What to measure, and how long.
#[derive(clap::Args)]
pub(crate) struct Bench {
    /// Short rounds; prints the numbers and leaves docs/ alone
    #[arg(long)]
    quick: bool,
    /// Only this measurement; prints the numbers and leaves docs/ alone
    #[arg(long)]
    only: Option<Measurement>,
}

/// One part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measurement {
    Reads,
    Queries,
    SpreadWrites,
    HotWrites,
    FanOut,
    Memory,
    /// Point reads with tokens and rules, and without.
    Access,
    /// Queries of growing collections, and loading them.
    Growth,
    /// Queries of the engine alone.
    Native,
    /// Live queries in the engine alone.
    NativeLive,
    /// Live queries through the server.
    Live,
    /// Collections that several index objects share.
    Shards,
    Sizes,
    Rows,
}

/// How long to measure.
pub(crate) struct Effort {
    /// Rounds of each load, per contestant.
    load_rounds: usize,
    /// The length of one round of load.
    load_time: Duration,
    /// Unmeasured load before the first round.
    warm_up: Duration,
    /// Rounds of fan-out, per contestant.
    fan_out_rounds: usize,
    /// Writes in one round of fan-out, 20 a second.
    updates: u32,
    /// Processes of each contestant whose memory is measured.
    memory_rounds: usize,
    /// The sizes of the collections that are queried through the server, ascending.
    sizes: &'static [u64],
    /// The sizes of those that the engine alone is asked about, ascending.
    native_sizes: &'static [u64],
    /// How often each is asked each query.
    curve: Repetitions,
    /// How long other requests are watched after a bulk load.
    watch: Duration,
    /// Rounds of writes beside live queries.
    live_rounds: usize,
    /// The length of one of them.
    live_time: Duration,
    /// Rounds with each number of shards.
    shard_rounds: usize,
    /// The length of one load of such a round.
    shard_time: Duration,
}

/// All that was measured.
#[derive(Default)]
pub(crate) struct Results {
    comparisons: Vec<Comparison>,
    access: Vec<access::Access>,
    growth: Option<growth::Growth>,
    native: Vec<curve::Curve>,
    native_live: Vec<live::NativeCost>,
    live: Option<live::ServerCost>,
    shards: Vec<shards::Sharded>,
    sizes: Vec<sizes::Size>,
    rows: Vec<rows::Cost>,
}

impl Effort {
    const FULL: Self = Self {
        load_rounds: 5,
        load_time: Duration::from_secs(3),
        warm_up: Duration::from_secs(1),
        fan_out_rounds: 3,
        updates: 200,
        memory_rounds: 3,
        sizes: &[200, 2_000, 20_000],
        native_sizes: &[200, 2_000, 20_000, 200_000],
        curve: Repetitions { rounds: 7, queries: 100 },
        watch: Duration::from_secs(60),
        live_rounds: 5,
        live_time: Duration::from_secs(2),
        shard_rounds: 3,
        shard_time: Duration::from_millis(1_500),
    };
    const QUICK: Self = Self {
        load_rounds: 3,
        load_time: Duration::from_millis(700),
        warm_up: Duration::from_millis(500),
        fan_out_rounds: 1,
        updates: 40,
        memory_rounds: 1,
        sizes: &[200, 2_000],
        native_sizes: &[200, 2_000, 20_000],
        curve: Repetitions { rounds: 3, queries: 50 },
        watch: Duration::from_secs(20),
        live_rounds: 2,
        live_time: Duration::from_millis(700),
        shard_rounds: 1,
        shard_time: Duration::from_millis(700),
    };
}

/// Measures, prints the report, and after a full run writes it to docs/.
///
/// # Errors
/// If the build fails, a server does, or any request is not answered as it should be.
pub(crate) fn run(workspace: &Workspace, options: &Bench) -> Result<()> {
    let service = setup::build(workspace, Packages::Serve)?;
    let contestants = subject::contestants(workspace, service)?;
    let effort = if options.quick { Effort::QUICK } else { Effort::FULL };
    let results = drive(measure(workspace, &contestants, &effort, options.only))?;
    let machine = Machine::look(&xtask::workerd::binary(workspace.root())?)?;
    let report = report::markdown(&results, &effort, &machine);
    println!("{report}");
    if !options.quick && options.only.is_none() {
        save(workspace, "docs/benchmarks.md", &report)?;
        save(workspace, "docs/benchmarks.svg", &chart::svg(&results.comparisons))?;
    }
    Ok(())
}

/// Runs a measurement to its end, or until Ctrl-C or the time limit; then the servers end and their data is removed.
fn drive(measurement: impl Future<Output = Result<Results>>) -> Result<Results> {
    let interrupted = Arc::new(Notify::new());
    let interrupt = Arc::clone(&interrupted);
    ctrlc::set_handler(move || interrupt.notify_one()).context("handling signals")?;
    // One thread, because the other core is the server's.
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            results = measurement => results,
            () = interrupted.notified() => bail!("interrupted"),
            () = sleep(TIME_LIMIT) => bail!("not done after {TIME_LIMIT:?}"),
        }
    })
}

async fn measure(
    workspace: &Workspace,
    contestants: &Pair<Contestant>,
    effort: &Effort,
    only: Option<Measurement>,
) -> Result<Results> {
    let wanted = |measurement| only.is_none_or(|only| only == measurement);
    let mut results = Results::default();
    if wanted(Measurement::Sizes) {
        results.sizes = sizes::measure(workspace)?;
    }
    if wanted(Measurement::Rows) {
        results.rows = rows::count(&contestants.blaze).await?;
    }
    let loads = [
        (Measurement::Reads, Workload::PointReads),
        (Measurement::Queries, Workload::Queries),
        (Measurement::SpreadWrites, Workload::SpreadWrites),
        (Measurement::HotWrites, Workload::HotWrites),
    ];
    let loads: Vec<_> =
        loads.into_iter().filter(|(name, _)| wanted(*name)).map(|(_, load)| load).collect();
    results.comparisons = load::compare(contestants, &loads, effort).await?;
    if wanted(Measurement::FanOut) {
        results.comparisons.extend(fanout::compare(contestants, effort).await?);
    }
    if wanted(Measurement::Memory) {
        results.comparisons.extend(memory::compare(contestants, effort).await?);
    }
    if wanted(Measurement::Access) {
        results.access = access::measure(&contestants.blaze, effort).await?;
    }
    if wanted(Measurement::Growth) {
        results.growth = Some(growth::measure(contestants, effort).await?);
    }
    if wanted(Measurement::Native) {
        results.native = native::measure(effort).await?;
    }
    if wanted(Measurement::NativeLive) {
        results.native_live = live::native(effort).await?;
    }
    if wanted(Measurement::Live) {
        results.live = Some(live::server(&contestants.blaze, effort).await?);
    }
    if wanted(Measurement::Shards) {
        results.shards = shards::measure(&contestants.blaze, effort).await?;
    }
    Ok(results)
}

fn save(workspace: &Workspace, name: &str, contents: &str) -> Result<()> {
    let file = workspace.path(name);
    let directory = file.parent().context("no directory")?;
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(&file, contents))
        .with_context(|| format!("writing {}", file.display()))?;
    say(format!("wrote {name}"));
    Ok(())
}
