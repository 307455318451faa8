//! Writes that are done together: all of them, or none.

use crate::error::{Code, Error};
use crate::limits::COMMIT_WRITES;
use crate::path::DocumentPath;
use crate::value::Map;
use crate::write::Write;
use serde_json::{Value, json};

/// The part of a commit that is one document's.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The document.
    pub path: DocumentPath,
    /// Its writes, in order: what [`read`] takes.
    pub body: String,
    /// Their places among all writes of the commit, from 0.
    pub places: Vec<usize>,
}

/// Reads `{"writes":[…]}`, each as [`Write::from_json`] reads it.
///
/// # Errors
/// `invalid-argument` naming the write (`writes[2]: …`); `resource-exhausted` for more than [`COMMIT_WRITES`].
pub fn read(body: &[u8]) -> Result<Vec<Write>, Error> {
    writes_of(body)?.into_iter().enumerate().map(read_write).collect()
}

/// Checks a whole commit, and takes it apart by document, in the order in which they are named first.
///
/// # Errors
/// As [`read`].
pub fn split(body: &[u8]) -> Result<Vec<Part>, Error> {
    let mut parts: Vec<(DocumentPath, Vec<Value>, Vec<usize>)> = Vec::new();
    for (number, value) in writes_of(body)?.into_iter().enumerate() {
        let Write { path, .. } = read_write((number, value.clone()))?;
        match parts.iter_mut().find(|(there, ..)| *there == path) {
            Some((_, writes, places)) => {
                writes.push(value);
                places.push(number);
            }
            None => parts.push((path, vec![value], vec![number])),
        }
    }
    let part = |(path, writes, places)| Part { path, body: text_of(writes), places };
    Ok(parts.into_iter().map(part).collect())
}

/// The body of a commit of these writes.
pub(crate) fn text_of(writes: Vec<Value>) -> String {
    json!({"writes": Value::Array(writes)}).to_string()
}

fn read_write((number, value): (usize, Value)) -> Result<Write, Error> {
    Write::from_json(value, &format!("writes[{number}]"))
}

fn writes_of(body: &[u8]) -> Result<Vec<Value>, Error> {
    let mut commit: Map = serde_json::from_slice(body)
        .map_err(|error| Error::invalid(format!("body: no JSON object: {error}")))?;
    let Some(Value::Array(writes)) = commit.remove("writes") else {
        return Err(Error::invalid("body: a commit is {\"writes\": […]}"));
    };
    if let Some(key) = commit.keys().next() {
        return Err(Error::invalid(format!("body: the key {key:?} means nothing in a commit")));
    }
    if writes.len() > COMMIT_WRITES {
        let detail = format!("writes: {} of them, of {COMMIT_WRITES} at most", writes.len());
        return Err(Error::new(Code::ResourceExhausted, detail));
    }
    Ok(writes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::DOCUMENT_DEPTH;
    use crate::write::{Operation, Precondition};

    fn of(writes: &[Value]) -> Vec<u8> {
        json!({"writes": writes}).to_string().into_bytes()
    }

    #[test]
    fn a_commit_is_taken_apart_by_document_and_put_together_again() {
        let writes = [
            json!({"set": "a/1", "data": {"n": 1}, "ifVersion": 0}),
            json!({"update": "b/2", "data": {"x.y": true}}),
            json!({"delete": "a/1"}),
        ];
        let parts = split(&of(&writes)).unwrap();
        let paths: Vec<&str> = parts.iter().map(|part| part.path.as_str()).collect();
        assert_eq!(paths, ["a/1", "b/2"]);
        assert_eq!(
            parts.iter().map(|part| &part.places[..]).collect::<Vec<_>>(),
            [&[0, 2][..], &[1]]
        );
        let first = read(parts[0].body.as_bytes()).unwrap();
        assert_eq!(first[0].preconditions, [Precondition::IfVersion(0)]);
        assert_eq!(first[1].operation, Operation::Delete);
        assert_eq!(read(parts[1].body.as_bytes()).unwrap(), read(&of(&writes[1..2])).unwrap());
        assert_eq!(split(&of(&[])), Ok(Vec::new()));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let good = || json!({"delete": "a/1"});
        for (body, named) in [
            (b"[]".to_vec(), "body: no JSON object"),
            (b"{".to_vec(), "line 1 column 1"),
            (b"{}".to_vec(), "{\"writes\": […]}"),
            (br#"{"writes":{}}"#.to_vec(), "{\"writes\": […]}"),
            (br#"{"writes":[],"write":[]}"#.to_vec(), "\"write\""),
            (of(&[good(), json!({"set": "a/1"})]), "writes[1]: set needs \"data\""),
            (of(&[good(), good(), json!({"delete": "a"})]), "writes[2]: "),
            (of(&[json!({"set": "a/1", "data": {"$x": 1, "y": 2}})]), "writes[0]: data"),
        ] {
            let error = split(&body).unwrap_err();
            assert_eq!((error.code, error.status), (Code::InvalidArgument, 400), "{error}");
            assert!(error.detail.contains(named), "{error}");
            assert_eq!(read(&body), Err(error));
        }
    }

    #[test]
    fn a_commit_takes_the_deepest_document() {
        let nest = |value, _| json!({"a": value});
        let data = (1..DOCUMENT_DEPTH).fold(json!({"t": {"$number": "NaN"}}), nest);
        let parts = split(&of(&[json!({"set": "a/1", "data": data})])).unwrap();
        assert_eq!(read(parts[0].body.as_bytes()).map(|writes| writes.len()), Ok(1));
        let deeper = split(&of(&[json!({"set": "a/1", "data": {"a": data}})])).unwrap_err();
        assert!(deeper.detail.starts_with("writes[0]: data"), "{deeper}");
    }

    #[test]
    fn a_commit_has_so_many_writes() {
        let writes = vec![json!({"delete": "a/1"}); COMMIT_WRITES + 1];
        assert_eq!(read(&of(&writes[1..])).unwrap().len(), COMMIT_WRITES);
        let error = split(&of(&writes)).unwrap_err();
        assert_eq!((error.code, error.status), (Code::ResourceExhausted, 413));
    }
}
