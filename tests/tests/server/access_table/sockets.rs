//! The same on a document's socket and on `/v1/listen`.

use crate::oracle::{Act, is_forbidden, may_list, may_read};
use crate::world::{PLACES, Person, Place, World, data, world};
use blaze_tests::socket::{Session, Socket};
use serde_json::{Value, json};
use std::thread;
use std::time::Duration;

/// Long enough for a frame that is wrong, and that would come at once.
const A_MOMENT: Duration = Duration::from_millis(20);

/// Asserts that a frame is a refusal of this person; what it tells.
fn refusal(person: &Person, error: &Value, path: &str, case: &str) -> String {
    assert_eq!(error["code"], person.refusal().1, "{case}: {error}");
    let text = error.to_string();
    assert!(!text.contains("shibboleth"), "{case}: {text}");
    text.replace(path, "<path>")
}

/// Every way to open the socket of a document; of those that are refused what they were told.
fn open_socket(world: &World, person: &Person, place: Place, exists: bool) -> Vec<String> {
    let path = if exists { place.existing(&world.admin) } else { place.fresh() };
    let epoch = if exists {
        let mut socket = world.socket(world.person("admin"), &path);
        socket.receive()["epoch"].as_str().unwrap().to_owned()
    } else {
        "e".to_owned()
    };
    let queries = ["", "?since=1", &format!("?since=1&epoch={epoch}"), "?since=9&epoch=e"];
    // All at once: an anonymous one may say who it is for some time.
    let opened = queries.map(|query| world.socket(person, &format!("{path}{query}")));
    let mut told = Vec::new();
    for (mut socket, query) in opened.into_iter().zip(queries) {
        let case = format!("{}, the socket of {path}{query} ({exists})", person.name);
        if may_read(person, place, exists) {
            if exists && query.ends_with(&epoch) {
                assert_eq!(socket.settled(), [] as [Value; 0], "{case}");
            } else {
                let frame = socket.receive();
                assert_eq!(frame["type"], "snapshot", "{case}: {frame}");
                let seen = if exists { data(1) } else { Value::Null };
                assert_eq!(frame["data"], seen, "{case}");
            }
            write_on(&mut socket, person, place, &path, exists);
            continue;
        }
        let (messages, code) = socket.ended();
        let [error] = messages.as_slice() else { panic!("{case}: {messages:?}") };
        assert_eq!((&error["type"], code), (&json!("error"), person.close_code()), "{case}");
        told.push(refusal(person, error, &path, &case));
    }
    told
}

/// A write that changes nothing, on a document's socket of somebody who may read.
fn write_on(socket: &mut Socket, person: &Person, place: Place, path: &str, exists: bool) {
    let (write, act) = if exists {
        (json!({"id": "w", "merge": path, "data": {"n": 1}}), Act::Change)
    } else {
        (json!({"id": "w", "delete": path}), Act::Delete)
    };
    let answer = socket.ask(&json!({"write": write}));
    let case = format!("{}: a write on the socket of {path}", person.name);
    if is_forbidden(person, place, exists, act) {
        refusal(person, &answer["error"], path, &case);
    } else {
        assert!(answer.get("result").is_some(), "{case}: {answer}");
    }
}

#[test]
fn a_documents_socket_opens_for_those_who_may_read_it() {
    let world = world();
    let assert_place = |person: &Person, place: Place| {
        let [first, second] = [true, false].map(|exists| open_socket(world, person, place, exists));
        if may_read(person, place, true) == may_read(person, place, false) {
            assert_eq!(first, second, "{} in {place:?}", person.name);
        }
        let told: Vec<&String> = first.iter().chain(&second).collect();
        assert!(told.windows(2).all(|two| two[0] == two[1]), "{told:?}");
    };
    thread::scope(|scope| {
        for person in &world.people {
            for place in PLACES {
                scope.spawn(move || assert_place(person, place));
            }
        }
    });
}

/// Every write that a frame can be, on a document that is there or not.
fn writes(path: &str) -> [(Value, Act); 10] {
    let replace = json!([{"op": "replace", "path": "/n", "value": 2}]);
    let untrue = json!([{"op": "test", "path": "/n", "value": 5}]);
    let change = json!({"owner": "alice", "n": 3});
    [
        (json!({"create": path, "data": data(2)}), Act::Create),
        (json!({"set": path, "data": data(2), "ifVersion": 99}), Act::Fail),
        (json!({"patch": path, "operations": untrue}), Act::Fail),
        (json!({"verify": path}), Act::Read),
        (json!({"verify": path, "ifVersion": 1}), Act::Verify),
        (json!({"update": path, "data": {"n": 4}}), Act::Change),
        (json!({"patch": path, "operations": replace}), Act::Change),
        (json!({"merge": path, "data": change}), Act::Set),
        (json!({"set": path, "data": data(2)}), Act::Set),
        (json!({"delete": path}), Act::Delete),
    ]
}

fn assert_writes(world: &World, person: &Person, place: Place) {
    let mut session = world.session(person);
    let mut told: Vec<Vec<String>> = Vec::new();
    for exists in [true, false] {
        let count = writes("").len();
        let mut refusals = Vec::new();
        for number in 0..count {
            let path = if exists { place.existing(&world.admin) } else { place.fresh() };
            let (write, act) = writes(&path)[number].clone();
            let case = format!("{}: {write}", person.name);
            let answer = session.write(&format!("{exists}{number}"), write);
            if is_forbidden(person, place, exists, act) {
                refusals.push(refusal(person, &answer["error"], &path, &case));
                let status = world.admin.get(&format!("/v1/docs/{path}")).send();
                assert_eq!(status.status, if exists { 200 } else { 404 }, "{case}");
                assert!(!exists || status.version() == 1, "{case}");
            } else if act.fails(exists) {
                let code = answer["error"]["code"].as_str().unwrap_or_default();
                assert!(!["unauthenticated", "permission-denied", ""].contains(&code), "{case}");
            } else {
                assert!(answer.get("result").is_some(), "{case}: {answer}");
            }
        }
        told.push(refusals);
    }
    // Where all is refused, whether there was a document or not is not to be seen.
    if told.iter().all(|refusals| refusals.len() == writes("").len()) {
        assert_eq!(told[0], told[1], "{} in {place:?}", person.name);
    }
}

#[test]
fn a_frame_writes_for_those_who_may_write() {
    let world = world();
    thread::scope(|scope| {
        for person in world.people.iter().filter(|person| person.refusal().0 != 401) {
            scope.spawn(move || PLACES.map(|place| assert_writes(world, person, place)));
        }
        let anonymous = world.person("anonymous");
        scope.spawn(move || PLACES.map(|place| assert_writes(world, anonymous, place)));
    });
}

fn assert_targets(session: &mut Session, world: &World, person: &Person, place: Place) {
    let mut told = Vec::new();
    for (exists, target) in [(true, 1), (false, 2)] {
        let path = if exists { place.existing(&world.admin) } else { place.fresh() };
        let case = format!("{} listens to {path} ({exists})", person.name);
        session.listen(target, json!({"document": path, "since": 1, "epoch": "e"}));
        let frame = session.next(target);
        if may_read(person, place, exists) {
            assert_eq!(frame["type"], "snapshot", "{case}: {frame}");
        } else {
            assert_eq!(frame["type"], "error", "{case}: {frame}");
            told.push(refusal(person, &frame, &path, &case));
        }
    }
    assert!(told.windows(2).all(|two| two[0] == two[1]), "{told:?}");
    let filter = json!({"field": "owner", "op": "==", "value": "alice"});
    let collection = place.collection();
    let mut queries = vec![
        (json!({"from": collection, "limit": 3}), false),
        (json!({"from": collection, "where": filter, "limit": 3}), true),
    ];
    if place == Place::Comments {
        queries.push((json!({"from": {"group": "comments"}, "limit": 3}), false));
    }
    for ((query, of_alice), target) in queries.into_iter().zip(3..) {
        let case = format!("{} listens to {query}", person.name);
        session.listen(target, json!({"query": query}));
        let frame = session.next(target);
        if may_list(person, place, of_alice) {
            assert_eq!(frame["type"], "changes", "{case}: {frame}");
        } else {
            assert_eq!(frame["type"], "error", "{case}: {frame}");
            refusal(person, &frame, collection, &case);
        }
    }
    // Of what was refused nothing comes later either.
    let path = place.existing(&world.admin);
    for target in 1..=5 {
        if let Some(frame) = session.next_within(target, A_MOMENT) {
            assert!(frame["type"] == "changes" && may_list(person, place, true), "{path}: {frame}");
        }
    }
}

#[test]
fn targets_are_for_those_who_may_read_them() {
    let world = world();
    thread::scope(|scope| {
        for person in &world.people {
            if person.refusal().0 == 401 && person.credential().is_some() {
                continue;
            }
            scope.spawn(move || {
                for place in PLACES {
                    assert_targets(&mut world.session(person), world, person, place);
                }
            });
        }
    });
}

#[test]
fn a_credential_that_is_no_good_ends_every_socket() {
    let world = world();
    let anonymous = world.person("anonymous");
    let bad = world.people.iter().filter(|person| person.refusal().0 == 401);
    for person in bad.filter(|person| person.credential().is_some()) {
        let path = Place::Public.existing(&world.admin);
        // As it opens, and as a first message where none was needed; `/v1/listen` too.
        let auth = json!({"auth": person.credential});
        let mut late = world.socket(anonymous, &path);
        assert_eq!(late.receive()["type"], "snapshot");
        late.send(&auth);
        let mut late_session = world.session(anonymous).socket;
        late_session.send(&auth);
        let mut secret = world.socket(anonymous, "secret/x");
        secret.send(&auth);
        for socket in
            [world.socket(person, &path), late, world.session(person).socket, late_session, secret]
        {
            let (messages, code) = socket.ended();
            let [error] = messages.as_slice() else { panic!("{}: {messages:?}", person.name) };
            assert_eq!((&error["code"], code), (&json!("unauthenticated"), 4401), "{error}");
        }
    }
}

#[test]
fn a_first_message_says_who_it_is() {
    let world = world();
    let [anonymous, alice, bob] = ["anonymous", "alice", "bob"].map(|name| world.person(name));
    let path = Place::Notes.existing(&world.admin);
    let mut socket = world.socket(anonymous, &path);
    socket.send(&json!({"auth": alice.credential}));
    let snapshot = socket.receive();
    assert_eq!((&snapshot["type"], &snapshot["data"]), (&json!("snapshot"), &data(1)));
    // From where it was.
    let epoch = snapshot["epoch"].as_str().unwrap();
    let mut socket = world.socket(anonymous, &format!("{path}?since=1&epoch={epoch}"));
    socket.send(&json!({"auth": alice.credential}));
    assert_eq!(socket.settled(), [] as [Value; 0]);
    let mut socket = world.socket(anonymous, &path);
    socket.send(&json!({"auth": bob.credential}));
    let (messages, code) = socket.ended();
    assert_eq!((messages.len(), code), (1, 4403), "{messages:?}");
    // Anything else before it is nothing.
    let mut socket = world.socket(anonymous, &path);
    socket.send(&json!({"write": {"id": "w", "set": path, "data": data(2)}}));
    let (messages, code) = socket.ended();
    assert_eq!(code, 4401);
    assert!(messages.iter().all(|message| message.get("result").is_none()), "{messages:?}");
    assert_eq!(world.admin.data(&format!("/v1/docs/{path}")), data(1));
    // The same on /v1/listen.
    let mut session = world.session(anonymous);
    session.socket.send(&json!({"auth": alice.credential}));
    assert_eq!(session.document(1, &path).state, data(1));
}
