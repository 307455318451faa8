//! A connection to a database.

use crate::api::query::Query;
use crate::api::reference::{CollectionReference, DocumentReference};
use crate::core::event::ConnectionState;
use crate::shell::callbacks::Subscription;
use crate::shell::client::Client;
use crate::shell::credentials::TokenSource;
use blaze_schema::Error;
use blaze_schema::path::{CollectionPath, DocumentPath};
use std::fmt;
use std::rc::Rc;

/// Options of a connection.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// The source of the client's tokens.
    pub token: TokenSource,
}

/// A database. Cloning is cheap, and gives the same one.
#[derive(Clone)]
pub struct Blaze {
    pub(crate) client: Rc<Client>,
}

impl Blaze {
    /// The database at `url`, such as `http://localhost:8787`. Makes no request.
    ///
    /// # Errors
    /// `invalid-argument` for another scheme than `http` and `https`, for a URL without a host or with a query or a
    /// fragment, and for a token with characters that neither a JWT nor an API key has (RFC 9110, "token").
    pub fn connect(url: &str, options: ConnectOptions) -> Result<Blaze, Error> {
        Ok(Blaze { client: Client::connect(url, options.token)? })
    }

    /// From now on the token comes from `source`. Open sockets say who this is from then on, and what the server does not
    /// let them hear any more ends with its error. Writes that were not answered go on, in the new name.
    ///
    /// # Errors
    /// As [`Blaze::connect`] of a token.
    pub fn set_token(&self, source: impl Into<TokenSource>) -> Result<(), Error> {
        self.client.server.credentials.become_of(source.into())
    }

    /// The collection at `path`.
    ///
    /// # Errors
    /// `invalid-argument` for what is no path of a collection.
    pub fn collection(&self, path: &str) -> Result<CollectionReference, Error> {
        CollectionPath::parse(path)
            .map(|path| CollectionReference::new(Rc::clone(&self.client), path))
    }

    /// The document at `path`.
    ///
    /// # Errors
    /// `invalid-argument` for what is no path of a document.
    pub fn doc(&self, path: &str) -> Result<DocumentReference, Error> {
        DocumentPath::parse(path).map(|path| DocumentReference::new(Rc::clone(&self.client), path))
    }

    /// All documents of the collections called `id`, wherever they are.
    pub fn collection_group(&self, id: &str) -> Query {
        Query::of_group(Rc::clone(&self.client), id)
    }

    /// Calls `callback` with the state of the connection, at once and whenever it changes.
    pub fn on_connection(&self, callback: impl Fn(ConnectionState) + 'static) -> Subscription {
        self.client.on_connection(Box::new(callback))
    }

    /// Tries everything that waits for another attempt now: lost sockets, and writes without an answer. It is done by
    /// itself when the browser says that the network is back, and as soon as anything reaches the server.
    pub fn reconnect(&self) {
        self.client.retry();
    }

    /// Closes every socket and gives up every write that was not answered: its call ends with `aborted`. Listeners
    /// hear no more, and later calls are refused.
    pub fn close(&self) {
        self.client.close();
    }
}

impl fmt::Debug for Blaze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Blaze").field(&self.client.server.origin).finish()
    }
}
