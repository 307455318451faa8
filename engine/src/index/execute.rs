//! Reading what a plan says: streams of rows, sorted where their order is not the query's, merged, each document once.

use super::key::{Precision, indexed_length};
use super::plan::{Plan, Stream, StreamOrder};
use super::request::Request;
use super::row;
use crate::store::{Range, Row, Store};
use blaze_schema::error::Error;
use blaze_schema::path::DocumentPath;
use blaze_schema::value::Map;
use std::collections::VecDeque;

/// Rows that are read at once, at most.
const CHUNK: usize = 512;
/// Rows that are first read where more than one stream is, or rows may not be wanted.
const FIRST_CHUNK: usize = 2;

/// A document that was found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// Its place in the result; empty where nobody asked for it and the rows are in order.
    pub(crate) sort_key: Vec<u8>,
    /// Its resource, as JSON.
    pub(crate) text: String,
    /// Path and data, where they were looked at.
    pub(crate) read: Option<(DocumentPath, Map)>,
}

/// The documents of a plan, in the order of the query.
pub(crate) struct Documents<'a, S> {
    request: &'a Request<'a>,
    readers: Vec<Reader<'a, S>>,
    heads: Vec<Option<Found>>,
    started: bool,
    last: Option<Vec<u8>>,
}

impl<'a, S: Store> Documents<'a, S> {
    /// Reads nothing yet. `keyed` asks for sort keys.
    pub(crate) fn new(
        store: &'a S,
        request: &'a Request<'a>,
        plan: Plan,
        keyed: bool,
    ) -> Documents<'a, S> {
        let single = plan.streams.len() == 1;
        let readers = plan
            .streams
            .into_iter()
            .map(|stream| Reader::new(store, request, stream, single, keyed));
        let readers: Vec<_> = readers.collect();
        let heads = readers.iter().map(|_| None).collect();
        Documents { request, readers, heads, started: false, last: None }
    }

    /// Entries read so far.
    pub(crate) fn scanned(&self) -> u64 {
        self.readers.iter().fold(0, |sum, reader| sum.saturating_add(reader.scanned))
    }

    /// The next document.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn next(&mut self) -> Result<Option<Found>, Error> {
        if let ([reader], false) = (self.readers.as_mut_slice(), self.started) {
            return reader.next(self.request);
        }
        if !self.started {
            self.started = true;
            for (head, reader) in self.heads.iter_mut().zip(&mut self.readers) {
                *head = reader.next(self.request)?;
            }
        }
        loop {
            let first = self
                .heads
                .iter()
                .enumerate()
                .filter_map(|(number, head)| head.as_ref().map(|head| (&head.sort_key, number)))
                .min();
            let Some((_, number)) = first else { return Ok(None) };
            let (Some(head), Some(reader)) =
                (self.heads.get_mut(number), self.readers.get_mut(number))
            else {
                return Ok(None);
            };
            let found = std::mem::replace(head, reader.next(self.request)?);
            // A document that several streams have comes from each in turn.
            if let Some(found) = found
                && self.last.as_ref() != Some(&found.sort_key)
            {
                self.last = Some(found.sort_key.clone());
                return Ok(Some(found));
            }
        }
    }
}

struct Reader<'a, S> {
    store: &'a S,
    stream: Stream,
    /// Whether documents need sort keys although their rows are in order.
    keyed: bool,
    ranges: VecDeque<Range>,
    rows: VecDeque<Row>,
    run: VecDeque<Found>,
    chunk: usize,
    scanned: u64,
}

impl<'a, S: Store> Reader<'a, S> {
    fn new(
        store: &'a S,
        request: &Request<'_>,
        mut stream: Stream,
        single: bool,
        keyed: bool,
    ) -> Self {
        let ranges = std::mem::take(&mut stream.ranges).into();
        let wanted = request.wanted.and_then(|wanted| usize::try_from(wanted).ok());
        let chunk = match wanted {
            _ if stream.order == StreamOrder::Whole => CHUNK,
            None => CHUNK,
            Some(wanted) if single && stream.covered => wanted.saturating_add(1).min(CHUNK),
            Some(wanted) => wanted.saturating_add(1).min(FIRST_CHUNK),
        };
        Reader {
            store,
            stream,
            keyed: keyed || !single,
            ranges,
            rows: VecDeque::new(),
            run: VecDeque::new(),
            chunk,
            scanned: 0,
        }
    }

    fn next(&mut self, request: &Request<'_>) -> Result<Option<Found>, Error> {
        loop {
            if let Some(found) = self.run.pop_front() {
                return Ok(Some(found));
            }
            let Some((key, value)) = self.next_row()? else { return Ok(None) };
            match self.run_prefix(&key) {
                None => {
                    if let Some(found) = self.look(request, value, self.keyed)? {
                        return Ok(Some(found));
                    }
                }
                Some(length) => self.sort_run(request, &key, value, length)?,
            }
        }
    }

    /// How much of a row's key the rows have in common that must be sorted with it; `None` when it needs no sorting.
    fn run_prefix(&self, key: &[u8]) -> Option<usize> {
        let most = match self.stream.order {
            StreamOrder::Whole => return Some(0),
            StreamOrder::Exact => None,
            StreamOrder::Runs(columns) => Some(columns),
        };
        let mut length = self.stream.prefix;
        for (number, inverted) in self.stream.columns.iter().enumerate() {
            if most == Some(number) {
                return Some(length);
            }
            let rest = key.get(length..).unwrap_or_default();
            let (column, precision) = indexed_length(rest, *inverted)?;
            length = length.saturating_add(column);
            if precision == Precision::Inexact {
                return Some(length);
            }
        }
        most.map(|_| length)
    }

    /// Reads the rows that share a prefix, and sorts their documents.
    fn sort_run(
        &mut self,
        request: &Request<'_>,
        key: &[u8],
        value: Vec<u8>,
        length: usize,
    ) -> Result<(), Error> {
        let prefix = key.get(..length).unwrap_or_default();
        let most = request.wanted.and_then(|wanted| usize::try_from(wanted).ok());
        let most = most.map_or(usize::MAX, |wanted| wanted.saturating_add(1));
        let mut run: Vec<Found> = Vec::new();
        let mut next = Some(value);
        while let Some(value) = next {
            run.extend(self.look(request, value, true)?);
            // Of many, only the first are ever asked for.
            if run.len() >= most.saturating_mul(2).max(CHUNK) {
                run.sort_by(|a, b| a.sort_key.cmp(&b.sort_key));
                run.truncate(most);
            }
            next = match self.next_row()? {
                Some((key, value)) if key.starts_with(prefix) => Some(value),
                Some(row) => {
                    self.rows.push_front(row);
                    None
                }
                None => None,
            };
        }
        run.sort_by(|a, b| a.sort_key.cmp(&b.sort_key));
        run.dedup_by(|a, b| a.sort_key == b.sort_key);
        self.run = run.into();
        Ok(())
    }

    /// The document of a row, if it is wanted.
    fn look(
        &self,
        request: &Request<'_>,
        value: Vec<u8>,
        keyed: bool,
    ) -> Result<Option<Found>, Error> {
        let text = row::into_text(value)?;
        if self.stream.covered && !keyed {
            return Ok(Some(Found { sort_key: Vec::new(), text, read: None }));
        }
        let (path, data) = row::read(&text)?;
        if !self.stream.covered && !request.wants(&path, &data) {
            return Ok(None);
        }
        let sort_key = if keyed { request.sort_key(&path, &data) } else { Vec::new() };
        Ok(Some(Found { sort_key, text, read: Some((path, data)) }))
    }

    fn next_row(&mut self) -> Result<Option<Row>, Error> {
        while self.rows.is_empty() {
            let Some(range) = self.ranges.front_mut() else { return Ok(None) };
            let rows = if self.stream.is_documents {
                self.store.scan(range, self.chunk)?
            } else {
                self.store.follow(range, self.chunk)?
            };
            self.scanned = self.scanned.saturating_add(rows.len() as u64);
            match rows.last() {
                Some((key, _)) if rows.len() == self.chunk => {
                    if range.reverse {
                        range.end.clone_from(key);
                    } else {
                        range.start.clone_from(key);
                        range.start.push(0);
                    }
                }
                _ => drop(self.ranges.pop_front()),
            }
            self.chunk = self.chunk.saturating_mul(2).min(CHUNK);
            self.rows = rows.into();
        }
        Ok(self.rows.pop_front())
    }
}
