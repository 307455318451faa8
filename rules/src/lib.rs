//! Security rules: compiles their text, decides a request or a query, and explains a refusal.
//!
//! The language is that of Firestore's rules ("Structuring Cloud Firestore Security Rules"): a frame of `match` and
//! `allow`, and expressions of CEL. [`scan`] makes tokens of the text, [`frame`] reads the frame, and [`parse`] the
//! expressions; [`eval`] evaluates them within a budget; [`facts`] is what a query says of its documents; [`explain`] says
//! why something was refused.
//!
//! Nothing here panics, whatever the input: a panic takes down every document of an isolate.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::string_slice
)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::string_slice))]

pub mod auth;
pub mod cases;
mod compile;
mod cursor;
mod decide;
mod eval;
pub mod explain;
mod expr;
mod facts;
mod frame;
mod functions;
mod hashing;
mod literal;
mod operators;
mod parse;
mod scan;
mod slices;
mod state;
#[cfg(test)]
mod tests;
mod times;
mod value;

use self::explain::{Explanation, Values};
use auth::Auth;
use blaze_schema::path::DocumentPath;
use blaze_schema::query::Query;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::value::Map;
use std::collections::{BTreeMap, BTreeSet};

/// What a request does to a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Reads one document, or listens to it.
    Get,
    /// Reads documents by a query: once, live, or aggregated.
    List,
    /// Writes a document that does not exist.
    Create,
    /// Writes one that does.
    Update,
    /// Removes it.
    Delete,
}

impl Method {
    /// The method as rules call it: `request.method`.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "get",
            Method::List => "list",
            Method::Create => "create",
            Method::Update => "update",
            Method::Delete => "delete",
        }
    }

    /// The method that rules call so.
    pub fn parse(text: &str) -> Option<Self> {
        [Method::Get, Method::List, Method::Create, Method::Update, Method::Delete]
            .into_iter()
            .find(|method| method.as_str() == text)
    }
}

/// A document as rules see it. What it does not say is not there: no document is `None` around this.
#[derive(Clone, Copy, Debug)]
pub struct Resource<'a> {
    /// The data as compact JSON. It is read only if a rule looks at it.
    pub data: &'a str,
    /// When it was created.
    pub create_time: Timestamp,
    /// When it last changed.
    pub update_time: Timestamp,
}

/// Documents that rules asked for by `get()` and `exists()`, as they were found; `None` is one that does not exist.
pub type Lookups = BTreeMap<DocumentPath, Option<Map>>;

/// Somebody wants to do something to a document.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What.
    pub method: Method,
    /// To which document.
    pub path: &'a DocumentPath,
    /// Who; `None` is anonymous.
    pub auth: Option<&'a Auth>,
    /// When: `request.time`.
    pub time: Timestamp,
    /// The document as it is: `resource`.
    pub before: Option<Resource<'a>>,
    /// The document as it would be after a create or update: `request.resource`.
    pub after: Option<Resource<'a>>,
    /// What is known of other documents.
    pub lookups: &'a Lookups,
}

/// Somebody wants what a query finds.
#[derive(Clone, Copy, Debug)]
pub struct QueryRequest<'a> {
    /// The query.
    pub query: &'a Query,
    /// Who; `None` is anonymous.
    pub auth: Option<&'a Auth>,
    /// When: `request.time`.
    pub time: Timestamp,
    /// What is known of other documents.
    pub lookups: &'a Lookups,
}

/// What a decision rests on: while that stays as it is, so does the decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Basis {
    /// It looked at the document, as it is or as it would be.
    pub resource: bool,
    /// It looked at other documents.
    pub lookups: bool,
    /// It looked at the time.
    pub time: bool,
}

/// A decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be done.
    Allowed(Basis),
    /// It may not.
    Denied(Basis),
    /// These documents have to be looked up first: decide again with them (and those that there were already).
    Needs(BTreeSet<DocumentPath>),
}

/// What is wrong with the text of rules, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What.
    pub message: String,
}

/// Rules, compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    functions: Vec<eval::UserFunction>,
    rules: Vec<compile::Rule>,
    source: explain::Source,
}

impl Rules {
    /// Reads the text of rules.
    ///
    /// # Errors
    /// All that is wrong with it, in the order of the text; never empty.
    pub fn compile(text: &str) -> Result<Self, Vec<Diagnostic>> {
        compile::compile(text)
    }

    /// Whether a request may be done. What no rule allows is denied; a rule that fails to be evaluated allows nothing.
    pub fn decide(&self, request: &Request<'_>) -> Verdict {
        decide::decide(self, request)
    }

    /// Whether a query may be asked: whether the rules allow `list` for every document that it could ever find, known
    /// only by what the query says of it. Rules are not filters (Firestore: "Securely query data").
    pub fn decide_query(&self, request: &QueryRequest<'_>) -> Verdict {
        decide::decide_query(self, request)
    }

    /// Why [`Rules::decide`] decides as it does: it evaluates again, part by part, which takes many times as long.
    pub fn explain(&self, request: &Request<'_>, values: Values) -> Explanation {
        explain::explain(self, request, values)
    }

    /// Why [`Rules::decide_query`] decides as it does.
    pub fn explain_query(&self, request: &QueryRequest<'_>, values: Values) -> Explanation {
        explain::explain_query(self, request, values)
    }
}
