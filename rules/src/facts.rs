//! What a query says of every document that it finds, before any is read.
//!
//! All that is answered here holds for each document that all filters hold for and that has the fields of the orders.
//! Filters find 1 and 1.0 alike, so that a number's exact type is never known; everything else that `==` finds is.

use super::eval::{Evaluated, Evaluator};
use super::expr::Operator as Op;
use super::operators::holds;
use super::value::{Fail, Text, Type, Val};
use blaze_schema::query::{Field, FieldFilter, Operator, Query};
use blaze_schema::value::{Kind, Number, kind};
use blaze_schema::value_order::type_order;
use serde_json::Value;
use std::rc::Rc;

/// One disjunction of a query.
pub(super) struct Facts<'a> {
    filters: Vec<(&'a [String], &'a FieldFilter)>,
    /// Fields that every document has.
    fields: Vec<Vec<String>>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(query: &Query, filters: &[&'a FieldFilter]) -> Self {
        let mut facts = Facts { filters: Vec::new(), fields: Vec::new() };
        for filter in filters {
            if let Field::Path(path) = &filter.field {
                facts.filters.push((path.keys(), filter));
            }
        }
        for order in query.orders().iter().chain(&query.order_by) {
            if let Field::Path(path) = &order.field {
                facts.fields.push(path.keys().to_vec());
            }
        }
        facts
    }

    /// The filters of the field at these keys.
    fn of(&self, keys: &[Text<'_>]) -> Vec<&'a FieldFilter> {
        let is = |path: &[String]| path.len() == keys.len() && begins(path, keys);
        self.filters.iter().filter(|(path, _)| is(path)).map(|(_, filter)| *filter).collect()
    }

    /// Whether every document has the field, and whether it is known to have a field inside.
    fn has(&self, keys: &[Text<'_>]) -> (bool, bool) {
        let filters = self.filters.iter().map(|(path, _)| *path);
        let paths = filters.chain(self.fields.iter().map(Vec::as_slice));
        let within = paths.filter(|path| begins(path, keys));
        within.fold((keys.is_empty(), keys.is_empty()), |(_, inside), path| {
            (true, inside || path.len() > keys.len())
        })
    }
}

/// Whether the path is that of the field at these keys or of one inside.
fn begins(path: &[String], keys: &[Text<'_>]) -> bool {
    path.len() >= keys.len() && path.iter().zip(keys).all(|(a, b)| **a == **b)
}

/// Whether equality leaves nothing open: there is no number in it, whose type or sign of zero could be another.
fn exact(value: &Value) -> bool {
    match kind(value) {
        Kind::Number(_) | Kind::GeoPoint(..) => false,
        Kind::Array(values) => values.iter().all(exact),
        Kind::Map(map) => map.values().all(exact),
        _ => true,
    }
}

/// Whether `in` and `array-contains` can find it.
fn is_findable(value: &&Value) -> bool {
    !value.is_null()
        && !matches!(Number::of(value), Some(Number::Double(double)) if double.is_nan())
}

/// All values that the field can have, up to the types of numbers.
fn candidates(filter: &FieldFilter) -> Option<Vec<&Value>> {
    match (filter.op, &filter.value) {
        (Operator::Equal, value) => Some(vec![value]),
        (Operator::In, Value::Array(values)) => {
            let values: Vec<&Value> = values.iter().filter(is_findable).collect();
            (!values.is_empty()).then_some(values)
        }
        _ => None,
    }
}

/// The values that a field certainly has not: null, and those of the filter.
fn excluded(filter: &FieldFilter) -> Option<Vec<&Value>> {
    match (filter.op, &filter.value) {
        (Operator::NotEqual, value) => Some(vec![value]),
        (Operator::NotIn, Value::Array(values)) => Some(values.iter().collect()),
        _ => None,
    }
}

/// The operator of a filter that bounds a field.
fn bound(operator: Operator) -> Option<Op> {
    match operator {
        Operator::Less => Some(Op::Less),
        Operator::LessOrEqual => Some(Op::LessOrEqual),
        Operator::Greater => Some(Op::Greater),
        Operator::GreaterOrEqual => Some(Op::GreaterOrEqual),
        _ => None,
    }
}

impl<'a> Evaluator<'a> {
    fn facts(&self, keys: &[Text<'_>]) -> Result<Vec<&'a FieldFilter>, Fail> {
        Ok(self.context.facts.ok_or(Fail::Unknown)?.of(keys))
    }

    /// The field inside; its value if that is known.
    pub(super) fn select_part(&mut self, keys: &Rc<[Text<'a>]>, field: &Text<'a>) -> Evaluated<'a> {
        let keys: Rc<[Text<'a>]> = keys.iter().chain([field]).cloned().collect();
        self.make(keys.len().saturating_mul(size_of::<Text<'_>>()))?;
        for filter in self.facts(&keys)? {
            self.spend(4)?;
            if filter.op == Operator::Equal && exact(&filter.value) {
                return Ok(Val::from_json(&filter.value));
            }
        }
        Ok(Val::Part(keys))
    }

    /// Whether every document has the field inside.
    pub(super) fn has_part(
        &mut self,
        keys: &Rc<[Text<'a>]>,
        field: &Text<'a>,
    ) -> Result<bool, Fail> {
        let keys: Vec<Text<'a>> = keys.iter().chain([field]).cloned().collect();
        let facts = self.context.facts.ok_or(Fail::Unknown)?;
        if facts.has(&keys).0 { Ok(true) } else { Err(Fail::Unknown) }
    }

    /// Refuses a field that a document may lack: what holds it would be in error.
    pub(super) fn certain(&mut self, value: &Val<'a>) -> Result<(), Fail> {
        match (value, self.context.facts) {
            (Val::Part(keys), Some(facts)) if !facts.has(keys).0 => Err(Fail::Unknown),
            (Val::Part(_), None) => Err(Fail::Unknown),
            _ => Ok(()),
        }
    }

    /// What all values that the field can have agree on.
    fn agreed(
        &mut self,
        filter: &'a FieldFilter,
        mut judge: impl FnMut(&mut Self, &Val<'a>) -> Result<bool, Fail>,
    ) -> Result<Option<bool>, Fail> {
        let mut agreed = None;
        for candidate in candidates(filter).unwrap_or_default() {
            match judge(self, &Val::from_json(candidate)) {
                Err(Fail::Spent) => return Err(Fail::Spent),
                Err(_) => return Ok(None),
                Ok(verdict) if agreed.is_some_and(|agreed| agreed != verdict) => return Ok(None),
                Ok(verdict) => agreed = Some(verdict),
            }
        }
        Ok(agreed)
    }

    pub(super) fn part_equals(
        &mut self,
        keys: &Rc<[Text<'a>]>,
        other: &Val<'a>,
    ) -> Result<bool, Fail> {
        if matches!(other, Val::Part(_)) {
            return Err(Fail::Unknown);
        }
        for filter in self.facts(keys)? {
            self.spend(4)?;
            if let Some(verdict) =
                self.agreed(filter, |own, candidate| own.equal(candidate, other))?
            {
                return Ok(verdict);
            }
            if let Some(excluded) = excluded(filter) {
                if matches!(other, Val::Null) {
                    return Ok(false);
                }
                for value in excluded {
                    if self.equal(&Val::from_json(value), other)? {
                        return Ok(false);
                    }
                }
            }
            if self.apart(filter, other)? {
                return Ok(false);
            }
        }
        // A map, for it has a field inside.
        let inside = self.context.facts.is_some_and(|facts| facts.has(keys).1);
        let map = matches!(other, Val::Object(_) | Val::Map(_));
        if inside && !map { Ok(false) } else { Err(Fail::Unknown) }
    }

    /// Whether `field in list`, where all values that the field can have agree.
    pub(super) fn part_in(
        &mut self,
        keys: &Rc<[Text<'a>]>,
        list: &Val<'a>,
    ) -> Result<Option<bool>, Fail> {
        for filter in self.facts(keys)? {
            let verdict = self.agreed(filter, |own, candidate| own.is_in(candidate, list))?;
            if verdict.is_some() {
                return Ok(verdict);
            }
        }
        Ok(None)
    }

    /// Whether a bound, or being an array, keeps the field from being equal to a value.
    fn apart(&mut self, filter: &'a FieldFilter, other: &Val<'a>) -> Result<bool, Fail> {
        let order = match filter.op {
            Operator::ArrayContains | Operator::ArrayContainsAny => 8,
            operator if bound(operator).is_some() => type_order(&kind(&filter.value)),
            _ => return Ok(false),
        };
        if other.type_order() != Some(order) {
            return Ok(true);
        }
        let Some(operator) = bound(filter.op) else { return Ok(false) };
        match self.compare(other, &Val::from_json(&filter.value)) {
            Ok(order) => Ok(!holds(operator, order)),
            Err(Fail::Spent) => Err(Fail::Spent),
            Err(_) => Ok(false),
        }
    }

    /// Whether `field operator other`.
    pub(super) fn part_ordered(
        &mut self,
        keys: &Rc<[Text<'a>]>,
        operator: Op,
        other: &Val<'a>,
    ) -> Result<bool, Fail> {
        for filter in self.facts(keys)? {
            self.spend(4)?;
            let judge =
                |own: &mut Self, candidate: &Val<'a>| own.ordered(operator, candidate, other);
            if let Some(verdict) = self.agreed(filter, judge)? {
                return Ok(verdict);
            }
            let Some(bounded) = bound(filter.op) else { continue };
            let order = match self.compare(&Val::from_json(&filter.value), other) {
                Ok(order) => order,
                Err(Fail::Spent) => return Err(Fail::Spent),
                Err(_) => continue,
            };
            // The field is on one side of the bound, or on it; and the bound on one side of the other value, or on it.
            let strict = matches!(bounded, Op::Less | Op::Greater);
            let (beyond, towards) = match bounded {
                Op::Less | Op::LessOrEqual => {
                    (order.is_le(), order.is_lt() || strict && order.is_eq())
                }
                _ => (order.is_ge(), order.is_gt() || strict && order.is_eq()),
            };
            let below = matches!(bounded, Op::Less | Op::LessOrEqual);
            let verdict = match (below, operator) {
                (true, Op::LessOrEqual) | (false, Op::GreaterOrEqual) if beyond => true,
                (true, Op::Less) | (false, Op::Greater) if towards => true,
                (true, Op::Greater) | (false, Op::Less) if beyond => false,
                (true, Op::GreaterOrEqual) | (false, Op::LessOrEqual) if towards => false,
                _ => continue,
            };
            return Ok(verdict);
        }
        Err(Fail::Unknown)
    }

    /// Whether `value in field`.
    pub(super) fn in_part(&mut self, value: &Val<'a>, keys: &Rc<[Text<'a>]>) -> Result<bool, Fail> {
        for filter in self.facts(keys)? {
            self.spend(4)?;
            if let Some(verdict) =
                self.agreed(filter, |own, candidate| own.is_in(value, candidate))?
            {
                return Ok(verdict);
            }
            let contained: Vec<&'a Value> = match (filter.op, &filter.value) {
                (Operator::ArrayContains, value) => vec![value],
                (Operator::ArrayContainsAny, Value::Array(values)) => {
                    values.iter().filter(is_findable).collect()
                }
                _ => continue,
            };
            let mut all = !contained.is_empty();
            for element in contained {
                all = all && self.equal(&Val::from_json(element), value)?;
            }
            if all {
                return Ok(true);
            }
        }
        match value {
            Val::Text(key) => self.has_part(keys, key),
            _ => Err(Fail::Unknown),
        }
    }

    /// `field.hasAll(others)` or `field.hasAny(others)`
    pub(super) fn part_contains(
        &mut self,
        own: &Val<'a>,
        others: &Val<'a>,
        all: bool,
    ) -> Result<bool, Fail> {
        let Val::Part(keys) = own else { return Err(Fail::Error) };
        for filter in self.facts(keys)? {
            let judge = |own: &mut Self, candidate: &Val<'a>| match (candidate.elements(), all) {
                (None, _) => Err(Fail::Error),
                (_, true) => own.contains_all(candidate, others),
                (_, false) => own.contains_any(candidate, others),
            };
            if let Some(verdict) = self.agreed(filter, judge)? {
                return Ok(verdict);
            }
            let values = match (filter.op, &filter.value) {
                (Operator::ArrayContains, value) => vec![value],
                (Operator::ArrayContainsAny, Value::Array(values)) => {
                    values.iter().filter(is_findable).collect()
                }
                _ => continue,
            };
            let mut every = !values.is_empty() && !all;
            for value in values {
                every = every && self.is_in(&Val::from_json(value), others)?;
            }
            if every {
                return Ok(true);
            }
        }
        // A list that certainly is one, and has each.
        let list = self.part_is(keys, Type::List)?;
        if all && list && self.contains_all(own, others)? { Ok(true) } else { Err(Fail::Unknown) }
    }

    /// Whether `field is type`.
    pub(super) fn part_is(&mut self, keys: &Rc<[Text<'a>]>, wanted: Type) -> Result<bool, Fail> {
        for filter in self.facts(keys)? {
            self.spend(4)?;
            let is_type = |value: &Val<'a>| match (value, wanted) {
                (Val::Int(_) | Val::Float(_), Type::Int | Type::Float) => Err(Fail::Unknown),
                _ => value.is(wanted).ok_or(Fail::Unknown),
            };
            if let Some(verdict) = self.agreed(filter, |_, candidate| is_type(candidate))? {
                return Ok(verdict);
            }
            match filter.op {
                Operator::ArrayContains | Operator::ArrayContainsAny => {
                    return Ok(wanted == Type::List);
                }
                Operator::NotEqual | Operator::NotIn if wanted == Type::Null => return Ok(false),
                operator if bound(operator).is_some() => {
                    return is_type(&Val::from_json(&filter.value));
                }
                _ => {}
            }
        }
        let inside = self.context.facts.is_some_and(|facts| facts.has(keys).1);
        if inside { Ok(wanted == Type::Map) } else { Err(Fail::Unknown) }
    }
}
