//! Who may do what, proved on the built server: every operation on every way in against an oracle, what a refusal tells
//! (nothing), what happens to those who listen when they may no longer, and writes that are on their way meanwhile.

mod abuse;
mod closed;
mod leaks;
mod live;
mod operations;
mod oracle;
mod races;
mod sockets;
mod table;
mod why;
mod world;
