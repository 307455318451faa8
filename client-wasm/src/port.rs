//! Where one socket after another is, and who each of them was opened for.

use crate::credentials::Credentials;
use crate::identity::{Shown, Token};
use crate::platform::spawn;
use crate::session::{close_error, may_pass};
use crate::socket::{Report, Socket};
use blaze_schema::error::{Code, Error};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

/// The place of a socket. Nothing is heard of one that was closed here.
pub(crate) struct Port {
    /// Called later, never from a call of this.
    hear: Box<dyn Fn(Heard)>,
    credentials: Rc<Credentials>,
    socket: RefCell<Option<Socket>>,
    /// Whether it is open, and not only opening.
    is_open: Cell<bool>,
    /// Who it was opened for, and said last who it is.
    shown: RefCell<Shown>,
    /// The number of the last attempt to open one.
    attempt: Cell<u32>,
}

/// What is heard of a socket.
pub(crate) enum Heard {
    Opened,
    /// JSON, or what is none.
    Frame(Result<Value, Error>),
    /// The server ended it, and says why. It is closed.
    Ended(Error),
    Closed,
    /// There will never be one.
    Refused(Error),
}

impl Port {
    pub(crate) fn new(credentials: Rc<Credentials>, hear: Box<dyn Fn(Heard)>) -> Rc<Self> {
        Rc::new(Port {
            hear,
            credentials,
            socket: RefCell::default(),
            is_open: Cell::new(false),
            shown: RefCell::default(),
            attempt: Cell::new(0),
        })
    }

    /// Opens a socket to `url` as soon as there is a token.
    pub(crate) fn open(self: &Rc<Self>, url: String) {
        self.close();
        let attempt = self.attempt.get();
        let port = Rc::clone(self);
        // Also where the token is at hand: what is heard is heard later.
        spawn(async move {
            let token = port.credentials.token().await;
            if port.attempt.get() != attempt {
                return;
            }
            match token.and_then(|token| port.open_as(token, &url)) {
                Ok(()) => {}
                Err(error) if may_pass(&error) => (port.hear)(Heard::Closed),
                Err(error) => (port.hear)(Heard::Refused(error)),
            }
        });
    }

    fn open_as(self: &Rc<Self>, token: Token, url: &str) -> Result<(), Error> {
        let port: Weak<Port> = Rc::downgrade(self);
        let socket = Socket::open(url, token.as_deref(), move |report| {
            if let Some(port) = port.upgrade() {
                port.reported(report);
            }
        })?;
        self.shown.replace(Shown::opened_for(token));
        self.socket.replace(Some(socket));
        Ok(())
    }

    fn reported(&self, report: Report) {
        (self.hear)(match report {
            Report::Opened => {
                self.is_open.set(true);
                if let Some(token) = self.credentials.at_hand() {
                    self.tell_token(&token);
                }
                Heard::Opened
            }
            Report::Frame(frame) => Heard::Frame(frame),
            Report::Closed(code) => match code.and_then(close_error) {
                Some(error) => Heard::Ended(error),
                None => Heard::Closed,
            },
        });
    }

    /// Closes the socket, and opens none that was about to be.
    pub(crate) fn close(&self) {
        self.attempt.set(self.attempt.get().wrapping_add(1));
        self.is_open.set(false);
        drop(self.socket.take());
    }

    pub(crate) fn send(&self, text: &str) {
        if let Some(socket) = &*self.socket.borrow() {
            socket.send(text);
        }
    }

    /// Whether there is a socket, open or opening.
    pub(crate) fn is_used(&self) -> bool {
        self.socket.borrow().is_some()
    }

    /// Says who this is from now on; a socket that is opening says so when it is open.
    pub(crate) fn tell_token(&self, token: &Token) {
        if self.is_open.get() && self.shown.borrow_mut().say(token) {
            // Nothing in a token needs quoting.
            self.send(&format!("{{\"auth\":\"{}\"}}", token.as_deref().unwrap_or_default()));
        }
    }

    /// The server takes the socket's token for good.
    pub(crate) fn works(&self) {
        self.credentials.with(|identity| self.shown.borrow_mut().accepted(identity));
    }

    /// Whether the server refused the socket with this error for its token alone, and another one is to be had: then the
    /// socket is as good as lost.
    pub(crate) fn may_come_again(&self, error: &Error) -> bool {
        error.code == Code::Unauthenticated
            && self.credentials.with(|identity| self.shown.borrow().refused(identity))
    }
}
