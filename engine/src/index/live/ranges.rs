//! Which of many ranges of one field hold a value.

use super::matcher::Id;
use std::collections::BTreeSet;

/// Ranges in one block have their greatest end noted, so that a block that ends too early is skipped.
const BLOCK: usize = 64;

/// A range's first bytes, the first beyond it, and whose it is.
type Range = (Vec<u8>, Vec<u8>, Id);

/// The ranges of one field.
#[derive(Debug, Default)]
pub(crate) struct Ranges {
    /// By their start.
    sorted: Vec<Range>,
    /// The greatest end in each block of `sorted`; empty when it is to be found again.
    ends: Vec<Vec<u8>>,
}

impl Ranges {
    pub(crate) fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    pub(crate) fn add(&mut self, start: Vec<u8>, end: Vec<u8>, id: Id) {
        let range = (start, end, id);
        let place = self.sorted.partition_point(|one| *one < range);
        self.sorted.insert(place, range);
        self.ends.clear();
    }

    pub(crate) fn remove(&mut self, id: Id) {
        self.sorted.retain(|(_, _, one)| *one != id);
        self.ends.clear();
    }

    /// Adds those whose ranges hold the value.
    pub(crate) fn find(&mut self, value: &[u8], found: &mut BTreeSet<Id>) {
        if self.ends.is_empty() {
            let end = |block: &[Range]| {
                let ends = block.iter().map(|(_, end, _)| end);
                ends.max().cloned().unwrap_or_default()
            };
            self.ends = self.sorted.chunks(BLOCK).map(end).collect();
        }
        for (block, last) in self.sorted.chunks(BLOCK).zip(&self.ends) {
            if block.first().is_none_or(|(start, _, _)| start.as_slice() > value) {
                break;
            }
            if last.as_slice() > value {
                let holds =
                    |range: &&Range| range.0.as_slice() <= value && value < range.1.as_slice();
                found.extend(block.iter().filter(holds).map(|(_, _, id)| *id));
            }
        }
    }
}
