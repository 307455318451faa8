//! A client: which documents and queries of a database are in use, and the parts that they share.

use crate::core::error::closed;
use crate::core::event::{ConnectionState, Event};
use crate::core::identity::Token;
use crate::core::query_event::{Patience, QueryEvent};
use crate::core::reach::Reach;
use crate::shell::callbacks::{Callbacks, Subscription};
use crate::shell::credentials::{Credentials, TokenSource};
use crate::shell::fetch::Server;
use crate::shell::hub::Hub;
use crate::shell::live::Live;
use crate::shell::live_queries::LiveQueries;
use crate::shell::platform::{NetworkWatch, warn};
use crate::shell::work::weakly;
use blaze_schema::Error;
use blaze_schema::path::DocumentPath;
use futures_channel::oneshot;
use std::cell::{Cell, RefCell};
use std::ptr;
use std::rc::{Rc, Weak};

type ConnectionCallback = Box<dyn Fn(ConnectionState)>;

/// The client.
pub(crate) struct Client {
    pub(crate) server: Rc<Server>,
    queries: Rc<LiveQueries>,
    /// The documents in use, in the order of their paths.
    documents: RefCell<Vec<Rc<Live>>>,
    connection: RefCell<ConnectionState>,
    /// Repeats requests that the server had no room for.
    pausing: RefCell<ConnectionState>,
    /// The last reason for being offline that was logged.
    warned: RefCell<Option<Error>>,
    connection_callbacks: Callbacks<ConnectionCallback>,
    closed: Cell<bool>,
    reach: RefCell<Reach>,
    last_id: Cell<u64>,
    /// It lives as long as the database.
    _network: NetworkWatch,
}

impl Client {
    /// A client of the database at `url`. Makes no request.
    ///
    /// # Errors
    /// As [`Blaze::connect`](crate::Blaze::connect).
    pub(crate) fn connect(url: &str, token: TokenSource) -> Result<Rc<Self>, Error> {
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
        let client = Rc::new_cyclic(|client: &Weak<Client>| {
            let hub: Weak<dyn Hub> = client.clone();
            let server = Rc::new(Server {
                origin: origin.to_owned(),
                socket_origin,
                credentials: Credentials::new(hub.clone()),
                hub: hub.clone(),
            });
            Client {
                queries: LiveQueries::new(hub, Rc::clone(&server)),
                server,
                documents: RefCell::default(),
                connection: RefCell::new(ConnectionState::Idle),
                pausing: RefCell::new(ConnectionState::Idle),
                warned: RefCell::default(),
                connection_callbacks: Callbacks::new(),
                closed: Cell::new(false),
                reach: RefCell::default(),
                last_id: Cell::new(0),
                _network: NetworkWatch::new(weakly(client, |client, is_online| {
                    if is_online { client.retry() } else { client.ask() }
                })),
            }
        });
        client.server.credentials.become_of(token)?;
        Ok(client)
    }

    /// Calls `callback` with the state of the connection, at once and whenever it changes.
    pub(crate) fn on_connection(self: &Rc<Self>, callback: ConnectionCallback) -> Subscription {
        callback(self.connection.borrow().clone());
        let entry = self.connection_callbacks.add(callback);
        let client = Rc::clone(self);
        Subscription::new(move || client.connection_callbacks.remove(&entry))
    }

    /// Closes every socket and gives up every write that was not answered.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        self.each_document(Live::close);
        self.queries.close();
        self.server.credentials.close();
    }

    /// The document at `path`, ready for use.
    ///
    /// # Errors
    /// After [`Client::close`].
    pub(crate) fn live(self: &Rc<Self>, path: &DocumentPath) -> Result<Rc<Live>, Error> {
        if self.closed.get() {
            return Err(closed());
        }
        let found = self.find(path);
        match found {
            Ok(index) => Ok(Rc::clone(&self.documents.borrow()[index])),
            Err(index) => {
                let hub: Rc<dyn Hub> = Rc::<Self>::clone(self);
                let (server, queries) = (Rc::clone(&self.server), Rc::clone(&self.queries));
                let client = Rc::clone(self);
                let retire = Box::new(move |live: &Live| client.retire(live));
                let live = Live::new(hub, server, queries, path.clone(), retire);
                self.documents.borrow_mut().insert(index, Rc::clone(&live));
                Ok(live)
            }
        }
    }

    /// Forgets a document that is not in use. Another one at its path stays.
    fn retire(&self, live: &Live) {
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
    /// After [`Client::close`].
    pub(crate) fn live_queries(&self) -> Result<&Rc<LiveQueries>, Error> {
        if self.closed.get() { Err(closed()) } else { Ok(&self.queries) }
    }

    /// Ends when every write that was begun before was answered, or is failing on the way.
    ///
    /// # Errors
    /// After [`Client::close`].
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

    fn ask(&self) {
        self.each_document(|live| live.handle(Event::Doubt));
        self.queries.handle(QueryEvent::Doubt);
    }

    /// Tries everything now.
    pub(crate) fn retry(&self) {
        self.each_document(|live| live.handle(Event::Online));
        self.queries.handle(QueryEvent::Online);
    }

    fn each_document(&self, visit: impl Fn(&Rc<Live>)) {
        let documents = self.documents.borrow().clone();
        documents.iter().for_each(visit);
    }
}

impl Hub for Client {
    fn new_id(&self) -> u64 {
        self.last_id.set(self.last_id.get() + 1);
        self.last_id.get()
    }

    fn is_closed(&self) -> bool {
        self.closed.get()
    }

    fn has_sockets(&self) -> bool {
        self.queries.has_socket() || self.documents.borrow().iter().any(|live| live.has_socket())
    }

    fn connection_changed(&self) {
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

    fn reached(&self) {
        if self.reach.borrow_mut().reached() {
            self.each_document(|live| live.handle(Event::Reached));
            self.queries.handle(QueryEvent::Reached);
        }
    }

    fn doubt(&self) {
        if self.reach.borrow_mut().failed() {
            self.ask();
        }
    }

    fn pause(&self, retry_in_ms: u32, error: Error) {
        self.pausing.replace(ConnectionState::Offline { retry_in_ms, error: Some(error) });
        self.connection_changed();
    }

    fn go_on(&self) {
        self.pausing.replace(ConnectionState::Idle);
        self.connection_changed();
    }

    fn written(&self, path: &DocumentPath, id: u64, result: Result<u64, Error>) {
        let live = self.find(path).ok().map(|index| Rc::clone(&self.documents.borrow()[index]));
        if let Some(live) = live {
            live.handle(Event::Answered { id, result });
        }
    }

    fn tell_replaced(&self) {
        self.queries.tell_replaced();
    }

    fn tell_nameless(&self, error: &Error) {
        self.queries.tell_nameless(error);
    }

    fn tell_token(&self, token: &Token) {
        self.each_document(|live| live.tell_token(token));
        self.queries.tell_token(token);
    }
}
