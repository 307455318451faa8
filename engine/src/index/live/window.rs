//! The result of a live query, as its listeners have it.

use super::steps::{Entry, Step};
use crate::hash;
use crate::index::execute::{Documents, Found};
use crate::index::plan::{PROBE, plan};
use crate::index::request::Request;
use crate::index::row::{self, Parsed};
use crate::index::settings::Settings;
use crate::store::Store;
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{ANSWER_BYTES, LIVE_DOCUMENTS};

/// The documents of a result in the order in which they are found: with those that an offset leaves out, and, for a
/// query for the last documents, the last one first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    pub(crate) items: Vec<Item>,
}

/// A document of a window.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    pub(crate) sort_key: Vec<u8>,
    pub(crate) path: String,
    /// What tells this state of the document from others.
    pub(crate) state: u64,
}

/// What tells states of a document apart.
pub(crate) fn state_of(path: &str, version: u64, update_time: &str) -> u64 {
    // A version alone may come again, with another history.
    let parts = [path.as_bytes(), &version.to_be_bytes(), update_time.as_bytes()];
    hash(&parts).iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

impl Item {
    pub(crate) fn of(request: &Request<'_>, document: &Parsed) -> Option<Self> {
        let data = document.data.as_ref()?;
        request.wants(&document.path, data).then(|| Item {
            sort_key: request.sort_key(&document.path, data),
            path: document.path.as_str().to_owned(),
            state: state_of(document.path.as_str(), document.version, &document.update_time),
        })
    }
}

impl Window {
    /// Reads the result: at most `beyond` documents more than the query wants, and the resources.
    ///
    /// # Errors
    /// The store's; `resource-exhausted` for a result that is too large to be listened to.
    pub(crate) fn read(
        store: &impl Store,
        settings: &Settings,
        request: &Request<'_>,
        beyond: usize,
    ) -> Result<(Self, Vec<String>), Error> {
        let plan = plan(request, settings, |range| store.count(range, PROBE).map_err(Error::from))?;
        let mut documents = Documents::new(store, request, plan, true);
        let wanted = request.wanted.map(|wanted| wanted.saturating_add(beyond as u64));
        let (mut window, mut texts, mut bytes) = (Window::default(), Vec::new(), 0_usize);
        while wanted.is_none_or(|wanted| (window.items.len() as u64) < wanted)
            && let Some(Found { sort_key, text, .. }) = documents.next()?
        {
            bytes = bytes.saturating_add(text.len());
            if window.items.len() >= LIVE_DOCUMENTS || bytes > ANSWER_BYTES {
                let detail = format!(
                    "query: its result has more than {LIVE_DOCUMENTS} documents or {ANSWER_BYTES} bytes; listen with a limit"
                );
                return Err(Error::new(Code::ResourceExhausted, detail));
            }
            let (path, version, update_time) = row::identity(&text)?;
            window.items.push(Item {
                sort_key,
                state: state_of(&path, version, &update_time),
                path,
            });
            texts.push(text);
        }
        Ok((window, texts))
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

    /// Brings a change in, if that can be done without reading: the steps, and what they do to the digest. `None` when
    /// documents that nobody knows here come in: then the result is to be read again.
    pub(crate) fn apply(
        &mut self,
        request: &Request<'_>,
        old: Option<&Item>,
        new: Option<&Item>,
    ) -> Option<(Vec<Step>, Vec<Item>)> {
        if request.query.offset > 0 {
            return None;
        }
        let wanted = request
            .wanted
            .map_or(usize::MAX, |wanted| usize::try_from(wanted).unwrap_or(usize::MAX));
        let is_full = self.items.len() >= wanted;
        let present = old.and_then(|old| self.place_of(&old.sort_key).ok());
        let seen = |place: usize, length: usize| {
            if request.is_turned { length.saturating_sub(place).saturating_sub(1) } else { place }
        };
        let length = self.items.len();
        let target = new.map(|new| {
            let place = self.place_of(&new.sort_key).unwrap_or_else(|place| place);
            // Where it was does not count.
            if present.is_some_and(|present| present < place) {
                place.saturating_sub(1)
            } else {
                place
            }
        });
        let kept = length.saturating_sub(usize::from(present.is_some()));
        if present.is_some() && is_full && target.is_none_or(|target| target >= kept) {
            return None;
        }
        let mut steps = Vec::new();
        let mut gone = Vec::new();
        match (present, target, new) {
            (Some(place), Some(target), Some(new)) => {
                self.items.remove(place);
                self.items.insert(target.min(self.items.len()), new.clone());
                steps.push(Step::Modified {
                    new: seen(target, length),
                    old_index: seen(place, length),
                    new_index: seen(target, length),
                });
            }
            (Some(place), _, _) => {
                gone.push(self.items.remove(place));
                steps.push(Step::Removed { old: seen(place, length), index: seen(place, length) });
            }
            (None, Some(target), Some(new)) if target < wanted => {
                if is_full && let Some(last) = self.items.pop() {
                    gone.push(last);
                    let index = seen(length.saturating_sub(1), length);
                    steps.push(Step::Removed { old: index, index });
                }
                self.items.insert(target.min(self.items.len()), new.clone());
                let index = seen(target, self.items.len());
                steps.push(Step::Added { new: index, index });
            }
            _ => {}
        }
        Some((steps, gone))
    }
}
