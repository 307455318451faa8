//! Evaluating expressions, within a budget.
//!
//! An expression that has no value is in error, unknown (in a query), or waits for documents to be looked up. `&&` and
//! `||` decide without it where they can, as in CEL. Only `true` allows, so that an error and the unknown need not be
//! told apart for safety.

use super::expr::{Comprehension, Expr, Macro, Node, Operator};
use super::facts::Facts;
use super::state::State;
use super::value::{Fail, Text, Val, Which};
use super::{Basis, Lookups, Method};
use crate::auth::Auth;
use blaze_schema::limits::{RULE_BYTES, RULE_LOOKUPS, RULE_STEPS};
use blaze_schema::path::DocumentPath;
use blaze_schema::query::Query;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::value::Map;
use std::collections::BTreeSet;

pub(super) type Evaluated<'a> = Result<Val<'a>, Fail>;

/// Units of work in a step: what is done over and over inside one step is counted in these.
pub(super) const UNITS: usize = 64;

/// A function of the text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct UserFunction {
    pub(super) lets: Vec<Node>,
    pub(super) body: Node,
}

/// What expressions see.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) method: Method,
    pub(super) auth: Option<&'a Auth>,
    pub(super) time: Timestamp,
    pub(super) lookups: &'a Lookups,
    /// The document, if it is one that is known.
    pub(super) path: Option<&'a DocumentPath>,
    pub(super) before: &'a State<'a>,
    pub(super) after: &'a State<'a>,
    /// In a query: what it says of the documents that it finds.
    pub(super) facts: Option<&'a Facts<'a>>,
    pub(super) query: Option<&'a Query>,
}

/// Evaluates the conditions of one decision.
pub(super) struct Evaluator<'a> {
    functions: &'a [UserFunction],
    pub(super) context: Context<'a>,
    /// The values of the path's wildcards.
    pub(super) wildcards: Vec<Evaluated<'a>>,
    /// Parameters, `let`s and variables, innermost last.
    pub(super) stack: Vec<Evaluated<'a>>,
    pub(super) base: usize,
    pub(super) work: usize,
    pub(super) bytes: usize,
    /// Documents that have to be looked up.
    pub(super) needs: Vec<DocumentPath>,
    asked: BTreeSet<DocumentPath>,
    pub(super) basis: Basis,
    /// The values that `debug()` was given; `None` if they are not recorded.
    pub(super) debugged: Option<Vec<Val<'a>>>,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(functions: &'a [UserFunction], context: Context<'a>) -> Self {
        Evaluator {
            functions,
            context,
            wildcards: Vec::new(),
            stack: Vec::new(),
            base: 0,
            work: RULE_STEPS.saturating_mul(UNITS),
            bytes: RULE_BYTES,
            needs: Vec::new(),
            asked: BTreeSet::new(),
            basis: Basis::default(),
            debugged: None,
        }
    }

    /// Takes units of work from the budget.
    pub(super) fn spend(&mut self, units: usize) -> Result<(), Fail> {
        self.work = self.work.checked_sub(units).ok_or(Fail::Spent)?;
        Ok(())
    }

    /// Takes bytes that are made from the budget; making them is work too.
    pub(super) fn make(&mut self, bytes: usize) -> Result<(), Fail> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(Fail::Spent)?;
        self.spend(bytes / 16)
    }

    /// Whether a condition is true.
    pub(super) fn truth(&mut self, node: &'a Node) -> Result<bool, Fail> {
        match self.eval(node)? {
            Val::Bool(boolean) => Ok(boolean),
            Val::Part(_) => Err(Fail::Unknown),
            _ => Err(Fail::Error),
        }
    }

    /// The value of an expression.
    pub(super) fn eval(&mut self, node: &'a Node) -> Evaluated<'a> {
        self.spend(UNITS)?;
        match &node.expr {
            Expr::Constant(constant) => Ok(Val::constant(constant)),
            Expr::Local(number) => {
                let place = self.base.saturating_add(*number);
                self.stack.get(place).cloned().unwrap_or(Err(Fail::Error))
            }
            Expr::Wildcard(number) => {
                self.wildcards.get(*number).cloned().unwrap_or(Err(Fail::Error))
            }
            Expr::Request => Ok(Val::Request),
            Expr::Resource => Ok(self.resource(Which::Before)),
            Expr::Select(operand, field) => match &operand.expr {
                Expr::Select(whole, data) if **data == *"data" => {
                    let whole = self.eval(whole)?;
                    self.select_data(&whole, field)
                }
                _ => {
                    let operand = self.eval(operand)?;
                    self.select(&operand, &Text::Borrowed(field))
                }
            },
            Expr::Has(operand, field) => {
                let operand = self.eval(operand)?;
                self.has(&operand, &Text::Borrowed(field)).map(Val::Bool)
            }
            Expr::Not(operand) => Ok(Val::Bool(!self.truth(operand)?)),
            Expr::Negate(operand) => {
                let operand = self.eval(operand)?;
                self.negate(&operand)
            }
            Expr::And(left, right) => self.logic(false, left, right),
            Expr::Or(left, right) => self.logic(true, left, right),
            Expr::If(parts) => {
                let (condition, yes, no) = parts.as_ref();
                if self.truth(condition)? { self.eval(yes) } else { self.eval(no) }
            }
            Expr::Binary(operator, operands) => {
                let (left, right) = self.both(&operands.0, &operands.1)?;
                self.binary(*operator, &left, &right)
            }
            Expr::Is(operand, wanted) => {
                let operand = self.eval(operand)?;
                self.is(&operand, *wanted).map(Val::Bool)
            }
            Expr::List(elements) => self.list(elements),
            Expr::Map(entries) => self.map(entries),
            Expr::Path(segments) => self.path(segments),
            Expr::Call(function, arguments) => {
                let arguments = self.arguments(arguments)?;
                self.call(*function, &arguments)
            }
            Expr::Matches(operand, pattern) => {
                let operand = self.eval(operand)?;
                self.matches(&operand, pattern)
            }
            Expr::User(number, arguments) => self.user(*number, arguments),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
        }
    }

    /// Two operands. The right one is looked at too where the left one waits for documents, so that those it needs are
    /// asked for together.
    fn both(&mut self, left: &'a Node, right: &'a Node) -> Result<(Val<'a>, Val<'a>), Fail> {
        match self.eval(left) {
            Ok(left) => Ok((left, self.eval(right)?)),
            Err(Fail::Needs) => Err(self.eval(right).err().unwrap_or(Fail::Needs)),
            Err(fail) => Err(fail),
        }
    }

    fn arguments(&mut self, expressions: &'a [Node]) -> Result<Vec<Val<'a>>, Fail> {
        let mut arguments = Vec::with_capacity(expressions.len());
        let mut waits = false;
        for expression in expressions {
            match self.eval(expression) {
                Ok(argument) => arguments.push(argument),
                Err(Fail::Needs) => waits = true,
                Err(fail) => return Err(fail),
            }
        }
        if waits { Err(Fail::Needs) } else { Ok(arguments) }
    }

    /// `||` is decided by a `true` and `&&` by a `false`, on either side and whatever the other is.
    fn logic(&mut self, decisive: bool, left: &'a Node, right: &'a Node) -> Evaluated<'a> {
        let before = self.needs.len();
        let first = match self.truth(left) {
            Ok(left) if left == decisive => return Ok(Val::Bool(decisive)),
            Ok(_) => return self.truth(right).map(Val::Bool),
            Err(Fail::Spent) => return Err(Fail::Spent),
            Err(fail) => fail,
        };
        let kept = self.needs.len();
        match self.truth(right) {
            Ok(right) if right == decisive => {
                self.needs.truncate(before);
                Ok(Val::Bool(decisive))
            }
            Ok(_) => Err(first),
            Err(Fail::Spent) => Err(Fail::Spent),
            Err(second) => Err(self.undecided(first, second, kept)),
        }
    }

    /// What is left of two operands that decide nothing. Where the first waits for documents, it may decide: what the
    /// second waits for is not certain to be needed.
    fn undecided(&mut self, first: Fail, second: Fail, kept: usize) -> Fail {
        if first == Fail::Needs {
            self.needs.truncate(kept);
        }
        match (first, second) {
            (Fail::Needs, _) | (_, Fail::Needs) => Fail::Needs,
            (Fail::Unknown, _) | (_, Fail::Unknown) => Fail::Unknown,
            _ => Fail::Error,
        }
    }

    fn list(&mut self, elements: &'a [Node]) -> Evaluated<'a> {
        let elements = self.arguments(elements)?;
        self.make(elements.len().saturating_mul(size_of::<Val<'_>>()))?;
        for element in &elements {
            self.certain(element)?;
        }
        Ok(Val::List(elements.into()))
    }

    fn map(&mut self, entries: &'a [(Node, Node)]) -> Evaluated<'a> {
        let mut map: Vec<(Val<'a>, Val<'a>)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let (key, value) = self.both(key, value)?;
            if !matches!(key, Val::Text(_) | Val::Int(_) | Val::Bool(_)) {
                return Err(Fail::Error);
            }
            self.certain(&value)?;
            for (other, _) in &map {
                if self.equal(other, &key)? {
                    return Err(Fail::Error);
                }
            }
            map.push((key, value));
        }
        self.make(map.len().saturating_mul(size_of::<(Val<'_>, Val<'_>)>()))?;
        Ok(Val::Map(map.into()))
    }

    fn user(&mut self, number: usize, arguments: &'a [Node]) -> Evaluated<'a> {
        let function = self.functions.get(number).ok_or(Fail::Error)?;
        // An argument or `let` in error is one only where it is used.
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            values.push(self.kept(argument)?);
        }
        let (base, length) = (self.base, self.stack.len());
        self.base = length;
        self.stack.extend(values);
        let result = self.body(function);
        self.stack.truncate(length);
        self.base = base;
        result
    }

    fn body(&mut self, function: &'a UserFunction) -> Evaluated<'a> {
        for value in &function.lets {
            let value = self.kept(value)?;
            self.stack.push(value);
        }
        self.eval(&function.body)
    }

    /// A value or its failure, to be used later.
    fn kept(&mut self, node: &'a Node) -> Result<Evaluated<'a>, Fail> {
        match self.eval(node) {
            Err(Fail::Spent) => Err(Fail::Spent),
            value => Ok(value),
        }
    }

    fn comprehension(&mut self, comprehension: &'a Comprehension) -> Evaluated<'a> {
        let range = self.eval(&comprehension.range)?;
        let range = match range.keys() {
            Some(keys) => {
                self.make(keys.len().saturating_mul(size_of::<Val<'_>>()))?;
                Val::List(keys.into())
            }
            None => range,
        };
        let count = match range {
            Val::Part(_) => return Err(Fail::Unknown),
            _ => range.elements().ok_or(Fail::Error)?,
        };
        let length = self.stack.len();
        // A variable stands where the frame has room for it.
        if self.base.saturating_add(comprehension.local) != length {
            return Err(Fail::Error);
        }
        let result = match comprehension.kind {
            Macro::All => self.quantified(comprehension, &range, count, false),
            Macro::Exists => self.quantified(comprehension, &range, count, true),
            Macro::ExistsOne => self.exists_one(comprehension, &range, count),
            Macro::Map => self.mapped(comprehension, &range, count),
        };
        self.stack.truncate(length);
        result
    }

    /// Evaluates `run` with the variable being an element.
    fn with<T>(&mut self, element: Option<Val<'a>>, run: impl FnOnce(&mut Self) -> T) -> T {
        let element = self.read(element);
        self.stack.push(element);
        let result = run(self);
        self.stack.pop();
        result
    }

    fn quantified(
        &mut self,
        comprehension: &'a Comprehension,
        range: &Val<'a>,
        count: usize,
        decisive: bool,
    ) -> Evaluated<'a> {
        let (before, mut failed) = (self.needs.len(), None);
        for number in 0..count {
            let kept = self.needs.len();
            let fail = match self.with(range.element(number), |own| own.truth(&comprehension.body))
            {
                Ok(found) if found == decisive => {
                    self.needs.truncate(before);
                    return Ok(Val::Bool(decisive));
                }
                Ok(_) => continue,
                Err(Fail::Spent) => return Err(Fail::Spent),
                Err(fail) => fail,
            };
            failed = Some(failed.map_or(fail, |first| self.undecided(first, fail, kept)));
        }
        failed.map_or(Ok(Val::Bool(!decisive)), Err)
    }

    fn exists_one(
        &mut self,
        comprehension: &'a Comprehension,
        range: &Val<'a>,
        count: usize,
    ) -> Evaluated<'a> {
        let mut found = 0_usize;
        for number in 0..count {
            if self.with(range.element(number), |own| own.truth(&comprehension.body))? {
                found = found.saturating_add(1);
            }
        }
        Ok(Val::Bool(found == 1))
    }

    fn mapped(
        &mut self,
        comprehension: &'a Comprehension,
        range: &Val<'a>,
        count: usize,
    ) -> Evaluated<'a> {
        let mut made = Vec::new();
        for number in 0..count {
            let element = self.with(range.element(number), |own| {
                if let Some(condition) = &comprehension.condition
                    && !own.truth(condition)?
                {
                    return Ok(None);
                }
                own.eval(&comprehension.body).map(Some)
            })?;
            if let Some(element) = element {
                self.certain(&element)?;
                self.make(size_of::<Val<'_>>())?;
                made.push(element);
            }
        }
        Ok(Val::List(made.into()))
    }

    /// A value out of a document. Bytes are decoded each time.
    pub(super) fn read(&mut self, value: Option<Val<'a>>) -> Evaluated<'a> {
        if let Some(Val::Bytes(bytes)) = &value {
            self.spend(bytes.len() / 16)?;
        }
        value.ok_or(Fail::Error)
    }

    fn resource(&mut self, which: Which) -> Val<'a> {
        if self.context.facts.is_some() {
            return if which == Which::Before { Val::Any } else { Val::Null };
        }
        self.basis.resource = true;
        if self.state(which).resource.is_some() { Val::Resource(which) } else { Val::Null }
    }

    fn state(&self, which: Which) -> &'a State<'a> {
        match which {
            Which::Before => self.context.before,
            Which::After => self.context.after,
        }
    }

    /// `operand.field`
    pub(super) fn select(&mut self, operand: &Val<'a>, field: &Text<'a>) -> Evaluated<'a> {
        match operand {
            Val::Object(map) => self.read(map.get(&**field).map(Val::from_json)),
            Val::Map(entries) => {
                self.spend(entries.len())?;
                let is_key = |key: &Val<'_>| matches!(key, Val::Text(key) if **key == **field);
                let entry = entries.iter().find(|(key, _)| is_key(key));
                entry.map(|(_, value)| value.clone()).ok_or(Fail::Error)
            }
            Val::Request => self.select_request(field),
            Val::Auth => self.select_auth(field),
            Val::Query => self.select_query(field),
            Val::Resource(which) => self.select_resource(*which, field),
            Val::Found(path, data) => match &**field {
                "data" => Ok(Val::Object(data)),
                "id" => Ok(Val::Text(last(path))),
                "__name__" => Ok(Val::Path(path.clone())),
                _ => Err(Fail::Error),
            },
            Val::Any => match (&**field, self.context.path) {
                ("data", _) => Ok(Val::Part([].into())),
                ("id", Some(path)) => Ok(Val::text(path.id())),
                ("__name__", Some(path)) => Ok(Val::Path(Text::Borrowed(path.as_str()))),
                _ => Err(Fail::Unknown),
            },
            Val::Part(keys) => self.select_part(keys, field),
            _ => Err(Fail::Error),
        }
    }

    /// `whole.data.field`
    fn select_data(&mut self, whole: &Val<'a>, field: &'a str) -> Evaluated<'a> {
        self.spend(UNITS)?;
        if let (Val::Resource(which), Some(_)) = (whole, self.context.path) {
            let value = self.state(*which).field(field)?;
            return self.read(value.map(Val::from_json));
        }
        let data = self.select(whole, &Text::Borrowed("data"))?;
        self.select(&data, &Text::Borrowed(field))
    }

    fn select_request(&mut self, field: &str) -> Evaluated<'a> {
        match field {
            "auth" => Ok(if self.context.auth.is_some() { Val::Auth } else { Val::Null }),
            "resource" => Ok(self.resource(Which::After)),
            "time" => {
                self.basis.time = true;
                Ok(Val::Time(self.context.time))
            }
            "method" => Ok(Val::text(self.context.method.as_str())),
            "path" => {
                let path = self.context.path.ok_or(Fail::Unknown)?;
                Ok(Val::Path(Text::Borrowed(path.as_str())))
            }
            "app" => Ok(Val::Null),
            "query" => Ok(if self.context.query.is_some() { Val::Query } else { Val::Null }),
            _ => Err(Fail::Error),
        }
    }

    fn select_auth(&mut self, field: &str) -> Evaluated<'a> {
        let auth = self.context.auth.ok_or(Fail::Error)?;
        match field {
            "uid" => Ok(Val::text(&auth.uid)),
            "token" => Ok(Val::Object(&auth.token)),
            "roles" => {
                self.make(auth.roles.len().saturating_mul(size_of::<Val<'_>>()))?;
                Ok(Val::List(auth.roles.iter().map(|role| Val::text(role)).collect()))
            }
            _ => Err(Fail::Error),
        }
    }

    fn select_resource(&mut self, which: Which, field: &str) -> Evaluated<'a> {
        let state = self.state(which);
        let resource = state.resource.ok_or(Fail::Error)?;
        let path = self.context.path.ok_or(Fail::Error)?;
        match field {
            "data" => state.data().map(Val::Object),
            "id" => Ok(Val::text(path.id())),
            "__name__" => Ok(Val::Path(Text::Borrowed(path.as_str()))),
            "createTime" => Ok(Val::Time(resource.create_time)),
            "updateTime" => Ok(Val::Time(resource.update_time)),
            _ => Err(Fail::Error),
        }
    }

    /// Whether there is a field.
    pub(super) fn has(&mut self, operand: &Val<'a>, field: &Text<'a>) -> Result<bool, Fail> {
        match operand {
            Val::Object(map) => Ok(map.contains_key(&**field)),
            Val::Part(keys) => self.has_part(keys, field),
            Val::Map(_)
            | Val::Request
            | Val::Auth
            | Val::Query
            | Val::Resource(_)
            | Val::Found(..)
            | Val::Any => match self.select(operand, field) {
                Ok(value) => Ok(matches!(operand, Val::Map(_)) || !matches!(value, Val::Null)),
                Err(Fail::Error) => Ok(false),
                Err(fail) => Err(fail),
            },
            _ => Err(Fail::Error),
        }
    }

    fn path(&mut self, segments: &'a [Node]) -> Evaluated<'a> {
        let segments = self.arguments(segments)?;
        let mut path = String::new();
        for segment in &segments {
            let (Val::Text(text) | Val::Path(text)) = segment else {
                return Err(if matches!(segment, Val::Part(_)) {
                    Fail::Unknown
                } else {
                    Fail::Error
                });
            };
            self.make(text.len().saturating_add(1))?;
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(text);
        }
        Ok(Val::Path(Text::Shared(document_part(&path).into())))
    }

    /// Another document as it is; `None` if there is none.
    pub(super) fn look_up(
        &mut self,
        path: &str,
    ) -> Result<Option<(&'a DocumentPath, &'a Map)>, Fail> {
        self.basis.lookups = true;
        let path = DocumentPath::parse(document_part(path)).map_err(|_| Fail::Error)?;
        self.asked.insert(path.clone());
        if self.asked.len() > RULE_LOOKUPS {
            return Err(Fail::Error);
        }
        let lookups: &'a Lookups = self.context.lookups;
        match lookups.get_key_value(&path) {
            Some((path, found)) => Ok(found.as_ref().map(|data| (path, data))),
            None => {
                self.needs.push(path);
                Err(Fail::Needs)
            }
        }
    }

    /// `get(path)` and its kin: the document, null where there is none.
    pub(super) fn document(&mut self, path: &Val<'a>, which: Which) -> Evaluated<'a> {
        let text = match path {
            Val::Text(text) | Val::Path(text) => text,
            Val::Part(_) => return Err(Fail::Unknown),
            _ => return Err(Fail::Error),
        };
        let own = self.context.path.is_some_and(|path| path.as_str() == document_part(text));
        if own && self.context.facts.is_none() {
            let which = match (which, self.context.method) {
                (Which::After, Method::Create | Method::Update | Method::Delete) => Which::After,
                _ => Which::Before,
            };
            return Ok(self.resource(which));
        }
        let found = self.look_up(text)?;
        Ok(found.map_or(Val::Null, |(path, data)| Val::Found(Text::Borrowed(path.as_str()), data)))
    }

    /// One operator of two values.
    fn binary(&mut self, operator: Operator, left: &Val<'a>, right: &Val<'a>) -> Evaluated<'a> {
        let holds = match operator {
            Operator::Equal => self.equal(left, right)?,
            Operator::NotEqual => !self.equal(left, right)?,
            Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => self.ordered(operator, left, right)?,
            Operator::In => self.is_in(left, right)?,
            Operator::Index => return self.index(left, right),
            _ => return self.arithmetic(operator, left, right),
        };
        Ok(Val::Bool(holds))
    }
}

/// The path of a document: what follows `/databases/…/documents/`, or the whole without the first `/`.
pub(super) fn document_part(path: &str) -> &str {
    let path = path.strip_prefix('/').unwrap_or(path);
    let below = path.strip_prefix("databases/").and_then(|rest| rest.split_once("/documents/"));
    match below {
        Some((database, rest)) if !database.contains('/') => rest,
        _ => path,
    }
}

/// The last segment of a path.
fn last<'a>(path: &Text<'a>) -> Text<'a> {
    match path {
        Text::Borrowed(path) => Text::Borrowed(path.rsplit('/').next().unwrap_or_default()),
        Text::Shared(path) => Text::Shared(path.rsplit('/').next().unwrap_or_default().into()),
    }
}
