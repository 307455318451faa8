//! What the listeners of a query see: the server's result, called the *window*, and over it the application's own
//! writes that the server has not confirmed yet.
//!
//! The trouble is that of [`crate::core::view`]: the answer to a write and the frame that carries its change come over two
//! connections, in either order. Here there is one trouble more: a document that a write is about may be outside of the
//! window, before the write or after it, and then no frame says at which version it is. Each document with own writes
//! has therefore an *overlay*:
//!
//! ```text
//!   base   +   answered at 7   +   on its way   +   not sent yet   =  its row, or none
//! ```
//!
//! 1. The base is the document as the window had it. While a write of the document is on its way the base stays as it
//!    is: what the window says of the document meanwhile may hold that write, unless it is older than a write that was
//!    answered before. Other documents move on.
//! 2. An answer or a refusal makes the window's document the base; where the window has none, the base stays.
//! 3. A write answered at version V leaves when the window has its document at V or beyond, and so in the moment in
//!    which the base is one that holds it.
//! 4. Otherwise it stays until the window is known to hold it. That the window does not have the document says nothing:
//!    frames of older changes may be on their way, and the one that took the document out names no version. Two things
//!    prove it: a ping that was sent after the answer has passed everything that sends frames ([`QueryView::passed`]), or
//!    the query was listened to again after the answer, and that brought its first frame.
//! 5. What the window has then is the base. If it has nothing, nothing is known of the document.
//! 6. A refused write leaves at once.
//!
//! So an increment is never seen twice, nor is one lost that was seen. What a write does can be told only where its
//! base is known: outside of the window a `set`, a `create` and a `delete` show at once, and the others when the server
//! says so. (If the query is for a whole collection, what is not in the window does not exist, which is a base too.)
//!
//! The rows are in the query's order. With a limit, the first so many of what is known are seen, and with an offset
//! nothing that comes before the window: the documents beyond either end are the server's to tell.

use crate::core::row::{Row, Rows, selected};
use blaze_schema::field_path::FieldPath;
use blaze_schema::path::DocumentPath;
use blaze_schema::query::{Limit, Matcher, Query};
use blaze_schema::timestamp::Timestamp;
use blaze_schema::value::Map;
use blaze_schema::wire::query::{Change, Changes, Content};
use blaze_schema::write::Operation;
use std::cmp::Ordering;
use std::mem;
use std::rc::Rc;

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
    /// In the order of their making; answered ones before unanswered ones.
    writes: Vec<Pending>,
    shown: Shown,
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

impl Base {
    /// Of a document that the window does not have, `whole` being whether the window has all that exist.
    fn of_nothing(whole: bool) -> Self {
        if whole { Base::Missing } else { Base::Unknown }
    }
}

#[derive(Debug)]
struct Pending {
    operation: Rc<Operation>,
    /// When it was made: what `$serverTimestamp` is until the server says.
    at: Timestamp,
    stage: Stage,
    proof: Proof,
}

/// The event that will prove that the window holds an answered write, whatever its versions say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// None is known so far.
    None,
    /// The answer to a ping.
    Ping,
    /// The next frame.
    Frame,
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
    /// that it looks at ([`asked`](crate::core::query_json::asked)).
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
            let waits = overlay.writes.iter().any(|write| write.proof == Proof::Frame);
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
            let whole = self.whole;
            self.update(index, &mut |overlay, found| overlay.meet_frame(found, whole));
        }
        true
    }

    /// The query is listened to again: the first frame holds every write that was answered before.
    pub fn relistened(&mut self) {
        for write in self.answered() {
            write.proof = Proof::Frame;
        }
    }

    /// True if a ping should be sent: an answered write is left that nothing is going to confirm.
    pub fn needs_ping(&mut self) -> bool {
        self.answered().any(|write| write.proof == Proof::None)
    }

    /// A ping is sent that passes everything that sends frames.
    pub fn pinged(&mut self) {
        for write in self.answered().filter(|write| write.proof == Proof::None) {
            write.proof = Proof::Ping;
        }
    }

    /// The ping was answered: the window holds what was answered before the ping. Where the query is not `live`, its first
    /// frame will, as it was not read yet when the ping passed.
    pub fn passed(&mut self, live: bool) {
        let whole = self.whole;
        for index in (0..self.overlays.len()).rev() {
            self.update(index, &mut |overlay, found| overlay.pass(found, whole, live));
        }
    }

    /// The writes that were answered, and are not known to be in the window.
    fn answered(&mut self) -> impl Iterator<Item = &mut Pending> {
        let writes = self.overlays.iter_mut().flat_map(|overlay| &mut overlay.writes);
        writes.filter(|write| matches!(write.stage, Stage::Answered(at) if at > 0))
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
        let write = Pending { operation, at, stage: Stage::Unanswered, proof: Proof::None };
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
            None => Base::of_nothing(self.whole && self.window.is_some()),
        };
        Overlay { path: Rc::clone(path), base, writes: Vec::new(), shown: Shown::Unknown }
    }

    /// The first unanswered write of the document was done, and the document is at the version since, or was already; or
    /// it was refused, without one.
    pub fn settled(&mut self, path: &DocumentPath, version: Option<u64>) {
        let whole = self.whole;
        if let Ok(index) = self.find(path) {
            self.update(index, &mut |overlay, found| {
                let unanswered = |write: &Pending| write.stage == Stage::Unanswered;
                let Some(number) = overlay.writes.iter().position(unanswered) else { return };
                match version {
                    Some(version) => overlay.writes[number].stage = Stage::Answered(version),
                    None => drop(overlay.writes.remove(number)),
                }
                overlay.rebase(found, whole);
            });
        }
    }

    /// Changes an overlay, given the window's row of its document, and removes it when it has become nothing.
    fn update(&mut self, index: usize, change: &mut dyn FnMut(&mut Overlay, Option<&Rc<Row>>)) {
        self.stale = true;
        let overlay = &mut self.overlays[index];
        let found = self.window.iter().flatten().find(|row| row.path == overlay.path);
        change(overlay, found);
        let shown = overlay.show(&self.matcher, self.select.as_deref());
        // The row of before, if it is the same: then nobody is told.
        if overlay.shown != shown {
            overlay.shown = shown;
        }
        if overlay.writes.is_empty() {
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

    /// Makes the window's document the base, and forgets the writes that it holds. Where the window has none, but is known
    /// to hold a write, nothing is known of the document.
    fn rebase(&mut self, found: Option<&Rc<Row>>, whole: bool) {
        match found {
            Some(row) => self.base = Base::Row(Rc::clone(row)),
            None if self.writes.iter().any(|write| write.stage == IN_THE_NEXT_BASE) => {
                self.base = Base::of_nothing(whole);
            }
            None => {}
        }
        let version = found.map_or(0, |row| row.version);
        self.writes.retain(|write| match write.stage {
            Stage::Answered(at) => at > version,
            Stage::Unanswered => true,
        });
    }

    /// The window has changed, and this document perhaps in it.
    fn meet_frame(&mut self, found: Option<&Rc<Row>>, whole: bool) {
        for write in self.writes.iter_mut().filter(|write| write.proof == Proof::Frame) {
            (write.stage, write.proof) = (IN_THE_NEXT_BASE, Proof::None);
        }
        let is_older = |row: &Rc<Row>| {
            let holds_less =
                |write: &Pending| matches!(write.stage, Stage::Answered(at) if at > row.version);
            self.writes.iter().any(holds_less)
        };
        if self.is_answered() || found.is_some_and(is_older) {
            self.rebase(found, whole);
        }
    }

    /// A ping was answered that was sent after writes were answered.
    fn pass(&mut self, found: Option<&Rc<Row>>, whole: bool, live: bool) {
        let mut is_held = false;
        for write in self.writes.iter_mut().filter(|write| write.proof == Proof::Ping) {
            if live {
                (write.stage, write.proof, is_held) = (IN_THE_NEXT_BASE, Proof::None, true);
            } else {
                write.proof = Proof::Frame;
            }
        }
        if is_held && self.is_answered() {
            self.rebase(found, whole);
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
            match write.after(state.as_ref()) {
                Some(after) => {
                    state = Some(after.map(Rc::new));
                    pending = true;
                }
                // A write that does not fit what is known is the server's to judge; until then it is not seen. If it was
                // done, what is known is older than what it was done to.
                None => pending |= write.stage != Stage::Unanswered,
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
        let is_done = self.stage != Stage::Unanswered;
        let present = match (&*self.operation, state) {
            // Its document did not exist.
            (Operation::Create(_), Some(_)) if is_done => None,
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
