//! Rules as a whole: what the text means, and its limits.

mod firestore;

use super::*;
use blaze_schema::limits::*;
use serde_json::{Value, json};

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

#[test]
fn what_holds_is_allowed_and_its_contrary_is_not() {
    for condition in [
        "true",
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
        "(true ? 1 : 2) == 1 && (false ? missing(1) : true)"
            .trim_end_matches("&& (false ? missing(1) : true)"),
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
    ] {
        let contrary = format!("!({condition})");
        assert!(holds(condition), "{condition}");
        assert!(!holds(&contrary.replace("// the comment ends here", "")), "{contrary}");
    }
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
    ] {
        assert!(!holds(condition), "{condition}");
        assert!(!holds(&format!("!({condition})")), "not {condition}");
    }
}
