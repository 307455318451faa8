//! What a world's documents and indexes are, and what is asked of them.

use crate::random::Random;
use blaze_engine::index::settings::Collections;
use blaze_schema::document::Document;
use blaze_schema::path::DocumentPath;
use blaze_schema::query::{Limit, Matcher, Query, project};
use serde_json::{Value, json};

/// The id of every collection.
const ID: &str = "room s";

/// The settings that a world may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    shards: usize,
    group: bool,
}

impl Frame {
    pub(super) fn random(random: &mut Random) -> Self {
        Frame { shards: *random.pick(&[1, 1, 2, 3]), group: random.chance(50) }
    }

    /// `collections.json`, which is as it was but for the indexes.
    pub(super) fn collections(self, random: &mut Random) -> Value {
        let composites = [
            json!(["a", "-n"]),
            json!(["n", "a"]),
            json!(["list[]", "n"]),
            json!(["-t", "a"]),
            json!(["b.c", "count"]),
        ];
        let some = composites.into_iter().filter(|_| random.chance(35));
        let indexes: Vec<Value> = some.collect();
        let exempt = match random.below(8) {
            0 => json!(["*"]),
            1 => json!(["b", "list"]),
            2 => json!(["a"]),
            _ => json!([]),
        };
        json!({ID: {"shards": self.shards, "group": self.group, "indexes": indexes, "exempt": exempt}})
    }

    /// Where queries may look.
    pub(super) fn sources(self) -> Vec<Value> {
        let mut sources = vec![json!(ID), json!(ID), json!(format!("house/1/{ID}"))];
        sources.extend(self.group.then(|| json!({"group": ID})));
        sources
    }
}

pub(super) fn parse(collections: &Value) -> Collections {
    Collections::parse(&collections.to_string()).expect("the settings are right")
}

/// The path of a document, of which the first `replicated` are those that clients have replicas of.
pub(super) fn path(number: usize, replicated: usize) -> DocumentPath {
    let parent = if number >= replicated && number.is_multiple_of(2) { "house/1/" } else { "" };
    DocumentPath::parse(&format!("{parent}{ID}/{number}")).expect("a path")
}

/// A query, as its JSON.
pub(super) fn query(random: &mut Random, sources: &[Value]) -> Query {
    loop {
        let mut query = json!({"from": random.pick(sources)});
        match random.below(10) {
            0..=3 => {}
            4..=7 => query["where"] = condition(random),
            number => {
                let kind = if number == 8 { "and" } else { "or" };
                query["where"] = json!({kind: [condition(random), condition(random)]});
            }
        }
        let mut orders = Vec::new();
        for _ in 0..*random.pick(&[0, 0, 1, 1, 2]) {
            orders
                .push(json!({"field": field(random), "direction": *random.pick(&["asc", "desc"])}));
        }
        if random.chance(10) {
            query["startAfter"] = json!([value(random)]);
        }
        match random.below(10) {
            0..=3 => query["limit"] = json!(random.between(1, 4)),
            4..=5 if !orders.is_empty() => query["limitToLast"] = json!(random.between(1, 4)),
            _ => {}
        }
        if !orders.is_empty() {
            query["orderBy"] = Value::Array(orders);
        }
        if random.chance(10) {
            query["offset"] = json!(random.between(1, 2));
        }
        if random.chance(15) {
            query["select"] = json!([field(random)]);
        }
        // One that is none, such as one that orders by a field twice, is not asked.
        if let Ok(query) = Query::from_json(query) {
            return query;
        }
    }
}

fn field(random: &mut Random) -> &'static str {
    random.pick::<&str>(&["a", "a", "n", "n", "b.c", "count", "t", "by"])
}

fn value(random: &mut Random) -> Value {
    random
        .pick(&[json!(0), json!(1), json!(1), json!(2), json!(0.5), json!(null), json!("w2")])
        .clone()
}

fn condition(random: &mut Random) -> Value {
    if random.chance(15) {
        return json!({"field": "list", "op": "array-contains", "value": value(random)});
    }
    let op = *random.pick(&["==", "==", "<", "<=", ">", ">=", ">", "!=", "in"]);
    let value = if op == "in" { json!([value(random), value(random)]) } else { value(random) };
    json!({"field": field(random), "op": op, "value": value})
}

/// What a query answers of these documents, found by looking at each.
pub(super) fn answer(query: &Query, documents: &[Document]) -> Vec<Value> {
    let matcher = Matcher::new(query.clone());
    let mut found: Vec<_> = documents
        .iter()
        .filter_map(|document| {
            let path = DocumentPath::parse(&document.path).expect("a path");
            let data = document.data.as_ref()?;
            let wanted = matcher.matches(&path, data) && matcher.in_bounds(&path, data);
            wanted.then_some((path, data, document))
        })
        .collect();
    found.sort_by(|a, b| matcher.compare((&a.0, a.1), (&b.0, b.1)));
    let offset = usize::try_from(query.offset).expect("a small offset").min(found.len());
    match query.limit {
        Some(Limit::Last(limit)) => {
            // Both count from the end.
            found.truncate(found.len() - offset);
            found.drain(..found.len().saturating_sub(limit as usize));
        }
        Some(Limit::First(limit)) => {
            found.drain(..offset);
            found.truncate(limit as usize);
        }
        None => drop(found.drain(..offset)),
    }
    let shown = |document: &Document| {
        let mut document = document.clone();
        document.data = document.data.map(|data| match &query.select {
            Some(select) => project(&data, Some(select)),
            None => data,
        });
        serde_json::to_value(document).expect("a document is JSON")
    };
    found.into_iter().map(|(_, _, document)| shown(document)).collect()
}
