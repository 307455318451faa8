//! The limiter: counts the requests of one subject, or of all where there is one machine, in memory alone.

use super::{Call, Event, Turn, misdirected};
use crate::rate::{Buckets, Grant, Kind};
use blaze_schema::timestamp::Timestamp;

/// The object.
#[derive(Debug, Default)]
pub struct Limiter {
    buckets: Buckets,
    until: Option<Timestamp>,
}

/// The lease of a rate that there is no more: a shell of another version may ask for it.
const FREE_MICROS: i64 = 1_000_000;

impl Limiter {
    pub(super) fn handle<S>(&mut self, turn: &mut Turn<'_, S>, event: Event) {
        if matches!(event, Event::Timer) {
            self.until = self.until.filter(|until| *until > turn.now);
            return;
        }
        let Event::Call { ticket, call: Call::Lease { subject, want } } = &event else {
            return misdirected(turn, &event);
        };
        let rate = Kind::of_subject(subject).and_then(|kind| turn.node.rates().of(kind));
        let (Grant { amount, micros }, memory) = match rate {
            Some(rate) => self.buckets.lease(subject, rate, *want, turn.now),
            None => (Grant { amount: (*want).max(1), micros: FREE_MICROS }, 0),
        };
        turn.answer(*ticket, Ok(format!("{amount} {micros}")));
        // An object that waits for a timer is not evicted, as one would be after ten seconds: a client that has used up
        // much must not find it forgotten.
        let until = turn.now.after(memory);
        self.until = self.until.max(Some(until));
    }

    pub(super) fn wakes(&self) -> Option<Timestamp> {
        self.until
    }
}

/// Reads the answer to [`Call::Lease`].
pub(crate) fn grant(text: &str) -> Option<Grant> {
    let (amount, micros) = text.split_once(' ')?;
    Some(Grant { amount: amount.parse().ok()?, micros: micros.parse().ok()? })
}
