use super::*;
use blaze_schema::limits::{PATTERN_BYTES, SCHEMA_DEPTH, SCHEMA_NODES, SCHEMA_VIOLATIONS};
use serde_json::json;

fn schema(value: Value) -> Schema {
    Schema::compile(&value).unwrap()
}

fn refusal(value: Value) -> String {
    Schema::compile(&value).unwrap_err().detail
}

fn check(schema: &Schema, data: Value) -> Result<(), (u16, String)> {
    let Value::Object(data) = data else { panic!("{data}") };
    schema.check(&data).map_err(|error| (error.status, error.detail))
}

fn detail(schema: &Schema, data: Value) -> String {
    let (status, detail) = check(schema, data).unwrap_err();
    assert_eq!(status, 400);
    detail
}

fn person() -> Schema {
    schema(json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://blaze.example/person",
        "title": "A person",
        "type": "object",
        "required": ["name", "address"],
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 5, "pattern": "^[A-Z]"},
            "age": {"type": ["integer", "null"], "minimum": 18, "exclusiveMaximum": 150},
            "price": {"multipleOf": 0.01},
            "address": {"$ref": "#/$defs/address"},
            "tags": {"items": {"enum": ["a", 1]}, "uniqueItems": true, "minItems": 1, "maxItems": 3,
                "contains": {"const": "a"}},
            "born": {"x-blaze-type": "timestamp"},
            "mail": {"format": "email"},
            "a.b": false,
            "one": {"oneOf": [{"minimum": 0}, {"maximum": 0}]},
            "any": {"anyOf": [{"type": "null"}, {"type": "string"}]},
            "not": {"not": {"type": "string"}},
        },
        "dependentRequired": {"mail": ["born"]},
        "$defs": {"address": {
            "required": ["zip"],
            "maxProperties": 2,
            "propertyNames": {"maxLength": 4},
            "additionalProperties": {"type": "string"},
        }},
    }))
}

#[test]
fn a_refusal_names_the_fields_and_what_is_wrong_with_them() {
    let person = person();
    let good = || {
        json!({"name": "Alice", "address": {"zip": "1"}, "tags": ["a", 1.0], "age": null, "price": 4.35,
            "born": {"$timestamp": "2026-11-21T10:00:00Z"}, "mail": "a@b", "one": 1, "any": "", "not": 1})
    };
    assert_eq!(check(&person, good()), Ok(()));
    for (field, value, expected) in [
        ("age", json!(17), "age: 17 is less than 18"),
        ("age", json!(150.0), "age: 150.0 is not less than 150"),
        ("age", json!(18.5), "age: a number, not of type integer or null"),
        ("price", json!(4.351), "price: 4.351 is no multiple of 0.01"),
        ("address", json!({}), "address.zip: missing"),
        ("address", json!({"zip": 1}), "address.zip: a number, not of type string"),
        ("address", json!({"zip": "", "a": "", "b": ""}), "address: 3 fields, of 2 at most"),
        (
            "address",
            json!({"zip": "", "abcde": ""}),
            "address.abcde (its name): 5 characters, of 4 at most",
        ),
        (
            "name",
            json!(""),
            "name: 0 characters, of 1 at least; name: does not match the pattern ^[A-Z]",
        ),
        (
            "name",
            json!("Éabcde"),
            "name: 6 characters, of 5 at most; name: does not match the pattern ^[A-Z]",
        ),
        ("tags", json!(["a", "b"]), "tags[1]: none of the values that it may have"),
        ("tags", json!(["a", 1, 1.0]), "tags: the elements 1 and 2 are equal"),
        ("tags", json!([1]), "tags: 0 elements that fit the schema of contains, of 1 at least"),
        ("born", json!("2026-11-21T10:00:00Z"), "born: a string, not a timestamp"),
        ("born", json!({"$bytes": "aGk="}), "born: a typed value, not a timestamp"),
        ("mail", json!("a"), "mail: no email"),
        ("a.b", json!(1), "`a.b`: not allowed"),
        ("one", json!(0), "one: fits 2 of the schemas of oneOf, not one"),
        ("any", json!(0), "any: fits none of the schemas of anyOf"),
        ("not", json!(""), "not: fits the schema of not"),
    ] {
        let mut data = good();
        data[field] = value;
        assert_eq!(detail(&person, data), expected);
    }
    assert_eq!(
        detail(&person, json!({"mail": "a@b"})),
        "born: missing, as mail is there; name: missing; address: missing"
    );
    assert_eq!(detail(&schema(json!(false)), json!({})), "data: not allowed");
}

#[test]
fn the_first_violations_are_named_and_long_places_are_cut() {
    let numbers = schema(json!({"additionalProperties": {"type": "number"}}));
    let wrong = |count: usize| (0..count).map(|n| (format!("f{n:02}"), json!(""))).collect::<Map>();
    for count in [SCHEMA_VIOLATIONS, SCHEMA_VIOLATIONS + 1] {
        let named = detail(&numbers, Value::Object(wrong(count)));
        assert_eq!(named.split("; ").count(), SCHEMA_VIOLATIONS);
        assert!(named.starts_with("f00: ") && named.contains("f04: "), "{named}");
    }
    let long = detail(&numbers, json!({"é".repeat(100_000): ""}));
    assert!(long.len() < 1_000, "{}", long.len());
}

#[test]
fn typed_values_are_objects_and_have_types_of_their_own() {
    for (name, value) in [
        ("timestamp", json!({"$timestamp": "2026-11-21T10:00:00Z"})),
        ("bytes", json!({"$bytes": "aGk="})),
        ("reference", json!({"$ref": "users/alice"})),
        ("geopoint", json!({"$geopoint": [1, 2]})),
    ] {
        for other in ["timestamp", "bytes", "reference", "geopoint"] {
            let typed =
                schema(json!({"properties": {"a": {"type": "object", "x-blaze-type": other}}}));
            assert_eq!(
                check(&typed, json!({ "a": value })).is_ok(),
                name == other,
                "{name} {other}"
            );
        }
    }
}

#[test]
fn what_is_not_understood_is_refused_with_its_place() {
    for (value, start) in [
        (json!(1), ": 1, not a JSON Schema"),
        (json!({"properties": {"a": {"minimun": 1}}}), ": properties.a.minimun: unknown key"),
        (json!({"unevaluatedProperties": false}), ": unevaluatedProperties: unknown key"),
        (json!({"$anchor": "a"}), ": $anchor: unknown key; known: $schema, $id"),
        (json!({"definitions": {}}), ": definitions: unknown key"),
        (json!({"format": "ipv4"}), ": format: \"ipv4\", not one of date-time, email, uuid, uri"),
        (json!({"type": "int"}), ": type: \"int\", not one of null"),
        (json!({"type": []}), ": type: an array of 0, not one of null"),
        (json!({"type": ["null", 1]}), ": type[1]: 1, not one of null"),
        (json!({"x-blaze-type": "date"}), ": x-blaze-type: \"date\", not one of timestamp"),
        (json!({"enum": 1}), ": enum: 1, not an array"),
        (json!({"required": [1]}), ": required[0]: 1, not a string"),
        (json!({"minLength": -1}), ": minLength: -1, not an integer of 0 or more"),
        (json!({"minLength": 1.5}), ": minLength: 1.5, not an integer"),
        (json!({"minContains": "1"}), ": minContains: a string, not an integer"),
        (json!({"minimum": "1"}), ": minimum: a string, not a number"),
        (json!({"minimum": {"$number": "NaN"}}), ": minimum: a typed value, not a number"),
        (json!({"multipleOf": 0}), ": multipleOf: not more than 0"),
        (json!({"uniqueItems": 1}), ": uniqueItems: 1, not a boolean"),
        (json!({"pattern": "("}), ": pattern: \"(\": "),
        (json!({"patternProperties": {"(?=a)": true}}), ": patternProperties: \"(?=a)\": "),
        (json!({"allOf": []}), ": allOf: an array of 0, not an array of 1 or more"),
        (json!({"allOf": [true, 1]}), ": allOf[1]: 1, not a JSON Schema"),
        (json!({"items": [true]}), ": items: an array, not a JSON Schema"),
        (json!({"then": 1}), ": then: 1, not a JSON Schema"),
        (json!({"properties": []}), ": properties: an array, not an object"),
        (json!({"$defs": {"a/b": {"not": 1}}}), ": $defs[\"a/b\"].not: 1, not a JSON Schema"),
        (json!({"dependentRequired": {"a": 1}}), ": dependentRequired.a: 1, not an array"),
        (json!({"not": {"$id": "a"}}), ": not.$id: it stands only"),
        (
            json!({"$schema": "http://json-schema.org/draft-07/schema#"}),
            ": $schema: \"http://json-schema.org/draft-07/schema#\", not one of",
        ),
        (json!({"$ref": "#/$defs/a"}), ": $ref: \"#/$defs/a\" is no schema"),
        (json!({"$ref": "#/required", "required": []}), ": $ref: \"#/required\" is no schema"),
        (json!({"$ref": "other.json"}), ": $ref: \"other.json\" is no schema"),
        (json!({"not": {"$ref": "#a"}}), ": not.$ref: \"#a\" is no schema"),
        (json!({"$ref": 1}), ": $ref: 1, not a string"),
    ] {
        let detail = refusal(value);
        assert!(detail.starts_with(&format!("schema{start}")), "{detail}");
    }
}

#[test]
fn a_keyword_whose_value_matters_refuses_null() {
    for field in Schema::KEYWORDS {
        let matters = !matches!(field.kind, Kind::Other("any value"));
        assert_eq!(Schema::compile(&json!({ field.key: null })).is_err(), matters, "{}", field.key);
    }
}

#[test]
fn references_that_never_go_into_a_value_are_refused() {
    for endless in [
        json!({"$ref": "#"}),
        json!({"allOf": [{"$ref": "#"}]}),
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"not": {"$ref": "#/$defs/a"}}}}),
        json!({"properties": {"a": {"if": {"$ref": "#/properties/a"}}}}),
        json!({"dependentSchemas": {"a": {"$ref": "#"}}}),
    ] {
        assert!(refusal(endless).starts_with("schema: $ref leads back"));
    }
    // These end where the document does. The same schema twice at one value is no cycle.
    let tree = schema(json!({
        "$ref": "#/$defs/tree",
        "allOf": [{"$ref": "#/$defs/tree"}],
        "$defs": {"tree": {
            "required": ["n"],
            "properties": {"n": {"type": "integer"}, "children": {"items": {"$ref": "#/$defs/tree"}}},
            "additionalProperties": false,
        }},
    }));
    let leaf = |n: Value| json!({ "n": n });
    assert_eq!(check(&tree, json!({"n": 1, "children": [leaf(json!(1)), leaf(json!(2))]})), Ok(()));
    assert_eq!(
        detail(
            &tree,
            json!({"n": 1, "children": [leaf(json!(1)), {"n": 1, "children": [leaf(json!("x"))]}]})
        )
        .split("; ")
        .next(),
        Some("children[1].children[0].n: a string, not of type integer")
    );
}

#[test]
fn a_schemas_size_and_depth_are_limited() {
    let many = |schemas: usize| {
        let fields: Map = (1..schemas).map(|n| (format!("f{n}"), json!(true))).collect();
        Schema::compile(&json!({ "properties": fields }))
    };
    assert!(many(SCHEMA_NODES).is_ok());
    assert_eq!(
        many(SCHEMA_NODES + 1).unwrap_err().detail.split(": ").last(),
        Some("more than 5000 schemas")
    );
    let deep = |levels: usize| (1..levels).fold(json!(true), |inner, _| json!({ "not": inner }));
    assert!(Schema::compile(&deep(SCHEMA_DEPTH)).is_ok());
    assert!(refusal(deep(SCHEMA_DEPTH + 1)).ends_with("more than 50 schemas inside each other"));
}

#[test]
fn a_patterns_size_is_limited_and_its_cost_grows_with_it() {
    let weight = |text: &str| match schema(json!({ "pattern": text })).nodes[0].keywords.as_slice()
    {
        [Keyword::Matches(pattern)] => pattern.weight,
        other => panic!("{other:?}"),
    };
    assert!(weight("^a") < weight("^a{50}") && weight("^a{50}") < weight("^(a{10}){100}"));
    // What fits is less than the limit, by less than half: the size is asked for in powers of two.
    let fits = |count: usize| Schema::compile(&json!({"pattern": format!("a{{{count}}}")})).is_ok();
    let most = (1..PATTERN_BYTES / 16).rev().step_by(16).find(|count| fits(*count)).unwrap();
    assert!(fits(most) && !fits(most + 16) && most > PATTERN_BYTES / 128, "{most}");
    assert!(refusal(json!({"pattern": "(a{1000}){1000}"})).starts_with("schema: pattern: "));
    assert!(refusal(json!({"pattern": "(".repeat(10_000)})).starts_with("schema: pattern: "));
}

#[test]
fn the_work_of_a_check_is_limited() {
    let exceeded = |schema: &Schema, data: Value| {
        let result = check(schema, data);
        assert!(
            matches!(&result, Err((413, detail)) if detail.starts_with("data: to check it")),
            "{result:?}"
        );
    };
    // Two choices at each of 40 levels, the last of which fails.
    let mut definitions = Map::new();
    for level in 0..40 {
        let next = json!({"$ref": format!("#/$defs/d{}", level + 1)});
        definitions.insert(format!("d{level}"), json!({"anyOf": [next.clone(), next]}));
    }
    definitions.insert("d40".to_owned(), json!(false));
    exceeded(&schema(json!({"$ref": "#/$defs/d0", "$defs": definitions})), json!({}));
    // Counted: a schema at the root, its keyword, the field, and a schema with two keywords at each of the elements.
    let counted =
        schema(json!({"properties": {"a": {"items": {"type": "integer", "minimum": 0}}}}));
    let ones = |count: usize| json!({ "a": vec![1; count] });
    let most = (SCHEMA_STEPS - 5) / 3;
    assert_eq!(check(&counted, ones(most)), Ok(()));
    exceeded(&counted, ones(most + 1));
    let costly = schema(json!({"properties": {"a": {"pattern": "(a|aa|aaa){1,100}$"}}}));
    exceeded(&costly, json!({"a": "a".repeat(1_000_000)}));
}

#[test]
fn many_unique_elements_take_little() {
    let unique = schema(json!({"properties": {"a": {"uniqueItems": true}}}));
    let mut numbers: Vec<usize> = (0..100_000).map(|n| n * 7_919 % 100_003).collect();
    assert_eq!(check(&unique, json!({ "a": numbers })), Ok(()));
    numbers[99_999] = numbers[7];
    assert_eq!(detail(&unique, json!({ "a": numbers })), "a: the elements 7 and 99999 are equal");
}

#[test]
fn any_value_is_checked_or_refused() {
    let all = schema(json!({
        "propertyNames": {"maxLength": 9}, "minProperties": 0, "maxProperties": 9, "additionalProperties": {
            "type": ["null", "array"], "minItems": 1, "contains": {}, "uniqueItems": true, "minimum": 1,
            "multipleOf": 1, "minLength": 1, "pattern": "a", "format": "uri", "x-blaze-type": "bytes",
            "if": {"type": "string"}, "then": false, "else": {"items": {"items": false}}},
    }));
    for value in [
        json!(null),
        json!(true),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(-0.0),
        json!(f64::MAX),
        json!(""),
        json!("é%\u{0}"),
        json!([]),
        json!([[[]]]),
        json!({}),
        json!({"$number": "NaN"}),
        json!({"$": 1}),
        json!({"$timestamp": 1}),
    ] {
        let _ = check(&all, json!({ "a": value }));
    }
}
