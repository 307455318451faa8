//! A world in one process: clients, a network, documents' objects. Everything real but the world: the client's
//! [`Replica`](blaze_client::core::replica::Replica) with its requests and answers, the engine's HTTP and
//! [`Document`](blaze_engine::document::Document). Time, chance and every order of events come from a seed, so the same
//! seed is the same run, and a failure can be looked at again and again.
//!
//! ```text
//!   peer = one client's replica of one document
//!
//!   peers ── requests: late, lost, twice, answered too late ──▶ objects: crash between any two effects, lose their
//!         ◀─ answers, in any order ───────────────────────────          memory, meet a full disk, start over empty
//!         ◀═ sockets: in order, cut with or without a word ══▶
//! ```
//!
//! Who judges: [`history`] knows every state that a document ever had, from its row; `peer` holds what a client is
//! shown against it, and computes by itself what should be shown. One document of each world is a *ledger*, to which
//! writes only add: a counter and a set of tokens, which must agree in every state that anybody sees, so that a write
//! counted twice or lost shows without any knowledge of how it happened.

mod faults;
mod history;
mod indexes;
mod links;
mod network;
mod object;
mod peer;
mod queue;
mod reader;
mod sabotage;
mod scene;
mod steps;
mod trace;
mod watch;
mod world;
mod writes;

pub use sabotage::Sabotage;
pub use world::{Outcome, Stats};

/// Runs the world of `seed`, with something broken on purpose or not.
///
/// # Panics
/// When an invariant does not hold, saying which.
pub fn run(seed: u64, sabotage: Option<Sabotage>, print: bool) -> Outcome {
    world::World::new(seed, sabotage, print).run()
}
