//! What updates leave in an index, and how many rows they write.

use blaze_engine::index::settings::Collections;
use blaze_engine::index::{Effect, Event, Index};
use blaze_schema::path::DocumentPath;
use blaze_schema::query::Query;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::value::Map;
use blaze_store::memory::MemoryStore;
use blaze_tests::flaky_store::FlakyStore;
use blaze_tests::generate_queries::World;
use blaze_tests::indexes::now;
use blaze_tests::query_oracle::State;
use blaze_tests::random::Random;
use blaze_tests::seed::seed;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How many histories are tried.
const HISTORIES: u64 = 400;

/// A store in memory that may fail.
pub(crate) type Flaky = FlakyStore<MemoryStore>;

/// The index of the world's source under settings.
pub(crate) fn index_over(world: &World, collections: &Value) -> Index {
    let collections = Collections::parse(&collections.to_string()).unwrap();
    let source = Query::from_json(json!({"from": world.from})).unwrap().from;
    Index::new(source, collections.of("c"))
}

/// The rows, without tombstones and what the index remembers of its settings.
pub(crate) fn rows(store: &MemoryStore) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let rows = store.contents().into_iter();
    rows.filter(|(key, _)| !key.starts_with(b"t") && *key != b"m").collect()
}

/// The rows of an index that was never told anything but these states.
pub(crate) fn fresh_rows<'a>(
    world: &World,
    collections: &Value,
    states: impl Iterator<Item = &'a State>,
) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let (mut index, mut store) = (index_over(world, collections), MemoryStore::default());
    for state in states {
        let effects = index.handle(&mut store, now(), 0, Event::Update { row: state.row() });
        assert_eq!(effects, [Effect::Answer(Ok(String::new()))]);
    }
    rows(&store)
}

/// Other data, of which most is as before.
pub(crate) fn changed(random: &mut Random, world: &World, data: &Map) -> Map {
    let (mut data, other) = (data.clone(), world.data(random));
    for (key, value) in other {
        match random.below(6) {
            0 => drop(data.remove(&key)),
            1 => drop(data.insert(key, value)),
            _ => {}
        }
    }
    data
}

/// The states that a document goes through, first to last.
fn history(random: &mut Random, world: &World, path: &DocumentPath) -> Vec<State> {
    let (mut epoch, mut version, mut data) = (1, 0, None::<Map>);
    let mut states = Vec::new();
    for _ in 0..random.between(1, 8) {
        version += 1;
        if random.chance(5) {
            // A restore from a backup: an earlier version, of a later history.
            epoch += 1;
            version = random.between(1, version);
        }
        data = match data {
            Some(_) if random.chance(30) => None,
            Some(data) => Some(changed(random, world, &data)),
            None if version > 1 && random.chance(10) => None,
            None => Some(world.data(random)),
        };
        states.push(State::new(path, epoch, version, now(), data.clone()));
    }
    states
}

/// The keys of all entries, documents' names among them.
fn entries(store: &MemoryStore) -> BTreeSet<Vec<u8>> {
    store.rows().keys().filter(|key| *key != b"m").cloned().collect()
}

/// Tells an index the state; counts the rows that this writes, if it can be done at all.
fn deliver(index: &mut Index, store: &mut Flaky, state: &State, is_first: bool) -> bool {
    let (before, written) = (entries(store.inner()), store.inner().rows_written());
    let effects = index.handle(store, now(), 0, Event::Update { row: state.row() });
    let (after, written) = (entries(store.inner()), store.inner().rows_written() - written);
    let changed = before.difference(&after).count().max(after.difference(&before).count()) as u64;
    // The first write says which settings the rows follow.
    let most = changed + 1 + u64::from(is_first);
    assert!(written <= most, "{written} rows were written for {changed} entries: {state:?}");
    match effects.as_slice() {
        [Effect::Answer(Ok(_))] => true,
        [Effect::Answer(Err(_))] => {
            assert_eq!(written, 0);
            assert_eq!(before, after);
            false
        }
        other => panic!("{other:?}"),
    }
}

fn check_history(seed: u64) {
    let mut random = Random::new(seed);
    let mut world = World::new(&mut random);
    let collections = world.settings(&mut random, 1);
    let paths: BTreeSet<DocumentPath> =
        (0..random.between(1, 8)).map(|_| world.path(&mut random)).collect();
    let histories: Vec<Vec<State>> =
        paths.iter().map(|path| history(&mut random, &world, path)).collect();
    // All of them, some twice, in any order.
    let mut deliveries: Vec<&State> = histories.iter().flatten().collect();
    for _ in 0..deliveries.len() / 2 {
        deliveries.push(deliveries[random.below(deliveries.len())]);
    }
    if random.chance(70) {
        for at in 0..deliveries.len() {
            let other = at + random.below(deliveries.len() - at);
            deliveries.swap(at, other);
        }
    }
    let mut store = Flaky::default();
    let percent = *random.pick(&[0, 0, 20]);
    let mut index = index_over(&world, &collections);
    for state in deliveries {
        if random.chance(10) {
            index = index_over(&world, &collections);
        }
        let is_first = store.inner().rows().is_empty();
        // Who gets no answer tries again.
        loop {
            store.fail_after(random.chance(percent).then(|| random.below(6)));
            if deliver(&mut index, &mut store, state, is_first) {
                break;
            }
        }
    }
    let last = histories.iter().filter_map(|history| history.last());
    let present = last.clone().filter(|state| state.data.is_some());
    assert_eq!(rows(store.inner()), fresh_rows(&world, &collections, present), "BLAZE_SEED={seed}");
    let named =
        |space: u8| store.inner().rows().keys().filter(|key| key.first() == Some(&space)).count();
    let tombstones = named(b't');
    assert_eq!(store.inner().records(), named(b'd') + tombstones, "BLAZE_SEED={seed}");
    assert_eq!(tombstones, last.filter(|state| state.data.is_none()).count(), "BLAZE_SEED={seed}");
}

#[test]
fn updates_in_any_order_and_twice_leave_the_rows_of_the_last_states() {
    let seed = seed();
    for number in 0..HISTORIES {
        check_history(seed.wrapping_add(number));
    }
}

#[test]
fn a_document_of_another_collection_is_refused() {
    let world = World::new(&mut Random::new(1));
    let (mut index, mut store) = (index_over(&world, &json!({})), MemoryStore::default());
    for path in ["e/a", "c/a/e/a"] {
        let path = DocumentPath::parse(path).unwrap();
        let row = State::new(&path, 1, 1, now(), Some(Map::new())).row();
        let effects = index.handle(&mut store, now(), 0, Event::Update { row });
        assert!(matches!(effects.as_slice(), [Effect::Answer(Err(_))]), "{effects:?}");
    }
    for row in ["", "x", "x\n", "x\n{}", "x\n[]"] {
        let row = row.as_bytes().to_vec();
        let effects = index.handle(&mut store, now(), 0, Event::Update { row });
        assert!(matches!(effects.as_slice(), [Effect::Answer(Err(_))]), "{effects:?}");
    }
    assert_eq!(store.rows_written(), 0);
}

#[test]
fn old_tombstones_are_cleared_away_one_for_every_delete() {
    let world = World::new(&mut Random::new(1));
    let mut index = index_over(&world, &json!({}));
    let mut store = MemoryStore::default();
    let from = Query::from_json(json!({"from": world.from})).unwrap().from;
    let collection = match from {
        blaze_schema::query::Source::Collection(path) => path.as_str().to_owned(),
        blaze_schema::query::Source::Group(id) => id,
    };
    let data = Map::from_iter([("a".to_owned(), json!(1))]);
    let minute = |number: i64| Timestamp::from_micros(now().micros() + number * 60_000_000);
    let mut most = 0;
    for number in 0..600 {
        let path = DocumentPath::parse(&format!("{collection}/{}", number * 7 % 600)).unwrap();
        for (version, data) in [(1, Some(data.clone())), (2, None)] {
            let state = State::new(&path, 1, version, minute(number), data);
            let written = store.rows_written();
            let event = Event::Update { row: state.row() };
            index.handle(&mut store, minute(number), 0, event);
            let written = store.rows_written() - written;
            assert!(written <= if version == 1 { 3 } else { 5 }, "{written} rows");
        }
        assert_eq!(store.records(), store.rows().len());
        most = most.max(store.rows().len());
    }
    assert!(most > 60, "none is cleared away that is younger than an hour");
    assert!(most < 300, "{most} tombstones of 60 that are of use");
}
