//! One live query: what its listeners have, and what they are told.

use super::Affected;
use super::difference::Difference;
use super::reading::Reading;
use super::steps::Step;
use super::window::{Applied, Item, Window};
use crate::index::page::shown;
use crate::index::request::Request;
use crate::index::settings::Settings;
use blaze_schema::error::Error;
use blaze_schema::hash::hash;
use blaze_schema::limits::LIVE_QUERY_BYTES;
use blaze_schema::path::DocumentPath;
use blaze_schema::query::{Query, Source};
use blaze_schema::wire::query::{added_text, removed_text};
use blaze_store::Store;
use serde_json::Value;

/// One live query.
#[derive(Debug)]
pub struct Subscription {
    pub(super) tag: String,
    pub(super) request: Request<'static>,
    /// What its listeners have; `None` when it is not in memory.
    pub(super) window: Option<Window>,
    /// [`Subscription::digest_of`] the window.
    pub(super) digest: u64,
    /// The digest of no documents: that of the query.
    empty_digest: u64,
    /// Whether its listeners may have something else: then they get the whole result next.
    pub(super) is_stale: bool,
}

/// What listeners are told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Whether it is the whole result.
    pub(super) reset: bool,
    pub(super) changes: Vec<String>,
}

impl Subscription {
    /// What the sockets of a live query are found by: 32 hexadecimal digits.
    pub fn tag_of(text: &str) -> String {
        hash(&[text.as_bytes()]).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads a live query: its JSON, as [`Query::to_json`] writes it.
    ///
    /// # Errors
    /// `invalid-argument` for what is no query, has a page token or is too long.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > LIVE_QUERY_BYTES {
            let detail = format!("query: {} bytes, of {LIVE_QUERY_BYTES} at most", text.len());
            return Err(Error::invalid(detail));
        }
        let value: Value = serde_json::from_str(text)
            .map_err(|error| Error::invalid(format!("query: not JSON: {error}")))?;
        let query = Query::from_json(value)?;
        if query.page_token.is_some() {
            return Err(Error::invalid("query.pageToken: pages cannot be listened to"));
        }
        let tag = Subscription::tag_of(text);
        // Equal results of different queries are not what a client of one of them had.
        let empty_digest = tag.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        Ok(Subscription {
            tag,
            request: Request::owned(query)?,
            window: None,
            digest: 0,
            empty_digest: empty_digest.unwrap_or(0),
            is_stale: false,
        })
    }

    pub(crate) fn source(&self) -> &Source {
        &self.request.query.from
    }

    /// What tells this result of this query from others.
    pub(super) fn digest_of(&self, window: &Window) -> u64 {
        self.empty_digest.wrapping_add(window.digest(&self.request))
    }

    /// Notes what listeners have.
    pub(super) fn hold(&mut self, window: Window) {
        self.digest = self.digest_of(&window);
        self.window = Some(window);
        self.is_stale = false;
    }

    /// Nobody knows what listeners have.
    pub(super) fn forget(&mut self) {
        self.window = None;
        self.is_stale = true;
    }

    /// Brings a written change into the window: what listeners are told.
    ///
    /// # Errors
    /// The store's; `resource-exhausted` when the result has become too large to be listened to.
    pub(super) fn change(
        &mut self,
        store: &impl Store,
        settings: &Settings,
        affected: &Affected,
        difference: &mut Difference<'_>,
    ) -> Result<Told, Error> {
        let Some(mut window) = self.window.take().filter(|_| !self.is_stale) else {
            let reading = Reading::read(store, settings, &self.request, 0)?;
            let changes = reading.whole(&self.request)?;
            self.hold(reading.window);
            return Ok(Told { reset: true, changes });
        };
        let (old, new) = (affected.old.as_ref(), affected.new.as_ref());
        if let Some(applied) = window.apply(&self.request, old, new) {
            window.check(0)?;
            let changes = self.tell(applied, affected, difference)?;
            self.window = Some(window);
            return Ok(Told { reset: false, changes });
        }
        let reading = Reading::read(store, settings, &self.request, 0)?;
        let changes = reading.changes_from(&window, &self.request, |_, old_index, new_index| {
            difference.modified(&self.request, old_index, new_index)
        })?;
        self.hold(reading.window);
        Ok(Told { reset: false, changes })
    }

    /// The steps as texts; the digest follows them.
    fn tell(
        &mut self,
        applied: Applied,
        affected: &Affected,
        difference: &mut Difference<'_>,
    ) -> Result<Vec<String>, Error> {
        let state = |item: Option<&Item>| item.map_or(0, |item| item.state);
        let mut gone = applied.gone.into_iter();
        let mut texts = Vec::with_capacity(applied.steps.len());
        for step in applied.steps {
            let (goes, comes);
            texts.push(match step {
                Step::Removed { index, .. } => {
                    let item = gone.next();
                    (goes, comes) = (state(item.as_ref()), 0);
                    let path = item.as_ref().map_or("", |item| item.path.as_str());
                    let path = DocumentPath::parse(path)
                        .map_err(|_| Error::internal("a path that is none"))?;
                    removed_text(&path, index)
                }
                Step::Added { index, .. } => {
                    (goes, comes) = (0, state(affected.new.as_ref()));
                    let now = difference.now;
                    added_text(&now.path, index, &shown(&now.resource, &self.request.query)?)
                }
                Step::Modified { old_index, new_index, .. } => {
                    (goes, comes) = (state(affected.old.as_ref()), state(affected.new.as_ref()));
                    difference.modified(&self.request, old_index, new_index)?
                }
            });
            self.digest = self.digest.wrapping_sub(goes).wrapping_add(comes);
        }
        Ok(texts)
    }
}
