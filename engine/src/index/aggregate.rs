//! Aggregates over the documents of a query: count, sum, average (Firestore: "Summarize data with aggregation queries").

use super::execute::Documents;
use super::page::{Page, for_shard};
use super::plan::{PROBE, Plan, plan};
use super::request::Request;
use super::settings::Settings;
use blaze_schema::error::{Code, Error};
use blaze_schema::field_path::FieldPath;
use blaze_schema::limits::{AGGREGATES, ANSWER_BYTES};
use blaze_schema::query::{Limit, Query, field};
use blaze_schema::value::{Map, Number};
use blaze_store::Store;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What is asked about the documents of a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregation {
    /// The documents.
    pub query: Query,
    /// What is asked, by the names that the answer gives it.
    pub aggregates: Vec<(String, Aggregate)>,
}

/// One thing that is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Aggregate {
    /// `"count"`
    Count,
    /// `{"sum":field}`
    Sum(FieldPath),
    /// `{"avg":field}`
    Average(FieldPath),
}

/// What some of the documents come to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Partial {
    /// Documents that have every field that is asked about.
    documents: u64,
    /// In the order of the aggregates.
    sums: Vec<Sum>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sum {
    /// How many numbers there were.
    numbers: u64,
    /// The sum of the integers, in decimal: JSON's numbers end before it does.
    #[serde(with = "decimal")]
    integers: i128,
    /// The doubles' sum by its bits, so that infinities and NaN survive JSON; `None` when there was none.
    doubles: Option<u64>,
}

mod decimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(value: &i128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<i128, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Aggregation {
    /// Reads `{"query":{…},"aggregates":{"n":"count","t":{"sum":"price"},"m":{"avg":"price"}}}`.
    ///
    /// # Errors
    /// `invalid-argument` naming the place.
    pub fn from_json(value: Value) -> Result<Self, Error> {
        let Value::Object(mut fields) = value else {
            return Err(Error::invalid("body: not a JSON object"));
        };
        let query = fields.remove("query").ok_or_else(|| Error::invalid("query: missing"))?;
        let query = Query::from_json(query)
            .map_err(|error| Error::new(error.code, format!("query: {}", error.detail)))?;
        if query.page_token.is_some() {
            return Err(Error::invalid("query: pageToken: aggregates have no pages"));
        }
        let Some(Value::Object(aggregates)) = fields.remove("aggregates") else {
            return Err(Error::invalid("aggregates: not a JSON object"));
        };
        if let Some(key) = fields.keys().next() {
            return Err(Error::invalid(format!(
                "{key}: no such key; there are query and aggregates"
            )));
        }
        if aggregates.is_empty() || aggregates.len() > AGGREGATES {
            let detail = format!("aggregates: {}, of 1 to {AGGREGATES}", aggregates.len());
            return Err(Error::invalid(detail));
        }
        let aggregates = aggregates.into_iter().map(|(alias, aggregate)| {
            let aggregate = Aggregate::from_json(&aggregate)
                .map_err(|detail| Error::invalid(format!("aggregates.{alias}: {detail}")))?;
            Ok((alias, aggregate))
        });
        Ok(Aggregation { query, aggregates: aggregates.collect::<Result<_, Error>>()? })
    }

    /// As JSON, for [`Aggregation::from_json`].
    pub fn to_json(&self) -> Value {
        let aggregates = self.aggregates.iter().map(|(alias, aggregate)| {
            let aggregate = match aggregate {
                Aggregate::Count => json!("count"),
                Aggregate::Sum(field) => json!({"sum": field.to_string()}),
                Aggregate::Average(field) => json!({"avg": field.to_string()}),
            };
            (alias.clone(), aggregate)
        });
        let aggregates: Map = aggregates.collect();
        json!({"query": self.query.to_json(), "aggregates": aggregates})
    }

    /// What each of several shards is asked: limit and offset are for all of them together.
    pub fn for_shard(&self) -> Self {
        Aggregation { query: for_shard(&self.query), aggregates: self.aggregates.clone() }
    }

    /// The answer over the documents of a page, its limit and offset done.
    ///
    /// # Errors
    /// `resource-exhausted` when the documents did not fit on the page, `internal` for one that cannot be read.
    pub fn of_page(&self, page: &Page) -> Result<String, Error> {
        let limit = self.query.limit.map(|(Limit::First(limit) | Limit::Last(limit))| limit);
        if page.more && limit != Some(page.documents.len() as u64) {
            let detail = format!(
                "query: with a limit or an offset over several shards, its documents may have {ANSWER_BYTES} bytes"
            );
            return Err(Error::new(Code::ResourceExhausted, detail));
        }
        let mut partial = self.nothing();
        for found in &page.documents {
            self.add(&mut partial, &found.read()?.1);
        }
        Ok(self.render(&[partial]))
    }

    fn fields(&self) -> impl Iterator<Item = Option<&FieldPath>> {
        self.aggregates.iter().map(|(_, aggregate)| match aggregate {
            Aggregate::Count => None,
            Aggregate::Sum(field) | Aggregate::Average(field) => Some(field),
        })
    }

    /// Whether documents need not be read for it, if the index finds them.
    fn only_counts(&self) -> bool {
        self.fields().all(|field| field.is_none())
    }

    /// Whether shards can answer parts of it that add up: not where a limit or an offset cuts documents off whose
    /// fields are asked about.
    pub fn adds_up(&self) -> bool {
        self.only_counts() || (self.query.limit.is_none() && self.query.offset == 0)
    }

    /// What one index has of it.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn read(&self, store: &impl Store, settings: &Settings) -> Result<Partial, Error> {
        let request = Request::new(&self.query)?;
        let plan =
            plan(&request, settings, |range| store.count(range, PROBE).map_err(Error::from))?;
        if self.only_counts()
            && plan.streams.len() <= 1
            && plan.streams.iter().all(|one| one.covered)
        {
            let documents = count(store, &plan, request.wanted)?;
            return Ok(Partial { documents, ..self.nothing() });
        }
        if request.wanted.is_none() && (self.only_counts() || self.query.offset == 0) {
            self.read_all(store, &request, plan)
        } else {
            self.read_first(store, &request, plan)
        }
    }

    /// Adds up the first documents in the order of the query; when they are only counted, those that an offset leaves
    /// out as well.
    fn read_first(
        &self,
        store: &impl Store,
        request: &Request<'_>,
        plan: Plan,
    ) -> Result<Partial, Error> {
        let mut partial = self.nothing();
        let mut documents = Documents::new(store, request, plan, false).at_most(request.wanted);
        let mut seen = 0_u64;
        while request.wanted.is_none_or(|wanted| seen < wanted)
            && let Some(found) = documents.next()?
        {
            seen = seen.saturating_add(1);
            if self.only_counts() {
                partial.documents = partial.documents.saturating_add(1);
            } else if seen > self.query.offset {
                self.add(&mut partial, &found.read()?.1);
            }
        }
        Ok(partial)
    }

    /// Adds up all documents, in any order: so none need be kept to be sorted.
    fn read_all(
        &self,
        store: &impl Store,
        request: &Request<'_>,
        plan: Plan,
    ) -> Result<Partial, Error> {
        let mut partial = self.nothing();
        let mut seen = BTreeSet::new();
        let several = plan.streams.len() > 1;
        for plan in plan.unordered() {
            let mut documents = Documents::new(store, request, plan, false);
            while let Some(found) = documents.next()? {
                let read = found.read()?;
                if !several || seen.insert(read.0.as_str().to_owned()) {
                    self.add(&mut partial, &read.1);
                }
            }
        }
        Ok(partial)
    }

    /// What no documents come to.
    pub fn nothing(&self) -> Partial {
        Partial { documents: 0, sums: self.aggregates.iter().map(|_| Sum::default()).collect() }
    }

    /// Adds a document.
    pub fn add(&self, partial: &mut Partial, data: &Map) {
        let values = self.fields().map(|path| path.map(|path| field(data, path)));
        let values: Vec<Option<Option<&Value>>> = values.collect();
        // As Firestore has it: only documents with all the fields count, for any of the aggregates.
        if values.iter().any(|value| matches!(value, Some(None))) {
            return;
        }
        partial.documents = partial.documents.saturating_add(1);
        for (sum, value) in partial.sums.iter_mut().zip(values) {
            match value.flatten().and_then(Number::of) {
                None => continue,
                Some(Number::Integer(integer)) => {
                    sum.integers = sum.integers.saturating_add(i128::from(integer));
                }
                Some(Number::Double(double)) => sum.add_double(double),
            }
            sum.numbers = sum.numbers.saturating_add(1);
        }
    }

    /// The answer's JSON, from what all the shards have.
    pub fn render(&self, partials: &[Partial]) -> String {
        let mut total = self.nothing();
        for partial in partials {
            total.documents = total.documents.saturating_add(partial.documents);
            for (sum, other) in total.sums.iter_mut().zip(&partial.sums) {
                sum.numbers = sum.numbers.saturating_add(other.numbers);
                sum.integers = sum.integers.saturating_add(other.integers);
                if let Some(bits) = other.doubles {
                    sum.add_double(f64::from_bits(bits));
                }
            }
        }
        if self.only_counts() {
            if let Some(Limit::First(limit) | Limit::Last(limit)) = self.query.limit {
                total.documents = total.documents.min(limit.saturating_add(self.query.offset));
            }
            total.documents = total.documents.saturating_sub(self.query.offset);
        }
        let answers = self.aggregates.iter().zip(&total.sums).map(|((alias, aggregate), sum)| {
            let answer = match aggregate {
                Aggregate::Count => Value::from(total.documents),
                Aggregate::Sum(_) => sum.total().into(),
                Aggregate::Average(_) if sum.numbers == 0 => Value::Null,
                Aggregate::Average(_) => {
                    Number::Double(sum.total().to_f64() / sum.numbers as f64).into()
                }
            };
            (alias.clone(), answer)
        });
        Value::Object(answers.collect()).to_string()
    }
}

impl Aggregate {
    fn from_json(value: &Value) -> Result<Self, String> {
        let form = "not \"count\", {\"sum\":field} or {\"avg\":field}";
        if value.as_str() == Some("count") {
            return Ok(Aggregate::Count);
        }
        let mut fields = value.as_object().into_iter().flatten();
        let (Some((name, field)), None) = (fields.next(), fields.next()) else {
            return Err(form.to_owned());
        };
        let path = FieldPath::parse(field.as_str().ok_or(form)?).map_err(|error| error.detail)?;
        match name.as_str() {
            "sum" => Ok(Aggregate::Sum(path)),
            "avg" => Ok(Aggregate::Average(path)),
            _ => Err(form.to_owned()),
        }
    }
}

impl Sum {
    fn add_double(&mut self, double: f64) {
        let sum = self.doubles.map_or(0.0, f64::from_bits) + double;
        self.doubles = Some(sum.to_bits());
    }

    /// An integer, unless there was a double or it does not fit.
    fn total(&self) -> Number {
        match (self.doubles, i64::try_from(self.integers)) {
            (None, Ok(integer)) => Number::Integer(integer),
            (doubles, _) => {
                Number::Double(self.integers as f64 + doubles.map_or(0.0, f64::from_bits))
            }
        }
    }
}

/// Counts entries: each is a document that is wanted.
fn count(store: &impl Store, plan: &Plan, wanted: Option<u64>) -> Result<u64, Error> {
    let mut left = wanted.unwrap_or(u64::MAX >> 12);
    let mut total = 0_u64;
    for range in plan.streams.iter().flat_map(|stream| &stream.ranges) {
        let counted = store.count(range, left)?;
        total = total.saturating_add(counted);
        left = left.saturating_sub(counted);
    }
    Ok(total)
}

/// # Errors
/// `internal` for what no shard gives.
pub fn read_partial(text: &str) -> Result<Partial, Error> {
    serde_json::from_str(text).map_err(|_| Error::internal("a shard's answer cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregates_are_limited_and_named_when_they_are_wrong() {
        let with = |aggregates: Value| {
            Aggregation::from_json(json!({"query": {"from": "a"}, "aggregates": aggregates}))
        };
        let many = |count: usize| -> Value {
            Value::Object((0..count).map(|n| (format!("a{n}"), json!("count"))).collect())
        };
        assert!(with(many(AGGREGATES)).is_ok());
        for (aggregates, place) in [
            (many(AGGREGATES + 1), "aggregates: 6"),
            (many(0), "aggregates: 0"),
            (json!({"n": "sum"}), "aggregates.n: not"),
            (json!({"n": {"sum": "a..b"}}), "aggregates.n: field path"),
            (json!({"n": {"sum": "a", "avg": "a"}}), "aggregates.n: not"),
            (json!([]), "aggregates: not"),
        ] {
            let detail = with(aggregates).unwrap_err().detail;
            assert!(detail.starts_with(place), "{detail}");
        }
        let aggregation =
            with(json!({"n": "count", "t": {"sum": "x"}, "m": {"avg": "x"}})).unwrap();
        assert_eq!(Aggregation::from_json(aggregation.to_json()), Ok(aggregation));
    }

    #[test]
    fn sums_are_exact_until_they_do_not_fit() {
        let aggregation = Aggregation::from_json(
            json!({"query": {"from": "a"}, "aggregates": {"t": {"sum": "x"}, "m": {"avg": "x"}}}),
        );
        let aggregation = aggregation.unwrap();
        let answer = |values: &[Value]| {
            let mut parts = [aggregation.nothing(), aggregation.nothing()];
            for (number, value) in values.iter().enumerate() {
                let data = json!({"x": value});
                aggregation.add(&mut parts[number % 2], data.as_object().unwrap());
            }
            let text = parts.iter().map(|part| serde_json::to_string(part).unwrap());
            let parts: Vec<Partial> = text.map(|text| read_partial(&text).unwrap()).collect();
            aggregation.render(&parts)
        };
        assert_eq!(answer(&[]), r#"{"m":null,"t":0}"#);
        assert_eq!(answer(&[json!(1), json!("x"), json!(2)]), r#"{"m":1.5,"t":3}"#);
        assert_eq!(answer(&[json!(1), json!(0.5)]), r#"{"m":0.75,"t":1.5}"#);
        let max = i64::MAX;
        assert_eq!(
            answer(&[json!(max), json!(1), json!(-1)]),
            format!(r#"{{"m":3.0744573456182584e+18,"t":{max}}}"#)
        );
        assert_eq!(
            answer(&[json!(max), json!(1)]),
            r#"{"m":4.611686018427388e+18,"t":9.223372036854776e+18}"#
        );
        let nan = json!({"$number": "NaN"});
        assert_eq!(answer(&[nan, json!(1)]), r#"{"m":{"$number":"NaN"},"t":{"$number":"NaN"}}"#);
    }
}
