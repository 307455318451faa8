//! The rules and settings that come with Blaze, or that its README and docs show, are what they should be.

use blaze_engine::http::security;
use blaze_engine::index::settings::Collections;
use blaze_engine::settings::Settings;
use blaze_rules::{Rules, cases};
use std::fs;
use std::path::{Path, PathBuf};
use xtask::workerd::Service;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The fenced block of a page that holds `part`.
fn shown(page: &str, part: &str) -> String {
    let page = read(page);
    let blocks = page.split("```").skip(1).step_by(2);
    let block = blocks.into_iter().find(|block| block.contains(part)).expect("a block with it");
    block.split_once('\n').expect("a language's line").1.to_owned()
}

#[test]
fn the_demos_rules_decide_their_cases() {
    let rules = Rules::compile(&read("demo-web/demo.rules")).unwrap();
    let report = cases::run(&rules, &read("demo-web/demo.rules.cases.json")).unwrap();
    assert_eq!(report.failures, []);
    assert!(report.cases > 10);
    // Rules that allow nothing fail all cases that allow: the table can fail.
    let closed = Rules::compile("match /none/{id} { allow get: if false; }").unwrap();
    let report = cases::run(&closed, &read("demo-web/demo.rules.cases.json")).unwrap();
    assert!(report.failures.len() > 5);
}

#[test]
fn the_rules_and_settings_of_the_docs_are_good() {
    Rules::compile(&shown("README.md", "match /users/{id}")).unwrap();
    Settings::parse(&shown("docs/configuration.md", "\"issuers\"")).unwrap();
    Collections::parse(&shown("docs/configuration.md", "\"shards\"")).unwrap();
}

#[test]
fn pages_have_the_same_headers_where_cloudflare_serves_them() {
    let assets = Service::built().unwrap().assets.expect("the demo's files");
    let headers = fs::read_to_string(assets.directory.join("_headers")).unwrap();
    assert_eq!(headers, security::headers_file());
    assert!(headers.contains("content-security-policy"));
}

#[test]
fn the_settings_that_are_served_are_good() {
    Settings::parse(&read("access.json")).unwrap();
    Settings::parse(&read("demo-web/access.json")).unwrap();
    Collections::parse(&read("collections.json")).unwrap();
}
