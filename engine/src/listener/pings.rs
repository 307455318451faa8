//! Pings that pass through everything behind the socket.
//!
//! ```text
//!  client            listener              objects
//!    │ {"ping":7}       │                     │
//!    ├─────────────────▶├──{"ping":7}────────▶│  each, on its own socket
//!    │                  │◀─frames─────────────┤  of changes that were committed before
//!    │◀─frames──────────┤◀─{"pong":7}─────────┤
//!    │◀─{"pong":7}──────┤  when all have answered
//! ```
//!
//! So a client that has the pong has every change that was committed before its ping, in all targets whose first
//! frame it has. An own write that was answered is one of these.

use blaze_schema::error::{Code, Error};
use blaze_schema::limits::LISTENER_PINGS;
use blaze_schema::wire::document::TOO_MANY;
use std::collections::BTreeSet;

/// The pings of one socket that were not answered yet, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Pings {
    waiting: Vec<Ping>,
}

#[derive(Debug)]
struct Ping {
    number: i64,
    /// The sockets that have not answered.
    upstreams: BTreeSet<u64>,
}

impl Pings {
    /// Begins to wait for the answers of these sockets.
    ///
    /// # Errors
    /// `resource-exhausted` beyond [`LISTENER_PINGS`]: each becomes a message to every object.
    pub(super) fn begin(&mut self, number: i64, upstreams: BTreeSet<u64>) -> Result<(), Error> {
        if self.waiting.len() >= LISTENER_PINGS {
            let detail = format!("ping: {LISTENER_PINGS} are on their way, and no more");
            return Err(Error::new(Code::ResourceExhausted, detail).with_status(TOO_MANY));
        }
        self.waiting.push(Ping { number, upstreams });
        Ok(())
    }

    /// Takes a socket's answer to a ping. Returns the pings that all have answered.
    pub(super) fn answered(&mut self, upstream: u64, number: i64) -> Vec<i64> {
        let asked = |ping: &&mut Ping| ping.number == number && ping.upstreams.contains(&upstream);
        if let Some(ping) = self.waiting.iter_mut().find(asked) {
            ping.upstreams.remove(&upstream);
        }
        self.take_done()
    }

    /// Removes a closed socket, which answers no more. Returns the pings that all others have answered.
    pub(super) fn closed(&mut self, upstream: u64) -> Vec<i64> {
        for ping in &mut self.waiting {
            ping.upstreams.remove(&upstream);
        }
        self.take_done()
    }

    fn take_done(&mut self) -> Vec<i64> {
        let done = self.waiting.extract_if(.., |ping| ping.upstreams.is_empty());
        done.map(|ping| ping.number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_is_answered_when_every_socket_has_answered_or_gone() {
        let mut pings = Pings::default();
        pings.begin(7, BTreeSet::from([1, 2, 3])).unwrap();
        pings.begin(8, BTreeSet::from([2, 3])).unwrap();
        assert_eq!(pings.answered(2, 7), [0; 0]);
        assert_eq!(pings.answered(2, 7), [0; 0], "an answer that nobody waits for");
        assert_eq!(pings.answered(9, 7), [0; 0]);
        assert_eq!(pings.answered(2, 8), [0; 0]);
        assert_eq!(pings.closed(3), [8]);
        assert_eq!(pings.answered(1, 7), [7]);
        assert_eq!(pings.closed(1), [0; 0]);
    }

    #[test]
    fn the_same_number_twice_is_answered_twice() {
        let mut pings = Pings::default();
        pings.begin(7, BTreeSet::from([1])).unwrap();
        pings.begin(7, BTreeSet::from([1])).unwrap();
        assert_eq!([pings.answered(1, 7), pings.answered(1, 7)], [vec![7], vec![7]]);
    }

    #[test]
    fn so_many_are_on_their_way_and_no_more() {
        let mut pings = Pings::default();
        for number in 0..LISTENER_PINGS as i64 {
            pings.begin(number, BTreeSet::from([1])).unwrap();
        }
        let error = pings.begin(99, BTreeSet::from([1])).unwrap_err();
        assert_eq!((error.code, error.status), (Code::ResourceExhausted, 429));
        assert_eq!(pings.answered(1, 0), [0]);
        assert!(pings.begin(99, BTreeSet::from([1])).is_ok());
    }
}
