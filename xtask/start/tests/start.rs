//! Output of `cargo xtask` before that of the command itself, with a cargo of the test's own.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Writes a program in place of cargo: `build` runs the script, and `run` prints its arguments.
fn cargo(name: &str, build: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cargo-{name}"));
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = build ]; then\n{build}\nelse\nshift 5; echo \"ran: $*\"\nexit 7\nfi\n"
    );
    fs::write(&file, script).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    file
}

fn start(cargo: &Path) -> (Option<i32>, String, String) {
    let mut start = Command::new(env!("CARGO_BIN_EXE_xtask-start"));
    let Output { status, stdout, stderr } =
        start.args(["serve", "--port", "0"]).env("CARGO", cargo).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

const RAN: &str = "ran: --quiet -- serve --port 0\n";

#[test]
fn nothing_is_printed_where_nothing_is_compiled() {
    let fresh = "printf '\\033[1m\\033[32m    Finished\\033[0m `dev` in 0.1s\\n' >&2";
    assert_eq!(start(&cargo("fresh", fresh)), (Some(7), RAN.to_owned(), String::new()));
}

#[test]
fn compiling_is_told_line_by_line() {
    let stale = "echo '   Compiling clap v4' >&2; echo '    Finished `dev` in 60s' >&2";
    let (code, stdout, stderr) = start(&cargo("stale", stale));
    assert_eq!((code, stdout.as_str()), (Some(7), RAN));
    assert!(stderr.starts_with("blaze: compiling xtask, which takes"), "{stderr}");
    assert!(stderr.ends_with("\n   Compiling clap v4\n"), "{stderr}");
}

#[test]
fn what_does_not_compile_is_not_run() {
    let (code, stdout, stderr) = start(&cargo("broken", "echo 'error: no' >&2; exit 101"));
    assert_eq!((code, stdout.as_str()), (Some(101), ""));
    assert!(stderr.ends_with("error: no\n"), "{stderr}");
}
