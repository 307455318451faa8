//! What the listeners of a query see: the server's result, called the *window*, and over it the application's own
//! writes that the server has not confirmed yet.
//!
//! The trouble is that of [`crate::view`]: the answer to a write and the frame that carries its change come over two
//! connections, in either order. Here there is one trouble more: a document that a write is about may be outside of the
//! window, before the write or after it, and then no frame says at which version it is. Each document with own writes
//! has therefore an *overlay*:
//!
//! ```text
//!   base   +   answered at 7   +   on its way   +   not sent yet   =  its row, or none
//! ```
//!
//! 1. The base is the document as the window had it. While a write of the document is on its way the base stays as it
//!    is: what the window says of the document meanwhile may hold that write. Other documents move on.
//! 2. An answer or a refusal makes the window's document the base; where the window has none, the base stays.
//! 3. A write answered at version V leaves when the window has its document at V or beyond, and so in the moment in
//!    which the base is one that holds it. It also leaves when a frame takes the document out of the window.
//! 4. Where the window does not have the document, answered writes leave as soon as they would show nothing: the
//!    query does not want what they made. If it does want it, a frame with the document is on its way, and they stay
//!    until it is there. It may never come: somebody else may have changed the document at once, or the server's clock
//!    set another time. So they leave [`GRACE_MS`] after the answer.
//! 5. The first frame after the query was listened to again, on another socket, holds every write that was answered
//!    before: what is answered is in every query that starts then. They leave with it.
//! 6. A refused write leaves at once.
//!
//! So an increment is never seen twice, nor is one lost that was seen. What a write does can be told only where its
//! base is known: outside of the window a `set`, a `create` and a `delete` show at once, and the others when the server
//! says so. (If the query is for a whole collection, what is not in the window does not exist, which is a base too.)
//!
//! The rows are in the query's order. With a limit, the first so many of what is known are seen, and with an offset
//! nothing that comes before the window: the documents beyond either end are the server's to tell.

use crate::row::{Row, Rows, selected};
use blaze_schema::changes::{Change, Changes, Content};
use blaze_schema::field_path::FieldPath;
use blaze_schema::path::DocumentPath;
use blaze_schema::query::{Limit, Matcher, Query};
use blaze_schema::timestamp::Timestamp;
use blaze_schema::value::Map;
use blaze_schema::write::Operation;
use std::cmp::Ordering;
use std::mem;
use std::rc::Rc;

/// How long an answered write that no frame confirms is still seen, in milliseconds.
pub const GRACE_MS: u32 = 10_000;

/// The view of one query.
#[derive(Debug)]
pub struct QueryView {
    matcher: Matcher,
    /// The fields that the application asked for.
    select: Option<Vec<FieldPath>>,
    /// Whether every document that exists where the query looks is in the window.
    whole: bool,
    /// The server's result; `None` before the first frame.
    window: Option<Vec<Rc<Row>>>,
    /// In the order of their paths.
    overlays: Vec<Overlay>,
    /// What listeners saw last, unless something changed since.
    seen: Option<Rows>,
    stale: bool,
}

/// A document with own writes.
#[derive(Debug)]
struct Overlay {
    path: Rc<DocumentPath>,
    base: Base,
    /// Whether the window had the document when the base was last taken from it.
    in_window: bool,
    /// In the order of their making; answered ones before unanswered ones.
    writes: Vec<Pending>,
    shown: Shown,
    /// When the last write was answered.
    answered_at: Timestamp,
}

/// What the base and the writes come to.
#[derive(Debug, PartialEq)]
enum Shown {
    /// It cannot be told. What the window has is as good as anything: it may hold the writes, or not yet.
    Unknown,
    /// Nothing that the query wants.
    Nothing,
    /// This.
    Row(Rc<Row>),
}

/// What is known of a document under its own writes.
#[derive(Clone, Debug)]
enum Base {
    /// Nothing.
    Unknown,
    /// It does not exist.
    Missing,
    /// It is this.
    Row(Rc<Row>),
}

#[derive(Debug)]
struct Pending {
    operation: Rc<Operation>,
    /// When it was made: what `$serverTimestamp` is until the server says.
    at: Timestamp,
    stage: Stage,
    /// Whether the next frame holds it, whatever that says of versions.
    in_the_next_frame: bool,
}

/// Any state that becomes the base from now on holds the write.
const IN_THE_NEXT_BASE: Stage = Stage::Answered(0);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Unanswered,
    /// The server did it: the document at this version or beyond holds it.
    Answered(u64),
}

impl QueryView {
    /// A view of a query that nothing is known of. It shows the fields that the query selects; frames must have those too
    /// that it looks at ([`asked`](crate::query_json::asked)).
    pub fn new(mut query: Query) -> Self {
        let select = query.select.take();
        let bounded = query.limit.is_some() || query.start.is_some() || query.end.is_some();
        let looks = query.filter.is_some() || !query.order_by.is_empty();
        let whole = !(looks || bounded || query.offset > 0);
        QueryView {
            matcher: Matcher::new(query),
            select,
            whole,
            window: None,
            overlays: Vec::new(),
            seen: None,
            stale: true,
        }
    }

    /// What listeners see now; `None` before the first frame. The same as before if nothing changed.
    pub fn rows(&mut self) -> Option<Rows> {
        if mem::take(&mut self.stale) {
            let rows = self.visible()?;
            if self.seen.as_ref().is_none_or(|seen| **seen != rows) {
                self.seen = Some(Rc::new(rows));
            }
        }
        self.seen.clone()
    }

    /// A frame arrived. Returns whether it fits; if not, the window stays as it was.
    #[must_use]
    pub fn frame(&mut self, changes: Changes) -> bool {
        let before = if changes.reset { Some(Vec::new()) } else { self.window.clone() };
        let Some(mut rows) = before else { return false };
        let from = &self.matcher.query().from;
        if !changes.changes.iter().all(|change| from.contains(change.path())) {
            return false;
        }
        let concerns = |overlay: &Overlay| {
            let named = |change: &Change| *change.path() == *overlay.path;
            let waits = overlay.writes.iter().any(|write| write.in_the_next_frame);
            changes.reset || waits || changes.changes.iter().any(named)
        };
        let concerned: Vec<bool> = self.overlays.iter().map(concerns).collect();
        let select = self.select.as_deref();
        if !changes.changes.into_iter().all(|change| apply(&mut rows, change, select)) {
            return false;
        }
        self.window = Some(rows);
        self.stale = true;
        // From the last one on: those that have become nothing are removed.
        for (index, _) in concerned.iter().enumerate().rev().filter(|(_, concerned)| **concerned) {
            self.update(index, &mut Overlay::meet_frame);
        }
        true
    }

    /// The query is listened to again on another socket.
    pub fn relistened(&mut self) {
        for write in self.overlays.iter_mut().flat_map(|overlay| &mut overlay.writes) {
            write.in_the_next_frame = write.stage != Stage::Unanswered;
        }
    }

    /// The application made a write.
    pub fn write(&mut self, path: &Rc<DocumentPath>, operation: &Rc<Operation>, at: Timestamp) {
        if !self.matcher.query().from.contains(path) {
            return;
        }
        let index = self.find(path).unwrap_or_else(|index| {
            self.overlays.insert(index, self.overlaid(path));
            index
        });
        let operation = Rc::clone(operation);
        let write = Pending { operation, at, stage: Stage::Unanswered, in_the_next_frame: false };
        self.overlays[index].writes.push(write);
        self.update(index, &mut |_, _| {});
    }

    /// Where the document's overlay is, or would be.
    fn find(&self, path: &DocumentPath) -> Result<usize, usize> {
        self.overlays.binary_search_by(|overlay| (*overlay.path).cmp(path))
    }

    /// A document that is about to be written to.
    fn overlaid(&self, path: &Rc<DocumentPath>) -> Overlay {
        let found = self.window.iter().flatten().find(|row| row.path == *path);
        let base = match found {
            Some(row) => Base::Row(Rc::clone(row)),
            None if self.whole && self.window.is_some() => Base::Missing,
            None => Base::Unknown,
        };
        Overlay {
            path: Rc::clone(path),
            base,
            in_window: found.is_some(),
            writes: Vec::new(),
            shown: Shown::Unknown,
            answered_at: Timestamp::MIN,
        }
    }

    /// The first unanswered write of the document was done, and the document is at the version since, or was already; or
    /// it was refused, without one. Returns whether a write stays that is answered: then [`QueryView::lapse`] is to be
    /// called [`GRACE_MS`] later.
    pub fn settled(&mut self, path: &DocumentPath, version: Option<u64>, now: Timestamp) -> bool {
        if let Ok(index) = self.find(path) {
            self.update(index, &mut |overlay, found| {
                let unanswered = |write: &Pending| write.stage == Stage::Unanswered;
                let Some(number) = overlay.writes.iter().position(unanswered) else { return };
                match version {
                    Some(version) => overlay.writes[number].stage = Stage::Answered(version),
                    None => drop(overlay.writes.remove(number)),
                }
                overlay.answered_at = now;
                overlay.rebase(found);
            });
        }
        self.overlays.iter().any(Overlay::is_answered)
    }

    /// Forgets the writes whose answer is [`GRACE_MS`] old. Returns whether others are left, as
    /// [`QueryView::settled`] does.
    pub fn lapse(&mut self, now: Timestamp) -> bool {
        self.stale = true;
        let grace = i64::from(GRACE_MS) * 1_000;
        self.overlays.retain(|overlay| {
            let age = now.micros() - overlay.answered_at.micros();
            !overlay.is_answered() || age < grace
        });
        self.overlays.iter().any(Overlay::is_answered)
    }

    /// Changes an overlay, given the window's row of its document, and removes it when it has become nothing.
    fn update(&mut self, index: usize, change: &mut dyn FnMut(&mut Overlay, Option<&Rc<Row>>)) {
        self.stale = true;
        let overlay = &mut self.overlays[index];
        let found = self.window.iter().flatten().find(|row| row.path == overlay.path);
        change(overlay, found);
        let shown = overlay.show(&self.matcher, self.select.as_deref());
        let visible = matches!(shown, Shown::Row(_));
        // The row of before, if it is the same: then nobody is told.
        if overlay.shown != shown {
            overlay.shown = shown;
        }
        let waits = visible || found.is_some() || self.window.is_none() || !overlay.is_answered();
        if !waits || overlay.writes.is_empty() {
            self.overlays.remove(index);
        }
    }

    fn visible(&self) -> Option<Vec<Rc<Row>>> {
        let mut rows = self.window.clone()?;
        rows.retain(|row| match self.find(&row.path) {
            Ok(index) => matches!(self.overlays[index].shown, Shown::Unknown),
            Err(_) => true,
        });
        let first = self.window.as_ref().and_then(|rows| rows.first());
        for overlay in &self.overlays {
            let Shown::Row(row) = &overlay.shown else { continue };
            let is_before = |first: &Rc<Row>| compare(&self.matcher, row, first).is_lt();
            if self.matcher.query().offset > 0 && first.is_none_or(is_before) {
                continue;
            }
            let place = rows.partition_point(|other| compare(&self.matcher, other, row).is_lt());
            rows.insert(place, Rc::clone(row));
        }
        match self.matcher.query().limit {
            Some(Limit::First(count)) => rows.truncate(places(count)),
            Some(Limit::Last(count)) => {
                drop(rows.drain(..rows.len().saturating_sub(places(count))));
            }
            None => {}
        }
        Some(rows)
    }
}

impl Overlay {
    /// Whether no write is on its way.
    fn is_answered(&self) -> bool {
        self.writes.iter().all(|write| write.stage != Stage::Unanswered)
    }

    /// Makes the window's document the base, and forgets the writes that it holds.
    fn rebase(&mut self, found: Option<&Rc<Row>>) {
        if let Some(row) = found {
            self.base = Base::Row(Rc::clone(row));
        }
        self.in_window = found.is_some();
        let version = found.map_or(0, |row| row.version);
        self.writes.retain(|write| match write.stage {
            Stage::Answered(at) => at > version,
            Stage::Unanswered => true,
        });
    }

    /// The window has changed, and this document perhaps in it.
    fn meet_frame(&mut self, found: Option<&Rc<Row>>) {
        for write in &mut self.writes {
            if mem::take(&mut write.in_the_next_frame) {
                write.stage = IN_THE_NEXT_BASE;
            }
        }
        if self.is_answered() {
            if self.in_window && found.is_none() {
                self.writes.clear();
            }
            self.rebase(found);
        }
    }

    /// The base with the writes over it.
    fn show(&self, matcher: &Matcher, select: Option<&[FieldPath]>) -> Shown {
        let (mut state, version, times) = match &self.base {
            Base::Unknown => (None, 0, None),
            Base::Missing => (Some(None), 0, None),
            Base::Row(row) => (Some(Some(Rc::clone(&row.full))), row.version, row.times.clone()),
        };
        let mut pending = false;
        for write in &self.writes {
            // A write that does not fit what is known is the server's to judge; until then it is not seen.
            if let Some(after) = write.after(state.as_ref()) {
                state = Some(after.map(Rc::new));
                pending = true;
            }
        }
        let full = match state {
            Some(Some(full)) => full,
            Some(None) => return Shown::Nothing,
            None => return Shown::Unknown,
        };
        let wanted = matcher.matches(&self.path, &full) && matcher.in_bounds(&self.path, &full);
        let path = Rc::clone(&self.path);
        let row = Row { path, version, data: selected(&full, select), full, times, pending };
        if wanted { Shown::Row(Rc::new(row)) } else { Shown::Nothing }
    }
}

impl Pending {
    /// What it makes of a document, `None` inside when that does not exist then; `None` when that cannot be told.
    fn after(&self, state: Option<&Option<Rc<Map>>>) -> Option<Option<Map>> {
        let present = match (&*self.operation, state) {
            (_, Some(present)) => present.as_deref(),
            // These ask for no state.
            (Operation::Set(_) | Operation::Create(_) | Operation::Delete, None) => None,
            (_, None) => return None,
        };
        (*self.operation).clone().apply(present, self.at).ok()
    }
}

/// As many as a list can have, at most.
fn places(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn compare(matcher: &Matcher, a: &Row, b: &Row) -> Ordering {
    matcher.compare((&a.path, &a.full), (&b.path, &b.full))
}

/// Applies one change of a frame. Returns whether it fits.
fn apply(rows: &mut Vec<Rc<Row>>, change: Change, select: Option<&[FieldPath]>) -> bool {
    let (index, row) = match change {
        Change::Added { path, new_index, document } => (new_index, Row::of(path, document, select)),
        Change::Modified { path, old_index, new_index, content } => {
            let Some(old) = take(rows, &path, old_index) else { return false };
            let row = match content {
                Content::Document(document) => Row::of(path, document, select),
                Content::Patch { patch, version, update_time } => {
                    old.patched(&patch, version, update_time, select)
                }
            };
            (new_index, row)
        }
        Change::Removed { path, old_index } => return take(rows, &path, old_index).is_some(),
    };
    match row {
        Some(row) if index <= rows.len() => {
            rows.insert(index, Rc::new(row));
            true
        }
        _ => false,
    }
}

/// Takes out the document at `index`, if it is this one.
fn take(rows: &mut Vec<Rc<Row>>, path: &DocumentPath, index: usize) -> Option<Rc<Row>> {
    let is_there = rows.get(index).is_some_and(|row| *row.path == *path);
    is_there.then(|| rows.remove(index))
}

#[cfg(test)]
mod tests;
