//! The text of rules as words and signs, each with its place.

use super::Diagnostic;

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or a keyword.
    Word,
    /// A number, without a sign.
    Number,
    /// A text in one or three quotes, with what stands before them (`r`, `b`, `rb`, `br`).
    Text,
    /// A sign of one or two characters.
    Sign,
}

/// A word, number, text or sign, from one byte of the source to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Token {
    /// How it is written.
    pub(super) fn text<'s>(&self, source: &'s str) -> &'s str {
        source.get(self.start..self.end).unwrap_or_default()
    }
}

/// An error at a byte of the source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(at: usize, message: impl Into<String>) -> Self {
        Fault { at, message: message.into() }
    }

    /// With line and column.
    pub(super) fn locate(self, source: &str) -> Diagnostic {
        let mut at = self.at.min(source.len());
        while !source.is_char_boundary(at) {
            at = at.saturating_sub(1);
        }
        let before = source.get(..at).unwrap_or_default();
        let line = before.bytes().filter(|byte| *byte == b'\n').count().saturating_add(1);
        let last = before.rsplit('\n').next().unwrap_or_default();
        Diagnostic { line, column: last.chars().count().saturating_add(1), message: self.message }
    }
}

/// The error of a text whose last quotes are missing.
pub(super) const NOT_CLOSED: &str = "a text is not closed";

/// Reads all tokens; comments and white space are left out. What can be no token is told and left out too.
pub(super) fn scan(source: &str, faults: &mut Vec<Fault>) -> Vec<Token> {
    let mut scanner = Scanner { bytes: source.as_bytes(), at: 0 };
    let mut tokens = Vec::new();
    while let Some(byte) = scanner.peek(0) {
        let start = scanner.at;
        let kind = match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {
                scanner.skip(1);
                continue;
            }
            b'/' if scanner.peek(1) == Some(b'/') => {
                scanner.skip_while(|byte| byte != b'\n');
                continue;
            }
            b'/' if scanner.peek(1) == Some(b'*') => {
                if !scanner.skip_comment() {
                    faults.push(Fault::new(start, "a comment is not closed"));
                }
                continue;
            }
            b'\'' | b'"' => scanner.text(start, faults),
            b'0'..=b'9' => scanner.number(),
            b'.' if scanner.peek(1).is_some_and(|next| next.is_ascii_digit()) => scanner.number(),
            byte if is_word(byte) => {
                scanner.skip_while(is_word);
                let prefix = source.get(start..scanner.at).unwrap_or_default();
                let quoted = matches!(scanner.peek(0), Some(b'\'' | b'"'));
                if quoted && ["r", "b", "rb", "br"].iter().any(|it| prefix.eq_ignore_ascii_case(it))
                {
                    scanner.text(start, faults)
                } else {
                    Kind::Word
                }
            }
            byte if byte.is_ascii_graphic() => scanner.sign(),
            _ => {
                let character = source.get(start..).and_then(|rest| rest.chars().next());
                scanner.skip(character.map_or(1, char::len_utf8));
                let character = character.unwrap_or_default();
                faults.push(Fault::new(
                    start,
                    format!("the character {character:?} has no meaning here"),
                ));
                continue;
            }
        };
        tokens.push(Token { kind, start, end: scanner.at });
    }
    tokens
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

struct Scanner<'s> {
    bytes: &'s [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at.saturating_add(ahead)).copied()
    }

    fn skip(&mut self, count: usize) {
        self.at = self.at.saturating_add(count).min(self.bytes.len());
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&wanted) {
            self.skip(1);
        }
    }

    /// Whether the comment ends.
    fn skip_comment(&mut self) -> bool {
        self.skip(2);
        while let Some(byte) = self.peek(0) {
            if byte == b'*' && self.peek(1) == Some(b'/') {
                self.skip(2);
                return true;
            }
            self.skip(1);
        }
        false
    }

    /// Reads a text in single or double quotes, on one line unless there are three of them. Its prefix is read already.
    fn text(&mut self, start: usize, faults: &mut Vec<Fault>) -> Kind {
        let prefix = self.bytes.get(start..self.at).unwrap_or_default();
        let raw = prefix.iter().any(|byte| matches!(byte, b'r' | b'R'));
        let quote = self.peek(0);
        let tripled = |own: &Self| (0..3).all(|ahead| own.peek(ahead) == quote);
        let triple = tripled(self);
        let width = if triple { 3 } else { 1 };
        self.skip(width);
        loop {
            match self.peek(0) {
                None => break,
                Some(b'\n') if !triple => break,
                Some(b'\\') if !raw => self.skip(2),
                byte if byte == quote && (!triple || tripled(self)) => {
                    self.skip(width);
                    return Kind::Text;
                }
                _ => self.skip(1),
            }
        }
        faults.push(Fault::new(start, NOT_CLOSED));
        Kind::Text
    }

    fn number(&mut self) -> Kind {
        let is_hex = matches!(self.peek(1), Some(b'x' | b'X'));
        let mut last = 0;
        while let Some(byte) = self.peek(0) {
            let point = byte == b'.' && self.peek(1).is_some_and(|next| next.is_ascii_digit());
            let sign = matches!(byte, b'+' | b'-') && matches!(last, b'e' | b'E') && !is_hex;
            if !is_word(byte) && !point && !sign {
                break;
            }
            last = byte;
            self.skip(1);
        }
        Kind::Number
    }

    fn sign(&mut self) -> Kind {
        let two = matches!(
            (self.peek(0), self.peek(1)),
            (Some(b'&'), Some(b'&'))
                | (Some(b'|'), Some(b'|'))
                | (Some(b'=' | b'!' | b'<' | b'>'), Some(b'='))
                | (Some(b'*'), Some(b'*'))
        );
        self.skip(if two { 2 } else { 1 });
        Kind::Sign
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> (Vec<&str>, Vec<usize>) {
        let mut faults = Vec::new();
        let tokens = scan(source, &mut faults);
        let texts = tokens.iter().map(|token| token.text(source)).collect();
        (texts, faults.into_iter().map(|fault| fault.at).collect())
    }

    #[test]
    fn words_signs_numbers_and_texts_are_told_apart() {
        let (found, faults) =
            texts("a.b&&!c /* x ; */ <= 1.5e-3 // no\n r'\\' + \"a\\\"b\" {p=**}");
        let wanted = [
            "a",
            ".",
            "b",
            "&&",
            "!",
            "c",
            "<=",
            "1.5e-3",
            "r'\\'",
            "+",
            "\"a\\\"b\"",
            "{",
            "p",
            "=",
            "**",
            "}",
        ];
        assert_eq!((found, faults), (wanted.to_vec(), vec![]));
    }

    #[test]
    fn literals_are_whole() {
        for literal in
            [".5", "0xe", "1e+5", "'''a'\\n\n'''", "\"\"\"\"\"\"", "rb'\\'", "BR'''\\'''", "''"]
        {
            assert_eq!(texts(literal), (vec![literal], vec![]));
        }
        assert_eq!(texts("0xe+5 'a''b' x.y").0, ["0xe", "+", "5", "'a'", "'b'", "x", ".", "y"]);
        assert_eq!(texts("a r'''b''").1, [2]);
    }

    #[test]
    fn what_is_no_token_is_told() {
        assert_eq!(texts("a é b"), (vec!["a", "b"], vec![2]));
        assert_eq!(texts("'a\nb"), (vec!["'a", "b"], vec![0]));
        assert_eq!(texts("a /* b").1, [2]);
        assert_eq!(texts("'\\").1, [0]);
    }

    #[test]
    fn a_place_counts_characters() {
        let place = Fault::new("é\nüx".len() - 1, "x").locate("é\nüx");
        assert_eq!((place.line, place.column), (2, 2));
    }
}
