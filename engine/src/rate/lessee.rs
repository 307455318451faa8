//! What an isolate knows of the rates: leases that it may spend, and refusals that still hold.

use super::{Grant, Kind, Rates};
use blaze_schema::limits::RATE_SUBJECTS;
use blaze_schema::timestamp::Timestamp;
use std::collections::BTreeMap;
use std::mem;

/// What became of a request's wish to be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is counted, and may go on.
    Yes,
    /// The subject's object is to be asked first for a lease of `want` requests ([`Bucket::lease`](super::Bucket::lease)),
    /// and the answer to be told to [`Lessee::granted`].
    Ask {
        /// The object's name.
        subject: String,
        /// How many requests.
        want: u32,
    },
    /// Too many: 429.
    Refused {
        /// In how many seconds to try again, at least 1.
        retry_after_seconds: u32,
    },
}

/// The leases of one isolate. It remembers [`RATE_SUBJECTS`] subjects at most: those that asked last, in two generations,
/// of which the older is forgotten as a whole.
#[derive(Clone, Debug, Default)]
pub struct Lessee {
    rates: Rates,
    recent: BTreeMap<String, Entry>,
    older: BTreeMap<String, Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// What is left of the lease.
    left: u32,
    /// When the lease ends.
    until: Timestamp,
    /// Until when it is refused.
    refused: Timestamp,
    /// Until when the answer to who asked for a whole share is waited for.
    asked: Timestamp,
}

/// How long others ask for one request only, as somebody asks for a whole share, in microseconds.
const ASKING_MICROS: i64 = 1_000_000;
/// How long a subject is refused whose object does not answer, in microseconds. It is most likely being flooded.
const FAILED_MICROS: i64 = 1_000_000;

impl Lessee {
    /// With the rates of `access.json`.
    pub fn new(rates: Rates) -> Self {
        Lessee { rates, ..Lessee::default() }
    }

    /// Counts a request of `who`: an address, or a `uid` (see [`Kind::subject`]).
    pub fn take(&mut self, kind: Kind, who: &str, now: Timestamp) -> Taken {
        let Some(rate) = self.rates.of(kind) else { return Taken::Yes };
        let entry = self.entry(kind.subject(who));
        if entry.left > 0 && now < entry.until {
            entry.left = entry.left.saturating_sub(1);
            return Taken::Yes;
        }
        if now < entry.refused {
            return refused(entry.refused, now);
        }
        let want = if now < entry.asked { 1 } else { rate.share() };
        if want > 1 {
            entry.asked = now.after(ASKING_MICROS);
        }
        Taken::Ask { subject: kind.subject(who), want }
    }

    /// What the object answered to an [`Taken::Ask`]; `None` if it did not. Gives what becomes of the request that asked:
    /// [`Taken::Yes`] or [`Taken::Refused`].
    pub fn granted(&mut self, subject: &str, grant: Option<Grant>, now: Timestamp) -> Taken {
        let Grant { amount, micros } = grant.unwrap_or(Grant { amount: 0, micros: FAILED_MICROS });
        let entry = self.entry(subject.to_owned());
        if amount == 0 {
            // As long as who asked is told, which is whole seconds.
            let seconds = seconds(micros);
            entry.refused = now.after(i64::from(seconds).saturating_mul(1_000_000));
            return refused(entry.refused, now);
        }
        let until = now.after(micros);
        if entry.left > 0 && now < entry.until {
            // Two leases together last no longer than the first of them.
            entry.left = entry.left.saturating_add(amount).saturating_sub(1);
            entry.until = entry.until.min(until);
        } else {
            entry.left = amount.saturating_sub(1);
            entry.until = until;
        }
        Taken::Yes
    }

    fn entry(&mut self, subject: String) -> &mut Entry {
        if self.recent.len() >= RATE_SUBJECTS / 2 && !self.recent.contains_key(&subject) {
            self.older = mem::take(&mut self.recent);
        }
        let older = &mut self.older;
        self.recent
            .entry(subject)
            .or_insert_with_key(|subject| older.remove(subject).unwrap_or(Entry::NONE))
    }

    /// The rates that it counts by.
    pub fn rates(&self) -> &Rates {
        &self.rates
    }

    /// How many subjects it remembers.
    #[cfg(test)]
    fn subjects(&self) -> usize {
        self.recent.len().saturating_add(self.older.len())
    }
}

impl Entry {
    const NONE: Entry =
        Entry { left: 0, until: Timestamp::MIN, refused: Timestamp::MIN, asked: Timestamp::MIN };
}

/// Whole seconds, not fewer, at least 1.
fn seconds(micros: i64) -> u32 {
    u32::try_from(micros.saturating_add(999_999) / 1_000_000).unwrap_or(u32::MAX).max(1)
}

fn refused(until: Timestamp, now: Timestamp) -> Taken {
    let micros = until.since(now).max(0);
    Taken::Refused { retry_after_seconds: seconds(micros) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate::Rate;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn lessee(requests: u32, seconds: u32) -> Lessee {
        Lessee::new(Rates { identity: Some(Rate { requests, seconds }), ..Rates::default() })
    }

    fn ask(want: u32) -> Taken {
        Taken::Ask { subject: "identity:a".to_owned(), want }
    }

    fn no(retry_after_seconds: u32) -> Taken {
        Taken::Refused { retry_after_seconds }
    }

    #[test]
    fn a_lease_is_spent_without_asking_and_ends() {
        let mut lessee = lessee(100, 60);
        let mut take = |micros| lessee.take(Kind::Identity, "a", at(micros));
        assert_eq!(take(0), ask(10));
        // The first has asked for a share; others meanwhile need no more than one each.
        assert_eq!(take(10), ask(1));
        assert_eq!(take(999_999), ask(1));
        assert_eq!(take(1_000_000), ask(10));
        let grant = |amount, micros| Some(Grant { amount, micros });
        let now = at(1_000_000);
        assert_eq!(lessee.granted("identity:a", grant(3, 6_000_000), now), Taken::Yes);
        assert_eq!(
            lessee.take(Kind::Identity, "b", now),
            Taken::Ask { subject: "identity:b".to_owned(), want: 10 }
        );
        let mut take = |micros| lessee.take(Kind::Identity, "a", at(micros));
        assert_eq!(
            [take(1_000_001), take(6_999_999), take(6_999_999)],
            [Taken::Yes, Taken::Yes, ask(10)]
        );
        assert_eq!(lessee.granted("identity:a", grant(10, 6_000_000), at(7_000_000)), Taken::Yes);
        // What was not spent in time is worth nothing, also where a new lease comes.
        assert_eq!(lessee.take(Kind::Identity, "a", at(13_000_000)), ask(10));
        assert_eq!(lessee.granted("identity:a", grant(1, 6_000_000), at(13_000_000)), Taken::Yes);
        assert_eq!(lessee.take(Kind::Identity, "a", at(13_000_001)), ask(1));
    }

    #[test]
    fn two_leases_at_once_add_up_and_last_as_the_first() {
        let mut lessee = lessee(100, 60);
        let grant = Some(Grant { amount: 2, micros: 6_000_000 });
        assert_eq!(lessee.granted("identity:a", grant, at(0)), Taken::Yes);
        assert_eq!(lessee.granted("identity:a", grant, at(5_000_000)), Taken::Yes);
        let mut take = |micros| lessee.take(Kind::Identity, "a", at(micros));
        assert_eq!([take(5_999_999), take(6_000_000)], [Taken::Yes, ask(10)]);
    }

    #[test]
    fn a_refusal_is_remembered_as_long_as_it_says() {
        let mut lessee = lessee(10, 60);
        let refusal = Some(Grant { amount: 0, micros: 2_000_001 });
        assert_eq!(lessee.granted("identity:a", refusal, at(0)), no(3));
        let mut take = |micros| lessee.take(Kind::Identity, "a", at(micros));
        assert_eq!([take(1), take(2_000_001), take(2_999_999)], [no(3), no(1), no(1)]);
        assert_eq!(take(3_000_000), ask(1));
        // An object that does not answer.
        assert_eq!(lessee.granted("identity:a", None, at(3_000_000)), no(1));
        assert_eq!(lessee.take(Kind::Identity, "a", at(3_999_999)), no(1));
    }

    #[test]
    fn what_has_no_rate_is_never_asked_for() {
        let mut lessee = lessee(1, 1);
        for _ in 0..10 {
            assert_eq!(lessee.take(Kind::Address, "a", at(0)), Taken::Yes);
        }
        assert_eq!(lessee.subjects(), 0);
    }

    #[test]
    fn the_subjects_remembered_are_limited_and_the_latest() {
        let mut lessee = lessee(10, 60);
        let refusal = Some(Grant { amount: 0, micros: 60_000_000 });
        for subject in 0..=RATE_SUBJECTS {
            lessee.granted(&format!("identity:{subject}"), refusal, at(0));
            // Who comes again and again stays.
            assert_eq!(lessee.take(Kind::Identity, "0", at(1)), no(60));
            assert!(lessee.subjects() <= RATE_SUBJECTS, "{}", lessee.subjects());
        }
        assert!(lessee.subjects() >= RATE_SUBJECTS / 2);
        assert_eq!(lessee.take(Kind::Identity, &RATE_SUBJECTS.to_string(), at(1)), no(60));
        assert!(matches!(lessee.take(Kind::Identity, "1", at(1)), Taken::Ask { .. }));
    }
}
