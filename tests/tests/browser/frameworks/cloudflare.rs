//! The server as it is deployed: `wrangler dev` runs it with Cloudflare's own handling of static files.

use crate::tools::{Running, root, tools};
use blaze_tests::client::Client;
use std::fs;
use std::process::Command;

/// The `Accept` header of a browser that opens an address.
const OPENED: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

/// Runs the server that wrangler.toml describes, with other files if they are named.
fn with_server(files: Option<&str>, look: impl FnOnce(&Client)) {
    let _tools = tools();
    let folder = tempfile::tempdir().expect("a folder");
    // Without its build, and from where it is.
    let settings = fs::read_to_string(root().join("wrangler.toml")).expect("wrangler.toml");
    let build = format!("\"{}/build/", root().display());
    let settings =
        settings.replace("command = \"cargo xtask build\"", "").replace("\"build/", &build);
    fs::write(folder.path().join("wrangler.toml"), settings).expect("a copy");
    let mut wrangler = Command::new(root().join("node_modules/node/bin/node"));
    wrangler.arg(root().join("node_modules/wrangler/bin/wrangler.js"));
    wrangler.args(["dev", "--ip", "127.0.0.1", "--port", "0", "--inspector-port", "0"]);
    wrangler.arg("--show-interactive-dev-session=false");
    if let Some(files) = files {
        wrangler.arg("--assets").arg(root().join(files));
    }
    let running = Running::start(wrangler.current_dir(folder.path()));
    let port = running.after("Ready on http://127.0.0.1:");
    look(&Client::new(&format!("http://127.0.0.1:{port}")));
}

#[test]
fn a_deployment_has_its_own_page_and_pages_of_other_origins_import_the_client() {
    with_server(None, |client| {
        let page = client.get("/").header("accept", OPENED).send().expect(200);
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        assert!(page.text().contains("data-state=\"closed\""), "{}", page.text());
        client.get("/countries/FRA").header("accept", OPENED).send().problem(404, "not-found");
        let module = client.get("/client/index.js").send().expect(200);
        for (name, value) in blaze_engine::http::security::CLIENT {
            assert_eq!(module.header(name), Some(*value), "{name}");
        }
        assert_eq!(module.header("content-security-policy"), None);
        let wasm = client.get("/client/blaze_client_bg.wasm").send().expect(200);
        assert_eq!(wasm.header("content-type"), Some("application/wasm"));
        let icon = client.get("/favicon.svg").send().expect(200);
        for (name, value) in blaze_engine::http::security::PAGE {
            assert_eq!(icon.header(name), Some(*value), "{name}");
        }
    });
}

#[test]
fn a_deployed_demo_answers_at_its_addresses() {
    with_server(Some("build/demo"), |client| {
        for path in ["/", "/countries/FRA", "/table?region=Europe"] {
            let page = client.get(path).header("accept", OPENED).send().expect(200);
            assert!(page.text().contains("/start.js"), "{path}: {}", page.text());
            assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        }
        client.get("/flags/fra.svg").send().expect(200);
        client.get("/countries/FRA.js").send().problem(404, "not-found");
    });
}
