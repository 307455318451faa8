//! What rules and tokens cost.

use super::super::Effort;
use super::super::access::{Access, READERS};
use super::super::documents::COUNT;
use super::super::http::CONNECTIONS;
use super::format::{number, thousands};

/// Point reads with and without.
pub(super) fn section(measured: &[Access], effort: &Effort) -> Option<String> {
    if measured.is_empty() {
        return None;
    }
    let lines = measured.iter().map(|one| {
        let (with, without, ratio) = one.numbers();
        format!(
            "| {} | {} req/s | {} req/s | **{:.2}** | {:.2}–{:.2} |\n",
            one.what,
            number(without),
            number(with),
            ratio.median,
            ratio.min,
            ratio.max
        )
    });
    Some(format!(
        "\
## Who may read

Point reads of {} documents of 300 bytes over {CONNECTIONS} connections: a server without rules, and one with. {READERS} people
read, each documents of their own and with a token of their own (HS256), which is verified once and then known; the rules
are decided at each read. In turns, {} rounds of {} s for each; a ratio is within one round.

| who may read | without | with | ratio | range |
|---|--:|--:|--:|--:|
{}",
        thousands(COUNT),
        effort.load_rounds,
        effort.load_time.as_secs_f64(),
        lines.collect::<String>()
    ))
}
