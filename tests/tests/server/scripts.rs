//! Golden scripts: every file of `tests/scripts` is run in this process and against the built server under workerd, and
//! must be answered in both as it says. Its form is in the README there.
//!
//! `UPDATE_SCRIPTS=1 cargo test --test scripts` writes the answers of today into the files: read what has changed before
//! you commit it.

use blaze_tests::script::{ClusterHome, HttpHome, difference, run};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts")
}

/// Runs a script on a server of its own; returns it with the answers of this run.
fn run_over_http(name: &str, text: &str) -> String {
    run(text, |settings| Box::new(HttpHome::start(settings)))
        .unwrap_or_else(|error| panic!("tests/scripts/{name}: {error}"))
}

/// Runs a script in a cluster of its own; returns it with the answers of this run.
fn run_in_process(name: &str, text: &str) -> String {
    run(text, |settings| Box::new(ClusterHome::start(settings)))
        .unwrap_or_else(|error| panic!("tests/scripts/{name}: {error}"))
}

/// Runs a file in both homes, and compares or records its answers.
fn check(name: &str) {
    let path = folder().join(name);
    let text = fs::read_to_string(&path).unwrap();
    let place = format!("tests/scripts/{name}");
    let in_process = run_in_process(name, &text);
    if env::var_os("UPDATE_SCRIPTS").is_none()
        && let Some(report) = difference(&place, &text, &in_process)
    {
        panic!("answered in one process otherwise than recorded (-):\n{report}");
    }
    let transcript = run_over_http(name, &text);
    if let Some(report) = difference(&place, &in_process, &transcript) {
        panic!("answered over HTTP otherwise than in one process (-):\n{report}");
    }
    if transcript != text {
        // Else it would have been noticed above.
        assert!(env::var_os("UPDATE_SCRIPTS").is_some());
        fs::write(&path, transcript).unwrap();
    }
}

/// A test for each script, of its name.
macro_rules! scripts {
    ($($script:ident)*) => {
        $(#[test]
        fn $script() {
            check(concat!(stringify!($script), ".txt"));
        })*

        const SCRIPTS: &[&str] = &[$(concat!(stringify!($script), ".txt")),*];
    };
}

scripts! {
    aggregates
    callers
    commits
    deletion
    documents
    errors
    groups
    idempotency
    listen_document
    listen_queries
    listen_targets
    order
    pages
    preconditions
    queries
    rules
    rules_lookups
    transforms
    updates
    values
}

#[test]
fn every_script_is_run() {
    let names = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut files: BTreeSet<String> = names.map(|name| name.into_string().unwrap()).collect();
    assert!(files.remove("README.md"));
    assert_eq!(files, SCRIPTS.iter().map(|name| (*name).to_owned()).collect());
}

/// A script for the tests of the runner, with what has to be right in its record.
const SCRIPT: &str = r#"# An example.

given PUT /v1/docs/users/bob {"n":0}

PUT /v1/docs/users/alice {"n":1}
open alice /v1/docs/users/alice
---
201 etag="1" location=/v1/docs/users/alice
  {"path":"users/alice","id":"alice","version":1,"createTime":"<time 1>","updateTime":"<time 1>",
   "data":{"n":1}}
alice: {"type":"snapshot","epoch":"<epoch 1>","version":1,"data":{"n":1}}

# Both, by a page token.
PATCH /v1/docs/users/alice {"n":{"$increment":1}}
GET /v1/docs/users?limit=1&select=n
---
200 etag="2"
  {"path":"users/alice","id":"alice","version":2,"createTime":"<time 1>","updateTime":"<time 2>",
   "data":{"n":2}}
alice: {"type":"patch","base":1,"version":2,"patch":[{"op":"replace","path":"/n","value":2}]}
200
  {"documents":[
    {"path":"users/alice","id":"alice","version":2,"createTime":"<time 1>","updateTime":"<time 2>",
     "data":{"n":2}}
  ],
   "readTime":"<time 3>","nextPageToken":"<page 1>"}

GET /v1/docs/users?limit=1&select=n&pageToken=<page 1>
close alice
DELETE /v1/docs/users/alice if-match="1"
---
200
  {"documents":[
    {"path":"users/bob","id":"bob","version":1,"createTime":"<time 4>","updateTime":"<time 4>","data":{"n":0}}
  ],
   "readTime":"<time 5>"}
nothing
412 failed-precondition "If-Match: the document is at version 2"
"#;

#[test]
fn a_wrong_record_is_noticed() {
    assert_eq!(difference("s.txt", SCRIPT, &run_over_http("s.txt", SCRIPT)), None);
    for (right, wrong, line) in [
        ("201 etag", "200 etag", 8),
        ("etag=\"1\"", "etag=\"2\"", 8),
        ("\"updateTime\":\"<time 1>\"", "\"updateTime\":\"<time 2>\"", 9),
        ("alice: {\"type\":\"snapshot\",\"epoch\":\"<epoch 1>\",\"version\":1,", "alice: {", 11),
        ("\"base\":1", "\"base\":0", 20),
        ("\"<time 3>\"", "\"<time 2>\"", 26),
        ("nothing\n", "", 37),
        ("nothing\n", "nothing\nalice: {\"pong\":1}\n", 38),
        ("at version 2\"\n", "at version 3\"\n", 38),
        ("at version 2\"\n", "at version 2\"", 39),
    ] {
        assert!(SCRIPT.contains(right), "{right}");
        let script = SCRIPT.replacen(right, wrong, 1);
        let report = difference("s.txt", &script, &run_over_http("s.txt", &script));
        let report =
            report.unwrap_or_else(|| panic!("{wrong:?} instead of {right:?} is let through"));
        // The report begins some lines before the one that differs.
        let (place, text) = report.split_once('\n').unwrap();
        let first: usize = place.strip_prefix("s.txt:").unwrap().parse().unwrap();
        let before = text.lines().take_while(|line| line.starts_with("    ")).count();
        assert_eq!(first + before, line, "{report}");
    }
}

#[test]
fn a_record_is_the_same_however_often_it_is_made() {
    // Commands alone, as somebody writes them who adds a script.
    let paragraphs = SCRIPT.split("\n\n");
    let commands = paragraphs.map(|paragraph| paragraph.split("\n---\n").next().unwrap());
    let commands = commands.collect::<Vec<_>>().join("\n\n") + "\n";
    for _ in 0..3 {
        assert_eq!(run_over_http("s.txt", &commands), SCRIPT);
    }
}

#[test]
fn a_mistake_in_a_script_is_told_with_its_line() {
    for (commands, line, words) in [
        ("given PUT /v1/docs/users {}", 3, "405"),
        ("GET /v1/docs/users/<id 1>", 3, "<id 1>"),
        ("# Nobody is.\nas alice GET /v1/docs/users", 4, "alice"),
        ("GET /v1/docs/users\nsend alice {}", 4, "alice"),
        ("open a /v1/docs/users/alice\ngiven PUT /v1/docs/users/alice {}", 4, "patch"),
    ] {
        let text = format!("# A mistake.\n\n{commands}\n");
        let error = run(&text, |settings| Box::new(HttpHome::start(settings))).unwrap_err();
        assert_eq!(error.line, line, "{error}");
        assert!(error.detail.contains(words), "{error}");
    }
}
