//! Answers kept for 24 hours, so that a request repeated under its `Idempotency-Key` is answered again, not done again.
//!
//! A document has a fixed number of slots, one row each, chosen by a hash of the key. A record is added, and the expired
//! ones of its slot forgotten, by rewriting that row: always one row written, and none to clean up later.

use crate::document::Answer;
use blaze_schema::error::{Code, Error};
use blaze_schema::hash::hash;
use blaze_schema::limits::{IDEMPOTENCY_MICROS, ROW_BYTES};
use blaze_schema::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::mem;

/// Slots of one document: so many that rows stay small for a document with thousands of keyed writes a day.
const SLOTS: u16 = 16_384;

/// What identifies a request that may be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The client's key.
    pub key: String,
    /// A hash of what the request asks; see [`Idempotency::new`].
    pub fingerprint: String,
    /// Who asks, so that nobody is given another's answer; empty for anonymous.
    pub owner: String,
}

impl Idempotency {
    /// The key, and a fingerprint of `request`: whatever must be the same for it to be the same request.
    pub fn new(key: String, request: &[&[u8]]) -> Self {
        let fingerprint = hash(request).iter().map(|byte| format!("{byte:02x}")).collect();
        Idempotency { key, fingerprint, owner: String::new() }
    }

    /// The key of a commit of one document, given its body: the same whether it came by HTTP or as a frame.
    pub fn of_commit(key: String, body: &str) -> Self {
        Self::new(key, &[b"commit", body.as_bytes()])
    }

    /// The same, asked by somebody.
    #[must_use]
    pub fn by(mut self, uid: &str) -> Self {
        uid.clone_into(&mut self.owner);
        self
    }

    /// The row that this key's record is in.
    pub fn row_key(&self) -> [u8; 3] {
        let [first, second, ..] = match self.owner.as_str() {
            "" => hash(&[self.key.as_bytes()]),
            owner => hash(&[owner.as_bytes(), self.key.as_bytes()]),
        };
        let [high, low] = (u16::from_be_bytes([first, second]) % SLOTS).to_be_bytes();
        [b'i', high, low]
    }
}

/// A record of a row. The body of its answer is the line after it, as it is: inside this JSON it could take twice as many
/// bytes, and the answer about a large document would not fit into a row.
#[derive(Serialize, Deserialize)]
struct Record {
    key: String,
    fingerprint: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    owner: String,
    /// Microseconds since 1970.
    time: i64,
    answer: Answer,
}

impl Record {
    /// The body of the answer: JSON without a line break.
    fn body(&mut self) -> Option<&mut String> {
        match &mut self.answer {
            Answer::Found { body, .. } | Answer::Written { body, .. } => Some(body),
            Answer::NotModified { .. }
            | Answer::Committed { .. }
            | Answer::Deleted { .. }
            | Answer::Missing { .. }
            | Answer::Refused(_) => None,
        }
    }
}

/// The records of one row.
#[derive(Default)]
pub struct Slot {
    records: Vec<Record>,
}

impl Slot {
    /// Reads a row, without the records that have expired at `now`.
    ///
    /// # Errors
    /// `internal` for what [`Slot::to_row`] never wrote.
    pub fn from_row(row: Option<Vec<u8>>, now: Timestamp) -> Result<Self, Error> {
        let broken = || Error::internal("an idempotency row cannot be read");
        let text = String::from_utf8(row.unwrap_or_default()).map_err(|_| broken())?;
        let (mut lines, mut records) = (text.lines(), Vec::new());
        while let Some(line) = lines.next() {
            let mut record: Record = serde_json::from_str(line).map_err(|_| broken())?;
            let kept = lines.next().ok_or_else(broken)?;
            if let Some(body) = record.body() {
                kept.clone_into(body);
            }
            records.push(record);
        }
        records.retain(|record| now.micros().saturating_sub(record.time) < IDEMPOTENCY_MICROS);
        Ok(Slot { records })
    }

    /// The answer that the same request got, if it was made.
    ///
    /// # Errors
    /// 422 `invalid-argument` when the key was used for another request.
    pub fn find(&self, request: &Idempotency) -> Result<Option<Answer>, Error> {
        let is_it = |record: &&Record| record.key == request.key && record.owner == request.owner;
        match self.records.iter().find(is_it) {
            None => Ok(None),
            Some(record) if record.fingerprint == request.fingerprint => {
                Ok(Some(record.answer.clone()))
            }
            Some(_) => {
                let detail =
                    format!("Idempotency-Key {:?} was used with another request", request.key);
                Err(Error::invalid(detail).with_status(422))
            }
        }
    }

    /// The row with one more record.
    ///
    /// # Errors
    /// 429 `resource-exhausted` when the row would be too large: too many large answers in 24 hours.
    pub fn to_row_with(
        mut self,
        request: Idempotency,
        answer: Answer,
        now: Timestamp,
    ) -> Result<Vec<u8>, Error> {
        let Idempotency { key, fingerprint, owner } = request;
        self.records.push(Record { key, fingerprint, owner, time: now.micros(), answer });
        let mut row = Vec::new();
        for mut record in self.records {
            let body = record.body().map(mem::take).unwrap_or_default();
            serde_json::to_writer(&mut row, &record).map_err(Error::internal)?;
            row.push(b'\n');
            row.extend_from_slice(body.as_bytes());
            row.push(b'\n');
        }
        if row.len() > ROW_BYTES {
            let detail = "Idempotency-Key: too many large answers are being kept for this document; \
                          repeat the request without the key, or with another one";
            return Err(Error::new(Code::ResourceExhausted, detail).with_status(429));
        }
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blaze_schema::limits::DOCUMENT_BYTES;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn request(key: &str, body: &str) -> Idempotency {
        Idempotency::new(key.to_owned(), &[body.as_bytes()])
    }

    fn answer(body: &str) -> Answer {
        Answer::Written { created: false, version: 1, body: body.to_owned() }
    }

    #[test]
    fn a_request_is_recognised_for_24_hours() {
        let row = Slot::default().to_row_with(request("k", "body"), answer("one"), at(1)).unwrap();
        let find = |key, body, now| {
            Slot::from_row(Some(row.clone()), at(now)).unwrap().find(&request(key, body))
        };
        assert_eq!(find("k", "body", IDEMPOTENCY_MICROS), Ok(Some(answer("one"))));
        assert_eq!(find("k", "body", IDEMPOTENCY_MICROS + 1), Ok(None));
        assert_eq!(find("other", "body", 2), Ok(None));
        assert_eq!(find("k", "other", 2).unwrap_err().status, 422);
    }

    #[test]
    fn nobody_is_given_anothers_answer_even_where_both_share_a_row() {
        let mine = request("k", "body").by("alice");
        let row = Slot::default().to_row_with(mine.clone(), answer("hers"), at(1)).unwrap();
        let slot = Slot::from_row(Some(row), at(2)).unwrap();
        assert_eq!(slot.find(&mine), Ok(Some(answer("hers"))));
        for other in [request("k", "body"), request("k", "body").by("bob")] {
            assert_eq!(slot.find(&other), Ok(None));
            assert_ne!(other.row_key(), mine.row_key());
        }
    }

    #[test]
    fn a_row_forgets_what_has_expired_and_refuses_to_overflow() {
        let row = Slot::default().to_row_with(request("a", ""), answer("old"), at(0)).unwrap();
        let slot = Slot::from_row(Some(row.clone()), at(IDEMPOTENCY_MICROS)).unwrap();
        let text =
            slot.to_row_with(request("b", ""), answer("new"), at(IDEMPOTENCY_MICROS)).unwrap();
        assert!(!String::from_utf8(text).unwrap().contains("old"));
        let slot = Slot::from_row(Some(row), at(1)).unwrap();
        let large = answer(&"x".repeat(ROW_BYTES));
        assert_eq!(slot.to_row_with(request("b", ""), large, at(1)).unwrap_err().status, 429);
    }

    #[test]
    fn the_answer_about_the_largest_document_fits() {
        // Every character of this body has two bytes in JSON.
        let body = format!("{{\"data\":\"{}\"}}", "\\\"".repeat(DOCUMENT_BYTES / 2));
        let row = Slot::default().to_row_with(request("k", ""), answer(&body), at(1)).unwrap();
        assert!(row.len() < body.len() + 256);
        let slot = Slot::from_row(Some(row), at(2)).unwrap();
        let row =
            slot.to_row_with(request("l", ""), Answer::Deleted { version: 2 }, at(2)).unwrap();
        let slot = Slot::from_row(Some(row), at(3)).unwrap();
        assert_eq!(slot.find(&request("k", "")), Ok(Some(answer(&body))));
        assert_eq!(slot.find(&request("l", "")), Ok(Some(Answer::Deleted { version: 2 })));
        assert!(Slot::from_row(Some(b"[]".to_vec()), at(1)).is_err());
    }

    #[test]
    fn keys_are_spread_over_the_slots() {
        let rows: std::collections::HashSet<_> =
            (0..100).map(|n| request(&n.to_string(), "").row_key()).collect();
        assert!(rows.len() > 90);
    }
}
