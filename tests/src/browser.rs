//! Headless Chromium as a test steers it: WebDriver (W3C) as far as the tests of the pages need it.

use crate::client::Client;
use serde_json::{Value, json};
use std::env;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long something that a page is to show may take before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(15);
/// How often a page is asked.
const INTERVAL: Duration = Duration::from_millis(15);
/// How long a script may run, in milliseconds: less than the HTTP client waits for an answer.
const SCRIPT_MS: u32 = 20_000;
/// The name of an element in WebDriver's JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// WebDriver's keys: Control, and "let go of all keys".
const SELECT_ALL: &str = "\u{e009}a\u{e000}";

const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1280,1000",
];

/// A browser of its own, with one window. It ends with this value.
pub struct Browser {
    client: Client,
    /// The session's path.
    session: String,
}

impl Browser {
    /// Starts a browser and opens `url`.
    pub fn open(url: &str) -> Self {
        static DRIVER: LazyLock<Driver> = LazyLock::new(Driver::start);
        let client = Client::new(&DRIVER.url);
        let mut options = json!({"args": FLAGS});
        if let Some(chromium) = env::var_os("CHROMIUM") {
            options["binary"] = chromium.to_str().expect("$CHROMIUM in UTF-8").into();
        }
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
            "timeouts": {"script": SCRIPT_MS, "pageLoad": SCRIPT_MS},
        });
        let wish = json!({"capabilities": {"alwaysMatch": capabilities}});
        let answer = client.post("/session", &wish).send().expect(200).json();
        let id = answer["value"]["sessionId"].as_str().expect("a session");
        let browser = Browser { session: format!("/session/{id}"), client };
        browser.command("url", &json!({"url": url}));
        browser
    }

    /// Runs `script`, the body of an asynchronous function, and returns what that returns. It must not throw.
    pub fn run(&self, script: &str) -> Value {
        // What is thrown, in words: the driver takes an error's `code` for its own.
        let wrapped = format!(
            "return (async () => {{ {script}\n}})().then((value) => [value], (error) => `${{error}} ${{error?.stack}}`);"
        );
        match self.command("execute/sync", &json!({"script": wrapped, "args": []})) {
            Value::Array(mut value) => value.pop().unwrap_or_default(),
            error => panic!("{error}\n{script}"),
        }
    }

    /// The value of a JavaScript expression.
    pub fn value(&self, expression: &str) -> Value {
        self.run(&format!("return ({expression});"))
    }

    /// Waits until a JavaScript expression is true. It may throw as long as it is not.
    pub fn see(&self, expression: &str) {
        let script = format!("try {{ return !!({expression}); }} catch {{ return false; }}");
        let deadline = Instant::now() + PATIENCE;
        while self.run(&script) != true {
            if Instant::now() > deadline {
                let page = self.value("document.body?.innerText");
                let page = page.as_str().unwrap_or("(no text)");
                let log = self.console().join("\n");
                panic!("not seen: {expression}\n--- the page\n{page}\n--- its console\n{log}");
            }
            thread::sleep(INTERVAL);
        }
    }

    /// Waits until the element of this `data-testid` says `text`: as its value, or as the text in it.
    pub fn see_text(&self, testid: &str, text: &str) {
        let selector = json!(selector(testid)).to_string();
        let element = format!("document.querySelector({selector})");
        self.see(&format!("({element}.value ?? {element}.textContent) === {}", json!(text)));
    }

    /// Clicks as a person does: the element must be visible, and nothing may cover it.
    pub fn click(&self, testid: &str) {
        let element = self.find(testid);
        self.command(&format!("element/{element}/click"), &json!({}));
    }

    /// Types over what an input holds, key by key.
    pub fn type_over(&self, testid: &str, text: &str) {
        let element = self.find(testid);
        let keys = json!({"text": format!("{SELECT_ALL}{text}")});
        self.command(&format!("element/{element}/value"), &keys);
    }

    /// Makes the window as large as a phone's, and the pointer a finger.
    pub fn become_phone(&self) {
        let metrics = json!({"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": true});
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
        self.devtools("Emulation.setTouchEmulationEnabled", &json!({"enabled": true}));
        self.see("innerWidth === 390 && matchMedia('(pointer: coarse)').matches");
    }

    /// Has pages be shown in dark colours, or in light ones.
    pub fn prefer_dark(&self, is_dark: bool) {
        let value = if is_dark { "dark" } else { "light" };
        let features = json!([{"name": "prefers-color-scheme", "value": value}]);
        self.devtools("Emulation.setEmulatedMedia", &json!({"features": features}));
    }

    /// Goes back, as by the button.
    pub fn back(&self) {
        self.command("back", &json!({}));
    }

    /// Opens another address in the window.
    pub fn go(&self, url: &str) {
        self.command("url", &json!({"url": url}));
    }

    fn devtools(&self, command: &str, parameters: &Value) {
        let wish = json!({"cmd": command, "params": parameters});
        self.command("goog/cdp/execute", &wish);
    }

    /// What the console was told since this was asked last: `SEVERE` and the like, then the message.
    pub fn console(&self) -> Vec<String> {
        let entries = self.command("se/log", &json!({"type": "browser"}));
        let line = |entry: &Value| {
            let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
            format!("{} {}", text("level"), text("message"))
        };
        entries.as_array().expect("a log").iter().map(line).collect()
    }

    /// The errors among [`Browser::console`]: what was thrown and not caught, what could not be loaded.
    pub fn errors(&self) -> Vec<String> {
        let mut lines = self.console();
        lines.retain(|line| line.starts_with("SEVERE"));
        lines
    }

    fn find(&self, testid: &str) -> String {
        let selector = selector(testid);
        self.see(&format!("document.querySelector({})", json!(selector)));
        let found = self.command("element", &json!({"using": "css selector", "value": selector}));
        found[ELEMENT].as_str().expect("an element").to_owned()
    }

    fn command(&self, name: &str, arguments: &Value) -> Value {
        let reply = self.client.post(&format!("{}/{name}", self.session), arguments).send();
        let mut value = reply.json()["value"].take();
        if reply.status != 200 {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let told = arguments.get("script").map_or_else(|| arguments.to_string(), text);
            panic!("{name}: {}: {}\n{told}", text(&value["error"]), text(&value["message"]));
        }
        value.take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // If the driver is gone, so is the browser.
        drop(self.client.delete(&self.session).try_send());
    }
}

fn selector(testid: &str) -> String {
    format!("[data-testid=\"{testid}\"]")
}

/// chromedriver, which the tests of one binary share.
struct Driver {
    url: String,
    _guard: Guard,
}

impl Driver {
    fn start() -> Self {
        let files = tempfile::tempdir().expect("a directory for the browsers");
        let program = env::var_os("CHROMEDRIVER").unwrap_or_else(|| "chromedriver".into());
        let mut command = Command::new(program);
        // Profiles are temporary files; what a browser keeps beside its profile goes home.
        command.arg("--port=0").env("TMPDIR", files.path()).env("HOME", files.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.process_group(0).spawn().unwrap_or_else(|error| {
            panic!("chromedriver: {error}. Is it on the PATH, or named by $CHROMEDRIVER?")
        });
        let stdout = child.stdout.take().expect("a pipe");
        let guard = Guard::over(&child, files);
        let (sender, port) = mpsc::channel();
        // To the end: whoever prints into a pipe that nobody reads waits.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some((_, port)) = line.split_once("successfully on port ") {
                    // A second one, nobody would wait for.
                    let _ = sender.send(port.trim_end_matches('.').to_owned());
                }
            }
            drop(child.wait());
        });
        let port = port.recv_timeout(PATIENCE).expect("chromedriver's port");
        Driver { url: format!("http://127.0.0.1:{port}"), _guard: guard }
    }
}

/// A shell that ends chromedriver and its browsers when this process is gone, and removes their files: a `static` is
/// never dropped, and a killed process drops nothing. It waits for its standard input to end, which the operating
/// system sees to.
struct Guard(#[expect(dead_code, reason = "it holds the pipe")] Child);

impl Guard {
    const SCRIPT: &str =
        r#"read -r _; kill -s KILL -- "-$1"; rm -rf "$2" || { sleep 1; rm -rf "$2"; }"#;

    /// `driver` leads a group of processes, in which its browsers are.
    fn over(driver: &Child, files: TempDir) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", Self::SCRIPT, "guard", &driver.id().to_string()]).arg(files.keep());
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Away from the terminal: what interrupts the tests must not interrupt it.
        Guard(shell.process_group(0).spawn().expect("a shell to guard chromedriver"))
    }
}
