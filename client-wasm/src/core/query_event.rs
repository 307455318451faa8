//! The events of [`Queries`](crate::core::queries::Queries), and the effects that they ask for.

use crate::core::event::ConnectionState;
use crate::core::http::{Answer, Outgoing};
use blaze_schema::Error;
use blaze_schema::path::DocumentPath;
use blaze_schema::query::Query;
use blaze_schema::wire::query::QueryMessage;
use blaze_schema::write::Operation;
use std::rc::Rc;

/// What happened.
#[derive(Clone, Debug)]
pub enum QueryEvent {
    /// A query is listened to.
    Listen {
        /// The number that it has from now on; no other one had it.
        target: u64,
        /// The query.
        query: Box<Query>,
        /// The query as it is sent to the server: JSON.
        asked: String,
    },
    /// A query is no longer listened to.
    Unlisten {
        /// Its number.
        target: u64,
    },
    /// The socket asked for by [`QueryEffect::OpenSocket`] is open.
    Opened,
    /// The socket delivered a frame; the error says why its text is not one.
    Received(Result<QueryMessage, Error>),
    /// The socket was closed or could not be opened, other than by [`QueryEffect::CloseSocket`]. Carries the reason,
    /// if it is known.
    Closed(Option<Error>),
    /// No socket can be opened, now or later.
    Refused(Error),
    /// The timer set by [`QueryEffect::StartTimer`] ran out.
    Timer(QueryTimer),
    /// The network is reported to be back, or the application wants everything to be tried at once.
    Online,
    /// Traffic of this client reached the server: attempts that wait for that may be repeated.
    Reached,
    /// Traffic of this client did not reach the server, or the network is reported to be gone: an open socket is
    /// tested.
    Doubt,
    /// The client has another identity, whose token is awaited: the socket still speaks for the previous one.
    Replaced,
    /// The socket speaks for another token from now on.
    Renewed,
    /// The new identity's token cannot be obtained.
    Nameless(Error),
    /// A write is to be sent, after all earlier ones.
    Send {
        /// The write's id, in [`QueryEffect::Written`]; larger than any before.
        id: u64,
        /// The write's document.
        path: Rc<DocumentPath>,
        /// The write.
        write: Rc<Outgoing>,
    },
    /// The request of [`QueryEffect::Post`] was answered, or failed on the way.
    Answered {
        /// The request.
        request: u64,
        /// The answer, or the failure.
        answer: Answer,
    },
    /// An action waits for the writes that were made before it.
    Wait {
        /// The wait's id, in [`QueryEffect::Ready`].
        id: u64,
        /// The document whose writes are waited for; `None` for all.
        path: Option<Rc<DocumentPath>>,
        /// The wait's limit.
        patience: Patience,
    },
    /// The application wrote to a document.
    Write {
        /// The document.
        path: Rc<DocumentPath>,
        /// The operation.
        operation: Rc<Operation>,
    },
    /// The earliest unanswered write of a document was answered.
    Settled {
        /// The document.
        path: Rc<DocumentPath>,
        /// The document's version after the write; `None` if it was refused.
        version: Option<u64>,
    },
    /// The application is done with the database.
    Close,
}

/// What is to be done, in this order.
#[derive(Clone, Debug)]
pub enum QueryEffect {
    /// Open a socket to `/v1/listen`; there is none now.
    OpenSocket,
    /// Close the socket, if there is one, and deliver nothing of it any more.
    CloseSocket,
    /// Send this text on the socket.
    Send(String),
    /// Start a timer, instead of the one of that name that may be running.
    StartTimer {
        /// The timer.
        timer: QueryTimer,
        /// Milliseconds.
        after_ms: u32,
    },
    /// Stop a timer.
    StopTimer(QueryTimer),
    /// Listeners may have something new to see: ask [`Queries::rows`](crate::core::queries::Queries::rows).
    Changed,
    /// Listening to a query ended, for every listener.
    Fail {
        /// The query's number.
        target: u64,
        /// Why.
        error: Error,
    },
    /// How the connection is now.
    Connection(ConnectionState),
    /// Send a write's request. May be repeated: the idempotency key identifies the request.
    Post {
        /// The request's number.
        request: u64,
        /// The write.
        id: u64,
        /// The write's document.
        path: Rc<DocumentPath>,
        /// The write's content.
        write: Rc<Outgoing>,
    },
    /// A write has ended.
    Written(Settled),
    /// A wait for writes is over.
    Ready {
        /// The wait's id.
        id: u64,
    },
    /// State of the writes' way to the server: `Offline` while one is sent again and again, `Idle` otherwise.
    Writing(ConnectionState),
}

/// The end of a write.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// The write.
    pub id: u64,
    /// Its document.
    pub path: Rc<DocumentPath>,
    /// The document's version after it, or why it was not done.
    pub result: Result<u64, Error>,
}

/// The limit of a wait for writes that fail on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Until the first failure: a read.
    UntilItFails,
    /// While the server does not answer at all, but not for ever: a listener.
    UntilItIsHopeless,
}

/// The timers of all queries together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryTimer {
    /// The socket's: opening it, reopening it, pings.
    Socket,
    /// To listen again to what the server refused for the moment.
    Retry,
    /// To find out whether the frames of answered writes are here.
    Ping,
    /// To send writes again.
    Writes,
    /// To close a socket that writes needed.
    Linger,
}
