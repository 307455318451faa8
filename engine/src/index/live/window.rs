//! The result of a live query, as its listeners have it.

use super::steps::{Entry, Step};
use crate::hash;
use crate::index::request::Request;
use crate::index::row::Parsed;
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{ANSWER_BYTES, LIVE_DOCUMENTS};

/// The documents of a result in the order in which they are found: with those that an offset leaves out, and, for a
/// query for the last documents, the last one first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Window {
    items: Vec<Item>,
    /// The bytes of their resources.
    bytes: usize,
}

/// A document of a window.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    pub(crate) sort_key: Vec<u8>,
    pub(crate) path: String,
    /// What tells this state of the document from others.
    pub(crate) state: u64,
    /// The bytes of its resource.
    pub(crate) bytes: usize,
}

/// What tells states of a document apart.
pub(crate) fn state_of(path: &str, version: u64, update_time: &str) -> u64 {
    // A version alone may come again, with another history.
    let parts = [path.as_bytes(), &version.to_be_bytes(), update_time.as_bytes()];
    hash(&parts).iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

impl Item {
    /// A document as a query's window has it, if the query wants it. `state` is [`state_of`] the document.
    pub(crate) fn of(request: &Request<'_>, document: &Parsed, state: u64) -> Option<Self> {
        let data = document.data.as_ref()?;
        request.wants(&document.path, data).then(|| Item {
            sort_key: request.sort_key(&document.path, data),
            path: document.path.as_str().to_owned(),
            state,
            bytes: document.resource.len(),
        })
    }
}

/// What a change does to a window.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Applied {
    pub(crate) steps: Vec<Step>,
    /// What went, for each step that removes.
    pub(crate) gone: Vec<Item>,
}

impl Window {
    /// Whether this is all that a listener can have: at most `beyond` documents more than are allowed.
    ///
    /// # Errors
    /// `resource-exhausted` for a result that is too large.
    pub(crate) fn check(&self, beyond: usize) -> Result<(), Error> {
        if self.items.len() <= LIVE_DOCUMENTS.saturating_add(beyond) && self.bytes <= ANSWER_BYTES {
            return Ok(());
        }
        let detail = format!(
            "query: its result has more than {LIVE_DOCUMENTS} documents or {ANSWER_BYTES} bytes; listen with a limit"
        );
        Err(Error::new(Code::ResourceExhausted, detail))
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there may be documents of the query beyond the window.
    pub(crate) fn is_full(&self, request: &Request<'_>) -> bool {
        self.items.len() >= wanted(request)
    }

    pub(crate) fn push(&mut self, item: Item) {
        self.insert(self.items.len(), item);
    }

    fn insert(&mut self, place: usize, item: Item) {
        self.bytes = self.bytes.saturating_add(item.bytes);
        self.items.insert(place.min(self.items.len()), item);
    }

    fn remove(&mut self, place: usize) -> Option<Item> {
        let item = (place < self.items.len()).then(|| self.items.remove(place))?;
        self.bytes = self.bytes.saturating_sub(item.bytes);
        Some(item)
    }

    /// Puts other documents in the place of those that `leaves` names, and leaves out what is then beyond the window.
    pub(crate) fn exchange(
        &mut self,
        request: &Request<'_>,
        leaves: impl Fn(&str) -> bool,
        comes: impl Iterator<Item = Item>,
    ) {
        self.items.retain(|item| !leaves(&item.path));
        self.items.extend(comes);
        self.items.sort_by(|a, b| a.sort_key.cmp(&b.sort_key));
        self.items.truncate(wanted(request));
        self.bytes = self.items.iter().fold(0, |bytes, item| bytes.saturating_add(item.bytes));
    }

    /// The places of what listeners have, in their order.
    pub(crate) fn visible(&self, request: &Request<'_>) -> Vec<usize> {
        let offset = usize::try_from(request.query.offset).unwrap_or(usize::MAX);
        let places = offset.min(self.items.len())..self.items.len();
        if request.is_turned { places.rev().collect() } else { places.collect() }
    }

    /// The same as entries.
    pub(crate) fn entries(&self, request: &Request<'_>) -> Vec<Entry<'_>> {
        let item = |place: usize| self.items.get(place);
        let places = self.visible(request);
        places.into_iter().filter_map(item).map(|item| (item.path.as_str(), item.state)).collect()
    }

    /// What tells this result from others: the order says nothing that the documents do not.
    pub(crate) fn digest(&self, request: &Request<'_>) -> u64 {
        self.entries(request).iter().fold(0, |digest, (_, state)| digest.wrapping_add(*state))
    }

    fn place_of(&self, sort_key: &[u8]) -> Result<usize, usize> {
        self.items.binary_search_by(|item| item.sort_key.as_slice().cmp(sort_key))
    }

    /// Brings a change in, if that can be done without reading. `None` when documents may come in that nobody knows
    /// here: then nothing was done, and the result is to be read again.
    pub(crate) fn apply(
        &mut self,
        request: &Request<'_>,
        old: Option<&Item>,
        new: Option<&Item>,
    ) -> Option<Applied> {
        if request.query.offset > 0 {
            return None;
        }
        let (length, is_full) = (self.items.len(), self.is_full(request));
        let present = old.and_then(|old| self.place_of(&old.sort_key).ok());
        let target = new.map(|new| {
            let place = self.place_of(&new.sort_key).unwrap_or_else(|place| place);
            // Where it was does not count.
            let is_behind = present.is_some_and(|present| present < place);
            place.saturating_sub(usize::from(is_behind))
        });
        let last = length.saturating_sub(1);
        if present.is_some() && is_full && target.is_none_or(|target| target >= last) {
            return None;
        }
        let seen = |place: usize, length: usize| {
            if request.is_turned { length.saturating_sub(place).saturating_sub(1) } else { place }
        };
        let mut applied = Applied::default();
        let mut leave = |window: &mut Window, place: usize| {
            let index = seen(place, length);
            applied.steps.push(Step::Removed { old: index, index });
            applied.gone.extend(window.remove(place));
        };
        match (present, target.zip(new)) {
            (Some(place), Some((target, new))) => {
                self.remove(place);
                self.insert(target, new.clone());
                let (old_index, new_index) = (seen(place, length), seen(target, length));
                applied.steps.push(Step::Modified { new: new_index, old_index, new_index });
            }
            (Some(place), None) => leave(self, place),
            (None, Some((target, new))) if target < wanted(request) => {
                if is_full {
                    leave(self, last);
                }
                self.insert(target, new.clone());
                let index = seen(target, self.items.len());
                applied.steps.push(Step::Added { new: index, index });
            }
            (None, _) => {}
        }
        Some(applied)
    }
}

/// How many documents a window holds at most.
fn wanted(request: &Request<'_>) -> usize {
    request.wanted.map_or(usize::MAX, |wanted| usize::try_from(wanted).unwrap_or(usize::MAX))
}
