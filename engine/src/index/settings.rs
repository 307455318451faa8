//! What `collections.json` says about a collection: shards, composite indexes, exemptions, its group, its schema.

use blaze_json_schema::Schema;
use blaze_schema::error::Error;
use blaze_schema::field_path::FieldPath;
use blaze_schema::hash::hash;
use blaze_schema::limits::{COMPOSITE_COLUMNS, COMPOSITES, SHARDS};
use blaze_schema::settings::{self, ANY, Field, Kind, Setting};
use serde_json::{Map, Value};
use std::rc::Rc;

/// The settings of every collection. `collections.json` names collections by their id, at whatever depth they are, as
/// Firestore's index definitions do:
///
/// ```json
/// {
///   "messages": {
///     "shards": 4,
///     "group": true,
///     "indexes": [["room", "-sent"], ["tags[]", "sent"]],
///     "exempt": ["body"],
///     "schema": {"required": ["room"], "properties": {"sent": {"x-blaze-type": "timestamp"}}}
///   }
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Collections(Vec<(String, Settings)>);

/// The settings of the collections of one id.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How many index objects share a collection's documents. Never changed once there are documents.
    pub shards: u32,
    /// Whether all collections of this id have an index together, for queries of the group.
    pub group: bool,
    /// The declared indexes of several fields.
    pub composites: Vec<Composite>,
    /// Fields without index entries, and all that is below them.
    pub exempt: Exempt,
    /// What every document must look like.
    pub schema: Option<Rc<Schema>>,
}

/// Which fields have no entries of their own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exempt {
    /// `"*"`
    all: bool,
    fields: Vec<FieldPath>,
}

/// An index of several fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Composite {
    /// What names it in keys: a hash of its columns.
    pub id: [u8; 8],
    /// The columns, first to last.
    pub columns: Vec<Column>,
}

/// One column of a composite index: `field`, `-field` (descending) or `field[]` (the elements of an array).
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The field.
    pub field: FieldPath,
    /// Whether it goes down.
    pub descending: bool,
    /// Whether it has an entry for each element of an array.
    pub array: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            shards: 1,
            group: false,
            composites: Vec::new(),
            exempt: Exempt::default(),
            schema: None,
        }
    }
}

impl Collections {
    /// The description of the file.
    pub const KIND: Kind = Kind::Map(ANY, &Settings::KIND);

    /// Reads `collections.json`.
    ///
    /// # Errors
    /// `invalid-argument` naming the place: besides what [`Setting`] refuses an id that no collection may have, a field path
    /// that is none, two arrays in one index, and a schema that [`Schema::compile`] refuses.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let value = settings::parse("collections.json", text)?;
        let file = Setting::new("collections.json", &value, Collections::KIND);
        let collections = file.entries()?.into_iter().map(|(id, setting)| {
            blaze_schema::path::check_id(id).map_err(|error| setting.wrong(error.detail))?;
            Ok((id.to_owned(), Settings::read(&setting)?))
        });
        collections.collect::<Result<_, _>>().map(Collections)
    }

    /// The settings of the collections with this id.
    pub fn of(&self, id: &str) -> Settings {
        let found = self.0.iter().find(|(name, _)| name == id);
        found.map(|(_, settings)| settings.clone()).unwrap_or_default()
    }
}

impl Settings {
    /// The description of the settings.
    pub const KIND: Kind = Kind::Object(&[
        Field::or("shards", Kind::Integer(1, SHARDS), "1"),
        Field::or("group", Kind::Boolean, "false"),
        Field::or(
            "indexes",
            Kind::Array(0, COMPOSITES, &Kind::Array(2, COMPOSITE_COLUMNS, &Kind::Text)),
            "[]",
        ),
        Field::or("exempt", Kind::Array(0, ANY, &Kind::Text), "[]"),
        Field::optional("schema", Schema::KIND),
    ]);

    fn read(setting: &Setting<'_>) -> Result<Self, Error> {
        let fields = setting.object()?;
        let mut exempt = Exempt::default();
        for setting in fields.get("exempt")?.elements()? {
            match setting.text()? {
                "*" => exempt.all = true,
                field => exempt
                    .fields
                    .push(FieldPath::parse(field).map_err(|error| setting.wrong(error.detail))?),
            }
        }
        let indexes = fields.get("indexes")?;
        Ok(Settings {
            shards: fields.get("shards")?.integer()?,
            group: fields.get("group")?.boolean()?,
            composites: indexes
                .elements()?
                .iter()
                .map(Composite::read)
                .collect::<Result<_, _>>()?,
            exempt,
            schema: fields.find("schema")?.as_ref().map(Schema::read).transpose()?.map(Rc::new),
        })
    }

    /// Whether a field has no entries.
    pub fn is_exempt(&self, field: &FieldPath) -> bool {
        let exempt = |exempt: &FieldPath| field.keys().starts_with(exempt.keys());
        self.exempt.all || self.exempt.fields.iter().any(exempt)
    }

    /// What of the settings the rows of an index depend on, as JSON; [`Settings::from_rows`] reads it.
    pub(crate) fn for_rows(&self) -> String {
        let indexes: Vec<Value> =
            self.composites.iter().map(|composite| Value::from(composite.names())).collect();
        let mut exempt: Vec<Value> =
            self.exempt.fields.iter().map(|field| Value::from(field.to_string())).collect();
        if self.exempt.all {
            exempt.push(Value::from("*"));
        }
        let mut rows = Map::new();
        rows.insert("indexes".to_owned(), Value::from(indexes));
        rows.insert("exempt".to_owned(), Value::from(exempt));
        Value::Object(rows).to_string()
    }

    /// Reads what [`Settings::for_rows`] wrote.
    ///
    /// # Errors
    /// For anything else.
    pub(crate) fn from_rows(text: &str) -> Result<Self, Error> {
        let value = settings::parse("settings", text)?;
        Settings::read(&Setting::new("settings", &value, Settings::KIND))
    }

    /// These settings with only what both have: what an index can be asked while it is being rebuilt.
    pub(crate) fn common(&self, other: &Settings) -> Settings {
        let mut common = self.clone();
        common.composites.retain(|composite| other.composites.contains(composite));
        common.exempt.all |= other.exempt.all;
        common.exempt.fields.extend(other.exempt.fields.iter().cloned());
        common
    }

    /// The settings that a test writes as JSON.
    #[cfg(test)]
    pub(crate) fn for_tests(value: Value) -> Self {
        let setting = Setting::new("settings", &value, Settings::KIND);
        Settings::read(&setting).unwrap_or_default()
    }
}

impl Composite {
    fn read(setting: &Setting<'_>) -> Result<Self, Error> {
        let mut columns = Vec::new();
        for setting in setting.elements()? {
            let column = Column::parse(setting.text()?);
            columns.push(column.map_err(|error| setting.wrong(error.detail))?);
        }
        if columns.iter().filter(|column: &&Column| column.array).count() > 1 {
            return Err(setting.wrong("more than one array"));
        }
        let mut composite = Composite { id: [0; 8], columns };
        let names = composite.names().join("\n");
        for (byte, hashed) in composite.id.iter_mut().zip(hash(&[names.as_bytes()])) {
            *byte = hashed;
        }
        Ok(composite)
    }

    fn names(&self) -> Vec<String> {
        self.columns.iter().map(Column::name).collect()
    }

    /// Whether the last column goes down, and with it the names of equal documents.
    pub(crate) fn ends_descending(&self) -> bool {
        self.columns.last().is_some_and(|column| column.descending)
    }

    /// The columns as they were declared, for people.
    pub(crate) fn describe(&self) -> String {
        self.names().join(", ")
    }
}

impl Column {
    fn parse(text: &str) -> Result<Self, Error> {
        let (text, descending) = match text.strip_prefix('-') {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let (text, array) = match text.strip_suffix("[]") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        Ok(Column { field: FieldPath::parse(text)?, descending, array })
    }

    fn name(&self) -> String {
        let sign = if self.descending { "-" } else { "" };
        let elements = if self.array { "[]" } else { "" };
        format!("{sign}{}{elements}", self.field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_file_says_is_what_a_collection_gets() {
        let text = r#"{"messages":{"shards":4,"group":true,"indexes":[["room","-sent"],["tags[]","`a.b`"]],"exempt":["body"]}}"#;
        let collections = Collections::parse(text).unwrap();
        let settings = collections.of("messages");
        assert_eq!((settings.shards, settings.group), (4, true));
        let described: Vec<String> = settings.composites.iter().map(Composite::describe).collect();
        assert_eq!(described, ["room, -sent", "tags[], `a.b`"]);
        assert_ne!(settings.composites[0].id, settings.composites[1].id);
        assert!(settings.is_exempt(&FieldPath::parse("body.text").unwrap()));
        assert!(!settings.is_exempt(&FieldPath::parse("bodyguard").unwrap()));
        assert_eq!(collections.of("others"), Settings::default());
        assert_eq!(Collections::parse(r#"{"a":{}}"#).unwrap().of("a"), Settings::default());
        assert_eq!(settings.schema, None);
        let kept = Settings::from_rows(&settings.for_rows()).unwrap();
        assert_eq!((kept.composites, kept.exempt), (settings.composites, settings.exempt));
    }

    #[test]
    fn a_schema_is_no_concern_of_the_rows() {
        let read = |text: &str| Collections::parse(text).unwrap().of("a");
        let settings = read(r#"{"a":{"schema":{"required":["b"]}}}"#);
        let schema = settings.schema.clone().unwrap();
        assert_eq!(schema.check(&Map::new()).unwrap_err().detail, "b: missing");
        assert_eq!(settings.for_rows(), read("{}").for_rows());
        assert_ne!(settings, read("{}"));
        assert_eq!(settings, read(r#"{"a":{"schema":{"required":["b"]}}}"#));
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let columns: Vec<String> = (0..=COMPOSITE_COLUMNS).map(|n| format!("f{n}")).collect();
        let indexes: Vec<Vec<String>> =
            (0..=COMPOSITES).map(|n| vec![format!("a{n}"), "b".to_owned()]).collect();
        for (text, place) in [
            ("[".to_owned(), "collections.json: not JSON"),
            ("[]".to_owned(), "collections.json: an array, not an object"),
            (r#"{"a/b":{}}"#.to_owned(), "collections.json: [\"a/b\"]: path: the id"),
            (r#"{"a":1}"#.to_owned(), "collections.json: a: 1, not an object"),
            (r#"{"a":{"shards":0}}"#.to_owned(), "collections.json: a.shards: 0, not an integer"),
            (format!(r#"{{"a":{{"shards":{}}}}}"#, SHARDS + 1), "collections.json: a.shards: 65"),
            (
                r#"{"a":{"colour":1}}"#.to_owned(),
                "collections.json: a.colour: unknown key; known: shards, group, indexes, exempt, schema",
            ),
            (r#"{"a":{"group":1}}"#.to_owned(), "collections.json: a.group: 1, not a boolean"),
            (
                r#"{"a":{"indexes":[["x"]]}}"#.to_owned(),
                "collections.json: a.indexes[0]: an array of 1, not an array of 2 to 100",
            ),
            (
                r#"{"a":{"indexes":[["x","y..z"]]}}"#.to_owned(),
                "collections.json: a.indexes[0][1]: field path",
            ),
            (
                r#"{"a":{"indexes":[["x[]","y[]"]]}}"#.to_owned(),
                "collections.json: a.indexes[0]: more",
            ),
            (
                json!({"a": {"indexes": [columns]}}).to_string(),
                "collections.json: a.indexes[0]: an array of 101",
            ),
            (
                json!({"a": {"indexes": indexes}}).to_string(),
                "collections.json: a.indexes: an array of 201, not an array of at most 200",
            ),
            (r#"{"a":{"exempt":[1]}}"#.to_owned(), "collections.json: a.exempt[0]: 1, not"),
            (
                r#"{"a":{"schema":{"properties":{"x/y":{"type":"int"}}}}}"#.to_owned(),
                "collections.json: a.schema.properties[\"x/y\"].type: \"int\", not one of null",
            ),
        ] {
            let detail = Collections::parse(&text).unwrap_err().detail;
            assert!(detail.starts_with(place), "{text}: {detail}");
        }
        let most = json!({"a": {"shards": SHARDS, "indexes": vec![vec!["a"; COMPOSITE_COLUMNS]; COMPOSITES]}});
        assert!(Collections::parse(&most.to_string()).is_ok());
    }
}
