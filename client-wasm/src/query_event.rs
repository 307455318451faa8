//! What happens to [`Queries`](crate::queries::Queries), and what they ask to be done about it.

use crate::event::ConnectionState;
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
    /// The network is said to be back.
    Online,
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
}
