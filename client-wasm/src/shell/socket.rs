//! One WebSocket.

use crate::core::json;
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::ACKNOWLEDGE_BYTES;
use blaze_schema::wire::document::{PING, SUBPROTOCOL};
use js_sys::Array;
use serde_json::Value;
use std::cell::Cell;
use wasm_bindgen::prelude::*;
use web_sys::{CloseEvent, Event, MessageEvent, WebSocket};

/// An open or opening socket. Dropping it closes it, and delivers nothing any more.
pub(crate) struct Socket {
    socket: WebSocket,
    _on_open: Closure<dyn FnMut(Event)>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_end: Closure<dyn FnMut(Event)>,
}

/// What a socket reports.
pub(crate) enum Report {
    Opened,
    /// JSON, or what is none.
    Frame(Result<Value, Error>),
    /// With its close code, where it has one.
    Closed(Option<u16>),
}

impl Socket {
    /// Opens a socket to `url`. `report` is called later, never from here.
    ///
    /// # Errors
    /// Where there are no sockets, or the address or the token is none.
    pub(crate) fn open(
        url: &str,
        token: Option<&str>,
        report: impl Fn(Report) + Clone + 'static,
    ) -> Result<Socket, Error> {
        let protocols = Array::of1(&SUBPROTOCOL.into());
        if let Some(token) = token {
            protocols.push(&format!("bearer.{token}").into());
        }
        let socket = WebSocket::new_with_str_sequence(url, &protocols).map_err(|_| {
            Error::new(Code::Unimplemented, "no WebSocket can be opened here: is this Node.js 20?")
        })?;
        let opened = report.clone();
        let on_open = Closure::new(move |_| opened(Report::Opened));
        let received = report.clone();
        let acknowledged_on = socket.clone();
        let unacknowledged = Cell::new(0);
        let on_message = Closure::new(move |event: MessageEvent| {
            let text = event.data().as_string().unwrap_or_default();
            // The server closes a socket whose client does not seem to read.
            unacknowledged.set(unacknowledged.get() + text.len());
            if unacknowledged.get() >= ACKNOWLEDGE_BYTES {
                unacknowledged.set(0);
                let _ = acknowledged_on.send_with_str(PING);
            }
            received(Report::Frame(json::parse(&text)));
        });
        let on_end = Closure::new(move |event: Event| {
            let close: Option<CloseEvent> = event.dyn_into().ok();
            report(Report::Closed(close.map(|close| close.code())));
        });
        socket.set_onopen(Some(on_open.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        // An error is followed by a close, but not everywhere.
        socket.set_onerror(Some(on_end.as_ref().unchecked_ref()));
        socket.set_onclose(Some(on_end.as_ref().unchecked_ref()));
        Ok(Socket { socket, _on_open: on_open, _on_message: on_message, _on_end: on_end })
    }

    /// True if the server chose Blaze's subprotocol, once the socket is open. A browser fails a socket without one; Node.js
    /// opens it.
    pub(crate) fn speaks_blaze(&self) -> bool {
        self.socket.protocol() == SUBPROTOCOL
    }

    pub(crate) fn send(&self, text: &str) {
        // It fails only on a socket that is closing: that it is closed is said soon enough.
        let _ = self.socket.send_with_str(text);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onerror(None);
        self.socket.set_onclose(None);
        // It fails only for a close code, and none is given.
        let _ = self.socket.close();
    }
}
