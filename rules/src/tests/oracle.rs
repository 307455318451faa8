//! The evaluator against the interpreter of the crate `cel`, for expressions that both have. What differs by intent is
//! left out: numbers of two types are added here (an error there), NaN equals itself, `matches` takes the whole text,
//! `size` of a text counts characters in both.

use super::{auth, cases, now, path};
use crate::{Lookups, Method, Request, Rules, Verdict};
use cel::parser::PrattParser;
use cel::{Context, Value};
use proptest::prelude::*;
use proptest::sample::select;

fn integers() -> BoxedStrategy<String> {
    let leaf = select(vec![
        "0",
        "1",
        "2",
        "3",
        "-1",
        "9223372036854775807",
        "size('ab')",
        "int('7')",
        "[4, 5][1]",
        "{'k': 6}.k",
    ]);
    leaf.prop_map(str::to_owned)
        .prop_recursive(3, 12, 2, |inner| {
            (inner.clone(), select(vec!["+", "-", "*", "/", "%"]), inner)
                .prop_map(|(a, operator, b)| format!("({a} {operator} {b})"))
        })
        .boxed()
}

fn floats() -> BoxedStrategy<String> {
    let leaf = select(vec!["0.5", "1.0", "-2.25", "1e10", "double(3)", "double('2.5')"]);
    leaf.prop_map(str::to_owned)
        .prop_recursive(2, 6, 2, |inner| {
            (inner.clone(), select(vec!["+", "-", "*"]), inner)
                .prop_map(|(a, operator, b)| format!("({a} {operator} {b})"))
        })
        .boxed()
}

fn texts() -> BoxedStrategy<String> {
    let leaf = select(vec![
        "''",
        "'a'",
        "'ab'",
        "'é'",
        "\"b\"",
        "r'\\n'",
        "'\\n'",
        "'\\u00e9'",
        "string(12)",
    ]);
    leaf.prop_map(str::to_owned)
        .prop_recursive(2, 6, 2, |inner| {
            (inner.clone(), inner).prop_map(|(a, b)| format!("({a} + {b})"))
        })
        .boxed()
}

fn scalars() -> BoxedStrategy<String> {
    prop_oneof![
        integers(),
        floats(),
        texts(),
        select(vec!["null", "true", "false", "b'a'", "[1, 2]", "{'a': 1}"]).prop_map(str::to_owned)
    ]
    .boxed()
}

fn lists() -> BoxedStrategy<String> {
    let list = prop::collection::vec(prop_oneof![integers(), texts()], 0..4)
        .prop_map(|items| format!("[{}]", items.join(", ")));
    list.prop_recursive(2, 4, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|list| format!("{list}.map(x, [x])")),
            inner.clone().prop_map(|list| format!("{list}.filter(x, x != 1)")),
            inner.clone().prop_map(|list| format!("{list}.map(x, x == 'a', x)")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("({a} + {b})")),
        ]
    })
    .boxed()
}

fn conditions() -> impl Strategy<Value = String> {
    let orders = || select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let compared = |one: BoxedStrategy<String>| {
        (one.clone(), orders(), one).prop_map(|(a, operator, b)| format!("({a} {operator} {b})"))
    };
    let any = (scalars(), select(vec!["==", "!="]), scalars())
        .prop_map(|(a, operator, b)| format!("({a} {operator} {b})"));
    let leaf = prop_oneof![
        compared(integers()),
        compared(floats()),
        compared(texts()),
        (integers(), orders(), floats())
            .prop_map(|(a, operator, b)| format!("({a} {operator} {b})")),
        any,
        (scalars(), lists()).prop_map(|(value, list)| format!("({value} in {list})")),
        (lists(), lists()).prop_map(|(a, b)| format!("({a} == {b})")),
        (lists(), select(vec!["all", "exists", "exists_one"]))
            .prop_map(|(list, name)| format!("{list}.{name}(x, x == 1)")),
        (lists(), select(vec!["all", "exists"]))
            .prop_map(|(list, name)| format!("{list}.{name}(x, 2 / x == 1)")),
        (texts(), select(vec!["startsWith", "endsWith", "contains"]), texts())
            .prop_map(|(a, name, b)| format!("{a}.{name}({b})")),
        (lists(), integers()).prop_map(|(list, n)| format!("({list}[{n}] == 1)")),
        (lists(), integers()).prop_map(|(list, n)| format!("(size({list}) == {n})")),
        texts().prop_map(|text| format!("('a' in {{'a': 1, {text} + 'z': 2}})")),
        select(vec![
            "true",
            "false",
            "has({'a': 1}.a)",
            "has({'a': 1}.b)",
            "{'a': 1}.b == 1",
            "'x'"
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.clone().prop_map(|a| format!("!{a}")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
        ]
    })
}

/// True, false, or no truth value, by asking for the condition and for its contrary.
fn ours(condition: &str) -> Option<bool> {
    let truth = |condition: &str| {
        let rules =
            Rules::compile(&format!("match /c/{{id}} {{ allow get: if {condition}; }}")).unwrap();
        let lookups = Lookups::new();
        let verdict = rules.decide(&Request {
            method: Method::Get,
            path: &path("c/d"),
            auth: Some(&auth("a")),
            time: now(),
            before: None,
            after: None,
            lookups: &lookups,
        });
        matches!(verdict, Verdict::Allowed(_))
    };
    match (truth(condition), truth(&format!("!({condition})"))) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
        (true, true) => panic!("{condition} and its contrary"),
    }
}

fn theirs(condition: &str) -> Option<bool> {
    // With the parser that rules have: the crate's other one takes more stack than a test has.
    let tree = PrattParser::new().parse(condition).unwrap();
    match Value::resolve(&tree, &Context::default()) {
        Ok(Value::Bool(truth)) => Some(truth),
        _ => None,
    }
}

proptest! {
    #![proptest_config(cases(4))]
    #[test]
    fn both_evaluate_alike(condition in conditions()) {
        prop_assert_eq!(ours(&condition), theirs(&condition), "{}", condition);
    }
}
