//! What a query answers, found by looking at every document: what an index is held against.

use blaze_engine::index::row;
use blaze_schema::document::{Document, document_text};
use blaze_schema::path::DocumentPath;
use blaze_schema::query::{Limit, Matcher, Query, field, project};
use blaze_schema::timestamp::Timestamp;
use blaze_schema::value::{Map, Number};
use serde_json::{Value, json};

/// A state of a document, as the index is told it.
#[derive(Clone, Debug)]
pub struct State {
    /// Its path.
    pub path: DocumentPath,
    /// Its version.
    pub version: u64,
    /// Its data; `None` when it is deleted.
    pub data: Option<Map>,
    /// Its resource as JSON.
    pub resource: String,
    /// Its epoch.
    epoch: String,
}

impl State {
    /// The state of this version, written at `now`.
    pub fn new(
        path: &DocumentPath,
        epoch: u64,
        version: u64,
        now: Timestamp,
        data: Option<Map>,
    ) -> Self {
        let text = data.as_ref().map(|data| serde_json::to_string(data).unwrap());
        let resource =
            document_text(path, version, "2026-01-01T00:00:00Z", &now.to_string(), text.as_deref());
        State { path: path.clone(), version, data, resource, epoch: format!("{epoch:026}") }
    }

    /// What the document sends to its index.
    pub fn row(&self) -> Vec<u8> {
        row::of(&self.epoch, &self.resource).into_bytes()
    }

    fn data(&self) -> &Map {
        self.data.as_ref().unwrap()
    }

    /// The resource with only what the query shows.
    fn shown(&self, query: &Query) -> String {
        if query.select.is_none() {
            return self.resource.clone();
        }
        let mut resource: Document = serde_json::from_str(&self.resource).unwrap();
        resource.data = Some(project(self.data(), query.select.as_deref()));
        serde_json::to_string(&resource).unwrap()
    }
}

/// The documents of an answer.
#[derive(Debug)]
pub struct Expected<'a> {
    /// In the order of the query.
    pub documents: Vec<&'a State>,
    /// Whether there are more beyond the limit.
    pub more: bool,
}

/// All that the query finds, its limit and offset left aside.
pub fn found<'a>(query: &Query, states: &'a [State]) -> Vec<&'a State> {
    let matcher = Matcher::new(query.clone());
    let mut found: Vec<&State> = states
        .iter()
        .filter(|state| {
            let Some(data) = &state.data else { return false };
            matcher.matches(&state.path, data) && matcher.in_bounds(&state.path, data)
        })
        .collect();
    found.sort_by(|a, b| matcher.compare((&a.path, a.data()), (&b.path, b.data())));
    found
}

/// What the query answers. The offset counts from the end from which the limit counts, as in Firestore, whose SDKs turn
/// a query for the last documents round before they send it.
pub fn answer<'a>(query: &Query, states: &'a [State]) -> Expected<'a> {
    let mut documents = found(query, states);
    let offset = (query.offset as usize).min(documents.len());
    let mut more = false;
    match query.limit {
        Some(Limit::Last(limit)) => {
            documents.truncate(documents.len() - offset);
            documents.drain(..documents.len().saturating_sub(limit as usize));
        }
        limit => {
            documents.drain(..offset);
            if let Some(Limit::First(limit)) = limit {
                more = documents.len() > limit as usize;
                documents.truncate(limit as usize);
            }
        }
    }
    Expected { documents, more }
}

/// The text of the answer's documents.
pub fn documents_text(query: &Query, documents: &[&State]) -> String {
    let shown: Vec<String> = documents.iter().map(|state| state.shown(query)).collect();
    format!("{{\"documents\":[{}]", shown.join(","))
}

/// Whether the answer to aggregates over these documents is right: exactly, but for the rounding of doubles, whose sum
/// depends on the order in which they are added.
pub fn is_aggregate(answer: &Value, aggregates: &Value, documents: &[&State]) -> bool {
    let asked = aggregates.as_object().unwrap();
    let path_of = |aggregate: &Value| {
        let text = aggregate.get("sum").or(aggregate.get("avg"))?.as_str()?.to_owned();
        Some(blaze_schema::field_path::FieldPath::parse(&text).unwrap())
    };
    let complete: Vec<&&State> = documents
        .iter()
        .filter(|state| {
            let paths = asked.values().filter_map(path_of);
            paths.into_iter().all(|path| field(state.data(), &path).is_some())
        })
        .collect();
    answer.as_object().is_some_and(|answer| answer.len() == asked.len())
        && asked.iter().all(|(alias, aggregate)| {
            let answer = &answer[alias];
            let Some(path) = path_of(aggregate) else { return *answer == json!(complete.len()) };
            let values = complete.iter().filter_map(|state| field(state.data(), &path));
            let numbers: Vec<Number> = values.filter_map(Number::of).collect();
            is_total(answer, &numbers, aggregate.get("avg").is_some())
        })
}

fn is_total(answer: &Value, numbers: &[Number], average: bool) -> bool {
    let (mut integers, mut doubles, mut size, mut any_double) = (0_i128, 0.0, 0.0, false);
    let mut overflows = false;
    for number in numbers {
        match number {
            Number::Integer(integer) => integers += i128::from(*integer),
            Number::Double(double) => {
                any_double = true;
                doubles += double;
                overflows |= double.is_finite() && double.abs() > f64::MAX / 100.0;
            }
        }
        size += number.to_f64().abs();
    }
    let integer = i64::try_from(integers).ok().filter(|_| !any_double);
    if let (Some(integer), false) = (integer, average) {
        return *answer == json!(integer);
    }
    if average && numbers.is_empty() {
        return answer.is_null();
    }
    let divisor = if average { numbers.len() as f64 } else { 1.0 };
    let wanted = (integers as f64 + doubles) / divisor;
    let Some(answer) = Number::of(answer) else { return false };
    let answer = answer.to_f64();
    // Sums of the largest doubles become infinite on the way, or not.
    overflows
        || answer == wanted
        || (answer.is_nan() && wanted.is_nan())
        || (answer - wanted).abs() <= size * 1e-12
}
