//! The index of a collection, held against an oracle that looks at every document: what queries answer, what they read,
//! and what writes write.

mod answers;
mod official;
mod pages;
mod settings;
mod work;
mod writes;
