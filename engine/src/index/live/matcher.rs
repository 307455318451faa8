//! Which live queries a document may concern, found without trying them all.
//!
//! Each disjunction of a query is found by one of its terms: by the values that equality or an array asks for, else by
//! the range that a field must lie in. The fields that have terms are a tree, which is walked beside the document: what
//! no query speaks of is not looked at.

use super::ranges::Ranges;
use crate::index::bounds::{Bounds, Ranges as Span, elements, indexed};
use crate::index::entries::is_findable;
use crate::index::request::Request;
use blaze_schema::field_path::FieldPath;
use blaze_schema::path::DocumentPath;
use blaze_schema::query::{Field, FieldFilter, Operator};
use blaze_schema::value::{Map, as_plain_map};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// The number of a live query.
pub(crate) type Id = u32;

/// The terms of all live queries of an index.
#[derive(Debug, Default)]
pub(crate) struct Matcher {
    /// By the path of the only documents that they may concern.
    names: Owners<String>,
    fields: HashMap<String, Node>,
    /// Queries that any document may concern.
    always: Vec<Id>,
}

/// Whose a value is.
type Owners<K> = HashMap<K, Vec<Id>>;

/// The terms on one field, and the fields inside of it.
#[derive(Debug, Default)]
struct Node {
    values: Owners<Vec<u8>>,
    elements: Owners<Vec<u8>>,
    ranges: Ranges,
    inside: HashMap<String, Node>,
}

/// What a query is found by.
enum Term<'a> {
    Names(Vec<String>),
    Field(&'a FieldPath, On),
    Always,
}

/// What a field must have.
enum On {
    Values(Vec<Vec<u8>>),
    Elements(Vec<Vec<u8>>),
    Ranges(Span),
}

impl Matcher {
    /// Adds a query.
    pub(crate) fn add(&mut self, id: Id, request: &Request<'_>) {
        for filters in request.query.disjunctions() {
            match term(request, &filters) {
                Term::Names(paths) => own(&mut self.names, paths, id),
                Term::Field(path, on) => add(&mut self.fields, path.keys(), on, id),
                Term::Always => self.always.push(id),
            }
        }
    }

    /// Removes a query.
    pub(crate) fn remove(&mut self, id: Id, request: &Request<'_>) {
        for filters in request.query.disjunctions() {
            match term(request, &filters) {
                Term::Names(paths) => disown(&mut self.names, &paths, id),
                Term::Field(path, on) => remove(&mut self.fields, path.keys(), &on, id),
                Term::Always => self.always.retain(|one| *one != id),
            }
        }
    }

    /// Adds the queries that a document may be in.
    pub(crate) fn find(&mut self, path: &DocumentPath, data: &Map, found: &mut BTreeSet<Id>) {
        found.extend(&self.always);
        found.extend(self.names.get(path.as_str()).into_iter().flatten());
        find(&mut self.fields, data, found);
    }
}

/// Notes under each of `keys` that it is `id`'s.
fn own<K: std::hash::Hash + Eq>(owners: &mut Owners<K>, keys: Vec<K>, id: Id) {
    for key in keys {
        owners.entry(key).or_default().push(id);
    }
}

fn disown<K: std::hash::Hash + Eq>(owners: &mut Owners<K>, keys: &[K], id: Id) {
    for key in keys {
        if let Some(ids) = owners.get_mut(key) {
            ids.retain(|one| *one != id);
            if ids.is_empty() {
                owners.remove(key);
            }
        }
    }
}

fn add(fields: &mut HashMap<String, Node>, keys: &[String], on: On, id: Id) {
    let Some((first, rest)) = keys.split_first() else { return };
    let node = fields.entry(first.clone()).or_default();
    if !rest.is_empty() {
        return add(&mut node.inside, rest, on, id);
    }
    match on {
        On::Values(keys) => own(&mut node.values, keys, id),
        On::Elements(keys) => own(&mut node.elements, keys, id),
        On::Ranges(ranges) => {
            for (start, end) in ranges {
                node.ranges.add(start, end, id);
            }
        }
    }
}

fn remove(fields: &mut HashMap<String, Node>, keys: &[String], on: &On, id: Id) {
    let Some((first, rest)) = keys.split_first() else { return };
    let Some(node) = fields.get_mut(first) else { return };
    match on {
        _ if !rest.is_empty() => remove(&mut node.inside, rest, on, id),
        On::Values(keys) => disown(&mut node.values, keys, id),
        On::Elements(keys) => disown(&mut node.elements, keys, id),
        On::Ranges(_) => node.ranges.remove(id),
    }
    if node.is_empty() {
        fields.remove(first);
    }
}

/// Walks the tree of fields and the data side by side: over the keys of whichever has fewer.
fn find(fields: &mut HashMap<String, Node>, data: &Map, found: &mut BTreeSet<Id>) {
    if fields.len() <= data.len() {
        for (key, node) in fields {
            if let Some(value) = data.get(key) {
                node.find(value, found);
            }
        }
    } else {
        for (key, value) in data {
            if let Some(node) = fields.get_mut(key) {
                node.find(value, found);
            }
        }
    }
}

impl Node {
    fn is_empty(&self) -> bool {
        self.values.is_empty()
            && self.elements.is_empty()
            && self.ranges.is_empty()
            && self.inside.is_empty()
    }

    fn find(&mut self, value: &Value, found: &mut BTreeSet<Id>) {
        if !self.values.is_empty() || !self.ranges.is_empty() {
            let (key, _) = indexed(value);
            found.extend(self.values.get(&key).into_iter().flatten());
            self.ranges.find(&key, found);
        }
        if !self.elements.is_empty() {
            for element in value.as_array().into_iter().flatten() {
                found.extend(self.elements.get(&indexed(element).0).into_iter().flatten());
            }
        }
        if !self.inside.is_empty()
            && let Some(map) = as_plain_map(value)
        {
            find(&mut self.inside, map, found);
        }
    }
}

/// The best term of a disjunction: the one that the fewest documents are expected to have.
fn term<'a>(request: &'a Request<'_>, filters: &[&'a FieldFilter]) -> Term<'a> {
    for filter in filters {
        match (&filter.field, filter.op) {
            (Field::Name, Operator::Equal | Operator::In) => return Term::Names(paths(filter)),
            (Field::Path(path), Operator::ArrayContains | Operator::ArrayContainsAny) => {
                let findable = values(filter).into_iter().filter(|one| is_findable(one));
                let mut keys: Vec<_> = findable.map(|one| indexed(one).0).collect();
                keys.sort();
                keys.dedup();
                return Term::Field(path, On::Elements(keys));
            }
            _ => {}
        }
    }
    let filtered = filters.iter().map(|filter| &filter.field);
    let fields = filtered.chain(request.orders.iter().map(|order| &order.field));
    let mut range = Term::Always;
    for field in fields {
        let Field::Path(path) = field else { continue };
        let bounds = Bounds::of(filters.iter().copied().filter(|filter| &filter.field == field));
        if bounds.points.is_some() {
            // What other filters leave of the points' ranges begins where the points do.
            let keys = bounds.ranges.into_iter().map(|(start, _)| start);
            return Term::Field(path, On::Values(keys.collect()));
        }
        if matches!(range, Term::Always) {
            range = Term::Field(path, On::Ranges(bounds.ranges));
        }
    }
    range
}

/// The values that a filter asks for.
fn values(filter: &FieldFilter) -> Vec<&Value> {
    if filter.op.takes_values() { elements(filter).collect() } else { vec![&filter.value] }
}

/// The paths that a filter by name asks for.
fn paths(filter: &FieldFilter) -> Vec<String> {
    let path = |value: &Value| Some(value.get("$ref")?.as_str()?.to_owned());
    let mut paths: Vec<String> = values(filter).into_iter().filter_map(path).collect();
    paths.sort();
    paths.dedup();
    paths
}
