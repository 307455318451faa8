//! wrangler.toml, the one place that names objects, bindings and migrations, as something to serve locally.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use xtask::workerd::{Assets, Module, ObjectClass, Service};

use crate::bundle::Tree;
use crate::workspace::Workspace;

/// Top-level keys that only say how to deploy, and change nothing about what runs.
const DEPLOY_ONLY: [&str; 14] = [
    "name",
    "account_id",
    "build",
    "no_bundle",
    "rules",
    "routes",
    "route",
    "workers_dev",
    "preview_urls",
    "observability",
    "logpush",
    "placement",
    "limits",
    "keep_vars",
];

#[derive(Deserialize)]
struct Manifest {
    main: PathBuf,
    compatibility_date: String,
    #[serde(default)]
    compatibility_flags: Vec<String>,
    #[serde(default)]
    vars: BTreeMap<String, serde_json::Value>,
    assets: Option<Assets>,
    #[serde(default)]
    durable_objects: DurableObjects,
    #[serde(default)]
    migrations: Vec<Migration>,
    #[serde(flatten)]
    rest: BTreeMap<String, toml::Value>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DurableObjects {
    #[serde(default)]
    bindings: Vec<ObjectClass>,
}

/// A migration. Renaming a class or moving objects has no local counterpart, so those are not known here.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Migration {
    #[serde(rename = "tag")]
    _tag: String,
    #[serde(default)]
    new_sqlite_classes: Vec<String>,
}

/// The built server, as wrangler.toml describes it.
///
/// # Errors
/// If wrangler.toml cannot be read or says something that has no local counterpart.
pub(crate) fn service(workspace: &Workspace) -> Result<Service> {
    let path = workspace.path("wrangler.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let manifest = parse(&text).context("wrangler.toml")?;
    let modules = modules(&workspace.path(&manifest.main))?;
    translate(manifest, workspace.root(), modules).context("wrangler.toml")
}

fn parse(text: &str) -> Result<Manifest> {
    let manifest: Manifest = toml::from_str(text)?;
    if let Some(key) = manifest.rest.keys().find(|key| !DEPLOY_ONLY.contains(&key.as_str())) {
        bail!("`{key}` has no translation for the local workerd: add one to xtask/src/wrangler.rs");
    }
    Ok(manifest)
}

fn translate(manifest: Manifest, root: &Path, modules: Vec<Module>) -> Result<Service> {
    let migrated: Vec<&String> =
        manifest.migrations.iter().flat_map(|one| &one.new_sqlite_classes).collect();
    let bindings = manifest.durable_objects.bindings;
    if let Some(unknown) = bindings.iter().find(|binding| !migrated.contains(&&binding.class_name))
    {
        bail!("`{}` is bound, but no migration has it in `new_sqlite_classes`", unknown.class_name);
    }
    let assets = |one: Assets| Assets { directory: root.join(&one.directory), ..one };
    Ok(Service {
        modules,
        objects: bindings,
        vars: manifest.vars,
        assets: manifest.assets.map(assets),
        compatibility_date: manifest.compatibility_date,
        compatibility_flags: manifest.compatibility_flags,
    })
}

/// The entry, then every other file beside and below it, named relative to it.
fn modules(main: &Path) -> Result<Vec<Module>> {
    let directory = main.parent().context("`main` has no directory")?;
    let tree = Tree::of(directory)?;
    let module = |path: &Path| {
        let name = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
        Ok(Module { name: name.to_owned(), path: directory.join(path) })
    };
    let scripts = |path: &&Path| {
        path.extension()
            .is_some_and(|ending| ["js", "wasm", "json"].iter().any(|known| ending == *known))
    };
    let mut modules: Vec<Module> =
        tree.paths().filter(scripts).map(module).collect::<Result<_>>()?;
    modules.sort_by_key(|module| module.path != main);
    match modules.first() {
        Some(first) if first.path == main => Ok(modules),
        _ => bail!("{} is missing", main.display()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;
    use xtask::workerd::{Assets, ObjectClass};

    use super::{parse, translate};

    const MANIFEST: &str = r#"
        name = "blaze"
        main = "build/server/index.js"
        compatibility_date = "2026-11-01"
        no_bundle = true
        [assets]
        directory = "build/demo"
        binding = "ASSETS"
        [vars]
        ORIGINS = "*"
        LIMITS = { size = 1 }
        [[durable_objects.bindings]]
        name = "DOCUMENT"
        class_name = "Document"
        [[migrations]]
        tag = "v1"
        new_sqlite_classes = ["Document"]
    "#;

    #[test]
    fn bindings_variables_and_assets_are_translated() {
        let service = translate(parse(MANIFEST).unwrap(), Path::new("/root"), Vec::new()).unwrap();
        assert_eq!(service.compatibility_date, "2026-11-01");
        let class = ObjectClass { binding: "DOCUMENT".into(), class_name: "Document".into() };
        assert_eq!(service.objects, [class]);
        assert_eq!(service.vars["ORIGINS"], json!("*"));
        assert_eq!(service.vars["LIMITS"], json!({"size": 1}));
        let assets = Assets { binding: "ASSETS".into(), directory: "/root/build/demo".into() };
        assert_eq!(service.assets, Some(assets));
    }

    #[test]
    fn what_cannot_be_translated_is_named() {
        let error = parse(&format!("kv_namespaces = []\n{MANIFEST}")).err().unwrap();
        assert!(error.to_string().contains("`kv_namespaces` has no translation"), "{error}");
        let error = parse(&MANIFEST.replace("new_sqlite_classes", "new_classes")).err().unwrap();
        assert!(error.to_string().contains("new_classes"), "{error}");
    }

    #[test]
    fn a_class_without_a_migration_is_refused() {
        let manifest = parse(&MANIFEST.replace("[\"Document\"]", "[]")).unwrap();
        let error = translate(manifest, Path::new("/"), Vec::new()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`Document` is bound, but no migration has it in `new_sqlite_classes`"
        );
    }
}
