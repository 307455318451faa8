//! Blaze beside the baseline.

use super::super::Effort;
use super::super::documents::COUNT;
use super::super::fanout::SUBSCRIBERS;
use super::super::http::CONNECTIONS;
use super::super::load::QUERIED_DOCUMENTS;
use super::super::queries::LIMIT;
use super::super::stats::{Better, Comparison};
use super::format::{number, thousands};

pub(super) fn section(comparisons: &[Comparison], effort: &Effort) -> Option<String> {
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
Durable Object, push its changes, and answer one query about one field from one table with one SQL index. It reads from
SQLite at every request, and does not validate, check preconditions, make patches, keep a log of them, recognise retries,
or notice when the index missed a write. Blaze does all of that in these numbers, keeps every field of every document
indexed, and reads a document that is awake from memory. Both run under the same `workerd` with the same options, in turns of a few seconds. Values
are medians over the rounds. A ratio is Blaze ÷ baseline within one round: its median, and the least and the greatest.

![Ratios](benchmarks.svg)

| | baseline | Blaze | ratio | range | better |
|---|--:|--:|--:|--:|---|
{}
- Loads: {CONNECTIONS} keep-alive connections, each sending its next request when the last was answered. Reads and
  spread writes go over {} documents of 300 bytes in turn; hot-document writes all go to one, and at the end its version
  must equal the number of writes + 1. A write merges the one field that both can query, and is answered when the index
  has it. Queries are for the first {LIMIT} of {} documents whose field has at least some value, another each time.
  Rounds: {} of {} s.
- Fan-out: {SUBSCRIBERS} WebSockets on one document, 20 writes a second; from sending a write to its arrival at the last
  socket. Every socket must get every version, in order. Rounds: {} of {} s.
- Memory: by how much the resident memory of a warmed-up process grows when {} documents are created. Rounds: {}, each
  with new processes.
",
        lines.collect::<String>(),
        thousands(COUNT),
        thousands(QUERIED_DOCUMENTS),
        effort.load_rounds,
        effort.load_time.as_secs_f64(),
        effort.fan_out_rounds,
        effort.updates / 20,
        thousands(COUNT),
        effort.memory_rounds,
    ))
}
