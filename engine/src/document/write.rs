//! A document's writes: the permission for them, their outcome, and the answers that are kept.

use super::audience::Review;
use super::change::Change;
use super::{Answer, ROW, Stage, Step};
use crate::guard::Stop;
use crate::idempotency::{Idempotency, Slot};
use crate::record::Record;
use blaze_rules::Method;
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::STEP_LOOKUPS;
use blaze_schema::write::{Operation, Precondition, Write};
use blaze_store::Store;

/// Writes of this document that are one change.
pub(super) struct Request {
    pub(super) edits: Vec<Edit>,
    pub(super) idempotency: Option<Idempotency>,
    pub(super) wants: Wants,
}

/// A write, without its path.
pub(super) struct Edit {
    pub(super) operation: Operation,
    pub(super) preconditions: Vec<Precondition>,
}

impl Edit {
    pub(super) fn is_verify(&self) -> bool {
        matches!(self.operation, Operation::Verify)
    }

    /// True if the data after the write is the data that it brings.
    fn is_whole(&self) -> bool {
        matches!(self.operation, Operation::Create(_) | Operation::Set(_))
    }
}

/// The result that a request wants.
#[derive(Clone, Copy)]
pub(super) enum Wants {
    /// The resource.
    Resource { with_data: bool },
    /// The answer to a commit.
    Commit(Stage),
}

/// The outcome of a request.
pub(super) struct Outcome {
    pub(super) answer: Answer,
    /// The frame for every listener; `None` if nothing changed.
    pub(super) frame: Option<String>,
    /// The listeners that may not go on, now that the document is as it is, and the reason for each.
    pub(super) ended: Vec<(String, Error)>,
}

impl Outcome {
    fn unchanged(answer: Answer) -> Self {
        Outcome { answer, frame: None, ended: Vec::new() }
    }
}

/// The place of the answer to a request that may be repeated: the row's key, its slot, and the request.
type Kept = Option<([u8; 3], Slot, Idempotency)>;

impl Step<'_> {
    pub(super) fn write(
        &mut self,
        store: &mut impl Store,
        request: Request,
    ) -> Result<Outcome, Stop> {
        let Request { edits, idempotency, wants } = request;
        let writes = edits.len();
        let mut slot = None;
        if let Some(request) = idempotency.map(|request| request.by(self.caller.uid())) {
            let key = request.row_key();
            let there = Slot::from_row(store.get(&key)?, self.now)?;
            if let Some(answer) = there.find(&request)? {
                return Ok(Outcome::unchanged(self.repeated(store, answer)?));
            }
            slot = Some((key, there, request));
        }
        let record = match self.load(store)? {
            Some(record) => record.clone(),
            None => Record::unborn(self.epoch(), self.now),
        };
        let change = self.change(store, record, edits, wants, &mut slot)?;
        let answer = match wants {
            Wants::Resource { with_data } => {
                let with_data = with_data && self.may_see(&change.record)?;
                change.answer(self.path, with_data)
            }
            Wants::Commit(Stage::Trial) => {
                let detail = "a commit of several documents is not built yet; nothing was done";
                return Err(Error::new(Code::Unimplemented, detail).into());
            }
            Wants::Commit(_) => change.committed(self.now, writes),
        };
        let ended = self.review(&change)?;
        let row = change.frame.as_ref().map(|_| change.record.to_row()).transpose()?;
        let slot_row = match slot {
            Some((key, slot, request)) => {
                Some((key, slot.to_row_with(request, answer.clone(), self.now)?))
            }
            None => None,
        };
        let mut rows: Vec<(&[u8], &[u8])> = Vec::with_capacity(2);
        rows.extend(row.as_ref().map(|row| (ROW, row.as_slice())));
        rows.extend(slot_row.as_ref().map(|(key, row)| (key.as_slice(), row.as_slice())));
        if !rows.is_empty() {
            store.put_all(&rows)?;
        }
        if change.frame.is_some() {
            self.record = Some(change.record);
        }
        Ok(Outcome { answer, frame: change.frame, ended })
    }

    /// Applies the writes together, if they are allowed. Rules see the document before and after all of them: nobody
    /// ever sees it in between, and a caller who may take it from the one to the other may do so in any number of
    /// writes.
    fn change(
        &self,
        store: &mut impl Store,
        record: Record,
        edits: Vec<Edit>,
        wants: Wants,
        slot: &mut Kept,
    ) -> Result<Change, Stop> {
        let is_decided = matches!(wants, Wants::Commit(Stage::Decided));
        let only_verifies = edits.iter().all(Edit::is_verify);
        if edits.iter().any(Edit::is_verify) && !is_decided {
            // This comes first: the outcome of a verify tells the present version.
            self.permit(Method::Get, self.record.as_ref(), None)?;
        }
        let is_whole = edits.iter().all(Edit::is_whole);
        let change = match Change::of(record, edits, self.now, self.settings) {
            Ok(change) => change,
            Err(error) => {
                let error = match wants {
                    Wants::Resource { .. } => error,
                    Wants::Commit(_) => error.at(self.path.as_str()),
                };
                // Too large new data, say, is an error that tells nothing of the stored document.
                let tells = !(is_whole && is_of_request(&error));
                return Err(self.refused(store, slot.take(), error, tells));
            }
        };
        if !only_verifies && !is_decided {
            let before = self.record.as_ref();
            let method = method_of(before, &change.record);
            self.permit(method, before, Some(&change.record))?;
        }
        Ok(change)
    }

    /// Returns the first answer to a request that is repeated, as much of it as the caller may see now.
    fn repeated(&mut self, store: &impl Store, answer: Answer) -> Result<Answer, Stop> {
        if self.guard.is_open() {
            return Ok(answer);
        }
        self.load(store)?;
        let may_see = match self.sees(self.record.as_ref()) {
            Ok(_) => true,
            Err(Stop::Refused(_)) => false,
            Err(needs) => return Err(needs),
        };
        Ok(if may_see { answer } else { answer.without_data() })
    }

    /// Refuses a write for an error. An error that tells something of the document is only for callers who may see
    /// it: to others the act is forbidden. The refusal is kept as an answer: the request repeated must not be done
    /// after all because the document has changed meanwhile. Internal errors are not recorded, and anonymous refusals
    /// write no row unless everything is open.
    fn refused(&self, store: &mut impl Store, slot: Kept, error: Error, tells: bool) -> Stop {
        if error.code == Code::Internal {
            return error.into();
        }
        if let Err(stop) = self.sees(self.record.as_ref()) {
            return match stop {
                Stop::Refused(_) if tells => {
                    self.guard.forbidden(self.caller, Method::Update, self.path).into()
                }
                Stop::Refused(_) => error.into(),
                needs => needs,
            };
        }
        let is_somebody = self.guard.is_open() || self.caller.auth.is_some();
        if let Some((key, slot, request)) = slot.filter(|_| is_somebody) {
            let refused = Answer::Refused(error.clone());
            let row = slot.to_row_with(request, refused, self.now);
            if let Err(fault) = row.and_then(|row| Ok(store.put_all(&[(&key, &row)])?)) {
                return fault.into();
            }
        }
        error.into()
    }

    /// True if the caller may see the outcome of its write.
    fn may_see(&self, after: &Record) -> Result<bool, Stop> {
        match self.sees(Some(after)) {
            Ok(_) => Ok(true),
            Err(Stop::Refused(_)) => Ok(false),
            Err(needs) => Err(needs),
        }
    }

    /// Returns the listeners that may not see the document after the change, and the reason for each.
    fn review(&mut self, change: &Change) -> Result<Vec<(String, Error)>, Stop> {
        if change.frame.is_none() {
            return Ok(Vec::new());
        }
        let known = &self.caller.lookups;
        let Review { ended, needs } =
            self.audience.review(self.guard, self.now, self.path, &change.record, known);
        let is_asked = needs.iter().any(|path| !known.contains_key(path));
        if is_asked && known.len().saturating_add(needs.len()) <= STEP_LOOKUPS {
            return Err(Stop::Needs(needs));
        }
        Ok(ended)
    }

    /// Takes the writes, all of which must be of this document.
    pub(super) fn edits(&self, writes: Vec<Write>) -> Result<Vec<Edit>, Error> {
        let edit = |Write { path, operation, preconditions }| {
            if &path == self.path {
                Ok(Edit { operation, preconditions })
            } else {
                Err(Error::invalid(format!("write: {path} is another document than {}", self.path)))
            }
        };
        writes.into_iter().map(edit).collect()
    }
}

/// Returns the method that rules see for a change.
fn method_of(before: Option<&Record>, after: &Record) -> Method {
    match (before.and_then(|before| before.data.as_ref()), &after.data) {
        (_, None) => Method::Delete,
        (None, Some(_)) => Method::Create,
        (Some(_), Some(_)) => Method::Update,
    }
}

/// True if an error is about the request, and not about the stored document.
fn is_of_request(error: &Error) -> bool {
    matches!(error.code, Code::InvalidArgument | Code::ResourceExhausted)
}
