//! A real provider of identities (npm's `oidc-provider`) on this machine, and a browser in which somebody logs in there.

use crate::client::PATIENCE;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use ureq::http::{Request, Response};
use ureq::{Agent, Body};

/// Where the provider sends browsers back to; see `tests/data/oidc/provider.mjs`.
pub const REDIRECT: &str = "http://localhost/back";

/// The secret of its clients that have one. It has characters that a form encodes.
pub const SECRET: &str = "the secret: & of it";

/// A running provider. It ends with this value, or with the process: then its standard input ends.
pub struct IdentityProvider {
    node: Child,
    /// It ends where nobody hears what it says.
    _output: BufReader<ChildStdout>,
    /// Its issuer, `http://127.0.0.1:<port>`.
    pub issuer: String,
}

impl IdentityProvider {
    /// Starts one. Its keys are new.
    pub fn start() -> Self {
        Self::start_for(&[])
    }

    /// The same, which sends browsers back to these addresses too.
    pub fn start_for(redirects: &[&str]) -> Self {
        let mut node = node("provider.mjs");
        let mut node = node.args(redirects).stderr(Stdio::null()).spawn().expect("Node.js starts");
        let mut output = BufReader::new(node.stdout.take().expect("it is piped"));
        let mut lines = output.by_ref().lines().map_while(Result::ok);
        let issuer = lines.find(|line| line.starts_with("http://"));
        let issuer = issuer.expect("the provider says its issuer");
        IdentityProvider { node, _output: output, issuer }
    }
}

/// Node.js with a script of `tests/data/oidc`, its input and output piped.
fn node(script: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let package = root.join("node_modules/oidc-provider");
    assert!(package.is_dir(), "oidc-provider is missing; `cargo xtask test` installs it");
    // It wants a newer Node.js than some systems have.
    let installed = root.join("node_modules/node/bin/node");
    let node = if installed.is_file() { installed } else { PathBuf::from("node") };
    let mut command = Command::new(node);
    command.arg(root.join("tests/data/oidc").join(script));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// The claims of a token of Blaze, verified by another implementation (npm's `jose`) with the keys that are published at
/// a URL; or why it is not good.
///
/// # Errors
/// What it says is wrong with the token.
pub fn verify_elsewhere(jwks: &str, token: &str) -> Result<Value, String> {
    let mut node = node("verify.mjs").arg(jwks).spawn().expect("Node.js starts");
    let mut input = node.stdin.take().expect("it is piped");
    input.write_all(token.as_bytes()).expect("it reads the token");
    drop(input);
    let output = node.wait_with_output().expect("it ends");
    let text = String::from_utf8(output.stdout).expect("text");
    if output.status.success() {
        return Ok(serde_json::from_str(&text).expect("claims"));
    }
    Err(text)
}

impl Drop for IdentityProvider {
    fn drop(&mut self) {
        drop(self.node.kill());
        drop(self.node.wait());
    }
}

/// A client of HTTP that follows nothing and takes every status for an answer.
pub fn agent() -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(PATIENCE));
    config.build().into()
}

/// Somebody's browser: their cookies.
#[derive(Default)]
pub struct Browser {
    cookies: BTreeMap<String, String>,
}

impl Browser {
    /// Goes to an authorization URL, logs in with a name, consents to what is asked, and gives the URL under [`REDIRECT`]
    /// that the provider sends the browser back to.
    pub fn log_in(&mut self, url: &str, name: &str) -> String {
        let (mut url, mut form) = (url.to_owned(), None);
        for _ in 0..20 {
            let origin: String = url.split_inclusive('/').take(3).collect();
            let response = self.ask(&url, form.take());
            let location = response.headers().get("location");
            if let Some(location) = location.map(|value| value.to_str().expect("a URL")) {
                if location.starts_with(REDIRECT) {
                    return location.to_owned();
                }
                url = absolute(&origin, location);
                continue;
            }
            let status = response.status();
            let page = response.into_body().read_to_string().expect("a page");
            assert_eq!(status, 200, "{url}: {page}");
            let action = between(&page, "action=\"", "\"").expect("a form");
            url = absolute(&origin, action);
            let prompt = between(&page, "name=\"prompt\" value=\"", "\"").expect("a prompt");
            form = Some(format!("prompt={prompt}&login={name}&password=x"));
        }
        panic!("the provider sends the browser around: {url}");
    }

    fn ask(&mut self, url: &str, form: Option<String>) -> Response<Body> {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = Request::builder().uri(url).header("cookie", cookies.join("; "));
        let response = match form {
            Some(form) => {
                let request = request.method("POST");
                let request = request.header("content-type", "application/x-www-form-urlencoded");
                agent().run(request.body(form).expect("a request"))
            }
            None => agent().run(request.body(()).expect("a request")),
        };
        let response = response.unwrap_or_else(|error| panic!("{url}: {error}"));
        for cookie in response.headers().get_all("set-cookie") {
            let cookie = cookie.to_str().expect("a cookie");
            let pair = cookie.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        response
    }
}

fn absolute(origin: &str, location: &str) -> String {
    match location.strip_prefix('/') {
        Some(path) => format!("{origin}{path}"),
        None => location.to_owned(),
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}
