//! Where one socket after another is, and who each of them was opened for.

use crate::core::error::{close_error, may_pass};
use crate::core::identity::{Shown, Token};
use crate::shell::fetch::Server;
use crate::shell::platform::spawn;
use crate::shell::socket::{Report, Socket};
use crate::shell::work::weakly;
use blaze_schema::error::{Code, Error};
use blaze_schema::wire::document::SUBPROTOCOL;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// The place of a socket. Nothing is heard of one that was closed here.
pub(crate) struct Port {
    /// Called later, never from a call of this.
    hear: Box<dyn Fn(Heard)>,
    server: Rc<Server>,
    socket: RefCell<Option<Socket>>,
    /// URL of the last socket, without its query; named in errors.
    url: RefCell<String>,
    /// True if the socket is open, and not only opening.
    is_open: Cell<bool>,
    /// The identity that the socket was opened for or last announced.
    shown: RefCell<Shown>,
    /// The number of the last attempt to open one.
    attempt: Cell<u32>,
}

/// What is heard of a socket.
pub(crate) enum Heard {
    Opened,
    /// A frame, or why it is not JSON.
    Frame(Result<Value, Error>),
    /// The server ended the socket, and says why. The socket is closed.
    Ended(Error),
    /// The socket is closed, or could not be opened; the reason, if it is known.
    Closed(Option<Error>),
    /// No socket will ever open.
    Refused(Error),
}

impl Port {
    pub(crate) fn new(server: Rc<Server>, hear: Box<dyn Fn(Heard)>) -> Rc<Self> {
        Rc::new(Port {
            hear,
            server,
            socket: RefCell::default(),
            url: RefCell::default(),
            is_open: Cell::new(false),
            shown: RefCell::default(),
            attempt: Cell::new(0),
        })
    }

    /// Opens a socket to `url` as soon as there is a token.
    pub(crate) fn open(self: &Rc<Self>, url: String) {
        self.close();
        self.url.replace(url.split('?').next().unwrap_or_default().to_owned());
        let attempt = self.attempt.get();
        let port = Rc::clone(self);
        // Also where the token is at hand: what is heard is heard later.
        spawn(async move {
            let token = port.server.credentials.token().await;
            if port.attempt.get() != attempt {
                return;
            }
            match token.and_then(|token| port.open_as(token, &url)) {
                Ok(()) => {}
                Err(error) if may_pass(&error) => (port.hear)(Heard::Closed(Some(error))),
                Err(error) => (port.hear)(Heard::Refused(error)),
            }
        });
    }

    fn open_as(self: &Rc<Self>, token: Token, url: &str) -> Result<(), Error> {
        let report = weakly(&Rc::downgrade(self), Port::reported);
        let socket = Socket::open(url, token.as_deref(), report)?;
        self.shown.replace(Shown::opened_for(token));
        self.socket.replace(Some(socket));
        Ok(())
    }

    fn reported(self: &Rc<Self>, report: Report) {
        (self.hear)(match report {
            Report::Opened if !self.speaks_blaze() => {
                let detail = format!("its server does not speak {SUBPROTOCOL}: it is no Blaze");
                Heard::Closed(Some(self.unavailable(&detail)))
            }
            Report::Opened => {
                self.is_open.set(true);
                if let Some(token) = self.server.credentials.at_hand() {
                    self.tell_token(&token);
                }
                Heard::Opened
            }
            Report::Frame(frame) => Heard::Frame(frame),
            Report::Closed(code) => match code.and_then(close_error) {
                Some(error) if self.is_open.get() => Heard::Ended(error),
                _ if self.is_open.get() => {
                    let detail = format!("the socket was closed ({})", code.unwrap_or_default());
                    Heard::Closed(Some(self.unavailable(&detail)))
                }
                _ if self.server.credentials.knows_server() => {
                    Heard::Closed(Some(self.unavailable("no socket can be opened")))
                }
                _ => return self.look(),
            },
        });
    }

    /// Finds out why a socket could not be opened: it does not say, and until one has worked the address may be wrong.
    fn look(self: &Rc<Self>) {
        let (port, attempt) = (Rc::clone(self), self.attempt.get());
        spawn(async move {
            let Some(_client) = port.server.hub.upgrade() else { return };
            let error = port.server.look_for_sockets().await;
            if port.attempt.get() == attempt {
                let passes = may_pass(&error);
                let heard = if passes { Heard::Closed(Some(error)) } else { Heard::Refused(error) };
                (port.hear)(heard);
            }
        });
    }

    fn speaks_blaze(&self) -> bool {
        self.socket.borrow().as_ref().is_some_and(Socket::speaks_blaze)
    }

    fn unavailable(&self, detail: &str) -> Error {
        Error::new(Code::Unavailable, format!("{}: {detail}", self.url.borrow()))
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
        self.server.credentials.know_server();
        if let Some(client) = self.server.hub.upgrade() {
            client.reached();
        }
        self.server.credentials.with(|identity| self.shown.borrow_mut().accepted(identity));
    }

    /// Whether the server refused the socket with this error for its token alone, and another one is to be had: then the
    /// socket is as good as lost.
    pub(crate) fn may_come_again(&self, error: &Error) -> bool {
        error.code == Code::Unauthenticated
            && self.server.credentials.with(|identity| self.shown.borrow().refused(identity))
    }
}
