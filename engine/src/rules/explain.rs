//! Explanations of decisions: which `allow`, which part of its condition, where it stands, and what was missing
//! there.
//!
//! The evaluator that decides evaluates a condition again, part by part: of `a && b` the part that is not true is
//! examined, of `a || b` both, of a call the function, of an error the innermost part without a value.

mod origin;
mod shown;

use self::shown::{shown, typed};
use super::compile::Rule;
use super::decide::{Place, bit, context, named, place, place_of, query_context};
use super::eval::{Evaluated, Evaluator, UNITS, UserFunction};
use super::expr::{Comprehension, Expr, Macro, Node};
use super::facts::Facts;
use super::places::Places;
use super::state::State;
use super::value::{Fail, Val};
use super::{Method, QueryRequest, Request, Rules};
use blaze_schema::limits::{RULE_BYTES, RULE_EXPLANATION, RULE_REASONS, RULE_SHOWN, RULE_STEPS};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

/// The detail of an explanation: values, or only their types. Not everybody may see a document's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Values, cut off after [`RULE_SHOWN`] characters.
    Shown,
    /// Types.
    Hidden,
}

/// The reasons for which a request was allowed or refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The `allow` that allowed the request.
    pub allowed: Option<Allow>,
    /// Each `allow` that concerns the request and did not allow it, with its reasons.
    pub refused: Vec<Allow>,
    /// Each `allow` that concerns the path but not the method.
    pub other_methods: Vec<Allow>,
    /// The values that `debug()` was given.
    pub debugged: Vec<String>,
}

/// An `allow` of the rules' text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Its text.
    pub text: String,
    /// The reasons for which its condition does not hold.
    pub reasons: Vec<Reason>,
}

/// A part of a condition that decided, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The text of the part, and what is wrong with it.
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
    /// Returns a line for each `allow` that had a part in the decision.
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

/// Returns all of an explanation on one line, cut off.
pub fn told(explanation: &Explanation) -> String {
    cut(&explanation.lines().join("; "), RULE_REASONS.saturating_mul(RULE_SHOWN))
}

/// Cuts the text off after so many characters.
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

/// As [`Rules::explain_query`]: explains the first disjunction that is not allowed.
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

/// The expression that nodes belong to. Their numbers count within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Region {
    Allow(usize),
    Let(usize, usize),
    Body(usize),
}

/// A call of a function of the text.
struct Frame<'a> {
    function: usize,
    arguments: &'a [Node],
    /// The expression that contains the call, and where its frame begins on the stack.
    region: Region,
    base: usize,
}

struct Explainer<'a> {
    rules: &'a Rules,
    own: Evaluator<'a>,
    values: Values,
    frames: Vec<Frame<'a>>,
    region: Region,
    places: BTreeMap<Region, Places>,
    reasons: Vec<Reason>,
    /// Units of work that are left.
    left: usize,
}

impl<'a> Explainer<'a> {
    fn new(rules: &'a Rules, own: Evaluator<'a>, values: Values) -> Self {
        Explainer {
            rules,
            own,
            values,
            frames: Vec::new(),
            region: Region::Allow(0),
            places: BTreeMap::new(),
            reasons: Vec::new(),
            left: RULE_EXPLANATION.saturating_mul(UNITS),
        }
    }

    /// Decides as [`super::decide`] does, and examines every `allow` that did not allow.
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
            self.region = Region::Allow(number);
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
        let (line, column) = source.line(place.at);
        Some(Allow {
            line,
            column,
            text: source.quote(place.at..place.end, RULE_SHOWN),
            reasons: Vec::new(),
        })
    }

    /// Returns the range of the present expression in the text.
    fn range(&self) -> Range<usize> {
        let source = &self.rules.source;
        let range = match self.region {
            Region::Allow(number) => source.allows.get(number).map(|allow| allow.condition.clone()),
            Region::Body(number) => source.functions.get(number).map(|one| one.body.clone()),
            Region::Let(number, place) => {
                source.functions.get(number).and_then(|one| one.lets.get(place).cloned())
            }
        };
        range.unwrap_or_default()
    }

    fn place(&mut self, node: &Node) -> Range<usize> {
        let range = self.range();
        let source = &self.rules.source;
        let places = self
            .places
            .entry(self.region)
            .or_insert_with(|| Places::of(&source.text, range.clone()));
        places.get(node.id).unwrap_or(range)
    }

    /// Quotes the text of a part.
    fn quote(&mut self, node: &Node) -> String {
        let range = self.place(node);
        format!("`{}`", self.rules.source.quote(range, RULE_SHOWN))
    }

    fn is_full(&self) -> bool {
        self.left == 0 || self.reasons.len() >= RULE_REASONS
    }

    /// Adds a reason: a part, and `what` there is to say of it.
    fn say(&mut self, node: &Node, what: &str) {
        let (line, column) = self.rules.source.line(self.place(node).start);
        let mut text = format!("{} {what}", self.quote(node));
        let inside = match self.region {
            Region::Allow(_) => None,
            Region::Body(number) | Region::Let(number, _) => {
                self.rules.source.functions.get(number)
            }
        };
        if let Some(function) = inside {
            text = format!("in {}(): {text}", function.name);
        }
        let reason = Reason { line, column, text };
        if self.reasons.len() < RULE_REASONS && !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }

    /// Evaluates a part with a budget of its own, as long as any work is left.
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

    /// Explains why a condition is not what it should be.
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

    /// Explains `&&` or `||`: by the part that decides, or else by both.
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

    /// Explains `all` by the first element for which it does not hold; the other macros as a whole.
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

    /// Explains a part as a whole.
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

    /// Lists the values of the operands that are not written out.
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

    /// Runs `run` inside a function of the text, with its arguments and `let`s.
    fn inside<T>(
        &mut self,
        number: usize,
        arguments: &'a [Node],
        run: impl FnOnce(&mut Self, &'a UserFunction) -> T,
    ) -> Option<T> {
        let function = self.rules.functions.get(number)?;
        let values: Vec<Evaluated<'a>> = arguments.iter().map(|one| self.value(one)).collect();
        let (base, region, length) = (self.own.base, self.region, self.own.stack.len());
        self.own.base = length;
        self.own.stack.extend(values);
        for one in &function.lets {
            let value = self.value(one);
            self.own.stack.push(value);
        }
        self.frames.push(Frame { function: number, arguments, region, base });
        self.region = Region::Body(number);
        let result = run(self, function);
        self.frames.pop();
        self.region = region;
        self.own.stack.truncate(length);
        self.own.base = base;
        Some(result)
    }

    /// Runs `run` with the expression that a parameter or a `let` stands for, in the frame where that is evaluated;
    /// `None` for a macro's variable.
    fn defined<T>(
        &mut self,
        local: usize,
        run: impl FnOnce(&mut Self, &'a Node) -> T,
    ) -> Option<T> {
        let frame = self.frames.last()?;
        let (number, arguments, region) = (frame.function, frame.arguments, self.region);
        if let Some(argument) = arguments.get(local) {
            let frame = self.frames.pop()?;
            let base = std::mem::replace(&mut self.own.base, frame.base);
            let locals = self.own.stack.split_off(base.min(self.own.stack.len()));
            self.region = frame.region;
            let result = run(self, argument);
            self.frames.push(frame);
            self.region = region;
            self.own.base = base;
            self.own.stack.extend(locals);
            return Some(result);
        }
        let place = local.checked_sub(arguments.len())?;
        let one = self.rules.functions.get(number)?.lets.get(place)?;
        let at = self.own.base.saturating_add(local).min(self.own.stack.len());
        let later = self.own.stack.split_off(at);
        self.region = Region::Let(number, place);
        let result = run(self, one);
        self.region = region;
        self.own.stack.extend(later);
        Some(result)
    }
}

fn spent() -> String {
    format!("costs more than the {RULE_STEPS} steps and {RULE_BYTES} bytes of a decision")
}
