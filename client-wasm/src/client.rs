//! A connection to a database: where it is, and which of its documents are in use.

use crate::callbacks::{Callbacks, Subscription};
use crate::event::{ConnectionState, Event};
use crate::live::{Live, closed};
use crate::platform::OnlineWatch;
use crate::reference::{CollectionReference, DocumentReference};
use blaze_schema::Error;
use blaze_schema::path::{CollectionPath, DocumentPath};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::{Rc, Weak};

/// How to connect.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// A JWT or an API key: who asks.
    pub token: Option<String>,
}

/// A database. Cloning is cheap, and gives the same one.
#[derive(Clone)]
pub struct Blaze {
    pub(crate) inner: Rc<Inner>,
}

pub(crate) struct Inner {
    /// `http://host:port`, and perhaps a path; no `/` at the end.
    pub(crate) origin: String,
    /// The same for sockets.
    pub(crate) socket_origin: String,
    pub(crate) token: Option<String>,
    documents: RefCell<BTreeMap<DocumentPath, Rc<Live>>>,
    connection: Cell<ConnectionState>,
    connection_callbacks: Callbacks<Box<dyn Fn(ConnectionState)>>,
    closed: Cell<bool>,
    /// It lives as long as the database.
    _online: OnlineWatch,
}

impl Blaze {
    /// The database at `url`, such as `http://localhost:8787`. Makes no request.
    ///
    /// # Errors
    /// `invalid-argument` for another scheme than `http` and `https`, and for a token with characters that neither a
    /// JWT nor an API key has (RFC 9110, "token").
    pub fn connect(url: &str, options: ConnectOptions) -> Result<Blaze, Error> {
        let origin = url.trim_end_matches('/');
        if !origin.starts_with("http://") && !origin.starts_with("https://") {
            return Err(Error::invalid(format!(
                "url: {url:?} begins with neither http:// nor https://"
            )));
        }
        if options.token.as_deref().is_some_and(|token| !is_token(token)) {
            return Err(Error::invalid("token: a character that no JWT and no API key has"));
        }
        // "http" becomes "ws", and "https" "wss".
        let socket_origin = origin.replacen("http", "ws", 1);
        let inner = Rc::new_cyclic(|inner: &Weak<Inner>| {
            let inner = inner.clone();
            Inner {
                origin: origin.to_owned(),
                socket_origin,
                token: options.token,
                documents: RefCell::default(),
                connection: Cell::new(ConnectionState::Idle),
                connection_callbacks: Callbacks::new(),
                closed: Cell::new(false),
                _online: OnlineWatch::new(move || {
                    if let Some(inner) = inner.upgrade() {
                        inner.each_document(|live| live.handle(Event::Online));
                    }
                }),
            }
        });
        Ok(Blaze { inner })
    }

    /// The collection at `path`.
    ///
    /// # Errors
    /// `invalid-argument` for what is no path of a collection.
    pub fn collection(&self, path: &str) -> Result<CollectionReference, Error> {
        CollectionPath::parse(path).map(|path| CollectionReference::new(self.clone(), path))
    }

    /// The document at `path`.
    ///
    /// # Errors
    /// `invalid-argument` for what is no path of a document.
    pub fn doc(&self, path: &str) -> Result<DocumentReference, Error> {
        DocumentPath::parse(path).map(|path| DocumentReference::new(self.clone(), path))
    }

    /// Calls `callback` with the state of the connection, at once and whenever it changes.
    pub fn on_connection(&self, callback: impl Fn(ConnectionState) + 'static) -> Subscription {
        callback(self.inner.connection.get());
        let entry = self.inner.connection_callbacks.add(Box::new(callback));
        let inner = Rc::clone(&self.inner);
        Subscription::new(move || inner.connection_callbacks.remove(&entry))
    }

    /// Closes every socket and gives up every write that was not answered: its call ends with `aborted`. Listeners
    /// hear no more, and later calls are refused.
    pub fn close(&self) {
        self.inner.closed.set(true);
        self.inner.each_document(Live::close);
    }
}

impl fmt::Debug for Blaze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Blaze").field(&self.inner.origin).finish()
    }
}

impl Inner {
    /// The document at `path`, ready for use.
    ///
    /// # Errors
    /// After [`Blaze::close`].
    pub(crate) fn live(self: &Rc<Self>, path: &DocumentPath) -> Result<Rc<Live>, Error> {
        if self.closed.get() {
            return Err(closed());
        }
        if let Some(live) = self.documents.borrow().get(path) {
            return Ok(Rc::clone(live));
        }
        let live = Live::new(Rc::clone(self), path.clone());
        self.documents.borrow_mut().insert(path.clone(), Rc::clone(&live));
        Ok(live)
    }

    /// Forgets a document that is not in use.
    pub(crate) fn retire(&self, path: &DocumentPath) {
        let retired = self.documents.borrow_mut().remove(path);
        drop(retired);
    }

    /// A document's connection changed.
    pub(crate) fn connection_changed(&self) {
        let state =
            ConnectionState::worst(self.documents.borrow().values().map(|live| live.connection()));
        if self.connection.replace(state) != state {
            self.connection_callbacks.each(|callback| callback(state));
        }
    }

    fn each_document(&self, visit: impl Fn(&Rc<Live>)) {
        let documents: Vec<Rc<Live>> = self.documents.borrow().values().map(Rc::clone).collect();
        documents.iter().for_each(visit);
    }
}

/// RFC 9110 section 5.6.2: what may stand in a header and in a subprotocol.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
