//! The sockets of a page. Chromium opens 255 to one host, all tabs together, and Firefox 200 in all; beyond that a socket
//! waits without a word. So a page has fewer for documents: the next listener is refused, and told why.

use blaze_schema::error::{Code, Error};
use blaze_schema::limits::PAGE_DOCUMENTS;
use blaze_schema::path::DocumentPath;
use std::cell::Cell;

thread_local! {
    /// Slots that are taken, by all clients of the page.
    static TAKEN: Cell<usize> = const { Cell::new(0) };
}

/// The right to one socket for a document, as long as it is listened to.
#[derive(Debug)]
pub(crate) struct Slot(());

impl Slot {
    /// Takes one.
    ///
    /// # Errors
    /// `resource-exhausted` beyond [`PAGE_DOCUMENTS`].
    pub(crate) fn take(path: &DocumentPath) -> Result<Slot, Error> {
        if TAKEN.get() >= PAGE_DOCUMENTS {
            let detail = format!(
                "{path}: this page listens to {PAGE_DOCUMENTS} documents, the most, each on a socket of its own: \
                 listen to a query instead, of which all share one socket, or stop listening to others"
            );
            return Err(Error::new(Code::ResourceExhausted, detail));
        }
        TAKEN.set(TAKEN.get() + 1);
        Ok(Slot(()))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        TAKEN.set(TAKEN.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_documents_are_listened_to_and_no_more() {
        let path = DocumentPath::parse("a/b").unwrap();
        let mut slots: Vec<Slot> =
            (0..PAGE_DOCUMENTS).map(|_| Slot::take(&path).unwrap()).collect();
        let error = Slot::take(&path).unwrap_err();
        assert_eq!((error.code, error.status), (Code::ResourceExhausted, 413));
        assert!(error.detail.contains("a/b") && error.detail.contains("100"), "{error}");
        slots.pop();
        assert!(Slot::take(&path).is_ok());
    }
}
