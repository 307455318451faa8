//! What changed in a document, as the frames tell it.

use crate::index::page::shown;
use crate::index::request::Request;
use crate::index::row::Parsed;
use blaze_schema::error::Error;
use blaze_schema::limits::PATCH_OPERATIONS;
use blaze_schema::patch::diff;
use blaze_schema::query::project;
use blaze_schema::value::Map;
use blaze_schema::wire::query::{modified_text, replaced_text};
use serde_json::Value;

/// A document before and after a change.
pub(crate) struct Difference<'a> {
    before: Option<&'a Parsed>,
    pub(crate) now: &'a Parsed,
    /// What a query for all of the data is told, once somebody asked: the patch, or that there is none.
    patch: Option<Option<String>>,
}

impl<'a> Difference<'a> {
    pub(crate) fn new(before: Option<&'a Parsed>, now: &'a Parsed) -> Self {
        Difference { before, now, patch: None }
    }

    /// That the document is another, and where it was and is in the result: with a patch, or the whole document where
    /// a patch does not say all or is longer.
    ///
    /// # Errors
    /// `internal` for a broken row.
    pub(crate) fn modified(
        &mut self,
        request: &Request<'_>,
        old_index: usize,
        new_index: usize,
    ) -> Result<String, Error> {
        let Parsed { path, version, update_time, resource, .. } = self.now;
        Ok(match self.patch(request)? {
            Some(patch) => modified_text(path, old_index, new_index, *version, update_time, &patch),
            None => replaced_text(path, old_index, new_index, &shown(resource, &request.query)?),
        })
    }

    fn patch(&mut self, request: &Request<'_>) -> Result<Option<String>, Error> {
        let Some(before) = self.before else { return Ok(None) };
        let (Some(old), Some(new)) = (&before.data, &self.now.data) else { return Ok(None) };
        // It was deleted and made again: a patch does not say when.
        if before.create_time != self.now.create_time {
            return Ok(None);
        }
        if let Some(select) = &request.query.select {
            return patch_text(&project(old, Some(select)), &project(new, Some(select)));
        }
        if let Some(patch) = &self.patch {
            return Ok(patch.clone());
        }
        let patch = patch_text(old, new)?;
        Ok(self.patch.insert(patch).clone())
    }
}

/// The patch; `None` where it would be longer than the data, or longer than a client reads.
fn patch_text(old: &Map, new: &Map) -> Result<Option<String>, Error> {
    let new = Value::Object(new.clone());
    let patch = diff(&Value::Object(old.clone()), &new);
    if patch.0.len() > PATCH_OPERATIONS {
        return Ok(None);
    }
    let text = serde_json::to_string(&patch).map_err(Error::internal)?;
    let whole = serde_json::to_string(&new).map_err(Error::internal)?;
    // A document is told with its path and times besides.
    Ok((text.len() <= whole.len().saturating_add(DOCUMENT_OVERHEAD)).then_some(text))
}

/// About what a resource has beside its data, and a patch has not.
const DOCUMENT_OVERHEAD: usize = 128;
