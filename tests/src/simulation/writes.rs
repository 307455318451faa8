//! What applications write. To a ledger, only what keeps its counter and its tokens in step; to the other documents,
//! anything.

use crate::random::Random;
use blaze_client::core::change::Change;
use blaze_engine::document::Event;
use blaze_schema::value::Map;
use blaze_schema::write::Operation;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A write to the ledger that counts one up and leaves `token`. What `seen` shows may be tested first.
pub(super) fn ledger(
    random: &mut Random,
    client: usize,
    token: &str,
    seen: Option<&Map>,
) -> Change {
    let mine = format!("client{client}");
    let one = json!({"$increment": 1});
    let tokens = json!({"$arrayUnion": [token]});
    let change = match (random.below(6), seen.and_then(|seen| compare_and_set(seen, &mine, token)))
    {
        (0, Some(operations)) => Change::patch(operations),
        (0..=2, _) => {
            Change::update(json!({"count": one, format!("by.{mine}"): one, "tokens": tokens}))
        }
        (3, None) => Change::create(json!({"count": 1, "by": {mine: 1}, "tokens": [token]})),
        _ => Change::merge(json!({"count": one, "by": {mine: one}, "tokens": tokens})),
    };
    change.expect("the change is right")
}

/// The same as a JSON Patch on the state that is seen: refused when it is another one by then.
fn compare_and_set(seen: &Map, mine: &str, token: &str) -> Option<Value> {
    let (count, by) = (seen.get("count")?.as_i64()?, seen.get("by")?.get(mine)?.as_i64()?);
    Some(json!([
        {"op": "test", "path": "/count", "value": count},
        {"op": "test", "path": format!("/by/{mine}"), "value": by},
        {"op": "replace", "path": "/count", "value": count + 1},
        {"op": "replace", "path": format!("/by/{mine}"), "value": by + 1},
        {"op": "add", "path": "/tokens/-", "value": token},
    ]))
}

/// A write over a socket, as its text.
pub(super) fn raw(id: &str, path: &str, client: usize) -> String {
    let one = json!({"$increment": 1});
    let data = json!({"count": one, "by": {format!("client{client}"): one}, "tokens": {"$arrayUnion": [id]}});
    json!({"write": {"id": id, "merge": path, "data": data}}).to_string()
}

/// The same to a document that is no ledger.
pub(super) fn raw_free(random: &mut Random, id: &str, path: &str) -> String {
    let number = random.below(3);
    let write = match random.below(6) {
        0 => json!({"id": id, "delete": path}),
        1 => json!({"id": id, "create": path, "data": {"a": number, "by": id}}),
        2 => json!({"id": id, "set": path, "data": {"n": number, "list": [number, id]}}),
        3 => json!({"id": id, "set": path, "data": {"a": [number], "b": {"c": number}}}),
        4 => {
            json!({"id": id, "merge": path, "data": {"a": number, "t": {"$serverTimestamp": true}}})
        }
        _ => json!({"id": id, "update": path, "data": {"n": {"$increment": 1}}}),
    };
    json!({ "write": write }).to_string()
}

/// A write past all clients, to any document.
pub(super) fn last(token: &str) -> Event {
    let one = json!({"$increment": 1});
    let data = json!({"count": one, "by": {"nobody": one}, "tokens": {"$arrayUnion": [token]}});
    Event::Write {
        operation: Operation::merge(data).expect("the data is right"),
        preconditions: Vec::new(),
        idempotency: None,
        return_data: false,
    }
}

/// The tokens of a ledger's state, in which nothing was counted twice or halfway.
pub(super) fn ledger_tokens(data: &Value) -> BTreeSet<String> {
    if data.is_null() {
        return BTreeSet::new();
    }
    let list: Vec<&Value> =
        data["tokens"].as_array().expect("tokens are an array").iter().collect();
    let tokens: BTreeSet<String> =
        list.iter().map(|token| token.as_str().expect("a token is a string").to_owned()).collect();
    let by = data["by"].as_object().expect("by is a map");
    let sum: i64 = by.values().filter_map(Value::as_i64).sum();
    let counts = (data["count"].as_i64(), sum, list.len());
    let right = (Some(list.len() as i64), list.len() as i64, tokens.len());
    assert_eq!(counts, right, "count, sum and tokens of the ledger {data}");
    tokens
}

/// Anything, to a document that is no ledger.
pub(super) fn free(random: &mut Random, token: &str) -> Change {
    let number = random.below(3);
    let field = *random.pick(&["a", "b", "c"]);
    let change = match random.below(12) {
        0 => return Change::delete(),
        1 => Change::create(json!({"n": number, "by": token})),
        2 => Change::set(json!({"a": number})),
        3 => Change::set(
            json!({"a": [1, 2, number], "b": {"c": token}, "t": {"$serverTimestamp": true}}),
        ),
        4 => Change::merge(json!({field: {"n": {"$increment": 1}, "by": token}})),
        5 => Change::merge(json!({field: {"$delete": true}, "t": {"$serverTimestamp": true}})),
        6 => Change::update(json!({field: number, "n": {"$increment": 0.5}})),
        7 => Change::update(json!({format!("{field}.deep.er"): token})),
        8 => Change::update(json!({"list": {"$arrayUnion": [number, token]}})),
        9 => Change::update(json!({"list": {"$arrayRemove": [number]}})),
        10 => Change::patch(json!([
            {"op": "add", "path": format!("/{field}"), "value": [number]},
            {"op": "add", "path": format!("/{field}/0"), "value": token},
        ])),
        _ => Change::patch(json!([
            {"op": "test", "path": "/a", "value": number},
            {"op": "remove", "path": "/a"},
        ])),
    };
    change.expect("the change is right")
}
