//! Ways to the WebAssembly: from another origin, as `connect` is given it, from inside a bundle; and what comes after a
//! failure.

use crate::tools::{PATIENCE, data, run};
use crate::{DONE, asking, title};
use blaze_tests::browser::Browser;
use blaze_tests::server;
use blaze_tests::static_files::StaticFiles;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn package() -> PathBuf {
    env::var_os("BLAZE_BUILD").map_or_else(|| root().join("build"), PathBuf::from).join("client")
}

fn html(script: &str) -> String {
    format!(
        "<!doctype html><link rel=\"icon\" href=\"data:,\" /><script type=\"module\">{script}</script>"
    )
}

/// The files of the package, on an origin of their own.
fn files() -> StaticFiles {
    let files = StaticFiles::new();
    for entry in fs::read_dir(package()).expect("the package").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        files.add(&format!("/package/{name}"), fs::read(entry.path()).expect("a file"));
    }
    files.add("/attempt.mjs", fs::read(data().join("attempt.mjs")).expect("a file"));
    files.add("/index.html", html(""));
    files
}

#[test]
fn a_page_of_another_origin_imports_the_client_from_the_server() {
    let (files, url) = (files(), server::shared().url());
    let script = format!(
        r#"import * as blaze from "{url}/client/index.js";
        import {{ outcome }} from "/attempt.mjs";
        document.title = await outcome(blaze, "{url}", "other-origin");"#
    );
    files.add("/page.html", html(&script));
    let page = Browser::open(&format!("{}/page.html", files.url()));
    let (title, errors) = title(&page);
    assert_eq!(title, DONE, "{errors:?}");
    assert_eq!(errors, Vec::<String>::new());
    // The file itself, not the module that has it inside.
    let loaded = page.value("performance.getEntriesByType('resource').map((one) => one.name.split('/').at(-1)).join(' ')");
    let loaded = loaded.as_str().unwrap();
    assert!(loaded.contains("blaze_client_bg.wasm") && !loaded.contains("wasm.js"), "{loaded}");
}

#[test]
fn connect_takes_the_webassembly_in_every_form() {
    let files = files();
    // What is found without it is not there.
    files.remove("/package/wasm.js");
    files.remove("/package/blaze_client_bg.wasm");
    files.add("/other.wasm", fs::read(package().join("blaze_client_bg.wasm")).unwrap());
    let forms = [
        ("a URL", "new URL('/other.wasm', location.href)"),
        ("its text", "'/other.wasm'"),
        ("a response", "await fetch('/other.wasm')"),
        ("a promise of one", "fetch('/other.wasm')"),
        ("a buffer", "await (await fetch('/other.wasm')).arrayBuffer()"),
        ("bytes", "new Uint8Array(await (await fetch('/other.wasm')).arrayBuffer())"),
        ("a module", "await WebAssembly.compileStreaming(fetch('/other.wasm'))"),
    ];
    for (number, (name, form)) in forms.into_iter().enumerate() {
        let page = Browser::open(&format!("{}/index.html", files.url()));
        let outcome = page.run(&format!(
            r#"const blaze = await import("/package/index.js");
            const {{ outcome }} = await import("/attempt.mjs");
            return outcome(blaze, "{}", "form-{number}", {{ wasm: {form} }});"#,
            server::shared().url()
        ));
        assert_eq!(outcome, DONE, "{name}");
    }
}

#[test]
fn webassembly_that_is_none_is_refused_by_name() {
    let files = files();
    let page = Browser::open(&format!("{}/index.html", files.url()));
    let refusals = page.run(
        r#"const { connect } = await import("/package/index.js");
        const refusal = (wasm) => connect(location.origin, { wasm }).then(
          () => "connected",
          ({ name, code, message }) => `${name} ${code}: ${message}`,
        );
        return [await refusal(7), await refusal({}), await refusal("/none.wasm"), await refusal(new Uint8Array(8)),
                await refusal(Promise.reject(new Error("no"))), await refusal(undefined)];"#,
    );
    let refusals: Vec<&str> =
        refusals.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    for (refusal, part) in refusals.iter().zip([
        "BlazeError invalid-argument: wasm: a Number is none of bytes,",
        "BlazeError invalid-argument: wasm: a Object",
        "BlazeError unavailable: the client's WebAssembly could not be loaded: ",
        "BlazeError unavailable: the client's WebAssembly could not be loaded: ",
        "BlazeError unavailable: the client's WebAssembly could not be loaded: no",
        "connected",
    ]) {
        assert!(refusal.starts_with(part), "{refusal} is not {part}");
    }
    assert!(refusals[2].contains("/none.wasm was answered 404"), "{}", refusals[2]);
}

#[test]
fn a_failed_load_is_forgotten() {
    let files = files();
    let missing = ["/package/blaze_client_bg.wasm", "/package/wasm.js"];
    for path in missing {
        files.remove(path);
    }
    let page = Browser::open(&format!("{}/index.html", files.url()));
    let attempt = "const { connect } = await import('/package/index.js');
        const of = () => connect(location.origin).then(() => 'connected', (error) => error.code);
        return Promise.all([of(), of()]);";
    assert_eq!(page.run(attempt), json!(["unavailable", "unavailable"]));
    files.add(missing[0], fs::read(package().join("blaze_client_bg.wasm")).unwrap());
    assert_eq!(page.run(attempt), json!(["connected", "connected"]));
}

#[test]
fn a_file_that_is_answered_by_another_one_is_not_taken_for_webassembly() {
    // As servers of single-page applications answer what they do not have.
    let files = files();
    files.add("/package/blaze_client_bg.wasm", html(""));
    let page = Browser::open(&format!("{}/index.html", files.url()));
    let outcome = page.run(
        "const { connect } = await import('/package/index.js');
         return connect(location.origin).then(() => 'connected', (error) => error.message);",
    );
    assert_eq!(outcome, "connected");
}

#[test]
fn a_bundle_of_one_file_has_the_webassembly_inside() {
    let files = files();
    let folder = tempfile::tempdir().unwrap();
    for entry in ["index.js", "inline.js"] {
        let (source, bundle) = (folder.path().join("main.js"), folder.path().join("bundle.js"));
        let script = format!(
            "import * as blaze from {};\nimport {{ outcome }} from {};\nconst asked = new URLSearchParams(location.search);\n\
             document.title = await outcome(blaze, asked.get('server'), asked.get('id'));",
            json!(package().join(entry)),
            json!(data().join("attempt.mjs")),
        );
        fs::write(&source, script).unwrap();
        let mut esbuild = Command::new("node");
        esbuild.arg(root().join("node_modules/esbuild/bin/esbuild")).arg(&source);
        esbuild.args(["--bundle", "--format=esm", "--log-level=error"]);
        run(esbuild.arg(format!("--outfile={}", bundle.display())), PATIENCE);
        files.add("/bundle/main.js", fs::read(&bundle).unwrap());
        files.add("/bundle.html", html("import '/bundle/main.js';"));
        let id = format!("bundle-{}", entry.replace('.', "-"));
        let page = Browser::open(&format!("{}/bundle.html?{}", files.url(), asking(&id)));
        let (title, errors) = title(&page);
        assert_eq!(title, DONE, "{entry}: {errors:?}");
    }
}

#[test]
fn the_package_is_one_wasm_and_says_where_it_is() {
    let manifest = fs::read_to_string(package().join("package.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let exports = &manifest["exports"];
    let conditions: Vec<&String> = exports["."].as_object().unwrap().keys().collect();
    for condition in ["types", "workerd", "edge-light", "deno", "bun", "browser", "node", "default"]
    {
        assert!(conditions.iter().any(|there| *there == condition), "{condition}");
    }
    // Every file that is named is there.
    let mut named = vec![exports];
    while let Some(value) = named.pop() {
        match value {
            Value::Object(more) => named.extend(more.values()),
            file => {
                let file = package().join(file.as_str().unwrap());
                assert!(file.is_file(), "{}", file.display());
            }
        }
    }
}
