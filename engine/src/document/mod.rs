//! The document: one JSON object, its only writer, and its listeners.
//!
//! [`Document::handle`] is one step: it may read rows, then it commits at most one change (one call of
//! [`Store::put_all`]), then it returns effects. A refused step has changed nothing. The object's memory is only a
//! cache of its row, so it may be lost between any two steps.
//!
//! A step's change has to reach the document's indexes. The row itself is the outbox: an alarm that is set with the
//! change sends it again unless the indexes are known to have it. Nobody is shown a state before they have it, neither by
//! an answer nor by a frame ([`outbox`]): a query that starts after that finds this state or a later one.

mod audience;
mod change;
mod outbox;
pub(crate) mod room;
mod seats;
mod telling;
mod write;

use crate::guard::{Caller, Explained, Guard, Stop};
use crate::idempotency::Idempotency;
use crate::index::settings::Settings;
use crate::record::Record;
use audience::Audience;
use blaze_rules::auth::Auth;
use blaze_rules::{Basis, Method};
use blaze_schema::document::document_text;
use blaze_schema::error::{Code, Error};
use blaze_schema::id::ulid;
use blaze_schema::path::DocumentPath;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::value::Map;
use blaze_schema::wire::document::{
    ClientMessage, Repeatable, close_code, error_text, pong_text, snapshot_text, written_text,
};
use blaze_schema::write::{Operation, Precondition, Write};
use blaze_store::Store;
use outbox::Outbox;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;
use write::{Edit, Outcome, Request, Wants};

/// The key of the document's row.
const ROW: &[u8] = b"d";

/// Records larger than this are read again instead of being kept: the memory of an isolate is shared by all its
/// documents.
const CACHED_BYTES: usize = 128 * 1_024;

/// The stage of a commit that a document has a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The commit is of this document alone.
    Alone,
    /// Each of its documents says whether it could do its part; nothing is done yet.
    Trial,
    /// All could, and nothing has happened since: the rules have been asked.
    Decided,
}

/// What happens to a document.
#[derive(Clone, Debug)]
pub enum Event {
    /// A read.
    Get {
        /// `If-Match` and `If-None-Match`, in this order.
        preconditions: Vec<Precondition>,
    },
    /// A write.
    Write {
        /// The change.
        operation: Operation,
        /// Conditions that must all hold.
        preconditions: Vec<Precondition>,
        /// The key under which the request may be repeated, if it has one.
        idempotency: Option<Idempotency>,
        /// True if the answer holds the data (`Prefer: return=minimal` leaves it out).
        return_data: bool,
    },
    /// A commit of writes to the document: they apply in order and are one change. Each one's preconditions are about
    /// the document before all of them.
    Commit {
        /// The writes.
        writes: Vec<Write>,
        /// The commit's stage.
        stage: Stage,
        /// The key under which the request may be repeated, if it has one.
        idempotency: Option<Idempotency>,
    },
    /// A socket opens, or one that had no token sent it.
    Connect {
        /// The version and epoch that the client has seen: `?since=…&epoch=…`.
        since: Option<(u64, String)>,
    },
    /// A socket that listens sent another token, which identifies the event's caller.
    Renew {
        /// The listener that it was.
        listener: String,
    },
    /// The listeners, once each: after a loss of memory, before any other event, if there are sockets.
    Woken {
        /// The identities that [`Effect::Admit`] was for.
        listeners: Vec<Option<Rc<Auth>>>,
        /// The epoch of one of these [`Effect::Admit`], if one had it.
        unborn: Option<String>,
    },
    /// A socket has gone.
    Disconnect {
        /// The listener that it was.
        listener: String,
    },
    /// A socket sent a text frame.
    Message {
        /// The frame.
        text: String,
    },
    /// The outcome of an [`Effect::Index`].
    Indexed {
        /// The version that was sent.
        version: u64,
        /// True if every index has it.
        done: bool,
    },
    /// The alarm rings.
    Alarm,
}

/// An action for the shell. Effects are carried out in their order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Ring at this time, instead of at any other. Part of the step's commit.
    SetAlarm(Timestamp),
    /// Tell the document's indexes, and then [`Event::Indexed`]. What the same step answers, sends and broadcasts after
    /// this waits until they have confirmed it. If they do not, the answer is [`unindexed`], and the sockets that it was
    /// for are closed with the code of `unavailable`: they resume. What a socket is sent keeps its order meanwhile.
    Index {
        /// The version of the row.
        version: u64,
        /// The row for the indexes.
        row: String,
    },
    /// The indexes are being told of this version by an earlier step: what follows waits as after [`Effect::Index`].
    Await {
        /// The version.
        version: u64,
    },
    /// Answer the request.
    Answer(Answer),
    /// Look these documents up, and repeat the event with them: nothing was done.
    Lookup(BTreeSet<DocumentPath>),
    /// Let the socket that the event came from listen from now on, as this listener.
    Admit {
        /// Its name in [`Effect::End`].
        listener: String,
        /// The epoch that a document will have that was never written. No row holds it; the socket must keep it.
        unborn: Option<String>,
    },
    /// Identify the sender of this token. Then [`Event::Renew`], or [`Event::Connect`] for a socket that was not
    /// admitted yet.
    Identify {
        /// The token.
        token: String,
    },
    /// Send a frame to the socket that the event came from.
    Send(String),
    /// Close the socket that the event came from.
    Close {
        /// The WebSocket close code.
        code: u16,
    },
    /// End all sockets of a listener: send them the frame, if there is one, then close them.
    End {
        /// The listener.
        listener: String,
        /// The frame with the reason.
        frame: Option<String>,
        /// The WebSocket close code.
        code: u16,
    },
    /// Send a frame to every socket of the document.
    Broadcast(String),
    /// Log an administrative act.
    Audit {
        /// The administrator.
        actor: String,
        /// The act.
        act: &'static str,
    },
    /// Log the reason of a refusal.
    Log(String),
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// The document.
    Found {
        /// Its version.
        version: u64,
        /// The resource's JSON.
        body: String,
    },
    /// `If-None-Match` names the present version.
    NotModified {
        /// The version.
        version: u64,
    },
    /// The write is done, or there was nothing to change.
    Written {
        /// True if the write created the document.
        created: bool,
        /// The version.
        version: u64,
        /// The resource's JSON.
        body: String,
    },
    /// The commit is done, or there was nothing to change.
    Committed {
        /// Time of the commit, RFC 3339.
        time: String,
        /// The document's version.
        version: u64,
        /// Number of its writes.
        writes: usize,
    },
    /// A read document does not exist.
    Missing {
        /// The version of its delete; 0 if it never existed.
        version: u64,
    },
    /// The document does not exist, any more or as before.
    Deleted {
        /// The last version.
        version: u64,
    },
    /// Nothing was done.
    Refused(Error),
}

impl Answer {
    /// Returns the same answer without the document's data, for a caller who may not see it.
    fn without_data(self) -> Self {
        let stripped = |body: String| {
            let mut resource: Map = serde_json::from_str(&body).unwrap_or_default();
            resource.remove("data");
            Value::Object(resource).to_string()
        };
        match self {
            Answer::Found { version, body } => Answer::Found { version, body: stripped(body) },
            Answer::Written { created, version, body } => {
                Answer::Written { created, version, body: stripped(body) }
            }
            other => other,
        }
    }
}

/// One document.
#[derive(Debug)]
pub struct Document {
    path: DocumentPath,
    settings: Settings,
    cache: Option<Record>,
    outbox: Outbox,
    audience: Audience,
    /// The epoch that listeners were told for a document that was never written. The document will have it, so that
    /// they can be served patches when they come back.
    unborn: Option<String>,
}

impl Document {
    /// Creates the document at `path`. Reads nothing yet.
    pub fn new(path: DocumentPath) -> Self {
        Document {
            path,
            settings: Settings::default(),
            cache: None,
            outbox: Outbox::default(),
            audience: Audience::default(),
            unborn: None,
        }
    }

    /// Returns the same document under its collection's settings.
    pub fn under(self, settings: Settings) -> Self {
        Document { settings, ..self }
    }

    /// The same document, whose object has this alarm: before the first event after a loss of memory, and not while the
    /// alarm's handler is at work. Without this the indexes are told of the present state before anybody is shown it.
    pub fn with_alarm(self, alarm: Option<Timestamp>) -> Self {
        Document { outbox: Outbox::with_alarm(alarm), ..self }
    }

    /// The same where its indexes are told in the transaction of a change: see [`Document::secure`].
    #[must_use]
    pub fn atomic(self) -> Self {
        Document { outbox: self.outbox.atomic(), ..self }
    }

    /// Returns the time of the alarm to set at the end of a transaction in which the indexes could not be told.
    pub fn secure(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.outbox.secure(now)
    }

    /// Returns the data as compact JSON, whoever the caller is; `None` if there is none.
    ///
    /// # Errors
    /// When the row cannot be read.
    pub fn data(&mut self, store: &impl Store) -> Result<Option<String>, Error> {
        if let Some(record) = &self.cache {
            return Ok(record.data.clone());
        }
        let row = store.get(ROW)?;
        Ok(row.map(Record::from_row).transpose()?.and_then(|record| record.data))
    }

    /// Handles one event with everything allowed. `random` is 128 fresh random bits.
    pub fn handle(
        &mut self,
        store: &mut impl Store,
        now: Timestamp,
        random: u128,
        event: Event,
    ) -> Vec<Effect> {
        self.handle_as(store, now, random, event, &Guard::Open, &Caller::default())
    }

    /// Handles one event as `caller`, under rules. A denied event changes nothing and returns the refusal.
    pub fn handle_as(
        &mut self,
        store: &mut impl Store,
        now: Timestamp,
        random: u128,
        event: Event,
        guard: &Guard,
        caller: &Caller,
    ) -> Vec<Effect> {
        let step = Step {
            path: &self.path,
            settings: &self.settings,
            now,
            random,
            record: self.cache.take(),
            outbox: self.outbox,
            guard,
            caller,
            audience: &mut self.audience,
            log: Cell::new(None),
            unborn: &mut self.unborn,
        };
        let (record, outbox, effects) = step.run(store, event);
        self.cache = record.filter(|record| record.bytes() <= CACHED_BYTES);
        self.outbox = outbox;
        effects
    }
}

struct Step<'a> {
    path: &'a DocumentPath,
    settings: &'a Settings,
    now: Timestamp,
    random: u128,
    record: Option<Record>,
    outbox: Outbox,
    guard: &'a Guard,
    caller: &'a Caller,
    audience: &'a mut Audience,
    /// The reason of the step's refusal, for the log.
    log: Cell<Option<String>>,
    unborn: &'a mut Option<String>,
}

/// The results of a step: the record to keep in memory, the state of the outbox, and the effects.
type Left = (Option<Record>, Outbox, Vec<Effect>);

impl Step<'_> {
    fn run(mut self, store: &mut impl Store, event: Event) -> Left {
        let mut effects = match event {
            Event::Get { preconditions } => match self.get(store, &preconditions) {
                Ok(answer) => {
                    let mut effects = self.index(store, false);
                    effects.push(Effect::Answer(answer));
                    effects
                }
                Err(stop) => stopped(stop, |error| vec![Effect::Answer(Answer::Refused(error))]),
            },
            Event::Write { operation, preconditions, idempotency, return_data } => {
                let edits = vec![Edit { operation, preconditions }];
                let wants = Wants::Resource { with_data: return_data };
                let outcome = self.write(store, Request { edits, idempotency, wants });
                self.answer(store, outcome)
            }
            Event::Commit { writes, stage, idempotency } => {
                let wants = Wants::Commit(stage);
                let outcome = match self.edits(writes) {
                    Ok(edits) => self.write(store, Request { edits, idempotency, wants }),
                    Err(error) => Err(error.into()),
                };
                self.answer(store, outcome)
            }
            Event::Connect { since } => {
                self.connect(store, since.as_ref()).unwrap_or_else(|stop| stopped(stop, ending))
            }
            Event::Renew { listener } => {
                self.renew(store, &listener).unwrap_or_else(|stop| stopped(stop, ending))
            }
            Event::Message { text } => {
                self.message(store, &text).unwrap_or_else(|stop| stopped(stop, refusal))
            }
            Event::Woken { listeners, unborn } => {
                *self.unborn = unborn;
                for auth in listeners {
                    // There was room for them.
                    let _ = self.audience.admit(&Caller::new(auth), None, self.now);
                }
                Vec::new()
            }
            Event::Disconnect { listener } => {
                self.audience.leave(&listener);
                Vec::new()
            }
            Event::Indexed { version, done } => {
                self.outbox.told(version, done);
                if done { Vec::new() } else { self.set_outbox_alarm().into_iter().collect() }
            }
            Event::Alarm => self.alarm(store),
        };
        effects.extend(self.log.take().map(Effect::Log));
        (self.record, self.outbox, effects)
    }

    /// Answers a request to write.
    fn answer(&mut self, store: &impl Store, outcome: Result<Outcome, Stop>) -> Vec<Effect> {
        match outcome {
            Ok(outcome) => {
                let mut effects = self.index(store, outcome.frame.is_some());
                effects.push(Effect::Answer(outcome.answer));
                self.tell(outcome.frame, outcome.ended, &mut effects);
                effects
            }
            Err(stop) => stopped(stop, |error| vec![Effect::Answer(Answer::Refused(error))]),
        }
    }

    fn alarm(&mut self, store: &impl Store) -> Vec<Effect> {
        self.outbox.rings();
        // Until the indexes are known to have it, there is always an alarm.
        let mut effects = self.index(store, true);
        let expired =
            if self.guard.is_open() { Vec::new() } else { self.audience.expired(self.now) };
        self.tell(None, expired, &mut effects);
        effects.extend(self.set_expiry_alarm());
        effects
    }

    /// Ends the listeners that may not go on, before the others get the frame.
    fn tell(
        &mut self,
        frame: Option<String>,
        ended: Vec<(String, Error)>,
        effects: &mut Vec<Effect>,
    ) {
        let administrative = self.guard.is_administrative(self.caller);
        if let (true, Some(_)) = (administrative, &frame) {
            let actor = self.caller.uid().to_owned();
            effects.push(Effect::Audit { actor, act: "writes a document" });
        }
        for (listener, error) in ended {
            self.audience.end(&listener);
            // Clients that should just reconnect get no error frame.
            let frame = (error.code != Code::Unavailable).then(|| error_text(&error));
            effects.push(Effect::End { listener, frame, code: close_code(error.code) });
        }
        effects.extend(frame.map(Effect::Broadcast));
    }

    /// The record, from memory or from its row; `None` for a document that was never written.
    fn load(&mut self, store: &impl Store) -> Result<Option<&Record>, Error> {
        if self.record.is_none()
            && let Some(row) = store.get(ROW)?
        {
            let record = Record::from_row(row)?;
            self.outbox.loaded(record.version);
            self.record = Some(record);
        }
        Ok(self.record.as_ref())
    }

    /// Asks the rules whether they allow the event of this step. A refusal is explained as far as the guard says.
    fn permit(
        &self,
        method: Method,
        before: Option<&Record>,
        after: Option<&Record>,
    ) -> Result<Basis, Stop> {
        let states = [before, after];
        let permitted =
            self.guard.permit_explained(self.caller, self.now, method, self.path, states);
        permitted.map_err(|Explained { stop, log }| {
            self.log.set(log);
            stop
        })
    }

    /// Asks the rules whether the caller may see a state of the document, without explaining a refusal.
    fn sees(&self, record: Option<&Record>) -> Result<Basis, Stop> {
        self.guard.permit(self.caller, self.now, Method::Get, self.path, [record, None])
    }

    fn get(&mut self, store: &impl Store, preconditions: &[Precondition]) -> Result<Answer, Stop> {
        let path = self.path;
        self.load(store)?;
        let record = self.record.as_ref();
        self.permit(Method::Get, record, None)?;
        let present = record.and_then(Record::present_version);
        for precondition in preconditions {
            if let (Precondition::IfNoneMatch(versions), Some(version)) = (precondition, present)
                && versions.contain(present)
            {
                return Ok(Answer::NotModified { version });
            }
            if let Err(error) = precondition.check(present) {
                return Ok(Answer::Refused(error));
            }
        }
        match record {
            Some(record) if record.data.is_some() => {
                Ok(Answer::Found { version: record.version, body: resource(path, record, true) })
            }
            _ => Ok(Answer::Missing { version: record.map_or(0, |record| record.version) }),
        }
    }

    fn connect(
        &mut self,
        store: &impl Store,
        since: Option<&(u64, String)>,
    ) -> Result<Vec<Effect>, Stop> {
        self.load(store)?;
        let basis = self.permit(Method::Get, self.record.as_ref(), None)?;
        let admitted = Some((self.guard.version(), basis));
        let listener = self.audience.admit(self.caller, admitted, self.now)?;
        let unborn = self.unborn_epoch();
        let mut effects = vec![Effect::Admit { listener, unborn: unborn.clone() }];
        effects.extend(self.set_expiry_alarm());
        effects.extend(self.index(store, false));
        let unborn = unborn.map(|epoch| Record::unborn(epoch, self.now));
        let Some(record) = self.record.as_ref().or(unborn.as_ref()) else { return Ok(effects) };
        // Only the present state was decided about: rules that look at the document may deny those before it.
        let since = since.filter(|(version, _)| !basis.resource || *version == record.version);
        match since.and_then(|(version, epoch)| record.frames_since(*version, epoch)) {
            Some(frames) => {
                effects.extend(frames.into_iter().map(|frame| Effect::Send(frame.to_owned())));
            }
            None => effects.push(Effect::Send(snapshot_text(
                &record.epoch,
                record.version,
                record.data.as_deref(),
            ))),
        }
        Ok(effects)
    }

    /// Lets a socket that listens go on with another identity, or with the same one for longer.
    fn renew(&mut self, store: &impl Store, listener: &str) -> Result<Vec<Effect>, Stop> {
        self.load(store)?;
        // A socket that is refused is its listener's until it is closed.
        let basis = self.permit(Method::Get, self.record.as_ref(), None)?;
        let admitted = Some((self.guard.version(), basis));
        let listener = self.audience.renew(listener, self.caller, admitted, self.now)?;
        let mut effects = vec![Effect::Admit { listener, unborn: self.unborn_epoch() }];
        effects.extend(self.set_expiry_alarm());
        Ok(effects)
    }

    fn message(&mut self, store: &mut impl Store, text: &str) -> Result<Vec<Effect>, Stop> {
        match ClientMessage::parse(text)? {
            ClientMessage::Ping(number) => {
                let pong = Effect::Send(pong_text(number));
                Ok(self.outbox.wait().into_iter().chain([pong]).collect())
            }
            ClientMessage::Auth(token) => Ok(vec![Effect::Identify { token }]),
            ClientMessage::Listen { .. } | ClientMessage::Unlisten(_) => Err(Error::invalid(
                "message: this socket is of one document; targets are listened to on /v1/listen",
            )
            .into()),
            ClientMessage::Write { id, repeatable, write } => {
                let write = write.and_then(|write| self.check_expiry().map(|()| write));
                let outcome = match write {
                    Ok(write) => self.write_here(store, write, repeatable),
                    Err(error) => Err(error.into()),
                };
                let (result, outcome, mut effects) = match outcome {
                    Ok(outcome) => {
                        let effects = self.index(store, outcome.frame.is_some());
                        (outcome_of(&outcome.answer), Some(outcome), effects)
                    }
                    Err(Stop::Refused(error)) => (Err(error), None, Vec::new()),
                    Err(needs) => return Err(needs),
                };
                effects.push(Effect::Send(written_text(&id, self.path.as_str(), &result)));
                if let Some(Outcome { frame, ended, .. }) = outcome {
                    self.tell(frame, ended, &mut effects);
                }
                Ok(effects)
            }
        }
    }

    /// Refuses a caller whose token has expired: a socket outlives its token until the alarm rings.
    fn check_expiry(&self) -> Result<(), Error> {
        let expires = self.caller.auth.as_ref().and_then(|auth| auth.expires);
        if !self.guard.is_open() && expires.is_some_and(|expires| expires <= self.now) {
            return Err(audience::token_expired());
        }
        Ok(())
    }

    /// Does a write that came as a frame, which must be of this document. With a key it is a commit of its own,
    /// whichever way it comes.
    fn write_here(
        &mut self,
        store: &mut impl Store,
        write: Write,
        repeatable: Option<Repeatable>,
    ) -> Result<Outcome, Stop> {
        let edits = self.edits(vec![write])?;
        let wants = match &repeatable {
            Some(_) => Wants::Commit(Stage::Alone),
            None => Wants::Resource { with_data: false },
        };
        let idempotency =
            repeatable.map(|Repeatable { key, body }| Idempotency::of_commit(key, &body));
        self.write(store, Request { edits, idempotency, wants })
    }

    fn epoch(&self) -> String {
        self.unborn.clone().unwrap_or_else(|| ulid(self.now, self.random))
    }

    /// Returns the epoch that the document will have, if it was never written. Listeners are told it, and memory
    /// keeps it.
    fn unborn_epoch(&mut self) -> Option<String> {
        if self.record.is_some() {
            return None;
        }
        *self.unborn = Some(self.epoch());
        self.unborn.clone()
    }
}

/// Returns the effects instead of a step that cannot be done, or not yet.
fn stopped(stop: Stop, refuse: impl FnOnce(Error) -> Vec<Effect>) -> Vec<Effect> {
    match stop {
        Stop::Refused(error) => refuse(error),
        Stop::Needs(paths) => vec![Effect::Lookup(paths)],
    }
}

/// The answer to a request whose document's indexes did not confirm in time the state that it tells of.
pub fn unindexed() -> Error {
    let detail = "the document's index does not answer; repeat the request, with its Idempotency-Key if it has one";
    Error::new(Code::Unavailable, detail)
}

/// What ends the socket that the event came from.
fn ending(error: Error) -> Vec<Effect> {
    let code = close_code(error.code);
    vec![Effect::Send(error_text(&error)), Effect::Close { code }]
}

fn refusal(error: Error) -> Vec<Effect> {
    vec![Effect::Send(error_text(&error))]
}

/// Returns the document's version after a write, or the refusal: a repeated write is answered as at first.
fn outcome_of(answer: &Answer) -> Result<u64, Error> {
    match answer {
        Answer::Found { version, .. }
        | Answer::NotModified { version }
        | Answer::Written { version, .. }
        | Answer::Committed { version, .. }
        | Answer::Missing { version }
        | Answer::Deleted { version } => Ok(*version),
        Answer::Refused(error) => Err(error.clone()),
    }
}

fn resource(path: &DocumentPath, record: &Record, with_data: bool) -> String {
    let data = record.data.as_deref().filter(|_| with_data);
    document_text(
        path,
        record.version,
        &record.create_time.to_string(),
        &record.update_time.to_string(),
        data,
    )
}

#[cfg(test)]
mod commit_tests;
#[cfg(test)]
mod permission_tests;
#[cfg(test)]
mod room_tests;
#[cfg(test)]
mod tests;
