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

use crate::backoff::Backoff;
use crate::event::ConnectionState;
use blaze_schema::error::{Code, Error};
use std::mem;

/// A socket that is not open after so long is given up, in milliseconds.
pub const OPEN_MS: u32 = 15_000;
/// An open socket is pinged this often, in milliseconds.
pub const PING_MS: u32 = 25_000;
/// A ping, and whatever else is expected, is answered within this, in milliseconds.
pub const ANSWER_MS: u32 = 10_000;
/// Where the server has too many, the next socket waits at least so long, in milliseconds.
pub const CROWDED_MS: u32 = 5_000;

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
    /// Whether a frame of this socket fitted.
    proven: bool,
}

/// What is to be done about the socket, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEffect {
    /// Open one; there is none now.
    Open,
    /// Close it, if there is one, and deliver nothing of it any more.
    Close,
    /// Send [`PING`](blaze_schema::message::PING).
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
        self.wait(Phase::Expecting, ANSWER_MS, effects);
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
        if !mem::replace(&mut self.proven, true) {
            effects.push(LinkEffect::Connection(ConnectionState::Connected));
        }
    }

    /// The frame does not fit: something is missing, or garbled.
    pub fn broke(&mut self, why: Error, random: u128, effects: &mut Vec<LinkEffect>) {
        self.broken = true;
        self.lose_for(0, Some(why), random, effects);
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
    }

    fn lose_for(
        &mut self,
        least_ms: u32,
        error: Option<Error>,
        random: u128,
        effects: &mut Vec<LinkEffect>,
    ) {
        effects.push(LinkEffect::Close);
        let retry_in_ms = least_ms + self.backoff.fail(random);
        self.wait(Phase::Waiting, retry_in_ms, effects);
        effects.push(LinkEffect::Connection(ConnectionState::Offline { retry_in_ms, error }));
    }

    /// Something was asked that the server answers.
    pub fn expect(&mut self, effects: &mut Vec<LinkEffect>) {
        if self.phase == Phase::Open {
            self.wait(Phase::Expecting, ANSWER_MS, effects);
        }
    }

    /// The timer ran out.
    pub fn timer(&mut self, random: u128, effects: &mut Vec<LinkEffect>) {
        match self.phase {
            Phase::Idle => {}
            Phase::Waiting => self.open(effects),
            Phase::Open => self.ping(effects),
            Phase::Expecting if self.heard => {
                self.backoff.succeed();
                self.broken = false;
                self.wait(Phase::Open, PING_MS - ANSWER_MS, effects);
            }
            Phase::Opening | Phase::Expecting => {
                let why = Error::new(Code::Unavailable, "the server did not answer in time");
                self.lose_for(0, Some(why), random, effects);
            }
        }
    }

    /// The network is back: a lost socket is worth another try, and an open one may be open no more.
    pub fn online(&mut self, effects: &mut Vec<LinkEffect>) {
        match self.phase {
            Phase::Waiting => self.open(effects),
            Phase::Open => self.ping(effects),
            Phase::Idle | Phase::Opening | Phase::Expecting => {}
        }
    }

    fn open(&mut self, effects: &mut Vec<LinkEffect>) {
        effects.push(LinkEffect::Open);
        self.proven = false;
        self.wait(Phase::Opening, OPEN_MS, effects);
        effects.push(LinkEffect::Connection(ConnectionState::Connecting));
    }

    fn ping(&mut self, effects: &mut Vec<LinkEffect>) {
        effects.push(LinkEffect::Ping);
        self.wait(Phase::Expecting, ANSWER_MS, effects);
    }

    fn wait(&mut self, phase: Phase, after_ms: u32, effects: &mut Vec<LinkEffect>) {
        self.phase = phase;
        self.heard = false;
        effects.push(LinkEffect::StartTimer(after_ms));
    }
}
