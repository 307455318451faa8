//! Events on their way within a group, and the group's sayings, which are let out when it is committed.

use crate::host::{Asker, Given, Waiter, Waiting};
use crate::outside::{Client, Job, Outcome};
use blaze_engine::actor::{Call, Event, Object};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// An event on its way to an actor.
pub(crate) enum Delivery {
    Request {
        to: Object,
        waiting: Waiting,
    },
    Call {
        to: Object,
        call: Call,
        waiter: Waiter,
    },
    Event {
        host: u64,
        event: Event,
    },
    /// A listener's socket is to be opened.
    Given {
        waiter: Waiter,
        given: Given,
    },
}

/// A thing that a group says when it is committed.
pub(crate) enum Said {
    Outcome(Asker, Outcome),
    Text(Client, Utf8Bytes),
    Close(Client, u16, &'static str),
    Job(Job),
    Log(String),
}
