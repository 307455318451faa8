//! Expressions of rules: tokens in, a tree out, with every name resolved and every node's bytes.
//!
//! Recursive descent over CEL's grammar ("Syntax" in its language definition), loosest first; a level takes the one below as
//! its operands:
//!
//! ```text
//! expr    = binary ["?" binary ":" expr]
//! binary  = unary {operator unary}              || · && · == != < <= > >= in is · + - · * / %
//! unary   = {"!" | "-"} member
//! member  = primary {"." name [arguments] | "[" expr [":" expr] "]"}
//! primary = literal | name [arguments] | "(" expr ")" | list | map | path
//! path    = "/" segment {"/" segment}           segment = text | "(default)" | "$(" expr ")"
//! ```
//!
//! Firestore's are `is`, slices and paths. Recursion is bounded by [`RULE_NESTING`], the height of a tree by
//! [`RULE_TOKENS`] until [`super::compile`] holds it to `RULE_DEPTH`.

use super::cursor::{Cursor, KEYWORDS, RESERVED};
use super::expr::{
    Comprehension, Constant, Expr, Function, Macro, Node, Operator, Pattern, Style, space,
};
use super::frame::Frame;
use super::literal;
use super::scan::{Fault, Kind, Token};
use super::value::Type;
use blaze_schema::limits::{RULE_NESTING, RULE_TOKENS};
use std::collections::BTreeSet;
use std::ops::Range;

/// The names that an expression can use where it stands.
pub(super) struct Names<'f> {
    pub(super) frame: &'f Frame,
    pub(super) scope: usize,
    /// Names of the frame's locals, innermost last.
    pub(super) locals: Vec<String>,
    /// Names of the path's wildcards.
    pub(super) wildcards: Vec<String>,
    /// Functions of the text that are called.
    pub(super) calls: BTreeSet<usize>,
}

/// Parses the tokens of an expression. An expression in error becomes null, and `faults` say why.
pub(super) fn parse(
    source: &str,
    tokens: &[Token],
    range: Range<usize>,
    names: &mut Names<'_>,
    faults: &mut Vec<Fault>,
) -> Node {
    let locals = names.locals.len();
    let cursor = Cursor::new(source, tokens, range.start);
    let mut parser = Parser { cursor, names, faults, brackets: 0, conditionals: 0 };
    let parsed = parser.whole(range);
    names.locals.truncate(locals);
    parsed.unwrap_or_else(|fault| {
        faults.push(fault);
        Node { start: 0, end: 0, expr: NULL }
    })
}

const NULL: Expr = Expr::Constant(Constant::Null);

type Parsed<T = Node> = Result<T, Fault>;

/// A sign or word between two operands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Infix {
    Or,
    And,
    Is,
    Binary(Operator),
}

/// The precedence of an operator, from 1 for the loosest, and the operator.
fn infix(text: &str) -> Option<(usize, Infix)> {
    Some(match text {
        "||" => (1, Infix::Or),
        "&&" => (2, Infix::And),
        "==" => (3, Infix::Binary(Operator::Equal)),
        "!=" => (3, Infix::Binary(Operator::NotEqual)),
        "<" => (3, Infix::Binary(Operator::Less)),
        "<=" => (3, Infix::Binary(Operator::LessOrEqual)),
        ">" => (3, Infix::Binary(Operator::Greater)),
        ">=" => (3, Infix::Binary(Operator::GreaterOrEqual)),
        "in" => (3, Infix::Binary(Operator::In)),
        "is" => (3, Infix::Is),
        "+" => (4, Infix::Binary(Operator::Add)),
        "-" => (4, Infix::Binary(Operator::Subtract)),
        "*" => (5, Infix::Binary(Operator::Multiply)),
        "/" => (5, Infix::Binary(Operator::Divide)),
        "%" => (5, Infix::Binary(Operator::Remainder)),
        _ => return None,
    })
}

/// Joins operands of `&&` or `||` to a tree that is as low as it can be: hundreds of them stay within `RULE_DEPTH`.
fn balanced(
    first: (Range<usize>, Node),
    mut rest: Vec<(Range<usize>, Node)>,
    join: fn(Box<Node>, Box<Node>) -> Expr,
) -> (Range<usize>, Node) {
    let mut right = rest.split_off(rest.len() / 2).into_iter();
    let Some(middle) = right.next() else { return first };
    let (from, left) = balanced(first, rest, join);
    let (to, right) = balanced(middle, right.collect(), join);
    let range = from.start..to.end;
    (range.clone(), node(range, join(Box::new(left), Box::new(right))))
}

fn node(range: Range<usize>, expr: Expr) -> Node {
    // A text is far shorter than 4 GiB: `RULES_BYTES`.
    let [start, end] = [range.start, range.end].map(|at| u32::try_from(at).unwrap_or(u32::MAX));
    Node { start, end, expr }
}

struct Parser<'p, 'f> {
    cursor: Cursor<'p>,
    names: &'p mut Names<'f>,
    /// Errors of names and calls. Parsing ends at the first error of syntax.
    faults: &'p mut Vec<Fault>,
    /// Brackets that are open.
    brackets: usize,
    conditionals: usize,
}

impl<'p> Parser<'p, '_> {
    fn whole(&mut self, range: Range<usize>) -> Parsed {
        if range.len() > RULE_TOKENS {
            let message = format!("an expression of more than {RULE_TOKENS} words and signs");
            return Err(Fault::new(self.cursor.place(), message));
        }
        let node = self.expr()?;
        if self.cursor.at < range.end {
            return Err(self.cursor.fault("an operator or \";\""));
        }
        Ok(node)
    }

    /// A node from a byte up to the next token.
    fn node(&self, start: usize, expr: Expr) -> Node {
        node(start..self.cursor.end(), expr)
    }

    /// Reports an error of a name or a call at a byte; parsing goes on.
    fn fault(&mut self, at: usize, message: impl Into<String>) -> Expr {
        self.faults.push(Fault::new(at, message));
        NULL
    }

    fn expr(&mut self) -> Parsed {
        let start = self.cursor.place();
        let condition = self.binary(1)?;
        let at = self.cursor.place();
        if !self.cursor.take("?") {
            return Ok(condition);
        }
        self.conditionals = self.conditionals.saturating_add(1);
        if self.conditionals > RULE_NESTING {
            let message = format!("more than {RULE_NESTING} conditionals in an expression");
            return Err(Fault::new(at, message));
        }
        let yes = self.binary(1)?;
        self.cursor.expect(":")?;
        let no = self.expr()?;
        Ok(self.node(start, Expr::If(Box::new((condition, yes, no)))))
    }

    /// Parses operands and operators of at least a precedence.
    fn binary(&mut self, least: usize) -> Parsed {
        let start = self.cursor.place();
        let mut left = self.unary()?;
        // Operators that bind more closely than the one before have gone to its right operand; after a type there are none.
        let mut most = usize::MAX;
        loop {
            let sign = self.cursor.text();
            let fits = |(level, _): &(usize, Infix)| (least..=most).contains(level);
            let Some((level, infix)) = infix(sign).filter(fits) else {
                return Ok(left);
            };
            most = level;
            let above = level.saturating_add(1);
            left = match infix {
                Infix::And => self.logic(start..self.cursor.end(), left, sign, above, Expr::And)?,
                Infix::Or => self.logic(start..self.cursor.end(), left, sign, above, Expr::Or)?,
                Infix::Is => {
                    self.cursor.skip();
                    let kind = self.cursor.word().and_then(Type::parse);
                    let kind = kind.ok_or_else(|| self.cursor.fault("a type after \"is\""))?;
                    self.cursor.skip();
                    self.node(start, Expr::Is(Box::new(left), kind))
                }
                Infix::Binary(operator) => {
                    self.cursor.skip();
                    let right = self.binary(above)?;
                    self.node(start, Expr::Binary(operator, Box::new((left, right))))
                }
            };
        }
    }

    /// Parses the rest of `a && b && …`.
    fn logic(
        &mut self,
        range: Range<usize>,
        first: Node,
        sign: &str,
        above: usize,
        join: fn(Box<Node>, Box<Node>) -> Expr,
    ) -> Parsed {
        let mut rest = Vec::new();
        while self.cursor.take(sign) {
            let start = self.cursor.place();
            let operand = self.binary(above)?;
            rest.push((start..self.cursor.end(), operand));
        }
        Ok(balanced((range, first), rest, join).1)
    }

    /// Parses an operand and the signs before it. Two that are the same cancel each other out, and one `-` alone belongs to the number after
    /// it: as in CEL's own parsers.
    fn unary(&mut self) -> Parsed {
        let (first, mut signs) = (self.cursor.at, Vec::new());
        while let sign @ ("!" | "-") = self.cursor.text() {
            match signs.last() {
                Some((_, last)) if *last == sign => {
                    signs.pop();
                }
                _ => signs.push((self.cursor.place(), sign)),
            }
            self.cursor.skip();
        }
        let is_number = self.cursor.peek().is_some_and(|token| token.kind == Kind::Number);
        let is_alone = self.cursor.at == first.saturating_add(1);
        let minus = signs.pop_if(|(_, sign)| is_number && is_alone && *sign == "-");
        let minus = minus.map(|(start, _)| start);
        let mut operand = self.member(minus)?;
        while let Some((start, sign)) = signs.pop() {
            let inner = Box::new(operand);
            let expr = if sign == "!" { Expr::Not(inner) } else { Expr::Negate(inner) };
            operand = self.node(start, expr);
        }
        Ok(operand)
    }

    /// Parses an operand with its fields, indexes and calls; `minus` is the place of its number's sign.
    fn member(&mut self, minus: Option<usize>) -> Parsed {
        let start = minus.unwrap_or(self.cursor.place());
        let mut node = self.primary(minus)?;
        loop {
            let at = self.cursor.place();
            let expr = if self.cursor.take(".") {
                let at = self.cursor.place();
                let name = self.cursor.name("the name of a field or of a method", KEYWORDS)?;
                match self.cursor.text() {
                    "(" => self.method(at, name, node)?,
                    _ => self.select(at, name, node),
                }
            } else if self.cursor.text() == "[" {
                self.index(at, node)?
            } else {
                return Ok(node);
            };
            node = self.node(start, expr);
        }
    }

    fn primary(&mut self, minus: Option<usize>) -> Parsed {
        let start = self.cursor.place();
        let text = self.cursor.text();
        let constant = match self.cursor.peek().map(|token| token.kind) {
            Some(Kind::Number) => literal::number(text, minus.is_some()),
            Some(Kind::Text) => literal::text(text),
            Some(Kind::Word) if text == "null" => Ok(Constant::Null),
            Some(Kind::Word) if matches!(text, "true" | "false") => {
                Ok(Constant::Bool(text == "true"))
            }
            Some(Kind::Word) => return self.named(),
            _ => return self.bracket_or_path(),
        };
        let constant = constant.map_err(|message| Fault::new(start, message))?;
        self.cursor.skip();
        Ok(self.node(minus.unwrap_or(start), Expr::Constant(constant)))
    }

    fn bracket_or_path(&mut self) -> Parsed {
        let start = self.cursor.place();
        let expr = match self.cursor.text() {
            "(" => return self.inside(")", Self::expr),
            "[" => Expr::List(self.sequence("]", Self::expr)?),
            "{" => Expr::Map(self.sequence("}", |own| {
                let key = own.expr()?;
                own.cursor.expect(":")?;
                Ok((key, own.expr()?))
            })?),
            "/" => Expr::Path(self.path()?),
            _ => return Err(self.cursor.fault("an expression")),
        };
        Ok(self.node(start, expr))
    }

    /// Reads the inside of a pair of brackets, the first of which is next.
    fn inside<T>(&mut self, close: &str, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.brackets = self.brackets.saturating_add(1);
        if self.brackets > RULE_NESTING {
            let message = format!("more than {RULE_NESTING} levels of brackets");
            return Err(Fault::new(self.cursor.place(), message));
        }
        self.cursor.skip();
        let inner = read(self)?;
        self.cursor.expect(close)?;
        self.brackets = self.brackets.saturating_sub(1);
        Ok(inner)
    }

    /// Reads elements with commas between them, in brackets. Lists and maps may end with a comma.
    fn sequence<T>(&mut self, close: &str, one: impl Fn(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.inside(close, |own| {
            let mut all = Vec::new();
            while own.cursor.text() != close || (close == ")" && !all.is_empty()) {
                all.push(one(own)?);
                if !own.cursor.take(",") {
                    break;
                }
            }
            Ok(all)
        })
    }

    fn arguments(&mut self) -> Parsed<Vec<Node>> {
        self.sequence(")", Self::expr)
    }

    fn path(&mut self) -> Parsed<Vec<Node>> {
        let mut segments = Vec::new();
        while self.cursor.take("/") {
            let start = self.cursor.place();
            segments.push(if self.cursor.take("$") {
                if self.cursor.text() != "(" {
                    return Err(self.cursor.fault("\"(\" after \"$\""));
                }
                self.inside(")", Self::expr)?
            } else {
                let text = self.cursor.segment()?;
                self.node(start, Expr::Constant(Constant::Text(text.into())))
            });
        }
        Ok(segments)
    }

    /// Parses the rest of `of[index]`, or of `of[from:to]`.
    fn index(&mut self, at: usize, of: Node) -> Parsed<Expr> {
        let both = || Fault::new(at, "a slice has both bounds: x[from:to]");
        let (from, to) = self.inside("]", |own| {
            if own.cursor.text() == ":" {
                return Err(both());
            }
            let from = own.expr()?;
            if !own.cursor.take(":") {
                return Ok((from, None));
            }
            if own.cursor.text() == "]" {
                return Err(both());
            }
            Ok((from, Some(own.expr()?)))
        })?;
        Ok(match (to, &of.expr) {
            (Some(to), _) => Expr::Call(Function::Slice, vec![of, from, to]),
            (None, Expr::Wildcard(_)) => Expr::Call(Function::Segment, vec![of, from]),
            (None, _) => Expr::Binary(Operator::Index, Box::new((of, from))),
        })
    }

    /// Parses a variable, a type, or a call of a function.
    fn named(&mut self) -> Parsed {
        let start = self.cursor.place();
        let name = self.cursor.name("an expression", RESERVED)?;
        let variable = self.variable(name);
        let expr = match (variable, space(name)) {
            _ if self.cursor.text() == "(" => self.function(start, name)?,
            (Some(variable), _) => variable,
            (None, Some(space)) if self.cursor.text() == "." && self.cursor.ahead(2) == "(" => {
                self.cursor.skip();
                self.of_space(space)?
            }
            (None, _) => match name {
                "request" => Expr::Request,
                "resource" => Expr::Resource,
                _ => match Type::parse(name) {
                    Some(kind) => Expr::Constant(Constant::Type(kind)),
                    None => self.fault(start, format!("there is no variable {name:?} here")),
                },
            },
        };
        Ok(self.node(start, expr))
    }

    /// The local or the wildcard of that name.
    fn variable(&self, name: &str) -> Option<Expr> {
        let last = |names: &[String]| names.iter().rposition(|other| other == name);
        let local = last(&self.names.locals).map(Expr::Local);
        local.or_else(|| last(&self.names.wildcards).map(Expr::Wildcard))
    }

    fn select(&mut self, at: usize, name: &str, of: Node) -> Expr {
        if let Some((what, fields)) = fields(&of.expr)
            && !fields.contains(&name)
        {
            let message = format!("{what} has no field {name:?}: it has {}", fields.join(", "));
            self.fault(at, message);
        }
        Expr::Select(Box::new(of), name.into())
    }

    /// Parses the rest of a call of `has`, of a function of the text, or of the language.
    fn function(&mut self, at: usize, name: &str) -> Parsed<Expr> {
        let mut arguments = self.arguments()?;
        if let ("has", [one]) = (name, arguments.as_mut_slice()) {
            let place = one.range().start;
            return Ok(match std::mem::replace(&mut one.expr, NULL) {
                Expr::Select(of, field) | Expr::Has(of, field) => Expr::Has(of, field),
                _ => self.fault(place, "has() takes a field: has(map.field)"),
            });
        }
        let mut scope = Some(self.names.scope);
        while let Some(there) = scope.and_then(|scope| self.names.frame.scopes.get(scope)) {
            if let Some((_, number)) = there.functions.iter().find(|(other, _)| other == name) {
                let declared = self.names.frame.functions.get(*number);
                let (wanted, given) =
                    (declared.map_or(0, |it| it.parameters.len()), arguments.len());
                if wanted != given {
                    let message =
                        format!("the function {name:?} takes {wanted} arguments, not {given}");
                    return Ok(self.fault(at, message));
                }
                self.names.calls.insert(*number);
                return Ok(Expr::User(*number, arguments));
            }
            scope = there.parent;
        }
        Ok(match Function::find(Style::Global, name, arguments.len()) {
            Ok(function) => Expr::Call(function, arguments),
            Err(message) => self.fault(at, message),
        })
    }

    /// Parses the rest of a call of `space.name()`, of which the name is next.
    fn of_space(&mut self, space: &'static str) -> Parsed<Expr> {
        let at = self.cursor.place();
        let name = self.cursor.name("the name of a function", KEYWORDS)?;
        let arguments = self.arguments()?;
        Ok(match Function::find(Style::Space(space), name, arguments.len()) {
            Ok(function) => Expr::Call(function, arguments),
            Err(message) => self.fault(at, format!("{space}: {message}")),
        })
    }

    fn method(&mut self, at: usize, name: &str, target: Node) -> Parsed<Expr> {
        let kind = match name {
            "all" => Some(Macro::All),
            "exists" => Some(Macro::Exists),
            "exists_one" | "existsOne" => Some(Macro::ExistsOne),
            "map" | "filter" => Some(Macro::Map),
            _ => None,
        };
        if let Some(kind) = kind {
            return self.comprehension(kind, name, target);
        }
        let mut arguments = self.arguments()?;
        if let ("matches", [Node { expr: Expr::Constant(Constant::Text(pattern)), .. }]) =
            (name, arguments.as_slice())
        {
            return Ok(match Pattern::new(pattern) {
                Ok(pattern) => Expr::Matches(Box::new(target), pattern),
                Err(message) => self.fault(at, format!("the regular expression: {message}")),
            });
        }
        Ok(match Function::find(Style::Method, name, arguments.len()) {
            Ok(function) => {
                arguments.insert(0, target);
                Expr::Call(function, arguments)
            }
            Err(message) => self.fault(at, message),
        })
    }

    /// Parses the rest of `range.all(x, body)`, `range.map(x, condition, body)` and the like.
    fn comprehension(&mut self, kind: Macro, name: &str, range: Node) -> Parsed<Expr> {
        let local = self.names.locals.len();
        let (variable, first, second) = self.inside(")", |own| {
            let start = own.cursor.place();
            let variable = own.cursor.name("the name of a variable", RESERVED)?;
            let element = own.node(start, Expr::Local(local));
            own.names.locals.push(variable.to_owned());
            own.cursor.expect(",")?;
            let first = own.expr()?;
            let second = match name == "map" && own.cursor.take(",") {
                true => Some(own.expr()?),
                false => None,
            };
            Ok((element, first, second))
        })?;
        self.names.locals.truncate(local);
        let (condition, body) = match second {
            Some(second) => (Some(first), second),
            None if name == "filter" => (Some(first), variable),
            None => (None, first),
        };
        Ok(Expr::Comprehension(Box::new(Comprehension { kind, range, local, condition, body })))
    }
}

/// The name and the fields of a map that is the same for all requests.
fn fields(operand: &Expr) -> Option<(&'static str, &'static [&'static str])> {
    let resource = &["data", "id", "__name__", "createTime", "updateTime"];
    match operand {
        Expr::Request => {
            Some(("request", &["auth", "resource", "time", "method", "path", "query", "app"]))
        }
        Expr::Resource => Some(("resource", resource)),
        Expr::Select(of, field) if of.expr == Expr::Request => match &**field {
            "auth" => Some(("request.auth", &["uid", "token", "roles"])),
            "resource" => Some(("request.resource", resource)),
            "query" => Some(("request.query", &["limit", "offset", "orderBy"])),
            _ => None,
        },
        _ => None,
    }
}
