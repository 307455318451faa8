//! Whether one number is a multiple of another, exactly, as they are written: 0.3 is one of 0.1.

use blaze_schema::value::Number;

/// Whether `value` is an integer times `divisor`, which is more than 0. What is not finite is no multiple.
pub(super) fn is_multiple(value: Number, divisor: Number) -> bool {
    let (Some((value, exponent)), Some((divisor, scale))) = (decimal(value), decimal(divisor))
    else {
        return false;
    };
    if value == 0 || divisor == 0 {
        return value == 0;
    }
    // value * 10^exponent / (divisor * 10^scale)
    match exponent.checked_sub(scale) {
        Some(more @ 0..) => {
            let power = power_of_ten(more.unsigned_abs(), divisor);
            product_modulo(value.checked_rem(divisor).unwrap_or(0), power, divisor) == 0
        }
        Some(fewer) => {
            let divisor = 10_u128
                .checked_pow(fewer.unsigned_abs())
                .and_then(|power| divisor.checked_mul(power));
            // What divides by more than there is leaves a rest.
            divisor.and_then(|divisor| value.checked_rem(divisor)) == Some(0)
        }
        None => false,
    }
}

/// The digits and the power of ten of a number's absolute value: at most 19 digits.
fn decimal(number: Number) -> Option<(u128, i32)> {
    let double = match number {
        Number::Integer(integer) => return Some((u128::from(integer.unsigned_abs()), 0)),
        Number::Double(double) if double.is_finite() => double.abs(),
        Number::Double(_) => return None,
    };
    // The shortest digits that are this double: `1.25e-7`.
    let text = format!("{double:e}");
    let (digits, exponent) = text.split_once('e')?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let digits = format!("{whole}{fraction}").parse().ok()?;
    let places = i32::try_from(fraction.len()).ok()?;
    Some((digits, exponent.parse::<i32>().ok()?.checked_sub(places)?))
}

/// 10^power modulo `modulus`, by squaring.
fn power_of_ten(mut power: u32, modulus: u128) -> u128 {
    let mut base = 10_u128.checked_rem(modulus).unwrap_or(0);
    let mut result = 1_u128.checked_rem(modulus).unwrap_or(0);
    while power > 0 {
        if power % 2 == 1 {
            result = product_modulo(result, base, modulus);
        }
        base = product_modulo(base, base, modulus);
        power /= 2;
    }
    result
}

/// Both are less than 2^64, so that their product has room.
fn product_modulo(a: u128, b: u128, modulus: u128) -> u128 {
    a.saturating_mul(b).checked_rem(modulus).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn holds(value: &str, divisor: &str) -> bool {
        let number = |text: &str| {
            let value: Value = serde_json::from_str(text).unwrap();
            Number::of(&value).unwrap()
        };
        is_multiple(number(value), number(divisor))
    }

    #[test]
    fn multiples_are_those_of_the_numbers_as_written() {
        for (value, divisor, expected) in [
            ("0.3", "0.1", true),
            ("4.35", "0.01", true),
            ("4.351", "0.01", false),
            ("0.0075", "0.0001", true),
            ("0.00751", "0.0001", false),
            ("1e308", "0.123456789", false),
            ("1e308", "1e-308", true),
            ("1e-308", "1e308", false),
            ("0", "1e308", true),
            ("-7.5", "2.5", true),
            ("9223372036854775807", "7", true),
            ("9223372036854775807", "2", false),
            ("1", "9223372036854775807", false),
            ("12391239123", "1e-8", true),
            ("10", "0.000000000000000000001", true),
            ("5e-324", "5e-324", true),
        ] {
            assert_eq!(holds(value, divisor), expected, "{value} / {divisor}");
        }
        assert!(!is_multiple(Number::Double(f64::NAN), Number::Integer(1)));
        assert!(!is_multiple(Number::Double(f64::INFINITY), Number::Integer(1)));
    }

    proptest! {
        #[test]
        fn a_product_is_a_multiple(a in 1_i64..1_000_000, b in 1_i64..1_000_000, places in 0_u32..6, off in 1_i64..9) {
            let write = |number: i64| format!("{number}e-{places}");
            prop_assert!(holds(&write(a * b), &write(b)));
            prop_assert_eq!(holds(&format!("{}e-{}", a * b * 10 + off, places + 1), &write(b)), false);
        }
    }
}
