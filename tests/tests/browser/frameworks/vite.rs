//! Vite: its development server, and what it builds.

use crate::tools::{From, Running, tools};
use crate::{DONE, asking, title};
use blaze_tests::browser::Browser;

fn vite(version: &str) {
    let tools = tools();
    for from in [From::Tarball, From::Link] {
        let name = format!("{version}-{from:?}").to_lowercase();
        let project = tools.project("page", &name, from);
        // In the project, where its own dependencies are found.
        let script = project.join("vite.mjs");
        std::fs::copy(crate::tools::data().join("vite.mjs"), &script).expect("a copy");
        let running = Running::start(tools.node().arg(&script).arg(version).arg(&project));
        for step in ["dev", "build"] {
            let port = running.after("http://127.0.0.1:");
            let id = format!("{name}-{step}");
            let page = Browser::open(&format!("http://127.0.0.1:{port}/?{}", asking(&id)));
            let (title, errors) = title(&page);
            assert_eq!(title, DONE, "{id}: {errors:?}\n{}", running.errors());
        }
    }
}

#[test]
fn vite_5() {
    vite("vite-5");
}

#[test]
fn vite_6() {
    vite("vite-6");
}

#[test]
fn vite_7() {
    vite("vite-7");
}

#[test]
fn vite_8() {
    vite("vite-8");
}
