//! Where a document or a collection is: `collection/id[/collection/id…]`.

use crate::error::Error;
use crate::limits::{ID_BYTES, PATH_BYTES, PATH_SEGMENTS};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::fmt;

/// What stays readable in a URL's path: RFC 3986 unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The path of a document: an even number of segments, such as `users/alice`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentPath(String);

/// The path of a collection: an odd number of segments, such as `users` or `rooms/1/messages`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CollectionPath(String);

/// A path of either kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path {
    /// An even number of segments.
    Document(DocumentPath),
    /// An odd number of segments.
    Collection(CollectionPath),
}

impl Path {
    /// Reads `a/b/c`, its segments taken as they are.
    ///
    /// # Errors
    /// `invalid-argument` for an id that [`check_id`] refuses and a path that is too long or too deep.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > PATH_BYTES {
            return Err(Error::invalid(format!(
                "path: {} bytes, of {PATH_BYTES} at most",
                text.len()
            )));
        }
        let mut count = 0_usize;
        for segment in text.split('/') {
            count = count.saturating_add(1);
            check_id(segment)?;
        }
        if count > PATH_SEGMENTS {
            return Err(Error::invalid(format!(
                "path: {count} segments, of {PATH_SEGMENTS} at most"
            )));
        }
        if count.is_multiple_of(2) {
            Ok(Path::Document(DocumentPath(text.to_owned())))
        } else {
            Ok(Path::Collection(CollectionPath(text.to_owned())))
        }
    }

    /// Reads the same from a URL's path: every segment is percent-decoded, once.
    ///
    /// # Errors
    /// Also for `%` that is not followed by two hexadecimal digits, and for bytes that are not UTF-8.
    pub fn parse_url(text: &str) -> Result<Self, Error> {
        if !text.contains('%') {
            return Path::parse(text);
        }
        let mut decoded = String::with_capacity(text.len());
        for (number, segment) in text.split('/').enumerate() {
            if number > 0 {
                decoded.push('/');
            }
            let segment = decode_segment(segment)?;
            if segment.contains('/') {
                return Err(Error::invalid(format!("path: the id {segment:?} holds a '/'")));
            }
            decoded.push_str(&segment);
        }
        Path::parse(&decoded)
    }
}

/// One percent-decoded segment.
fn decode_segment(segment: &str) -> Result<String, Error> {
    let mut rest = segment.split('%');
    rest.next();
    for after in rest {
        let mut digits = after.bytes().take(2);
        let two = (digits.next(), digits.next());
        if !matches!(two, (Some(a), Some(b)) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()) {
            return Err(Error::invalid(format!(
                "path: '%' without two hexadecimal digits in {segment:?}"
            )));
        }
    }
    match percent_decode_str(segment).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => {
            Err(Error::invalid(format!("path: {segment:?} is not UTF-8 when percent-decoded")))
        }
    }
}

/// Whether `id` may name a document or a collection: 1–1,500 bytes, no `/`, not `.` or `..`, not `__.*__`
/// (Firestore: "Constraints on document IDs").
///
/// # Errors
/// `invalid-argument`, naming the rule.
pub fn check_id(id: &str) -> Result<(), Error> {
    if id.is_empty() {
        return Err(Error::invalid("path: an id is empty"));
    }
    if id.len() > ID_BYTES {
        return Err(Error::invalid(format!(
            "path: an id of {} bytes, of {ID_BYTES} at most",
            id.len()
        )));
    }
    if id.contains('/') {
        return Err(Error::invalid(format!("path: the id {id:?} holds a '/'")));
    }
    if id == "." || id == ".." {
        return Err(Error::invalid(format!("path: {id:?} is no id")));
    }
    if id.len() >= 4 && id.starts_with("__") && id.ends_with("__") {
        return Err(Error::invalid(format!("path: the id {id:?} is reserved (__.*__)")));
    }
    Ok(())
}

/// `text` with every segment percent-encoded for a URL's path.
fn encode(text: &str) -> String {
    let mut url = String::with_capacity(text.len());
    for (number, segment) in text.split('/').enumerate() {
        if number > 0 {
            url.push('/');
        }
        url.extend(utf8_percent_encode(segment, ENCODED));
    }
    url
}

impl DocumentPath {
    /// Reads a document's path.
    ///
    /// # Errors
    /// As [`Path::parse`], and `invalid-argument` for the path of a collection.
    pub fn parse(text: &str) -> Result<Self, Error> {
        match Path::parse(text)? {
            Path::Document(path) => Ok(path),
            Path::Collection(path) => Err(Error::invalid(format!(
                "path: {:?} names a collection, not a document",
                path.as_str()
            ))),
        }
    }

    /// The path, segments joined by `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The document's id: the last segment.
    pub fn id(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(_, id)| id)
    }

    /// The collection that the document is in.
    pub fn collection(&self) -> CollectionPath {
        CollectionPath(self.0.rsplit_once('/').map_or("", |(collection, _)| collection).to_owned())
    }

    /// The collection `id` under this document.
    ///
    /// # Errors
    /// As [`Path::parse`].
    pub fn child(&self, id: &str) -> Result<CollectionPath, Error> {
        CollectionPath::parse(&format!("{}/{id}", self.0))
    }

    /// The path as it stands in a URL.
    pub fn to_url(&self) -> String {
        encode(&self.0)
    }
}

impl CollectionPath {
    /// Reads a collection's path.
    ///
    /// # Errors
    /// As [`Path::parse`], and `invalid-argument` for the path of a document.
    pub fn parse(text: &str) -> Result<Self, Error> {
        match Path::parse(text)? {
            Path::Collection(path) => Ok(path),
            Path::Document(path) => Err(Error::invalid(format!(
                "path: {:?} names a document, not a collection",
                path.as_str()
            ))),
        }
    }

    /// The path, segments joined by `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The collection's id: the last segment.
    pub fn id(&self) -> &str {
        self.0.rsplit_once('/').map_or(self.0.as_str(), |(_, id)| id)
    }

    /// The document `id` in this collection.
    ///
    /// # Errors
    /// As [`Path::parse`], also when `id` holds a `/`.
    pub fn child(&self, id: &str) -> Result<DocumentPath, Error> {
        check_id(id)?;
        DocumentPath::parse(&format!("{}/{id}", self.0))
    }

    /// The path as it stands in a URL.
    pub fn to_url(&self) -> String {
        encode(&self.0)
    }
}

impl fmt::Display for DocumentPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for CollectionPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_number_of_segments_is_a_document_and_an_odd_one_a_collection() {
        assert!(matches!(Path::parse("users"), Ok(Path::Collection(_))));
        assert!(matches!(Path::parse("users/alice"), Ok(Path::Document(_))));
        assert!(matches!(Path::parse("users/alice/notes"), Ok(Path::Collection(_))));
        let path = DocumentPath::parse("users/alice/notes/1").unwrap();
        assert_eq!(
            (path.id(), path.collection().as_str(), path.collection().id()),
            ("1", "users/alice/notes", "notes")
        );
    }

    #[test]
    fn ids_follow_firestores_rules() {
        for good in ["a", "…", "__a", "a__", "___", " ", "a%b", "-", "...", &"x".repeat(1500)] {
            assert!(check_id(good).is_ok(), "{good:?}");
        }
        for bad in ["", ".", "..", "____", "__a__", "a/b", &"x".repeat(1501), &"é".repeat(751)] {
            assert!(check_id(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_url_is_decoded_once_per_segment() {
        let decoded = |url: &str| match Path::parse_url(url) {
            Ok(Path::Document(path)) => Ok(path.0),
            other => Err(format!("{other:?}")),
        };
        assert_eq!(decoded("users/a%20b").unwrap(), "users/a b");
        assert_eq!(decoded("users/a%2520b").unwrap(), "users/a%20b");
        assert_eq!(decoded("users/%C3%A9").unwrap(), "users/é");
        for bad in [
            "users/a%2Fb",
            "users/%",
            "users/%4",
            "users/%zz",
            "users/%C3",
            "users/%2e",
            "users//a",
        ] {
            assert!(decoded(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_path_survives_its_url() {
        let path = DocumentPath::parse("a b/é%20?#[]").unwrap();
        assert_eq!(Path::parse_url(&path.to_url()), Ok(Path::Document(path)));
    }

    #[test]
    fn length_and_depth_are_limited() {
        let deep = |segments: usize| vec!["a"; segments].join("/");
        assert!(Path::parse(&deep(PATH_SEGMENTS)).is_ok());
        assert!(Path::parse(&deep(PATH_SEGMENTS + 1)).is_err());
        let long = |bytes: usize| {
            let mut path = vec!["a".repeat(1_022); 6].join("/");
            path.push('/');
            path.push_str(&"b".repeat(bytes - path.len()));
            path
        };
        assert!(Path::parse(&long(PATH_BYTES)).is_ok());
        assert!(Path::parse(&long(PATH_BYTES + 1)).is_err());
    }
}
