//! Runtimes without a page: Node.js, Bun, Deno, and a Cloudflare Worker under workerd.

use crate::tools::{From, PATIENCE, run, tools};
use crate::{DONE, asking};
use blaze_tests::client::Client;
use blaze_tests::server;
use std::fs;
use std::path::Path;
use std::process::Command;
use xtask::workerd::{Module, Options, Server, Service};

/// Runs `main.mjs` with a program, or with one and its arguments before the script.
fn runs(name: &str, command: impl FnOnce(&crate::tools::Tools) -> Command) {
    let tools = tools();
    let project = tools.project("node", name, From::Tarball);
    let mut command = command(&tools);
    command.current_dir(&project).arg(project.join("main.mjs"));
    command.args([server::shared().url().as_str(), name]);
    assert_eq!(run(&mut command, PATIENCE).trim(), DONE, "{name}");
}

#[test]
fn node_20() {
    runs("node-20", |tools| {
        let mut node = Command::new(tools.program("node-20/bin/node"));
        // It has a WebSocket only then.
        node.arg("--experimental-websocket");
        node
    });
}

#[test]
fn node_22() {
    runs("node-22", |tools| tools.node());
}

#[test]
fn bun() {
    runs("bun", |tools| {
        let mut bun = Command::new(tools.program(".bin/bun"));
        bun.arg("run");
        bun
    });
}

#[test]
fn deno() {
    runs("deno", |tools| {
        let mut deno = Command::new(tools.program(".bin/deno"));
        // Nothing else: no file is read but modules.
        deno.args(["run", "--no-config", "--node-modules-dir=manual", "--allow-net=127.0.0.1"]);
        deno
    });
}

#[test]
fn a_cloudflare_worker() {
    let tools = tools();
    let project = tools.project("worker", "worker", From::Tarball);
    let wrangler =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../node_modules/wrangler/bin/wrangler.js");
    let mut bundle = tools.node();
    bundle.arg(wrangler).args(["deploy", "--dry-run", "--outdir", "out"]);
    run(bundle.current_dir(&project), PATIENCE);
    // `index.js`, and the wasm beside it under a name with a hash.
    let mut modules: Vec<Module> = fs::read_dir(project.join("out"))
        .expect("the bundle")
        .flatten()
        .map(|entry| Module {
            name: entry.file_name().to_string_lossy().into(),
            path: entry.path(),
        })
        .filter(|module| {
            ["js", "wasm"].iter().any(|kind| module.path.extension().is_some_and(|e| e == *kind))
        })
        .collect();
    modules.sort_by_key(|module| module.name != "index.js");
    let service = Service {
        modules,
        objects: Vec::new(),
        vars: Default::default(),
        assets: None,
        compatibility_date: "2026-11-01".to_owned(),
        compatibility_flags: Vec::new(),
    };
    let data = tempfile::tempdir().expect("a folder");
    let options = Options { health_path: None, ..Options::default() };
    let worker =
        Server::start(&service, data.path(), options).unwrap_or_else(|error| panic!("{error:#}"));
    // Twice: the second request finds the WebAssembly loaded, and is another request's.
    for id in ["worker-1", "worker-2"] {
        let answer = Client::new(&worker.base_url()).get(&format!("/?{}", asking(id))).send();
        assert_eq!(answer.text(), DONE);
    }
}
