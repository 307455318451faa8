//! Live queries: who listens to which, and what a document's change does to their results.
//!
//! Sockets with the same query share one *subscription*: one window, one frame. Subscriptions, windows and the log are
//! memory only. After a loss of memory the sockets say which queries there are, and a window is read again from the rows
//! as they are before the next change that concerns it, which is what its listeners have.

mod difference;
mod log;
mod matcher;
mod ranges;
mod reading;
mod resume;
pub(crate) mod steps;
mod subscription;
mod window;

pub use subscription::Subscription;
pub(crate) use window::{check_size, state_of};

use super::row::Parsed;
use super::settings::Settings;
use blaze_schema::error::Error;
use blaze_schema::wire::document::error_text;
use blaze_schema::wire::query::changes_texts;
use blaze_store::Store;
use difference::Difference;
use log::Log;
use matcher::{Id, Matcher};
use reading::Reading;
use resume::{Token, catch_up};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use window::Item;

/// The live queries of an index.
#[derive(Debug, Default)]
pub(crate) struct Live {
    ids: HashMap<String, Id>,
    subscriptions: BTreeMap<Id, Subscription>,
    next_id: Id,
    matcher: Matcher,
    /// `None` until somebody listens.
    log: Option<Log>,
}

/// A subscription that a change concerns: the document as it was and is in its result.
pub(crate) struct Affected {
    id: Id,
    old: Option<Item>,
    new: Option<Item>,
}

/// A frame for the listeners of a query.
pub(crate) struct Frame {
    pub(crate) tag: String,
    pub(crate) text: String,
}

impl Live {
    /// A write failed: nobody knows what listeners have.
    pub(crate) fn forget(&mut self, random: u128) {
        for subscription in self.subscriptions.values_mut() {
            subscription.forget();
        }
        // One of another name: what the old one would have said may not be so.
        self.log = self.log.as_ref().map(|_| Log::new(random as u64));
    }

    /// The live queries of the sockets that there are.
    pub(crate) fn wake(&mut self, subscriptions: &[String], random: u128) {
        self.log.get_or_insert_with(|| Log::new(random as u64));
        for text in subscriptions {
            // One that cannot be read was refused when it came.
            if let Ok(subscription) = Subscription::parse(text) {
                self.add(subscription);
            }
        }
    }

    fn add(&mut self, subscription: Subscription) -> Id {
        if let Some(id) = self.ids.get(&subscription.tag) {
            return *id;
        }
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        self.matcher.add(id, &subscription.request);
        self.ids.insert(subscription.tag.clone(), id);
        self.subscriptions.insert(id, subscription);
        id
    }

    /// The last socket of a live query has gone.
    pub(crate) fn disconnect(&mut self, tag: &str) {
        if let Some(id) = self.ids.remove(tag)
            && let Some(subscription) = self.subscriptions.remove(&id)
        {
            self.matcher.remove(id, &subscription.request);
        }
    }

    /// The first frames of a socket: the whole result, or what has changed since `resume`.
    ///
    /// # Errors
    /// The store's; `resource-exhausted` for a result that is too large to be listened to.
    pub(crate) fn connect(
        &mut self,
        store: &impl Store,
        settings: &Settings,
        subscription: Subscription,
        resume: Option<&str>,
        random: u128,
    ) -> Result<Vec<String>, Error> {
        let log = self.log.get_or_insert_with(|| Log::new(random as u64));
        let had = resume.and_then(Token::read);
        let token = |digest| Token { log: log.name, count: log.count, digest };
        let known = self.ids.get(&subscription.tag).and_then(|id| self.subscriptions.get(id));
        if let (Some(had), Some(known)) = (had, known)
            && known.window.is_some()
            && known.digest == had.digest
        {
            return Ok(changes_texts(false, &[], &token(had.digest).to_string()));
        }
        let reading = Reading::read(store, settings, &subscription.request, 0)?;
        let digest = subscription.digest_of(&reading.window);
        let missed = match had {
            Some(had) if had.digest == digest => Some(Vec::new()),
            Some(had) if had.log == log.name => match log.since(had.count) {
                Some(changed) => {
                    catch_up(store, settings, &subscription, &reading, &had, &changed)?
                }
                None => None,
            },
            _ => None,
        };
        let (reset, changes) = match missed {
            Some(changes) => (false, changes),
            None => (true, reading.whole(&subscription.request)?),
        };
        let frames = changes_texts(reset, &changes, &token(digest).to_string());
        let id = self.add(subscription);
        if let Some(subscription) = self.subscriptions.get_mut(&id)
            && !subscription.is_stale
        {
            subscription.hold(reading.window);
        }
        Ok(frames)
    }

    /// The live queries that a change concerns: to be asked before the change is written.
    pub(crate) fn affected(
        &mut self,
        store: &impl Store,
        settings: &Settings,
        before: Option<&Parsed>,
        change: &Parsed,
    ) -> Vec<Affected> {
        if self.subscriptions.is_empty() {
            return Vec::new();
        }
        let mut found = BTreeSet::new();
        for document in before.into_iter().chain([change]) {
            if let Some(data) = &document.data {
                self.matcher.find(&document.path, data, &mut found);
            }
        }
        let state = |document: &Parsed| {
            state_of(document.path.as_str(), document.version, &document.update_time)
        };
        let (old_state, new_state) = (before.map_or(0, state), state(change));
        let mut affected = Vec::new();
        for id in found {
            let Some(subscription) = self.subscriptions.get_mut(&id) else { continue };
            let request = &subscription.request;
            let old = before.and_then(|before| Item::of(request, before, old_state));
            let new = Item::of(request, change, new_state);
            if old == new {
                continue;
            }
            if subscription.window.is_none() && !subscription.is_stale {
                match Reading::read(store, settings, request, 0) {
                    Ok(reading) => subscription.hold(reading.window),
                    Err(_) => subscription.forget(),
                }
            }
            affected.push(Affected { id, old, new });
        }
        affected
    }

    /// The frames for the listeners of those queries: after the change was written. Listeners of a query that cannot be
    /// brought on are told why, and are listeners no more.
    pub(crate) fn update(
        &mut self,
        store: &impl Store,
        settings: &Settings,
        affected: Vec<Affected>,
        before: Option<&Parsed>,
        change: &Parsed,
    ) -> Vec<Frame> {
        let Some(log) = &mut self.log else { return Vec::new() };
        log.push(before, change.path.as_str());
        let (log, count) = (log.name, log.count);
        let mut frames = Vec::new();
        let mut difference = Difference::new(before, change);
        for affected in affected {
            let Some(subscription) = self.subscriptions.get_mut(&affected.id) else { continue };
            let told = subscription.change(store, settings, &affected, &mut difference);
            let tag = subscription.tag.clone();
            match told {
                Ok(told) if !told.reset && told.changes.is_empty() => {}
                Ok(told) => {
                    let token = Token { log, count, digest: subscription.digest };
                    let texts = changes_texts(told.reset, &told.changes, &token.to_string());
                    frames.extend(texts.into_iter().map(|text| Frame { tag: tag.clone(), text }));
                }
                Err(error) => {
                    self.disconnect(&tag);
                    frames.push(Frame { tag, text: error_text(&error) });
                }
            }
        }
        frames
    }
}
