//! What operations cost in dollars: on Cloudflare from the rows that were counted, on Firestore from its price list.
//!
//! Prices are those beyond the free and included quotas, in dollars per million.

use super::rows::{Cost, Kind, Rows};

/// Cloudflare Workers, paid plan: a request to a Worker.
const WORKER_REQUEST: f64 = 0.30;
/// A millisecond of a Worker's CPU.
const WORKER_CPU_MS: f64 = 0.02;
/// A request to a Durable Object: a fetch, an RPC call, an alarm that rings.
const OBJECT_REQUEST: f64 = 0.15;
/// A gigabyte-second of a Durable Object that is at work. It counts as 128 MB.
const GB_SECOND: f64 = 12.50;
const OBJECT_GB: f64 = 0.128;
/// SQLite rows.
const ROW_WRITTEN: f64 = 1.00;
const ROW_READ: f64 = 0.001;

/// Firestore, Standard edition, us-central1: a document read, and one written.
const FIRESTORE_READ: f64 = 0.30;
const FIRESTORE_WRITE: f64 = 0.90;

/// Assumed: how long a Worker computes for a request, in milliseconds.
pub(crate) const ASSUMED_WORKER_MS: f64 = 1.0;
/// Assumed: how long an object is at work for one request, in milliseconds.
pub(crate) const ASSUMED_OBJECT_MS: f64 = 10.0;
/// Who listens to the document in the last line.
pub(crate) const LISTENERS: f64 = 500.0;

/// A million times the same operation.
pub(crate) struct Price {
    /// For a table's first column.
    pub(crate) name: &'static str,
    /// Requests to objects per operation.
    pub(crate) object_requests: u64,
    /// Rows per operation, of all objects together.
    pub(crate) rows: Rows,
    /// Dollars on Cloudflare for the requests to the Worker and to objects, and for their time.
    pub(crate) requests: f64,
    /// Dollars on Cloudflare for rows.
    pub(crate) storage: f64,
    /// Dollars on Firestore.
    pub(crate) firestore: f64,
}

impl Price {
    /// Dollars on Cloudflare.
    pub(crate) fn blaze(&self) -> f64 {
        self.requests + self.storage
    }
}

/// The prices of what was counted.
pub(crate) fn prices(costs: &[Cost]) -> Vec<Price> {
    let lines = [
        ("Write of one indexed field", Kind::Write, FIRESTORE_WRITE),
        ("Point read", Kind::Read, FIRESTORE_READ),
        ("Query of 20 documents", Kind::Query, 20.0 * FIRESTORE_READ),
        // Messages that an object sends are free; Firestore bills each listener's document as a read.
        (
            "Write of one indexed field, 500 listeners",
            Kind::Write,
            FIRESTORE_WRITE + LISTENERS * FIRESTORE_READ,
        ),
    ];
    let price = |(name, kind, firestore)| {
        let cost = costs.iter().find(|cost| cost.kind == kind)?;
        // The alarm that a write sets rings once.
        let alarms = u64::from(kind == Kind::Write);
        Some(price(name, cost, alarms, firestore))
    };
    lines.into_iter().filter_map(price).collect()
}

fn price(name: &'static str, cost: &Cost, alarms: u64, firestore: f64) -> Price {
    let index = cost.index.unwrap_or(Rows { written: 0, read: 0 });
    let rows = Rows {
        written: cost.answering.written + index.written,
        read: cost.answering.read + index.read,
    };
    let object_requests = cost.objects() + alarms;
    let at_work = ASSUMED_OBJECT_MS / 1e3 * OBJECT_GB * GB_SECOND;
    Price {
        name,
        object_requests,
        rows,
        requests: WORKER_REQUEST
            + ASSUMED_WORKER_MS * WORKER_CPU_MS
            + object_requests as f64 * (OBJECT_REQUEST + at_work),
        storage: rows.written as f64 * ROW_WRITTEN + rows.read as f64 * ROW_READ,
        firestore,
    }
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;

    use super::super::rows::{Cost, Kind, Rows};
    use super::prices;

    #[test]
    fn a_write_is_billed_with_its_index_and_its_alarm() {
        let cost = |kind, answering, index| Cost {
            kind,
            name: "",
            status: StatusCode::OK,
            changed: 1,
            answering,
            index,
        };
        let rows = |written, read| Rows { written, read };
        let costs = [
            cost(Kind::Other, rows(9, 9), None),
            cost(Kind::Write, rows(2, 0), Some(rows(2, 3))),
            cost(Kind::Query, rows(0, 40), None),
        ];
        let prices = prices(&costs);
        assert_eq!(prices.len(), 3, "no point read was counted");
        let [write, query, heard] = prices.as_slice() else { panic!() };
        assert_eq!((write.object_requests, write.rows), (3, rows(4, 3)));
        let cents = |dollars: f64| (dollars * 100.0).round();
        assert_eq!((cents(write.requests), cents(write.storage)), (82.0, 400.0));
        assert_eq!((cents(query.blaze()), cents(query.firestore)), (53.0, 600.0));
        assert_eq!((cents(heard.blaze()), cents(heard.firestore)), (482.0, 15_090.0));
    }
}
