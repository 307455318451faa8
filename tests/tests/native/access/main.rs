//! The access object: every event, every limit at the limit and one past it, memory lost between any two events, stores
//! that fail, and random sequences against a model.

mod model;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use blaze_identity::access::snapshot::Snapshot;
use blaze_identity::access::{Access, Effect, Event};
use blaze_identity::auth::{Issuers, OWN_ISSUER};
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{
    API_KEY_NAME_BYTES, API_KEY_ROLES, API_KEYS, AUDIT_ENTRIES, AUDIT_PAGE, AUDIT_TEXT_BYTES,
    JWKS_BYTES, JWKS_FRESH_MICROS, JWKS_GRACE_MICROS, JWKS_PAUSE_MICROS, JWKS_RETRY_MICROS,
    OWN_KEY_GRACE_MICROS, OWN_KEY_LEAD_MICROS, OWN_KEYS, RULES_VERSIONS,
};
use blaze_schema::timestamp::Timestamp;
use blaze_store::memory::MemoryStore;
use blaze_store::{Range, Store};
use blaze_tests::flaky_store::FlakyStore;
use blaze_tests::rusqlite_store::RusqliteStore;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const ACTOR: &str = "key:root";
const ISSUER: &str = "https://issuer.example";
const OTHER: &str = "https://other.example";

/// Issuers that publish keys, each with its URL, and one that does not.
fn issuers(published: &[(&str, &str)]) -> Issuers {
    let issuer =
        |(issuer, url): &(&str, &str)| json!({"issuer": issuer, "audience": "a", "jwks": url});
    let configured = json!({"issuer": "no-keys-to-fetch", "audience": "a",
        "keys": [{"algorithm": "HS256", "secret": "SECRET"}]});
    let all: Vec<Value> = published.iter().map(issuer).chain([configured]).collect();
    Issuers::from_json(&all.into()).unwrap()
}

fn access() -> Access {
    let published =
        [(ISSUER, "https://issuer.example/keys"), (OTHER, "https://other.example/keys")];
    Access::new(&issuers(&published))
}

/// An access object over a store, at a time that goes on.
struct Subject<S> {
    access: Access,
    store: S,
    now: i64,
    random: u128,
}

impl<S: Store> Subject<S> {
    fn over(store: S) -> Self {
        Subject { access: access(), store, now: 1_000_000_000, random: 0 }
    }

    fn forget(&mut self) {
        self.access = access();
    }

    fn handle(&mut self, event: Event) -> Vec<Effect> {
        self.random += 2;
        let random = [self.random, self.random + 1];
        let now = Timestamp::from_micros(self.now);
        self.access.handle(&mut self.store, now, random, event)
    }

    /// The answer, which is the last effect.
    fn ask(&mut self, event: Event) -> Result<String, Error> {
        match self.handle(event).pop() {
            Some(Effect::Answer(answer)) => answer,
            other => panic!("no answer but {other:?}"),
        }
    }

    fn json(&mut self, event: Event) -> Value {
        serde_json::from_str(&self.ask(event).unwrap()).unwrap()
    }

    fn snapshot(&mut self) -> Snapshot {
        let text = self.ask(Event::Snapshot { known: None }).unwrap();
        Snapshot::parse(&text).unwrap().1.unwrap()
    }

    fn version(&mut self) -> u64 {
        self.snapshot().version
    }

    /// The issuers whose keys an event has fetched.
    fn fetched_by(&mut self, event: Event) -> Vec<String> {
        let fetch = |effect| match effect {
            Effect::FetchJwks { issuer, .. } => Some(issuer),
            _ => None,
        };
        self.handle(event).into_iter().filter_map(fetch).collect()
    }
}

fn subject() -> Subject<MemoryStore> {
    Subject::over(MemoryStore::default())
}

fn rules(n: usize) -> String {
    format!("match /notes/{{id}} {{\n  allow get: if true;\n}}\n// {n}\n")
}

fn put_rules(n: usize) -> Event {
    Event::PutRules { text: rules(n), if_version: None, actor: ACTOR.to_owned() }
}

fn put_if(n: usize, version: u64) -> Event {
    Event::PutRules { text: rules(n), if_version: Some(version), actor: ACTOR.to_owned() }
}

fn create_key(name: &str, expires: Option<i64>) -> Event {
    Event::CreateKey {
        name: name.to_owned(),
        roles: BTreeSet::from(["editor".to_owned()]),
        expires: expires.map(Timestamp::from_micros),
        actor: ACTOR.to_owned(),
    }
}

fn revoke(id: &str) -> Event {
    Event::RevokeKey { id: id.to_owned(), actor: ACTOR.to_owned() }
}

fn refresh(issuer: &str) -> Event {
    Event::Refresh { issuer: issuer.to_owned() }
}

fn jwk(kid: &str) -> Value {
    json!({"kty": "RSA", "kid": kid, "n": "AQAB", "e": "AQAB"})
}

fn jwks(issuer: &str, keys: &[Value]) -> Event {
    Event::Jwks { issuer: issuer.to_owned(), fetched: Ok(json!({"keys": keys}).to_string()) }
}

fn failed(issuer: &str) -> Event {
    Event::Jwks { issuer: issuer.to_owned(), fetched: Err("no route to host".to_owned()) }
}

fn sign() -> Event {
    Event::Sign { claims: json!({"sub": "u"}).as_object().unwrap().clone() }
}

fn rotate() -> Event {
    Event::RotateSigningKey { revoke: false, actor: ACTOR.to_owned() }
}

fn revoke_signing_key() -> Event {
    Event::RotateSigningKey { revoke: true, actor: ACTOR.to_owned() }
}

fn audited(what: &str) -> Event {
    Event::Audited {
        actor: "u".to_owned(),
        act: "document.write".to_owned(),
        what: what.to_owned(),
    }
}

fn list_audit(before: Option<u64>, limit: usize) -> Event {
    Event::ListAudit { before, limit }
}

#[test]
fn at_first_there_is_nothing_but_a_signing_key() {
    let mut subject = subject();
    assert_eq!(subject.ask(Event::GetRules { version: None }).unwrap_err().code, Code::NotFound);
    assert_eq!(subject.json(Event::ListRules), json!({"versions": []}));
    assert_eq!(subject.json(Event::ListKeys), json!({"keys": []}));
    let log = json!({"entries": [], "nextBefore": null});
    assert_eq!(subject.json(list_audit(None, 1)), log);
    assert_eq!(subject.store.rows_written(), 0);
    // Who is given a copy knows the key that the first token will be signed with.
    let first = subject.snapshot();
    let kid = first.own.keys[0]["kid"].clone();
    assert_eq!((first.own.keys.len(), &first.rules), (1, &None));
    assert!(first.keys.is_empty() && first.jwks.is_empty());
    let written = subject.store.rows_written();
    subject.forget();
    assert_eq!(subject.snapshot(), first);
    let token = subject.ask(sign()).unwrap();
    let header = token.split('.').next().and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    assert_eq!(serde_json::from_slice::<Value>(&header.unwrap()).unwrap()["kid"], kid);
    assert_eq!(subject.snapshot(), first);
    assert_eq!(subject.store.rows_written(), written);
    // There is nothing to fetch for who does not know it yet.
    assert_eq!(subject.handle(refresh(OWN_ISSUER)), [Effect::Answer(Ok(String::new()))]);
}

#[test]
fn a_snapshot_that_is_known_is_a_version() {
    let mut subject = subject();
    subject.ask(put_rules(1)).unwrap();
    let version = subject.version();
    let text = subject.ask(Event::Snapshot { known: Some(version) }).unwrap();
    assert_eq!(text, format!("{{\"version\":{version}}}"));
    assert_eq!(Snapshot::parse(&text), Ok((version, None)));
    for other in [0, version - 1, version + 1] {
        let text = subject.ask(Event::Snapshot { known: Some(other) }).unwrap();
        assert!(matches!(Snapshot::parse(&text), Ok((there, Some(_))) if there == version));
    }
    assert!(Snapshot::parse("{}").is_err());
}

#[test]
fn a_version_is_of_one_history_only() {
    let mut kept = subject();
    kept.ask(put_rules(1)).unwrap();
    let mut backup = Subject::over(kept.store.clone());
    kept.now += 5;
    kept.ask(put_rules(2)).unwrap();
    backup.now += 9;
    backup.ask(put_rules(3)).unwrap();
    assert_ne!(kept.version(), backup.version());
    // Also when the clock stands still, and when it goes back.
    let before = kept.version();
    kept.ask(put_rules(4)).unwrap();
    kept.now -= 1_000;
    kept.ask(put_rules(5)).unwrap();
    assert_eq!(kept.version(), before + 2);
}

#[test]
fn rules_have_versions_and_old_texts_come_back_as_new_versions() {
    let mut subject = subject();
    let time = "1970-01-01T00:16:40Z";
    let answer = |version: u64, changed: bool| json!({"version": version, "updateTime": time, "changed": changed});
    assert_eq!(subject.json(put_rules(1)), answer(1, true));
    assert_eq!(subject.json(put_rules(2)), answer(2, true));
    let snapshot = subject.version();
    assert_eq!(subject.json(put_rules(2)), answer(2, false));
    assert_eq!(subject.version(), snapshot);
    assert_eq!(subject.json(put_rules(1)), answer(3, true));
    assert_eq!(subject.snapshot().rules.unwrap().text, rules(1));
    let of = |version: Option<u64>| Event::GetRules { version };
    let shown =
        |version: u64, n: usize| json!({"version": version, "text": rules(n), "updateTime": time});
    assert_eq!(subject.json(of(None)), shown(3, 1));
    assert_eq!(subject.json(of(Some(2))), shown(2, 2));
    let missing = subject.ask(of(Some(4))).unwrap_err();
    assert_eq!((missing.status, missing.detail.contains("version 4")), (404, true));
    let listed = |version: u64| json!({"version": version, "updateTime": time, "actor": ACTOR});
    let versions = json!({"versions": [listed(3), listed(2), listed(1)]});
    assert_eq!(subject.json(Event::ListRules), versions);
}

#[test]
fn rules_are_put_over_the_version_that_is_expected() {
    let mut subject = subject();
    assert_eq!(subject.ask(put_if(1, 1)).unwrap_err().status, 412);
    subject.ask(put_if(1, 0)).unwrap();
    let error = subject.ask(put_if(2, 0)).unwrap_err();
    assert_eq!((error.code, error.status), (Code::FailedPrecondition, 412));
    assert!(error.detail.contains("the present version is 1"), "{error}");
    subject.ask(put_if(2, 1)).unwrap();
    // Not even the text that is there is taken for an old version.
    assert_eq!(subject.ask(put_if(2, 1)).unwrap_err().status, 412);
    assert_eq!(subject.snapshot().rules.unwrap().version, 2);
}

#[test]
fn rules_that_do_not_compile_change_nothing() {
    let mut subject = subject();
    let text = "match /a/{b} {\n  allow get: if nobody;\n  allow list: if 1 +;\n}".to_owned();
    let event = Event::PutRules { text, if_version: None, actor: ACTOR.to_owned() };
    let error = subject.ask(event).unwrap_err();
    assert_eq!(error.status, 400);
    let lines: Vec<&str> = error.detail.lines().collect();
    assert!(lines[0].starts_with("rules: line 2, column "), "{error}");
    assert!(lines[1].starts_with("rules: line 3, column "), "{error}");
    assert_eq!(subject.store.rows_written(), 0);
}

#[test]
fn the_last_versions_of_rules_are_kept() {
    let mut subject = subject();
    for n in 1..=RULES_VERSIONS {
        subject.ask(put_rules(n)).unwrap();
    }
    let oldest = Event::GetRules { version: Some(1) };
    assert!(subject.ask(oldest.clone()).is_ok());
    let texts = |subject: &Subject<MemoryStore>| {
        subject.store.count(&Range::from_within(b't', &[]), u64::MAX).unwrap()
    };
    assert_eq!(texts(&subject), RULES_VERSIONS as u64);
    subject.ask(put_rules(0)).unwrap();
    assert_eq!(subject.ask(oldest).unwrap_err().code, Code::NotFound);
    assert!(subject.ask(Event::GetRules { version: Some(2) }).is_ok());
    assert_eq!(texts(&subject), RULES_VERSIONS as u64);
    assert_eq!(
        subject.json(Event::ListRules)["versions"].as_array().unwrap().len(),
        RULES_VERSIONS
    );
}

#[test]
fn an_api_key_is_shown_once_and_ends_when_it_is_revoked() {
    let mut subject = subject();
    let made = subject.json(create_key("ci", Some(2_000_000_000)));
    let (id, text) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert!(text.starts_with(&format!("blz_{id}_")), "{made}");
    let listed = json!({"keys": [{
        "id": id, "name": "ci", "roles": ["editor"],
        "createTime": "1970-01-01T00:16:40Z", "expireTime": "1970-01-01T00:33:20Z"
    }]});
    assert_eq!(subject.json(Event::ListKeys), listed);
    let snapshot = subject.snapshot();
    assert_eq!((snapshot.keys[0].id.as_str(), snapshot.keys[0].name.as_str()), (id, "ci"));
    let other = subject.json(create_key("ci", None));
    assert_ne!(other["id"], made["id"]);
    subject.forget();
    assert_eq!(subject.ask(revoke(id)), Ok(String::new()));
    assert_eq!(subject.snapshot().keys.len(), 1);
    assert!(subject.version() > snapshot.version);
    assert_eq!(subject.ask(revoke(id)).unwrap_err().status, 404);
    subject.forget();
    assert_eq!(subject.snapshot().keys.len(), 1);
    assert_eq!(subject.store.records(), 1);
}

#[test]
fn no_secret_is_shown_twice_or_kept_as_it_is() {
    let mut subject = subject();
    let made = subject.json(create_key("ci", None));
    let secret = made["key"].as_str().unwrap().rsplit('_').next().unwrap().to_owned();
    subject.ask(sign()).unwrap();
    let mut seen = String::new();
    for event in [
        Event::Snapshot { known: None },
        Event::ListKeys,
        list_audit(None, 10),
        rotate(),
        Event::Snapshot { known: None },
        revoke(made["id"].as_str().unwrap()),
    ] {
        seen += &format!("{:?}", subject.handle(event));
    }
    assert!(!seen.contains(&secret) && !format!("{:?}", subject.access).contains(&secret));
    for (key, value) in subject.store.contents() {
        assert!(!String::from_utf8_lossy(&value).contains(&secret), "{key:?}");
    }
    // The seed of the signing key, as its row has it.
    let row = subject.store.get(b"o").unwrap().unwrap();
    let row: Value = serde_json::from_slice(&row).unwrap();
    let seed = row["seed"].to_string();
    assert_eq!(row["seed"].as_array().unwrap().len(), 32);
    let shown = seen + &format!("{:?}", subject.access);
    assert!(!shown.replace(' ', "").contains(seed.trim_matches(['[', ']'])));
}

#[test]
fn what_an_api_key_is_made_of_has_limits() {
    let mut subject = subject();
    let mut create = |name: String, roles: Vec<String>, expires: Option<i64>| {
        let expires = expires.map(Timestamp::from_micros);
        let roles = roles.into_iter().collect();
        let actor = ACTOR.to_owned();
        subject.ask(Event::CreateKey { name, roles, expires, actor }).map_err(|error| error.detail)
    };
    let name = |bytes: usize| "n".repeat(bytes);
    let roles = |count: usize| (0..count).map(|n| format!("role{n}")).collect::<Vec<_>>();
    assert!(create(name(API_KEY_NAME_BYTES), roles(API_KEY_ROLES), None).is_ok());
    assert!(create(name(1), vec![name(API_KEY_NAME_BYTES)], Some(1_000_000_001)).is_ok());
    for (name, roles, expires, place) in [
        (name(API_KEY_NAME_BYTES + 1), roles(1), None, "name: "),
        (name(0), roles(1), None, "name: "),
        (name(1), roles(API_KEY_ROLES + 1), None, "roles: "),
        (name(1), vec![name(API_KEY_NAME_BYTES + 1)], None, "roles: "),
        (name(1), vec![name(0)], None, "roles: "),
        (name(1), roles(1), Some(1_000_000_000), "expireTime: "),
    ] {
        let detail = create(name, roles, expires).unwrap_err();
        assert!(detail.starts_with(place), "{detail}");
    }
    assert_eq!(subject.snapshot().keys.len(), 2);
}

#[test]
fn expired_api_keys_give_way_when_there_are_too_many() {
    let mut subject = subject();
    let expires = subject.now + 1;
    let first = subject.json(create_key("0", Some(expires)));
    for n in 1..API_KEYS {
        subject.ask(create_key(&n.to_string(), None)).unwrap();
    }
    let error = subject.ask(create_key("past", None)).unwrap_err();
    assert_eq!((error.code, subject.snapshot().keys.len()), (Code::ResourceExhausted, API_KEYS));
    subject.now = expires;
    subject.ask(create_key("past", None)).unwrap();
    subject.forget();
    let keys = subject.snapshot().keys;
    assert_eq!(keys.len(), API_KEYS);
    assert!(keys.iter().all(|key| first["id"] != key.id.as_str()));
    assert_eq!(subject.store.records(), API_KEYS);
}

#[test]
fn a_snapshot_has_missing_keys_of_issuers_fetched_and_old_ones() {
    let mut subject = subject();
    let snapshot = || Event::Snapshot { known: None };
    assert_eq!(subject.fetched_by(snapshot()), [ISSUER, OTHER]);
    // Both are on their way.
    subject.now += JWKS_PAUSE_MICROS - 1;
    assert_eq!(subject.fetched_by(snapshot()), [""; 0]);
    subject.ask(jwks(ISSUER, &[jwk("1")])).unwrap();
    assert_eq!(subject.snapshot().jwks[ISSUER].keys, [jwk("1")]);
    subject.now += 1;
    assert_eq!(subject.fetched_by(snapshot()), [OTHER]);
    subject.ask(jwks(OTHER, &[])).unwrap();
    subject.now += JWKS_FRESH_MICROS - 2;
    assert_eq!(subject.fetched_by(snapshot()), [""; 0]);
    // Known or not: it is the occasion that counts.
    let known = Some(subject.version());
    subject.now += 1;
    assert_eq!(subject.fetched_by(Event::Snapshot { known }), [ISSUER]);
}

#[test]
fn an_unknown_key_has_an_issuers_keys_fetched_now_and_then() {
    let mut subject = subject();
    assert_eq!(subject.ask(refresh("https://nobody.example")).unwrap_err().status, 404);
    assert_eq!(subject.ask(refresh("no-keys-to-fetch")).unwrap_err().status, 404);
    assert_eq!(subject.fetched_by(refresh(ISSUER)), [ISSUER]);
    // While there are none: every second.
    assert_eq!(subject.ask(failed(ISSUER)).unwrap_err().code, Code::Unavailable);
    subject.now += JWKS_RETRY_MICROS - 1;
    assert_eq!(subject.fetched_by(refresh(ISSUER)), [""; 0]);
    subject.now += 1;
    assert_eq!(subject.fetched_by(refresh(ISSUER)), [ISSUER]);
    subject.ask(jwks(ISSUER, &[jwk("1")])).unwrap();
    subject.now += JWKS_PAUSE_MICROS - 1;
    assert_eq!(subject.fetched_by(refresh(ISSUER)), [""; 0]);
    // Those that came are remembered, whoever forgets.
    subject.forget();
    assert_eq!(subject.fetched_by(refresh(ISSUER)), [""; 0]);
    subject.now += 1;
    assert_eq!(subject.fetched_by(refresh(ISSUER)), [ISSUER]);
    assert_eq!(subject.fetched_by(refresh(ISSUER)), [""; 0]);
    // A clock that was wrong is no reason never to ask again.
    subject.now -= 2 * JWKS_PAUSE_MICROS;
    assert_eq!(subject.fetched_by(refresh(ISSUER)), [ISSUER]);
}

#[test]
fn keys_that_cannot_be_fetched_again_hold_for_a_while() {
    let mut subject = subject();
    subject.ask(jwks(ISSUER, &[jwk("1")])).unwrap();
    let version = subject.version();
    subject.now += JWKS_GRACE_MICROS;
    subject.forget();
    for broken in ["", "[]", "{}", "{\"keys\":{}}", "<html>"] {
        let event = Event::Jwks { issuer: ISSUER.to_owned(), fetched: Ok(broken.to_owned()) };
        let error = subject.ask(event).unwrap_err();
        assert!(error.detail.contains(ISSUER) && error.code == Code::Unavailable, "{error}");
    }
    assert!(subject.ask(failed(ISSUER)).unwrap_err().detail.contains("no route to host"));
    assert_eq!(subject.snapshot().jwks[ISSUER].keys, [jwk("1")]);
    assert_eq!(subject.version(), version);
    subject.now += 1;
    assert!(subject.snapshot().jwks.is_empty());
    assert!(subject.version() > version);
    assert_eq!(subject.store.records(), 0);
    // They come back.
    subject.ask(jwks(ISSUER, &[jwk("1")])).unwrap();
    subject.forget();
    assert_eq!(subject.snapshot().jwks[ISSUER].keys, [jwk("1")]);
}

#[test]
fn the_same_keys_again_are_no_change_but_fresh() {
    let mut subject = subject();
    subject.ask(jwks(ISSUER, &[jwk("1")])).unwrap();
    let version = subject.version();
    subject.now += JWKS_GRACE_MICROS;
    subject.ask(jwks(ISSUER, &[jwk("1")])).unwrap();
    assert_eq!(subject.version(), version);
    subject.now += JWKS_GRACE_MICROS;
    subject.forget();
    assert_eq!(subject.snapshot().jwks[ISSUER].keys, [jwk("1")]);
    // A rotation: what is gone is gone.
    subject.ask(jwks(ISSUER, &[jwk("2")])).unwrap();
    assert_eq!(subject.snapshot().jwks[ISSUER].keys, [jwk("2")]);
    assert!(subject.version() > version);
    assert_eq!(subject.ask(jwks("https://nobody.example", &[jwk("1")])).unwrap_err().status, 404);
}

#[test]
fn of_an_issuers_keys_only_what_is_public_is_kept() {
    let mut subject = subject();
    let private =
        json!({"kty": "EC", "crv": "P-256", "x": "x", "y": "y", "d": "private", "x5c": []});
    let symmetric = json!({"kty": "oct", "k": "c2VjcmV0", "kid": "s"});
    let keys = [jwk("1"), private, symmetric, json!("key"), json!({"kid": "typeless"})];
    subject.ask(jwks(ISSUER, &keys)).unwrap();
    let public = json!({"kty": "EC", "crv": "P-256", "x": "x", "y": "y"});
    assert_eq!(subject.snapshot().jwks[ISSUER].keys, [jwk("1"), public]);
    let contents = format!("{:?}", subject.store.contents());
    assert!(!contents.contains("private") && !contents.contains("c2VjcmV0"));
}

#[test]
fn an_issuers_key_set_has_a_size() {
    let mut subject = subject();
    let text = |bytes: usize| {
        let bare = json!({"keys": [jwk("1")], "": ""}).to_string();
        bare.replace("\"\":\"\"", &format!("\"\":\"{}\"", "x".repeat(bytes - bare.len())))
    };
    let event = |bytes| {
        assert_eq!(text(bytes).len(), bytes);
        Event::Jwks { issuer: ISSUER.to_owned(), fetched: Ok(text(bytes)) }
    };
    let error = subject.ask(event(JWKS_BYTES + 1)).unwrap_err();
    assert!(error.detail.contains(&JWKS_BYTES.to_string()), "{error}");
    assert!(subject.snapshot().jwks.is_empty());
    subject.ask(event(JWKS_BYTES)).unwrap();
    assert_eq!(subject.snapshot().jwks[ISSUER].keys, [jwk("1")]);
}

#[test]
fn keys_go_with_the_setting_that_fetched_them() {
    let mut subject = subject();
    subject.ask(jwks(ISSUER, &[jwk("1")])).unwrap();
    subject.ask(jwks(OTHER, &[jwk("2")])).unwrap();
    let version = subject.version();
    subject.access = Access::new(&issuers(&[(OTHER, "https://elsewhere.example/keys")]));
    assert!(subject.snapshot().jwks.is_empty() && subject.version() > version);
    assert_eq!(subject.store.records(), 0);
}

#[test]
fn one_key_signs_until_the_next_one_is_known_everywhere() {
    let mut subject = subject();
    let token = subject.ask(sign()).unwrap();
    let version = subject.version();
    subject.forget();
    assert_eq!(subject.ask(sign()).unwrap(), token);
    assert_eq!(subject.version(), version);
    let before = subject.snapshot().own.keys;
    assert_eq!(before.len(), 1);
    let made = subject.json(rotate());
    let from = subject.now + OWN_KEY_LEAD_MICROS;
    assert_eq!(made["signsFrom"], Timestamp::from_micros(from).to_string());
    let both = subject.snapshot().own.keys;
    assert_eq!(both, [before[0].clone(), made["key"].clone()]);
    assert_eq!(subject.ask(sign()).unwrap(), token, "nobody has the new one yet");
    assert_eq!(subject.ask(rotate()).unwrap_err().code, Code::FailedPrecondition);
    subject.now = from - 1;
    subject.forget();
    assert_eq!(subject.ask(sign()).unwrap(), token);
    subject.now = from;
    assert_ne!(subject.ask(sign()).unwrap(), token);
    assert_eq!(subject.snapshot().own.keys, both);
    subject.now = from + OWN_KEY_GRACE_MICROS;
    let version = subject.version();
    subject.forget();
    assert_eq!((subject.snapshot().own.keys, subject.version()), (both, version));
    subject.now += 1;
    assert_eq!(subject.snapshot().own.keys, [made["key"].clone()]);
    assert!(subject.version() > version);
}

#[test]
fn a_revoked_key_is_known_no_more() {
    let mut subject = subject();
    let token = subject.ask(sign()).unwrap();
    let next = subject.json(rotate());
    let made = subject.json(revoke_signing_key());
    assert_eq!(made["signsFrom"], Timestamp::from_micros(subject.now).to_string());
    assert_ne!(made["key"], next["key"]);
    assert_eq!(subject.snapshot().own.keys, [made["key"].clone()]);
    subject.forget();
    let signed = subject.ask(sign()).unwrap();
    assert_ne!(signed, token);
    subject.now += OWN_KEY_LEAD_MICROS;
    assert_eq!(subject.ask(sign()).unwrap(), signed);
}

#[test]
fn own_keys_are_few() {
    let mut subject = subject();
    subject.snapshot();
    for known in 2..=OWN_KEYS {
        subject.ask(rotate()).unwrap();
        assert_eq!(subject.snapshot().own.keys.len(), known);
        subject.now += OWN_KEY_LEAD_MICROS;
    }
    subject.snapshot();
    let (version, token) = (subject.version(), subject.ask(sign()));
    assert_eq!(subject.ask(rotate()).unwrap_err().code, Code::ResourceExhausted);
    assert_eq!((subject.version(), subject.ask(sign())), (version, token));
    subject.now += OWN_KEY_GRACE_MICROS + 1;
    subject.ask(rotate()).unwrap();
    assert_eq!(subject.snapshot().own.keys.len(), 2);
}

#[test]
fn every_act_is_in_the_audit_log_and_what_was_refused_is_not() {
    let mut subject = subject();
    let mut printed: Vec<Value> = Vec::new();
    let id = "0".repeat(10);
    let mut handle = |event: Event| {
        for effect in subject.handle(event) {
            if let Effect::Audit(line) = effect {
                assert!(!line.contains('\n'));
                printed.push(serde_json::from_str(&line).unwrap());
            }
        }
    };
    let acts = [put_rules(1), create_key("a\nb", None), rotate(), audited("users/a")];
    let others = [
        put_rules(1),
        put_if(2, 7),
        create_key("", None),
        revoke(&id),
        sign(),
        jwks(ISSUER, &[]),
        refresh(ISSUER),
        Event::Snapshot { known: None },
        Event::ListRules,
    ];
    acts.into_iter().chain(others).for_each(&mut handle);
    let made: Vec<(&str, &str)> = printed
        .iter()
        .map(|entry| (entry["actor"].as_str().unwrap(), entry["act"].as_str().unwrap()))
        .collect();
    let expected = [
        (ACTOR, "rules.put"),
        (ACTOR, "key.create"),
        (ACTOR, "signing-key.rotate"),
        ("u", "document.write"),
    ];
    assert_eq!(made, expected);
    assert_eq!(printed[3]["what"], "users/a");
    assert_eq!(printed[0]["time"], "1970-01-01T00:16:40Z");
    let listed = subject.json(list_audit(None, 10));
    printed.reverse();
    assert_eq!(listed, json!({"entries": printed, "nextBefore": null}));
}

#[test]
fn the_audit_log_is_read_by_pages() {
    let mut subject = subject();
    for n in 1..=5 {
        subject.ask(audited(&n.to_string())).unwrap();
    }
    let mut page = |before, limit| {
        let page = subject.json(list_audit(before, limit));
        let entries = page["entries"].as_array().unwrap();
        let numbers: Vec<u64> =
            entries.iter().map(|entry| entry["number"].as_u64().unwrap()).collect();
        (numbers, page["nextBefore"].as_u64())
    };
    assert_eq!(page(None, 2), (vec![5, 4], Some(4)));
    assert_eq!(page(Some(4), 2), (vec![3, 2], Some(2)));
    assert_eq!(page(Some(2), 2), (vec![1], None));
    assert_eq!(page(None, 5), (vec![5, 4, 3, 2, 1], None));
    assert_eq!(page(Some(1), 5), (vec![], None));
    assert_eq!(page(Some(0), 5), (vec![], None));
    assert_eq!(page(Some(u64::MAX), 1), (vec![5], Some(5)));
    assert_eq!(page(None, AUDIT_PAGE), (vec![5, 4, 3, 2, 1], None));
    for limit in [0, AUDIT_PAGE + 1, usize::MAX] {
        assert_eq!(subject.ask(list_audit(None, limit)).unwrap_err().code, Code::InvalidArgument);
    }
}

#[test]
fn the_audit_log_keeps_the_last_entries() {
    let mut subject = subject();
    let entries = |subject: &Subject<MemoryStore>| {
        subject.store.count(&Range::from_within(b'a', &[]), u64::MAX).unwrap()
    };
    for _ in 0..AUDIT_ENTRIES {
        subject.ask(audited("")).unwrap();
    }
    assert_eq!(entries(&subject), AUDIT_ENTRIES);
    let oldest = subject.json(list_audit(Some(3), 5));
    assert_eq!(oldest["entries"].as_array().unwrap().len(), 2);
    subject.forget();
    let written = subject.store.rows_written();
    subject.ask(audited("")).unwrap();
    assert_eq!(subject.store.rows_written() - written, 2);
    assert_eq!(entries(&subject), AUDIT_ENTRIES);
    let oldest = subject.json(list_audit(Some(3), 5));
    assert_eq!(oldest["entries"].as_array().unwrap().len(), 1);
    assert_eq!(oldest["nextBefore"], Value::Null);
}

#[test]
fn an_entry_of_the_audit_log_has_a_size() {
    let mut subject = subject();
    let mut what = |text: String| {
        subject.ask(audited(&text)).unwrap();
        let page = subject.json(list_audit(None, 1));
        page["entries"][0]["what"].as_str().unwrap().to_owned()
    };
    let exact = "x".repeat(AUDIT_TEXT_BYTES);
    assert_eq!(what(exact.clone()), exact);
    assert_eq!(what(exact.clone() + "y"), exact);
    // Not within a character.
    let short = "x".repeat(AUDIT_TEXT_BYTES - 1);
    assert_eq!(what(short.clone() + "é"), short);
}

/// Events that change something, and one that reads.
fn some_events() -> Vec<Event> {
    vec![
        put_rules(1),
        create_key("a", None),
        sign(),
        jwks(ISSUER, &[jwk("1")]),
        put_rules(2),
        rotate(),
        jwks(ISSUER, &[jwk("2")]),
        audited("a"),
        Event::Snapshot { known: None },
        create_key("b", Some(5_000_000_000)),
    ]
}

/// What a fresh access object says of a store.
fn all_of<S: Store>(store: S) -> (String, Vec<String>, S) {
    let mut fresh = Subject::over(store);
    let snapshot = fresh.ask(Event::Snapshot { known: None }).unwrap();
    let events = [Event::ListRules, Event::ListKeys, list_audit(None, AUDIT_PAGE)];
    let lists = events.into_iter().map(|event| fresh.ask(event).unwrap()).collect();
    (snapshot, lists, fresh.store)
}

#[test]
fn a_store_that_fails_changes_nothing_and_the_next_step_knows() {
    for events in 1..=some_events().len() {
        for operations in 0.. {
            let mut subject = Subject::over(FlakyStore::<MemoryStore>::default());
            let mut events: Vec<Event> = some_events().into_iter().take(events).collect();
            let last = events.pop().unwrap();
            events.into_iter().for_each(|event| drop(subject.ask(event)));
            let before = subject.store.inner().clone();
            // A step that has to read everything fails at more places.
            if operations % 2 == 0 {
                subject.forget();
            }
            subject.store.fail_after(Some(operations / 2));
            let effects = subject.handle(last.clone());
            subject.store.fail_after(None);
            if matches!(effects.last(), Some(Effect::Answer(Ok(_)))) {
                if operations / 2 > 20 {
                    break;
                }
                continue;
            }
            let [Effect::Answer(Err(error))] = effects.as_slice() else { panic!("{effects:?}") };
            assert_eq!(error.code, Code::Internal, "{last:?}");
            assert_eq!(subject.store.inner().contents(), before.contents(), "{last:?}");
            assert!(subject.ask(last.clone()).is_ok(), "{last:?}");
            let remembered = subject.ask(Event::Snapshot { known: None }).unwrap();
            assert_eq!(remembered, all_of(subject.store.inner().clone()).0, "{last:?}");
        }
    }
}
