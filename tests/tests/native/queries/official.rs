//! Firestore's own cases of queries (`data/firestore_queries.json`), asked of an index.

use blaze_schema::path::DocumentPath;
use blaze_schema::query::Query;
use blaze_schema::value::{Transforms, check_data};
use blaze_store::memory::MemoryStore;
use blaze_tests::indexes::{Indexes, now};
use blaze_tests::query_oracle::State;
use serde_json::{Value, json};

/// Indexes that a case does not ask for, and that must not change its answer.
const INDEXES: [&[&[&str]]; 3] = [
    &[],
    &[&["a", "-b"], &["sort", "key"], &["array[]", "a"], &["b", "-a"]],
    &[&["-a", "-b"], &["-sort", "key"], &["v", "sort"], &["a", "array[]"]],
];

#[test]
fn an_index_answers_as_firestore_does() {
    let text = include_str!("../../../data/firestore_queries.json");
    let cases: Value = serde_json::from_str(text).unwrap();
    let (mut asked, mut wrong) = (0, Vec::new());
    for case in cases["cases"].as_array().unwrap() {
        let Some(expected) = case["expect"].as_array() else { continue };
        let query = Query::from_json(case["query"].clone()).unwrap();
        let from = &case["query"]["from"];
        let id = from["group"].as_str().or(from.as_str()).unwrap().rsplit('/').next().unwrap();
        for (number, indexes) in INDEXES.into_iter().enumerate() {
            let shards = if number == 2 { 3 } else { 1 };
            let collections = json!({id: {"group": true, "indexes": indexes, "shards": shards}});
            let mut objects = Indexes::new(from, &collections, MemoryStore::default);
            for (path, data) in case["documents"].as_object().unwrap() {
                let data = check_data(data.clone(), Transforms::Refused, path).unwrap();
                let path = DocumentPath::parse(path).unwrap();
                objects.update(&State::new(&path, 1, 1, now(), Some(data)));
            }
            let answer = objects.query(&query).unwrap();
            let answer: Value = serde_json::from_str(&answer).unwrap();
            let documents = answer["documents"].as_array().unwrap();
            let paths: Vec<&Value> = documents.iter().map(|document| &document["path"]).collect();
            if !paths.iter().copied().eq(expected) {
                wrong.push(format!("{} with {indexes:?}: {paths:?}", case["name"]));
            }
            let selected = case["selected"].as_object();
            for document in documents.iter().filter(|_| selected.is_some()) {
                let wanted = selected.and_then(|data| data.get(document["path"].as_str()?));
                assert_eq!(Some(&document["data"]), wanted, "{}", case["name"]);
            }
            asked += 1;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(asked > 400, "{asked} queries were asked");
}
