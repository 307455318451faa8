//! Firestore's own cases of queries (`data/firestore_queries.json`), asked of the server: with one index, with shards, and
//! with indexes that a case does not ask for.

use crate::client;
use crate::playground::Playground;
use blaze_tests::client::documents;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

fn collections(shards: u64, indexes: Value) -> Value {
    let mut collections = Map::new();
    for id in ["C", "cg", "foo", "collection", "messages", "sub-collection"] {
        let settings = json!({"group": true, "shards": shards, "indexes": indexes});
        collections.insert(id.to_owned(), settings);
    }
    Value::Object(collections)
}

#[test]
fn queries_are_answered_as_firestore_does() {
    let text = include_str!("../../../data/firestore_queries.json");
    let cases: Value = serde_json::from_str(text).unwrap();
    // Cases of the same documents one after the other.
    let mut sets: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for case in cases["cases"].as_array().unwrap() {
        sets.entry(case["documents"].to_string()).or_default().push(case);
    }
    let indexes = json!([["a", "-b"], ["sort", "key"], ["array[]", "a"], ["-b", "a"]]);
    let mut playgrounds = [collections(1, json!([])), collections(4, indexes)]
        .map(|settings| Playground::new(&settings));
    let (mut asked, mut wrong) = (0, Vec::new());
    for cases in sets.values() {
        for playground in &mut playgrounds {
            let all = cases[0]["documents"].as_object().unwrap();
            playground
                .replace(all.iter().map(|(path, data)| (path.clone(), data.clone())).collect());
            for case in cases {
                let Some(expected) = case["expect"].as_array() else { continue };
                let answer = playground.query(&case["query"]);
                let paths: Vec<&Value> =
                    documents(&answer).iter().map(|document| &document["path"]).collect();
                if !paths.iter().copied().eq(expected) {
                    wrong.push(format!("{}: {paths:?}", case["name"]));
                }
                if let Some(selected) = case["selected"].as_object() {
                    for document in documents(&answer) {
                        let wanted = selected.get(document["path"].as_str().unwrap());
                        assert_eq!(Some(&document["data"]), wanted, "{}", case["name"]);
                    }
                }
                asked += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(asked > 420, "{asked} queries were asked");
    for case in cases["cases"].as_array().unwrap() {
        if case["refused"] == true {
            client().post("/v1/query", &case["query"]).send().problem(400, "invalid-argument");
        }
    }
}
