//! Access that is taken away while writes are on their way.

use crate::world::{LONG, Place, RULES, World, new_key, put_rules, token};
use blaze_tests::client::{Client, JSON};
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Those who write at once: over HTTP, by a document's socket, by `/v1/listen`.
const WRITERS: usize = 6;
const ROUNDS: usize = 12;

/// A write: when it was sent, and the version that it made, if it was accepted.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    sent: Instant,
    version: Option<u64>,
}

/// Ends what others do in a loop, also when what it stands beside panics: they would be waited for.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Writes a document again and again, one way or another, until told to stop; each a little after the other.
fn write(world: &World, number: usize, token: &str, path: &str, stop: &AtomicBool) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    let client = world.admin.bearing(Some(token));
    let url = format!("/v1/docs/{path}");
    let change = json!({"n": {"$increment": 1}});
    let mut session = blaze_tests::socket::Session::open_as(&world.server.url(), Some(token));
    while !stop.load(Ordering::Relaxed) {
        let sent = Instant::now();
        let version = if number.is_multiple_of(3) {
            let id = attempts.len().to_string();
            let answer = session.write(&id, json!({"update": path, "data": change}));
            assert!(
                answer["error"].is_null()
                    || answer["error"]["code"] == "permission-denied"
                    || answer["error"]["code"] == "unauthenticated",
                "{answer}"
            );
            answer["result"]["version"].as_u64()
        } else {
            let reply = client.patch(&url, JSON, &change).send();
            assert!([200, 401, 403].contains(&reply.status), "{}", reply.text());
            (reply.status == 200).then(|| reply.version())
        };
        attempts.push(Attempt { sent, version });
    }
    attempts
}

/// Lets all write, takes their access away, and lets them try a little longer: what they did, what `revoke` gave, and when
/// it was answered.
fn race<T>(
    world: &World,
    token: &str,
    path: &str,
    round: usize,
    revoke: impl FnOnce() -> T,
) -> (Vec<Attempt>, T, Instant) {
    let stop = AtomicBool::new(false);
    let attempts = Mutex::new(Vec::new());
    let (revoked, answered) = thread::scope(|scope| {
        for number in 0..WRITERS {
            let (stop, attempts) = (&stop, &attempts);
            scope.spawn(move || {
                let made = write(world, number, token, path, stop);
                attempts.lock().unwrap().extend(made);
            });
        }
        let _ending = Ending(&stop);
        thread::sleep(Duration::from_millis(60 + 7 * (round % 10) as u64));
        let revoked = revoke();
        let answered = Instant::now();
        thread::sleep(Duration::from_millis(60));
        (revoked, answered)
    });
    let attempts = attempts.into_inner().unwrap();
    assert!(attempts.iter().any(|one| one.version.is_some()), "nobody wrote before");
    let later = attempts.iter().filter(|one| one.sent > answered);
    assert!(later.count() >= WRITERS, "nobody tried after");
    (attempts, revoked, answered)
}

fn assert_none_after(attempts: &[Attempt], answered: Instant) {
    for attempt in attempts.iter().filter(|one| one.sent > answered) {
        let late = attempt.sent - answered;
        assert_eq!(attempt.version, None, "accepted, sent {late:?} after the revocation's answer");
    }
}

/// Everything that was accepted made a version of its own, up to the last.
fn assert_versions(attempts: &[Attempt], admin: &Client, path: &str, others: &[u64]) {
    let mut versions: Vec<u64> = attempts.iter().filter_map(|one| one.version).collect();
    versions.extend(others);
    versions.sort_unstable();
    let last = admin.get(&format!("/v1/docs/{path}")).send().version();
    assert_eq!(versions, (1..=last).collect::<Vec<_>>(), "{path}");
}

#[test]
fn no_write_of_a_former_owner_comes_after_the_new_one() {
    let world = World::new(RULES, &[]);
    let alice = token("alice", &[], LONG);
    for round in 0..ROUNDS {
        let path = Place::Notes.existing(&world.admin);
        let give = || {
            let url = format!("/v1/docs/{path}");
            world.admin.patch(&url, JSON, &json!({"owner": "bob"})).send().expect(200).version()
        };
        let (attempts, given, answered) = race(&world, &alice, &path, round, give);
        // In the order of versions: not one, whenever it was sent.
        let last = attempts.iter().filter_map(|one| one.version).max().unwrap();
        assert!(last < given, "round {round}: version {last} is alice's, and {given} took it away");
        assert_none_after(&attempts, answered);
        assert_versions(&attempts, &world.admin, &path, &[1, given]);
        let now = world.admin.data(&format!("/v1/docs/{path}"));
        assert_eq!((&now["owner"], now["n"].as_u64()), (&json!("bob"), Some(last)), "{now}");
    }
}

#[test]
fn no_write_begins_by_a_grant_that_is_gone() {
    let world = World::new(RULES, &[]);
    for round in 0..ROUNDS {
        let uid = format!("u{round}");
        let grant = format!("/v1/docs/roles/{uid}");
        world.admin.put(&grant, &json!({"roles": ["editor"]})).send().expect(201);
        let path = Place::Deep.existing(&world.admin);
        let revoke = || match round % 2 {
            0 => world.admin.delete(&grant).send().expect(204),
            _ => world.admin.put(&grant, &json!({"roles": []})).send().expect(200),
        };
        let (attempts, _, answered) = race(&world, &token(&uid, &[], LONG), &path, round, revoke);
        assert_none_after(&attempts, answered);
        assert_versions(&attempts, &world.admin, &path, &[1]);
    }
}

#[test]
fn no_write_begins_with_a_key_that_is_revoked() {
    let world = World::new(RULES, &[]);
    for round in 0..ROUNDS {
        let (key, id) = new_key(&world.admin, "race", &["editor"]);
        let path = Place::Deep.existing(&world.admin);
        let url = format!("/v1/keys/{id}");
        let revoke = || world.admin.delete(&url).send().expect(204);
        let (attempts, _, answered) = race(&world, &key, &path, round, revoke);
        assert_none_after(&attempts, answered);
        assert_versions(&attempts, &world.admin, &path, &[1]);
    }
}

#[test]
fn no_write_begins_by_rules_that_are_replaced() {
    let world = World::new(RULES, &[]);
    let editor = token("erin", &["editor"], LONG);
    for round in 0..ROUNDS {
        put_rules(&world.admin, RULES);
        let path = Place::Deep.existing(&world.admin);
        let other = format!("match /deep/{{path=**}} {{ allow read: if true; }}\n// {round}\n");
        let (attempts, (), answered) =
            race(&world, &editor, &path, round, || put_rules(&world.admin, &other));
        assert_none_after(&attempts, answered);
        assert_versions(&attempts, &world.admin, &path, &[1]);
    }
}

#[test]
fn who_reads_while_access_is_taken_away_sees_nothing_of_what_is_new() {
    let world = World::new(RULES, &[]);
    let alice = token("alice", &[], LONG);
    for _ in 0..ROUNDS {
        let path = Place::Notes.existing(&world.admin);
        let url = format!("/v1/docs/{path}");
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let client = world.admin.bearing(Some(&alice));
                    let mut refused = false;
                    while !stop.load(Ordering::Relaxed) {
                        let reply = client.get(&url).send();
                        assert!(!reply.text().contains("bob"), "{}", reply.text());
                        assert!(!refused || reply.status == 403, "once more, after a refusal");
                        refused = reply.status == 403;
                    }
                    assert!(refused);
                });
            }
            let _ending = Ending(&stop);
            let sockets: Vec<_> = (0..3)
                .map(|_| {
                    blaze_tests::socket::Socket::open_as(&world.server.url(), &url, Some(&alice))
                })
                .collect();
            for n in 2..6 {
                world.admin.patch(&url, JSON, &json!({"n": n})).send().expect(200);
            }
            let taken = json!({"owner": "bob", "n": 6});
            world.admin.patch(&url, JSON, &taken).send().expect(200);
            world.admin.patch(&url, JSON, &json!({"n": 7})).send().expect(200);
            for socket in sockets {
                let (messages, code) = socket.ended();
                // The snapshot, and a patch for each of the versions 2 to 5.
                let versions: Vec<&Value> =
                    messages.iter().map(|message| &message["version"]).collect();
                assert_eq!(code, 4403);
                assert_eq!(
                    versions,
                    [&json!(1), &json!(2), &json!(3), &json!(4), &json!(5), &Value::Null]
                );
            }
        });
    }
}
