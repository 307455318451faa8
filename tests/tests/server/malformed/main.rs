//! Random and mutated requests and frames against the real server: no answer of 5xx, no hang, and nothing else changed.
//!
//! A panic in the server is seen by what it takes with it: the memory of every object of the isolate. A witness document
//! is read all the while, and each read must find it in memory.

mod frames;
mod named;
mod questions;
mod requests;
mod targets;

use blaze_tests::client::{Client, Reply};
use blaze_tests::random::Random;
use blaze_tests::seed::{seed, seed_or};
use blaze_tests::server::{TestServer, is_standalone};
use blaze_tests::socket::{Listener, Socket};
use serde_json::{Value, json};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const THREADS: usize = 8;
const WITNESS: &str = "/v1/docs/witness/witness";

/// Counts rows, so that a read tells whether the document was in memory. A collection is in one index, unless it is called
/// `eight`, which is how many shards it has.
static SERVER: LazyLock<TestServer> = LazyLock::new(|| {
    TestServer::start_with_collections(&json!({"eight": {"shards": 8, "group": true}}))
});

/// Some random bytes.
fn bytes(random: &mut Random, most: usize) -> Vec<u8> {
    (0..random.below(most + 1)).map(|_| random.below(256) as u8).collect()
}

/// Changes a few bytes, or cuts the end off.
fn mutate(random: &mut Random, text: &mut Vec<u8>) {
    for _ in 0..=random.below(3) {
        let place = random.below(text.len() + 1);
        match random.below(5) {
            0 => text.truncate(place),
            1 => text.insert(place, random.below(256) as u8),
            2 if place < text.len() => text[place] = random.below(256) as u8,
            3 if place < text.len() => drop(text.remove(place)),
            _ => {
                let again = text[place..].to_vec();
                text.extend(again);
            }
        }
    }
}

/// The witness, read through a client of its own.
struct Witness {
    client: Client,
    first: Reply,
}

impl Witness {
    fn new() -> Self {
        let client = SERVER.client();
        client.put(WITNESS, &json!({"n": 1})).send().expect(201);
        Witness { first: client.get(WITNESS).send().expect(200), client }
    }

    /// Reads it: unchanged, and without a row, which says that no object has lost its memory.
    fn look(&self) {
        let reply = self.client.get(WITNESS).send().expect(200);
        assert_eq!(reply.body, self.first.body);
        if is_standalone() {
            // Its panics are caught one by one.
            assert!(!SERVER.log().contains("panicked at"), "{}", SERVER.log());
        } else {
            assert_eq!(reply.header("blaze-rows-read"), Some("0"), "the server has panicked");
        }
    }
}

/// Does `attack` on several threads, `times` on each, with an eye on the witness.
fn attack(seed: u64, times: usize, attack: impl Fn(&mut Random) + Sync) {
    let mut random = Random::new(seed);
    let witness = Witness::new();
    let mut socket = Socket::open(&SERVER.url(), WITNESS);
    Listener::of(&mut socket);
    let running = AtomicUsize::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            let mut random = Random::new(random.bits());
            let (attack, running) = (&attack, &running);
            scope.spawn(move || {
                let done = Done(running);
                (0..times).for_each(|_| attack(&mut random));
                drop(done);
            });
        }
        while running.load(Ordering::Relaxed) > 0 {
            witness.look();
            thread::sleep(Duration::from_millis(20));
        }
    });
    witness.look();
    assert_eq!(socket.settled(), Vec::<Value>::new());
    assert_eq!(SERVER.client().get("/health").send().expect(200).json(), json!({"status": "ok"}));
    SERVER.client().delete(WITNESS).send().expect(204);
}

/// Says that a thread is done, also when it failed.
struct Done<'a>(&'a AtomicUsize);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One after the other: they share the witness.
#[test]
fn the_server_withstands_anything() {
    attack(seed(), 250, requests::attack);
    attack(seed(), 30, frames::attack);
    // 2,000 questions and 512 frames, always the same unless another seed is given.
    attack(seed_or(1), 2_000 / THREADS, questions::attack);
    attack(seed_or(2), 512 / THREADS / targets::FRAMES, targets::attack);
    questions::still_answers();
}
