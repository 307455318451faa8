//! Expressions with every name resolved: what is evaluated.

use super::value::Type;
use regex_lite::{Regex, RegexBuilder};
use std::ops::Range;

/// An operator of two operands that are both evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Index,
}

/// What a macro does with the elements of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Macro {
    All,
    Exists,
    ExistsOne,
    /// `map` and `filter`.
    Map,
}

/// A value that is written in the text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Constant {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Box<str>),
    Bytes(Box<[u8]>),
    Type(Type),
}

/// An expression, and its bytes in the text of the rules.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) expr: Expr,
}

impl Node {
    /// The bytes that it takes in the text, without brackets around it.
    pub(super) fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The expressions directly inside it, in the order of the text.
    pub(super) fn parts(&self) -> Vec<&Node> {
        match &self.expr {
            Expr::Constant(_)
            | Expr::Local(_)
            | Expr::Wildcard(_)
            | Expr::Request
            | Expr::Resource => Vec::new(),
            Expr::Select(of, _)
            | Expr::Has(of, _)
            | Expr::Not(of)
            | Expr::Negate(of)
            | Expr::Is(of, _)
            | Expr::Matches(of, _) => vec![of],
            Expr::And(left, right) | Expr::Or(left, right) => vec![left, right],
            Expr::If(parts) => vec![&parts.0, &parts.1, &parts.2],
            Expr::Binary(_, operands) => vec![&operands.0, &operands.1],
            Expr::List(all) | Expr::Path(all) | Expr::Call(_, all) | Expr::User(_, all) => {
                all.iter().collect()
            }
            Expr::Map(entries) => entries.iter().flat_map(|(key, value)| [key, value]).collect(),
            Expr::Comprehension(inner) => {
                [&inner.range].into_iter().chain(&inner.condition).chain([&inner.body]).collect()
            }
        }
    }
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    Constant(Constant),
    /// A parameter, a `let` or a macro's variable, by its place in the function's frame.
    Local(usize),
    /// A wildcard of the path, by its place in the pattern.
    Wildcard(usize),
    Request,
    Resource,
    Select(Box<Node>, Box<str>),
    Has(Box<Node>, Box<str>),
    Not(Box<Node>),
    Negate(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    If(Box<(Node, Node, Node)>),
    Binary(Operator, Box<(Node, Node)>),
    Is(Box<Node>, Type),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    /// Segments of a path.
    Path(Vec<Node>),
    /// A function of the language; a method's receiver is its first argument.
    Call(Function, Vec<Node>),
    /// `text.matches(pattern)` with a pattern that is written in the text.
    Matches(Box<Node>, Pattern),
    /// A function of the text.
    User(usize, Vec<Node>),
    Comprehension(Box<Comprehension>),
}

/// A macro over a list.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Comprehension {
    pub(super) kind: Macro,
    pub(super) range: Node,
    /// The variable's place in the frame.
    pub(super) local: usize,
    /// Which elements: all without.
    pub(super) condition: Option<Node>,
    /// What is made of each.
    pub(super) body: Node,
}

/// A regular expression that matches a whole text.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    text: Box<str>,
    regex: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// Bytes of a compiled regular expression: a bound on the time that each character of a text takes.
const PATTERN_BYTES: usize = 16 * 1_024;
/// Bytes of its text.
const PATTERN_TEXT: usize = 1_024;

impl Pattern {
    /// Compiles it.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        if text.len() > PATTERN_TEXT {
            return Err(format!("a regular expression of more than {PATTERN_TEXT} bytes"));
        }
        let build = |text: &str| {
            let mut builder = RegexBuilder::new(text);
            builder.size_limit(PATTERN_BYTES).build().map_err(|error| error.to_string())
        };
        // By itself first: what closes a group that it has not opened is refused.
        build(text)?;
        let regex = build(&format!("\\A(?:{text})\\z"))?;
        Ok(Pattern { text: text.into(), regex })
    }

    /// Whether the whole text matches.
    pub(super) fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// What a match of so many bytes costs at most, in units of work.
    pub(super) fn work(&self, bytes: usize) -> usize {
        let weight = if self.text.contains('{') { 512 } else { self.text.len().saturating_add(8) };
        bytes.saturating_add(8).saturating_mul(weight) / 8
    }
}

/// Functions and methods of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    Int,
    Float,
    String,
    Bool,
    Timestamp,
    Duration,
    Type,
    ToPath,
    Get,
    Exists,
    GetAfter,
    ExistsAfter,
    HasRole,
    Debug,
    Abs,
    Ceil,
    Floor,
    Round,
    Min,
    Max,
    Sqrt,
    Pow,
    IsNan,
    IsInfinite,
    DurationValue,
    DurationTime,
    TimestampValue,
    TimestampDate,
    LatLngValue,
    StartsWith,
    EndsWith,
    Contains,
    MatchesDynamic,
    Lower,
    Upper,
    Trim,
    Split,
    Replace,
    ToUtf8,
    ToBase64,
    ToHexString,
    Keys,
    Values,
    GetKey,
    Diff,
    AffectedKeys,
    AddedKeys,
    RemovedKeys,
    ChangedKeys,
    UnchangedKeys,
    HasAll,
    HasAny,
    HasOnly,
    ToSet,
    Concat,
    RemoveAll,
    Join,
    Union,
    Difference,
    Intersection,
    ToMillis,
    Seconds,
    Nanos,
    Year,
    Month,
    Day,
    Hours,
    Minutes,
    DayOfWeek,
    DayOfYear,
    Date,
    Time,
    CelMonth,
    CelDayOfMonth,
    CelDayOfWeek,
    CelDayOfYear,
    CelMilliseconds,
    Latitude,
    Longitude,
    Distance,
    Crc32,
    Crc32c,
    Md5,
    Sha256,
    /// `x[from:to]`
    Slice,
    /// `path[number]` of a wildcard: the segments of that alone.
    Segment,
}

/// How a function is called: `name()`, `x.name()`, or `space.name()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Global,
    Method,
    Space(&'static str),
}

type Entry = (Style, &'static str, usize, usize, Function);

use Function as F;
use Style::{Global as G, Method as M, Space as S};

/// Every function: how it is called, its name, the least and most of its arguments without the receiver.
const FUNCTIONS: &[Entry] = &[
    (G, "size", 1, 1, F::Size),
    (M, "size", 0, 0, F::Size),
    (G, "int", 1, 1, F::Int),
    (G, "float", 1, 1, F::Float),
    (G, "double", 1, 1, F::Float),
    (G, "string", 1, 1, F::String),
    (G, "bool", 1, 1, F::Bool),
    (G, "timestamp", 1, 1, F::Timestamp),
    (G, "duration", 1, 1, F::Duration),
    (G, "type", 1, 1, F::Type),
    (G, "path", 1, 1, F::ToPath),
    (G, "get", 1, 1, F::Get),
    (G, "exists", 1, 1, F::Exists),
    (G, "getAfter", 1, 1, F::GetAfter),
    (G, "existsAfter", 1, 1, F::ExistsAfter),
    (G, "hasRole", 1, 1, F::HasRole),
    (G, "debug", 1, 1, F::Debug),
    (G, "matches", 2, 2, F::MatchesDynamic),
    (S("math"), "abs", 1, 1, F::Abs),
    (S("math"), "ceil", 1, 1, F::Ceil),
    (S("math"), "floor", 1, 1, F::Floor),
    (S("math"), "round", 1, 1, F::Round),
    (S("math"), "min", 2, 2, F::Min),
    (S("math"), "max", 2, 2, F::Max),
    (S("math"), "sqrt", 1, 1, F::Sqrt),
    (S("math"), "pow", 2, 2, F::Pow),
    (S("math"), "isNaN", 1, 1, F::IsNan),
    (S("math"), "isInfinite", 1, 1, F::IsInfinite),
    (S("duration"), "value", 2, 2, F::DurationValue),
    (S("duration"), "abs", 1, 1, F::Abs),
    (S("duration"), "time", 4, 4, F::DurationTime),
    (S("timestamp"), "value", 1, 1, F::TimestampValue),
    (S("timestamp"), "date", 3, 3, F::TimestampDate),
    (S("latlng"), "value", 2, 2, F::LatLngValue),
    (M, "startsWith", 1, 1, F::StartsWith),
    (M, "endsWith", 1, 1, F::EndsWith),
    (M, "contains", 1, 1, F::Contains),
    (M, "matches", 1, 1, F::MatchesDynamic),
    (M, "lower", 0, 0, F::Lower),
    (M, "upper", 0, 0, F::Upper),
    (M, "trim", 0, 0, F::Trim),
    (M, "split", 1, 1, F::Split),
    (M, "replace", 2, 2, F::Replace),
    (M, "toUtf8", 0, 0, F::ToUtf8),
    (M, "toBase64", 0, 0, F::ToBase64),
    (M, "toHexString", 0, 0, F::ToHexString),
    (M, "keys", 0, 0, F::Keys),
    (M, "values", 0, 0, F::Values),
    (M, "get", 2, 2, F::GetKey),
    (M, "diff", 1, 1, F::Diff),
    (M, "affectedKeys", 0, 0, F::AffectedKeys),
    (M, "addedKeys", 0, 0, F::AddedKeys),
    (M, "removedKeys", 0, 0, F::RemovedKeys),
    (M, "changedKeys", 0, 0, F::ChangedKeys),
    (M, "unchangedKeys", 0, 0, F::UnchangedKeys),
    (M, "hasAll", 1, 1, F::HasAll),
    (M, "hasAny", 1, 1, F::HasAny),
    (M, "hasOnly", 1, 1, F::HasOnly),
    (M, "toSet", 0, 0, F::ToSet),
    (M, "concat", 1, 1, F::Concat),
    (M, "removeAll", 1, 1, F::RemoveAll),
    (M, "join", 1, 1, F::Join),
    (M, "union", 1, 1, F::Union),
    (M, "difference", 1, 1, F::Difference),
    (M, "intersection", 1, 1, F::Intersection),
    (M, "toMillis", 0, 0, F::ToMillis),
    (M, "seconds", 0, 0, F::Seconds),
    (M, "nanos", 0, 0, F::Nanos),
    (M, "year", 0, 0, F::Year),
    (M, "month", 0, 0, F::Month),
    (M, "day", 0, 0, F::Day),
    (M, "hours", 0, 0, F::Hours),
    (M, "minutes", 0, 0, F::Minutes),
    (M, "dayOfWeek", 0, 0, F::DayOfWeek),
    (M, "dayOfYear", 0, 0, F::DayOfYear),
    (M, "date", 0, 0, F::Date),
    (M, "time", 0, 0, F::Time),
    (M, "getFullYear", 0, 0, F::Year),
    (M, "getMonth", 0, 0, F::CelMonth),
    (M, "getDate", 0, 0, F::Day),
    (M, "getDayOfMonth", 0, 0, F::CelDayOfMonth),
    (M, "getDayOfWeek", 0, 0, F::CelDayOfWeek),
    (M, "getDayOfYear", 0, 0, F::CelDayOfYear),
    (M, "getHours", 0, 0, F::Hours),
    (M, "getMinutes", 0, 0, F::Minutes),
    (M, "getSeconds", 0, 0, F::Seconds),
    (M, "getMilliseconds", 0, 0, F::CelMilliseconds),
    (M, "latitude", 0, 0, F::Latitude),
    (M, "longitude", 0, 0, F::Longitude),
    (M, "distance", 1, 1, F::Distance),
    (S("hashing"), "crc32", 1, 1, F::Crc32),
    (S("hashing"), "crc32c", 1, 1, F::Crc32c),
    (S("hashing"), "md5", 1, 1, F::Md5),
    (S("hashing"), "sha256", 1, 1, F::Sha256),
];

/// All functions: their name spaces and names.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = (Option<&'static str>, &'static str)> {
    FUNCTIONS.iter().map(|entry| match entry.0 {
        Style::Space(space) => (Some(space), entry.1),
        Style::Global | Style::Method => (None, entry.1),
    })
}

/// The name space of that name, if there are functions `space.name()`.
pub(super) fn space(name: &str) -> Option<&'static str> {
    FUNCTIONS.iter().find_map(|entry| match entry.0 {
        Style::Space(space) if space == name => Some(space),
        _ => None,
    })
}

impl Function {
    /// The function that is called so with so many arguments.
    ///
    /// # Errors
    /// What is wrong with the call.
    pub(super) fn find(style: Style, name: &str, arguments: usize) -> Result<Self, String> {
        let what = match style {
            Style::Global => "function",
            Style::Method => "method",
            Style::Space(_) => "function of this name space",
        };
        let mut named = FUNCTIONS.iter().filter(|entry| entry.0 == style && entry.1 == name);
        let Some((_, _, least, most, function)) = named.next() else {
            return Err(format!("there is no {what} {name:?}"));
        };
        if (*least..=*most).contains(&arguments) {
            return Ok(*function);
        }
        Err(format!("the {what} {name:?} takes {least} arguments, not {arguments}"))
    }
}
