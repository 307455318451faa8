//! Commits: what `blaze_schema::commit` reads by hand, and what [`Reply::of`](crate::http::reply::Reply::of) writes, as
//! JSON Schemas.

use super::refusals::{problem, with_problems};
use super::{answer, body, idempotency_key, operations_schema, reference};
use blaze_schema::limits::COMMIT_WRITES;
use serde_json::{Value, json};

/// The components, by their names.
pub(super) fn schemas() -> [(&'static str, Value); 3] {
    [("Commit", commit()), ("Write", write()), ("Committed", committed())]
}

/// `POST /v1/commit`
pub(super) fn operation() -> Value {
    json!({
        "operationId": "commit",
        "summary": "Several writes of a document, all or nothing, as one version",
        "parameters": [idempotency_key()],
        "requestBody": body("application/json", reference("Commit")),
        "responses": with_problems(json!({
            "200": answer("Done", "Committed"),
            "501": problem("Writes of several documents, all of which could be done: not built yet")
        }))
    })
}

fn commit() -> Value {
    json!({
        "type": "object",
        "properties": {"writes": {"type": "array", "items": reference("Write"), "maxItems": COMMIT_WRITES}},
        "required": ["writes"],
        "additionalProperties": false
    })
}

fn write() -> Value {
    let data = [
        ("create", "The document must not exist."),
        ("set", "Replaces the document, or creates it."),
        (
            "merge",
            "Firestore's set with merge: leaves overwrite, siblings survive, null is a value.",
        ),
        ("update", "Fields by their paths. The document must exist."),
    ];
    let mut kinds: Vec<Value> = data
        .into_iter()
        .map(|(name, does)| {
            let written = kind(name, does, Some(("data", reference("Data"))));
            if name == "merge" { with_merge_fields(written) } else { written }
        })
        .collect();
    let patch = "RFC 6902. The document must exist.";
    kinds.push(kind("patch", patch, Some(("operations", operations_schema()))));
    kinds.push(kind("delete", "Removes the document, if it is there.", None));
    kinds.push(kind("verify", "Changes nothing: ifVersion counts.", None));
    json!({
        "description": "The first key names what is done, and the document's path, which is not percent-encoded.",
        "oneOf": kinds
    })
}

fn kind(name: &str, does: &str, content: Option<(&str, Value)>) -> Value {
    let if_version = "The version before the whole commit; 0: it must not exist. 409 otherwise.";
    let mut properties = json!({
        name: {"type": "string", "description": "A document's path", "minLength": 3},
        "ifVersion": {"type": "integer", "minimum": 0, "description": if_version}
    });
    let mut required = vec![name];
    if let Some((key, schema)) = content {
        properties = super::with(properties, key, schema);
        required.push(key);
    }
    json!({
        "type": "object",
        "description": does,
        "properties": properties,
        "required": required,
        "additionalProperties": false
    })
}

fn with_merge_fields(mut kind: Value) -> Value {
    let description = "These fields alone are taken from the data, each as a whole; every one must be there, as \
                       {\"$delete\": true} to be removed.";
    if let Some(properties) = kind.pointer_mut("/properties").and_then(Value::as_object_mut) {
        let field =
            json!({"type": "string", "description": "A field path, such as b.c", "minLength": 1});
        let list = json!({"type": "array", "description": description, "items": field});
        properties.insert("mergeFields".to_owned(), list);
    }
    kind
}

fn committed() -> Value {
    json!({
        "type": "object",
        "properties": {
            "commitTime": {"type": "string", "format": "date-time"},
            "results": {
                "type": "array",
                "description": "One for each write, in their order",
                "items": {
                    "type": "object",
                    "properties": {
                        "path": {"type": "string"},
                        "version": {"type": "integer", "minimum": 0}
                    },
                    "required": ["path", "version"]
                }
            }
        },
        "required": ["commitTime", "results"]
    })
}
