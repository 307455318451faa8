//! What operations cost: in rows, and in dollars.

use super::super::prices::{ASSUMED_OBJECT_MS, ASSUMED_WORKER_MS, Price, prices};
use super::super::rows::Cost;

/// The rows of every operation.
pub(super) fn rows(costs: &[Cost]) -> Option<String> {
    if costs.is_empty() {
        return None;
    }
    let lines = costs.iter().map(|cost| {
        let Cost { name, status, changed, answering, index, .. } = cost;
        let index = index.map(|rows| {
            let most = 1 + 2 * changed;
            format!("{} | {most} | {}", rows.written, rows.read)
        });
        format!(
            "| {name} | {} | {} | {} | {} | {} |\n",
            status.as_u16(),
            answering.written,
            answering.read,
            index.as_deref().unwrap_or(" | | "),
            cost.objects(),
        )
    });
    Some(format!(
        "\
## Rows per operation

Counted by SQLite itself (`rowsWritten`, `rowsRead`), on one document after the other operations above it in the table.
They are what Cloudflare bills. The first write to an object also makes its tables. A document that is awake is read
from memory. An alarm that is set counts as a row written; writes of the next eight seconds share it. Opening a socket
counts as a read, which its answer cannot tell. A write tells the collection's index, which may write one row and two
for each indexed value that changes: that is the column \"at most\". All fields of the document are indexed but one. A
query is answered by the index.

| operation | status | written | read | index: written | at most | read | objects called |
|---|--:|--:|--:|--:|--:|--:|--:|
{}",
        lines.collect::<String>()
    ))
}

/// What a million of each operation costs.
pub(super) fn dollars(costs: &[Cost]) -> Option<String> {
    let prices = prices(costs);
    if prices.is_empty() {
        return None;
    }
    let lines = prices.iter().map(|price| {
        let Price { name, object_requests, rows, requests, storage, firestore } = price;
        format!(
            "| {name} | {object_requests} | {} | {} | {requests:.2} | {storage:.2} | **{:.2}** | {firestore:.2} |\n",
            rows.written,
            rows.read,
            price.blaze(),
        )
    });
    Some(format!(
        "\
## Dollars per million

Computed from the rows above and published prices, beyond what is free or included. Cloudflare: $0.30 per million
requests to Workers and $0.02 per million milliseconds of their CPU, $0.15 per million requests to Durable Objects,
$12.50 per million GB-s (128 MB each), $1.00 per million rows written and $0.001 per million rows read. Firestore,
Standard edition in us-central1: $0.30 per million documents read, $0.90 written. Assumed, not measured: a Worker computes
for {ASSUMED_WORKER_MS} ms, an object is at work for {ASSUMED_OBJECT_MS} ms per request. A write sets its alarm, which
rings once: the most that a write costs. Messages to listeners are free of charge on Cloudflare; Firestore bills each as a
read. Storage and traffic are left out.

| a million times | requests to objects, each | rows written, each | rows read, each | $ requests and time | $ rows | $ Blaze | $ Firestore |
|---|--:|--:|--:|--:|--:|--:|--:|
{}",
        lines.collect::<String>()
    ))
}
