//! Random queries of random collections against the oracle.

use blaze_engine::index::aggregate::Aggregation;
use blaze_schema::query::{Limit, Query};
use blaze_schema::value::Map;
use blaze_store::Store;
use blaze_store::memory::MemoryStore;
use blaze_tests::generate_queries::World;
use blaze_tests::indexes::{Indexes, now};
use blaze_tests::query_oracle::{State, answer, documents_text, is_aggregate};
use blaze_tests::random::Random;
use blaze_tests::rusqlite_store::RusqliteStore;
use blaze_tests::seed::seed;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::thread;

/// Collections that are looked at in memory, and queries of each.
const WORLDS: u64 = 2_000;
const QUERIES: u64 = 50;
/// Threads that share them.
const THREADS: u64 = 2;

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
    fn with(mut self, other: Seen) -> Self {
        self.pairs += other.pairs;
        self.found += other.found;
        self.paged += other.paged;
        self.aggregated += other.aggregated;
        for (plan, count) in other.plans {
            *self.plans.entry(plan).or_default() += count;
        }
        self
    }

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

/// `text` with its long repetitions cut.
fn shortened(text: &str) -> String {
    ["x", "l", "AAAA", "a"].iter().fold(text.to_owned(), |text, part| {
        text.replace(&part.repeat(90), "").replace(&part.repeat(9), "…")
    })
}

/// All about one random collection.
fn check_world<S: Store>(seed: u64, queries: u64, mut fresh: impl FnMut() -> S, seen: &mut Seen) {
    let mut random = Random::new(seed);
    let world = World::new(&mut random);
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
        if random.chance(6) && !matches!(query.limit, Some(Limit::Last(_))) {
            let length = random.between(1, 9);
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
    let first = seed();
    let part = |number: u64| {
        let mut seen = Seen::default();
        for world in 0..WORLDS / THREADS {
            let seed = first.wrapping_add(world * THREADS + number);
            check_world(seed, QUERIES, MemoryStore::default, &mut seen);
        }
        seen
    };
    let seen = thread::scope(|scope| {
        let threads: Vec<_> =
            (1..THREADS).map(|number| scope.spawn(move || part(number))).collect();
        let others = threads.into_iter().map(|thread| thread.join());
        others.fold(part(0), |seen, other| {
            seen.with(other.unwrap_or_else(|panic| resume_unwind(panic)))
        })
    });
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
