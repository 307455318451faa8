//! Times and durations in rules.

use super::expr::Function;
use super::value::Val;
use blaze_schema::timestamp::Timestamp;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The time so many microseconds after 1970, if there is such a time.
pub(super) fn time<'a>(micros: i64) -> Option<Val<'a>> {
    let time = Timestamp::from_micros(micros);
    (time.micros() == micros).then_some(Val::Time(time))
}

/// `duration.value(amount, unit)`; what is shorter than a microsecond is cut off.
pub(super) fn amount<'a>(amount: i64, name: &str) -> Option<Val<'a>> {
    let micros = match name {
        "ns" => amount.checked_div(1_000)?,
        _ => amount.checked_mul(unit(name)?)?,
    };
    Some(Val::Duration(micros))
}

/// Microseconds of a unit.
fn unit(name: &str) -> Option<i64> {
    Some(match name {
        "w" => 7 * DAY,
        "d" => DAY,
        "h" => HOUR,
        "m" => MINUTE,
        "s" => SECOND,
        "ms" => 1_000,
        _ => return None,
    })
}

/// Reads `1h30m`, `1.5s`, `-10ms` (CEL: the text of a duration), in microseconds.
pub(super) fn duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total = 0.0_f64;
    if rest.is_empty() || rest.len() > 64 {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (name, after) = after.split_at_checked(letters)?;
        let micros = match name {
            "ns" => 0.001,
            "us" | "µs" => 1.0,
            "w" | "d" => return None,
            _ => unit(name)? as f64,
        };
        total += number.parse::<f64>().ok()? * micros;
        rest = after;
    }
    // A double holds every microsecond of 285 years.
    (total < 9e18).then_some(if negative { -total } else { total } as i64)
}

/// A duration as CEL writes it: seconds.
pub(super) fn duration_text(micros: i64) -> String {
    let (sign, size) = (if micros < 0 { "-" } else { "" }, micros.unsigned_abs());
    let fraction = format!(".{:06}", size.rem_euclid(1_000_000));
    format!(
        "{sign}{}{}s",
        size.div_euclid(1_000_000),
        fraction.trim_end_matches('0').trim_end_matches('.')
    )
}

/// A part of a time or duration.
pub(super) fn field<'a>(function: Function, value: &Val<'a>) -> Option<Val<'a>> {
    match value {
        Val::Time(time) => of_time(function, *time),
        Val::Duration(micros) => Some(Val::Int(match function {
            Function::Seconds => micros.checked_div(SECOND)?,
            Function::Nanos => micros.checked_rem(SECOND)?.checked_mul(1_000)?,
            Function::Hours => micros.checked_div(HOUR)?,
            Function::Minutes => micros.checked_div(MINUTE)?,
            Function::CelMilliseconds => micros.checked_rem(SECOND)?.checked_div(1_000)?,
            _ => return None,
        })),
        _ => None,
    }
}

/// Digits of a time as it is written.
fn digits(text: &str, from: usize, to: usize) -> Option<i64> {
    text.get(from..to)?.parse().ok()
}

fn of_time<'a>(function: Function, time: Timestamp) -> Option<Val<'a>> {
    let micros = time.micros();
    let of_day = micros.rem_euclid(DAY);
    let text = time.to_string();
    // 1970-01-01 was a Thursday.
    let weekday = micros.div_euclid(DAY).checked_add(3)?.rem_euclid(7);
    Some(Val::Int(match function {
        Function::ToMillis => micros.div_euclid(1_000),
        Function::Year => digits(&text, 0, 4)?,
        Function::Month => digits(&text, 5, 7)?,
        Function::CelMonth => digits(&text, 5, 7)?.checked_sub(1)?,
        Function::Day => digits(&text, 8, 10)?,
        Function::CelDayOfMonth => digits(&text, 8, 10)?.checked_sub(1)?,
        Function::Hours => of_day.div_euclid(HOUR),
        Function::Minutes => of_day.rem_euclid(HOUR).div_euclid(MINUTE),
        Function::Seconds => of_day.rem_euclid(MINUTE).div_euclid(SECOND),
        Function::CelMilliseconds => of_day.rem_euclid(SECOND).div_euclid(1_000),
        Function::Nanos => of_day.rem_euclid(SECOND).checked_mul(1_000)?,
        Function::DayOfWeek => weekday.checked_add(1)?,
        Function::CelDayOfWeek => weekday.checked_add(1)?.rem_euclid(7),
        Function::DayOfYear => day_of_year(&text, micros)?.checked_add(1)?,
        Function::CelDayOfYear => day_of_year(&text, micros)?,
        Function::Date => return micros.checked_sub(of_day).and_then(self::time),
        Function::Time => return Some(Val::Duration(of_day)),
        _ => return None,
    }))
}

/// Days since the first of the year.
fn day_of_year(text: &str, micros: i64) -> Option<i64> {
    let first = Timestamp::parse(&format!("{}-01-01T00:00:00Z", text.get(..4)?)).ok()?;
    Some(micros.checked_sub(first.micros())?.div_euclid(DAY))
}
