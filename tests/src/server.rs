//! The built server, on a free port and with a data directory of its own: under a real `workerd`, or with `$BLAZE_HOME`
//! set to `standalone`, as the binary `blaze`.

use crate::client::Client;
use crate::standalone::Standalone;
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::{env, fs};
use tempfile::TempDir;
use xtask::workerd::{Log, Options, Server, Service};

/// The server that the tests of one binary share. Each uses documents that no other names.
pub fn shared() -> &'static TestServer {
    static SHARED: LazyLock<TestServer> = LazyLock::new(TestServer::start);
    &SHARED
}

/// The same with the demo page.
pub fn shared_demo() -> &'static TestServer {
    static SHARED: LazyLock<TestServer> = LazyLock::new(TestServer::start_demo);
    &SHARED
}

/// A running server. It ends with this value, or with the process, however that ends.
pub struct TestServer {
    home: Home,
    guard: Guard,
    data: TempDir,
}

/// The two homes of Blaze, which keep one contract.
enum Home {
    Workerd(Server),
    Standalone(Standalone),
}

impl Home {
    fn start(service: &Service, data: &Path, log: Log) -> Self {
        if is_standalone() {
            return Home::Standalone(Standalone::start(service, data, log));
        }
        let server = Server::start(service, data, Options { log, ..Options::default() });
        Home::Workerd(server.unwrap_or_else(|error| panic!("{error:#}")))
    }

    fn pid(&self) -> u32 {
        match self {
            Home::Workerd(server) => server.pid(),
            Home::Standalone(process) => process.pid(),
        }
    }
}

/// True if the tests run against the binary `blaze`.
pub fn is_standalone() -> bool {
    env::var_os("BLAZE_HOME").is_some_and(|home| home == "standalone")
}

/// In what a server differs from the one that was built.
#[derive(Clone, Copy, Default)]
struct Setup<'a> {
    vars: &'a [(&'a str, &'a str)],
    collections: Option<&'a Value>,
    access: Option<&'a Value>,
    is_demo: bool,
}

impl TestServer {
    /// Starts the built server as it is configured. With `$BLAZE_LOG` set, its log goes to standard error.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts it with some variables of its configuration set to other values.
    pub fn start_with(vars: &[(&str, &str)]) -> Self {
        Self::start_as(Setup { vars, ..Setup::default() })
    }

    /// Starts it with this for its `collections.json`, and counts rows.
    pub fn start_with_collections(collections: &Value) -> Self {
        let vars = &[("COUNT_ROWS", "1")];
        Self::start_as(Setup { vars, collections: Some(collections), ..Setup::default() })
    }

    /// Starts it closed, as a server is that nobody has opened, with this for its `access.json`, and some variables,
    /// which are its secrets too. Its log is kept: see [`Self::log`].
    pub fn start_closed(access: &Value, vars: &[(&str, &str)]) -> Self {
        Self::start_as(Setup { vars, access: Some(access), ..Setup::default() })
    }

    /// The same, with its own `collections.json` too.
    pub fn start_closed_with(access: &Value, collections: &Value, vars: &[(&str, &str)]) -> Self {
        let (collections, access) = (Some(collections), Some(access));
        Self::start_as(Setup { vars, collections, access, ..Setup::default() })
    }

    /// Starts it with the demo page, without its data.
    pub fn start_demo() -> Self {
        Self::start_as(Setup { is_demo: true, ..Setup::default() })
    }

    /// Starts it with the demo page, and closed: see [`Self::start_closed`].
    pub fn start_closed_demo(access: &Value, vars: &[(&str, &str)]) -> Self {
        Self::start_as(Setup { vars, access: Some(access), is_demo: true, ..Setup::default() })
    }

    fn start_as(Setup { vars, collections, access, is_demo }: Setup<'_>) -> Self {
        let mut service = Service::built().unwrap_or_else(|error| panic!("{error:#}"));
        if is_demo {
            service = service.with_demo();
        }
        if access.is_none() {
            // As `cargo xtask serve` does on this machine.
            service.vars.insert("OPEN".to_owned(), Value::from("1"));
        }
        let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
        service.vars.extend(vars);
        let data = tempfile::tempdir().expect("a directory for the objects");
        for (name, content) in [(COLLECTIONS, collections), (ACCESS, access)] {
            let Some(content) = content else { continue };
            let file = data.path().join(name);
            fs::write(&file, content.to_string()).expect("a file for the module");
            let module = service.modules.iter_mut().find(|module| module.name == name);
            module.expect("the server reads it from a module").path = file;
        }
        let log = match access {
            _ if is_standalone() => Log::File(data.path().join(LOG)),
            Some(_) => Log::File(data.path().join(LOG)),
            None if env::var_os("BLAZE_LOG").is_some() => Log::Inherit,
            None => Log::Discard,
        };
        let home = Home::start(&service, data.path(), log);
        let guard = Guard::over(home.pid(), &data);
        TestServer { home, guard, data }
    }

    /// The output so far of a server that was started closed, or standalone.
    pub fn log(&self) -> String {
        fs::read_to_string(self.data.path().join(LOG)).expect("the server's log")
    }

    /// Returns the number of objects of a class that have a file.
    pub fn objects(&self, class: &str) -> usize {
        let folder = self.data.path().join("objects").join(class);
        let Ok(files) = fs::read_dir(folder) else { return 0 };
        let names = files.map(|file| file.expect("a file").file_name());
        names
            .filter(|name| name.to_string_lossy().ends_with(".sqlite") && name != "metadata.sqlite")
            .count()
    }

    /// `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        match &self.home {
            Home::Workerd(server) => server.base_url(),
            Home::Standalone(process) => process.base_url(),
        }
    }

    /// A client with connections of its own.
    pub fn client(&self) -> Client {
        Client::new(&self.url())
    }

    /// Kills the process as a power cut would.
    pub fn crash(&mut self) {
        match &mut self.home {
            Home::Workerd(server) => server.kill9().unwrap_or_else(|error| panic!("{error:#}")),
            Home::Standalone(process) => process.kill9(),
        }
    }

    /// Starts it again, on the same port and data, however it ended.
    pub fn restart(&mut self) {
        match &mut self.home {
            Home::Workerd(server) => server.restart().unwrap_or_else(|error| panic!("{error:#}")),
            Home::Standalone(process) => process.restart(),
        }
        self.guard = Guard::over(self.home.pid(), &self.data);
    }

    /// Starts it again with another `collections.json`: only one that was started with its own.
    pub fn restart_with_collections(&mut self, collections: &Value) {
        self.restart_with(COLLECTIONS, collections);
    }

    /// Starts it again with another `access.json`: only one that was started with its own.
    pub fn restart_with_access(&mut self, access: &Value) {
        self.restart_with(ACCESS, access);
    }

    fn restart_with(&mut self, module: &str, content: &Value) {
        let file = self.data.path().join(module);
        assert!(file.is_file(), "this server has the {module} that it was built with");
        fs::write(&file, content.to_string()).expect("a file for the module");
        self.restart();
    }
}

/// The built server as its tests start it themselves: open, as `cargo xtask serve` starts it on this machine.
pub fn open_service() -> Service {
    let mut service = Service::built().unwrap_or_else(|error| panic!("{error:#}"));
    service.vars.insert("OPEN".to_owned(), Value::from("1"));
    service
}

/// The module that says what is declared of collections.
const COLLECTIONS: &str = "collections.json";
/// The file with what a server prints.
const LOG: &str = "server.log";

/// The module that says whose tokens are trusted, who may have an account, and how often somebody may ask.
const ACCESS: &str = "access.json";

/// A child process that ends workerd when this process is gone: a `static` is never dropped, and a killed process drops
/// nothing. It waits for its standard input to end, which the operating system sees to; a line there calls it off.
struct Guard(Child);

impl Guard {
    const SCRIPT: &str =
        r#"read -r line && exit; kill -9 "$1"; rm -rf "$2" || { sleep 1; rm -rf "$2"; }"#;

    fn over(pid: u32, data: &TempDir) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", Self::SCRIPT, "guard", &pid.to_string()]).arg(data.path());
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Guard(shell.spawn().expect("a shell to guard workerd"))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(mut stdin) = self.0.stdin.take() {
            // If the shell is gone there is nobody to call off.
            drop(stdin.write_all(b"done\n"));
        }
        drop(self.0.wait());
    }
}
