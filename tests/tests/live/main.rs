//! Live queries: whatever happens, those who listen have what a query answers.

mod world;
mod worlds;
