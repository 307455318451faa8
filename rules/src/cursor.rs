//! A place among the tokens, from which [`super::frame`] and [`super::parse`] read on.

use super::scan::{Fault, Kind, Token};

/// Words that CEL's grammar takes for itself, even as names of fields.
pub(super) const KEYWORDS: &[&str] = &["true", "false", "null", "in"];

/// Words that name no variable and no function: CEL's keywords, and those that it reserves.
pub(super) const RESERVED: &[&str] = &[
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// The tokens of a text, and the number of the next one.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'s> {
    source: &'s str,
    tokens: &'s [Token],
    pub(super) at: usize,
}

impl<'s> Cursor<'s> {
    pub(super) fn new(source: &'s str, tokens: &'s [Token], at: usize) -> Self {
        Cursor { source, tokens, at }
    }

    /// The next token.
    pub(super) fn peek(&self) -> Option<Token> {
        self.tokens.get(self.at).copied()
    }

    /// The text of the token that comes after so many others; empty past the end.
    pub(super) fn ahead(&self, tokens: usize) -> &'s str {
        let token = self.tokens.get(self.at.saturating_add(tokens));
        token.map_or("", |token| token.text(self.source))
    }

    /// The text of the next token.
    pub(super) fn text(&self) -> &'s str {
        self.ahead(0)
    }

    /// The next token, if it is a word.
    pub(super) fn word(&self) -> Option<&'s str> {
        self.peek().filter(|token| token.kind == Kind::Word).map(|token| token.text(self.source))
    }

    /// The byte that the next token begins at.
    pub(super) fn place(&self) -> usize {
        self.peek().map_or(self.source.len(), |token| token.start)
    }

    /// The byte that the token before ends at.
    pub(super) fn end(&self) -> usize {
        let before = self.at.checked_sub(1).and_then(|before| self.tokens.get(before));
        before.map_or(0, |token| token.end)
    }

    pub(super) fn skip(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// Skips a sign or a word; false if it is not next.
    pub(super) fn take(&mut self, text: &str) -> bool {
        let is_next = self.text() == text;
        if is_next {
            self.skip();
        }
        is_next
    }

    /// The error that something else is next.
    pub(super) fn fault(&self, expected: &str) -> Fault {
        let there = match self.text() {
            "" => "the end of the text".to_owned(),
            there => format!("{there:?}"),
        };
        Fault::new(self.place(), format!("expected {expected}, not {there}"))
    }

    /// Skips a sign or a word that has to be next.
    pub(super) fn expect(&mut self, text: &str) -> Result<(), Fault> {
        if self.take(text) { Ok(()) } else { Err(self.fault(&format!("{text:?}"))) }
    }

    /// Reads a name that is none of the `reserved`. Names with `__` before them are Firestore's own.
    pub(super) fn name(&mut self, what: &str, reserved: &[&str]) -> Result<&'s str, Fault> {
        let name = self.word().ok_or_else(|| self.fault(what))?;
        if (name.starts_with("__") && name != "__name__") || reserved.contains(&name) {
            return Err(Fault::new(self.place(), format!("the name {name:?} is reserved")));
        }
        self.skip();
        Ok(name)
    }

    /// Reads a literal segment of a path: `(default)`, or letters, digits, `_`, `-`, `~` and `.` without white space.
    pub(super) fn segment(&mut self) -> Result<&'s str, Fault> {
        if self.take("(") {
            self.expect("default")?;
            self.expect(")")?;
            return Ok("(default)");
        }
        let start = self.place();
        let mut end = start;
        while let Some(token) = self.peek().filter(|token| token.start == end) {
            let is_part = matches!(token.kind, Kind::Word | Kind::Number)
                || matches!(self.text(), "-" | "~" | ".");
            if !is_part {
                break;
            }
            end = token.end;
            self.skip();
        }
        match self.source.get(start..end) {
            None | Some("") => Err(self.fault("a segment of a path")),
            Some(text) => Ok(text),
        }
    }
}
