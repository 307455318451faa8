//! The rows of the table, as they come, change, move and go.

use super::row::{Cell, Row};
use blaze_client::ChangeKind;

/// The rows on show.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rows {
    /// The result of the query.
    live: Vec<Entry>,
    /// Rows that left the result, while they fade.
    leaving: Vec<Leaving>,
    /// How many changes there were; it numbers those that left.
    batch: u64,
}

/// A row, and what happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// What it shows.
    pub(crate) row: Row,
    /// Whether it came while the table was looked at.
    pub(crate) is_new: bool,
    /// Whether it has left the result.
    pub(crate) is_leaving: bool,
    changes: [u32; Cell::ALL.len()],
}

#[derive(Clone, Debug, PartialEq)]
struct Leaving {
    entry: Entry,
    /// Where it was in the result.
    place: usize,
    batch: u64,
}

/// A change of the result, as the client tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// What became of the row.
    pub(crate) kind: ChangeKind,
    /// The row as it is now.
    pub(crate) row: Row,
    /// Its place before, where the earlier changes are applied.
    pub(crate) old_index: Option<usize>,
    /// Its place after.
    pub(crate) new_index: Option<usize>,
}

impl Entry {
    fn new(row: Row, is_new: bool) -> Self {
        Entry { row, is_new, is_leaving: false, changes: [0; Cell::ALL.len()] }
    }

    /// How often a cell has changed on show.
    pub(crate) fn changes(&self, cell: Cell) -> u32 {
        self.changes[cell as usize]
    }

    /// The row becomes another one. What is no news is not pointed at.
    fn become_row(&mut self, row: Row, is_news: bool) {
        for cell in Cell::ALL {
            if is_news && self.row.text(cell) != row.text(cell) {
                self.changes[cell as usize] += 1;
            }
        }
        self.row = row;
    }
}

impl Rows {
    /// The result of another query: nothing in it is news. Rows that are in both stay the same rows.
    pub(crate) fn replace(&mut self, rows: impl IntoIterator<Item = Row>) {
        self.leaving.clear();
        let mut old = std::mem::take(&mut self.live);
        let entry = |row: Row| {
            let known = old.iter().position(|entry| entry.row.id == row.id);
            match known.map(|known| old.swap_remove(known)) {
                Some(mut entry) => {
                    entry.become_row(row, false);
                    entry
                }
                None => Entry::new(row, false),
            }
        };
        self.live = rows.into_iter().map(entry).collect();
    }

    /// The result of the same query changed.
    pub(crate) fn apply(&mut self, changes: impl IntoIterator<Item = Change>) {
        self.batch += 1;
        for change in changes {
            let old = change.old_index.filter(|old| *old < self.live.len());
            let old = old.map(|old| (old, self.live.remove(old)));
            match (change.kind, change.new_index) {
                (ChangeKind::Removed, _) | (_, None) => {
                    if let Some((place, entry)) = old {
                        let entry = Entry { is_leaving: true, ..entry };
                        self.leaving.push(Leaving { entry, place, batch: self.batch });
                    }
                }
                (_, Some(new)) => {
                    let entry = match old {
                        Some((_, mut entry)) => {
                            entry.become_row(change.row, true);
                            entry
                        }
                        None => Entry::new(change.row, true),
                    };
                    self.leaving.retain(|leaving| leaving.entry.row.id != entry.row.id);
                    self.live.insert(new.min(self.live.len()), entry);
                }
            }
        }
    }

    /// The number of the newest changes, if rows left with them.
    pub(crate) fn newest_leaving(&self) -> Option<u64> {
        self.leaving.last().map(|leaving| leaving.batch).filter(|batch| *batch == self.batch)
    }

    /// Takes away the rows that left with the changes of that number or before.
    pub(crate) fn sweep(&mut self, batch: u64) {
        self.leaving.retain(|leaving| leaving.batch > batch);
    }

    /// How many rows the result has.
    pub(crate) fn len(&self) -> usize {
        self.live.len()
    }

    /// The ids of all rows on show, in order; those that are leaving where they were.
    pub(crate) fn ids(&self) -> Vec<String> {
        let mut ids: Vec<&str> = self.live.iter().map(|entry| entry.row.id.as_str()).collect();
        for leaving in self.leaving.iter().rev() {
            ids.insert(leaving.place.min(ids.len()), leaving.entry.row.id.as_str());
        }
        ids.into_iter().map(str::to_owned).collect()
    }

    /// The row of that id.
    pub(crate) fn find(&self, id: &str) -> Option<&Entry> {
        let leaving = self.leaving.iter().map(|leaving| &leaving.entry);
        self.live.iter().chain(leaving).find(|entry| entry.row.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(id: &str, population: u64) -> Row {
        let data = json!({"name": id.to_lowercase(), "population": population});
        Row::read(id, data.as_object().unwrap())
    }

    fn change(kind: ChangeKind, id: &str, population: u64, places: (i8, i8)) -> Change {
        let place = |place: i8| usize::try_from(place).ok();
        let row = row(id, population);
        Change { kind, row, old_index: place(places.0), new_index: place(places.1) }
    }

    fn rows(ids: &[&str]) -> Rows {
        let mut rows = Rows::default();
        rows.replace(ids.iter().map(|id| row(id, 0)));
        rows
    }

    #[test]
    fn changes_are_applied_one_after_the_other() {
        let mut rows = rows(&["A", "B", "C"]);
        rows.apply([
            change(ChangeKind::Removed, "A", 0, (0, -1)),
            change(ChangeKind::Added, "D", 4, (-1, 0)),
            change(ChangeKind::Modified, "C", 3, (2, 1)),
        ]);
        rows.sweep(u64::MAX);
        assert_eq!(rows.ids(), ["D", "C", "B"]);
        let of = |id: &str| {
            let entry = rows.find(id).unwrap();
            (entry.is_new, entry.changes(Cell::Name), entry.changes(Cell::Population))
        };
        assert_eq!(["B", "C", "D"].map(of), [(false, 0, 0), (false, 0, 1), (true, 0, 0)]);
        assert_eq!(rows.find("C").unwrap().row.text(Cell::Population), "3");
        assert_eq!(rows.len(), 3);
    }

    #[test]
    fn what_leaves_stays_a_while_where_it_was() {
        let mut rows = rows(&["A", "B", "C", "D"]);
        assert_eq!(rows.newest_leaving(), None);
        rows.apply([
            change(ChangeKind::Removed, "B", 0, (1, -1)),
            change(ChangeKind::Removed, "C", 0, (1, -1)),
        ]);
        assert_eq!((rows.ids(), rows.len()), (["A", "B", "C", "D"].map(str::to_owned).to_vec(), 2));
        assert!(rows.find("B").unwrap().is_leaving && !rows.find("A").unwrap().is_leaving);
        let first = rows.newest_leaving().unwrap();

        // One comes back, another one goes.
        rows.apply([
            change(ChangeKind::Removed, "D", 0, (1, -1)),
            change(ChangeKind::Added, "C", 1, (-1, 1)),
        ]);
        assert!(!rows.find("C").unwrap().is_leaving);
        assert_eq!(rows.ids().len(), 4);
        let second = rows.newest_leaving().unwrap();
        rows.sweep(first);
        assert_eq!(rows.ids(), ["A", "D", "C"]);
        rows.apply([]);
        assert_eq!(rows.newest_leaving(), None);
        rows.sweep(second);
        assert_eq!(rows.ids(), ["A", "C"]);
        assert!(rows.find("D").is_none());
    }

    #[test]
    fn another_query_is_no_news() {
        let mut rows = rows(&["A", "B"]);
        rows.apply([
            change(ChangeKind::Removed, "B", 0, (1, -1)),
            change(ChangeKind::Modified, "A", 1, (0, 0)),
        ]);
        rows.replace([row("C", 0), row("B", 0), row("A", 2)]);
        assert_eq!(rows.ids(), ["C", "B", "A"]);
        assert!(!rows.find("C").unwrap().is_new && !rows.find("B").unwrap().is_leaving);
        assert_eq!(rows.find("A").unwrap().changes(Cell::Population), 1, "as before");
        assert_eq!(rows.find("A").unwrap().row.text(Cell::Population), "2");
    }
}
