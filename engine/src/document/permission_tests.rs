//! A document under rules: the callers who are refused, what a refusal tells, and who may go on listening.

use super::*;
use crate::guard::Explain;
use blaze_rules::{Lookups, Rules};
use blaze_schema::limits::{IDENTITY_SOCKETS, LOOKUP_MICROS, SOCKETS, STEP_LOOKUPS};
use blaze_store::memory::MemoryStore;
use serde_json::json;
use std::collections::BTreeMap;

const RULES: &str = r#"
match /docs/{id} {
  allow get: if resource == null || resource.data.public == true || resource.data.owner == request.auth.uid
    || hasRole("reader");
  allow create: if request.resource.data.owner == request.auth.uid;
  allow update: if resource.data.owner == request.auth.uid || resource.data.drop == true;
  allow delete: if resource.data.owner == request.auth.uid;
}
match /hidden/{id} {
  allow write: if request.auth != null;
}
"#;

struct Bench {
    document: Document,
    store: MemoryStore,
    guard: Guard,
    now: i64,
}

fn rules(text: &str, version: u64) -> Guard {
    Guard::Rules { rules: Rc::new(Rules::compile(text).unwrap()), version, explain: Explain::Never }
}

fn somebody(uid: &str) -> Option<Rc<Auth>> {
    until(uid, None)
}

fn until(uid: &str, expires: Option<i64>) -> Option<Rc<Auth>> {
    Some(Rc::new(Auth {
        uid: uid.to_owned(),
        token: Map::new(),
        roles: if uid == "root" { ["admin".to_owned()].into() } else { Default::default() },
        expires: expires.map(Timestamp::from_micros),
    }))
}

fn set(data: Value) -> Event {
    write(Operation::set(data).unwrap())
}

fn write(operation: Operation) -> Event {
    Event::Write { operation, preconditions: Vec::new(), idempotency: None, return_data: true }
}

fn get() -> Event {
    Event::Get { preconditions: Vec::new() }
}

fn connect() -> Event {
    Event::Connect { since: None }
}

impl Bench {
    fn at(path: &str) -> Self {
        let document = Document::new(DocumentPath::parse(path).unwrap());
        Bench { document, store: MemoryStore::default(), guard: rules(RULES, 1), now: 0 }
    }

    fn by(&mut self, auth: Option<Rc<Auth>>, event: Event) -> Vec<Effect> {
        self.knowing(auth, Lookups::new(), event)
    }

    fn knowing(&mut self, auth: Option<Rc<Auth>>, lookups: Lookups, event: Event) -> Vec<Effect> {
        self.now += 1_000_000;
        let caller = Caller { auth, lookups };
        let now = Timestamp::from_micros(self.now);
        self.document.handle_as(&mut self.store, now, 7, event, &self.guard, &caller)
    }

    /// As [`Bench::by`], where no lookup finds a document: nobody has a grant.
    fn plainly(&mut self, auth: Option<Rc<Auth>>, event: Event) -> Vec<Effect> {
        let mut lookups = Lookups::new();
        loop {
            let effects = self.knowing(auth.clone(), lookups.clone(), event.clone());
            let [Effect::Lookup(paths)] = effects.as_slice() else { return effects };
            lookups.extend(paths.iter().map(|path| (path.clone(), None)));
        }
    }

    fn status(&mut self, uid: &str, event: Event) -> u16 {
        let auth = if uid.is_empty() { None } else { somebody(uid) };
        match self.plainly(auth, event).iter().find_map(|effect| match effect {
            Effect::Answer(answer) => Some(answer.clone()),
            _ => None,
        }) {
            Some(Answer::Refused(error)) => error.status,
            Some(Answer::Written { created: true, .. }) => 201,
            Some(Answer::Deleted { .. }) => 204,
            Some(Answer::Missing { .. }) => 404,
            Some(_) => 200,
            None => 0,
        }
    }
}

fn ends(effects: &[Effect]) -> Vec<u16> {
    let end = |effect: &Effect| match effect {
        Effect::End { code, .. } | Effect::Close { code } => Some(*code),
        _ => None,
    };
    effects.iter().filter_map(end).collect()
}

fn is_admitted(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Admit { .. }))
}

#[test]
fn each_method_asks_its_own_rule() {
    let mut bench = Bench::at("docs/a");
    assert_eq!(bench.status("alice", set(json!({"owner": "bob"}))), 403);
    assert_eq!(bench.status("", set(json!({"owner": "alice"}))), 401);
    assert_eq!(bench.status("alice", set(json!({"owner": "alice"}))), 201);
    for (uid, read, written, deleted) in [("", 401, 401, 401), ("bob", 403, 403, 403)] {
        assert_eq!(bench.status(uid, get()), read, "{uid}");
        assert_eq!(bench.status(uid, set(json!({"owner": uid}))), written, "{uid}");
        assert_eq!(bench.status(uid, write(Operation::Delete)), deleted, "{uid}");
    }
    assert_eq!(bench.status("alice", get()), 200);
    assert_eq!(bench.status("root", get()), 200);
    assert_eq!(bench.status("alice", write(Operation::Delete)), 204);
    assert_eq!(bench.status("bob", get()), 404, "which anybody may know here");
}

#[test]
fn a_refusal_is_the_same_whatever_the_document_is() {
    let preconditions = || vec![Precondition::IfNoneMatch(blaze_schema::write::Versions::Any)];
    let events: Vec<fn() -> Event> = vec![
        get,
        || set(json!({"owner": "alice"})),
        || write(Operation::create(json!({})).unwrap()),
        || write(Operation::update(json!({"a.b": 1})).unwrap()),
        || write(Operation::merge(json!({"a": 1})).unwrap()),
        || write(Operation::patch(json!([{"op": "test", "path": "/a", "value": 1}])).unwrap()),
        || write(Operation::Delete),
        || write(Operation::Verify),
    ];
    for event in events {
        // Nobody may read there, and bob owns nothing.
        let refusals =
            [None, Some(json!({"a": 1})), Some(json!({"a": 2, "owner": "x"}))].map(|data| {
                let mut bench = Bench::at("other/a");
                if let Some(data) = data {
                    assert_eq!(bench.status("root", set(data)), 201);
                }
                let plain = bench.plainly(somebody("bob"), event());
                let conditional = match event() {
                    Event::Write { operation, idempotency, return_data, .. } => Event::Write {
                        operation,
                        preconditions: preconditions(),
                        idempotency,
                        return_data,
                    },
                    _ => Event::Get { preconditions: preconditions() },
                };
                (plain, bench.plainly(somebody("bob"), conditional))
            });
        let [missing, there, other] = refusals;
        assert_eq!(missing, there);
        assert_eq!(missing, other);
        assert_eq!(missing.0, missing.1, "whether a precondition fails is not told either");
        let [Effect::Answer(Answer::Refused(error))] = missing.0.as_slice() else {
            panic!("{missing:?}")
        };
        assert_eq!(error.code, Code::PermissionDenied);
    }
}

#[test]
fn who_may_write_and_not_read_is_shown_nothing() {
    let mut bench = Bench::at("hidden/a");
    assert_eq!(bench.status("root", set(json!({"secret": 1}))), 201);
    let merge = || write(Operation::merge(json!({"mine": 2})).unwrap());
    let effects = bench.plainly(somebody("bob"), merge());
    let Some(Effect::Answer(Answer::Written { body, .. })) =
        effects.iter().find(|effect| matches!(effect, Effect::Answer(_)))
    else {
        panic!("{effects:?}")
    };
    assert!(!body.contains("secret") && !body.contains("\"data\""), "{body}");
    // What fails for what is there is not told; what is wrong in itself is.
    assert_eq!(bench.status("bob", write(Operation::create(json!({})).unwrap())), 403);
    assert_eq!(bench.status("bob", write(Operation::update(json!({"secret.x": 1})).unwrap())), 200);
    let large = "x".repeat(blaze_schema::limits::DOCUMENT_BYTES);
    assert_eq!(bench.status("bob", set(json!({"large": large}))), 413);
}

#[test]
fn a_repeated_request_is_answered_to_whom_it_was_and_as_far_as_he_may_see() {
    let mut bench = Bench::at("docs/a");
    let keyed = |data: Value| Event::Write {
        operation: Operation::set(data).unwrap(),
        preconditions: Vec::new(),
        idempotency: Some(Idempotency::new("key".to_owned(), &[b"body"])),
        return_data: true,
    };
    assert_eq!(bench.status("alice", keyed(json!({"owner": "alice", "x": 1}))), 201);
    let rows = bench.store.contents();
    assert_eq!(bench.status("bob", keyed(json!({"owner": "alice", "x": 1}))), 403);
    assert_eq!(bench.status("", keyed(json!({"owner": "alice", "x": 1}))), 401);
    assert_eq!(bench.store.contents(), rows, "who is refused makes no rows");
    let body = |effects: Vec<Effect>| match effects.into_iter().next_back() {
        Some(Effect::Answer(Answer::Written { body, .. })) => body,
        other => panic!("{other:?}"),
    };
    let again = keyed(json!({"owner": "alice", "x": 1}));
    assert!(body(bench.plainly(somebody("alice"), again.clone())).contains("\"x\":1"));
    assert_eq!(bench.status("root", set(json!({"owner": "bob"}))), 200);
    assert!(!body(bench.plainly(somebody("alice"), again)).contains("\"x\":1"), "not his any more");
}

#[test]
fn a_listener_that_may_not_see_a_change_is_ended_before_the_others_get_it() {
    let mut bench = Bench::at("docs/a");
    bench.status("alice", set(json!({"owner": "alice", "public": true})));
    for uid in ["alice", "bob", "carol"] {
        assert!(is_admitted(&bench.plainly(somebody(uid), connect())), "{uid}");
    }
    assert!(is_admitted(&bench.plainly(None, connect())));
    let effects = bench.plainly(somebody("alice"), set(json!({"owner": "alice", "public": false})));
    assert_eq!(ends(&effects).len(), 3, "{effects:?}");
    assert!(ends(&effects).contains(&4401) && ends(&effects).contains(&4403));
    assert!(matches!(effects.last(), Some(Effect::Broadcast(_))));
    let effects = bench.plainly(somebody("bob"), connect());
    assert_eq!(ends(&effects), [4403], "{effects:?}");
    let effects = bench.plainly(None, connect());
    assert_eq!(ends(&effects), [4401], "{effects:?}");
    // The owner goes on, and a write that changes nothing is nobody's business.
    let effects = bench.plainly(somebody("alice"), set(json!({"owner": "alice", "n": 1})));
    assert_eq!(ends(&effects), [0_u16; 0]);
}

#[test]
fn who_comes_back_is_not_shown_states_that_it_missed_and_might_not_have_seen() {
    let mut bench = Bench::at("docs/a");
    bench.plainly(somebody("alice"), set(json!({"owner": "alice", "n": 1})));
    bench.plainly(somebody("alice"), set(json!({"owner": "bob", "n": 2})));
    bench.plainly(somebody("bob"), set(json!({"owner": "alice", "n": 3})));
    let epoch = bench.document.cache.as_ref().unwrap().epoch.clone();
    let mut since = |uid: &str, version: u64| {
        let since = Some((version, epoch.clone()));
        let effects = bench.plainly(somebody(uid), Event::Connect { since });
        let sent = effects.into_iter().filter_map(|effect| match effect {
            Effect::Send(frame) => Some(frame),
            _ => None,
        });
        sent.collect::<Vec<String>>()
    };
    let snapshot = since("alice", 1);
    assert_eq!(snapshot.len(), 1, "{snapshot:?}");
    assert!(snapshot[0].contains(r#""type":"snapshot""#) && snapshot[0].contains(r#""version":3"#));
    assert_eq!(since("alice", 3), Vec::<String>::new(), "nothing was missed");
    // Rules do not concern administrators.
    assert_eq!(since("root", 1).len(), 2);
}

#[test]
fn a_socket_whose_new_token_is_refused_takes_no_other_with_it() {
    let mut bench = Bench::at("docs/a");
    bench.plainly(somebody("alice"), set(json!({"owner": "alice"})));
    let sockets = [0, 1].map(|_| bench.plainly(somebody("alice"), connect()));
    let name = sockets[0].iter().find_map(|effect| match effect {
        Effect::Admit { listener, .. } => Some(listener.clone()),
        _ => None,
    });
    let listener = name.unwrap();
    let renew = Event::Renew { listener: listener.clone() };
    assert_eq!(ends(&bench.plainly(somebody("bob"), renew)), [4403]);
    // The socket is closed, as the effect says.
    bench.plainly(None, Event::Disconnect { listener: listener.clone() });
    let effects = bench.plainly(somebody("alice"), set(json!({"owner": "bob"})));
    assert_eq!(ends(&effects), [4403], "the other one is still asked about");
}

#[test]
fn other_rules_count_from_the_next_change_on() {
    let mut bench = Bench::at("docs/a");
    bench.guard = rules("match /docs/{id} { allow read, write; }", 1);
    bench.status("alice", set(json!({"n": 1})));
    assert!(is_admitted(&bench.plainly(None, connect())));
    assert_eq!(ends(&bench.plainly(None, set(json!({"n": 2})))), [0_u16; 0]);
    bench.guard =
        rules("match /docs/{id} { allow write; allow read: if request.auth != null; }", 2);
    assert_eq!(ends(&bench.plainly(None, set(json!({"n": 3})))), [4401]);
    assert_eq!(ends(&bench.plainly(None, set(json!({"n": 4})))), [0_u16; 0], "once");
}

#[test]
fn a_token_ends_its_sockets_at_its_time_and_a_new_one_keeps_them() {
    let mut bench = Bench::at("docs/a");
    bench.status("alice", set(json!({"owner": "alice"})));
    bench.by(None, Event::Indexed { version: 1, done: true });
    bench.by(None, Event::Alarm);
    let end = bench.now + 60_000_000;
    let effects = bench.plainly(until("alice", Some(end)), connect());
    let admitted = |effects: &[Effect]| match effects.first() {
        Some(Effect::Admit { listener, .. }) => listener.clone(),
        other => panic!("{other:?}"),
    };
    let first = admitted(&effects);
    assert!(effects.contains(&Effect::SetAlarm(Timestamp::from_micros(end))), "{effects:?}");
    bench.now = end - 2_000_000;
    assert_eq!(ends(&bench.by(None, Event::Alarm)), [0_u16; 0], "not before");
    let later = end + 60_000_000;
    let renew = Event::Renew { listener: first.clone() };
    let second = admitted(&bench.plainly(until("alice", Some(later)), renew));
    assert_ne!(first, second);
    bench.now = end;
    assert_eq!(ends(&bench.by(None, Event::Alarm)), [0_u16; 0]);
    bench.now = later - 1_000_000;
    let effects = bench.by(None, Event::Alarm);
    let [Effect::End { listener, frame: Some(frame), code: 4401 }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!(listener, &second);
    assert!(frame.contains("token: expired"), "{frame}");
    // Writing by a socket whose token has ended is refused too.
    let text = r#"{"write":{"id":"w","set":"docs/a","data":{"owner":"alice"}}}"#.to_owned();
    let effects = bench.plainly(until("alice", Some(later)), Event::Message { text });
    assert!(matches!(effects.as_slice(), [Effect::Send(text)] if text.contains("expired")));
}

#[test]
fn rules_that_look_elsewhere_are_told_first_and_their_listeners_are_asked_about_again() {
    let grant = |roles: Value| -> Lookups {
        let path = DocumentPath::parse("roles/bob").unwrap();
        BTreeMap::from([(path, json!({"roles": roles}).as_object().cloned())])
    };
    let mut bench = Bench::at("docs/a");
    bench.status("alice", set(json!({"owner": "alice"})));
    let effects = bench.by(somebody("bob"), connect());
    assert!(
        matches!(effects.as_slice(), [Effect::Lookup(paths)] if paths.len() == 1),
        "{effects:?}"
    );
    assert!(is_admitted(&bench.knowing(somebody("bob"), grant(json!(["reader"])), connect())));
    // Just looked up: that still counts.
    let effects = bench.by(somebody("alice"), set(json!({"owner": "alice", "n": 1})));
    assert_eq!(ends(&effects), [0_u16; 0]);
    bench.now += LOOKUP_MICROS - 3_000_000;
    let effects = bench.by(somebody("alice"), set(json!({"owner": "alice", "n": 2})));
    assert_eq!(ends(&effects), [0_u16; 0], "as old as it may be, less a second");
    bench.now += 1_000_000;
    let change = || set(json!({"owner": "alice", "n": 3}));
    let before = bench.store.contents();
    let effects = bench.by(somebody("alice"), change());
    assert!(matches!(effects.as_slice(), [Effect::Lookup(_)]), "{effects:?}");
    assert_eq!(bench.store.contents(), before, "nothing is done before it is known");
    let effects = bench.knowing(somebody("alice"), grant(json!(["other"])), change());
    assert_eq!(ends(&effects), [4403]);
}

#[test]
fn too_many_questions_are_not_asked_and_the_listeners_come_again() {
    let mut bench = Bench::at("docs/a");
    bench.status("alice", set(json!({"owner": "alice"})));
    for number in 0..=STEP_LOOKUPS {
        let uid = format!("u{number}");
        let path = DocumentPath::parse(&format!("roles/{uid}")).unwrap();
        let granted = json!({"roles": ["reader"]}).as_object().cloned();
        let lookups = BTreeMap::from([(path, granted)]);
        assert!(is_admitted(&bench.knowing(somebody(&uid), lookups, connect())));
    }
    bench.now += LOOKUP_MICROS;
    let effects = bench.by(somebody("alice"), set(json!({"owner": "alice", "n": 1})));
    assert_eq!(ends(&effects), vec![1012; STEP_LOOKUPS + 1]);
    assert!(effects.iter().all(|effect| !matches!(effect, Effect::End { frame: Some(_), .. })));
    for number in 0..STEP_LOOKUPS {
        let uid = format!("u{number}");
        let path = DocumentPath::parse(&format!("roles/{uid}")).unwrap();
        let granted = json!({"roles": ["reader"]}).as_object().cloned();
        let lookups = BTreeMap::from([(path, granted)]);
        assert!(is_admitted(&bench.knowing(somebody(&uid), lookups, connect())));
    }
    bench.now += LOOKUP_MICROS;
    let effects = bench.by(somebody("alice"), set(json!({"owner": "alice", "n": 2})));
    assert!(
        matches!(effects.as_slice(), [Effect::Lookup(paths)] if paths.len() == STEP_LOOKUPS),
        "as many as may be are asked"
    );
}

#[test]
fn after_a_loss_of_memory_the_audience_is_what_the_sockets_say() {
    let mut bench = Bench::at("docs/a");
    bench.status("alice", set(json!({"owner": "alice", "public": true})));
    bench.document = Document::new(DocumentPath::parse("docs/a").unwrap());
    let listeners = vec![somebody("alice"), somebody("bob"), None, None];
    bench.by(None, Event::Woken { listeners, unborn: None });
    let effects = bench.plainly(somebody("alice"), set(json!({"owner": "alice"})));
    let mut codes = ends(&effects);
    codes.sort_unstable();
    assert_eq!(codes, [4401, 4403], "the two that are anonymous are one listener");
}

#[test]
fn sockets_are_limited_in_all_and_for_each_identity() {
    let mut bench = Bench::at("docs/a");
    bench.status("alice", set(json!({"owner": "alice", "public": true})));
    let mut listener = String::new();
    for _ in 0..IDENTITY_SOCKETS {
        let effects = bench.plainly(somebody("alice"), connect());
        let Some(Effect::Admit { listener: admitted, .. }) = effects.first() else {
            panic!("{effects:?}")
        };
        listener.clone_from(admitted);
    }
    assert_eq!(ends(&bench.plainly(somebody("alice"), connect())), [4429]);
    bench.by(None, Event::Disconnect { listener });
    assert!(is_admitted(&bench.plainly(somebody("alice"), connect())));
    for _ in IDENTITY_SOCKETS..SOCKETS {
        assert!(is_admitted(&bench.plainly(None, connect())));
    }
    assert_eq!(ends(&bench.plainly(None, connect())), [4429]);
    assert_eq!(ends(&bench.plainly(somebody("bob"), connect())), [4429]);
}

#[test]
fn grants_of_roles_are_written_by_administrators_whatever_the_rules_say() {
    let mut bench = Bench::at("roles/bob");
    bench.guard = rules("match /{path=**} { allow read, write; }", 1);
    assert_eq!(bench.status("bob", set(json!({"roles": ["editor"]}))), 403);
    assert_eq!(bench.status("bob", write(Operation::Delete)), 403);
    let effects = bench.plainly(somebody("root"), set(json!({"roles": ["editor"]})));
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Audit { actor, .. } if actor == "root"))
    );
    assert_eq!(bench.status("bob", get()), 200);
}

#[test]
fn without_rules_nothing_is_allowed_but_to_administrators() {
    let mut bench = Bench::at("docs/a");
    bench.guard = Guard::Closed;
    assert_eq!(bench.status("", get()), 403);
    assert_eq!(bench.status("alice", set(json!({}))), 403);
    assert_eq!(bench.status("root", set(json!({}))), 201);
    let effects = bench.plainly(None, get());
    let [Effect::Answer(Answer::Refused(error))] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert!(error.detail.contains("blaze rules deploy"), "{}", error.detail);
}

/// Has bob refused a write of `docs/a`; returns the answer and the line of the log.
fn refused(explain: Explain) -> (String, Option<String>) {
    let mut bench = Bench::at("docs/a");
    bench.status("alice", set(json!({"owner": "alice", "secret": "tea"})));
    if let Guard::Rules { explain: there, .. } = &mut bench.guard {
        *there = explain;
    }
    let effects = bench.plainly(somebody("bob"), set(json!({"owner": "bob"})));
    let (mut answer, mut log) = (String::new(), None);
    for effect in effects {
        match effect {
            Effect::Answer(Answer::Refused(error)) => answer = error.detail,
            Effect::Log(line) => log = Some(line),
            other => panic!("{other:?}"),
        }
    }
    (answer, log)
}

#[test]
fn a_refusal_is_explained_to_those_who_may_know() {
    let (silent, nothing) = refused(Explain::Never);
    assert_eq!((silent.as_str(), nothing), ("writing docs/a is not allowed by the rules", None));
    let (answer, log) = refused(Explain::Log);
    assert_eq!(answer, silent, "a closed server says the same with and without a log");
    let log = log.unwrap();
    assert!(log.starts_with("update of docs/a by bob: refused by 6:3 `allow update: if "), "{log}");
    assert!(log.contains("6:20 `resource.data.owner == request.auth.uid` is false"), "{log}");
    assert!(log.contains("`resource.data.owner` is a string"), "{log}");
    assert!(log.contains("`resource.data.drop` is missing"), "{log}");
    assert!(!log.contains("alice") && !log.contains("tea"), "no value of a document: {log}");
    let (answer, log) = refused(Explain::Answer);
    assert!(answer.starts_with(&format!("{silent} (refused by 6:3 `allow update")), "{answer}");
    assert!(answer.contains("`resource.data.owner` is \"alice\""), "{answer}");
    assert!(log.unwrap().contains("\"alice\""));
}

#[test]
fn a_line_of_the_log_stays_one() {
    let mut bench = Bench::at("docs/a\nrefused b");
    if let Guard::Rules { explain, .. } = &mut bench.guard {
        *explain = Explain::Log;
    }
    let effects = bench.plainly(somebody("bob\r\nroot"), set(json!({"owner": "x"})));
    let [.., Effect::Log(line)] = effects.as_slice() else { panic!("{effects:?}") };
    assert!(
        line.starts_with("create of docs/a\\nrefused b by bob\\r\\nroot: refused by 5:3"),
        "{line}"
    );
    assert!(!line.contains(char::is_control), "{line:?}");
}

#[test]
fn what_rules_did_not_decide_is_not_explained() {
    for (path, guard) in [("roles/bob", rules(RULES, 1)), ("docs/a", Guard::Closed)] {
        let mut bench = Bench::at(path);
        bench.guard = guard;
        if let Guard::Rules { explain, .. } = &mut bench.guard {
            *explain = Explain::Answer;
        }
        let effects = bench.plainly(somebody("bob"), set(json!({})));
        let [Effect::Answer(Answer::Refused(error))] = effects.as_slice() else {
            panic!("{effects:?}")
        };
        assert!(!error.detail.contains("refused by"), "{}", error.detail);
    }
}

#[test]
fn a_listener_that_is_ended_is_told_why_where_everybody_may_know() {
    let told = |explain: Explain| {
        let mut bench = Bench::at("docs/a");
        bench.status("alice", set(json!({"owner": "alice", "public": true})));
        if let Guard::Rules { explain: there, .. } = &mut bench.guard {
            *there = explain;
        }
        assert!(is_admitted(&bench.plainly(somebody("bob"), connect())));
        let effects = bench.plainly(somebody("alice"), set(json!({"owner": "alice"})));
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Log(_))), "{effects:?}");
        effects.into_iter().find_map(|effect| match effect {
            Effect::End { frame, .. } => frame,
            _ => None,
        })
    };
    assert!(!told(Explain::Log).unwrap().contains("refused by"));
    assert!(told(Explain::Answer).unwrap().contains("refused by 3:3"));
}
