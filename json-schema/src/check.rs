//! Holds a document against a schema's nodes.

use super::multiple::is_multiple;
use super::{Id, Keyword, Node, Pattern, Type, Typed};
use blaze_schema::field_path::FieldPath;
use blaze_schema::limits::{SCHEMA_NESTING, SCHEMA_STEPS, SCHEMA_VIOLATIONS};
use blaze_schema::value::{self, Kind, Map, Number};
use blaze_schema::value_order::{compare, compare_numbers, equal};
use serde_json::Value;
use std::cmp::Ordering;

/// It took too much.
#[derive(Debug)]
pub(super) struct Exceeded;

/// Whether it holds.
type Outcome = Result<bool, Exceeded>;

/// Characters of a place that are shown.
const PLACE_CHARACTERS: usize = 200;

/// A check that is going on.
pub(super) struct Check<'s> {
    nodes: &'s [Node],
    steps: usize,
    /// Schemas inside each other.
    nesting: usize,
    /// How many schemas it is inside of that may fail without harm: `anyOf`, `not` and the like. Nobody is told why.
    probing: usize,
    violations: Vec<String>,
}

/// A value; the root is a map that is no [`Value`].
#[derive(Clone, Copy)]
enum Item<'a> {
    Map(&'a Map),
    Text(&'a str),
    Value(&'a Value),
}

impl<'a> Item<'a> {
    fn of(value: &'a Value) -> Self {
        match value {
            Value::Object(map) => Item::Map(map),
            Value::String(text) => Item::Text(text),
            other => Item::Value(other),
        }
    }

    fn number(self) -> Option<Number> {
        match self {
            Item::Value(number @ Value::Number(_)) => Number::of(number),
            _ => None,
        }
    }

    fn equals(self, other: &Value) -> bool {
        match (self, other) {
            (Item::Map(map), Value::Object(other)) => {
                map.len() == other.len()
                    && map.iter().zip(other).all(|((key, value), (other_key, other))| {
                        key == other_key && equal(value, other)
                    })
            }
            (Item::Text(text), Value::String(other)) => text == other,
            (Item::Value(value), other) => equal(value, other),
            _ => false,
        }
    }

    fn is(self, wanted: Type) -> bool {
        match (self, wanted) {
            (Item::Map(_), Type::Object) | (Item::Text(_), Type::String) => true,
            (Item::Value(value), wanted) => match (value, wanted) {
                (Value::Null, Type::Null)
                | (Value::Bool(_), Type::Boolean)
                | (Value::Number(_), Type::Number)
                | (Value::Array(_), Type::Array) => true,
                (Value::Number(number), Type::Integer) => {
                    // 1.0 is one (JSON Schema: Core, section 4.2.3).
                    number.as_i64().is_some() || number.as_f64().is_some_and(|it| it.fract() == 0.0)
                }
                _ => false,
            },
            _ => false,
        }
    }

    fn is_typed(self, wanted: Typed) -> bool {
        let Item::Map(map) = self else { return false };
        let Some((key, content)) = value::dollar_entry(map) else { return false };
        let single = value::typed(key, content.clone());
        matches!(
            (value::kind(&single), wanted),
            (Kind::Timestamp(_), Typed::Timestamp)
                | (Kind::Bytes(_), Typed::Bytes)
                | (Kind::Reference(_), Typed::Reference)
                | (Kind::GeoPoint(..), Typed::GeoPoint)
        )
    }

    /// What people call it.
    fn name(self) -> &'static str {
        match self {
            Item::Map(map) if value::dollar_entry(map).is_some() => "a typed value",
            Item::Map(_) => "an object",
            Item::Text(_) => "a string",
            Item::Value(value) => value::name(value),
        }
    }
}

/// Where a value is.
struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
    /// The name of the field itself.
    Name(&'a str),
}

impl<'a> Place<'a> {
    fn at(&'a self, step: Step<'a>) -> Place<'a> {
        Place { parent: Some(self), step }
    }

    /// As people write it: `address.tags[2]`.
    fn text(&self) -> String {
        let mut steps = Vec::new();
        let mut place = Some(self);
        while let Some(Place { parent, step }) = place {
            steps.push(*step);
            place = *parent;
        }
        let mut text = String::new();
        for step in steps.iter().rev() {
            match step {
                Step::Root => {}
                Step::Index(index) => text.push_str(&format!("[{index}]")),
                Step::Key(key) | Step::Name(key) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    let start: String = key.chars().take(PLACE_CHARACTERS).collect();
                    let quoted = FieldPath::from_keys(vec![start]).map(|path| path.to_string());
                    text.push_str(&quoted.unwrap_or_default());
                }
            }
        }
        if text.chars().count() > PLACE_CHARACTERS {
            text = text.chars().take(PLACE_CHARACTERS).chain(['…']).collect();
        }
        match self.step {
            Step::Root => "data".to_owned(),
            Step::Name(_) => format!("{text} (its name)"),
            _ => text,
        }
    }
}

impl<'s> Check<'s> {
    /// What is wrong with a document, the first few of it.
    pub(super) fn run(nodes: &'s [Node], data: &Map) -> Result<Vec<String>, Exceeded> {
        let mut check = Check { nodes, steps: 0, nesting: 0, probing: 0, violations: Vec::new() };
        let root = Place { parent: None, step: Step::Root };
        check.apply(0, Item::Map(data), &root)?;
        Ok(check.violations)
    }

    fn spend(&mut self, steps: usize) -> Result<(), Exceeded> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > SCHEMA_STEPS { Err(Exceeded) } else { Ok(()) }
    }

    /// Whether more violations would be no news.
    fn is_settled(&self) -> bool {
        self.probing > 0 || self.violations.len() >= SCHEMA_VIOLATIONS
    }

    fn violated(&mut self, place: &Place<'_>, what: impl FnOnce() -> String) -> Outcome {
        if !self.is_settled() {
            self.violations.push(format!("{}: {}", place.text(), what()));
        }
        Ok(false)
    }

    fn demand(&mut self, holds: bool, place: &Place<'_>, what: impl FnOnce() -> String) -> Outcome {
        if holds { Ok(true) } else { self.violated(place, what) }
    }

    /// Holds a value against a schema.
    fn apply(&mut self, id: Id, item: Item<'_>, place: &Place<'_>) -> Outcome {
        self.spend(1)?;
        if self.nesting >= SCHEMA_NESTING {
            return Err(Exceeded);
        }
        self.nesting = self.nesting.saturating_add(1);
        let nodes = self.nodes;
        let mut holds = true;
        for keyword in nodes.get(id).map_or(&[][..], |node| &node.keywords) {
            self.spend(1)?;
            holds &= self.keyword(keyword, item, place)?;
            if !holds && self.is_settled() {
                break;
            }
        }
        self.nesting = self.nesting.saturating_sub(1);
        Ok(holds)
    }

    /// The same, where it may fail without harm.
    fn probe(&mut self, id: Id, item: Item<'_>, place: &Place<'_>) -> Outcome {
        self.probing = self.probing.saturating_add(1);
        let holds = self.apply(id, item, place);
        self.probing = self.probing.saturating_sub(1);
        holds
    }

    fn keyword(&mut self, keyword: &'s Keyword, item: Item<'_>, place: &Place<'_>) -> Outcome {
        match keyword {
            Keyword::Never => self.violated(place, || "not allowed".to_owned()),
            Keyword::Type(types) => {
                let is = types.iter().any(|wanted| item.is(*wanted));
                self.demand(is, place, || {
                    let names: Vec<_> = types.iter().map(|one| one.name()).collect();
                    format!("{}, not of type {}", item.name(), names.join(" or "))
                })
            }
            Keyword::Typed(typed) => self.demand(item.is_typed(*typed), place, || {
                format!("{}, not a {}", item.name(), typed.name())
            }),
            Keyword::Enum(values) => {
                self.spend(values.len())?;
                let is = values.iter().any(|value| item.equals(value));
                self.demand(is, place, || "none of the values that it may have".to_owned())
            }
            Keyword::Const(value) => self
                .demand(item.equals(value), place, || "not the value that it must have".to_owned()),
            Keyword::AllOf(_)
            | Keyword::AnyOf(_)
            | Keyword::OneOf(_)
            | Keyword::Not(_)
            | Keyword::If { .. }
            | Keyword::Ref(_) => self.in_place(keyword, item, place),
            other => match item {
                Item::Map(map) => self.of_map(other, map, place),
                Item::Text(text) => self.of_text(other, text, place),
                Item::Value(value) => match (item.number(), value.as_array()) {
                    (Some(number), _) => self.of_number(other, number, place),
                    (None, Some(values)) => self.of_array(other, values, place),
                    (None, None) => Ok(true),
                },
            },
        }
    }

    fn in_place(&mut self, keyword: &'s Keyword, item: Item<'_>, place: &Place<'_>) -> Outcome {
        match keyword {
            Keyword::Ref(id) => self.apply(*id, item, place),
            Keyword::AllOf(ids) => self.all(ids.iter().copied(), item, place),
            Keyword::AnyOf(ids) => {
                for id in ids {
                    if self.probe(*id, item, place)? {
                        return Ok(true);
                    }
                }
                self.violated(place, || "fits none of the schemas of anyOf".to_owned())
            }
            Keyword::OneOf(ids) => {
                let mut fitting = 0_usize;
                for id in ids {
                    fitting = fitting.saturating_add(usize::from(self.probe(*id, item, place)?));
                }
                self.demand(fitting == 1, place, || {
                    format!("fits {fitting} of the schemas of oneOf, not one")
                })
            }
            Keyword::Not(id) => {
                let fits = self.probe(*id, item, place)?;
                self.demand(!fits, place, || "fits the schema of not".to_owned())
            }
            Keyword::If { condition, then, otherwise } => {
                let branch = if self.probe(*condition, item, place)? { then } else { otherwise };
                branch.map_or(Ok(true), |id| self.apply(id, item, place))
            }
            _ => Ok(true),
        }
    }

    fn all(&mut self, ids: impl Iterator<Item = Id>, item: Item<'_>, place: &Place<'_>) -> Outcome {
        let mut holds = true;
        for id in ids {
            holds &= self.apply(id, item, place)?;
            if !holds && self.is_settled() {
                break;
            }
        }
        Ok(holds)
    }

    fn of_number(&mut self, keyword: &Keyword, number: Number, place: &Place<'_>) -> Outcome {
        let (bound, holds, what) = match keyword {
            Keyword::Minimum(bound) => {
                (bound, compare_numbers(number, *bound).is_ge(), "is less than")
            }
            Keyword::Maximum(bound) => {
                (bound, compare_numbers(number, *bound).is_le(), "is more than")
            }
            Keyword::ExclusiveMinimum(bound) => {
                (bound, compare_numbers(number, *bound).is_gt(), "is not more than")
            }
            Keyword::ExclusiveMaximum(bound) => {
                (bound, compare_numbers(number, *bound).is_lt(), "is not less than")
            }
            Keyword::MultipleOf(bound) => (bound, is_multiple(number, *bound), "is no multiple of"),
            _ => return Ok(true),
        };
        self.demand(holds, place, || {
            format!("{} {what} {}", Value::from(number), Value::from(*bound))
        })
    }

    fn of_text(&mut self, keyword: &'s Keyword, text: &str, place: &Place<'_>) -> Outcome {
        match keyword {
            Keyword::MinLength(least) => {
                let length = self.length(text)?;
                self.demand(length >= *least, place, || {
                    format!("{length} characters, of {least} at least")
                })
            }
            Keyword::MaxLength(most) => {
                let length = self.length(text)?;
                self.demand(length <= *most, place, || {
                    format!("{length} characters, of {most} at most")
                })
            }
            Keyword::Matches(pattern) => {
                let matches = self.matches(pattern, text)?;
                self.demand(matches, place, || {
                    format!("does not match the pattern {:.100}", pattern.regex.as_str())
                })
            }
            Keyword::Format(format) => {
                self.spend(text.len() / 8)?;
                self.demand(format.matches(text), place, || format!("no {}", format.name()))
            }
            _ => Ok(true),
        }
    }

    /// Characters, as RFC 8259 counts them.
    fn length(&mut self, text: &str) -> Result<u64, Exceeded> {
        self.spend(text.len() / 64)?;
        Ok(text.chars().count() as u64)
    }

    fn matches(&mut self, pattern: &Pattern, text: &str) -> Outcome {
        self.spend(text.len().saturating_add(1).saturating_mul(pattern.weight) / 16)?;
        Ok(pattern.regex.is_match(text))
    }

    fn of_array(&mut self, keyword: &'s Keyword, values: &[Value], place: &Place<'_>) -> Outcome {
        let length = values.len() as u64;
        match keyword {
            Keyword::MinItems(least) => self.demand(length >= *least, place, || {
                format!("{length} elements, of {least} at least")
            }),
            Keyword::MaxItems(most) => self
                .demand(length <= *most, place, || format!("{length} elements, of {most} at most")),
            Keyword::UniqueItems => self.unique(values, place),
            Keyword::Items { prefix, rest } => {
                let schemas = prefix.iter().copied().map(Some).chain(std::iter::repeat(*rest));
                let mut holds = true;
                for (index, (value, schema)) in values.iter().zip(schemas).enumerate() {
                    let Some(schema) = schema else { break };
                    holds &= self.apply(schema, Item::of(value), &place.at(Step::Index(index)))?;
                    if !holds && self.is_settled() {
                        break;
                    }
                }
                Ok(holds)
            }
            Keyword::Contains { schema, min, max } => {
                let mut found = 0_u64;
                for value in values {
                    found = found.saturating_add(u64::from(self.probe(
                        *schema,
                        Item::of(value),
                        place,
                    )?));
                }
                if found < *min {
                    return self.violated(place, || {
                        format!(
                            "{found} elements that fit the schema of contains, of {min} at least"
                        )
                    });
                }
                match max {
                    Some(most) if found > *most => self.violated(place, || {
                        format!(
                            "{found} elements that fit the schema of contains, of {most} at most"
                        )
                    }),
                    _ => Ok(true),
                }
            }
            _ => Ok(true),
        }
    }

    fn unique(&mut self, values: &[Value], place: &Place<'_>) -> Outcome {
        let rounds = values.len().checked_ilog2().unwrap_or(0) as usize;
        self.spend(values.len().saturating_mul(rounds))?;
        let mut sorted: Vec<(usize, &Value)> = values.iter().enumerate().collect();
        sorted.sort_by(|(_, a), (_, b)| compare(a, b));
        let mut pairs = sorted.iter().zip(sorted.iter().skip(1));
        match pairs.find(|((_, a), (_, b))| compare(a, b) == Ordering::Equal) {
            // The sort is stable.
            Some(((first, _), (second, _))) => {
                self.violated(place, || format!("the elements {first} and {second} are equal"))
            }
            None => Ok(true),
        }
    }

    fn of_map(&mut self, keyword: &'s Keyword, map: &Map, place: &Place<'_>) -> Outcome {
        let length = map.len() as u64;
        match keyword {
            Keyword::MinProperties(least) => self.demand(length >= *least, place, || {
                format!("{length} fields, of {least} at least")
            }),
            Keyword::MaxProperties(most) => self
                .demand(length <= *most, place, || format!("{length} fields, of {most} at most")),
            Keyword::Required(names) => self.required(names, map, place, ""),
            Keyword::DependentRequired(dependent) => {
                let mut holds = true;
                for (name, names) in dependent {
                    if map.contains_key(name) {
                        holds &= self.required(names, map, place, name)?;
                    }
                }
                Ok(holds)
            }
            Keyword::DependentSchemas(dependent) => {
                self.spend(dependent.len())?;
                let there = dependent.iter().filter(|(name, _)| map.contains_key(name));
                self.all(there.map(|(_, id)| *id), Item::Map(map), place)
            }
            Keyword::PropertyNames(schema) => {
                let mut holds = true;
                for name in map.keys() {
                    holds &= self.apply(*schema, Item::Text(name), &place.at(Step::Name(name)))?;
                    if !holds && self.is_settled() {
                        break;
                    }
                }
                Ok(holds)
            }
            Keyword::Properties { .. } => self.properties(keyword, map, place),
            _ => Ok(true),
        }
    }

    fn required(&mut self, names: &[String], map: &Map, place: &Place<'_>, by: &str) -> Outcome {
        self.spend(names.len())?;
        let mut holds = true;
        for name in names.iter().filter(|name| !map.contains_key(*name)) {
            holds = self.violated(&place.at(Step::Key(name)), || match by {
                "" => "missing".to_owned(),
                by => format!("missing, as {by:.100} is there"),
            })?;
        }
        Ok(holds)
    }

    fn properties(&mut self, keyword: &'s Keyword, map: &Map, place: &Place<'_>) -> Outcome {
        let Keyword::Properties { named, patterns, additional } = keyword else { return Ok(true) };
        let mut holds = true;
        for (name, value) in map {
            self.spend(1)?;
            let (item, place) = (Item::of(value), place.at(Step::Key(name)));
            let mut known = false;
            if let Some(schema) = named.get(name) {
                known = true;
                holds &= self.apply(*schema, item, &place)?;
            }
            for (pattern, schema) in patterns {
                if self.matches(pattern, name)? {
                    known = true;
                    holds &= self.apply(*schema, item, &place)?;
                }
            }
            if let (false, Some(schema)) = (known, additional) {
                holds &= self.apply(*schema, item, &place)?;
            }
            if !holds && self.is_settled() {
                break;
            }
        }
        Ok(holds)
    }
}
