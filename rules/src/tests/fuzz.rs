//! Whatever the text, it is compiled or told what is wrong, and what is compiled is decided within its budget.

use super::{auth, cases, now, path};
use crate::{Lookups, Method, QueryRequest, Request, Resource, Rules};
use blaze_schema::query::Query;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

const VALID: &str = "rules_version = '2';
service cloud.firestore { match /databases/{database}/documents {
  function owns(id) { let me = request.auth.uid; return me == id && [1, 2].exists(x, x > 1); }
  match /c/{id=**} { /* all */
    allow get, list: if owns(id) || resource.data.a is string; // yes
    allow write: if request.resource.data.diff(resource.data).affectedKeys().hasOnly(['a', \"b\"]) && 'x'.matches('[a-z]{1,3}');
    match /d/{e} { allow read: if get(/databases/$(database)/documents/users/$(request.auth.uid)).data.n > -1.5e3 ? true : !false; }
  }
  match /x/{y} { allow create; }
} }";

const WORDS: [&str; 72] = [
    "match", "allow", "function", "return", "let", "if", "read", "write", "get", "list", "service",
    "request", "resource", "auth", "data", "uid", "x", "f", "is", "in", "string", "int", "null",
    "true", "false", "{", "}", "(", ")", "[", "]", ";", ":", ",", ".", "/", "//", "/*", "*/", "$(",
    "$", "=", "==", "!=", "<", ">", "<=", ">=", "&&", "||", "!", "-", "+", "*", "**", "%", "?",
    "1", "1.5", "0x1F", "1u", "'a'", "\"", "'", "\\", "b'\\xff'", "'\\u12'", "r'", "é", "map",
    "{x=**}", "exists",
];

fn soup() -> impl Strategy<Value = String> {
    prop::collection::vec((select(WORDS.to_vec()), select(vec!["", " ", "\n"])), 0..40)
        .prop_map(|words| words.into_iter().map(|(word, gap)| format!("{word}{gap}")).collect())
}

/// A valid file with pieces removed, doubled, and put in.
fn mutated() -> impl Strategy<Value = String> {
    let edits = prop::collection::vec((0..VALID.len(), 0_usize..30, soup(), 0_u8..4), 1..4);
    edits.prop_map(|edits| {
        let mut text = VALID.to_owned();
        for (at, length, soup, kind) in edits {
            let mut at = at.min(text.len());
            let mut end = (at + length).min(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            while !text.is_char_boundary(end) {
                end += 1;
            }
            let piece = text[at..end].to_owned();
            match kind {
                0 => text.replace_range(at..end, ""),
                1 => text.insert_str(at, &piece),
                2 => text.replace_range(at..end, &soup),
                _ => text.insert_str(at, &soup.chars().take(8).collect::<String>()),
            }
        }
        text
    })
}

fn in_frame() -> impl Strategy<Value = String> {
    soup().prop_map(|soup| format!("match /c/{{id}} {{ allow read, write: if {soup}; }}"))
}

/// Compiles, and decides by what is compiled.
fn try_out(text: &str) {
    let rules =
        match Rules::compile(text) {
            Ok(rules) => rules,
            Err(diagnostics) => {
                assert!(!diagnostics.is_empty());
                let places: Vec<_> = diagnostics.iter().map(|d| (d.line, d.column)).collect();
                assert!(places.is_sorted(), "{places:?}");
                let lines = text.split('\n').count();
                assert!(diagnostics.iter().all(|d| (1..=lines).contains(&d.line)
                    && d.column >= 1
                    && !d.message.is_empty()));
                return;
            }
        };
    let (lookups, auth) = (Lookups::new(), auth("alice"));
    let data = r#"{"a":"x","b":[1,2]}"#;
    let resource = Some(Resource { data, create_time: now(), update_time: now() });
    for name in ["c/1", "c/1/d/2", "x/1"] {
        for method in [Method::Get, Method::Update] {
            let request = Request {
                method,
                path: &path(name),
                auth: Some(&auth),
                time: now(),
                before: resource,
                after: resource,
                lookups: &lookups,
            };
            rules.decide(&request);
        }
    }
    let query =
        Query::from_json(json!({"from": "c", "where": {"field": "a", "op": "==", "value": "x"}}))
            .unwrap();
    rules.decide_query(&QueryRequest { query: &query, auth: None, time: now(), lookups: &lookups });
}

#[test]
fn the_valid_file_is_valid() {
    assert!(Rules::compile(VALID).is_ok(), "{:?}", Rules::compile(VALID));
}

proptest! {
    #![proptest_config(cases(2))]
    #[test]
    fn a_mutated_file_is_compiled_or_told_about(text in mutated()) {
        try_out(&text);
    }

    #[test]
    fn words_in_any_order_are_compiled_or_told_about(text in soup()) {
        try_out(&text);
    }

    #[test]
    fn a_condition_of_any_words_is_compiled_or_told_about(text in in_frame()) {
        try_out(&text);
    }

    #[test]
    fn any_text_is_compiled_or_told_about(text in any::<String>()) {
        try_out(&text);
        try_out(&format!("match /c/{{id}} {{ allow read: if {text}; }}"));
        try_out(&format!("match /c/{{id}} {{ allow read: if '{text}' == \"{text}\"; }}"));
    }
}

/// Conditions that would take long or grow without end are denied, soon.
#[test]
fn what_costs_too_much_is_denied() {
    let long = json!({"s": "a".repeat(1_000_000), "l": vec!["x"; 100_000]}).to_string();
    let bytes = json!({"b": {"$bytes": "A".repeat(1_000_000)}}).to_string();
    let deep = json!({"d": (0..90).fold(json!(1), |inner, _| json!([inner, 2]))}).to_string();
    let hundred = format!("[{}]", vec!["1"; 100].join(","));
    let nested =
        format!("{hundred}.map(a, {hundred}.map(b, {hundred}.map(c, a + b + c))).size() > 0");
    for (condition, data) in [
        (nested.as_str(), &deep),
        ("resource.data.s.matches('(a|aa){20}(a*)*b')", &long),
        ("resource.data.s.matches('(.*)(.*)(.*)(.*)(.*)x')", &long),
        ("resource.data.s.replace('a', resource.data.s).size() > 0", &long),
        ("resource.data.s.split('').size() > 0", &long),
        ("(resource.data.s + resource.data.s).size() > 0", &long),
        (
            "resource.data.l.toSet().size() == 1 && resource.data.l.all(x, resource.data.l.all(y, x == y))",
            &long,
        ),
        (
            "resource.data.l.map(x, resource.data.l).size() > 0 && resource.data.l.removeAll(resource.data.l).size() == 0",
            &long,
        ),
        (
            "resource.data.l.concat(resource.data.l).concat(resource.data.l).join(resource.data.s).size() > 0",
            &long,
        ),
        (
            "[1,2,3,4,5,6,7,8,9].all(x, resource.data.s.contains('ab') == false && resource.data.s.lower() == resource.data.s)",
            &long,
        ),
        ("resource.data.l.all(x, resource.data.d == resource.data.d)", &long),
        ("[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16].all(x, resource.data.b != null)", &bytes),
        ("[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16].all(x, resource.data['b'] != null)", &bytes),
        (
            "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16].all(x, resource.data.values().size() == 1)",
            &bytes,
        ),
    ] {
        let rules =
            super::compile(&format!("match /c/{{id}} {{ allow get: if {condition} || true; }}"));
        let lookups = Lookups::new();
        let before = Some(Resource { data, create_time: now(), update_time: now() });
        let verdict = rules.decide(&Request {
            method: Method::Get,
            path: &path("c/1"),
            auth: None,
            time: now(),
            before,
            after: None,
            lookups: &lookups,
        });
        // An error beside `true` would be allowed; what has cost too much is not.
        assert!(matches!(verdict, crate::Verdict::Denied(_)), "{condition}");
    }
    let pattern = format!("'x'.matches('(x{{1000}}){{1000}}{}')", "a".repeat(10));
    assert!(Rules::compile(&format!("match /c/{{id}} {{ allow get: if {pattern}; }}")).is_err());
}
