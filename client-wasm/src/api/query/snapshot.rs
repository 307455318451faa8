//! The result of a query as it was at one moment.

use crate::api::query::Query;
use crate::api::snapshot::DocumentSnapshot;
use crate::core::document_changes::{ChangeKind, document_changes};
use crate::core::row::Rows;
use std::fmt;
use std::rc::Rc;

/// The documents of a query's result, in its order. Cloning is cheap.
#[derive(Clone)]
pub struct QuerySnapshot {
    query: Query,
    rows: Rows,
    /// What the same listener was told before.
    before: Option<Rows>,
}

/// A change of a query's result.
#[derive(Clone, Debug, PartialEq)]
pub struct DocumentChange {
    /// What became of the document.
    pub kind: ChangeKind,
    /// The document as it is now; as it was, if it was removed.
    pub doc: DocumentSnapshot,
    /// Its place before, where the earlier changes are applied; `None` if it was added.
    pub old_index: Option<usize>,
    /// Its place after; `None` if it was removed.
    pub new_index: Option<usize>,
}

impl QuerySnapshot {
    pub(crate) fn new(query: Query, rows: Rows, before: Option<Rows>) -> Self {
        QuerySnapshot { query, rows, before }
    }

    #[cfg(feature = "js")]
    pub(crate) fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The query.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// The documents, in the query's order.
    pub fn docs(&self) -> impl ExactSizeIterator<Item = DocumentSnapshot> + '_ {
        self.rows.iter().map(|row| DocumentSnapshot::of_row(row))
    }

    /// How many documents there are.
    pub fn size(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What changed since the snapshot before: everything is added in the first one. A document of which only the
    /// version changed, or whether writes are pending, is not among them.
    pub fn doc_changes(&self) -> Vec<DocumentChange> {
        let before = self.before.as_ref().map_or(&[][..], |rows| rows.as_slice());
        let changes = document_changes(before, &self.rows);
        let told = changes.into_iter().map(|change| DocumentChange {
            kind: change.kind,
            doc: DocumentSnapshot::of_row(&change.row),
            old_index: change.old_index,
            new_index: change.new_index,
        });
        told.collect()
    }

    /// Whether any of the documents holds writes of this client that the server has not confirmed.
    pub fn has_pending_writes(&self) -> bool {
        self.rows.iter().any(|row| row.pending)
    }
}

impl PartialEq for QuerySnapshot {
    fn eq(&self, other: &Self) -> bool {
        self.query == other.query && Rc::ptr_eq(&self.rows, &other.rows) || self.rows == other.rows
    }
}

impl fmt::Debug for QuerySnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuerySnapshot").field("rows", &self.rows).finish_non_exhaustive()
    }
}
