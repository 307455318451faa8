//! A query or an aggregation over HTTP: the questions to index objects, and the joining of their answers.

use super::{Request, query_pairs};
use crate::index::aggregate::{Aggregation, read_partial};
use crate::index::page::{Page, for_shard};
use crate::index::settings::Collections;
use crate::index::{Event, shard};
use blaze_schema::error::Error;
use blaze_schema::path::CollectionPath;
use blaze_schema::query::{Query, Source};
use blaze_schema::timestamp::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;

/// The question of a request about a collection's documents.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// The documents themselves.
    Query(Query),
    /// An aggregation of them.
    Aggregate(Aggregation),
}

/// The question to index objects. One object gives the whole answer; several give a part each, for
/// [`Question::answer`].
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// The objects' names.
    pub objects: Vec<String>,
    /// The question to each object, as [`event`] reads it.
    pub body: String,
}

impl Ask {
    /// Passes a question for one index on as it came: the index reads it. `None` unless it is clear that one index
    /// will do.
    pub fn of_one(kind: &str, body: &[u8], collections: &Collections) -> Option<Self> {
        #[derive(Deserialize)]
        struct From<'a> {
            #[serde(borrow)]
            from: Cow<'a, str>,
        }
        let text = std::str::from_utf8(body).ok()?;
        let From { from } = serde_json::from_str(text).ok()?;
        let source = Source::Collection(CollectionPath::parse(&from).ok()?);
        let objects = shard::of_source(&source, collections).ok()?;
        (objects.len() == 1).then(|| Ask { objects, body: format!("{kind} {text}") })
    }
}

impl Question {
    /// Reads the body of `POST /v1/query`.
    ///
    /// # Errors
    /// `invalid-argument` naming the place.
    pub fn query(body: &[u8]) -> Result<Self, Error> {
        Query::from_json(json(body)?).map(Question::Query)
    }

    /// Reads the body of `POST /v1/aggregate`.
    ///
    /// # Errors
    /// `invalid-argument` naming the place.
    pub fn aggregate(body: &[u8]) -> Result<Self, Error> {
        Aggregation::from_json(json(body)?).map(Question::Aggregate)
    }

    /// Reads `GET /v1/docs/{collection}?where=…`.
    ///
    /// # Errors
    /// `invalid-argument` naming the place.
    pub fn list(collection: CollectionPath, request: &Request<'_>) -> Result<Self, Error> {
        Query::from_list(collection, &query_pairs(request.query)).map(Question::Query)
    }

    /// Returns the query whose documents the answer is of.
    pub fn of(&self) -> &Query {
        match self {
            Question::Query(query) => query,
            Question::Aggregate(aggregation) => &aggregation.query,
        }
    }

    /// Returns the objects to ask, and the question to them.
    ///
    /// # Errors
    /// `failed-precondition` for a collection group that is not declared.
    pub fn ask(&self, collections: &Collections) -> Result<Ask, Error> {
        let objects = shard::of_source(&self.of().from, collections)?;
        let is_shard = objects.len() > 1;
        let body = match self {
            Question::Query(query) if is_shard => shard_body("shard", for_shard(query)),
            Question::Query(query) => shard_body("query", query.clone()),
            Question::Aggregate(aggregation) if is_shard && !aggregation.adds_up() => {
                shard_body("shard", for_shard(&aggregation.query))
            }
            Question::Aggregate(aggregation) => {
                let kind = if is_shard { "part" } else { "aggregate" };
                let body = if is_shard { aggregation.for_shard() } else { aggregation.clone() };
                format!("{kind} {}", body.to_json())
            }
        };
        Ok(Ask { objects, body })
    }

    /// Joins the parts that several objects gave to the answer.
    ///
    /// # Errors
    /// `internal` for a part that no object gives.
    pub fn answer(&self, parts: &[String], now: Timestamp) -> Result<String, Error> {
        match self {
            Question::Query(query) => Page::merge(query, parts)?.render(query, now),
            Question::Aggregate(aggregation) if !aggregation.adds_up() => {
                aggregation.of_page(&Page::merge(&aggregation.query, parts)?)
            }
            Question::Aggregate(aggregation) => {
                let parts = parts.iter().map(|part| read_partial(part));
                Ok(aggregation.render(&parts.collect::<Result<Vec<_>, _>>()?))
            }
        }
    }
}

fn shard_body(kind: &str, query: Query) -> String {
    format!("{kind} {}", query.to_json())
}

/// Reads the event of an [`Ask`]'s body.
///
/// # Errors
/// `internal` for anything else.
pub fn event(body: &str) -> Result<Event, Error> {
    let (kind, rest) = body.split_once(' ').unwrap_or_default();
    let rest = json(rest.as_bytes())?;
    match kind {
        "query" | "shard" => {
            Ok(Event::Query { query: Query::from_json(rest)?, is_shard: kind == "shard" })
        }
        "aggregate" | "part" => Ok(Event::Aggregate {
            aggregation: Aggregation::from_json(rest)?,
            is_shard: kind == "part",
        }),
        _ => Err(Error::new(blaze_schema::error::Code::Internal, "a question that nobody asks")),
    }
}

fn json(body: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(body).map_err(|error| Error::invalid(format!("body: not JSON: {error}")))
}
