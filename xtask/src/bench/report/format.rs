//! Numbers as people read them.

use std::time::Duration;

use super::super::stats::milliseconds;

/// A duration in the unit that suits it.
pub(super) fn duration(value: Duration) -> String {
    if value < Duration::from_millis(1) {
        format!("{} µs", number(milliseconds(value) * 1e3))
    } else {
        format!("{} ms", number(milliseconds(value)))
    }
}

pub(super) fn kilobytes(bytes: u64) -> String {
    format!("{:.1} kB", bytes as f64 / 1e3)
}

/// Three significant digits, or all before the point.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        100.0.. => thousands(value.round() as u64),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

pub(super) fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let grouped: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    grouped.join(",")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{duration, number, thousands};

    #[test]
    fn numbers_have_as_many_digits_as_they_deserve() {
        assert_eq!(thousands(7), "7");
        assert_eq!(thousands(1_000), "1,000");
        assert_eq!(thousands(12_345_678), "12,345,678");
        assert_eq!(number(11_234.5), "11,235");
        assert_eq!(number(12.34), "12.3");
        assert_eq!(number(0.256), "0.26");
        assert_eq!(duration(Duration::from_nanos(12_340)), "12.3 µs");
        assert_eq!(duration(Duration::from_micros(1_234)), "1.23 ms");
    }
}
