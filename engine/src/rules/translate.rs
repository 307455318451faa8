//! An expression of rules as one of CEL, which has no written-out paths, no `is` and no slices.

use super::frame::path_text;
use super::scan::{Fault, Kind, Token};
use blaze_schema::limits::{RULE_NESTING, RULE_TOKENS};

/// What a path that is written out becomes: a call of this with its segments.
pub(super) const PATH: &str = "__path__";
/// What the name of a type after `is` begins with, when `is` has become `in`.
pub(super) const TYPE: &str = "__is__";

/// The function that stands for a slice: `x[a:b]` becomes an index by a call of this.
pub(super) const SLICE: &str = "__slice__";

/// CEL, and where it comes from.
pub(super) struct Translated {
    pub(super) text: String,
    /// Bytes of the text, ascending, and the bytes of the source that they come from.
    places: Vec<(usize, usize)>,
}

impl Translated {
    /// The byte of the source that a byte of the text comes from.
    pub(super) fn place(&self, at: usize) -> usize {
        let after = self.places.partition_point(|(there, _)| *there <= at);
        match after.checked_sub(1).and_then(|before| self.places.get(before)) {
            Some((there, source)) => source.saturating_add(at.saturating_sub(*there)),
            None => 0,
        }
    }

    fn push(&mut self, text: &str, from: usize) {
        self.places.push((self.text.len(), from));
        self.text.push_str(text);
    }
}

/// An open bracket.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Plain,
    /// The `$(` of a path.
    Path,
    /// The `[` of a slice, whose `:` is this token.
    Slice(usize),
}

struct Translator<'s> {
    source: &'s str,
    tokens: &'s [Token],
    at: usize,
    out: Translated,
    open: Vec<Open>,
    /// Whether an operand has just ended.
    operand: bool,
    conditionals: usize,
}

/// Translates the tokens of an expression.
pub(super) fn translate(source: &str, tokens: &[Token]) -> Result<Translated, Fault> {
    let start = tokens.first().map_or(0, |token| token.start);
    if tokens.len() > RULE_TOKENS {
        return Err(Fault::new(
            start,
            format!("an expression of more than {RULE_TOKENS} words and signs"),
        ));
    }
    let out = Translated { text: String::new(), places: Vec::new() };
    let mut translator = Translator {
        source,
        tokens,
        at: 0,
        out,
        open: Vec::new(),
        operand: false,
        conditionals: 0,
    };
    while let Some(token) = tokens.get(translator.at).copied() {
        translator.step(token)?;
    }
    Ok(translator.out)
}

impl Translator<'_> {
    fn text(&self) -> &str {
        self.tokens.get(self.at).map_or("", |token| token.text(self.source))
    }

    fn skip(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn place(&self) -> usize {
        let last = self.tokens.last().map_or(0, |token| token.end);
        self.tokens.get(self.at).map_or(last, |token| token.start)
    }

    fn step(&mut self, token: Token) -> Result<(), Fault> {
        let text = token.text(self.source);
        let before = self.at.checked_sub(1).and_then(|before| self.tokens.get(before));
        let after_dot = before.is_some_and(|before| before.text(self.source) == ".");
        if before.is_some_and(|before| before.end < token.start) {
            self.out.text.push(' ');
        }
        match (token.kind, text) {
            (Kind::Sign, "/") if !self.operand => {
                self.out.push(PATH, token.start);
                self.out.push("(", token.start);
                self.skip();
                return self.segment();
            }
            (Kind::Word, "is") if self.operand && !after_dot => return self.is(token),
            (Kind::Word, _) => {
                if text.starts_with("__") && text != "__name__" {
                    return Err(Fault::new(token.start, format!("the name {text:?} is reserved")));
                }
                self.operand = after_dot || text != "in";
            }
            (Kind::Sign, "[") if self.operand => return self.index(token),
            (Kind::Sign, "(" | "[" | "{") => self.open(token, Open::Plain)?,
            (Kind::Sign, ")" | "]" | "}") => match self.open.pop() {
                Some(Open::Path) => {
                    self.out.push(text, token.start);
                    self.skip();
                    return self.next_segment();
                }
                open => {
                    if let Some(Open::Slice(_)) = open {
                        self.out.push(")", token.start);
                    }
                    self.operand = true;
                }
            },
            (Kind::Sign, ":") if self.open.last() == Some(&Open::Slice(self.at)) => {
                self.operand = false;
                self.out.push(",", token.start);
                self.skip();
                return Ok(());
            }
            (Kind::Sign, "?") => {
                self.conditionals = self.conditionals.saturating_add(1);
                if self.conditionals > RULE_NESTING {
                    return Err(Fault::new(
                        token.start,
                        format!("more than {RULE_NESTING} conditionals in an expression"),
                    ));
                }
                self.operand = false;
            }
            (Kind::Sign, _) => self.operand = false,
            (Kind::Number | Kind::Text, _) => self.operand = true,
        }
        self.out.push(text, token.start);
        self.skip();
        Ok(())
    }

    /// The `[` after an operand, of an index or of a slice.
    fn index(&mut self, token: Token) -> Result<(), Fault> {
        let slice = self.colon();
        self.open(token, slice.map_or(Open::Plain, Open::Slice))?;
        self.out.push("[", token.start);
        if let Some(colon) = slice {
            let text = |at: usize| self.tokens.get(at).map_or("", |token| token.text(self.source));
            let (first, last) = (self.at.saturating_add(1), colon.saturating_add(1));
            if first == colon || text(last) == "]" {
                return Err(Fault::new(token.start, "a slice has both bounds: x[from:to]"));
            }
            self.out.push(SLICE, token.start);
            self.out.push("(", token.start);
        }
        self.skip();
        Ok(())
    }

    /// The `:` between the brackets that open here, unless it belongs to a `?` or to brackets within.
    fn colon(&self) -> Option<usize> {
        let (mut depth, mut conditionals) = (0_usize, 0_usize);
        for (at, token) in self.tokens.iter().enumerate().skip(self.at.saturating_add(1)) {
            match (token.kind, token.text(self.source)) {
                (Kind::Sign, "(" | "[" | "{") => depth = depth.saturating_add(1),
                (Kind::Sign, ")" | "]" | "}") => depth = depth.checked_sub(1)?,
                (Kind::Sign, "?") if depth == 0 => conditionals = conditionals.saturating_add(1),
                (Kind::Sign, ":") if depth == 0 => match conditionals.checked_sub(1) {
                    Some(less) => conditionals = less,
                    None => return Some(at),
                },
                _ => {}
            }
        }
        None
    }

    fn open(&mut self, token: Token, open: Open) -> Result<(), Fault> {
        self.open.push(open);
        self.operand = false;
        if self.open.len() > RULE_NESTING {
            return Err(Fault::new(
                token.start,
                format!("more than {RULE_NESTING} levels of brackets"),
            ));
        }
        Ok(())
    }

    /// `x is type` as `x in __is__type`, which binds alike.
    fn is(&mut self, token: Token) -> Result<(), Fault> {
        self.skip();
        let at = self.place();
        let name = self.text().to_owned();
        if super::value::Type::parse(&name).is_none() {
            return Err(Fault::new(
                at,
                format!("after \"is\" a type stands, and {name:?} is none"),
            ));
        }
        self.out.push("in ", token.start);
        self.out.push(&format!("{TYPE}{name}"), at);
        self.skip();
        self.operand = true;
        Ok(())
    }

    /// A segment of a path.
    fn segment(&mut self) -> Result<(), Fault> {
        let at = self.place();
        match self.text() {
            "$" => {
                self.skip();
                let Some(token) = self.tokens.get(self.at).copied() else {
                    return Err(Fault::new(at, "after \"$\" an expression in brackets stands"));
                };
                if token.text(self.source) != "(" {
                    return Err(Fault::new(at, "after \"$\" an expression in brackets stands"));
                }
                self.out.push("(", token.start);
                self.skip();
                self.open(token, Open::Path)
            }
            "(" => {
                self.skip();
                let default = self.text() == "default";
                self.skip();
                if !default || self.text() != ")" {
                    return Err(Fault::new(
                        at,
                        "a segment of a path is a name, (default) or $(expression)",
                    ));
                }
                self.skip();
                self.out.push("\"(default)\"", at);
                self.next_segment()
            }
            _ => {
                let text = path_text(self.source, self.tokens, &mut self.at);
                if text.is_empty() {
                    return Err(Fault::new(
                        at,
                        "a segment of a path is a name, (default) or $(expression)",
                    ));
                }
                self.out.push(&format!("{text:?}"), at);
                self.next_segment()
            }
        }
    }

    fn next_segment(&mut self) -> Result<(), Fault> {
        let at = self.place();
        if self.text() == "/" {
            self.out.push(",", at);
            self.skip();
            return self.segment();
        }
        self.out.push(")", at);
        self.operand = true;
        Ok(())
    }
}
