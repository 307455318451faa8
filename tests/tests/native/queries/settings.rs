//! New settings over an index that has documents: it answers rightly all the while, and ends as if it had always had
//! them.

use super::writes::{Flaky, changed, fresh_rows, index_over, rows};
use blaze_engine::index::{Effect, Event, Index};
use blaze_schema::path::DocumentPath;
use blaze_schema::query::Query;
use blaze_tests::generate_queries::World;
use blaze_tests::indexes::now;
use blaze_tests::query_oracle::{State, answer, documents_text};
use blaze_tests::random::Random;
use blaze_tests::seed::seed;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// An index whose alarm is looked after.
struct Bench {
    index: Index,
    store: Flaky,
    random: Random,
    /// How often the store fails.
    percent: usize,
    alarm: bool,
}

impl Bench {
    fn new(index: Index, seed: u64, percent: usize) -> Self {
        let random = Random::new(!seed);
        Bench { index, store: Flaky::default(), random, percent, alarm: false }
    }

    /// The answer of a step, if it has one.
    fn step(&mut self, event: Event) -> Option<Result<String, String>> {
        let fails = self.random.chance(self.percent);
        self.store.fail_after(fails.then(|| self.random.below(30)));
        let mut answer = None;
        for effect in self.index.handle(&mut self.store, now(), 0, event) {
            match effect {
                Effect::SetAlarm(at) => {
                    assert!(at > now());
                    self.alarm = true;
                }
                Effect::Answer(given) => answer = Some(given.map_err(|error| error.to_string())),
                Effect::Send(text) => assert!(text.contains("told to fail"), "{text}"),
                Effect::Publish { .. } => panic!("nobody listens"),
            }
        }
        answer
    }

    /// The answer, asked for until the store does not fail.
    fn answer(&mut self, event: &Event) -> String {
        loop {
            match self.step(event.clone()) {
                Some(Ok(answer)) => return answer,
                Some(Err(error)) if error.contains("told to fail") => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn ring(&mut self) {
        self.alarm = false;
        self.step(Event::Alarm);
    }
}

struct Life {
    random: Random,
    world: World,
    collections: Value,
    bench: Bench,
    states: BTreeMap<DocumentPath, State>,
}

impl Life {
    fn new(seed: u64, documents: u64) -> Self {
        let mut random = Random::new(seed);
        let mut world = World::new(&mut random);
        let collections = world.settings(&mut random, 1);
        let percent = *random.pick(&[0, 20]);
        let bench = Bench::new(index_over(&world, &collections), seed, percent);
        let mut life = Life { random, world, collections, bench, states: BTreeMap::new() };
        while (life.states.len() as u64) < documents {
            life.write(documents > 100);
        }
        life
    }

    /// One write; of a document of many, or of few.
    fn write(&mut self, many: bool) {
        let mut path = self.world.path(&mut self.random);
        if self.random.chance(60)
            && let Some(other) = self.states.keys().nth(self.random.below(self.states.len()))
        {
            path = other.clone();
        } else if many {
            let id = self.random.below(2_000);
            path = path.collection().child(&format!("n{id}")).unwrap();
        }
        let version = self.states.get(&path).map_or(1, |state| state.version + 1);
        let present = self.states.get(&path).and_then(|state| state.data.as_ref());
        let data = match present {
            Some(_) if self.random.chance(20) => None,
            Some(data) => Some(changed(&mut self.random, &self.world, data)),
            None => Some(self.world.data(&mut self.random)),
        };
        let state = State::new(&path, 1, version, now(), data);
        self.bench.answer(&Event::Update { row: state.row() });
        self.states.insert(path, state);
    }

    fn ask(&mut self) -> Result<(), String> {
        let json = self.world.query(&mut self.random);
        let query = Query::from_json(json.clone()).unwrap();
        let states: Vec<State> = self.states.values().cloned().collect();
        let expected = answer(&query, &states);
        let event = Event::Query { query: query.clone(), is_shard: false };
        let given = self.bench.answer(&event);
        if given.starts_with(&documents_text(&query, &expected.documents)) {
            Ok(())
        } else {
            Err(format!("{json} under {}: {given}", self.collections))
        }
    }

    /// The objects are started anew, with other settings or with the same.
    fn restart(&mut self, anew: bool) {
        if anew {
            self.collections = self.world.settings(&mut self.random, 1);
        }
        self.bench.index = index_over(&self.world, &self.collections);
        // An alarm that was set rings all the same.
    }

    fn finish(&mut self) {
        // Something wakes the object, which tells it that there are new settings.
        self.bench.answer(&Event::Query {
            query: Query::from_json(json!({"from": self.world.from, "limit": 1})).unwrap(),
            is_shard: false,
        });
        while self.bench.alarm {
            self.bench.ring();
        }
        let present = self.states.values().filter(|state| state.data.is_some());
        let fresh = fresh_rows(&self.world, &self.collections, present);
        assert!(rows(self.bench.store.inner()) == fresh, "other rows than a fresh index");
    }
}

fn check_life(seed: u64, documents: u64) {
    println!("BLAZE_SEED={seed}");
    let mut life = Life::new(seed, documents);
    for step in 0..80 {
        match life.random.below(10) {
            0 | 1 if life.bench.alarm => life.bench.ring(),
            2 => {
                let anew = life.random.chance(50);
                life.restart(anew);
            }
            3..6 => life.write(documents > 100),
            _ => {
                let asked = life.ask();
                assert_eq!(asked, Ok(()), "BLAZE_SEED={seed}");
            }
        }
        if step % 40 == 39 {
            life.finish();
        }
    }
}

#[test]
fn settings_change_under_a_few_documents() {
    let seed = seed();
    for number in 0..150 {
        check_life(seed.wrapping_add(number), number % 30);
    }
}

#[test]
fn settings_change_under_more_documents_than_are_brought_to_them_at_once() {
    let seed = seed();
    for number in 0..4 {
        check_life(seed.wrapping_add(number), 450);
    }
}

#[test]
fn rows_from_before_there_were_settings_follow_the_default() {
    let mut random = Random::new(3);
    let mut world = World::new(&mut random);
    let from = Query::from_json(json!({"from": world.from})).unwrap();
    for _ in 0..20 {
        let collections = world.settings(&mut random, 1);
        let mut bench = Bench::new(index_over(&world, &json!({})), 0, 0);
        let states: Vec<State> = world
            .documents
            .iter()
            .map(|(path, data)| State::new(path, 1, 1, now(), Some(data.clone())))
            .collect();
        for state in &states {
            bench.answer(&Event::Update { row: state.row() });
        }
        assert_eq!(
            bench.store.inner().rows().get(b"m".as_slice()),
            None,
            "a row that says nothing is not written"
        );
        bench.index = index_over(&world, &collections);
        bench.answer(&Event::Query { query: from.clone(), is_shard: false });
        while bench.alarm {
            bench.ring();
        }
        assert_eq!(rows(bench.store.inner()), fresh_rows(&world, &collections, states.iter()));
    }
}
