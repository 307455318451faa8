//! The invariants of a history.

use super::rules::{Variant, Who};
use super::shell::{Cluster, State};
use super::watch::{Filter, History, Shown};
use blaze_schema::limits::{
    INDEX_WAIT_MICROS, LOOKUP_MICROS, SNAPSHOT_GRACE_MICROS, SNAPSHOT_MICROS,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// A state is decided about at most this long (µs) before a client has it: it waits for its indexes, for facts that are
/// lost, and on its way.
const WAY_MICROS: i64 = INDEX_WAIT_MICROS + 8_000_000;

/// Rules, and the time from which they are certainly not in force.
#[derive(Debug)]
struct InForce {
    variant: Variant,
    until: i64,
}

/// Everything that is known of what was said.
#[derive(Debug)]
pub(super) struct Oracle {
    rules: Vec<InForce>,
    /// A state is decided about at most this long (µs) before a client has it.
    way: i64,
    /// By place, when each API key was certainly revoked.
    pub(super) revoked: BTreeMap<usize, i64>,
    /// By path, the newest version that anybody was shown.
    pub(super) shown: BTreeMap<String, u64>,
}

impl Oracle {
    pub(super) fn new() -> Self {
        let first = InForce { variant: Variant::None, until: i64::MAX };
        Oracle {
            rules: vec![first],
            way: WAY_MICROS,
            revoked: BTreeMap::new(),
            shown: BTreeMap::new(),
        }
    }

    /// Nothing but the network delays anything, by so much at most (µs).
    pub(super) fn delays(&mut self, delay: i64) {
        self.way = 6 * delay;
    }

    /// Rules are sent.
    pub(super) fn rules_sent(&mut self, variant: Variant) {
        self.rules.push(InForce { variant, until: i64::MAX });
    }

    /// The rules that were sent last are in force.
    pub(super) fn rules_done(&mut self, now: i64) {
        let count = self.rules.len();
        for earlier in &mut self.rules[..count - 1] {
            earlier.until = earlier.until.min(now);
        }
    }

    /// A client was shown a state.
    ///
    /// # Panics
    /// If there is no such state, or no rules of the time allowed to show it.
    pub(super) fn see(&mut self, cluster: &Cluster, who: &Who, shown: &Shown) {
        let Shown { path, version, data } = shown;
        check_state(&cluster.history, shown);
        let now = cluster.now().micros();
        let is_renewed =
            cluster.unrenewed.is_none_or(|at| now - at > SNAPSHOT_GRACE_MICROS + self.way);
        let copy = if is_renewed { SNAPSHOT_MICROS } else { SNAPSHOT_GRACE_MICROS };
        let since = now - copy - self.way;
        let was_member = |uid: &str| was_member(&cluster.history, path, uid, since - LOOKUP_MICROS);
        let allows = |rules: &InForce| {
            rules.until >= since && rules.variant.may_read(who, path, data.as_ref(), was_member)
        };
        let is_key_good = match who {
            Who::Key(place) => self.revoked.get(place).is_none_or(|at| *at >= since),
            _ => true,
        };
        assert!(
            is_key_good && self.rules.iter().any(allows),
            "{who:?} was shown what is denied: {path} at version {version}"
        );
        let newest = self.shown.entry(path.clone()).or_default();
        *newest = (*newest).max(*version);
    }

    /// The versions that were shown of a collection's documents.
    pub(super) fn floors(&self, collection: &str) -> BTreeMap<String, u64> {
        let is_in =
            |path: &str| path.rsplit_once('/').is_some_and(|(parent, _)| parent == collection);
        let floors = self.shown.iter().filter(|(path, _)| is_in(path));
        floors.map(|(path, version)| (path.clone(), *version)).collect()
    }
}

/// # Panics
/// If the history has no such state.
fn check_state(history: &History, shown: &Shown) {
    let Shown { path, version, data } = shown;
    let state = state_at(history, path, *version);
    let real = match state {
        Some(state) => state.data.as_ref(),
        None => {
            assert_eq!(*version, 0, "{path} was shown at version {version}, which it never had");
            None
        }
    };
    assert_eq!(
        data.as_ref(),
        real,
        "{path} at version {version}: the state that was shown, and the one it had"
    );
}

pub(super) fn state_at<'a>(history: &'a History, path: &str, version: u64) -> Option<&'a State> {
    history.get(path)?.iter().find(|state| state.version == version)
}

/// True if somebody was a member of a message's room at any time since `since`.
fn was_member(history: &History, path: &str, uid: &str, since: i64) -> bool {
    let Some((room, _)) = path.split_once("/messages/") else { return false };
    let Some(states) = history.get(&format!("{room}/members/{uid}")) else { return false };
    let ends = states.iter().skip(1).map(|state| state.at).chain([i64::MAX]);
    states.iter().zip(ends).any(|(state, end)| state.data.is_some() && end >= since)
}

/// Checks the answer to a query that began when these versions had been shown.
///
/// # Panics
/// If it lacks a state that had been shown, and every later one.
pub(super) fn check_found(
    history: &History,
    filter: &Filter,
    floors: &BTreeMap<String, u64>,
    found: &[Shown],
) {
    for (path, floor) in floors {
        match found.iter().find(|shown| shown.path == *path) {
            Some(Shown { version, .. }) => assert!(
                version >= floor,
                "a query finds {path} at version {version}, though version {floor} had been shown"
            ),
            // The last of a window may be greater.
            None if filter.is_full(found.len()) => {}
            None => {
                let states = history.get(path).into_iter().flatten();
                let mut later = states.filter(|state| state.version >= *floor);
                let is_out =
                    |data: &Option<Value>| !data.as_ref().is_some_and(|data| filter.matches(data));
                assert!(
                    *floor == 0 || later.any(|state| is_out(&state.data)),
                    "a query does not find {path}, of which version {floor} had been shown"
                );
            }
        }
    }
    let key = |shown: &&Shown| {
        (shown.data.as_ref().map_or(0, |data| data["n"].as_i64().unwrap_or(0)), shown.path.clone())
    };
    let mut arranged: Vec<&Shown> = found.iter().collect();
    filter.arrange(&mut arranged, key);
    assert!(arranged.iter().copied().eq(found), "{filter:?} finds {found:?}, in no right order");
    for shown in found {
        let data = shown.data.as_ref().expect("data");
        assert!(filter.matches(data), "a query finds {shown:?}, which it does not ask for");
    }
}

/// The documents of a collection that a query finds when nothing happens any more, in the order of their paths.
pub(super) fn present(history: &History, collection: &str, filter: &Filter) -> Vec<(String, u64)> {
    let is_in = |path: &str| path.rsplit_once('/').is_some_and(|(parent, _)| parent == collection);
    let mut found = Vec::new();
    for (path, states) in history.iter().filter(|(path, _)| is_in(path)) {
        if let Some(State { version, data: Some(data), .. }) = states.last()
            && filter.matches(data)
        {
            found.push((path.clone(), *version, data["n"].as_i64().unwrap_or(0)));
        }
    }
    filter.arrange(&mut found, |(path, _, n)| (*n, path.clone()));
    found.into_iter().map(|(path, version, _)| (path, version)).collect()
}
