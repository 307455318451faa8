//! The effect of a write on a document's record.

use super::write::Edit;
use super::{Answer, resource};
use crate::index::count_entries;
use crate::index::settings::Settings;
use crate::record::Record;
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::ENTRIES;
use blaze_schema::patch::diff;
use blaze_schema::path::DocumentPath;
use blaze_schema::spent::Spent;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::value::{Map, data_to_text};
use blaze_schema::wire::document::{delete_text, patch_text};
use serde_json::Value;
use std::borrow::Cow;

/// The effect of a write on a record.
pub(super) struct Change {
    pub(super) record: Record,
    /// The frame for the listeners; `None` if nothing changed.
    pub(super) frame: Option<String>,
    created: bool,
}

impl Change {
    pub(super) fn of(
        record: Record,
        edits: Vec<Edit>,
        now: Timestamp,
        settings: &Settings,
    ) -> Result<Self, Error> {
        let numbered = numbered(edits.len());
        for (number, edit) in edits.iter().enumerate() {
            for precondition in &edit.preconditions {
                let met = precondition.check(record.present_version());
                met.map_err(|error| numbered(error, number))?;
            }
        }
        if edits.iter().all(Edit::is_verify) {
            return Ok(Change { record, frame: None, created: false });
        }
        // A document's times never go back, whatever the clock does.
        let now = now.max(record.update_time);
        let old = record.data.as_deref().map(parse_data).transpose()?;
        let mut state = old.as_ref().map(Cow::Borrowed);
        let mut spent = Spent::default();
        for (number, edit) in edits.into_iter().enumerate().filter(|(_, edit)| !edit.is_verify()) {
            let next = edit.operation.apply_to(state, now, &mut spent);
            state = next.map_err(|error| numbered(error, number))?.map(Cow::Owned);
        }
        match (state.map(Cow::into_owned), old) {
            (None, None) => Ok(Change { record, frame: None, created: false }),
            (None, Some(_)) => Ok(Change::delete(record, now)),
            (Some(new), old) => Change::set(record, old, new, now, settings),
        }
    }

    fn delete(mut record: Record, now: Timestamp) -> Self {
        let base = record.version;
        record.version = base.saturating_add(1);
        record.update_time = now;
        record.data = None;
        let frame = delete_text(base, record.version);
        record.push_log(&frame);
        Change { record, frame: Some(frame), created: false }
    }

    fn set(
        mut record: Record,
        old: Option<Map>,
        new: Map,
        now: Timestamp,
        settings: &Settings,
    ) -> Result<Self, Error> {
        if let Some(schema) = &settings.schema {
            schema.check(&new)?;
        }
        let new = Value::Object(new);
        let text = data_to_text(&new)?;
        check_entries(&new, &text, settings)?;
        let created = old.is_none();
        let patch = match old {
            None => whole("add", &text),
            Some(old) => {
                let patch = diff(&Value::Object(old), &new);
                if patch.0.is_empty() {
                    return Ok(Change { record, frame: None, created: false });
                }
                let patch = serde_json::to_string(&patch).map_err(Error::internal)?;
                let replacement = whole("replace", &text);
                if patch.len() > replacement.len() { replacement } else { patch }
            }
        };
        let base = record.version;
        record.version = base.saturating_add(1);
        record.update_time = now;
        if created {
            record.create_time = now;
        }
        record.data = Some(text);
        let frame = patch_text(base, record.version, &patch);
        record.push_log(&frame);
        Ok(Change { record, frame: Some(frame), created })
    }

    /// Makes the answer to a commit at `now`: with the change's own time, if there is a change.
    pub(super) fn committed(&self, now: Timestamp, writes: usize) -> Answer {
        let is_changed = self.frame.is_some();
        let time = if is_changed { self.record.update_time } else { now };
        Answer::Committed { time: time.to_string(), version: self.record.version, writes }
    }

    pub(super) fn answer(&self, path: &DocumentPath, return_data: bool) -> Answer {
        let version = self.record.version;
        match self.record.data {
            Some(_) => Answer::Written {
                created: self.created,
                version,
                body: resource(path, &self.record, return_data),
            },
            None => Answer::Deleted { version },
        }
    }
}

/// Adds to an error in which of `count` writes it is.
fn numbered(count: usize) -> impl Fn(Error, usize) -> Error {
    move |error, number| match count {
        1 => error,
        _ => error.at(&format!("write {} of {count}", number.saturating_add(1))),
    }
}

/// Refuses data with more than [`ENTRIES`] index entries. Each takes two bytes of JSON at least, so that most documents
/// need not be looked at.
fn check_entries(data: &Value, text: &str, settings: &Settings) -> Result<(), Error> {
    if text.len() <= ENTRIES.saturating_mul(2) {
        return Ok(());
    }
    let entries = data.as_object().map_or(0, |data| count_entries(data, settings));
    if entries > ENTRIES {
        let detail = format!(
            "data: {entries} index entries, of {ENTRIES} at most; exempt fields that are not queried"
        );
        return Err(Error::new(Code::ResourceExhausted, detail));
    }
    Ok(())
}

/// Writes a patch that puts the whole document in place; `data` is compact JSON.
fn whole(operation: &str, data: &str) -> String {
    format!("[{{\"op\":\"{operation}\",\"path\":\"\",\"value\":{data}}}]")
}

fn parse_data(text: &str) -> Result<Map, Error> {
    serde_json::from_str(text)
        .map_err(|error| Error::internal(format!("the document cannot be read: {error}")))
}
