//! Why rules decide as they do: which `allow`, which part of its condition, where it stands, and what was missing there.
//!
//! A condition is evaluated again, part by part, by the evaluator that decides: of `a && b` the part that is not true is
//! looked at, of `a || b` both, of a call the function, of an error the innermost part that has no value.

mod origin;
mod shown;

use self::shown::{shown, typed};
use super::compile::Rule;
use super::decide::{Place, bit, context, named, place, place_of, query_context};
use super::eval::{Evaluated, Evaluator, UNITS, UserFunction};
use super::expr::{Comprehension, Expr, Macro, Node};
use super::facts::Facts;
use super::scan::Fault;
use super::state::State;
use super::value::{Fail, Val};
use super::{Method, QueryRequest, Request, Rules};
use blaze_schema::limits::{RULE_BYTES, RULE_EXPLANATION, RULE_REASONS, RULE_SHOWN, RULE_STEPS};
use std::fmt;
use std::ops::Range;

/// True if an explanation shows values, or only their types: documents are not for everybody's eyes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Values, cut off after [`RULE_SHOWN`] characters.
    Shown,
    /// Types.
    Hidden,
}

/// Why a request was allowed or refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The `allow` that allowed it.
    pub allowed: Option<Allow>,
    /// Those that concern it and did not, with their reasons.
    pub refused: Vec<Allow>,
    /// Those that concern the path but not the method.
    pub other_methods: Vec<Allow>,
    /// The values that `debug()` was given.
    pub debugged: Vec<String>,
}

/// An `allow` of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Its text.
    pub text: String,
    /// Why its condition does not hold.
    pub reasons: Vec<Reason>,
}

/// A part of a condition that decided, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What of it.
    pub text: String,
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} `{}`", self.line, self.column, self.text)?;
        for (number, Reason { line, column, text }) in self.reasons.iter().enumerate() {
            let before = if number == 0 { ": " } else { "; " };
            write!(f, "{before}{line}:{column} {text}")?;
        }
        Ok(())
    }
}

impl Explanation {
    /// A line for each `allow` that had a part in it.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        if let Some(allow) = &self.allowed {
            lines.push(format!("allowed by {allow}"));
        } else {
            if self.refused.is_empty() {
                lines.push("no allow concerns this method of this path".to_owned());
                let others = self.other_methods.iter();
                lines.extend(others.map(|allow| format!("the path has {allow}")));
            }
            lines.extend(self.refused.iter().map(|allow| format!("refused by {allow}")));
        }
        lines.extend(self.debugged.iter().map(|value| format!("debug: {value}")));
        lines
    }
}

/// All of an explanation on one line, cut off.
pub fn told(explanation: &Explanation) -> String {
    cut(&explanation.lines().join("; "), RULE_REASONS.saturating_mul(RULE_SHOWN))
}

/// The text, cut off after so many characters.
pub(super) fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// As [`Rules::explain`].
pub(super) fn explain(rules: &Rules, request: &Request<'_>, values: Values) -> Explanation {
    let (before, after) = (State::new(request.before), State::new(request.after));
    let own = Evaluator::new(&rules.functions, context(request, &before, &after));
    Explainer::new(rules, own, values).ask(&place_of(request.path))
}

/// As [`Rules::explain_query`]: of the first disjunction that is not allowed.
pub(super) fn explain_query(
    rules: &Rules,
    request: &QueryRequest<'_>,
    values: Values,
) -> Explanation {
    let none = State::new(None);
    let disjunctions = request.query.disjunctions();
    let mut explanation = Explanation::default();
    for filters in &disjunctions {
        let (facts, names) = (Facts::new(request.query, filters), named(filters));
        let paths = match &names {
            Some(names) => names.iter().map(Some).collect(),
            None => vec![None],
        };
        for path in paths {
            let mut own = Evaluator::new(&rules.functions, query_context(request, &none));
            own.context.facts = Some(&facts);
            own.context.path = path;
            let place = path.map_or_else(|| place(request.query), place_of);
            explanation = Explainer::new(rules, own, values).ask(&place);
            if explanation.allowed.is_none() {
                return explanation;
            }
        }
    }
    explanation
}

/// The text of rules, where each `allow` stands in it up to its `;`, and the names of its functions.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Source {
    pub(super) text: Box<str>,
    pub(super) allows: Vec<Range<usize>>,
    pub(super) functions: Vec<Box<str>>,
}

impl Source {
    /// The line and the column of a byte, both from 1.
    fn line(&self, at: usize) -> (usize, usize) {
        let place = Fault::new(at, "").locate(&self.text);
        (place.line, place.column)
    }

    /// Some of the text on one line, cut off after so many characters.
    fn quote(&self, range: Range<usize>, characters: usize) -> String {
        let text = self.text.get(range).unwrap_or_default();
        cut(&text.split_whitespace().collect::<Vec<_>>().join(" "), characters)
    }
}

/// A call of a function of the text.
struct Frame<'a> {
    function: usize,
    arguments: &'a [Node],
    /// The place at which the frame of the caller begins.
    base: usize,
}

struct Explainer<'a> {
    rules: &'a Rules,
    own: Evaluator<'a>,
    values: Values,
    frames: Vec<Frame<'a>>,
    reasons: Vec<Reason>,
    /// Work that may still be done.
    left: usize,
}

impl<'a> Explainer<'a> {
    fn new(rules: &'a Rules, own: Evaluator<'a>, values: Values) -> Self {
        Explainer {
            rules,
            own,
            values,
            frames: Vec::new(),
            reasons: Vec::new(),
            left: RULE_EXPLANATION.saturating_mul(UNITS),
        }
    }

    /// Decides as [`super::decide`] does, and looks at every `allow` that did not allow.
    fn ask(mut self, place: &Place<'a>) -> Explanation {
        let mut explanation = Explanation::default();
        let method = bit(self.own.context.method);
        let mut asked = Vec::new();
        let rules: &'a [Rule] = &self.rules.rules;
        for (number, rule) in rules.iter().enumerate() {
            let Some(wildcards) = place.wildcards(rule) else { continue };
            if rule.methods & method == 0 {
                if explanation.other_methods.len() < RULE_REASONS {
                    explanation.other_methods.extend(self.allow(number));
                }
                continue;
            }
            let Some(condition) = &rule.condition else {
                explanation.allowed = self.allow(number);
                return explanation;
            };
            self.own.wildcards.clone_from(&wildcards);
            self.own.debugged = Some(Vec::new());
            let truth = self.own.truth(condition);
            let debugged = self.own.debugged.take().unwrap_or_default();
            let debugged = debugged.iter().take(RULE_REASONS);
            explanation.debugged.extend(debugged.map(|value| shown(value, self.values)));
            if truth == Ok(true) {
                explanation.allowed = self.allow(number);
                return explanation;
            }
            asked.push((number, condition, wildcards));
            if truth == Err(Fail::Spent) {
                break;
            }
        }
        for (number, condition, wildcards) in asked.into_iter().take(RULE_REASONS) {
            self.own.wildcards = wildcards;
            self.why(condition, true);
            if self.reasons.is_empty() {
                // All of it together has cost too much.
                self.say(condition, &spent());
            }
            if let Some(mut allow) = self.allow(number) {
                allow.reasons = std::mem::take(&mut self.reasons);
                explanation.refused.push(allow);
            }
        }
        explanation
    }

    fn allow(&self, number: usize) -> Option<Allow> {
        let source = &self.rules.source;
        let place = source.allows.get(number)?;
        let (line, column) = source.line(place.start);
        Some(Allow {
            line,
            column,
            text: source.quote(place.clone(), RULE_SHOWN),
            reasons: Vec::new(),
        })
    }

    /// The text of a part, as it is quoted.
    fn quote(&self, node: &Node) -> String {
        format!("`{}`", self.rules.source.quote(node.range(), RULE_SHOWN))
    }

    fn is_full(&self) -> bool {
        self.left == 0 || self.reasons.len() >= RULE_REASONS
    }

    /// A reason of its own: what is said of a part.
    fn say(&mut self, node: &Node, what: &str) {
        let (line, column) = self.rules.source.line(node.range().start);
        let mut text = format!("{} {what}", self.quote(node));
        let names = &self.rules.source.functions;
        if let Some(name) = self.frames.last().and_then(|frame| names.get(frame.function)) {
            text = format!("in {name}(): {text}");
        }
        let reason = Reason { line, column, text };
        if self.reasons.len() < RULE_REASONS && !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }

    /// Evaluates a part with a budget of its own, as long as there is any work left.
    fn value(&mut self, node: &'a Node) -> Evaluated<'a> {
        let work = self.left.min(RULE_STEPS.saturating_mul(UNITS));
        self.own.work = work;
        self.own.bytes = RULE_BYTES;
        self.own.needs.clear();
        let value = self.own.eval(node);
        self.left = self.left.saturating_sub(work.saturating_sub(self.own.work).max(1));
        value
    }

    fn truth(&mut self, node: &'a Node) -> Result<bool, Fail> {
        match self.value(node)? {
            Val::Bool(boolean) => Ok(boolean),
            Val::Part(_) => Err(Fail::Unknown),
            _ => Err(Fail::Error),
        }
    }

    /// Says why a condition is not what it should be.
    fn why(&mut self, node: &'a Node, wanted: bool) {
        let truth = self.truth(node);
        if truth == Ok(wanted) || self.is_full() {
            return;
        }
        match &node.expr {
            Expr::And(left, right) => self.why_logic([left, right], false, truth, wanted),
            Expr::Or(left, right) => self.why_logic([left, right], true, truth, wanted),
            Expr::Not(operand) => self.why(operand, !wanted),
            Expr::If(parts) => {
                let (condition, yes, no) = parts.as_ref();
                match self.truth(condition) {
                    Ok(true) => self.why(yes, wanted),
                    Ok(false) => self.why(no, wanted),
                    Err(_) => self.why(condition, true),
                }
            }
            Expr::User(number, arguments) => {
                self.inside(*number, arguments, |own, function| own.why(&function.body, wanted));
            }
            Expr::Local(local) => {
                if self.defined(*local, |own, node| own.why(node, wanted)).is_none() {
                    self.leaf(node, truth);
                }
            }
            Expr::Comprehension(inner) => self.why_macro(node, inner, truth, wanted),
            _ => self.leaf(node, truth),
        }
    }

    /// `&&` and `||`: the part that decides, or else both.
    fn why_logic(
        &mut self,
        [left, right]: [&'a Node; 2],
        decisive: bool,
        truth: Result<bool, Fail>,
        wanted: bool,
    ) {
        if truth != Ok(decisive) {
            self.why(left, wanted);
            return self.why(right, wanted);
        }
        let decides = if self.truth(left) == truth { left } else { right };
        self.why(decides, wanted);
    }

    /// `all` by the first element that it does not hold for; the others as a whole.
    fn why_macro(
        &mut self,
        node: &'a Node,
        inner: &'a Comprehension,
        truth: Result<bool, Fail>,
        wanted: bool,
    ) {
        let range = self.value(&inner.range);
        let (Ok(range), Macro::All, true) = (&range, inner.kind, wanted) else {
            return self.leaf(node, truth);
        };
        for number in 0..range.elements().unwrap_or_default() {
            let length = self.own.stack.len();
            self.own.stack.push(range.element(number).ok_or(Fail::Error));
            let holds = self.truth(&inner.body);
            if holds != Ok(true) {
                self.why(&inner.body, true);
                let element = range.element(number);
                let element = element.map_or_else(String::new, |one| shown(&one, self.values));
                self.say(node, &format!("does not hold for element {number}, {element}"));
            }
            self.own.stack.truncate(length);
            if holds != Ok(true) || self.is_full() {
                return;
            }
        }
        self.leaf(node, truth);
    }

    /// A part that is looked at as a whole.
    fn leaf(&mut self, node: &'a Node, truth: Result<bool, Fail>) {
        match truth {
            Ok(boolean) => {
                let mut what = format!("is {boolean}");
                let operands: Vec<String> = self.operands(node);
                if !operands.is_empty() {
                    what = format!("{what}: {}", operands.join(", "));
                }
                self.say(node, &what);
            }
            Err(Fail::Error) => match self.value(node) {
                Ok(value) => self.say(node, &format!("is {}, and not a bool", typed(&value))),
                Err(_) => self.error(node),
            },
            Err(Fail::Unknown) => self.unknown(node),
            Err(Fail::Needs) => self.say(node, "waits for documents that were not looked up"),
            Err(Fail::Spent) => self.say(node, &spent()),
        }
    }

    /// What the parts are that are not written out.
    fn operands(&mut self, node: &'a Node) -> Vec<String> {
        let mut operands = Vec::new();
        if matches!(node.expr, Expr::Select(..)) {
            return operands;
        }
        for part in origin::parts(node) {
            if matches!(part.expr, Expr::Constant(_) | Expr::Request | Expr::Resource) {
                continue;
            }
            let value = match self.value(part) {
                Ok(value) => shown(&value, self.values),
                Err(_) => "without a value".to_owned(),
            };
            operands.push(format!("{} is {value}", self.quote(part)));
        }
        operands
    }

    /// Does something inside a function of the text, with its arguments and `let`s.
    fn inside<T>(
        &mut self,
        number: usize,
        arguments: &'a [Node],
        run: impl FnOnce(&mut Self, &'a UserFunction) -> T,
    ) -> Option<T> {
        let function = self.rules.functions.get(number)?;
        let values: Vec<Evaluated<'a>> = arguments.iter().map(|one| self.value(one)).collect();
        let (base, length) = (self.own.base, self.own.stack.len());
        self.own.base = length;
        self.own.stack.extend(values);
        for one in &function.lets {
            let value = self.value(one);
            self.own.stack.push(value);
        }
        self.frames.push(Frame { function: number, arguments, base });
        let result = run(self, function);
        self.frames.pop();
        self.own.stack.truncate(length);
        self.own.base = base;
        Some(result)
    }

    /// Does something with the expression that a parameter or a `let` stands for, where that is evaluated; `None` for a
    /// macro's variable.
    fn defined<T>(
        &mut self,
        local: usize,
        run: impl FnOnce(&mut Self, &'a Node) -> T,
    ) -> Option<T> {
        let frame = self.frames.last()?;
        let (number, arguments) = (frame.function, frame.arguments);
        if let Some(argument) = arguments.get(local) {
            let frame = self.frames.pop()?;
            let base = std::mem::replace(&mut self.own.base, frame.base);
            let locals = self.own.stack.split_off(base.min(self.own.stack.len()));
            let result = run(self, argument);
            self.frames.push(frame);
            self.own.base = base;
            self.own.stack.extend(locals);
            return Some(result);
        }
        let place = local.checked_sub(arguments.len())?;
        let one = self.rules.functions.get(number)?.lets.get(place)?;
        let at = self.own.base.saturating_add(local).min(self.own.stack.len());
        let later = self.own.stack.split_off(at);
        let result = run(self, one);
        self.own.stack.extend(later);
        Some(result)
    }
}

fn spent() -> String {
    format!("costs more than the {RULE_STEPS} steps and {RULE_BYTES} bytes of a decision")
}
