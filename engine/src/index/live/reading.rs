//! The result of a live query as the rows have it, with the documents.

use super::steps::{Step, steps};
use super::window::{Item, Window, state_of};
use crate::index::execute::{Documents, Found};
use crate::index::page::shown;
use crate::index::plan::{PROBE, plan};
use crate::index::request::Request;
use crate::index::row;
use crate::index::settings::Settings;
use blaze_schema::error::Error;
use blaze_schema::limits::ANSWER_BYTES;
use blaze_schema::path::DocumentPath;
use blaze_schema::wire::query::{added_text, removed_text};
use blaze_store::Store;

/// A result that was just read.
pub(crate) struct Reading {
    pub(crate) window: Window,
    /// The resources of the window's documents.
    texts: Vec<String>,
}

impl Reading {
    /// Reads the result, and at most `beyond` documents more than the query wants.
    ///
    /// # Errors
    /// The store's; `resource-exhausted` for a result that is too large to be listened to.
    pub(crate) fn read(
        store: &impl Store,
        settings: &Settings,
        request: &Request<'_>,
        beyond: usize,
    ) -> Result<Self, Error> {
        let plan = plan(request, settings, |range| store.count(range, PROBE).map_err(Error::from))?;
        let wanted = request.wanted.map(|wanted| wanted.saturating_add(beyond as u64));
        let documents = Documents::new(store, request, plan, true);
        let mut documents = documents.at_most(wanted).within(ANSWER_BYTES);
        let mut reading = Reading { window: Window::default(), texts: Vec::new() };
        while wanted.is_none_or(|wanted| (reading.window.len() as u64) < wanted)
            && let Some(Found { sort_key, text, .. }) = documents.next()?
        {
            let (path, version, update_time) = row::identity(&text)?;
            let state = state_of(&path, version, &update_time);
            reading.window.push(Item { sort_key, path, state, bytes: text.len() });
            reading.window.check(beyond)?;
            reading.texts.push(text);
        }
        Ok(reading)
    }

    /// Everything as added.
    ///
    /// # Errors
    /// `internal` for a broken row.
    pub(crate) fn whole(&self, request: &Request<'_>) -> Result<Vec<String>, Error> {
        self.changes_from(&Window::default(), request, |_, _, _| Ok(String::new()))
    }

    /// What leads here from the result of an earlier window. `modified` makes the text of a document that changed, given
    /// its resource and its places before and after.
    ///
    /// # Errors
    /// Those of `modified`; `internal` for a broken row.
    pub(crate) fn changes_from(
        &self,
        earlier: &Window,
        request: &Request<'_>,
        mut modified: impl FnMut(&str, usize, usize) -> Result<String, Error>,
    ) -> Result<Vec<String>, Error> {
        let (old, new) = (earlier.entries(request), self.window.entries(request));
        let places = self.window.visible(request);
        let path_at = |list: &[(&str, u64)], place: usize| {
            let path = list.get(place).map_or("", |(path, _)| *path);
            DocumentPath::parse(path).map_err(|_| Error::internal("a path that is none"))
        };
        let text_at = |place: usize| {
            let text = places.get(place).and_then(|place| self.texts.get(*place));
            text.map_or("", String::as_str)
        };
        let change = |step: Step| match step {
            Step::Removed { old: place, index } => Ok(removed_text(&path_at(&old, place)?, index)),
            Step::Added { new: place, index } => {
                let document = shown(text_at(place), &request.query)?;
                Ok(added_text(&path_at(&new, place)?, index, &document))
            }
            Step::Modified { new: place, old_index, new_index } => {
                modified(text_at(place), old_index, new_index)
            }
        };
        steps(&old, &new).into_iter().map(change).collect()
    }
}
