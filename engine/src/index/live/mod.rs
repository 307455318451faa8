//! Live queries: who listens to which, and what a document's change does to their results.
//!
//! Sockets with the same query share one *subscription*: one window, one frame. Subscriptions, windows and the log are
//! memory only. After a loss of memory the sockets say which queries there are, and a window is read again from the rows
//! as they are before the next change that concerns it, which is what its listeners have.

mod log;
mod matcher;
pub(crate) mod steps;
mod window;

use super::request::Request;
use super::row::{self, Parsed};
use super::settings::Settings;
use crate::hash;
use crate::store::Store;
use blaze_schema::changes::{added_text, changes_text, modified_text, removed_text, replaced_text};
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::LIVE_QUERY_BYTES;
use blaze_schema::message::error_text;
use blaze_schema::patch::diff;
use blaze_schema::path::DocumentPath;
use blaze_schema::query::{Query, project};
use blaze_schema::value::Map;
use log::Log;
use matcher::{Id, Matcher};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use steps::{Entry, Step, steps};
pub(crate) use window::state_of;
use window::{Item, Window};

/// One live query.
#[derive(Debug)]
pub struct Subscription {
    tag: String,
    request: Request<'static>,
    /// What its listeners have; `None` when it is not in memory.
    window: Option<Window>,
    digest: u64,
    /// Whether its listeners may have something else: then they get the whole result next.
    is_stale: bool,
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
        Ok(Subscription {
            tag: Subscription::tag_of(text),
            request: Request::owned(query)?,
            window: None,
            digest: 0,
            is_stale: false,
        })
    }
}

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

/// A subscription that a change concerns.
pub(crate) struct Affected {
    id: Id,
    old: Option<Item>,
    new: Option<Item>,
    failure: Option<Error>,
}

/// What a change did to a document, worked out when the first listener needs it.
struct Difference<'a> {
    before: Option<&'a Parsed>,
    change: &'a Parsed,
    patch: Option<String>,
}

impl Live {
    /// A step failed: nobody knows what listeners have.
    pub(crate) fn forget(&mut self) {
        for subscription in self.subscriptions.values_mut() {
            subscription.window = None;
            subscription.is_stale = true;
        }
        self.log = None;
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

    /// The first frame of a socket: the whole result, or what has changed since `resume`.
    ///
    /// # Errors
    /// Those of [`Subscription::parse`], and the store's.
    pub(crate) fn connect(
        &mut self,
        store: &impl Store,
        settings: &Settings,
        text: &str,
        resume: Option<&str>,
        random: u128,
    ) -> Result<String, Error> {
        let parsed = Subscription::parse(text)?;
        let (window, texts) = Window::read(store, settings, &parsed.request, 0)?;
        let digest = window.digest(&parsed.request);
        let log = self.log.get_or_insert_with(|| Log::new(random as u64));
        let token = token(log, digest);
        let missed = match resume.and_then(read_token) {
            Some((name, count, _)) if name == log.name => match log.since(count) {
                Some(changed) => {
                    catch_up(store, settings, &parsed.request, &window, &texts, &changed)?
                }
                None => None,
            },
            Some((_, _, had)) if had == digest => Some(Vec::new()),
            _ => None,
        };
        let frame = match missed {
            Some(changes) => changes_text(false, &changes, &token),
            None => {
                let changes = whole(&parsed.request, &window, &texts)?;
                changes_text(true, &changes, &token)
            }
        };
        let id = self.add(parsed);
        if let Some(subscription) = self.subscriptions.get_mut(&id)
            && !subscription.is_stale
        {
            subscription.window = Some(window);
            subscription.digest = digest;
        }
        Ok(frame)
    }

    /// The live queries that a change concerns: to be asked before the change is written.
    ///
    /// # Errors
    /// None for what concerns one query only: that one is told.
    pub(crate) fn affected(
        &mut self,
        store: &impl Store,
        settings: &Settings,
        before: Option<&Parsed>,
        change: &Parsed,
    ) -> Result<Vec<Affected>, Error> {
        if self.subscriptions.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = BTreeSet::new();
        for document in before.into_iter().chain([change]) {
            if let Some(data) = &document.data {
                self.matcher.find(&document.path, data, &mut found);
            }
        }
        let mut affected = Vec::new();
        for id in found {
            let Some(subscription) = self.subscriptions.get_mut(&id) else { continue };
            let request = &subscription.request;
            let old = before.and_then(|before| Item::of(request, before));
            let new = Item::of(request, change);
            if old.is_none() && new.is_none() {
                continue;
            }
            let mut failure = None;
            if subscription.window.is_none() {
                match Window::read(store, settings, request, 0) {
                    Ok((window, _)) => {
                        subscription.digest = window.digest(request);
                        subscription.window = Some(window);
                    }
                    Err(error) => failure = Some(error),
                }
            }
            affected.push(Affected { id, old, new, failure });
        }
        Ok(affected)
    }

    /// The frames for the listeners of those queries, each with its tag: after the change was written.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn update(
        &mut self,
        store: &impl Store,
        settings: &Settings,
        affected: Vec<Affected>,
        before: Option<&Parsed>,
        change: &Parsed,
    ) -> Result<Vec<(String, String)>, Error> {
        if let Some(log) = &mut self.log {
            log.push(before, change.path.as_str());
        }
        let mut frames = Vec::new();
        let mut difference = Difference { before, change, patch: None };
        for affected in affected {
            let log = self.log.get_or_insert_with(|| Log::new(0));
            let Some(subscription) = self.subscriptions.get_mut(&affected.id) else { continue };
            let changed = match affected.failure.clone() {
                Some(error) => Err(error),
                None => subscription.change(store, settings, &affected, &mut difference),
            };
            let tag = subscription.tag.clone();
            match changed {
                Ok((false, changes)) if changes.is_empty() => {}
                Ok((reset, changes)) => {
                    let token = token(log, subscription.digest);
                    frames.push((tag, changes_text(reset, &changes, &token)));
                }
                Err(error) => {
                    self.disconnect(&tag);
                    frames.push((tag, error_text(&error)));
                }
            }
        }
        Ok(frames)
    }
}

impl Subscription {
    /// Brings a written change into the window; whether its listeners get the whole result, and the changes.
    fn change(
        &mut self,
        store: &impl Store,
        settings: &Settings,
        affected: &Affected,
        difference: &mut Difference<'_>,
    ) -> Result<(bool, Vec<String>), Error> {
        let request = &self.request;
        if self.is_stale {
            let (window, texts) = Window::read(store, settings, request, 0)?;
            let changes = whole(request, &window, &texts)?;
            self.digest = window.digest(request);
            self.window = Some(window);
            self.is_stale = false;
            return Ok((true, changes));
        }
        let mut window = self.window.take().unwrap_or_default();
        let path = &difference.change.path;
        if let Some((steps, gone)) =
            window.apply(request, affected.old.as_ref(), affected.new.as_ref())
        {
            let mut gone = gone.into_iter();
            let mut texts = Vec::new();
            for step in steps {
                texts.push(match step {
                    Step::Removed { index, .. } => {
                        let Some(item) = gone.next() else { continue };
                        self.digest = self.digest.wrapping_sub(item.state);
                        removed_text(&document_path(&item.path)?, index)
                    }
                    Step::Added { index, .. } => {
                        let new = affected.new.as_ref().map_or(0, |new| new.state);
                        self.digest = self.digest.wrapping_add(new);
                        added_text(path, index, &shown(request, &difference.change.resource)?)
                    }
                    Step::Modified { old_index, new_index, .. } => {
                        let state =
                            |item: &Option<Item>| item.as_ref().map_or(0, |item| item.state);
                        self.digest = self
                            .digest
                            .wrapping_sub(state(&affected.old))
                            .wrapping_add(state(&affected.new));
                        difference.modified(request, old_index, new_index)?
                    }
                });
            }
            self.window = Some(window);
            return Ok((false, texts));
        }
        // A document that nobody knows here comes in: the result is read again.
        let (next, texts) = Window::read(store, settings, request, 0)?;
        let (old, new) = (window.entries(request), next.entries(request));
        let places = next.visible(request);
        let mut changes = Vec::new();
        for step in steps(&old, &new) {
            changes.push(match step {
                Step::Removed { old: place, index } => {
                    let (path, _) = old.get(place).copied().unwrap_or_default();
                    removed_text(&document_path(path)?, index)
                }
                Step::Added { new, index } => added_at(request, &places, &texts, new, index)?,
                Step::Modified { old_index, new_index, .. } => {
                    difference.modified(request, old_index, new_index)?
                }
            });
        }
        self.digest = next.digest(request);
        self.window = Some(next);
        Ok((false, changes))
    }
}

impl Difference<'_> {
    fn modified(
        &mut self,
        request: &Request<'_>,
        old_index: usize,
        new_index: usize,
    ) -> Result<String, Error> {
        let old = self.before.and_then(|before| before.data.as_ref());
        let (Some(old), Some(new)) = (old, &self.change.data) else {
            let shown = shown(request, &self.change.resource)?;
            return Ok(replaced_text(&self.change.path, old_index, new_index, &shown));
        };
        let patch = match (&request.query.select, &self.patch) {
            (None, Some(patch)) => patch.clone(),
            (None, None) => {
                let patch = patch_text(old, new)?;
                self.patch.insert(patch).clone()
            }
            (Some(select), _) => {
                patch_text(&project(old, Some(select)), &project(new, Some(select)))?
            }
        };
        let Parsed { path, version, update_time, .. } = self.change;
        Ok(modified_text(path, old_index, new_index, *version, update_time, &patch))
    }
}

fn patch_text(old: &Map, new: &Map) -> Result<String, Error> {
    let patch = diff(&Value::Object(old.clone()), &Value::Object(new.clone()));
    serde_json::to_string(&patch).map_err(|error| Error::new(Code::Internal, error.to_string()))
}

/// Everything as added.
fn whole(request: &Request<'_>, window: &Window, texts: &[String]) -> Result<Vec<String>, Error> {
    let places = window.visible(request);
    (0..places.len()).map(|place| added_at(request, &places, texts, place, place)).collect()
}

fn added_at(
    request: &Request<'_>,
    places: &[usize],
    texts: &[String],
    new: usize,
    index: usize,
) -> Result<String, Error> {
    let text = places.get(new).and_then(|place| texts.get(*place)).map_or("", String::as_str);
    let (path, _, _) = row::identity(text)?;
    Ok(added_text(&document_path(&path)?, index, &shown(request, text)?))
}

/// A resource as the query answers it.
fn shown(request: &Request<'_>, text: &str) -> Result<String, Error> {
    super::page::shown(text, &request.query)
}

/// The changes from what the result was before the documents in `changed` did, to what it is.
fn catch_up(
    store: &impl Store,
    settings: &Settings,
    request: &Request<'_>,
    window: &Window,
    texts: &[String],
    changed: &[(&str, Option<&Parsed>)],
) -> Result<Option<Vec<String>>, Error> {
    if changed.is_empty() {
        return Ok(Some(Vec::new()));
    }
    // Documents that were in the result then and have not changed are among the first still, but for those changed.
    let (mut before, _) = Window::read(store, settings, request, changed.len())?;
    before.items.retain(|item| !changed.iter().any(|(path, _)| *path == item.path));
    let were = changed.iter().filter_map(|(_, before)| Item::of(request, (*before)?));
    before.items.extend(were);
    before.items.sort_by(|a, b| a.sort_key.cmp(&b.sort_key));
    if let Some(wanted) = request.wanted {
        before.items.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
    }
    let (old, new) = (before.entries(request), window.entries(request));
    let places = window.visible(request);
    let mut changes = Vec::new();
    for step in steps(&old, &new) {
        changes.push(match step {
            Step::Removed { old: place, index } => {
                let (path, _): Entry<'_> = old.get(place).copied().unwrap_or_default();
                removed_text(&document_path(path)?, index)
            }
            Step::Added { new, index } => added_at(request, &places, texts, new, index)?,
            Step::Modified { new: place, old_index, new_index } => {
                let text = places.get(place).and_then(|place| texts.get(*place));
                let now =
                    Parsed::parse(format!("\n{}", text.map_or("", String::as_str)).as_bytes())?;
                let before = changed.iter().find(|(path, _)| *path == now.path.as_str());
                let before = before.and_then(|(_, before)| *before);
                Difference { before, change: &now, patch: None }
                    .modified(request, old_index, new_index)?
            }
        });
    }
    Ok(Some(changes))
}

fn document_path(path: &str) -> Result<DocumentPath, Error> {
    DocumentPath::parse(path).map_err(|_| Error::new(Code::Internal, "a path that is none"))
}

/// `<log's name>.<changes counted>.<digest of the result>`
fn token(log: &Log, digest: u64) -> String {
    format!("{:x}.{}.{digest:x}", log.name, log.count)
}

fn read_token(token: &str) -> Option<(u64, u64, u64)> {
    let mut parts = token.split('.');
    let name = u64::from_str_radix(parts.next()?, 16).ok()?;
    let count = parts.next()?.parse().ok()?;
    let digest = u64::from_str_radix(parts.next()?, 16).ok()?;
    parts.next().is_none().then_some((name, count, digest))
}
