//! The audit log: who did what, and when. Never a secret.

use super::state::entry_row;
use super::{Effect, Step};
use blaze_schema::error::Error;
use blaze_schema::limits::{AUDIT_ENTRIES, AUDIT_PAGE, AUDIT_TEXT_BYTES};
use blaze_store::Store;
use serde::Serialize;

/// An entry.
#[derive(Serialize)]
struct Entry<'a> {
    number: u64,
    time: String,
    actor: &'a str,
    act: &'a str,
    what: &'a str,
}

impl<S: Store> Step<'_, S> {
    /// Notes an act. It takes the place of the oldest entry: always one row written.
    pub(super) fn audit(&mut self, actor: &str, act: &str, what: &str) -> Result<(), Error> {
        let number = self.state.head.next_entry;
        self.state.head.next_entry = number.saturating_add(1);
        let time = self.now.to_string();
        let entry = Entry { number, time, actor: cut(actor), act: cut(act), what: cut(what) };
        let text = serde_json::to_string(&entry).unwrap_or_default();
        let oldest = entry_row(number.saturating_sub(AUDIT_ENTRIES));
        self.batch.replace(oldest, entry_row(number), text.clone());
        self.effects.push(Effect::Audit(text));
        Ok(())
    }

    pub(super) fn list_audit(&self, before: Option<u64>, limit: usize) -> Result<String, Error> {
        if !(1..=AUDIT_PAGE).contains(&limit) {
            return Err(Error::invalid(format!("limit: 1 to {AUDIT_PAGE}")));
        }
        let next = self.state.head.next_entry;
        let oldest = next.saturating_sub(AUDIT_ENTRIES).max(1);
        let end = before.unwrap_or(next).min(next);
        let (mut entries, mut next_before) = (Vec::new(), None);
        for number in (oldest..end).rev() {
            if entries.len() == limit {
                next_before = Some(number.saturating_add(1));
                break;
            }
            let Some(row) = self.store.get(&entry_row(number))? else { continue };
            entries.push(String::from_utf8_lossy(&row).into_owned());
        }
        let next_before = next_before.map_or("null".to_owned(), |number| number.to_string());
        Ok(format!("{{\"entries\":[{}],\"nextBefore\":{next_before}}}", entries.join(",")))
    }
}

/// As much of a text as an entry takes.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(AUDIT_TEXT_BYTES)).unwrap_or_default()
}
