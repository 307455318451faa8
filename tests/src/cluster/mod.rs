//! A whole Blaze in one process: the engine's [actors](blaze_engine::actor::Actor) and a shell that carries out their
//! effects as `server/host.js` does, under virtual time and by a seed. Without faults it is a plain server.
//!
//! ```text
//!   client ──request──▶ front ──Pass, Relay, Call──▶ object ──Call──▶ object …      isolate: a node, a front, objects,
//!          ◀─answer────   │                            │ rows, alarm, attachments            listeners
//!          ◀═socket═▶ listener ◀═════socket═══════════▶│          survive a crash
//! ```
//!
//! A step of an actor and its effects are atomic, unless a fault ends the isolate between them: before the commit nothing
//! of the step remains, after it all rows, and the first of its effects.

mod delivery;
mod effects;
mod faults;
mod host;
mod link;
mod shell;

pub use faults::Faults;
pub use shell::{Cluster, Heard, Sent, Settings};
