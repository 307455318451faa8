//! Ids that nobody chose: ULIDs (<https://github.com/ulid/spec>).

use crate::timestamp::Timestamp;
use ulid::Ulid;

/// A new ULID: 26 characters, sorted by the millisecond of `now`; of `random`, 80 bits are used.
pub fn ulid(now: Timestamp, random: u128) -> String {
    let millis = u64::try_from(now.micros().div_euclid(1_000)).unwrap_or(0);
    Ulid::from_parts(millis, random).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ulid_is_26_characters_sorted_by_time() {
        let at = |millis: i64| ulid(Timestamp::from_micros(millis * 1_000), u128::MAX);
        assert_eq!(at(1).len(), 26);
        assert!(at(1) < at(2));
        assert_eq!(at(0), "0000000000ZZZZZZZZZZZZZZZZ");
    }
}
