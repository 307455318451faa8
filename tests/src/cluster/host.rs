//! The host of one actor: what the platform keeps for it, and what is under way.

use super::delivery::{Carried, Place, Waiter};
use crate::disk::Disk;
use blaze_engine::actor::{Actor, Waking};
use blaze_schema::timestamp::Timestamp;
use std::collections::BTreeMap;

/// A request or a call without an outcome.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) waiter: Waiter,
    pub(super) carried: Option<Carried>,
}

/// A socket of an actor.
#[derive(Debug)]
pub(super) enum Socket {
    /// A socket that is being opened; the frames that wait for that.
    Opening(Vec<String>),
    Open(u64),
}

/// The host.
#[derive(Debug, Default)]
pub(super) struct Host {
    /// The isolate of an actor in memory.
    pub(super) isolate: usize,
    pub(super) actor: Option<Actor>,
    /// Counts the actors that were in memory here.
    pub(super) incarnation: u64,
    pub(super) store: Disk,
    /// The rows that were written when its state was last recorded.
    pub(super) written: u64,
    pub(super) alarm: Option<i64>,
    /// True while the alarm's handler is at work.
    pub(super) is_ringing: bool,
    pub(super) sockets: BTreeMap<u64, Socket>,
    /// By link, the attachments of the sockets of an object.
    pub(super) attachments: BTreeMap<u64, String>,
    /// By socket, when a ping was answered without the object.
    pub(super) pinged: BTreeMap<u64, i64>,
    pub(super) waiting: BTreeMap<u64, Waiting>,
    pub(super) tickets: u64,
    /// Number of own calls and fetches under way.
    pub(super) under_way: usize,
    pub(super) timer: Option<i64>,
    pub(super) last_active: i64,
}

impl Host {
    /// Numbers the sockets that there are; returns what the actor wakes with.
    pub(super) fn wake(&mut self, is_alarm: bool) -> Waking {
        self.sockets.clear();
        self.pinged.clear();
        let mut sockets = Vec::new();
        for (number, (link, attachment)) in (1..).zip(&self.attachments) {
            self.sockets.insert(number, Socket::Open(*link));
            sockets.push((number, attachment.clone()));
        }
        let alarm = (!is_alarm).then(|| self.alarm.map(Timestamp::from_micros));
        Waking { alarm, sockets }
    }

    /// Takes a request or a call; returns its ticket.
    pub(super) fn ticket(&mut self, waiter: Waiter, carried: Option<Carried>) -> u64 {
        self.tickets += 1;
        self.waiting.insert(self.tickets, Waiting { waiter, carried });
        self.tickets
    }

    /// The number of the socket of a link.
    pub(super) fn number(&self, link: u64) -> Option<u64> {
        let is_it = |socket: &Socket| matches!(socket, Socket::Open(there) if *there == link);
        self.sockets.iter().find(|(_, socket)| is_it(socket)).map(|(number, _)| *number)
    }

    /// Loses what is in memory alone. Returns those who waited.
    pub(super) fn forget(&mut self) -> Vec<Waiter> {
        self.actor = None;
        self.incarnation += 1;
        (self.under_way, self.timer) = (0, None);
        self.sockets.clear();
        std::mem::take(&mut self.waiting).into_values().map(|waiting| waiting.waiter).collect()
    }

    /// True if nothing keeps the actor in memory.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.under_way == 0 && self.timer.is_none()
    }
}

/// True if an actor's memory may be given up while it is idle.
pub(super) fn hibernates(place: &Place) -> bool {
    matches!(place, Place::Object(_))
}
