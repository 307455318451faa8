//! The bytes that a socket's peer has not been seen to read.
//!
//! The runtime buffers without a bound what a peer does not read, and does not say how much that is. So the bytes
//! sent since the peer last sent anything are counted. A ping counts, even one that the runtime answers by itself:
//! the runtime says when that was.
//!
//! ```text
//! sent   ──▶ 1 MiB ──▶ 2 MiB ──▶ … ──▶ more than UNREAD_BYTES, and no ping since the first of them: the socket is closed
//!             ▲ the peer's ping: counting begins anew
//! ```

use blaze_schema::limits::UNREAD_BYTES;
use blaze_schema::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// The reason of a close frame: the peer may come back and go on from what it has.
pub const UNREAD_REASON: &str =
    "too far behind: resume, and send {\"ping\":0} after every MiB received";

/// The bytes sent to one socket since its peer last acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// Number of bytes.
    pub bytes: usize,
    /// Time at which the first of them was sent; `None` if there are none.
    #[serde(with = "blaze_schema::micros")]
    pub since: Option<Timestamp>,
}

impl Unread {
    /// Notes that the peer sent something.
    pub fn acknowledged(&mut self) {
        *self = Unread::default();
    }

    /// Counts a frame that is about to be sent. Returns whether it may be sent: a peer that is more than
    /// [`UNREAD_BYTES`] behind must be closed. Any other peer gets frames of any size, and all frames that form one
    /// result together (`is_continued` for all but the first). `pinged` tells when the runtime last answered a ping.
    #[must_use]
    pub fn send(
        &mut self,
        now: Timestamp,
        bytes: usize,
        is_continued: bool,
        pinged: impl FnOnce() -> Option<Timestamp>,
    ) -> bool {
        if self.bytes > UNREAD_BYTES && !is_continued {
            // A ping that is older than the first of these bytes says nothing about them.
            if pinged() < self.since {
                return false;
            }
            self.acknowledged();
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.since = self.since.or(Some(now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn a_peer_is_cut_off_one_byte_past_the_limit() {
        let mut unread = Unread::default();
        assert!(unread.send(at(1), UNREAD_BYTES, false, || None));
        assert!(unread.send(at(2), 1, false, || None), "at the limit");
        assert!(!unread.send(at(3), 1, false, || None), "one past it");
        assert!(!unread.send(at(4), 0, false, || None));
        assert_eq!(unread, Unread { bytes: UNREAD_BYTES + 1, since: Some(at(1)) }, "not counted");
        unread.acknowledged();
        assert!(unread.send(at(5), 1, false, || None));
        assert_eq!(unread, Unread { bytes: 1, since: Some(at(5)) });
    }

    #[test]
    fn what_is_sent_at_once_gets_through_whatever_its_size() {
        let mut unread = Unread::default();
        assert!(unread.send(at(1), 3 * UNREAD_BYTES, false, || None));
        for _ in 0..9 {
            assert!(unread.send(at(1), UNREAD_BYTES, true, || None), "the rest of a result");
        }
        assert!(!unread.send(at(2), 1, false, || None));
    }

    #[test]
    fn only_a_ping_after_the_first_unread_byte_counts() {
        for (pinged, may) in [(None, false), (Some(6), false), (Some(7), true), (Some(8), true)] {
            let mut unread = Unread::default();
            assert!(unread.send(at(7), UNREAD_BYTES + 1, false, || panic!("not asked for")));
            assert_eq!(unread.send(at(9), 5, false, || pinged.map(at)), may, "{pinged:?}");
            let bytes = if may { 5 } else { UNREAD_BYTES + 1 };
            assert_eq!(unread.bytes, bytes, "{pinged:?}");
        }
    }

    #[test]
    fn one_old_ping_serves_once() {
        let (mut unread, mut sent) = (Unread::default(), 0);
        while unread.send(at(sent), 1_000, false, || Some(at(1))) {
            sent += 1_000;
        }
        assert!(sent <= 2 * UNREAD_BYTES as i64 + 4_000, "{sent}");
    }

    #[test]
    fn the_reason_fits_a_close_frame() {
        // RFC 6455, 5.5: 125 bytes, of which the code takes two.
        assert!(UNREAD_REASON.len() <= 123);
    }
}
