//! The events of a [`Replica`](crate::core::replica::Replica), and the effects that it asks for.

use crate::core::change::Change;
use crate::core::http::Outgoing;
use crate::core::view::Visible;
use blaze_schema::Error;
use blaze_schema::wire::document::ServerMessage;
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
    /// The socket delivered a frame; the error says why its text is not one.
    Received(Result<ServerMessage, Error>),
    /// The socket was closed or could not be opened, other than by [`Effect::CloseSocket`]. Carries the reason, if it
    /// is known.
    Closed(Option<Error>),
    /// No socket can be opened, now or later.
    Refused(Error),
    /// The timer set by [`Effect::StartTimer`] ran out.
    Timer,
    /// The network is said to be back, or the application wants everything to be tried at once.
    Online,
    /// Something of this client reached the server: what waits to reach it may try again.
    Reached,
    /// Something of this client did not reach the server, or the network is said to be gone: an open socket is asked
    /// whether it still works.
    Doubt,
    /// The writes that were made before [`Effect::Wait`] have ended, or will not soon.
    Ready,
    /// The application writes.
    Write {
        /// The application's name for the write, in [`Effect::Settled`]; larger than any before.
        id: u64,
        /// What it writes.
        change: Change,
    },
    /// A write has ended; those of one document end in the order of their making.
    Answered {
        /// The write.
        id: u64,
        /// The document's version after it, or why it was not done.
        result: Result<u64, Error>,
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
    /// Send [`PING`](blaze_schema::wire::document::PING) on the socket.
    SendPing,
    /// Start the timer, instead of the one that may be running.
    StartTimer {
        /// Milliseconds.
        after_ms: u32,
    },
    /// Stop the timer.
    StopTimer,
    /// Send a write, after all that the client made before, and one of this document at a time. Then
    /// [`Event::Answered`].
    Send {
        /// The write.
        id: u64,
        /// The write's content.
        write: Rc<Outgoing>,
    },
    /// Wait for the writes that the client made before. Then [`Event::Ready`].
    Wait,
    /// The write is done: the document's version after it, or why not.
    Settled {
        /// The write.
        id: u64,
        /// The version, or the refusal.
        result: Result<u64, Error>,
    },
    /// Listeners see this from now on.
    Show(Visible),
    /// Listening ended, for every listener.
    Fail(Error),
    /// How the connection is now.
    Connection(ConnectionState),
}

/// How a connection to the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// Nothing is listened to, and no socket is needed.
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
