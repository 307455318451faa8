//! A document as it is kept: one row holds its state and its patch log, because the two always change together and a
//! row written is what costs most.
//!
//! The row is lines of JSON: a header, the data (`null` when the document does not exist), then the log, oldest first,
//! each line the frame that listeners got:
//!
//! ```text
//! {"epoch":"01J…","version":3,"createTime":…,"updateTime":…}
//! {"name":"Alice"}
//! {"type":"patch","base":1,"version":2,"patch":[…]}
//! {"type":"patch","base":2,"version":3,"patch":[…]}
//! ```

use blaze_schema::error::Error;
use blaze_schema::limits::{LOG_MIN_BYTES, LOG_PATCHES, ROW_BYTES};
use blaze_schema::timestamp::Timestamp;
use blaze_schema::wire::document::base_of;
use serde::{Deserialize, Serialize};

/// A document's durable state. The version outlives the document: after a delete, `data` is `None` and the version
/// goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Which history the version counts in.
    pub epoch: String,
    /// The last committed version; 0 before the first.
    pub version: u64,
    /// When the document was created, or created again after a delete.
    pub create_time: Timestamp,
    /// When it last changed.
    pub update_time: Timestamp,
    /// Its data as compact JSON; `None` when it does not exist.
    pub data: Option<String>,
    /// Frames of the last changes, oldest first, each followed by a newline.
    log: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    epoch: String,
    version: u64,
    /// Microseconds since 1970.
    create_time: i64,
    /// Microseconds since 1970.
    update_time: i64,
}

impl Record {
    /// A document that does not exist yet.
    pub fn unborn(epoch: String, now: Timestamp) -> Self {
        Record {
            epoch,
            version: 0,
            create_time: now,
            update_time: now,
            data: None,
            log: String::new(),
        }
    }

    /// The version if the document exists.
    pub fn present_version(&self) -> Option<u64> {
        self.data.as_ref().map(|_| self.version)
    }

    /// About the bytes that the record takes in memory and in its row.
    pub fn bytes(&self) -> usize {
        self.data.as_ref().map_or(0, String::len).saturating_add(self.log.len())
    }

    /// The row.
    ///
    /// # Errors
    /// `internal` when the header does not serialise.
    pub fn to_row(&self) -> Result<Vec<u8>, Error> {
        let header = Header {
            epoch: self.epoch.clone(),
            version: self.version,
            create_time: self.create_time.micros(),
            update_time: self.update_time.micros(),
        };
        let mut row = Vec::with_capacity(self.bytes().saturating_add(256));
        serde_json::to_writer(&mut row, &header).map_err(Error::internal)?;
        row.push(b'\n');
        row.extend_from_slice(self.data.as_deref().unwrap_or("null").as_bytes());
        row.push(b'\n');
        row.extend_from_slice(self.log.as_bytes());
        Ok(row)
    }

    /// Reads a row back.
    ///
    /// # Errors
    /// `internal` for what [`Record::to_row`] never wrote.
    pub fn from_row(row: Vec<u8>) -> Result<Self, Error> {
        let broken = || Error::internal("the document's row cannot be read");
        let text = String::from_utf8(row).map_err(|_| broken())?;
        let (header, rest) = text.split_once('\n').ok_or_else(broken)?;
        let (data, log) = rest.split_once('\n').ok_or_else(broken)?;
        let header: Header = serde_json::from_str(header).map_err(|_| broken())?;
        Ok(Record {
            epoch: header.epoch,
            version: header.version,
            create_time: Timestamp::from_micros(header.create_time),
            update_time: Timestamp::from_micros(header.update_time),
            data: (data != "null").then(|| data.to_owned()),
            log: log.to_owned(),
        })
    }

    /// Appends the frame of a change, then forgets the oldest ones beyond the log's bounds: [`LOG_PATCHES`] frames, and
    /// as many bytes as the document has (at least [`LOG_MIN_BYTES`], never more than fit into the row). A listener
    /// further behind is better served by a snapshot, which has fewer bytes than the patches.
    pub fn push_log(&mut self, frame: &str) {
        self.log.push_str(frame);
        self.log.push('\n');
        let data_bytes = self.data.as_ref().map_or(0, String::len);
        // The header's room is a small part of what ROW_BYTES leaves to the platform's limit; 512 is more than it takes.
        let room = ROW_BYTES.saturating_sub(data_bytes).saturating_sub(512);
        let budget = data_bytes.max(LOG_MIN_BYTES).min(room);
        let mut frames = self.log.matches('\n').count();
        let mut bytes = self.log.len();
        let mut forgotten = 0_usize;
        for line in self.log.split_inclusive('\n') {
            if bytes <= budget && frames <= LOG_PATCHES {
                break;
            }
            bytes = bytes.saturating_sub(line.len());
            frames = frames.saturating_sub(1);
            forgotten = forgotten.saturating_add(line.len());
        }
        self.log.drain(..forgotten);
    }

    /// The frames after version `since` of history `epoch`, oldest first: none when there was no change. `None` when
    /// they are not all here, or the history is another one.
    pub fn frames_since(&self, since: u64, epoch: &str) -> Option<Vec<&str>> {
        if epoch != self.epoch || since > self.version {
            return None;
        }
        if since == self.version {
            return Some(Vec::new());
        }
        let frames: Vec<&str> = self
            .log
            .lines()
            .skip_while(|frame| base_of(frame).is_some_and(|base| base < since))
            .collect();
        let first = frames.first()?;
        (base_of(first)? == since).then_some(frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blaze_schema::wire::document::patch_text;

    fn record(data: &str) -> Record {
        let mut record = Record::unborn("e".to_owned(), Timestamp::from_micros(1));
        record.data = Some(data.to_owned());
        record
    }

    fn change(record: &mut Record, patch: &str) {
        let frame = patch_text(record.version, record.version + 1, patch);
        record.version += 1;
        record.push_log(&frame);
    }

    #[test]
    fn the_row_format_is_pinned() {
        let mut record = record(r#"{"a":1}"#);
        change(&mut record, "[]");
        let row = record.to_row().unwrap();
        assert_eq!(
            String::from_utf8(row.clone()).unwrap(),
            "{\"epoch\":\"e\",\"version\":1,\"createTime\":1,\"updateTime\":1}\n{\"a\":1}\n\
             {\"type\":\"patch\",\"base\":0,\"version\":1,\"patch\":[]}\n"
        );
        assert_eq!(Record::from_row(row), Ok(record));
        assert!(Record::from_row(b"{}".to_vec()).is_err());
    }

    #[test]
    fn a_deleted_document_keeps_its_version() {
        let mut record = record("{}");
        record.version = 4;
        record.data = None;
        let kept = Record::from_row(record.to_row().unwrap()).unwrap();
        assert_eq!((kept.version, kept.present_version()), (4, None));
    }

    #[test]
    fn the_log_serves_who_is_not_too_far_behind() {
        let mut record = record("{}");
        for _ in 0..3 {
            change(&mut record, "[]");
        }
        let served = |since, epoch| record.frames_since(since, epoch).map(|frames| frames.len());
        assert_eq!(served(0, "e"), Some(3));
        assert_eq!(served(2, "e"), Some(1));
        assert_eq!(served(3, "e"), Some(0));
        assert_eq!(served(4, "e"), None);
        assert_eq!(served(2, "f"), None);
    }

    #[test]
    fn the_log_is_bounded_in_frames_and_in_bytes() {
        let mut many = record("{}");
        for _ in 0..LOG_PATCHES + 9 {
            change(&mut many, "");
        }
        assert!(many.log.len() <= LOG_MIN_BYTES);
        assert_eq!(many.frames_since(0, "e"), None);
        assert!(many.frames_since(many.version - 50, "e").is_some());

        let mut wide = record(&"x".repeat(1_000_000));
        for _ in 0..LOG_PATCHES + 9 {
            change(&mut wide, "");
        }
        assert_eq!(wide.log.lines().count(), LOG_PATCHES);
        for _ in 0..3 {
            change(&mut wide, &"y".repeat(700_000));
        }
        assert_eq!(wide.log.lines().count(), 1);
        assert!(wide.to_row().unwrap().len() <= ROW_BYTES);
        change(&mut wide, &"y".repeat(1_010_000));
        assert_eq!(wide.log, "");
    }
}
