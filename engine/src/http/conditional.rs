//! Conditional requests (RFC 9110 section 13): versions as entity tags.

use super::Headers;
use blaze_schema::error::Error;
use blaze_schema::write::{Precondition, Versions};

/// The conditions of a request, in the order in which they are checked (RFC 9110 section 13.2.2).
///
/// # Errors
/// `invalid-argument` for a header that is no list of entity tags.
pub fn preconditions(headers: &dyn Headers) -> Result<Vec<Precondition>, Error> {
    let mut preconditions = Vec::new();
    if let Some(value) = headers.get("if-match") {
        preconditions.push(Precondition::IfMatch(versions(
            "If-Match",
            &value,
            Comparison::Strong,
        )?));
    }
    if let Some(value) = headers.get("if-none-match") {
        preconditions.push(Precondition::IfNoneMatch(versions(
            "If-None-Match",
            &value,
            Comparison::Weak,
        )?));
    }
    Ok(preconditions)
}

/// How entity tags are compared (RFC 9110 section 8.8.3.2): a weak tag never matches strongly.
#[derive(Clone, Copy, PartialEq)]
enum Comparison {
    Strong,
    Weak,
}

/// Reads `*` or `"1", W/"2"`. A well-formed tag that is no version matches nothing.
fn versions(name: &str, value: &str, comparison: Comparison) -> Result<Versions, Error> {
    if value.trim() == "*" {
        return Ok(Versions::Any);
    }
    let malformed = || {
        Error::invalid(format!("{name}: {value:?} is neither * nor a list of versions in quotes"))
    };
    let mut versions = Vec::new();
    for tag in value.split(',') {
        let tag = tag.trim();
        let (weak, quoted) = match tag.strip_prefix("W/") {
            Some(quoted) => (true, quoted),
            None => (false, tag),
        };
        let opaque = quoted
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .ok_or_else(malformed)?;
        if opaque.contains('"') {
            return Err(malformed());
        }
        let counts = !weak || comparison == Comparison::Weak;
        if let (true, Ok(version)) = (counts, opaque.parse()) {
            versions.push(version);
        }
    }
    Ok(Versions::Of(versions))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entity_tags_are_versions_in_quotes() {
        let strong = |value| versions("If-Match", value, Comparison::Strong);
        assert_eq!(strong("*"), Ok(Versions::Any));
        assert_eq!(strong("\"3\""), Ok(Versions::Of(vec![3])));
        assert_eq!(strong("\"3\" , W/\"4\",\"x\""), Ok(Versions::Of(vec![3])));
        assert_eq!(
            versions("If-None-Match", "W/\"4\"", Comparison::Weak),
            Ok(Versions::Of(vec![4]))
        );
        for bad in ["", "3", "\"3", "\"3\"\"", "w/\"3\"", "\"3\","] {
            assert_eq!(strong(bad).map_err(|error| error.status), Err(400), "{bad}");
        }
    }
}
