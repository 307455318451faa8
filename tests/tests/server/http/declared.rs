//! What `collections.json` declares: groups, shards, indexes of several fields, exemptions.

use crate::declared;
use blaze_tests::client::{documents, fresh_collection, ids};
use serde_json::{Value, json};

fn put(path: &str, data: Value) {
    declared().put(&format!("/v1/docs/{path}"), &data).send();
}

fn paths(query: &Value) -> Vec<String> {
    let answer = declared().query(query);
    documents(&answer)
        .iter()
        .map(|document| document["path"].as_str().unwrap().to_owned())
        .collect()
}

fn aggregate(query: &Value, aggregates: Value) -> Value {
    let body = json!({"query": query, "aggregates": aggregates});
    declared().post("/v1/aggregate", &body).send().expect(200).json()
}

/// The paths of all pages of a query, one page after the other.
fn all_pages(mut page: Value) -> Vec<String> {
    let mut pages = Vec::new();
    loop {
        let answer = declared().query(&page);
        let found = documents(&answer);
        pages.extend(found.iter().map(|one| one["path"].as_str().unwrap().to_owned()));
        let Some(token) = answer["nextPageToken"].as_str() else { return pages };
        page["pageToken"] = json!(token);
    }
}

#[test]
fn a_group_is_every_collection_of_its_id() {
    // One index, and one in eight shards.
    for group in ["cast", "eight"] {
        let root = fresh_collection();
        let all = [
            format!("{root}/a/{group}/1"),
            format!("{root}/a/{group}/2"),
            format!("{root}/a/{group}/2/{group}/3"),
            format!("{root}/a!/{group}/1"),
            format!("{root}/b/deep/er/{group}/1"),
        ];
        for (n, path) in all.iter().enumerate().rev() {
            put(path, json!({"n": n, "root": root}));
        }
        put(&format!("{root}/a/other/1"), json!({"n": 9, "root": root}));
        put(&format!("{root}/{group}"), json!({"n": 9, "root": root}));
        let mine = json!({"field": "root", "op": "==", "value": root});
        let query = |rest: Value| {
            let mut query = rest.as_object().unwrap().clone();
            query.insert("from".to_owned(), json!({"group": group}));
            query.entry("where").or_insert_with(|| mine.clone());
            Value::Object(query)
        };
        // Paths are ordered segment by segment.
        let mut sorted = all.to_vec();
        sorted.sort_by_key(|path| path.split('/').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(paths(&query(json!({}))), sorted);
        assert_eq!(paths(&query(json!({"orderBy": [{"field": "n"}]}))), all);
        assert_eq!(
            paths(&query(json!({"orderBy": [{"field": "n", "direction": "desc"}], "limit": 2}))),
            [all[4].as_str(), &all[3]]
        );
        assert_eq!(
            paths(&query(json!({"orderBy": [{"field": "n"}], "offset": 1, "limit": 2}))),
            all[1..3]
        );
        assert_eq!(
            aggregate(&query(json!({})), json!({"n": "count", "s": {"sum": "n"}})),
            json!({"n": 5, "s": 10})
        );
        let named = json!({"field": "__name__", "op": "==", "value": all[2]});
        assert_eq!(paths(&query(json!({"where": named}))), all[2..3]);
        let among =
            json!({"and": [mine, {"field": "__name__", "op": ">", "value": {"$ref": sorted[1]}}]});
        assert_eq!(paths(&query(json!({"where": among}))), sorted[2..]);
        // A path it must be, not an id.
        let id = query(json!({"where": {"field": "__name__", "op": "==", "value": "1"}}));
        declared().post("/v1/query", &id).send().problem(400, "invalid-argument");
        let pages = all_pages(query(json!({"limit": 2})));
        assert_eq!(pages, sorted);
        // Each collection is its own all the same.
        assert_eq!(paths(&json!({"from": format!("{root}/a/{group}")})), all[..2]);
        // Changes reach the group as they reach the collection.
        put(&all[0], json!({"n": 100, "root": root}));
        declared().delete(&format!("/v1/docs/{}", all[1])).send().expect(204);
        let now = paths(&query(json!({"orderBy": [{"field": "n"}]})));
        assert_eq!(now, [&all[2], &all[3], &all[4], &all[0]].map(String::clone));
        put(&all[1], json!({"n": 50, "root": root}));
        assert_eq!(
            paths(&query(
                json!({"where": {"and": [mine, {"field": "n", "op": ">=", "value": 50}]}})
            )),
            [&all[1], &all[0]].map(String::clone)
        );
    }
}

#[test]
fn shards_answer_as_one_index_does() {
    // The same documents twice; paths differ only above the collection.
    let root = fresh_collection();
    let (one, eight) = (format!("{root}/1/one"), format!("{root}/1/eight"));
    for collection in [&one, &eight] {
        for n in 0..50_u64 {
            let data = json!({"n": n * 7 % 50, "third": n % 3, "tags": [n % 2, "x"], "half": n as f64 / 2.0});
            put(&format!("{collection}/d{n:02}"), data);
        }
        for n in (0..50).step_by(9) {
            declared().delete(&format!("/v1/docs/{collection}/d{n:02}")).send().expect(204);
        }
    }
    let by = |field: &str, direction: &str| json!({"field": field, "direction": direction});
    for rest in [
        json!({}),
        json!({"limit": 7}),
        json!({"orderBy": [by("n", "asc")], "limit": 7, "offset": 5}),
        json!({"orderBy": [by("n", "desc")], "limit": 100}),
        json!({"orderBy": [by("third", "asc"), by("n", "desc")], "offset": 3}),
        json!({"orderBy": [by("third", "desc")], "limitToLast": 11}),
        json!({"orderBy": [by("n", "asc")], "limitToLast": 3, "endBefore": [30]}),
        json!({"orderBy": [by("n", "asc")], "startAfter": [10], "endAt": [20]}),
        json!({"where": {"field": "third", "op": "==", "value": 1}, "limit": 4}),
        json!({"where": {"field": "n", "op": "in", "value": [1, 2, 3, 4, 5]}}),
        json!({"where": {"field": "n", "op": "!=", "value": 3}, "limit": 9, "offset": 9}),
        json!({"where": {"or": [{"field": "third", "op": "==", "value": 1}, {"field": "n", "op": "<", "value": 9}]}, "limit": 12}),
        json!({"where": {"field": "tags", "op": "array-contains", "value": 1}, "select": ["n"], "limit": 6}),
        json!({"where": {"field": "__name__", "op": ">=", "value": "d30"}, "limit": 6}),
    ] {
        let query = |from: &str| {
            let mut query = rest.as_object().unwrap().clone();
            query.insert("from".to_owned(), json!(from));
            Value::Object(query)
        };
        let (alone, together) = (declared().query(&query(&one)), declared().query(&query(&eight)));
        let shown = |answer: &Value| -> Vec<(Value, Value, Value)> {
            let part = |document: &Value, key: &str| document[key].clone();
            let all = documents(answer).iter();
            all.map(|one| (part(one, "id"), part(one, "version"), part(one, "data"))).collect()
        };
        assert_eq!(shown(&together), shown(&alone), "{rest}");
        assert!(!ids(&together).is_empty(), "{rest}");
        assert_eq!(
            together.get("nextPageToken").is_some(),
            alone.get("nextPageToken").is_some(),
            "{rest}"
        );
        for aggregates in
            [json!({"n": "count"}), json!({"n": "count", "s": {"sum": "n"}, "a": {"avg": "half"}})]
        {
            let (alone, together) = (
                aggregate(&query(&one), aggregates.clone()),
                aggregate(&query(&eight), aggregates.clone()),
            );
            assert_eq!(together, alone, "{aggregates} of {rest}");
        }
    }
    let explained = declared()
        .query(&json!({"from": eight, "orderBy": [by("n", "asc")], "limit": 5, "explain": true}));
    assert_eq!(explained["explain"]["documentsReturned"], 5);
    assert!(explained["explain"]["entriesScanned"].as_u64().unwrap() >= 5, "{explained}");
}

/// 60 posts of 3 authors.
fn posts() -> String {
    let collection = format!("{}/1/posts", fresh_collection());
    for n in 0..60_u64 {
        let data = json!({"author": format!("a{}", n % 3), "sent": n * 37 % 60, "tags": [n % 4, "all"], "body": {"text": n}});
        put(&format!("{collection}/p{n:02}"), data);
    }
    collection
}

#[test]
fn a_declared_index_is_used_and_named() {
    let posts = posts();
    let author =
        |number: u64| json!({"field": "author", "op": "==", "value": format!("a{number}")});
    let sent = |direction: &str| json!([{"field": "sent", "direction": direction}]);
    for (rest, index) in [
        (json!({"where": author(1), "orderBy": sent("desc"), "limit": 5}), "author, -sent"),
        (json!({"where": author(1), "orderBy": sent("asc"), "limit": 5}), "author, -sent"),
        (
            json!({"where": {"and": [author(2), {"field": "sent", "op": ">=", "value": 30}]}, "orderBy": sent("desc"), "limit": 5}),
            "author, -sent",
        ),
        (
            json!({"where": {"field": "tags", "op": "array-contains", "value": "all"}, "orderBy": sent("asc"), "limit": 5}),
            "tags[], sent",
        ),
    ] {
        let mut query = rest.as_object().unwrap().clone();
        query.insert("from".to_owned(), json!(posts));
        query.insert("explain".to_owned(), json!(true));
        let answer = declared().query(&Value::Object(query));
        let explain = &answer["explain"];
        assert_eq!(explain["index"], index, "{rest}");
        assert_eq!(documents(&answer).len(), 5);
        assert!(explain["entriesScanned"].as_u64().unwrap() <= 2 * 5 + 10, "{rest}: {explain}");
        let sents: Vec<i64> =
            documents(&answer).iter().map(|post| post["data"]["sent"].as_i64().unwrap()).collect();
        let descending = rest["orderBy"][0]["direction"] == "desc";
        assert!(sents.is_sorted_by(|a, b| if descending { a >= b } else { a <= b }), "{sents:?}");
    }
}

#[test]
fn an_exempt_field_is_found_by_looking() {
    let posts = posts();
    for field in ["body.text", "body"] {
        let value = if field == "body" { json!({"text": 7}) } else { json!(7) };
        let query = json!({"from": posts, "where": {"field": field, "op": "==", "value": value}, "explain": true});
        let answer = declared().query(&query);
        assert_eq!(ids(&answer), ["p07"]);
        assert!(answer["explain"]["entriesScanned"].as_u64().unwrap() >= 60, "{answer}");
    }
    let ordered = json!({"from": posts, "orderBy": [{"field": "body.text", "direction": "desc"}], "limit": 2});
    assert_eq!(ids(&declared().query(&ordered)), ["p59", "p58"]);
}
