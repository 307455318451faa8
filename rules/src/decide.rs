//! Which rules concern a request or a query, and what they say together.

use super::compile::Rule;
use super::eval::{Context, Evaluated, Evaluator};
use super::facts::Facts;
use super::frame::Segment;
use super::state::State;
use super::value::{Fail, Text, Val};
use super::{Basis, Method, QueryRequest, Request, Rules, Verdict};
use blaze_schema::path::DocumentPath;
use blaze_schema::query::{Field, FieldFilter, Operator, Query, Source};
use blaze_schema::value::{Kind, kind};
use serde_json::Value;
use std::collections::BTreeSet;

/// The bit of a method.
pub(super) fn bit(method: Method) -> u8 {
    match method {
        Method::Get => 1,
        Method::List => 2,
        Method::Create => 4,
        Method::Update => 8,
        Method::Delete => 16,
    }
}

/// Where documents are.
pub(super) enum Place<'a> {
    /// Segments of a path; `None` is one that is not known.
    Path(Vec<Option<&'a str>>),
    /// Any collection with this id.
    Group(&'a str),
}

impl<'a> Place<'a> {
    /// The values of a rule's wildcards, if it concerns every document there.
    pub(super) fn wildcards(&self, rule: &Rule) -> Option<Vec<Evaluated<'a>>> {
        let mut values = Vec::new();
        if rule.database {
            values.push(Ok(Val::text("(default)")));
        }
        match self {
            Place::Path(path) => bind(&rule.pattern, path, &mut values)?,
            Place::Group(id) => {
                if !covers(&rule.pattern, id) {
                    return None;
                }
                let count = rule
                    .pattern
                    .iter()
                    .filter(|segment| !matches!(segment, Segment::Literal(_)))
                    .count();
                values.extend((0..count).map(|_| Err(Fail::Unknown)));
            }
        }
        Some(values)
    }
}

fn bind<'a>(
    pattern: &[Segment],
    path: &[Option<&'a str>],
    values: &mut Vec<Evaluated<'a>>,
) -> Option<()> {
    let (mut path, mut segments) = (path, pattern.iter());
    while let Some(segment) = segments.next() {
        if *segment == Segment::Rest {
            let count = path.len().checked_sub(segments.len())?;
            let (rest, after) = path.split_at_checked(count)?;
            let rest: Option<Vec<&str>> = rest.iter().copied().collect();
            let rest = rest.ok_or(Fail::Unknown);
            values.push(rest.map(|rest| Val::Path(Text::Shared(rest.join("/").into()))));
            path = after;
            continue;
        }
        let (first, after) = path.split_first()?;
        match (segment, first) {
            (Segment::Literal(wanted), Some(there)) if **wanted == **there => {}
            (Segment::Literal(_), _) => return None,
            (_, there) => values.push(there.map(Val::text).ok_or(Fail::Unknown)),
        }
        path = after;
    }
    path.is_empty().then_some(())
}

/// Whether a pattern has every document of every collection with this id: the shortest is `id/document`, so that no more
/// than two segments may be asked for besides the recursive wildcard, and none but the last collection may be named.
fn covers(pattern: &[Segment], id: &str) -> bool {
    let Some(at) = pattern.iter().position(|segment| *segment == Segment::Rest) else {
        return false;
    };
    let (before, after) = (pattern.iter().take(at), pattern.iter().skip(at.saturating_add(1)));
    let mut last = after.rev();
    let document = last.next().is_none_or(|segment| *segment == Segment::One);
    let collection = last.next().is_none_or(|segment| match segment {
        Segment::Literal(wanted) => **wanted == *id,
        _ => true,
    });
    pattern.len() <= 3
        && document
        && collection
        && before.into_iter().all(|segment| *segment == Segment::One)
}

/// What the rules say, and what that rests on.
enum Said {
    Allowed(Basis),
    Denied(Basis),
    Needs(BTreeSet<DocumentPath>),
}

/// Evaluates the rules that concern a place, until one allows.
fn ask<'a>(rules: &'a Rules, place: &Place<'a>, evaluator: &mut Evaluator<'a>) -> Said {
    let method = bit(evaluator.context.method);
    let (mut basis, mut needs) = (Basis::default(), None);
    for rule in rules.rules.iter().filter(|rule| rule.methods & method != 0) {
        let Some(wildcards) = place.wildcards(rule) else { continue };
        let Some(condition) = &rule.condition else { return Said::Allowed(Basis::default()) };
        evaluator.wildcards = wildcards;
        evaluator.basis = Basis::default();
        evaluator.needs.clear();
        let truth = evaluator.truth(condition);
        if truth == Ok(true) {
            return Said::Allowed(evaluator.basis);
        }
        basis = both(basis, evaluator.basis);
        match truth {
            Err(Fail::Spent) => return Said::Denied(basis),
            // A later rule may allow without looking: only what the first waits for is certain to be needed.
            Err(Fail::Needs) if needs.is_none() => {
                needs =
                    Some(std::mem::take(&mut evaluator.needs).into_iter().collect::<BTreeSet<_>>());
            }
            _ => {}
        }
    }
    match needs {
        Some(needs) if !needs.is_empty() => Said::Needs(needs),
        _ => Said::Denied(basis),
    }
}

fn both(a: Basis, b: Basis) -> Basis {
    Basis {
        resource: a.resource || b.resource,
        lookups: a.lookups || b.lookups,
        time: a.time || b.time,
    }
}

/// Builds the context that expressions see for a request.
pub(super) fn context<'a>(
    request: &Request<'a>,
    before: &'a State<'a>,
    after: &'a State<'a>,
) -> Context<'a> {
    Context {
        method: request.method,
        auth: request.auth,
        time: request.time,
        lookups: request.lookups,
        path: Some(request.path),
        before,
        after,
        facts: None,
        query: None,
    }
}

/// The place of one document.
pub(super) fn place_of(path: &DocumentPath) -> Place<'_> {
    Place::Path(path.as_str().split('/').map(Some).collect())
}

/// As [`Rules::decide`].
pub(super) fn decide(rules: &Rules, request: &Request<'_>) -> Verdict {
    let (before, after) = (State::new(request.before), State::new(request.after));
    let place = place_of(request.path);
    let mut evaluator = Evaluator::new(&rules.functions, context(request, &before, &after));
    match ask(rules, &place, &mut evaluator) {
        Said::Allowed(basis) => Verdict::Allowed(basis),
        Said::Denied(basis) => Verdict::Denied(basis),
        Said::Needs(needs) => Verdict::Needs(needs),
    }
}

/// The documents that a disjunction names; `None` if it may find others.
pub(super) fn named(filters: &[&FieldFilter]) -> Option<Vec<DocumentPath>> {
    let of_name = filters.iter().filter(|filter| filter.field == Field::Name);
    let read = |value: &Value| match kind(value) {
        Kind::Reference(path) => DocumentPath::parse(path).ok(),
        _ => None,
    };
    let mut named = of_name.filter_map(|filter| match (filter.op, &filter.value) {
        (Operator::Equal, value) => Some(vec![read(value)?]),
        (Operator::In, Value::Array(values)) => values.iter().map(read).collect(),
        _ => None,
    });
    named.next().filter(|paths| !paths.is_empty())
}

/// Where a query looks.
pub(super) fn place(query: &Query) -> Place<'_> {
    match &query.from {
        Source::Collection(collection) => {
            Place::Path(collection.as_str().split('/').map(Some).chain([None]).collect())
        }
        Source::Group(id) => Place::Group(id),
    }
}

/// Builds the context that expressions see for a query, before any of its disjunctions is examined.
pub(super) fn query_context<'a>(request: &QueryRequest<'a>, none: &'a State<'a>) -> Context<'a> {
    Context {
        method: Method::List,
        auth: request.auth,
        time: request.time,
        lookups: request.lookups,
        path: None,
        before: none,
        after: none,
        facts: None,
        query: Some(request.query),
    }
}

/// As [`Rules::decide_query`]: every disjunction has to be allowed.
pub(super) fn decide_query(rules: &Rules, request: &QueryRequest<'_>) -> Verdict {
    let none = State::new(None);
    let disjunctions = request.query.disjunctions();
    let parts: Vec<(Facts<'_>, Option<Vec<DocumentPath>>)> = disjunctions
        .iter()
        .map(|filters| (Facts::new(request.query, filters), named(filters)))
        .collect();
    let mut evaluator = Evaluator::new(&rules.functions, query_context(request, &none));
    let (mut basis, mut needs, mut asked) = (Basis::default(), BTreeSet::new(), false);
    for (facts, names) in &parts {
        let paths: Vec<Option<&DocumentPath>> = match names {
            Some(names) => names.iter().map(Some).collect(),
            None => vec![None],
        };
        for path in paths {
            evaluator.context.facts = Some(facts);
            evaluator.context.path = path;
            let place = match path {
                Some(path) => place_of(path),
                None => place(request.query),
            };
            asked = true;
            match ask(rules, &place, &mut evaluator) {
                Said::Allowed(one) => basis = both(basis, one),
                Said::Denied(one) => return Verdict::Denied(both(basis, one)),
                Said::Needs(one) => needs.extend(one),
            }
        }
    }
    match (asked, needs.is_empty()) {
        (true, true) => Verdict::Allowed(basis),
        (true, false) => Verdict::Needs(needs),
        (false, _) => Verdict::Denied(basis),
    }
}

impl<'a> Evaluator<'a> {
    /// `request.query.field`
    pub(super) fn select_query(&mut self, field: &str) -> Evaluated<'a> {
        use blaze_schema::query::Limit;
        let query = self.context.query.ok_or(Fail::Error)?;
        let integer = |number: u64| i64::try_from(number).map(Val::Int).map_err(|_| Fail::Error);
        match field {
            "limit" => match query.limit {
                Some(Limit::First(limit) | Limit::Last(limit)) => integer(limit),
                None => Ok(Val::Null),
            },
            "offset" => integer(query.offset),
            "orderBy" => {
                let orders = query.order_by.iter();
                let texts: Vec<String> = orders
                    .map(|order| {
                        format!("{} {}", order.field, order.direction.as_str().to_uppercase())
                    })
                    .collect();
                if texts.is_empty() {
                    return Ok(Val::Null);
                }
                let text = texts.join(", ");
                self.make(text.len())?;
                Ok(Val::Text(Text::Shared(text.into())))
            }
            _ => Err(Fail::Error),
        }
    }
}
