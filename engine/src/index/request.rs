//! A query as an index executes it: from its first document to its last, in one direction.

use super::key::{name_key, push_sort_value};
use super::page_token;
use blaze_schema::error::Error;
use blaze_schema::path::DocumentPath;
use blaze_schema::query::{Cursor, Direction, Field, Limit, Matcher, Order, Query, Source};
use blaze_schema::value::Map;
use serde_json::Value;
use std::borrow::Cow;

/// A query with its whole order, where a query for the last documents is turned round.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    /// The query; after a page token, with the token's cursor as its start and what is left of its offset.
    pub(crate) query: Cow<'a, Query>,
    /// The order in which documents are found.
    pub(crate) orders: Vec<Order>,
    /// How many documents are wanted with those that are left out first; `None` for all.
    pub(crate) wanted: Option<u64>,
    /// Whether what is found last comes first.
    pub(crate) is_turned: bool,
    /// Whether a document needs fields of which neither the orders nor its filters speak: those of orders after one by
    /// name, which order nothing.
    pub(crate) needs_more: bool,
    matcher: Matcher,
}

impl<'a> Request<'a> {
    /// Reads the query's page token.
    ///
    /// # Errors
    /// `invalid-argument` for a page token that is not of this query.
    pub(crate) fn new(query: &'a Query) -> Result<Self, Error> {
        Request::of(Cow::Borrowed(query))
    }

    /// As [`Request::new`], to be kept.
    ///
    /// # Errors
    /// As those.
    pub(crate) fn owned(query: Query) -> Result<Request<'static>, Error> {
        Request::of(Cow::Owned(query))
    }

    fn of(mut query: Cow<'a, Query>) -> Result<Self, Error> {
        if let Some(text) = &query.page_token {
            let (start, offset) = page_token::read(text, &query)?;
            let query = query.to_mut();
            query.start = Some(start);
            query.offset = offset;
        }
        let is_turned = matches!(query.limit, Some(Limit::Last(_)));
        let mut orders = query.orders();
        if is_turned {
            for order in &mut orders {
                order.direction = match order.direction {
                    Direction::Ascending => Direction::Descending,
                    Direction::Descending => Direction::Ascending,
                };
            }
        }
        let wanted = query
            .limit
            .map(|(Limit::First(limit) | Limit::Last(limit))| limit.saturating_add(query.offset));
        let named = query.order_by.iter().position(|order| order.field == Field::Name);
        let needs_more = named.is_some_and(|place| {
            place.saturating_add(1) < query.order_by.len() || query.disjunctions().len() > 1
        });
        let matcher = Matcher::new(query.clone().into_owned());
        Ok(Request { query, orders, wanted, is_turned, needs_more, matcher })
    }

    /// The cursors; whether each is where the documents start.
    pub(crate) fn cursors(&self) -> impl Iterator<Item = (&Cursor, bool)> {
        let start = self.query.start.iter().map(|cursor| (cursor, !self.is_turned));
        start.chain(self.query.end.iter().map(|cursor| (cursor, self.is_turned)))
    }

    /// A document's name in the keys of the index; `None` for one that cannot be in it.
    pub(crate) fn name_of(&self, path: &str) -> Option<Vec<u8>> {
        match &self.query.from {
            Source::Collection(collection) => {
                let (parent, id) = path.rsplit_once('/')?;
                (parent == collection.as_str()).then(|| name_key(id))
            }
            Source::Group(_) => Some(name_key(path)),
        }
    }

    /// Whether a document is in the result.
    pub(crate) fn wants(&self, path: &DocumentPath, data: &Map) -> bool {
        self.matcher.matches(path, data) && self.matcher.in_bounds(path, data)
    }

    /// A document's place in the result: bytes whose order is the order of the documents; no two have the same.
    pub(crate) fn sort_key(&self, path: &DocumentPath, data: &Map) -> Vec<u8> {
        let mut key = Vec::with_capacity(64);
        for order in &self.orders {
            let value = order.field.value(path, data);
            let value = value.as_deref().unwrap_or(&Value::Null);
            push_sort_value(
                &mut key,
                &order.field,
                value,
                order.direction == Direction::Descending,
            );
        }
        key
    }
}
