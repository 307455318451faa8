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
            let simple = !key.is_empty() && !key.contains(['.', '`', '\\']);
            if simple {
                f.write_str(key)?;
            } else {
                write!(f, "`{}`", key.replace('\\', "\\\\").replace('`', "\\`"))?;
            }
        }
        Ok(())
    }
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

    proptest! {
        #[test]
        fn printing_and_parsing_are_inverse(keys in prop::collection::vec(any::<String>(), 1..5)) {
            let path = FieldPath::from_keys(keys).unwrap();
            prop_assert_eq!(FieldPath::parse(&path.to_string()), Ok(path));
        }
    }
}
