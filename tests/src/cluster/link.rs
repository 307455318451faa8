//! Sockets: each is a link with two ends, which delivers in order.

use super::delivery::Place;

/// The side of the one who opened the socket.
pub(super) const OPENER: usize = 0;
/// The side of the one who accepted it.
pub(super) const ACCEPTOR: usize = 1;

/// A socket.
#[derive(Debug)]
pub(super) struct Link {
    /// The ends; `None` for one that is closed or gone.
    pub(super) ends: [Option<End>; 2],
    /// By side, the time of the last delivery on its way there.
    pub(super) last: [i64; 2],
    /// True if it broke on the way: nothing but the news of that is delivered.
    pub(super) is_cut: bool,
}

/// An end of a socket.
#[derive(Clone, Debug)]
pub(super) enum End {
    Client,
    Actor(Place),
}

/// A delivery.
#[derive(Clone, Debug)]
pub(super) enum Frame {
    Text(String),
    /// The close frame's code; 1006 for a socket that broke.
    Close(u16),
}

impl Link {
    pub(super) fn new(opener: End, acceptor: Option<End>) -> Self {
        Link { ends: [Some(opener), acceptor], last: [0; 2], is_cut: false }
    }

    /// The side on which an actor has the socket.
    pub(super) fn side_of(&self, place: &Place) -> Option<usize> {
        self.ends.iter().position(|end| matches!(end, Some(End::Actor(there)) if there == place))
    }
}

pub(super) fn other(side: usize) -> usize {
    1 - side
}
