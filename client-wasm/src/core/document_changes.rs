//! What changed between two results of a query, as Firestore's `docChanges` tells it.
//!
//! First what was removed, then what was added, then what was modified, each in the order of the result. Indexes are
//! those of a list to which the changes are applied one after the other: `old_index` is a document's place before its
//! change, `new_index` its place after it.

use crate::core::row::Row;
use blaze_schema::path::DocumentPath;
use serde_json::{Map, Value};
use std::rc::Rc;

/// What became of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It came into the result.
    Added,
    /// Its data changed, and it may have moved.
    Modified,
    /// It left the result.
    Removed,
    /// Its data is the same; writes that the server has not confirmed came or went.
    Metadata,
}

/// One change of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct RowChange {
    /// What became of the document.
    pub kind: ChangeKind,
    /// The document as it is now; as it was, if it was removed.
    pub row: Rc<Row>,
    /// Its place before; `None` if it was added.
    pub old_index: Option<usize>,
    /// Its place after; `None` if it was removed.
    pub new_index: Option<usize>,
}

/// The changes that lead from `old` to `new`. A document that only changed its version, or whether writes are pending,
/// is not among them.
pub fn document_changes(old: &[Rc<Row>], new: &[Rc<Row>]) -> Vec<RowChange> {
    // Mostly little changes: what is the same at both ends needs no look.
    let shortest = old.len().min(new.len());
    let same = |(a, b): &(&Rc<Row>, &Rc<Row>)| unchanged(a, b);
    let head = old.iter().zip(new).take_while(same).count();
    let tails = old.iter().rev().zip(new.iter().rev()).take(shortest - head);
    let tail = tails.take_while(same).count();
    let (old, new) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let mut diff = Diff { offset: head, tracker: old.to_vec(), changes: Vec::new() };
    diff.run(old, new);
    diff.changes
}

/// The documents of which nothing changed but whether writes are pending. The indexes are those of `new`, as if the
/// [`document_changes`] had been applied before.
pub fn metadata_changes(old: &[Rc<Row>], new: &[Rc<Row>]) -> Vec<RowChange> {
    let places = Places::of(old);
    let mut changes = Vec::new();
    for (index, row) in new.iter().enumerate() {
        let before = places.find(&row.path).and_then(|place| old.get(place));
        if before.is_some_and(|before| unchanged(before, row) && before.pending != row.pending) {
            let (kind, row) = (ChangeKind::Metadata, Rc::clone(row));
            changes.push(RowChange { kind, row, old_index: Some(index), new_index: Some(index) });
        }
    }
    changes
}

/// Returns true if two results hold the same documents with the same data; versions and pending writes do not count.
pub fn same_documents(old: &[Rc<Row>], new: &[Rc<Row>]) -> bool {
    old.len() == new.len() && old.iter().zip(new).all(|(a, b)| unchanged(a, b))
}

fn unchanged(a: &Rc<Row>, b: &Rc<Row>) -> bool {
    Rc::ptr_eq(a, b) || a.path == b.path && a.full == b.full
}

struct Diff {
    /// How many rows before these are the same.
    offset: usize,
    /// The old rows with the changes so far.
    tracker: Vec<Rc<Row>>,
    changes: Vec<RowChange>,
}

impl Diff {
    fn run(&mut self, old: &[Rc<Row>], new: &[Rc<Row>]) {
        let places = Places::of(old);
        let mut stays = vec![false; old.len()];
        let (mut added, mut modified) = (Vec::new(), Vec::new());
        // Whether the document's place among the others is the one it has in the end.
        let mut settled = vec![true; new.len()];
        for (index, row) in new.iter().enumerate() {
            match places.find(&row.path) {
                Some(before) => {
                    stays[before] = true;
                    if !unchanged(&old[before], row) {
                        modified.push(index);
                        settled[index] = false;
                    }
                }
                None => {
                    added.push(index);
                    settled[index] = false;
                }
            }
        }
        for (row, stays) in old.iter().zip(stays) {
            if !stays {
                let old_index = self.take(&row.path, 0);
                self.note(ChangeKind::Removed, row, old_index, None);
            }
        }
        for (kind, indexes) in [(ChangeKind::Added, added), (ChangeKind::Modified, modified)] {
            for index in indexes {
                let row = &new[index];
                let old_index = match kind {
                    ChangeKind::Added => None,
                    _ => self.take(&row.path, index),
                };
                let before = (0..index).rev().find(|&before| settled[before]);
                let before = before.and_then(|before| self.find(&new[before].path, before));
                let new_index = before.map_or(0, |before| before + 1);
                self.tracker.insert(new_index, Rc::clone(row));
                settled[index] = true;
                self.note(kind, row, old_index, Some(new_index));
            }
        }
    }

    fn note(
        &mut self,
        kind: ChangeKind,
        row: &Rc<Row>,
        old_index: Option<usize>,
        new_index: Option<usize>,
    ) {
        self.changes.push(RowChange {
            kind,
            row: Rc::clone(row),
            old_index: old_index.map(|index| self.offset + index),
            new_index: new_index.map(|index| self.offset + index),
        });
    }

    /// Where the document is now, perhaps near `guess`.
    fn find(&self, path: &Rc<DocumentPath>, guess: usize) -> Option<usize> {
        match self.tracker.get(guess) {
            Some(row) if row.path == *path => Some(guess),
            _ => self.tracker.iter().position(|row| row.path == *path),
        }
    }

    fn take(&mut self, path: &Rc<DocumentPath>, guess: usize) -> Option<usize> {
        let found = self.find(path, guess)?;
        self.tracker.remove(found);
        Some(found)
    }
}

/// Where documents are in a list. A JSON map of numbers: the client has no other map.
struct Places(Map<String, Value>);

impl Places {
    fn of(rows: &[Rc<Row>]) -> Self {
        let mut places = Map::new();
        for (index, row) in rows.iter().enumerate() {
            places.insert(row.path.as_str().to_owned(), Value::from(index));
        }
        Places(places)
    }

    fn find(&self, path: &DocumentPath) -> Option<usize> {
        self.0.get(path.as_str())?.as_u64().map(|index| index as usize)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// A row of a document `c/{id}` whose data is `{"n": n}`.
    fn row(id: char, n: i64) -> Rc<Row> {
        let data = Rc::new(json!({ "n": n }).as_object().cloned().unwrap());
        let path = DocumentPath::parse(&format!("c/{id}")).unwrap();
        let path = Rc::new(path);
        let full = Rc::clone(&data);
        Rc::new(Row { path, version: 1, full, data, times: None, pending: false })
    }

    /// `a1 b2` as rows: an id and a number each.
    fn rows(text: &str) -> Vec<Rc<Row>> {
        let parse = |word: &str| row(word.chars().next().unwrap(), word[1..].parse().unwrap());
        text.split_whitespace().map(parse).collect()
    }

    /// Applies changes as an application does, holding each index against the list.
    pub(crate) fn replayed(old: &[Rc<Row>], changes: &[RowChange]) -> Vec<Rc<Row>> {
        let mut list = old.to_vec();
        for change in changes {
            assert_eq!(change.old_index.is_none(), change.kind == ChangeKind::Added);
            assert_eq!(change.new_index.is_none(), change.kind == ChangeKind::Removed);
            if let Some(index) = change.old_index {
                assert_eq!(list.remove(index).path, change.row.path);
            }
            if let Some(index) = change.new_index {
                list.insert(index, Rc::clone(&change.row));
            }
        }
        list
    }

    fn told(old: &str, new: &str) -> String {
        let short = |change: &RowChange| {
            let index = |index: Option<usize>| index.map_or("-".to_owned(), |at| at.to_string());
            let (old, new) = (index(change.old_index), index(change.new_index));
            format!("{:?} {} {old} {new}", change.kind, change.row.path.id())
        };
        let changes = document_changes(&rows(old), &rows(new));
        changes.iter().map(short).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn changes_are_told_as_firestore_tells_them() {
        for (old, new, changes) in [
            ("", "a1 b2", "Added a - 0, Added b - 1"),
            ("a1 b2", "a1 b2", ""),
            ("a1 b2 c3", "a1 c3", "Removed b 1 -"),
            ("a1 b2 c3", "", "Removed a 0 -, Removed b 0 -, Removed c 0 -"),
            ("a1 b3 c5", "b3 a4 c5", "Modified a 0 1"),
            ("a1 b3 c5", "c0 a1 b3", "Modified c 2 0"),
            ("a1 b3 c5", "a2 b3 c5", "Modified a 0 0"),
            ("a1 b2 c3", "b2 c3 d4", "Removed a 0 -, Added d - 2"),
            ("a1 b2 c3", "b2 d3 a4", "Removed c 2 -, Added d - 2, Modified a 0 2"),
            ("a1 z9", "x2 a5 z9", "Added x - 0, Modified a 1 1"),
        ] {
            assert_eq!(told(old, new), changes, "{old} to {new}");
        }
    }

    #[test]
    fn a_new_version_of_the_same_data_is_no_change() {
        let old = rows("a1 b2");
        let mut again = (*old[0]).clone();
        (again.version, again.pending) = (2, true);
        let new = [Rc::new(again), Rc::clone(&old[1])];
        assert_eq!(document_changes(&old, &new), []);
        assert!(same_documents(&old, &new) && !same_documents(&old, &new[..1]));
        let told: Vec<_> = metadata_changes(&old, &new)
            .into_iter()
            .map(|change| (change.kind, change.row.path.to_string(), change.new_index))
            .collect();
        assert_eq!(told, [(ChangeKind::Metadata, "c/a".to_owned(), Some(0))]);
        assert_eq!(metadata_changes(&old, &old), []);
        // Of a document whose data changed too, the other list tells.
        let mut changed = (*row('a', 7)).clone();
        changed.pending = true;
        assert_eq!(metadata_changes(&old, &[Rc::new(changed)]), []);
    }

    /// A sorted list of some of 26 documents.
    fn any_rows() -> impl Strategy<Value = Vec<Rc<Row>>> {
        prop::collection::btree_map(0_u8..26, 0_i64..6, 0..14).prop_map(|documents| {
            let mut sorted: Vec<(i64, u8)> = documents.into_iter().map(|(id, n)| (n, id)).collect();
            sorted.sort_unstable();
            sorted.into_iter().map(|(n, id)| row(char::from(b'a' + id), n)).collect()
        })
    }

    proptest! {
        #[test]
        fn the_changes_lead_from_one_result_to_the_other(old in any_rows(), new in any_rows()) {
            let changes = document_changes(&old, &new);
            prop_assert_eq!(replayed(&old, &changes), new.clone());
            // None that is not needed, and none twice.
            let needed = |a: &[Rc<Row>], b: &[Rc<Row>]| {
                a.iter().filter(|row| !b.contains(row)).map(|row| row.path.to_string()).collect::<Vec<_>>()
            };
            let mut told: Vec<String> = changes.iter().map(|change| change.row.path.to_string()).collect();
            let mut expected = needed(&old, &new);
            expected.extend(needed(&new, &old));
            for list in [&mut told, &mut expected] {
                list.sort_unstable();
                list.dedup();
            }
            prop_assert_eq!(told.len(), changes.len());
            prop_assert_eq!(told, expected);
        }
    }
}
