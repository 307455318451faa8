//! The server's state of one document, moved on by the frames of a socket.

use blaze_schema::patch::{Patch, apply_trusted};
use blaze_schema::value::Map;
use blaze_schema::wire::document::ServerMessage;
use serde_json::Value;
use std::mem;
use std::rc::Rc;

/// A document at one version, as the server had it.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerState {
    /// Which history the version counts in.
    pub epoch: Rc<str>,
    /// The version; 0 when the document never existed.
    pub version: u64,
    /// The data; `None` when the document does not exist.
    pub data: Option<Rc<Map>>,
}

/// What a frame did to a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is another one now.
    Moved,
    /// It was there already, or the frame says nothing of it.
    Stayed,
    /// The frame does not fit: something between was missed. The state is of no use any more.
    Gap,
}

impl ServerState {
    /// Applies one frame to what is known, `None` before the first snapshot.
    pub fn step(known: &mut Option<ServerState>, message: ServerMessage) -> Step {
        let (base, version, patch) = match message {
            ServerMessage::Snapshot { epoch, version, data } => {
                *known =
                    Some(ServerState { epoch: epoch.into(), version, data: data.map(Rc::new) });
                return Step::Moved;
            }
            ServerMessage::Patch { base, version, patch } => (base, version, Some(patch)),
            ServerMessage::Delete { base, version } => (base, version, None),
            ServerMessage::Error(_) | ServerMessage::Written { .. } | ServerMessage::Pong(_) => {
                return Step::Stayed;
            }
        };
        match known {
            Some(state) if version <= state.version => return Step::Stayed,
            Some(state) if base == state.version => {
                let applied = match &patch {
                    Some(patch) => patched(&mut state.data, patch),
                    None => {
                        state.data = None;
                        true
                    }
                };
                if applied {
                    state.version = version;
                    return Step::Moved;
                }
            }
            _ => {}
        }
        *known = None;
        Step::Gap
    }
}

/// Applies `patch`, in place where nobody else holds the data. A document that does not exist is patched from `{}`:
/// that is right for additions to it and for a replacement of the whole.
fn patched(data: &mut Option<Rc<Map>>, patch: &Patch) -> bool {
    let fields = Rc::make_mut(data.get_or_insert_default());
    let mut value = Value::Object(mem::take(fields));
    let applied = apply_trusted(&mut value, patch).is_ok();
    match value {
        Value::Object(map) => *fields = map,
        _ => return false,
    }
    applied
}

#[cfg(test)]
mod tests {
    use super::*;
    use blaze_schema::wire::document::{delete_text, patch_text, snapshot_text};
    use serde_json::json;

    fn step(known: &mut Option<ServerState>, frame: &str) -> Step {
        ServerState::step(known, ServerMessage::parse(frame).unwrap())
    }

    fn told(known: &Option<ServerState>) -> Value {
        let Some(state) = known else { return json!("unknown") };
        json!([state.version, state.data.as_deref()])
    }

    #[test]
    fn frames_in_order_move_the_state() {
        let mut known = None;
        assert_eq!(step(&mut known, &snapshot_text("e", 0, None)), Step::Moved);
        assert_eq!(told(&known), json!([0, null]));
        let creation = r#"[{"op":"add","path":"/a","value":1}]"#;
        assert_eq!(step(&mut known, &patch_text(0, 1, creation)), Step::Moved);
        assert_eq!(told(&known), json!([1, {"a": 1}]));
        assert_eq!(step(&mut known, &delete_text(1, 2)), Step::Moved);
        assert_eq!(told(&known), json!([2, null]));
        let again = r#"[{"op":"replace","path":"","value":{"b":2}}]"#;
        assert_eq!(step(&mut known, &patch_text(2, 3, again)), Step::Moved);
        assert_eq!(told(&known), json!([3, {"b": 2}]));
        assert_eq!(step(&mut known, &patch_text(3, 4, "[]")), Step::Moved);
        assert_eq!(step(&mut known, r#"{"pong":0}"#), Step::Stayed);
        assert_eq!(told(&known), json!([4, {"b": 2}]));
    }

    #[test]
    fn what_was_applied_already_changes_nothing() {
        let mut known = None;
        step(&mut known, &snapshot_text("e", 3, Some(r#"{"a":1}"#)));
        let late = r#"[{"op":"replace","path":"/a","value":0}]"#;
        assert_eq!(step(&mut known, &patch_text(2, 3, late)), Step::Stayed);
        assert_eq!(step(&mut known, &delete_text(1, 2)), Step::Stayed);
        assert_eq!(told(&known), json!([3, {"a": 1}]));
    }

    #[test]
    fn a_gap_forgets_the_state() {
        let misfit = r#"[{"op":"remove","path":"/nowhere"}]"#;
        let no_object = r#"[{"op":"replace","path":"","value":1}]"#;
        for frame in [
            patch_text(4, 5, "[]"),
            delete_text(4, 5),
            patch_text(3, 4, misfit),
            patch_text(3, 4, no_object),
        ] {
            let mut known = None;
            assert_eq!(step(&mut known, &frame), Step::Gap, "{frame}");
            step(&mut known, &snapshot_text("e", 3, Some(r#"{"a":1}"#)));
            assert_eq!(step(&mut known, &frame), Step::Gap, "{frame}");
            assert_eq!(told(&known), json!("unknown"));
        }
    }

    #[test]
    fn a_state_that_was_handed_out_stays_as_it_was() {
        let mut known = None;
        step(&mut known, &snapshot_text("e", 3, Some(r#"{"a":1}"#)));
        let before = known.clone();
        let change = r#"[{"op":"replace","path":"/a","value":2}]"#;
        step(&mut known, &patch_text(3, 4, change));
        assert_eq!(told(&before), json!([3, {"a": 1}]));
        assert_eq!(told(&known), json!([4, {"a": 2}]));
    }
}
