//! A document as it was at one moment.

use crate::core::http::Read;
use crate::core::row::{Row, Times};
use crate::core::view::Visible;
use blaze_schema::field_path::FieldPath;
use blaze_schema::path::DocumentPath;
use blaze_schema::value::Map;
use serde_json::Value;
use std::rc::Rc;

/// What a document held, or that it did not exist. Cloning is cheap.
#[derive(Clone, Debug, PartialEq)]
pub struct DocumentSnapshot {
    path: Rc<DocumentPath>,
    visible: Visible,
    times: Option<Rc<Times>>,
}

impl DocumentSnapshot {
    pub(crate) fn of_view(path: Rc<DocumentPath>, visible: Visible) -> Self {
        DocumentSnapshot { path, visible, times: None }
    }

    /// A document of a query's result.
    pub(crate) fn of_row(row: &Row) -> Self {
        let data = Some(Rc::clone(&row.data));
        DocumentSnapshot {
            path: Rc::clone(&row.path),
            visible: Visible { version: row.version, data, pending: row.pending },
            times: row.times.clone(),
        }
    }

    /// The answer to a read.
    pub(crate) fn of_read(path: Rc<DocumentPath>, read: Read) -> Self {
        let found = match read {
            Read::Found(found) => found,
            Read::Missing { version } => {
                let visible = Visible { version, data: None, pending: false };
                return DocumentSnapshot { path, visible, times: None };
            }
        };
        let times = Times { created: found.create_time, updated: found.update_time };
        let visible =
            Visible { version: found.version, data: Some(Rc::new(found.data)), pending: false };
        DocumentSnapshot { path, visible, times: Some(Rc::new(times)) }
    }

    /// Whether the document existed.
    pub fn exists(&self) -> bool {
        self.visible.data.is_some()
    }

    /// The document's id.
    pub fn id(&self) -> &str {
        self.path.id()
    }

    pub(crate) fn document_path(&self) -> &DocumentPath {
        &self.path
    }

    /// The document's path.
    pub fn path(&self) -> &str {
        self.path.as_str()
    }

    /// The server's version, under writes that are pending. For a document that does not exist: the version of its
    /// delete, or 0.
    pub fn version(&self) -> u64 {
        self.visible.version
    }

    /// The fields; `None` when the document did not exist.
    pub fn data(&self) -> Option<&Map> {
        self.visible.data.as_deref()
    }

    /// One field, by its path: `address.city`, `` `a.b`.c ``. `None` when there is none, and for what is no path.
    pub fn get(&self, field_path: &str) -> Option<&Value> {
        let field_path = FieldPath::parse(field_path).ok()?;
        let (first, rest) = field_path.keys().split_first()?;
        rest.iter().try_fold(self.data()?.get(first)?, |value, key| value.as_object()?.get(key))
    }

    /// Whether the data holds writes of this client that the server has not confirmed.
    pub fn has_pending_writes(&self) -> bool {
        self.visible.pending
    }

    /// When the document was created, RFC 3339. Known after `get` and in a query's result, of a document that the server
    /// has.
    pub fn create_time(&self) -> Option<&str> {
        self.times.as_deref().map(|times| times.created.as_str())
    }

    /// When it last changed, RFC 3339. Known as [`DocumentSnapshot::create_time`] is.
    pub fn update_time(&self) -> Option<&str> {
        self.times.as_deref().map(|times| times.updated.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::http::Found;
    use serde_json::json;

    #[test]
    fn fields_are_found_by_their_path() {
        let data = json!({"a": {"b": {"c": 1}}, "a.b": 2, "list": [1]});
        let found = Read::Found(Found {
            version: 7,
            create_time: "c".to_owned(),
            update_time: "u".to_owned(),
            data: data.as_object().cloned().unwrap(),
        });
        let path = Rc::new(DocumentPath::parse("a/b").unwrap());
        let snapshot = DocumentSnapshot::of_read(Rc::clone(&path), found);
        assert_eq!(snapshot.get("a.b.c"), Some(&json!(1)));
        assert_eq!(snapshot.get("`a.b`"), Some(&json!(2)));
        for none in ["x", "a.x", "a.b.c.d", "list.0", "", "a..b"] {
            assert_eq!(snapshot.get(none), None, "{none}");
        }
        assert_eq!(
            (snapshot.id(), snapshot.path(), snapshot.version(), snapshot.exists()),
            ("b", "a/b", 7, true)
        );
        assert_eq!((snapshot.create_time(), snapshot.update_time()), (Some("c"), Some("u")));
        let missing = DocumentSnapshot::of_read(path, Read::Missing { version: 8 });
        assert_eq!((missing.exists(), missing.version(), missing.get("a")), (false, 8, None));
    }
}
