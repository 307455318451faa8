//! How queries grow with their collection, and what loading one does to others.

use super::super::Effort;
use super::super::curve::{Curve, Repetitions};
use super::super::growth::{BulkLoad, Growth, PROBE_INTERVAL, Probes};
use super::super::http::CONNECTIONS;
use super::super::queries::LIMIT;
use super::super::stats::milliseconds;
use super::format::{duration, number, thousands};

/// Queries through the whole server.
pub(super) fn growth(growth: Option<&Growth>, effort: &Effort) -> Option<String> {
    let curves = &growth?.curves;
    let Repetitions { rounds, queries } = effort.curve;
    Some(format!(
        "\
## Queries of growing collections

Queries of {LIMIT} documents through the whole server, over collections of documents of 300 bytes with all their fields
indexed: one connection, one query at a time, another value each time, the collections in turn. Latency is the median of
{rounds} rounds of {queries} queries. A ratio is to the smallest collection, within one round: its median, and the least
and the greatest. `entriesScanned` is the most that any of these queries said, with {LIMIT} documents returned.

{}",
        table(curves)
    ))
}

/// Queries of the engine alone.
pub(super) fn native(curves: &[Curve], effort: &Effort) -> Option<String> {
    if curves.is_empty() {
        return None;
    }
    let Repetitions { rounds, queries } = effort.curve;
    Some(format!(
        "\
## Queries of the engine alone

The same queries, asked of the engine's index as a library over SQLite in a file: no HTTP, no JavaScript, no WebAssembly.
SQLite's pages are of 16 KiB and mapped into memory (with 4 KiB, the platform's size, the ratios are greater by up to
0.1). What grows is the time to fetch scattered documents from main memory: the smallest collection fits into the
processor's cache. Latency is from the query's JSON to the answer's, the median of {rounds} rounds of {queries} queries.

{}",
        table(curves)
    ))
}

fn table(curves: &[Curve]) -> String {
    let rows = curves.iter().flat_map(|curve| {
        curve.points.iter().map(|point| {
            let growth = curve.growth(point);
            format!(
                "| {} | {} | {} | **{:.2}** | {:.2}–{:.2} | {} |\n",
                curve.shape.name(),
                thousands(point.documents),
                duration(point.latency()),
                growth.median,
                growth.min,
                growth.max,
                point.scanned,
            )
        })
    });
    format!(
        "\
| query | documents | latency | ratio | range | `entriesScanned` |
|---|--:|--:|--:|--:|--:|
{}",
        rows.collect::<String>()
    )
}

/// The loading of the largest collection.
pub(super) fn load(growth: Option<&Growth>, effort: &Effort) -> Option<String> {
    let BulkLoad { documents, time, during, after, first, memory } = &growth?.load;
    let probes = |name: &str, Probes { p50, p99, longest }: &Probes| {
        let [p50, p99, longest] = [p50, p99, longest].map(|value| number(milliseconds(*value)));
        format!("| {name} | {p50} ms | {p99} ms | {longest} ms |\n")
    };
    let [before, loaded, end] = memory.map(number);
    Some(format!(
        "\
## Bulk load

{} new documents by `PUT`, over {} connections: **{} documents per second**. Meanwhile, and for {} s after it, when the
runtime rings the documents' alarms and closes idle objects, somebody else reads one document, one read at a time and at
most one every {} ms. The process took {before} MiB before, {loaded} MiB when all were loaded, and {end} MiB at the end.
Of the first {} documents the baseline takes {} a second and Blaze {}: most of it is the runtime's own work for a new
object, which is a database in a file.

| reads of another document | p50 | p99 | longest |
|---|--:|--:|--:|
{}{}",
        thousands(*documents),
        CONNECTIONS,
        number(*documents as f64 / time.as_secs_f64()),
        effort.watch.as_secs(),
        PROBE_INTERVAL.as_millis(),
        thousands(first.0),
        number(first.1.baseline),
        number(first.1.blaze),
        probes("during the load", during),
        probes("after it", after),
    ))
}
