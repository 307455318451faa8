//! `GET /v1/openapi.json`: a valid OpenAPI 3.1 description of what the contract's table has.

use crate::client;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

fn description() -> Value {
    let reply = client().get("/v1/openapi.json").send().expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    reply.json()
}

/// Path templates with their operations by method.
fn operations(description: &Value) -> BTreeMap<String, BTreeMap<String, Value>> {
    let paths = description["paths"].as_object().expect("paths");
    let of = |item: &Value| {
        let item = item.as_object().expect("a path item");
        let operations = item.iter().filter(|(key, _)| METHODS.contains(&key.as_str()));
        operations.map(|(method, operation)| (method.clone(), operation.clone())).collect()
    };
    paths.iter().map(|(path, item)| (path.clone(), of(item))).collect()
}

#[test]
fn it_is_openapi_3_1() {
    let description = description();
    let version = description["openapi"].as_str().expect("a version");
    assert!(version.starts_with("3.1."), "{version}");
    for key in ["title", "version"] {
        assert!(description["info"][key].is_string(), "info.{key}");
    }
    let mut shapes = BTreeSet::new();
    for path in operations(&description).keys() {
        assert!(path.starts_with('/'), "{path}");
        // Two templates that differ only in the names of their parameters are one path.
        let shape: Vec<&str> =
            path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect();
        assert!(shapes.insert(shape.join("/")), "{path} is there twice");
    }
}

#[test]
fn it_has_every_row_of_the_contract() {
    let description = description();
    let operations = operations(&description);
    let has = |prefix: &str, method: &str| {
        operations.iter().any(|(path, item)| path.starts_with(prefix) && item.contains_key(method))
    };
    for (prefix, method) in [
        ("/v1/docs/{", "get"),
        ("/v1/docs/{", "put"),
        ("/v1/docs/{", "patch"),
        ("/v1/docs/{", "delete"),
        ("/v1/docs/{", "post"),
        ("/health", "get"),
        ("/v1/openapi.json", "get"),
    ] {
        assert!(has(prefix, method), "{method} {prefix}");
    }
    let patch = operations.values().find_map(|item| item.get("patch")).expect("a patch");
    let body = resolve(&description, &patch["requestBody"]);
    let types: BTreeSet<&String> = body["content"].as_object().expect("content").keys().collect();
    let expected =
        ["application/json", "application/json-patch+json", "application/merge-patch+json"];
    assert_eq!(types.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn every_operation_declares_its_parameters_and_its_answers() {
    let description = description();
    let mut ids = BTreeSet::new();
    for (path, item) in operations(&description) {
        let shared = description["paths"][&path]["parameters"].clone();
        for (method, operation) in item {
            let place = format!("{method} {path}");
            if let Some(id) = operation["operationId"].as_str() {
                assert!(ids.insert(id.to_owned()), "{place}: operationId {id} is there twice");
            }
            let declared: BTreeSet<String> = [&shared, &operation["parameters"]]
                .into_iter()
                .filter_map(Value::as_array)
                .flatten()
                .map(|parameter| resolve(&description, parameter))
                .filter(|parameter| parameter["in"] == "path" && parameter["required"] == true)
                .map(|parameter| parameter["name"].as_str().expect("a name").to_owned())
                .collect();
            let named: BTreeSet<String> = path
                .split(['{', '}'])
                .skip(1)
                .step_by(2)
                .map(|name| name.trim_start_matches('+').to_owned())
                .collect();
            assert_eq!(declared, named, "{place}");
            let responses = operation["responses"].as_object().expect("responses");
            assert!(!responses.is_empty(), "{place}");
            for (status, response) in responses {
                assert!(
                    resolve(&description, response)["description"].is_string(),
                    "{place} {status}"
                );
            }
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let description = description();
    let mut references = Vec::new();
    collect(&description, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer =
            reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} is not local"));
        assert!(description.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn errors_are_described_as_problems() {
    let description = description();
    for (path, item) in operations(&description) {
        for (method, operation) in item {
            let responses = operation["responses"].as_object().cloned().unwrap_or_else(Map::new);
            for (status, response) in responses {
                if status.starts_with('4') || status.starts_with('5') || status == "default" {
                    let response = resolve(&description, &response);
                    let content = response["content"].get("application/problem+json");
                    assert!(content.is_some(), "{method} {path} {status}");
                }
            }
        }
    }
}

/// A value, or what it refers to.
fn resolve<'a>(description: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => description.pointer(pointer).unwrap_or(&Value::Null),
        None => value,
    }
}

/// Every `$ref` in a description; those in examples are Blaze's own references.
fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| collect(value, references)),
        Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value.as_str()) {
                    ("$ref", Some(reference)) => references.push(reference.to_owned()),
                    ("example" | "examples" | "default" | "const", _) => {}
                    _ => collect(value, references),
                }
            }
        }
        _ => {}
    }
}
