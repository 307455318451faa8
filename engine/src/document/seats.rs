//! The sockets of a document, and what each keeps while its object hibernates: the attachment, a [`Seat`] as JSON.

use crate::actor::Effect;
use crate::unread::Unread;
use blaze_rules::auth::Auth;
use blaze_schema::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::rc::Rc;

/// A socket.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Seat {
    /// The listener that the socket is; `None` if it was not admitted yet.
    pub(super) listener: Option<String>,
    /// For a socket that waits, the version and epoch that the client had when it came. For one that listens to a
    /// document that was never written, version 0 of the epoch that the document will have.
    pub(super) since: Option<(u64, String)>,
    pub(super) auth: Option<Rc<Auth>>,
    /// The address that the socket comes from; empty if its messages are not counted.
    pub(super) address: String,
    /// For a socket that waits, the frame that it is closed with.
    #[serde(skip)]
    pub(super) refusal: String,
    pub(super) unread: Unread,
    /// The count that the attachment keeps.
    #[serde(skip)]
    pub(super) kept: Unread,
}

impl Seat {
    /// Returns the attachment, which keeps the present count.
    fn attachment(&mut self) -> String {
        self.kept = self.unread;
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The sockets.
#[derive(Debug, Default)]
pub(super) struct Seats {
    seats: BTreeMap<u64, Seat>,
    /// The sockets that wait to be admitted, and until when.
    late: BTreeMap<u64, Timestamp>,
    last: u64,
}

impl Seats {
    /// The sockets that there are after a loss of memory.
    pub(super) fn woken(sockets: Vec<(u64, String)>) -> Self {
        let last = sockets.iter().map(|(socket, _)| *socket).max().unwrap_or_default();
        let seat = |(socket, text): (u64, String)| {
            let seat: Seat = serde_json::from_str(&text).ok()?;
            Some((socket, Seat { kept: seat.unread, ..seat }))
        };
        Seats { seats: sockets.into_iter().filter_map(seat).collect(), late: BTreeMap::new(), last }
    }

    /// Closes a socket that waits to be admitted after this time.
    pub(super) fn admit_until(&mut self, socket: u64, until: Timestamp) {
        self.late.insert(socket, until);
    }

    /// Returns when the first of the sockets that wait is to be closed.
    pub(super) fn wakes(&self) -> Option<Timestamp> {
        self.late.values().min().copied()
    }

    /// Returns a socket that was not admitted in time.
    pub(super) fn too_late(&mut self, now: Timestamp) -> Option<u64> {
        let socket = *self.late.iter().find(|(_, until)| **until <= now)?.0;
        self.late.remove(&socket);
        Some(socket)
    }

    /// Takes a new socket; returns its number and its attachment.
    pub(super) fn add(&mut self, mut seat: Seat) -> (u64, String) {
        self.last = self.last.wrapping_add(1);
        let attachment = seat.attachment();
        self.seats.insert(self.last, seat);
        (self.last, attachment)
    }

    pub(super) fn get(&mut self, socket: u64) -> Option<&mut Seat> {
        self.seats.get_mut(&socket)
    }

    pub(super) fn remove(&mut self, socket: u64) -> Option<Seat> {
        self.late.remove(&socket);
        self.seats.remove(&socket)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Seat)> {
        self.seats.iter().map(|(socket, seat)| (*socket, seat))
    }

    /// The sockets that listen.
    pub(super) fn listening(&self) -> Vec<u64> {
        let on = self.iter().filter(|(_, seat)| seat.listener.is_some());
        on.map(|(socket, _)| socket).collect()
    }

    /// The sockets of one listener.
    pub(super) fn of(&self, listener: &str) -> Vec<u64> {
        let of = self.iter().filter(|(_, seat)| seat.listener.as_deref() == Some(listener));
        of.map(|(socket, _)| socket).collect()
    }

    /// Writes a socket's attachment anew.
    pub(super) fn attach(&mut self, socket: u64) -> Option<Effect> {
        let seat = self.seats.get_mut(&socket)?;
        if seat.listener.is_some() {
            self.late.remove(&socket);
        }
        Some(Effect::Attach { socket, attachment: seat.attachment() })
    }

    /// Lets a socket keep its count of unread bytes, unless its attachment has it.
    pub(super) fn keep(&mut self, socket: u64) -> Option<Effect> {
        let seat = self.seats.get(&socket)?;
        if seat.kept == seat.unread { None } else { self.attach(socket) }
    }

    /// Notes that the peer of a socket sent something.
    pub(super) fn heard(&mut self, socket: u64) -> Option<Effect> {
        let seat = self.seats.get_mut(&socket)?;
        seat.unread.acknowledged();
        if seat.kept.bytes > 0 { self.attach(socket) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attachment_survives_with_all_that_it_says() {
        let auth: Auth = serde_json::from_value(serde_json::json!({
            "uid": "alice\n", "token": {"sub": "alice\n"}, "roles": ["admin"], "expires": 7,
        }))
        .unwrap();
        let seat = Seat {
            listener: Some("l".to_owned()),
            since: Some((0, "e".to_owned())),
            auth: Some(Rc::new(auth)),
            address: "::1".to_owned(),
            unread: Unread { bytes: 5, since: Some(Timestamp::from_micros(9)) },
            ..Seat::default()
        };
        let mut seats = Seats::default();
        let (socket, text) = seats.add(seat);
        let mut woken = Seats::woken(vec![(socket, text.clone()), (9, "other".to_owned())]);
        assert_eq!(woken.iter().count(), 1);
        assert_eq!(woken.attach(socket), Some(Effect::Attach { socket, attachment: text }));
        assert_eq!(woken.add(Seat::default()).0, 10, "no number is given twice");
        assert_eq!((woken.listening(), woken.of("l")), (vec![socket], vec![socket]));
        assert_eq!(woken.keep(socket), None);
        assert!(woken.heard(socket).is_some(), "what was kept is no more true");
        assert_eq!(woken.heard(socket), None);
    }
}
