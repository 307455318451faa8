//! Random collections and queries of them, against what looking at every document gives.

use crate::playground::Playground;
use blaze_schema::timestamp::Timestamp;
use blaze_tests::generate_queries::World;
use blaze_tests::query_oracle::State;
use blaze_tests::random::Random;
use blaze_tests::seed::seed;
use serde_json::{Value, json};
use std::thread;

const WORLDS: usize = 26;
const QUERIES: usize = 20;

/// The settings of all worlds together: every index that one of them declares.
fn collections(worlds: &[World], shards: u64, exempt: Value) -> Value {
    let mut indexes: Vec<&Value> = Vec::new();
    for world in worlds {
        for index in world.collections["c"]["indexes"].as_array().unwrap() {
            if !indexes.contains(&index) {
                indexes.push(index);
            }
        }
    }
    json!({"c": {"shards": shards, "group": true, "indexes": indexes, "exempt": exempt}})
}

/// What a server was asked.
#[derive(Debug, Default)]
struct Seen {
    pairs: usize,
    found: usize,
    aggregated: usize,
}

/// Asks everything about one world.
fn check_world(playground: &mut Playground, world: &World, random: &mut Random, seen: &mut Seen) {
    let all = world.documents.iter();
    playground.replace(
        all.clone().map(|(path, data)| (path.to_string(), Value::Object(data.clone()))).collect(),
    );
    let at = Timestamp::from_micros(0);
    let states: Vec<State> =
        all.map(|(path, data)| State::new(path, 1, 1, at, Some(data.clone()))).collect();
    for _ in 0..QUERIES {
        let query = world.query(random);
        match playground.check(&query, &states) {
            Ok(found) => seen.found += usize::from(found > 0),
            Err(error) => panic!("{query}: {error}"),
        }
        seen.pairs += 1;
        if random.chance(10) {
            let aggregates = world.aggregates(random);
            if let Err(error) = playground.check_aggregates(&query, &aggregates, &states) {
                panic!("{query}: {error}");
            }
            seen.aggregated += 1;
        }
    }
}

#[test]
fn the_server_answers_as_if_it_looked_at_every_document() {
    let mut random = Random::new(seed());
    let worlds: Vec<World> = (0..WORLDS).map(|_| World::new(&mut random)).collect();
    let settings = [collections(&worlds, 1, json!([])), collections(&worlds, 8, json!(["m", "b"]))];
    thread::scope(|scope| {
        for settings in settings {
            let (worlds, mut random) = (&worlds, random.clone());
            scope.spawn(move || {
                let (mut playground, mut seen) = (Playground::new(&settings), Seen::default());
                for world in worlds {
                    check_world(&mut playground, world, &mut random, &mut seen);
                }
                println!("{seen:?}");
                assert!(seen.pairs >= 500 && seen.aggregated > 10, "{seen:?}");
                assert!(seen.found * 100 > seen.pairs * 30, "{seen:?}");
            });
        }
    });
}
