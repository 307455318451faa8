//! The results as Markdown.

mod access;
mod comparisons;
mod format;
mod live;
mod queries;
mod rows;
mod shards;

use super::machine::Machine;
use super::sizes::{FIRESTORE_CLIENT, Size};
use super::stats::milliseconds;
use super::{Effort, Results};
use format::{kilobytes, number};

/// The whole report. Parts that were not measured are left out.
pub(crate) fn markdown(results: &Results, effort: &Effort, machine: &Machine) -> String {
    let parts = [
        introduction(machine),
        comparisons::section(&results.comparisons, effort),
        access::section(&results.access, effort),
        queries::growth(results.growth.as_ref(), effort),
        queries::native(&results.native, effort),
        live::section(results, effort),
        shards::section(&results.shards, effort),
        queries::load(results.growth.as_ref(), effort),
        rows::rows(&results.rows),
        rows::dollars(&results.rows),
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
