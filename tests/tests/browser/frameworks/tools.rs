//! The tools, installed once below `build/`; the npm package as `npm pack` makes it; projects that use it.

use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{LazyLock, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use std::{env, fs, io::BufRead, io::BufReader, thread};

/// Time limit of an installation: a gigabyte, once.
const INSTALLING: Duration = Duration::from_secs(600);
/// Time limit of a tool for one task.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// The tools, for one test at a time: each tool works on all cores.
pub(crate) struct Tools {
    folder: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

/// The form in which a project gets the npm package.
#[derive(Clone, Copy, Debug)]
pub(crate) enum From {
    /// The package that `npm pack` makes, unpacked.
    Tarball,
    /// A link to the folder where it was built, as `npm install FOLDER` makes one.
    Link,
}

pub(crate) fn tools() -> Tools {
    static TURN: Mutex<()> = Mutex::new(());
    static INSTALLED: LazyLock<PathBuf> = LazyLock::new(install);
    // A failure of another test is not this one's.
    let turn = TURN.lock().unwrap_or_else(|broken| broken.into_inner());
    Tools { folder: INSTALLED.clone(), _turn: turn }
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace")
}

fn build() -> PathBuf {
    env::var_os("BLAZE_BUILD").map_or_else(|| root().join("build"), PathBuf::from)
}

/// The files of the projects, and the list of tools.
pub(crate) fn data() -> PathBuf {
    root().join("tests/data/frameworks")
}

/// Installs the versions of package-lock.json, unless they are installed.
fn install() -> PathBuf {
    let folder = build().join("frameworks");
    fs::create_dir_all(&folder).expect("a folder for the tools");
    let lock = fs::read_to_string(data().join("package-lock.json")).expect("the lock");
    let stamp = folder.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        return folder;
    }
    for file in ["package.json", "package-lock.json"] {
        fs::copy(data().join(file), folder.join(file)).expect("a copy");
    }
    let mut npm = Command::new("npm");
    // As in xtask/src/npm.rs: npm installs the versions of the lock, and the lock stays as it is.
    npm.args(["install", "--no-save", "--no-audit", "--no-fund", "--no-update-notifier"]);
    run(npm.current_dir(&folder), INSTALLING);
    fs::write(&stamp, lock).expect("the stamp");
    folder
}

/// The npm package as a registry would have it: packed and unpacked.
fn unpacked(folder: &Path) -> PathBuf {
    static UNPACKED: Mutex<Option<PathBuf>> = Mutex::new(None);
    let mut unpacked = UNPACKED.lock().unwrap_or_else(|broken| broken.into_inner());
    let target = folder.join("packed");
    let package = unpacked.get_or_insert_with(|| {
        emptied(&target);
        let mut npm = Command::new("npm");
        npm.args(["pack", "--loglevel=error", "--pack-destination"]).arg(&target);
        run(npm.arg(build().join("client")), PATIENCE);
        let tarball = only_file(&target);
        run(Command::new("tar").arg("-xzf").arg(tarball).arg("-C").arg(&target), PATIENCE);
        target.join("package")
    });
    package.clone()
}

fn only_file(folder: &Path) -> PathBuf {
    let mut files = fs::read_dir(folder).expect("a folder").flatten();
    let file = files.next().expect("a file").path();
    assert!(files.next().is_none(), "one file in {}", folder.display());
    file
}

fn emptied(folder: &Path) {
    if folder.exists() {
        fs::remove_dir_all(folder).expect("an empty folder");
    }
    fs::create_dir_all(folder).expect("a folder");
}

pub(crate) fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

impl Tools {
    /// The program `name` of an npm package.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join("node_modules").join(name)
    }

    /// Node 22 with a script.
    pub(crate) fn node(&self) -> Command {
        Command::new(self.program("node-22/bin/node"))
    }

    /// A new project called `name` with the files of `tests/data/frameworks/{kind}` and the npm package.
    pub(crate) fn project(&self, kind: &str, name: &str, from: From) -> PathBuf {
        let project = self.folder.join(name);
        emptied(&project);
        copy_tree(&data().join(kind), &project);
        fs::copy(data().join("attempt.mjs"), project.join("attempt.mjs")).expect("a copy");
        let manifest = r#"{"name": "tried", "private": true, "type": "module", "dependencies": {"blaze-client": "0.1.0"}}"#;
        fs::write(project.join("package.json"), manifest).expect("a manifest");
        let modules = project.join("node_modules");
        fs::create_dir(&modules).expect("node_modules");
        let package = modules.join("blaze-client");
        match from {
            From::Tarball => copy_tree(&unpacked(&self.folder), &package),
            From::Link => symlink(build().join("client"), package).expect("a link"),
        }
        project
    }
}

/// Runs a command to its end. Returns its standard output; panics with all of it if the command fails.
pub(crate) fn run(command: &mut Command, patience: Duration) -> String {
    let mut running = Running::start(command);
    let deadline = Instant::now() + patience;
    let mut said = String::new();
    while let Some(line) = running.line_until(deadline) {
        said.push_str(&line);
        said.push('\n');
    }
    let status = running.child.wait().expect("its end");
    assert!(status.success(), "{command:?}: {status}\n{said}\n{}", running.errors());
    said
}

/// A program that runs until this value is dropped, with all that it started.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    errors: PathBuf,
    name: String,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let errors = tempfile::NamedTempFile::new().expect("a file").into_temp_path().keep();
        let errors = errors.expect("a file");
        let log = fs::File::create(&errors).expect("a file");
        command.envs(ENVIRONMENT).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let name = format!("{command:?}");
        let mut child =
            command.process_group(0).spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let stdout = child.stdout.take().expect("a pipe");
        let (sender, lines) = channel();
        thread::spawn(move || {
            // To the end, also when nobody listens any more: a full pipe would stop it.
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                drop(sender.send(line));
            }
        });
        Running { child, lines, errors, name }
    }

    /// Returns the next line that the program prints; `None` at its end.
    fn line_until(&self, deadline: Instant) -> Option<String> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(line) => Some(line),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => None,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                panic!("{}: not done in time\n{}", self.name, self.errors())
            }
        }
    }

    /// Returns the text that the program prints after `mark`, on the first line that has it.
    pub(crate) fn after(&self, mark: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut said = Vec::new();
        while let Some(line) = self.line_until(deadline) {
            if let Some((_, rest)) = line.split_once(mark) {
                return rest.trim().to_owned();
            }
            said.push(line);
        }
        panic!("{}: it ended without {mark:?}\n{}\n{}", self.name, said.join("\n"), self.errors());
    }

    /// Returns the text that the program printed to its standard error.
    pub(crate) fn errors(&self) -> String {
        fs::read_to_string(&self.errors).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let (Ok(None), Some(group)) = (self.child.try_wait(), group) {
            // A program that has ended meanwhile is no failure.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        drop(self.child.wait());
        drop(fs::remove_file(&self.errors));
    }
}

/// Variables that keep the tools from reporting home, and from drawing.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("NEXT_TELEMETRY_DISABLED", "1"),
    ("WRANGLER_SEND_METRICS", "false"),
    ("DO_NOT_TRACK", "1"),
    ("DENO_NO_UPDATE_CHECK", "1"),
    ("NO_COLOR", "1"),
    ("CI", "1"),
];
