//! Conditional requests (RFC 9110 section 13): versions as entity tags.

use super::Headers;
use blaze_schema::error::Error;
use blaze_schema::write::{Precondition, Versions};

/// Headers that would change the meaning of a write, and are not understood. Ignored, they would let a write be done
/// that its sender did not want (RFC 9110 sections 13.1.4 and 14.5).
pub(super) const UNKNOWN: [(&str, &str); 2] = [
    ("If-Unmodified-Since", "it is not understood; If-Match takes versions"),
    ("Content-Range", "a part of a document is written by PATCH"),
];

/// Reads the conditions of a request, in the order in which they are checked (RFC 9110 section 13.2.2).
///
/// # Errors
/// `invalid-argument` for a header that is not a list of entity tags, and for one of a kind that is not understood.
pub fn preconditions(headers: &dyn Headers) -> Result<Vec<Precondition>, Error> {
    refuse(headers, &UNKNOWN)?;
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

/// Checks that a request has no conditions, if its resource has no versions; `instead` says why.
///
/// # Errors
/// `invalid-argument` naming the header.
pub fn no_preconditions(headers: &dyn Headers, instead: &str) -> Result<(), Error> {
    refuse(headers, &[("If-Match", instead), ("If-None-Match", instead)])?;
    refuse(headers, &UNKNOWN)
}

/// Refuses headers by their names; each has the rest of the sentence.
pub(super) fn refuse(headers: &dyn Headers, names: &[(&str, &str)]) -> Result<(), Error> {
    match names.iter().find(|(name, _)| headers.get(&name.to_ascii_lowercase()).is_some()) {
        None => Ok(()),
        Some((name, why)) => Err(Error::invalid(format!("{name}: {why}"))),
    }
}

/// The comparison of entity tags (RFC 9110 section 8.8.3.2): a weak tag never matches strongly.
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

    struct Only(&'static str);

    impl Headers for Only {
        fn get(&self, name: &str) -> Option<String> {
            (name == self.0).then(|| "\"1\"".to_owned())
        }
    }

    #[test]
    fn a_condition_that_is_not_understood_is_refused_by_name() {
        for (name, given) in
            [("If-Unmodified-Since", "if-unmodified-since"), ("Content-Range", "content-range")]
        {
            for refused in [
                preconditions(&Only(given)).map(|_| ()),
                no_preconditions(&Only(given), "there are no versions"),
            ] {
                let error = refused.unwrap_err();
                assert_eq!(error.status, 400);
                assert!(error.detail.starts_with(name), "{error}");
            }
        }
        for given in ["if-match", "if-none-match"] {
            assert!(preconditions(&Only(given)).is_ok());
            assert!(no_preconditions(&Only(given), "there are no versions").is_err());
        }
        assert_eq!(no_preconditions(&Only("prefer"), ""), Ok(()));
    }

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
