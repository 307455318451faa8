//! Other people's cases of queries: Firestore's conformance tests and those of its web SDK, against what the schema says
//! that a query means. Nothing is stored here, and no index asked.

use blaze_schema::error::Code;
use blaze_schema::path::DocumentPath;
use blaze_schema::query::{Limit, Matcher, Query, project};
use blaze_schema::value::{Map, Transforms, check_data};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What Firestore answers, as data.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Firestore {
    #[serde(rename = "about")]
    _about: String,
    cases: Vec<Case>,
}

/// One query of some documents.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    source: String,
    documents: BTreeMap<String, Value>,
    query: Value,
    /// The paths in order. Absent when the query is refused.
    expect: Option<Vec<String>>,
    #[serde(default)]
    refused: bool,
    /// The data that is answered, where the query selects.
    selected: Option<BTreeMap<String, Value>>,
    /// What Firestore says, where Blaze does something else: paths, or `refused`.
    firestore: Option<Value>,
    why: Option<String>,
}

fn cases() -> Vec<Case> {
    let text = include_str!("../../data/firestore_queries.json");
    serde_json::from_str::<Firestore>(text).unwrap().cases
}

/// All documents, looked at one by one.
fn answer(query: &Query, documents: &BTreeMap<String, Value>) -> Vec<(DocumentPath, Map)> {
    let matcher = Matcher::new(query.clone());
    let mut found: Vec<(DocumentPath, Map)> = documents
        .iter()
        .map(|(path, data)| {
            let data = check_data(data.clone(), Transforms::Refused, path).unwrap();
            (DocumentPath::parse(path).unwrap(), data)
        })
        .filter(|(path, data)| matcher.matches(path, data) && matcher.in_bounds(path, data))
        .collect();
    found.sort_by(|a, b| matcher.compare((&a.0, &a.1), (&b.0, &b.1)));
    let mut found = found.split_off(found.len().min(query.offset as usize));
    match query.limit {
        Some(Limit::First(count)) => found.truncate(count as usize),
        Some(Limit::Last(count)) => {
            found = found.split_off(found.len().saturating_sub(count as usize));
        }
        None => {}
    }
    found
}

fn paths(found: &[(DocumentPath, Map)]) -> Vec<&str> {
    found.iter().map(|(path, _)| path.as_str()).collect()
}

#[test]
fn queries_are_firestores() {
    let mut wrong = Vec::new();
    for case in cases() {
        let query = Query::from_json(case.query.clone());
        let (query, expected) = match (query, &case.expect) {
            (Ok(query), Some(expected)) => (query, expected),
            (Err(error), None) if error.code == Code::InvalidArgument => continue,
            (Err(error), _) => {
                wrong.push(format!("{}: {error}", case.name));
                continue;
            }
            (Ok(_), None) => {
                wrong.push(format!("{}: is not refused", case.name));
                continue;
            }
        };
        let found = answer(&query, &case.documents);
        if paths(&found) != *expected {
            wrong.push(format!("{}: {:?}, not {expected:?}", case.name, paths(&found)));
        }
        let reread = Query::from_json(query.to_json()).unwrap();
        assert_eq!(reread, query, "{}: read again", case.name);
        assert_eq!(case.selected.is_some(), query.select.is_some(), "{}", case.name);
        for (path, data) in &found {
            let Some(selected) = &case.selected else { break };
            let data = project(data, query.select.as_deref());
            assert_eq!(&Value::Object(data), &selected[path.as_str()], "{}", case.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_cases_say_what_they_mean() {
    let (mut names, mut deviations) = (BTreeSet::new(), 0);
    for case in cases() {
        assert!(!case.source.is_empty(), "{}: from where?", case.name);
        assert_eq!(case.refused, case.expect.is_none(), "{}: say one of both", case.name);
        assert_eq!(case.firestore.is_some(), case.why.is_some(), "{}", case.name);
        let ours = case.expect.as_ref().map(|paths| serde_json::to_value(paths).unwrap());
        if let Some(theirs) = &case.firestore {
            deviations += 1;
            assert_ne!(Some(theirs), ours.as_ref(), "{}: is no deviation", case.name);
            assert!(theirs.is_array() || theirs == "refused", "{}", case.name);
        }
        for path in case.expect.iter().flatten() {
            assert!(case.documents.contains_key(path), "{}: {path}", case.name);
        }
        assert!(names.insert(case.name.clone()), "{} twice", case.name);
    }
    assert!(names.len() >= 265, "{} cases", names.len());
    assert_eq!(deviations, 13, "what Firestore does otherwise");
}
