//! What happens to a [`Replica`](crate::replica::Replica), and what it asks to be done about it.

use crate::change::Change;
use crate::http::{Answer, Request};
use crate::view::Visible;
use blaze_schema::Error;
use blaze_schema::message::ServerMessage;
use std::rc::Rc;

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The first listener came.
    Listen,
    /// The last listener went.
    Unlisten,
    /// The socket asked for by [`Effect::OpenSocket`] is open.
    Opened,
    /// It delivered a frame, or something that is none.
    Received(Result<ServerMessage, Error>),
    /// It was closed, or could not be opened, and not by [`Effect::CloseSocket`]. Says why, where that is known.
    Closed(Option<Error>),
    /// It cannot be opened at all, ever.
    Refused(Error),
    /// The timer set by [`Effect::StartTimer`] ran out.
    Timer(Timer),
    /// The network is said to be back.
    Online,
    /// The application writes.
    Write {
        /// The application's name for the write, in [`Effect::Settled`]; larger than any before.
        id: u64,
        /// What it writes.
        change: Change,
    },
    /// The request of [`Effect::Send`] was answered, or failed on the way.
    Answered {
        /// The write.
        id: u64,
        /// What came of it.
        answer: Answer,
    },
    /// The application wants to read once.
    Read {
        /// The application's name for the read, in [`Effect::Fetch`].
        id: u64,
    },
    /// The application is done with the database: nothing is sent any more.
    Close,
}

/// What is to be done, in this order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Open a socket; there is none now.
    OpenSocket {
        /// From which state on: version and epoch. `None` for a snapshot.
        since: Option<(u64, Rc<str>)>,
    },
    /// Close the socket, if there is one, and deliver nothing of it any more.
    CloseSocket,
    /// Send [`PING`](blaze_schema::message::PING) on the socket.
    SendPing,
    /// Start a timer, instead of the one of that name that may be running.
    StartTimer {
        /// Which.
        timer: Timer,
        /// Milliseconds.
        after_ms: u32,
    },
    /// Stop a timer.
    StopTimer(Timer),
    /// Send a write's request. May be repeated: the request names itself by its idempotency key.
    Send {
        /// The write.
        id: u64,
        /// The request.
        request: Rc<Request>,
    },
    /// The write is done: the document's version after it, or why not.
    Settled {
        /// The write.
        id: u64,
        /// The version, or the refusal.
        result: Result<u64, Error>,
    },
    /// Read the document now: every write before the read was answered, or is failing to be sent.
    Fetch {
        /// The read.
        id: u64,
    },
    /// Listeners see this from now on.
    Show(Visible),
    /// Listening ended, for every listener.
    Fail(Error),
    /// How the connection is now.
    Connection(ConnectionState),
    /// How writes get through: `Offline` while one is sent again and again, `Idle` otherwise.
    Writing(ConnectionState),
}

/// The two timers of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// The socket's: opening it, reopening it, pings.
    Socket,
    /// The writes': trying again.
    Writes,
}

/// How a connection to the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// Nothing is listened to.
    Idle,
    /// A socket is being opened.
    Connecting,
    /// Changes arrive as they happen.
    Connected,
    /// The socket was lost, a write does not get through, or the server refused something for the moment.
    Offline {
        /// Milliseconds, from when this was said, until it is tried again.
        retry_in_ms: u32,
        /// Why, where that is known.
        error: Option<Error>,
    },
}

impl ConnectionState {
    /// One state for several sockets: the worst of them.
    pub fn worst(states: impl IntoIterator<Item = ConnectionState>) -> Self {
        use ConnectionState::*;
        states.into_iter().fold(Idle, |worst, state| match (worst, state) {
            (Offline { retry_in_ms: a, error }, Offline { retry_in_ms: b, error: another }) => {
                Offline { retry_in_ms: a.min(b), error: error.or(another) }
            }
            (worst @ Offline { .. }, _) | (worst, Idle) => worst,
            (_, state @ Offline { .. }) | (Idle, state) => state,
            (Connecting, _) | (_, Connecting) => Connecting,
            (Connected, Connected) => Connected,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::ConnectionState::{self, *};
    use blaze_schema::Error;

    #[test]
    fn several_sockets_are_as_good_as_the_worst() {
        let offline = |retry_in_ms| Offline { retry_in_ms, error: None };
        for (states, worst) in [
            (vec![], Idle),
            (vec![Idle, Connected, Idle], Connected),
            (vec![Connected, Connecting, Idle], Connecting),
            (vec![offline(5), Connecting, offline(3), Connected], offline(3)),
        ] {
            assert_eq!(ConnectionState::worst(states.clone()), worst);
            assert_eq!(ConnectionState::worst(states.into_iter().rev()), worst);
        }
        let error = Some(Error::invalid("why"));
        let known = Offline { retry_in_ms: 7, error: error.clone() };
        let worst = ConnectionState::worst([offline(3), known]);
        assert_eq!(worst, Offline { retry_in_ms: 3, error });
    }
}
