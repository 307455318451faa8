//! The rules of the code that a compiler does not hold: which crate and which module of the client may know which, what the
//! pure ones do without, how long things are, what no file may name.

use blaze_tests::source::{code_of, functions, split_tests, words};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Which crate of the workspace may depend on which: the table of ARCHITECTURE.md.
const EDGES: [(&str, &[&str]); 13] = [
    ("schema", &[]),
    ("store", &["schema"]),
    ("json-schema", &["schema"]),
    ("rules", &["schema"]),
    ("identity", &["schema", "store", "rules"]),
    ("engine", &["schema", "store", "json-schema", "rules", "identity"]),
    ("server", &["schema", "store", "engine"]),
    ("standalone", &["schema", "store", "rules", "identity", "engine"]),
    ("client-wasm", &["schema"]),
    ("demo-web", &["client-wasm"]),
    (
        "tests",
        &["schema", "store", "json-schema", "rules", "identity", "engine", "client-wasm", "xtask"],
    ),
    ("xtask", &["schema", "store", "engine"]),
    ("xtask/start", &[]),
];

/// The crates that do nothing but compute.
const PURE: [&str; 6] = ["schema", "store", "json-schema", "rules", "identity", "engine"];

/// Words that have no place in a state machine.
const IMPURE: [&str; 16] = [
    "async",
    "await",
    "Arc",
    "Mutex",
    "RwLock",
    "RefCell",
    "Atomic",
    "thread",
    "unsafe",
    "static",
    "worker",
    "js_sys",
    "web_sys",
    "wasm_bindgen",
    "Instant",
    "SystemTime",
];
/// And parts of the standard library that reach out of it.
const IMPURE_PATHS: [&str; 7] =
    ["std::time", "std::fs", "std::net", "std::env", "std::process", "std::io", "cfg(target"];

/// No file of Rust is longer.
const FILE_LINES: usize = 800;
/// No function outside of tests is longer (TigerBeetle's rule).
const FUNCTION_LINES: usize = 70;

/// What `.gitignore` names, and git's own.
const NOT_OURS: [&str; 6] = ["target", "build", "node_modules", ".blaze", ".wrangler", ".git"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The files under `folder`, as paths from the root.
fn files(folder: &str) -> Vec<PathBuf> {
    let (root, mut found, mut folders) = (root(), Vec::new(), vec![PathBuf::from(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name();
            let path = folder.join(&name);
            // `.git` is a file in a second worktree.
            if NOT_OURS.iter().any(|other| name == *other) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if !name.to_string_lossy().ends_with(".log") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "{folder} has no files");
    found
}

fn rust_files(folder: &str) -> Vec<(PathBuf, String)> {
    let rust = files(folder).into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs"));
    rust.map(|path| (path.clone(), fs::read_to_string(root().join(&path)).unwrap())).collect()
}

fn manifest(folder: &str) -> Table {
    fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap().parse().unwrap()
}

/// The names in every table of dependencies, those for a target and for tests included.
fn dependencies(manifest: &Table) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let targets = manifest.get("target").and_then(Value::as_table);
    let tables =
        targets.into_iter().flat_map(|targets| targets.values().filter_map(Value::as_table));
    for table in tables.chain([manifest]) {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = table.get(kind).and_then(Value::as_table) else { continue };
            for (name, value) in dependencies {
                // `package = "…"` gives a crate another name.
                let package = value.get("package").and_then(Value::as_str);
                names.insert(package.unwrap_or(name).to_owned());
                assert!(
                    value.get("path").is_none(),
                    "{name}: crates are found through the workspace"
                );
            }
        }
    }
    names
}

#[test]
fn crates_know_only_those_that_the_table_allows() {
    let workspace = manifest(".");
    let members: BTreeSet<&str> = workspace["workspace"]["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member.as_str().unwrap())
        .collect();
    assert_eq!(members, EDGES.iter().map(|(folder, _)| *folder).collect());
    let package = |folder: &str| manifest(folder)["package"]["name"].as_str().unwrap().to_owned();
    let folders: BTreeMap<String, &str> =
        EDGES.iter().map(|(folder, _)| (package(folder), *folder)).collect();
    for (folder, allowed) in EDGES {
        let dependencies = dependencies(&manifest(folder));
        let mut inside: BTreeSet<&str> =
            dependencies.iter().filter_map(|name| folders.get(name)).copied().collect();
        // For its own tests a crate may ask for a feature of itself.
        inside.remove(folder);
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        assert!(
            inside.is_subset(&allowed),
            "{folder} depends on {inside:?}, and may on {allowed:?}"
        );
        if folder != "tests" {
            assert_eq!(inside, allowed, "{folder}: the table promises an edge that is not there");
        }
    }
}

/// What is wrong with the purity of some code.
fn impurities(code: &str) -> Vec<&'static str> {
    let mut found: Vec<&str> =
        IMPURE.into_iter().filter(|word| words(code).any(|(_, there)| there == *word)).collect();
    let dense: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    found.extend(IMPURE_PATHS.into_iter().filter(|path| dense.contains(path)));
    // `&'static str` is a lifetime.
    found.retain(|word| *word != "static" || dense.contains("static") && has_static_item(code));
    found
}

fn has_static_item(code: &str) -> bool {
    words(code).any(|(at, word)| word == "static" && !code[..at].ends_with('\''))
}

#[test]
fn the_pure_crates_do_nothing_but_compute() {
    for folder in PURE {
        for (path, source) in rust_files(&format!("{folder}/src")) {
            let (code, _) = split_tests(&code_of(&source));
            assert_eq!(impurities(&code), Vec::<&str>::new(), "{}", path.display());
        }
    }
    assert_eq!(impurities("async fn a(x: &'static str) {}"), ["async"]);
    assert_eq!(impurities("use std :: fs; static A: u8 = 1;"), ["static", "std::fs"]);
    assert_eq!(impurities("#[cfg(target_arch = \"x\")]"), ["cfg(target"]);
}

/// The lints that a crate's root denies.
fn denied(folder: &str) -> String {
    let source = fs::read_to_string(root().join(folder).join("src/lib.rs")).unwrap();
    let (_, block) = source.split_once("#![deny(").unwrap_or_else(|| panic!("{folder}: no lints"));
    block.split(")]").next().unwrap().to_owned()
}

#[test]
fn the_pure_crates_deny_what_could_panic() {
    let all = denied("schema");
    for lint in
        ["unwrap_used", "expect_used", "panic", "indexing_slicing", "arithmetic_side_effects"]
    {
        assert!(all.contains(lint), "{lint}");
    }
    for folder in PURE {
        assert_eq!(denied(folder), all, "{folder}");
    }
}

/// The folders of the client's modules: each may use those before it.
const RINGS: [&str; 4] = ["core", "shell", "api", "js"];

/// The client's modules and the code of each outside of tests. A module is named by its path: `core/http`.
fn client_modules() -> BTreeMap<String, String> {
    const FOLDER: &str = "client-wasm/src";
    let mut modules = BTreeMap::new();
    for (path, source) in rust_files(FOLDER) {
        let name = path.strip_prefix(FOLDER).unwrap().with_extension("");
        let name = name.to_string_lossy();
        let name = name.strip_suffix("/mod").unwrap_or(&name);
        // The root re-exports.
        if name != "lib" && !name.ends_with("/tests") {
            modules.insert(name.to_owned(), split_tests(&code_of(&source)).0);
        }
    }
    modules
}

/// The modules of which a module's code says `crate::…`, other than those above and below it.
fn uses(name: &str, code: &str, modules: &BTreeMap<String, String>) -> BTreeSet<String> {
    let is_part = |part: &str, whole: &str| part.starts_with(&format!("{whole}/"));
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let path = &code[at + "crate::".len()..];
        let end = path.find(|c: char| !c.is_alphanumeric() && !"_:".contains(c));
        let mut path = path[..end.unwrap_or(path.len())].replace("::", "/");
        while !modules.contains_key(&path) {
            let parent = path.rfind('/').unwrap_or_else(|| panic!("{name}: no module is {path}"));
            path.truncate(parent);
        }
        assert!(!["core", "shell", "api"].contains(&&*path), "{name}: one `use` for each module");
        if path != name && !is_part(&path, name) && !is_part(name, &path) {
            used.insert(path);
        }
    }
    used
}

/// The modules that are in a circle, or use one that is.
fn circles(mut edges: BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    loop {
        let left: BTreeSet<String> = edges.keys().cloned().collect();
        edges.retain(|_, used| !used.is_disjoint(&left));
        if edges.len() == left.len() {
            return left;
        }
    }
}

#[test]
fn the_clients_modules_use_only_those_within_and_not_each_other() {
    let modules = client_modules();
    let edges: BTreeMap<String, BTreeSet<String>> =
        modules.iter().map(|(name, code)| (name.clone(), uses(name, code, &modules))).collect();
    let ring = |name: &str| {
        let folder = name.split('/').next().unwrap();
        RINGS.iter().position(|ring| *ring == folder).unwrap_or_else(|| panic!("{name}: no ring"))
    };
    for (name, used) in &edges {
        let outside: Vec<_> = used.iter().filter(|used| ring(used) > ring(name)).collect();
        assert!(outside.is_empty(), "{name} uses {outside:?}, of a ring around its own");
    }
    assert!(edges["shell/fetch"].contains("core/http"), "{:?}", edges["shell/fetch"]);
    assert_eq!(circles(edges), BTreeSet::new());
    let edges = |edges: &[(&str, &str)]| {
        let edges = edges.iter().map(|(a, b)| ((*a).to_owned(), BTreeSet::from([(*b).to_owned()])));
        circles(edges.collect()).into_iter().collect::<String>()
    };
    assert_eq!(edges(&[("a", "b"), ("b", "c"), ("d", "c")]), "");
    assert_eq!(edges(&[("a", "b"), ("b", "a"), ("c", "d"), ("d", "e")]), "ab");
}

#[test]
fn the_clients_core_does_nothing_but_compute() {
    for (name, code) in client_modules() {
        // Numbers are read and printed by JavaScript.
        if name.starts_with("core/") && name != "core/json" {
            assert_eq!(impurities(&code), Vec::<&str>::new(), "{name}");
        }
    }
}

#[test]
fn every_limit_is_in_a_test() {
    let limits = fs::read_to_string(root().join("schema/src/limits.rs")).unwrap();
    let names: Vec<&str> = limits
        .lines()
        .filter_map(|line| line.strip_prefix("pub const ")?.split(':').next())
        .collect();
    assert!(names.len() >= 14, "{names:?}");
    let mut tests = String::new();
    for (_, source) in rust_files("tests/tests") {
        tests.push_str(&code_of(&source));
    }
    for folder in PURE {
        for (path, source) in rust_files(&format!("{folder}/src")) {
            let code = code_of(&source);
            let path = path.to_string_lossy();
            let is_test = path.ends_with("tests.rs") || path.contains("/tests/");
            tests.push_str(&if is_test { code } else { split_tests(&code).1 });
        }
    }
    let mentioned: BTreeSet<&str> = words(&tests).map(|(_, word)| word).collect();
    let missing: Vec<_> = names.iter().filter(|name| !mentioned.contains(**name)).collect();
    assert!(missing.is_empty(), "limits that no test mentions: {missing:?}");
}

#[test]
fn files_and_functions_are_short() {
    let mut long = Vec::new();
    for (folder, _) in EDGES {
        for (path, source) in rust_files(folder) {
            let lines = source.lines().count();
            if lines > FILE_LINES {
                long.push(format!("{}: {lines} lines", path.display()));
            }
            let (code, _) = split_tests(&code_of(&source));
            for function in
                functions(&code).iter().filter(|function| function.lines > FUNCTION_LINES)
            {
                let (name, line, lines) = (&function.name, function.line, function.lines);
                long.push(format!("{}:{line}: fn {name} has {lines} lines", path.display()));
            }
        }
    }
    assert!(
        long.is_empty(),
        "longer than {FILE_LINES} or {FUNCTION_LINES} lines:\n{}",
        long.join("\n")
    );
}

/// The part of a file that is not for tests and not an example.
fn outside_of_tests<'a>(path: &Path, text: &'a str) -> Vec<&'a str> {
    if path.components().any(|part| part.as_os_str() == "tests") {
        return Vec::new();
    }
    // Test modules are the last thing of a file.
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let is_example =
        |line: &&str| ["//!", "///"].iter().any(|doc| line.trim_start().starts_with(doc));
    text.lines().filter(|line| !is_example(line)).collect()
}

#[test]
fn no_file_names_a_place_on_somebodys_machine() {
    // In two parts, or this file would name them.
    let anywhere = [["/wo", "rk/"], ["/ho", "me/"], ["/Use", "rs/"]].map(|parts| parts.concat());
    let outside = [["/tm", "p/"], ["/ro", "ot/"]].map(|parts| parts.concat());
    let mut found = Vec::new();
    for path in files("") {
        let Ok(text) = fs::read_to_string(root().join(&path)) else { continue };
        let own = outside_of_tests(&path, &text);
        let named = anywhere
            .iter()
            .filter(|place| text.contains(*place))
            .chain(outside.iter().filter(|place| own.iter().any(|line| line.contains(*place))));
        found.extend(named.map(|place| format!("{} names {place}", path.display())));
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_module_with_parts_is_a_folder() {
    let mut twice = Vec::new();
    for (folder, _) in EDGES {
        let rust = rust_files(folder);
        let folders: BTreeSet<PathBuf> =
            rust.iter().filter_map(|(path, _)| path.parent().map(Path::to_path_buf)).collect();
        let beside = rust.iter().map(|(path, _)| path.with_extension(""));
        twice.extend(beside.filter(|path| folders.contains(path)));
    }
    assert_eq!(
        twice,
        Vec::<PathBuf>::new(),
        "a file and a folder of one module: move it to mod.rs"
    );
}
