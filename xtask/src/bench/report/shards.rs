//! Collections that several index objects share.

use super::super::Effort;
use super::super::http::CONNECTIONS;
use super::super::queries::LIMIT;
use super::super::shards::{DOCUMENTS, Sharded};
use super::format::{duration, number, thousands};

/// Writes and queries by the number of shards.
pub(super) fn section(measured: &[Sharded], effort: &Effort) -> Option<String> {
    if measured.is_empty() {
        return None;
    }
    let lines = measured.iter().map(|one| {
        format!(
            "| {} | {} req/s | {} | {} req/s | {} |\n",
            one.shards,
            number(one.writes()),
            duration(one.write()),
            number(one.queries()),
            duration(one.alone())
        )
    });
    Some(format!(
        "\
## Shards

One collection of {} documents, whose index is one object or several: writes of one field and queries of {LIMIT} documents
over {CONNECTIONS} connections, and the median of queries one at a time. A server for each number of shards, in turns,
{} rounds of {} s. One `workerd` runs all objects in one thread, so shards can only cost here: a query asks each of them.
On Cloudflare each is a thread of its own somewhere.

| shards | writes | a write, p50 | queries | a query alone, p50 |
|--:|--:|--:|--:|--:|
{}",
        thousands(DOCUMENTS),
        effort.shard_rounds,
        effort.shard_time.as_secs_f64(),
        lines.collect::<String>()
    ))
}
