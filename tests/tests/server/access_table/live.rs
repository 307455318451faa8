//! Those who listen, when they may no longer: the document is no longer theirs, the rules are others, what the rules
//! looked at is gone, their token ends.

use crate::world::{LONG, Person, Place, RULES, Who, World, put_rules, token, world};
use blaze_tests::client::{JSON, Reply};
use blaze_tests::socket::{Listener, Socket};
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than it takes an idle object to lose its memory: see `hibernation.rs`.
const IDLE: Duration = Duration::from_secs(20);
/// Within so long `/v1/listen` finds out that something has changed of which no frame tells.
const SOON: Duration = Duration::from_secs(9);

/// Asserts that a socket's next and last frame is this refusal.
fn assert_ended(socket: Socket, code: &str, close: u16) {
    let (messages, closed) = socket.ended();
    let [error] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!((error["type"].as_str(), error["code"].as_str()), (Some("error"), Some(code)));
    assert!(!error.to_string().contains("secret"), "{error}");
    assert_eq!(closed, close);
}

fn assert_denied(frame: &Value) {
    assert_eq!(frame["type"], "error", "{frame}");
    assert_eq!(frame["code"], "permission-denied", "{frame}");
    assert!(!frame.to_string().contains("secret"), "{frame}");
}

fn update(world: &World, path: &str, change: &Value) -> Reply {
    world.admin.patch(&format!("/v1/docs/{path}"), JSON, change).send().expect(200)
}

/// What a change does that takes the document away from alice.
fn taken() -> Value {
    json!({"owner": "bob", "secret": "secret"})
}

#[test]
fn who_may_no_longer_see_a_document_is_not_sent_how_it_changed() {
    let world = world();
    let (alice, admin) = (world.person("alice"), world.person("admin"));
    let path = Place::Notes.existing(&world.admin);
    let mut sockets = [alice, alice, admin].map(|person| world.socket(person, &path));
    let mut listeners = sockets.each_mut().map(Listener::of);
    let mut sessions = [alice, admin].map(|person| world.session(person));
    let mut targets = sessions.each_mut().map(|session| session.document(1, &path));
    let version = update(world, &path, &json!({"n": 2})).version();
    for (listener, socket) in listeners.iter_mut().zip(&mut sockets) {
        listener.follow(socket, version);
    }
    for (listener, session) in targets.iter_mut().zip(&mut sessions) {
        listener.apply(&session.next(1));
    }
    let version = update(world, &path, &taken()).version();
    let [first, second, mut still] = sockets;
    for socket in [first, second] {
        assert_ended(socket, "permission-denied", 4403);
    }
    let [mut session, mut other] = sessions;
    assert_denied(&session.next(1));
    // The socket of many targets goes on.
    assert_eq!(session.socket.settled(), [] as [Value; 0]);
    // Others see it, and what comes after.
    listeners[2].follow(&mut still, version);
    targets[1].apply(&other.next(1));
    let version = update(world, &path, &json!({"owner": "alice"})).version();
    listeners[2].follow(&mut still, version);
    targets[1].apply(&other.next(1));
    assert_eq!(listeners[2].state, targets[1].state);
    // And alice again, from where she was: with all that happened meanwhile, as `GET` would show it now.
    let mut socket = world.socket(alice, &format!("{path}{}", listeners[0].resume()));
    listeners[0].follow(&mut socket, version);
    assert_eq!(listeners[0].state, world.admin.data(&format!("/v1/docs/{path}")));
}

#[test]
fn who_loses_a_document_by_its_deletion_is_not_told_of_it() {
    let world = world();
    let path = Place::Notes.existing(&world.admin);
    let socket = world.socket(world.person("alice"), &path);
    let mut session = world.session(world.person("alice"));
    session.document(1, &path);
    let mut public = world.socket(world.person("admin"), &path);
    let mut listener = Listener::of(&mut public);
    world.admin.delete(&format!("/v1/docs/{path}")).send().expect(204);
    let (messages, code) = socket.ended();
    assert_eq!((messages.len(), code), (2, 4403), "the snapshot, and the end: {messages:?}");
    assert_denied(&messages[1]);
    assert_denied(&session.next(1));
    listener.follow(&mut public, 2);
    assert_eq!(listener.state, Value::Null);
}

#[test]
fn what_is_no_longer_found_by_a_query_that_may_be_asked_is_removed_from_it() {
    let world = world();
    let path = Place::Notes.existing(&world.admin);
    let id = path.rsplit('/').next().unwrap();
    let mut session = world.session(world.person("alice"));
    let filter = json!({"and": [
        {"field": "owner", "op": "==", "value": "alice"},
        {"field": "own", "op": "==", "value": id},
    ]});
    update(world, &path, &json!({"own": id}));
    let mut result = session.query(1, &json!({"from": "notes", "where": filter}));
    assert_eq!(result.ids(), [id]);
    update(world, &path, &taken());
    let frame = session.next(1);
    assert!(!frame.to_string().contains("secret"), "{frame}");
    assert_eq!(result.apply(&frame).changes, [format!("removed {id}")]);
    // It is no longer hers: nothing of it.
    update(world, &path, &json!({"secret": "another secret"}));
    assert_eq!(session.next_within(1, Duration::from_millis(300)), None);
}

const CLOSED_NOTES: &str = "match /public/{id} { allow read: if true; }";

#[test]
fn other_rules_hold_for_those_who_listen() {
    let world = World::new(RULES, &[]);
    let (alice, admin) = (world.person("alice"), world.person("admin"));
    let [path, public] = [Place::Notes, Place::Public].map(|place| place.existing(&world.admin));
    let mut socket = world.socket(alice, &path);
    let mut all = world.socket(alice, &public);
    let mut still = world.socket(admin, &path);
    let mut listeners = [&mut socket, &mut all, &mut still].map(Listener::of);
    let mut session = world.session(alice);
    let filter = json!({"field": "owner", "op": "==", "value": "alice"});
    session.document(1, &path);
    session.query(2, &json!({"from": "notes", "where": filter}));
    session.document(3, &public);
    let mut found = session.query(4, &json!({"from": "public"}));
    // Rules that allow the same are nobody's end.
    put_rules(&world.admin, &format!("{RULES}\n// the same\n"));
    let version = update(&world, &path, &json!({"n": 2})).version();
    listeners[0].follow(&mut socket, version);
    session.next(1);
    session.next(2);
    put_rules(&world.admin, CLOSED_NOTES);
    let since = Instant::now();
    // Without any change of the document.
    for target in [1, 2] {
        let frame = session.next_within(target, SOON).expect("the end of the target");
        assert_denied(&frame);
    }
    assert!(since.elapsed() < SOON);
    let version = update(&world, &path, &json!({"secret": "secret"})).version();
    assert_ended(socket, "permission-denied", 4403);
    listeners[2].follow(&mut still, 2);
    listeners[2].follow(&mut still, version);
    // What they still allow goes on.
    let version = update(&world, &public, &json!({"n": 2})).version();
    listeners[1].follow(&mut all, version);
    assert_eq!(session.next(3)["version"], version);
    found.apply(&session.next(4));
    assert_eq!(found.documents[0]["version"], version);
    assert_eq!(session.next_within(1, Duration::from_millis(100)), None);
    assert_eq!(session.next_within(2, Duration::from_millis(100)), None);
}

/// Alice with a token that ends in so many seconds.
fn alice_for(seconds: i64) -> Person {
    let credential = Some(token("alice", &[], seconds));
    Person { name: "alice for a while", who: Who::Alice, credential }
}

#[test]
fn a_token_that_ends_ends_the_sockets_and_a_new_one_prolongs_them() {
    let world = world();
    let path = Place::Notes.existing(&world.admin);
    let brief = alice_for(4);
    let mut sockets = [&brief, &brief].map(|person| world.socket(person, &path));
    let mut listeners = sockets.each_mut().map(Listener::of);
    let mut sessions = [&brief, &brief].map(|person| world.session(person));
    for session in &mut sessions {
        session.document(1, &path);
        let filter = json!({"field": "owner", "op": "==", "value": "alice"});
        session.query(2, &json!({"from": "notes", "where": filter, "limit": 1}));
    }
    let [ends, mut goes_on] = sockets;
    let [ending, mut session] = sessions;
    // One token after another, and the same one twice.
    for renewal in [token("alice", &[], 3), token("alice", &[], LONG)] {
        for _ in 0..2 {
            goes_on.send(&json!({"auth": renewal}));
            session.socket.send(&json!({"auth": renewal}));
        }
        let version = update(world, &path, &json!({"n": {"$increment": 1}})).version();
        listeners[1].follow(&mut goes_on, version);
        assert_eq!(session.next(1)["version"], version);
    }
    // No frame is missing: `follow` would see a gap.
    let end = Instant::now() + Duration::from_secs(15);
    let mut version = 0;
    while Instant::now() < end {
        version = update(world, &path, &json!({"n": {"$increment": 1}})).version();
        listeners[1].follow(&mut goes_on, version);
        assert_eq!(session.next(1)["version"], version);
        thread::sleep(Duration::from_millis(500));
    }
    for socket in [ends, ending.socket] {
        let (messages, code) = socket.ended();
        assert_eq!(code, 4401);
        let (error, frames) = messages.split_last().unwrap();
        assert_eq!(error["code"], "unauthenticated", "{error}");
        // What changed after the token's end was not told: 15 s at two a second.
        assert!(frames.iter().all(|frame| frame["version"].as_u64() < Some(version - 10)));
    }
    listeners[1].follow(&mut goes_on, version);
}

#[test]
fn a_token_of_somebody_else_makes_a_socket_somebody_elses() {
    let world = world();
    let path = Place::Notes.existing(&world.admin);
    let [alice, bob] = ["alice", "bob"].map(|name| world.person(name));
    let mut socket = world.socket(alice, &path);
    assert_eq!(socket.receive()["type"], "snapshot");
    let mut session = world.session(alice);
    session.document(1, &path);
    socket.send(&json!({"auth": bob.credential}));
    session.socket.send(&json!({"auth": bob.credential}));
    assert_ended(socket, "permission-denied", 4403);
    assert_denied(&session.next(1));
    let answer = session.write("w", json!({"update": path, "data": {"n": 9}}));
    assert_eq!(answer["error"]["code"], "permission-denied", "{answer}");
}

#[test]
fn objects_that_lost_their_memory_know_who_listens() {
    let world = World::new(RULES, &[("COUNT_ROWS", "1")]);
    let admin = world.person("admin");
    let brief = alice_for(25);
    let alice = world.person("alice");
    let paths = [(); 3].map(|()| Place::Notes.existing(&world.admin));
    let people = [alice, &brief, alice];
    let mut sockets: Vec<Socket> =
        paths.iter().zip(people).map(|(path, person)| world.socket(person, path)).collect();
    sockets.iter_mut().for_each(|socket| drop(Listener::of(socket)));
    let mut others: Vec<Socket> = paths.iter().map(|path| world.socket(admin, path)).collect();
    let mut listeners: Vec<Listener> = others.iter_mut().map(Listener::of).collect();
    thread::sleep(IDLE);
    // The change wakes the object: it reads its row.
    let reply = update(&world, &paths[0], &taken());
    assert_ne!(reply.header("blaze-rows-read"), Some("0"), "the object has not hibernated");
    assert_ended(sockets.remove(0), "permission-denied", 4403);
    listeners[0].follow(&mut others[0], reply.version());
    // A renewal wakes it.
    let last = &mut sockets[1];
    last.send(&json!({"auth": token("alice", &[], LONG)}));
    assert_eq!(last.settled(), [] as [Value; 0]);
    let version = update(&world, &paths[2], &json!({"n": 2})).version();
    assert_eq!(last.receive()["version"], version);
    update(&world, &paths[2], &taken());
    assert_ended(sockets.remove(1), "permission-denied", 4403);
    // The token's end wakes it, or else nothing.
    assert_ended(sockets.remove(0), "unauthenticated", 4401);
    listeners[1].follow(&mut others[1], 1);
    let version = update(&world, &paths[1], &taken()).version();
    listeners[1].follow(&mut others[1], version);
}

/// Rooms are for members, and what is in them for those of a role.
const ROOMS: &str = "
match /rooms/{room} {
  allow read: if exists(/rooms/$(room)/members/$(request.auth.uid));
  allow write: if get(/rooms/$(room)/members/$(request.auth.uid)).data.writes == true;
}
match /staff/{id} { allow read: if hasRole('staff'); }
";

#[test]
fn who_listens_by_what_rules_look_at_elsewhere_loses_it_with_that() {
    let world = World::new(ROOMS, &[]);
    let put = |path: &str, data: Value| {
        let reply = world.admin.put(&format!("/v1/docs/{path}"), &data).send();
        assert!(reply.status < 300, "{}", reply.text());
        reply.version()
    };
    for (path, data) in [
        ("rooms/r", json!({"n": 1})),
        ("staff/s", json!({"n": 1})),
        ("rooms/r/members/alice", json!({"writes": true})),
        ("rooms/r/members/bob", json!({})),
        ("roles/alice", json!({"roles": ["staff"]})),
        ("roles/bob", json!({"roles": ["staff"]})),
    ] {
        put(path, data);
    }
    let [alice, bob] = ["alice", "bob"].map(|name| world.person(name));
    let open = |person: &Person| {
        ["rooms/r", "staff/s"].map(|path| {
            let mut socket = world.socket(person, path);
            let listener = Listener::of(&mut socket);
            (socket, listener)
        })
    };
    let (mut alices, mut bobs) = (open(alice), open(bob));
    let mut session = world.session(alice);
    let mut member = session.document(1, "rooms/r");
    // Writes by frames ask the same.
    let write = json!({"write": {"id": "w", "update": "rooms/r", "data": {"n": 2}}});
    bobs[0].0.send(&write);
    assert_eq!(bobs[0].0.receive()["error"]["code"], "permission-denied");
    alices[0].0.send(&write);
    for (socket, listener) in [&mut alices[0], &mut bobs[0]] {
        listener.follow(socket, 2);
    }
    assert_eq!(alices[0].0.receive()["result"]["version"], 2);
    member.apply(&session.next(1));
    for path in ["rooms/r/members/alice", "roles/alice"] {
        world.admin.delete(&format!("/v1/docs/{path}")).send().expect(204);
    }
    // What was looked up may be remembered for ten seconds.
    thread::sleep(Duration::from_secs(11));
    let secret = json!({"secret": "secret"});
    let versions = ["rooms/r", "staff/s"].map(|path| update(&world, path, &secret).version());
    for (socket, _) in alices {
        assert_ended(socket, "permission-denied", 4403);
    }
    assert_denied(&session.next(1));
    for ((socket, listener), version) in bobs.iter_mut().zip(versions) {
        listener.follow(socket, version);
    }
}
