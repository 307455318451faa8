//! The queries that are listened to over a client's socket on `/v1/listen`, each with a [`QueryView`].
//!
//! Every query goes on after a lost socket from the last frame that it had. A frame that does not fit makes its query
//! start anew. An error ends the one query that it names, or delays it where it may pass.

use crate::core::backoff::Backoff;
use crate::core::error::may_pass;
use crate::core::event::ConnectionState;
use crate::core::query_event::{QueryEffect, QueryTimer};
use crate::core::query_view::QueryView;
use crate::core::row::Rows;
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::BODY_BYTES;
use blaze_schema::path::DocumentPath;
use blaze_schema::query::Query;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::wire::document::ping_text;
use blaze_schema::wire::query::{Changes, join_parts, listen_text, unlisten_text};
use blaze_schema::write::Operation;
use std::mem;
use std::rc::Rc;

/// So long after an own write was answered, in milliseconds, a ping finds out whether all its frames are here. Mostly they
/// come by themselves before that.
pub const PING_AFTER_MS: u32 = 500;

/// The queries.
#[derive(Debug, Default)]
pub struct Targets {
    targets: Vec<Target>,
    /// The writes that were not answered: a query that is listened to later shows them too.
    unanswered: Vec<Unanswered>,
    /// True while the timer [`QueryTimer::Retry`] runs.
    retrying: bool,
    /// True if the timer [`QueryTimer::Ping`] runs.
    pinging: bool,
    /// The number of the last ping that passes everything behind the socket.
    ping: i64,
    /// True if it was not answered yet.
    pinged: bool,
}

/// A query that is listened to.
#[derive(Debug)]
struct Target {
    number: u64,
    /// The query for the server: JSON.
    asked: String,
    view: QueryView,
    /// The server's token to resume from.
    resume: Option<String>,
    /// The first frames of a result whose last one is not here yet.
    parts: Option<Changes>,
    stage: Stage,
    /// The last write that was made before it.
    after: u64,
    /// The pauses after refusals in a row that may pass.
    backoff: Backoff,
    /// True if that is so now.
    delayed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// This socket's server does not know of it.
    Unlisted,
    /// The server refused it for the moment; the timer [`QueryTimer::Retry`] runs.
    Delayed,
    /// The server was told of it.
    Listed,
    /// And answered.
    Live,
}

#[derive(Debug)]
struct Unanswered {
    path: Rc<DocumentPath>,
    operation: Rc<Operation>,
    at: Timestamp,
}

/// The outcome of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framed {
    /// The frame is of a query that was unlistened to meanwhile, or more parts of it are to come.
    Ignored,
    /// The query has moved. [`Targets::undelayed`] takes `was_delayed`.
    Moved {
        /// True if the server had refused the query for the moment.
        was_delayed: bool,
    },
    /// The frame does not fit: the query starts anew on the next socket.
    Broken,
}

impl Targets {
    /// True if no query is listened to.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// The rows that the listeners of a query see, as [`Queries::rows`](crate::core::queries::Queries::rows).
    pub fn rows(&mut self, number: u64) -> Option<Rows> {
        self.targets.iter_mut().find(|other| other.number == number)?.view.rows()
    }

    /// Adds a query, which is asked after the write `after`.
    ///
    /// # Errors
    /// `resource-exhausted` for a query longer than a message.
    pub fn add(
        &mut self,
        number: u64,
        query: Query,
        asked: String,
        after: u64,
    ) -> Result<(), Error> {
        let bytes = listen_text(number, &asked, None).len();
        if bytes > BODY_BYTES {
            // It names no target in an error that the server would give.
            let detail = format!("query: {bytes} bytes, of {BODY_BYTES} at most");
            return Err(Error::new(Code::ResourceExhausted, detail));
        }
        let mut view = QueryView::new(query);
        for write in &self.unanswered {
            view.write(&write.path, &write.operation, write.at);
        }
        self.targets.push(Target {
            number,
            asked,
            view,
            resume: None,
            parts: None,
            stage: Stage::Unlisted,
            after,
            backoff: Backoff::default(),
            delayed: false,
        });
        Ok(())
    }

    /// Removes a query. Returns whether the server had refused it for the moment, for [`Targets::undelayed`]; `None` if
    /// it is not listened to.
    pub fn remove(&mut self, number: u64, effects: &mut Vec<QueryEffect>) -> Option<bool> {
        let index = self.targets.iter().position(|target| target.number == number)?;
        let target = self.targets.remove(index);
        if matches!(target.stage, Stage::Listed | Stage::Live) {
            effects.push(QueryEffect::Send(unlisten_text(number)));
        }
        Some(target.delayed)
    }

    /// Removes all queries without a word.
    pub fn clear(&mut self) {
        self.targets.clear();
    }

    /// Tells the server of the queries that it does not know of, but for those whose last write before them `waits`.
    pub fn list(&mut self, waits: impl Fn(u64) -> bool, effects: &mut Vec<QueryEffect>) {
        for target in &mut self.targets {
            if target.stage == Stage::Unlisted && !waits(target.after) {
                target.stage = Stage::Listed;
                target.parts = None;
                target.view.relistened();
                let resume = target.resume.as_deref();
                effects.push(QueryEffect::Send(listen_text(target.number, &target.asked, resume)));
            }
        }
    }

    /// Takes a frame of a query.
    pub fn frame(&mut self, number: u64, changes: Changes) -> Framed {
        let listed = |target: &&mut Target| {
            target.number == number && matches!(target.stage, Stage::Listed | Stage::Live)
        };
        let Some(target) = self.targets.iter_mut().find(listed) else { return Framed::Ignored };
        let Some(changes) = join_parts(&mut target.parts, changes) else { return Framed::Ignored };
        let resume = changes.resume.clone();
        if !target.view.frame(changes) {
            target.resume = None;
            return Framed::Broken;
        }
        target.resume = Some(resume);
        target.stage = Stage::Live;
        target.backoff.succeed();
        Framed::Moved { was_delayed: mem::take(&mut target.delayed) }
    }

    /// Lets every query start anew on the next socket.
    pub fn forget_places(&mut self) {
        self.targets.iter_mut().for_each(|target| target.resume = None);
    }

    /// Takes the server's error for a query, which delays or ends it. Returns, for one that ended, whether it was delayed,
    /// for [`Targets::undelayed`].
    pub fn refused(
        &mut self,
        number: u64,
        error: Error,
        random: u128,
        effects: &mut Vec<QueryEffect>,
    ) -> Option<bool> {
        let index = self.targets.iter().position(|target| target.number == number)?;
        if !may_pass(&error) {
            let target = self.targets.remove(index);
            effects.push(QueryEffect::Fail { target: number, error });
            return Some(target.delayed);
        }
        let target = &mut self.targets[index];
        target.stage = Stage::Delayed;
        target.delayed = true;
        let after_ms = target.backoff.fail(random);
        // One timer for all of them: a second one may be tried too early once.
        if !mem::replace(&mut self.retrying, true) {
            effects.push(QueryEffect::StartTimer { timer: QueryTimer::Retry, after_ms });
        }
        let state = ConnectionState::Offline { retry_in_ms: after_ms, error: Some(error) };
        effects.push(QueryEffect::Connection(state));
        None
    }

    /// Ends all queries with this error.
    pub fn fail_all(&mut self, error: &Error, effects: &mut Vec<QueryEffect>) {
        for target in mem::take(&mut self.targets) {
            effects.push(QueryEffect::Fail { target: target.number, error: error.clone() });
        }
    }

    /// Reports the open socket as connected again when a query that `was_delayed` is heard, or removed, and no other one
    /// is delayed.
    pub fn undelayed(&self, was_delayed: bool, effects: &mut Vec<QueryEffect>) {
        if was_delayed && !self.targets.iter().any(|target| target.delayed) {
            effects.push(QueryEffect::Connection(ConnectionState::Connected));
        }
    }

    /// Listens again to delayed queries: the timer [`QueryTimer::Retry`] ran out.
    pub fn retry(&mut self) {
        self.retrying = false;
        let delayed = self.targets.iter_mut().filter(|one| one.stage == Stage::Delayed);
        delayed.for_each(|target| target.stage = Stage::Unlisted);
    }

    /// Shows a write of the application.
    pub fn write(
        &mut self,
        path: Rc<DocumentPath>,
        operation: Rc<Operation>,
        at: Timestamp,
        effects: &mut Vec<QueryEffect>,
    ) {
        for target in &mut self.targets {
            target.view.write(&path, &operation, at);
        }
        self.unanswered.push(Unanswered { path, operation, at });
        effects.push(QueryEffect::Changed);
    }

    /// Takes the answer to the earliest unanswered write of a document: its version, `None` if the write was refused.
    pub fn settled(
        &mut self,
        path: &Rc<DocumentPath>,
        version: Option<u64>,
        effects: &mut Vec<QueryEffect>,
    ) {
        if let Some(first) = self.unanswered.iter().position(|write| write.path == *path) {
            self.unanswered.remove(first);
        }
        for target in &mut self.targets {
            target.view.settled(path, version);
        }
        self.ping_later(effects);
        effects.push(QueryEffect::Changed);
    }

    /// Own writes may be left that nothing is going to confirm.
    fn ping_later(&mut self, effects: &mut Vec<QueryEffect>) {
        if self.needs_ping() && !self.pinged && !mem::replace(&mut self.pinging, true) {
            let (timer, after_ms) = (QueryTimer::Ping, PING_AFTER_MS);
            effects.push(QueryEffect::StartTimer { timer, after_ms });
        }
    }

    fn needs_ping(&mut self) -> bool {
        self.targets.iter_mut().any(|target| target.view.needs_ping())
    }

    /// Sends a ping if one is needed: the timer [`QueryTimer::Ping`] ran out. Returns true if an answer is owed.
    ///
    /// Without a socket there is nothing to find out: the first frames on the next one hold what was answered before.
    pub fn send_ping(&mut self, is_open: bool, effects: &mut Vec<QueryEffect>) -> bool {
        self.pinging = false;
        if !self.needs_ping() || self.pinged || !is_open {
            return false;
        }
        self.targets.iter_mut().for_each(|target| target.view.pinged());
        self.ping += 1;
        self.pinged = true;
        effects.push(QueryEffect::Send(ping_text(self.ping)));
        true
    }

    /// Takes the answer to a ping. That to another ping than the last has no effect.
    pub fn ponged(&mut self, number: i64, effects: &mut Vec<QueryEffect>) {
        if !self.pinged || number != self.ping {
            return;
        }
        self.pinged = false;
        for target in &mut self.targets {
            target.view.passed(target.stage == Stage::Live);
        }
        self.ping_later(effects);
        effects.push(QueryEffect::Changed);
    }

    /// Takes the loss of the socket: the next one's server knows of no query.
    pub fn lost(&mut self) {
        self.pinged = false;
        for target in &mut self.targets {
            (target.stage, target.delayed) = (Stage::Unlisted, false);
        }
    }

    /// Stops the timers.
    pub fn stop(&mut self, effects: &mut Vec<QueryEffect>) {
        (self.retrying, self.pinging) = (false, false);
        effects.push(QueryEffect::StopTimer(QueryTimer::Retry));
        effects.push(QueryEffect::StopTimer(QueryTimer::Ping));
    }
}
