//! A client's socket under rules: the queries that it may ask, for how long, and its identity.

use super::*;
use crate::guard::Explain;
use blaze_rules::Rules;
use serde_json::json;

const RULES: &str = r#"
match /mine/{id} { allow read: if resource.data.owner == request.auth.uid; }
match /all/{id} { allow read; }
match /staff/{id} { allow list: if hasRole("staff"); }
match /today/{id} { allow list: if request.time < timestamp("2026-01-01T00:00:00Z"); }
"#;

struct Bench {
    listener: Listener,
    guard: Guard,
    now: i64,
}

fn rules(text: &str, version: u64) -> Guard {
    Guard::Rules { rules: Rc::new(Rules::compile(text).unwrap()), version, explain: Explain::Never }
}

fn auth(uid: &str, expires: Option<i64>) -> Option<Rc<Auth>> {
    Some(Rc::new(Auth {
        uid: uid.to_owned(),
        token: Default::default(),
        roles: Default::default(),
        expires: expires.map(Timestamp::from_micros),
    }))
}

impl Bench {
    fn new() -> Self {
        let listener = Listener::new(Rc::new(Collections::parse("{}").unwrap()));
        Bench { listener, guard: rules(RULES, 1), now: 0 }
    }

    fn step(&mut self, event: Event) -> Vec<Effect> {
        self.listener.handle(Timestamp::from_micros(self.now), &self.guard, event)
    }

    fn says(&mut self, text: &str) -> Vec<Effect> {
        self.step(Event::Message { text: text.to_owned() })
    }

    fn is(&mut self, who: Option<Rc<Auth>>) -> Vec<Effect> {
        self.step(Event::Identified { token: "token".to_owned(), auth: Ok(who) })
    }
}

fn query(target: u64, from: &str, owner: &str) -> String {
    let filter = json!({"field": "owner", "op": "==", "value": owner});
    json!({"listen": {"target": target, "query": {"from": from, "where": filter}}}).to_string()
}

/// Summarizes effects.
fn told(effects: &[Effect]) -> String {
    let short = |effect: &Effect| match effect {
        Effect::Send(text) => {
            let frame: serde_json::Value = serde_json::from_str(text).unwrap();
            format!("{} {}", frame["target"], frame["code"].as_str().unwrap_or("sent"))
        }
        Effect::Open { upstream, .. } => format!("open {upstream}"),
        Effect::Close { upstream } => format!("close {upstream}"),
        Effect::Identify { token } => format!("identify {token}"),
        Effect::Lookup { target, paths } => format!("look up {} for {target}", paths.len()),
        Effect::Forward { upstream, text } => format!("forward {text} to {upstream}"),
        Effect::Write { .. } => "write".to_owned(),
        Effect::Log(line) => format!("log {line}"),
        Effect::End { code, .. } => format!("end {code}"),
    };
    effects.iter().map(short).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_query_is_opened_if_the_rules_allow_all_that_it_could_find() {
    let mut bench = Bench::new();
    assert_eq!(told(&bench.says(&query(1, "mine", "alice"))), "1 unauthenticated");
    assert_eq!(told(&bench.says(r#"{"auth":"t"}"#)), "identify t");
    assert_eq!(told(&bench.is(auth("alice", None))), "");
    assert_eq!(told(&bench.says(&query(1, "mine", "alice"))), "open 1");
    assert_eq!(told(&bench.says(&query(2, "mine", "bob"))), "2 permission-denied");
    assert_eq!(
        told(&bench.says(r#"{"listen":{"target":3,"query":{"from":"mine"}}}"#)),
        "3 permission-denied"
    );
    assert_eq!(told(&bench.says(&query(4, "elsewhere", "alice"))), "4 permission-denied");
    assert_eq!(told(&bench.says(r#"{"listen":{"target":5,"query":{"from":"all"}}}"#)), "open 2");
    assert_eq!(told(&bench.step(Event::Tick)), "");
}

#[test]
fn who_is_somebody_else_now_is_asked_about_anew() {
    let mut bench = Bench::new();
    bench.is(auth("alice", None));
    bench.says(&query(1, "mine", "alice"));
    bench.says(r#"{"listen":{"target":2,"document":"mine/a"}}"#);
    let effects = bench.is(auth("alice", Some(9)));
    assert_eq!(told(&effects), r#"forward {"auth":"token"} to 2"#, "its document's object decides");
    assert_eq!(
        told(&bench.is(auth("bob", None))),
        r#"close 1, 1 permission-denied, forward {"auth":"token"} to 2"#
    );
    let refused = Error::new(Code::Unauthenticated, "token: signature");
    let event = Event::Identified { token: "bad".to_owned(), auth: Err(refused) };
    assert_eq!(told(&bench.step(event)), "null unauthenticated, end 4401");
}

#[test]
fn an_expired_token_ends_the_socket_at_its_time() {
    let mut bench = Bench::new();
    bench.is(auth("alice", Some(1_000)));
    bench.says(&query(1, "mine", "alice"));
    bench.now = 999;
    assert_eq!(told(&bench.step(Event::Tick)), "");
    bench.now = 1_000;
    assert_eq!(told(&bench.step(Event::Tick)), "null unauthenticated, end 4401");
}

#[test]
fn other_rules_end_what_they_do_not_allow() {
    let mut bench = Bench::new();
    bench.is(auth("alice", None));
    bench.says(&query(1, "mine", "alice"));
    bench.says(r#"{"listen":{"target":2,"query":{"from":"all"}}}"#);
    bench.says(r#"{"listen":{"target":3,"document":"all/a"}}"#);
    bench.guard =
        rules("match /mine/{id} { allow read: if request.auth.uid == resource.data.owner; }", 2);
    assert_eq!(
        told(&bench.step(Event::Tick)),
        r#"close 2, 2 permission-denied, forward {"auth":"token"} to 3"#
    );
    assert_eq!(told(&bench.step(Event::Tick)), "", "asked once");
    bench.guard = Guard::Open;
    assert_eq!(told(&bench.step(Event::Tick)), "");
}

#[test]
fn what_a_decision_looked_up_is_looked_up_again() {
    let found = |roles: serde_json::Value| {
        let path = DocumentPath::parse("roles/alice").unwrap();
        let data = json!({"roles": roles}).as_object().cloned();
        Event::LookedUp { target: 1, lookups: Lookups::from([(path, data)]) }
    };
    let mut bench = Bench::new();
    bench.is(auth("alice", None));
    let listen = r#"{"listen":{"target":1,"query":{"from":"staff"}}}"#;
    assert_eq!(told(&bench.says(listen)), "look up 1 for 1");
    assert_eq!(told(&bench.step(found(json!(["staff"])))), "open 1");
    assert_eq!(told(&bench.step(Event::Tick)), "look up 1 for 1");
    assert_eq!(told(&bench.step(found(json!(["staff"])))), "");
    assert_eq!(told(&bench.step(Event::Tick)), "look up 1 for 1");
    assert_eq!(told(&bench.step(found(json!([])))), "close 1, 1 permission-denied");
    // A target that was given up meanwhile is left alone.
    assert_eq!(told(&bench.says(listen)), "look up 1 for 1");
    assert_eq!(told(&bench.says(r#"{"unlisten":1}"#)), "");
    assert_eq!(told(&bench.step(found(json!(["staff"])))), "");
}

#[test]
fn a_decision_that_rests_on_the_time_is_made_again() {
    let mut bench = Bench::new();
    assert_eq!(told(&bench.says(r#"{"listen":{"target":1,"query":{"from":"today"}}}"#)), "open 1");
    assert_eq!(told(&bench.step(Event::Tick)), "");
    bench.now = 1_800_000_000_000_000;
    assert_eq!(told(&bench.step(Event::Tick)), "close 1, 1 unauthenticated");
}

#[test]
fn a_refused_query_is_explained_to_those_who_may_know() {
    let refused = |explain: Explain| {
        let mut bench = Bench::new();
        if let Guard::Rules { explain: there, .. } = &mut bench.guard {
            *there = explain;
        }
        bench.is(auth("bob", None));
        bench.says(&query(1, "mine", "alice"))
    };
    let frame = |effects: &[Effect]| match effects {
        [.., Effect::Send(text)] => text.clone(),
        other => panic!("{other:?}"),
    };
    let [silent] = refused(Explain::Never).try_into().unwrap();
    let logged = refused(Explain::Log);
    assert_eq!(logged.len(), 2);
    assert_eq!(frame(&logged), frame(&[silent]));
    let Effect::Log(line) = &logged[0] else { panic!("{logged:?}") };
    let place = "list of mine by bob: refused by 2:20 `allow read: if resource.data.owner == request.auth.uid`: 2:35";
    assert!(line.starts_with(place), "{line}");
    assert!(frame(&refused(Explain::Answer)).contains("is false"));
}
