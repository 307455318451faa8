//! Reads a JSON Schema into nodes.

use super::{Format, Id, Keyword, Node, Pattern, Schema, Type, Typed};
use blaze_schema::error::Error;
use blaze_schema::limits::{PATTERN_BYTES, SCHEMA_DEPTH, SCHEMA_NODES};
use blaze_schema::settings::{ANY, Field, Kind, Object, Setting};
use regex_lite::RegexBuilder;
use serde_json::Value;
use std::collections::BTreeMap;

/// The draft that schemas are of; `$schema` may name it, also with an empty fragment.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";
const DRAFT_FRAGMENT: &str = "https://json-schema.org/draft/2020-12/schema#";

/// A schema that is an object.
const OBJECT: Kind = Kind::Object(KEYWORDS);
const SCHEMA: Kind = Schema::KIND;
const SCHEMAS: Kind = Kind::Map(ANY, &SCHEMA);
const SOME_SCHEMAS: Kind = Kind::Array(1, ANY, &SCHEMA);
const STRINGS: Kind = Kind::Array(0, ANY, &Kind::String);
const VALUE: Kind = Kind::Other("any value");

/// The keywords, and their values.
pub(super) const KEYWORDS: &[Field] = &[
    Field::optional("$schema", Kind::OneOf(&[DRAFT, DRAFT_FRAGMENT])),
    Field::optional("$id", VALUE),
    Field::optional("$comment", VALUE),
    Field::optional("$defs", SCHEMAS),
    Field::optional("$ref", Kind::String),
    Field::optional("title", VALUE),
    Field::optional("description", VALUE),
    Field::optional("default", VALUE),
    Field::optional("examples", VALUE),
    Field::optional("type", Kind::OneOrMore(&Kind::OneOf(&Type::NAMES))),
    Field::optional("x-blaze-type", Kind::OneOf(&Typed::NAMES)),
    Field::optional("enum", Kind::Array(0, ANY, &VALUE)),
    Field::optional("const", VALUE),
    Field::optional("required", STRINGS),
    Field::optional("properties", SCHEMAS),
    Field::optional("patternProperties", SCHEMAS),
    Field::optional("additionalProperties", SCHEMA),
    Field::optional("propertyNames", SCHEMA),
    Field::optional("minProperties", Kind::Count),
    Field::optional("maxProperties", Kind::Count),
    Field::optional("dependentRequired", Kind::Map(ANY, &STRINGS)),
    Field::optional("dependentSchemas", SCHEMAS),
    Field::optional("prefixItems", Kind::Array(0, ANY, &SCHEMA)),
    Field::optional("items", SCHEMA),
    Field::optional("contains", SCHEMA),
    Field::or("minContains", Kind::Count, "1"),
    Field::optional("maxContains", Kind::Count),
    Field::optional("minItems", Kind::Count),
    Field::optional("maxItems", Kind::Count),
    Field::optional("uniqueItems", Kind::Boolean),
    Field::optional("minimum", Kind::Number),
    Field::optional("maximum", Kind::Number),
    Field::optional("exclusiveMinimum", Kind::Number),
    Field::optional("exclusiveMaximum", Kind::Number),
    Field::optional("multipleOf", Kind::Number),
    Field::optional("minLength", Kind::Count),
    Field::optional("maxLength", Kind::Count),
    Field::optional("pattern", Kind::String),
    Field::optional("format", Kind::OneOf(&Format::NAMES)),
    Field::optional("allOf", SOME_SCHEMAS),
    Field::optional("anyOf", SOME_SCHEMAS),
    Field::optional("oneOf", SOME_SCHEMAS),
    Field::optional("not", SCHEMA),
    Field::optional("if", SCHEMA),
    Field::optional("then", SCHEMA),
    Field::optional("else", SCHEMA),
];

#[derive(Default)]
struct Compiler {
    nodes: Vec<Node>,
    /// The schemas inside a schema, by what leads from it to them: `not`, `properties/name`, `allOf/0`.
    inside: BTreeMap<(Id, String), Id>,
    /// The schemas that refer to others, to which, and the error where there is none.
    references: Vec<(Id, String, Error)>,
}

/// The nodes of a schema, the root first.
pub(super) fn compile(schema: &Setting<'_>) -> Result<Vec<Node>, Error> {
    let mut compiler = Compiler::default();
    compiler.schema(schema, 1)?;
    for (id, target, missing) in std::mem::take(&mut compiler.references) {
        let found = compiler.resolve(&target).ok_or(missing)?;
        compiler.add(id, Keyword::Ref(found));
    }
    match find_cycle(&compiler.nodes) {
        true => Err(schema.wrong("$ref leads back to its own schema at the same value")),
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

    fn schema(&mut self, schema: &Setting<'_>, depth: usize) -> Result<Id, Error> {
        if depth > SCHEMA_DEPTH {
            return Err(schema.wrong(format!("more than {SCHEMA_DEPTH} schemas inside each other")));
        }
        let id = self.nodes.len();
        if id >= SCHEMA_NODES {
            return Err(schema.wrong(format!("more than {SCHEMA_NODES} schemas")));
        }
        self.nodes.push(Node::default());
        match schema.value() {
            Value::Bool(true) => {}
            Value::Bool(false) => self.add(id, Keyword::Never),
            Value::Object(keywords) => {
                let schema = schema.described_as(OBJECT);
                let schema = Inside { id, fields: schema.object()?, depth };
                for name in keywords.keys() {
                    if let Some(keyword) = self.keyword(&schema, name)? {
                        self.add(id, keyword);
                    }
                }
                self.together(&schema)?;
            }
            _ => return Err(schema.misfit()),
        }
        Ok(id)
    }

    /// The keywords that mean something only together.
    fn together(&mut self, schema: &Inside<'_>) -> Result<(), Error> {
        let has = |names: &[&str]| names.iter().any(|name| schema.fields.has(name));
        if has(&["properties", "patternProperties", "additionalProperties"]) {
            let named = self.map_of_schemas(schema, "properties")?.into_iter().collect();
            let mut patterns = Vec::new();
            for (text, id) in self.map_of_schemas(schema, "patternProperties")? {
                let setting = schema.fields.get("patternProperties")?;
                patterns.push((pattern(&text).map_err(|what| setting.wrong(what))?, id));
            }
            let additional = self.optional_schema(schema, "additionalProperties")?;
            self.add(schema.id, Keyword::Properties { named, patterns, additional });
        }
        if has(&["prefixItems", "items"]) {
            let prefix = self.list_of_schemas(schema, "prefixItems")?;
            let rest = self.optional_schema(schema, "items")?;
            self.add(schema.id, Keyword::Items { prefix, rest });
        }
        let min = schema.fields.get("minContains")?.count()?;
        let max = schema.fields.find("maxContains")?.map(|max| max.count()).transpose()?;
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

    fn keyword(&mut self, schema: &Inside<'_>, name: &str) -> Result<Option<Keyword>, Error> {
        let value = schema.fields.get(name)?;
        Ok(Some(match name {
            "type" => {
                let types = value.elements()?;
                let types = types.iter().map(|one| named(one, &Type::ALL, Type::name));
                Keyword::Type(types.collect::<Result<_, _>>()?)
            }
            "x-blaze-type" => Keyword::Typed(named(&value, &Typed::ALL, Typed::name)?),
            "enum" => {
                Keyword::Enum(value.elements()?.iter().map(|one| one.value().clone()).collect())
            }
            "const" => Keyword::Const(value.value().clone()),
            "required" => Keyword::Required(value.texts()?),
            "minProperties" => Keyword::MinProperties(value.count()?),
            "maxProperties" => Keyword::MaxProperties(value.count()?),
            "minItems" => Keyword::MinItems(value.count()?),
            "maxItems" => Keyword::MaxItems(value.count()?),
            "minLength" => Keyword::MinLength(value.count()?),
            "maxLength" => Keyword::MaxLength(value.count()?),
            "uniqueItems" if value.boolean()? => Keyword::UniqueItems,
            "minimum" => Keyword::Minimum(value.number()?),
            "maximum" => Keyword::Maximum(value.number()?),
            "exclusiveMinimum" => Keyword::ExclusiveMinimum(value.number()?),
            "exclusiveMaximum" => Keyword::ExclusiveMaximum(value.number()?),
            "multipleOf" => match value.number()? {
                divisor if divisor.to_f64() > 0.0 => Keyword::MultipleOf(divisor),
                _ => return Err(value.wrong("not more than 0")),
            },
            "pattern" => {
                Keyword::Matches(pattern(value.text()?).map_err(|what| value.wrong(what))?)
            }
            "format" => Keyword::Format(named(&value, &Format::ALL, Format::name)?),
            "propertyNames" => Keyword::PropertyNames(self.at(schema, name.to_owned(), &value)?),
            "not" => Keyword::Not(self.at(schema, name.to_owned(), &value)?),
            "allOf" => Keyword::AllOf(self.list_of_schemas(schema, name)?),
            "anyOf" => Keyword::AnyOf(self.list_of_schemas(schema, name)?),
            "oneOf" => Keyword::OneOf(self.list_of_schemas(schema, name)?),
            "dependentRequired" => {
                let names = value.entries()?.into_iter();
                let names = names.map(|(name, needed)| Ok((name.to_owned(), needed.texts()?)));
                Keyword::DependentRequired(names.collect::<Result<_, Error>>()?)
            }
            "dependentSchemas" => Keyword::DependentSchemas(self.map_of_schemas(schema, name)?),
            "$ref" => {
                let target = value.text()?;
                let missing =
                    format!("{target:?} is no schema inside this one, such as \"#/$defs/name\"");
                self.references.push((schema.id, target.to_owned(), value.wrong(missing)));
                return Ok(None);
            }
            "$schema" => return value.text().map(|_| None),
            "$id" if schema.depth > 1 => return Err(value.wrong("it stands only at the root")),
            // Annotations, and what is read in `together`.
            _ => return Ok(None),
        }))
    }

    /// The schema at `step` inside another.
    fn at(&mut self, schema: &Inside<'_>, step: String, below: &Setting<'_>) -> Result<Id, Error> {
        let id = self.schema(below, schema.depth.saturating_add(1))?;
        self.inside.insert((schema.id, step), id);
        Ok(id)
    }

    fn optional_schema(&mut self, schema: &Inside<'_>, name: &str) -> Result<Option<Id>, Error> {
        let below = schema.fields.find(name)?;
        below.map(|below| self.at(schema, name.to_owned(), &below)).transpose()
    }

    fn list_of_schemas(&mut self, schema: &Inside<'_>, name: &str) -> Result<Vec<Id>, Error> {
        let Some(list) = schema.fields.find(name)? else { return Ok(Vec::new()) };
        let elements = list.elements()?.into_iter().enumerate();
        elements.map(|(index, below)| self.at(schema, format!("{name}/{index}"), &below)).collect()
    }

    fn map_of_schemas(
        &mut self,
        schema: &Inside<'_>,
        name: &str,
    ) -> Result<Vec<(String, Id)>, Error> {
        let Some(map) = schema.fields.find(name)? else { return Ok(Vec::new()) };
        let each = map.entries()?.into_iter().map(|(key, below)| {
            Ok((key.to_owned(), self.at(schema, format!("{name}/{key}"), &below)?))
        });
        each.collect()
    }
}

/// A schema that is being read.
struct Inside<'a> {
    id: Id,
    fields: Object<'a>,
    depth: usize,
}

/// The one of `all` that a string names.
fn named<T: Copy>(
    setting: &Setting<'_>,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Result<T, Error> {
    let text = setting.text()?;
    all.iter().copied().find(|one| name(*one) == text).ok_or_else(|| setting.misfit())
}

/// The smallest size at which a pattern compiles is its cost: there is no other way to ask for it.
fn pattern(text: &str) -> Result<Pattern, String> {
    let mut size = 512_usize;
    loop {
        match RegexBuilder::new(text).size_limit(size).build() {
            // A state takes some 32 bytes.
            Ok(regex) => return Ok(Pattern { regex, weight: (size / 32).max(1) }),
            Err(_) if size < PATTERN_BYTES => size = size.saturating_mul(2).min(PATTERN_BYTES),
            Err(error) => return Err(format!("{text:.100?}: {error}")),
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

    /// In the order of the variants.
    const NAMES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];

    pub(super) fn name(self) -> &'static str {
        Type::NAMES.get(self as usize).copied().unwrap_or_default()
    }
}

impl Typed {
    const ALL: [Typed; 4] = [Typed::Timestamp, Typed::Bytes, Typed::Reference, Typed::GeoPoint];

    /// In the order of the variants.
    const NAMES: [&str; 4] = ["timestamp", "bytes", "reference", "geopoint"];

    pub(super) fn name(self) -> &'static str {
        Typed::NAMES.get(self as usize).copied().unwrap_or_default()
    }
}
