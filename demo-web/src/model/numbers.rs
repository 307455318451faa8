//! Numbers as people write and read them.

use serde_json::Value;

/// How much of another value is shown where a number is expected.
const OTHER: usize = 24;

/// The letters for a thousand and more, from small to large.
const UNITS: [(char, u64); 3] = [('k', 1_000), ('M', 1_000_000), ('B', 1_000_000_000)];

/// A value in a column of numbers: `67,391,582`; a dash for none.
pub(crate) fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "–".to_owned(),
        Some(Value::Number(number)) => grouped(&number.to_string()),
        Some(Value::String(text)) => text.clone(),
        Some(other) => super::json_text::preview(other, OTHER),
    }
}

/// The digits before the point in groups of three.
pub(crate) fn grouped(number: &str) -> String {
    let whole = number.find(['.', 'e', 'E']).unwrap_or(number.len());
    let (whole, rest) = number.split_at(whole);
    let first_digit = whole.find(|character: char| character.is_ascii_digit()).unwrap_or_default();
    let mut text = String::with_capacity(number.len() + number.len() / 3);
    for (place, character) in whole.char_indices() {
        if place > first_digit && (whole.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(character);
    }
    text + rest
}

/// A number as short as it is exact: `10M`, `1.5M`, `12,345,678`.
pub(crate) fn short(number: u64) -> String {
    for (letter, unit) in UNITS.into_iter().rev() {
        let tenth = unit / 10;
        if number >= unit && number.is_multiple_of(tenth) {
            let (whole, tenths) = (number / unit, number % unit / tenth);
            let whole = grouped(&whole.to_string());
            return if tenths == 0 {
                format!("{whole}{letter}")
            } else {
                format!("{whole}.{tenths}{letter}")
            };
        }
    }
    grouped(&number.to_string())
}

/// The number of people that was typed: `10M`, `1.5 k`, `1,234,567`; `None` for nothing.
///
/// # Errors
/// What is wrong with it, for the person who typed it.
pub(crate) fn read(typed: &str) -> Result<Option<u64>, String> {
    let plain = |character: &char| !character.is_whitespace() && !"_,'’".contains(*character);
    let digits: String = typed.chars().filter(plain).collect();
    if digits.is_empty() {
        return Ok(None);
    }
    let wrong = || format!("{:?} is not a number such as 500k, 10M or 1,234,567", typed.trim());
    let unit = UNITS.into_iter().find_map(|(letter, unit)| {
        let rest = digits.strip_suffix([letter.to_ascii_lowercase(), letter.to_ascii_uppercase()]);
        rest.map(|rest| (rest, unit))
    });
    let (digits, unit) = unit.unwrap_or((&digits, 1));
    let (whole, tenths) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(tenths) {
        return Err(wrong());
    }
    let mut number = whole.parse::<u64>().ok().and_then(|whole| whole.checked_mul(unit));
    let mut place = unit;
    for digit in tenths.bytes() {
        place /= 10;
        number = number.and_then(|number| number.checked_add(u64::from(digit - b'0') * place));
    }
    // Every number up to here is one in JavaScript too.
    number.filter(|number| *number < 1 << 53).map(Some).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn digits_stand_in_groups() {
        for (value, text) in [
            (json!(0), "0"),
            (json!(999), "999"),
            (json!(1000), "1,000"),
            (json!(-123_456), "-123,456"),
            (json!(-1_234_567), "-1,234,567"),
            (json!(1_411_778_724), "1,411,778,724"),
            (json!(1234.25), "1,234.25"),
            (json!(0.44), "0.44"),
            (json!(1e300), "1e+300"),
            (json!(null), "–"),
            (json!("many"), "many"),
            (json!([1]), "[1]"),
        ] {
            assert_eq!(shown(Some(&value)), text);
        }
        assert_eq!(shown(None), "–");
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (typed, number) in [
            ("", None),
            ("  ", None),
            ("0", Some(0)),
            ("1,234,567", Some(1_234_567)),
            ("1 234 567", Some(1_234_567)),
            ("10M", Some(10_000_000)),
            ("10 m", Some(10_000_000)),
            ("1.5k", Some(1_500)),
            ("1.25B", Some(1_250_000_000)),
            ("2.9", Some(2)),
            ("9007199254740991", Some(9_007_199_254_740_991)),
        ] {
            assert_eq!(read(typed), Ok(number), "{typed:?}");
        }
        for wrong in
            ["many", "-1", "1.2.3", "M", ".5M", "1MM", "1e6", "9007199254740992", "99999999999B"]
        {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_short_is_exact() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1k"),
            (1_500_000, "1.5M"),
            (1_550_000, "1,550k"),
            (12_345_678, "12,345,678"),
            (10_000_000, "10M"),
            (2_000_000_000, "2B"),
        ] {
            assert_eq!(short(number), text);
            assert_eq!(read(text), Ok(Some(number)));
        }
    }
}
