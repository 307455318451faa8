//! How a query is answered: which ranges of which rows are read, and what remains to be done with them.
//!
//! Each disjunction of the filter gets the best of its *candidates*: a declared composite index, the entries of one
//! field, the elements of one array, or all documents by name. A candidate is best when it yields just the documents
//! wanted, in the order wanted. Where none does, the one that filters narrow most, as a bounded count tells, beats a scan
//! in the query's order unless it leaves many entries in another.

use super::bounds::{Bounds, Ranges, elements, indexed, inverted};
use super::entries::{self, DOCUMENT, ELEMENT, FIELD};
use super::key::{Precision, after_prefix, push_ended_name};
use super::request::Request;
use super::settings::{Column, Composite, Settings};
use blaze_schema::error::Error;
use blaze_schema::field_path::FieldPath;
use blaze_schema::limits::QUERY_DISJUNCTIONS;
use blaze_schema::query::{Cursor, Direction, Field, FieldFilter, Operator, Order};
use blaze_schema::value_order::compare;
use blaze_store::Range;
use serde_json::Value;
use std::cmp::Ordering;

/// Entries are counted no further than this to choose between candidates.
pub(crate) const PROBE: u64 = 256;

/// How a query is answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    /// What is read; the results are merged.
    pub(crate) streams: Vec<Stream>,
    /// The indexes, for people.
    pub(crate) index: String,
}

impl Plan {
    /// Plans for the same documents in any order: together they find all, some perhaps more than once.
    pub(crate) fn unordered(self) -> impl Iterator<Item = Plan> {
        self.streams.into_iter().map(|stream| {
            let stream = Stream { columns: Vec::new(), order: StreamOrder::Exact, ..stream };
            Plan { streams: vec![stream], index: String::new() }
        })
    }
}

/// Rows that are read one after the other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stream {
    /// The ranges, in the order in which they are read.
    pub(crate) ranges: Vec<Range>,
    /// The bytes before the first column.
    pub(crate) prefix: usize,
    /// The columns up to the name: whether each is turned round.
    pub(crate) columns: Vec<bool>,
    /// How the rows' order is that of the query.
    pub(crate) order: StreamOrder,
    /// Whether every row is wanted; else documents must be looked at.
    pub(crate) covered: bool,
}

/// How the order of a stream is that of the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamOrder {
    /// It is.
    Exact,
    /// As far as the first so many columns go: rows that are equal in these are to be sorted.
    Runs(usize),
    /// It is another.
    Whole,
}

/// One way to find the documents of a disjunction.
struct Candidate {
    streams: Vec<Stream>,
    description: String,
    /// Whether filters narrow it.
    selective: bool,
}

impl Candidate {
    /// Whether nothing remains to be done but to merge.
    fn is_ideal(&self) -> bool {
        self.streams.iter().all(|stream| stream.covered && stream.order == StreamOrder::Exact)
    }

    fn is_ordered(&self) -> bool {
        self.streams.iter().all(|stream| stream.order != StreamOrder::Whole)
    }

    /// The index, and whether its order is not the query's.
    fn describe(&self) -> String {
        let is_exact = self.streams.iter().all(|stream| stream.order == StreamOrder::Exact);
        let sorted = match (is_exact, self.is_ordered()) {
            (true, _) => "",
            (false, true) => " (sorted in part)",
            (false, false) => " (sorted)",
        };
        format!("{}{sorted}", self.description)
    }
}

/// Plans a query. `count` counts the rows of a range up to [`PROBE`].
///
/// # Errors
/// What `count` says.
pub(crate) fn plan(
    request: &Request<'_>,
    settings: &Settings,
    mut count: impl FnMut(&Range) -> Result<u64, Error>,
) -> Result<Plan, Error> {
    let mut plan = Plan { streams: Vec::new(), index: String::new() };
    for filters in request.query.disjunctions() {
        let planner = Planner { request, settings, filters };
        let chosen = planner.choose(&mut count)?;
        let description = chosen.describe();
        if !plan.index.split(" | ").any(|index| index == description) {
            if !plan.index.is_empty() {
                plan.index.push_str(" | ");
            }
            plan.index.push_str(&description);
        }
        plan.streams.extend(chosen.streams);
    }
    Ok(plan)
}

/// Where rows lie: what all have in common, then columns, then the name.
struct Layout<'a> {
    prefix: Vec<u8>,
    /// Fields that have one value in all the rows.
    fixed: Vec<(&'a FieldPath, Value)>,
    columns: Vec<(&'a FieldPath, bool)>,
    name_inverted: bool,
}

struct Planner<'a> {
    request: &'a Request<'a>,
    settings: &'a Settings,
    filters: Vec<&'a FieldFilter>,
}

impl<'a> Planner<'a> {
    fn choose(
        &self,
        count: &mut impl FnMut(&Range) -> Result<u64, Error>,
    ) -> Result<Candidate, Error> {
        let mut candidates = self.candidates();
        if let Some(ideal) = candidates
            .iter()
            .enumerate()
            .filter(|(_, candidate)| candidate.is_ideal())
            .min_by_key(|(_, candidate)| candidate.streams.len())
            .map(|(number, _)| number)
        {
            return Ok(candidates.swap_remove(ideal));
        }
        let mut best: Option<(u64, Candidate)> = None;
        let mut ordered: Option<Candidate> = None;
        for candidate in candidates {
            if candidate.selective {
                let mut entries = 0_u64;
                for range in candidate.streams.iter().flat_map(|stream| &stream.ranges) {
                    if entries < PROBE {
                        entries = entries.saturating_add(count(range)?);
                    }
                }
                let rank = |entries: u64, candidate: &Candidate| (entries, !candidate.is_ordered());
                if best
                    .as_ref()
                    .is_none_or(|(least, best)| rank(entries, &candidate) < rank(*least, best))
                {
                    best = Some((entries, candidate));
                }
            } else if ordered.as_ref().is_none_or(|ordered| {
                candidate.is_ordered()
                    && (!ordered.is_ordered() || candidate.columns() > ordered.columns())
            }) {
                ordered = Some(candidate);
            }
        }
        let stops_early = self.request.wanted.is_some();
        Ok(match (best, ordered) {
            // Few entries are sorted at once; of many, the first in order may be found sooner.
            (Some((entries, best)), Some(ordered))
                if entries >= PROBE
                    && stops_early
                    && !best.is_ordered()
                    && ordered.is_ordered() =>
            {
                ordered
            }
            (Some((_, best)), _) => best,
            (None, Some(ordered)) => ordered,
            (None, None) => self.names(),
        })
    }

    fn candidates(&self) -> Vec<Candidate> {
        let mut candidates = vec![self.names()];
        let mut fields: Vec<&FieldPath> = Vec::new();
        let ordered = self.request.orders.first().map(|order| &order.field);
        let mentioned = self.filters.iter().map(|filter| &filter.field).chain(ordered);
        for field in mentioned {
            if let Field::Path(path) = field
                && !fields.contains(&path)
                && !self.settings.is_exempt(path)
            {
                fields.push(path);
            }
        }
        for field in fields {
            candidates.extend(self.field(field));
            candidates.extend(self.elements(field));
        }
        for composite in &self.settings.composites {
            candidates.extend(self.composite(composite));
        }
        candidates
    }

    fn on(&self, field: &Field) -> impl Iterator<Item = &'a FieldFilter> {
        self.filters.iter().copied().filter(move |filter| &filter.field == field)
    }

    /// Whether all filters are on one of the fields, and all orders too: then entries tell all.
    fn only(&self, fields: &[&FieldPath]) -> bool {
        let known = |field: &Field| match field {
            Field::Name => true,
            Field::Path(path) => fields.contains(&path),
        };
        self.request.orders.iter().all(|order| known(&order.field))
            && self.filters.iter().all(|filter| known(&filter.field) && filter.field != Field::Name)
    }

    /// All documents, by name.
    fn names(&self) -> Candidate {
        let layout = Layout {
            prefix: vec![DOCUMENT],
            fixed: Vec::new(),
            columns: Vec::new(),
            name_inverted: false,
        };
        let mut ranges = vec![(Vec::new(), Vec::new())];
        let mut covered = self.request.orders.iter().all(|order| order.field == Field::Name);
        for filter in &self.filters {
            match self.name_ranges(filter) {
                Some(narrower) => ranges = intersect_names(&ranges, &narrower),
                None => covered = false,
            }
        }
        let selective =
            self.on(&Field::Name).any(|filter| matches!(filter.op, Operator::Equal | Operator::In));
        Candidate {
            streams: self.stream(&layout, ranges, covered).into_iter().collect(),
            description: "__name__".to_owned(),
            selective,
        }
    }

    /// The names that a filter leaves; an empty end is none.
    fn name_ranges(&self, filter: &FieldFilter) -> Option<Ranges> {
        if filter.field != Field::Name {
            return None;
        }
        let point = |value: &Value| {
            let name = self.request.name_of(value.get("$ref")?.as_str()?)?;
            let mut after = name.clone();
            after.push(0);
            Some((name, after))
        };
        let one = || point(&filter.value);
        match filter.op {
            // A document of another collection is not found.
            Operator::Equal => Some(one().into_iter().collect()),
            Operator::In => {
                let mut names: Ranges = elements(filter).filter_map(point).collect();
                names.sort();
                names.dedup();
                Some(names)
            }
            Operator::Less => Some(vec![(Vec::new(), one()?.0)]),
            Operator::LessOrEqual => Some(vec![(Vec::new(), one()?.1)]),
            Operator::Greater => Some(vec![(one()?.1, Vec::new())]),
            Operator::GreaterOrEqual => Some(vec![(one()?.0, Vec::new())]),
            _ => None,
        }
    }

    /// The entries of one field.
    fn field(&self, path: &'a FieldPath) -> Option<Candidate> {
        let field = Field::Path(path.clone());
        let bounds = Bounds::of(self.on(&field));
        let covered = bounds.exact && self.only(&[path]);
        let prefix = entries::field_prefix(FIELD, &path.to_string());
        let is_first = self.request.orders.first().is_some_and(|order| order.field == field);
        if !is_first && let Some(points) = bounds.single_values() {
            let streams = points.into_iter().filter_map(|(value, (start, _))| {
                let layout = Layout {
                    prefix: [prefix.as_slice(), &start].concat(),
                    // Values that share a key are not one.
                    fixed: match indexed(&value).1 {
                        Precision::Exact => vec![(path, value)],
                        Precision::Inexact => Vec::new(),
                    },
                    columns: Vec::new(),
                    name_inverted: false,
                };
                self.stream(&layout, vec![(Vec::new(), Vec::new())], covered)
            });
            return Some(Candidate {
                streams: streams.collect(),
                description: path.to_string(),
                selective: true,
            });
        }
        let layout = Layout {
            prefix,
            fixed: Vec::new(),
            columns: vec![(path, false)],
            name_inverted: false,
        };
        Some(Candidate {
            streams: self.stream(&layout, bounds.ranges, covered).into_iter().collect(),
            description: path.to_string(),
            selective: self.on(&field).next().is_some(),
        })
    }

    /// The elements of one array.
    fn elements(&self, path: &'a FieldPath) -> Option<Candidate> {
        let field = Field::Path(path.clone());
        let filter = self.on(&field).find(|filter| {
            matches!(filter.op, Operator::ArrayContains | Operator::ArrayContainsAny)
        })?;
        let prefix = entries::field_prefix(ELEMENT, &path.to_string());
        let wanted: Vec<&Value> = match filter.op {
            Operator::ArrayContains => vec![&filter.value],
            _ => elements(filter).collect(),
        };
        let mut covered = self.filters.len() == 1
            && self.request.orders.iter().all(|order| order.field == Field::Name);
        let mut keys: Vec<Vec<u8>> = Vec::new();
        for value in wanted.into_iter().filter(|value| entries::is_findable(value)) {
            let (key, precision) = indexed(value);
            covered &= precision == Precision::Exact;
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let streams = keys.iter().filter_map(|key| {
            let layout = Layout {
                prefix: [prefix.as_slice(), key].concat(),
                fixed: Vec::new(),
                columns: Vec::new(),
                name_inverted: false,
            };
            self.stream(&layout, vec![(Vec::new(), Vec::new())], covered)
        });
        Some(Candidate {
            streams: streams.collect(),
            description: format!("{path}[]"),
            selective: true,
        })
    }

    /// A declared index, if the query needs all its fields and starts with the first.
    fn composite(&self, composite: &'a Composite) -> Option<Candidate> {
        let needed = composite.columns.iter().all(|column| self.needs(column));
        if !needed {
            return None;
        }
        let mut layouts = vec![Layout {
            prefix: entries::composite_prefix(composite),
            fixed: Vec::new(),
            columns: Vec::new(),
            name_inverted: composite.ends_descending(),
        }];
        let mut used: Vec<&FieldFilter> = Vec::new();
        let mut exact = true;
        let mut columns = composite.columns.iter().peekable();
        while let Some(column) = columns.peek() {
            let Some((points, filters)) = self.points(column) else { break };
            if layouts.len().saturating_mul(points.len()) > QUERY_DISJUNCTIONS {
                break;
            }
            let (longer, are_exact) = extended(&layouts, column, &points);
            exact &= are_exact;
            layouts = longer;
            used.extend(filters);
            columns.next();
        }
        let rest: Vec<&Column> = columns.collect();
        if rest.iter().any(|column| column.array) {
            return None;
        }
        let has_prefix = rest.len() < composite.columns.len();
        let mut ranges = vec![(Vec::new(), Vec::new())];
        let mut is_narrowed = false;
        if let Some(first) = rest.first() {
            let field = Field::Path(first.field.clone());
            let bounds = Bounds::of(self.on(&field));
            is_narrowed = self.on(&field).next().is_some();
            used.extend(self.on(&field));
            exact &= bounds.exact;
            ranges = if first.descending { inverted(&bounds.ranges) } else { bounds.ranges };
        }
        let all_used =
            self.filters.iter().all(|filter| used.iter().any(|one| std::ptr::eq(*one, *filter)));
        let orders_known = self.request.orders.iter().all(|order| match &order.field {
            Field::Name => true,
            Field::Path(path) => {
                composite.columns.iter().any(|column| !column.array && &column.field == path)
            }
        });
        let covered = exact && all_used && orders_known;
        let streams: Vec<Stream> = layouts
            .into_iter()
            .filter_map(|mut layout| {
                layout.columns =
                    rest.iter().map(|column| (&column.field, column.descending)).collect();
                self.stream(&layout, ranges.clone(), covered)
            })
            .collect();
        // An index that neither narrows nor orders is no help.
        let helps = has_prefix
            || is_narrowed
            || streams.iter().all(|stream| stream.order != StreamOrder::Whole);
        helps.then(|| Candidate {
            streams,
            description: composite.describe(),
            selective: has_prefix,
        })
    }

    /// Whether only documents with the column's field are wanted: the others are not in the index.
    fn needs(&self, column: &Column) -> bool {
        let is_it = |field: &Field| matches!(field, Field::Path(path) if path == &column.field);
        let filtered = self.filters.iter().any(|filter| {
            let on_elements =
                matches!(filter.op, Operator::ArrayContains | Operator::ArrayContainsAny);
            is_it(&filter.field) && (on_elements || !column.array)
        });
        filtered || (!column.array && self.request.orders.iter().any(|order| is_it(&order.field)))
    }

    /// The values that a column may have, if equality leaves only some, and the filters that say so.
    fn points(&self, column: &Column) -> Option<(Vec<Value>, Vec<&'a FieldFilter>)> {
        let field = Field::Path(column.field.clone());
        if column.array {
            let filter = self.on(&field).find(|filter| {
                matches!(filter.op, Operator::ArrayContains | Operator::ArrayContainsAny)
            })?;
            let wanted: Vec<Value> = match filter.op {
                Operator::ArrayContains => vec![filter.value.clone()],
                _ => elements(filter).cloned().collect(),
            };
            let findable = wanted.into_iter().filter(entries::is_findable).collect();
            return Some((findable, vec![filter]));
        }
        let filters: Vec<&FieldFilter> = self
            .on(&field)
            .filter(|filter| {
                !matches!(filter.op, Operator::ArrayContains | Operator::ArrayContainsAny)
            })
            .collect();
        let values = Bounds::of(filters.iter().copied()).single_values()?;
        Some((values.into_iter().map(|(value, _)| value).collect(), filters))
    }

    /// The stream of a layout's ranges, which are of what follows its prefix; `None` when cursors leave nothing of it.
    fn stream(&self, layout: &Layout<'_>, ranges: Ranges, covered: bool) -> Option<Stream> {
        let request = self.request;
        let (order, reverse) = order_of(layout, &request.orders);
        let mut stream = Stream {
            ranges: Vec::new(),
            prefix: layout.prefix.len(),
            columns: layout.columns.iter().map(|(_, inverted)| *inverted).collect(),
            order,
            covered: covered && !request.needs_more,
        };
        let (mut lowest, mut highest) = (layout.prefix.clone(), after_prefix(&layout.prefix));
        for (cursor, is_start) in request.cursors() {
            match self.bound(layout, order, cursor, is_start) {
                Bound::Nothing => return None,
                Bound::Everything => {}
                Bound::At { key, is_name, inclusive, exact } => {
                    stream.covered &= exact;
                    let beyond = || {
                        if is_name { [key.as_slice(), &[0]].concat() } else { after_prefix(&key) }
                    };
                    let is_lower = is_start != reverse;
                    let bound = if inclusive == is_lower { key.clone() } else { beyond() };
                    if is_lower {
                        lowest = lowest.max(bound);
                    } else {
                        highest = highest.min(bound);
                    }
                }
            }
        }
        for (start, end) in ranges {
            let start = [layout.prefix.as_slice(), &start].concat().max(lowest.clone());
            let end = if end.is_empty() {
                after_prefix(&layout.prefix)
            } else {
                [layout.prefix.as_slice(), &end].concat()
            };
            let end = end.min(highest.clone());
            if start < end {
                stream.ranges.push(Range { start, end, reverse });
            }
        }
        if reverse {
            stream.ranges.reverse();
        }
        Some(stream)
    }

    /// Where a cursor lies in a layout's keys.
    fn bound(
        &self,
        layout: &Layout<'_>,
        order: StreamOrder,
        cursor: &Cursor,
        is_start: bool,
    ) -> Bound {
        let mut key = layout.prefix.clone();
        let mut columns = layout.columns.iter();
        let usable = match order {
            StreamOrder::Exact => usize::MAX,
            StreamOrder::Runs(columns) => columns,
            StreamOrder::Whole => 0,
        };
        let mut used = 0_usize;
        // What is not known exactly is left to the look at the documents.
        let inexact = |key| Bound::At { key, is_name: false, inclusive: true, exact: false };
        for (value, order) in cursor.values.iter().zip(&self.request.orders) {
            if let Some(fixed) = layout.value_of(&order.field) {
                let place = match order.direction {
                    Direction::Ascending => compare(fixed, value),
                    Direction::Descending => compare(value, fixed),
                };
                // Whatever follows in the cursor, all rows that start with the key are on one side.
                let inclusive = match (place, is_start) {
                    (Ordering::Equal, _) => continue,
                    (Ordering::Greater, true) | (Ordering::Less, false) => true,
                    (Ordering::Less, true) | (Ordering::Greater, false) => false,
                };
                return match (used, inclusive) {
                    (0, true) => Bound::Everything,
                    (0, false) => Bound::Nothing,
                    _ => Bound::At { key, is_name: false, inclusive, exact: true },
                };
            }
            if used >= usable {
                return inexact(key);
            }
            used = used.saturating_add(1);
            match (&order.field, columns.next()) {
                (Field::Path(_), Some((_, inverted))) => {
                    let from = key.len();
                    let precision = super::key::push_indexed(&mut key, value);
                    if *inverted {
                        super::key::invert(&mut key, from);
                    }
                    if precision == Precision::Inexact {
                        return inexact(key);
                    }
                }
                (Field::Name, None) => {
                    let path = value.get("$ref").and_then(Value::as_str).unwrap_or_default();
                    let Some(name) = self.request.name_of(path) else { return inexact(key) };
                    if layout.name_inverted {
                        let from = key.len();
                        push_ended_name(&mut key, &name);
                        super::key::invert(&mut key, from);
                    } else {
                        key.extend_from_slice(&name);
                        let inclusive = cursor.inclusive;
                        return Bound::At { key, is_name: true, inclusive, exact: true };
                    }
                }
                _ => return inexact(key),
            }
        }
        Bound::At { key, is_name: false, inclusive: cursor.inclusive, exact: true }
    }
}

/// The layouts with one more column, which has each of the values in turn; whether the keys tell them all apart.
fn extended<'a>(
    layouts: &[Layout<'a>],
    column: &'a Column,
    values: &[Value],
) -> (Vec<Layout<'a>>, bool) {
    let (mut longer, mut exact) = (Vec::new(), true);
    for layout in layouts {
        for value in values {
            let mut prefix = layout.prefix.clone();
            let precision = entries::push_column(&mut prefix, column, value);
            exact &= precision == Precision::Exact;
            let mut fixed = layout.fixed.clone();
            if !column.array && precision == Precision::Exact {
                fixed.push((&column.field, value.clone()));
            }
            longer.push(Layout { prefix, fixed, columns: Vec::new(), ..*layout });
        }
    }
    (longer, exact)
}

impl Layout<'_> {
    /// The value that a field has in all the rows, if it has one.
    fn value_of(&self, field: &Field) -> Option<&Value> {
        let is_it = |path: &FieldPath| matches!(field, Field::Path(field) if field == path);
        self.fixed.iter().find(|(path, _)| is_it(path)).map(|(_, value)| value)
    }
}

impl Candidate {
    fn columns(&self) -> usize {
        self.streams.first().map_or(0, |stream| stream.columns.len())
    }
}

enum Bound {
    /// No row is on the inner side.
    Nothing,
    /// All are.
    Everything,
    /// Rows that start with the key are at the cursor, and on the inner side or not; a name is the whole rest of a key.
    /// Unless it is exact, only some of them are on the inner side.
    At { key: Vec<u8>, is_name: bool, inclusive: bool, exact: bool },
}

/// How the rows of a layout are ordered, and whether they are to be read backwards.
fn order_of(layout: &Layout<'_>, orders: &[Order]) -> (StreamOrder, bool) {
    let is_fixed = |order: &&Order| {
        layout
            .fixed
            .iter()
            .any(|(path, _)| matches!(&order.field, Field::Path(field) if field == *path))
    };
    let mut orders = orders.iter().filter(|order| !is_fixed(order));
    let mut matched = 0_usize;
    let mut reverse: Option<bool> = None;
    for (path, inverted) in &layout.columns {
        let Some(order) = orders.next() else { break };
        let turned = (order.direction == Direction::Descending) != *inverted;
        let fits = matches!(&order.field, Field::Path(field) if field == *path)
            && reverse.is_none_or(|reverse| reverse == turned);
        if !fits {
            break;
        }
        reverse = Some(turned);
        matched = matched.saturating_add(1);
    }
    if matched == layout.columns.len()
        && let Some(order) = orders.next()
        && order.field == Field::Name
    {
        let turned = (order.direction == Direction::Descending) != layout.name_inverted;
        if reverse.is_none_or(|reverse| reverse == turned) {
            return (StreamOrder::Exact, turned);
        }
    }
    match (matched, reverse) {
        (0, _) => (StreamOrder::Whole, false),
        (matched, reverse) => (StreamOrder::Runs(matched), reverse.unwrap_or(false)),
    }
}

fn intersect_names(left: &Ranges, right: &Ranges) -> Ranges {
    let mut common = Vec::new();
    for (start, end) in left {
        for (other_start, other_end) in right {
            let start = start.max(other_start);
            let end = match (end.is_empty(), other_end.is_empty()) {
                (true, _) => other_end,
                (_, true) => end,
                _ => end.min(other_end),
            };
            if end.is_empty() || start < end {
                common.push((start.clone(), end.clone()));
            }
        }
    }
    common
}
