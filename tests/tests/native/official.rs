//! Other people's test cases: RFC 6902's suite, RFC 7396's appendix, Firestore's conformance tests.

use blaze_engine::document::{Answer, Document, Effect, Event};
use blaze_schema::error::Code;
use blaze_schema::path::DocumentPath;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::value::Map;
use blaze_schema::write::{Operation, Write};
use blaze_schema::{Error, patch};
use blaze_store::memory::MemoryStore;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;

/// The key under which a document stands that is no object, as a Blaze document must be.
const WRAPPED: &str = "wrapped";

/// Cases of the suite that say nothing about an implementation, and why. They are disabled in the suite itself.
const NOT_CASES: [(&str, &str); 2] = [
    ("duplicate ops", "a key given twice: RFC 8259 leaves to the parser which one counts"),
    ("A.13 Invalid JSON Patch Document", "the same; what is left of it here is another case"),
];

/// One case of `json-patch-test-suite`.
#[derive(Deserialize)]
struct PatchCase {
    #[serde(default)]
    comment: String,
    doc: Value,
    patch: Value,
    expected: Option<Value>,
    error: Option<String>,
    #[serde(default)]
    disabled: bool,
}

fn suite(file: &str) -> Vec<PatchCase> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../node_modules/json-patch-test-suite")
        .join(file);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| {
        panic!(
            "{}: {error}. It is the npm package json-patch-test-suite, which `cargo xtask test` installs",
            file.display()
        )
    });
    serde_json::from_str(&text).unwrap()
}

/// The operations, their paths leading to where the document is wrapped.
fn rerooted(patch: &Value) -> Value {
    let mut patch = patch.clone();
    for operation in patch.as_array_mut().unwrap() {
        for key in ["path", "from"] {
            if let Some(Value::String(path)) = operation.get_mut(key) {
                path.insert_str(0, &format!("/{WRAPPED}"));
            }
        }
    }
    patch
}

fn wrapped(document: &Value) -> Map {
    Map::from_iter([(WRAPPED.to_owned(), document.clone())])
}

fn check_patch(case: &PatchCase, document: &Map, operations: Value, expected: Option<&Map>) {
    let result = patch::parse(operations)
        .and_then(|patch| patch::apply(document.clone(), &patch, &mut Default::default()));
    match (&case.error, result) {
        (Some(_), Err(error)) => assert!(
            matches!(error.code, Code::InvalidArgument | Code::FailedPrecondition),
            "{:?}: {error}",
            case.comment
        ),
        // A case without `expected` is of tests only.
        (None, Ok(result)) => {
            assert_eq!(&result, expected.unwrap_or(document), "{:?}", case.comment);
        }
        (_, result) => panic!("{:?}: {} gave {result:?}", case.comment, case.patch),
    }
}

#[test]
fn json_patch_is_rfc_6902s() {
    let (mut counted, mut left_out, mut at_root) = (0, Vec::new(), 0);
    for case in suite("tests.json").into_iter().chain(suite("spec_tests.json")) {
        counted += 1;
        if NOT_CASES.iter().any(|(comment, _)| *comment == case.comment) {
            assert!(case.disabled);
            left_out.push(case.comment);
            continue;
        }
        let expected = case.expected.as_ref().map(wrapped);
        check_patch(&case, &wrapped(&case.doc), rerooted(&case.patch), expected.as_ref());
        if let (Value::Object(document), None | Some(Value::Object(_))) =
            (&case.doc, &case.expected)
        {
            at_root += 1;
            let expected = case.expected.as_ref().and_then(Value::as_object);
            check_patch(&case, document, case.patch.clone(), expected);
        }
    }
    assert_eq!((counted, left_out.len()), (95, NOT_CASES.len()), "{left_out:?}");
    assert_eq!(at_root, 63, "cases that need no wrapping");
}

/// One line of RFC 7396, appendix A.
#[derive(Deserialize)]
struct MergeCase {
    original: Value,
    patch: Value,
    result: Value,
}

fn merge_patched(original: &Map, patch: &Map) -> Value {
    let operation = Operation::merge_patch(Value::Object(patch.clone())).unwrap();
    operation.apply(Some(original), now()).unwrap().map_or(Value::Null, Value::Object)
}

#[test]
fn merge_patch_is_rfc_7396s() {
    let cases: Vec<MergeCase> =
        serde_json::from_str(include_str!("../../data/rfc7396_appendix_a.json")).unwrap();
    assert_eq!(cases.len(), 15);
    let mut at_root = 0;
    for MergeCase { original, patch, result } in cases {
        // Of the patch `null` the RFC says that the whole becomes null; inside an object that means: removed.
        let inside = if result.is_null() { json!({}) } else { json!({ WRAPPED: result }) };
        assert_eq!(merge_patched(&wrapped(&original), &wrapped(&patch)), inside, "{patch}");
        match (&original, &patch) {
            (Value::Object(original), Value::Object(fields)) => {
                at_root += 1;
                assert_eq!(merge_patched(original, fields), result, "{patch}");
            }
            (_, Value::Object(_)) => {}
            // A document is an object, so the patch of a whole document is one.
            _ => assert!(Operation::merge_patch(patch).is_err()),
        }
    }
    assert_eq!(at_root, 10, "cases that need no wrapping");
}

/// What Firestore does, as data.
#[derive(Deserialize)]
struct Firestore {
    cases: Vec<WriteCase>,
    deviations: Vec<WriteCase>,
}

/// One write to one document.
#[derive(Deserialize)]
struct WriteCase {
    name: String,
    operation: String,
    data: Value,
    before: Value,
    /// The data afterwards; `null` when the document does not exist. Absent when the write is refused.
    #[serde(default, deserialize_with = "present")]
    after: Option<Value>,
    error: Option<Code>,
    /// What Firestore says, where Blaze does something else.
    firestore: Option<Code>,
    why: Option<String>,
}

/// Tells `null` from nothing.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn now() -> Timestamp {
    Timestamp::parse("2026-11-21T10:00:00Z").unwrap()
}

/// A document's object, asked through its events.
struct Object {
    document: Document,
    store: MemoryStore,
}

impl Object {
    fn answer(&mut self, event: Event) -> Answer {
        let effects = self.document.handle(&mut self.store, now(), 7, event);
        let answer = |effect: &Effect| match effect {
            Effect::Answer(answer) => Some(answer.clone()),
            _ => None,
        };
        effects.iter().find_map(answer).unwrap_or_else(|| panic!("{effects:?}"))
    }

    fn write(&mut self, write: Value) -> Result<(), Error> {
        let Write { operation, preconditions, .. } = Write::from_json(write, "write")?;
        let event = Event::Write { operation, preconditions, idempotency: None, return_data: true };
        match self.answer(event) {
            Answer::Refused(error) => Err(error),
            _ => Ok(()),
        }
    }

    /// The data as text, so that 1 and 1.0 are two things; `null` when the document does not exist.
    fn data(&mut self) -> String {
        match self.answer(Event::Get { preconditions: Vec::new() }) {
            Answer::Found { body, .. } => {
                serde_json::from_str::<Value>(&body).unwrap()["data"].to_string()
            }
            Answer::Missing { .. } => "null".to_owned(),
            other => panic!("{other:?}"),
        }
    }
}

fn check_write(case: &WriteCase) {
    let path = "C/d";
    let document = Document::new(DocumentPath::parse(path).unwrap());
    let mut object = Object { document, store: MemoryStore::default() };
    if !case.before.is_null() {
        object.write(json!({"set": path, "data": case.before})).unwrap();
    }
    let mut write = json!({ &case.operation: path });
    if case.operation != "delete" {
        write["data"] = case.data.clone();
    }
    let (code, data) = (object.write(write).map_err(|error| error.code).err(), object.data());
    assert_eq!(code, case.error, "{}", case.name);
    let expected = case.after.as_ref().unwrap_or(&case.before);
    assert_eq!(data, expected.to_string(), "{}", case.name);
    assert_eq!(case.after.is_none(), case.error.is_some(), "{}: say one of both", case.name);
}

#[test]
fn writes_are_firestores() {
    let firestore: Firestore =
        serde_json::from_str(include_str!("../../data/firestore_writes.json")).unwrap();
    assert!(firestore.cases.len() >= 60, "{} cases", firestore.cases.len());
    for case in &firestore.cases {
        check_write(case);
        assert!(case.firestore.is_none() && case.why.is_none(), "{}", case.name);
    }
    for case in &firestore.deviations {
        check_write(case);
        assert!(case.why.is_some() && case.firestore != case.error, "{}", case.name);
    }
}
