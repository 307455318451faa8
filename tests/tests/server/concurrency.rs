//! Many writers at once: nothing is lost, nothing is done twice, everybody sees one order, and whoever asks after a write
//! was answered finds it.

use blaze_tests::client::{Client, JSON, fresh, ids};
use blaze_tests::server::{TestServer, shared};
use blaze_tests::socket::{Listener, Socket};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;

const WRITERS: usize = 200;
const WRITES: usize = 5;

/// The data that the answers of one writer told of, by version.
fn increments(client: &Client, path: &str, writer: usize) -> Vec<(u64, Value)> {
    let mine = format!("writer{writer}");
    let update = json!({"n": {"$increment": 1}, mine: {"$increment": 1}});
    let write = |_| {
        let reply = client.patch(path, JSON, &update).send().expect(200);
        (reply.version(), reply.json()["data"].take())
    };
    (0..WRITES).map(write).collect()
}

#[test]
fn two_hundred_writers_of_one_counter_lose_nothing() {
    let (client, path) = (shared().client(), fresh("concurrency"));
    client.put(&path, &json!({"n": 0})).send().expect(201);
    let mut socket = Socket::open(&shared().url(), &path);
    let mut listener = Listener::of(&mut socket);
    let start = Barrier::new(WRITERS);
    let last = (WRITERS * WRITES) as u64 + 1;
    let mut answers: Vec<(u64, Value)> = thread::scope(|scope| {
        scope.spawn(|| listener.follow(&mut socket, last));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (client, path, start) = (&client, &path, &start);
                scope.spawn(move || {
                    start.wait();
                    increments(client, path, writer)
                })
            })
            .collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    answers.sort_by_key(|(version, _)| *version);
    let versions: Vec<u64> = answers.iter().map(|(version, _)| *version).collect();
    assert_eq!(versions, (2..=last).collect::<Vec<_>>());
    for (version, data) in &answers {
        assert_eq!(data["n"], version - 1);
        assert_eq!(listener.history.get(version), Some(data), "version {version}");
    }
    assert_eq!(listener.history.len() as u64, last);
    let resource = client.resource(&path);
    assert_eq!((&resource["version"], &resource["data"]["n"]), (&json!(last), &json!(last - 1)));
    for writer in 0..WRITERS {
        assert_eq!(resource["data"][format!("writer{writer}")], WRITES);
    }
}

#[test]
fn of_two_hundred_who_create_one_document_one_succeeds() {
    let (client, path) = (shared().client(), fresh("concurrency"));
    let start = Barrier::new(WRITERS);
    let statuses: Vec<(u16, usize)> = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (client, path, start) = (&client, &path, &start);
                scope.spawn(move || {
                    start.wait();
                    let call = client.put(path, &json!({"by": writer}));
                    (call.header("if-none-match", "*").send().status, writer)
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let (created, refused): (Vec<_>, Vec<_>) =
        statuses.into_iter().partition(|(status, _)| *status == 201);
    assert_eq!(created.len(), 1);
    assert!(refused.iter().all(|(status, _)| *status == 412), "{refused:?}");
    let resource = client.resource(&path);
    assert_eq!(
        (&resource["version"], &resource["data"]),
        (&json!(1), &json!({"by": created[0].1}))
    );
}

#[test]
fn compare_and_set_by_version_is_a_lock() {
    let (client, path) = (shared().client(), fresh("concurrency"));
    client.put(&path, &json!({"log": []})).send().expect(201);
    let writer = |name: usize| {
        let mut done = 0;
        while done < 10 {
            let read = client.get(&path).send().expect(200);
            let mut data = read.json()["data"].take();
            data["log"].as_array_mut().unwrap().push(json!([name, done]));
            let tag = format!("\"{}\"", read.version());
            match client.put(&path, &data).header("if-match", &tag).send().status {
                200 => done += 1,
                412 => {}
                status => panic!("{status}"),
            }
        }
    };
    thread::scope(|scope| {
        for name in 0..8 {
            scope.spawn(move || writer(name));
        }
    });
    let resource = client.resource(&path);
    assert_eq!(resource["version"], 81);
    let mut seen: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for entry in resource["data"]["log"].as_array().unwrap() {
        seen.entry(entry[0].as_u64().unwrap()).or_default().push(entry[1].as_u64().unwrap());
    }
    assert_eq!(seen.len(), 8);
    assert!(seen.values().all(|order| *order == (0..10).collect::<Vec<_>>()), "{seen:?}");
}

#[test]
fn documents_do_not_mix() {
    let client = shared().client();
    let paths: Vec<String> = (0..40).map(|_| fresh("concurrency")).collect();
    thread::scope(|scope| {
        for (number, path) in paths.iter().enumerate() {
            let client = &client;
            scope.spawn(move || {
                for n in 0..5 {
                    client.put(path, &json!({"number": number, "n": n})).send();
                }
            });
        }
    });
    for (number, path) in paths.iter().enumerate() {
        let resource = client.resource(path);
        assert_eq!(resource["version"], 5);
        assert_eq!(resource["data"], json!({"number": number, "n": 4}));
    }
}

/// Writers who ask as well.
const ASKERS: usize = 16;

/// Writes a document of its own again and again, and after each answer asks for it: by a value, by its name, in a count.
fn write_and_ask(client: &Client, collection: &str, writer: usize, rounds: u64) {
    let id = format!("w{writer:02}");
    let path = format!("/v1/docs/{collection}/{id}");
    let mine = |op: &str, n: u64| {
        let filters = [
            json!({"field": "writer", "op": "==", "value": writer}),
            json!({"field": "n", "op": op, "value": n}),
        ];
        json!({"from": collection, "where": {"and": filters}})
    };
    for n in 1..=rounds {
        let data = json!({"writer": writer, "n": n, "parity": [n % 2]});
        let version = match n % 5 {
            // Gone, and there again.
            0 => {
                client.delete(&path).send().expect(204);
                assert_eq!(client.ids(&mine(">", 0)), Vec::<String>::new());
                client.put(&path, &data).send().expect(201).version()
            }
            _ => client.put(&path, &data).send().version(),
        };
        let found = client.query(&mine("==", n));
        assert_eq!(ids(&found), [id.as_str()], "{n}");
        assert_eq!(found["documents"][0]["version"], version);
        assert_eq!(client.ids(&mine("<", n)), Vec::<String>::new(), "an old value of {n}");
        let named =
            json!({"from": collection, "where": {"field": "__name__", "op": "==", "value": id}});
        assert_eq!(client.query(&named)["documents"][0]["data"], data);
        let count = json!({"query": mine("==", n), "aggregates": {"n": "count"}});
        let counted = client.post("/v1/aggregate", &count).send().expect(200).json();
        assert_eq!(counted, json!({"n": 1}));
    }
}

/// Asks for everything while others write: what was answered before a query is in it.
fn look(
    client: &Client,
    collection: &str,
    answered: &Mutex<BTreeMap<String, u64>>,
    done: &AtomicUsize,
) {
    while done.load(Ordering::Relaxed) < ASKERS {
        let before = answered.lock().unwrap().clone();
        let answer = client.query(&json!({"from": collection, "orderBy": [{"field": "n"}]}));
        let found: BTreeMap<&str, u64> = answer["documents"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one["id"].as_str().unwrap(), one["version"].as_u64().unwrap()))
            .collect();
        for (id, version) in &before {
            let there = found.get(id.as_str());
            assert!(there >= Some(version), "{id}: {there:?}, and {version} was answered");
        }
    }
}

#[test]
fn a_write_that_was_answered_is_in_every_later_query() {
    let server = TestServer::start_with_collections(&json!({"eight": {"shards": 8}}));
    for (collection, rounds) in [("one", 12), ("eight", 12)] {
        thread::scope(|scope| {
            for writer in 0..ASKERS {
                let client = server.client();
                scope.spawn(move || write_and_ask(&client, collection, writer, rounds));
            }
        });
        let all = json!({"from": collection});
        assert_eq!(server.client().ids(&all).len(), ASKERS);
        let (answered, done) = (Mutex::new(BTreeMap::new()), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..2 {
                let (client, answered, done) = (server.client(), &answered, &done);
                scope.spawn(move || look(&client, collection, answered, done));
            }
            for writer in 0..ASKERS {
                let (client, answered, done) = (server.client(), &answered, &done);
                scope.spawn(move || {
                    for n in 0..15_usize {
                        let id = format!("x{}", (writer * 7 + n * 5) % 40);
                        let path = format!("/v1/docs/{collection}/{id}");
                        let update =
                            json!({"n": n, "writers": {"$arrayUnion": [writer * 100 + n]}});
                        let reply = client.put(&format!("{path}?merge=true"), &update).send();
                        let version = reply.version();
                        let mut answered = answered.lock().unwrap();
                        let last = answered.entry(id).or_insert(0);
                        *last = version.max(*last);
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        // In the end the index has what the documents are.
        for document in server.client().query(&all)["documents"].as_array().unwrap() {
            let path = format!("/v1/docs/{}", document["path"].as_str().unwrap());
            assert_eq!(*document, server.client().resource(&path));
        }
    }
}
