//! `blaze init`: the files of a new application.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::PathBuf;

/// The files and their contents.
const FILES: [(&str, &str); 7] = [
    ("blaze.rules", include_str!("starter/blaze.rules")),
    ("blaze.rules.cases.json", include_str!("starter/blaze.rules.cases.json")),
    ("collections.json", include_str!("starter/collections.json")),
    ("access.json", include_str!("starter/access.json")),
    ("public/index.html", include_str!("starter/index.html")),
    ("public/index.js", include_str!("starter/index.js")),
    (".gitignore", "/.blaze/\n"),
];

/// The place of a new application.
#[derive(clap::Args)]
pub(super) struct Init {
    /// The directory, which is made if it is not there
    #[arg(default_value = ".")]
    directory: PathBuf,
}

/// Writes the files.
///
/// # Errors
/// If one of them is there already: then none is written.
pub(super) fn run(Init { directory }: &Init) -> Result<()> {
    let files = FILES.map(|(name, text)| (directory.join(name), text));
    if let Some((there, _)) = files.iter().find(|(file, _)| file.exists()) {
        bail!("{} is there already: nothing was written", there.display());
    }
    for (file, text) in &files {
        let write = || {
            file.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(file, text)
        };
        write().with_context(|| format!("writing {}", file.display()))?;
        println!("{}", file.display());
    }
    super::say("`blaze serve` in that directory starts it; `blaze rules test` decides the cases");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use blaze_engine::node::config::Config;
    use blaze_rules::{Rules, cases};

    fn text(name: &str) -> &'static str {
        FILES.iter().find(|(there, _)| *there == name).unwrap().1
    }

    #[test]
    fn what_is_written_is_good() {
        let rules = Rules::compile(text("blaze.rules")).unwrap();
        let report = cases::run(&rules, text("blaze.rules.cases.json")).unwrap();
        assert_eq!(report.failures, []);
        assert!(report.cases > 3);
        Config::read(text("collections.json"), text("access.json"), |_| None).unwrap();
    }

    #[test]
    fn nothing_that_is_there_is_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("access.json"), "mine").unwrap();
        let init = Init { directory: directory.path().to_owned() };
        let error = run(&init).unwrap_err().to_string();
        assert!(error.contains("access.json is there already"), "{error}");
        assert!(!directory.path().join("blaze.rules").exists());
        let init = Init { directory: directory.path().join("new") };
        run(&init).unwrap();
        assert!(init.directory.join("public/index.html").is_file());
    }
}
