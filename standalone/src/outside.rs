//! The messages between the engine's thread and those that talk to clients and servers elsewhere. Plain data: nothing of the engine
//! leaves its thread.

use blaze_engine::actor::{Body, File};
use blaze_engine::http::reply::Reply;
use blaze_identity::accounts::oidc::{Fetch, Fetched};
use blaze_identity::accounts::password::{Hashed, Hashing};
use blaze_schema::error::Error;
use blaze_schema::timestamp::Timestamp;
use bytes::Bytes;
use hyper::HeaderMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// A message to the engine's thread.
#[derive(Debug)]
pub(crate) enum Command {
    /// A request came.
    Request { request: Sent, answer: oneshot::Sender<Outcome> },
    /// The body of a request was read.
    Body { read: Read, body: Body, answer: oneshot::Sender<Outcome> },
    /// A client's socket delivered a message; `None` is a binary one.
    Message { socket: u64, text: Option<String> },
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
    pub(crate) address: IpAddr,
    /// The body, if it was short enough to be read at once.
    pub(crate) body: Option<Bytes>,
}

/// The reading of a body that the engine asked for.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) host: u64,
    pub(crate) ticket: u64,
    /// Bytes at most, inflated.
    pub(crate) limit: usize,
    pub(crate) is_gzip: bool,
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
    /// The socket's number; `None` for one that nobody listens to.
    pub(crate) socket: Option<u64>,
    pub(crate) frames: mpsc::UnboundedReceiver<Frame>,
    /// True if `{"ping":0}` is answered without the engine, as for the sockets of objects.
    pub(crate) answers_pings: bool,
    /// The other end, for what is answered without the engine.
    pub(crate) client: Client,
}

/// A frame for a client.
#[derive(Clone, Debug)]
pub(crate) enum Frame {
    Text(Utf8Bytes),
    Close(u16, &'static str),
}

/// What both ends of a client's socket look at.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The time at which a ping was answered last (µs); 0 for never.
    pinged: AtomicI64,
    /// Bytes that wait to be written.
    queued: AtomicUsize,
}

impl State {
    pub(crate) fn pinged(&self) -> Option<Timestamp> {
        Some(self.pinged.load(Ordering::Relaxed)).filter(|at| *at > 0).map(Timestamp::from_micros)
    }

    pub(crate) fn ping(&self, at: Timestamp) {
        self.pinged.store(at.micros(), Ordering::Relaxed);
    }

    pub(crate) fn written(&self, bytes: usize) {
        self.queued.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The engine's end of a client's socket.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    frames: mpsc::UnboundedSender<Frame>,
    pub(crate) state: Arc<State>,
}

impl Client {
    /// Makes both ends.
    pub(crate) fn pair(socket: Option<u64>, answers_pings: bool) -> (Client, Outlet) {
        let (sender, frames) = mpsc::unbounded_channel();
        let client = Client { frames: sender, state: Arc::default() };
        (client.clone(), Outlet { socket, frames, answers_pings, client })
    }

    /// Sends a frame. One that is not read is counted by the engine, which closes the socket. One that has gone gets
    /// nothing.
    pub(crate) fn send(&self, text: Utf8Bytes) {
        self.state.queued.fetch_add(text.len(), Ordering::Relaxed);
        self.frames.send(Frame::Text(text)).ok();
    }

    pub(crate) fn close(&self, code: u16, reason: &'static str) {
        self.frames.send(Frame::Close(code, reason)).ok();
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
