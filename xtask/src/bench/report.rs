//! The results as Markdown.

use super::documents::COUNT;
use super::fanout::SUBSCRIBERS;
use super::http::CONNECTIONS;
use super::machine::Machine;
use super::rows::{Cost, OBJECTS_CALLED};
use super::sizes::{FIRESTORE_CLIENT, Size};
use super::stats::{Better, Comparison, milliseconds};
use super::{Effort, Results};

/// The whole report. Parts that were not measured are left out.
pub(crate) fn markdown(results: &Results, effort: &Effort, machine: &Machine) -> String {
    let parts = [
        introduction(machine),
        comparisons(&results.comparisons, effort),
        rows(&results.rows),
        sizes(&results.sizes),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

fn introduction(machine: &Machine) -> Option<String> {
    let Machine { date, platform, cores, processor, sync, workerd } = machine;
    let processor = processor.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    Some(format!(
        "\
# Benchmarks

Written by `cargo xtask bench`; do not edit.

{date}, {platform}, {cores} cores{processor}, {workerd}.
The load generator runs on the same cores. Forcing a write to disk takes {sync} ms.
",
        sync = number(milliseconds(*sync)),
    ))
}

fn comparisons(comparisons: &[Comparison], effort: &Effort) -> Option<String> {
    if comparisons.is_empty() {
        return None;
    }
    let lines = comparisons.iter().map(|comparison| {
        let Comparison { name, unit, better, .. } = comparison;
        let (values, ratio) = (comparison.values(), comparison.ratio());
        let better = match better {
            Better::Higher => "higher",
            Better::Lower => "lower",
        };
        format!(
            "| {name} | {} {unit} | {} {unit} | **{:.2}** | {:.2}–{:.2} | {better} |\n",
            number(values.baseline),
            number(values.blaze),
            ratio.median,
            ratio.min,
            ratio.max,
        )
    });
    Some(format!(
        "\
## Against a hand-written Durable Object

The baseline is [bench/baseline.js](../bench/baseline.js), about as little JavaScript as can keep one JSON document per
Durable Object and push its changes. It reads from SQLite at every request, and does not validate, check preconditions,
make patches, keep a log of them, or recognise retries. Blaze does all of that in these numbers, and reads a document
that is awake from memory. Both run under the same `workerd` with the same options, in turns of a few seconds. Values
are medians over the rounds. A ratio is Blaze ÷ baseline within one round: its median, and the least and the greatest.

![Ratios](benchmarks.svg)

| | baseline | Blaze | ratio | range | better |
|---|--:|--:|--:|--:|---|
{}
- Loads: {CONNECTIONS} keep-alive connections, each sending its next request when the last was answered. Reads and
  spread writes go over {} documents of 300 bytes in turn; hot-document writes all go to one, and at the end its version
  must equal the number of writes + 1. A write merges one field. Rounds: {} of {} s.
- Fan-out: {SUBSCRIBERS} WebSockets on one document, 20 writes a second; from sending a write to its arrival at the last
  socket. Every socket must get every version, in order. Rounds: {} of {} s.
- Memory: by how much the resident memory of a warmed-up process grows when {} documents are created. Rounds: {}, each
  with new processes.
",
        lines.collect::<String>(),
        thousands(COUNT),
        effort.load_rounds,
        effort.load_time.as_secs_f64(),
        effort.fan_out_rounds,
        effort.updates / 20,
        thousands(COUNT),
        effort.memory_rounds,
    ))
}

fn rows(costs: &[Cost]) -> Option<String> {
    if costs.is_empty() {
        return None;
    }
    let lines = costs.iter().map(|Cost { name, status, written, read }| {
        format!("| {name} | {} | {written} | {read} | {OBJECTS_CALLED} |\n", status.as_u16())
    });
    Some(format!(
        "\
## Rows per operation

Counted by SQLite itself (`rowsWritten`, `rowsRead`), on one document after the other operations above it in the table.
They are what Cloudflare bills. The first write to an object also makes its tables. A document that is awake is read
from memory. Opening a socket counts as a read, which its answer cannot tell.

| operation | status | rows written | rows read | objects called |
|---|--:|--:|--:|--:|
{}",
        lines.collect::<String>()
    ))
}

fn sizes(sizes: &[Size]) -> Option<String> {
    if sizes.is_empty() {
        return None;
    }
    let lines = sizes.iter().chain([&FIRESTORE_CLIENT]).map(|Size { name, bytes, gzipped }| {
        let bytes = bytes.map(kilobytes).unwrap_or_default();
        format!("| {name} | {bytes} | {} |\n", kilobytes(*gzipped))
    });
    Some(format!(
        "\
## Sizes

| | plain | gzip -9 |
|---|--:|--:|
{}",
        lines.collect::<String>()
    ))
}

fn kilobytes(bytes: u64) -> String {
    format!("{:.1} kB", bytes as f64 / 1e3)
}

/// Three significant digits, or all before the point.
fn number(value: f64) -> String {
    match value.abs() {
        100.0.. => thousands(value.round() as u64),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let grouped: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    grouped.join(",")
}

#[cfg(test)]
mod tests {
    use super::{number, thousands};

    #[test]
    fn numbers_have_as_many_digits_as_they_deserve() {
        assert_eq!(thousands(7), "7");
        assert_eq!(thousands(1_000), "1,000");
        assert_eq!(thousands(12_345_678), "12,345,678");
        assert_eq!(number(11_234.5), "11,235");
        assert_eq!(number(12.34), "12.3");
        assert_eq!(number(0.256), "0.26");
    }
}
