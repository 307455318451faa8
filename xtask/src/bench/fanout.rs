//! Fan-out: how long a write takes to reach every socket that listens to the document.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::StreamExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::Effort;
use super::documents;
use super::http::Connection;
use super::stats::{Better, Comparison, Pair, milliseconds, percentile};
use super::subject::{self, Contestant, Subject};

/// Sockets that listen to the document.
pub(crate) const SUBSCRIBERS: usize = 500;
/// From one write to the next: 20 a second.
const INTERVAL: Duration = Duration::from_millis(50);
/// How long the last message may take before it counts as lost.
const GRACE: Duration = Duration::from_secs(60);
const PATH: &str = "/v1/docs/fan-out/document";

type Socket = WebSocketStream<TcpStream>;

/// Measures fan-out on both contestants, in turns.
pub(crate) async fn compare(
    contestants: &Pair<Contestant>,
    effort: &Effort,
) -> Result<Vec<Comparison>> {
    let subjects = subject::start(contestants)?;
    let mut rounds = Vec::new();
    for _ in 0..effort.fan_out_rounds {
        rounds.push(Pair {
            baseline: round(&subjects.baseline, effort.updates).await?,
            blaze: round(&subjects.blaze, effort.updates).await?,
        });
    }
    let metric = |name, share| {
        let value = |round: &Vec<Duration>| milliseconds(percentile(round, share));
        Comparison::new(name, "ms", Better::Lower, &rounds, value)
    };
    Ok(vec![
        metric("Fan-out to the last socket, p50", 0.5),
        metric("Fan-out to the last socket, p99", 0.99),
    ])
}

/// The time from each write to its arrival at the last subscriber, ascending.
async fn round(subject: &Subject, updates: u32) -> Result<Vec<Duration>> {
    let mut writer = Connection::open(subject.address()).await?;
    let first = writer.put(PATH, documents::data(0)).await?.version()?;
    let mut listeners = JoinSet::new();
    for _ in 0..SUBSCRIBERS {
        let socket = subscribe(subject.address(), first).await?;
        listeners.spawn(listen(socket, first, updates));
    }
    let sent = write(&mut writer, first, updates).await?;
    let received = timeout(GRACE, listeners.join_all())
        .await
        .with_context(|| format!("{}: not every socket got every update", subject.name()))?;
    let mut last = sent.clone();
    for arrivals in received {
        for (last, arrival) in last.iter_mut().zip(arrivals?) {
            *last = arrival.max(*last);
        }
    }
    let mut latencies: Vec<Duration> =
        last.iter().zip(&sent).map(|(last, sent)| last.duration_since(*sent)).collect();
    latencies.sort_unstable();
    Ok(latencies)
}

/// Opens a socket on the document and takes the snapshot that it begins with.
async fn subscribe(address: SocketAddr, version: u64) -> Result<Socket> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut socket, _) =
        tokio_tungstenite::client_async(format!("ws://{address}{PATH}"), stream).await?;
    let snapshot = next_version(&mut socket).await?;
    ensure!(snapshot == version, "the snapshot has version {snapshot}, the document {version}");
    Ok(socket)
}

/// When each of `updates` versions after `first` arrived. Fails on a gap.
async fn listen(mut socket: Socket, first: u64, updates: u32) -> Result<Vec<Instant>> {
    let mut arrivals = Vec::new();
    for expected in first + 1..=first + u64::from(updates) {
        let version = next_version(&mut socket).await?;
        arrivals.push(Instant::now());
        ensure!(version == expected, "version {version} arrived where {expected} was due");
    }
    // The close handshake to its end: a socket cut off would be news to the server in the next round.
    socket.close(None).await?;
    while socket.next().await.is_some_and(|message| message.is_ok()) {}
    Ok(arrivals)
}

async fn next_version(socket: &mut Socket) -> Result<u64> {
    let message = socket.next().await.context("a socket was closed")??;
    let Message::Text(text) = message else { bail!("a socket got {message:?} instead of text") };
    documents::version(text.as_bytes())
}

/// Makes the updates and tells when each was sent, or should have been.
async fn write(writer: &mut Connection, first: u64, updates: u32) -> Result<Vec<Instant>> {
    let start = Instant::now() + INTERVAL;
    let mut sent = Vec::new();
    for update in 1..=updates {
        let due = start + INTERVAL * update;
        // A server too slow for the rhythm delays the next write: that wait is part of the next write's latency.
        let late = Instant::now() > due;
        sleep_until(due).await;
        sent.push(if late { due } else { Instant::now() });
        let version = writer.merge(PATH, documents::change(u64::from(update))).await?.version()?;
        ensure!(version == first + u64::from(update), "update {update} made version {version}");
    }
    Ok(sent)
}
