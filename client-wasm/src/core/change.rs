//! What an application asks to be done to a document: checked, and as it travels.

use crate::core::json;
use blaze_schema::Error;
use blaze_schema::field_path::FieldPath;
use blaze_schema::write::Operation;
use serde_json::Value;

/// A change of one document.
#[derive(Clone, Debug)]
pub struct Change {
    operation: Operation,
    body: Option<String>,
}

impl Change {
    /// Firestore's create: refused when the document exists.
    ///
    /// # Errors
    /// As [`Operation::create`].
    pub fn create(data: Value) -> Result<Self, Error> {
        Self::new(data, Operation::create)
    }

    /// Firestore's set: replaces the document, or creates it.
    ///
    /// # Errors
    /// As [`Operation::set`].
    pub fn set(data: Value) -> Result<Self, Error> {
        Self::new(data, Operation::set)
    }

    /// Firestore's set with merge: leaves overwrite, siblings survive.
    ///
    /// # Errors
    /// As [`Operation::merge`].
    pub fn merge(data: Value) -> Result<Self, Error> {
        Self::new(data, Operation::merge)
    }

    /// Firestore's set with merge fields: only what `fields` name is taken from the data.
    ///
    /// # Errors
    /// As [`Operation::merge_fields`].
    pub fn merge_fields(data: Value, fields: &[FieldPath]) -> Result<Self, Error> {
        Self::new(data, |data| Operation::merge_fields(data, fields))
    }

    /// Firestore's update: field paths to values; refused when the document does not exist.
    ///
    /// # Errors
    /// As [`Operation::update`].
    pub fn update(fields: Value) -> Result<Self, Error> {
        Self::new(fields, Operation::update)
    }

    /// A JSON Patch (RFC 6902).
    ///
    /// # Errors
    /// As [`Operation::patch`].
    pub fn patch(operations: Value) -> Result<Self, Error> {
        Self::new(operations, Operation::patch)
    }

    /// Removes the document.
    pub fn delete() -> Self {
        Change { operation: Operation::Delete, body: None }
    }

    fn new(
        data: Value,
        check: impl FnOnce(Value) -> Result<Operation, Error>,
    ) -> Result<Self, Error> {
        let body = Some(json::print(&data));
        Ok(Change { operation: check(data)?, body })
    }

    /// What it does to the document's data.
    pub fn operation(&self) -> &Operation {
        &self.operation
    }

    /// The operation and the request's body, JSON text.
    pub fn into_parts(self) -> (Operation, Option<String>) {
        (self.operation, self.body)
    }
}
