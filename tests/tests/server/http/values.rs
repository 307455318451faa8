//! What a document may hold comes back as it was written, or in its one canonical form.

use crate::client;
use blaze_tests::client::{JSON, fresh};
use serde_json::{Value, json};

/// The text of the data that a `GET` gives after a `PUT` of `data`.
fn kept(data: &str) -> String {
    let path = fresh("values");
    client().request("PUT", &path).body(JSON, data).send().expect(201);
    let text = client().get(&path).send().expect(200).text();
    let (_, after) = text.split_once("\"data\":").expect("data");
    after.strip_suffix('}').expect("the resource's end").to_owned()
}

#[test]
fn typed_values_come_back_as_they_were_written() {
    for data in [
        json!({}),
        json!({"t": {"$timestamp": "2026-11-21T10:00:00.123456Z"}}),
        json!({"t": {"$timestamp": "0001-01-01T00:00:00Z"}}),
        json!({"t": {"$timestamp": "9999-12-31T23:59:59.999999Z"}}),
        json!({"b": {"$bytes": "AAECA/8="}, "empty": {"$bytes": ""}}),
        json!({"r": {"$ref": "users/alice"}, "s": {"$ref": "a/b/c/é d"}}),
        json!({"g": {"$geopoint": [48.85, 2.35]}, "h": {"$geopoint": [-90, 180]}}),
        json!({"n": {"$number": "NaN"}, "i": {"$number": "Infinity"}, "j": {"$number": "-Infinity"}}),
        json!({"a": [null, true, [], [[1]], {}, {"x": {"$ref": "a/b"}}, {"$bytes": "aGk="}]}),
        json!({"text": "\u{0} \u{1f} \" \\ / é \u{2028} 😀 \u{ffff}", "": "empty key"}),
        json!({"__proto__": 1, "constructor": {"prototype": 2}, "a.b": 3, "~/`": 4, "😀": 5}),
    ] {
        let text: Value = serde_json::from_str(&kept(&data.to_string())).unwrap();
        assert_eq!(text, data);
    }
}

#[test]
fn numbers_keep_their_value_and_their_kind() {
    for (written, read) in [
        ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("9007199254740993", "9007199254740993"),
        ("0", "0"),
        ("1.0", "1.0"),
        ("0.1", "0.1"),
        ("5e-324", "5e-324"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
        ("1e2", "100.0"),
        ("-0.0", "-0.0"),
        ("9223372036854775808", "9.223372036854776e+18"),
        ("123456789012345678901234567890", "1.2345678901234568e+29"),
        ("0.30000000000000004", "0.30000000000000004"),
    ] {
        assert_eq!(kept(&format!("{{\"n\":{written}}}")), format!("{{\"n\":{read}}}"), "{written}");
    }
}

#[test]
fn integers_stay_exact_through_arithmetic_and_patches() {
    let path = fresh("values");
    client().put(&path, &json!({"n": i64::MAX - 2, "list": [i64::MIN]})).send().expect(201);
    client().patch(&path, JSON, &json!({"n": {"$increment": 1}})).send().expect(200);
    let patch = json!([{"op": "add", "path": "/list/-", "value": i64::MAX},
                       {"op": "test", "path": "/n", "value": i64::MAX - 1}]);
    client().patch(&path, blaze_tests::client::JSON_PATCH, &patch).send().expect(200);
    let data = client().get(&path).send().text();
    let expected =
        r#""data":{"list":[-9223372036854775808,9223372036854775807],"n":9223372036854775806}}"#;
    assert!(data.ends_with(expected), "{data}");
}

#[test]
fn other_spellings_of_a_typed_value_are_brought_into_one() {
    for (written, read) in [
        (
            r#"{"$timestamp":"2026-11-21T11:00:00.5+01:00"}"#,
            r#"{"$timestamp":"2026-11-21T10:00:00.500Z"}"#,
        ),
        (
            r#"{"$timestamp":"2026-11-21T10:00:00.1234569Z"}"#,
            r#"{"$timestamp":"2026-11-21T10:00:00.123456Z"}"#,
        ),
        (r#"{"$bytes":"aGk"}"#, r#"{"$bytes":"aGk="}"#),
        (r#"{"$geopoint":[48.0,2]}"#, r#"{"$geopoint":[48,2]}"#),
    ] {
        assert_eq!(kept(&format!("{{\"v\":{written}}}")), format!("{{\"v\":{read}}}"));
    }
    assert_eq!(kept(r#"{ "b" : 1 , "a" : [ ] , "b" : 2 }"#), r#"{"a":[],"b":2}"#);
    assert_eq!(kept("{\"\\u00e9\":\"\\ud83d\\ude00\"}"), "{\"é\":\"😀\"}");
}

#[test]
fn a_key_that_begins_with_a_dollar_stands_alone_and_is_known() {
    let path = fresh("values");
    client().put(&path, &json!({"n": 1})).send().expect(201);
    for (data, place) in [
        (json!({"$a": 1}), "$a"),
        (json!({"$a": 1, "b": 2}), "$a"),
        (json!({"in": {"ner": [{"$unknown": 1}]}}), "data.in.ner[0]"),
        (json!({"v": {"$timestamp": "2026-11-21T10:00:00Z", "x": 1}}), "data.v"),
        (json!({"v": {"$timestamp": "2026-11-21"}}), "data.v"),
        (json!({"v": {"$timestamp": "10000-01-01T00:00:00Z"}}), "data.v"),
        (json!({"v": {"$timestamp": 1}}), "data.v"),
        (json!({"v": {"$bytes": "~~~~"}}), "data.v"),
        (json!({"v": {"$bytes": [1]}}), "data.v"),
        (json!({"v": {"$ref": "users"}}), "data.v"),
        (json!({"v": {"$ref": "users/__x__"}}), "data.v"),
        (json!({"v": {"$ref": ""}}), "data.v"),
        (json!({"v": {"$geopoint": [90.1, 0]}}), "data.v"),
        (json!({"v": {"$geopoint": [0, -180.5]}}), "data.v"),
        (json!({"v": {"$geopoint": [0]}}), "data.v"),
        (json!({"v": {"$geopoint": {"lat": 0}}}), "data.v"),
        (json!({"v": {"$number": "1"}}), "data.v"),
        (json!({"v": {"$number": 1}}), "data.v"),
    ] {
        let detail = client().put(&path, &data).refused(400, "invalid-argument");
        assert!(detail.contains(place), "{data}: {detail}");
    }
}
