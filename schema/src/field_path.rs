//! Which field of a document: keys separated by dots, `` `a.b` `` quoting a key (Firestore: `FieldPath`).

use crate::error::Error;
use crate::limits::FIELD_PATH_KEYS;
use std::fmt;

/// The keys from a document's root to one of its fields; at least one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldPath(Vec<String>);

impl FieldPath {
    /// Reads `address.city` or `` `a.b`.c ``. Between backticks, `` \` `` is a backtick and `\\` a backslash. A key
    /// without quotes may hold any character but a dot and a backtick.
    ///
    /// # Errors
    /// `invalid-argument` for an empty key, an unclosed quote, characters after a quote, more than
    /// [`FIELD_PATH_KEYS`] keys.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let invalid = |reason: &str| Error::invalid(format!("field path {text:?}: {reason}"));
        let mut keys = Vec::new();
        let mut characters = text.chars().peekable();
        loop {
            let key = if characters.next_if_eq(&'`').is_some() {
                let mut key = String::new();
                loop {
                    match characters.next() {
                        Some('`') => break key,
                        Some('\\') => match characters.next() {
                            Some(escaped @ ('`' | '\\')) => key.push(escaped),
                            _ => return Err(invalid("after '\\' only '`' or '\\' may stand")),
                        },
                        Some(character) => key.push(character),
                        None => return Err(invalid("a quote is not closed")),
                    }
                }
            } else {
                let mut key = String::new();
                while let Some(character) = characters.next_if(|&character| character != '.') {
                    if character == '`' {
                        return Err(invalid("a '`' inside a key without quotes"));
                    }
                    key.push(character);
                }
                if key.is_empty() {
                    return Err(invalid("a key is empty"));
                }
                key
            };
            keys.push(key);
            if keys.len() > FIELD_PATH_KEYS {
                return Err(invalid(&format!("more than {FIELD_PATH_KEYS} keys")));
            }
            match characters.next() {
                None => return Ok(FieldPath(keys)),
                Some('.') => {}
                Some(_) => return Err(invalid("after a quoted key only '.' may stand")),
            }
        }
    }

    /// The path of these keys, taken as they are.
    ///
    /// # Errors
    /// `invalid-argument` for no key, or more than [`FIELD_PATH_KEYS`].
    pub fn from_keys(keys: Vec<String>) -> Result<Self, Error> {
        if keys.is_empty() || keys.len() > FIELD_PATH_KEYS {
            return Err(Error::invalid(format!(
                "field path: {} keys, of 1 to {FIELD_PATH_KEYS}",
                keys.len()
            )));
        }
        Ok(FieldPath(keys))
    }

    /// Reads paths between commas, as they stand in a URL; none for an empty text. Commas between backticks are part of
    /// a key, and spaces around a path do not count.
    ///
    /// # Errors
    /// As [`FieldPath::parse`].
    pub fn parse_list(text: &str) -> Result<Vec<Self>, Error> {
        let mut paths = Vec::new();
        if !text.trim().is_empty() {
            for part in split_list(text) {
                paths.push(FieldPath::parse(part)?);
            }
        }
        Ok(paths)
    }

    /// The text that [`FieldPath::parse_list`] reads.
    pub fn print_list<'a>(paths: impl IntoIterator<Item = &'a FieldPath>) -> String {
        let mut text = String::new();
        for path in paths {
            for (number, key) in path.0.iter().enumerate() {
                if number > 0 {
                    text.push('.');
                } else if !text.is_empty() {
                    text.push(',');
                }
                push_key(&mut text, key, |key| {
                    key.bytes().all(|byte| byte.is_ascii_alphanumeric())
                });
            }
        }
        text
    }

    /// The keys, outermost first.
    pub fn keys(&self) -> &[String] {
        &self.0
    }

    /// Whether the field of one lies in, or is, the field of the other.
    pub fn overlaps(&self, other: &FieldPath) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| a == b)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, key) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str(".")?;
            }
            let mut text = String::new();
            push_key(&mut text, key, |key| !key.contains(['.', '`', '\\']));
            f.write_str(&text)?;
        }
        Ok(())
    }
}

/// Appends a key, between backticks unless it is simple.
fn push_key(text: &mut String, key: &str, is_simple: impl Fn(&str) -> bool) {
    if !key.is_empty() && is_simple(key) {
        text.push_str(key);
        return;
    }
    text.push('`');
    for character in key.chars() {
        if matches!(character, '`' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('`');
}

/// The parts between commas, without the spaces around them.
pub(crate) fn split_list(text: &str) -> impl Iterator<Item = &str> {
    let commas =
        outside_of_quotes(text).filter(|(_, character)| *character == ',').map(|(at, _)| at);
    let mut start = 0;
    commas.chain([text.len()]).map(move |end| {
        let part = text.get(start..end).unwrap_or_default();
        start = end.saturating_add(1);
        part.trim()
    })
}

/// The characters that stand outside of the backticks that quote a key, and where they stand.
pub(crate) fn outside_of_quotes(text: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut quoted, mut escaped) = (false, false);
    text.char_indices().filter(move |(_, character)| {
        let inside = quoted;
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '`' => quoted = !quoted,
            _ => {}
        }
        !inside && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dots_separate_and_backticks_quote() {
        let keys = |text: &str| FieldPath::parse(text).unwrap().0;
        assert_eq!(keys("a"), ["a"]);
        assert_eq!(keys("address.city"), ["address", "city"]);
        assert_eq!(keys("`a.b`.c"), ["a.b", "c"]);
        assert_eq!(keys(r"`a\`b\\`"), [r"a`b\"]);
        assert_eq!(keys("first-name.ünï code"), ["first-name", "ünï code"]);
        assert_eq!(keys("``"), [""]);
    }

    #[test]
    fn what_names_no_field_is_refused() {
        for bad in ["", ".", "a.", ".a", "a..b", "`a", "`a`b", "a`b`", r"`a\n`"] {
            assert!(FieldPath::parse(bad).is_err(), "{bad:?}");
        }
        let deep = |keys: usize| FieldPath::parse(&vec!["k"; keys].join("."));
        assert!(deep(FIELD_PATH_KEYS).is_ok());
        assert!(deep(FIELD_PATH_KEYS + 1).is_err());
    }

    #[test]
    fn a_list_has_commas_outside_of_quotes() {
        let list = |text: &str| {
            FieldPath::parse_list(text)
                .map(|paths| paths.iter().map(FieldPath::to_string).collect::<Vec<_>>())
        };
        assert_eq!(list("a, b.c ,`d,e`").unwrap(), ["a", "b.c", "d,e"]);
        assert_eq!(list("").unwrap(), [""; 0]);
        assert_eq!(list(" ").unwrap(), [""; 0]);
        for bad in ["a,", ",a", "a,,b", "a b,`c", "a,b."] {
            assert!(list(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_list_is_read_again(
            lists in prop::collection::vec(prop::collection::vec(any::<String>(), 1..4), 0..4)
        ) {
            let paths: Vec<_> =
                lists.into_iter().map(|keys| FieldPath::from_keys(keys).unwrap()).collect();
            let text = FieldPath::print_list(&paths);
            prop_assert_eq!(FieldPath::parse_list(&text), Ok(paths));
        }

        #[test]
        fn printing_and_parsing_are_inverse(keys in prop::collection::vec(any::<String>(), 1..5)) {
            let path = FieldPath::from_keys(keys).unwrap();
            prop_assert_eq!(FieldPath::parse(&path.to_string()), Ok(path));
        }
    }
}
