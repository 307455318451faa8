//! Ledgers, to which writes only add: a counter, its parts by client, and the writes' tokens, which agree in every state.
//! A write that is counted twice or lost shows without any knowledge of how it happened. To other documents anything is
//! written, which leaves its token in the field `last`.

use super::shell::State;
use crate::random::Random;
use blaze_client::core::change::Change;
use blaze_schema::value::Map;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A write that counts one up and leaves `token`. What `seen` shows may be tested first.
pub(super) fn write(random: &mut Random, client: usize, token: &str, seen: Option<&Map>) -> Change {
    let mine = format!("client{client}");
    let one = json!({"$increment": 1});
    let tokens = json!({"$arrayUnion": [token]});
    let tested = seen.and_then(|seen| compare_and_set(seen, &mine, token));
    let change = match (random.below(6), tested) {
        (0, Some(operations)) => Change::patch(operations),
        (0..=2, _) => {
            Change::update(json!({"count": one, format!("by.{mine}"): one, "tokens": tokens}))
        }
        (3, None) => Change::create(json!({"count": 1, "by": {mine: 1}, "tokens": [token]})),
        _ => Change::merge(json!({"count": one, "by": {mine: one}, "tokens": tokens})),
    };
    change.expect("the change is right")
}

/// The same as a JSON Patch of the state that is seen: refused when it is another one by then.
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

/// The tokens of a state.
///
/// # Panics
/// If something was counted twice or halfway.
pub(super) fn tokens(data: &Value) -> BTreeSet<String> {
    if data.is_null() {
        return BTreeSet::new();
    }
    let list = data["tokens"].as_array().expect("tokens are an array");
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
pub(super) fn anything(random: &mut Random, token: &str) -> Change {
    let number = random.below(3);
    let field = *random.pick(&["a", "b", "c"]);
    let time = json!({"$serverTimestamp": true});
    let change = match random.below(9) {
        0 | 1 => return Change::delete(),
        2 => Change::create(json!({"n": number, "last": token})),
        3 => Change::set(json!({"a": [1, 2, number], "b": {"c": token}, "t": time, "last": token})),
        4 => Change::merge(json!({field: {"n": {"$increment": 1}}, "last": token})),
        5 => Change::merge(json!({field: {"$delete": true}, "t": time, "last": token})),
        6 => Change::update(json!({field: number, "n": {"$increment": 0.5}, "last": token})),
        7 => Change::update(json!({"list": {"$arrayRemove": [number]}, "last": token})),
        _ => Change::patch(json!([
            {"op": "test", "path": "/n", "value": number},
            {"op": "remove", "path": "/n"},
            {"op": "add", "path": "/last", "value": token},
        ])),
    };
    change.expect("the change is right")
}

/// The state that a write made: the first with its token. None of a delete.
pub(super) fn made<'a>(states: &'a [State], token: &str) -> Option<&'a State> {
    let has = |data: &Value| {
        let tokens = data["tokens"].as_array().map(Vec::as_slice).unwrap_or_default();
        data["last"] == *token || tokens.iter().any(|one| one == token)
    };
    states.iter().find(|state| state.data.as_ref().is_some_and(has))
}
