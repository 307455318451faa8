//! The telling of the indexes, and what waits for it: nobody is shown a state before they have it.
//!
//! ```text
//!   Effect::Index(version) ──▶ told: a call to each index ──▶ all have it ──▶ released: all that waited for this version
//!                               │    ▲ again after TELL_PAUSES        or for an earlier one
//!                               ╰────╯ in vain, or not for INDEX_WAIT_MICROS ──▶ refused
//! ```

use crate::actor::{Answer, Effect};
use blaze_schema::limits::{INDEX_WAIT_MICROS, TELL_PAUSES};
use blaze_schema::timestamp::Timestamp;
use std::collections::{BTreeMap, VecDeque};

/// The tellings that are under way.
#[derive(Debug, Default)]
pub(super) struct Telling {
    versions: BTreeMap<u64, Version>,
    /// The calls: the version, and the index.
    calls: BTreeMap<u64, (u64, String)>,
    /// The newest version that all indexes have.
    indexed: u64,
    waiting: VecDeque<Waiting>,
}

/// A version that the indexes are told of.
#[derive(Debug)]
struct Version {
    row: String,
    /// The indexes that do not have it yet.
    lacking: Vec<String>,
    /// By index, the number of times that it failed to take the version.
    failures: BTreeMap<String, usize>,
    /// The indexes to tell again, and when.
    again: Vec<(Timestamp, String)>,
    rows: Option<(u32, u32)>,
}

/// Effects that wait for the indexes.
#[derive(Debug)]
struct Waiting {
    version: u64,
    until: Timestamp,
    effects: Held,
}

/// The effects that wait until the indexes have a version.
#[derive(Debug)]
pub(super) struct Held {
    /// The answer to a request or a call.
    pub(super) answer: Option<Effect>,
    /// The frames for one socket.
    pub(super) frames: Option<(u64, Vec<String>)>,
    /// A frame for the sockets that listened at the step.
    pub(super) broadcast: Option<(Vec<u64>, String)>,
}

/// The next thing to do about the indexes.
#[derive(Debug)]
pub(super) enum Next {
    /// Tell an index the row.
    Tell { index: String, row: String, version: u64 },
    /// The indexes have a version, or will not have it by the present telling.
    Told { version: u64, done: bool },
    /// Do what waited; the counts are those of the indexes.
    Release(Held, Option<(u32, u32)>),
    /// Refuse what waited.
    Refuse(Held),
}

impl Telling {
    /// Begins to tell the indexes a version.
    pub(super) fn begin(&mut self, version: u64, row: String, indexes: Vec<String>) -> Vec<Next> {
        let tell = |index: &String| Next::Tell { index: index.clone(), row: row.clone(), version };
        let next = indexes.iter().map(tell).collect();
        let (lacking, again) = (indexes, Vec::new());
        self.versions.insert(
            version,
            Version { row, lacking, failures: BTreeMap::new(), again, rows: None },
        );
        next
    }

    /// Notes the number of a call that tells an index a version.
    pub(super) fn called(&mut self, number: u64, version: u64, index: String) {
        self.calls.insert(number, (version, index));
    }

    /// Holds effects back until the indexes have a version.
    pub(super) fn hold(&mut self, version: u64, effects: Held, now: Timestamp) -> Vec<Next> {
        if self.indexed >= version {
            return vec![Next::Release(effects, None)];
        }
        let until = now.after(INDEX_WAIT_MICROS);
        self.waiting.push_back(Waiting { version, until, effects });
        Vec::new()
    }

    /// Takes an index's answer. Returns `None` if the call was none of a telling.
    pub(super) fn told(
        &mut self,
        number: u64,
        answer: Option<Answer>,
        now: Timestamp,
    ) -> Option<Vec<Next>> {
        let (number, index) = self.calls.remove(&number)?;
        let version = self.versions.get_mut(&number)?;
        if let Some(Answer { result: Ok(_), rows }) = answer {
            version.lacking.retain(|lacking| *lacking != index);
            if let Some((read, written)) = rows {
                let (before, more) = version.rows.unwrap_or_default();
                version.rows = Some((before.saturating_add(read), more.saturating_add(written)));
            }
            if !version.lacking.is_empty() {
                return Some(Vec::new());
            }
            let rows = self.versions.remove(&number).and_then(|version| version.rows);
            self.indexed = self.indexed.max(number);
            let told = Next::Told { version: number, done: true };
            return Some([told].into_iter().chain(self.released(rows)).collect());
        }
        let failures = version.failures.entry(index.clone()).or_default();
        let Some(pause) = TELL_PAUSES.get(*failures) else {
            self.versions.remove(&number);
            let told = Next::Told { version: number, done: false };
            return Some([told].into_iter().chain(self.refused(number)).collect());
        };
        *failures = failures.saturating_add(1);
        let at = now.after(*pause);
        version.again.push((at, index));
        Some(Vec::new())
    }

    /// Returns when [`Telling::tick`] has something to do.
    pub(super) fn wakes(&self) -> Option<Timestamp> {
        let again = self.versions.values().flat_map(|version| &version.again).map(|(at, _)| *at);
        again.chain(self.waiting.front().map(|waiting| waiting.until)).min()
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Timestamp) -> Vec<Next> {
        let mut next = Vec::new();
        for (number, version) in &mut self.versions {
            for (_, index) in version.again.extract_if(.., |(at, _)| *at <= now) {
                next.push(Next::Tell { index, row: version.row.clone(), version: *number });
            }
        }
        while let Some(late) = self.waiting.pop_front_if(|waiting| waiting.until <= now) {
            next.push(Next::Refuse(late.effects));
        }
        next
    }

    /// All that waited for a version that the indexes have by now: a newer one is as good.
    fn released(&mut self, mut rows: Option<(u32, u32)>) -> Vec<Next> {
        let indexed = self.indexed;
        let mut next = Vec::new();
        while let Some(waiting) = self.waiting.pop_front_if(|waiting| waiting.version <= indexed) {
            next.push(Next::Release(waiting.effects, rows.take()));
        }
        next
    }

    /// All that waited for a version that the indexes do not take now.
    fn refused(&mut self, version: u64) -> Vec<Next> {
        let (refused, kept) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<VecDeque<_>, _>(|waiting| waiting.version <= version);
        self.waiting = kept;
        refused.into_iter().map(|waiting| Next::Refuse(waiting.effects)).collect()
    }
}
