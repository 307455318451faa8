//! The queries that are measured with: each wants [`LIMIT`] of the documents that `documents.rs` makes.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::documents::{CITIES, GROUP};

/// How many documents a query answers with.
pub(crate) const LIMIT: u64 = 20;

/// What a query asks for. Over any collection whose size is a multiple of 200 there are enough documents for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A field from a value on, in its order.
    Range,
    /// A field that has a value, in the order of the names. An eighth of the collection has it.
    Equality,
    /// An array that holds a value.
    ArrayContains,
    /// A field that has a value, in the order of another field: [`composite`] declares the index for it.
    Composite,
}

/// What an answer tells of itself and of the work that it took.
#[derive(Deserialize)]
pub(crate) struct Answer {
    documents: Vec<Document>,
    explain: Option<Explain>,
}

#[derive(Deserialize)]
struct Document {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    n: u64,
}

/// How a query was answered.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explain {
    /// Index entries that were read.
    pub(crate) entries_scanned: u64,
}

impl Shape {
    pub(crate) const ALL: [Self; 4] =
        [Self::Range, Self::Equality, Self::ArrayContains, Self::Composite];

    /// For a table's first column.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Range => "`n >= …`, ordered by `n`",
            Self::Equality => "`address.city == …`",
            Self::ArrayContains => "`tags array-contains …`",
            Self::Composite => "`address.city == …`, `n <= …`, ordered by `n` descending",
        }
    }

    /// The query number `number` of a collection of so many documents: another value each time.
    pub(crate) fn query(self, collection: &str, documents: u64, number: u64) -> Value {
        let city = CITIES[number as usize % CITIES.len()];
        // The documents of one city are every eighth.
        let enough = LIMIT * CITIES.len() as u64;
        let (filter, order) = match self {
            Self::Range => (
                json!({"field": "n", "op": ">=", "value": start(documents, number)}),
                json!([{"field": "n"}]),
            ),
            Self::Equality => {
                (json!({"field": "address.city", "op": "==", "value": city}), json!([]))
            }
            Self::ArrayContains => {
                let group = format!("group-{}", scatter(number) % (documents / GROUP));
                (json!({"field": "tags", "op": "array-contains", "value": group}), json!([]))
            }
            Self::Composite => {
                let last = enough + scatter(number) % (documents - enough);
                let filters = [
                    json!({"field": "address.city", "op": "==", "value": city}),
                    json!({"field": "n", "op": "<=", "value": last}),
                ];
                (json!({"and": filters}), json!([{"field": "n", "direction": "desc"}]))
            }
        };
        let query = json!({"from": collection, "where": filter, "limit": LIMIT, "explain": true});
        let Value::Object(mut query) = query else { return query };
        if order != json!([]) {
            query.insert("orderBy".to_owned(), order);
        }
        Value::Object(query)
    }
}

/// The declared indexes that [`Shape::Composite`] needs, as `collections.json` has them.
pub(crate) fn composite() -> Value {
    json!([["address.city", "-n"]])
}

/// The value at which the range number `number` starts: [`LIMIT`] documents follow.
pub(crate) fn start(documents: u64, number: u64) -> u64 {
    scatter(number) % (documents - LIMIT)
}

/// The same number each time, and near ones far from each other: a prime's multiples.
fn scatter(number: u64) -> u64 {
    number * 7_919
}

impl Answer {
    /// Reads an answer, which must have [`LIMIT`] documents.
    ///
    /// # Errors
    /// If it has not.
    pub(crate) fn read(json: &[u8]) -> Result<Self> {
        let text = || String::from_utf8_lossy(json);
        let answer: Self = serde_json::from_slice(json)
            .with_context(|| format!("no answer to a query: {}", text()))?;
        let found = answer.documents.len() as u64;
        ensure!(found == LIMIT, "{found} documents instead of {LIMIT}: {}", text());
        Ok(answer)
    }

    /// The numbers of the documents.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.documents.iter().map(|document| document.data.n)
    }

    /// How it was found.
    ///
    /// # Errors
    /// If it does not say.
    pub(crate) fn explain(&self) -> Result<Explain> {
        self.explain.context("an answer without its explanation")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::documents;
    use super::{Answer, LIMIT, Shape, start};

    #[test]
    fn every_query_finds_enough_documents_at_the_smallest_size() {
        let documents: Vec<serde_json::Value> = (0..200)
            .map(|number| serde_json::from_str(&documents::data(number)).unwrap())
            .collect();
        let count = |wanted: &dyn Fn(&serde_json::Value) -> bool| {
            documents.iter().filter(|document| wanted(document)).count() as u64
        };
        for number in 0..1_000 {
            assert!(200 - start(200, number) >= LIMIT);
            let equality = &Shape::Equality.query("c", 200, number)["where"]["value"];
            assert!(count(&|one| one["address"]["city"] == *equality) >= LIMIT);
            let element = &Shape::ArrayContains.query("c", 200, number)["where"]["value"];
            assert!(count(&|one| one["tags"].as_array().unwrap().contains(element)) >= LIMIT);
            let composite = &Shape::Composite.query("c", 200, number)["where"]["and"];
            assert!(
                count(&|one| one["address"]["city"] == composite[0]["value"]
                    && one["n"].as_u64() <= composite[1]["value"].as_u64())
                    >= LIMIT
            );
        }
    }

    #[test]
    fn an_answer_with_too_few_documents_is_an_error() {
        let answer = |count| {
            let documents = vec![json!({"data": {"n": 1}}); count];
            Answer::read(json!({"documents": documents}).to_string().as_bytes())
        };
        assert_eq!(answer(20).unwrap().numbers().count(), 20);
        assert!(answer(19).is_err());
        assert!(answer(20).unwrap().explain().is_err());
    }
}
