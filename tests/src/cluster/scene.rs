//! Fixed scenes, each to be played again and again with another [blow](Blow).

use super::blow::{Blow, Met};
use super::rules::{Variant, Who};
use super::sabotage::Sabotage;
use super::socket::Socket;
use super::watch::Filter;
use super::workload::{Asked, World};
use serde_json::{Value, json};

const ALICE: Who = Who::User("alice");
/// The time between two acts (µs).
const PAUSE_MICROS: i64 = 300_000;
/// The time after the last act (µs) in which blows may yet be dealt.
const AFTER_MICROS: i64 = 15_000_000;
/// The seed of a world in which some sockets authenticate late, and of one with an account.
const SEEDS: [u64; 2] = [2, 7];

/// A scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// Writes of several kinds, a commit, live queries, rules that are replaced, a key that is revoked.
    Documents,
    /// An account that signs up and in, and uses its tokens.
    Account,
}

/// Plays a scene with these blows. Returns the places at which blows can be dealt.
///
/// # Panics
/// When an invariant does not hold in the end, saying which.
pub fn play(scene: Scene, plan: &[Blow], sabotage: Option<Sabotage>) -> Met {
    let mut world = World::new(SEEDS[usize::from(scene == Scene::Account)], sabotage);
    world.deploy(Variant::Wide);
    world.pass(PAUSE_MICROS);
    world.member("alice", true);
    for path in ["open/d0", "open/d1"] {
        world.keyed(Who::Root, "PUT", path, json!({"n": 6}));
    }
    world.pass(PAUSE_MICROS);
    world.cluster.deal(plan.to_vec());
    match scene {
        Scene::Documents => world.documents(),
        Scene::Account => {
            for _ in 0..6 {
                world.act_on_account();
                world.pass(PAUSE_MICROS);
            }
        }
    }
    // Alarms ring, and what is owed is told again.
    world.pass(AFTER_MICROS);
    let met = world.cluster.met.clone();
    world.cluster.deal(Vec::new());
    world.finish();
    let (made, done) = (world.counted("write of a scene"), world.counted("write"));
    assert_eq!(made, done, "writes that are repeated, and those that are done");
    met
}

impl World {
    fn documents(&mut self) {
        let mut socket = Socket::of_targets(ALICE);
        socket.add_query("open", Filter::AtLeast(5), self.oracle.floors("open"));
        socket.add_query("notes", Filter::Owner("alice"), self.oracle.floors("notes"));
        socket.add_document("open/d1");
        self.open(socket);
        self.open(Socket::of_document(ALICE, "open/d0"));
        self.pass(PAUSE_MICROS);
        self.keyed(ALICE, "PUT", "open/d0", json!({"n": 7}));
        self.pass(PAUSE_MICROS);
        self.keyed(ALICE, "PATCH", "open/d0", json!({"n": {"$increment": 1}}));
        self.keyed(ALICE, "PUT", "notes/n0", json!({"owner": "alice", "n": 1}));
        self.pass(PAUSE_MICROS);
        self.say();
        self.deploy(Variant::Known);
        self.pass(PAUSE_MICROS);
        let marker = format!("w{}", self.number());
        let writes = ["open/d0", "rooms/r/messages/m0"]
            .map(|path| json!({"merge": path, "data": {"last": marker}}));
        let sent = self.sent(&ALICE, "POST", "/v1/commit", &json!({"writes": writes}));
        self.ask(ALICE, sent, Asked::Commit { path: "open/d0", marker });
        self.keyed(ALICE, "DELETE", "open/d1", Value::Null);
        self.pass(PAUSE_MICROS);
        self.make_key();
        self.pass(PAUSE_MICROS);
        self.revoke_key();
        self.read_document(ALICE, "notes/n0");
        self.query(ALICE, "notes", Filter::Owner("alice"));
        self.pass(PAUSE_MICROS);
    }

    /// A write that is repeated until it is done.
    fn keyed(&mut self, who: Who, method: &str, path: &'static str, mut body: Value) {
        let marker = format!("w{}", self.number());
        if body.is_object() {
            body["last"] = json!(marker);
        }
        self.count("write of a scene");
        let mut sent = self.sent(&who, method, &format!("/v1/docs/{path}"), &body);
        sent.headers.push(("idempotency-key".to_owned(), marker.clone()));
        let marker = body.is_object().then_some(marker);
        let asked = Asked::Write { sent: sent.clone(), path, marker, repeats: 5 };
        self.ask(who, sent, asked);
    }
}
