//! What the listeners of a document see: the server's state and, over it, the application's own writes that the
//! server has not confirmed yet.
//!
//! The trouble is that the answer to a write and the frame that carries its change come over two connections, in
//! either order. A frame that arrives while a write is on its way may or may not hold that write, so putting the
//! write over it may count it twice, and leaving the write off may lose it for a moment. Therefore:
//!
//! ```text
//!                answered at 7, at 9      on its way    not sent yet
//!   shown: 5   +   [ w1 ]  [ w2 ]       +    [ w3 ]   +    [ w4 ]       = what listeners see
//!   newest: 12     it may hold w3, so it is kept back until w3 is answered
//! ```
//!
//! 1. Writes are sent one at a time: the first unanswered one is on its way, the others cannot be in any state.
//! 2. While a write is on its way, the server's states are held back; of several, the newest is kept.
//! 3. The answer "done, the document is at version V" makes the held state the shown one. A write stays over the
//!    shown state until that is at V or beyond, and leaves in the moment it is.
//! 4. A refused write leaves at once; what was held is shown.
//! 5. Versions of another history (another epoch, or the same one going back) cannot be compared with V: writes that
//!    were answered leave when it is shown, and so does the write that was on its way when it arrived. Version 0 is of
//!    no history.
//!
//! So no state is ever shown that holds a write twice, or that lacks one that was shown before, other than by
//! refusal.

use crate::core::state::ServerState;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::value::Map;
use blaze_schema::write::Operation;
use std::rc::Rc;

/// What listeners see of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Visible {
    /// The server's version under the writes that are pending; 0 when the document never existed.
    pub version: u64,
    /// The data; `None` when the document does not exist.
    pub data: Option<Rc<Map>>,
    /// Whether the data holds writes that the server has not confirmed.
    pub pending: bool,
}

/// A write of the application that the shown state lacks.
#[derive(Debug)]
struct Pending {
    operation: Operation,
    /// When it was made: what `$serverTimestamp` is until the server says.
    at: Timestamp,
    stage: Stage,
}

/// Any state that is shown from now on holds the write, or its history has no place for it.
const IN_THE_NEXT_STATE: Stage = Stage::Answered(0);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Unanswered,
    /// History was rewritten while it was unanswered: the version of its answer may be one of the old history.
    Astray,
    /// The server did it: a state of this version or beyond holds it.
    Answered(u64),
}

/// The view of one document.
#[derive(Debug, Default)]
pub struct View {
    /// Whether anybody looks. Without, only the unanswered writes are kept.
    watched: bool,
    shown: Option<ServerState>,
    newest: Option<ServerState>,
    /// In the order of their making; answered ones before unanswered ones.
    pending: Vec<Pending>,
    emitted: Option<Visible>,
}

impl View {
    /// Listeners came.
    pub fn watch(&mut self) {
        self.watched = true;
    }

    /// The last listener went.
    pub fn unwatch(&mut self) {
        self.watched = false;
        self.shown = None;
        self.newest = None;
        self.emitted = None;
        self.pending.retain(|write| !matches!(write.stage, Stage::Answered(_)));
    }

    /// The application made a write.
    pub fn write(&mut self, operation: Operation, at: Timestamp) {
        self.pending.push(Pending { operation, at, stage: Stage::Unanswered });
    }

    /// The first unanswered write was done, and the document is at `version` since, or was already.
    pub fn done(&mut self, version: u64) {
        let Some(number) = self.on_its_way() else { return };
        if !self.watched {
            self.pending.remove(number);
        } else if let Some(write) = self.pending.get_mut(number) {
            let astray = write.stage == Stage::Astray;
            write.stage = if astray { IN_THE_NEXT_STATE } else { Stage::Answered(version) };
        }
        self.release();
    }

    /// The first unanswered write was refused.
    pub fn refused(&mut self) {
        if let Some(number) = self.on_its_way() {
            self.pending.remove(number);
        }
        self.release();
    }

    /// A socket is being opened, for a snapshot: whatever it delivers holds the writes that were answered before.
    pub fn reopened(&mut self) {
        if self.shown.is_none() && self.newest.is_none() {
            self.confirm_answered();
        }
    }

    /// The server's state is this one now.
    pub fn server(&mut self, state: ServerState) {
        let latest = self.newest.as_ref().or(self.shown.as_ref());
        // A document that was never written gets another epoch whenever the server restarts: that is no history yet.
        let rewritten = latest.is_some_and(|latest| {
            let is_other = latest.epoch != state.epoch && latest.version > 0;
            is_other || state.version < latest.version
        });
        let on_its_way = self.on_its_way();
        if rewritten {
            self.confirm_answered();
            if let Some(write) = on_its_way.and_then(|number| self.pending.get_mut(number)) {
                write.stage = Stage::Astray;
            }
        }
        self.newest = Some(state);
        if on_its_way.is_none() {
            self.release();
        }
    }

    /// What listeners see now, if it is not what they saw last.
    pub fn changed(&mut self) -> Option<Visible> {
        let visible = self.visible()?;
        if self.emitted.as_ref() == Some(&visible) {
            return None;
        }
        self.emitted = Some(visible.clone());
        Some(visible)
    }

    /// The number of the write that is on its way: the first one unanswered.
    fn on_its_way(&self) -> Option<usize> {
        self.pending.iter().position(|write| !matches!(write.stage, Stage::Answered(_)))
    }

    fn confirm_answered(&mut self) {
        for write in &mut self.pending {
            if matches!(write.stage, Stage::Answered(_)) {
                write.stage = IN_THE_NEXT_STATE;
            }
        }
    }

    /// Shows what was held back, and forgets what it confirms.
    fn release(&mut self) {
        if let Some(state) = self.newest.take() {
            self.shown = Some(state);
        }
        self.forget_confirmed();
    }

    /// Drops the answered writes that the shown state holds.
    fn forget_confirmed(&mut self) {
        let Some(shown) = &self.shown else { return };
        self.pending.retain(|write| match write.stage {
            Stage::Answered(version) => version > shown.version,
            Stage::Unanswered | Stage::Astray => true,
        });
    }

    fn visible(&self) -> Option<Visible> {
        let shown = self.shown.as_ref()?;
        let mut visible =
            Visible { version: shown.version, data: shown.data.clone(), pending: false };
        for write in &self.pending {
            // A write that does not fit what is seen here is the server's to judge; until then it is not seen.
            if let Ok(data) = write.operation.clone().apply(visible.data.as_deref(), write.at) {
                visible.data = data.map(Rc::new);
                visible.pending = true;
            }
        }
        Some(visible)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// A view, and what its listeners saw last.
    struct Bench {
        view: View,
        seen: Value,
    }

    impl Bench {
        fn at(version: u64, data: Value) -> Self {
            let mut view = View::default();
            view.watch();
            let mut bench = Bench { view, seen: json!("nothing") };
            bench.server("e", version, data);
            bench
        }

        fn server(&mut self, epoch: &str, version: u64, data: Value) {
            let data = data.as_object().cloned().map(Rc::new);
            self.view.server(ServerState { epoch: epoch.into(), version, data });
        }

        fn write(&mut self, update: Value) {
            let operation = Operation::update(update).unwrap();
            self.view.write(operation, Timestamp::from_micros(0));
        }

        fn increment(&mut self) {
            self.write(json!({"n": {"$increment": 1}}));
        }

        /// Version, data, and whether writes are pending.
        fn seen(&mut self) -> &Value {
            if let Some(visible) = self.view.changed() {
                self.seen = json!([visible.version, visible.data.as_deref(), visible.pending]);
            }
            &self.seen
        }
    }

    #[test]
    fn an_answer_before_its_frame_keeps_the_write_over_older_states() {
        let mut bench = Bench::at(5, json!({"n": 0}));
        bench.increment();
        assert_eq!(bench.seen(), &json!([5, {"n": 1}, true]));
        bench.view.done(7);
        assert_eq!(bench.view.changed(), None, "version 7 is not here yet");
        bench.server("e", 6, json!({"n": 10}));
        assert_eq!(bench.seen(), &json!([6, {"n": 11}, true]));
        bench.server("e", 7, json!({"n": 11}));
        assert_eq!(bench.seen(), &json!([7, {"n": 11}, false]));
    }

    #[test]
    fn a_frame_before_its_answer_is_held_back() {
        let mut bench = Bench::at(5, json!({"n": 0}));
        bench.increment();
        bench.increment();
        assert_eq!(bench.seen(), &json!([5, {"n": 2}, true]));
        bench.server("e", 6, json!({"n": 1}));
        bench.server("e", 7, json!({"n": 11}));
        assert_eq!(bench.view.changed(), None, "6 or 7 may be the write");
        bench.view.done(6);
        assert_eq!(bench.seen(), &json!([7, {"n": 12}, true]));
        bench.view.done(8);
        bench.server("e", 9, json!({"n": 22}));
        assert_eq!(bench.seen(), &json!([9, {"n": 22}, false]));
    }

    #[test]
    fn a_refused_write_is_rolled_back_and_the_others_stay() {
        let mut bench = Bench::at(5, json!({"n": 0}));
        bench.write(json!({"a": 1}));
        bench.increment();
        assert_eq!(bench.seen(), &json!([5, {"a": 1, "n": 1}, true]));
        bench.server("e", 6, json!({"n": 10}));
        bench.view.refused();
        assert_eq!(bench.seen(), &json!([6, {"n": 11}, true]));
        bench.view.refused();
        assert_eq!(bench.seen(), &json!([6, {"n": 10}, false]));
    }

    #[test]
    fn a_write_that_changes_nothing_is_confirmed_by_the_present_version() {
        let mut bench = Bench::at(5, json!({"n": 0}));
        bench.write(json!({"n": 0}));
        assert_eq!(bench.seen(), &json!([5, {"n": 0}, true]));
        bench.view.done(5);
        assert_eq!(bench.seen(), &json!([5, {"n": 0}, false]));
    }

    #[test]
    fn a_write_that_does_not_fit_is_not_seen() {
        let mut bench = Bench::at(5, json!(null));
        assert_eq!(bench.seen(), &json!([5, null, false]));
        bench.increment();
        assert_eq!(bench.view.changed(), None);
        bench.view.done(7);
        bench.server("e", 6, json!({"n": 1}));
        assert_eq!(bench.seen(), &json!([6, {"n": 2}, true]), "now it does");
    }

    #[test]
    fn nothing_is_seen_before_the_first_state_nor_while_that_may_hold_a_write() {
        let mut view = View::default();
        view.watch();
        let mut bench = Bench { view, seen: json!("nothing") };
        bench.increment();
        bench.server("e", 5, json!({"n": 1}));
        assert_eq!(bench.seen(), &json!("nothing"));
        bench.view.done(5);
        assert_eq!(bench.seen(), &json!([5, {"n": 1}, false]));
    }

    #[test]
    fn what_was_never_written_has_no_history_to_be_rewritten() {
        let mut bench = Bench::at(0, Value::Null);
        let set = Operation::set(json!({"n": 1})).unwrap();
        bench.view.write(set, Timestamp::from_micros(0));
        bench.server("f", 0, Value::Null);
        bench.server("g", 3, json!({"n": 0}));
        bench.view.done(4);
        assert_eq!(bench.seen(), &json!([3, {"n": 1}, true]), "version 3 lacks it");
        bench.server("g", 4, json!({"n": 1}));
        assert_eq!(bench.seen(), &json!([4, {"n": 1}, false]));
    }

    #[test]
    fn a_rewritten_history_takes_the_answered_writes_with_it() {
        for (epoch, version) in [("f", 6), ("e", 4)] {
            let mut bench = Bench::at(5, json!({"n": 0}));
            bench.increment();
            bench.increment();
            bench.view.done(7);
            bench.server(epoch, version, json!({"n": 40}));
            assert_eq!(bench.seen(), &json!([5, {"n": 2}, true]));
            bench.view.done(8);
            assert_eq!(bench.seen(), &json!([version, {"n": 40}, false]));
            bench.increment();
            assert_eq!(bench.seen(), &json!([version, {"n": 41}, true]));
        }
    }

    #[test]
    fn without_listeners_only_unanswered_writes_are_kept() {
        let mut bench = Bench::at(5, json!({"n": 0}));
        bench.increment();
        bench.increment();
        bench.view.done(6);
        bench.view.unwatch();
        assert_eq!(bench.view.pending.len(), 1);
        bench.view.watch();
        bench.server("e", 6, json!({"n": 1}));
        assert_eq!(bench.view.changed(), None);
        bench.view.unwatch();
        bench.view.done(7);
        assert!(bench.view.pending.is_empty());
    }
}
