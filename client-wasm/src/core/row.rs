//! The documents of a query's result.

use blaze_schema::document::Document;
use blaze_schema::field_path::FieldPath;
use blaze_schema::patch::{Patch, apply_trusted};
use blaze_schema::path::DocumentPath;
use blaze_schema::query::project;
use blaze_schema::value::Map;
use serde_json::Value;
use std::rc::Rc;

/// The documents of a result, in its order.
pub type Rows = Rc<Vec<Rc<Row>>>;

/// One document of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where it is.
    pub path: Rc<DocumentPath>,
    /// The server's version, under writes that are pending; 0 when the server is not known to have it.
    pub version: u64,
    /// What the server answers: all fields, or those that are selected and those that the query looks at.
    pub full: Rc<Map>,
    /// The fields that the application asked for.
    pub data: Rc<Map>,
    /// When the server wrote it; `None` when it is not known to have.
    pub times: Option<Rc<Times>>,
    /// Whether it holds writes that the server has not confirmed.
    pub pending: bool,
}

/// When a document was written, RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Times {
    /// At first.
    pub created: String,
    /// At last.
    pub updated: String,
}

impl Row {
    /// The row of a document that the server answered, `None` when it left out the data or it is of another document.
    pub fn of(path: DocumentPath, document: Document, select: Option<&[FieldPath]>) -> Option<Row> {
        if document.path != path.as_str() {
            return None;
        }
        let full = Rc::new(document.data?);
        Some(Row {
            path: Rc::new(path),
            version: document.version,
            data: selected(&full, select),
            full,
            times: Some(Rc::new(Times {
                created: document.create_time,
                updated: document.update_time,
            })),
            pending: false,
        })
    }

    /// The row after a patch of the server's data; `None` when that is for other data.
    pub fn patched(
        &self,
        patch: &Patch,
        version: u64,
        updated: String,
        select: Option<&[FieldPath]>,
    ) -> Option<Row> {
        let mut value = Value::Object((*self.full).clone());
        apply_trusted(&mut value, patch).ok()?;
        let Value::Object(full) = value else { return None };
        let (path, full) = (Rc::clone(&self.path), Rc::new(full));
        let created = self.times.as_ref()?.created.clone();
        let times = Some(Rc::new(Times { created, updated }));
        Some(Row { path, version, data: selected(&full, select), full, times, pending: false })
    }
}

/// The fields at `select`: the same map where that is all of them.
pub fn selected(full: &Rc<Map>, select: Option<&[FieldPath]>) -> Rc<Map> {
    match select {
        Some(_) => Rc::new(project(full, select)),
        None => Rc::clone(full),
    }
}
