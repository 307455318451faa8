//! Which live queries a document may concern, found without trying them all.
//!
//! Each disjunction of a query is found by one of its terms: by the value that equality asks for, else by the range that
//! a field must lie in. A document's index entries are its values; so a query is found when an entry of the document,
//! before or after its change, is such a value or lies in such a range.

use crate::index::bounds::{Bounds, elements, indexed};
use crate::index::entries::{self, ELEMENT, FIELD, field_prefix};
use crate::index::request::Request;
use crate::index::settings::Settings;
use blaze_schema::path::DocumentPath;
use blaze_schema::query::{Field, FieldFilter, Operator};
use blaze_schema::value::Map;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The number of a live query.
pub(crate) type Id = u32;

/// Ranges in one block have their greatest end noted, so that a block that ends too early is skipped.
const BLOCK: usize = 64;

/// The terms of all live queries of an index.
#[derive(Debug, Default)]
pub(crate) struct Matcher {
    values: HashMap<Vec<u8>, Vec<Id>>,
    ranges: BTreeMap<Vec<u8>, Ranges>,
    /// Queries that any document may concern.
    always: Vec<Id>,
}

/// The ranges of one field.
#[derive(Debug, Default)]
struct Ranges {
    /// By their start.
    sorted: Vec<(Vec<u8>, Vec<u8>, Id)>,
    /// The greatest end in each block of `sorted`; empty when it is to be found again.
    ends: Vec<Vec<u8>>,
}

/// What a query is found by.
enum Term {
    Values(Vec<Vec<u8>>),
    Range(Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>),
    Always,
}

impl Matcher {
    /// Adds a query.
    pub(crate) fn add(&mut self, id: Id, request: &Request<'_>) {
        for filters in request.query.disjunctions() {
            match term(request, &filters) {
                Term::Values(values) => {
                    for value in values {
                        self.values.entry(value).or_default().push(id);
                    }
                }
                Term::Range(field, ranges) => {
                    let known = self.ranges.entry(field).or_default();
                    for (start, end) in ranges {
                        let range = (start, end, id);
                        let place = known.sorted.partition_point(|one| *one < range);
                        known.sorted.insert(place, range);
                        known.ends.clear();
                    }
                }
                Term::Always => self.always.push(id),
            }
        }
    }

    /// Removes a query.
    pub(crate) fn remove(&mut self, id: Id, request: &Request<'_>) {
        for filters in request.query.disjunctions() {
            match term(request, &filters) {
                Term::Values(values) => {
                    for value in values {
                        if let Some(ids) = self.values.get_mut(&value) {
                            ids.retain(|one| *one != id);
                            if ids.is_empty() {
                                self.values.remove(&value);
                            }
                        }
                    }
                }
                Term::Range(field, _) => {
                    if let Some(known) = self.ranges.get_mut(&field) {
                        known.sorted.retain(|(_, _, one)| *one != id);
                        known.ends.clear();
                        if known.sorted.is_empty() {
                            self.ranges.remove(&field);
                        }
                    }
                }
                Term::Always => self.always.retain(|one| *one != id),
            }
        }
    }

    /// Adds the queries that a document may be in.
    pub(crate) fn find(&mut self, path: &DocumentPath, data: &Map, found: &mut BTreeSet<Id>) {
        found.extend(&self.always);
        if self.values.is_empty() && self.ranges.is_empty() {
            return;
        }
        if let Some(ids) = self.values.get(path.as_str().as_bytes()) {
            found.extend(ids);
        }
        for entry in entries::entries(data, b"", &Settings::default()) {
            if let Some(ids) = self.values.get(&entry) {
                found.extend(ids);
            }
            for (field, ranges) in &mut self.ranges {
                if let Some(value) = entry.strip_prefix(field.as_slice()) {
                    ranges.find(value, found);
                }
            }
        }
    }
}

impl Ranges {
    fn find(&mut self, value: &[u8], found: &mut BTreeSet<Id>) {
        if self.ends.is_empty() {
            let end = |block: &[(Vec<u8>, Vec<u8>, Id)]| {
                block.iter().map(|(_, end, _)| end.clone()).max().unwrap_or_default()
            };
            self.ends = self.sorted.chunks(BLOCK).map(end).collect();
        }
        for (block, last) in self.sorted.chunks(BLOCK).zip(&self.ends) {
            if block.first().is_none_or(|(start, _, _)| start.as_slice() > value) {
                break;
            }
            if last.as_slice() > value {
                let holds = |range: &&(Vec<u8>, Vec<u8>, Id)| {
                    range.0.as_slice() <= value && value < range.1.as_slice()
                };
                found.extend(block.iter().filter(holds).map(|(_, _, id)| *id));
            }
        }
    }
}

fn term(request: &Request<'_>, filters: &[&FieldFilter]) -> Term {
    for filter in filters {
        match (&filter.field, filter.op) {
            (Field::Name, Operator::Equal) => {
                let path = filter.value.get("$ref").and_then(serde_json::Value::as_str);
                return Term::Values(
                    path.map(|path| path.as_bytes().to_vec()).into_iter().collect(),
                );
            }
            (Field::Path(path), Operator::ArrayContains | Operator::ArrayContainsAny) => {
                let wanted: Vec<_> = match filter.op {
                    Operator::ArrayContains => vec![&filter.value],
                    _ => elements(filter).collect(),
                };
                let prefix = field_prefix(ELEMENT, &path.to_string());
                let keys = wanted.into_iter().filter(|one| entries::is_findable(one));
                return Term::Values(
                    keys.map(|one| [prefix.as_slice(), &indexed(one).0].concat()).collect(),
                );
            }
            _ => {}
        }
    }
    let fields = || {
        let filtered = filters.iter().map(|filter| &filter.field);
        filtered.chain(request.orders.iter().map(|order| &order.field))
    };
    let mut range = Term::Always;
    for field in fields() {
        let Field::Path(path) = field else { continue };
        let prefix = field_prefix(FIELD, &path.to_string());
        let bounds = Bounds::of(filters.iter().copied().filter(|filter| &filter.field == field));
        if bounds.points.is_some() {
            let keys = bounds.ranges.iter();
            return Term::Values(
                keys.map(|(start, _)| [prefix.as_slice(), start].concat()).collect(),
            );
        }
        if matches!(range, Term::Always) {
            range = Term::Range(prefix, bounds.ranges);
        }
    }
    range
}
