//! One document as one client has it: a [`Session`] that listens, an [`Outbox`] that writes, and a [`View`] that puts
//! the two together.
//!
//! In scope: every decision that is taken about a document. Out of scope: sockets, requests, timers, the clock,
//! randomness and callbacks. Drive it by [`Replica::handle`]: tell it what happened, then do the effects, in order. An
//! effect's outcome is told as an event later, never while its effects are being done.

use crate::event::{Effect, Event, Timer};
use crate::http::write_request;
use crate::outbox::{Outbox, Settled};
use crate::session::Session;
use crate::view::View;
use blaze_schema::id::ulid;
use blaze_schema::path::DocumentPath;
use blaze_schema::timestamp::Timestamp;

/// The replica of one document.
#[derive(Debug)]
pub struct Replica {
    path: DocumentPath,
    session: Session,
    outbox: Outbox,
    view: View,
}

impl Replica {
    /// A replica that knows nothing yet.
    pub fn new(path: DocumentPath) -> Self {
        Replica {
            path,
            session: Session::default(),
            outbox: Outbox::default(),
            view: View::default(),
        }
    }

    /// The document's path.
    pub fn path(&self) -> &DocumentPath {
        &self.path
    }

    /// Whether no write is waiting to be sent or answered.
    pub fn is_settled(&self) -> bool {
        self.outbox.is_empty()
    }

    /// Takes one event. `now` is the local clock; all bits of `random` are.
    pub fn handle(&mut self, now: Timestamp, random: u128, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Listen => {
                self.view.watch();
                self.session.listen(&mut effects);
            }
            Event::Unlisten => {
                self.view.unwatch();
                self.session.unlisten(&mut effects);
            }
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
            Event::Timer(Timer::Socket) => self.session.timer(random, &mut effects),
            Event::Timer(Timer::Writes) => self.outbox.retry(&mut effects),
            Event::Online => {
                self.session.online(&mut effects);
                self.outbox.retry(&mut effects);
            }
            Event::Write { id, change } => {
                let (operation, request) = write_request(&self.path, change, ulid(now, random));
                self.view.write(operation, now);
                self.outbox.push(id, request, &mut effects);
            }
            Event::Answered { id, answer } => {
                if let Some(settled) = self.outbox.answered(id, answer, random, &mut effects) {
                    self.settle(settled, &mut effects);
                }
            }
            Event::Read { id } => self.outbox.read(id, &mut effects),
            Event::Close => {
                self.view.unwatch();
                self.session.unlisten(&mut effects);
                for settled in self.outbox.close(&mut effects) {
                    self.settle(settled, &mut effects);
                }
            }
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

    fn settle(&mut self, settled: Settled, effects: &mut Vec<Effect>) {
        match &settled.result {
            Ok(version) => self.view.done(*version),
            Err(_) => self.view.refused(),
        }
        effects.push(Effect::Settled { id: settled.id, result: settled.result });
    }
}
