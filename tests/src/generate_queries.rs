//! Random collections and queries of them that meet: few fields, few values, and values that are equal without being the
//! same, share long beginnings, or are of the types that an index does not tell apart.

use crate::random::Random;
use blaze_schema::path::DocumentPath;
use blaze_schema::query::{Field, FieldFilter, Operator, Query};
use blaze_schema::value::{Map, Transforms, check_data};
use serde_json::{Value, json};

/// The fields that documents have and queries ask about. Nobody has the last.
const FIELDS: [&str; 10] = [
    "a",
    "a",
    "b",
    "b",
    "c",
    "m.x",
    "m.y",
    "tags",
    "m",
    "`q.r`.a-field-whose-path-is-too-long-to-stand-in-a-key-as-it-is",
];

/// Ids whose order as paths is not that of their bytes with what is around them, and others.
const IDS: [&str; 20] = [
    "a",
    "a!",
    "a\u{0}",
    "a\u{0}b",
    "a\u{1}",
    "b",
    "B",
    "é",
    "\u{ffff}",
    "\u{10000}",
    "-",
    " ",
    "~",
    "0",
    "00",
    "a b",
    "a%2Fb",
    "\u{2}",
    "`",
    "$x",
];

/// Where the documents of a world are. The queries ask for one of the first two, or for the group `c`.
const COLLECTIONS: [&str; 6] = ["c", "d/a/c", "d/a!/c", "c/a/c", "d/a/c/a/e/b/c", "e"];

/// Documents, and what queries of them are made of.
#[derive(Debug)]
pub struct World {
    /// Paths and data, in no order; no path twice.
    pub documents: Vec<(DocumentPath, Map)>,
    /// What queries look at, as in a query: `from`.
    pub from: Value,
    /// `collections.json`.
    pub collections: Value,
    /// The values that documents have and queries ask for.
    palette: Vec<Value>,
    /// The columns of the composite indexes.
    composites: Vec<Vec<String>>,
}

/// Every value that a field may have, those of one row equal or hard to tell apart.
fn alphabet() -> Vec<Vec<Value>> {
    let long = |end: &str| json!(format!("{}{end}", "x".repeat(1_499)));
    let bytes = |end: &str| json!({"$bytes": format!("{}{end}", "AAAA".repeat(500))});
    let reference = |end: &str| json!({"$ref": format!("{}{end}", format!("c/{}/", "a".repeat(97)).repeat(15))});
    let mut values = plain();
    values.extend([
        vec![
            json!(""),
            json!("a"),
            json!("ab"),
            json!("a\u{0}"),
            json!("a\u{0}\u{1}"),
            json!("a\u{1}"),
        ],
        vec![json!("b"), json!("é"), json!("\u{ffff}"), json!("\u{10000}")],
        vec![long(""), long("y"), long("ya"), long("yb"), long("z"), long("\u{0}"), long("\u{0}b")],
        vec![
            json!({"$bytes": ""}),
            json!({"$bytes": "AA=="}),
            json!({"$bytes": "AAE="}),
            json!({"$bytes": "/w=="}),
        ],
        vec![bytes(""), bytes("AA=="), bytes("AQ==")],
        vec![
            json!({"$ref": "c/a"}),
            json!({"$ref": "c/a/c/a"}),
            json!({"$ref": "c/a!"}),
            json!({"$ref": "d/a/c/b"}),
        ],
        vec![reference("c/a"), reference("c/a!"), reference("c/b"), reference("c/a/c/a")],
        vec![
            json!({"$geopoint": [1, 2]}),
            json!({"$geopoint": [1.0, 2.5]}),
            json!({"$geopoint": [-1, 0]}),
        ],
        vec![
            json!([]),
            json!([1]),
            json!([1.0]),
            json!([1, 2]),
            json!([null]),
            json!([{"$number": "NaN"}, 1, 1.0]),
        ],
        vec![
            json!(["a", "b", "a"]),
            json!([["a"], ["b"]]),
            json!([{"x": 1}, {"x": 2}]),
            json!([long("ya"), long("yb")]),
        ],
        vec![
            json!({}),
            json!({"x": 1}),
            json!({"x": 1.0}),
            json!({"x": 2}),
            json!({"x": 1, "y": null}),
        ],
    ]);
    values
}

/// Those that need no room.
fn plain() -> Vec<Vec<Value>> {
    vec![
        vec![json!(null)],
        vec![json!(false), json!(true)],
        vec![
            json!({"$number": "NaN"}),
            json!({"$number": "-Infinity"}),
            json!({"$number": "Infinity"}),
        ],
        vec![json!(0), json!(0.0), json!(-0.0)],
        vec![json!(1), json!(1.0), json!(1.5)],
        vec![json!(-1), json!(-1.0), json!(-1.5)],
        vec![json!(2), json!(3), json!(4)],
        vec![
            json!(9_007_199_254_740_992_i64),
            json!(9_007_199_254_740_992.0),
            json!(9_007_199_254_740_993_i64),
        ],
        vec![json!(i64::MAX), json!(9_223_372_036_854_775_807.0), json!(i64::MAX - 1)],
        vec![json!(i64::MIN), json!(i64::MIN as f64), json!(f64::MIN)],
        vec![
            json!({"$timestamp": "2026-11-21T10:00:00Z"}),
            json!({"$timestamp": "2026-11-21T10:00:00.000001Z"}),
            json!({"$timestamp": "1969-12-31T23:59:59.5Z"}),
        ],
    ]
}

impl World {
    /// Up to 40 documents, settings, and where queries look.
    pub fn new(random: &mut Random) -> Self {
        let alphabet = alphabet();
        let mut palette = Vec::new();
        for _ in 0..random.between(1, 4) {
            let row = match random.pick(&alphabet) {
                // Long values take long.
                row if row[0].to_string().len() > 1_000 && random.chance(60) => &alphabet[11],
                row => row,
            };
            for _ in 0..random.between(1, 4) {
                palette.push(random.pick(row).clone());
            }
        }
        let mut world = World {
            documents: Vec::new(),
            from: match random.below(4) {
                0 => json!({"group": "c"}),
                1 => json!("d/a/c"),
                _ => json!("c"),
            },
            collections: Value::Null,
            palette,
            composites: Vec::new(),
        };
        world.collections = world.settings(random, 1);
        let most = *random.pick(&[0, 1, 3, 5, 8, 8, 10, 10, 15, 15, 20, 40]);
        for _ in 0..most {
            let path = world.path(random);
            if world.documents.iter().all(|(other, _)| *other != path) {
                let data = world.data(random);
                world.documents.push((path, data));
            }
        }
        world
    }

    /// `collections.json` with other indexes and exemptions; queries are about these from now on.
    pub fn settings(&mut self, random: &mut Random, shards: u64) -> Value {
        self.composites = (0..random.below(4)).map(|_| composite(random)).collect();
        let exempt: &[&str] = match random.below(20) {
            0 => &["*"],
            1 => &["a", "m.x"],
            2 => &["m"],
            3 => &["tags", "b"],
            _ => &[],
        };
        json!({"c": {"shards": shards, "group": true, "indexes": self.composites, "exempt": exempt}})
    }

    /// A document's path: where queries look, mostly.
    pub fn path(&self, random: &mut Random) -> DocumentPath {
        let collection = match self.from.as_str() {
            Some(collection) => collection,
            None => *random.pick(&COLLECTIONS[..5]),
        };
        let id = match random.below(10) {
            0 => format!("{}{}", "l".repeat(1_490), random.below(3)),
            1..4 => format!("{:02}", random.below(100)),
            _ => (*random.pick(&IDS)).to_owned(),
        };
        DocumentPath::parse(&format!("{collection}/{id}")).unwrap()
    }

    /// A document's data, in canonical form.
    pub fn data(&self, random: &mut Random) -> Map {
        let mut data = serde_json::Map::new();
        for field in ["a", "b", "c"] {
            if random.chance(80) {
                data.insert(field.to_owned(), self.value(random));
            }
        }
        match random.below(10) {
            0 => {}
            1 => drop(data.insert("m".to_owned(), self.value(random))),
            _ => {
                let fields = ["x", "y"].into_iter().filter(|_| random.chance(75));
                let fields: Vec<&str> = fields.collect();
                let map = fields.into_iter().map(|field| (field.to_owned(), self.value(random)));
                data.insert("m".to_owned(), Value::Object(map.collect()));
            }
        }
        match random.below(10) {
            0 => {}
            1 => drop(data.insert("tags".to_owned(), self.value(random))),
            _ => {
                let tags = (0..random.below(5)).map(|_| self.value(random));
                data.insert("tags".to_owned(), tags.collect());
            }
        }
        if random.chance(20) {
            let long = FIELDS[9].rsplit('.').next().unwrap_or_default();
            data.insert("q.r".to_owned(), json!({ long: self.value(random) }));
        }
        check_data(Value::Object(data), Transforms::Refused, "data").unwrap()
    }

    fn value(&self, random: &mut Random) -> Value {
        random.pick(&self.palette).clone()
    }

    /// A query as JSON that [`Query::from_json`] takes.
    pub fn query(&self, random: &mut Random) -> Value {
        loop {
            let mut query = json!({"from": self.from, "explain": true});
            // A document that the query is to find, so that most of them find something.
            let target = match self.documents.len() {
                0 => None,
                count => self.documents.get(random.below(count)),
            };
            let columns = match self.composites.len() {
                0 => None,
                count if random.chance(40) => self.composites.get(random.below(count)),
                _ => None,
            };
            match columns {
                Some(columns) => self.of_composite(random, columns, target, &mut query),
                None => self.of_anything(random, target, &mut query),
            }
            let Ok(read) = Query::from_json(query.clone()) else { continue };
            self.add_cuts(random, &read, &mut query);
            if Query::from_json(query.clone()).is_ok() {
                return query;
            }
        }
    }

    fn of_anything(
        &self,
        random: &mut Random,
        target: Option<&(DocumentPath, Map)>,
        query: &mut Value,
    ) {
        if random.chance(80) {
            query["where"] = self.filter(random, target, 3);
        }
        let mut orders: Vec<Value> = Vec::new();
        let direction = *random.pick(&["asc", "desc"]);
        for _ in 0..random.below(4) {
            let field = if random.chance(12) { "__name__" } else { self.field(random, target) };
            let direction =
                if random.chance(70) { direction } else { *random.pick(&["asc", "desc"]) };
            if orders.iter().all(|order| order["field"] != field) {
                orders.push(json!({"field": field, "direction": direction}));
            }
        }
        if !orders.is_empty() {
            query["orderBy"] = Value::from(orders);
        }
    }

    /// Equality on the first columns, perhaps a range, and the order of the others, or nearly so.
    fn of_composite(
        &self,
        random: &mut Random,
        columns: &[String],
        target: Option<&(DocumentPath, Map)>,
        query: &mut Value,
    ) {
        let equal = random.below(columns.len() + 1);
        let (mut filters, mut orders) = (Vec::new(), Vec::new());
        let turned = random.chance(50);
        for (number, column) in columns.iter().enumerate() {
            let name = column.trim_start_matches('-').trim_end_matches("[]");
            if column.ends_with("[]") {
                let op = *random.pick(&[Operator::ArrayContains, Operator::ArrayContainsAny]);
                filters.push(self.condition(random, name, op, target));
            } else if number < equal {
                let op = *random.pick(&[Operator::Equal, Operator::Equal, Operator::In]);
                filters.push(self.condition(random, name, op, target));
            } else {
                let descending = column.starts_with('-') != turned;
                let direction = if descending { "desc" } else { "asc" };
                orders.push(json!({"field": name, "direction": direction}));
                if random.chance(30) {
                    let op = *random.pick(&Operator::ALL[..6]);
                    filters.push(self.condition(random, name, op, target));
                }
            }
        }
        if random.chance(10) {
            filters.push(self.leaf(random, target));
        }
        orders.dedup_by(|a, b| a["field"] == b["field"]);
        if random.chance(20) {
            orders.pop();
        }
        if random.chance(10) {
            orders.push(json!({"field": "__name__", "direction": *random.pick(&["asc", "desc"])}));
        }
        if !filters.is_empty() {
            query["where"] = json!({ "and": filters });
        }
        if !orders.is_empty() {
            query["orderBy"] = Value::from(orders);
        }
    }

    fn field(&self, random: &mut Random, target: Option<&(DocumentPath, Map)>) -> &'static str {
        let mut field = *random.pick(&FIELDS);
        // One that the document has, mostly.
        for _ in 0..8 {
            if value_of(field, target).is_some() || random.chance(3) {
                break;
            }
            field = *random.pick(&FIELDS);
        }
        field
    }

    fn filter(
        &self,
        random: &mut Random,
        target: Option<&(DocumentPath, Map)>,
        depth: usize,
    ) -> Value {
        match random.below(10) {
            0..4 if depth > 0 => {
                let filters =
                    (0..random.between(1, 3)).map(|_| self.filter(random, target, depth - 1));
                json!({ "and": filters.collect::<Vec<_>>() })
            }
            4..6 if depth > 0 => {
                // One part is of the target, the others of anything.
                let count = random.between(1, 3) as usize;
                let own = random.below(count);
                let filters = (0..count).map(|number| {
                    let other = self.documents.get(random.below(self.documents.len()));
                    self.filter(random, if number == own { target } else { other }, depth - 1)
                });
                json!({ "or": filters.collect::<Vec<_>>() })
            }
            _ => self.leaf(random, target),
        }
    }

    fn leaf(&self, random: &mut Random, target: Option<&(DocumentPath, Map)>) -> Value {
        if random.chance(8) {
            return self.name_condition(random, target);
        }
        let field = self.field(random, target);
        let is_array = value_of(field, target).is_some_and(|value| value.is_array());
        let op = match random.below(if is_array { 14 } else { 10 }) {
            10..12 => Operator::ArrayContains,
            12..14 => Operator::ArrayContainsAny,
            number => Operator::ALL[number],
        };
        self.condition(random, field, op, target)
    }

    fn name_condition(&self, random: &mut Random, target: Option<&(DocumentPath, Map)>) -> Value {
        let op = *random.pick(&Operator::ALL[..8]);
        let value = if op.takes_values() {
            (0..random.between(1, 3)).map(|_| self.name(random, target)).collect()
        } else {
            self.name(random, target)
        };
        json!({"field": "__name__", "op": op.as_str(), "value": value})
    }

    /// A document's name in one of its forms; now and then of one that is not there, or elsewhere.
    fn name(&self, random: &mut Random, target: Option<&(DocumentPath, Map)>) -> Value {
        let path = match (random.below(10), target) {
            (0, _) => DocumentPath::parse("e/a").unwrap(),
            (1..3, _) | (_, None) => self.path(random),
            (3..6, _) => self.documents[random.below(self.documents.len())].0.clone(),
            (_, Some((path, _))) => path.clone(),
        };
        match random.below(3) {
            0 if self.from == path.collection().as_str() => json!(path.id()),
            1 => json!(path.as_str()),
            _ => json!({"$ref": path.as_str()}),
        }
    }

    /// A condition that the target fulfils, mostly.
    fn condition(
        &self,
        random: &mut Random,
        field: &str,
        op: Operator,
        target: Option<&(DocumentPath, Map)>,
    ) -> Value {
        let there = value_of(field, target).filter(|_| random.chance(96));
        let mut value = self.operand(random, op, there.as_ref());
        for _ in 0..5 {
            let filter =
                FieldFilter { field: Field::parse(field).unwrap(), op, value: value.clone() };
            if there.is_none() || filter.matches(there.as_ref()) {
                break;
            }
            value = self.operand(random, op, there.as_ref());
        }
        json!({"field": field, "op": op.as_str(), "value": value})
    }

    fn operand(&self, random: &mut Random, op: Operator, there: Option<&Value>) -> Value {
        let element = there.and_then(|value| {
            let elements = value.as_array()?;
            elements.get(random.below(elements.len())).cloned()
        });
        let own = match op {
            Operator::ArrayContains | Operator::ArrayContainsAny => element,
            Operator::NotEqual | Operator::NotIn => None,
            Operator::Less | Operator::Greater if random.chance(80) => None,
            _ => there.cloned(),
        };
        if !op.takes_values() {
            return own.unwrap_or_else(|| self.value(random));
        }
        let mut values: Vec<Value> = own.into_iter().collect();
        while values.is_empty() || (values.len() < 8 && random.chance(40)) {
            values.push(self.value(random));
        }
        Value::from(values)
    }

    /// Cursors, limits and what is shown.
    fn add_cuts(&self, random: &mut Random, read: &Query, query: &mut Value) {
        for names in [["startAt", "startAfter"], ["endAt", "endBefore"]] {
            if random.chance(15) {
                query[*random.pick(&names)] = self.cursor(random, read);
            }
        }
        match random.below(10) {
            0..4 => query["limit"] = json!(random.between(1, 6)),
            4..6 if !read.order_by.is_empty() => query["limitToLast"] = json!(random.between(1, 6)),
            _ => {}
        }
        if random.chance(12) {
            query["offset"] = json!(random.below(5));
        }
        if random.chance(10) {
            let fields = (0..random.below(4)).map(|_| json!(*random.pick(&FIELDS)));
            query["select"] = fields.collect();
        }
    }

    /// The first values of the order of some document, or of none.
    fn cursor(&self, random: &mut Random, query: &Query) -> Value {
        let orders = query.orders();
        let document = self.documents.get(random.below(self.documents.len()));
        let count = if random.chance(50) {
            orders.len()
        } else {
            random.between(1, orders.len() as u64) as usize
        };
        let values = orders.iter().take(count).map(|order| match &order.field {
            Field::Name => self.name(random, document),
            field => {
                let there =
                    document.and_then(|(path, data)| Some(field.value(path, data)?.into_owned()));
                there.filter(|_| random.chance(85)).unwrap_or_else(|| self.value(random))
            }
        });
        values.collect()
    }

    /// What is asked about a query's documents.
    pub fn aggregates(&self, random: &mut Random) -> Value {
        let count = random.between(1, 3);
        let aggregates = (0..count).map(|number| {
            let aggregate = match random.below(3) {
                0 => json!("count"),
                1 => json!({"sum": *random.pick(&FIELDS)}),
                _ => json!({"avg": *random.pick(&FIELDS)}),
            };
            (format!("n{number}"), aggregate)
        });
        Value::Object(aggregates.collect())
    }
}

fn value_of(field: &str, target: Option<&(DocumentPath, Map)>) -> Option<Value> {
    let (path, data) = target?;
    Some(Field::parse(field).unwrap().value(path, data)?.into_owned())
}

/// The columns of an index: two or three, one of them perhaps the elements of an array.
fn composite(random: &mut Random) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    let array = random.chance(30);
    for number in 0..random.between(2, 3) {
        let sign = if random.chance(40) { "-" } else { "" };
        let column = if array && number == 0 {
            format!("{sign}{}[]", *random.pick(&["tags", "a", "tags"]))
        } else {
            format!("{sign}{}", *random.pick(&FIELDS))
        };
        columns.push(column);
    }
    // An array is mostly, not always, the first.
    if random.chance(30) {
        columns.reverse();
    }
    columns
}
