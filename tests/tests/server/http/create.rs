//! `POST` to a collection.

use crate::client;
use blaze_tests::client::{JSON, fresh};
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

/// Crockford's base 32, as the ULID specification has it.
const ALPHABET: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The milliseconds in a ULID's first ten characters; a failure if it is none.
fn ulid_millis(id: &str) -> u128 {
    assert_eq!(id.len(), 26, "{id}");
    let digits: Vec<usize> =
        id.chars().map(|character| ALPHABET.find(character).expect("a ULID's character")).collect();
    digits[..10].iter().fold(0, |millis, digit| millis * 32 + *digit as u128)
}

#[test]
fn post_creates_a_document_with_a_ulid_and_says_where() {
    let millis = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let before = millis();
    let reply = client().post("/v1/docs/created", &json!({"n": {"$increment": 2}})).send();
    let reply = reply.expect(201);
    let resource = reply.json();
    let id = resource["id"].as_str().unwrap();
    let made = ulid_millis(id);
    assert!((before - 1_000..=millis() + 1_000).contains(&made), "{made}");
    assert_eq!(resource["path"], format!("created/{id}"));
    let location = reply.header("location").unwrap();
    assert_eq!(location, format!("/v1/docs/created/{id}"));
    assert_eq!((reply.version(), &resource["version"]), (1, &json!(1)));
    assert_eq!(client().get(location).send().expect(200).body, reply.body);
    assert_eq!(resource["data"], json!({"n": 2}));
}

#[test]
fn every_post_makes_another_document() {
    let ids: std::collections::HashSet<String> = (0..20)
        .map(|_| client().post("/v1/docs/created", &json!({})).send().expect(201).json())
        .map(|resource| resource["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 20);
}

#[test]
fn a_collection_may_be_under_a_document_and_have_any_name() {
    let collection = format!("{}/n%C3%B6tes%20%3F", fresh("created"));
    let reply = client().post(&collection, &json!({"n": 1})).send().expect(201);
    let location = reply.header("location").unwrap();
    assert!(location.starts_with(&format!("{collection}/")), "{location}");
    assert!(reply.json()["path"].as_str().unwrap().contains("/nötes ?/"));
    assert_eq!(client().data(location), json!({"n": 1}));
}

#[test]
fn if_none_match_is_true_of_a_new_document_and_if_match_is_not() {
    let call = |header: &str, value: &str| {
        client().post("/v1/docs/created", &json!({})).header(header, value).send()
    };
    call("if-none-match", "*").expect(201);
    call("if-match", "*").problem(412, "failed-precondition");
    call("if-match", "\"1\"").problem(412, "failed-precondition");
}

#[test]
fn what_is_no_document_is_not_created() {
    for body in ["", "[]", "null", "{\"a\":{\"$delete\":true}}", "{\"$a\":1}"] {
        let reply = client().request("POST", "/v1/docs/created").body(JSON, body).send();
        reply.problem(400, "invalid-argument");
        assert_eq!(reply.header("location"), None);
    }
}
