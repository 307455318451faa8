//! Queries, aggregations and lists: what `blaze_schema::query` and `index::aggregate` read by hand, and what
//! `index::page` writes, as JSON Schemas.
//!
//! A schema is as strict as it can be. What it cannot say, the descriptions do.

use super::refusals::with_problems;
use super::{answer, body, parameter, reference};
use blaze_schema::limits::{
    AGGREGATES, ANSWER_BYTES, FIELD_PATH_KEYS, IN_VALUES, NOT_IN_VALUES, PATH_BYTES, QUERY_DEPTH,
    QUERY_DISJUNCTIONS, QUERY_SELECT, QUERY_TERMS,
};
use blaze_schema::query::{Direction, Operator};
use serde_json::{Value, json};

/// The components, by their names.
pub(super) fn schemas() -> [(&'static str, Value); 11] {
    [
        ("Value", value()),
        ("FieldPath", field_path()),
        ("Query", query()),
        ("Filter", filter()),
        ("FieldFilter", field_filter()),
        ("Order", order()),
        ("Cursor", cursor()),
        ("Aggregation", aggregation()),
        ("Aggregate", aggregate()),
        ("Page", page()),
        ("Totals", totals()),
    ]
}

/// `POST /v1/query`
pub(super) fn query_operation() -> Value {
    json!({
        "operationId": "query",
        "summary": "A structured query",
        "requestBody": body("application/json", reference("Query")),
        "responses": with_problems(json!({"200": answer("A page of documents, in the query's order", "Page")}))
    })
}

/// `POST /v1/aggregate`
pub(super) fn aggregate_operation() -> Value {
    json!({
        "operationId": "aggregate",
        "summary": "count, sum and avg over a query",
        "requestBody": body("application/json", reference("Aggregation")),
        "responses": with_problems(json!({"200": answer("What was asked, by its names", "Totals")}))
    })
}

/// `GET /v1/docs/{collection}`
pub(super) fn list_operation() -> Value {
    json!({
        "operationId": "list",
        "summary": "List or query the documents of a collection",
        "parameters": list_parameters(),
        "responses": with_problems(json!({"200": answer("A page of documents, in the query's order", "Page")}))
    })
}

fn value() -> Value {
    json!({
        "description": "A value of a document: JSON, in which an object whose only key begins with $ is a typed value.",
        "anyOf": [
            {"type": ["null", "boolean", "number", "string"]},
            {"type": "array", "items": reference("Value")},
            {"type": "object", "propertyNames": {"pattern": "^(?!\\$)"}, "additionalProperties": reference("Value")},
            one_key("$timestamp", json!({"type": "string", "description": "RFC 3339"})),
            one_key("$bytes", json!({"type": "string", "contentEncoding": "base64"})),
            one_key("$ref", json!({"type": "string", "description": "A document's path"})),
            one_key("$geopoint", json!({
                "type": "array",
                "description": "Latitude and longitude, in degrees",
                "prefixItems": [
                    {"type": "number", "minimum": -90, "maximum": 90},
                    {"type": "number", "minimum": -180, "maximum": 180}
                ],
                "minItems": 2,
                "maxItems": 2
            })),
            one_key("$number", json!({"enum": ["NaN", "Infinity", "-Infinity"]}))
        ]
    })
}

/// An object of one key, which it must have.
fn one_key(key: &str, schema: Value) -> Value {
    json!({"type": "object", "properties": {key: schema}, "required": [key], "additionalProperties": false})
}

fn field_path() -> Value {
    let key = "(?:`(?:[^`\\\\]|\\\\[`\\\\])*`|[^.`]+)";
    let more = FIELD_PATH_KEYS.saturating_sub(1);
    json!({
        "type": "string",
        "description": format!(
            "Keys separated by dots, {FIELD_PATH_KEYS} at most: address.city. Between backticks a key may be anything: `a.b`.c. \
             __name__ is the document's name."
        ),
        "pattern": format!("^{key}(?:\\.{key}){{0,{more}}}$")
    })
}

fn query() -> Value {
    let cursor = |what: &str| json!({"allOf": [reference("Cursor")], "description": what});
    let both = |a: &str, b: &str| json!({"required": [a, b]});
    json!({
        "type": "object",
        "description": format!(
            "A structured query, as Firestore's. Its filters and orders are {QUERY_TERMS} together at most."
        ),
        "properties": {
            "from": source(),
            "where": {"allOf": [reference("Filter")], "description": "Which documents; all without."},
            "orderBy": {"type": "array", "maxItems": QUERY_TERMS, "items": reference("Order"), "description": "No field twice. Fields of inequalities and __name__ follow by themselves."},
            "limit": described("How many documents, the first ones.", integer(1)),
            "limitToLast": described("How many documents, the last ones; with orderBy.", integer(1)),
            "offset": described("How many documents to leave out before the first.", integer(0)),
            "startAt": cursor("Where it starts, the documents with these values included."),
            "startAfter": cursor("Where it starts, the documents with these values left out."),
            "endAt": cursor("Where it ends, the documents with these values included."),
            "endBefore": cursor("Where it ends, the documents with these values left out."),
            "select": {"type": "array", "maxItems": QUERY_SELECT, "items": reference("FieldPath"), "description": "The fields that are answered; all without."},
            "pageToken": {"type": "string", "description": "The nextPageToken of the page before, which was of the same query."},
            "explain": {"type": "boolean", "default": false, "description": "Whether the answer says how it was found."}
        },
        "required": ["from"],
        "additionalProperties": false,
        "not": {"anyOf": [both("limit", "limitToLast"), both("startAt", "startAfter"), both("endAt", "endBefore")]},
        "dependentSchemas": {
            "limitToLast": {"required": ["orderBy"], "properties": {"orderBy": {"minItems": 1}}}
        }
    })
}

fn integer(least: u64) -> Value {
    json!({"type": "integer", "minimum": least, "maximum": u64::MAX})
}

fn described(description: &str, mut schema: Value) -> Value {
    if let Some(keys) = schema.as_object_mut() {
        keys.insert("description".to_owned(), description.into());
    }
    schema
}

fn source() -> Value {
    let group =
        json!({"type": "string", "pattern": "^[^/]+$", "description": "The collections' id."});
    let collection = json!({
        "type": "string",
        "description": "A collection's path, such as users or rooms/1/messages; not percent-encoded.",
        "pattern": "^[^/]+(?:/[^/]+/[^/]+)*$",
        "maxLength": PATH_BYTES
    });
    let what = "Every collection of an id that collections.json declares as a group.";
    json!({"oneOf": [collection, described(what, one_key("group", group))]})
}

fn filter() -> Value {
    let of = |key: &str, what: &str| {
        let filters = json!({"type": "array", "minItems": 1, "items": reference("Filter"), "description": what});
        one_key(key, filters)
    };
    json!({
        "description": format!(
            "A condition. At most {QUERY_DEPTH} of and, or stand inside each other; in disjunctive normal form there are \
             {QUERY_DISJUNCTIONS} disjunctions at most, a value of in or array-contains-any being one."
        ),
        "oneOf": [of("and", "All hold."), of("or", "At least one holds."), reference("FieldFilter")]
    })
}

fn field_filter() -> Value {
    let with = |wanted: &dyn Fn(Operator) -> bool, value: Value| {
        let ops: Vec<&str> =
            Operator::ALL.into_iter().filter(|op| wanted(*op)).map(Operator::as_str).collect();
        json!({"properties": {"op": {"enum": ops}, "value": value}})
    };
    let values = |most: usize| json!({"type": "array", "minItems": 1, "maxItems": most, "items": reference("Value")});
    json!({
        "type": "object",
        "description": "A condition on a field. A value of __name__ is a document's path, as {\"$ref\":path} or a string, or in a query of one collection an id.",
        "properties": {
            "field": reference("FieldPath"),
            "op": {"enum": Operator::ALL.map(Operator::as_str)},
            "value": reference("Value")
        },
        "required": ["field", "op", "value"],
        "additionalProperties": false,
        "oneOf": [
            with(&|op| !op.takes_values(), json!(true)),
            with(&|op| op.takes_values() && op != Operator::NotIn, values(IN_VALUES)),
            with(&|op| op == Operator::NotIn, values(NOT_IN_VALUES))
        ]
    })
}

fn order() -> Value {
    let directions = [Direction::Ascending, Direction::Descending].map(Direction::as_str);
    json!({
        "type": "object",
        "properties": {
            "field": reference("FieldPath"),
            "direction": {"enum": directions, "default": Direction::Ascending.as_str()}
        },
        "required": ["field"],
        "additionalProperties": false
    })
}

fn cursor() -> Value {
    json!({
        "type": "array",
        "description": "Values of the first of the query's orders, those included that follow by themselves.",
        "minItems": 1,
        "items": reference("Value")
    })
}

fn aggregation() -> Value {
    json!({
        "type": "object",
        "properties": {
            "query": {"allOf": [reference("Query")], "not": {"required": ["pageToken"]}},
            "aggregates": {
                "type": "object",
                "description": "What is asked, by the names that the answer gives it.",
                "minProperties": 1,
                "maxProperties": AGGREGATES,
                "additionalProperties": reference("Aggregate")
            }
        },
        "required": ["query", "aggregates"],
        "additionalProperties": false
    })
}

fn aggregate() -> Value {
    json!({
        "description": "Only documents that have all the fields that are asked about count.",
        "oneOf": [
            {"const": "count"},
            one_key("sum", reference("FieldPath")),
            one_key("avg", reference("FieldPath"))
        ]
    })
}

fn page() -> Value {
    json!({
        "type": "object",
        "properties": {
            "documents": {"type": "array", "items": reference("Document")},
            "readTime": {"type": "string", "format": "date-time", "description": "When it was so."},
            "nextPageToken": {
                "type": "string",
                "description": format!(
                    "For the page after: there are more documents than limit, or than {ANSWER_BYTES} bytes hold."
                )
            },
            "explain": {
                "type": "object",
                "description": "How it was found; only if that was asked.",
                "properties": {
                    "index": {"type": "string", "description": "The indexes that were read, for people."},
                    "entriesScanned": described("Index entries that were read.", integer(0)),
                    "documentsReturned": described("Documents of this page.", integer(0))
                },
                "required": ["index", "entriesScanned", "documentsReturned"],
                "additionalProperties": false
            }
        },
        "required": ["documents", "readTime"],
        "additionalProperties": false
    })
}

fn totals() -> Value {
    json!({
        "type": "object",
        "description": "Numbers by their names; the avg of no numbers is null.",
        "maxProperties": AGGREGATES,
        "additionalProperties": {"oneOf": [
            {"type": ["number", "null"]},
            one_key("$number", json!({"enum": ["NaN", "Infinity", "-Infinity"]}))
        ]}
    })
}

fn list_parameters() -> Vec<Value> {
    let texts = |item: Value| json!({"type": "array", "items": item});
    let text = || json!({"type": "string"});
    let query = |name: &str, description: &str, schema: Value| {
        parameter("query", name, description, schema)
    };
    let ops = Operator::ALL.map(Operator::as_str);
    let is_word = |op: &&str| op.starts_with(|first: char| first.is_ascii_alphabetic());
    let words = ops.into_iter().filter(is_word).collect::<Vec<_>>().join("|");
    let signs = ops.into_iter().filter(|op| !is_word(op)).collect::<Vec<_>>().join("|");
    let condition = json!({"type": "string", "pattern": format!("{signs}| (?:{words}) ")});
    let ops = ops.join(" ");
    let cursor =
        "JSON: an array of values, or one value that is none; what is no JSON is a string.";
    vec![
        query(
            "where",
            &format!(
                "Field, operator and value, such as age>=18; all must hold. The operator is one of {ops}; words stand \
                 between spaces. The value is JSON, or else a string."
            ),
            texts(condition),
        ),
        query(
            "orderBy",
            "Fields by commas, descending after a - or before a desc: age,-name.",
            texts(json!({"type": "string", "minLength": 1})),
        ),
        query("limit", "How many documents, the first ones.", integer(1)),
        query("limitToLast", "How many documents, the last ones; with orderBy.", integer(1)),
        query("offset", "How many documents to leave out before the first.", integer(0)),
        query("startAt", cursor, text()),
        query("startAfter", cursor, text()),
        query("endAt", cursor, text()),
        query("endBefore", cursor, text()),
        query("select", "The fields that are answered, by commas; empty for none.", text()),
        query(
            "pageToken",
            "The nextPageToken of the page before, which was of the same query.",
            text(),
        ),
        query(
            "explain",
            "Whether the answer says how it was found.",
            json!({"type": "boolean", "default": false}),
        ),
    ]
}
