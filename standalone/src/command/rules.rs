//! `blaze rules`: checking, testing and deploying the text of rules.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use blaze_rules::cases::{self, Failure};
use clap::Subcommand;

use super::administrator::Server;

/// Where rules are, unless somebody says otherwise.
pub(super) const FILE: &str = "blaze.rules";

/// What to do with rules.
#[derive(Subcommand)]
pub(super) enum Rules {
    /// Say what is wrong with a file of rules, by line and column
    Check {
        /// The file
        #[arg(default_value = FILE)]
        file: PathBuf,
    },
    /// Decide the requests of a table of cases, and say which are decided otherwise than it says, and why
    ///
    /// The table is a JSON array. A case has:
    ///
    ///   "name"       what to call it, if anything
    ///   "method"     "get", "list", "create", "update" or "delete"
    ///   "path"       the document, as "users/alice"; or else
    ///   "query"      for "list": a query, as POST /v1/query takes it
    ///   "auth"       {"uid": "alice", "token": {…}, "roles": ["editor"]}; without it, nobody is signed in
    ///   "before"     the document's data as it is; without it, the document does not exist
    ///   "after"      its data as a create or an update would leave it
    ///   "documents"  the data of other documents, by path, for get() and exists(); others do not exist
    ///   "time"       request.time, by default 2000-01-01T00:00:00Z
    ///   "allow"      true or false: what the rules should say
    ///
    /// docs/rules.md has examples, and how to read what is printed.
    #[command(verbatim_doc_comment)]
    Test {
        /// The file of rules
        #[arg(default_value = FILE)]
        file: PathBuf,
        /// The table; else it is beside the rules, with `.cases.json` after their name
        #[arg(long)]
        cases: Option<PathBuf>,
    },
    /// Make a file the rules of a running server
    Deploy {
        /// The file
        #[arg(default_value = FILE)]
        file: PathBuf,
        #[command(flatten)]
        server: Server,
    },
    /// Print the rules of a running server
    Get {
        /// An older version
        #[arg(long)]
        version: Option<u64>,
        #[command(flatten)]
        server: Server,
    },
    /// List the versions that a running server has kept
    Versions {
        #[command(flatten)]
        server: Server,
    },
}

/// Does it.
///
/// # Errors
/// What is wrong with the rules, or why the server does not do it.
pub(super) fn run(command: &Rules) -> Result<()> {
    match command {
        Rules::Check { file } => {
            check(file, &read(file)?)?;
            println!("{}: nothing is wrong with it", file.display());
            Ok(())
        }
        Rules::Test { file, cases } => {
            let rules = compile(file, &read(file)?)?;
            let beside = || PathBuf::from(format!("{}.cases.json", file.display()));
            let cases = cases.clone().unwrap_or_else(beside);
            println!("{}", run_cases(file, &rules, &read(&cases)?)?);
            Ok(())
        }
        Rules::Deploy { file, server } => deploy(file, server),
        Rules::Get { version, server } => {
            let query = version.map(|version| format!("?version={version}")).unwrap_or_default();
            let body = server.get(&format!("/v1/rules{query}"))?.done()?;
            print!("{}", body["text"].as_str().context("the answer holds no rules")?);
            Ok(())
        }
        Rules::Versions { server } => {
            let body = server.get("/v1/rules/versions")?.done()?;
            for kept in body["versions"].as_array().context("the answer holds no versions")? {
                let text = |name: &str| kept[name].as_str().unwrap_or_default().to_owned();
                println!("{}\t{}\t{}", kept["version"], text("updateTime"), text("actor"));
            }
            Ok(())
        }
    }
}

/// Says what is wrong with the text of a file of rules.
///
/// # Errors
/// If anything is.
pub(super) fn check(file: &Path, text: &str) -> Result<()> {
    compile(file, text).map(drop)
}

/// Decides the cases of a table.
fn run_cases(file: &Path, rules: &blaze_rules::Rules, cases: &str) -> Result<String> {
    let report = cases::run(rules, cases).map_err(|error| anyhow!(error.detail))?;
    for failure in &report.failures {
        eprint!("{}", shown(file, failure));
    }
    if !report.failures.is_empty() {
        bail!("{} of {} cases failed", report.failures.len(), report.cases);
    }
    Ok(format!("{} cases are as they say", report.cases))
}

/// A case that failed, and below it each `allow` that had a part in it.
fn shown(file: &Path, failure: &Failure) -> String {
    let Failure { number, name, reason, explanation } = failure;
    let mut text = format!("case {number} ({name}): {reason}\n");
    for line in explanation {
        let _ = writeln!(text, "    {}: {line}", file.display());
    }
    text
}

/// Sends rules to a server.
///
/// # Errors
/// If they are wrong, or the server does not take them.
pub(super) fn deploy(file: &Path, server: &Server) -> Result<()> {
    let text = read(file)?;
    // What this version of the code finds need not be sent; the server decides by its own.
    compile(file, &text)?;
    let answer = server.put("/v1/rules", &text)?;
    if answer.status == 400 {
        let (lines, count) = located(file, answer.detail());
        eprint!("{lines}");
        bail!("{}: {} wrong, the server says", file.display(), things(count));
    }
    let body = answer.done()?;
    let state = if body["changed"] == true { "deployed" } else { "there already" };
    println!("{}: version {}, {state}", file.display(), body["version"]);
    Ok(())
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
}

fn compile(file: &Path, text: &str) -> Result<blaze_rules::Rules> {
    blaze_rules::Rules::compile(text).map_err(|diagnostics| {
        for wrong in &diagnostics {
            eprintln!("{}:{}:{}: {}", file.display(), wrong.line, wrong.column, wrong.message);
        }
        anyhow::anyhow!("{}: {} wrong", file.display(), things(diagnostics.len()))
    })
}

fn things(count: usize) -> String {
    if count == 1 { "1 thing is".to_owned() } else { format!("{count} things are") }
}

/// The lines of a server's refusal, `rules: line 3, column 7: …`, as compilers write them, and how many there are.
fn located(file: &Path, detail: &str) -> (String, usize) {
    let place = |line: &str| -> Option<String> {
        let (line_number, rest) = line.strip_prefix("rules: line ")?.split_once(", column ")?;
        let (column, message) = rest.split_once(": ")?;
        let numbers = [line_number, column].map(|number| number.parse::<usize>().is_ok());
        (numbers == [true, true])
            .then(|| format!("{}:{line_number}:{column}: {message}", file.display()))
    };
    let mut lines = String::new();
    for line in detail.lines() {
        let _ = writeln!(lines, "{}", place(line).unwrap_or_else(|| line.to_owned()));
    }
    (lines, detail.lines().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_that_fails_says_which_condition_decided() {
        let text = "match /a/{b} {\n  allow get: if resource.data.owner == request.auth.uid;\n}\n";
        let rules = blaze_rules::Rules::compile(text).unwrap();
        let cases = r#"[{"method": "get", "path": "a/b", "auth": {"uid": "ann"}, "allow": true}]"#;
        let report = cases::run(&rules, cases).unwrap();
        assert_eq!(
            shown(Path::new("a.rules"), &report.failures[0]),
            "case 1 (get a/b): expected allowed, was denied\n    \
             a.rules: refused by 2:3 `allow get: if resource.data.owner == request.auth.uid`: 2:17 \
             `resource.data` is in error: `resource` is null, for the document does not exist\n"
        );
    }

    #[test]
    fn a_servers_refusal_is_shown_as_compilers_show_it() {
        let detail = "rules: line 3, column 7: no such function: f\nrules: line 40, column 1: a: b\n\
                      rules: 3 bytes\nrules: line x, column 1: y";
        let shown = "a.rules:3:7: no such function: f\na.rules:40:1: a: b\nrules: 3 bytes\n\
                     rules: line x, column 1: y\n";
        assert_eq!(located(Path::new("a.rules"), detail), (shown.to_owned(), 4));
    }
}
