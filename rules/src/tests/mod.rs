//! Rules as a whole: what the text means, and its limits.

mod explain;
mod firestore;
mod fuzz;
mod grammar;
mod oracle;
mod soundness;

use super::*;
use blaze_schema::limits::*;
use serde_json::{Value, json};

/// So many times the cases that are asked for (`PROPTEST_CASES`), 256 if none are.
pub(super) fn cases(times: u32) -> proptest::test_runner::Config {
    let config = proptest::test_runner::Config::default();
    let cases = config.cases.saturating_mul(times);
    proptest::test_runner::Config { cases, max_global_rejects: 100_000_000, ..config }
}

pub(super) fn path(text: &str) -> DocumentPath {
    DocumentPath::parse(text).unwrap()
}

pub(super) fn auth(uid: &str) -> Auth {
    let token = json!({"email": "a@example.com", "admin": true, "level": 3});
    Auth {
        uid: uid.to_owned(),
        token: token.as_object().unwrap().clone(),
        roles: BTreeSet::from(["editor".to_owned()]),
        expires: None,
    }
}

pub(super) fn now() -> Timestamp {
    Timestamp::parse("2026-11-21T10:00:00Z").unwrap()
}

pub(super) fn compile(text: &str) -> Rules {
    Rules::compile(text).unwrap_or_else(|diagnostics| panic!("{diagnostics:#?}\n{text}"))
}

pub(super) fn faults(text: &str) -> Vec<(usize, usize, String)> {
    let diagnostics = Rules::compile(text).err().unwrap_or_default();
    diagnostics.into_iter().map(|d| (d.line, d.column, d.message)).collect()
}

/// Whether a condition holds for an update of `c/d` by `alice`.
pub(super) fn verdict(condition: &str, before: &Value, after: &Value) -> Verdict {
    let rules = compile(&format!("match /c/{{id}} {{ allow update: if {condition}; }}"));
    let (before, after) = (before.to_string(), after.to_string());
    let resource = |data| Resource { data, create_time: now(), update_time: now() };
    let lookups = Lookups::from([
        (path("c/other"), Some(json!({"n": 1}).as_object().unwrap().clone())),
        (path("c/none"), None),
        (path("roles/alice"), Some(json!({"roles": ["writer"]}).as_object().unwrap().clone())),
    ]);
    rules.decide(&Request {
        method: Method::Update,
        path: &path("c/d"),
        auth: Some(&auth("alice")),
        time: now(),
        before: Some(resource(&before)),
        after: Some(resource(&after)),
        lookups: &lookups,
    })
}

fn before() -> Value {
    json!({
        "owner": "alice", "n": 5, "f": 1.5, "t": {"$timestamp": "2026-11-21T09:00:00.25Z"}, "tags": ["a", "b"],
        "m": {"x": 1, "y": {"z": "deep"}}, "nil": null, "yes": true, "ref": {"$ref": "users/alice"},
        "geo": {"$geopoint": [48.5, 2]}, "b": {"$bytes": "aGk="}, "nan": {"$number": "NaN"}, "name": "Ann",
    })
}

fn after() -> Value {
    let mut after = before();
    after["name"] = json!("Bea");
    after["extra"] = json!(1);
    after.as_object_mut().unwrap().remove("f");
    after
}

fn holds(condition: &str) -> bool {
    matches!(verdict(condition, &before(), &after()), Verdict::Allowed(_))
}

/// What holds for an update of [`before`] to [`after`].
const HOLDS: &[&str] = &[
    "true",
    "hashing.crc32('123456789').toHexString() == 'cbf43926'",
    "hashing.crc32c(b'123456789').toHexString() == 'e3069283'",
    "hashing.md5('abc').toHexString() == '900150983cd24fb0d6963f7d28e17f72'",
    "hashing.sha256('abc').toBase64() == 'ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0='",
    "hashing.sha256(resource.data.b) == hashing.sha256('hi') && hashing.md5('') is bytes",
    "resource.data.tags[0:1] == ['a'] && resource.data.tags[1:2][0] == 'b' && resource.data.tags[2:2].size() == 0",
    "[1, 2, 3][1:3] == [2, 3] && [[1, 2], [3]][0:1] == [[1, 2]] && [1, 2, 3][0 + 1:1 + 1] == [2]",
    "'abc'[1] == 'b' && 'abc'[0:2] == 'ab' && 'aé€😀'[1:4] == 'é€😀' && 'aé€😀'[3] == '😀' && ''[0:0] == ''",
    "resource.data.name[0] == 'A' && resource.data.name[1:3] == 'nn' && (true ? 'ab' : 'c')[0:1] == 'a'",
    "[1, 2, 3][(true ? 0 : 1):(false ? 0 : 1)] == [1] && [1, 2][true ? 1 : 0] == 2 && {'a': 1}['a'] == 1",
    "request.path[3] == 'c' && request.path[4] == 'd' && request.path[0] == 'databases'",
    "resource.data.ref[3] == 'users' && (/users/x)[4] == 'x' && resource.__name__[1] == '(default)'",
    "request.app == null && request.query == null && debug(1) == 1",
    "duration.value(2500, 'ns') == duration.value(2, 'ns') + duration('2us')",
    "request.auth != null && resource.data.owner == request.auth.uid",
    "request.auth.token.email == 'a@example.com' && request.auth.token['level'] == 3",
    "request.auth.roles.hasAny(['editor', 'x']) && 'editor' in request.auth.roles",
    "request.method == 'update' && id == 'd' && resource.id == id",
    "request.path == /databases/(default)/documents/c/$(id) && resource.__name__ == /c/d",
    "resource.__name__ == path('/databases/(default)/documents/c/d')",
    "resource.data.ref == /users/$(request.auth.uid)",
    "resource.data.n + 1 == 6 && 7 / 2 == 3 && 7 % 4 == 3 && -resource.data.n == -5",
    "resource.data.f * 2 == 3 && 1 == 1.0 && 2 > 1.5",
    "resource.data.nan == resource.data.nan && resource.data.nan < 0",
    "resource.data.t < request.time && request.time - resource.data.t < duration.value(1, 'h')",
    "resource.data.t + duration.value(1, 'h') > request.time && resource.createTime == request.time",
    "resource.data.t.year() == 2026 && resource.data.t.month() == 11 && resource.data.t.day() == 21",
    "resource.data.t.hours() == 9 && resource.data.t.minutes() == 0 && resource.data.t.nanos() == 250000000",
    "resource.data.t.toMillis() == 1795251600250 && resource.data.t.date() == timestamp.date(2026, 11, 21)",
    "resource.data.t.dayOfWeek() == 6 && resource.data.t.dayOfYear() == 325 && resource.data.t.getDayOfWeek() == 6",
    "timestamp('2026-11-21T09:00:00Z') <= resource.data.t && timestamp.value(0) < resource.data.t",
    "duration('1h30m') == duration.value(90, 'm') && duration('90m').hours() == 1",
    "resource.data.tags.hasAll(['a']) && resource.data.tags.hasOnly(['a', 'b', 'c'])",
    "resource.data.tags.size() == 2 && size(resource.data.tags) == 2 && resource.data.tags[1] == 'b'",
    "resource.data.tags.concat(['c']) == ['a', 'b', 'c'] && resource.data.tags.removeAll(['a']) == ['b']",
    "['a', 'a'].toSet() == ['a'].toSet() && resource.data.tags.join('-') == 'a-b'",
    "['a'].toSet().union(['b'].toSet()) == resource.data.tags.toSet()",
    "resource.data.tags.toSet().difference(['a'].toSet()).hasOnly(['b'])",
    "resource.data.tags.toSet().intersection(['b', 'c'].toSet()) == ['b'].toSet()",
    "resource.data.m.keys().hasOnly(['x', 'y']) && resource.data.m.values()[0] == 1",
    "resource.data.m.get('x', 0) == 1 && resource.data.m.get('q', 7) == 7",
    "resource.data.m.get(['y', 'z'], '') == 'deep' && resource.data.m.get(['y', 'q'], 'no') == 'no'",
    "'x' in resource.data.m && !('q' in resource.data.m) && has(resource.data.m.x) && !has(resource.data.m.q)",
    "request.resource.data.diff(resource.data).affectedKeys() == ['name', 'extra', 'f'].toSet()",
    "request.resource.data.diff(resource.data).addedKeys().hasOnly(['extra'])",
    "request.resource.data.diff(resource.data).removedKeys().hasOnly(['f'])",
    "request.resource.data.diff(resource.data).changedKeys().hasOnly(['name'])",
    "request.resource.data.diff(resource.data).unchangedKeys().hasAll(['owner', 'm'])",
    "{'a': 1}.diff({'a': 1.0}).affectedKeys().hasOnly(['a'])",
    "'Ann'.lower() == 'ann' && 'ann'.upper() == 'ANN' && ' a '.trim() == 'a' && 'é'.size() == 1",
    "'a,b'.split(',') == ['a', 'b'] && 'a1b2'.replace('[0-9]', '-') == 'a-b-'",
    "'banana'.matches('b(an)+a') && !'xbanana'.matches('banana') && 'abc'.contains('b')",
    "'banana'.matches('b' + '(an)+a')",
    "'abc'.startsWith('ab') && 'abc'.endsWith('bc') && 'a' + 'b' == 'ab'",
    "string(5) == '5' && int('5') == 5 && float('1.5') == 1.5 && bool('true') && int(2.9) == 2 && string(true) == 'true'",
    "math.abs(-2) == 2 && math.ceil(1.2) == 2 && math.floor(1.8) == 1 && math.round(1.5) == 2 && math.max(1, 2.5) == 2.5",
    "math.sqrt(4) == 2.0 && math.pow(2, 3) == 8.0 && !math.isNaN(1.0) && math.isInfinite(1.0 / 0.0)",
    "resource.data.n is int && resource.data.f is float && resource.data.n is number && resource.data.name is string",
    "resource.data.tags is list && resource.data.m is map && resource.data.t is timestamp && resource.data.ref is path",
    "resource.data.geo is latlng && resource.data.nil is null && resource.data.yes is bool && resource.data.b is bytes",
    "type(resource.data.n) == int && type('') == string && !(resource.data.n is string)",
    "resource.data.geo.latitude() == 48.5 && resource.data.geo.distance(latlng.value(48.5, 2)) < 1.0",
    "resource.data.b == b'hi' && resource.data.b.toBase64() == 'aGk=' && resource.data.b.toHexString() == '6869'",
    "resource.data.nil == null && resource.data.n != null && resource.data.n != 'five'",
    "resource.data.tags.all(t, t.size() == 1) && resource.data.tags.exists(t, t == 'b')",
    "resource.data.tags.exists_one(t, t == 'b') && resource.data.tags.map(t, t + t) == ['aa', 'bb']",
    "resource.data.tags.filter(t, t != 'a') == ['b'] && resource.data.m.all(k, k in ['x', 'y'])",
    "[1, 2, 3].map(x, x > 1, x * 2) == [4, 6] && [[1], [2]].all(l, l.all(x, x > 0))",
    "(true ? 1 : 2) == 1 && (resource.data.n > 9 ? false : true)",
    "resource.data.missing == 1 || true",
    "true || resource.data.missing == 1",
    "!(resource.data.missing == 1 && false)",
    "get(/databases/(default)/documents/c/other).data.n == 1 && get('c/other').id == 'other'",
    "exists(/c/other) && !exists(/c/none) && get(/c/none) == null && exists(/c/$(id))",
    "get(/c/d).data.name == 'Ann' && getAfter(/c/d).data.name == 'Bea' && existsAfter(/c/d)",
    "hasRole('editor') && hasRole('writer') && !hasRole('owner')",
    "request.resource.data.name == 'Bea' && request.resource.id == 'd'",
    "request.time.toMillis() > 0 // the comment ends here\n && /* and this one */ true",
    "{'a': [1, {'b': 2}]} == {'a': [1.0, {'b': 2}]} && {1: 2}[1] == 2 && {'a': 1}.a == 1",
    "request.time is timestamp && duration.value(1, 's') is duration && ['a'].toSet() is set",
    "debug(resource.data.n) == 5 && \"it's\" == 'it\\'s' && r'\\d' == '\\\\d'",
];

#[test]
fn what_holds_is_allowed_and_its_contrary_is_not() {
    for condition in HOLDS {
        let contrary = format!("!({condition})");
        assert!(holds(condition), "{condition}");
        assert!(!holds(&contrary.replace("// the comment ends here", "")), "{contrary}");
    }
}

#[test]
fn a_wildcards_path_has_its_own_segments() {
    let rules = compile(
        "match /c/{rest=**} { allow get: if rest[0] == 'd' && rest[2] == 'f' && request.path[4] == rest[0]; }
         match /s/{id} { allow get: if id[0] == 'x'; }",
    );
    let allowed = |text: &str| {
        let (path, lookups) = (path(text), Lookups::new());
        let request = Request {
            method: Method::Get,
            path: &path,
            auth: None,
            time: now(),
            before: None,
            after: None,
            lookups: &lookups,
        };
        matches!(rules.decide(&request), Verdict::Allowed(_))
    };
    assert!(allowed("c/d/e/f") && allowed("s/xy"));
    assert!(!allowed("c/d/e/g") && !allowed("c/d") && !allowed("s/yx"));
}

#[test]
fn what_is_in_error_allows_nothing() {
    for condition in [
        "resource.data.missing == 1",
        "resource.data.missing != 1",
        "!resource.data.missing",
        "resource.data.owner",
        "resource.data.owner > 1",
        "9223372036854775807 + 1 > 0 || false",
        "1 / 0 == 0 || 1 % 0 == 0",
        "resource.data.tags[2] == 'c' || resource.data.tags[-1] == 'b'",
        "resource.data.nil.x == 1",
        "get(/c/none).data.n == 1",
        "get('c').data.n == 1",
        "'x'.matches('(' + '')",
        "resource.data.n.size() == 1",
        "int('x') == 1 || int(1e300) == 1",
        "timestamp('x') == request.time",
        "'a' + 1 == 'a1'",
        "resource.data.n.hasAll([5])",
        "{'a': 1, 'a': 1} == {'a': 1}",
        "1 in 2",
        "resource.data.tags[0:3] == resource.data.tags || [1, 2][1:0] == []",
        "'abc'[-1:2] == '' || 'abc'[2:4] == 'c' || 'abc'[3] == '' || {'a': 1}[0:1] == 1",
        "request.path[5] == '' || request.path[-1] == 'd' || hashing.md5(1) == b''",
        "'abc'['a':'b'] == '' || ['a'].toSet()[0] == 'a'",
    ] {
        assert!(!holds(condition), "{condition}");
        assert!(!holds(&format!("!({condition})")), "not {condition}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let text = "match /c/{id} {
  allow get: if request.auth.uuid == nobody;
  allow list: if resource.data.x.foo() && size() == 1
    && missing(id);
  allow update: if 'a'.matches('(');
  allow bogus: if true;
  allow create: if exists(/users/$(whom)) && id is strange;
  allow delete: if (1 + ;
  function f(a) { return f(a); }
  function g(a, a) { return a; }
}
match /{a}/{a} { allow get; }
alow";
    assert_eq!(
        faults(text),
        [
            (2, 30, "request.auth has no field \"uuid\": it has uid, token, roles"),
            (2, 38, "there is no variable \"nobody\" here"),
            (3, 34, "there is no method \"foo\""),
            (3, 43, "the function \"size\" takes 1 arguments, not 0"),
            (4, 8, "there is no function \"missing\""),
            (5, 24, "the regular expression: found open group without closing ')'"),
            (6, 9, "expected get, list, create, update, delete, read or write, not \"bogus\""),
            (7, 36, "there is no variable \"whom\" here"),
            (7, 52, "expected a type after \"is\", not \"strange\""),
            (8, 25, "expected the rest of the expression and its \";\", not \";\""),
            (10, 17, "two parameters are called \"a\""),
            (12, 1, "two wildcards of one path are called \"a\""),
            (13, 1, "expected \"match\", \"allow\" or \"function\", not \"alow\""),
        ]
        .map(|(line, column, message)| (line, column, message.to_owned()))
    );
    let one = |text: &str| faults(text).into_iter().next().map(|(line, column, _)| (line, column));
    assert_eq!(one("match /c/{d} { allow get: if exists(/u/$(whom)); }"), Some((1, 42)));
    assert_eq!(one("match /c/{d} { allow get: if d.e == 1 + 'é' +\n 1u; }"), Some((2, 2)));
    let strange = faults("match /c/{d} { allow get: if d ==\n /* é */ é; }");
    assert!(strange.iter().any(|(line, column, _)| (*line, *column) == (2, 10)), "{strange:?}");
    assert_eq!(one("function f() { return g(); } function g() { return f(); }"), Some((1, 10)));
    assert_eq!(one("rules_version = '1';"), Some((1, 17)));
    assert_eq!(one("allow get;"), Some((1, 11)));
    assert_eq!(one("match /a/{b=**}/c/{d=**} { allow get; }"), Some((1, 1)));
    assert_eq!(one("match /a/{b} { allow get: if __path__('a') == b; }"), Some((1, 30)));
    assert_eq!(one("match /a/{b} { allow get: if true"), Some((1, 34)));
    assert_eq!(one("match /a/{b} { allow get: if b[1:]; }"), Some((1, 31)));
    assert_eq!(one("match /a/{b} { allow get: if b[:1] == c; }"), Some((1, 31)));
    assert_eq!(one("match /a/{b} { allow get: if b[0:1] == c; }"), Some((1, 40)));
    assert_eq!(one("match /a/{b} { allow get: if b[c:1] == b; }"), Some((1, 32)));
    assert_eq!(one("match /a/{b} { allow get: if b[1:2:3] == b; }").map(|at| at.0), Some(1));
    assert_eq!(one("match /a/{b} { allow get: if b.__slice__(1, 2); }"), Some((1, 32)));
    assert_eq!(one("match /a/{b} { allow get: if Foo{a: 1}; }").map(|at| at.0), Some(1));
}

/// A rule's condition in a file of its own.
fn conditioned(condition: &str) -> String {
    format!("match /c/{{id}} {{ allow update: if {condition}; }}")
}

/// Whether a text compiles.
fn compiles(text: &str) -> bool {
    Rules::compile(text).is_ok()
}

#[test]
fn the_text_is_limited() {
    let long = |bytes: usize| format!("//{}", "x".repeat(bytes - 2));
    assert!(compiles(&long(RULES_BYTES)) && !compiles(&long(RULES_BYTES + 1)));
    let deep = |levels: usize| {
        "match /a/{b} {"
            .replace("b}", "b@}")
            .split('@')
            .collect::<Vec<_>>()
            .join("@")
            .repeat(levels)
            + &"}".repeat(levels)
    };
    let numbered = |levels: usize| {
        let mut text = deep(levels);
        for number in 0..levels {
            text = text.replacen("b@", &format!("b{number}"), 1);
        }
        text
    };
    assert!(compiles(&numbered(RULES_DEPTH)) && !compiles(&numbered(RULES_DEPTH + 1)));
    let functions = |count: usize| {
        (0..count).map(|n| format!("function f{n}() {{ return 1; }}")).collect::<String>()
    };
    assert!(compiles(&functions(RULES_FUNCTIONS)) && !compiles(&functions(RULES_FUNCTIONS + 1)));
    let wrong = |count: usize| "x;".repeat(count);
    assert_eq!(faults(&wrong(RULES_DIAGNOSTICS)).len(), RULES_DIAGNOSTICS);
    assert_eq!(faults(&wrong(RULES_DIAGNOSTICS + 1)).len(), RULES_DIAGNOSTICS);
    let lets = |count: usize| {
        let lets: String = (0..count).map(|n| format!("let x{n} = 1;")).collect();
        format!("function f() {{ {lets} return x0; }}")
    };
    assert!(compiles(&lets(RULE_LETS)) && !compiles(&lets(RULE_LETS + 1)));
    let chain = |count: usize| {
        let calls = (1..count).map(|n| format!("function f{n}() {{ return f{}(); }}", n - 1));
        format!("function f0() {{ return true; }} {}", calls.collect::<String>())
    };
    assert!(compiles(&chain(RULE_CALLS)) && !compiles(&chain(RULE_CALLS + 1)));
}

#[test]
fn an_expression_is_limited() {
    let tokens = |count: usize| conditioned(&format!("[{}true]", "1,".repeat((count - 3) / 2)));
    assert!(compiles(&tokens(RULE_TOKENS - 1)) && !compiles(&tokens(RULE_TOKENS + 1)));
    let negated = |count: usize| conditioned(&format!("{}1 == 1", "- ".repeat(count - 3)));
    assert!(compiles(&negated(RULE_TOKENS)) && !compiles(&negated(RULE_TOKENS + 1)));
    let nested =
        |levels: usize| conditioned(&format!("{}1{}", "[".repeat(levels), "]".repeat(levels)));
    assert!(compiles(&nested(RULE_NESTING)) && !compiles(&nested(RULE_NESTING + 1)));
    let chosen = |levels: usize| conditioned(&format!("{}1", "true ? 1 : ".repeat(levels)));
    assert!(compiles(&chosen(RULE_NESTING)) && !compiles(&chosen(RULE_NESTING + 1)));
    let sum = |depth: usize| conditioned(&format!("1{}", " + 1".repeat(depth - 1)));
    assert!(compiles(&sum(RULE_DEPTH)) && !compiles(&sum(RULE_DEPTH + 1)));
    // The highest trees that the tokens make are refused on the stack that there is.
    assert!(!compiles(&conditioned(&format!("{}1", "!-".repeat((RULE_TOKENS - 2) / 2)))));
    assert!(!compiles(&conditioned(&format!("id{}", ".a".repeat((RULE_TOKENS - 2) / 2)))));
    // What is called counts where it is called.
    let called = |depth: usize| {
        format!(
            "function f() {{ return 1{}; }} {}",
            " + 1".repeat(99),
            conditioned(&format!("f(){}", " + 1".repeat(depth - 101)))
        )
    };
    assert!(compiles(&called(RULE_DEPTH)) && !compiles(&called(RULE_DEPTH + 1)));
}

#[test]
fn a_decision_is_limited() {
    let nothing = json!({});
    let allowed =
        |condition: &str| matches!(verdict(condition, &nothing, &nothing), Verdict::Allowed(_));
    // A step for each operation: the macro, its list, and of each element the comparison, its two sides.
    let list = |count: usize| format!("[{}]", vec!["1"; count].join(","));
    let steps = |outer: usize, inner: usize| {
        format!("{}.all(x, {}.all(y, y == 1))", list(outer), list(inner))
    };
    // Every outer element costs 2 + inner * 4 steps; the whole 2 + outer * (1 + that).
    assert!(allowed(&steps(20, 90)));
    assert!(!allowed(&steps(60, 90)));
    // Exactly: `true` and `&&` are a step each.
    let exact = |count: usize| {
        let ands = |count: usize| vec!["true"; count].join(" && ");
        let functions = format!("function f() {{ return {}; }}", ands(250));
        let calls = vec!["f()"; count / 500].join(" && ");
        let rest = ands((count % 500) / 2);
        let condition = if rest.is_empty() { calls } else { format!("{calls} && {rest}") };
        let rules = compile(&format!("{functions} {}", conditioned(&condition)));
        let lookups = Lookups::new();
        let verdict = rules.decide(&Request {
            method: Method::Update,
            path: &path("c/d"),
            auth: None,
            time: now(),
            before: None,
            after: None,
            lookups: &lookups,
        });
        matches!(verdict, Verdict::Allowed(_))
    };
    assert!(exact(RULE_STEPS / 2) && !exact(RULE_STEPS + 2_000));
    // Texts that double.
    let doubled = |count: usize| {
        let lets: String =
            (1..10).map(|n| format!("let x{n} = x{} + x{};", n - 1, n - 1)).collect();
        let text = "x".repeat(count);
        let rules = compile(&format!(
            "function f(x0) {{ {lets} return x9.size() > 0; }} {}",
            conditioned(&format!("f('{text}')"))
        ));
        let lookups = Lookups::new();
        let verdict = rules.decide(&Request {
            method: Method::Update,
            path: &path("c/d"),
            auth: None,
            time: now(),
            before: None,
            after: None,
            lookups: &lookups,
        });
        matches!(verdict, Verdict::Allowed(_))
    };
    // What is made in all: 2 + 4 + … + 512 times the text.
    let most = RULE_BYTES / 1_022;
    assert!(doubled(most) && !doubled(most + 1));
}

#[test]
fn lookups_are_limited_and_asked_for_together() {
    let ask = |condition: &str, lookups: &Lookups| {
        let rules = compile(&conditioned(condition));
        rules.decide(&Request {
            method: Method::Update,
            path: &path("c/d"),
            auth: Some(&auth("alice")),
            time: now(),
            before: None,
            after: None,
            lookups,
        })
    };
    let found = |count: usize| -> Lookups {
        (0..count).map(|n| (path(&format!("x/{n}")), Some(Map::new()))).collect()
    };
    let each = |count: usize| {
        (0..count)
            .map(|n| format!("exists(/x/n{n})").replace('n', ""))
            .collect::<Vec<_>>()
            .join(" && ")
            .replace("//", "/")
    };
    let all = found(RULE_LOOKUPS + 1);
    assert!(matches!(ask(&each(RULE_LOOKUPS), &all), Verdict::Allowed(_)));
    assert!(matches!(ask(&each(RULE_LOOKUPS + 1), &all), Verdict::Denied(_)));
    let needs = |condition: &str| match ask(condition, &Lookups::new()) {
        Verdict::Needs(paths) => {
            paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        }
        other => format!("{other:?}"),
    };
    assert_eq!(needs("get(/x/a).data.n == get(/x/b).data.n"), "x/a x/b");
    assert_eq!(needs("get(/x/a).data.n == 1 && get(/x/b).data.n == 1"), "x/a");
    assert_eq!(needs("get(/x/a).data.n == 1 || get(/x/b).data.n == 1"), "x/a");
    assert_eq!(needs("hasRole('x') && get(/x/b).data.n == 1"), "roles/alice");
    assert_eq!(needs("id == 'd' && [exists(/x/a), exists(/x/b)].all(x, x)"), "x/a x/b");
    assert_eq!(
        needs("missing.data == 1 || exists(/x/c)".trim_start_matches("missing.data == 1 || ")),
        "x/c"
    );
    let lookups = Basis { lookups: true, ..Basis::default() };
    assert_eq!(ask("exists(/x/a) || true", &Lookups::new()), Verdict::Allowed(lookups));
    assert_eq!(ask("exists(/x/a) && false", &Lookups::new()), Verdict::Denied(lookups));
    assert_eq!(ask("get('x').data.n == 1", &Lookups::new()), Verdict::Denied(lookups));
    // A later rule allows without looking.
    let rules =
        compile("match /c/{id} { allow update: if exists(/x/a); allow update: if id == 'd'; }");
    let nothing = Lookups::new();
    let request = Request {
        method: Method::Update,
        path: &path("c/d"),
        auth: None,
        time: now(),
        before: None,
        after: None,
        lookups: &nothing,
    };
    assert_eq!(rules.decide(&request), Verdict::Allowed(Basis::default()));
    assert_eq!(
        rules.decide(&Request { path: &path("c/e"), ..request }),
        Verdict::Needs(BTreeSet::from([path("x/a")]))
    );
}

#[test]
fn a_decision_says_what_it_rests_on() {
    let basis = |condition: &str| match verdict(condition, &before(), &after()) {
        Verdict::Allowed(basis) | Verdict::Denied(basis) => {
            (basis.resource, basis.lookups, basis.time)
        }
        Verdict::Needs(paths) => panic!("{paths:?}"),
    };
    assert_eq!(basis("request.auth != null && id == 'd'"), (false, false, false));
    assert_eq!(basis("request.auth == null && resource.data.n == 5"), (false, false, false));
    assert_eq!(basis("resource.data.n == 5"), (true, false, false));
    assert_eq!(basis("request.resource == null"), (true, false, false));
    assert_eq!(basis("exists(/c/other)"), (false, true, false));
    assert_eq!(basis("exists(/c/d)"), (true, false, false));
    assert_eq!(basis("request.time > timestamp.value(0)"), (false, false, true));
}

/// A document that no rule looks at is not read: this one could not be.
#[test]
fn a_document_is_read_only_when_it_is_looked_at() {
    let ask = |condition: &str| {
        let lookups = Lookups::new();
        let broken = Resource { data: "{", create_time: now(), update_time: now() };
        let rules = compile(&conditioned(condition));
        let request = Request {
            method: Method::Update,
            path: &path("c/d"),
            auth: None,
            time: now(),
            before: Some(broken),
            after: Some(broken),
            lookups: &lookups,
        };
        matches!(rules.decide(&request), Verdict::Allowed(_))
    };
    assert!(ask("resource != null && request.resource.id == id"));
    assert!(!ask("resource.data != null"));
}

/// What is as deep as it may be is evaluated on the stack that there is: each level in as many frames as there are.
#[test]
fn the_deepest_conditions_are_decided() {
    let nothing = json!({});
    let allowed =
        |condition: &str| matches!(verdict(condition, &nothing, &nothing), Verdict::Allowed(_));
    let nested = |open: &str, close: &str, inner: &str| {
        let levels = RULE_NESTING - 3;
        format!("{}{inner}{}", open.repeat(levels), close.repeat(levels))
    };
    assert!(allowed(&format!("1{} > 0", " + 1".repeat(RULE_DEPTH - 2))));
    assert!(allowed(&nested("[1].all(x, ", ")", "true")));
    assert!(allowed(&nested("debug(", ")", "true")));
    assert!(allowed(&format!("{} != null", nested("[1].map(x, ", ")", "x"))));
    assert!(allowed(&format!("{} == {}", nested("[", "]", "1"), nested("[", "]", "1"))));
    assert!(allowed(&nested("(true ? ", " : false)", "true")));
    let chain = |count: usize| {
        let calls = (1..count).map(|n| {
            format!(
                "function f{n}(x) {{ let y = [x].all(z, z); return f{}([y && x].all(z, z)); }}",
                n - 1
            )
        });
        format!(
            "function f0(x) {{ return x; }} {} {}",
            calls.collect::<String>(),
            conditioned(&format!("f{}(true)", count - 1))
        )
    };
    let rules = compile(&chain(RULE_CALLS));
    let lookups = Lookups::new();
    let request = Request {
        method: Method::Update,
        path: &path("c/d"),
        auth: None,
        time: now(),
        before: None,
        after: None,
        lookups: &lookups,
    };
    assert!(matches!(rules.decide(&request), Verdict::Allowed(_)));
}

/// Slices and hashes cost in proportion to what they read and make.
#[test]
fn parts_and_hashes_are_limited() {
    let held = |text: usize, condition: &str| {
        let before = json!({"s": "x".repeat(text)});
        matches!(verdict(condition, &before, &json!({})), Verdict::Allowed(_))
    };
    // Four units of the 64 of a step for each byte.
    let bytes = RULE_STEPS * 64 / 4;
    assert!(held(bytes - 1_000, "hashing.sha256(resource.data.s).size() == 32"));
    assert!(!held(bytes + 1, "hashing.sha256(resource.data.s).size() == 32"));
    assert!(held(
        bytes / 4 - 1_000,
        "hashing.md5(resource.data.s).size() == 16 && hashing.crc32(resource.data.s).size() == 4"
    ));
    assert!(!held(
        bytes / 2 + 1,
        "hashing.md5(resource.data.s).size() == 16 && hashing.crc32(resource.data.s).size() == 4"
    ));
    let slices = |count: usize| {
        let slice = format!("resource.data.s[0:{count}].size() > 0");
        vec![slice; 4].join(" && ")
    };
    assert!(held(RULE_BYTES, &slices(RULE_BYTES / 8)));
    assert!(!held(RULE_BYTES, &slices(RULE_BYTES / 3)));
}

/// `docs/rules.md` names every function.
#[test]
fn the_reference_is_whole() {
    let reference = include_str!("../../../docs/rules.md");
    for (space, name) in expr::names() {
        let written = match space {
            Some(space) => format!("`{space}.{name}`"),
            None => format!("`{name}`"),
        };
        assert!(reference.contains(&written), "docs/rules.md does not name {written}");
    }
}

/// Expensive conditions are explained within the budget, and long explanations are cut off.
#[test]
fn an_explanation_is_limited() {
    let explained = |text: &str| {
        let (path, lookups) = (path("a/b"), Lookups::new());
        let request = Request {
            method: Method::Get,
            path: &path,
            auth: None,
            time: now(),
            before: None,
            after: None,
            lookups: &lookups,
        };
        compile(text).explain(&request, Values::Shown)
    };
    let reasons = |count: usize| {
        format!("match /a/{{b}} {{ allow get: if {}; }}", vec!["b == 'x'"; count].join(" || "))
    };
    let distinct = |count: usize| {
        let parts: Vec<String> = (0..count).map(|n| format!("b == '{n}'")).collect();
        format!("match /a/{{b}} {{ allow get: if {}; }}", parts.join(" || "))
    };
    assert_eq!(explained(&reasons(2)).refused[0].reasons.len(), 2);
    assert_eq!(explained(&distinct(RULE_REASONS)).refused[0].reasons.len(), RULE_REASONS);
    assert_eq!(explained(&distinct(RULE_REASONS + 1)).refused[0].reasons.len(), RULE_REASONS);
    let allows =
        |count: usize| format!("match /a/{{b}} {{ {} }}", "allow get: if false;".repeat(count));
    assert_eq!(explained(&allows(RULE_REASONS)).refused.len(), RULE_REASONS);
    assert_eq!(explained(&allows(RULE_REASONS + 1)).refused.len(), RULE_REASONS);
    let long = |count: usize| {
        format!("match /a/{{b}} {{ allow get: if b + '{}' == ''; }}", "x".repeat(count))
    };
    let told = explained(&long(2 * RULE_SHOWN)).lines().concat();
    assert!(told.contains('…') && told.chars().count() < 8 * RULE_SHOWN, "{told}");
    let list = format!("[{}]", vec!["1"; 150].join(","));
    let heavy = format!("match /a/{{b}} {{ allow get: if {list}.all(x, {list}.all(y, y == 1)); }}");
    assert!(
        explained(&heavy).lines()[0].contains("costs more than the 10000 steps"),
        "{:?}",
        explained(&heavy).lines()
    );
    // Nested calls, each of which would be evaluated again at each level.
    let calls = (1..RULE_CALLS)
        .map(|n| format!("function f{n}(x) {{ return f{}(x) || f{}(x); }}", n - 1, n - 1));
    let text = format!(
        "function f0(x) {{ return x == 'y'; }} {} match /a/{{b}} {{ allow get: if f{}(b); }}",
        calls.collect::<String>(),
        RULE_CALLS - 1
    );
    assert!(!explained(&text).refused[0].reasons.is_empty());
    assert_eq!(RULE_EXPLANATION, 4 * RULE_STEPS);
}
