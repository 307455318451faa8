//! Many writers of one document at once: nothing is lost, nothing is done twice, everybody sees one order.

use blaze_tests::client::{Client, JSON, fresh};
use blaze_tests::server::shared;
use blaze_tests::socket::{Listener, Socket};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Barrier;
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
