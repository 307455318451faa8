//! The host of one actor: what there is beside its memory, and what is under way.

use crate::outside::{Client, Outcome};
use crate::rows::Rows;
use blaze_engine::actor::{Actor, Answer, Object};
use blaze_engine::http::incoming::Incoming;
use blaze_engine::http::reply::Reply;
use bytes::Bytes;
use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// The receiver of an outcome.
#[derive(Debug)]
pub(crate) enum Waiter {
    /// A client.
    Client(Asker),
    /// A client, whose reply is completed by the answer to a call.
    Relay(Asker, Reply),
    /// The actor that made a call.
    Caller { host: u64, number: u64 },
    /// The listener that opens a socket.
    Opener { host: u64, socket: u64 },
}

/// A client that waits for the answer to its request.
#[derive(Debug)]
pub(crate) struct Asker {
    pub(crate) incoming: Incoming,
    /// `None` while the client's body is being read.
    pub(crate) answer: Option<oneshot::Sender<Outcome>>,
}

/// The answer to a request or a call.
#[derive(Debug)]
pub(crate) enum Given {
    Reply(Reply),
    Answer(Answer),
    /// None, and nobody knows what was done.
    Nothing,
}

/// A request or a call without an outcome.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) waiter: Waiter,
    /// The request, and its body if that was read.
    pub(crate) request: Option<(Incoming, Option<Bytes>)>,
}

/// The other end of an actor's socket.
#[derive(Clone, Debug)]
pub(crate) enum Peer {
    /// A client, and the number of its socket.
    Client(u64, Client),
    /// Another actor's socket.
    Actor { host: u64, socket: u64 },
    /// None yet; the frames that wait for it.
    Opening(Vec<String>),
}

/// The host.
#[derive(Debug)]
pub(crate) struct Host {
    /// The object; `None` for the front and for listeners.
    pub(crate) object: Option<Object>,
    pub(crate) actor: Option<Actor>,
    pub(crate) rows: Rows,
    pub(crate) sockets: BTreeMap<u64, Peer>,
    pub(crate) waiting: BTreeMap<u64, Waiting>,
    tickets: u64,
    /// Number of own calls, fetches, waits and openings without an end.
    pub(crate) under_way: usize,
    pub(crate) timer: Option<i64>,
    /// The group of steps in which it was used last.
    pub(crate) used: u64,
}

impl Host {
    pub(crate) fn new(object: Option<Object>, rows: Rows) -> Self {
        Host {
            object,
            actor: None,
            rows,
            sockets: BTreeMap::new(),
            waiting: BTreeMap::new(),
            tickets: 0,
            under_way: 0,
            timer: None,
            used: 0,
        }
    }

    /// Takes a request or a call; returns its ticket.
    pub(crate) fn ticket(&mut self, waiting: Waiting) -> u64 {
        self.tickets += 1;
        self.waiting.insert(self.tickets, waiting);
        self.tickets
    }

    /// True if its memory may be given up.
    pub(crate) fn is_idle(&self) -> bool {
        self.object.is_some()
            && self.waiting.is_empty()
            && self.under_way == 0
            && self.sockets.is_empty()
            && self.timer.is_none()
    }
}
