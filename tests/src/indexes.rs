//! The index objects of one source, asked as the server asks them: one alone, or the shards together.

use crate::query_oracle::State;
use blaze_engine::index::aggregate::{Aggregation, read_partial};
use blaze_engine::index::page::{Page, for_shard};
use blaze_engine::index::settings::Collections;
use blaze_engine::index::{Effect, Event, Index, shard};
use blaze_schema::error::Error;
use blaze_schema::query::Query;
use blaze_schema::timestamp::Timestamp;
use blaze_store::Store;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The time at which everything happens.
pub fn now() -> Timestamp {
    Timestamp::from_micros(1_795_255_200_000_000)
}

/// The only effect, which is an answer.
pub fn answered(mut effects: Vec<Effect>) -> Result<String, Error> {
    match (effects.pop(), effects.is_empty()) {
        (Some(Effect::Answer(answer)), true) => answer,
        (effect, _) => panic!("{effect:?} after {effects:?}"),
    }
}

/// The index objects of one source.
#[derive(Debug)]
pub struct Indexes<S> {
    collections: Collections,
    parts: BTreeMap<String, (Index, S)>,
}

impl<S: Store> Indexes<S> {
    /// The objects that `collections.json` asks for, each over a `fresh` store.
    pub fn new(from: &Value, collections: &Value, mut fresh: impl FnMut() -> S) -> Self {
        let collections = Collections::parse(&collections.to_string()).unwrap();
        let source = Query::from_json(json!({ "from": from })).unwrap().from;
        let names = shard::of_source(&source, &collections).unwrap();
        let parts = names.into_iter().map(|name| {
            let (source, settings) = shard::by_name(&name, &collections).unwrap();
            (name, (Index::new(source, settings), fresh()))
        });
        let parts = parts.collect();
        Indexes { collections, parts }
    }

    /// Tells a document's objects its state.
    pub fn update(&mut self, state: &State) {
        for name in shard::of_document(&state.path, &self.collections) {
            if let Some((index, store)) = self.parts.get_mut(&name) {
                let event = Event::Update { row: state.row() };
                assert_eq!(answered(index.handle(store, now(), 0, event)), Ok(String::new()));
            }
        }
    }

    /// What each object answers.
    fn each(&mut self, event: impl Fn() -> Event) -> Result<Vec<String>, Error> {
        let parts = self.parts.values_mut();
        parts.map(|(index, store)| answered(index.handle(store, now(), 0, event()))).collect()
    }

    /// What all of them answer together.
    ///
    /// # Errors
    /// Theirs.
    pub fn query(&mut self, query: &Query) -> Result<String, Error> {
        if self.parts.len() == 1 {
            let (index, store) = self.parts.values_mut().next().unwrap();
            let event = Event::Query { query: query.clone(), is_shard: false };
            return answered(index.handle(store, now(), 0, event));
        }
        let parts = self.each(|| Event::Query { query: for_shard(query), is_shard: true })?;
        Page::merge(query, &parts)?.render(query, now())
    }

    /// The same for aggregates.
    ///
    /// # Errors
    /// Theirs.
    pub fn aggregate(&mut self, aggregation: &Aggregation) -> Result<String, Error> {
        if self.parts.len() == 1 {
            let (index, store) = self.parts.values_mut().next().unwrap();
            let event = Event::Aggregate { aggregation: aggregation.clone(), is_shard: false };
            return answered(index.handle(store, now(), 0, event));
        }
        if !aggregation.adds_up() {
            let query = &aggregation.query;
            let parts = self.each(|| Event::Query { query: for_shard(query), is_shard: true })?;
            return aggregation.of_page(&Page::merge(query, &parts)?);
        }
        let parts = self
            .each(|| Event::Aggregate { aggregation: aggregation.for_shard(), is_shard: true })?;
        let partials: Vec<_> = parts.iter().map(|part| read_partial(part).unwrap()).collect();
        Ok(aggregation.render(&partials))
    }
}
