//! The npm package under Node.js, against the built server: a script of JavaScript for each subject.

mod types;

use blaze_schema::limits::DOCUMENT_DEPTH;
use blaze_tests::npm_package::{node, project, root, run};
use blaze_tests::server::{self, TestServer};
use serde_json::json;
use std::fs;
use std::process::Command;

/// The beginning of every script.
const SUPPORT: &str = include_str!("support.mjs");

/// Runs a script against the server that the tests share.
fn passes(name: &str, script: &str) {
    passes_on(&server::shared().url(), name, script);
}

/// Runs a script, which fails if one of its tests does.
fn passes_on(url: &str, name: &str, script: &str) {
    let project = project();
    fs::write(project.path().join("support.mjs"), SUPPORT).expect("a module");
    let file = project.path().join(name);
    fs::write(&file, script).expect("a module");
    let mut timed = Command::new("timeout");
    timed.arg("120").arg(node()).arg(&file).current_dir(project.path()).env("BASE_URL", url);
    run(&mut timed, name);
}

#[test]
fn wrong_arguments_are_refused_by_name() {
    passes("arguments.mjs", include_str!("arguments.mjs"));
}

#[test]
fn callbacks_of_the_application_end_nothing() {
    passes("callbacks.mjs", include_str!("callbacks.mjs"));
}

#[test]
fn converters_stand_between_objects_and_data() {
    passes("converters.mjs", include_str!("converters.mjs"));
}

#[test]
fn merge_fields_takes_the_named_fields() {
    passes("merge_fields.mjs", include_str!("merge_fields.mjs"));
}

#[test]
fn options_do_what_firestores_do() {
    passes("options.mjs", include_str!("options.mjs"));
}

#[test]
fn snapshots_hand_out_nothing_that_others_share() {
    passes("snapshots.mjs", include_str!("snapshots.mjs"));
}

#[test]
fn sessions_survive_a_storage_that_fails() {
    let access = json!({"accounts": {"passwords": true, "signUp": true}});
    let server = TestServer::start_closed(&access, &[("OPEN", "1")]);
    passes_on(&server.url(), "storage.mjs", include_str!("storage.mjs"));
}

#[test]
fn values_are_written_back_as_they_were_read() {
    passes("values.mjs", include_str!("values.mjs"));
}

#[test]
fn the_package_knows_the_schemas_depth() {
    let values = fs::read_to_string(root().join("client-wasm/npm/values.js")).expect("a module");
    assert!(values.contains(&format!("const LEVELS = {DOCUMENT_DEPTH};")));
}
