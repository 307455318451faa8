//! The way of a document's states to its indexes.
//!
//! ```text
//!   committed, alarm set ──▶ indexes being told ──▶ told: shown to whoever asks or listens
//!                                   ╰── failed: the alarm tells them again
//! ```
//!
//! A write sets the alarm in the transaction of its commit, and the alarm stays until they were told. So an object that
//! wakes without an alarm has told them; one that wakes with one may not have.

use super::{Effect, Step, resource};
use crate::index::row;
use blaze_schema::limits::OUTBOX_MICROS;
use blaze_schema::timestamp::Timestamp;
use blaze_store::Store;

/// The state of that, as far as memory knows it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outbox {
    /// The version that the indexes have.
    indexed: Option<u64>,
    /// The version that they are being told of.
    telling: Option<u64>,
    /// When the alarm rings, if one is known to be set.
    alarm: Option<Timestamp>,
    /// True if they have whatever state the row holds, which was not read yet.
    is_told: bool,
    /// True if they are told in the transaction of the change: an alarm is set only for what they were not told in it.
    is_atomic: bool,
}

impl Outbox {
    /// That of an object which wakes with this alarm, or without one.
    pub(super) fn with_alarm(alarm: Option<Timestamp>) -> Self {
        Outbox { alarm, is_told: alarm.is_none(), ..Outbox::default() }
    }

    /// The same, where the indexes are told in the transaction of the change.
    pub(super) fn atomic(self) -> Self {
        Outbox { is_atomic: true, ..self }
    }

    /// The alarm without which a telling that is still under way at the end of the transaction could be lost.
    pub(super) fn secure(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.telling?;
        self.set_alarm(due(now))
    }

    /// An object has one alarm: the sooner one stays, and sets the next.
    fn set_alarm(&mut self, at: Timestamp) -> Option<Timestamp> {
        if self.alarm.is_some_and(|set| set <= at) {
            return None;
        }
        self.alarm = Some(at);
        Some(at)
    }

    /// The row was read, and has this version.
    pub(super) fn loaded(&mut self, version: u64) {
        if std::mem::take(&mut self.is_told) {
            self.indexed = Some(version);
        }
    }

    /// The indexes were told of a version, or could not be.
    pub(super) fn told(&mut self, version: u64, done: bool) {
        if done {
            self.indexed = self.indexed.max(Some(version));
        }
        self.telling = self.telling.filter(|telling| *telling != version);
    }

    /// The alarm rings: whatever became of an earlier telling, it is repeated.
    pub(super) fn rings(&mut self) {
        self.alarm = None;
        self.telling = None;
    }

    /// The wait for a telling that is under way, for what comes after the frames that wait for it.
    pub(super) fn wait(&self) -> Option<Effect> {
        self.telling.map(|version| Effect::Await { version })
    }
}

impl Step<'_> {
    /// Brings the present state to the indexes, or waits until it is there, unless they are known to have it. With `alarm`
    /// one sees to it should this object's memory be lost.
    pub(super) fn index(&mut self, store: &impl Store, alarm: bool) -> Vec<Effect> {
        let path = self.path;
        // A row that cannot be read shows nothing.
        let Ok(Some(version)) = self.load(store).map(|record| record.map(|record| record.version))
        else {
            return Vec::new();
        };
        let is_known = self.outbox.indexed.is_some_and(|indexed| indexed >= version);
        let Some(record) = self.record.as_ref().filter(|_| version > 0 && !is_known) else {
            return Vec::new();
        };
        if self.outbox.telling == Some(version) {
            return vec![Effect::Await { version }];
        }
        let row = row::of(&record.epoch, &resource(path, record, true));
        self.outbox.telling = Some(version);
        let mut effects = Vec::with_capacity(4);
        if alarm && !self.outbox.is_atomic {
            effects.extend(self.set_outbox_alarm());
        }
        effects.push(Effect::Index { version, row });
        effects
    }

    pub(super) fn set_outbox_alarm(&mut self) -> Option<Effect> {
        self.set_alarm(due(self.now))
    }

    /// For when the next token expires that somebody listens with.
    pub(super) fn set_expiry_alarm(&mut self) -> Option<Effect> {
        let expiry = self.audience.next_expiry().filter(|_| !self.guard.is_open())?;
        let Outbox { alarm, indexed, is_told, .. } = self.outbox;
        if alarm.is_none() && indexed.is_none() && !is_told {
            // An alarm of the outbox may be set, of which memory knows no more: it must not be put off.
            return self.set_outbox_alarm();
        }
        self.set_alarm(expiry)
    }

    fn set_alarm(&mut self, at: Timestamp) -> Option<Effect> {
        self.outbox.set_alarm(at).map(Effect::SetAlarm)
    }
}

/// The time at which the alarm of a telling that begins now rings.
fn due(now: Timestamp) -> Timestamp {
    now.after(OUTBOX_MICROS)
}
