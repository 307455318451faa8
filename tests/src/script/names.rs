//! Names for what differs from run to run: `<time 1>` is the first time that a script shows, wherever it stands.
//!
//! | name | value |
//! |---|---|
//! | `<time n>` | a time of the server's clock, about now |
//! | `<id n>` | a ULID |
//! | `<epoch n>` | the `epoch` of a snapshot |
//! | `<page n>`, `<resume n>` | a `nextPageToken`, a `resume` token |
//! | `<key n>`, `<secret n>` | the id of an API key, and the key |
//!
//! The same value has the same name for the whole of a script, and a name in a command stands for its value.

use blaze_schema::timestamp::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// Greatest distance of a time of the server from the start of a run (µs). Times in commands are further away.
const AROUND_NOW_MICROS: i64 = 600_000_000;
/// Characters of a ULID.
const ULID_CHARACTERS: usize = 26;
/// The beginning of every API key.
const KEY_PREFIX: &str = "blz_";

/// The names of one run.
pub(super) struct Names {
    started: Timestamp,
    /// The name of each value.
    names: BTreeMap<String, String>,
    /// Number of values of each kind that have one.
    counts: BTreeMap<&'static str, usize>,
}

impl Names {
    /// No names yet, at the start of a run.
    pub(super) fn new(started: Timestamp) -> Self {
        Names { started, names: BTreeMap::new(), counts: BTreeMap::new() }
    }

    /// Puts names for values into a part of an answer: JSON, or other text. New values get new names.
    pub(super) fn conceal(&mut self, text: &str) -> String {
        let mut found = Vec::new();
        if let Ok(value) = serde_json::from_str(text) {
            self.collect(&value, &mut found);
        }
        found.extend(ulids(text).map(|ulid| ("id", ulid.to_owned())));
        // In the order of the text, whatever the order of the keys in a parsed object is.
        found.sort_by_key(|(_, value)| text.find(value.as_str()));
        for (kind, value) in found {
            if !value.is_empty() && !self.names.contains_key(&value) {
                let count = self.counts.entry(kind).or_default();
                *count += 1;
                self.names.insert(value, format!("<{kind} {count}>"));
            }
        }
        self.replace(text)
    }

    /// Puts names in the place of values that stand alone: between characters that are no letters and no digits.
    fn replace(&self, text: &str) -> String {
        let is_part = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
        let (mut shown, mut rest) = (String::new(), text);
        let mut before = None;
        while let Some(character) = rest.chars().next() {
            // The longest: the id of a key is a part of the key.
            let found = self
                .names
                .iter()
                .filter(|_| !is_part(before))
                .filter(|(value, _)| rest.starts_with(value.as_str()))
                .filter(|(value, _)| !is_part(rest[value.len()..].chars().next()))
                .max_by_key(|(value, _)| value.len());
            let length = match found {
                Some((value, name)) => {
                    shown.push_str(name);
                    value.len()
                }
                None => {
                    shown.push(character);
                    character.len_utf8()
                }
            };
            before = rest[..length].chars().next_back();
            rest = &rest[length..];
        }
        shown
    }

    /// Puts the values for names into a part of a command.
    ///
    /// # Errors
    /// The name that no answer had.
    pub(super) fn reveal(&self, text: &str) -> Result<String, String> {
        let mut revealed = String::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let length = match name_length(rest) {
                Some(length) => {
                    let name = &rest[..length];
                    let value = self.names.iter().find(|(_, other)| *other == name);
                    let (value, _) = value.ok_or_else(|| format!("no answer had {name}"))?;
                    revealed.push_str(value);
                    length
                }
                None => {
                    revealed.push(character);
                    character.len_utf8()
                }
            };
            rest = &rest[length..];
        }
        Ok(revealed)
    }

    /// Collects the values in JSON that need names, but for ULIDs.
    fn collect(&self, value: &Value, found: &mut Vec<(&'static str, String)>) {
        match value {
            Value::String(text) if self.is_now(text) => found.push(("time", text.clone())),
            Value::Array(elements) => {
                elements.iter().for_each(|element| self.collect(element, found));
            }
            Value::Object(fields) => {
                let text = |key: &str| fields.get(key).and_then(Value::as_str);
                for (key, kind) in
                    [("epoch", "epoch"), ("nextPageToken", "page"), ("resume", "resume")]
                {
                    found.extend(text(key).map(|text| (kind, text.to_owned())));
                }
                if let Some(key) = text("key").filter(|key| key.starts_with(KEY_PREFIX)) {
                    found.push(("secret", key.to_owned()));
                    found.extend(text("id").map(|id| ("key", id.to_owned())));
                }
                fields.values().for_each(|value| self.collect(value, found));
            }
            _ => {}
        }
    }

    fn is_now(&self, text: &str) -> bool {
        Timestamp::parse(text)
            .is_ok_and(|time| (time.micros() - self.started.micros()).abs() < AROUND_NOW_MICROS)
    }
}

/// The ULIDs in a text: runs of letters and digits that have their length and their alphabet.
fn ulids(text: &str) -> impl Iterator<Item = &str> {
    // Crockford's base32: no I, L, O, U.
    let is_digit = |c: char| c.is_ascii_digit() || c.is_ascii_uppercase() && !"ILOU".contains(c);
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(move |run| run.len() == ULID_CHARACTERS && run.chars().all(is_digit))
}

/// The length of the name that a text begins with, such as `<time 1>`, if it begins with one.
pub(super) fn name_length(text: &str) -> Option<usize> {
    let (name, _) = text.strip_prefix('<')?.split_once('>')?;
    let (kind, number) = name.split_once(' ')?;
    let is_name = !kind.is_empty()
        && !number.is_empty()
        && kind.bytes().all(|byte| byte.is_ascii_lowercase())
        && number.bytes().all(|byte| byte.is_ascii_digit());
    is_name.then_some(name.len() + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_123_456;
    const ULID: &str = "01K8ZQ7V3N4T5R6S7W8X9Y0Z1A";

    #[test]
    fn the_same_value_has_the_same_name() {
        let mut names = Names::new(Timestamp::from_micros(NOW));
        let now = Timestamp::from_micros(NOW).to_string();
        let text = format!(r#"{{"path":"c/{ULID}","id":"{ULID}","epoch":"e","at":"{now}"}}"#);
        let shown = r#"{"path":"c/<id 1>","id":"<id 1>","epoch":"<epoch 1>","at":"<time 1>"}"#;
        assert_eq!(names.conceal(&text), shown);
        assert_eq!(names.conceal(&text), shown);
        assert_eq!(names.conceal(&format!("/v1/docs/c/{ULID}")), "/v1/docs/c/<id 1>");
        assert_eq!(names.reveal("a <id 1><time 1> <b>"), Ok(format!("a {ULID}{now} <b>")));
        assert_eq!(names.reveal("a <id 2>"), Err("no answer had <id 2>".to_owned()));
    }

    #[test]
    fn what_a_script_wrote_itself_stays() {
        let mut names = Names::new(Timestamp::from_micros(NOW));
        for text in [
            r#"{"$timestamp":"1969-07-20T20:17:40Z"}"#,
            r#"{"a":"01k8zq7v3n4t5r6s7w8x9y0z1a","n":1234567890}"#,
            "<script>",
        ] {
            assert_eq!(names.conceal(text), text.to_owned());
        }
    }

    #[test]
    fn a_key_and_its_id_have_names() {
        let mut names = Names::new(Timestamp::from_micros(NOW));
        let shown = names.conceal(r#"{"id":"abc","key":"blz_abc_secret"}"#);
        assert_eq!(shown, r#"{"id":"<key 1>","key":"<secret 1>"}"#);
    }
}
