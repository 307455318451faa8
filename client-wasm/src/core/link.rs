//! A socket that comes and goes, whatever it carries.
//!
//! ```text
//!            start                opened              ping answered, again and again
//!   Idle ───────────▶ Opening ───────────▶ Open ─────────────────────────────────────╮
//!    ▲                  ▲  │ closed,         │ closed, a ping or what is             │
//!    │ stop             │  │ too slow        │ expected not answered, a gap     ◀────╯
//!    │                  │  ▼                 ▼
//!    ╰───────────────── Waiting (backoff) ◀──╯
//! ```
//!
//! An open socket is no sign of Blaze: the connection counts as `Connected` with the first frame that fits. Where the
//! server is not expected to say anything by itself, a ping asks it to.

use crate::core::backoff::Backoff;
use crate::core::event::ConnectionState;
use blaze_schema::error::{Code, Error};
use std::mem;

/// A socket that is not open after so long is given up, in milliseconds.
pub const OPEN_MS: u32 = 10_000;
/// Time for an open socket to deliver its first expected frame, in milliseconds.
pub const FIRST_MS: u32 = 10_000;
/// Interval between pings of an idle socket, in milliseconds.
pub const PING_MS: u32 = 15_000;
/// Time for the answer to a ping, in milliseconds; see [`Link::patience`].
pub const ANSWER_MS: u32 = 5_000;
/// Silence of a socket after which it is pinged while an answer is awaited, in milliseconds.
pub const PROBE_MS: u32 = 2_000;
/// Where the server has too many, the next socket waits at least so long, in milliseconds.
pub const CROWDED_MS: u32 = 5_000;
/// Bytes that the slowest line carries in a millisecond: a quarter of a Mbit/s.
pub const SLOWEST_LINE: u32 = 32;
/// A ping that gets no answer doubles the time of the next one, so many times.
const MOST_DOUBLINGS: u32 = 3;

/// The life of one socket after another.
#[derive(Debug, Default)]
pub struct Link {
    phase: Phase,
    backoff: Backoff,
    /// Whether a frame arrived since the timer was started.
    heard: bool,
    /// Whether the last socket was given up because of a gap. Then a frame is no sign that all is well: the same gap
    /// may follow, and the backoff must grow.
    broken: bool,
    /// True if a frame of this socket fitted.
    proven: bool,
    /// Bytes that were sent and are to be answered.
    awaited: usize,
    /// True while the timer of the open socket is that of an awaited answer.
    eager: bool,
    /// Pings in a row that got no answer in time.
    silences: u32,
    /// True if the wait ends when the server is known to be within reach.
    wakes: bool,
    /// True from an attempt that ended a wait so until a frame fits.
    woken: bool,
}

/// What is to be done about the socket, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEffect {
    /// Open one; there is none now.
    Open,
    /// Close it, if there is one, and deliver nothing of it any more.
    Close,
    /// Send [`PING`](blaze_schema::wire::document::PING).
    Ping,
    /// Start the timer anew, with so many milliseconds.
    StartTimer(u32),
    /// Stop the timer.
    StopTimer,
    /// How the connection is now.
    Connection(ConnectionState),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Nobody listens.
    #[default]
    Idle,
    /// A socket is being opened.
    Opening,
    /// It is open. The timer is the next ping's.
    Open,
    /// It is open. The timer is an answer's: to a ping, or what else is expected.
    Expecting,
    /// It was lost. The timer is the next attempt's.
    Waiting,
}

impl Link {
    /// Whether there is a socket, is to be one, or will be again.
    pub fn is_started(&self) -> bool {
        self.phase != Phase::Idle
    }

    /// Whether the socket is open.
    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Expecting)
    }

    /// Somebody listens.
    pub fn start(&mut self, effects: &mut Vec<LinkEffect>) {
        if !self.is_started() {
            self.open(effects);
        }
    }

    /// Nobody listens any more.
    pub fn stop(&mut self, effects: &mut Vec<LinkEffect>) {
        if self.is_started() {
            effects.push(LinkEffect::Close);
            effects.push(LinkEffect::StopTimer);
            effects.push(LinkEffect::Connection(ConnectionState::Idle));
            *self = Link::default();
        }
    }

    /// The socket is open, and the server is `expected` to say something. Returns whether that is news.
    pub fn opened(&mut self, expected: bool, effects: &mut Vec<LinkEffect>) -> bool {
        if self.phase != Phase::Opening {
            return false;
        }
        if !expected {
            effects.push(LinkEffect::Ping);
        }
        self.wait(Phase::Expecting, FIRST_MS, effects);
        true
    }

    /// A frame arrived. Returns whether it counts: those of a socket that was given up do not.
    pub fn heard(&mut self) -> bool {
        self.heard = true;
        self.is_open()
    }

    /// The frame fits.
    pub fn worked(&mut self, effects: &mut Vec<LinkEffect>) {
        if !self.broken {
            self.backoff.succeed();
        }
        self.woken = false;
        if !mem::replace(&mut self.proven, true) {
            effects.push(LinkEffect::Connection(ConnectionState::Connected));
        }
    }

    /// The frame does not fit: something is missing, or garbled.
    pub fn broke(&mut self, why: Error, random: u128, effects: &mut Vec<LinkEffect>) {
        self.broken = true;
        self.lose_for(0, Some(why), random, effects);
        self.wakes = false;
    }

    /// The socket was closed, or could not be opened.
    pub fn closed(&mut self, why: Option<Error>, random: u128, effects: &mut Vec<LinkEffect>) {
        if !matches!(self.phase, Phase::Idle | Phase::Waiting) {
            self.lose_for(0, why, random, effects);
        }
    }

    /// The server ended the socket with an error that may pass.
    pub fn ended(&mut self, error: &Error, random: u128, effects: &mut Vec<LinkEffect>) {
        let least_ms = if error.code == Code::ResourceExhausted { CROWDED_MS } else { 0 };
        self.lose_for(least_ms, Some(error.clone()), random, effects);
        self.wakes = false;
    }

    fn lose_for(
        &mut self,
        least_ms: u32,
        error: Option<Error>,
        random: u128,
        effects: &mut Vec<LinkEffect>,
    ) {
        effects.push(LinkEffect::Close);
        // Once: where sockets fail and all else gets through, each answer would lead to an attempt.
        self.wakes = !mem::take(&mut self.woken);
        let retry_in_ms = least_ms + self.backoff.fail(random);
        self.wait(Phase::Waiting, retry_in_ms, effects);
        effects.push(LinkEffect::Connection(ConnectionState::Offline { retry_in_ms, error }));
    }

    /// Something was asked that the server answers.
    pub fn expect(&mut self, effects: &mut Vec<LinkEffect>) {
        if self.phase == Phase::Open {
            self.wait(Phase::Expecting, self.patience(), effects);
        }
    }

    /// The timer ran out.
    pub fn timer(&mut self, random: u128, effects: &mut Vec<LinkEffect>) {
        match self.phase {
            Phase::Idle => {}
            Phase::Waiting => self.open(effects),
            Phase::Open if self.eager && self.heard => self.rest(effects),
            Phase::Open => self.ping(effects),
            Phase::Expecting if self.heard => {
                self.backoff.succeed();
                self.silences = 0;
                self.broken = false;
                self.rest(effects);
            }
            Phase::Opening | Phase::Expecting => {
                if self.phase == Phase::Expecting {
                    self.silences = (self.silences + 1).min(MOST_DOUBLINGS);
                }
                let why = Error::new(Code::Unavailable, "the server did not answer in time");
                self.lose_for(0, Some(why), random, effects);
            }
        }
    }

    /// Tries at once: the network is said to be back. An open socket is pinged, and one that is opening is opened anew.
    pub fn retry(&mut self, effects: &mut Vec<LinkEffect>) {
        match self.phase {
            Phase::Waiting => {
                self.backoff.succeed();
                self.open(effects);
            }
            Phase::Opening => {
                effects.push(LinkEffect::Close);
                self.open(effects);
            }
            Phase::Open => self.ping(effects),
            Phase::Idle | Phase::Expecting => {}
        }
    }

    /// Opens a socket at once that was lost without a word of the server, which is within reach.
    pub fn reached(&mut self, effects: &mut Vec<LinkEffect>) {
        if self.phase == Phase::Waiting && self.wakes {
            self.woken = true;
            self.open(effects);
        }
    }

    /// Pings an open socket: the server may be out of reach.
    pub fn doubt(&mut self, effects: &mut Vec<LinkEffect>) {
        if self.phase == Phase::Open {
            self.ping(effects);
        }
    }

    /// Notes how many bytes were sent and not answered. While there are any, a silent socket is pinged soon.
    pub fn awaits(&mut self, bytes: usize, effects: &mut Vec<LinkEffect>) {
        self.awaited = bytes;
        let is_idle = self.phase == Phase::Open || (self.phase == Phase::Expecting && self.heard);
        if is_idle && bytes > 0 && !self.eager {
            self.rest(effects);
        }
    }

    /// The time for an answer, in milliseconds: more after bytes that have to get through first, and more on a line that was
    /// too slow for the last ping.
    fn patience(&self) -> u32 {
        let bytes = u32::try_from(self.awaited).unwrap_or(u32::MAX);
        (ANSWER_MS << self.silences) + bytes / SLOWEST_LINE
    }

    /// Waits for the next ping.
    fn rest(&mut self, effects: &mut Vec<LinkEffect>) {
        self.eager = self.awaited > 0;
        let after_ms = if self.eager { PROBE_MS } else { PING_MS - ANSWER_MS };
        self.wait(Phase::Open, after_ms, effects);
    }

    fn open(&mut self, effects: &mut Vec<LinkEffect>) {
        effects.push(LinkEffect::Open);
        self.proven = false;
        self.wait(Phase::Opening, OPEN_MS, effects);
        effects.push(LinkEffect::Connection(ConnectionState::Connecting));
    }

    fn ping(&mut self, effects: &mut Vec<LinkEffect>) {
        effects.push(LinkEffect::Ping);
        self.wait(Phase::Expecting, self.patience(), effects);
    }

    fn wait(&mut self, phase: Phase, after_ms: u32, effects: &mut Vec<LinkEffect>) {
        self.phase = phase;
        self.heard = false;
        effects.push(LinkEffect::StartTimer(after_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATEST: u128 = u128::MAX;

    /// A link, and its effects in short.
    #[derive(Default)]
    struct Bench {
        link: Link,
        effects: Vec<LinkEffect>,
    }

    impl Bench {
        /// An open socket that has answered its first ping.
        fn open() -> Self {
            let mut bench = Bench::default();
            bench.tell(Link::start);
            bench.opened();
            bench.hear();
            bench.timer();
            bench.effects.clear();
            bench
        }

        fn tell(&mut self, tell: impl FnOnce(&mut Link, &mut Vec<LinkEffect>)) {
            tell(&mut self.link, &mut self.effects);
        }

        fn opened(&mut self) {
            self.tell(|link, effects| assert!(link.opened(false, effects)));
        }

        fn hear(&mut self) {
            assert!(self.link.heard());
            self.tell(Link::worked);
        }

        fn timer(&mut self) {
            self.tell(|link, effects| link.timer(LATEST, effects));
        }

        fn closed(&mut self) {
            self.tell(|link, effects| link.closed(None, LATEST, effects));
        }

        fn told(&mut self) -> String {
            let short = |effect| match effect {
                LinkEffect::Open => "open".to_owned(),
                LinkEffect::Close => "close".to_owned(),
                LinkEffect::Ping => "ping".to_owned(),
                LinkEffect::StartTimer(after_ms) => format!("{after_ms} ms"),
                LinkEffect::StopTimer => "stop".to_owned(),
                LinkEffect::Connection(ConnectionState::Offline { .. }) => "offline".to_owned(),
                LinkEffect::Connection(state) => format!("{state:?}"),
            };
            self.effects.drain(..).map(short).collect::<Vec<_>>().join(", ")
        }
    }

    #[test]
    fn an_idle_socket_is_known_to_be_dead_after_twenty_seconds() {
        let mut bench = Bench::open();
        bench.timer();
        assert_eq!(bench.told(), "ping, 5000 ms");
        bench.hear();
        bench.timer();
        assert_eq!(bench.told(), "10000 ms");
        bench.timer();
        bench.timer();
        assert_eq!(bench.told(), "ping, 5000 ms, close, 250 ms, offline");
        assert_eq!(PING_MS + ANSWER_MS, 20_000);
    }

    #[test]
    fn a_socket_that_owes_an_answer_is_known_to_be_dead_after_seven() {
        let mut bench = Bench::open();
        bench.tell(|link, effects| link.awaits(64, effects));
        bench.tell(|link, effects| link.awaits(128, effects));
        assert_eq!(bench.told(), "2000 ms", "the clock is not wound up again");
        assert!(bench.link.heard());
        bench.timer();
        assert_eq!(bench.told(), "2000 ms", "it delivers something");
        bench.timer();
        assert_eq!(bench.told(), "ping, 5004 ms");
        bench.hear();
        bench.timer();
        assert_eq!(bench.told(), "2000 ms");
        bench.tell(|link, effects| link.awaits(0, effects));
        bench.timer();
        bench.timer();
        assert_eq!(bench.told(), "ping, 5000 ms, close, 250 ms, offline");
    }

    #[test]
    fn an_answer_is_owed_also_on_a_socket_that_has_just_opened() {
        let mut bench = Bench::default();
        bench.tell(Link::start);
        bench.opened();
        bench.tell(|link, effects| link.awaits(64, effects));
        bench.effects.clear();
        bench.hear();
        bench.tell(|link, effects| link.awaits(64, effects));
        bench.timer();
        assert_eq!(bench.told(), "Connected, 2000 ms, ping, 5002 ms");
    }

    #[test]
    fn a_slow_line_is_given_more_time() {
        let mut bench = Bench::open();
        bench.tell(|link, effects| link.awaits(1_024 * 1_024, effects));
        bench.timer();
        assert_eq!(bench.told(), "2000 ms, ping, 37768 ms", "for a quarter of a Mbit/s");
        let mut bench = Bench::open();
        for answer_ms in [5_000, 10_000, 20_000, 40_000, 40_000] {
            bench.timer();
            assert_eq!(bench.told(), format!("ping, {answer_ms} ms"));
            bench.timer();
            bench.timer();
            bench.opened();
            bench.hear();
            // Heard once, and not within the time of a ping.
            bench.link.phase = Phase::Open;
            bench.effects.clear();
        }
        bench.timer();
        bench.hear();
        bench.timer();
        bench.timer();
        assert_eq!(bench.told(), "ping, 40000 ms, 10000 ms, ping, 5000 ms");
    }

    #[test]
    fn a_lost_socket_is_tried_when_the_server_is_within_reach_but_once() {
        let mut bench = Bench::open();
        bench.tell(Link::reached);
        assert_eq!(bench.told(), "");
        bench.closed();
        bench.tell(Link::reached);
        assert_eq!(bench.told(), "close, 250 ms, offline, open, 10000 ms, Connecting");
        bench.closed();
        bench.tell(Link::reached);
        assert_eq!(bench.told(), "close, 500 ms, offline", "sockets alone do not get through");
        bench.timer();
        bench.closed();
        bench.tell(Link::reached);
        let told =
            "open, 10000 ms, Connecting, close, 1000 ms, offline, open, 10000 ms, Connecting";
        assert_eq!(bench.told(), told);
        bench.opened();
        bench.hear();
        bench.effects.clear();
        let crowded = Error::new(Code::Unavailable, "later");
        bench.tell(|link, effects| link.ended(&crowded, LATEST, effects));
        bench.tell(Link::reached);
        assert_eq!(bench.told(), "close, 250 ms, offline", "the server itself said so");
    }

    #[test]
    fn everything_is_tried_anew_when_somebody_asks_for_it() {
        let mut bench = Bench::open();
        bench.tell(Link::retry);
        assert_eq!(bench.told(), "ping, 5000 ms");
        for _ in 0..5 {
            bench.closed();
            bench.tell(Link::retry);
            assert_eq!(bench.told(), "close, 250 ms, offline, open, 10000 ms, Connecting");
        }
        bench.tell(Link::retry);
        assert_eq!(bench.told(), "close, open, 10000 ms, Connecting", "it may hang");
        bench.tell(Link::doubt);
        assert_eq!(bench.told(), "");
        bench.opened();
        bench.hear();
        bench.timer();
        bench.effects.clear();
        bench.tell(Link::doubt);
        assert_eq!(bench.told(), "ping, 5000 ms");
    }
}
