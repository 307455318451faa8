//! The description of the API, openapi.json, as something that JSON is held against.

use jsonschema::Validator;
use serde_json::Value;

/// What takes just the values that `schema` does, whose references are of `description`.
pub fn validator(description: &Value, schema: &Value) -> Validator {
    let mut root = schema.clone();
    root["components"] = description["components"].clone();
    jsonschema::draft202012::new(&root).unwrap_or_else(|error| panic!("{error} in {schema}"))
}

/// A value of the description, or what it refers to.
pub fn resolve<'a>(description: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => description.pointer(pointer).unwrap_or(&Value::Null),
        None => value,
    }
}
