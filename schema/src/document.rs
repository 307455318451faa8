//! A document as it is answered: `{"path","id","version","createTime","updateTime","data"}`.

use crate::path::DocumentPath;
use crate::value::Map;
use serde::{Deserialize, Serialize};

/// A document resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// `collection/id[/collection/id…]`.
    pub path: String,
    /// The last segment of the path.
    pub id: String,
    /// 1 at creation, +1 on every committed change; it goes on through a delete and a re-creation.
    pub version: u64,
    /// When the document was created, RFC 3339.
    pub create_time: String,
    /// When it last changed, RFC 3339.
    pub update_time: String,
    /// Its fields. Left out under `Prefer: return=minimal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Map>,
}

/// The text of a [`Document`] whose data is text already: one copy, no parsing. `data` is compact JSON, or `None` to
/// leave it out.
pub fn document_text(
    path: &DocumentPath,
    version: u64,
    create_time: &str,
    update_time: &str,
    data: Option<&str>,
) -> String {
    let mut text = String::with_capacity(data.map_or(0, str::len).saturating_add(256));
    text.push_str("{\"path\":");
    push_json_string(&mut text, path.as_str());
    text.push_str(",\"id\":");
    push_json_string(&mut text, path.id());
    text.push_str(",\"version\":");
    text.push_str(&version.to_string());
    text.push_str(",\"createTime\":\"");
    text.push_str(create_time);
    text.push_str("\",\"updateTime\":\"");
    text.push_str(update_time);
    text.push('"');
    if let Some(data) = data {
        text.push_str(",\"data\":");
        text.push_str(data);
    }
    text.push('}');
    text
}

/// Appends `content` as a JSON string.
pub fn push_json_string(text: &mut String, content: &str) {
    // A string always serialises; were it not to, an empty one keeps the text valid.
    text.push_str(&serde_json::to_string(content).unwrap_or_else(|_| "\"\"".to_owned()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_text_is_the_documents() {
        let path = DocumentPath::parse("a \"quoted\" one/é").unwrap();
        let text = document_text(
            &path,
            7,
            "2026-11-21T10:00:00Z",
            "2026-11-21T10:00:01Z",
            Some(r#"{"a":1}"#),
        );
        let document: Document = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (document.path.as_str(), document.id.as_str(), document.version),
            (path.as_str(), "é", 7)
        );
        assert_eq!(document.data, json!({"a": 1}).as_object().cloned());
        assert_eq!(serde_json::to_string(&document).unwrap(), text);
        let minimal = document_text(&path, 7, "", "", None);
        assert_eq!(serde_json::from_str::<Document>(&minimal).unwrap().data, None);
    }
}
