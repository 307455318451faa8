//! From the text of rules to what is decided by.

use super::eval::UserFunction;
use super::explain::Source;
use super::expr::{Expr, Node};
use super::frame::{Frame, Reader, Segment};
use super::parse::{Names, parse};
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
        return Ok(Rules { functions, rules, source: source_of(source, &tokens, &frame) });
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
        parse(self.source, self.tokens, range, names, &mut self.faults)
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

    fn rules(&mut self) -> Vec<Rule> {
        let mut rules = Vec::new();
        for allow in &self.frame.allows {
            let mut names = self.names(allow.scope, Vec::new());
            let condition = allow.condition.clone();
            let condition = condition.map(|range| self.expression(range, &mut names));
            let (mut pattern, _) = self.path(allow.scope);
            let database = strip_database(&mut pattern);
            rules.push(Rule { pattern, database, methods: allow.methods, condition });
        }
        rules
    }
}

/// The text and the places in it that explanations quote.
fn source_of(source: &str, tokens: &[Token], frame: &Frame) -> Source {
    let place = |allow: &super::frame::Allow| {
        let tokens = tokens.get(allow.tokens.clone()).unwrap_or_default();
        let start = tokens.first().map_or(source.len(), |token| token.start);
        start..tokens.last().map_or(source.len(), |token| token.end)
    };
    Source {
        text: source.into(),
        allows: frame.allows.iter().map(place).collect(),
        functions: frame.functions.iter().map(|one| one.name.as_str().into()).collect(),
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
    let called = match &node.expr {
        Expr::User(number, _) => functions.get(*number).copied().unwrap_or(0),
        _ => 0,
    };
    let inner = node.parts().into_iter().map(|part| height(part, functions));
    inner.fold(called, usize::max).saturating_add(1)
}

/// Refuses functions that call themselves, chains of calls and expressions that are too deep.
fn check_depths(
    frame: &Frame,
    functions: &[UserFunction],
    calls: &[BTreeSet<usize>],
    rules: &[Rule],
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
    for condition in rules.iter().filter_map(|rule| rule.condition.as_ref()) {
        if height(condition, &heights) > RULE_DEPTH {
            let message = format!(
                "more than {RULE_DEPTH} operations in each other, in the functions it calls too"
            );
            faults.push(Fault::new(condition.range().start, message));
        }
    }
}
