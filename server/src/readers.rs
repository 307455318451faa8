//! The sockets of one object, and the bytes that the peer of each has not been seen to read.
//!
//! The counts are in memory. [`Readers::keep`] lets a socket keep its own through hibernation. It is called after the
//! frames that a socket gets when it opens, and by the alarm that every change of a document sets.

use crate::bridge::{self, Socket};
use blaze_engine::unread::Unread;
use blaze_schema::timestamp::Timestamp;
use js_sys::WeakMap;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use wasm_bindgen::prelude::*;
use worker::worker_sys::DurableObjectState;

/// The sockets of an object, with their counts.
pub(crate) struct Readers {
    /// The number of each socket.
    numbers: WeakMap,
    peers: RefCell<BTreeMap<u32, Peer>>,
    last: Cell<u32>,
}

#[derive(Clone, Copy, Default)]
struct Peer {
    unread: Unread,
    /// The count that the socket's attachment keeps.
    kept: Unread,
    /// True if the socket was closed from this side.
    is_closed: bool,
}

impl Readers {
    pub(crate) fn new() -> Self {
        let peers = RefCell::default();
        Readers { numbers: WeakMap::new(), peers, last: Cell::new(0) }
    }

    /// Sends a frame to a socket. Returns whether the socket must be closed instead: its peer is too far behind. A
    /// socket that has gone meanwhile is left to its own close event. See [`Unread::send`] for `is_continued`.
    ///
    /// # Errors
    /// When the socket's attachment cannot be read.
    pub(crate) fn send(
        &self,
        state: &DurableObjectState,
        socket: &Socket,
        now: Timestamp,
        (text, bytes): (&JsValue, usize),
        is_continued: bool,
    ) -> Result<bool, JsValue> {
        let is_sent = self.with(socket, |peer| {
            let pinged = || bridge::pinged(state, socket).ok().flatten().map(bridge::time_of);
            peer.is_closed || {
                let may = peer.unread.send(now, bytes, is_continued, pinged);
                if may {
                    let _ = socket.send_value(text);
                }
                may
            }
        })?;
        Ok(!is_sent)
    }

    /// Notes that the peer of a socket sent something.
    ///
    /// # Errors
    /// When the socket's attachment cannot be read or written.
    pub(crate) fn heard(&self, socket: &JsValue) -> Result<(), JsValue> {
        let was_kept = self.with(socket, |peer| {
            peer.unread.acknowledged();
            peer.kept.bytes > 0
        })?;
        if was_kept { self.keep(socket) } else { Ok(()) }
    }

    /// Stores a socket's count, so that it survives hibernation.
    ///
    /// # Errors
    /// When the socket's attachment cannot be read or written.
    pub(crate) fn keep(&self, socket: &JsValue) -> Result<(), JsValue> {
        let unread = self.with(socket, |peer| {
            let is_new = !peer.is_closed && peer.kept != peer.unread;
            peer.kept = peer.unread;
            is_new.then_some(peer.unread)
        })?;
        let Some(Unread { bytes, since }) = unread else { return Ok(()) };
        let since = since.map_or(0.0, |since| (since.micros() / 1_000) as f64);
        bridge::attach_unread(socket, bytes as f64, since)
    }

    /// Notes that a socket was closed from this side: nothing more is sent to it.
    ///
    /// # Errors
    /// When the socket's attachment cannot be read.
    pub(crate) fn closed(&self, socket: &JsValue) -> Result<(), JsValue> {
        self.with(socket, |peer| peer.is_closed = true)
    }

    /// Forgets a socket that is gone.
    pub(crate) fn forget(&self, socket: &JsValue) {
        if let Some(number) = self.number_of(socket) {
            self.peers.borrow_mut().remove(&number);
        }
    }

    fn number_of(&self, socket: &JsValue) -> Option<u32> {
        self.numbers.get(socket.unchecked_ref()).as_f64().map(|number| number as u32)
    }

    fn with<T>(&self, socket: &JsValue, act: impl FnOnce(&mut Peer) -> T) -> Result<T, JsValue> {
        let number = match self.number_of(socket) {
            Some(number) => number,
            None => {
                let number = self.last.get().wrapping_add(1);
                self.last.set(number);
                self.numbers.set(socket.unchecked_ref(), &number.into());
                let kept = match bridge::unread_of(socket)?.as_slice() {
                    [bytes, since] if *bytes > 0.0 => {
                        Unread { bytes: *bytes as usize, since: Some(bridge::time_of(*since)) }
                    }
                    _ => Unread::default(),
                };
                let peer = Peer { unread: kept, kept, is_closed: false };
                self.peers.borrow_mut().insert(number, peer);
                number
            }
        };
        Ok(act(self.peers.borrow_mut().entry(number).or_default()))
    }
}
