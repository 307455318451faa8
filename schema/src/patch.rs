//! JSON Patch (RFC 6902): the difference between two states of a document, and its application.

use crate::error::{Code, Error};
use crate::limits::{DOCUMENT_DEPTH, PATCH_OPERATIONS};
use crate::spent::{Spent, text_bytes};
use crate::value::{Map, Transforms, as_plain_map, check_value, depth, dollar_entry};
use crate::value_order::equal;
use json_patch::jsonptr::{Pointer, PointerBuf};
use json_patch::{
    AddOperation, CopyOperation, MoveOperation, PatchErrorKind, PatchOperation, RemoveOperation,
    ReplaceOperation, TestOperation, patch_unsafe,
};
use serde_json::Value;
use std::slice;

pub use json_patch::Patch;

/// Reads a list of RFC 6902 operations, their values in canonical form.
///
/// # Errors
/// As [`read`]; also for a value that fits into no document.
pub fn parse(operations: Value) -> Result<Patch, Error> {
    let mut patch = read(operations)?;
    for (number, operation) in patch.0.iter_mut().enumerate() {
        if let PatchOperation::Add(AddOperation { value, .. })
        | PatchOperation::Replace(ReplaceOperation { value, .. }) = operation
        {
            check_value(value, Transforms::Refused, &format!("operations[{number}].value"))?;
        }
    }
    Ok(patch)
}

/// Reads a list of RFC 6902 operations. By hand: what serde derives for it would be a tenth of the client's wasm.
///
/// # Errors
/// `invalid-argument` naming the operation (`operations[2]: …`); `resource-exhausted` for more than
/// [`PATCH_OPERATIONS`].
pub fn read(operations: Value) -> Result<Patch, Error> {
    let Value::Array(operations) = operations else {
        return Err(Error::invalid(
            "operations: a JSON Patch is an array of operations (RFC 6902)",
        ));
    };
    if operations.len() > PATCH_OPERATIONS {
        let detail =
            format!("operations: {} of them, of {PATCH_OPERATIONS} at most", operations.len());
        return Err(Error::new(Code::ResourceExhausted, detail));
    }
    let mut patch = Patch(Vec::with_capacity(operations.len()));
    for (number, operation) in operations.into_iter().enumerate() {
        let operation = read_operation(operation)
            .map_err(|reason| Error::invalid(format!("operations[{number}]: {reason}")))?;
        patch.0.push(operation);
    }
    Ok(patch)
}

/// Reads one operation; members that it does not have are left alone (RFC 6902 section 4).
fn read_operation(operation: Value) -> Result<PatchOperation, String> {
    let Value::Object(mut fields) = operation else { return Err("not an object".to_owned()) };
    let path = pointer(&fields, "path")?;
    let name = text(&fields, "op")?.to_owned();
    let mut value = || fields.remove("value").ok_or_else(|| "\"value\" is missing".to_owned());
    match name.as_str() {
        "add" => Ok(PatchOperation::Add(AddOperation { path, value: value()? })),
        "replace" => Ok(PatchOperation::Replace(ReplaceOperation { path, value: value()? })),
        "test" => Ok(PatchOperation::Test(TestOperation { path, value: value()? })),
        "remove" => Ok(PatchOperation::Remove(RemoveOperation { path })),
        "move" => Ok(PatchOperation::Move(MoveOperation { from: pointer(&fields, "from")?, path })),
        "copy" => Ok(PatchOperation::Copy(CopyOperation { from: pointer(&fields, "from")?, path })),
        other => Err(format!("{other:?} is no operation of RFC 6902")),
    }
}

fn text<'a>(fields: &'a Map, key: &str) -> Result<&'a str, String> {
    match fields.get(key) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(format!("{key:?} is not a string")),
        None => Err(format!("{key:?} is missing")),
    }
}

fn pointer(fields: &Map, key: &str) -> Result<PointerBuf, String> {
    let text = text(fields, key)?;
    PointerBuf::parse(text).map_err(|_| format!("{key:?}: {text:?} is no JSON Pointer (RFC 6901)"))
}

/// Applies `patch` to a document's data.
///
/// # Errors
/// `failed-precondition` for a `test` that fails and a path that leads nowhere; `invalid-argument` when the result is
/// no valid document or a value is moved into itself; `resource-exhausted` for copies beyond [`PATCH_COPY_BYTES`].
/// Each names the operation.
pub fn apply(data: Map, patch: &Patch, spent: &mut Spent) -> Result<Map, Error> {
    let mut document = Value::Object(data);
    spent.operate(patch.0.len())?;
    for (number, operation) in patch.0.iter().enumerate() {
        let place = |reason: &str| {
            format!("operations[{number}] at {:?}: {reason}", operation.path().as_str())
        };
        let growth = Growth::of(operation, &document);
        let carried = spent.carry(growth.copied_bytes, growth.moved_bytes);
        carried.map_err(|error| Error { detail: place(&error.detail), ..error })?;
        if growth.depth > DOCUMENT_DEPTH {
            return Err(Error::invalid(place(&format!(
                "nests more than {DOCUMENT_DEPTH} levels deep"
            ))));
        }
        apply_one(&mut document, operation).map_err(|kind| match kind {
            PatchErrorKind::CannotMoveInsideItself => {
                Error::invalid(place("a value cannot move into itself"))
            }
            PatchErrorKind::TestFailed => {
                Error::new(Code::FailedPrecondition, place("test failed: the value is another one"))
            }
            PatchErrorKind::InvalidFromPointer => {
                Error::new(Code::FailedPrecondition, place("nothing is at \"from\""))
            }
            _ => Error::new(Code::FailedPrecondition, place("the path leads nowhere")),
        })?;
    }
    crate::value::check_data(document, Transforms::Refused, "the patched document")
}

/// What one operation would carry, and how deep the document would be where it puts it.
#[derive(Default)]
struct Growth {
    copied_bytes: usize,
    moved_bytes: usize,
    depth: usize,
}

impl Growth {
    fn of(operation: &PatchOperation, document: &Value) -> Self {
        let nested = |path: &Pointer, value: Option<&Value>| {
            path.count().saturating_add(value.map_or(0, depth))
        };
        match operation {
            PatchOperation::Add(AddOperation { path, value })
            | PatchOperation::Replace(ReplaceOperation { path, value }) => {
                Growth { depth: nested(path, Some(value)), ..Growth::default() }
            }
            PatchOperation::Move(MoveOperation { from, path }) => {
                let source = document.pointer(from.as_str());
                let moved_bytes = source.map_or(0, text_bytes);
                Growth { moved_bytes, depth: nested(path, source), ..Growth::default() }
            }
            PatchOperation::Copy(CopyOperation { from, path }) => {
                let source = document.pointer(from.as_str());
                let copied_bytes = source.map_or(0, text_bytes);
                Growth { copied_bytes, depth: nested(path, source), ..Growth::default() }
            }
            PatchOperation::Remove(_) | PatchOperation::Test(_) => Growth::default(),
        }
    }
}

fn apply_one(document: &mut Value, operation: &PatchOperation) -> Result<(), PatchErrorKind> {
    if let PatchOperation::Test(test) = operation {
        // RFC 6902 section 4.6: numbers are equal when they are numerically equal, which serde_json's are not.
        let there = document.pointer(test.path.as_str()).ok_or(PatchErrorKind::InvalidPointer)?;
        return if equal(there, &test.value) { Ok(()) } else { Err(PatchErrorKind::TestFailed) };
    }
    patch_unsafe(document, slice::from_ref(operation)).map_err(|error| error.kind)
}

/// Applies a patch that the server sent to the state it was made from. No limits are checked: the server did.
///
/// # Errors
/// `internal` when the patch does not fit, which means that the state is not the one it was made from.
pub fn apply_trusted(state: &mut Value, patch: &Patch) -> Result<(), Error> {
    patch_unsafe(state, &patch.0).map_err(|_| Error::internal("the patch does not fit the state"))
}

/// Whether two values have the same text. serde_json's `0.0` equals its `-0.0`, but a read tells them apart.
fn same(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::Number(old), Value::Number(new)) => {
            let negative = |number: &serde_json::Number| number.as_f64().map(f64::is_sign_negative);
            old == new && negative(old) == negative(new)
        }
        (Value::Array(old), Value::Array(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same(old, new))
        }
        (Value::Object(old), Value::Object(new)) => {
            old.len() == new.len()
                && old
                    .iter()
                    .zip(new)
                    .all(|((old_key, old), (new_key, new))| old_key == new_key && same(old, new))
        }
        _ => old == new,
    }
}

/// A patch that turns `old` into `new`: operations only where they differ, none when they are the same. A typed value
/// is replaced as a whole. An array is compared from both ends, so that an insertion or a removal is one operation.
pub fn diff(old: &Value, new: &Value) -> Patch {
    let mut differ = Differ { path: PointerBuf::new(), patch: Vec::new() };
    differ.compare(old, new);
    Patch(differ.patch)
}

struct Differ {
    path: PointerBuf,
    patch: Vec<PatchOperation>,
}

impl Differ {
    fn compare(&mut self, old: &Value, new: &Value) {
        match (old, new) {
            (Value::Object(old_map), Value::Object(new_map)) => {
                if as_plain_map(old).is_some() && dollar_entry(new_map).is_none() {
                    self.compare_maps(old_map, new_map);
                } else if !same(old, new) {
                    self.replace(new);
                }
            }
            (Value::Array(old), Value::Array(new)) => self.compare_arrays(old, new),
            _ if same(old, new) => {}
            _ => self.replace(new),
        }
    }

    fn compare_maps(&mut self, old: &Map, new: &Map) {
        for (key, old_value) in old {
            match new.get(key) {
                Some(new_value) => self.inside(key, |differ| differ.compare(old_value, new_value)),
                None => self.inside(key, Differ::remove),
            }
        }
        for (key, value) in new {
            if !old.contains_key(key) {
                self.inside(key, |differ| differ.add(value));
            }
        }
    }

    fn compare_arrays(&mut self, old: &[Value], new: &[Value]) {
        let head = old.iter().zip(new).take_while(|(old, new)| same(old, new)).count();
        let (old_rest, new_rest) =
            (old.get(head..).unwrap_or_default(), new.get(head..).unwrap_or_default());
        let tail = old_rest
            .iter()
            .rev()
            .zip(new_rest.iter().rev())
            .take_while(|(old, new)| same(old, new))
            .count();
        let old_middle = old_rest.get(..old_rest.len().saturating_sub(tail)).unwrap_or_default();
        let new_middle = new_rest.get(..new_rest.len().saturating_sub(tail)).unwrap_or_default();
        let shared = old_middle.len().min(new_middle.len());
        let at = |offset: usize| head.saturating_add(offset).to_string();
        for (offset, (old, new)) in old_middle.iter().zip(new_middle).enumerate() {
            self.inside(&at(offset), |differ| differ.compare(old, new));
        }
        // From the last one down, so that the places of the others stay as they were.
        for offset in (shared..old_middle.len()).rev() {
            self.inside(&at(offset), Differ::remove);
        }
        for (offset, value) in new_middle.iter().enumerate().skip(shared) {
            self.inside(&at(offset), |differ| differ.add(value));
        }
    }

    fn inside(&mut self, key: &str, visit: impl FnOnce(&mut Self)) {
        self.path.push_back(key);
        visit(self);
        self.path.pop_back();
    }

    fn add(&mut self, value: &Value) {
        let operation = AddOperation { path: self.path.clone(), value: value.clone() };
        self.patch.push(PatchOperation::Add(operation));
    }

    fn replace(&mut self, value: &Value) {
        let operation = ReplaceOperation { path: self.path.clone(), value: value.clone() };
        self.patch.push(PatchOperation::Replace(operation));
    }

    fn remove(&mut self) {
        self.patch.push(PatchOperation::Remove(RemoveOperation { path: self.path.clone() }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{DOCUMENT_BYTES, PATCH_MOVE_BYTES};
    use proptest::prelude::*;
    use serde_json::json;

    fn operations(old: Value, new: Value) -> Value {
        serde_json::to_value(diff(&old, &new)).unwrap()
    }

    #[test]
    fn a_diff_names_only_what_changed() {
        assert_eq!(operations(json!({"a": 1, "b": 2}), json!({"a": 1, "b": 2})), json!([]));
        assert_eq!(
            operations(
                json!({"a": {"b": 1, "c": 2}, "d": 3}),
                json!({"a": {"b": 1, "c": 4}, "e": null})
            ),
            json!([
                {"op": "replace", "path": "/a/c", "value": 4},
                {"op": "remove", "path": "/d"},
                {"op": "add", "path": "/e", "value": null}
            ])
        );
        assert_eq!(
            operations(json!({"a": [1, 2, 3, 4]}), json!({"a": [1, 9, 2, 3, 4]})),
            json!([{"op": "add", "path": "/a/1", "value": 9}])
        );
        assert_eq!(
            operations(json!({"a": [1, 2, 3, 4]}), json!({"a": [1, 4]})),
            json!([{"op": "remove", "path": "/a/2"}, {"op": "remove", "path": "/a/1"}])
        );
        assert_eq!(
            operations(json!({"a": 1}), json!({"a": 1.0})),
            json!([{"op": "replace", "path": "/a", "value": 1.0}])
        );
        for (old, new) in [
            (json!({"a": 0.0}), json!({"a": -0.0})),
            (json!({"a": [0.0]}), json!({"a": [-0.0]})),
            (json!({"a": [[0.0]]}), json!({"a": [[-0.0], 1]})),
            (json!({"$geopoint": [0, 0.5]}), json!({"$geopoint": [-0.0, 0.5]})),
        ] {
            let mut state = old.clone();
            apply_trusted(&mut state, &diff(&old, &new)).unwrap();
            assert_eq!(state.to_string(), new.to_string(), "equal, and not the same");
        }
        assert_eq!(
            operations(
                json!({"t": {"$timestamp": "2026-11-21T10:00:00Z"}}),
                json!({"t": {"$ref": "a/b"}})
            ),
            json!([{"op": "replace", "path": "/t", "value": {"$ref": "a/b"}}])
        );
    }

    #[test]
    fn one_field_of_a_large_document_is_one_operation() {
        let fields: Map =
            (0..2_000).map(|n| (format!("field{n}"), json!("x".repeat(40)))).collect();
        let mut changed = fields.clone();
        changed.insert("field1234".to_owned(), json!("y"));
        let old = Value::Object(fields);
        assert!(serde_json::to_string(&old).unwrap().len() > 100_000);
        assert_eq!(diff(&old, &Value::Object(changed)).0.len(), 1);
    }

    #[test]
    fn operations_are_read_as_rfc_6902_writes_them() {
        let all = json!([
            {"op": "add", "path": "/a~1b", "value": null},
            {"op": "remove", "path": ""},
            {"op": "replace", "path": "/a/0", "value": {"$ref": "a/b"}},
            {"op": "move", "from": "/a", "path": "/b"},
            {"op": "copy", "from": "/a", "path": "/b"},
            {"op": "test", "path": "/a", "value": [1]},
        ]);
        let patch = read(all.clone()).unwrap();
        assert_eq!(
            serde_json::from_value(all.clone()).ok(),
            Some(patch.clone()),
            "as serde reads it"
        );
        assert_eq!(serde_json::to_value(&patch).unwrap(), all);
        assert!(parse(json!([{"op": "remove", "path": "/a", "value": 1, "x": 2}])).is_ok());
        for operation in [
            json!(1),
            json!({}),
            json!({"op": "add", "path": "/a"}),
            json!({"op": "test", "path": "/a"}),
            json!({"op": "move", "path": "/a"}),
            json!({"op": "copy", "path": "/a", "from": "x"}),
            json!({"op": "copy", "path": "/a", "from": 1}),
            json!({"op": "remove", "path": "a"}),
            json!({"op": "remove", "path": "/~2"}),
            json!({"op": "remove"}),
            json!({"op": 1, "path": "/a"}),
            json!({"op": "jump", "path": "/a"}),
        ] {
            let patch = json!([operation]);
            let error = parse(patch.clone()).unwrap_err();
            assert_eq!(error.status, 400, "{patch}");
            assert!(error.detail.starts_with("operations[0]: "), "{}", error.detail);
            assert!(serde_json::from_value::<Patch>(patch.clone()).is_err(), "{patch}");
        }
    }

    fn refusal(data: Value, patch: Value) -> Error {
        let Value::Object(data) = data else { panic!("a document is a map") };
        parse(patch).and_then(|patch| apply(data, &patch, &mut Spent::default())).unwrap_err()
    }

    #[test]
    fn a_failed_patch_names_the_operation() {
        let add = |path: &str| json!([{"op": "test", "path": "/a", "value": 1.0}, {"op": "add", "path": path, "value": 1}]);
        let error = refusal(json!({"a": 1}), add("/b/c"));
        assert_eq!(
            (error.status, error.detail.as_str()),
            (409, "operations[1] at \"/b/c\": the path leads nowhere")
        );
        assert_eq!(refusal(json!({"a": 2}), add("/b")).code, Code::FailedPrecondition);
        for (patch, status) in [
            (json!({}), 400),
            (json!([1]), 400),
            (json!([{"op": "add", "path": "/a"}]), 400),
            (json!([{"op": "add", "path": "a", "value": 1}]), 400),
            (json!([{"op": "jump", "path": "/a"}]), 400),
            (json!([{"op": "add", "path": "/$a", "value": 1}]), 400),
            (json!([{"op": "add", "path": "/a", "value": {"$increment": 1}}]), 400),
            (json!([{"op": "add", "path": "", "value": 1}]), 400),
            (json!([{"op": "remove", "path": ""}]), 409),
            (json!([{"op": "move", "from": "/a", "path": "/a/b"}]), 400),
            (json!([{"op": "copy", "from": "/x", "path": "/b"}]), 409),
        ] {
            assert_eq!(refusal(json!({"a": {}}), patch.clone()).status, status, "{patch}");
        }
    }

    #[test]
    fn copies_cannot_exhaust_memory_or_the_stack() {
        let double = |n: usize| json!({"op": "copy", "from": "", "path": format!("/copy{n}")});
        let error = refusal(json!({"a": "x".repeat(1_000)}), (0..60).map(double).collect());
        assert_eq!(error.status, 413);
        let there = [
            json!({"op": "move", "from": "/a", "path": "/b"}),
            json!({"op": "move", "from": "/b", "path": "/a"}),
        ];
        let large = json!({"a": "x".repeat(DOCUMENT_BYTES / 2)});
        let moves =
            |times: usize| Value::Array(there.iter().cycle().take(2 * times).cloned().collect());
        let allowed = PATCH_MOVE_BYTES / DOCUMENT_BYTES - 1;
        let data = large.as_object().unwrap();
        assert!(
            parse(moves(allowed))
                .and_then(|patch| apply(data.clone(), &patch, &mut Spent::default()))
                .is_ok()
        );
        assert_eq!(refusal(large.clone(), moves(allowed + 1)).status, 413);
        let nest = json!({"op": "copy", "from": "/a", "path": "/a/a"});
        let error = refusal(json!({"a": {}}), Value::Array(vec![nest; 200]));
        assert_eq!((error.status, error.code), (400, Code::InvalidArgument));
        let too_many = Value::Array(vec![
            json!({"op": "test", "path": "", "value": {}});
            PATCH_OPERATIONS + 1
        ]);
        assert_eq!(refusal(json!({}), too_many).status, 413);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(Value::from),
            (-3_i64..3).prop_map(Value::from),
            "[a-c/~]{0,2}".prop_map(Value::from),
            Just(json!({"$ref": "a/b"})),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("[a-c/~]{0,2}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn a_diff_applied_to_the_old_state_is_the_new_state(old in any_value(), new in any_value()) {
            let patch = diff(&old, &new);
            let mut state = old.clone();
            apply_trusted(&mut state, &patch).unwrap();
            prop_assert_eq!(&state, &new);
            prop_assert_eq!(patch.0.is_empty(), old == new);
        }
    }
}
