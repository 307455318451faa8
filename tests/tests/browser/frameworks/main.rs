//! The npm package in the tools that people build and run with: each builds it and opens or runs what it built, which
//! writes, reads and listens at a real server. The tools are pinned in `tests/data/frameworks/package-lock.json` and
//! installed once, below `build/`.

mod cloudflare;
mod loading;
mod next;
mod runtimes;
mod tools;
mod vite;

use blaze_tests::browser::Browser;
use blaze_tests::server;

/// The result of a successful attempt.
const DONE: &str = "wrote 1, read 1, was told 2";

/// Returns the parameters of an attempt at the shared server: a document of its own for each `id`.
fn asking(id: &str) -> String {
    format!("server={}&id={id}", server::shared().url())
}

/// Returns the title that a page gives itself when it is done, and the errors in its console.
fn title(page: &Browser) -> (String, Vec<String>) {
    page.see("document.title");
    let title = page.value("document.title");
    (title.as_str().unwrap_or_default().to_owned(), page.errors())
}
