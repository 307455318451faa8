//! From one result of a query to the next, as Firestore's `docChanges`.

use std::collections::{HashMap, HashSet};

/// One change of a result. Places are those of a list to which the changes are applied one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The document at `new` in the new result comes, at `index`.
    Added {
        /// Its place in the whole new result.
        new: usize,
        /// Its place when it comes.
        index: usize,
    },
    /// The document at `new` in the new result has another version.
    Modified {
        /// Its place in the whole new result.
        new: usize,
        /// Its place before.
        old_index: usize,
        /// Its place after.
        new_index: usize,
    },
    /// The document at `old` in the old result goes.
    Removed {
        /// Its place in the whole old result.
        old: usize,
        /// Its place when it goes.
        index: usize,
    },
}

/// A document of a result: its path, and what its version and history are told apart by.
pub(crate) type Entry<'a> = (&'a str, u64);

/// The changes from `old` to `new`: what goes first, then what comes or has changed, in the order of the new result.
/// Documents that have not changed must have the same order in both.
pub(crate) fn steps(old: &[Entry<'_>], new: &[Entry<'_>]) -> Vec<Step> {
    let mut steps = Vec::new();
    if old.is_empty() {
        steps.extend((0..new.len()).map(|place| Step::Added { new: place, index: place }));
        return steps;
    }
    let before: HashMap<&str, u64> = old.iter().copied().collect();
    let after: HashSet<&str> = new.iter().map(|(path, _)| *path).collect();
    let mut list: Vec<&str> = Vec::with_capacity(new.len());
    for (place, (path, _)) in old.iter().enumerate() {
        if after.contains(path) {
            list.push(path);
        } else {
            steps.push(Step::Removed { old: place, index: list.len() });
        }
    }
    let mut previous: Option<&str> = None;
    // Where `previous` was found last: what has not changed is met in this order.
    let mut near = 0_usize;
    for (place, (path, version)) in new.iter().enumerate() {
        let known = before.get(path);
        if known != Some(version) {
            let old_index = known.and_then(|_| list.iter().position(|one| one == path));
            if let Some(old_index) = old_index {
                list.remove(old_index);
            }
            let at_near = list.get(near) == previous.as_ref();
            let after_previous = match previous {
                None => 0,
                Some(_) if at_near => near.saturating_add(1),
                Some(previous) => list
                    .iter()
                    .position(|one| *one == previous)
                    .map_or(list.len(), |found| found.saturating_add(1)),
            };
            list.insert(after_previous.min(list.len()), path);
            near = after_previous;
            steps.push(match old_index {
                None => Step::Added { new: place, index: after_previous },
                Some(old_index) => {
                    Step::Modified { new: place, old_index, new_index: after_previous }
                }
            });
        } else {
            let next = if previous.is_none() { 0 } else { near.saturating_add(1) };
            near = if list.get(next) == Some(path) {
                next
            } else {
                list.iter().position(|one| one == path).unwrap_or(next)
            };
        }
        previous = Some(path);
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn apply(old: &[(String, u64)], new: &[(String, u64)], steps: &[Step]) -> Vec<(String, u64)> {
        let mut list = old.to_vec();
        for step in steps {
            match *step {
                Step::Removed { old: place, index } => assert_eq!(list.remove(index), old[place]),
                Step::Added { new: place, index } => list.insert(index, new[place].clone()),
                Step::Modified { new: place, old_index, new_index } => {
                    assert_eq!(list.remove(old_index).0, new[place].0);
                    list.insert(new_index, new[place].clone());
                }
            }
        }
        list
    }

    /// Results of documents sorted by a number that only a change of version changes.
    fn result(versions: &[Option<u64>]) -> Vec<(String, u64)> {
        let mut documents: Vec<(u64, String, u64)> = versions
            .iter()
            .enumerate()
            .filter_map(|(name, version)| {
                version.map(|version| {
                    ((name as u64 * 7 + version * 5) % 11, name.to_string(), version)
                })
            })
            .collect();
        documents.sort();
        documents.into_iter().map(|(_, name, version)| (name, version)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn the_steps_lead_from_one_result_to_the_next(
            old in prop::collection::vec(prop::option::of(0_u64..3), 8),
            new in prop::collection::vec(prop::option::of(0_u64..3), 8),
        ) {
            let (old, new) = (result(&old), result(&new));
            let entries = |list: &[(String, u64)]| list.to_vec();
            let (left, right) = (entries(&old), entries(&new));
            let left: Vec<Entry<'_>> = left.iter().map(|(name, version)| (name.as_str(), *version)).collect();
            let right: Vec<Entry<'_>> = right.iter().map(|(name, version)| (name.as_str(), *version)).collect();
            let steps = steps(&left, &right);
            prop_assert_eq!(apply(&old, &new, &steps), new.clone());
            let changed = new.iter().filter(|one| !old.contains(one)).count();
            let gone = old.iter().filter(|(name, _)| !new.iter().any(|(other, _)| other == name)).count();
            prop_assert_eq!(steps.len(), changed + gone, "nothing is told that has not changed");
        }
    }
}
