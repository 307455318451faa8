//! Next: components of the server and of the browser, route handlers in Node.js and in the edge runtime. It is built and
//! started as for production.

use crate::tools::{From, PATIENCE, Running, run, tools};
use crate::{DONE, asking};
use blaze_tests::browser::Browser;
use blaze_tests::client::Client;
use std::fs;
use std::process::Command;

fn next(bundler: &str) {
    let tools = tools();
    let project = tools.project("next", &format!("next-{bundler}"), From::Tarball);
    let routes: &[&str] = if bundler == "turbopack" { &["route", "edge"] } else { &["route"] };
    if !routes.contains(&"edge") {
        // Next 16.4 with webpack builds no edge route below `app/`, also one that is nothing but a text: it looks for a
        // file of its own that it has not written.
        fs::remove_dir_all(project.join("app/edge")).expect("the edge route");
    }
    let next = |arguments: &[&str]| -> Command {
        let mut command = tools.node();
        command.arg(tools.program("next/dist/bin/next")).args(arguments);
        command.current_dir(&project).env("DIST", "dist").env("NODE_ENV", "production");
        command
    };
    run(&mut next(&["build", &format!("--{bundler}")]), PATIENCE);
    let running = Running::start(&mut next(&["start", "--hostname", "127.0.0.1", "--port", "0"]));
    let url = format!("http://127.0.0.1:{}", running.after("http://127.0.0.1:"));
    for route in routes {
        let asked = asking(&format!("{bundler}-{route}"));
        let answer = Client::new(&url).get(&format!("/{route}?{asked}")).send().text();
        assert_eq!(answer, DONE, "{bundler} {route}\n{}", running.errors());
    }
    for (page, runs) in [("", "server"), ("browser", "browser")] {
        let asked = asking(&format!("{bundler}-{runs}"));
        let page = Browser::open(&format!("{url}/{page}?{asked}"));
        page.see("document.querySelector('#outcome')?.textContent");
        let outcome = page.value("document.querySelector('#outcome').textContent");
        assert_eq!(outcome, DONE, "{bundler} {runs}: {:?}\n{}", page.errors(), running.errors());
    }
}

#[test]
fn next_with_turbopack() {
    next("turbopack");
}

#[test]
fn next_with_webpack() {
    next("webpack");
}
