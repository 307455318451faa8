//! The first step of `cargo xtask`: compiles xtask, and runs it.
//!
//! `cargo run` either prints two lines before every command, or, with `--quiet`, nothing for the minutes that a fresh
//! clone compiles. This program has no dependencies, so that it is there at once, and shows what cargo says only as long
//! as there is something to compile.

use std::env;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

fn main() -> ExitCode {
    let result = match compile() {
        Ok(true) => run(),
        Ok(false) => return ExitCode::from(101),
        Err(error) => Err(error),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: cargo: {error}");
        ExitCode::FAILURE
    })
}

/// Runs the `cargo` that runs this program, for the binary xtask. Not by `--package`: features are those of the whole
/// workspace then, and what xtask depends on is compiled once for it and for the tests.
fn cargo(command: &str) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    let this =
        env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    cargo.arg(command).args(["--bin", "xtask", "--manifest-path"]);
    // Not `../..`: cargo would take the same packages for others.
    let root = Path::new(&this).ancestors().nth(2).unwrap_or(Path::new("."));
    cargo.arg(root.join("Cargo.toml"));
    cargo
}

/// Compiles xtask, passing on what cargo says but its last line. Returns `false` if it does not compile.
fn compile() -> io::Result<bool> {
    let mut build = cargo("build");
    build.stdin(Stdio::null()).stderr(Stdio::piped());
    if io::stderr().is_terminal() && env::var_os("CARGO_TERM_COLOR").is_none() {
        build.env("CARGO_TERM_COLOR", "always");
    }
    let mut child = build.spawn()?;
    if let Some(stderr) = child.stderr.take() {
        let mut is_told = false;
        for line in BufReader::new(stderr).split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            if is_end(&line) {
                continue;
            }
            if !is_told && line.contains("Compiling") {
                is_told = true;
                eprintln!("blaze: compiling xtask, which takes a minute or two in a fresh clone");
            }
            eprintln!("{line}");
        }
    }
    Ok(child.wait()?.success())
}

/// Returns `true` for cargo's line `Finished …`, with or without colours.
fn is_end(line: &str) -> bool {
    // A colour is a word of its own.
    line.split_whitespace().take(2).any(|word| word.starts_with("Finished"))
}

/// Runs xtask with the arguments of this program.
fn run() -> io::Result<ExitCode> {
    let mut xtask = cargo("run");
    xtask.args(["--quiet", "--"]).args(env::args_os().skip(1));
    become_program(xtask)
}

/// Replaces this process, so that signals reach xtask itself.
#[cfg(unix)]
fn become_program(mut program: Command) -> io::Result<ExitCode> {
    Err(std::os::unix::process::CommandExt::exec(&mut program))
}

#[cfg(not(unix))]
fn become_program(mut program: Command) -> io::Result<ExitCode> {
    let code = program.status()?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
