//! The README's examples do what it says. How they have to be written is said in `blaze_tests::readme`.

use blaze_tests::npm_package::{node, project, root, run};
use blaze_tests::readme::{compare, curl_examples, js_examples, printed, with_server};
use blaze_tests::server::TestServer;
use std::fs;
use std::process::Command;

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("README.md")
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
