//! One document as one client has it: a [`Session`] that listens, its unanswered writes, and a [`View`] that puts the two
//! together.
//!
//! In scope: every decision that is taken about a document. Out of scope: in which order a client's writes are sent
//! ([`crate::core::outbox`]), sockets, timers, the clock, randomness and callbacks. Drive it by [`Replica::handle`]: tell it
//! what happened, then do the effects, in order. An effect's outcome is told as an event later, never while its effects
//! are being done.
//!
//! Listeners see own writes at once, but the server is asked for the document after the writes that were made before:
//! rules may let it be read because of them.

use crate::core::event::{Effect, Event};
use crate::core::http::Outgoing;
use crate::core::session::Session;
use crate::core::view::View;
use blaze_schema::id::ulid;
use blaze_schema::path::DocumentPath;
use blaze_schema::timestamp::Timestamp;
use std::mem;
use std::rc::Rc;

/// The replica of one document.
#[derive(Debug)]
pub struct Replica {
    path: DocumentPath,
    session: Session,
    view: View,
    /// The writes without an answer, in the order of their making.
    unanswered: Vec<u64>,
    /// True while listening waits for earlier writes.
    waiting: bool,
}

impl Replica {
    /// A replica that knows nothing yet.
    pub fn new(path: DocumentPath) -> Self {
        Replica {
            path,
            session: Session::default(),
            view: View::default(),
            unanswered: Vec::new(),
            waiting: false,
        }
    }

    /// The document's path.
    pub fn path(&self) -> &DocumentPath {
        &self.path
    }

    /// Whether no write is waiting to be sent or answered.
    pub fn is_settled(&self) -> bool {
        self.unanswered.is_empty()
    }

    /// Takes one event. `now` is the local clock; all bits of `random` are.
    pub fn handle(&mut self, now: Timestamp, random: u128, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Listen => {
                self.view.watch();
                self.waiting = true;
                effects.push(Effect::Wait);
            }
            Event::Ready => {
                if mem::take(&mut self.waiting) {
                    self.session.listen(&mut effects);
                }
            }
            Event::Unlisten => self.unlisten(&mut effects),
            Event::Opened => self.session.opened(&mut effects),
            Event::Received(message) => {
                if self.session.received(message, random, &mut effects)
                    && let Some(state) = self.session.state()
                {
                    self.view.server(state.clone());
                }
            }
            Event::Closed(why) => self.session.closed(why, random, &mut effects),
            Event::Refused(error) => self.session.refused(error, &mut effects),
            Event::Timer => self.session.timer(random, &mut effects),
            Event::Online => self.session.retry(&mut effects),
            Event::Reached => self.session.reached(&mut effects),
            Event::Doubt => self.session.doubt(&mut effects),
            Event::Write { id, change } => {
                let (operation, write) = Outgoing::new(&self.path, change, ulid(now, random));
                self.view.write(operation, now);
                self.unanswered.push(id);
                effects.push(Effect::Send { id, write: Rc::new(write) });
            }
            Event::Answered { id, result } => {
                if self.unanswered.first() == Some(&id) {
                    self.unanswered.remove(0);
                    match &result {
                        Ok(version) => self.view.done(*version),
                        Err(_) => self.view.refused(),
                    }
                    effects.push(Effect::Settled { id, result });
                }
            }
            Event::Close => self.unlisten(&mut effects),
        }
        if effects.iter().any(|effect| matches!(effect, Effect::Fail(_))) {
            self.view.unwatch();
        }
        if effects.iter().any(|effect| matches!(effect, Effect::OpenSocket { since: None })) {
            self.view.reopened();
        }
        effects.extend(self.view.changed().map(Effect::Show));
        effects
    }

    fn unlisten(&mut self, effects: &mut Vec<Effect>) {
        self.waiting = false;
        self.view.unwatch();
        self.session.unlisten(effects);
    }
}
