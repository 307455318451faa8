//! Reading what a plan says: streams of rows, sorted where their order is not the query's, merged, each document once.

use super::key::{Precision, indexed_length};
use super::plan::{Plan, Stream, StreamOrder};
use super::request::Request;
use super::row;
use super::run::{Most, Run};
use blaze_schema::error::Error;
use blaze_schema::path::DocumentPath;
use blaze_schema::value::Map;
use blaze_store::{Range, Row, Store};
use std::borrow::Cow;
use std::collections::VecDeque;

/// Rows that are read at once, at most.
const CHUNK: usize = 512;
/// Rows that are read first where nobody knows how large they are.
const UNKNOWN_CHUNK: usize = 32;
/// Rows that are read first where more than one stream is, or rows may not be wanted.
const FIRST_CHUNK: usize = 2;
/// A chunk is of so many rows that they have about so many bytes.
const CHUNK_BYTES: usize = 2 * 1_024 * 1_024;

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

impl Found {
    /// Path and data.
    ///
    /// # Errors
    /// `internal` for a document that cannot be read.
    pub(crate) fn read(&self) -> Result<Cow<'_, (DocumentPath, Map)>, Error> {
        match &self.read {
            Some(read) => Ok(Cow::Borrowed(read)),
            None => row::read(&self.text).map(Cow::Owned),
        }
    }
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
        let readers =
            plan.streams.into_iter().map(|stream| Reader::new(store, stream, single, keyed));
        let readers: Vec<_> = readers.collect();
        let heads = readers.iter().map(|_| None).collect();
        Documents { request, readers, heads, started: false, last: None }
    }

    /// The same, of which no more than so many will be asked for.
    pub(crate) fn at_most(mut self, documents: Option<u64>) -> Self {
        let Some(most) = documents.and_then(|count| usize::try_from(count).ok()) else {
            return self;
        };
        let single = self.readers.len() == 1;
        for reader in &mut self.readers {
            reader.most.documents = most;
            let is_exact = reader.stream.covered && reader.stream.order == StreamOrder::Exact;
            if single && is_exact {
                reader.needed = Some(most);
            } else if reader.stream.order != StreamOrder::Whole {
                reader.chunk = most.min(FIRST_CHUNK);
            }
        }
        self
    }

    /// The same, of which no more will be asked for than `bytes` hold, the query's offset left out, and one more.
    pub(crate) fn within(mut self, bytes: usize) -> Self {
        let skipped = usize::try_from(self.request.query.offset).unwrap_or(usize::MAX);
        for reader in &mut self.readers {
            reader.most = Most { bytes, skipped, ..reader.most };
        }
        self
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
    most: Most,
    /// How many rows are still needed, where each is a document and in order.
    needed: Option<usize>,
    /// How many rows are read the next time, unless it is known how many are needed.
    chunk: usize,
    /// How many rows of the size of those read last are not too much at once.
    bearable: usize,
    scanned: u64,
}

impl<'a, S: Store> Reader<'a, S> {
    fn new(store: &'a S, mut stream: Stream, single: bool, keyed: bool) -> Self {
        Reader {
            store,
            ranges: std::mem::take(&mut stream.ranges).into(),
            stream,
            keyed: keyed || !single,
            rows: VecDeque::new(),
            run: VecDeque::new(),
            most: Most::ALL,
            needed: None,
            chunk: CHUNK,
            bearable: UNKNOWN_CHUNK,
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
        let mut run = Run::new(self.most);
        let mut next = Some(value);
        while let Some(value) = next {
            if let Some(found) = self.look(request, value, true)? {
                run.push(found);
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
        self.run = run.sorted().into();
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
            let chunk = match self.needed {
                Some(needed) if needed > 0 => needed,
                _ => self.chunk,
            };
            let chunk = chunk.min(self.bearable);
            let rows = self.store.follow(range, chunk)?;
            self.scanned = self.scanned.saturating_add(rows.len() as u64);
            match rows.last() {
                Some((key, _)) if rows.len() == chunk => range.skip_to_after(key),
                _ => drop(self.ranges.pop_front()),
            }
            self.size_up(&rows);
            self.rows = rows.into();
        }
        Ok(self.rows.pop_front())
    }

    /// Settles how many rows are read after these.
    fn size_up(&mut self, rows: &[Row]) {
        self.needed = self.needed.map(|needed| needed.saturating_sub(rows.len()));
        self.chunk = self.chunk.saturating_mul(2).min(CHUNK);
        let largest = rows.iter().map(|(_, value)| value.len()).max().unwrap_or(0);
        let fitting = CHUNK_BYTES.checked_div(largest).unwrap_or(CHUNK);
        // Those that come may be larger.
        self.bearable = fitting.clamp(1, self.bearable.saturating_mul(4)).min(CHUNK);
    }
}
