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

#[cfg(test)]
mod tests {
    use super::*;
    use blaze_schema::query::Query;
    use blaze_schema::value::{Transforms, check_data};
    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};
    use serde_json::json;

    fn request(keys: &Value) -> Option<Request<'static>> {
        let mut keys = keys.clone();
        keys["from"] = json!("c");
        Request::owned(Query::from_json(keys).ok()?).ok()
    }

    fn data(value: Value) -> Map {
        check_data(value, Transforms::Refused, "data").unwrap()
    }

    fn path(id: &str) -> DocumentPath {
        DocumentPath::parse(&format!("c/{id}")).unwrap()
    }

    fn found(matcher: &mut Matcher, id: &str, document: &Value) -> BTreeSet<Id> {
        let mut found = BTreeSet::new();
        matcher.find(&path(id), &data(document.clone()), &mut found);
        found
    }

    /// Values of every type, some of which share a key.
    fn values() -> Vec<Value> {
        let long = "x".repeat(1_500);
        vec![
            json!(null),
            json!(false),
            json!(true),
            json!({"$number": "NaN"}),
            json!(1),
            json!(1.0),
            json!(2),
            json!("a"),
            json!(format!("{long}a")),
            json!(format!("{long}b")),
            json!({"$ref": "c/a"}),
            json!([]),
            json!([1, "a"]),
            json!([null, [1]]),
            json!({}),
            json!({"x": 1}),
            json!({"x": {"y": 2}}),
        ]
    }

    const FIELDS: [&str; 5] = ["a", "b", "m.x", "m.x.y", "m"];

    fn condition() -> impl Strategy<Value = Value> {
        let ops = Operator::ALL.map(Operator::as_str).to_vec();
        let fields = [FIELDS.as_slice(), &["__name__"]].concat();
        let several = subsequence(values(), 1..4);
        (select(fields), select(ops), select(values()), several, select(vec!["a", "b"])).prop_map(
            |(field, op, one, several, id)| {
                let takes_values = Operator::parse(op).is_some_and(Operator::takes_values);
                let value = match (field == "__name__", takes_values) {
                    (true, true) => json!([id, "z"]),
                    (true, false) => json!(id),
                    (false, true) => Value::from(several),
                    (false, false) => one,
                };
                json!({"field": field, "op": op, "value": value})
            },
        )
    }

    fn filter() -> impl Strategy<Value = Value> {
        condition().prop_recursive(2, 6, 3, |inner| {
            let several = prop::collection::vec(inner, 1..4);
            (several, any::<bool>()).prop_map(|(filters, all)| {
                if all { json!({ "and": filters }) } else { json!({ "or": filters }) }
            })
        })
    }

    fn queries() -> impl Strategy<Value = Request<'static>> {
        let order = prop::option::of(select(FIELDS.to_vec()));
        (prop::option::of(filter()), order).prop_filter_map("no query", |(filter, order)| {
            let mut keys = json!({});
            if let Some(filter) = filter {
                keys["where"] = filter;
            }
            if let Some(order) = order {
                keys["orderBy"] = json!([{ "field": order }]);
            }
            request(&keys)
        })
    }

    fn documents() -> impl Strategy<Value = (String, Map)> {
        let value = || prop::option::of(select(values()));
        (select(vec!["a", "b", "c"]), value(), value(), value()).prop_map(|(id, a, b, m)| {
            let fields = [("a", a), ("b", b), ("m", m)];
            let fields =
                fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
            (id.to_owned(), data(Value::Object(fields.collect())))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn every_query_that_wants_a_document_is_found(
            queries in prop::collection::vec(queries(), 1..12),
            documents in prop::collection::vec(documents(), 8),
            leave in prop::collection::vec(any::<bool>(), 12),
        ) {
            let mut matcher = Matcher::default();
            for (number, query) in queries.iter().enumerate() {
                matcher.add(number as Id, query);
            }
            let stays = |number: usize| !leave[number];
            for round in 0..2 {
                for (id, data) in &documents {
                    let mut found = BTreeSet::new();
                    matcher.find(&path(id), data, &mut found);
                    for (number, query) in queries.iter().enumerate() {
                        let is_found = found.contains(&(number as Id));
                        let is_here = round == 0 || stays(number);
                        prop_assert!(is_found || !is_here || !query.wants(&path(id), data), "{:?}", query.query);
                        prop_assert!(is_here || !is_found);
                    }
                }
                for (number, query) in queries.iter().enumerate().filter(|(number, _)| !stays(*number)) {
                    matcher.remove(number as Id, query);
                }
            }
            for (number, query) in queries.iter().enumerate() {
                matcher.remove(number as Id, query);
            }
            prop_assert!(matcher.names.is_empty() && matcher.fields.is_empty() && matcher.always.is_empty());
        }
    }

    /// Of 10,000 queries few are looked at, and those that match among them.
    #[test]
    fn queries_are_not_looked_at_one_by_one() {
        let count: Id = 10_000;
        let equal = |n: Id| json!({"where": {"field": "a", "op": "==", "value": n / 5}});
        let also = |n: Id| {
            let filters = [
                json!({"field": "b", "op": ">", "value": 0}),
                json!({"field": "a", "op": "==", "value": n / 5}),
            ];
            json!({"where": {"and": filters}, "orderBy": [{"field": "b"}], "limit": 3})
        };
        let one_of = |n: Id| {
            let values = [json!(n / 5), json!(format!("other {n}"))];
            json!({"where": {"field": "a", "op": "in", "value": values}})
        };
        let either = |n: Id| {
            let filters =
                [equal(n)["where"].clone(), json!({"field": "c", "op": "==", "value": n})];
            json!({"where": {"or": filters}})
        };
        let range = |n: Id| {
            let filters = [
                json!({"field": "a", "op": ">=", "value": n / 5}),
                json!({"field": "a", "op": "<", "value": n / 5 + 1}),
            ];
            json!({"where": {"and": filters}})
        };
        let element =
            |n: Id| json!({"where": {"field": "t", "op": "array-contains", "value": n / 5}});
        let any_element = |n: Id| {
            let values = [json!(n / 5), json!(format!("other {n}"))];
            json!({"where": {"field": "t", "op": "array-contains-any", "value": values}})
        };
        let name = |n: Id| {
            let ids = [(n / 5).to_string(), format!("other {n}")];
            json!({"where": {"field": "__name__", "op": "in", "value": ids}})
        };
        let field = |n: Id| json!({"orderBy": [{"field": format!("f{}", n / 5)}]});
        let document = json!({"a": 777, "b": 1, "t": [777, "x"], "f777": 1, "m": {"a": 778}});
        let kinds: [(&str, &dyn Fn(Id) -> Value); 9] = [
            ("equality", &equal),
            ("equality beside a range", &also),
            ("in", &one_of),
            ("or", &either),
            ("range", &range),
            ("element", &element),
            ("elements", &any_element),
            ("name", &name),
            ("field", &field),
        ];
        for (kind, query) in kinds {
            let mut matcher = Matcher::default();
            for id in 0..count {
                matcher.add(id, &request(&query(id)).unwrap());
            }
            let found = found(&mut matcher, "777", &document);
            let wanted: BTreeSet<Id> = (0..count).filter(|n| n / 5 == 777).collect();
            assert_eq!(wanted.len(), 5);
            assert!(found.is_superset(&wanted), "{kind}");
            assert!(found.len() <= 24, "{kind}: {} are looked at", found.len());
        }
    }

    #[test]
    fn ranges_that_overlap_are_all_found() {
        let mut matcher = Matcher::default();
        let range = |from: i64, to: i64| {
            let filters = [
                json!({"field": "a", "op": ">=", "value": from}),
                json!({"field": "a", "op": "<=", "value": to}),
            ];
            request(&json!({"where": {"and": filters}})).unwrap()
        };
        let ends = |id: i64| (id * 37 % 1_000, id * 37 % 1_000 + id * 13 % 301);
        for id in 0..2_000 {
            matcher.add(id as Id, &range(ends(id).0, ends(id).1));
        }
        for round in 0..2 {
            for value in (-1..1_400).step_by(50) {
                let holds = |id: &i64| ends(*id).0 <= value && value <= ends(*id).1;
                let wanted = (0..2_000).filter(|id| round == 0 || id % 3 > 0).filter(holds);
                let wanted: BTreeSet<Id> = wanted.map(|id| id as Id).collect();
                assert_eq!(found(&mut matcher, "a", &json!({ "a": value })), wanted, "{value}");
            }
            for id in (0..2_000).step_by(3) {
                matcher.remove(id as Id, &range(ends(id).0, ends(id).1));
            }
        }
    }

    #[test]
    fn a_query_of_any_document_is_always_found() {
        let mut matcher = Matcher::default();
        matcher.add(1, &request(&json!({})).unwrap());
        matcher.add(2, &request(&json!({"orderBy": [{"field": "__name__"}]})).unwrap());
        matcher.add(3, &request(&json!({"orderBy": [{"field": "a"}]})).unwrap());
        assert_eq!(found(&mut matcher, "x", &json!({})), BTreeSet::from([1, 2]));
        assert_eq!(found(&mut matcher, "x", &json!({"a": null})), BTreeSet::from([1, 2, 3]));
    }
}
