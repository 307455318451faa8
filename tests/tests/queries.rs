//! The index against an oracle that looks at every document: random collections, settings and queries.

use blaze_engine::index::aggregate::{Aggregation, read_partial};
use blaze_engine::index::page::{Page, for_shard};
use blaze_engine::index::settings::Collections;
use blaze_engine::index::{Effect, Event, Index, shard};
use blaze_engine::store::Store;
use blaze_engine::store::memory::MemoryStore;
use blaze_schema::error::Error;
use blaze_schema::query::{Limit, Query};
use blaze_schema::timestamp::Timestamp;
use blaze_tests::generate_queries::World;
use blaze_tests::query_oracle::{State, answer, documents_text, found, is_aggregate};
use blaze_tests::random::Random;
use blaze_tests::rusqlite_store::RusqliteStore;
use blaze_tests::seed::seed;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Collections that are looked at in memory, and queries of each.
const WORLDS: u64 = 2_000;
const QUERIES: u64 = 50;

fn now() -> Timestamp {
    Timestamp::parse("2026-11-21T10:00:00Z").unwrap()
}

/// The only effect, which is an answer.
fn answered(mut effects: Vec<Effect>) -> Result<String, Error> {
    match (effects.pop(), effects.is_empty()) {
        (Some(Effect::Answer(answer)), true) => answer,
        (effect, _) => panic!("{effect:?} after {effects:?}"),
    }
}

/// The index objects of one source.
struct Indexes<S> {
    collections: Collections,
    parts: BTreeMap<String, (Index, S)>,
}

impl<S: Store> Indexes<S> {
    fn new(from: &Value, collections: &Value, mut fresh: impl FnMut() -> S) -> Self {
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

    fn update(&mut self, state: &State) {
        for name in shard::of_document(&state.path, &self.collections) {
            if let Some((index, store)) = self.parts.get_mut(&name) {
                let event = Event::Update { row: state.row() };
                assert_eq!(answered(index.handle(store, now(), 0, event)), Ok(String::new()));
            }
        }
    }

    fn each(&mut self, event: impl Fn() -> Event) -> Vec<String> {
        let parts = self.parts.values_mut();
        parts
            .map(|(index, store)| answered(index.handle(store, now(), 0, event())).unwrap())
            .collect()
    }

    fn query(&mut self, query: &Query) -> Result<String, Error> {
        if self.parts.len() == 1 {
            let (index, store) = self.parts.values_mut().next().unwrap();
            let event = Event::Query { query: query.clone(), is_shard: false };
            return answered(index.handle(store, now(), 0, event));
        }
        let parts = self.each(|| Event::Query { query: for_shard(query), is_shard: true });
        Page::merge(query, &parts)?.render(query, now())
    }

    fn aggregate(&mut self, aggregation: &Aggregation) -> Result<String, Error> {
        if self.parts.len() == 1 {
            let (index, store) = self.parts.values_mut().next().unwrap();
            let event = Event::Aggregate { aggregation: aggregation.clone(), is_shard: false };
            return answered(index.handle(store, now(), 0, event));
        }
        if !aggregation.adds_up() {
            let query = &aggregation.query;
            let parts = self.each(|| Event::Query { query: for_shard(query), is_shard: true });
            return aggregation.of_page(&Page::merge(query, &parts)?);
        }
        let parts =
            self.each(|| Event::Aggregate { aggregation: aggregation.for_shard(), is_shard: true });
        let partials: Vec<_> = parts.iter().map(|part| read_partial(part).unwrap()).collect();
        Ok(aggregation.render(&partials))
    }
}

/// What was seen on the way.
#[derive(Debug, Default)]
struct Seen {
    pairs: u64,
    found: u64,
    paged: u64,
    aggregated: u64,
    plans: BTreeMap<&'static str, u64>,
}

impl Seen {
    fn plan(&mut self, index: &str) {
        for part in index.split(" | ") {
            let (name, rest) = part.split_once(" (").unwrap_or((part, ""));
            let kind = match name {
                "" => "nothing",
                "__name__" => "names",
                name if name.contains(", ") => "composite",
                name if name.ends_with("[]") => "elements",
                _ => "field",
            };
            *self.plans.entry(kind).or_default() += 1;
            let order = match rest {
                "" => "ordered",
                "sorted)" => "whole",
                "sorted in part)" => "runs",
                other => panic!("{other}"),
            };
            *self.plans.entry(order).or_default() += 1;
        }
    }
}

/// What an answer says beside its documents, of which it must have these.
fn rest(query: &Query, answer: &str, documents: &[&State]) -> Result<Value, String> {
    let wanted = documents_text(query, documents);
    let Some(rest) = answer.strip_prefix(&wanted) else {
        let paths = |answer: &Value| -> Vec<String> {
            let documents = answer["documents"].as_array().unwrap();
            documents.iter().map(|document| document["path"].to_string()).collect()
        };
        let wanted: Value = serde_json::from_str(&format!("{wanted}}}")).unwrap();
        let mut answer: Value = serde_json::from_str(answer).unwrap();
        let (found, wanted) = (paths(&answer), paths(&wanted));
        answer["documents"].take();
        return Err(format!("wanted {wanted:?}\nfound  {found:?}\n{answer}"));
    };
    let rest: Value =
        serde_json::from_str(&format!("{{\"\":0{rest}")).map_err(|e| e.to_string())?;
    if query.explain && rest["explain"]["documentsReturned"] != json!(documents.len()) {
        return Err(format!("says {rest}"));
    }
    Ok(rest)
}

/// Asks a query, and holds the answer against the oracle's.
fn check_query<S: Store>(
    indexes: &mut Indexes<S>,
    states: &[State],
    query: &Query,
) -> Result<(bool, Value), String> {
    let expected = answer(query, states);
    let answer = indexes.query(query).map_err(|error| error.to_string())?;
    let rest = rest(query, &answer, &expected.documents)?;
    if rest.get("nextPageToken").is_some() != expected.more {
        return Err(format!("more is {}: {rest}", expected.more));
    }
    Ok((!expected.documents.is_empty(), rest))
}

/// Asks a query page by page.
fn check_pages<S: Store>(
    indexes: &mut Indexes<S>,
    states: &[State],
    query: &Query,
    length: u64,
) -> Result<(), String> {
    let mut query = query.clone();
    query.limit = None;
    let expected = answer(&query, states).documents;
    query.limit = Some(Limit::First(length));
    let mut pages = expected.chunks(length as usize);
    loop {
        let page = pages.next().unwrap_or_default();
        let answer = indexes.query(&query).map_err(|error| error.to_string())?;
        let rest = rest(&query, &answer, page)?;
        query.page_token = rest["nextPageToken"].as_str().map(str::to_owned);
        if query.page_token.is_none() {
            return match pages.next() {
                None => Ok(()),
                Some(_) => Err("pages end too early".to_owned()),
            };
        }
    }
}

fn check_aggregate<S: Store>(
    indexes: &mut Indexes<S>,
    states: &[State],
    query: &Value,
    aggregates: &Value,
) -> Result<(), String> {
    let asked = json!({"query": query, "aggregates": aggregates});
    let aggregation = Aggregation::from_json(asked).map_err(|error| error.to_string())?;
    let again = Aggregation::from_json(aggregation.to_json());
    assert_eq!(again.as_ref(), Ok(&aggregation));
    let text = indexes.aggregate(&aggregation).map_err(|error| error.to_string())?;
    let documents = answer(&aggregation.query, states).documents;
    let answer: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    if is_aggregate(&answer, aggregates, &documents) {
        Ok(())
    } else {
        Err(format!("{aggregates} of {} documents is not {text}", documents.len()))
    }
}

fn states_of(world: &World) -> Vec<State> {
    let state = |(path, data): &_| State::new(path, 1, 2, now(), Some(Map::clone(data)));
    world.documents.iter().map(state).collect()
}

type Map = blaze_schema::value::Map;

/// `text` with its long repetitions cut.
fn shortened(text: &str) -> String {
    ["x", "l", "AAAA", "a"].iter().fold(text.to_owned(), |text, part| {
        text.replace(&part.repeat(90), "").replace(&part.repeat(9), "…")
    })
}

/// All about one random collection.
fn check_world<S: Store>(seed: u64, queries: u64, mut fresh: impl FnMut() -> S, seen: &mut Seen) {
    let mut random = Random::new(seed);
    let mut world = World::new(&mut random);
    let states = states_of(&world);
    let mut sharded = world.collections.clone();
    sharded["c"]["shards"] = json!(random.between(1, 8));
    let mut alone = Indexes::new(&world.from, &world.collections, &mut fresh);
    let mut several = Indexes::new(&world.from, &sharded, &mut fresh);
    for state in &states {
        if random.chance(20) {
            let before = State::new(&state.path, 1, 1, now(), Some(world.data(&mut random)));
            alone.update(&before);
        }
        alone.update(state);
        several.update(state);
    }
    for _ in 0..queries {
        let json = world.query(&mut random);
        let query = Query::from_json(json.clone()).unwrap();
        let fail = |what: &str, error: String| -> ! {
            let text = format!("BLAZE_SEED={seed}, {what}: {error}\nquery {json}\nof {sharded}");
            panic!("{}", shortened(&text))
        };
        seen.pairs += 1;
        match check_query(&mut alone, &states, &query) {
            Ok((found, rest)) => {
                seen.found += u64::from(found);
                seen.plan(rest["explain"]["index"].as_str().unwrap());
            }
            Err(error) => fail("one index", error),
        }
        if random.chance(15)
            && let Err(error) = check_query(&mut several, &states, &query)
        {
            fail("shards", error);
        }
        if random.chance(10) && !matches!(query.limit, Some(Limit::Last(_))) {
            let length = random.between(1, 7);
            seen.paged += 1;
            if let Err(error) = check_pages(&mut alone, &states, &query, length) {
                fail("pages", error);
            }
            if let Err(error) = check_pages(&mut several, &states, &query, length) {
                fail("pages of shards", error);
            }
        }
        if random.chance(10) {
            seen.aggregated += 1;
            let aggregates = world.aggregates(&mut random);
            if let Err(error) = check_aggregate(&mut alone, &states, &json, &aggregates) {
                fail("aggregates", error);
            }
            if let Err(error) = check_aggregate(&mut several, &states, &json, &aggregates) {
                fail("aggregates of shards", error);
            }
        }
    }
}

#[test]
fn an_index_answers_as_if_it_looked_at_every_document() {
    let (seed, mut seen) = (seed(), Seen::default());
    for world in 0..WORLDS {
        check_world(seed.wrapping_add(world), QUERIES, MemoryStore::default, &mut seen);
    }
    println!("{seen:?}");
    assert!(seen.pairs >= 100_000);
    assert!(seen.found * 100 > seen.pairs * 40, "{} of {} found something", seen.found, seen.pairs);
    for kind in ["names", "composite", "elements", "field", "ordered", "runs", "whole"] {
        let count = seen.plans.get(kind).copied().unwrap_or(0);
        assert!(count > seen.pairs / 50, "{kind}: {count} of {}", seen.pairs);
    }
}

#[test]
fn an_index_answers_so_over_sqlite_too() {
    let (seed, mut seen) = (seed(), Seen::default());
    for world in 0..60 {
        let fresh = || RusqliteStore::in_memory().unwrap();
        check_world(seed.wrapping_add(world), 50, fresh, &mut seen);
    }
    println!("{seen:?}");
}
