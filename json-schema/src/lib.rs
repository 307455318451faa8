//! JSON Schema for the documents of a collection: compiles a schema, and checks data against it.
//!
//! The validation vocabulary of draft 2020-12 over plain JSON, small enough for the server's wasm. Left out, and refused
//! when a schema is read rather than passed over: references to other files, `$anchor`, `$dynamicRef`, `$id` below the
//! root, `unevaluatedProperties`, `unevaluatedItems`, `content…`, formats other than [`format::Format`]'s, and every word
//! that is no keyword. Added: `x-blaze-type`, as a typed value such as `{"$timestamp":…}` is an object in JSON.
//!
//! `format` is checked, as `true` is said by nobody who does not mean it. A `pattern` is of the crate `regex-lite`: the
//! part of ECMA-262 that is matched in linear time, without look-around, references back and Unicode's classes; `\d`,
//! `\w` and `\s` are ASCII's.
//!
//! What checking costs is bounded ([`limits`](blaze_schema::limits)): a document whose check takes more is refused.
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

mod check;
mod compile;
mod format;
mod multiple;

use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{SCHEMA_NESTING, SCHEMA_STEPS};
use blaze_schema::settings::{Field, Kind, Setting};
use blaze_schema::value::{Map, Number};
use check::{Check, Exceeded};
use format::Format;
use regex_lite::Regex;
use serde_json::Value;
use std::collections::BTreeMap;

/// A JSON Schema, compiled. Two are equal when they were the same text.
#[derive(Clone, Debug)]
pub struct Schema {
    source: Value,
    nodes: Vec<Node>,
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Schema {
    /// The description of a schema as a setting.
    pub const KIND: Kind = Kind::Other("a JSON Schema (an object or a boolean)");

    /// The keywords of a schema that is an object.
    pub const KEYWORDS: &[Field] = compile::KEYWORDS;

    /// Reads a schema.
    ///
    /// # Errors
    /// `invalid-argument` naming the place, such as `schema: properties.age.minimum: a string, not a number`: a word that is
    /// no keyword known here, a value that the keyword does not take, a reference that leads nowhere or back to itself, a
    /// limit exceeded.
    pub fn compile(schema: &Value) -> Result<Self, Error> {
        Schema::read(&Setting::new("schema", schema, Schema::KIND))
    }

    /// Reads a setting of [`Schema::KIND`].
    ///
    /// # Errors
    /// As [`Schema::compile`].
    pub fn read(schema: &Setting<'_>) -> Result<Self, Error> {
        let nodes = compile::compile(schema)?;
        Ok(Schema { source: schema.value().clone(), nodes })
    }

    /// Checks a document's data, in canonical form.
    ///
    /// # Errors
    /// `invalid-argument` naming the first [`SCHEMA_VIOLATIONS`](blaze_schema::limits::SCHEMA_VIOLATIONS) fields and what
    /// is wrong with them, such as `age: 17 is less than 18; address.zip: missing`. `resource-exhausted` when it takes
    /// more than [`SCHEMA_STEPS`] or [`SCHEMA_NESTING`].
    pub fn check(&self, data: &Map) -> Result<(), Error> {
        match Check::run(&self.nodes, data) {
            Ok(violations) if violations.is_empty() => Ok(()),
            Ok(violations) => Err(Error::invalid(violations.join("; "))),
            Err(Exceeded) => Err(Error::new(
                Code::ResourceExhausted,
                format!(
                    "data: to check it against the schema of its collection takes more than {SCHEMA_STEPS} steps, or {SCHEMA_NESTING} schemas inside each other"
                ),
            )),
        }
    }
}

/// Where a schema is among the nodes; the root is 0.
type Id = usize;

/// One schema: all its keywords must hold.
#[derive(Clone, Debug, Default)]
struct Node {
    keywords: Vec<Keyword>,
}

/// What a schema demands.
#[derive(Clone, Debug)]
enum Keyword {
    /// The schema `false`.
    Never,
    Type(Vec<Type>),
    Typed(Typed),
    Enum(Vec<Value>),
    Const(Value),
    Properties {
        named: BTreeMap<String, Id>,
        patterns: Vec<(Pattern, Id)>,
        additional: Option<Id>,
    },
    PropertyNames(Id),
    Required(Vec<String>),
    MinProperties(u64),
    MaxProperties(u64),
    Items {
        prefix: Vec<Id>,
        rest: Option<Id>,
    },
    Contains {
        schema: Id,
        min: u64,
        max: Option<u64>,
    },
    MinItems(u64),
    MaxItems(u64),
    UniqueItems,
    Minimum(Number),
    Maximum(Number),
    ExclusiveMinimum(Number),
    ExclusiveMaximum(Number),
    MultipleOf(Number),
    MinLength(u64),
    MaxLength(u64),
    Matches(Pattern),
    Format(Format),
    AllOf(Vec<Id>),
    AnyOf(Vec<Id>),
    OneOf(Vec<Id>),
    Not(Id),
    If {
        condition: Id,
        then: Option<Id>,
        otherwise: Option<Id>,
    },
    DependentRequired(Vec<(String, Vec<String>)>),
    DependentSchemas(Vec<(String, Id)>),
    Ref(Id),
}

impl Keyword {
    /// The schemas that it holds against the same value.
    fn in_place(&self) -> Vec<Id> {
        match self {
            Keyword::AllOf(ids) | Keyword::AnyOf(ids) | Keyword::OneOf(ids) => ids.clone(),
            Keyword::Not(id) | Keyword::Ref(id) => vec![*id],
            Keyword::If { condition, then, otherwise } => {
                [Some(*condition), *then, *otherwise].into_iter().flatten().collect()
            }
            Keyword::DependentSchemas(schemas) => schemas.iter().map(|(_, id)| *id).collect(),
            _ => Vec::new(),
        }
    }
}

/// JSON Schema's types.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Type {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

/// Blaze's, where JSON has an object.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Typed {
    Timestamp,
    Bytes,
    Reference,
    GeoPoint,
}

/// A regular expression, and what it costs at each character of a text.
#[derive(Clone, Debug)]
struct Pattern {
    regex: Regex,
    weight: usize,
}

#[cfg(test)]
mod tests;
