//! Live queries: whatever happens, those who listen have what a query answers.

mod bench;
mod frames;
mod limits;
mod resuming;
mod world;
mod worlds;
