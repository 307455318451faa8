//! What the npm package's `index.js` calls for queries, which cross as JSON text. Documents cross as in [`crate::js`].

use crate::api::listen_options::ListenOptions;
use crate::api::query::snapshot::QuerySnapshot;
use crate::api::query::{Query, cursor};
use crate::api::snapshot::DocumentSnapshot;
use crate::core::document_changes::{ChangeKind, document_changes, metadata_changes};
use crate::core::json;
use crate::core::row::Row;
use crate::js::spelling::{unspelled, value_text};
use crate::js::{Client, Subscription, call2, parts, promise, thrown};
use blaze_schema::Error;
use blaze_schema::path::DocumentPath;
use js_sys::{Array, Function, Promise};
use serde_json::Value;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
impl Client {
    /// Reads a query's result: a promise of the [`parts`] of each document.
    ///
    /// # Errors
    /// For what is no JSON.
    #[wasm_bindgen(js_name = getQuery)]
    pub fn get_query(&self, query: &str) -> Result<Promise, JsValue> {
        let read = self.query(query).map_err(thrown)?.get();
        Ok(promise(async move {
            let snapshot = read.await.map_err(thrown)?;
            Ok(Told::default().rows(&snapshot).into())
        }))
    }

    /// Computes something over a query's result: a promise of `[name, value, name, value, …]`, each value as [`value_text`].
    ///
    /// # Errors
    /// For what is no JSON.
    pub fn aggregate(&self, query: &str, aggregates: &str) -> Result<Promise, JsValue> {
        let query = self.query(query).map_err(thrown)?;
        let answer = query.aggregated(json::parse(aggregates).map_err(thrown)?);
        Ok(promise(async move {
            let answer = answer.await.map_err(thrown)?;
            let list = Array::new();
            for (name, value) in &answer {
                list.push(&name.into());
                list.push(&value_text(value).into());
            }
            Ok(list.into())
        }))
    }

    /// Calls `next` with the [`parts`] of each document of a query's result and with what changed, with `metadata` also
    /// where only those changed, and `error` with what was [`thrown`] when listening was refused. Neither throws.
    ///
    /// # Errors
    /// For what is no JSON.
    #[wasm_bindgen(js_name = listenQuery)]
    pub fn listen_query(
        &self,
        query: &str,
        next: Function,
        error: Function,
        metadata: bool,
    ) -> Result<Subscription, JsValue> {
        let told = Told::default();
        let subscription = self.query(query).map_err(thrown)?.on_update_with(
            ListenOptions { include_metadata_changes: metadata },
            move |snapshot| {
                let changes = told.changes(&snapshot, metadata);
                call2(&next, &told.rows(&snapshot), &changes);
            },
            move |problem| call2(&error, &thrown(problem), &JsValue::UNDEFINED),
        );
        Ok(Subscription::new(subscription))
    }

    fn query(&self, text: &str) -> Result<Query, Error> {
        Ok(Query::of_json(Rc::clone(&self.blaze.client), json::parse_object(text)?))
    }
}

/// The values that place a document in a query's result, as JSON. `data` is the text of [`parts`], which holds every digit.
///
/// # Errors
/// For a document that has no place there.
#[wasm_bindgen(js_name = cursorOf)]
pub fn cursor_of(query: &str, path: &str, data: &str) -> Result<String, JsValue> {
    let values = || {
        let (query, mut data) = (json::parse_object(query)?, json::parse(data)?);
        unspelled(&mut data);
        cursor(&query, &DocumentPath::parse(path)?, data.as_object())
    };
    values().map(|values| json::print(&Value::Array(values))).map_err(thrown)
}

/// What a listener was told: a document that is as it was is not converted again.
#[derive(Default)]
struct Told {
    rows: RefCell<Vec<(Rc<Row>, JsValue)>>,
}

impl Told {
    /// The parts of the snapshot's documents.
    fn rows(&self, snapshot: &QuerySnapshot) -> Array {
        let before = self.rows.take();
        let (list, mut next) = (Array::new(), 0);
        let mut told = Vec::new();
        for row in snapshot.rows().iter() {
            // Mostly it is the one after the last.
            let same = |(other, _): &(Rc<Row>, JsValue)| Rc::ptr_eq(other, row);
            let found = match before.get(next) {
                Some(pair) if same(pair) => Some(next),
                _ => before.iter().position(same),
            };
            let value = match found {
                Some(index) => {
                    next = index + 1;
                    before[index].1.clone()
                }
                None => row_parts(row),
            };
            list.push(&value);
            told.push((Rc::clone(row), value));
        }
        self.rows.replace(told);
        list
    }

    /// What changed since: for each change its kind, the document's parts, and its places before and after, -1 for none.
    fn changes(&self, snapshot: &QuerySnapshot, metadata: bool) -> JsValue {
        let before: Vec<_> = self.rows.borrow().iter().map(|(row, _)| Rc::clone(row)).collect();
        let list = Array::new();
        let mut changes = document_changes(&before, snapshot.rows());
        if metadata {
            changes.extend(metadata_changes(&before, snapshot.rows()));
        }
        for change in changes {
            let kind = match change.kind {
                ChangeKind::Added => "added",
                ChangeKind::Modified => "modified",
                ChangeKind::Removed => "removed",
                ChangeKind::Metadata => "metadata",
            };
            let place = |index: Option<usize>| index.map_or(-1.0, |index| index as f64);
            list.push(&kind.into());
            list.push(&row_parts(&change.row));
            list.push(&place(change.old_index).into());
            list.push(&place(change.new_index).into());
        }
        list.into()
    }
}

fn row_parts(row: &Row) -> JsValue {
    parts(&DocumentSnapshot::of_row(row))
}
