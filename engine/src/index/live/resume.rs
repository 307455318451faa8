//! Going on after a disconnect.

use super::difference::Difference;
use super::log::Earlier;
use super::reading::Reading;
use super::subscription::Subscription;
use super::window::{Item, Window, state_of};
use crate::index::row::Parsed;
use crate::index::settings::Settings;
use blaze_schema::error::{Code, Error};
use blaze_store::Store;
use std::collections::HashMap;
use std::fmt;

/// What a client had last: which result, and after which change. `<log's name>.<changes counted>.<digest>`
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) log: u64,
    pub(crate) count: u64,
    /// [`Subscription::digest_of`] the result.
    pub(crate) digest: u64,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{}.{:x}", self.log, self.count, self.digest)
    }
}

impl Token {
    /// `None` for what is no token: whoever has it has nothing.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let log = u64::from_str_radix(parts.next()?, 16).ok()?;
        let count = parts.next()?.parse().ok()?;
        let digest = u64::from_str_radix(parts.next()?, 16).ok()?;
        parts.next().is_none().then_some(Token { log, count, digest })
    }
}

/// The changes from the result that a client had to the one that was just read. `changed` are the documents that have
/// changed since, as they were then. `None` when the client's result cannot be told from these.
///
/// # Errors
/// The store's; `internal` for a broken row.
pub(crate) fn catch_up(
    store: &impl Store,
    settings: &Settings,
    subscription: &Subscription,
    reading: &Reading,
    had: &Token,
    changed: &Earlier<'_>,
) -> Result<Option<Vec<String>>, Error> {
    let request = &subscription.request;
    let Some(mut before) = beyond(store, settings, subscription, reading, changed.len())? else {
        return Ok(None);
    };
    let mut documents = HashMap::new();
    for (path, resource) in changed {
        if let Some(resource) = resource {
            documents.insert(*path, Parsed::of("", resource)?);
        }
    }
    let item = |document: &Parsed| {
        let path = document.path.as_str();
        Item::of(request, document, state_of(path, document.version, &document.update_time))
    };
    let were = documents.values().filter_map(item);
    before.exchange(request, |path| changed.contains_key(path), were);
    // A token of another query, or none that was ever given.
    if subscription.digest_of(&before) != had.digest {
        return Ok(None);
    }
    let modified = |resource: &str, old_index, new_index| {
        let now = Parsed::of("", resource)?;
        let then = documents.get(now.path.as_str());
        Difference::new(then, &now).modified(request, old_index, new_index)
    };
    reading.changes_from(&before, request, modified).map(Some)
}

/// The documents of the result, and so many beyond it: documents that were in the result then and have not changed are
/// among these. `None` when they are too many.
fn beyond(
    store: &impl Store,
    settings: &Settings,
    subscription: &Subscription,
    reading: &Reading,
    beyond: usize,
) -> Result<Option<Window>, Error> {
    let request = &subscription.request;
    if !reading.window.is_full(request) {
        return Ok(Some(reading.window.clone()));
    }
    match Reading::read(store, settings, request, beyond) {
        Ok(reading) => Ok(Some(reading.window)),
        Err(error) if error.code == Code::ResourceExhausted => Ok(None),
        Err(error) => Err(error),
    }
}
