//! From the text of rules to what is decided by.

use super::eval::UserFunction;
use super::expr::{Expr, Node};
use super::frame::{Frame, Reader, Segment};
use super::lower::{Names, lower};
use super::places::{Allow, Function, Source};
use super::scan::{Fault, Token, scan};
use super::{Diagnostic, Rules};
use blaze_schema::limits::{RULE_CALLS, RULE_DEPTH, RULES_BYTES, RULES_DIAGNOSTICS};
use std::collections::BTreeSet;
use std::ops::Range;

/// One `allow`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rule {
    /// The whole path, without `/databases/{database}/documents`.
    pub(super) pattern: Vec<Segment>,
    /// Whether the first wildcard is that of the database.
    pub(super) database: bool,
    /// A bit for each method.
    pub(super) methods: u8,
    /// Always without.
    pub(super) condition: Option<Node>,
}

struct Compiler<'s> {
    source: &'s str,
    tokens: &'s [Token],
    frame: &'s Frame,
    faults: Vec<Fault>,
}

pub(super) fn compile(source: &str) -> Result<Rules, Vec<Diagnostic>> {
    if source.len() > RULES_BYTES {
        let message = format!("rules of {} bytes, of {RULES_BYTES} at most", source.len());
        return Err(vec![Diagnostic { line: 1, column: 1, message }]);
    }
    let mut faults = Vec::new();
    let tokens = scan(source, &mut faults);
    let frame = Reader::read(source, &tokens, &mut faults);
    let mut compiler = Compiler { source, tokens: &tokens, frame: &frame, faults };
    let (functions, calls) = compiler.functions();
    let rules = compiler.rules();
    let mut faults = compiler.faults;
    if faults.is_empty() {
        check_depths(&frame, &functions, &calls, &rules, &mut faults);
    }
    if faults.is_empty() {
        let rules = rules.into_iter().map(|(rule, _)| rule).collect();
        return Ok(Rules { functions, rules, source: places_of(source, &tokens, &frame) });
    }
    faults.sort();
    faults.dedup();
    faults.truncate(RULES_DIAGNOSTICS);
    Err(faults.into_iter().map(|fault| fault.locate(source)).collect())
}

impl<'s> Compiler<'s> {
    /// What a scope's expressions can name.
    fn names(&self, scope: usize, locals: Vec<String>) -> Names<'s> {
        let (_, wildcards) = self.path(scope);
        Names { frame: self.frame, scope, locals, wildcards, calls: BTreeSet::new() }
    }

    /// The whole pattern of a scope, and its wildcards' names.
    fn path(&self, scope: usize) -> (Vec<Segment>, Vec<String>) {
        let mut scopes = Vec::new();
        let mut next = Some(scope);
        while let Some(scope) = next.and_then(|scope| self.frame.scopes.get(scope)) {
            scopes.push(scope);
            next = scope.parent;
        }
        let outermost_first = || scopes.iter().rev();
        (
            outermost_first().flat_map(|scope| scope.pattern.iter().cloned()).collect(),
            outermost_first().flat_map(|scope| scope.wildcards.iter().cloned()).collect(),
        )
    }

    fn expression(&mut self, range: Range<usize>, names: &mut Names<'_>) -> Node {
        let tokens = self.tokens.get(range).unwrap_or_default();
        lower(self.source, tokens, names, &mut self.faults)
    }

    /// The functions, and which others each calls.
    fn functions(&mut self) -> (Vec<UserFunction>, Vec<BTreeSet<usize>>) {
        let mut functions = Vec::new();
        let mut calls = Vec::new();
        for declared in &self.frame.functions {
            let mut names = self.names(declared.scope, declared.parameters.clone());
            let mut lets = Vec::new();
            for one in &declared.lets {
                lets.push(self.expression(one.value.clone(), &mut names));
                names.locals.push(one.name.clone());
            }
            let body = self.expression(declared.body.clone(), &mut names);
            functions.push(UserFunction { lets, body });
            calls.push(names.calls);
        }
        (functions, calls)
    }

    /// The rules, and where the condition of each begins.
    fn rules(&mut self) -> Vec<(Rule, usize)> {
        let mut rules = Vec::new();
        for allow in &self.frame.allows {
            let mut names = self.names(allow.scope, Vec::new());
            let range = allow.condition.clone();
            let first = range.as_ref().and_then(|range| self.tokens.get(range.start));
            let at = first.map_or(0, |token| token.start);
            let condition = range.map(|range| self.expression(range, &mut names));
            let (mut pattern, _) = self.path(allow.scope);
            let database = strip_database(&mut pattern);
            rules.push((Rule { pattern, database, methods: allow.methods, condition }, at));
        }
        rules
    }
}

/// The places of what was compiled.
fn places_of(source: &str, tokens: &[Token], frame: &Frame) -> Source {
    let start = |token: usize| tokens.get(token).map_or(source.len(), |token| token.start);
    let end = |token: usize| tokens.get(token).map_or(source.len(), |token| token.end);
    let bytes = |range: &Range<usize>| start(range.start)..end(range.end.saturating_sub(1));
    let allow = |allow: &super::frame::Allow| {
        let Range { start: at, end } = bytes(&allow.tokens);
        Allow { at, end, condition: allow.condition.as_ref().map_or(end..end, bytes) }
    };
    let function = |declared: &super::frame::Declaration| Function {
        name: declared.name.as_str().into(),
        lets: declared.lets.iter().map(|one| bytes(&one.value)).collect(),
        body: bytes(&declared.body),
    };
    Source {
        text: source.into(),
        allows: frame.allows.iter().map(allow).collect(),
        functions: frame.functions.iter().map(function).collect(),
    }
}

/// Takes `databases/{database}/documents` off; whether a wildcard went with it.
fn strip_database(pattern: &mut Vec<Segment>) -> bool {
    let literal = |segment: &Segment, text: &str| *segment == Segment::Literal(text.into());
    let [first, database, documents, ..] = pattern.as_slice() else { return false };
    if !literal(first, "databases")
        || !literal(documents, "documents")
        || *database == Segment::Rest
    {
        return false;
    }
    let wildcard = *database == Segment::One;
    pattern.drain(..3);
    wildcard
}

/// The levels of an expression, and of all that it calls.
fn height(node: &Node, functions: &[usize]) -> usize {
    let of = |node: &Node| height(node, functions);
    let all = |nodes: &[Node]| nodes.iter().map(of).max().unwrap_or(0);
    let inner = match &node.expr {
        Expr::Constant(_) | Expr::Local(_) | Expr::Wildcard(_) | Expr::Request | Expr::Resource => {
            0
        }
        Expr::Select(of, _)
        | Expr::Has(of, _)
        | Expr::Not(of)
        | Expr::Negate(of)
        | Expr::Is(of, _) => height(of, functions),
        Expr::Matches(of, _) => height(of, functions),
        Expr::And(left, right) | Expr::Or(left, right) => of(left).max(of(right)),
        Expr::If(parts) => of(&parts.0).max(of(&parts.1)).max(of(&parts.2)),
        Expr::Binary(_, operands) => of(&operands.0).max(of(&operands.1)),
        Expr::List(exprs) | Expr::Path(exprs) | Expr::Call(_, exprs) => all(exprs),
        Expr::Map(entries) => {
            entries.iter().map(|(key, value)| of(key).max(of(value))).max().unwrap_or(0)
        }
        Expr::User(number, arguments) => {
            all(arguments).max(functions.get(*number).copied().unwrap_or(0))
        }
        Expr::Comprehension(inner) => {
            let condition = inner.condition.as_ref().map_or(0, of);
            of(&inner.range).max(of(&inner.body)).max(condition)
        }
    };
    inner.saturating_add(1)
}

/// Refuses functions that call themselves, chains of calls and expressions that are too deep.
fn check_depths(
    frame: &Frame,
    functions: &[UserFunction],
    calls: &[BTreeSet<usize>],
    rules: &[(Rule, usize)],
    faults: &mut Vec<Fault>,
) {
    let (mut chains, mut heights) =
        (vec![0_usize; functions.len()], vec![0_usize; functions.len()]);
    let mut open: BTreeSet<usize> = (0..functions.len()).collect();
    // What calls only functions that are done is done next: never what calls itself.
    loop {
        let ready =
            |number: &&usize| calls.get(**number).is_some_and(|calls| calls.is_disjoint(&open));
        let done: Vec<usize> = open.iter().filter(ready).copied().collect();
        if done.is_empty() {
            break;
        }
        for number in done {
            open.remove(&number);
            let (Some(function), Some(calls)) = (functions.get(number), calls.get(number)) else {
                continue;
            };
            let deepest =
                calls.iter().filter_map(|call| chains.get(*call)).max().copied().unwrap_or(0);
            let exprs = function.lets.iter().chain([&function.body]);
            let high = exprs.map(|expr| height(expr, &heights)).max().unwrap_or(0);
            if let (Some(chain), Some(own)) = (chains.get_mut(number), heights.get_mut(number)) {
                *chain = deepest.saturating_add(1);
                *own = high;
            }
            let Some(declared) = frame.functions.get(number) else { continue };
            let name = &declared.name;
            if deepest >= RULE_CALLS {
                let message = format!(
                    "{name:?} calls functions that call others, more than {RULE_CALLS} in all"
                );
                faults.push(Fault::new(declared.at, message));
            } else if high > RULE_DEPTH {
                let message =
                    format!("{name:?} has more than {RULE_DEPTH} operations in each other");
                faults.push(Fault::new(declared.at, message));
            }
        }
    }
    for declared in open.iter().filter_map(|number| frame.functions.get(*number)) {
        let message = format!("{:?} calls itself, or a function that does", declared.name);
        faults.push(Fault::new(declared.at, message));
    }
    for (rule, at) in rules {
        let high = rule.condition.as_ref().map_or(0, |condition| height(condition, &heights));
        if high > RULE_DEPTH {
            let message = format!(
                "more than {RULE_DEPTH} operations in each other, in the functions it calls too"
            );
            faults.push(Fault::new(*at, message));
        }
    }
}
