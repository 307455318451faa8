//! What happens to [`Queries`](crate::queries::Queries), and what they ask to be done about it.

use crate::event::ConnectionState;
use crate::http::{Answer, Outgoing};
use crate::outbox::Settled;
use blaze_schema::Error;
use blaze_schema::changes::QueryMessage;
use blaze_schema::path::DocumentPath;
use blaze_schema::query::Query;
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
        /// What the server is asked for: JSON.
        asked: String,
    },
    /// It is not listened to any more.
    Unlisten {
        /// Its number.
        target: u64,
    },
    /// The socket asked for by [`QueryEffect::OpenSocket`] is open.
    Opened,
    /// It delivered a frame, or something that is none.
    Received(Result<QueryMessage, Error>),
    /// It was closed, or could not be opened, and not by [`QueryEffect::CloseSocket`]. Says why, where that is known.
    Closed(Option<Error>),
    /// It cannot be opened at all, ever.
    Refused(Error),
    /// The timer set by [`QueryEffect::StartTimer`] ran out.
    Timer(QueryTimer),
    /// The network is said to be back, or the application wants everything to be tried at once.
    Online,
    /// Something of this client reached the server: what waits to reach it may try again.
    Reached,
    /// Something of this client did not reach the server, or the network is said to be gone: an open socket is asked
    /// whether it still works.
    Doubt,
    /// The client has another identity, whose token is awaited: the socket still speaks for the one before.
    Replaced,
    /// The socket speaks for another token from now on.
    Renewed,
    /// The token of the other identity cannot be had.
    Nameless(Error),
    /// A write is to be sent, after all that were before.
    Send {
        /// Its name, in [`QueryEffect::Written`]; larger than any before.
        id: u64,
        /// Its document.
        path: Rc<DocumentPath>,
        /// The write.
        write: Rc<Outgoing>,
    },
    /// The request of [`QueryEffect::Post`] was answered, or failed on the way.
    Answered {
        /// The request.
        request: u64,
        /// What came of it.
        answer: Answer,
    },
    /// Something is to happen after the writes that were made before.
    Wait {
        /// Its name, in [`QueryEffect::Ready`].
        id: u64,
        /// The document whose writes it waits for; `None` for all.
        path: Option<Rc<DocumentPath>>,
        /// Its patience.
        patience: Patience,
    },
    /// The application wrote to a document.
    Write {
        /// Which.
        path: Rc<DocumentPath>,
        /// What it wrote.
        operation: Rc<Operation>,
    },
    /// The first of the document's writes that were not answered was.
    Settled {
        /// Which document.
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
        /// Which.
        timer: QueryTimer,
        /// Milliseconds.
        after_ms: u32,
    },
    /// Stop a timer.
    StopTimer(QueryTimer),
    /// Listeners may have something new to see: ask [`Queries::rows`](crate::queries::Queries::rows).
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
    /// Send a write's request. May be repeated: the request names itself by its idempotency key.
    Post {
        /// The request's number.
        request: u64,
        /// The write.
        id: u64,
        /// Its document.
        path: Rc<DocumentPath>,
        /// What is sent.
        write: Rc<Outgoing>,
    },
    /// A write has ended.
    Written(Settled),
    /// What waited for writes waits no longer.
    Ready {
        /// Its name.
        id: u64,
    },
    /// The way of writes to the server: `Offline` while one is sent again and again, `Idle` otherwise.
    Writing(ConnectionState),
}

/// The length of a wait for writes that fail on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// No longer: a read.
    UntilItFails,
    /// As long as the server does not answer at all, and not for ever: a listener.
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
