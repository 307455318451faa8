//! The README's examples do what it says. How they have to be written is said in `blaze_tests::readme`.

use blaze_tests::readme::{compare, curl_examples, js_examples, printed, with_server};
use blaze_tests::server::TestServer;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, fs};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace")
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("README.md")
}

/// Runs a command to its end; its output, or a failure that shows it.
fn run(command: &mut Command, place: &str) -> String {
    let Output { status, stdout, stderr } = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(status.success(), "{place}: {status}\n{stdout}\n{stderr}");
    stdout
}

/// In front of an example: curl fails for a status of 400 or more, and does not wait for ever.
const PRELUDE: &str =
    "set -euo pipefail\ncurl() { command curl --fail-with-body --max-time 20 \"$@\"; }\n";

#[test]
fn curl_examples_work_and_print_what_the_readme_says() {
    let (readme, server) = (readme(), TestServer::start());
    let examples = curl_examples(&readme);
    assert!(!examples.is_empty(), "README.md has no curl example");
    assert!(examples.iter().any(|example| example.output.is_some()), "and shows no output");
    let commands: String = examples.iter().map(|example| example.block.text.as_str()).collect();
    for example in &examples {
        let script = format!("{PRELUDE}{}", with_server(&example.block.text, &server.url()));
        let place = format!("README.md:{}", example.block.line);
        let actual = run(Command::new("bash").args(["-c", &script]), &place);
        if let Some(expected) = &example.output {
            compare(expected, &actual, &commands)
                .unwrap_or_else(|difference| panic!("{difference}"));
        }
    }
}

#[test]
fn an_example_that_is_refused_fails() {
    let server = TestServer::start();
    let get = |path: &str| {
        let script = format!("{PRELUDE}curl -s {}{path}\ntrue", server.url());
        Command::new("bash").args(["-c", &script]).output().expect("bash").status.success()
    };
    assert!(get("/health"));
    assert!(!get("/v1/docs/users/nobody"));
}

/// A Node of at least version 22, which has a WebSocket of its own: `$BLAZE_NODE`, the one on the path, or the one that
/// npm installed for the tests.
fn node() -> PathBuf {
    let candidates = env::var_os("BLAZE_NODE").map(PathBuf::from).into_iter();
    let others = [PathBuf::from("node"), root().join("node_modules/node/bin/node")];
    candidates
        .chain(others)
        .find(|node| major_version(node).is_some_and(|major| major >= 22))
        .expect("Node 22 or newer: set BLAZE_NODE, or `cargo xtask test`, which installs one")
}

fn major_version(node: &Path) -> Option<u32> {
    let output = Command::new(node).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// A directory where Node finds the built npm package under its name.
fn project() -> tempfile::TempDir {
    let build = env::var_os("BLAZE_BUILD").map_or_else(|| root().join("build"), PathBuf::from);
    let package = build.join("client");
    let manifest = fs::read_to_string(package.join("package.json")).unwrap_or_default();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap_or_default();
    assert_eq!(manifest["name"], "blaze-client", "no npm package in {}", package.display());
    let project = tempfile::tempdir().expect("a directory");
    let modules = project.path().join("node_modules/blaze-client");
    fs::create_dir_all(&modules).expect("node_modules");
    for entry in fs::read_dir(&package).expect("the package").flatten() {
        if entry.path().is_file() {
            fs::copy(entry.path(), modules.join(entry.file_name())).expect("a copy");
        }
    }
    project
}

#[test]
fn javascript_examples_work_and_print_what_the_readme_says() {
    let (readme, server) = (readme(), TestServer::start());
    let examples = js_examples(&readme);
    assert!(!examples.is_empty(), "README.md has no JavaScript example");
    let (node, project) = (node(), project());
    for example in examples {
        let file = project.path().join(format!("line{}.mjs", example.line));
        fs::write(&file, with_server(&example.text, &server.url())).expect("the module");
        let place = format!("README.md:{}", example.line);
        let mut timed = Command::new("timeout");
        let actual =
            run(timed.args(["30"]).arg(&node).arg(&file).current_dir(project.path()), &place);
        let mut lines = actual.lines();
        for expected in printed(&example.text) {
            assert!(lines.any(|line| line == expected), "{place}: {expected} is not in\n{actual}");
        }
    }
}
