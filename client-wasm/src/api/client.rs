//! A connection to a database: where it is, and which of its documents and queries are in use.

use crate::api::query::Query;
use crate::api::reference::{CollectionReference, DocumentReference};
use crate::core::event::{ConnectionState, Event};
use crate::core::identity::Token;
use crate::core::query_event::{Patience, QueryEvent};
use crate::core::reach::Reach;
use crate::shell::callbacks::{Callbacks, Subscription};
use crate::shell::credentials::{Credentials, TokenSource};
use crate::shell::live::{Live, closed};
use crate::shell::live_queries::LiveQueries;
use crate::shell::platform::{NetworkWatch, warn};
use blaze_schema::Error;
use blaze_schema::path::{CollectionPath, DocumentPath};
use futures_channel::oneshot;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::ptr;
use std::rc::{Rc, Weak};

/// How to connect.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// Who asks.
    pub token: TokenSource,
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
    pub(crate) credentials: Rc<Credentials>,
    pub(crate) queries: Rc<LiveQueries>,
    /// The documents in use, in the order of their paths.
    documents: RefCell<Vec<Rc<Live>>>,
    connection: RefCell<ConnectionState>,
    /// Repeats requests that the server had no room for.
    pausing: RefCell<ConnectionState>,
    /// The last reason for being offline that was logged.
    warned: RefCell<Option<Error>>,
    connection_callbacks: Callbacks<Box<dyn Fn(ConnectionState)>>,
    closed: Cell<bool>,
    reach: RefCell<Reach>,
    last_id: Cell<u64>,
    /// It lives as long as the database.
    _network: NetworkWatch,
}

impl Blaze {
    /// The database at `url`, such as `http://localhost:8787`. Makes no request.
    ///
    /// # Errors
    /// `invalid-argument` for another scheme than `http` and `https`, for a URL without a host or with a query or a
    /// fragment, and for a token with characters that neither a JWT nor an API key has (RFC 9110, "token").
    pub fn connect(url: &str, options: ConnectOptions) -> Result<Blaze, Error> {
        let origin = url.trim_end_matches('/');
        let rest = origin
            .strip_prefix("http")
            .filter(|rest| rest.starts_with("://") || rest.starts_with("s://"));
        let Some(rest) = rest else {
            let detail = format!("url: {url:?} begins with neither http:// nor https://");
            return Err(Error::invalid(detail));
        };
        if rest.ends_with(':') || rest.contains(['?', '#']) || rest.contains(char::is_whitespace) {
            let detail = format!("url: {url:?} has no host, or spaces, a query or a fragment");
            return Err(Error::invalid(detail));
        }
        let socket_origin = format!("ws{rest}");
        let inner = Rc::new_cyclic(|inner: &Weak<Inner>| {
            let inner = inner.clone();
            let credentials = Credentials::new(inner.clone());
            Inner {
                origin: origin.to_owned(),
                socket_origin,
                queries: LiveQueries::new(inner.clone(), Rc::clone(&credentials)),
                credentials,
                documents: RefCell::default(),
                connection: RefCell::new(ConnectionState::Idle),
                pausing: RefCell::new(ConnectionState::Idle),
                warned: RefCell::default(),
                connection_callbacks: Callbacks::new(),
                closed: Cell::new(false),
                reach: RefCell::default(),
                last_id: Cell::new(0),
                _network: NetworkWatch::new(move |is_online| {
                    if let Some(inner) = inner.upgrade() {
                        if is_online { inner.retry() } else { inner.ask() }
                    }
                }),
            }
        });
        inner.credentials.become_of(options.token)?;
        Ok(Blaze { inner })
    }

    /// From now on the token comes from `source`. Open sockets say who this is from then on, and what the server does not
    /// let them hear any more ends with its error. Writes that were not answered go on, in the new name.
    ///
    /// # Errors
    /// As [`Blaze::connect`] of a token.
    pub fn set_token(&self, source: impl Into<TokenSource>) -> Result<(), Error> {
        self.inner.credentials.become_of(source.into())
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

    /// All documents of the collections called `id`, wherever they are.
    pub fn collection_group(&self, id: &str) -> Query {
        Query::of_group(self.clone(), id)
    }

    /// Calls `callback` with the state of the connection, at once and whenever it changes.
    pub fn on_connection(&self, callback: impl Fn(ConnectionState) + 'static) -> Subscription {
        callback(self.inner.connection.borrow().clone());
        let entry = self.inner.connection_callbacks.add(Box::new(callback));
        let inner = Rc::clone(&self.inner);
        Subscription::new(move || inner.connection_callbacks.remove(&entry))
    }

    /// Tries everything that waits for another attempt now: lost sockets, and writes without an answer. It is done by
    /// itself when the browser says that the network is back, and as soon as anything reaches the server.
    pub fn reconnect(&self) {
        self.inner.retry();
    }

    /// Closes every socket and gives up every write that was not answered: its call ends with `aborted`. Listeners
    /// hear no more, and later calls are refused.
    pub fn close(&self) {
        self.inner.closed.set(true);
        self.inner.each_document(Live::close);
        self.inner.queries.close();
        self.inner.credentials.close();
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
        let found = self.find(path);
        match found {
            Ok(index) => Ok(Rc::clone(&self.documents.borrow()[index])),
            Err(index) => {
                let live = Live::new(Rc::clone(self), path.clone());
                self.documents.borrow_mut().insert(index, Rc::clone(&live));
                Ok(live)
            }
        }
    }

    /// Forgets a document that is not in use. Another one at its path stays.
    pub(crate) fn retire(&self, live: &Live) {
        let place = self.find(live.path()).ok();
        let place = place.filter(|index| ptr::eq(&*self.documents.borrow()[*index], live));
        if let Some(index) = place {
            let retired = self.documents.borrow_mut().remove(index);
            drop(retired);
        }
    }

    /// Where the document is, or would be.
    fn find(&self, path: &DocumentPath) -> Result<usize, usize> {
        self.documents.borrow().binary_search_by(|live| live.path().cmp(path))
    }

    /// The queries, ready for use.
    ///
    /// # Errors
    /// After [`Blaze::close`].
    pub(crate) fn live_queries(&self) -> Result<&Rc<LiveQueries>, Error> {
        if self.closed.get() { Err(closed()) } else { Ok(&self.queries) }
    }

    /// Ends when every write that was begun before was answered, or is failing on the way.
    ///
    /// # Errors
    /// After [`Blaze::close`].
    pub(crate) fn barrier(&self) -> Result<impl Future<Output = ()> + use<>, Error> {
        let (ready, end) = oneshot::channel();
        self.live_queries()?.after_writes(None, Patience::UntilItFails, move || {
            // It is awaited below, if at all.
            let _ = ready.send(());
        });
        Ok(async move {
            let _ = end.await;
        })
    }

    /// A number for a write, or for a wait for writes: larger than any before.
    pub(crate) fn new_id(&self) -> u64 {
        self.last_id.set(self.last_id.get() + 1);
        self.last_id.get()
    }

    /// A write has ended.
    pub(crate) fn written(&self, path: &DocumentPath, id: u64, result: Result<u64, Error>) {
        let live = self.find(path).ok().map(|index| Rc::clone(&self.documents.borrow()[index]));
        if let Some(live) = live {
            live.handle(Event::Answered { id, result });
        }
    }

    /// Notes that the server was reached: everything that waits for that tries again.
    pub(crate) fn reached(&self) {
        if self.reach.borrow_mut().reached() {
            self.each_document(|live| live.handle(Event::Reached));
            self.queries.handle(QueryEvent::Reached);
        }
    }

    /// Notes that the server was not reached: open sockets are pinged.
    pub(crate) fn doubt(&self) {
        if self.reach.borrow_mut().failed() {
            self.ask();
        }
    }

    fn ask(&self) {
        self.each_document(|live| live.handle(Event::Doubt));
        self.queries.handle(QueryEvent::Doubt);
    }

    /// Tries everything now.
    fn retry(&self) {
        self.each_document(|live| live.handle(Event::Online));
        self.queries.handle(QueryEvent::Online);
    }

    /// A connection changed.
    pub(crate) fn connection_changed(&self) {
        let documents = self.documents.borrow().clone();
        let states = documents.iter().map(|live| live.connection());
        let others = [self.queries.connection(), self.pausing.borrow().clone()];
        let state = ConnectionState::worst(states.chain(others));
        if self.connection.replace(state.clone()) == state {
            return;
        }
        // An application that does not ask for the state should not be left without a word.
        if let ConnectionState::Offline { error: Some(error), .. } = &state
            && self.warned.replace(Some(error.clone())).as_ref() != Some(error)
        {
            warn(&format!("Blaze is offline: {error}"));
        }
        self.connection_callbacks.each(|callback| callback(state.clone()));
    }

    /// The server has no room for a request, which is sent again after so many milliseconds.
    pub(crate) fn pause(&self, retry_in_ms: u32, error: Error) {
        self.pausing.replace(ConnectionState::Offline { retry_in_ms, error: Some(error) });
        self.connection_changed();
    }

    /// A request that waited is sent again.
    pub(crate) fn go_on(&self) {
        self.pausing.replace(ConnectionState::Idle);
        self.connection_changed();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Whether anything is listened to.
    pub(crate) fn has_sockets(&self) -> bool {
        self.queries.has_socket() || self.documents.borrow().iter().any(|live| live.has_socket())
    }

    /// Sockets speak for an identity that the client no longer has.
    pub(crate) fn tell_replaced(&self) {
        self.queries.tell_replaced();
    }

    /// The token of the new identity cannot be had.
    pub(crate) fn tell_nameless(&self, error: &Error) {
        self.queries.tell_nameless(error);
    }

    /// Open sockets say who this is from now on.
    pub(crate) fn tell_token(&self, token: &Token) {
        self.each_document(|live| live.tell_token(token));
        self.queries.tell_token(token);
    }

    fn each_document(&self, visit: impl Fn(&Rc<Live>)) {
        let documents = self.documents.borrow().clone();
        documents.iter().for_each(visit);
    }
}
