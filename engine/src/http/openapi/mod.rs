//! The description of the HTTP API, OpenAPI 3.1, made from the types and the routes of the code.
//!
//! The Worker serves the text that is kept in `server/openapi.json`; a test holds it against this module, so that the
//! wasm does not carry the generator.

mod accounts;
mod administration;
mod commits;
mod questions;
mod refusals;

use super::document_request::ACCEPT_PATCH;
use blaze_schema::document::Document;
use blaze_schema::error::Problem;
use blaze_schema::limits::{BODY_BYTES, DOCUMENT_BYTES, IDEMPOTENCY_KEY_BYTES};
use refusals::{Refusal, for_everybody, with_problems, with_refusals};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

const SUBPROTOCOLS: &str = "blaze.v1 and bearer.<token>.";
const LISTEN: &str = "\
    Writes, {\"write\":{\"id\",\"idempotencyKey\"?, …one write as in a commit…}}, are committed in the order of their frames. \
    If one has no final outcome the socket ends with 1012: the client sends it and those after it again, under their keys, on another socket. \
    5,000 writes wait at most; one more ends the socket with 4429";

const BEARER: &str = "An access token of this server or of an issuer in access.json, both JSON Web Tokens, or an API key. \
                      A WebSocket may say it as the subprotocol bearer.<token>. It is not read from URLs. Without one the \
                      request is anonymous.";

/// The whole document.
pub fn document() -> Value {
    // OpenAPI 3.1 takes JSON Schema as it is; only the place of the definitions is its own.
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    generator.subschema_for::<Document>();
    generator.subschema_for::<Problem>();
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Data".to_owned(), data_schema());
    let others = questions::schemas().into_iter().chain(administration::schemas());
    let others = others.chain(accounts::schemas()).chain(commits::schemas());
    schemas.extend(others.map(|(name, schema)| (name.to_owned(), schema)));
    let mut paths = paths();
    paths.extend(administration::paths());
    paths.extend(accounts::paths());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Blaze",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A realtime document database. Every document is one JSON object at collection/id[/collection/id…].",
            "license": {"name": "MIT", "identifier": "MIT"}
        },
        "servers": [{"url": "/", "description": "This server"}],
        "security": [{}, {"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": refusals::components(),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": BEARER}}
        }
    })
}

fn data_schema() -> Value {
    json!({
        "type": "object",
        "description": format!(
            "A document's fields, {DOCUMENT_BYTES} bytes of JSON at most. An object whose only key begins with $ is a typed value \
             ($timestamp, $bytes, $ref, $geopoint, $number) or, inside a write, a transform ($serverTimestamp, \
             $increment, $min, $max, $arrayUnion, $arrayRemove, $delete)."
        ),
        "additionalProperties": true
    })
}

fn paths() -> Map<String, Value> {
    let paths = json!({
        "/v1/docs/{collection}/{id}": document_path(),
        "/v1/docs/{collection}": {
            "parameters": [collection_parameter()],
            "get": questions::list_operation(),
            "post": {
                "operationId": "create",
                "summary": "Create a document under a ULID",
                "parameters": write_parameters(),
                "requestBody": body("application/json", reference("Data")),
                "responses": with_problems(json!({"201": written("Created; Location is its path")}))
            }
        },
        "/v1/query": {"post": questions::query_operation()},
        "/v1/aggregate": {"post": questions::aggregate_operation()},
        "/v1/commit": {"post": commits::operation()},
        "/v1/listen": {"get": {
            "operationId": "listen",
            "summary": "With Upgrade: websocket, the changes of many documents and queries on one socket",
            "parameters": [header("Sec-WebSocket-Protocol", SUBPROTOCOLS)],
            "responses": with_problems(json!({"101": {"description": format!(
                "A WebSocket of the targets that the client names. {SOCKET_READS} A result above 1 MiB comes in several frames; only \
                 the last has resume. {LISTEN}"
            )}}))
        }},
        "/health": {"get": {
            "operationId": "health",
            "summary": "Liveness",
            "security": [],
            "responses": with_refusals(
                json!({"200": {"description": "It lives", "content": {"application/json": {"schema": {
                    "type": "object",
                    "properties": {"status": {"const": "ok"}},
                    "required": ["status"]
                }}}}}),
                &[Refusal::TooMany, Refusal::Unavailable]
            )
        }},
        "/v1/openapi.json": {"get": {
            "operationId": "openapi",
            "summary": "This document",
            "security": [],
            "responses": for_everybody(json!({"200": {"description": "OpenAPI 3.1", "content": {"application/json": {}}}}))
        }}
    });
    paths.as_object().cloned().unwrap_or_default()
}

/// The condition on which a socket stays open, for the descriptions of its routes.
const SOCKET_READS: &str = "Send {\"ping\":0} at least once in every MiB that you receive: a socket whose client has not sent \
                            anything for 4 MiB is closed with 1012, and can be resumed.";

fn document_path() -> Value {
    let mut patches = Map::new();
    for (media_type, schema) in
        ACCEPT_PATCH.split(", ").zip([reference("Data"), operations_schema(), reference("Data")])
    {
        patches.insert(media_type.to_owned(), json!({"schema": schema}));
    }
    let get_parameters = [
        header("If-Match", "Versions in quotes, or *."),
        header(
            "If-None-Match",
            "Versions in quotes, or *: 304 when the document is at one of them.",
        ),
        query(
            "since",
            "With Upgrade: websocket: start after this version.",
            json!({"type": "integer", "minimum": 0}),
        ),
        query("epoch", "With since: the epoch that the version is of.", json!({"type": "string"})),
    ];
    json!({
        "parameters": [collection_parameter(), path_parameter("id", "The document's id, percent-encoded.")],
        "get": {
            "operationId": "get",
            "summary": "Read a document; with Upgrade: websocket, its changes",
            "parameters": get_parameters,
            "responses": with_problems(json!({
                "101": {"description": format!("A WebSocket of the document's snapshot and patches. {SOCKET_READS}")},
                "200": written("The document"),
                "304": {"description": "Not modified"}
            }))
        },
        "put": {
            "operationId": "set",
            "summary": "Replace a document, or create it",
            "parameters": with_merge(write_parameters()),
            "requestBody": body("application/json", reference("Data")),
            "responses": with_problems(json!({"200": written("Replaced"), "201": written("Created")}))
        },
        "patch": {
            "operationId": "patch",
            "summary": "Merge (RFC 7396), patch (RFC 6902) or update fields, by Content-Type",
            "parameters": write_parameters(),
            "requestBody": {"required": true, "content": patches},
            "responses": with_problems(json!({"200": written("Changed"), "201": written("Created by a merge")}))
        },
        "delete": {
            "operationId": "delete",
            "summary": "Delete a document",
            "parameters": write_parameters(),
            "responses": with_problems(json!({"204": {"description": "It does not exist (any more)"}}))
        }
    })
}

fn operations_schema() -> Value {
    json!({"type": "array", "description": "RFC 6902", "items": {
        "type": "object",
        "properties": {
            "op": {"enum": ["add", "remove", "replace", "move", "copy", "test"]},
            "path": {"type": "string"},
            "from": {"type": "string"},
            "value": {}
        },
        "required": ["op", "path"]
    }})
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn body(media_type: &str, schema: Value) -> Value {
    let mut content = Map::new();
    content.insert(media_type.to_owned(), json!({"schema": schema}));
    json!({"required": true, "description": format!("{BODY_BYTES} bytes at most"), "content": content})
}

fn written(description: &str) -> Value {
    json!({
        "description": description,
        "headers": {"ETag": {"description": "The version in quotes", "schema": {"type": "string"}}},
        "content": {"application/json": {"schema": reference("Document")}}
    })
}

/// An object with one more field.
fn with(mut object: Value, name: &str, value: impl Into<Value>) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value.into());
    }
    object
}

fn answer(description: &str, schema: &str) -> Value {
    json!({"description": description, "content": {"application/json": {"schema": reference(schema)}}})
}

fn parameter(place: &str, name: &str, description: &str, schema: Value) -> Value {
    json!({"name": name, "in": place, "required": place == "path", "description": description, "schema": schema})
}

fn path_parameter(name: &str, description: &str) -> Value {
    parameter("path", name, description, json!({"type": "string", "minLength": 1}))
}

fn collection_parameter() -> Value {
    let description = "The collection's path: an odd number of segments, such as users or rooms/1/messages. Its \
                       slashes are not encoded; every segment is percent-encoded once.";
    path_parameter("collection", description)
}

fn header(name: &str, description: &str) -> Value {
    parameter("header", name, description, json!({"type": "string"}))
}

fn query(name: &str, description: &str, schema: Value) -> Value {
    parameter("query", name, description, schema)
}

fn write_parameters() -> Vec<Value> {
    vec![
        header("If-Match", "Versions in quotes, or *: 412 unless the document is at one of them."),
        header("If-None-Match", "*: 412 unless the document does not exist."),
        idempotency_key(),
        header("Prefer", "return=minimal leaves data out of the answer."),
    ]
}

fn idempotency_key() -> Value {
    parameter(
        "header",
        "Idempotency-Key",
        "The same key and body again within 24 hours gets the first answer.",
        json!({"type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_BYTES}),
    )
}

fn with_merge(mut parameters: Vec<Value>) -> Vec<Value> {
    let description =
        "true: Firestore's set with merge; leaves overwrite, siblings survive, null is a value.";
    parameters.push(query("merge", description, json!({"type": "boolean", "default": false})));
    let description = "Field paths between commas, such as a,b.c: Firestore's set with merge fields. These fields \
                       alone are taken from the data, each as a whole; every one must be there, as \
                       {\"$delete\": true} to be removed. Not together with merge.";
    parameters.push(query("mergeFields", description, json!({"type": "string"})));
    parameters
}
