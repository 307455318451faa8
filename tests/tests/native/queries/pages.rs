//! Pages that end because an answer has room for no more, and tokens that are of another query.

use blaze_schema::error::Code;
use blaze_schema::limits::ANSWER_BYTES;
use blaze_schema::path::DocumentPath;
use blaze_schema::query::Query;
use blaze_schema::value::Map;
use blaze_store::memory::MemoryStore;
use blaze_tests::indexes::{Indexes, now};
use blaze_tests::query_oracle::State;
use serde_json::{Value, json};

/// Documents of which eleven fit on a page.
const DOCUMENTS: usize = 30;
const BYTES: usize = ANSWER_BYTES / 12;

fn large(shards: u32) -> Indexes<MemoryStore> {
    let collections = json!({"c": {"shards": shards}});
    let mut indexes = Indexes::new(&json!("c"), &collections, MemoryStore::default);
    for number in 0..DOCUMENTS {
        let path = DocumentPath::parse(&format!("c/{number:02}")).unwrap();
        let data = json!({
            "n": number * 7 % DOCUMENTS, "m": number % 2, "text": "x".repeat(BYTES),
        });
        let data: Map = data.as_object().unwrap().clone();
        indexes.update(&State::new(&path, 1, 1, now(), Some(data)));
    }
    indexes
}

/// The ids of each page of a query.
fn pages(indexes: &mut Indexes<MemoryStore>, query: &Value) -> Vec<Vec<String>> {
    let mut query = Query::from_json(query.clone()).unwrap();
    let mut pages = Vec::new();
    loop {
        let answer = indexes.query(&query).unwrap();
        assert!(answer.len() < ANSWER_BYTES + 10_000);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let documents = answer["documents"].as_array().unwrap();
        let id = |document: &Value| document["id"].as_str().unwrap().to_owned();
        pages.push(documents.iter().map(id).collect());
        query.page_token = answer["nextPageToken"].as_str().map(str::to_owned);
        if query.page_token.is_none() {
            return pages;
        }
        assert!(pages.len() <= DOCUMENTS, "pages do not end");
    }
}

#[test]
fn an_answer_ends_where_it_would_be_too_large() {
    for shards in [1, 3] {
        let mut indexes = large(shards);
        // In the order of an index, in that of its runs, and in no index's.
        for order in [json!(["n"]), json!(["m", "n"]), json!(["__name__"])] {
            let orders = order.as_array().unwrap().iter();
            let orders: Vec<Value> = orders.map(|field| json!({ "field": field })).collect();
            let whole = json!({"from": "c", "orderBy": orders, "select": []});
            let small = pages(
                &mut indexes,
                &json!({
                    "from": "c", "orderBy": orders, "select": [], "limit": 1
                }),
            );
            let all: Vec<String> = small.into_iter().flatten().collect();
            assert_eq!(all.len(), DOCUMENTS);
            for offset in [0, 1, 14, 25, 40] {
                let mut query = whole.clone();
                query["offset"] = json!(offset);
                let pages = pages(&mut indexes, &query);
                let found = pages.concat();
                assert_eq!(
                    found,
                    all[offset.min(DOCUMENTS)..],
                    "offset {offset} of {order}, {shards}"
                );
                if shards == 1 {
                    let lengths: Vec<usize> = pages.iter().map(Vec::len).collect();
                    let (last, full) = lengths.split_last().unwrap();
                    assert!(*last <= 11 && full.iter().all(|length| *length == 11), "{lengths:?}");
                }
            }
        }
    }
}

#[test]
fn the_last_documents_are_answered_at_once_or_not_at_all() {
    for shards in [1, 3] {
        let mut indexes = large(shards);
        let mut ask = |limit| {
            let orders = json!([{"field": "n"}]);
            let query = json!({"from": "c", "orderBy": orders, "limitToLast": limit});
            indexes.query(&Query::from_json(query).unwrap())
        };
        let answer: Value = serde_json::from_str(&ask(4).unwrap()).unwrap();
        assert_eq!(answer["documents"].as_array().unwrap().len(), 4);
        assert_eq!(answer.get("nextPageToken"), None);
        assert_eq!(ask(20).unwrap_err().code, Code::ResourceExhausted);
    }
}

#[test]
fn a_token_is_of_its_query_whatever_is_shown_of_it() {
    for shards in [1, 2] {
        let mut indexes =
            Indexes::new(&json!("c"), &json!({"c": {"shards": shards}}), MemoryStore::default);
        for number in 0..10 {
            let path = DocumentPath::parse(&format!("c/{number}")).unwrap();
            let data = Map::from_iter([("n".to_owned(), json!(number))]);
            indexes.update(&State::new(&path, 1, 1, now(), Some(data)));
        }
        let mut ask = |query: Value| {
            let answer = indexes.query(&Query::from_json(query).unwrap())?;
            Ok(serde_json::from_str::<Value>(&answer).unwrap())
        };
        let base = json!({"from": "c", "where": {"field": "n", "op": ">", "value": 1}, "limit": 2});
        let with = |changes: Value| {
            let mut query = base.clone();
            for (key, value) in changes.as_object().unwrap() {
                query[key] = value.clone();
            }
            query
        };
        let first = ask(base.clone()).unwrap();
        let token = &first["nextPageToken"];
        for same in
            [json!({}), json!({"limit": 5}), json!({"select": ["n"]}), json!({"explain": true})]
        {
            let mut query = with(same);
            query["pageToken"] = token.clone();
            assert_eq!(ask(query).unwrap()["documents"][0]["id"], json!("4"));
        }
        let descending = json!([{"field": "n", "direction": "desc"}]);
        for other in [
            json!({"where": {"field": "n", "op": ">", "value": 2}}),
            json!({"orderBy": descending}),
            json!({"startAt": [3]}),
        ] {
            let mut query = with(other);
            query["pageToken"] = token.clone();
            let error: blaze_schema::error::Error = ask(query).unwrap_err();
            assert_eq!(error.code, Code::InvalidArgument, "{error}");
        }
        for token in ["", "x", "bnVsbA", "WzEsMl0"] {
            let mut query = with(json!({}));
            query["pageToken"] = json!(token);
            let error = ask(query).unwrap_err();
            assert_eq!(error.code, Code::InvalidArgument, "{error}");
        }
    }
}
