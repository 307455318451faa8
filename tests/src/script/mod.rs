//! Golden scripts: commands and the answers that a Blaze gave to them, in a text that a user can read.
//!
//! ```text
//!   tests/scripts/documents.txt ──parse──▶ Script ──run──▶ the same text, with the answers of today
//!                                                    │
//!                                                    └─▶ Home: a server over HTTP, or one in this process
//! ```
//!
//! The form of a script is in `tests/scripts/README.md`. A run yields a whole script again, so that checking one is
//! comparing two texts ([`difference()`]) and recording one is writing a file. Values that differ from run to run have
//! names in it ([`names`]).

mod cluster_home;
mod difference;
mod home;
mod http_home;
mod json_layout;
mod names;
mod parse;
mod run;
pub(crate) mod token;

pub use cluster_home::ClusterHome;
pub use difference::difference;
pub use home::{Connection, Home, Received, Request, Response, Settings};
pub use http_home::HttpHome;
pub use run::run;

use std::fmt;

/// An error of a script itself, and its line, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// The line.
    pub line: usize,
    /// The mistake.
    pub detail: String,
}

impl ScriptError {
    fn new(line: usize, detail: impl Into<String>) -> Self {
        ScriptError { line, detail: detail.into() }
    }
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.detail)
    }
}
