//! Pages: tokens, documents that change between two pages, answers that are too large for one.

use crate::{client, declared};
use blaze_tests::client::{Client, documents, fresh_collection, ids};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// A query's keys with those of `more`.
fn with(query: &Value, more: Value) -> Value {
    let mut merged: Map<String, Value> = query.as_object().unwrap().clone();
    merged.extend(more.as_object().unwrap().clone());
    Value::Object(merged)
}

/// All pages of a query.
fn pages(client: &Client, query: &Value) -> Vec<Value> {
    let mut pages = vec![client.query(query)];
    while let Some(token) = pages[pages.len() - 1]["nextPageToken"].as_str() {
        let page = client.query(&with(query, json!({"pageToken": token})));
        pages.push(page);
        assert!(pages.len() < 100, "pages without an end");
    }
    pages
}

/// Two places where a collection may be: with one index, and with eight shards.
fn places() -> [(&'static Client, String); 2] {
    [(client(), fresh_collection()), (declared(), format!("x/{}/eight", fresh_collection()))]
}

#[test]
fn pages_together_are_the_whole_answer() {
    for (client, collection) in places() {
        for n in 0..40 {
            let data = json!({"n": n % 7, "even": n % 2 == 0});
            client.put(&format!("/v1/docs/{collection}/d{n}"), &data).send().expect(201);
        }
        for query in [
            json!({"from": collection}),
            json!({"from": collection, "orderBy": [{"field": "n", "direction": "desc"}]}),
            json!({"from": collection, "where": {"field": "even", "op": "==", "value": true}}),
            json!({"from": collection, "where": {"field": "n", "op": "!=", "value": 3}}),
            json!({"from": collection, "where": {"field": "n", "op": "in", "value": [1, 2, 6]}, "orderBy": [{"field": "n"}]}),
            json!({"from": collection, "orderBy": [{"field": "n"}], "startAfter": [2], "endBefore": [6]}),
            json!({"from": collection, "orderBy": [{"field": "n"}], "offset": 9, "select": ["n"]}),
            json!({"from": collection, "orderBy": [{"field": "n"}], "offset": 100}),
        ] {
            let whole = client.query(&query);
            assert_eq!(whole.get("nextPageToken"), None);
            for limit in [1, 3, 8, 40, 41] {
                let pages = pages(client, &with(&query, json!({"limit": limit})));
                let parts: Vec<&Value> = pages.iter().flat_map(documents).collect();
                assert_eq!(parts, documents(&whole).iter().collect::<Vec<_>>(), "{limit} {query}");
                let (_, full) = pages.split_last().unwrap();
                assert!(full.iter().all(|page| documents(page).len() == limit), "{limit} {query}");
            }
        }
    }
}

#[test]
fn a_page_begins_after_the_one_before_whatever_has_changed() {
    for (client, collection) in places() {
        let url = |id: &str| format!("/v1/docs/{collection}/{id}");
        let mut there: BTreeSet<(i64, String)> = BTreeSet::new();
        let put = |there: &mut BTreeSet<(i64, String)>, n: i64, id: String| {
            there.retain(|(_, other)| *other != id);
            client.put(&url(&id), &json!({"n": n})).send();
            there.insert((n, id));
        };
        for n in 0..60 {
            put(&mut there, n * 10, format!("d{n:02}"));
        }
        let query = json!({"from": collection, "orderBy": [{"field": "n"}], "limit": 7});
        let mut page = client.query(&query);
        let (mut last, mut count) = ((i64::MIN, String::new()), 0);
        loop {
            let after: Vec<&(i64, String)> =
                there.range(last.clone()..).filter(|one| **one > last).collect();
            let expected: Vec<String> = after.iter().take(7).map(|(_, id)| id.clone()).collect();
            assert_eq!(ids(&page), expected, "after {last:?}");
            assert_eq!(page.get("nextPageToken").is_some(), after.len() > 7);
            let Some(token) = page["nextPageToken"].as_str().map(str::to_owned) else { break };
            last = after[6].clone();
            count += 1;
            // Documents come, go and move on both sides of the place where the page ended; it goes itself, too.
            let n = last.0;
            put(&mut there, n - 5, format!("before{count}"));
            put(&mut there, n + 5, format!("after{count}"));
            put(&mut there, n, "zz".repeat(count));
            let gone = match count % 3 {
                0 => last.clone(),
                1 => there.iter().next().unwrap().clone(),
                _ => there.range((n + 21, String::new())..).next().unwrap_or(&last).clone(),
            };
            client.delete(&url(&gone.1)).send().expect(204);
            there.remove(&gone);
            let moved = there.range((n + 31, String::new())..).next().map(|(_, id)| id.clone());
            if let Some(id) = moved {
                put(&mut there, n - 1, id);
            }
            page = client.query(&with(&query, json!({"pageToken": token})));
        }
        assert!(count > 5, "{count} pages");
    }
}

#[test]
fn a_token_is_of_its_query() {
    for (client, collection) in places() {
        for n in 0..9 {
            client.put(&format!("/v1/docs/{collection}/d{n}"), &json!({"n": n})).send().expect(201);
        }
        let query =
            json!({"from": collection, "orderBy": [{"field": "n"}], "limit": 2, "offset": 1});
        let token = client.query(&query)["nextPageToken"].take();
        // Neither the length of a page nor what is shown of a document makes another query.
        for more in
            [json!({}), json!({"limit": 3}), json!({"select": ["n"]}), json!({"explain": true})]
        {
            let page =
                client.query(&with(&with(&query, json!({"pageToken": token})), more.clone()));
            assert_eq!(ids(&page)[..2], ["d3", "d4"], "{more}");
        }
        for other in [
            json!({"from": collection, "pageToken": token}),
            json!({"from": format!("{collection}/x/{collection}"), "orderBy": [{"field": "n"}], "pageToken": token}),
            json!({"from": collection, "orderBy": [{"field": "n", "direction": "desc"}], "pageToken": token}),
            json!({"from": collection, "orderBy": [{"field": "n"}], "startAt": [0], "pageToken": token}),
            json!({"from": collection, "orderBy": [{"field": "n"}], "where": {"field": "n", "op": ">", "value": 0}, "pageToken": token}),
            json!({"from": collection, "orderBy": [{"field": "n"}], "pageToken": format!("{}x", token.as_str().unwrap())}),
            json!({"from": collection, "orderBy": [{"field": "n"}], "pageToken": "W10"}),
            json!({"from": collection, "orderBy": [{"field": "n"}], "pageToken": ""}),
        ] {
            let detail = client.post("/v1/query", &other).send().problem(400, "invalid-argument");
            assert!(detail.starts_with("pageToken: ") || detail.starts_with("from: "), "{detail}");
        }
    }
}

/// Documents whose resources are this large.
const LARGE: usize = 900_000;

#[test]
fn an_answer_that_is_too_large_is_paged() {
    for (client, collection) in places() {
        for n in 0..12 {
            let data = json!({"n": n, "text": "x".repeat(LARGE)});
            client.put(&format!("/v1/docs/{collection}/d{n:02}"), &data).send().expect(201);
        }
        let expected: Vec<String> = (0..12).map(|n| format!("d{n:02}")).collect();
        let by_n = json!({"from": collection, "orderBy": [{"field": "n"}]});
        for query in
            [by_n.clone(), with(&by_n, json!({"limit": 11})), with(&by_n, json!({"offset": 2}))]
        {
            let skipped = query["offset"].as_u64().unwrap_or(0) as usize;
            let pages = pages(client, &query);
            let found: Vec<String> = pages.iter().flat_map(ids).collect();
            assert_eq!(found, expected[skipped..], "{}", query["limit"]);
            assert_eq!(ids(&pages[0]).len(), 9, "as many as 8 MiB hold");
        }
        // Aggregates have no pages, nor have the last documents of a query.
        let count = json!({"query": by_n, "aggregates": {"n": "count", "s": {"sum": "n"}}});
        let answer = client.post("/v1/aggregate", &count).send().expect(200).json();
        assert_eq!(answer, json!({"n": 12, "s": 66}));
        let last = with(&by_n, json!({"limitToLast": 12}));
        client.post("/v1/query", &last).send().problem(413, "resource-exhausted");
        assert_eq!(ids(&client.query(&with(&by_n, json!({"limitToLast": 8})))), expected[4..]);
        for id in expected {
            client.delete(&format!("/v1/docs/{collection}/{id}")).send().expect(204);
        }
    }
}
