//! Random input: mostly almost right, sometimes right, sometimes rubbish. What is only rubbish never gets past the first
//! check, and what is only right never finds the check that is missing.

use crate::random::Random;
use blaze_schema::limits::DOCUMENT_DEPTH;
use serde_json::{Map, Value, json};

/// Texts that some check somewhere is about.
const TEXTS: [&str; 30] = [
    "",
    "a",
    "b",
    "name",
    "a.b",
    "`a.b`.c",
    "a/b",
    "/a/b/0",
    "~0~1",
    "-",
    "0",
    "01",
    "__a__",
    "..",
    "%2F",
    "%",
    "é",
    "\u{0}",
    "\u{ffff}",
    "\u{1f525}\u{200d}",
    "\"",
    "\\",
    "`",
    "$",
    "$ref",
    "\r\n",
    "users/alice",
    "2026-11-21T10:00:00Z",
    "aGk=",
    "NaN",
];

/// Numbers at which arithmetic or printing changes.
const NUMBERS: [&str; 22] = [
    "0",
    "-0",
    "-0.0",
    "0.0",
    "1",
    "1.0",
    "-1",
    "2.5",
    "1e3",
    "9007199254740992",
    "9007199254740993",
    "9007199254740993.0",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "18446744073709551615",
    "1e19",
    "1.7976931348623157e308",
    "5e-324",
    "0.1",
    "180.0000001",
    "-90",
];

/// Frames, bodies and texts of the wire, all of them valid: what [`mutated`] starts from.
pub const SAMPLES: [&str; 14] = [
    r#"{"type":"snapshot","epoch":"01KAJ2J0G0000000000000000","version":3,"data":{"a":[1,{"b":null}]}}"#,
    r#"{"type":"patch","base":3,"version":4,"patch":[{"op":"replace","path":"/a/0","value":2}]}"#,
    r#"{"type":"delete","base":4,"version":5}"#,
    r#"{"type":"error","code":"not-found","detail":"gone"}"#,
    r#"{"id":"w1","result":{"path":"a/b","version":1}}"#,
    r#"{"id":"w1","error":{"code":"aborted","detail":"again"}}"#,
    r#"{"pong":7}"#,
    r#"{"ping":0}"#,
    r#"{"auth":"token"}"#,
    r#"{"listen":{"target":1,"document":"users/alice"}}"#,
    r#"{"write":{"id":"w1","update":"users/alice","data":{"n":{"$increment":1}},"ifVersion":3}}"#,
    r#"{"write":{"id":"w2","patch":"users/alice","operations":[{"op":"move","from":"/a","path":"/b"}]}}"#,
    r#"{"set":"users/alice","data":{"t":{"$timestamp":"2026-11-21T10:00:00.5+01:00"}}}"#,
    r#"[{"op":"test","path":"/a","value":1},{"op":"copy","from":"/a","path":"/b/-"}]"#,
];

/// A short text, now and then a long one.
pub fn text(random: &mut Random) -> String {
    match random.below(10) {
        0..=5 => (*random.pick(&TEXTS)).to_owned(),
        6 | 7 => (0..random.below(8)).map(|_| char::from(random.between(32, 126) as u8)).collect(),
        8 => (0..random.below(5))
            .filter_map(|_| char::from_u32(random.bits() as u32 >> 11))
            .collect(),
        _ => random.pick(&TEXTS).repeat(random.below(300)),
    }
}

/// A number, parsed from its text as a body's would be.
pub fn number(random: &mut Random) -> Value {
    match random.below(4) {
        0 => json!(random.below(5)),
        1 => json!(f64::from_bits(random.bits())),
        _ => serde_json::from_str(random.pick::<&str>(&NUMBERS)).unwrap_or_default(),
    }
}

/// Any JSON: typed values and transforms, right and wrong, nested up to and beyond the limit.
pub fn value(random: &mut Random) -> Value {
    let inner = nested(random, 4);
    if !random.chance(2) {
        return inner;
    }
    let levels = DOCUMENT_DEPTH - 3 + random.below(6);
    (0..levels).fold(
        inner,
        |inner, level| {
            if level % 7 == 3 { json!([inner]) } else { json!({ "a": inner }) }
        },
    )
}

/// A map of [`value`]s.
pub fn map(random: &mut Random) -> Value {
    let fields = (0..random.below(6)).map(|_| (key(random), value(random)));
    Value::Object(fields.collect())
}

fn key(random: &mut Random) -> String {
    match random.below(12) {
        0 => text(random),
        1 => (*random.pick(&["$", "$x", "$ref", "$increment", "$delete"])).to_owned(),
        _ => (*random.pick(&["a", "b", "c", "d", "a.b"])).to_owned(),
    }
}

fn nested(random: &mut Random, budget: usize) -> Value {
    let kinds = if budget == 0 { 8 } else { 14 };
    match random.below(kinds) {
        0 => Value::Null,
        1 => json!(random.chance(50)),
        2 | 3 => number(random),
        4 => json!(text(random)),
        5 => typed(random),
        6 => transform(random),
        7 => json!({}),
        8 | 9 => (0..random.below(5)).map(|_| nested(random, budget - 1)).collect(),
        _ => {
            let fields = (0..random.below(5)).map(|_| (key(random), nested(random, budget - 1)));
            Value::Object(fields.collect())
        }
    }
}

/// A typed value; one in eight is wrong.
fn typed(random: &mut Random) -> Value {
    if random.chance(12) {
        let key = *random.pick(&["$timestamp", "$bytes", "$ref", "$geopoint", "$number"]);
        return json!({ key: nested(random, 0) });
    }
    match random.below(5) {
        0 => json!({ "$timestamp": timestamp(random) }),
        1 => json!({ "$bytes": *random.pick(&["", "aGk=", "aGk", "/+8="]) }),
        2 => json!({ "$ref": *random.pick(&["users/alice", "a/b/c/d"]) }),
        3 => json!({ "$geopoint": [random.below(91), -90.5] }),
        _ => json!({ "$number": *random.pick(&["NaN", "Infinity", "-Infinity"]) }),
    }
}

/// A date and time: right, or with one part wrong.
pub fn timestamp(random: &mut Random) -> String {
    let year = random.pick(&["2026", "0001", "9999", "1969", "0000", "10000", "-001"]);
    let date = random.pick(&["11-21", "02-29", "12-31", "13-01", "00-00", "1-1"]);
    let time = random.pick(&["10:00:00", "23:59:59", "24:00:00", "23:59:60", "00:00:00", "9:0:0"]);
    let fraction =
        random.pick(&["", ".5", ".123456", ".999999999", ".", ".0000000000000000000001"]);
    let offset = random.pick(&["Z", "z", "+00:00", "-23:59", "+14:00", "+24:00", "", " Z"]);
    format!("{year}-{date}T{time}{fraction}{offset}")
}

/// A transform; one in eight has another operand than it should.
fn transform(random: &mut Random) -> Value {
    let wrong = random.chance(12);
    let key = *random.pick(&[
        "$serverTimestamp",
        "$delete",
        "$increment",
        "$min",
        "$max",
        "$arrayUnion",
        "$arrayRemove",
    ]);
    let operand = match key {
        _ if wrong => json!(text(random)),
        "$serverTimestamp" | "$delete" => json!(true),
        "$increment" | "$min" | "$max" => number(random),
        _ => (0..random.below(4))
            .map(|_| if random.chance(5) { typed(random) } else { number(random) })
            .collect(),
    };
    json!({ key: operand })
}

/// Document paths and collection paths, right and wrong.
pub fn path(random: &mut Random) -> String {
    let segments = if random.chance(3) { random.below(300) } else { random.below(6) };
    let segment = |random: &mut Random| match random.below(6) {
        0 => text(random),
        1 => "x".repeat(random.below(1_600)),
        _ => (*random.pick(&["users", "alice", "a b", "é", "%20", "a%2Fb"])).to_owned(),
    };
    (0..segments).map(|_| segment(random)).collect::<Vec<_>>().join("/")
}

/// A JSON Pointer into the maps and arrays that [`map`] makes, or nearly one.
fn pointer(random: &mut Random) -> String {
    if random.chance(4) {
        return text(random);
    }
    let token = |random: &mut Random| {
        (*random.pick(&["a", "b", "c", "0", "1", "-", "~1", "$x"])).to_owned()
    };
    (0..random.below(4)).map(|_| format!("/{}", token(random))).collect()
}

/// A list of RFC 6902 operations.
pub fn operations(random: &mut Random) -> Value {
    if random.chance(3) {
        return value(random);
    }
    (0..random.below(8)).map(|_| operation(random)).collect()
}

fn operation(random: &mut Random) -> Value {
    let op = *random.pick(&["add", "add", "replace", "remove", "move", "copy", "test", "jump"]);
    let mut operation = json!({ "op": op, "path": pointer(random) });
    if random.chance(95) {
        match op {
            "move" | "copy" => operation["from"] = json!(pointer(random)),
            "remove" => {}
            _ => operation["value"] = nested(random, 2),
        }
    }
    operation
}

/// One write as it stands in a commit or, with an id, in a socket's frame.
pub fn write(random: &mut Random) -> Value {
    let name = *random.pick(&["create", "set", "merge", "update", "patch", "delete", "verify"]);
    let path = if random.chance(90) { "users/alice".to_owned() } else { path(random) };
    let mut write = Map::from_iter([(name.to_owned(), json!(path))]);
    match name {
        "patch" => drop(write.insert("operations".to_owned(), operations(random))),
        "delete" | "verify" => {}
        "update" if random.chance(50) => drop(write.insert("data".to_owned(), update(random))),
        _ => drop(write.insert("data".to_owned(), map(random))),
    }
    if random.chance(20) {
        write.insert("ifVersion".to_owned(), number(random));
    }
    if random.chance(5) {
        write.insert(text(random), value(random));
    }
    Value::Object(write)
}

/// Field paths to values.
fn update(random: &mut Random) -> Value {
    let fields = (0..random.below(5)).map(|_| (field_path(random), nested(random, 2)));
    Value::Object(fields.collect())
}

/// A field path, or nearly one.
pub fn field_path(random: &mut Random) -> String {
    let keys = if random.chance(3) { random.below(110) } else { random.below(4) };
    let key = |random: &mut Random| match random.below(8) {
        0 => text(random),
        1 => format!("`{}`", text(random)),
        2 => "`a\\`b\\\\`".to_owned(),
        _ => (*random.pick(&["a", "b", "c"])).to_owned(),
    };
    (0..keys).map(|_| key(random)).collect::<Vec<_>>().join(".")
}

/// A valid sample with a few bytes changed, removed, doubled or exchanged for a piece of another one.
pub fn mutated(random: &mut Random, sample: &str) -> String {
    let mut bytes = sample.as_bytes().to_vec();
    for _ in 0..random.between(1, 4) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(6)).min(bytes.len());
        match random.below(5) {
            0 => drop(bytes.drain(at..end)),
            1 => bytes.insert(at, random.bits() as u8),
            2 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            3 => {
                let other = random.pick(&SAMPLES).as_bytes();
                let from = random.below(other.len());
                let piece = &other[from..(from + random.below(20)).min(other.len())];
                bytes.splice(at..end, piece.iter().copied());
            }
            _ => {
                bytes.splice(at..end, number(random).to_string().into_bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `value` with a few of its parts changed: what the next state of a document looks like.
pub fn perturbed(random: &mut Random, value: &Value) -> Value {
    if random.chance(8) {
        return match random.below(3) {
            0 => typed(random),
            1 => number(random),
            _ => nested(random, 1),
        };
    }
    match value {
        // Equal, and not the same.
        Value::Number(number) if number.as_f64() == Some(0.0) && random.chance(30) => {
            json!(if number.is_f64() && random.chance(50) { -0.0 } else { 0.0 })
        }
        Value::Array(values) if !values.is_empty() => {
            let mut values: Vec<Value> =
                values.iter().map(|value| perturbed(random, value)).collect();
            let at = random.below(values.len());
            match random.below(8) {
                0 => drop(values.remove(at)),
                1 => values.insert(at, number(random)),
                _ => {}
            }
            Value::Array(values)
        }
        Value::Object(map) if !map.keys().any(|key| key.starts_with('$')) => {
            let mut fields = Map::new();
            for (key, value) in map {
                let value = perturbed(random, value);
                match random.below(20) {
                    0 => {}
                    1 => drop(fields.insert(self::key(random), value)),
                    _ => drop(fields.insert(key.clone(), value)),
                }
            }
            Value::Object(fields)
        }
        other => other.clone(),
    }
}

/// The text of some JSON, or of something that no longer is.
pub fn json_text(random: &mut Random) -> String {
    let sample = match random.below(5) {
        0 => (*random.pick(&SAMPLES)).to_owned(),
        1 => map(random).to_string(),
        2 => operations(random).to_string(),
        3 => write(random).to_string(),
        _ => return text(random),
    };
    if random.chance(50) { mutated(random, &sample) } else { sample }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blaze_schema::patch;
    use blaze_schema::timestamp::Timestamp;
    use blaze_schema::write::Write;

    /// How many of a thousand random inputs a parser takes.
    fn taken(mut takes: impl FnMut(&mut Random) -> bool) -> usize {
        (0..1_000).filter(|seed| takes(&mut Random::new(*seed))).count()
    }

    #[test]
    fn a_good_part_of_the_input_is_right_and_a_good_part_is_wrong() {
        for (name, taken) in [
            ("write", taken(|random| Write::from_json(write(random), "w").is_ok())),
            ("patch", taken(|random| patch::parse(operations(random)).is_ok())),
            ("timestamp", taken(|random| Timestamp::parse(&timestamp(random)).is_ok())),
            ("json", taken(|random| serde_json::from_str::<Value>(&json_text(random)).is_ok())),
        ] {
            assert!((20..950).contains(&taken), "{name}: {taken} of 1000 are taken");
        }
    }
}
