//! How much the writes of one request do to one document: bounds that hold for all of them together.

use crate::error::{Code, Error};
use crate::limits::{COMMIT_DOCUMENT_BYTES, PATCH_COPY_BYTES, PATCH_MOVE_BYTES, PATCH_OPERATIONS};
use crate::value::Map;
use serde_json::Value;

/// What they have done so far.
#[derive(Default)]
pub struct Spent {
    operations: usize,
    copied_bytes: usize,
    moved_bytes: usize,
    gone_over_bytes: usize,
}

impl Spent {
    /// A JSON Patch of so many operations.
    ///
    /// # Errors
    /// `resource-exhausted` beyond [`PATCH_OPERATIONS`].
    pub(crate) fn operate(&mut self, operations: usize) -> Result<(), Error> {
        self.operations = self.operations.saturating_add(operations);
        check(self.operations, PATCH_OPERATIONS, || {
            format!("operations: more than {PATCH_OPERATIONS} in all on one document")
        })
    }

    /// One operation copies or moves so many bytes.
    ///
    /// # Errors
    /// `resource-exhausted` beyond [`PATCH_COPY_BYTES`] or [`PATCH_MOVE_BYTES`].
    pub(crate) fn carry(&mut self, copied: usize, moved: usize) -> Result<(), Error> {
        self.copied_bytes = self.copied_bytes.saturating_add(copied);
        self.moved_bytes = self.moved_bytes.saturating_add(moved);
        check(self.copied_bytes, PATCH_COPY_BYTES, || {
            format!("copies more than {PATCH_COPY_BYTES} bytes in all")
        })?;
        check(self.moved_bytes, PATCH_MOVE_BYTES, || {
            format!("moves more than {PATCH_MOVE_BYTES} bytes in all")
        })
    }

    /// Another write goes over what the ones before it left.
    ///
    /// # Errors
    /// `resource-exhausted` beyond [`COMMIT_DOCUMENT_BYTES`].
    pub(crate) fn go_over(&mut self, data: &Map) -> Result<(), Error> {
        self.gone_over_bytes = self.gone_over_bytes.saturating_add(map_bytes(data));
        check(self.gone_over_bytes, COMMIT_DOCUMENT_BYTES, || {
            format!(
                "so many writes of so large a document are too much at once: {COMMIT_DOCUMENT_BYTES} bytes in all"
            )
        })
    }
}

fn check(spent: usize, limit: usize, detail: impl FnOnce() -> String) -> Result<(), Error> {
    if spent > limit { Err(Error::new(Code::ResourceExhausted, detail())) } else { Ok(()) }
}

/// About as many bytes as `value` has as JSON text.
pub(crate) fn text_bytes(value: &Value) -> usize {
    let content = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(text_bytes).fold(0, usize::saturating_add),
        Value::Object(map) => map_bytes(map),
    };
    content.saturating_add(4)
}

fn map_bytes(map: &Map) -> usize {
    let field = |(key, value): (&String, &Value)| key.len().saturating_add(text_bytes(value));
    map.iter().map(field).fold(0, usize::saturating_add)
}
