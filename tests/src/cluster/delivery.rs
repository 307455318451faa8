//! The deliveries that are on their way in a cluster.

use super::link::Frame;
use blaze_engine::actor::{Answer, Call, Event, Object};
use blaze_engine::http::incoming::Incoming;
use blaze_engine::http::reply::Reply;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The place of an actor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// The front of an isolate.
    Front(usize),
    /// An object, wherever it is.
    Object(Object),
    /// A listener, by a number of its own.
    Listener(u64),
}

/// The receiver of an answer.
#[derive(Clone, Debug)]
pub(super) enum Waiter {
    /// A client, by the number of its request.
    Client(u64),
    /// A client, whose reply is completed by the answer to a call.
    Relay { request: u64, reply: Reply },
    /// The actor that made a call.
    Caller { place: Place, incarnation: u64, number: u64 },
    /// The listener that opens a socket.
    Opener { place: Place, incarnation: u64, socket: u64 },
    /// The waiter inside, after the answer was kept for ever.
    Keeper { object: Object, waiter: Box<Waiter> },
    /// The waiter inside, after it was noted whether a copy of rules is renewed.
    Renewer(Box<Waiter>),
    /// None: a call that arrives twice.
    Nobody,
}

/// The answer to a request or a call.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Reply(Reply),
    Answer(Answer),
    /// A socket.
    Link(u64),
    /// None, and nobody knows what was done.
    Nothing,
}

/// A request with its headers and its body.
#[derive(Clone, Debug)]
pub(super) struct Carried {
    pub(super) incoming: Incoming,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Rc<[u8]>,
}

/// A thing on its way.
#[derive(Clone, Debug)]
pub(super) enum Delivery {
    Request {
        to: Place,
        carried: Carried,
        waiter: Waiter,
    },
    Call {
        to: Object,
        call: Call,
        waiter: Waiter,
    },
    Answer {
        waiter: Waiter,
        outcome: Outcome,
    },
    /// An event for an actor, if it is still in memory.
    Event {
        to: Place,
        incarnation: u64,
        event: Event,
    },
    Timer {
        to: Place,
        incarnation: u64,
        at: i64,
    },
    Alarm {
        object: Object,
        at: i64,
    },
    /// An alarm that rings though its handler has ended.
    Again(Object),
    /// A frame for one end of a link.
    Frame {
        link: u64,
        side: usize,
        frame: Frame,
    },
    /// The time at which idle objects hibernate.
    Hibernate {
        object: Object,
        incarnation: u64,
    },
}

/// Deliveries by their times (µs); those of one time in the order in which they were sent.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: BTreeMap<(i64, u64), Delivery>,
    last: u64,
}

impl Queue {
    pub(super) fn push(&mut self, at: i64, delivery: Delivery) {
        self.last += 1;
        self.waiting.insert((at, self.last), delivery);
    }

    pub(super) fn next_at(&self) -> Option<i64> {
        self.waiting.keys().next().map(|(at, _)| *at)
    }

    pub(super) fn pop(&mut self) -> Option<(i64, Delivery)> {
        self.waiting.pop_first().map(|((at, _), delivery)| (at, delivery))
    }
}
