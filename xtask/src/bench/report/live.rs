//! What live queries cost writes.

use super::super::http::CONNECTIONS;
use super::super::live::{DOCUMENTS, NativeCost, QUERIES, QUERIES_PER_SOCKET, ServerCost};
use super::super::stats::milliseconds;
use super::super::{Effort, Results};
use super::format::{duration, number, thousands};

/// In the engine and through the server.
pub(super) fn section(results: &Results, effort: &Effort) -> Option<String> {
    let parts = [native(&results.native_live), server(results.live.as_ref(), effort)];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        return None;
    }
    Some(format!(
        "\
## Writes beside live queries

All live queries are different, and of one collection of {} documents: a third each about a range of one field with an
order and a limit, about the value of another field, and about an element of an array. Each write moves a document out of
the result of one into that of another, and concerns no third.

{}",
        thousands(DOCUMENTS),
        parts.join("\n")
    ))
}

fn native(costs: &[NativeCost]) -> Option<String> {
    let hundred = costs.iter().find(|cost| cost.queries == 100)?;
    let lines = costs.iter().map(|cost| {
        let ratio = cost.ratio(hundred);
        format!(
            "| {} | {} | **{:.2}** | {:.2}–{:.2} |\n",
            thousands(cost.queries),
            duration(cost.latency()),
            ratio.median,
            ratio.min,
            ratio.max
        )
    });
    Some(format!(
        "\
The engine's index as a library over SQLite in memory: from the event of a document's change to the frames for listeners,
the medians of rounds, the numbers of live queries in turns. The ratio is to 100 live queries, within one round.

| live queries | a write takes | ratio | range |
|--:|--:|--:|--:|
{}",
        lines.collect::<String>()
    ))
}

fn server(cost: Option<&ServerCost>, effort: &Effort) -> Option<String> {
    let cost = cost?;
    let line = |name, unit, ([quiet, heard], ratio): ([f64; 2], super::super::stats::Spread)| {
        format!(
            "| {name} | {} {unit} | {} {unit} | **{:.2}** | {:.2}–{:.2} |\n",
            number(quiet),
            number(heard),
            ratio.median,
            ratio.min,
            ratio.max
        )
    };
    Some(format!(
        "\
Through the whole server, {CONNECTIONS} connections that write, and {} sockets on `/v1/listen` with {QUERIES_PER_SOCKET}
targets each, all of which must get every frame; beside them the same writes to a collection that nobody listens to.
Rounds: {} of {} s, in turns.

| | no live query | {} live queries | ratio | range |
|---|--:|--:|--:|--:|
{}{}{}",
        QUERIES / QUERIES_PER_SOCKET,
        effort.live_rounds,
        effort.live_time.as_secs_f64(),
        thousands(QUERIES),
        line("Writes", "req/s", cost.of(|round| round.rate)),
        line("Write, p50", "ms", cost.of(|round| milliseconds(round.p50))),
        line("Write, p99", "ms", cost.of(|round| milliseconds(round.p99))),
    ))
}
