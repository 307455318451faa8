//! Rust source as far as a test of style needs it: what is code and what is a comment, a string or a test; which
//! functions there are and how long.

/// The text with every comment, string and character literal blanked out. Lines stay where they are.
pub fn code_of(source: &str) -> String {
    let characters: Vec<char> = source.chars().collect();
    let mut code: Vec<char> = Vec::with_capacity(characters.len());
    let mut at = 0;
    while at < characters.len() {
        let end = literal_end(&characters, at, code.last().copied());
        if end > at {
            code.extend(characters[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        } else {
            code.push(characters[at]);
            at += 1;
        }
    }
    code.into_iter().collect()
}

/// Where the comment or literal that begins at `at` ends; `at` when none does. `before` is the character before it.
fn literal_end(characters: &[char], at: usize, before: Option<char>) -> usize {
    let rest = &characters[at..];
    let starts = |text: &str| text.chars().zip(rest).filter(|(a, b)| a == *b).count() == text.len();
    let inside_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if starts("//") {
        return at + rest.iter().position(|c| *c == '\n').unwrap_or(rest.len());
    }
    if starts("/*") {
        return at + block_comment(rest);
    }
    if rest[0] == '"' {
        return at + quoted(rest, '"');
    }
    if rest[0] == '\'' {
        // `'a` is a lifetime, `'a'` and `'\n'` are characters.
        let is_character = rest.get(1) == Some(&'\\') || rest.get(2) == Some(&'\'');
        return if is_character { at + quoted(rest, '\'') } else { at };
    }
    if !inside_word && matches!(rest[0], 'r' | 'b') {
        return at + prefixed(rest);
    }
    at
}

/// The length of a block comment; they nest.
fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a literal in quotes, with escapes.
fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// The length of `r"…"`, `r#"…"#`, `b"…"`, `br"…"`, `b'…'`; 0 for anything else.
fn prefixed(rest: &[char]) -> usize {
    let letters = rest.iter().take_while(|c| matches!(c, 'r' | 'b')).count();
    let raw = rest[..letters].contains(&'r');
    let hashes = rest[letters..].iter().take_while(|c| **c == '#').count();
    let open = letters + hashes;
    match rest.get(open) {
        Some('"') if raw && letters <= 2 => {
            let mut end = open + 1;
            let closes = |end: usize| {
                rest[end] == '"'
                    && rest[end + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes
            };
            while end < rest.len() && !closes(end) {
                end += 1;
            }
            (end + 1 + hashes).min(rest.len())
        }
        Some(quote @ ('"' | '\'')) if !raw && hashes == 0 && letters == 1 => {
            open + quoted(&rest[open..], *quote)
        }
        _ => 0,
    }
}

/// The code without its `#[cfg(test)]` modules, and those modules. `code` is that of [`code_of`].
pub fn split_tests(code: &str) -> (String, String) {
    const MARK: &str = "#[cfg(test)]\nmod ";
    let (mut outside, mut tests, mut rest) = (String::new(), String::new(), code);
    while let Some(start) = rest.find(MARK) {
        let end = rest[start..]
            .find('{')
            .map_or(rest.len(), |open| start + open + block(&rest[start + open..]));
        outside.push_str(&rest[..start]);
        // Lines stay where they are.
        outside.extend(rest[start..end].chars().filter(|c| *c == '\n'));
        tests.push_str(&rest[start..end]);
        rest = &rest[end..];
    }
    outside.push_str(rest);
    (outside, tests)
}

/// The length of a block that begins with its `{`.
fn block(text: &str) -> usize {
    let mut depth = 0;
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

/// A function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of its `fn`, from 1.
    pub line: usize,
    /// From its `fn` to its closing brace.
    pub lines: usize,
}

/// The functions that have bodies. `code` is that of [`code_of`].
pub fn functions(code: &str) -> Vec<Function> {
    words(code)
        .filter(|(_, word)| *word == "fn")
        .filter_map(|(at, _)| {
            let rest = &code[at..];
            let name: String = rest[2..]
                .trim_start()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            // `fn(…)` is a type, and `fn a();` has no body.
            let open = body(rest)?;
            let lines = rest[..open + block(&rest[open..])].matches('\n').count() + 1;
            let line = code[..at].matches('\n').count() + 1;
            (!name.is_empty()).then_some(Function { name, line, lines })
        })
        .collect()
}

/// Where the body of a function begins; a signature without one ends in a semicolon outside of brackets.
fn body(function: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, character) in function.char_indices() {
        match character {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ';' if depth == 0 => return None,
            '{' if depth == 0 => return Some(at),
            _ => {}
        }
    }
    None
}

/// The words of some code, and where each begins.
pub fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + code[from..].find(is_word)?;
        let end = code[start..].find(|c| !is_word(c)).map_or(code.len(), |length| start + length);
        from = end;
        Some((start, &code[start..end]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r##"
//! async in a comment
fn one<'a>(text: &'a str) -> char {
    let quoted = "unsafe { \" fn two() {";
    let raw = r#"Arc " Mutex"#; /* RefCell /* nested */ still */
    let bytes = (b"worker", b'{', '\'', '"', r"std::fs");
    '}'
}

trait Some { fn without(&self); fn with(&self) -> [u8; 2] { [1, 2] } }

#[cfg(test)]
mod tests {
    fn inside() { async {} }
}

fn last() {
}
"##;

    #[test]
    fn comments_and_literals_are_no_code() {
        let code = code_of(SAMPLE);
        for word in ["unsafe", "two", "Arc", "Mutex", "RefCell", "still", "worker", "fs"] {
            assert!(words(&code).all(|(_, there)| there != word), "{word}: {code}");
        }
        assert_eq!(code.matches('\n').count(), SAMPLE.matches('\n').count());
        assert!(words(&code).any(|(_, word)| word == "a"), "a lifetime is code");
    }

    #[test]
    fn tests_are_apart_and_functions_are_counted() {
        let code = code_of(SAMPLE);
        let (outside, tests) = split_tests(&code);
        assert!(!outside.contains("async") && tests.contains("async"));
        let found: Vec<_> = functions(&outside)
            .into_iter()
            .map(|function| (function.name, function.line, function.lines))
            .collect();
        let expected = [("one", 3, 6), ("with", 10, 1), ("last", 17, 2)]
            .map(|(name, line, lines)| (name.to_owned(), line, lines));
        assert_eq!(found, expected);
    }
}
