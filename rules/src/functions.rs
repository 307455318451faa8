//! The functions and methods of the language.

use super::eval::{Evaluated, Evaluator};
use super::expr::{Function, Operator, Pattern};
use super::value::{Fail, Text, Val, Which};
use blaze_schema::timestamp::Timestamp;
use std::rc::Rc;

impl<'a> Evaluator<'a> {
    /// Calls a function; the first argument of a method is its receiver.
    pub(super) fn call(&mut self, function: Function, arguments: &[Val<'a>]) -> Evaluated<'a> {
        let null = Val::Null;
        let mut given = arguments.iter();
        let first = given.next().unwrap_or(&null);
        let second = given.next().unwrap_or(&null);
        let third = given.next().unwrap_or(&null);
        match function {
            Function::Debug => {
                if let Some(debugged) = &mut self.debugged {
                    debugged.push(first.clone());
                }
                return Ok(first.clone());
            }
            Function::HasAll => return self.has_all(first, second).map(Val::Bool),
            Function::HasAny => return self.has_any(first, second).map(Val::Bool),
            Function::GetKey => return self.get_key(first, second, third),
            Function::Get => return self.document(first, Which::Before),
            Function::GetAfter => return self.document(first, Which::After),
            Function::Exists => return self.exists(first, Which::Before),
            Function::ExistsAfter => return self.exists(first, Which::After),
            _ => {}
        }
        if arguments.iter().any(|argument| matches!(argument, Val::Part(_) | Val::Any)) {
            return Err(Fail::Unknown);
        }
        self.call_known(function, arguments, [first, second, third])
    }

    /// Calls a function of values that are known.
    fn call_known(
        &mut self,
        function: Function,
        arguments: &[Val<'a>],
        [first, second, third]: [&Val<'a>; 3],
    ) -> Evaluated<'a> {
        match function {
            Function::HasRole => self.has_role(first).map(Val::Bool),
            Function::HasOnly => self.has_only(first, second).map(Val::Bool),
            Function::Size => self.size(first),
            Function::ToPath => match first {
                Val::Text(text) | Val::Path(text) => {
                    self.make(text.len())?;
                    Ok(Val::Path(Text::Shared(super::eval::document_part(text).into())))
                }
                _ => Err(Fail::Error),
            },
            Function::Int
            | Function::Float
            | Function::String
            | Function::Bool
            | Function::Type => self.convert(function, first),
            Function::Timestamp | Function::Duration => self.convert_time(function, first),
            Function::Keys | Function::Values => self.entries_of(function, first),
            Function::Diff => match (first.entries(), second.entries()) {
                (Some(_), Some(_)) => Ok(Val::Diff(Rc::new((first.clone(), second.clone())))),
                _ => Err(Fail::Error),
            },
            Function::AffectedKeys
            | Function::AddedKeys
            | Function::RemovedKeys
            | Function::ChangedKeys
            | Function::UnchangedKeys => self.difference_keys(function, first),
            Function::ToSet
            | Function::Concat
            | Function::RemoveAll
            | Function::Join
            | Function::Union
            | Function::Difference
            | Function::Intersection => self.collections(function, first, second),
            Function::Abs
            | Function::Ceil
            | Function::Floor
            | Function::Round
            | Function::Min
            | Function::Max
            | Function::Sqrt
            | Function::Pow
            | Function::IsNan
            | Function::IsInfinite => self.mathematics(function, first, second),
            Function::DurationTime => duration_time(arguments).ok_or(Fail::Error),
            Function::DurationValue
            | Function::TimestampValue
            | Function::TimestampDate
            | Function::LatLngValue => made(function, first, second, third).ok_or(Fail::Error),
            Function::Crc32 | Function::Crc32c | Function::Md5 | Function::Sha256 => {
                self.hashed(function, first)
            }
            Function::Slice => self.slice(first, second, third),
            Function::Segment => self.index_of_wildcard(first, second),
            Function::Latitude | Function::Longitude | Function::Distance => {
                place(function, first, second).ok_or(Fail::Error)
            }
            _ => match first {
                Val::Text(_) | Val::Bytes(_) => self.texts(function, first, second, third),
                _ => super::times::field(function, first).ok_or(Fail::Error),
            },
        }
    }

    fn exists(&mut self, path: &Val<'a>, which: Which) -> Evaluated<'a> {
        let document = self.document(path, which)?;
        Ok(Val::Bool(!matches!(document, Val::Null)))
    }

    /// Whether somebody has a role: by its token or key, or by the array `roles` of the document `roles/{uid}`.
    fn has_role(&mut self, role: &Val<'a>) -> Result<bool, Fail> {
        let Val::Text(role) = role else { return Err(Fail::Error) };
        let Some(auth) = self.context.auth else { return Ok(false) };
        if auth.roles.contains(&**role) {
            return Ok(true);
        }
        if auth.uid.contains('/') {
            return Ok(false);
        }
        let Some((_, data)) = self.look_up(&format!("roles/{}", auth.uid))? else {
            return Ok(false);
        };
        match data.get("roles").and_then(|roles| roles.as_array()) {
            Some(roles) => self.is_in(&Val::Text(role.clone()), &Val::Array(roles)),
            None => Ok(false),
        }
    }

    fn size(&mut self, value: &Val<'a>) -> Evaluated<'a> {
        let size = match value {
            Val::Text(text) => {
                self.spend(text.len() / 16)?;
                text.chars().count()
            }
            Val::Bytes(bytes) => bytes.len(),
            _ => value.elements().or_else(|| value.entries()).ok_or(Fail::Error)?,
        };
        i64::try_from(size).map(Val::Int).map_err(|_| Fail::Error)
    }

    fn convert(&mut self, function: Function, value: &Val<'a>) -> Evaluated<'a> {
        if let Val::Text(text) = value {
            self.spend(text.len() / 16)?;
        }
        let converted = match (function, value) {
            (Function::Type, _) => value.kind().map(Val::Type),
            (Function::Int, Val::Int(integer)) => Some(Val::Int(*integer)),
            (Function::Int, Val::Float(float)) => truncate(*float),
            (Function::Int, Val::Text(text)) => text.parse().ok().map(Val::Int),
            (Function::Int, Val::Time(time)) => Some(Val::Int(time.micros().div_euclid(1_000_000))),
            (Function::Float, Val::Int(integer)) => Some(Val::Float(*integer as f64)),
            (Function::Float, Val::Float(float)) => Some(Val::Float(*float)),
            (Function::Float, Val::Text(text)) => text.parse().ok().map(Val::Float),
            (Function::Bool, Val::Bool(boolean)) => Some(Val::Bool(*boolean)),
            (Function::Bool, Val::Text(text)) => match &**text {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(Val::Bool(true)),
                "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(Val::Bool(false)),
                _ => None,
            },
            (Function::String, _) => return self.write_out(value),
            _ => None,
        };
        converted.ok_or(Fail::Error)
    }

    fn write_out(&mut self, value: &Val<'a>) -> Evaluated<'a> {
        let text = match value {
            Val::Text(_) => return Ok(value.clone()),
            Val::Path(path) => return Ok(Val::Text(path.clone())),
            Val::Null => "null".to_owned(),
            Val::Bool(boolean) => boolean.to_string(),
            Val::Int(integer) => integer.to_string(),
            Val::Float(float) => float.to_string(),
            Val::Time(time) => time.to_string(),
            Val::Duration(micros) => super::times::duration_text(*micros),
            Val::Bytes(bytes) => std::str::from_utf8(bytes).map_err(|_| Fail::Error)?.to_owned(),
            _ => return Err(Fail::Error),
        };
        self.shared(text)
    }

    /// A text that was made.
    pub(super) fn shared(&mut self, text: String) -> Evaluated<'a> {
        self.make(text.len())?;
        Ok(Val::Text(Text::Shared(text.into())))
    }

    fn convert_time(&mut self, function: Function, value: &Val<'a>) -> Evaluated<'a> {
        let converted = match (function, value) {
            (Function::Timestamp, Val::Text(text)) => Timestamp::parse(text).ok().map(Val::Time),
            (Function::Timestamp, Val::Time(time)) => Some(Val::Time(*time)),
            (Function::Timestamp, Val::Int(seconds)) => {
                seconds.checked_mul(1_000_000).and_then(super::times::time)
            }
            (Function::Duration, Val::Text(text)) => {
                super::times::duration(text).map(Val::Duration)
            }
            (Function::Duration, Val::Duration(micros)) => Some(Val::Duration(*micros)),
            _ => None,
        };
        converted.ok_or(Fail::Error)
    }

    fn entries_of(&mut self, function: Function, map: &Val<'a>) -> Evaluated<'a> {
        let count = map.entries().ok_or(Fail::Error)?;
        self.make(count.saturating_mul(size_of::<Val<'_>>()))?;
        let list = if function == Function::Keys { map.keys() } else { map.values() };
        let list = list.unwrap_or_default();
        for value in &list {
            self.read(Some(value.clone()))?;
        }
        Ok(Val::List(list.into()))
    }

    /// `map.get(key, default)`, the key being a text or a list of texts, one for each level.
    fn get_key(&mut self, map: &Val<'a>, key: &Val<'a>, default: &Val<'a>) -> Evaluated<'a> {
        let keys = match key {
            Val::Text(_) => Val::List([key.clone()].into()),
            _ => key.clone(),
        };
        let mut value = map.clone();
        for number in 0..keys.elements().ok_or(Fail::Error)? {
            let Some(Val::Text(key)) = keys.element(number) else { return Err(Fail::Error) };
            let there = match &value {
                Val::Object(_) | Val::Map(_) | Val::Part(_) => self.has(&value, &key)?,
                _ if number > 0 => false,
                _ => return Err(Fail::Error),
            };
            if !there {
                return Ok(default.clone());
            }
            value = self.select(&value, &key)?;
        }
        Ok(value)
    }

    fn difference_keys(&mut self, function: Function, value: &Val<'a>) -> Evaluated<'a> {
        let Val::Diff(maps) = value else { return Err(Fail::Error) };
        let (new, old) = maps.as_ref();
        let mut keys = Vec::new();
        let (added, removed) = match function {
            Function::AffectedKeys => (true, true),
            Function::AddedKeys => (true, false),
            Function::RemovedKeys => (false, true),
            _ => (false, false),
        };
        for key in new.keys().unwrap_or_default() {
            self.spend(4)?;
            let wanted = match (self.entry(new, &key)?, self.entry(old, &key)?) {
                (Some(new), Some(old)) => match function {
                    Function::AffectedKeys | Function::ChangedKeys => !self.same(&new, &old)?,
                    Function::UnchangedKeys => self.same(&new, &old)?,
                    _ => false,
                },
                _ => added,
            };
            if wanted {
                keys.push(key);
            }
        }
        if removed {
            for key in old.keys().unwrap_or_default() {
                self.spend(4)?;
                if self.entry(new, &key)?.is_none() {
                    keys.push(key);
                }
            }
        }
        self.make(keys.len().saturating_mul(size_of::<Val<'_>>()))?;
        Ok(Val::Set(keys.into()))
    }

    /// Whether a field has not changed: 1 and 1.0 are equal, but a change from one to the other is one.
    fn same(&mut self, new: &Val<'a>, old: &Val<'a>) -> Result<bool, Fail> {
        match (new.kind(), old.kind()) {
            (Some(new_kind), Some(old_kind)) => Ok(new_kind == old_kind && self.equal(new, old)?),
            _ => Err(Fail::Unknown),
        }
    }

    fn has_only(&mut self, own: &Val<'a>, others: &Val<'a>) -> Result<bool, Fail> {
        own.elements().ok_or(Fail::Error)?;
        self.contains_all(others, own)
    }

    fn mathematics(
        &mut self,
        function: Function,
        first: &Val<'a>,
        second: &Val<'a>,
    ) -> Evaluated<'a> {
        if matches!(function, Function::Min | Function::Max) {
            first.number().and(second.number()).ok_or(Fail::Error)?;
            let wanted = if function == Function::Min {
                Operator::LessOrEqual
            } else {
                Operator::GreaterOrEqual
            };
            let chosen = if self.ordered(wanted, first, second)? { first } else { second };
            return Ok(chosen.clone());
        }
        let value = match (function, first) {
            (Function::Abs, Val::Int(integer)) => integer.checked_abs().map(Val::Int),
            (Function::Abs, Val::Float(float)) => Some(Val::Float(float.abs())),
            (Function::Abs, Val::Duration(micros)) => micros.checked_abs().map(Val::Duration),
            (Function::Ceil | Function::Floor | Function::Round, Val::Int(integer)) => {
                Some(Val::Int(*integer))
            }
            (Function::Ceil, Val::Float(float)) => truncate(float.ceil()),
            (Function::Floor, Val::Float(float)) => truncate(float.floor()),
            (Function::Round, Val::Float(float)) => truncate(float.round()),
            (Function::Sqrt, _) => first.number().map(|number| Val::Float(number.to_f64().sqrt())),
            (Function::Pow, _) => match (first.number(), second.number()) {
                (Some(first), Some(second)) => {
                    Some(Val::Float(first.to_f64().powf(second.to_f64())))
                }
                _ => None,
            },
            (Function::IsNan, _) => {
                first.number().map(|number| Val::Bool(number.to_f64().is_nan()))
            }
            (Function::IsInfinite, _) => {
                first.number().map(|number| Val::Bool(number.to_f64().is_infinite()))
            }
            _ => None,
        };
        value.ok_or(Fail::Error)
    }

    /// Whether a text matches a pattern as a whole.
    pub(super) fn matches(&mut self, value: &Val<'a>, pattern: &Pattern) -> Evaluated<'a> {
        match value {
            Val::Text(text) => {
                self.spend(pattern.work(text.len()))?;
                Ok(Val::Bool(pattern.matches(text)))
            }
            Val::Part(_) => Err(Fail::Unknown),
            _ => Err(Fail::Error),
        }
    }

    fn texts(
        &mut self,
        function: Function,
        value: &Val<'a>,
        second: &Val<'a>,
        third: &Val<'a>,
    ) -> Evaluated<'a> {
        if let Val::Bytes(bytes) = value {
            self.spend(bytes.len() / 16)?;
            return match function {
                Function::ToUtf8 => self.write_out(value),
                Function::ToBase64 => {
                    let encoded =
                        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
                    self.shared(encoded)
                }
                Function::ToHexString => {
                    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
                    self.shared(digits.collect())
                }
                _ => Err(Fail::Error),
            };
        }
        let Val::Text(text) = value else { return Err(Fail::Error) };
        self.spend(text.len() / 4)?;
        match (function, second, third) {
            (Function::StartsWith, Val::Text(other), _) => {
                Ok(Val::Bool(text.starts_with(&**other)))
            }
            (Function::EndsWith, Val::Text(other), _) => Ok(Val::Bool(text.ends_with(&**other))),
            (Function::Contains, Val::Text(other), _) => Ok(Val::Bool(text.contains(&**other))),
            (Function::MatchesDynamic, Val::Text(pattern), _) => {
                self.spend(pattern.len().saturating_mul(16))?;
                self.matches(value, &Pattern::new(pattern).map_err(|_| Fail::Error)?)
            }
            (Function::Lower, ..) => self.shared(text.to_lowercase()),
            (Function::Upper, ..) => self.shared(text.to_uppercase()),
            (Function::Trim, ..) => self.shared(text.trim().to_owned()),
            (Function::ToUtf8, ..) => {
                self.make(text.len())?;
                Ok(Val::Bytes(text.as_bytes().into()))
            }
            (Function::Split, Val::Text(pattern), _) => self.split(text, pattern),
            (Function::Replace, Val::Text(pattern), Val::Text(with)) => {
                self.replace(text, pattern, with)
            }
            (Function::Concat, Val::Text(_), _) => self.arithmetic(Operator::Add, value, second),
            _ => Err(Fail::Error),
        }
    }

    fn regex(&mut self, pattern: &str, text: &str) -> Result<regex_lite::Regex, Fail> {
        // Compiled twice, as a whole and for its parts: once for the check of its size.
        let work = Pattern::new(pattern).map_err(|_| Fail::Error)?.work(text.len());
        self.spend(pattern.len().saturating_mul(16).saturating_add(work))?;
        regex_lite::Regex::new(pattern).map_err(|_| Fail::Error)
    }

    fn split(&mut self, text: &str, pattern: &str) -> Evaluated<'a> {
        let regex = self.regex(pattern, text)?;
        let mut parts = Vec::new();
        for part in regex.split(text) {
            self.make(part.len().saturating_add(size_of::<Val<'_>>()))?;
            parts.push(Val::Text(Text::Shared(part.into())));
        }
        Ok(Val::List(parts.into()))
    }

    fn replace(&mut self, text: &str, pattern: &str, with: &str) -> Evaluated<'a> {
        let regex = self.regex(pattern, text)?;
        // Bounded before it is made: every match is replaced.
        let count = regex.find_iter(text).count();
        self.make(count.saturating_mul(with.len()).saturating_add(text.len()))?;
        let replaced = regex.replace_all(text, regex_lite::NoExpand(with)).into_owned();
        Ok(Val::Text(Text::Shared(replaced.into())))
    }

    fn has_all(&mut self, own: &Val<'a>, others: &Val<'a>) -> Result<bool, Fail> {
        match own {
            Val::Object(_) | Val::Map(_) => Err(Fail::Error),
            Val::Part(_) => self.part_contains(own, others, true),
            _ => self.contains_all(own, others),
        }
    }

    fn has_any(&mut self, own: &Val<'a>, others: &Val<'a>) -> Result<bool, Fail> {
        match own {
            Val::Object(_) | Val::Map(_) => Err(Fail::Error),
            Val::Part(_) => self.part_contains(own, others, false),
            _ => self.contains_any(own, others),
        }
    }

    fn collections(
        &mut self,
        function: Function,
        first: &Val<'a>,
        second: &Val<'a>,
    ) -> Evaluated<'a> {
        if let (Function::Concat, Val::Text(_)) = (function, first) {
            return self.arithmetic(Operator::Add, first, second);
        }
        let count = first.elements().ok_or(Fail::Error)?;
        let own = (0..count).filter_map(|number| first.element(number));
        match function {
            Function::ToSet => {
                let own = own.collect();
                self.set(own)
            }
            Function::Concat => self.arithmetic(Operator::Add, first, second),
            Function::Union => {
                let others = second.elements().ok_or(Fail::Error)?;
                let all =
                    own.chain((0..others).filter_map(|number| second.element(number))).collect();
                self.set(all)
            }
            Function::RemoveAll | Function::Difference => self.without(first, second),
            Function::Intersection => self.chosen(first, second, true),
            Function::Join => {
                let Val::Text(separator) = second else { return Err(Fail::Error) };
                let mut joined = String::new();
                for (number, element) in own.enumerate() {
                    let Val::Text(text) = self.write_out(&element)? else {
                        return Err(Fail::Error);
                    };
                    self.make(text.len().saturating_add(separator.len()))?;
                    if number > 0 {
                        joined.push_str(separator);
                    }
                    joined.push_str(&text);
                }
                Ok(Val::Text(Text::Shared(joined.into())))
            }
            _ => Err(Fail::Error),
        }
    }

    /// The elements, each once.
    fn set(&mut self, elements: Vec<Val<'a>>) -> Evaluated<'a> {
        let mut set: Vec<Val<'a>> = Vec::new();
        'elements: for element in elements {
            for other in &set {
                if self.equal(other, &element)? {
                    continue 'elements;
                }
            }
            self.make(size_of::<Val<'_>>())?;
            set.push(element);
        }
        Ok(Val::Set(set.into()))
    }

    /// The elements of the first that are not in the second.
    pub(super) fn without(&mut self, first: &Val<'a>, second: &Val<'a>) -> Evaluated<'a> {
        self.chosen(first, second, false)
    }

    fn chosen(&mut self, first: &Val<'a>, second: &Val<'a>, wanted: bool) -> Evaluated<'a> {
        second.elements().ok_or(Fail::Error)?;
        let mut chosen = Vec::new();
        for number in 0..first.elements().ok_or(Fail::Error)? {
            let Some(element) = first.element(number) else { continue };
            if self.is_in(&element, second)? == wanted {
                self.make(size_of::<Val<'_>>())?;
                chosen.push(element);
            }
        }
        Ok(if matches!(first, Val::Set(_)) {
            Val::Set(chosen.into())
        } else {
            Val::List(chosen.into())
        })
    }
}

/// The integer part of a double, if there is such an integer.
fn truncate<'a>(float: f64) -> Option<Val<'a>> {
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&float);
    fits.then_some(Val::Int(float as i64))
}

fn made<'a>(
    function: Function,
    first: &Val<'a>,
    second: &Val<'a>,
    third: &Val<'a>,
) -> Option<Val<'a>> {
    match (function, first, second, third) {
        (Function::DurationValue, Val::Int(amount), Val::Text(unit), _) => {
            super::times::amount(*amount, unit)
        }
        (Function::TimestampValue, Val::Int(millis), ..) => {
            millis.checked_mul(1_000).and_then(super::times::time)
        }
        (Function::TimestampDate, Val::Int(year), Val::Int(month), Val::Int(day)) => {
            Timestamp::parse(&format!("{year:04}-{month:02}-{day:02}T00:00:00Z"))
                .ok()
                .map(Val::Time)
        }
        (Function::LatLngValue, ..) => {
            let (latitude, longitude) = (first.number()?.to_f64(), second.number()?.to_f64());
            let there = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
            there.then_some(Val::LatLng(latitude, longitude))
        }
        _ => None,
    }
}

/// `duration.time(hours, minutes, seconds, nanos)`
fn duration_time<'a>(arguments: &[Val<'a>]) -> Option<Val<'a>> {
    let [Val::Int(hours), Val::Int(minutes), Val::Int(seconds), Val::Int(nanos)] = arguments else {
        return None;
    };
    let minutes = hours.checked_mul(60)?.checked_add(*minutes)?;
    let seconds = minutes.checked_mul(60)?.checked_add(*seconds)?;
    seconds.checked_mul(1_000_000)?.checked_add(nanos.div_euclid(1_000)).map(Val::Duration)
}

/// The mean radius of the earth in metres.
const EARTH: f64 = 6_371_008.8;

fn place<'a>(function: Function, first: &Val<'a>, second: &Val<'a>) -> Option<Val<'a>> {
    let Val::LatLng(latitude, longitude) = first else { return None };
    match (function, second) {
        (Function::Latitude, _) => Some(Val::Float(*latitude)),
        (Function::Longitude, _) => Some(Val::Float(*longitude)),
        (Function::Distance, Val::LatLng(other_latitude, other_longitude)) => {
            let (a, b) = (latitude.to_radians(), other_latitude.to_radians());
            let half = |from: f64, to: f64| ((to - from) / 2.0).sin().powi(2);
            let across = half(longitude.to_radians(), other_longitude.to_radians());
            let chord = half(a, b) + a.cos() * b.cos() * across;
            Some(Val::Float(2.0 * EARTH * chord.sqrt().min(1.0).asin()))
        }
        _ => None,
    }
}
