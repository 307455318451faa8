//! What live queries cost the writes of their collection: in the engine alone, and through the whole server.
//!
//! Every query is another one. Each measured write moves a document out of the result of one into that of another, and
//! concerns no third: the cost of telling whom to tell shows, and not that of telling many.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use blaze_engine::index::{Effect, Event};
use futures_util::{SinkExt, StreamExt};
use rusqlite::Connection as Database;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::Effort;
use super::documents;
use super::http::Connection;
use super::load::{self, Throughput};
use super::native::Native;
use super::stats::{Spread, median, spread};
use super::subject::{Contestant, Subject};

/// How many live queries there are in the engine, ascending.
const NATIVE: [u64; 4] = [0, 100, 1_000, 10_000];
/// How many there are through the server.
pub(crate) const QUERIES: u64 = 1_000;
/// How many of them one socket listens to.
pub(crate) const QUERIES_PER_SOCKET: u64 = 200;
/// Documents of a collection that is listened to.
pub(crate) const DOCUMENTS: u64 = 1_000;
/// Queries about `n` that measured writes move documents between: one in three of the first hundred.
const CONCERNED: u64 = 33;
/// How many values of `n` such a query takes.
const WIDTH: u64 = 10;
const HEARD: &str = "heard";
const QUIET: &str = "quiet";
/// How long frames may take that are on their way.
const GRACE: Duration = Duration::from_secs(30);

/// A write's cost in the engine beside so many live queries.
pub(crate) struct NativeCost {
    /// Live queries.
    pub(crate) queries: u64,
    /// The median of each round.
    rounds: Vec<Duration>,
}

/// Writes through the server, of a collection that nobody listens to and of one with [`QUERIES`] live queries, in turns.
pub(crate) struct ServerCost {
    /// Each round's two.
    rounds: Vec<[Throughput; 2]>,
}

/// The live query number `number`.
fn query(collection: &str, number: u64) -> Value {
    let filter = match number % 3 {
        0 => {
            let (from, to) = (number * WIDTH, (number + 1) * WIDTH);
            json!({"and": [{"field": "n", "op": ">=", "value": from}, {"field": "n", "op": "<", "value": to}]})
        }
        1 => json!({"field": "email", "op": "==", "value": format!("nobody{number}@example.com")}),
        _ => json!({"field": "tags", "op": "array-contains", "value": format!("club-{number}")}),
    };
    let order = if number.is_multiple_of(3) { json!([{"field": "n"}]) } else { json!([]) };
    let mut query = json!({"from": collection, "where": filter, "limit": 100});
    if order != json!([]) {
        query["orderBy"] = order;
    }
    query
}

/// The value of `n` that write number `number` gives its document: in the result of another query than the last one
/// that the document had. Writes go to [`DOCUMENTS`] documents in turn.
fn value(number: u64) -> u64 {
    let lap = number / DOCUMENTS;
    (number + lap) % CONCERNED * 3 * WIDTH + number % WIDTH
}

/// Measures the engine.
///
/// # Errors
/// If it refuses something, or tells others than it should.
pub(crate) async fn native(effort: &Effort) -> Result<Vec<NativeCost>> {
    let mut indexes = Vec::new();
    for queries in NATIVE {
        let mut native = Native::new(Database::open_in_memory()?, HEARD, &json!({}))?;
        for number in 0..DOCUMENTS {
            native.update(HEARD, number, 1, &data(number))?;
        }
        for number in 0..queries {
            let subscription = query(HEARD, number).to_string();
            match native.handle(Event::Connect { subscription, resume: None }).as_slice() {
                [Effect::Send(_)] => {}
                other => bail!("a live query was answered by {other:?}"),
            }
        }
        yield_now().await;
        indexes.push(native);
    }
    let mut costs = NATIVE.map(|queries| NativeCost { queries, rounds: Vec::new() });
    // The documents were made by the first lap of writes.
    let mut number = DOCUMENTS;
    for round in 0..=effort.curve.rounds {
        let mut times = NATIVE.map(|_| Vec::new());
        for _ in 0..10 * effort.curve.queries {
            for (native, (cost, times)) in indexes.iter_mut().zip(costs.iter().zip(&mut times)) {
                let (document, version) = (number % DOCUMENTS, number / DOCUMENTS + 1);
                let row = Native::row(HEARD, document, version, &data(number))?;
                let start = Instant::now();
                let effects = native.handle(Event::Update { row });
                times.push(start.elapsed());
                let frames = effects.iter().filter(|one| matches!(one, Effect::Publish { .. }));
                let (frames, expected) = (frames.count(), if cost.queries > 0 { 2 } else { 0 });
                ensure!(frames == expected, "a write of {frames} frames: {effects:?}");
            }
            number += 1;
        }
        // The first round is to warm up.
        if round > 0 {
            for (cost, times) in costs.iter_mut().zip(times) {
                cost.rounds.push(median(times));
            }
        }
        yield_now().await;
    }
    Ok(costs.into())
}

/// The data that write number `number` leaves.
fn data(number: u64) -> String {
    let mut data: Value =
        serde_json::from_str(&documents::data(number % DOCUMENTS)).unwrap_or_else(|_| json!({}));
    data["n"] = value(number).into();
    data.to_string()
}

/// Measures the server.
///
/// # Errors
/// If a request fails, or a listener is not told what it should be.
pub(crate) async fn server(blaze: &Contestant, effort: &Effort) -> Result<ServerCost> {
    let subject = blaze.start()?;
    let numbers = [QUIET, HEARD].map(|_| Cell::new(0));
    for (collection, next) in [QUIET, HEARD].into_iter().zip(&numbers) {
        documents::create(&subject, collection, 0..DOCUMENTS).await?;
        // The first lap brings every document into a result.
        let mut connection = Connection::open(subject.address()).await?;
        while next.get() < DOCUMENTS {
            write(&mut connection, collection, next.replace(next.get() + 1)).await?;
        }
    }
    let frames = Arc::new(AtomicU64::new(0));
    let mut listeners = JoinSet::new();
    for socket in 0..QUERIES / QUERIES_PER_SOCKET {
        let numbers = socket * QUERIES_PER_SOCKET..(socket + 1) * QUERIES_PER_SOCKET;
        let socket = listen(&subject, numbers).await?;
        listeners.spawn(count(socket, Arc::clone(&frames)));
    }
    let mut rounds = Vec::new();
    for round in 0..=effort.live_rounds {
        let mut both = Vec::new();
        for (collection, next) in [QUIET, HEARD].into_iter().zip(&numbers) {
            let request = async |connection: &mut Connection, number| {
                write(connection, collection, number).await
            };
            both.push(load::round(&subject, effort.live_time, next, request).await?);
        }
        // The first round is to warm up.
        if let (true, Ok(both)) = (round > 0, both.try_into()) {
            rounds.push(both);
        }
    }
    let [_, heard] = numbers;
    let expected = 2 * (heard.get() - DOCUMENTS);
    let arrived = async {
        while frames.load(Ordering::Relaxed) < expected {
            sleep(Duration::from_millis(10)).await;
        }
    };
    let in_time = timeout(GRACE, arrived).await;
    let got = frames.load(Ordering::Relaxed);
    ensure!(in_time.is_ok() && got == expected, "{got} frames arrived, {expected} were due");
    Ok(ServerCost { rounds })
}

async fn write(connection: &mut Connection, collection: &str, number: u64) -> Result<()> {
    let path = documents::path(collection, number % DOCUMENTS);
    connection.merge(&path, format!(r#"{{"n":{}}}"#, value(number))).await.map(drop)
}

type Socket = WebSocketStream<TcpStream>;

/// A socket that listens to queries, and has their first results.
async fn listen(subject: &Subject, numbers: std::ops::Range<u64>) -> Result<Socket> {
    let stream = TcpStream::connect(subject.address()).await?;
    stream.set_nodelay(true)?;
    let url = format!("ws://{}/v1/listen", subject.address());
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await?;
    for number in numbers {
        let listen = json!({"listen": {"target": number, "query": query(HEARD, number)}});
        socket.send(Message::text(listen.to_string())).await?;
        let first = next(&mut socket).await?;
        ensure!(first["reset"] == true, "a live query starts with {first}");
    }
    Ok(socket)
}

/// Counts frames of changes until the socket is closed.
async fn count(mut socket: Socket, frames: Arc<AtomicU64>) -> Result<()> {
    loop {
        let frame = next(&mut socket).await?;
        ensure!(frame["type"] == "changes", "a listener got {frame}");
        frames.fetch_add(1, Ordering::Relaxed);
    }
}

async fn next(socket: &mut Socket) -> Result<Value> {
    let message = timeout(GRACE, socket.next()).await?.context("a socket was closed")??;
    let Message::Text(text) = message else { bail!("a socket got {message:?} instead of text") };
    Ok(serde_json::from_str(&text)?)
}

impl NativeCost {
    /// The median time of a write.
    pub(crate) fn latency(&self) -> Duration {
        median(self.rounds.clone())
    }

    /// How many times longer a write takes than with the live queries of `other`, within each round.
    pub(crate) fn ratio(&self, other: &Self) -> Spread {
        let pairs = self.rounds.iter().zip(&other.rounds);
        spread(pairs.map(|(here, there)| here.div_duration_f64(*there)))
    }
}

impl ServerCost {
    /// The medians of a value, quiet and heard, and its ratio within each round.
    pub(crate) fn of(&self, value: impl Fn(&Throughput) -> f64) -> ([f64; 2], Spread) {
        let one = |place: usize| {
            spread(self.rounds.iter().filter_map(|both| both.get(place)).map(&value)).median
        };
        let ratio = spread(self.rounds.iter().map(|[quiet, heard]| value(heard) / value(quiet)));
        ([one(0), one(1)], ratio)
    }
}

#[cfg(test)]
mod tests {
    use super::{CONCERNED, DOCUMENTS, NATIVE, QUERIES, WIDTH, query, value};

    #[test]
    fn every_write_moves_its_document_from_one_query_to_another() {
        let concerned = |n: u64| {
            let takes = |number: &u64| {
                let filter = &query("c", *number)["where"]["and"];
                filter[0]["value"].as_u64().is_some_and(|from| from <= n)
                    && filter[1]["value"].as_u64().is_some_and(|to| n < to)
            };
            (0..QUERIES).filter(takes).collect::<Vec<_>>()
        };
        for number in DOCUMENTS..2 * DOCUMENTS {
            let (before, after) = (concerned(value(number - DOCUMENTS)), concerned(value(number)));
            assert_eq!((before.len(), after.len()), (1, 1));
            assert_ne!(before, after);
            assert!(after[0] < NATIVE[1], "one of those that there are with the fewest queries");
        }
        assert!(3 * CONCERNED < NATIVE[1] && value(7) % (3 * WIDTH) < WIDTH);
    }
}
