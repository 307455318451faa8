//! Points in time, to the microsecond.

use crate::error::Error;
use std::fmt;

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

    /// The time so many microseconds later; the nearest bound when that is out of range.
    pub fn after(self, micros: i64) -> Self {
        Self::from_micros(self.0.saturating_add(micros))
    }

    /// Microseconds since an earlier time; negative if it is later.
    pub fn since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
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
        let micros = read(text.as_bytes()).ok_or_else(invalid)?;
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
        let seconds = self.0.div_euclid(1_000_000);
        let (year, month, day) = date(seconds.div_euclid(DAY));
        let second = seconds.rem_euclid(DAY);
        let (hour, minute, second) =
            (second.div_euclid(3_600), second.div_euclid(60).rem_euclid(60), second.rem_euclid(60));
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
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

/// Seconds of a day.
const DAY: i64 = 86_400;

/// The number of a day, 0 for 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"). Of a date
/// that there is not, it is the number of another one.
#[expect(clippy::arithmetic_side_effects, reason = "four digits of a year, two of the rest")]
fn day_number((year, month, day): (i64, i64, i64)) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * (month + 9).rem_euclid(12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of the day with this number.
#[expect(clippy::arithmetic_side_effects, reason = "the days of ten thousand years")]
fn date(number: i64) -> (i64, i64, i64) {
    let number = number + 719_468;
    let (era, of_era) = (number.div_euclid(146_097), number.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// Microseconds since 1970 of a date and time of RFC 3339. By hand: the `time` crate is a fortieth of the client's size.
/// Any character may stand for the `T` (section 5.6, note), and a leap second is the last microsecond before it.
#[expect(clippy::arithmetic_side_effects, reason = "a few digits each, and places in a text")]
fn read(text: &[u8]) -> Option<i64> {
    let digits = |at: usize, count: usize| {
        text.get(at..at + count)?.iter().try_fold(0_i64, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))
        })
    };
    let is = |at: usize, wanted: u8| {
        text.get(at).is_some_and(|there| there.eq_ignore_ascii_case(&wanted))
    };
    let day = (digits(0, 4)?, digits(5, 2)?, digits(8, 2)?);
    let (hour, minute, second) = (digits(11, 2)?, digits(14, 2)?, digits(17, 2)?);
    let separated = is(4, b'-') && is(7, b'-') && is(13, b':') && is(16, b':');
    let exists = date(day_number(day)) == day && hour < 24 && minute < 60 && second <= 60;
    if !separated || !exists {
        return None;
    }
    let (mut at, mut micros) = (19, 0);
    if is(at, b'.') {
        digits(20, 1)?;
        let mut unit = 100_000;
        at = 20;
        while let Some(digit) = digits(at, 1) {
            micros += digit * unit;
            (unit, at) = (unit / 10, at + 1);
        }
    }
    let offset = if is(at, b'Z') {
        at += 1;
        0
    } else {
        let (hours, minutes) = (digits(at + 1, 2)?, digits(at + 4, 2)?);
        if hours > 23 || minutes > 59 || !is(at + 3, b':') {
            return None;
        }
        let minutes = hours * 60 + minutes;
        let east = is(at, b'+');
        if !east && !is(at, b'-') {
            return None;
        }
        at += 6;
        if east { -minutes } else { minutes }
    };
    if at != text.len() {
        return None;
    }
    let minutes = (day_number(day) * 24 + hour) * 60 + minute + offset;
    if second < 60 {
        return Some((minutes * 60 + second) * 1_000_000 + micros);
    }
    // Leap seconds end a month of UTC.
    let end = (minutes + 1) * 60;
    let ends_month = end.rem_euclid(DAY) == 0 && date(end.div_euclid(DAY)).2 == 1;
    ends_month.then(|| end * 1_000_000 - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;

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

    /// As the `time` crate has it.
    fn by_time(text: &str) -> Option<Timestamp> {
        let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        let micros = i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000)).ok()?;
        (Timestamp::MIN.0..=Timestamp::MAX.0).contains(&micros).then_some(Timestamp(micros))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn texts_are_read_or_refused_as_the_time_crate_does(
            text in "(0000|0001|1600|19[07]0|2000|202[0-9]|9999)-[01][0-9]-[0-3][0-9]([T _]|xx|é)[0-2][0-9]:([0-6][0-9]|59):([0-5][0-9]|60)(\\.[0-9]{0,9})?(Z|z|[+\\-]([0-2][0-9]|00):([0-6][0-9]|00)|)",
        ) {
            prop_assert_eq!(Timestamp::parse(&text).ok(), by_time(&text), "{}", text);
        }

        #[test]
        fn garbled_texts_are_read_or_refused_as_the_time_crate_does(
            micros in Timestamp::MIN.0..=Timestamp::MAX.0, at in 0_usize..29, instead in "[0-9TZz:.+\\-é ]{0,2}",
        ) {
            let mut text = Timestamp(micros).to_string().replace('Z', "+01:30");
            text.replace_range(at.min(text.len())..(at + 1).min(text.len()), &instead);
            prop_assert_eq!(Timestamp::parse(&text).ok(), by_time(&text), "{}", text);
        }

        #[test]
        fn leap_seconds_are_read_as_the_time_crate_reads_them(
            month in 0_u32..14, day in 27_u32..33, hour in 20_u32..24, offset in 0_i32..4,
        ) {
            for zone in ["Z".to_owned(), format!("+0{offset}:00"), format!("-0{offset}:30")] {
                let text = format!("2016-{month:02}-{day:02}T{hour:02}:59:60.5{zone}");
                prop_assert_eq!(Timestamp::parse(&text).ok(), by_time(&text), "{}", text);
            }
        }

        #[test]
        fn every_time_is_printed_as_the_time_crate_prints_it(micros in Timestamp::MIN.0..=Timestamp::MAX.0) {
            let seconds = Timestamp::from_micros(micros.div_euclid(1_000_000) * 1_000_000);
            let time = OffsetDateTime::from_unix_timestamp(seconds.0 / 1_000_000).unwrap();
            prop_assert_eq!(seconds.to_string(), time.format(&Rfc3339).unwrap());
        }

        #[test]
        fn printing_and_parsing_are_inverse(micros in Timestamp::MIN.0..=Timestamp::MAX.0) {
            let timestamp = Timestamp::from_micros(micros);
            prop_assert_eq!(Timestamp::parse(&timestamp.to_string()), Ok(timestamp));
        }
    }
}
