//! Reads a JSON Schema into nodes.

use super::{Format, Id, Keyword, Node, Pattern, Type, Typed};
use blaze_schema::error::Error;
use blaze_schema::limits::{PATTERN_BYTES, SCHEMA_DEPTH, SCHEMA_NODES};
use blaze_schema::value::{Map, Number};
use regex_lite::RegexBuilder;
use serde_json::Value;
use std::collections::BTreeMap;

/// The draft that schemas are of; `$schema` may name it.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Keywords that demand nothing of a value: the vocabularies' annotations, and what is read with another keyword.
const SILENT: [&str; 14] = [
    "title",
    "description",
    "default",
    "examples",
    "$comment",
    // Read with `properties`, `items`, `contains` and `if`.
    "patternProperties",
    "additionalProperties",
    "prefixItems",
    "minContains",
    "maxContains",
    "then",
    "else",
    // Read where they are referred to.
    "$defs",
    "$schema",
];

/// What is wrong, and the tokens of a JSON pointer that lead to it, innermost first.
struct Misfit {
    reason: String,
    at: Vec<String>,
}

impl Misfit {
    fn new(reason: impl Into<String>) -> Self {
        Misfit { reason: reason.into(), at: Vec::new() }
    }

    fn inside(mut self, token: &str) -> Self {
        self.at.push(token.replace('~', "~0").replace('/', "~1"));
        self
    }
}

impl From<Misfit> for Error {
    fn from(misfit: Misfit) -> Self {
        let mut place = "#".to_owned();
        for token in misfit.at.iter().rev() {
            place.push('/');
            place.push_str(token);
        }
        Error::invalid(format!("{place}: {}", misfit.reason))
    }
}

#[derive(Default)]
struct Compiler {
    nodes: Vec<Node>,
    /// The schemas inside a schema, by what leads from it to them: `not`, `properties/name`, `allOf/0`.
    inside: BTreeMap<(Id, String), Id>,
    /// The schemas that refer to others, and how.
    references: Vec<(Id, String)>,
}

/// The nodes of a schema, the root first.
pub(super) fn compile(schema: &Value) -> Result<Vec<Node>, Error> {
    let mut compiler = Compiler::default();
    compiler.schema(schema, 1)?;
    for (id, target) in std::mem::take(&mut compiler.references) {
        let found = compiler.resolve(&target).ok_or_else(|| {
            Error::invalid(format!(
                "$ref: {target:?} is no schema inside this one, such as \"#/$defs/name\""
            ))
        })?;
        compiler.add(id, Keyword::Ref(found));
    }
    match find_cycle(&compiler.nodes) {
        true => {
            Err(Error::invalid("$ref: references that lead back to themselves at the same value"))
        }
        false => Ok(compiler.nodes),
    }
}

impl Compiler {
    fn add(&mut self, id: Id, keyword: Keyword) {
        if let Some(node) = self.nodes.get_mut(id) {
            node.keywords.push(keyword);
        }
    }

    /// Finds the schema at a fragment that is a JSON pointer (RFC 6901 section 6).
    fn resolve(&self, reference: &str) -> Option<Id> {
        let fragment = reference.strip_prefix('#')?;
        let pointer = percent_encoding::percent_decode_str(fragment).decode_utf8().ok()?;
        if pointer.is_empty() {
            return Some(0);
        }
        let mut tokens = pointer.strip_prefix('/')?.split('/');
        let mut id = 0;
        while let Some(keyword) = tokens.next() {
            id = match self.inside.get(&(id, keyword.to_owned())) {
                Some(inside) => *inside,
                None => {
                    let token = tokens.next()?.replace("~1", "/").replace("~0", "~");
                    *self.inside.get(&(id, format!("{keyword}/{token}")))?
                }
            };
        }
        Some(id)
    }

    fn schema(&mut self, schema: &Value, depth: usize) -> Result<Id, Misfit> {
        if depth > SCHEMA_DEPTH {
            return Err(Misfit::new(format!("more than {SCHEMA_DEPTH} schemas inside each other")));
        }
        let id = self.nodes.len();
        if id >= SCHEMA_NODES {
            return Err(Misfit::new(format!("more than {SCHEMA_NODES} schemas")));
        }
        self.nodes.push(Node::default());
        match schema {
            Value::Bool(true) => {}
            Value::Bool(false) => self.add(id, Keyword::Never),
            Value::Object(fields) => {
                let schema = Fields { id, fields, depth };
                for (name, value) in fields {
                    let keyword =
                        self.keyword(&schema, name, value).map_err(|misfit| misfit.inside(name))?;
                    if let Some(keyword) = keyword {
                        self.add(id, keyword);
                    }
                }
                self.together(&schema)?;
            }
            _ => return Err(Misfit::new("not a schema, which is an object or a boolean")),
        }
        Ok(id)
    }

    /// The keywords that mean something only together.
    fn together(&mut self, schema: &Fields<'_>) -> Result<(), Misfit> {
        let of = |name: &str| schema.fields.get(name);
        if ["properties", "patternProperties", "additionalProperties"]
            .into_iter()
            .any(|name| of(name).is_some())
        {
            let named = self.map_of_schemas(schema, "properties")?.into_iter().collect();
            let patterns = self.map_of_schemas(schema, "patternProperties")?;
            let patterns = patterns.into_iter().map(|(text, id)| {
                let compiled = pattern(&text).map_err(|misfit| misfit.inside("patternProperties"));
                compiled.map(|pattern| (pattern, id))
            });
            let patterns = patterns.collect::<Result<_, _>>()?;
            let additional = self.optional_schema(schema, "additionalProperties")?;
            self.add(schema.id, Keyword::Properties { named, patterns, additional });
        }
        if of("prefixItems").is_some() || of("items").is_some() {
            let prefix = match of("prefixItems") {
                Some(value) => self
                    .list_of_schemas(schema, "prefixItems", value)
                    .map_err(|misfit| misfit.inside("prefixItems"))?,
                None => Vec::new(),
            };
            let rest = self.optional_schema(schema, "items")?;
            self.add(schema.id, Keyword::Items { prefix, rest });
        }
        let bound = |name: &str| {
            let bound = of(name).map(count).transpose();
            bound.map_err(|misfit| misfit.inside(name))
        };
        let (min, max) = (bound("minContains")?.unwrap_or(1), bound("maxContains")?);
        if let Some(contained) = self.optional_schema(schema, "contains")? {
            self.add(schema.id, Keyword::Contains { schema: contained, min, max });
        }
        let condition = self.optional_schema(schema, "if")?;
        let then = self.optional_schema(schema, "then")?;
        let otherwise = self.optional_schema(schema, "else")?;
        if let Some(condition) = condition {
            self.add(schema.id, Keyword::If { condition, then, otherwise });
        }
        // Nothing is held against these; they are read all the same, and may be referred to.
        self.map_of_schemas(schema, "$defs")?;
        Ok(())
    }

    fn keyword(
        &mut self,
        schema: &Fields<'_>,
        name: &str,
        value: &Value,
    ) -> Result<Option<Keyword>, Misfit> {
        Ok(Some(match name {
            "type" => Keyword::Type(types(value)?),
            "x-blaze-type" => Keyword::Typed(typed(value)?),
            "enum" => {
                Keyword::Enum(value.as_array().ok_or_else(|| Misfit::new("not a list"))?.clone())
            }
            "const" => Keyword::Const(value.clone()),
            "required" => Keyword::Required(strings(value)?),
            "minProperties" => Keyword::MinProperties(count(value)?),
            "maxProperties" => Keyword::MaxProperties(count(value)?),
            "minItems" => Keyword::MinItems(count(value)?),
            "maxItems" => Keyword::MaxItems(count(value)?),
            "minLength" => Keyword::MinLength(count(value)?),
            "maxLength" => Keyword::MaxLength(count(value)?),
            "uniqueItems" => match value {
                Value::Bool(true) => Keyword::UniqueItems,
                Value::Bool(false) => return Ok(None),
                _ => return Err(Misfit::new("neither true nor false")),
            },
            "minimum" => Keyword::Minimum(number(value)?),
            "maximum" => Keyword::Maximum(number(value)?),
            "exclusiveMinimum" => Keyword::ExclusiveMinimum(number(value)?),
            "exclusiveMaximum" => Keyword::ExclusiveMaximum(number(value)?),
            "multipleOf" => match number(value)? {
                divisor if divisor.to_f64() > 0.0 => Keyword::MultipleOf(divisor),
                _ => return Err(Misfit::new("not more than 0")),
            },
            "pattern" => Keyword::Matches(pattern(text(value)?)?),
            "format" => Keyword::Format(format(value)?),
            "propertyNames" => Keyword::PropertyNames(self.below(schema, name, value)?),
            "not" => Keyword::Not(self.below(schema, name, value)?),
            "allOf" => Keyword::AllOf(self.some_schemas(schema, name, value)?),
            "anyOf" => Keyword::AnyOf(self.some_schemas(schema, name, value)?),
            "oneOf" => Keyword::OneOf(self.some_schemas(schema, name, value)?),
            "dependentRequired" => Keyword::DependentRequired(dependent_required(value)?),
            "dependentSchemas" => {
                Keyword::DependentSchemas(self.schemas_by_name(schema, name, value)?)
            }
            "$ref" => {
                self.references.push((schema.id, text(value)?.to_owned()));
                return Ok(None);
            }
            "properties" | "items" | "contains" | "if" => return Ok(None),
            "$id" if schema.depth > 1 => return Err(Misfit::new("it stands only at the root")),
            "$schema"
                if value.as_str().is_none_or(|draft| draft.trim_end_matches('#') != DRAFT) =>
            {
                return Err(Misfit::new(format!("schemas are of {DRAFT}")));
            }
            "$id" => return Ok(None),
            name if SILENT.contains(&name) => return Ok(None),
            _ => return Err(Misfit::new("no keyword of JSON Schema that is known here")),
        }))
    }

    /// The schema at `step` inside another.
    fn at(&mut self, schema: &Fields<'_>, step: String, value: &Value) -> Result<Id, Misfit> {
        let id = self.schema(value, schema.depth.saturating_add(1))?;
        self.inside.insert((schema.id, step), id);
        Ok(id)
    }

    fn below(&mut self, schema: &Fields<'_>, name: &str, value: &Value) -> Result<Id, Misfit> {
        self.at(schema, name.to_owned(), value)
    }

    fn optional_schema(&mut self, schema: &Fields<'_>, name: &str) -> Result<Option<Id>, Misfit> {
        let below = schema.fields.get(name).map(|value| self.below(schema, name, value));
        below.transpose().map_err(|misfit| misfit.inside(name))
    }

    fn some_schemas(
        &mut self,
        schema: &Fields<'_>,
        name: &str,
        value: &Value,
    ) -> Result<Vec<Id>, Misfit> {
        match self.list_of_schemas(schema, name, value)? {
            ids if ids.is_empty() => Err(Misfit::new("an empty list")),
            ids => Ok(ids),
        }
    }

    fn list_of_schemas(
        &mut self,
        schema: &Fields<'_>,
        name: &str,
        value: &Value,
    ) -> Result<Vec<Id>, Misfit> {
        let values = value.as_array().ok_or_else(|| Misfit::new("not a list of schemas"))?;
        let each = values.iter().enumerate().map(|(index, value)| {
            let below = self.at(schema, format!("{name}/{index}"), value);
            below.map_err(|misfit| misfit.inside(&index.to_string()))
        });
        each.collect()
    }

    fn map_of_schemas(
        &mut self,
        schema: &Fields<'_>,
        name: &str,
    ) -> Result<Vec<(String, Id)>, Misfit> {
        let map = schema.fields.get(name).map(|value| self.schemas_by_name(schema, name, value));
        map.transpose().map(Option::unwrap_or_default).map_err(|misfit| misfit.inside(name))
    }

    fn schemas_by_name(
        &mut self,
        schema: &Fields<'_>,
        name: &str,
        value: &Value,
    ) -> Result<Vec<(String, Id)>, Misfit> {
        let values = value.as_object().ok_or_else(|| Misfit::new("not an object of schemas"))?;
        let each = values.iter().map(|(key, value)| {
            let below = self.at(schema, format!("{name}/{key}"), value);
            below.map(|id| (key.clone(), id)).map_err(|misfit| misfit.inside(key))
        });
        each.collect()
    }
}

/// A schema that is being read.
struct Fields<'a> {
    id: Id,
    fields: &'a Map,
    depth: usize,
}

fn text(value: &Value) -> Result<&str, Misfit> {
    value.as_str().ok_or_else(|| Misfit::new("not a string"))
}

fn strings(value: &Value) -> Result<Vec<String>, Misfit> {
    let misfit = || Misfit::new("not a list of strings");
    let values = value.as_array().ok_or_else(misfit)?;
    values.iter().map(|value| value.as_str().map(str::to_owned).ok_or_else(misfit)).collect()
}

/// A number of things: an integer of 0 or more, which may be written as `2.0`.
fn count(value: &Value) -> Result<u64, Misfit> {
    let whole = |double: f64| (double.fract() == 0.0 && double >= 0.0).then_some(double as u64);
    let count = value.as_u64().or_else(|| value.as_f64().and_then(whole));
    count.ok_or_else(|| Misfit::new("not an integer of 0 or more"))
}

fn number(value: &Value) -> Result<Number, Misfit> {
    let number = value.as_number().and_then(|_| Number::of(value));
    number.ok_or_else(|| Misfit::new("not a number"))
}

fn types(value: &Value) -> Result<Vec<Type>, Misfit> {
    let read = |value: &Value| {
        let found =
            value.as_str().and_then(|name| Type::ALL.into_iter().find(|one| one.name() == name));
        found.ok_or_else(|| {
            let names = Type::ALL.map(Type::name).join(", ");
            Misfit::new(format!("{value} is none of {names}"))
        })
    };
    match value {
        Value::Array(names) if !names.is_empty() => names.iter().map(read).collect(),
        name => Ok(vec![read(name)?]),
    }
}

fn typed(value: &Value) -> Result<Typed, Misfit> {
    let found =
        value.as_str().and_then(|name| Typed::ALL.into_iter().find(|one| one.name() == name));
    found.ok_or_else(|| {
        let names = Typed::ALL.map(Typed::name).join(", ");
        Misfit::new(format!("{value} is none of {names}"))
    })
}

fn format(value: &Value) -> Result<Format, Misfit> {
    let found =
        value.as_str().and_then(|name| Format::ALL.into_iter().find(|one| one.name() == name));
    found.ok_or_else(|| {
        let names = Format::ALL.map(Format::name).join(", ");
        Misfit::new(format!("{value} is none of {names}"))
    })
}

fn dependent_required(value: &Value) -> Result<Vec<(String, Vec<String>)>, Misfit> {
    let fields = value.as_object().ok_or_else(|| Misfit::new("not an object of lists"))?;
    let each = fields.iter().map(|(name, names)| {
        let names = strings(names).map_err(|misfit| misfit.inside(name))?;
        Ok((name.clone(), names))
    });
    each.collect()
}

/// The smallest size at which a pattern compiles is its cost: there is no other way to ask for it.
fn pattern(text: &str) -> Result<Pattern, Misfit> {
    let mut size = 512_usize;
    loop {
        match RegexBuilder::new(text).size_limit(size).build() {
            // A state takes some 32 bytes.
            Ok(regex) => return Ok(Pattern { regex, weight: (size / 32).max(1) }),
            Err(_) if size < PATTERN_BYTES => size = size.saturating_mul(2).min(PATTERN_BYTES),
            Err(error) => return Err(Misfit::new(format!("{text:.100?}: {error}"))),
        }
    }
}

/// Whether a schema comes to be held against a value because it is held against that value already.
fn find_cycle(nodes: &[Node]) -> bool {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Not,
        Open,
        Done,
    }
    let mut seen = vec![Seen::Not; nodes.len()];
    let mut set =
        |id: Id, to: Seen| seen.get_mut(id).map_or(Seen::Done, |seen| std::mem::replace(seen, to));
    for start in 0..nodes.len() {
        // Each schema on the way, with those behind it that are still to be looked at.
        let mut way: Vec<(Id, Vec<Id>)> = Vec::new();
        let mut next = Some(start);
        loop {
            if let Some(id) = next {
                match set(id, Seen::Open) {
                    Seen::Open => return true,
                    Seen::Done => drop(set(id, Seen::Done)),
                    Seen::Not => {
                        let keywords = nodes.get(id).map_or(&[][..], |node| &node.keywords);
                        way.push((id, keywords.iter().flat_map(Keyword::in_place).collect()));
                    }
                }
            }
            let Some((id, rest)) = way.last_mut() else { break };
            next = rest.pop();
            if next.is_none() {
                set(*id, Seen::Done);
                way.pop();
            }
        }
    }
    false
}

impl Type {
    const ALL: [Type; 7] = [
        Type::Null,
        Type::Boolean,
        Type::Integer,
        Type::Number,
        Type::String,
        Type::Array,
        Type::Object,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Type::Null => "null",
            Type::Boolean => "boolean",
            Type::Integer => "integer",
            Type::Number => "number",
            Type::String => "string",
            Type::Array => "array",
            Type::Object => "object",
        }
    }
}

impl Typed {
    const ALL: [Typed; 4] = [Typed::Timestamp, Typed::Bytes, Typed::Reference, Typed::GeoPoint];

    pub(super) fn name(self) -> &'static str {
        match self {
            Typed::Timestamp => "timestamp",
            Typed::Bytes => "bytes",
            Typed::Reference => "reference",
            Typed::GeoPoint => "geopoint",
        }
    }
}
