//! Queries as an application writes them, and what can be done with them.

pub(crate) mod snapshot;

use crate::api::aggregate::Aggregate;
use crate::api::filter::{Filter, and, where_};
use crate::api::listen_options::ListenOptions;
use crate::api::query::snapshot::QuerySnapshot;
use crate::api::snapshot::DocumentSnapshot;
use crate::core::http::{aggregate_answer, query_answer};
use crate::core::json;
use crate::core::query_json::read;
use crate::core::row::Rows;
use crate::shell::callbacks::Subscription;
use crate::shell::client::Client;
use crate::shell::platform::spawn;
use blaze_schema::error::{Code, Error};
use blaze_schema::path::{CollectionPath, DocumentPath};
use blaze_schema::query::{self as schema, Direction};
use blaze_schema::value::{Map, Number, typed};
use serde_json::Value;
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

/// What a filter, an order or a cursor calls a document's id: its path, or in a query of one collection its id.
pub const DOCUMENT_ID: &str = "__name__";

/// A query. It never changes: each call returns another one. What is wrong with it is said when it is used.
#[derive(Clone)]
pub struct Query {
    client: Rc<Client>,
    /// As it is sent; not checked.
    json: Map,
    /// What went wrong already.
    error: Option<Error>,
}

/// A place in a query's result: values of its orders, or a document.
#[derive(Clone, Debug)]
pub enum Position {
    /// The values of the first orders, or of all.
    Values(Vec<Value>),
    /// Where this document is.
    Document(DocumentSnapshot),
}

impl Query {
    pub(crate) fn of_collection(client: Rc<Client>, path: &CollectionPath) -> Self {
        Query { client, json: object("from", Value::from(path.as_str())), error: None }
    }

    pub(crate) fn of_group(client: Rc<Client>, id: &str) -> Self {
        Query { client, json: object("from", typed("group", Value::from(id))), error: None }
    }

    #[cfg(feature = "js")]
    pub(crate) fn of_json(client: Rc<Client>, json: Map) -> Self {
        Query { client, json, error: None }
    }

    /// The documents of which a field compares as it should; see [`where_`].
    #[must_use]
    pub fn where_(&self, field: &str, op: &str, value: impl Into<Value>) -> Query {
        self.filter(where_(field, op, value))
    }

    /// The documents for which the filter holds too.
    #[must_use]
    pub fn filter(&self, filter: Filter) -> Query {
        let filter = match self.json.get("where") {
            None => filter,
            Some(before) => and([Filter(before.clone()), filter]),
        };
        self.with("where", "", filter.0)
    }

    /// The documents that have the field, in its order; where earlier orders leave it open.
    #[must_use]
    pub fn order_by(&self, field: &str, direction: Direction) -> Query {
        let mut order = object("field", Value::from(field));
        order.insert("direction".to_owned(), Value::from(direction.as_str()));
        let mut orders = match self.json.get("orderBy") {
            Some(Value::Array(orders)) => orders.clone(),
            _ => Vec::new(),
        };
        orders.push(Value::Object(order));
        self.with("orderBy", "", orders)
    }

    /// The first so many.
    #[must_use]
    pub fn limit(&self, count: u64) -> Query {
        self.with("limit", "limitToLast", count)
    }

    /// The last so many, in the query's order; it needs [`Query::order_by`].
    #[must_use]
    pub fn limit_to_last(&self, count: u64) -> Query {
        self.with("limitToLast", "limit", count)
    }

    /// Without the first so many.
    #[must_use]
    pub fn offset(&self, count: u64) -> Query {
        self.with("offset", "", count)
    }

    /// From this place on.
    #[must_use]
    pub fn start_at(&self, position: impl Into<Position>) -> Query {
        self.bounded("startAt", "startAfter", position.into())
    }

    /// What comes after this place.
    #[must_use]
    pub fn start_after(&self, position: impl Into<Position>) -> Query {
        self.bounded("startAfter", "startAt", position.into())
    }

    /// Up to this place.
    #[must_use]
    pub fn end_at(&self, position: impl Into<Position>) -> Query {
        self.bounded("endAt", "endBefore", position.into())
    }

    /// What comes before this place.
    #[must_use]
    pub fn end_before(&self, position: impl Into<Position>) -> Query {
        self.bounded("endBefore", "endAt", position.into())
    }

    /// Only these fields of each document.
    #[must_use]
    pub fn select<'a>(&self, fields: impl IntoIterator<Item = &'a str>) -> Query {
        self.with("select", "", fields.into_iter().map(Value::from).collect::<Vec<_>>())
    }

    fn bounded(&self, key: &str, instead_of: &str, position: Position) -> Query {
        let values = match position {
            Position::Values(values) => Ok(values),
            Position::Document(document) => {
                cursor(&self.json, document.document_path(), document.data())
            }
        };
        match values {
            Ok(values) => self.with(key, instead_of, values),
            Err(error) => Query { error: Some(error), ..self.clone() },
        }
    }

    fn with(&self, key: &str, instead_of: &str, value: impl Into<Value>) -> Query {
        let mut query = self.clone();
        query.json.remove(instead_of);
        query.json.insert(key.to_owned(), value.into());
        query
    }

    /// The query as the client understands it, to tell which documents it wants.
    fn understood(&self) -> Option<schema::Query> {
        read(&self.json)
    }

    /// What the server is asked once the writes of this client are done that were begun before.
    fn asked(&self) -> Result<(Map, impl Future<Output = ()> + use<>), Error> {
        match &self.error {
            Some(error) => Err(error.clone()),
            None => Ok((self.json.clone(), self.client.barrier()?)),
        }
    }

    /// Reads the result from the server, after the writes of this client that were begun before.
    ///
    /// # Errors
    /// The server's, such as `invalid-argument` for what is no query; `unavailable` when it cannot be reached: a read is
    /// not repeated.
    pub fn get(&self) -> impl Future<Output = Result<QuerySnapshot, Error>> + use<> {
        let begun = self.asked();
        let query = self.clone();
        async move {
            let (asked, barrier) = begun?;
            barrier.await;
            let rows = query.read(asked).await?;
            Ok(QuerySnapshot::new(query, rows, None))
        }
    }

    async fn read(&self, mut asked: Map) -> Result<Rows, Error> {
        let understood = self.understood();
        let from = understood.as_ref().map(|query| &query.from);
        let limit = asked.get("limit").and_then(Value::as_u64);
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let mut rows = Vec::new();
        loop {
            let body = json::print_object(&asked);
            let answer = self.client.server.post("/v1/query", &body).await;
            let page = query_answer(from, answer)?;
            rows.extend(page.rows);
            match page.next {
                // The server answers a large result in parts, and offers to go on beyond a limit too.
                Some(next) if rows.len() < limit => {
                    asked.insert("pageToken".to_owned(), Value::from(next));
                }
                _ => break,
            }
        }
        rows.truncate(limit);
        Ok(Rc::new(rows))
    }

    /// Counts the documents.
    ///
    /// # Errors
    /// As [`Query::get`].
    pub fn count(&self) -> impl Future<Output = Result<u64, Error>> + use<> {
        let value = self.one(Aggregate::Count);
        async move { Ok(value.await?.as_u64().unwrap_or(0)) }
    }

    /// The sum of a field's numbers.
    ///
    /// # Errors
    /// As [`Query::get`].
    pub fn sum(&self, field: &str) -> impl Future<Output = Result<Number, Error>> + use<> {
        let value = self.one(Aggregate::Sum(field.to_owned()));
        async move { Ok(Number::of(&value.await?).unwrap_or(Number::Integer(0))) }
    }

    /// The average of a field's numbers; `None` if there are none.
    ///
    /// # Errors
    /// As [`Query::get`].
    pub fn average(&self, field: &str) -> impl Future<Output = Result<Option<f64>, Error>> + use<> {
        let value = self.one(Aggregate::Average(field.to_owned()));
        async move { Ok(Number::of(&value.await?).map(Number::to_f64)) }
    }

    fn one(&self, aggregate: Aggregate) -> impl Future<Output = Result<Value, Error>> + use<> {
        const NAME: &str = "value";
        let answer = self.aggregate(&[(NAME, aggregate)]);
        async move { Ok(answer.await?.remove(NAME).unwrap_or_default()) }
    }

    /// Computes several things at once, each under its name.
    ///
    /// # Errors
    /// As [`Query::get`].
    pub fn aggregate(
        &self,
        aggregates: &[(&str, Aggregate)],
    ) -> impl Future<Output = Result<Map, Error>> + use<> {
        let mut wanted = Map::new();
        for (name, aggregate) in aggregates {
            wanted.insert((*name).to_owned(), aggregate.to_json());
        }
        self.aggregated(Value::Object(wanted))
    }

    pub(crate) fn aggregated(
        &self,
        aggregates: Value,
    ) -> impl Future<Output = Result<Map, Error>> + use<> {
        let begun = self.asked();
        let client = Rc::clone(&self.client);
        async move {
            let (query, barrier) = begun?;
            let mut asked = object("query", Value::Object(query));
            asked.insert("aggregates".to_owned(), aggregates.clone());
            let body = json::print_object(&asked);
            barrier.await;
            aggregate_answer(&aggregates, client.server.post("/v1/aggregate", &body).await)
        }
    }

    /// Calls `next` with the result as it is, soon, and whenever it changes, this client's own writes included, and
    /// `error` at most once, when listening was refused; after that nothing is called any more. A lost connection is
    /// no error: it is made again. Dropping the subscription ends it.
    pub fn on_update(
        &self,
        next: impl Fn(QuerySnapshot) + 'static,
        error: impl Fn(Error) + 'static,
    ) -> Subscription {
        self.on_update_with(ListenOptions::default(), next, error)
    }

    /// As [`Query::on_update`], with options.
    pub fn on_update_with(
        &self,
        options: ListenOptions,
        next: impl Fn(QuerySnapshot) + 'static,
        error: impl Fn(Error) + 'static,
    ) -> Subscription {
        let metadata = options.include_metadata_changes;
        let live = self.client.live_queries();
        if let (Ok(live), None, Some(query)) = (live, &self.error, self.understood()) {
            let told = RefCell::new(None);
            let asked = self.clone();
            let next = move |rows: Rows| {
                let before = told.replace(Some(Rc::clone(&rows)));
                next(QuerySnapshot::new(asked.clone(), rows, before));
            };
            return live.listen(&self.json, query, metadata, Box::new(next), Box::new(error));
        }
        // What is wrong with it, the server knows.
        let refusal = self.get();
        spawn(async move {
            let unknown = || Error::new(Code::Unimplemented, "this client does not know the query");
            error(refusal.await.err().unwrap_or_else(unknown));
        });
        Subscription::new(|| {})
    }
}

/// `{key: value}`
fn object(key: &str, value: Value) -> Map {
    let mut map = Map::new();
    map.insert(key.to_owned(), value);
    map
}

/// The values of a document that place it in a query's result.
///
/// # Errors
/// `invalid-argument` for a document that lacks a field that the query orders by.
pub(crate) fn cursor(
    query: &Map,
    path: &DocumentPath,
    data: Option<&Map>,
) -> Result<Vec<Value>, Error> {
    let missing = Map::new();
    let data = data.unwrap_or(&missing);
    let mut values = Vec::new();
    for order in read(query).map_or_else(Vec::new, |query| query.orders()) {
        let value = order.field.value(path, data).ok_or_else(|| {
            Error::invalid(format!("cursor: {} lacks a field that is ordered by", path.as_str()))
        })?;
        values.push(value.into_owned());
    }
    Ok(values)
}

impl<const N: usize> From<[Value; N]> for Position {
    fn from(values: [Value; N]) -> Self {
        Position::Values(values.into())
    }
}

impl From<Vec<Value>> for Position {
    fn from(values: Vec<Value>) -> Self {
        Position::Values(values)
    }
}

impl From<&DocumentSnapshot> for Position {
    fn from(document: &DocumentSnapshot) -> Self {
        Position::Document(document.clone())
    }
}

/// The same query of the same database.
impl PartialEq for Query {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.client, &other.client)
            && self.json == other.json
            && self.error == other.error
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Query({})", json::print_object(&self.json))
    }
}
