//! The types of the npm package: what they allow and refuse, and that the READMEs' examples compile.

use blaze_tests::npm_package::{node, project, root, run};
use blaze_tests::readme::{Block, blocks};
use std::fs;
use std::process::Command;

/// The compiler's settings: strict, and against the package's own types in full.
const SETTINGS: &str = r#"{
  "compilerOptions": {
    "strict": true, "noEmit": true, "skipLibCheck": false, "types": [],
    "target": "es2022", "module": "nodenext", "lib": ["es2022", "dom"]
  },
  "include": ["*.mts"]
}"#;

/// Compiles modules, given by name and text.
fn compile(modules: &[(String, String)]) {
    let project = project();
    fs::write(project.path().join("tsconfig.json"), SETTINGS).expect("the settings");
    for (name, text) in modules {
        fs::write(project.path().join(format!("{name}.mts")), text).expect("a module");
    }
    let compiler = root().join("node_modules/typescript/bin/tsc");
    assert!(compiler.is_file(), "TypeScript is missing: `cargo xtask test` installs it");
    let mut command = Command::new(node());
    run(command.arg(compiler).args(["--project", "."]).current_dir(project.path()), "tsc");
}

#[test]
fn the_types_allow_and_refuse_what_they_should() {
    let text = include_str!("../../../data/types.ts").to_owned();
    compile(&[("types".to_owned(), text)]);
}

#[test]
fn the_examples_of_the_readmes_compile() {
    let mut modules = Vec::new();
    for (name, path) in [("root", "README.md"), ("npm", "client-wasm/npm/README.md")] {
        let readme = fs::read_to_string(root().join(path)).expect(path);
        for Block { language, text, line, .. } in blocks(&readme) {
            if language.split(" ").next().is_some_and(|word| ["js", "ts"].contains(&word)) {
                modules.push((format!("{name}_{line}"), text));
            }
        }
    }
    assert!(modules.len() >= 4, "{modules:?}");
    compile(&modules);
}
