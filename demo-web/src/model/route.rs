//! The document that a page's address names: `#countries/FRA`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stays readable in the address.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// The path that the address's fragment names, if any.
pub(crate) fn path_of(hash: &str) -> Option<String> {
    let encoded = hash.strip_prefix('#').unwrap_or(hash);
    let path = percent_decode_str(encoded).decode_utf8_lossy().into_owned();
    (!path.is_empty()).then_some(path)
}

/// The fragment that names the document at `path`.
pub(crate) fn hash_of(path: &str) -> String {
    format!("#{}", utf8_percent_encode(path, ENCODED))
}

/// The URL's path of the document's resource.
pub(crate) fn resource_of(path: &str) -> String {
    format!("/v1/docs/{}", utf8_percent_encode(path, ENCODED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_survive_the_address() {
        for path in ["countries/FRA", "a b/ü#?%2F", "x/y/z/1"] {
            assert_eq!(path_of(&hash_of(path)).as_deref(), Some(path));
        }
        assert_eq!(hash_of("countries/FRA"), "#countries/FRA");
        assert_eq!(resource_of("a b/c"), "/v1/docs/a%20b/c");
    }

    #[test]
    fn an_empty_fragment_names_nothing() {
        assert_eq!((path_of(""), path_of("#")), (None, None));
    }
}
