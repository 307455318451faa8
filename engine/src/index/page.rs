//! The answer to a query: a page of documents.

use super::execute::{Documents, Found};
use super::page_token;
use super::plan::plan;
use super::request::Request;
use super::settings::Settings;
use blaze_schema::document::{Document, push_json_string};
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::ANSWER_BYTES;
use blaze_schema::query::{Limit, Query, project};
use blaze_schema::timestamp::Timestamp;
use blaze_store::Store;
use serde::{Deserialize, Serialize};

/// Documents of a query, in its order.
#[derive(Debug, Default)]
pub struct Page {
    pub(crate) documents: Vec<Found>,
    /// Index entries that were read.
    pub(crate) scanned: u64,
    /// The indexes that were read, for people.
    pub(crate) index: String,
    /// Whether there are documents after the last.
    pub(crate) more: bool,
    /// The last document that the offset left out, if the page has none, and how many it is still to leave out.
    left_out: Option<(Found, u64)>,
}

/// The first line of a page that one shard gives.
#[derive(Serialize, Deserialize)]
struct Head {
    scanned: u64,
    index: String,
    more: bool,
}

impl Page {
    /// Reads the page from one index; with sort keys, where pages are to be merged.
    ///
    /// # Errors
    /// The store's; `resource-exhausted` for more of the last documents than one answer holds.
    pub(crate) fn read(
        store: &impl Store,
        query: &Query,
        settings: &Settings,
        keyed: bool,
    ) -> Result<Self, Error> {
        let request = Request::new(query)?;
        let plan = plan(&request, settings, |range| {
            store.count(range, super::plan::PROBE).map_err(Error::from)
        })?;
        let mut page = Page { index: plan.index.clone(), ..Page::default() };
        // One more tells whether there are more.
        let most = request.wanted.map(|wanted| wanted.saturating_add(1));
        let mut documents =
            Documents::new(store, &request, plan, keyed).at_most(most).within(ANSWER_BYTES);
        page.fill(&request, || documents.next())?;
        page.scanned = documents.scanned();
        Ok(page)
    }

    /// Takes the documents that the request wants from all that `next` gives, in the order in which they are found.
    fn fill(
        &mut self,
        request: &Request<'_>,
        mut next: impl FnMut() -> Result<Option<Found>, Error>,
    ) -> Result<(), Error> {
        let (mut seen, mut bytes) = (0_u64, 0_usize);
        while let Some(found) = next()? {
            if request.wanted.is_some_and(|wanted| seen >= wanted) {
                self.more = true;
                break;
            }
            seen = seen.saturating_add(1);
            if seen <= request.query.offset {
                self.left_out = Some((found, request.query.offset.saturating_sub(seen)));
                continue;
            }
            bytes = bytes.saturating_add(found.text.len());
            if bytes > ANSWER_BYTES && !self.documents.is_empty() {
                if request.is_turned {
                    let detail =
                        format!("query: its last documents are more than {ANSWER_BYTES} bytes");
                    return Err(Error::new(Code::ResourceExhausted, detail));
                }
                self.more = true;
                break;
            }
            self.documents.push(found);
        }
        if request.is_turned {
            self.documents.reverse();
            self.more = false;
        }
        Ok(())
    }

    /// The answer's JSON: `{"documents","readTime","nextPageToken"?,"explain"?}`.
    ///
    /// # Errors
    /// `internal` for a document that cannot be read.
    pub fn render(&self, query: &Query, now: Timestamp) -> Result<String, Error> {
        let bytes: usize = self.documents.iter().map(|found| found.text.len()).sum();
        let mut text = String::with_capacity(bytes.saturating_add(256));
        text.push_str("{\"documents\":[");
        for (number, found) in self.documents.iter().enumerate() {
            if number > 0 {
                text.push(',');
            }
            match &query.select {
                None => text.push_str(&found.text),
                Some(_) => text.push_str(&shown(&found.text, query)?),
            }
        }
        text.push_str("],\"readTime\":\"");
        text.push_str(&now.to_string());
        text.push('"');
        let left_out = self.left_out.as_ref().map(|(found, offset)| (found, *offset));
        let last = self.documents.last().map(|found| (found, 0)).or(left_out);
        if let (true, Some((last, offset))) = (self.more, last) {
            let read = last.read()?;
            text.push_str(",\"nextPageToken\":");
            push_json_string(&mut text, &page_token::after(query, &read.0, &read.1, offset));
        }
        if query.explain {
            text.push_str(",\"explain\":{\"index\":");
            push_json_string(&mut text, &self.index);
            text.push_str(&format!(
                ",\"entriesScanned\":{},\"documentsReturned\":{}}}",
                self.scanned,
                self.documents.len()
            ));
        }
        text.push('}');
        Ok(text)
    }

    /// The page as one shard gives it: a head, then a sort key and a resource a line.
    pub(crate) fn to_lines(&self) -> Result<String, Error> {
        let head = Head { scanned: self.scanned, index: self.index.clone(), more: self.more };
        let mut text = serde_json::to_string(&head).map_err(Error::internal)?;
        for found in &self.documents {
            text.push('\n');
            for byte in &found.sort_key {
                text.push_str(&format!("{byte:02x}"));
            }
            text.push(' ');
            text.push_str(&found.text);
        }
        Ok(text)
    }

    /// The page that the shards of a collection make together. `shards` are answers to [`for_shard`]'s query.
    ///
    /// # Errors
    /// `internal` for what no shard gives.
    pub fn merge(query: &Query, shards: &[String]) -> Result<Self, Error> {
        let broken = || Error::internal("a shard's answer cannot be read");
        let request = Request::new(query)?;
        let mut page = Page::default();
        let mut parts = Vec::new();
        for shard in shards {
            let mut lines = shard.split('\n');
            let head: Head =
                lines.next().and_then(|line| serde_json::from_str(line).ok()).ok_or_else(broken)?;
            page.scanned = page.scanned.saturating_add(head.scanned);
            if page.index.is_empty() {
                page.index.clone_from(&head.index);
            }
            let mut documents: Vec<(&str, &str)> = lines
                .map(|line| line.split_once(' ').ok_or_else(broken))
                .collect::<Result<_, _>>()?;
            if request.is_turned {
                documents.reverse();
            }
            parts.push((documents.into_iter().peekable(), head.more));
        }
        let mut is_cut = false;
        page.fill(&request, || {
            let first = parts
                .iter_mut()
                .enumerate()
                .filter_map(|(number, (part, _))| part.peek().map(|(key, _)| (*key, number)))
                .min();
            // Past the end of a shard that has more, nobody knows what comes next.
            if is_cut {
                return Ok(None);
            }
            let Some((_, number)) = first else { return Ok(None) };
            let Some((part, more)) = parts.get_mut(number) else { return Ok(None) };
            let Some((_, text)) = part.next() else { return Ok(None) };
            is_cut = *more && part.peek().is_none();
            Ok(Some(Found { sort_key: Vec::new(), text: text.to_owned(), read: None }))
        })?;
        page.more |= is_cut && !request.is_turned;
        Ok(page)
    }
}

/// What one shard is asked for, so that the answers together hold the query's.
pub fn for_shard(query: &Query) -> Query {
    let mut shard = query.clone();
    // The token's offset is for all shards together too. A token that cannot be read, the shard refuses.
    if let Some(Ok((start, _))) =
        query.page_token.as_ref().map(|text| page_token::read(text, query))
    {
        shard.start = Some(start);
        shard.page_token = None;
    }
    shard.limit = query.limit.map(|limit| match limit {
        Limit::First(limit) => Limit::First(limit.saturating_add(query.offset)),
        Limit::Last(limit) => Limit::Last(limit.saturating_add(query.offset)),
    });
    shard.offset = 0;
    shard.select = None;
    shard
}

/// A resource as the query answers it.
pub(crate) fn shown(text: &str, query: &Query) -> Result<String, Error> {
    if query.select.is_none() {
        return Ok(text.to_owned());
    }
    let mut document: Document = serde_json::from_str(text).map_err(Error::internal)?;
    document.data = document.data.map(|data| project(&data, query.select.as_deref()));
    serde_json::to_string(&document).map_err(Error::internal)
}
