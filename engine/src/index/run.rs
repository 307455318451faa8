//! Rows whose order is not the query's: their documents, sorted, and of many only those that are ever asked for.

use super::execute::Found;

/// Documents that are sorted at once at least, before those beyond the last that is asked for are dropped.
const BATCH: usize = 512;

/// How much is asked for at most: beyond it no documents need be known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    /// So many documents.
    pub(crate) documents: usize,
    /// So many bytes of documents, and the one that exceeds them …
    pub(crate) bytes: usize,
    /// … those left out that come before the first so many.
    pub(crate) skipped: usize,
}

impl Most {
    /// No bound.
    pub(crate) const ALL: Most = Most { documents: usize::MAX, bytes: usize::MAX, skipped: 0 };
}

/// The documents of rows that are sorted together.
#[derive(Debug)]
pub(crate) struct Run {
    most: Most,
    documents: Vec<Found>,
    bytes: usize,
}

impl Run {
    /// None yet.
    pub(crate) fn new(most: Most) -> Self {
        Run { most, documents: Vec::new(), bytes: 0 }
    }

    /// Adds a document with its sort key.
    pub(crate) fn push(&mut self, found: Found) {
        self.bytes = self.bytes.saturating_add(found.text.len());
        // What was read of it is many times its text, and most of a long run is never shown.
        self.documents.push(Found { read: None, ..found });
        let too_many = self.most.documents.saturating_mul(2).max(BATCH);
        let too_large = self.most.bytes.saturating_mul(2);
        if self.documents.len() >= too_many || self.bytes >= too_large {
            self.cut();
        }
    }

    /// The documents in order.
    pub(crate) fn sorted(mut self) -> Vec<Found> {
        self.cut();
        self.documents
    }

    fn cut(&mut self) {
        self.documents.sort_by(|a, b| a.sort_key.cmp(&b.sort_key));
        self.documents.truncate(self.most.documents);
        let (mut bytes, mut kept) = (0_usize, self.documents.len());
        for (number, found) in self.documents.iter().enumerate().skip(self.most.skipped) {
            bytes = bytes.saturating_add(found.text.len());
            if bytes > self.most.bytes {
                kept = number.saturating_add(1);
                break;
            }
        }
        self.documents.truncate(kept);
        self.bytes = bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(most: Most, keys: impl Iterator<Item = u8>) -> Vec<u8> {
        let mut run = Run::new(most);
        for key in keys {
            run.push(Found { sort_key: vec![key], text: "0123456789".to_owned(), read: None });
        }
        run.sorted().into_iter().filter_map(|found| found.sort_key.first().copied()).collect()
    }

    #[test]
    fn only_what_is_asked_for_is_kept() {
        let keys = || (0..=255).rev();
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(shown(Most::ALL, keys()), all);
        assert_eq!(shown(Most { documents: 3, ..Most::ALL }, keys()), [0, 1, 2]);
        // Three do not fit into 29 bytes.
        assert_eq!(shown(Most { bytes: 29, ..Most::ALL }, keys()), [0, 1, 2]);
        assert_eq!(shown(Most { bytes: 30, ..Most::ALL }, keys()), [0, 1, 2, 3]);
        assert_eq!(shown(Most { bytes: 9, skipped: 2, ..Most::ALL }, keys()), [0, 1, 2]);
        assert_eq!(shown(Most { bytes: 9, skipped: 300, ..Most::ALL }, keys()), all);
    }
}
