//! The document as the page shows it.

use serde_json::{Map, Value};

/// The state of the document that is open.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct View {
    /// Whether the server has said anything yet.
    pub(crate) loaded: bool,
    /// Whether the document exists.
    pub(crate) exists: bool,
    /// Its version; the last one when it was deleted, 0 when it never existed.
    pub(crate) version: u64,
    /// Whether a write of this page has not been answered yet.
    pub(crate) pending: bool,
    /// Its fields.
    pub(crate) data: Map<String, Value>,
    /// The fields that it last had: what creating it again restores.
    pub(crate) last: Map<String, Value>,
}

impl View {
    /// The document is in another state; `data` is `None` when it does not exist.
    pub(crate) fn follow(
        &mut self,
        version: u64,
        pending: bool,
        data: Option<&Map<String, Value>>,
    ) {
        self.loaded = true;
        self.exists = data.is_some();
        self.version = version;
        self.pending = pending;
        self.data = data.cloned().unwrap_or_default();
        if self.exists {
            self.last = self.data.clone();
        }
    }

    /// What the document is called: its `name`, or else its id.
    pub(crate) fn title(&self, path: &str) -> String {
        let id = path.rsplit('/').next().unwrap_or(path);
        match self.last.get("name") {
            Some(Value::String(name)) if !name.is_empty() => name.clone(),
            _ => id.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_deleted_document_is_remembered() {
        let mut view = View::default();
        assert!(!view.loaded);
        let data = json!({"name": "France", "area": 1});
        view.follow(3, true, data.as_object());
        assert!(view.loaded && view.exists && view.pending);
        view.follow(4, false, None);
        assert!(!view.exists && view.data.is_empty());
        assert_eq!(Value::from(view.last.clone()), data);
        assert_eq!(view.title("countries/FRA"), "France");
    }

    #[test]
    fn without_a_name_the_id_is_the_title() {
        let mut view = View::default();
        assert_eq!(view.title("countries/FRA"), "FRA");
        view.follow(1, false, json!({"name": 7}).as_object());
        assert_eq!(view.title("countries/FRA"), "FRA");
    }
}
