//! The Rust crate as a newcomer takes it: the README's dependencies and its sample, in a crate of their own outside of the
//! workspace.

use blaze_tests::readme::blocks;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace")
}

/// A crate with the README's sample.
fn newcomer() -> tempfile::TempDir {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    let blocks = blocks(&readme);
    let text = |language: &str| {
        let block = blocks.iter().find(|block| block.language == language);
        &block.unwrap_or_else(|| panic!("README.md has no {language}")).text
    };
    let directory = tempfile::tempdir().expect("a directory");
    let path = root().join("client-wasm").display().to_string();
    let dependencies = text("toml").replace("../blaze/client-wasm", &path);
    assert!(dependencies.contains(&path), "README.md names the crate otherwise:\n{dependencies}");
    let manifest = "[package]\nname = \"newcomer\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n";
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).expect(name);
    fs::create_dir(directory.path().join("src")).expect("src");
    write("Cargo.toml", &format!("{manifest}{dependencies}"));
    write("src/lib.rs", &text("rust").replace("async fn", "pub async fn"));
    // The versions that are here already.
    fs::copy(root().join("Cargo.lock"), directory.path().join("Cargo.lock")).expect("Cargo.lock");
    directory
}

/// Checks it for a target, natively without; whether it compiles, and what cargo says.
fn check(target: Option<&str>) -> (bool, String) {
    let directory = newcomer();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.arg("check").current_dir(directory.path());
    cargo.args(target.into_iter().flat_map(|target| ["--target", target]));
    cargo.env("CARGO_TARGET_DIR", root().join("target/newcomer"));
    let Output { status, stderr, .. } = cargo.output().expect("cargo");
    (status.success(), String::from_utf8_lossy(&stderr).into_owned())
}

#[test]
fn the_readmes_sample_compiles_for_wasm() {
    let (compiles, said) = check(Some("wasm32-unknown-unknown"));
    assert!(compiles, "{said}");
}

#[test]
fn a_native_program_is_told_that_there_is_no_client_for_it() {
    let (compiles, said) = check(None);
    assert!(!compiles, "it compiles, and would abort when it runs");
    assert!(said.contains("There is no native client yet"), "{said}");
    assert!(said.contains("--target wasm32-unknown-unknown"), "{said}");
}
