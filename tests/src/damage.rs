//! JSON with something wrong in it: what somebody sends who has misread the contract, or who means harm.

use crate::random::Random;
use serde_json::{Map, Value, json};

/// What stands in the place of something else.
fn odd(random: &mut Random) -> Value {
    match random.below(22) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(0),
        3 => json!(-1),
        4 => json!(1.5),
        5 => json!(2.0),
        6 => json!(u64::MAX),
        7 => json!(i64::MIN),
        8 => json!(1e300),
        9 => json!(""),
        10 => json!("x".repeat(random.below(2_000))),
        11 => json!("\u{0}\u{ffff}😀`"),
        12 => json!([]),
        13 => json!({}),
        14 => json!([[["x"]]]),
        15 => json!({"$number": "NaN"}),
        16 => json!({"$timestamp": "2026-02-30T00:00:00Z"}),
        17 => json!({"$ref": "a"}),
        18 => json!({"$increment": 1}),
        19 => json!({"$x": 1, "y": 2}),
        20 => nested(random.below(150)),
        _ => json!(vec![0; random.below(1_100)]),
    }
}

/// Arrays and maps in each other: this many.
fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, level| match level % 3 {
        0 => json!({"a": inner}),
        _ => json!([inner]),
    })
}

/// Keys that mean something, though perhaps not here, and one that means nothing.
const KEYS: [&str; 31] = [
    "from",
    "group",
    "where",
    "and",
    "or",
    "field",
    "op",
    "value",
    "orderBy",
    "direction",
    "limit",
    "limitToLast",
    "offset",
    "startAt",
    "startAfter",
    "endAt",
    "endBefore",
    "select",
    "pageToken",
    "explain",
    "query",
    "aggregates",
    "sum",
    "avg",
    "target",
    "document",
    "resume",
    "since",
    "id",
    "$ref",
    "?",
];

/// `value` with one to three things wrong, or odd: another type, a key that is missing, unknown or in the wrong place,
/// an element too few or too many.
pub fn damaged(random: &mut Random, value: &Value) -> Value {
    let mut value = value.clone();
    for _ in 0..random.between(1, 3) {
        let place = random.below(places(&value));
        damage(random, &mut value, place);
    }
    value
}

/// How many values there are in this one, itself included.
fn places(value: &Value) -> usize {
    let inside: usize = match value {
        Value::Array(values) => values.iter().map(places).sum(),
        Value::Object(map) => map.values().map(places).sum(),
        _ => 0,
    };
    1 + inside
}

/// Damages the value that comes at this place when all are counted, outer ones first.
fn damage(random: &mut Random, value: &mut Value, mut place: usize) {
    if place == 0 {
        return damage_here(random, value);
    }
    place -= 1;
    let inside: Vec<&mut Value> = match value {
        Value::Array(values) => values.iter_mut().collect(),
        Value::Object(map) => map.values_mut().collect(),
        _ => Vec::new(),
    };
    for value in inside {
        let count = places(value);
        if place < count {
            return damage(random, value, place);
        }
        place -= count;
    }
}

fn damage_here(random: &mut Random, value: &mut Value) {
    let key = *random.pick(&KEYS);
    match value {
        Value::Object(map) if !map.is_empty() && random.chance(75) => {
            let names: Vec<String> = map.keys().cloned().collect();
            let name = random.pick(&names);
            match random.below(4) {
                0 => drop(map.remove(name)),
                1 => drop(map.insert(key.to_owned(), odd(random))),
                2 => {
                    let moved = map[name].clone();
                    map.insert(key.to_owned(), moved);
                }
                _ => {
                    let moved = map.remove(name).unwrap_or_default();
                    map.insert(key.to_owned(), moved);
                }
            }
        }
        Value::Array(values) if !values.is_empty() && random.chance(75) => {
            let at = random.below(values.len());
            match random.below(4) {
                0 => drop(values.remove(at)),
                1 => values.insert(at, odd(random)),
                2 => values.swap(0, at),
                _ => {
                    let again = vec![values[at].clone(); random.below(40)];
                    values.extend(again);
                }
            }
        }
        _ if random.chance(10) => {
            let inner = value.take();
            *value = match random.below(2) {
                0 => json!([inner]),
                _ => Value::Object(Map::from_iter([(key.to_owned(), inner)])),
            };
        }
        _ => *value = odd(random),
    }
}
