//! Values while rules are evaluated: borrowed where they can be.

use super::expr::Constant;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::value::{Kind, Map, Number, kind};
use serde_json::Value;
use std::ops::Deref;
use std::rc::Rc;

/// A type, as it stands after `is` and as `type()` gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Bytes,
    Duration,
    Float,
    Int,
    LatLng,
    List,
    Map,
    Null,
    Number,
    Path,
    Set,
    String,
    Timestamp,
    /// What `type()` gives.
    Kind,
}

impl Type {
    /// The type that has this name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "bool" => Type::Bool,
            "bytes" => Type::Bytes,
            "duration" => Type::Duration,
            "float" | "double" => Type::Float,
            "int" => Type::Int,
            "latlng" => Type::LatLng,
            "list" => Type::List,
            "map" => Type::Map,
            "null" | "null_type" => Type::Null,
            "number" => Type::Number,
            "path" => Type::Path,
            "set" => Type::Set,
            "string" => Type::String,
            "timestamp" => Type::Timestamp,
            _ => return None,
        })
    }
}

/// A text, borrowed or shared: copying it copies no characters.
#[derive(Clone, Debug)]
pub(super) enum Text<'a> {
    Borrowed(&'a str),
    Shared(Rc<str>),
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Text::Borrowed(text) => text,
            Text::Shared(text) => text,
        }
    }
}

/// Which of the two states of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Before,
    After,
}

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Val<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Text<'a>),
    Bytes(Rc<[u8]>),
    Time(Timestamp),
    /// Microseconds.
    Duration(i64),
    /// A document's path, without `/databases/…/documents/`.
    Path(Text<'a>),
    LatLng(f64, f64),
    Type(Type),
    /// A list of a document.
    Array(&'a [Value]),
    /// A map of a document.
    Object(&'a Map),
    /// A list that an expression made.
    List(Rc<[Val<'a>]>),
    /// No two elements are equal.
    Set(Rc<[Val<'a>]>),
    /// A map that an expression made: no two keys are equal.
    Map(Rc<[(Val<'a>, Val<'a>)]>),
    /// Two maps, the second being compared with the first.
    Diff(Rc<(Val<'a>, Val<'a>)>),
    Request,
    Auth,
    Query,
    Resource(Which),
    /// Another document.
    Found(Text<'a>, &'a Map),
    /// Any document that a query finds.
    Any,
    /// The field at these keys of any document that a query finds, if it has it; the data itself without keys.
    Part(Rc<[Text<'a>]>),
}

/// Why an expression has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fail {
    /// It is in error.
    Error,
    /// It cannot be known: any value, or an error.
    Unknown,
    /// Documents have to be looked up first.
    Needs,
    /// The decision has cost too much.
    Spent,
}

impl<'a> Val<'a> {
    /// A value of a document.
    pub(super) fn from_json(value: &'a Value) -> Self {
        match kind(value) {
            Kind::Null => Val::Null,
            Kind::Boolean(boolean) => Val::Bool(boolean),
            Kind::Number(Number::Integer(integer)) => Val::Int(integer),
            Kind::Number(Number::Double(double)) => Val::Float(double),
            Kind::Timestamp(time) => Val::Time(time),
            Kind::String(text) => Val::Text(Text::Borrowed(text)),
            Kind::Bytes(bytes) => Val::Bytes(bytes.into()),
            Kind::Reference(path) => Val::Path(Text::Borrowed(path)),
            Kind::GeoPoint(latitude, longitude) => Val::LatLng(latitude, longitude),
            Kind::Array(values) => Val::Array(values),
            Kind::Map(map) => Val::Object(map),
        }
    }

    pub(super) fn constant(constant: &'a Constant) -> Self {
        match constant {
            Constant::Null => Val::Null,
            Constant::Bool(boolean) => Val::Bool(*boolean),
            Constant::Int(integer) => Val::Int(*integer),
            Constant::Float(float) => Val::Float(*float),
            Constant::Text(text) => Val::Text(Text::Borrowed(text)),
            Constant::Bytes(bytes) => Val::Bytes(bytes.as_ref().into()),
            Constant::Type(name) => Val::Type(*name),
        }
    }

    pub(super) fn text(text: &'a str) -> Self {
        Val::Text(Text::Borrowed(text))
    }

    /// The number, if it is one.
    pub(super) fn number(&self) -> Option<Number> {
        match self {
            Val::Int(integer) => Some(Number::Integer(*integer)),
            Val::Float(float) => Some(Number::Double(*float)),
            _ => None,
        }
    }

    /// Its type; `None` for what cannot be known.
    pub(super) fn kind(&self) -> Option<Type> {
        Some(match self {
            Val::Null => Type::Null,
            Val::Bool(_) => Type::Bool,
            Val::Int(_) => Type::Int,
            Val::Float(_) => Type::Float,
            Val::Text(_) => Type::String,
            Val::Bytes(_) => Type::Bytes,
            Val::Time(_) => Type::Timestamp,
            Val::Duration(_) => Type::Duration,
            Val::Path(_) => Type::Path,
            Val::LatLng(..) => Type::LatLng,
            Val::Type(_) => Type::Kind,
            Val::Array(_) | Val::List(_) => Type::List,
            Val::Set(_) => Type::Set,
            Val::Object(_) | Val::Map(_) | Val::Diff(_) => Type::Map,
            Val::Request
            | Val::Auth
            | Val::Query
            | Val::Resource(_)
            | Val::Found(..)
            | Val::Any => Type::Map,
            Val::Part(_) => return None,
        })
    }

    /// Whether `x is type`.
    pub(super) fn is(&self, wanted: Type) -> Option<bool> {
        let own = self.kind()?;
        Some(own == wanted || wanted == Type::Number && matches!(own, Type::Int | Type::Float))
    }

    /// How many elements a list or set has.
    pub(super) fn elements(&self) -> Option<usize> {
        match self {
            Val::Array(values) => Some(values.len()),
            Val::List(values) | Val::Set(values) => Some(values.len()),
            _ => None,
        }
    }

    /// An element of a list or set.
    pub(super) fn element(&self, number: usize) -> Option<Val<'a>> {
        match self {
            Val::Array(values) => values.get(number).map(Val::from_json),
            Val::List(values) | Val::Set(values) => values.get(number).cloned(),
            _ => None,
        }
    }

    /// How many entries a map has.
    pub(super) fn entries(&self) -> Option<usize> {
        match self {
            Val::Object(map) => Some(map.len()),
            Val::Map(entries) => Some(entries.len()),
            _ => None,
        }
    }

    /// The keys of a map, as a list of values.
    pub(super) fn keys(&self) -> Option<Vec<Val<'a>>> {
        match self {
            Val::Object(map) => Some(map.keys().map(|key| Val::text(key)).collect()),
            Val::Map(entries) => Some(entries.iter().map(|(key, _)| key.clone()).collect()),
            _ => None,
        }
    }

    /// The values of a map.
    pub(super) fn values(&self) -> Option<Vec<Val<'a>>> {
        match self {
            Val::Object(map) => Some(map.values().map(Val::from_json).collect()),
            Val::Map(entries) => Some(entries.iter().map(|(_, value)| value.clone()).collect()),
            _ => None,
        }
    }

    /// The place of its type among the types that a document may hold.
    pub(super) fn type_order(&self) -> Option<u8> {
        Some(match self {
            Val::Null => 0,
            Val::Bool(_) => 1,
            Val::Int(_) | Val::Float(_) => 2,
            Val::Time(_) => 3,
            Val::Text(_) => 4,
            Val::Bytes(_) => 5,
            Val::Path(_) => 6,
            Val::LatLng(..) => 7,
            Val::Array(_) | Val::List(_) => 8,
            Val::Object(_) | Val::Map(_) => 9,
            _ => return None,
        })
    }
}
