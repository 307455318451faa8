//! Who may do what to a document over HTTP, and what a refusal tells: nothing.

use crate::operations::{OPERATIONS, Operation};
use crate::oracle::{Act, is_forbidden, may_list, may_read, may_write};
use crate::world::{PLACES, Person, Place, World, data, world};
use blaze_tests::client::{Client, JSON, Reply};
use blaze_tests::server::is_standalone;
use serde_json::{Value, json};
use std::fmt::Debug;
use std::thread;

/// Everything that an answer tells, but what the request said itself (the path), the time, and whether the connection
/// goes on, which depends on how much of the body had come when it was refused.
fn told(reply: &Reply, path: &str) -> (u16, Vec<(String, String)>, String) {
    let hidden = |text: &str| text.replace(path, "<path>");
    let headers = reply.headers.iter().filter(|(name, _)| *name != "date" && *name != "connection");
    let text = |value: &[u8]| hidden(&String::from_utf8_lossy(value));
    let mut headers: Vec<_> =
        headers.map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect();
    headers.sort();
    (reply.status, headers, hidden(&reply.text()))
}

fn assert_refused(person: &Person, reply: &Reply, is_head: bool, case: &str) {
    let (status, code) = person.refusal();
    assert_eq!(reply.status, status, "{case}: {}", reply.text());
    if !is_head {
        let detail = reply.problem(status, code);
        assert!(!detail.contains("shibboleth"), "{case}: {detail}");
    }
    assert_eq!(reply.header("www-authenticate").is_some(), status == 401, "{case}");
    assert_eq!(reply.header("etag"), None, "{case}");
}

/// See [`Client::state`].
type State = (u16, Option<String>, String);

/// A document that is used until somebody has changed it, and its state as an administrator sees it.
struct Subject<'a> {
    world: &'a World,
    place: Place,
    exists: bool,
    present: Option<(String, State)>,
}

impl Subject<'_> {
    fn present(&mut self) -> &(String, State) {
        let (admin, place, exists) = (&self.world.admin, self.place, self.exists);
        self.present.get_or_insert_with(|| {
            let path = if exists { place.existing(admin) } else { place.fresh() };
            let state = admin.state(&format!("/v1/docs/{path}"));
            (path, state)
        })
    }

    /// One operation; what a refusal told.
    fn operate(
        &mut self,
        person: &Person,
        operation: &Operation,
    ) -> Option<impl PartialEq + Debug> {
        let (world, place, exists, act) = (self.world, self.place, self.exists, operation.act);
        let (path, before) = self.present();
        let case = format!("{}, {} of {path} ({exists})", person.name, operation.name);
        let reply = operation.call(&world.client(person), path).send();
        let after = world.admin.state(&format!("/v1/docs/{path}"));
        if is_forbidden(person, place, exists, act) {
            assert_refused(person, &reply, operation.name.starts_with("head"), &case);
            assert_eq!(&after, before, "{case}");
            return Some(told(&reply, path));
        }
        let text = reply.text();
        assert!(![401, 403].contains(&reply.status) && reply.status < 500, "{case}: {text}");
        if act != Act::Read {
            assert_eq!(reply.status >= 300, act.fails(exists), "{case}: {text}");
            assert_eq!(&after != before, act.changes(exists), "{case}: {text}");
            // What somebody wrote who may not read.
            let tells = text.contains("shibboleth") || text.contains("\"data\"");
            assert!(!tells || may_read(person, place, true), "{case}: {text}");
            self.present = None;
        }
        None
    }
}

#[test]
fn every_operation_on_a_document_is_decided_as_the_rules_say() {
    let world = world();
    let assert_place = |person: &Person, place: Place| {
        let [mut there, mut missing] =
            [true, false].map(|exists| Subject { world, place, exists, present: None });
        let mut compared = 0;
        for operation in OPERATIONS {
            let told = [&mut there, &mut missing].map(|one| one.operate(person, operation));
            if let [Some(first), Some(second)] = told {
                assert_eq!(first, second, "{}, {} in {place:?}", person.name, operation.name);
                compared += 1;
            }
        }
        compared
    };
    let compared: usize = thread::scope(|scope| {
        let of =
            |person| move || PLACES.map(|place| assert_place(person, place)).iter().sum::<usize>();
        let threads: Vec<_> = world.people.iter().map(|person| scope.spawn(of(person))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(compared > 1_000, "{compared}");
}

#[test]
fn a_post_creates_for_those_who_may_create() {
    let world = world();
    for person in &world.people {
        let client = world.client(person);
        for place in PLACES {
            for (number, key) in [None, Some("k"), Some("k")].into_iter().enumerate() {
                let case = format!("{} in {place:?}, {key:?}", person.name);
                let mut call = client.post(&format!("/v1/docs/{}", place.collection()), &data(2));
                if let Some(key) = key {
                    call = call.header("idempotency-key", key);
                }
                let reply = call.send();
                if !may_write(person, place, false, Act::Create) {
                    assert_refused(person, &reply, false, &case);
                    continue;
                }
                assert_eq!(reply.status, 201, "{case}: {}", reply.text());
                let created = reply.json();
                // Alice sees her note: the decision is about the document as it is now.
                let sees = may_read(person, place, true);
                assert_eq!(created.get("data").is_some(), sees, "{case}, {number}");
                let path = created["path"].as_str().unwrap();
                assert_eq!(world.admin.data(&format!("/v1/docs/{path}")), data(2), "{case}");
            }
        }
    }
}

/// The requests that ask for the documents of a place: all, or alice's.
fn questions(client: &Client, place: Place, of_alice: bool) -> Vec<Reply> {
    let collection = place.collection();
    let url = format!("/v1/docs/{collection}");
    let filter = json!({"field": "owner", "op": "==", "value": "alice"});
    let mut query = json!({"from": collection});
    if of_alice {
        query["where"] = filter.clone();
    }
    let url = if of_alice { format!("{url}?where=owner==alice") } else { url };
    let aggregate = json!({"query": query, "aggregates": {"n": "count", "t": {"sum": "n"}}});
    let mut explained = query.clone();
    explained["explain"] = json!(true);
    explained["limit"] = json!(1);
    let mut calls = vec![
        client.get(&url),
        client.post("/v1/query", &query),
        client.post("/v1/query", &explained),
        client.post("/v1/aggregate", &aggregate),
    ];
    if place == Place::Comments {
        query["from"] = json!({"group": "comments"});
        calls.push(client.post("/v1/query", &query));
        let aggregate = json!({"query": query, "aggregates": {"n": "count"}});
        calls.push(client.post("/v1/aggregate", &aggregate));
    }
    calls.into_iter().map(|call| call.send()).collect()
}

#[test]
fn every_question_is_decided_as_the_rules_say_whatever_there_is_to_find() {
    // A world of its own: at first there is nothing to find.
    let world = World::new(crate::world::RULES, &[]);
    let mut refusals: [Vec<Value>; 2] = Default::default();
    for refusals in &mut refusals {
        for person in &world.people {
            let client = world.client(person);
            for (place, of_alice) in
                PLACES.iter().flat_map(|place| [(*place, false), (*place, true)])
            {
                for (number, reply) in questions(&client, place, of_alice).iter().enumerate() {
                    let case = format!("{}, {place:?}, {of_alice}, {number}", person.name);
                    if may_list(person, place, of_alice) {
                        assert_eq!(reply.status, 200, "{case}: {}", reply.text());
                    } else {
                        assert_refused(person, reply, false, &case);
                        refusals.push(json!([case, told(reply, "").1, reply.json()]));
                    }
                }
            }
        }
        for place in PLACES {
            for _ in 0..3 {
                place.existing(&world.admin);
            }
        }
    }
    let [without, with] = refusals;
    assert!(without.len() > 100);
    assert_eq!(without, with, "a refusal depends on what there is");
    // And those who may find what is theirs.
    let alice = world.client(world.person("alice"));
    let found = &questions(&alice, Place::Notes, true)[1].json()["documents"];
    assert_eq!(found.as_array().unwrap().len(), 6);
}

/// The ways in which two documents are written at once, and what is done to each.
const BOTH: [(&str, [Act; 2]); 4] = [
    (r#"[{"set":"<a>","data":<data>},{"merge":"<b>","data":<data>}]"#, [Act::Set, Act::Set]),
    (r#"[{"verify":"<a>"},{"set":"<b>","data":<data>}]"#, [Act::Read, Act::Set]),
    (r#"[{"set":"<a>","data":<data>,"ifVersion":99},{"delete":"<b>"}]"#, [Act::Fail, Act::Delete]),
    (
        r#"[{"update":"<b>","data":{"n":2}},{"delete":"<a>"},{"update":"<b>","data":{"n":3}}]"#,
        [Act::Delete, Act::Change],
    ),
];

/// Two documents of a place that are there, and two that are not.
type Four = [[String; 2]; 2];

#[test]
fn a_commit_of_two_documents_takes_what_both_take() {
    if is_standalone() {
        // There they are done, and the next case would find other documents.
        return;
    }
    let world = world();
    let admin = &world.admin;
    let fours: Vec<(Place, Four)> = PLACES
        .iter()
        .map(|place| {
            let there = || [place.existing(admin), place.existing(admin)];
            (*place, [there(), [place.fresh(), place.fresh()]])
        })
        .collect();
    let states = || -> Vec<State> {
        let paths = fours.iter().flat_map(|(_, four)| four.iter().flatten());
        paths.map(|path| admin.state(&format!("/v1/docs/{path}"))).collect()
    };
    let before = states();
    let (sent, compared) = thread::scope(|scope| {
        let fours = &fours;
        let of = |person| move || commit_all(person, fours);
        let threads: Vec<_> = world.people.iter().map(|person| scope.spawn(of(person))).collect();
        let counts = threads.into_iter().map(|thread| thread.join().unwrap());
        counts.fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1))
    });
    assert_eq!(sent, 10 * 7 * 7 * 4 * 4);
    assert!(compared > 1_000, "{compared}");
    assert_eq!(states(), before);
}

/// Commits of one person to any two documents: how many, and how many refusals were compared.
fn commit_all(person: &Person, fours: &[(Place, Four)]) -> (usize, usize) {
    let client = world().client(person);
    let (mut sent, mut compared) = (0, 0);
    for (first, second) in fours.iter().flat_map(|a| fours.iter().map(move |b| (a, b))) {
        for (writes, acts) in BOTH {
            let forbidden = |existing: [bool; 2]| -> Vec<bool> {
                let each = [first.0, second.0].into_iter().zip(existing).zip(acts);
                each.map(|((place, exists), act)| is_forbidden(person, place, exists, act))
                    .collect()
            };
            let mut refusals = Vec::new();
            for existing in [[true, true], [true, false], [false, true], [false, false]] {
                let paths = [
                    &first.1[usize::from(!existing[0])][0],
                    &second.1[usize::from(!existing[1])][1],
                ];
                let body = writes.replace("<a>", paths[0]).replace("<b>", paths[1]);
                let body =
                    format!(r#"{{"writes":{}}}"#, body.replace("<data>", &data(2).to_string()));
                let reply = client.request("POST", "/v1/commit").body(JSON, body).send();
                sent += 1;
                let case = format!("{}: {writes} of {paths:?}", person.name);
                if forbidden(existing).contains(&true) {
                    assert_refused(person, &reply, false, &case);
                    let (status, headers, text) = told(&reply, paths[0]);
                    refusals.push((status, headers, text.replace(paths[1], "<other>")));
                } else {
                    let fails =
                        acts.into_iter().zip(existing).any(|(act, exists)| act.fails(exists));
                    let expected = if fails { 404..=409 } else { 501..=501 };
                    assert!(expected.contains(&reply.status), "{case}: {}", reply.text());
                }
            }
            // Where the rules say the same whatever is there, so do the refusals.
            if forbidden([true, true]) == forbidden([false, false]) {
                for (one, other) in refusals.iter().zip(refusals.iter().skip(1)) {
                    assert_eq!(
                        one, other,
                        "{}: {writes} of {:?}, {:?}",
                        person.name, first.0, second.0
                    );
                    compared += 1;
                }
            }
        }
    }
    (sent, compared)
}

#[test]
fn what_is_for_administrators_is_for_nobody_else() {
    let world = world();
    for person in &world.people {
        let client = world.client(person);
        for call in [
            client.get("/v1/rules"),
            client.request("PUT", "/v1/rules").body("text/plain", "match /a/{b} { }"),
            client.get("/v1/rules/versions"),
            client.get("/v1/rules?version=1"),
            client.get("/v1/keys"),
            client.post("/v1/keys", &json!({"name": "mine", "roles": ["admin"]})),
            client.delete("/v1/keys/0123456789"),
            client.post("/v1/signing-keys", &json!({"revoke": true})),
            client.get("/v1/audit"),
        ] {
            if person.name == "admin" {
                // Not in force here: others use these rules.
                continue;
            }
            let (status, code) = person.refusal();
            call.send().problem(status, code);
        }
    }
    assert_eq!(world.admin.get("/v1/keys").send().expect(200).status, 200);
    for refused in ["secret/a", "roles/b"] {
        world.admin.put(&format!("/v1/docs/{refused}"), &json!({})).send().expect(201);
    }
}
