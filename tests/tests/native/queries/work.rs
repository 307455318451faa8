//! Work grows with the size of the answer, not of the collection: entries scanned, counted.

use blaze_schema::path::DocumentPath;
use blaze_schema::query::Query;
use blaze_schema::value::{Map, Transforms, check_data};
use blaze_store::memory::MemoryStore;
use blaze_tests::indexes::{Indexes, now};
use blaze_tests::query_oracle::State;
use blaze_tests::random::Random;
use serde_json::{Value, json};

const LONG: &str = "a long text that is the same in all";

/// Field `n` has each number once, `k` few values, `v` scalars of many types, `t` a few elements; every third has no `o`.
fn data(number: u64, count: u64) -> Map {
    let shuffled = (number * 7_919) % count;
    let other = match number % 10 {
        0 => json!(null),
        1 => json!(true),
        2 => json!({"$number": "NaN"}),
        3..=5 => json!(number / 10),
        6 => json!({"$timestamp": format!("2026-01-01T00:00:00.{:06}Z", number)}),
        7 => json!({"$geopoint": [number % 90, 0]}),
        8 => json!({"$bytes": "AAAA"}),
        _ => json!(format!("s{number}")),
    };
    let mut data = json!({
        "n": shuffled, "k": number % 50, "v": other, "s": format!("{LONG}{shuffled:06}"),
        "t": [number % 40, "all", number % 7],
    });
    if !number.is_multiple_of(3) {
        data["o"] = json!(number % 11);
    }
    check_data(data, Transforms::Refused, "data").unwrap()
}

fn indexes(count: u64) -> Indexes<MemoryStore> {
    let composites = json!([["k", "-n"], ["k", "o", "n"], ["t[]", "-n"], ["k", "-o", "-s"]]);
    let collections = json!({"c": {"indexes": composites}});
    let mut indexes = Indexes::new(&json!("c"), &collections, MemoryStore::default);
    for number in 0..count {
        let path = DocumentPath::parse(&format!("c/{number:05}")).unwrap();
        indexes.update(&State::new(&path, 1, 1, now(), Some(data(number, count))));
    }
    indexes
}

/// Queries that an index serves: a condition or none, and an order.
fn queries(random: &mut Random, count: u64) -> Vec<(Value, Value)> {
    let mut queries: Vec<(Value, Value)> = Vec::new();
    let both = ["asc", "desc"];
    for field in ["n", "k", "v", "s", "o"] {
        let values: Vec<Value> = (0..4)
            .filter_map(|_| data(random.below(count as usize) as u64, count).get(field).cloned())
            // And some near the ends.
            .chain([json!(null), json!(-1), json!("zz"), json!(19), json!(count - 20)])
            .collect();
        for direction in both {
            let natural = json!([{"field": field, "direction": direction}]);
            queries.push((Value::Null, natural.clone()));
            for value in &values {
                for op in ["<", "<=", ">", ">=", "!="] {
                    queries
                        .push((json!({"field": field, "op": op, "value": value}), natural.clone()));
                }
                let equal = json!({"field": field, "op": "==", "value": value});
                queries.push((equal.clone(), json!([])));
                queries.push((equal.clone(), natural.clone()));
                queries.push((equal, json!([{"field": "__name__", "direction": direction}])));
            }
            for op in ["not-in", "in"] {
                let several = json!({"field": field, "op": op, "value": values[..3]});
                queries.push((several, natural.clone()));
            }
        }
    }
    for value in [json!(3), json!("all"), json!(6), json!(39), json!("none")] {
        let contains = json!({"field": "t", "op": "array-contains", "value": value});
        for direction in both {
            queries
                .push((contains.clone(), json!([{"field": "__name__", "direction": direction}])));
            queries.push((contains.clone(), json!([{"field": "n", "direction": direction}])));
        }
    }
    for direction in both {
        let other = if direction == "asc" { "desc" } else { "asc" };
        let k = json!({"field": "k", "op": "==", "value": random.below(50)});
        let o = json!({"field": "o", "op": "==", "value": random.below(11)});
        let by = |field: &str| json!([{"field": field, "direction": direction}]);
        queries.push((k.clone(), by("n")));
        queries.push((json!({"and": [k, o]}), by("n")));
        queries.push((
            k.clone(),
            json!([
                {"field": "o", "direction": direction}, {"field": "n", "direction": direction}
            ]),
        ));
        queries.push((
            k.clone(),
            json!([
                {"field": "o", "direction": other}, {"field": "s", "direction": other}
            ]),
        ));
        for op in ["<", "<=", ">", ">=", "!="] {
            let n = random.below(count as usize);
            queries.push((json!({"and": [k, {"field": "n", "op": op, "value": n}]}), by("n")));
            let s = format!("{LONG}{n:06}");
            let range = json!({"field": "s", "op": op, "value": s});
            queries.push((json!({"and": [k, o, range]}), by("s")));
        }
    }
    queries
}

fn check(count: u64) {
    let mut indexes = indexes(count);
    let mut random = Random::new(count);
    let (mut asked, mut wrong) = (0, Vec::new());
    for (filter, orders) in queries(&mut random, count) {
        for limit in [Some(1), Some(20), None] {
            let mut query = json!({"from": "c", "orderBy": orders, "explain": true});
            if !filter.is_null() {
                query["where"] = filter.clone();
            }
            if let Some(limit) = limit {
                query["limit"] = json!(limit);
            }
            let read = Query::from_json(query.clone()).unwrap();
            let answer = indexes.query(&read).unwrap();
            let at = answer.rfind("\"explain\":").unwrap();
            let explain: Value =
                serde_json::from_str(answer[at + 10..].strip_suffix('}').unwrap()).unwrap();
            let number = |key: &str| explain[key].as_u64().unwrap();
            if number("entriesScanned") > 2 * number("documentsReturned") + 10 {
                wrong.push(format!("{query}: {explain}"));
            }
            asked += 1;
        }
    }
    assert!(wrong.is_empty(), "{} of {asked}: {wrong:#?}", wrong.len());
    println!("{asked} queries of {count} documents");
}

#[test]
fn what_is_read_does_not_grow_with_a_small_collection() {
    check(2_000);
}

#[test]
fn what_is_read_does_not_grow_with_a_large_collection() {
    check(20_000);
}

/// A range on the field that is sorted by counts, too, when another range leaves more.
#[test]
fn the_narrowest_condition_is_read_whichever_way_it_is_sorted() {
    let mut indexes = indexes(2_000);
    for field in ["n", "k"] {
        let query = json!({
            "from": "c", "orderBy": [{"field": field}], "limit": 25, "explain": true,
            "where": {"and": [
                {"field": "n", "op": "<", "value": 4},
                {"field": "k", "op": ">=", "value": 46},
            ]},
        });
        let answer = indexes.query(&Query::from_json(query).unwrap()).unwrap();
        assert!(answer.contains(r#""entriesScanned":4,"#), "{field}: {answer}");
    }
}
