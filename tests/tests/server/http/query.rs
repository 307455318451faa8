//! `POST /v1/query`: what every part of a query means, by examples.

use crate::{client, refusal};
use blaze_schema::timestamp::Timestamp;
use blaze_tests::client::{JSON, MERGE_PATCH, documents, fresh_collection, ids};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// One document for every kind of value, in the order of the values; its field is `v`.
fn values() -> Vec<(&'static str, Value)> {
    vec![
        ("null", json!(null)),
        ("false", json!(false)),
        ("true", json!(true)),
        ("nan", json!({"$number": "NaN"})),
        ("infinity-below", json!({"$number": "-Infinity"})),
        ("minus-five", json!(-5)),
        ("one", json!(1)),
        ("one-double", json!(1.0)),
        ("one-and-a-half", json!(1.5)),
        ("large", json!(9_007_199_254_740_993_i64)),
        ("larger", json!(9_007_199_254_740_994_i64)),
        ("infinity", json!({"$number": "Infinity"})),
        ("early", json!({"$timestamp": "1969-07-20T20:17:40Z"})),
        ("late", json!({"$timestamp": "2026-11-21T10:00:00.000001Z"})),
        ("text-empty", json!("")),
        ("text-upper", json!("Z")),
        ("text-lower", json!("a")),
        ("text-prefix", json!("ab")),
        ("text-accent", json!("é")),
        ("text-private", json!("\u{ffff}")),
        ("text-emoji", json!("😀")),
        ("bytes", json!({"$bytes": "AAE="})),
        ("reference", json!({"$ref": "users/alice"})),
        ("place", json!({"$geopoint": [48.85, 2.35]})),
        ("array-empty", json!([])),
        ("array-numbers", json!([1, 2])),
        ("array-others", json!(["x", null, {"$number": "NaN"}])),
        ("map-empty", json!({})),
        ("map-a", json!({"a": 1})),
    ]
}

/// Their collection.
static VALUES: LazyLock<String> = LazyLock::new(|| {
    let collection = fresh_collection();
    put(&collection, "without", json!({"w": 1}));
    for (id, value) in values().into_iter().rev() {
        put(&collection, id, json!({"v": value}));
    }
    collection
});

fn put(collection: &str, id: &str, data: Value) {
    client().put(&format!("/v1/docs/{collection}/{id}"), &data).send().expect(201);
}

/// A collection of its own with these documents.
fn collection_of(all: &[(&str, Value)]) -> String {
    let collection = fresh_collection();
    for (id, data) in all {
        put(&collection, id, data.clone());
    }
    collection
}

/// The ids that a query finds in a collection, in order; `rest` is the query without `from`.
fn found(collection: &str, rest: Value) -> Vec<String> {
    let mut query: Map<String, Value> = rest.as_object().expect("an object").clone();
    query.insert("from".to_owned(), json!(collection));
    client().ids(&Value::Object(query))
}

fn filter(field: &str, op: &str, value: impl Into<Value>) -> Value {
    json!({"field": field, "op": op, "value": value.into()})
}

/// The ids of [`values`] that a condition on `v` finds.
fn where_v(op: &str, value: Value) -> Vec<String> {
    found(&VALUES, json!({"where": filter("v", op, value)}))
}

/// All ids of [`values`] but these, nor that of null.
fn all_but(but: &[&str]) -> Vec<&'static str> {
    let ids = values().into_iter().map(|(id, _)| id);
    ids.filter(|id| *id != "null" && !but.contains(id)).collect()
}

#[test]
fn values_of_all_types_have_one_order() {
    let ascending: Vec<&str> = values().into_iter().map(|(id, _)| id).collect();
    let order = |direction: &str| json!({"orderBy": [{"field": "v", "direction": direction}]});
    assert_eq!(found(&VALUES, order("asc")), ascending);
    assert_eq!(found(&VALUES, json!({"orderBy": [{"field": "v"}]})), ascending);
    // Where values are equal, the path goes the way of the last order.
    let descending: Vec<&str> = ascending.into_iter().rev().collect();
    assert_eq!(found(&VALUES, order("desc")), descending);
}

#[test]
fn equality_is_by_value() {
    for (id, value) in values() {
        let expected = match id {
            "one" | "one-double" => vec!["one", "one-double"],
            id => vec![id],
        };
        assert_eq!(where_v("==", value), expected, "{id}");
    }
    for value in [json!([1.0, 2]), json!({"a": 1.0})] {
        assert_eq!(where_v("==", value).len(), 1);
    }
    for value in [json!("A"), json!([2, 1]), json!({"a": 1, "b": null}), json!("users/alice")] {
        assert_eq!(where_v("==", value.clone()), Vec::<String>::new(), "{value}");
    }
}

#[test]
fn inequality_wants_the_field_and_no_null() {
    assert_eq!(where_v("!=", json!(null)), all_but(&[]));
    assert_eq!(where_v("!=", json!(1)), all_but(&["one", "one-double"]));
    assert_eq!(where_v("!=", json!({"$number": "NaN"})), all_but(&["nan"]));
    assert_eq!(where_v("!=", json!("nothing like it")), all_but(&[]));
    assert_eq!(
        where_v("not-in", json!([1, "Z", [1, 2]])),
        all_but(&["one", "one-double", "text-upper", "array-numbers"])
    );
    assert_eq!(where_v("not-in", json!([{"$number": "NaN"}])), all_but(&["nan"]));
    assert_eq!(where_v("not-in", json!([null, 1])), Vec::<String>::new());
}

#[test]
fn ranges_match_one_type() {
    for (op, value, expected) in [
        ("<", json!(1), vec!["nan", "infinity-below", "minus-five"]),
        ("<=", json!(1.0), vec!["nan", "infinity-below", "minus-five", "one", "one-double"]),
        (">", json!(1.5), vec!["large", "larger", "infinity"]),
        (">", json!(9_007_199_254_740_993_i64), vec!["larger", "infinity"]),
        (">=", json!(9_007_199_254_740_993_i64), vec!["large", "larger", "infinity"]),
        (">", json!(false), vec!["true"]),
        (">=", json!({"$timestamp": "2026-11-21T10:00:00Z"}), vec!["late"]),
        ("<", json!({"$timestamp": "1970-01-01T00:00:00Z"}), vec!["early"]),
        (
            ">=",
            json!("a"),
            vec!["text-lower", "text-prefix", "text-accent", "text-private", "text-emoji"],
        ),
        ("<", json!("ab"), vec!["text-empty", "text-upper", "text-lower"]),
        (">", json!("\u{ffff}"), vec!["text-emoji"]),
        (">=", json!({"$bytes": ""}), vec!["bytes"]),
        (">", json!({"$ref": "users/al"}), vec!["reference"]),
        ("<", json!({"$geopoint": [48.85, 2.36]}), vec!["place"]),
        (">", json!([]), vec!["array-numbers", "array-others"]),
        ("<", json!({"a": 1}), vec!["map-empty"]),
        ("<=", json!(null), vec!["null"]),
        ("<", json!(null), vec![]),
    ] {
        assert_eq!(where_v(op, value.clone()), expected, "{op} {value}");
    }
}

#[test]
fn membership() {
    // Without an inequality the order is the path's.
    let expected = ["array-numbers", "one", "one-double", "text-lower"];
    assert_eq!(where_v("in", json!(["a", 1, [1, 2], null])), expected);
    assert_eq!(where_v("in", json!([null])), Vec::<String>::new());
    assert_eq!(where_v("in", json!([{"$number": "NaN"}])), Vec::<String>::new());
    assert_eq!(where_v("array-contains", json!(2.0)), ["array-numbers"]);
    assert_eq!(where_v("array-contains", json!("x")), ["array-others"]);
    for nothing in [json!(null), json!({"$number": "NaN"}), json!([1, 2]), json!(3)] {
        assert_eq!(where_v("array-contains", nothing.clone()), Vec::<String>::new(), "{nothing}");
    }
    assert_eq!(
        where_v("array-contains-any", json!(["x", 1, null])),
        ["array-numbers", "array-others"]
    );
    assert_eq!(
        where_v("array-contains-any", json!([null, {"$number": "NaN"}])),
        Vec::<String>::new()
    );
}

#[test]
fn filters_nest() {
    let people = collection_of(&[
        ("ada", json!({"age": 36, "city": "Paris", "tags": ["vip"], "name": {"last": "L"}})),
        ("bob", json!({"age": 17, "city": "Paris", "tags": []})),
        ("cid", json!({"age": 40, "city": "Rome", "tags": ["vip", "new"]})),
        ("dan", json!({"age": 50, "city": "Rome"})),
        ("eve", json!({"city": "Paris", "tags": ["vip"]})),
    ]);
    let adult = || filter("age", ">=", 18);
    let in_paris = || filter("city", "==", "Paris");
    let vip = || filter("tags", "array-contains", "vip");
    for (tree, expected) in [
        (json!({"and": [adult(), {"or": [in_paris(), vip()]}]}), vec!["ada", "cid"]),
        (json!({"or": [in_paris(), vip()]}), vec!["ada", "bob", "cid", "eve"]),
        (
            json!({"or": [{"and": [in_paris(), vip()]}, filter("age", "==", 50)]}),
            vec!["ada", "dan", "eve"],
        ),
        (json!({"and": [vip(), filter("tags", "array-contains", "new")]}), vec!["cid"]),
        (
            json!({"and": [filter("city", ">", "A"), filter("age", "<", 45)]}),
            vec!["bob", "ada", "cid"],
        ),
        (json!({"or": [{"or": [{"and": [{"or": [vip()]}]}]}]}), vec!["ada", "cid", "eve"]),
        (filter("name.last", "==", "L"), vec!["ada"]),
        (filter("name", "==", json!({"last": "L"})), vec!["ada"]),
        (filter("tags", "==", json!([])), vec!["bob"]),
        (filter("city", "in", json!(["Oslo", "Rome"])), vec!["cid", "dan"]),
        (json!({"and": [adult(), filter("age", "<", 18)]}), vec![]),
    ] {
        let mut ids = found(&people, json!({"where": tree}));
        if !tree.to_string().contains(['<', '>']) {
            assert!(ids.is_sorted(), "without an inequality the order is the path's: {ids:?}");
        }
        ids.sort();
        let mut expected = expected;
        expected.sort_unstable();
        assert_eq!(ids, expected, "{tree}");
    }
    // The implicit order is the inequality's; with two of them, by the fields' names.
    assert_eq!(found(&people, json!({"where": adult()})), ["ada", "cid", "dan"]);
    let two = json!({"and": [filter("city", ">", "A"), filter("age", "<", 45)]});
    assert_eq!(found(&people, json!({"where": two})), ["bob", "ada", "cid"]);
}

#[test]
fn a_field_with_any_name_can_be_asked_for() {
    let names = collection_of(&[
        ("dot", json!({"a.b": 1})),
        ("map", json!({"a": {"b": 1}})),
        ("tick", json!({"`": 1})),
        ("empty", json!({"": 1})),
        ("space", json!({"a b": {"ü": 1}})),
    ]);
    for (field, id) in [
        ("`a.b`", "dot"),
        ("a.b", "map"),
        ("`\\``", "tick"),
        ("``", "empty"),
        ("`a b`.`ü`", "space"),
    ] {
        assert_eq!(found(&names, json!({"where": filter(field, "==", 1)})), [id], "{field}");
        assert_eq!(found(&names, json!({"orderBy": [{"field": field}]})), [id], "{field}");
    }
}

#[test]
fn a_document_without_the_field_is_not_in_the_result() {
    let some = collection_of(&[
        ("both", json!({"a": 1, "b": 2})),
        ("a", json!({"a": 1})),
        ("b", json!({"b": 2})),
        ("null", json!({"a": null, "b": null})),
    ]);
    let by = |fields: &[&str]| {
        let orders: Vec<Value> = fields.iter().map(|field| json!({"field": field})).collect();
        found(&some, json!({"orderBy": orders}))
    };
    assert_eq!(by(&["a"]), ["null", "a", "both"]);
    assert_eq!(by(&["a", "b"]), ["null", "both"]);
    assert_eq!(by(&["c"]), Vec::<String>::new());
    assert_eq!(found(&some, json!({})), ["a", "b", "both", "null"]);
    assert_eq!(found(&some, json!({"where": filter("b", "==", Value::Null)})), ["null"]);
}

/// Twelve documents: `n` from 0, and `half` of it, which has ties.
fn dozen() -> &'static str {
    static DOZEN: LazyLock<String> = LazyLock::new(|| {
        let documents: Vec<(String, Value)> = (0..12)
            .map(|n| (format!("d{n:02}"), json!({"n": n, "half": n / 2, "odd": n % 2})))
            .collect();
        let documents: Vec<(&str, Value)> =
            documents.iter().map(|(id, data)| (id.as_str(), data.clone())).collect();
        collection_of(&documents)
    });
    &DOZEN
}

fn numbers(rest: Value) -> Vec<usize> {
    found(dozen(), rest).iter().map(|id| id[1..].parse().unwrap()).collect()
}

#[test]
fn orders_limits_and_offsets() {
    let by_n = json!([{"field": "n"}]);
    let down = json!([{"field": "n", "direction": "desc"}]);
    for (rest, expected) in [
        (json!({"limit": 3}), vec![0, 1, 2]),
        (json!({"orderBy": down, "limit": 3}), vec![11, 10, 9]),
        (json!({"orderBy": by_n, "limit": 100, "offset": 10}), vec![10, 11]),
        (json!({"orderBy": by_n, "limit": 2, "offset": 3}), vec![3, 4]),
        (json!({"orderBy": by_n, "offset": 12}), vec![]),
        (json!({"orderBy": by_n, "limitToLast": 3}), vec![9, 10, 11]),
        (json!({"orderBy": down, "limitToLast": 3}), vec![2, 1, 0]),
        (json!({"orderBy": by_n, "limitToLast": 100}), (0..12).collect()),
        (json!({"orderBy": [{"field": "half"}], "limitToLast": 3}), vec![9, 10, 11]),
        (
            json!({"orderBy": [{"field": "odd", "direction": "desc"}, {"field": "n"}], "limit": 8}),
            vec![1, 3, 5, 7, 9, 11, 0, 2],
        ),
        (
            json!({"orderBy": [{"field": "odd"}, {"field": "n", "direction": "desc"}], "limit": 7}),
            vec![10, 8, 6, 4, 2, 0, 11],
        ),
        (json!({"orderBy": [{"field": "half", "direction": "desc"}], "limit": 3}), vec![11, 10, 9]),
        (
            json!({"orderBy": [{"field": "half", "direction": "desc"}, {"field": "__name__"}], "limit": 3}),
            vec![10, 11, 8],
        ),
        (
            json!({"orderBy": [{"field": "__name__", "direction": "desc"}], "limit": 2}),
            vec![11, 10],
        ),
        (json!({"where": filter("half", ">=", 4), "limit": 3}), vec![8, 9, 10]),
        (
            json!({"where": filter("half", ">=", 4), "orderBy": [{"field": "half", "direction": "desc"}], "limit": 3}),
            vec![11, 10, 9],
        ),
        (json!({"where": filter("odd", "==", 1), "orderBy": down, "limit": 2}), vec![11, 9]),
    ] {
        assert_eq!(numbers(rest.clone()), expected, "{rest}");
    }
}

#[test]
fn cursors() {
    let by_n = json!([{"field": "n"}]);
    let by_half = json!([{"field": "half"}]);
    let down = json!([{"field": "n", "direction": "desc"}]);
    for (rest, expected) in [
        (json!({"orderBy": by_n, "startAt": [9]}), vec![9, 10, 11]),
        (json!({"orderBy": by_n, "startAfter": [9]}), vec![10, 11]),
        (json!({"orderBy": by_n, "endAt": [2]}), vec![0, 1, 2]),
        (json!({"orderBy": by_n, "endBefore": [2]}), vec![0, 1]),
        (json!({"orderBy": by_n, "startAt": [2], "endBefore": [5]}), vec![2, 3, 4]),
        (json!({"orderBy": by_n, "startAfter": [4], "limit": 2}), vec![5, 6]),
        (json!({"orderBy": by_n, "endBefore": [4], "limitToLast": 2}), vec![2, 3]),
        (json!({"orderBy": by_n, "startAt": [2.5], "endAt": [4.5]}), vec![3, 4]),
        (json!({"orderBy": down, "startAfter": [3]}), vec![2, 1, 0]),
        (json!({"orderBy": by_n, "startAfter": [3], "endBefore": [3]}), vec![]),
        // A prefix of the orders; the name is one of them.
        (json!({"orderBy": by_half, "startAfter": [4]}), vec![10, 11]),
        (json!({"orderBy": by_half, "startAt": [4, "d09"]}), vec![9, 10, 11]),
        (json!({"orderBy": by_half, "startAfter": [4, "d08"], "limit": 1}), vec![9]),
        (
            json!({"orderBy": [{"field": "half"}, {"field": "n", "direction": "desc"}], "startAt": [4, 8]}),
            vec![8, 11, 10],
        ),
        (json!({"startAfter": ["d09"]}), vec![10, 11]),
        (json!({"startAt": [{"$ref": format!("{}/d10", dozen())}]}), vec![10, 11]),
        (json!({"startAt": [format!("{}/d11", dozen())]}), vec![11]),
        // Across types.
        (json!({"orderBy": by_n, "startAt": ["text"]}), vec![]),
        (json!({"orderBy": by_n, "startAt": [null], "limit": 1}), vec![0]),
        // An inequality's implicit order takes a value too.
        (json!({"where": filter("n", ">", 3), "startAfter": [5], "limit": 2}), vec![6, 7]),
    ] {
        assert_eq!(numbers(rest.clone()), expected, "{rest}");
    }
}

#[test]
fn names_are_a_field() {
    let name = |op: &str, value: Value| numbers(json!({"where": filter("__name__", op, value)}));
    assert_eq!(name("==", json!("d03")), [3]);
    assert_eq!(name("==", json!(format!("{}/d03", dozen()))), [3]);
    assert_eq!(name("==", json!({"$ref": format!("{}/d03", dozen())})), [3]);
    assert_eq!(name("in", json!(["d07", "d01", "x"])), [1, 7]);
    assert_eq!(name(">=", json!("d1")), [10, 11]);
    assert_eq!(name("!=", json!("d00")).len(), 11);
    assert_eq!(name("not-in", json!(["d00", "d01"])).len(), 10);
    assert_eq!(name("==", json!("users/d03")), Vec::<usize>::new());
    let both = json!({"and": [filter("__name__", ">", "d05"), filter("odd", "==", 0)]});
    assert_eq!(numbers(json!({"where": both})), [6, 8, 10]);
}

#[test]
fn a_collection_has_its_own_documents_only() {
    let outer = fresh_collection();
    for path in ["a", "b", "a/inner/c", "a/inner/d", "b/inner/c", "ghost/inner/e"] {
        put(&outer, path, json!({"n": 1}));
    }
    assert_eq!(found(&outer, json!({})), ["a", "b"]);
    assert_eq!(found(&format!("{outer}/a/inner"), json!({})), ["c", "d"]);
    assert_eq!(found(&format!("{outer}/ghost/inner"), json!({})), ["e"]);
    assert_eq!(found(&format!("{outer}/none/inner"), json!({})), Vec::<String>::new());
    assert_eq!(
        found(&fresh_collection(), json!({"where": filter("n", "==", 1)})),
        Vec::<String>::new()
    );
    let answer = client().query(&json!({"from": format!("{outer}/a/inner"), "limit": 1}));
    assert_eq!(documents(&answer)[0], client().resource(&format!("/v1/docs/{outer}/a/inner/c")));
}

#[test]
fn ids_of_any_kind_are_found_in_the_order_of_their_bytes() {
    let collection = fresh_collection();
    let ids = ["!", "%", "0", "a b", "a%2Fb", "A", "a", "~", "é", "日本", "\u{ffff}", "😀"];
    for id in ids.iter().rev() {
        let encoded: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
        put(&collection, &encoded, json!({"n": 1, "id": id}));
    }
    let mut sorted = ids.to_vec();
    sorted.sort_unstable_by_key(|id| id.as_bytes());
    assert_eq!(found(&collection, json!({})), sorted);
    assert_eq!(found(&collection, json!({"where": filter("n", "==", 1)})), sorted);
    for id in ids {
        let one = json!({"where": filter("__name__", "==", id)});
        assert_eq!(found(&collection, one), [id]);
    }
}

#[test]
fn the_answer_is_resources_and_a_time() {
    let before = Timestamp::parse("2020-01-01T00:00:00Z").unwrap();
    let query = json!({"from": dozen(), "orderBy": [{"field": "n"}], "limit": 2});
    let reply = client().post("/v1/query", &query).send().expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let answer = reply.json();
    let keys: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        ["documents", "nextPageToken", "readTime"],
        "no explain: it was not asked for"
    );
    for (n, document) in documents(&answer).iter().enumerate() {
        assert_eq!(*document, client().resource(&format!("/v1/docs/{}/d{n:02}", dozen())));
    }
    let read = Timestamp::parse(answer["readTime"].as_str().unwrap()).unwrap();
    assert!(read > before);
    let updated = documents(&answer)[1]["updateTime"].as_str().unwrap();
    assert!(read >= Timestamp::parse(updated).unwrap(), "{read} {updated}");
    let later = client().query(&query);
    assert!(Timestamp::parse(later["readTime"].as_str().unwrap()).unwrap() >= read);
    let all = client().query(&json!({"from": dozen()}));
    assert_eq!(all.get("nextPageToken"), None, "there is no more");
}

#[test]
fn select_answers_some_fields() {
    let data =
        json!({"a": {"b": 1, "c": [1, {"d": 2}]}, "e": null, "f.g": 3, "h": {"$ref": "x/y"}});
    let collection = collection_of(&[("one", data.clone()), ("two", json!({"e": 1}))]);
    for (select, one, two) in [
        (json!(["a.b"]), json!({"a": {"b": 1}}), json!({})),
        (json!(["e", "`f.g`"]), json!({"e": null, "f.g": 3}), json!({"e": 1})),
        (json!(["a", "a.b"]), json!({"a": {"b": 1, "c": [1, {"d": 2}]}}), json!({})),
        (json!(["h", "a.c"]), json!({"h": {"$ref": "x/y"}, "a": {"c": [1, {"d": 2}]}}), json!({})),
        (json!([]), json!({}), json!({})),
        (json!(["__name__"]), json!({}), json!({})),
        (json!(["z"]), json!({}), json!({})),
    ] {
        let answer = client().query(&json!({"from": collection, "select": select}));
        let shown: Vec<&Value> =
            documents(&answer).iter().map(|document| &document["data"]).collect();
        assert_eq!(shown, [&one, &two], "{select}");
        let keys: Vec<&String> = documents(&answer)[0].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["createTime", "data", "id", "path", "updateTime", "version"]);
    }
    // What is not shown is filtered and ordered by all the same.
    let query = json!({"from": collection, "where": filter("e", "==", 1), "orderBy": [{"field": "e"}], "select": ["a"]});
    assert_eq!(client().ids(&query), ["two"]);
}

#[test]
fn explain_says_what_was_read() {
    let query = |rest: Value| {
        let mut query = rest.as_object().unwrap().clone();
        query.insert("from".to_owned(), json!(dozen()));
        query.insert("explain".to_owned(), json!(true));
        client().query(&Value::Object(query))
    };
    for (rest, index) in [
        (json!({"where": filter("n", ">=", 9)}), "n"),
        (json!({"where": filter("half", "==", 3)}), "half"),
        (json!({"orderBy": [{"field": "n", "direction": "desc"}], "limit": 4}), "n"),
        (json!({"limit": 4}), "__name__"),
        (json!({"where": filter("n", "in", json!([1, 2, 3]))}), "n"),
    ] {
        let answer = query(rest.clone());
        let explain = &answer["explain"];
        let keys: Vec<&String> = explain.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["documentsReturned", "entriesScanned", "index"]);
        let returned = documents(&answer).len() as u64;
        assert_eq!(explain["documentsReturned"], returned, "{rest}");
        let scanned = explain["entriesScanned"].as_u64().unwrap();
        assert!((returned..=2 * returned + 10).contains(&scanned), "{rest}: {explain}");
        assert!(explain["index"].as_str().unwrap().contains(index), "{rest}: {explain}");
    }
    // No index serves this one; it is answered all the same, and says that it read more.
    let answer = query(
        json!({"where": {"and": [filter("n", "<", 12), filter("odd", "==", 1)]}, "orderBy": [{"field": "n"}]}),
    );
    assert_eq!(answer["explain"]["documentsReturned"], 6);
    assert!(answer["explain"]["entriesScanned"].as_u64().unwrap() >= 6);
    let off = json!({"from": dozen(), "explain": false});
    assert_eq!(client().query(&off).get("explain"), None);
}

#[test]
fn a_write_is_in_the_next_query() {
    let collection = fresh_collection();
    let path = format!("/v1/docs/{collection}/a");
    let big = || found(&collection, json!({"where": filter("n", ">", 10)}));
    let all = || client().query(&json!({"from": collection}));
    let versions = |answer: &Value| -> Vec<u64> {
        documents(answer).iter().map(|document| document["version"].as_u64().unwrap()).collect()
    };
    client().put(&path, &json!({"n": 1})).send().expect(201);
    assert_eq!((big().len(), versions(&all())), (0, vec![1]));
    client().patch(&path, JSON, &json!({"n": {"$increment": 10}})).send().expect(200);
    assert_eq!((big().len(), versions(&all())), (1, vec![2]));
    client().put(&path, &json!({"n": 5})).header("if-match", "\"2\"").send().expect(200);
    assert_eq!((big().len(), versions(&all())), (0, vec![3]));
    // A write that is refused, or changes nothing, changes no answer.
    client().put(&path, &json!({"n": 50})).header("if-match", "\"2\"").send().expect(412);
    client().put(&path, &json!({"n": 5})).send().expect(200);
    assert_eq!((big().len(), versions(&all())), (0, vec![3]));
    client().delete(&path).send().expect(204);
    assert_eq!((big().len(), versions(&all())), (0, vec![]));
    client().delete(&path).send().expect(204);
    client().patch(&path, MERGE_PATCH, &json!({"n": 11})).send().expect(201);
    assert_eq!((big().len(), versions(&all())), (1, vec![5]));
    assert_eq!(documents(&all())[0], client().resource(&path));
    // Deleted and made again under one key: the first answer, and nothing twice.
    let again =
        || client().put(&path, &json!({"n": 12})).header("idempotency-key", "k").send().expect(200);
    assert_eq!(again().body, again().body);
    assert_eq!(versions(&all()), [6]);
}

#[test]
fn documents_that_the_server_names_are_found() {
    let collection = fresh_collection();
    let url = format!("/v1/docs/{collection}");
    let created: Vec<Value> =
        (0..5).map(|n| client().post(&url, &json!({"n": n})).send().expect(201).json()).collect();
    let answer = client().query(&json!({"from": collection, "orderBy": [{"field": "n"}]}));
    assert_eq!(documents(&answer), created);
    let keyed = || {
        let call = client().post(&url, &json!({"n": 9})).header("idempotency-key", "once");
        call.send().expect(201).json()
    };
    assert_eq!(keyed(), keyed());
    assert_eq!(
        found(&collection, json!({"where": filter("n", "==", 9)})),
        [keyed()["id"].as_str().unwrap()]
    );
}

#[test]
fn what_is_no_query_is_refused_with_its_place() {
    let leaf = filter("a", "==", 1);
    for (query, place) in [
        (json!([]), "query"),
        (json!({}), "from"),
        (json!({"from": 1}), "from"),
        (json!({"from": "a/b"}), "from"),
        (json!({"from": "a//c"}), "from"),
        (json!({"from": "__a__"}), "from"),
        (json!({"from": {"group": "a/b"}}), "from.group"),
        (json!({"from": {"groups": "a"}}), "group"),
        (json!({"from": "c", "were": leaf}), "were"),
        (json!({"from": "c", "where": []}), "where"),
        (json!({"from": "c", "where": {}}), "where"),
        (json!({"from": "c", "where": {"and": []}}), "where.and"),
        (
            json!({"from": "c", "where": {"and": [leaf, {"field": "a", "op": "=", "value": 1}]}}),
            "where.and[1].op",
        ),
        (json!({"from": "c", "where": {"field": "a", "op": "=="}}), "where"),
        (
            json!({"from": "c", "where": {"or": [{"and": [{"field": "a..b", "op": "==", "value": 1}]}]}}),
            "where.or[0].and[0].field",
        ),
        (json!({"from": "c", "where": filter("a", "in", 1)}), "where.value"),
        (json!({"from": "c", "where": filter("a", "in", json!([]))}), "where.value"),
        (json!({"from": "c", "where": filter("a", "==", json!({"$x": 1}))}), "where.value"),
        (json!({"from": "c", "where": filter("a", "==", json!({"$increment": 1}))}), "where.value"),
        (json!({"from": "c", "where": filter("__name__", "==", 1)}), "where.value"),
        (json!({"from": "c", "where": filter("__name__", "array-contains", "x")}), "where.op"),
        (json!({"from": "c", "orderBy": {"field": "a"}}), "orderBy"),
        (
            json!({"from": "c", "orderBy": [{"field": "a", "direction": "down"}]}),
            "orderBy[0].direction",
        ),
        (json!({"from": "c", "orderBy": [{"field": "a"}, {"field": "a"}]}), "orderBy[1]"),
        (json!({"from": "c", "limit": 0}), "limit"),
        (json!({"from": "c", "limit": -1}), "limit"),
        (json!({"from": "c", "limit": 1.5}), "limit"),
        (json!({"from": "c", "limit": "5"}), "limit"),
        (json!({"from": "c", "limitToLast": 1}), "limitToLast"),
        (
            json!({"from": "c", "limit": 1, "limitToLast": 1, "orderBy": [{"field": "a"}]}),
            "limitToLast",
        ),
        (json!({"from": "c", "offset": -1}), "offset"),
        (json!({"from": "c", "startAt": []}), "startAt"),
        (json!({"from": "c", "startAt": ["x", 1]}), "startAt"),
        (json!({"from": "c", "startAt": ["x"], "startAfter": ["x"]}), "startAfter"),
        (json!({"from": "c", "orderBy": [{"field": "a"}], "endAt": 5}), "endAt"),
        (json!({"from": "c", "select": "a"}), "select"),
        (json!({"from": "c", "select": ["a", "b..c"]}), "select[1]"),
        (json!({"from": "c", "pageToken": 5}), "pageToken"),
        (json!({"from": "c", "pageToken": "nonsense"}), "pageToken"),
        (json!({"from": "c", "explain": 1}), "explain"),
    ] {
        let detail = refusal("/v1/query", &query);
        assert!(detail.contains(place), "{query}: {place} in {detail}");
    }
}

#[test]
fn a_body_that_cannot_be_read_is_refused() {
    let send = |body: &[u8]| client().request("POST", "/v1/query").body(JSON, body).send();
    for body in [
        b"".as_slice(),
        b"{",
        b"\xff",
        b"{\"from\":\"c\"}x",
        b"null",
        b"\"c\"",
        b"{\"from\":\"\xed\xa0\x80\"}",
    ] {
        send(body).problem(400, "invalid-argument");
    }
    let deep = format!("{}{}", r#"{"from":"c","where":"#, "{\"and\":[".repeat(100_000));
    send(deep.as_bytes()).problem(400, "invalid-argument");
    // The type of a body without one is taken for granted.
    let untyped = client().request("POST", "/v1/query").body("", r#"{"from":"c","limit":1}"#);
    assert_eq!(ids(&untyped.send().expect(200).json()).len(), 0);
    let typed = client()
        .request("POST", "/v1/query")
        .body("application/json; charset=utf-8", r#"{"from":"c"}"#);
    typed.send().expect(200);
}

#[test]
fn a_group_that_is_not_declared_is_refused() {
    let query = json!({"from": {"group": "undeclared"}});
    let detail = client().post("/v1/query", &query).send().problem(409, "failed-precondition");
    assert!(detail.contains("undeclared") && detail.contains("collections.json"), "{detail}");
    let aggregation = json!({"query": query, "aggregates": {"n": "count"}});
    client().post("/v1/aggregate", &aggregation).send().problem(409, "failed-precondition");
}
