//! A running `blaze`: the other home, one process over one file.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::{env, fs, thread};
use xtask::workerd::{Log, Service};

/// The process.
pub struct Standalone {
    service: Service,
    data: PathBuf,
    log: Log,
    port: u16,
    child: Child,
}

impl Standalone {
    /// Starts what `service` describes, with the data in `data`.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(service: &Service, data: &Path, log: Log) -> Self {
        let data = data.to_owned();
        let (child, port) = spawn(service, &data, &log, 0);
        Standalone { service: service.clone(), data, log, port, child }
    }

    /// The URL for clients.
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills the process as a power cut would: no handler runs.
    pub fn kill9(&mut self) {
        self.child.kill().expect("killing blaze");
        self.child.wait().expect("waiting for blaze");
    }

    /// Starts it again on the same port and data.
    pub fn restart(&mut self) {
        self.kill9();
        (self.child, self.port) = spawn(&self.service, &self.data, &self.log, self.port);
    }
}

impl Drop for Standalone {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// `blaze serve` in an application's folder, on a free port.
pub struct Running {
    child: Child,
    url: String,
}

impl Running {
    /// Starts it, and waits until it listens.
    ///
    /// # Panics
    /// If it does not.
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(binary());
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(arguments).current_dir(folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("starting blaze");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let url = listening(&mut lines).expect("blaze ended before it listened");
        thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Running { child, url }
    }

    /// The URL for clients.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Kills the process as a power cut would: no handler runs.
    pub fn kill(&mut self) {
        self.child.kill().expect("killing blaze");
        self.child.wait().expect("waiting for blaze");
    }

    /// Asks it to end (SIGTERM), and waits until it has.
    pub fn terminate(&mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a signal");
        self.child.wait().expect("waiting for blaze")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The binary: `$BLAZE_BINARY`, or what `cargo xtask build` made.
pub fn binary() -> PathBuf {
    let here = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../build");
    let build = env::var_os("BLAZE_BUILD").map_or_else(here, PathBuf::from);
    env::var_os("BLAZE_BINARY").map_or_else(|| build.join("blaze"), PathBuf::from)
}

/// The URL of a server that listens; `None` if it ends instead.
fn listening(lines: &mut impl Iterator<Item = io::Result<String>>) -> Option<String> {
    let mut lines = lines.map_while(Result::ok);
    lines.find_map(|line| Some(line.strip_prefix("Blaze is listening on ")?.to_owned()))
}

fn spawn(service: &Service, data: &Path, log: &Log, port: u16) -> (Child, u16) {
    let module = |name: &str| {
        let module = service.modules.iter().find(|module| module.name == name);
        module.unwrap_or_else(|| panic!("no {name}")).path.clone()
    };
    let variables: BTreeMap<&String, String> = service
        .vars
        .iter()
        .map(|(name, value)| {
            (name, value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        })
        .collect();
    let mut command = Command::new(binary());
    command.args(["serve", "--listen", &format!("127.0.0.1:{port}")]);
    command.arg("--data").arg(data.join("data"));
    command.arg("--collections").arg(module("collections.json"));
    command.arg("--access").arg(module("access.json"));
    if let Some(assets) = &service.assets {
        command.arg("--public").arg(&assets.directory);
    }
    // On the loopback interface a server is open, unless it is told not to be.
    command.env_clear().env("OPEN", "0").envs(variables).env("RUST_BACKTRACE", "1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(match log {
        Log::File(path) => {
            OpenOptions::new().create(true).append(true).open(path).expect("the log").into()
        }
        Log::Inherit => Stdio::inherit(),
        Log::Discard => Stdio::null(),
    });
    let mut child = command.spawn().expect("starting blaze");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let url = listening(&mut lines).unwrap_or_else(|| {
        let said = match log {
            Log::File(path) => fs::read_to_string(path).unwrap_or_default(),
            _ => String::new(),
        };
        panic!("blaze ended before it listened: {said}");
    });
    let port = url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let mut sink = match log {
        Log::File(path) => OpenOptions::new().append(true).open(path).ok(),
        _ => None,
    };
    // A pipe that nobody reads would stop the server.
    thread::spawn(move || {
        use std::io::Write;
        for line in lines.map_while(Result::ok) {
            if let Some(sink) = &mut sink {
                drop(writeln!(sink, "{line}"));
            }
        }
    });
    (child, port)
}
