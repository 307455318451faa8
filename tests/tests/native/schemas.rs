//! Collections' JSON Schemas against the official suite of draft 2020-12, and against another implementation.

use blaze_json_schema::Schema;
use blaze_schema::limits::SCHEMA_NESTING;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A schema of the suite and values for it. The suite is the JSON Schema organisation's (MIT licence) as the sdist of the
/// Python package jsonschema 4.26.0 holds it, without `$schema`, which is the same in all.
#[derive(Deserialize)]
struct Group {
    description: String,
    schema: Value,
    tests: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    description: String,
    data: Value,
    valid: bool,
}

fn suite() -> BTreeMap<String, Vec<Group>> {
    serde_json::from_str(include_str!("../../data/json_schema_test_suite.json")).unwrap()
}

/// Groups whose schemas are refused when they are read, and why.
const REFUSED: [(&str, &str); 20] = [
    ("defs: validate definition against metaschema", FILES),
    ("ref: remote ref, containing refs itself", FILES),
    ("ref: Recursive references between schemas", FILES),
    ("ref: refs with relative uris and defs", FILES),
    ("ref: relative refs with absolute uris and defs", FILES),
    ("ref: $id must be resolved against nearest parent, not just immediate parent", FILES),
    ("ref: order of evaluation: $id and $ref", FILES),
    ("ref: order of evaluation: $id and $anchor and $ref", FILES),
    ("ref: simple URN base URI with $ref via the URN", FILES),
    ("ref: URN base URI with URN and JSON pointer ref", FILES),
    ("ref: URN base URI with URN and anchor ref", FILES),
    ("ref: URN ref with nested pointer ref", FILES),
    ("ref: ref to if", FILES),
    ("ref: ref to then", FILES),
    ("ref: ref to else", FILES),
    ("ref: ref with absolute-path-reference", FILES),
    ("ref: ref creates new scope when adjacent to keywords", UNEVALUATED),
    ("not: collect annotations inside a 'not', even if collection is disabled", UNEVALUATED),
    ("optional/ecmascript-regex: ECMA 262 regex escapes control codes with \\c", REGEX),
    ("optional/ecmascript-regex: pattern", REGEX),
];
const FILES: &str = "a reference by a URI: a schema is one file, and `$id` names nothing inside it";
const UNEVALUATED: &str = "unevaluatedProperties: of the vocabulary of unevaluated locations";
const REGEX: &str = "regex-lite has neither \\c nor Unicode's classes";

/// Cases that give something else, and why.
const ANOTHER: [(&str, &str); 4] = [
    ("optional/ecmascript-regex: ECMA 262 \\s matches whitespace: ", "\\s is of ASCII"),
    ("optional/ecmascript-regex: ECMA 262 \\S matches everything but whitespace: ", "the same"),
    ("optional/format/email: validation of e-mail addresses: a quoted string", "no quoted names"),
    ("optional/format/email: validation of e-mail addresses: an IPv", "no addresses in brackets"),
];

/// A document is an object, so a value stands in one; references to the root lead to where it is now.
fn wrapped(schema: &Value) -> Value {
    let mut inner = rerooted(schema);
    let mut outer = json!({"required": ["value"]});
    if let Some(id) = inner.as_object_mut().and_then(|fields| fields.remove("$id")) {
        outer["$id"] = id;
    }
    outer["properties"] = json!({ "value": inner });
    outer
}

fn rerooted(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| match (key.as_str(), value) {
                ("$ref", Value::String(target)) if target.starts_with('#') => {
                    (key.clone(), json!(target.replacen('#', "#/properties/value", 1)))
                }
                ("const" | "enum" | "default", value) => (key.clone(), value.clone()),
                (_, value) => (key.clone(), rerooted(value)),
            });
            Value::Object(fields.collect())
        }
        Value::Array(values) => values.iter().map(rerooted).collect(),
        other => other.clone(),
    }
}

fn document(value: &Value) -> Map<String, Value> {
    Map::from_iter([("value".to_owned(), value.clone())])
}

/// Those of the exceptions that `name` is one of.
fn excepted<'a>(exceptions: &[(&'a str, &str)], name: &str) -> Option<&'a str> {
    exceptions.iter().map(|(start, _)| *start).find(|start| name.starts_with(start))
}

#[test]
fn the_official_suite_passes() {
    let (mut cases, mut met) = (0, BTreeSet::new());
    for (file, groups) in suite() {
        for group in groups {
            let name = format!("{file}: {}", group.description);
            let schema = match Schema::compile(&wrapped(&group.schema)) {
                Ok(schema) => schema,
                Err(error) => {
                    let exception = excepted(&REFUSED, &name);
                    met.insert(exception.unwrap_or_else(|| panic!("{name}: {error}")));
                    continue;
                }
            };
            for case in group.tests {
                let name = format!("{name}: {}", case.description);
                let result = schema.check(&document(&case.data));
                if result.is_ok() == case.valid {
                    cases += 1;
                    continue;
                }
                let exception = excepted(&ANOTHER, &name);
                met.insert(exception.unwrap_or_else(|| panic!("{name}: {result:?}")));
            }
        }
    }
    assert_eq!(met.len(), REFUSED.len() + ANOTHER.len(), "exceptions that are none: {met:#?}");
    assert_eq!(cases, 952);
}

/// Values that many schemas below tell apart.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        (-3_i64..4).prop_map(Value::from),
        (-6_i32..7).prop_map(|halves| json!(f64::from(halves) / 2.0)),
        "[ab1é]{0,4}".prop_map(Value::from),
        Just(json!("2026-11-21T10:00:00Z")),
        Just(json!("a@b.example")),
        Just(json!("2eb8aa08-aa98-11ea-b4aa-73b441d16380")),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let key = prop::sample::select(vec!["a", "b", "ab", "c1"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..4).prop_map(|fields| json!(fields)),
        ]
    })
}

/// One keyword, or some that belong together.
fn keywords(schema: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
    let pick = |texts: &'static [&'static str]| prop::sample::select(texts);
    let some = prop::collection::vec(schema.clone(), 1..4);
    let names = || prop::collection::btree_set(pick(&["a", "b", "ab"]), 0..3);
    let pattern = || pick(&["^a", "b$", "[0-9]", "a+b?", "^.{2}$", "é"]);
    let by_name = prop::collection::btree_map(pick(&["a", "b", "ab"]), schema.clone(), 0..3);
    let by_pattern = prop::collection::btree_map(pattern(), schema.clone(), 0..3);
    let types = pick(&["null", "boolean", "integer", "number", "string", "array", "object"]);
    let bounds = pick(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]);
    let sizes =
        pick(&["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"]);
    let divisor = prop::sample::select(vec![json!(1), json!(2), json!(0.5), json!(1.5)]);
    let single = pick(&["not", "items", "contains", "additionalProperties", "propertyNames"]);
    let number = (-6_i32..7).prop_map(|halves| json!(f64::from(halves) / 2.0));
    prop_oneof![
        prop::collection::vec(types, 1..3)
            .prop_map(|types| json!({ "type": BTreeSet::from_iter(types) })),
        prop::collection::vec(value(), 1..4).prop_map(|values| json!({ "enum": values })),
        value().prop_map(|value| json!({ "const": value })),
        (bounds, number).prop_map(|(name, bound)| json!({ name: bound })),
        (sizes, 0..4_u64).prop_map(|(name, size)| json!({ name: size })),
        divisor.prop_map(|divisor| json!({ "multipleOf": divisor })),
        any::<bool>().prop_map(|unique| json!({ "uniqueItems": unique })),
        pattern().prop_map(|pattern| json!({ "pattern": pattern })),
        pick(&["date-time", "email", "uuid", "uri"]).prop_map(|name| json!({ "format": name })),
        names().prop_map(|names| json!({ "required": names })),
        prop::collection::btree_map(pick(&["a", "b"]), names(), 0..3)
            .prop_map(|names| json!({ "dependentRequired": names })),
        (single, schema.clone()).prop_map(|(name, schema)| json!({ name: schema })),
        (pick(&["allOf", "anyOf", "oneOf", "prefixItems"]), some)
            .prop_map(|(name, schemas)| json!({ name: schemas })),
        by_name.clone().prop_map(|schemas| json!({ "properties": schemas })),
        by_name.clone().prop_map(|schemas| json!({ "dependentSchemas": schemas })),
        by_pattern.clone().prop_map(|schemas| json!({ "patternProperties": schemas })),
        (by_name, by_pattern, schema.clone()).prop_map(|(named, patterns, rest)| json!({
            "properties": named, "patternProperties": patterns, "additionalProperties": rest,
        })),
        (schema.clone(), 0..3_u64, 0..4_u64).prop_map(|(schema, min, max)| json!({
            "contains": schema, "minContains": min, "maxContains": max,
        })),
        prop::collection::vec(schema.clone(), 3).prop_map(|parts| json!({
            "if": parts[0], "then": parts[1], "else": parts[2],
        })),
        (prop::collection::vec(schema.clone(), 1..3), schema)
            .prop_map(|(prefix, rest)| json!({ "prefixItems": prefix, "items": rest })),
        pick(&["#/$defs/one", "#/$defs/two"]).prop_map(|target| json!({ "$ref": target })),
    ]
}

fn schema() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![any::<bool>().prop_map(Value::from), Just(json!({}))].boxed();
    let merged = |parts: Vec<Value>| {
        let fields = parts.into_iter().filter_map(|part| part.as_object().cloned()).flatten();
        Value::Object(fields.collect())
    };
    leaf.prop_recursive(3, 40, 4, move |inner| {
        prop::collection::vec(keywords(inner.boxed()), 1..4).prop_map(merged)
    })
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn another_implementation_says_the_same(
        root in schema(), one in schema(), two in schema(), values in prop::collection::vec(value(), 8),
    ) {
        let mut schema = json!({"properties": {"value": root}});
        // What the definitions refer to would be themselves.
        schema["$defs"] = json!({"one": without_references(&one), "two": without_references(&two)});
        let ours = Schema::compile(&schema).unwrap_or_else(|error| panic!("{schema}: {error}"));
        let theirs = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .should_validate_formats(true)
            .build(&schema)
            .unwrap();
        for value in values {
            let data = document(&value);
            let result = ours.check(&data);
            let valid = theirs.is_valid(&Value::Object(data));
            prop_assert_eq!(result.is_ok(), valid, "{} {:?} {}", value, result, schema);
            if let Err(error) = result {
                prop_assert!(error.detail.starts_with("value"), "{}", error.detail);
            }
        }
    }
}

fn without_references(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let others = fields.iter().filter(|(key, _)| *key != "$ref");
            Value::Object(
                others.map(|(key, value)| (key.clone(), without_references(value))).collect(),
            )
        }
        Value::Array(values) => values.iter().map(without_references).collect(),
        other => other.clone(),
    }
}

#[test]
fn schemas_inside_each_other_are_limited_and_fit_a_small_stack() {
    let inside = |schemas: usize| {
        // Each definition refers to the next; the root is one more.
        let definitions: Map<String, Value> = (1..schemas)
            .map(|n| {
                let next = if n + 1 == schemas {
                    json!({})
                } else {
                    json!({"$ref": format!("#/$defs/d{}", n + 1)})
                };
                (format!("d{n}"), next)
            })
            .collect();
        let chain = Schema::compile(&json!({"$ref": "#/$defs/d1", "$defs": definitions})).unwrap();
        chain.check(&Map::new())
    };
    let run = move || {
        assert_eq!(inside(SCHEMA_NESTING), Ok(()));
        assert_eq!(inside(SCHEMA_NESTING + 1).map_err(|error| error.status), Err(413));
    };
    std::thread::Builder::new().stack_size(512 * 1_024).spawn(run).unwrap().join().unwrap();
}
