//! docs/configuration.md and the code have the same settings: every key with its values and its default, and every
//! variable. Each key that is described is read, too.

use blaze_engine::actor::Class;
use blaze_engine::index::settings::Collections;
use blaze_engine::settings::Settings;
use blaze_json_schema::Schema;
use blaze_schema::error::Error;
use blaze_schema::settings::{Default, Kind};
use blaze_tests::source::code_of;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The rows of the table below a heading of docs/configuration.md, without their last cell, the meaning.
fn table(heading: &str) -> Vec<Vec<String>> {
    let page = read("docs/configuration.md");
    let section = page.split("\n## ").find(|section| section.lines().next() == Some(heading));
    let lines = section.unwrap_or_else(|| panic!("no section {heading}")).lines();
    let rows = lines.filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows = rows.skip(1).map(|row| {
        let mut cells: Vec<String> = row.split(" | ").map(str::to_owned).collect();
        assert!(cells.pop().is_some_and(|meaning| meaning.len() > 8), "{row}: no meaning");
        cells
    });
    rows.collect()
}

/// The keys below a value, as `accounts.providers.*.issuer` and `issuers[].keys[].kid`.
fn fields(place: &str, kind: Kind) -> Vec<(String, Kind, Default)> {
    match kind {
        Kind::Array(_, _, of) => fields(&format!("{place}[]"), *of),
        Kind::Map(_, of) => fields(&format!("{place}.*"), *of),
        Kind::Object(keys) => {
            let below = keys.iter().flat_map(|field| {
                let place = format!("{place}.{}", field.key);
                let mut all = vec![(place.clone(), field.kind, field.default)];
                all.extend(fields(&place, field.kind));
                all
            });
            below.collect()
        }
        _ => Vec::new(),
    }
}

/// The rows that a table must have.
fn described(kind: Kind) -> Vec<Vec<String>> {
    let rows = fields("", kind).into_iter().map(|(place, kind, default)| {
        let default = match default {
            Default::Required => "required".to_owned(),
            Default::None => "none".to_owned(),
            Default::Json(text) => format!("`{text}`"),
        };
        vec![format!("`{}`", place.trim_start_matches('.')), kind.to_string(), default]
    });
    rows.collect()
}

fn hold(heading: &str, kind: Kind) {
    let (table, described) = (table(heading), described(kind));
    let lines: Vec<String> =
        described.iter().map(|row| format!("| {} | … |", row.join(" | "))).collect();
    assert_eq!(table, described, "{heading}: the code has\n{}", lines.join("\n"));
}

#[test]
fn the_reference_has_the_keys_of_the_code() {
    hold("access.json", Settings::KIND);
    hold("collections.json", Collections::KIND);
    hold("JSON Schema", Kind::Object(Schema::KEYWORDS));
}

/// Settings with every key.
fn access() -> Value {
    let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    json!({
        "issuers": [
            {"issuer": "a", "audience": "app", "jwks": "https://a.example/keys",
             "algorithms": ["RS256"], "roles": "roles", "admins": true},
            {"issuer": "b", "audience": "app", "keys": [
                {"kid": "1", "algorithm": "HS256", "secret": "SECRET"},
                {"kid": "2", "algorithm": "EdDSA", "pem": pem},
                {"kid": "3", "algorithm": "EdDSA", "jwk": {"kty": "OKP", "crv": "Ed25519",
                    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}},
            ]},
        ],
        "accounts": {
            "passwords": true, "signUp": true, "accessSeconds": 60, "refreshDays": 1,
            "providers": {"p": {"issuer": "https://p.example", "clientId": "c", "clientSecret": "S",
                "scopes": ["openid"]}},
            "redirects": ["https://app.example/"],
        },
        "rates": {
            "address": {"requests": 1, "seconds": 1},
            "identity": {"requests": 1, "seconds": 1},
            "signIn": {"requests": 1, "seconds": 1},
        },
    })
}

fn collections() -> Value {
    json!({"c": {"shards": 1, "group": true, "indexes": [["a", "b"]], "exempt": ["c"], "schema": true}})
}

/// The places in a value that a place with `[]` and `*` stands for: JSON pointers.
fn occurrences(value: &Value, place: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for step in place.replace("[]", ".[]").split('.').filter(|step| !step.is_empty()) {
        let next = found.iter().flat_map(|pointer| {
            let keys: Vec<String> = match (value.pointer(pointer), step) {
                (Some(Value::Array(elements)), "[]") => {
                    (0..elements.len()).map(|index| index.to_string()).collect()
                }
                (Some(Value::Object(names)), "*") => names.keys().cloned().collect(),
                (Some(Value::Object(keys)), key) if keys.contains_key(key) => vec![key.to_owned()],
                _ => Vec::new(),
            };
            keys.into_iter().map(|key| format!("{pointer}/{key}")).collect::<Vec<_>>()
        });
        found = next.collect();
    }
    found
}

/// `/issuers/0/keys` as errors have it: `issuers[0].keys`.
fn written(pointer: &str) -> String {
    let mut place = String::new();
    for step in pointer.split('/').skip(1) {
        match step.parse::<usize>() {
            Ok(index) => place.push_str(&format!("[{index}]")),
            Err(_) if place.is_empty() => place.push_str(step),
            Err(_) => place.push_str(&format!(".{step}")),
        }
    }
    place
}

/// A key that were described and not read would be ignored: it could be anything.
fn every_key_is_read<T>(
    file: &str,
    sample: &Value,
    kind: Kind,
    parse: impl Fn(&str) -> Result<T, Error>,
) {
    parse(&sample.to_string()).map(drop).unwrap();
    let refusal = |changed: Value, what: &str| match parse(&changed.to_string()) {
        Ok(_) => panic!("{file}: {what} is not read"),
        Err(error) => error.detail,
    };
    for (place, _, _) in fields("", kind) {
        let pointers = occurrences(sample, &place);
        assert!(!pointers.is_empty(), "{file}: the sample has no {place}");
        for pointer in pointers {
            let mut changed = sample.clone();
            *changed.pointer_mut(&pointer).unwrap() = Value::Null;
            let detail = refusal(changed, &pointer);
            let start = format!("{file}: {}: null, not ", written(&pointer));
            assert!(detail.starts_with(&start), "{start}: {detail}");
            let (object, _) = pointer.rsplit_once('/').unwrap();
            let mut changed = sample.clone();
            changed.pointer_mut(object).unwrap()["colour"] = json!(1);
            let detail = refusal(changed, object);
            let end = written(&format!("{object}/colour"));
            assert!(
                detail.starts_with(&format!("{file}: {end}: unknown key; known: ")),
                "{detail}"
            );
        }
    }
}

#[test]
fn every_key_of_the_reference_is_read() {
    every_key_is_read("access.json", &access(), Settings::KIND, Settings::parse);
    every_key_is_read("collections.json", &collections(), Collections::KIND, Collections::parse);
}

/// The files below a folder with this ending.
fn sources(folder: &str, ending: &str) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == ending) {
                found.push(fs::read_to_string(path).unwrap());
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no .{ending}");
    found
}

/// The name in capitals that a text begins with; empty if there is none.
fn name(text: &str) -> &str {
    let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    &text[..text.find(|c| !is_name(c)).unwrap_or(text.len())]
}

/// The names behind each `before` in some code.
fn names<'a>(source: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    source.split(before).skip(1).map(name)
}

/// The variables that the server and the command line read, and bindings that are no Durable Objects.
fn variables_of_the_code() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for source in sources("engine/src/node", "rs") {
        // Names of secrets come from access.json.
        for read in ["variable(\"", "is_set(\""] {
            found.extend(names(&source, read).map(str::to_owned));
        }
    }
    for source in sources("server", "js") {
        let source = code_of(&source);
        assert!(!source.contains("} = env"), "variables are read as env.NAME");
        let names = names(&source, "env.").filter(|name| !name.is_empty());
        found.extend(names.map(str::to_owned));
    }
    for source in ["xtask/src", "standalone/src"].into_iter().flat_map(|at| sources(at, "rs")) {
        for read in ["var_os(\"", "VARIABLE: &str = \""] {
            let names = names(&source, read).filter(|name| name.starts_with("BLAZE_"));
            found.extend(names.map(str::to_owned));
        }
    }
    let wrangler: toml::Table = read("wrangler.toml").parse().unwrap();
    for binding in wrangler["durable_objects"]["bindings"].as_array().unwrap() {
        // The server finds a class's binding by its name.
        let class = binding["class_name"].as_str().unwrap();
        assert!(Class::ALL.iter().any(|known| known.name() == class), "{binding}");
        assert_eq!(binding["name"].as_str().unwrap(), class.to_uppercase());
    }
    found.insert(wrangler["assets"]["binding"].as_str().unwrap().to_owned());
    found
}

#[test]
fn the_reference_has_the_variables_of_the_code() {
    let named: Vec<String> =
        table("Variables and secrets").iter().map(|row| row[0].replace('`', "")).collect();
    let set: BTreeSet<String> = named.iter().cloned().collect();
    assert_eq!(set.len(), named.len(), "one of {named:?} is there twice");
    assert_eq!(set, variables_of_the_code());
}

#[test]
fn no_other_page_repeats_the_reference() {
    for page in ["README.md", "docs/security.md", "docs/rules.md", "ARCHITECTURE.md"] {
        let text = read(page);
        let keys = ["accessSeconds", "refreshDays", "ADDRESS_HEADER", "COUNT_ROWS"];
        let repeated: Vec<_> = keys.iter().filter(|key| text.contains(**key)).collect();
        assert!(repeated.is_empty(), "{page} has {repeated:?}");
        if page == "README.md" {
            assert!(text.contains("docs/configuration.md"), "{page} does not link to it");
        }
    }
}
