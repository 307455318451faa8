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
//!
//! Beside isolates that end and calls that are lost, in some histories disks are full for a step, sockets break on the way,
//! alarms ring late and once more, and new settings are deployed. [`play`] is a fixed scene in which one thing goes wrong
//! at a given place.
//!
//! [`run_apps`] is a history of real clients (`blaze_client::core`), and what their applications are shown.
//!
//! [`run`] is a history of a seed: clients do what clients may ([`workload`]), each of their sockets applies every frame
//! ([`watch`]), and what they are shown is held against the states that documents had and the rules that were in force
//! ([`oracle`]); in the end the indexes' rows against those of new ones ([`index_rows`]). [`Sabotage`] breaks the shell, to see that this notices.

mod accounts;
mod apps;
mod blow;
mod delivery;
mod effects;
mod faults;
mod host;
mod index_rows;
mod ledger;
mod link;
mod oracle;
mod peer;
mod quiet;
mod rules;
mod sabotage;
mod scene;
mod shell;
mod socket;
mod steps;
mod watch;
mod workload;

pub use apps::run_apps;
pub use blow::{Blow, Met, Step};
pub use faults::Faults;
pub use sabotage::Sabotage;
pub use scene::{Scene, play};
pub use shell::{Cluster, Heard, Sent, Settings, State};
pub use workload::{Outcome, run};
