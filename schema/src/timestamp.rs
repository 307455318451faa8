//! Points in time, to the microsecond.

use crate::error::Error;
use std::fmt;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Microseconds since 1970-01-01T00:00:00Z, between the years 1 and 9999 (Firestore: "Timestamp").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 0001-01-01T00:00:00Z.
    pub const MIN: Timestamp = Timestamp(-62_135_596_800_000_000);
    /// 9999-12-31T23:59:59.999999Z.
    pub const MAX: Timestamp = Timestamp(253_402_300_799_999_999);

    /// The time `micros` after 1970; the nearest bound when that is out of range.
    pub fn from_micros(micros: i64) -> Self {
        Timestamp(micros.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Microseconds since 1970.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// Reads an RFC 3339 date and time with any offset. What is finer than a microsecond is dropped, as Firestore
    /// does.
    ///
    /// # Errors
    /// `invalid-argument`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let invalid = || {
            Error::invalid(format!("{text:?} is not a date and time of RFC 3339, years 1 to 9999"))
        };
        let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| invalid())?;
        let micros =
            i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000)).map_err(|_| invalid())?;
        if !(Self::MIN.0..=Self::MAX.0).contains(&micros) {
            return Err(invalid());
        }
        Ok(Timestamp(micros))
    }
}

/// RFC 3339 in UTC with 0, 3 or 6 digits after the point, as many as are needed: what Firestore's REST API prints
/// (the JSON mapping of google.protobuf.Timestamp).
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::from(self.0).saturating_mul(1_000);
        let time =
            OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (hour, minute, second) = time.to_hms();
        write!(
            f,
            "{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}",
            time.year(),
            u8::from(time.month()),
            time.day()
        )?;
        let micros = self.0.rem_euclid(1_000_000);
        if micros == 0 {
            f.write_str("Z")
        } else if micros.rem_euclid(1_000) == 0 {
            write!(f, ".{:03}Z", micros.div_euclid(1_000))
        } else {
            write!(f, ".{micros:06}Z")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn timestamps_print_as_they_were_written() {
        for text in [
            "2026-11-21T10:00:00Z",
            "2026-11-21T10:00:00.123Z",
            "2026-11-21T10:00:00.123456Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999Z",
            "1969-12-31T23:59:59.500Z",
        ] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), text);
        }
        let printed = |text| Timestamp::parse(text).unwrap().to_string();
        assert_eq!(printed("2026-11-21T12:00:00+02:00"), "2026-11-21T10:00:00Z");
        assert_eq!(printed("2026-11-21T10:00:00.1234569Z"), "2026-11-21T10:00:00.123456Z");
        assert_eq!(printed("2026-11-21T10:00:00.5Z"), "2026-11-21T10:00:00.500Z");
    }

    #[test]
    fn what_is_no_timestamp_is_refused() {
        for text in [
            "",
            "2026-11-21",
            "2026-11-21T10:00:00",
            "2026-13-01T00:00:00Z",
            "0000-12-31T23:59:59Z",
            "now",
        ] {
            assert!(Timestamp::parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn printing_and_parsing_are_inverse(micros in Timestamp::MIN.0..=Timestamp::MAX.0) {
            let timestamp = Timestamp::from_micros(micros);
            prop_assert_eq!(Timestamp::parse(&timestamp.to_string()), Ok(timestamp));
        }
    }
}
