//! Places of expressions in the text. No decision needs them: they are computed again when an explanation is asked
//! for.

use super::lower::locator;
use super::scan::{Fault, Kind, Token, scan};
use super::translate::translate;
use cel::common::ast::{EntryExpr, Expr as Tree, IdedExpr};
use cel::parser::PrattParser;
use std::collections::BTreeMap;
use std::ops::Range;

/// The text of rules, and the places of its expressions.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Source {
    pub(super) text: Box<str>,
    pub(super) allows: Vec<Allow>,
    pub(super) functions: Vec<Function>,
}

/// An `allow`, by its byte offsets.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Allow {
    pub(super) at: usize,
    /// The offset of its `;`.
    pub(super) end: usize,
    pub(super) condition: Range<usize>,
}

/// A function of the text: its name, its `let`s and its body.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Function {
    pub(super) name: Box<str>,
    pub(super) lets: Vec<Range<usize>>,
    pub(super) body: Range<usize>,
}

impl Source {
    /// Returns the line and the column of a byte, both from 1.
    pub(super) fn line(&self, at: usize) -> (usize, usize) {
        let place = Fault::new(at, "").locate(&self.text);
        (place.line, place.column)
    }

    /// Quotes a range of the text on one line, cut off after so many characters.
    pub(super) fn quote(&self, range: Range<usize>, characters: usize) -> String {
        let text = self.text.get(range).unwrap_or_default();
        super::explain::cut(&text.split_whitespace().collect::<Vec<_>>().join(" "), characters)
    }
}

/// The byte range of every node of one expression, by the node's number.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeMap<u64, Range<usize>>);

impl Places {
    /// Parses the expression at `range` again; empty if it cannot be parsed.
    pub(super) fn of(source: &str, range: Range<usize>) -> Self {
        let text = source.get(range.clone()).unwrap_or_default();
        let tokens = scan(text, &mut Vec::new());
        let Ok(translated) = translate(text, &tokens) else { return Places::default() };
        let Ok(tree) = PrattParser::new().parse(&translated.text) else {
            return Places::default();
        };
        let place = locator(&translated);
        let mut reaches = BTreeMap::new();
        reach(&tree, &place, &mut reaches);
        let whole = |(id, (from, to))| {
            let part = spread(text, &tokens, from, to);
            let moved =
                range.start.saturating_add(part.start)..range.start.saturating_add(part.end);
            (id, moved)
        };
        Places(reaches.into_iter().map(whole).collect())
    }

    pub(super) fn get(&self, id: u64) -> Option<Range<usize>> {
        self.0.get(&id).cloned()
    }
}

/// Returns the least and the greatest place of a node and of all nodes within.
fn reach(
    node: &IdedExpr,
    place: &impl Fn(u64) -> Option<usize>,
    reaches: &mut BTreeMap<u64, (usize, usize)>,
) -> Option<(usize, usize)> {
    let mut within = place(node.id).map(|at| (at, at));
    for part in parts(node) {
        if let Some((from, to)) = reach(part, place, reaches) {
            within = Some(within.map_or((from, to), |(a, b)| (a.min(from), b.max(to))));
        }
    }
    if let Some(within) = within {
        reaches.insert(node.id, within);
    }
    within
}

fn parts(node: &IdedExpr) -> Vec<&IdedExpr> {
    match &node.expr {
        Tree::Call(call) => call.target.iter().map(|target| &**target).chain(&call.args).collect(),
        Tree::Select(select) => vec![&select.operand],
        Tree::List(list) => list.elements.iter().collect(),
        Tree::Map(map) => {
            let entries = map.entries.iter().filter_map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => Some([&entry.key, &entry.value]),
                EntryExpr::StructField(_) => None,
            });
            entries.flatten().collect()
        }
        Tree::Comprehension(inner) => vec![
            &inner.iter_range,
            &inner.accu_init,
            &inner.loop_cond,
            &inner.loop_step,
            &inner.result,
        ],
        _ => Vec::new(),
    }
}

fn bracket(text: &str, token: &Token) -> i8 {
    match (token.kind, token.text(text)) {
        (Kind::Sign, "(" | "[" | "{") => 1,
        (Kind::Sign, ")" | "]" | "}") => -1,
        _ => 0,
    }
}

/// Returns the bytes from one place to another, with the whole word at the end and both brackets of each pair.
fn spread(text: &str, tokens: &[Token], from: usize, to: usize) -> Range<usize> {
    let at = |place: usize| tokens.partition_point(|token| token.start <= place).saturating_sub(1);
    let (mut first, mut last) = (at(from), at(to));
    // The place of a number is that of its sign.
    while tokens.get(last).is_some_and(|token| matches!(token.text(text), "-" | "!")) {
        last = last.saturating_add(1);
    }
    let is_call = tokens.get(last).is_some_and(|token| token.kind == Kind::Word);
    let next = last.saturating_add(1);
    if is_call && tokens.get(next).is_some_and(|token| token.text(text) == "(") {
        last = next;
    }
    let mut open = 0_usize;
    for token in tokens.get(first..=last).unwrap_or_default() {
        match bracket(text, token) {
            1 => open = open.saturating_add(1),
            -1 => match open.checked_sub(1) {
                Some(less) => open = less,
                None => first = opening(text, tokens, first),
            },
            _ => {}
        }
    }
    while let Some(token) = tokens.get(last.saturating_add(1)).filter(|_| open > 0) {
        match bracket(text, token) {
            1 => open = open.saturating_add(1),
            -1 => open = open.saturating_sub(1),
            _ => {}
        }
        last = last.saturating_add(1);
    }
    let start = tokens.get(first).map_or(from, |token| token.start);
    start..tokens.get(last).map_or(to, |token| token.end)
}

/// Finds the bracket that is still open before another token.
fn opening(text: &str, tokens: &[Token], before: usize) -> usize {
    let mut closed = 0_usize;
    for (at, token) in tokens.iter().enumerate().take(before).rev() {
        match bracket(text, token) {
            -1 => closed = closed.saturating_add(1),
            1 => match closed.checked_sub(1) {
                Some(less) => closed = less,
                None => return at,
            },
            _ => {}
        }
    }
    before
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(expression: &str) -> Vec<&str> {
        let source = format!("if {expression};");
        let places = Places::of(&source, 3..source.len() - 1);
        let ranges = places.0.into_values();
        let mut texts: Vec<&str> =
            ranges.map(|range| &expression[range.start - 3..range.end - 3]).collect();
        texts.sort_unstable();
        texts.dedup();
        texts
    }

    #[test]
    fn every_part_of_an_expression_has_its_text() {
        let found = texts("(a.b || f()) && !(c[1:2] == [d, 'e)']) && x.size() > -1");
        for part in [
            "(a.b || f()) && !(c[1:2] == [d, 'e)']) && x.size() > -1",
            "(a.b || f()) && !(c[1:2] == [d, 'e)'])",
            "a.b || f()",
            "a.b",
            "f()",
            "!(c[1:2] == [d, 'e)'])",
            "c[1:2] == [d, 'e)']",
            "c[1:2]",
            "[d, 'e)']",
            "x.size() > -1",
            "x.size()",
        ] {
            assert!(found.contains(&part), "{part}: {found:#?}");
        }
        let found =
            texts("get(/users/$(request.auth.uid)).data.team in l.map(x, x.y) && z is string");
        for part in [
            "get(/users/$(request.auth.uid)).data.team",
            "get(/users/$(request.auth.uid))",
            "request.auth.uid",
            "l.map(x, x.y)",
            "z is string",
        ] {
            assert!(found.contains(&part), "{part}: {found:#?}");
        }
    }
}
