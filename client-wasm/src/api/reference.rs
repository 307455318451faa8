//! Where a document or a collection is, and what can be done there.

use crate::api::listen_options::ListenOptions;
use crate::api::query::Query;
use crate::api::snapshot::DocumentSnapshot;
use crate::core::change::Change;
use crate::core::error::closed;
use crate::shell::callbacks::Subscription;
use crate::shell::client::Client;
use crate::shell::platform::{now, random, spawn};
use blaze_schema::Error;
use blaze_schema::field_path::FieldPath;
use blaze_schema::id::ulid;
use blaze_schema::path::{CollectionPath, DocumentPath};
use blaze_schema::wire::document::ServerMessage;
use serde_json::Value;
use std::fmt;
use std::ops::Deref;
use std::rc::Rc;

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteResult {
    /// The document's version after it. A write that changed nothing leaves the version as it was.
    pub version: u64,
}

/// A collection, and the query for all that is in it. Cloning is cheap.
#[derive(Clone)]
pub struct CollectionReference {
    client: Rc<Client>,
    path: CollectionPath,
    query: Query,
}

impl Deref for CollectionReference {
    type Target = Query;

    fn deref(&self) -> &Query {
        &self.query
    }
}

/// A document, whether it exists or not. Cloning is cheap.
///
/// A write is begun by the call itself, not by the first poll of what it returns: it shows in listeners at once, is
/// committed after all writes that this client made before it, of whichever documents, and is sent again for as long as
/// the server cannot be reached. Dropping the future only drops the answer.
#[derive(Clone)]
pub struct DocumentReference {
    client: Rc<Client>,
    path: DocumentPath,
}

impl CollectionReference {
    pub(crate) fn new(client: Rc<Client>, path: CollectionPath) -> Self {
        let query = Query::of_collection(Rc::clone(&client), &path);
        CollectionReference { client, path, query }
    }

    /// The last segment of the path.
    pub fn id(&self) -> &str {
        self.path.id()
    }

    /// The path, segments joined by `/`.
    pub fn path(&self) -> &str {
        self.path.as_str()
    }

    /// The document `id` in this collection.
    ///
    /// # Errors
    /// `invalid-argument` for what is no id.
    pub fn doc(&self, id: &str) -> Result<DocumentReference, Error> {
        self.path.child(id).map(|path| DocumentReference::new(Rc::clone(&self.client), path))
    }

    /// A document with a new id, a ULID. It does not exist until it is written.
    ///
    /// # Errors
    /// `invalid-argument` when the collection's path is too long for another segment.
    pub fn new_doc(&self) -> Result<DocumentReference, Error> {
        self.doc(&ulid(now(), random()))
    }

    /// Creates a document with a new id.
    ///
    /// # Errors
    /// As [`DocumentReference::set`].
    pub fn add(
        &self,
        data: Value,
    ) -> impl Future<Output = Result<DocumentReference, Error>> + use<> {
        let begun = self.new_doc().map(|doc| (doc.write(Change::create(data)), doc));
        async move {
            let (write, doc) = begun?;
            write.await?;
            Ok(doc)
        }
    }
}

impl DocumentReference {
    pub(crate) fn new(client: Rc<Client>, path: DocumentPath) -> Self {
        DocumentReference { client, path }
    }

    /// The last segment of the path.
    pub fn id(&self) -> &str {
        self.path.id()
    }

    /// The path, segments joined by `/`.
    pub fn path(&self) -> &str {
        self.path.as_str()
    }

    /// The collection `id` under this document.
    ///
    /// # Errors
    /// `invalid-argument` for what is no id.
    pub fn collection(&self, id: &str) -> Result<CollectionReference, Error> {
        self.path.child(id).map(|path| CollectionReference::new(Rc::clone(&self.client), path))
    }

    /// Reads the document from the server, after the writes of this client that were begun before.
    ///
    /// # Errors
    /// The server's, and `unavailable` when it cannot be reached: a read is not repeated.
    pub fn get(&self) -> impl Future<Output = Result<DocumentSnapshot, Error>> + use<> {
        let begun = self.client.live(&self.path).map(|live| live.read());
        let path = Rc::new(self.path.clone());
        async move {
            let read = begun?.await.unwrap_or_else(|_| Err(closed()))?;
            Ok(DocumentSnapshot::of_read(path, read))
        }
    }

    /// Replaces the document, or creates it.
    ///
    /// # Errors
    /// `invalid-argument` for what is no data; the server's refusals; `aborted` after [`Blaze::close`](crate::Blaze::close).
    pub fn set(&self, data: Value) -> impl Future<Output = Result<WriteResult, Error>> + use<> {
        self.write(Change::set(data))
    }

    /// Merges into the document, or creates it: leaves overwrite, siblings survive.
    ///
    /// # Errors
    /// As [`DocumentReference::set`].
    pub fn merge(&self, data: Value) -> impl Future<Output = Result<WriteResult, Error>> + use<> {
        self.write(Change::merge(data))
    }

    /// Takes these fields from the data, each as a whole, into the document, or creates it; the rest of the data is not
    /// looked at.
    ///
    /// # Errors
    /// As [`DocumentReference::set`]; also for a field that the data lacks.
    pub fn merge_fields(
        &self,
        data: Value,
        fields: &[&str],
    ) -> impl Future<Output = Result<WriteResult, Error>> + use<> {
        self.write(
            field_paths(fields.iter().copied())
                .and_then(|fields| Change::merge_fields(data, &fields)),
        )
    }

    /// Changes fields, named by their paths (`address.city`), of a document that exists.
    ///
    /// # Errors
    /// As [`DocumentReference::set`], and `not-found`.
    pub fn update(
        &self,
        fields: Value,
    ) -> impl Future<Output = Result<WriteResult, Error>> + use<> {
        self.write(Change::update(fields))
    }

    /// Applies a JSON Patch (RFC 6902) to a document that exists.
    ///
    /// # Errors
    /// As [`DocumentReference::set`], `not-found`, and `failed-precondition` for a `test` that fails or a path that
    /// leads nowhere.
    pub fn patch(
        &self,
        operations: Value,
    ) -> impl Future<Output = Result<WriteResult, Error>> + use<> {
        self.write(Change::patch(operations))
    }

    /// Removes the document, if it is there.
    ///
    /// # Errors
    /// As [`DocumentReference::set`].
    pub fn delete(&self) -> impl Future<Output = Result<WriteResult, Error>> + use<> {
        self.write(Ok(Change::delete()))
    }

    pub(crate) fn write(
        &self,
        change: Result<Change, Error>,
    ) -> impl Future<Output = Result<WriteResult, Error>> + use<> {
        let begun = change.and_then(|change| Ok(self.client.live(&self.path)?.write(change)));
        async move {
            let version = begun?.await.unwrap_or_else(|_| Err(closed()))?;
            Ok(WriteResult { version })
        }
    }

    /// Calls `next` with the document as it is, soon, and whenever it changes, this client's own writes included, and
    /// `error` at most once, when listening was refused; after that nothing is called any more. A lost connection is
    /// no error: it is made again. The server is asked after the writes that were begun before, by which rules may let the
    /// document be read. Dropping the subscription ends it.
    pub fn on_update(
        &self,
        next: impl Fn(DocumentSnapshot) + 'static,
        error: impl Fn(Error) + 'static,
    ) -> Subscription {
        self.on_update_with(ListenOptions::default(), next, error)
    }

    /// As [`DocumentReference::on_update`], with options.
    pub fn on_update_with(
        &self,
        options: ListenOptions,
        next: impl Fn(DocumentSnapshot) + 'static,
        error: impl Fn(Error) + 'static,
    ) -> Subscription {
        let metadata = options.include_metadata_changes;
        match self.client.live(&self.path) {
            Ok(live) => {
                let path = Rc::new(self.path.clone());
                let next = move |visible| {
                    next(DocumentSnapshot::of_view(Rc::clone(&path), visible));
                };
                live.listen(metadata, Box::new(next), Box::new(error))
            }
            Err(closed) => {
                spawn(async move { error(closed) });
                Subscription::new(|| {})
            }
        }
    }

    /// Calls `callback` with every message that arrives on the document's socket, before it takes effect: for a log. It
    /// opens no socket; [`DocumentReference::on_update`] does.
    pub fn on_message(&self, callback: impl Fn(&ServerMessage) + 'static) -> Subscription {
        match self.client.live(&self.path) {
            Ok(live) => live.watch_messages(Box::new(callback)),
            Err(_) => Subscription::new(|| {}),
        }
    }
}

/// The field paths of a `mergeFields`.
pub(crate) fn field_paths<'a>(
    fields: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<FieldPath>, Error> {
    let mut paths = Vec::new();
    for field in fields {
        paths.push(FieldPath::parse(field).map_err(|error| error.at("mergeFields"))?);
    }
    Ok(paths)
}

impl fmt::Debug for CollectionReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CollectionReference({})", self.path)
    }
}

impl fmt::Debug for DocumentReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DocumentReference({})", self.path)
    }
}
