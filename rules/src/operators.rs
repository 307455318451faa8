//! What operators do with two values. Numbers are ordered as in the database: NaN equals itself and is the smallest, so
//! that a rule says of a value what a query says of it. An integer and a double compare and count exactly.

use super::eval::{Evaluated, Evaluator};
use super::expr::Operator;
use super::value::{Fail, Text, Type, Val};
use blaze_schema::timestamp::Timestamp;
use blaze_schema::value_order::compare_numbers;
use serde_json::Value;
use std::cmp::Ordering;

impl<'a> Evaluator<'a> {
    /// Whether two values are equal; of two types they are not.
    pub(super) fn equal(&mut self, left: &Val<'a>, right: &Val<'a>) -> Result<bool, Fail> {
        self.spend(4)?;
        // Elements of lists are decoded to be compared.
        for side in [left, right] {
            if let Val::Bytes(bytes) = side {
                self.spend(bytes.len() / 16)?;
            }
        }
        if let (Some(left), Some(right)) = (left.number(), right.number()) {
            return Ok(compare_numbers(left, right).is_eq());
        }
        match (left, right) {
            (Val::Part(keys), other) | (other, Val::Part(keys)) => self.part_equals(keys, other),
            (Val::Null, Val::Null) => Ok(true),
            (Val::Bool(left), Val::Bool(right)) => Ok(left == right),
            (Val::Text(left), Val::Text(right)) | (Val::Path(left), Val::Path(right)) => {
                self.spend(left.len().min(right.len()) / 16)?;
                Ok(**left == **right)
            }
            (Val::Bytes(left), Val::Bytes(right)) => {
                self.spend(left.len().min(right.len()) / 16)?;
                Ok(left == right)
            }
            (Val::Time(left), Val::Time(right)) => Ok(left == right),
            (Val::Duration(left), Val::Duration(right)) => Ok(left == right),
            (Val::Type(left), Val::Type(right)) => Ok(left == right),
            (Val::LatLng(a, b), Val::LatLng(c, d)) => Ok(a == c && b == d),
            (Val::Set(_), Val::Set(_)) => {
                Ok(left.elements() == right.elements() && self.contains_all(left, right)?)
            }
            (Val::Array(_) | Val::List(_), Val::Array(_) | Val::List(_)) => {
                self.equal_lists(left, right)
            }
            (Val::Object(_) | Val::Map(_), Val::Object(_) | Val::Map(_)) => {
                self.equal_maps(left, right)
            }
            (Val::Auth, Val::Auth) | (Val::Request, Val::Request) | (Val::Query, Val::Query) => {
                Ok(true)
            }
            (Val::Any, Val::Any) => Err(Fail::Unknown),
            (Val::Resource(left), Val::Resource(right)) if left == right => Ok(true),
            (Val::Resource(_) | Val::Found(..), Val::Resource(_) | Val::Found(..))
            | (Val::Diff(_), Val::Diff(_)) => Err(Fail::Error),
            _ => Ok(false),
        }
    }

    fn equal_lists(&mut self, left: &Val<'a>, right: &Val<'a>) -> Result<bool, Fail> {
        let count = left.elements().unwrap_or(0);
        if Some(count) != right.elements() {
            return Ok(false);
        }
        let mut failed = None;
        for number in 0..count {
            let (Some(left), Some(right)) = (left.element(number), right.element(number)) else {
                continue;
            };
            match self.equal(&left, &right) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(Fail::Spent) => return Err(Fail::Spent),
                Err(fail) => failed = Some(fail),
            }
        }
        failed.map_or(Ok(true), Err)
    }

    fn equal_maps(&mut self, left: &Val<'a>, right: &Val<'a>) -> Result<bool, Fail> {
        if left.entries() != right.entries() {
            return Ok(false);
        }
        let mut failed = None;
        for key in left.keys().unwrap_or_default() {
            let Some(other) = self.entry(right, &key)? else { return Ok(false) };
            let Some(own) = self.entry(left, &key)? else { return Ok(false) };
            match self.equal(&own, &other) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(Fail::Spent) => return Err(Fail::Spent),
                Err(fail) => failed = Some(fail),
            }
        }
        failed.map_or(Ok(true), Err)
    }

    /// The value of a map's key, if it has it.
    pub(super) fn entry(&mut self, map: &Val<'a>, key: &Val<'a>) -> Result<Option<Val<'a>>, Fail> {
        match (map, key) {
            (Val::Object(map), Val::Text(key)) => match map.get(&**key) {
                Some(value) => self.read(Some(Val::from_json(value))).map(Some),
                None => Ok(None),
            },
            (Val::Object(_), Val::Part(_)) => Err(Fail::Unknown),
            (Val::Object(_), _) => Ok(None),
            (Val::Map(entries), _) => {
                for (other, value) in entries.iter() {
                    if self.equal(other, key)? {
                        return Ok(Some(value.clone()));
                    }
                }
                Ok(None)
            }
            _ => Err(Fail::Error),
        }
    }

    /// How two values of one type are ordered.
    pub(super) fn compare(&mut self, left: &Val<'a>, right: &Val<'a>) -> Result<Ordering, Fail> {
        self.spend(4)?;
        if let (Some(left), Some(right)) = (left.number(), right.number()) {
            return Ok(compare_numbers(left, right));
        }
        match (left, right) {
            (Val::Bool(left), Val::Bool(right)) => Ok(left.cmp(right)),
            (Val::Text(left), Val::Text(right)) => {
                self.spend(left.len().min(right.len()) / 16)?;
                Ok(left.as_bytes().cmp(right.as_bytes()))
            }
            (Val::Bytes(left), Val::Bytes(right)) => {
                self.spend(left.len().min(right.len()) / 16)?;
                Ok(left.cmp(right))
            }
            (Val::Time(left), Val::Time(right)) => Ok(left.cmp(right)),
            (Val::Duration(left), Val::Duration(right)) => Ok(left.cmp(right)),
            _ => Err(Fail::Error),
        }
    }

    pub(super) fn ordered(
        &mut self,
        operator: Operator,
        left: &Val<'a>,
        right: &Val<'a>,
    ) -> Result<bool, Fail> {
        match (left, right) {
            (Val::Part(_), Val::Part(_)) => Err(Fail::Unknown),
            (Val::Part(keys), other) => self.part_ordered(keys, operator, other),
            (other, Val::Part(keys)) => self.part_ordered(keys, mirrored(operator), other),
            _ => Ok(holds(operator, self.compare(left, right)?)),
        }
    }

    /// `value in range`
    pub(super) fn is_in(&mut self, value: &Val<'a>, range: &Val<'a>) -> Result<bool, Fail> {
        if let (Val::Part(keys), Some(_)) = (value, range.elements())
            && let Some(verdict) = self.part_in(keys, range)?
        {
            return Ok(verdict);
        }
        match range {
            Val::Part(keys) => self.in_part(value, keys),
            Val::Object(_) | Val::Map(_) => Ok(self.entry(range, value)?.is_some()),
            Val::Array(values) => self.in_array(value, values),
            _ => self.in_list(value, range),
        }
    }

    /// Texts are what lists of documents mostly hold: they are compared where they are.
    fn in_array(&mut self, value: &Val<'a>, values: &'a [Value]) -> Result<bool, Fail> {
        let Val::Text(text) = value else { return self.in_list(value, &Val::Array(values)) };
        for other in values {
            let same = other.as_str().map(|other| (other.len(), *other == **text));
            self.spend(same.map_or(1, |(bytes, _)| bytes.min(text.len()) / 16).saturating_add(1))?;
            if same.is_some_and(|(_, same)| same) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn in_list(&mut self, value: &Val<'a>, list: &Val<'a>) -> Result<bool, Fail> {
        let count = list.elements().ok_or(Fail::Error)?;
        let mut failed = None;
        for number in 0..count {
            let Some(element) = list.element(number) else { continue };
            match self.equal(value, &element) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(Fail::Spent) => return Err(Fail::Spent),
                Err(fail) => failed = Some(fail),
            }
        }
        failed.map_or(Ok(false), Err)
    }

    /// Whether every element of the second is in the first.
    pub(super) fn contains_all(
        &mut self,
        list: &Val<'a>,
        elements: &Val<'a>,
    ) -> Result<bool, Fail> {
        self.contains(list, elements, false)
    }

    /// Whether any element of the second is in the first.
    pub(super) fn contains_any(
        &mut self,
        list: &Val<'a>,
        elements: &Val<'a>,
    ) -> Result<bool, Fail> {
        self.contains(list, elements, true)
    }

    /// Looks for elements of the second in the first, until one decides: by being there, or by not being there.
    fn contains(
        &mut self,
        list: &Val<'a>,
        elements: &Val<'a>,
        decisive: bool,
    ) -> Result<bool, Fail> {
        let count = elements.elements().ok_or(Fail::Error)?;
        let mut failed = None;
        for number in 0..count {
            let Some(element) = elements.element(number) else { continue };
            match self.is_in(&element, list) {
                Ok(is_in) if is_in == decisive => return Ok(decisive),
                Ok(_) => {}
                Err(Fail::Spent) => return Err(Fail::Spent),
                Err(fail) => failed = Some(fail),
            }
        }
        failed.map_or(Ok(!decisive), Err)
    }

    /// `operand[index]`
    pub(super) fn index(&mut self, operand: &Val<'a>, index: &Val<'a>) -> Evaluated<'a> {
        match (operand, index) {
            (Val::Array(_) | Val::List(_), Val::Int(number)) => {
                let number = usize::try_from(*number).map_err(|_| Fail::Error)?;
                self.read(operand.element(number))
            }
            (Val::Object(_) | Val::Map(_), _) => self.entry(operand, index)?.ok_or(Fail::Error),
            (Val::Text(text), Val::Int(number)) => {
                let number = usize::try_from(*number).map_err(|_| Fail::Error)?;
                self.spend(text.len() / 16)?;
                let character = text.chars().nth(number).ok_or(Fail::Error)?;
                self.shared(character.to_string())
            }
            (Val::Path(path), Val::Int(number)) => {
                // Firestore's paths begin with `/databases/(default)/documents`.
                let before = ["databases", "(default)", "documents"];
                self.segment(&before, path, *number)
            }
            (Val::Part(_), Val::Text(key)) => self.select(operand, key),
            (Val::Part(_), _) | (_, Val::Part(_)) => Err(Fail::Unknown),
            _ => Err(Fail::Error),
        }
    }

    /// `path[number]`, of the segments `before` the path and its own.
    pub(super) fn segment(&mut self, before: &[&str], path: &str, number: i64) -> Evaluated<'a> {
        let number = usize::try_from(number).map_err(|_| Fail::Error)?;
        self.spend(path.len() / 16)?;
        let mut segments = before.iter().copied().chain(path.split('/'));
        let segment = segments.nth(number).ok_or(Fail::Error)?;
        self.shared(segment.to_owned())
    }

    pub(super) fn is(&mut self, value: &Val<'a>, wanted: Type) -> Result<bool, Fail> {
        match value {
            Val::Part(keys) => self.part_is(keys, wanted),
            _ => value.is(wanted).ok_or(Fail::Unknown),
        }
    }

    pub(super) fn negate(&mut self, value: &Val<'a>) -> Evaluated<'a> {
        match value {
            Val::Int(integer) => integer.checked_neg().map(Val::Int).ok_or(Fail::Error),
            Val::Float(float) => Ok(Val::Float(-float)),
            Val::Duration(micros) => micros.checked_neg().map(Val::Duration).ok_or(Fail::Error),
            Val::Part(_) => Err(Fail::Unknown),
            _ => Err(Fail::Error),
        }
    }

    pub(super) fn arithmetic(
        &mut self,
        operator: Operator,
        left: &Val<'a>,
        right: &Val<'a>,
    ) -> Evaluated<'a> {
        let value = match (left, right) {
            (Val::Int(left), Val::Int(right)) => integers(operator, *left, *right).map(Val::Int),
            (Val::Int(_) | Val::Float(_), Val::Int(_) | Val::Float(_)) => {
                let float =
                    |value: &Val<'_>| value.number().map_or(f64::NAN, |number| number.to_f64());
                floats(operator, float(left), float(right)).map(Val::Float)
            }
            (Val::Part(_), _) | (_, Val::Part(_)) => return Err(Fail::Unknown),
            _ if operator == Operator::Add => return self.add(left, right),
            (Val::Time(time), Val::Duration(micros)) if operator == Operator::Subtract => {
                micros.checked_neg().and_then(|micros| moved(*time, micros))
            }
            (Val::Time(left), Val::Time(right)) if operator == Operator::Subtract => {
                left.micros().checked_sub(right.micros()).map(Val::Duration)
            }
            (Val::Duration(left), Val::Duration(right)) if operator == Operator::Subtract => {
                left.checked_sub(*right).map(Val::Duration)
            }
            (Val::Set(_), Val::Set(_)) if operator == Operator::Subtract => {
                return self.without(left, right);
            }
            _ => None,
        };
        value.ok_or(Fail::Error)
    }

    fn add(&mut self, left: &Val<'a>, right: &Val<'a>) -> Evaluated<'a> {
        match (left, right) {
            (Val::Text(left), Val::Text(right)) => {
                self.make(left.len().saturating_add(right.len()))?;
                Ok(Val::Text(Text::Shared([&**left, &**right].concat().into())))
            }
            (Val::Bytes(left), Val::Bytes(right)) => {
                self.make(left.len().saturating_add(right.len()))?;
                Ok(Val::Bytes([&**left, &**right].concat().into()))
            }
            (Val::Array(_) | Val::List(_), Val::Array(_) | Val::List(_)) => {
                let counts = (left.elements().unwrap_or(0), right.elements().unwrap_or(0));
                self.make(counts.0.saturating_add(counts.1).saturating_mul(size_of::<Val<'_>>()))?;
                let left = (0..counts.0).filter_map(|number| left.element(number));
                let right = (0..counts.1).filter_map(|number| right.element(number));
                Ok(Val::List(left.chain(right).collect()))
            }
            (Val::Time(time), Val::Duration(micros)) | (Val::Duration(micros), Val::Time(time)) => {
                moved(*time, *micros).ok_or(Fail::Error)
            }
            (Val::Duration(left), Val::Duration(right)) => {
                left.checked_add(*right).map(Val::Duration).ok_or(Fail::Error)
            }
            _ => Err(Fail::Error),
        }
    }
}

/// A time so many microseconds later.
fn moved<'a>(time: Timestamp, micros: i64) -> Option<Val<'a>> {
    let later = time.micros().checked_add(micros)?;
    let moved = Timestamp::from_micros(later);
    (moved.micros() == later).then_some(Val::Time(moved))
}

fn integers(operator: Operator, left: i64, right: i64) -> Option<i64> {
    match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Divide => left.checked_div(right),
        Operator::Remainder => left.checked_rem(right),
        _ => None,
    }
}

fn floats(operator: Operator, left: f64, right: f64) -> Option<f64> {
    match operator {
        Operator::Add => Some(left + right),
        Operator::Subtract => Some(left - right),
        Operator::Multiply => Some(left * right),
        Operator::Divide => Some(left / right),
        _ => None,
    }
}

/// Whether the operator wants this order of its operands.
pub(super) fn holds(operator: Operator, order: Ordering) -> bool {
    match operator {
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        Operator::GreaterOrEqual => order.is_ge(),
        _ => false,
    }
}

/// The operator when its operands change places.
fn mirrored(operator: Operator) -> Operator {
    match operator {
        Operator::Less => Operator::Greater,
        Operator::LessOrEqual => Operator::GreaterOrEqual,
        Operator::Greater => Operator::Less,
        Operator::GreaterOrEqual => Operator::LessOrEqual,
        other => other,
    }
}
