//! An object as its shell drives it: an event goes in, effects come out. Every kind of object is driven in the same way.
//!
//! ```text
//!   shell ── Event::Request, Call, Message, Alarm, … ──▶ Actor ──▶ Effect::Reply, Return, Send, …
//!                                                          │
//!            Event::Told ◀── the other object's answer ◀── Effect::Call
//! ```
//!
//! Effects are carried out in their order, without anything in between: what a step stored is one transaction, and what it
//! says is let out when that is on disk. An actor never waits: what an answer of another object is needed for is kept here
//! until [`Event::Told`] brings it ([`tasks`]).

mod access;
mod account;
#[cfg(test)]
pub(crate) mod bench;
mod call;
mod facts;
mod limiter;
mod tasks;

pub use call::{Answer, Call, Class, Object};
pub use facts::{Body, Fact, Facts, Halt, Wait, lookup, silent};
pub(crate) use limiter::grant;
pub(crate) use tasks::{Key, Tasks, Work};

use crate::document::room::Room as Document;
use crate::http::incoming::Incoming;
use crate::http::reply::Reply;
use crate::index::room::Room as Index;
use crate::listener::room::Room as Listener;
use crate::node::front::Front;
use crate::node::{Home, Node};
use crate::unread::Unread;
use access::Access;
use account::Account;
use blaze_identity::accounts::oidc::{Fetch, Fetched};
use blaze_identity::accounts::password::{Hashed, Hashing};
use blaze_schema::error::{Code, Error};
use blaze_schema::timestamp::Timestamp;
use blaze_store::Store;
use limiter::Limiter;

/// An event of an actor.
#[derive(Clone, Debug)]
pub enum Event {
    /// A request came, or was passed on.
    Request {
        /// The number under which it is answered.
        ticket: u64,
        /// The request.
        request: Incoming,
    },
    /// The outcome of [`Effect::Read`].
    Body {
        /// The request's number.
        ticket: u64,
        /// Its body.
        body: Body,
    },
    /// Another object calls.
    Call {
        /// The number under which it is answered.
        ticket: u64,
        /// The call.
        call: Call,
    },
    /// The outcome of [`Effect::Call`].
    Told {
        /// The call's number.
        number: u64,
        /// The answer; `None` if there is none, and nobody knows whether the call was carried out.
        answer: Option<Answer>,
    },
    /// The outcome of [`Effect::Fetch`].
    Fetched {
        /// The number of the fetch.
        number: u64,
        /// Status and body, or the reason why there is none.
        fetched: Fetched,
    },
    /// The outcome of [`Effect::Hash`].
    Hashed {
        /// The number of the work.
        number: u64,
        /// The outcome.
        hashed: Result<Hashed, Error>,
    },
    /// A socket that was opened by [`Effect::Open`] is open.
    Opened {
        /// The socket.
        socket: u64,
    },
    /// A socket delivered a message.
    Message {
        /// The socket.
        socket: u64,
        /// Its text; `None` for a binary one.
        text: Option<String>,
    },
    /// A socket was closed, or broke, or could not be opened.
    Closed {
        /// The socket.
        socket: u64,
    },
    /// The alarm of [`Effect::SetAlarm`] rings.
    Alarm,
    /// The time of [`Actor::wakes`] has come.
    Timer,
}

/// An action for the shell.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Answer a request.
    Reply {
        /// The request's number.
        ticket: u64,
        /// The response.
        reply: Reply,
    },
    /// Answer a call.
    Return {
        /// The call's number.
        ticket: u64,
        /// The answer.
        answer: Answer,
    },
    /// Forget a request or a call without an answer: its sender has gone, or what it waits for never came.
    Abandon {
        /// Its number.
        ticket: u64,
    },
    /// Read a request's body. Then [`Event::Body`].
    Read {
        /// The request's number.
        ticket: u64,
        /// Bytes of the inflated body at most.
        limit: usize,
        /// True if it has to be inflated.
        is_gzip: bool,
    },
    /// Pass a request on to an object, whose response is the answer.
    Pass {
        /// The request's number.
        ticket: u64,
        /// The object.
        object: Object,
        /// The URL instead of the request's own.
        url: Option<String>,
    },
    /// Call an object, and answer a request with this reply, the object's text being its body. If the object refuses, counts
    /// rows, or gives no answer: with [`Node::relayed`].
    Relay {
        /// The request's number.
        ticket: u64,
        /// The object.
        object: Object,
        /// The call.
        call: Call,
        /// The reply, without a body.
        reply: Reply,
    },
    /// Answer a request with the first of these files that there is, else with a reply.
    Serve {
        /// The request's number.
        ticket: u64,
        /// The files.
        files: Vec<File>,
        /// The reply where there are none.
        otherwise: Reply,
    },
    /// Answer a request with a socket, and make a listener for it ([`Actor::listener`]), whose socket 0 it is.
    Listen {
        /// The request's number.
        ticket: u64,
        /// The subprotocol that the socket speaks; empty for none.
        protocol: &'static str,
        /// The client's credential; empty for none.
        credential: String,
        /// The client's network address, if its messages are counted.
        address: Option<String>,
    },
    /// Answer a request with a socket that is sent a frame and closed. A browser sees nothing of a status.
    Refuse {
        /// The request's number.
        ticket: u64,
        /// The subprotocol that the socket speaks; empty for none.
        protocol: &'static str,
        /// The frame.
        frame: String,
        /// The WebSocket close code.
        code: u16,
    },
    /// Answer a request with a socket, which survives the loss of memory with its attachment.
    Accept {
        /// The request's number.
        ticket: u64,
        /// The socket's number.
        socket: u64,
        /// The subprotocol that the socket speaks; empty for none.
        protocol: &'static str,
        /// The attachment.
        attachment: String,
    },
    /// Replace a socket's attachment.
    Attach {
        /// The socket.
        socket: u64,
        /// The attachment.
        attachment: String,
    },
    /// Open a socket to an object. Then [`Event::Opened`], or [`Event::Closed`].
    Open {
        /// The socket's number.
        socket: u64,
        /// The object.
        object: Object,
        /// The URL of the request.
        url: String,
        /// The credential of the request; empty for none.
        credential: String,
    },
    /// Send a frame to sockets. One that has gone meanwhile is left to its own [`Event::Closed`].
    Send {
        /// The sockets.
        sockets: Vec<u64>,
        /// The frame.
        text: String,
    },
    /// Close a socket.
    Close {
        /// The socket.
        socket: u64,
        /// The WebSocket close code.
        code: u16,
        /// The reason; empty for none.
        reason: &'static str,
    },
    /// Call an object. Then [`Event::Told`].
    Call {
        /// The number of the call.
        number: u64,
        /// The object.
        object: Object,
        /// The call.
        call: Call,
    },
    /// Wait until a time. Then [`Event::Told`], without an answer.
    Sleep {
        /// The number of the wait.
        number: u64,
        /// The time.
        until: Timestamp,
    },
    /// Hash a password, where that holds nobody up. Then [`Event::Hashed`].
    Hash {
        /// The number of the work.
        number: u64,
        /// The work.
        hashing: Hashing,
    },
    /// Ask a server elsewhere. Then [`Event::Fetched`].
    Fetch {
        /// The number of the fetch.
        number: u64,
        /// The request.
        fetch: Fetch,
    },
    /// Ring at this time, instead of at any other, also after a loss of memory. Part of the step's commit.
    SetAlarm(Timestamp),
    /// Remove everything that is kept for the object, its alarm too.
    Erase,
    /// Undo the transaction with all that has followed in it, and refuse whoever waits: what is to be done as a whole could not
    /// be ([`Home::Process`] alone).
    Undo {
        /// The reason.
        reason: &'static str,
    },
    /// Print a line in the server's log.
    Log(String),
}

impl Effect {
    /// The number of the request or the call that the effect is about.
    pub fn ticket(&self) -> Option<u64> {
        match self {
            Effect::Reply { ticket, .. }
            | Effect::Return { ticket, .. }
            | Effect::Abandon { ticket }
            | Effect::Read { ticket, .. }
            | Effect::Pass { ticket, .. }
            | Effect::Relay { ticket, .. }
            | Effect::Serve { ticket, .. }
            | Effect::Listen { ticket, .. }
            | Effect::Refuse { ticket, .. }
            | Effect::Accept { ticket, .. } => Some(*ticket),
            _ => None,
        }
    }
}

/// A file that is served.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// Its path, from the root of the server.
    pub path: String,
    /// The headers of the response.
    pub headers: Vec<(&'static str, String)>,
}

/// The circumstances of one step.
pub struct Turn<'a, S> {
    /// The state that the actors of a process share.
    pub node: &'a mut Node,
    /// The object's rows.
    pub store: &'a mut S,
    /// The present time.
    pub now: Timestamp,
    /// Gives 128 fresh random bits.
    pub random: &'a mut dyn FnMut() -> u128,
    /// Tells when the shell last answered a ping of a socket by itself.
    pub pinged: &'a dyn Fn(u64) -> Option<Timestamp>,
    /// The effects so far.
    pub effects: &'a mut Vec<Effect>,
}

/// Counts a frame among the bytes that a peer has not read. Returns whether the frame may be sent.
pub(crate) type Count<'a> = dyn Fn(&mut Unread) -> bool + 'a;

impl<S> Turn<'_, S> {
    pub(crate) fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Sends a frame to sockets; `count` has each one's unread bytes counted. Returns those whose peers are too far behind: they
    /// get nothing and must be closed.
    pub(crate) fn send(
        &mut self,
        mut sockets: Vec<u64>,
        text: String,
        is_continued: bool,
        mut count: impl FnMut(u64, &Count<'_>) -> Option<bool>,
    ) -> Vec<u64> {
        let mut behind = Vec::new();
        sockets.retain(|socket| {
            let pinged = || (self.pinged)(*socket);
            let send =
                |unread: &mut Unread| unread.send(self.now, text.len(), is_continued, pinged);
            // One that has gone gets nothing, and need not be closed.
            let Some(may) = count(*socket, &send) else { return false };
            if !may {
                behind.push(*socket);
            }
            may
        });
        if !sockets.is_empty() {
            self.push(Effect::Send { sockets, text });
        }
        behind
    }

    pub(crate) fn answer(&mut self, ticket: u64, answer: impl Into<Answer>) {
        self.effects.push(Effect::Return { ticket, answer: answer.into() });
    }
}

/// Its state before the first event.
#[derive(Clone, Debug, Default)]
pub struct Waking {
    /// The time of the object's alarm, the inner `None` if there is none; the outer one if it is not known, as while the
    /// alarm's handler is at work.
    pub alarm: Option<Option<Timestamp>>,
    /// The object's sockets and their attachments.
    pub sockets: Vec<(u64, String)>,
}

/// An object, the front of a process, or a client's socket of many targets.
#[derive(Debug)]
pub enum Actor {
    /// The front of a process, where requests come in.
    Front(Box<Front>),
    /// A document.
    Document(Box<Document>),
    /// An index or a registry.
    Index(Box<Index>),
    /// The access object.
    Access(Box<Access>),
    /// An account.
    Account(Box<Account>),
    /// A limiter.
    Limiter(Limiter),
    /// A client's socket.
    Listener(Box<Listener>),
}

impl Actor {
    /// Creates the front of a process.
    pub fn front() -> Self {
        Actor::Front(Box::default())
    }

    /// Creates an object. Reads nothing yet.
    ///
    /// # Errors
    /// `internal` for a configuration that is wrong, and for a name that no object of the class has.
    pub fn object(object: Object, waking: Waking, node: &Node) -> Result<Self, Error> {
        let config = node.config()?;
        let Object { class, name } = object;
        Ok(match class {
            Class::Document => {
                let is_atomic = node.home() == Home::Process;
                Actor::Document(Box::new(Document::new(&name, &config, waking, is_atomic)?))
            }
            Class::Index => Actor::Index(Box::new(Index::new(&name, &config, waking)?)),
            Class::Access => Actor::Access(Box::new(Access::new(&config))),
            Class::Account => Actor::Account(Box::new(Account::new(name, &config))),
            Class::Limiter => Actor::Limiter(Limiter::default()),
        })
    }

    /// Creates the listener of [`Effect::Listen`], and takes its first step.
    ///
    /// # Errors
    /// `internal` for a configuration that is wrong.
    pub fn listener<S: Store>(
        credential: String,
        address: Option<String>,
        turn: &mut Turn<'_, S>,
    ) -> Result<Self, Error> {
        let config = turn.node.config()?;
        let mut listener = Listener::new(&config, credential, address);
        listener.begin(turn);
        Ok(Actor::Listener(Box::new(listener)))
    }

    /// Handles one event.
    pub fn handle<S: Store>(&mut self, turn: &mut Turn<'_, S>, event: Event) {
        match self {
            Actor::Front(front) => front.handle(turn, event),
            Actor::Document(room) => room.handle(turn, event),
            Actor::Index(room) => room.handle(turn, event),
            Actor::Access(access) => access.handle(turn, event),
            Actor::Account(account) => account.handle(turn, event),
            Actor::Limiter(limiter) => limiter.handle(turn, event),
            Actor::Listener(listener) => listener.handle(turn, event),
        }
    }
}

impl Actor {
    /// Returns the time of the alarm without which something could be lost that has not followed from the actor's steps yet.
    /// For a shell that commits steps together with what follows from them, before it does ([`Home::Process`]).
    pub fn secure(&mut self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Actor::Document(room) => room.secure(now),
            _ => None,
        }
    }

    /// Returns when the actor wants [`Event::Timer`], as long as it stays in memory.
    pub fn wakes(&self) -> Option<Timestamp> {
        match self {
            Actor::Document(room) => room.wakes(),
            Actor::Limiter(limiter) => limiter.wakes(),
            Actor::Listener(listener) => listener.wakes(),
            Actor::Front(_) | Actor::Index(_) | Actor::Access(_) | Actor::Account(_) => None,
        }
    }
}

/// Refuses a request or a call that the object does not take.
pub(crate) fn misdirected<S>(turn: &mut Turn<'_, S>, event: &Event) {
    let error = || Error::internal("the object does not take this");
    match event {
        Event::Request { ticket, .. } => {
            turn.push(Effect::Reply {
                ticket: *ticket,
                reply: Error::new(Code::NotFound, "no route").into(),
            });
        }
        Event::Call { ticket, .. } => turn.answer(*ticket, error()),
        _ => {}
    }
}
