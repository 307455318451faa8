//! `access.json` as a whole: whose tokens count, accounts, rates. What each part says is read where it is used.

use blaze_schema::error::Error;
use blaze_schema::value::Map;

/// The parts of the file.
const PARTS: [&str; 3] = ["issuers", "accounts", "rates"];

/// Reads the text of `access.json` into its parts, by their names.
///
/// # Errors
/// `invalid-argument` for what is not a JSON object, and for a part that is not known: a misspelled one would be off.
pub fn read(text: &str) -> Result<Map, Error> {
    let parts: Map = serde_json::from_str(text)
        .map_err(|error| Error::invalid(format!("access.json: not a JSON object: {error}")))?;
    match parts.keys().find(|name| !PARTS.contains(&name.as_str())) {
        None => Ok(parts),
        Some(name) => {
            let known = PARTS.join(", ");
            Err(Error::invalid(format!("access.json: {name:?} is unknown; there are {known}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_not_known_is_named() {
        assert!(read(r#"{"issuers":[],"accounts":{},"rates":{}}"#).is_ok());
        assert!(read("{}").is_ok());
        for (text, named) in [
            (r#"{"rate":{}}"#, "\"rate\""),
            (r#"{"Issuers":[]}"#, "\"Issuers\""),
            ("[]", "not a JSON object"),
            ("", "not a JSON object"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.detail.contains(named), "{text}: {error}");
        }
    }
}
