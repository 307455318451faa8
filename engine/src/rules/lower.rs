//! CEL's tree as expressions with every name resolved. The tree comes without places; they are asked for when there is
//! something to tell.

use super::expr::{
    Comprehension, Constant, Expr, Function, Macro, Node, Operator, Pattern, Style, space,
};
use super::frame::Frame;
use super::scan::{Fault, Token};
use super::translate::{PATH, SLICE, TYPE, Translated, translate};
use super::value::Type;
use blaze_schema::limits::RULE_DEPTH;
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr as Tree, IdedExpr, LiteralValue, SelectExpr,
    operators,
};
use cel::parser::PrattParser;
use std::collections::BTreeSet;

/// What expressions of a place can name.
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

/// Reads an expression. In error it is null, and `faults` say so.
pub(super) fn lower(
    source: &str,
    tokens: &[Token],
    names: &mut Names<'_>,
    faults: &mut Vec<Fault>,
) -> Node {
    let null = || Node { id: 0, expr: Expr::Constant(Constant::Null) };
    let translated = match translate(source, tokens) {
        Ok(translated) => translated,
        Err(fault) => {
            faults.push(fault);
            return null();
        }
    };
    let tree = match PrattParser::new().parse(&translated.text) {
        Ok(tree) => tree,
        Err(errors) => {
            for error in errors.errors {
                let at = translated.place(offset(&translated.text, error.pos));
                let message = error.msg.strip_prefix("Syntax error: ").unwrap_or(&error.msg);
                faults.push(Fault::new(at, message.replace("<EOF>", "the end of the expression")));
            }
            return null();
        }
    };
    let mut lowering = Lowering { names, faults: Vec::new() };
    let expr = lowering.expr(&tree, 0);
    let found = lowering.faults;
    if !found.is_empty() {
        let start = tokens.first().map_or(0, |token| token.start);
        faults.extend(located(&translated, start, found));
    }
    expr
}

/// The byte at a line and a column, both from 1.
fn offset(text: &str, (line, column): (isize, isize)) -> usize {
    let lines = usize::try_from(line).unwrap_or(0).saturating_sub(1);
    let before: usize = text.split_inclusive('\n').take(lines).map(str::len).sum();
    before.saturating_add(usize::try_from(column).unwrap_or(0).saturating_sub(1))
}

/// Finds the byte of the source at which a node stands. The parser tells where nodes are only together with an error, so it
/// is given one: the same text with a bracket too many, whose nodes have the same numbers.
pub(super) fn locator(translated: &Translated) -> impl Fn(u64) -> Option<usize> {
    let again = PrattParser::new().parse(&format!("{} )", translated.text));
    let info = again
        .err()
        .and_then(|errors| errors.errors.into_iter().find_map(|error| error.source_info));
    move |id: u64| {
        let at =
            info.as_ref().and_then(|info| info.offset_for(id)).map(|(from, _)| from as usize)?;
        let before = translated.text.get(..at)?;
        // A call is where its bracket is, and a field where its dot is: the name is what to look at.
        let at = match translated.text.as_bytes().get(at)? {
            b'(' => before
                .trim_end()
                .trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_')
                .len(),
            b'.' => at.saturating_add(1),
            _ => at,
        };
        Some(translated.place(at))
    }
}

/// Gives places to faults of nodes.
fn located(translated: &Translated, start: usize, found: Vec<(u64, String)>) -> Vec<Fault> {
    let place = locator(translated);
    found.into_iter().map(|(id, message)| Fault::new(place(id).unwrap_or(start), message)).collect()
}

struct Lowering<'n, 'f> {
    names: &'n mut Names<'f>,
    /// Numbers of nodes and what is wrong with them.
    faults: Vec<(u64, String)>,
}

impl Lowering<'_, '_> {
    fn fault(&mut self, node: &IdedExpr, message: impl Into<String>) -> Expr {
        self.faults.push((node.id, message.into()));
        Expr::Constant(Constant::Null)
    }

    fn boxed(&mut self, node: &IdedExpr, depth: usize) -> Box<Node> {
        Box::new(self.expr(node, depth))
    }

    fn all(&mut self, nodes: &[IdedExpr], depth: usize) -> Vec<Node> {
        nodes.iter().map(|node| self.expr(node, depth)).collect()
    }

    fn expr(&mut self, node: &IdedExpr, depth: usize) -> Node {
        Node { id: node.id, expr: self.lowered(node, depth) }
    }

    fn lowered(&mut self, node: &IdedExpr, depth: usize) -> Expr {
        let depth = depth.saturating_add(1);
        if depth > RULE_DEPTH {
            return self.fault(node, format!("more than {RULE_DEPTH} operations in each other"));
        }
        match &node.expr {
            Tree::Literal(literal) => self.literal(node, literal),
            Tree::Ident(name) => self.ident(node, name),
            Tree::Select(select) => self.select(node, select, depth),
            Tree::Call(call) => self.call(node, call, depth),
            Tree::List(list) => Expr::List(self.all(&list.elements, depth)),
            Tree::Map(map) => {
                let mut entries = Vec::with_capacity(map.entries.len());
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        entries
                            .push((self.expr(&entry.key, depth), self.expr(&entry.value, depth)));
                    }
                }
                Expr::Map(entries)
            }
            Tree::Comprehension(comprehension) => self.comprehension(node, comprehension, depth),
            Tree::Struct(made) => {
                self.fault(node, format!("there is no type {:?} to make", made.type_name))
            }
            Tree::Unspecified => self.fault(node, "an expression is missing"),
        }
    }

    fn literal(&mut self, node: &IdedExpr, literal: &LiteralValue) -> Expr {
        Expr::Constant(match literal {
            LiteralValue::Null => Constant::Null,
            LiteralValue::Boolean(boolean) => Constant::Bool(*boolean.inner()),
            LiteralValue::Int(integer) => Constant::Int(*integer.inner()),
            LiteralValue::Double(float) => Constant::Float(*float.inner()),
            LiteralValue::String(text) => Constant::Text(text.inner().into()),
            LiteralValue::Bytes(bytes) => Constant::Bytes(bytes.inner().into()),
            LiteralValue::UInt(_) => return self.fault(node, "there are no unsigned numbers"),
        })
    }

    /// A local or a wildcard.
    fn variable(&self, name: &str) -> Option<Expr> {
        let last = |names: &[String]| names.iter().rposition(|other| other == name);
        let local = last(&self.names.locals).map(Expr::Local);
        local.or_else(|| last(&self.names.wildcards).map(Expr::Wildcard))
    }

    fn ident(&mut self, node: &IdedExpr, name: &str) -> Expr {
        if let Some(variable) = self.variable(name) {
            return variable;
        }
        match name {
            "request" => Expr::Request,
            "resource" => Expr::Resource,
            _ => match Type::parse(name) {
                Some(kind) => Expr::Constant(Constant::Type(kind)),
                None => self.fault(node, format!("there is no variable {name:?} here")),
            },
        }
    }

    fn select(&mut self, node: &IdedExpr, select: &SelectExpr, depth: usize) -> Expr {
        let operand = self.boxed(&select.operand, depth);
        if let Some((what, fields)) = fields(&operand.expr)
            && !fields.contains(&select.field.as_str())
        {
            let message =
                format!("{what} has no field {:?}: it has {}", select.field, fields.join(", "));
            return self.fault(node, message);
        }
        let field = select.field.as_str().into();
        if select.test { Expr::Has(operand, field) } else { Expr::Select(operand, field) }
    }

    fn call(&mut self, node: &IdedExpr, call: &CallExpr, depth: usize) -> Expr {
        let name = call.func_name.as_str();
        if let Some(target) = &call.target {
            return self.method(node, name, target, &call.args, depth);
        }
        if let [left, right] = call.args.as_slice() {
            if let Some(operator) = binary(name) {
                if let (Operator::In, Tree::Ident(kind)) = (operator, &right.expr)
                    && let Some(kind) = kind.strip_prefix(TYPE).and_then(Type::parse)
                {
                    return Expr::Is(self.boxed(left, depth), kind);
                }
                return self.binary(operator, left, right, depth);
            }
            match name {
                operators::LOGICAL_AND => {
                    return Expr::And(self.boxed(left, depth), self.boxed(right, depth));
                }
                operators::LOGICAL_OR => {
                    return Expr::Or(self.boxed(left, depth), self.boxed(right, depth));
                }
                _ => {}
            }
        }
        match (name, call.args.as_slice()) {
            (operators::LOGICAL_NOT, [operand]) => Expr::Not(self.boxed(operand, depth)),
            (operators::NEGATE, [operand]) => Expr::Negate(self.boxed(operand, depth)),
            (operators::CONDITIONAL, [condition, yes, no]) => Expr::If(Box::new((
                self.expr(condition, depth),
                self.expr(yes, depth),
                self.expr(no, depth),
            ))),
            (PATH, segments) => Expr::Path(self.all(segments, depth)),
            _ => self.function(node, name, &call.args, depth),
        }
    }

    fn binary(
        &mut self,
        operator: Operator,
        left: &IdedExpr,
        right: &IdedExpr,
        depth: usize,
    ) -> Expr {
        let operand = self.expr(left, depth);
        if let (Operator::Index, Tree::Call(slice)) = (operator, &right.expr)
            && slice.func_name == SLICE
        {
            let bounds = self.all(&slice.args, depth);
            return Expr::Call(Function::Slice, [vec![operand], bounds].concat());
        }
        let index = self.expr(right, depth);
        if operator == Operator::Index && matches!(operand.expr, Expr::Wildcard(_)) {
            return Expr::Call(Function::Segment, vec![operand, index]);
        }
        Expr::Binary(operator, Box::new((operand, index)))
    }

    fn function(
        &mut self,
        node: &IdedExpr,
        name: &str,
        arguments: &[IdedExpr],
        depth: usize,
    ) -> Expr {
        let arguments = self.all(arguments, depth);
        let mut scope = Some(self.names.scope);
        while let Some(there) = scope.and_then(|scope| self.names.frame.scopes.get(scope)) {
            if let Some((_, number)) = there.functions.iter().find(|(other, _)| other == name) {
                let declared = self.names.frame.functions.get(*number);
                let wanted = declared.map_or(0, |declared| declared.parameters.len());
                if wanted != arguments.len() {
                    let message = format!(
                        "the function {name:?} takes {wanted} arguments, not {}",
                        arguments.len()
                    );
                    return self.fault(node, message);
                }
                self.names.calls.insert(*number);
                return Expr::User(*number, arguments);
            }
            scope = there.parent;
        }
        match Function::find(Style::Global, name, arguments.len()) {
            Ok(function) => Expr::Call(function, arguments),
            Err(message) => self.fault(node, message),
        }
    }

    fn method(
        &mut self,
        node: &IdedExpr,
        name: &str,
        target: &IdedExpr,
        arguments: &[IdedExpr],
        depth: usize,
    ) -> Expr {
        if let Tree::Ident(variable) = &target.expr
            && let Some(space) = space(variable)
            && self.variable(variable).is_none()
        {
            return self.of_space(node, space, name, arguments, depth);
        }
        if let ("matches", [IdedExpr { expr: Tree::Literal(LiteralValue::String(pattern)), .. }]) =
            (name, arguments)
        {
            let target = self.boxed(target, depth);
            return match Pattern::new(pattern.inner()) {
                Ok(pattern) => Expr::Matches(target, pattern),
                Err(message) => self.fault(node, format!("the regular expression: {message}")),
            };
        }
        let mut all = vec![self.expr(target, depth)];
        all.extend(self.all(arguments, depth));
        match Function::find(Style::Method, name, arguments.len()) {
            Ok(function) => Expr::Call(function, all),
            Err(message) => self.fault(node, message),
        }
    }

    fn of_space(
        &mut self,
        node: &IdedExpr,
        space: &'static str,
        name: &str,
        arguments: &[IdedExpr],
        depth: usize,
    ) -> Expr {
        let lowered = self.all(arguments, depth);
        match Function::find(Style::Space(space), name, lowered.len()) {
            Ok(function) => Expr::Call(function, lowered),
            Err(message) => self.fault(node, format!("{space}: {message}")),
        }
    }

    /// A macro, told by what it adds up from element to element.
    fn comprehension(&mut self, node: &IdedExpr, tree: &ComprehensionExpr, depth: usize) -> Expr {
        let range = self.expr(&tree.iter_range, depth);
        let local = self.names.locals.len();
        let (kind, condition, body) = match macro_parts(tree) {
            Some(parts) => parts,
            None => return self.fault(node, "a macro that is not known"),
        };
        self.names.locals.push(tree.iter_var.clone());
        let condition = condition.map(|condition| self.expr(condition, depth));
        let body = self.expr(body, depth);
        self.names.locals.truncate(local);
        Expr::Comprehension(Box::new(Comprehension { kind, range, local, condition, body }))
    }
}

/// The fields of what is the same everywhere.
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

fn binary(name: &str) -> Option<Operator> {
    Some(match name {
        operators::ADD => Operator::Add,
        operators::SUBSTRACT => Operator::Subtract,
        operators::MULTIPLY => Operator::Multiply,
        operators::DIVIDE => Operator::Divide,
        operators::MODULO => Operator::Remainder,
        operators::EQUALS => Operator::Equal,
        operators::NOT_EQUALS => Operator::NotEqual,
        operators::LESS => Operator::Less,
        operators::LESS_EQUALS => Operator::LessOrEqual,
        operators::GREATER => Operator::Greater,
        operators::GREATER_EQUALS => Operator::GreaterOrEqual,
        operators::IN => Operator::In,
        operators::INDEX => Operator::Index,
        _ => return None,
    })
}

type Parts<'t> = (Macro, Option<&'t IdedExpr>, &'t IdedExpr);

/// Which macro it was, its condition and its body.
fn macro_parts(tree: &ComprehensionExpr) -> Option<Parts<'_>> {
    let Tree::Call(step) = &tree.loop_step.expr else { return None };
    match (step.func_name.as_str(), step.args.as_slice(), &tree.accu_init.expr) {
        (operators::LOGICAL_AND, [_, body], _) => Some((Macro::All, None, body)),
        (operators::LOGICAL_OR, [_, body], _) => Some((Macro::Exists, None, body)),
        (operators::CONDITIONAL, [body, ..], Tree::Literal(_)) => {
            Some((Macro::ExistsOne, None, body))
        }
        (operators::CONDITIONAL, [condition, added, _], Tree::List(_)) => {
            Some((Macro::Map, Some(condition), appended(added)?))
        }
        (operators::ADD, ..) => Some((Macro::Map, None, appended(&tree.loop_step)?)),
        _ => None,
    }
}

/// The element of `list + [element]`.
fn appended(tree: &IdedExpr) -> Option<&IdedExpr> {
    let Tree::Call(add) = &tree.expr else { return None };
    let [_, IdedExpr { expr: Tree::List(list), .. }] = add.args.as_slice() else { return None };
    list.elements.first()
}
