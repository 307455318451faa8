//! The messages between the engine's thread and those that talk to clients and servers elsewhere. Plain data: nothing of the engine
//! leaves its thread.

use blaze_engine::actor::{Body, File};
use blaze_engine::http::reply::Reply;
use blaze_engine::unread::UNREAD_REASON;
use blaze_identity::accounts::oidc::{Fetch, Fetched};
use blaze_identity::accounts::password::{Hashed, Hashing};
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{ANSWER_BYTES, UNREAD_BYTES};
use blaze_schema::timestamp::Timestamp;
use blaze_schema::wire::document::close_code;
use bytes::Bytes;
use hyper::HeaderMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// A message to the engine's thread.
#[derive(Debug)]
pub(crate) enum Command {
    /// A request came.
    Request { request: Sent, answer: oneshot::Sender<Outcome> },
    /// The body of a request was read.
    Body { host: u64, ticket: u64, body: Body, answer: oneshot::Sender<Outcome> },
    /// A client's socket delivered a message; `None` is a binary one. `room` is given back when it was handled.
    Message { socket: u64, text: Option<String>, room: OwnedSemaphorePermit },
    /// A client's socket was closed, or broke.
    Closed { socket: u64 },
    /// A password was hashed.
    Hashed { host: u64, number: u64, hashed: Result<Hashed, Error> },
    /// A server elsewhere answered, or did not.
    Fetched { host: u64, number: u64, fetched: Fetched },
    /// End: what is under way is answered, and sockets are closed.
    Stop,
}

/// A request as it came.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) method: String,
    /// The absolute URL, normalised.
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    /// The client's; `None` if it is not known.
    pub(crate) address: Option<IpAddr>,
    /// The body, if it was short enough to be read at once.
    pub(crate) body: Option<Bytes>,
}

/// The reading of a body that the engine asked for. Dropped without an end it tells the engine that the client has gone.
#[derive(Debug)]
pub(crate) struct Read {
    host: u64,
    ticket: u64,
    /// Bytes at most, inflated.
    pub(crate) limit: usize,
    pub(crate) is_gzip: bool,
    commands: Option<Sender<Command>>,
}

impl Read {
    pub(crate) fn new(
        (host, ticket): (u64, u64),
        limit: usize,
        is_gzip: bool,
        commands: &Sender<Command>,
    ) -> Self {
        Read { host, ticket, limit, is_gzip, commands: Some(commands.clone()) }
    }

    /// Tells the engine what came of it.
    pub(crate) fn end(&mut self, body: Body, answer: oneshot::Sender<Outcome>) {
        if let Some(commands) = self.commands.take() {
            let (host, ticket) = (self.host, self.ticket);
            commands.send(Command::Body { host, ticket, body, answer }).ok();
        }
    }
}

impl Drop for Read {
    fn drop(&mut self) {
        let (nobody, _) = oneshot::channel();
        self.end(Body::Broken("the client has gone".to_owned()), nobody);
    }
}

/// The outcome of a request, so far.
#[derive(Debug)]
pub(crate) enum Outcome {
    Reply(Reply),
    /// The body is needed: [`Command::Body`].
    Read(Read),
    /// The first of the files that there is, else the reply.
    Serve {
        files: Vec<File>,
        otherwise: Reply,
    },
    /// A socket.
    Socket {
        protocol: &'static str,
        outlet: Outlet,
    },
}

/// The shell's end of a client's socket, for the task that serves it.
#[derive(Debug)]
pub(crate) struct Outlet {
    pub(crate) frames: mpsc::UnboundedReceiver<Frame>,
    /// True if `{"ping":0}` is answered without the engine, as for the sockets of objects.
    pub(crate) answers_pings: bool,
    /// The other end, for what is answered without the engine.
    pub(crate) client: Client,
    /// `None` for a socket that nobody listens to.
    pub(crate) inlet: Option<Inlet>,
}

/// The way of a socket's messages to the engine, which is told of the socket's end when this is dropped.
#[derive(Debug)]
pub(crate) struct Inlet {
    socket: u64,
    commands: Sender<Command>,
}

impl Inlet {
    pub(crate) fn tell(&self, text: Option<String>, room: OwnedSemaphorePermit) {
        self.commands.send(Command::Message { socket: self.socket, text, room }).ok();
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        self.commands.send(Command::Closed { socket: self.socket }).ok();
    }
}

/// A frame for a client.
#[derive(Clone, Debug)]
pub(crate) enum Frame {
    Text(Utf8Bytes),
    Close(u16, &'static str),
}

/// The state of a client's socket, which both ends look at.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The time at which a ping was answered last (µs); 0 for never.
    pinged: AtomicI64,
    /// Bytes that wait to be written.
    queued: AtomicUsize,
    /// Woken when the socket is to be closed.
    pub(crate) closing: Notify,
}

impl State {
    pub(crate) fn pinged(&self) -> Option<Timestamp> {
        Some(self.pinged.load(Ordering::Relaxed)).filter(|at| *at > 0).map(Timestamp::from_micros)
    }

    pub(crate) fn ping(&self, at: Timestamp) {
        self.pinged.store(at.micros(), Ordering::Relaxed);
    }

    pub(crate) fn written(&self, text: &Utf8Bytes) {
        self.queued.fetch_sub(cost(text), Ordering::Relaxed);
    }
}

/// Bytes that wait to be written to one socket at most: a peer that does not read is closed, and resumes. The engine counts what
/// it sends itself, and has closed most before; this is for whatever it does not count.
pub(crate) const QUEUED_BYTES: usize = 4 * UNREAD_BYTES + ANSWER_BYTES;

/// Bytes that a frame takes while it waits.
fn cost(text: &Utf8Bytes) -> usize {
    text.len().saturating_add(64)
}

/// The engine's end of a client's socket.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    frames: mpsc::UnboundedSender<Frame>,
    pub(crate) state: Arc<State>,
}

impl Client {
    /// Makes both ends of a socket whose number is there if the engine listens to it.
    pub(crate) fn pair(
        socket: Option<u64>,
        answers_pings: bool,
        commands: &Sender<Command>,
    ) -> (Client, Outlet) {
        let (sender, frames) = mpsc::unbounded_channel();
        let client = Client { frames: sender, state: Arc::default() };
        let inlet = socket.map(|socket| Inlet { socket, commands: commands.clone() });
        (client.clone(), Outlet { frames, answers_pings, client, inlet })
    }

    /// Sends a frame. One that has gone gets nothing.
    pub(crate) fn send(&self, text: Utf8Bytes) {
        let cost = cost(&text);
        if self.state.queued.fetch_add(cost, Ordering::Relaxed) > QUEUED_BYTES {
            return self.close(close_code(Code::Unavailable), UNREAD_REASON);
        }
        self.frames.send(Frame::Text(text)).ok();
    }

    /// Closes the socket, after what was sent to it before if the peer reads that in time.
    pub(crate) fn close(&self, code: u16, reason: &'static str) {
        self.frames.send(Frame::Close(code, reason)).ok();
        self.state.closing.notify_one();
    }
}

/// Work that would hold the engine's thread up. Its outcome comes as [`Command::Hashed`] or [`Command::Fetched`].
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) host: u64,
    pub(crate) number: u64,
    pub(crate) work: Work,
}

/// The work.
#[derive(Debug)]
pub(crate) enum Work {
    /// Hash a password.
    Hash(Hashing),
    /// Ask a server elsewhere.
    Fetch(Fetch),
}
