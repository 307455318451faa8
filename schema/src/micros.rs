//! Times as microseconds since 1970, for fields `#[serde(with = "blaze_schema::micros")]` of kept rows.

use crate::timestamp::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes an optional time.
///
/// # Errors
/// The serializer's.
pub fn serialize<S: Serializer>(
    time: &Option<Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    time.map(Timestamp::micros).serialize(serializer)
}

/// Reads an optional time.
///
/// # Errors
/// The deserializer's.
pub fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    Ok(Option::<i64>::deserialize(deserializer)?.map(Timestamp::from_micros))
}

/// The same of a time that is always there.
pub mod required {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Timestamp};

    /// Writes a time.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        time.micros().serialize(serializer)
    }

    /// Reads a time.
    ///
    /// # Errors
    /// The deserializer's.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(deserializer).map(Timestamp::from_micros)
    }
}
