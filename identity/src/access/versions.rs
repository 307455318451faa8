//! The rules' text and its versions. Going back is putting an old text again.

use super::state::{VERSIONS, text_row};
use super::{Step, snapshot};
use blaze_rules::Rules;
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{ROW_BYTES, RULES_VERSIONS};
use blaze_schema::timestamp::Timestamp;
use blaze_store::Store;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A version of the rules, without the text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RulesVersion {
    version: u64,
    /// Microseconds since 1970.
    time: i64,
    actor: String,
}

impl RulesVersion {
    fn update_time(&self) -> String {
        Timestamp::from_micros(self.time).to_string()
    }
}

impl<S: Store> Step<'_, S> {
    pub(super) fn put_rules(
        &mut self,
        text: String,
        if_version: Option<u64>,
        actor: &str,
    ) -> Result<String, Error> {
        let present = self.state.versions.last();
        let version = present.map_or(0, |present| present.version);
        if if_version.is_some_and(|wanted| wanted != version) {
            let detail = match version {
                0 => "rules: there are none".to_owned(),
                _ => format!("rules: the present version is {version}"),
            };
            return Err(Error::new(Code::FailedPrecondition, detail).with_status(412));
        }
        compile(&text)?;
        if let Some(present) = present
            && self.text(version)? == text
        {
            return Ok(put(present, false));
        }
        let next = RulesVersion {
            version: version.saturating_add(1),
            time: self.now.micros(),
            actor: actor.to_owned(),
        };
        let answer = put(&next, true);
        self.audit(actor, "rules.put", &format!("version {}", next.version))?;
        self.batch.put_text(text_row(next.version), text);
        self.state.versions.push(next);
        let beyond = self.state.versions.len().saturating_sub(RULES_VERSIONS);
        for old in self.state.versions.drain(..beyond) {
            self.batch.delete(text_row(old.version));
        }
        self.batch.put(VERSIONS.to_vec(), &self.state.versions)?;
        self.state.changed(self.now);
        Ok(answer)
    }

    pub(super) fn get_rules(&self, version: Option<u64>) -> Result<String, Error> {
        let versions = &self.state.versions;
        let missing = |detail: String| Error::new(Code::NotFound, detail);
        let found = match version {
            None => versions.last().ok_or_else(|| missing("rules: there are none".to_owned()))?,
            Some(version) => {
                let found = versions.iter().find(|kept| kept.version == version);
                found.ok_or_else(|| missing(format!("rules: version {version} is not kept")))?
            }
        };
        let text = self.text(found.version)?;
        let update_time = found.update_time();
        Ok(json!({"version": found.version, "text": text, "updateTime": update_time}).to_string())
    }

    pub(super) fn list_rules(&self) -> String {
        let shown = |version: &RulesVersion| -> Value {
            let update_time = version.update_time();
            json!({"version": version.version, "updateTime": update_time, "actor": version.actor})
        };
        let versions: Vec<Value> = self.state.versions.iter().rev().map(shown).collect();
        json!({"versions": versions}).to_string()
    }

    pub(super) fn present_rules(&self) -> Result<Option<snapshot::Rules>, Error> {
        let Some(RulesVersion { version, .. }) = self.state.versions.last() else {
            return Ok(None);
        };
        Ok(Some(snapshot::Rules { version: *version, text: self.text(*version)? }))
    }

    fn text(&self, version: u64) -> Result<String, Error> {
        let broken = || Error::internal(format!("access: the text of rules {version} is missing"));
        let row = self.store.get(&text_row(version))?.ok_or_else(broken)?;
        String::from_utf8(row).map_err(|_| broken())
    }
}

/// All that is wrong with a text, a line each.
fn compile(text: &str) -> Result<(), Error> {
    let Err(diagnostics) = Rules::compile(text) else {
        // What compiles is far smaller: this is for the store's sake.
        return match text.len() {
            0..=ROW_BYTES => Ok(()),
            bytes => Err(Error::invalid(format!("rules: {bytes} bytes, of {ROW_BYTES} at most"))),
        };
    };
    let line = |wrong: &blaze_rules::Diagnostic| {
        format!("rules: line {}, column {}: {}", wrong.line, wrong.column, wrong.message)
    };
    Err(Error::invalid(diagnostics.iter().map(line).collect::<Vec<_>>().join("\n")))
}

fn put(version: &RulesVersion, changed: bool) -> String {
    let update_time = version.update_time();
    json!({"version": version.version, "updateTime": update_time, "changed": changed}).to_string()
}
