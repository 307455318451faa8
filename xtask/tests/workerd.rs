//! A Worker under a real `workerd`: start, crash, restart. Needs the npm packages, which `cargo xtask build` installs.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use serde_json::json;
use xtask::workerd::{Module, ObjectClass, Options, Server, Service};

fn counter() -> Service {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/counter.js");
    Service {
        modules: vec![Module { name: "counter.js".into(), path: script }],
        objects: vec![ObjectClass { binding: "COUNTER".into(), class_name: "Counter".into() }],
        vars: BTreeMap::from([("GREETING".into(), json!("hello"))]),
        assets: None,
        compatibility_date: "2026-11-01".into(),
        compatibility_flags: Vec::new(),
    }
}

/// An empty data directory of this test's own.
fn data(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    drop(fs::remove_dir_all(&directory));
    directory
}

/// The last line of the answer: the body.
fn ask(server: &Server, method: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    write!(
        stream,
        "{method} / HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn what_was_answered_survives_a_crash_and_the_port_stays() {
    let mut server = Server::start(&counter(), &data("crash"), Options::default()).unwrap();
    let (url, pid) = (server.base_url(), server.pid());
    assert_eq!(ask(&server, "GET"), "hello 0");
    assert_eq!(ask(&server, "POST"), "hello 1");
    assert_eq!(ask(&server, "POST"), "hello 2");

    server.kill9().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());
    server.restart().unwrap();
    assert_eq!(server.base_url(), url);
    assert_ne!(server.pid(), pid);
    assert_eq!(ask(&server, "GET"), "hello 2");

    server.restart().unwrap();
    assert_eq!(ask(&server, "GET"), "hello 2");
}

#[test]
fn two_servers_do_not_share_a_data_directory() {
    let data = data("shared");
    let first = Server::start(&counter(), &data, Options::default()).unwrap();
    let error = Server::start(&counter(), &data, Options::default()).unwrap_err().to_string();
    assert!(error.starts_with("another server is using the data directory"), "{error}");
    drop(first);
    Server::start(&counter(), &data, Options::default()).unwrap();
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let mut service = counter();
    service.compatibility_date = "2999-01-01".into();
    let error =
        Server::start(&service, &data("broken"), Options::default()).unwrap_err().to_string();
    assert!(error.contains("2999-01-01"), "{error}");
}
