//! The frame of the text: `service`, `match`, `allow`, `function`; expressions are left as ranges of tokens.

use super::scan::{Fault, Kind, Token};
use blaze_schema::limits::{RULE_LETS, RULES_DEPTH, RULES_FUNCTIONS};
use std::ops::Range;

/// A segment of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// This text.
    Literal(Box<str>),
    /// `{id}`: any one segment.
    One,
    /// `{path=**}`: any segments, none too.
    Rest,
}

/// What stands between the braces of a `match`, a `service`, or the whole file.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub(super) parent: Option<usize>,
    pub(super) pattern: Vec<Segment>,
    /// The names of the pattern's wildcards, in its order.
    pub(super) wildcards: Vec<String>,
    /// Names of functions and their places in [`Frame::functions`].
    pub(super) functions: Vec<(String, usize)>,
}

/// `let name = expression;`
#[derive(Clone, Debug)]
pub(super) struct Let {
    pub(super) name: String,
    pub(super) value: Range<usize>,
}

/// `function name(parameters) { lets return body; }`
#[derive(Clone, Debug)]
pub(super) struct Declaration {
    pub(super) scope: usize,
    pub(super) name: String,
    pub(super) at: usize,
    pub(super) parameters: Vec<String>,
    pub(super) lets: Vec<Let>,
    pub(super) body: Range<usize>,
}

/// `allow methods: if condition;`
#[derive(Clone, Debug)]
pub(super) struct Allow {
    pub(super) scope: usize,
    /// Its tokens, without the `;`.
    pub(super) tokens: Range<usize>,
    pub(super) methods: u8,
    pub(super) condition: Option<Range<usize>>,
}

/// All that is declared.
#[derive(Clone, Debug, Default)]
pub(super) struct Frame {
    /// The first is the whole file.
    pub(super) scopes: Vec<Scope>,
    pub(super) functions: Vec<Declaration>,
    pub(super) allows: Vec<Allow>,
}

/// The methods that a word of `allow` stands for, a bit each, in the order of [`super::Method`].
fn methods(word: &str) -> Option<u8> {
    Some(match word {
        "get" => 1,
        "list" => 2,
        "create" => 4,
        "update" => 8,
        "delete" => 16,
        "read" => 1 | 2,
        "write" => 4 | 8 | 16,
        _ => return None,
    })
}

pub(super) struct Reader<'s> {
    source: &'s str,
    tokens: &'s [Token],
    at: usize,
    frame: Frame,
    faults: &'s mut Vec<Fault>,
}

impl<'s> Reader<'s> {
    /// Reads the whole file; what is wrong goes to `faults`.
    pub(super) fn read(source: &'s str, tokens: &'s [Token], faults: &'s mut Vec<Fault>) -> Frame {
        let mut reader = Reader { source, tokens, at: 0, frame: Frame::default(), faults };
        reader.frame.scopes.push(Scope::default());
        if reader.word() == Some("rules_version") {
            let read = reader.version();
            reader.recover(read);
        }
        reader.block(0, 0);
        reader.frame
    }

    fn peek(&self) -> Option<Token> {
        self.tokens.get(self.at).copied()
    }

    fn text(&self) -> &'s str {
        self.peek().map_or("", |token| token.text(self.source))
    }

    fn word(&self) -> Option<&'s str> {
        self.peek().filter(|token| token.kind == Kind::Word).map(|token| token.text(self.source))
    }

    /// The byte that the next token begins at.
    fn place(&self) -> usize {
        self.peek().map_or(self.source.len(), |token| token.start)
    }

    fn skip(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn fault(&self, expected: &str) -> Fault {
        let there = match self.text() {
            "" => "the end of the text".to_owned(),
            there => format!("{there:?}"),
        };
        Fault::new(self.place(), format!("expected {expected}, not {there}"))
    }

    fn expect(&mut self, sign: &str) -> Result<(), Fault> {
        if self.text() != sign {
            return Err(self.fault(&format!("{sign:?}")));
        }
        self.skip();
        Ok(())
    }

    fn name(&mut self, what: &str) -> Result<String, Fault> {
        let begins = |word: &&str| word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let name = self.word().filter(begins).ok_or_else(|| self.fault(what))?;
        if name.starts_with("__") || RESERVED.contains(&name) {
            return Err(Fault::new(self.place(), format!("the name {name:?} is reserved")));
        }
        self.skip();
        Ok(name.to_owned())
    }

    /// Skips what is left of a declaration: to the end of its block, or to the end of the block that it stands in when its
    /// own is open already.
    fn skip_block(&mut self, open: bool) {
        let mut depth = usize::from(open);
        while self.peek().is_some() {
            match self.text() {
                "{" => depth = depth.saturating_add(1),
                "}" if depth <= 1 => {
                    self.at = self.at.saturating_add(depth);
                    return;
                }
                "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.skip();
        }
    }

    /// After a fault, goes on at the next statement.
    fn recover(&mut self, read: Result<(), Fault>) {
        let Err(fault) = read else { return };
        self.faults.push(fault);
        while let Some(token) = self.peek() {
            match token.text(self.source) {
                ";" => {
                    self.skip();
                    return;
                }
                "}" => return,
                "match" | "allow" | "function" | "service" if token.kind == Kind::Word => return,
                _ => self.skip(),
            }
        }
    }

    fn version(&mut self) -> Result<(), Fault> {
        self.skip();
        self.expect("=")?;
        match self.text() {
            "'2'" | "\"2\"" => self.skip(),
            _ => return Err(self.fault("'2', the only version of rules that there is here")),
        }
        self.expect(";")
    }

    /// The statements of a scope, up to its brace or the end.
    fn block(&mut self, scope: usize, depth: usize) {
        while let Some(token) = self.peek() {
            let before = self.at;
            let read = match token.text(self.source) {
                "}" if scope > 0 => return,
                ";" => {
                    self.skip();
                    Ok(())
                }
                "service" if depth == 0 => self.service(scope, depth),
                "match" => self.matching(scope, depth),
                "allow" => self.allow(scope),
                "function" => self.function(scope),
                _ => {
                    let fault = self.fault("\"match\", \"allow\" or \"function\"");
                    self.skip();
                    Err(fault)
                }
            };
            self.recover(read);
            if self.at == before {
                self.skip();
            }
        }
    }

    fn service(&mut self, scope: usize, depth: usize) -> Result<(), Fault> {
        self.skip();
        self.name("the name of a service")?;
        while self.text() == "." {
            self.skip();
            self.name("the name of a service")?;
        }
        self.inner(Scope { parent: Some(scope), ..Scope::default() }, depth)
    }

    /// `{ … }` as a scope of its own.
    fn inner(&mut self, scope: Scope, depth: usize) -> Result<(), Fault> {
        self.expect("{")?;
        let number = self.frame.scopes.len();
        self.frame.scopes.push(scope);
        self.block(number, depth.saturating_add(1));
        self.expect("}")
    }

    fn matching(&mut self, scope: usize, depth: usize) -> Result<(), Fault> {
        let at = self.place();
        self.skip();
        if depth >= RULES_DEPTH {
            return Err(Fault::new(at, format!("more than {RULES_DEPTH} levels of match")));
        }
        let mut inner = Scope { parent: Some(scope), ..Scope::default() };
        if let Err(fault) = self.pattern(&mut inner).and_then(|()| self.distinct(scope, &inner, at))
        {
            self.faults.push(fault);
            self.skip_block(false);
            return Ok(());
        }
        self.inner(inner, depth)
    }

    /// Refuses a wildcard's name that is taken, and a second recursive wildcard.
    fn distinct(&self, parent: usize, scope: &Scope, at: usize) -> Result<(), Fault> {
        let mut names: Vec<&String> = Vec::new();
        let mut rests = 0_usize;
        let mut next = Some(parent);
        let mut scopes = vec![scope];
        while let Some(scope) = next.and_then(|number| self.frame.scopes.get(number)) {
            scopes.push(scope);
            next = scope.parent;
        }
        for scope in scopes {
            rests =
                rests.saturating_add(scope.pattern.iter().filter(|s| **s == Segment::Rest).count());
            for name in &scope.wildcards {
                if names.contains(&name) {
                    return Err(Fault::new(
                        at,
                        format!("two wildcards of one path are called {name:?}"),
                    ));
                }
                names.push(name);
            }
        }
        if rests > 1 {
            return Err(Fault::new(at, "a path has more than one recursive wildcard, {name=**}"));
        }
        Ok(())
    }

    fn pattern(&mut self, scope: &mut Scope) -> Result<(), Fault> {
        if self.text() == "/" {
            self.skip();
        }
        loop {
            let segment = self.segment(scope)?;
            scope.pattern.push(segment);
            if self.text() != "/" {
                return Ok(());
            }
            self.skip();
        }
    }

    fn segment(&mut self, scope: &mut Scope) -> Result<Segment, Fault> {
        match self.text() {
            "{" => {
                self.skip();
                let name = self.name("the name of a wildcard")?;
                let rest = self.text() == "=";
                if rest {
                    self.skip();
                    self.expect("**")?;
                }
                self.expect("}")?;
                scope.wildcards.push(name);
                Ok(if rest { Segment::Rest } else { Segment::One })
            }
            "(" => {
                self.skip();
                if self.word() != Some("default") {
                    return Err(self.fault("(default)"));
                }
                self.skip();
                self.expect(")")?;
                Ok(Segment::Literal("(default)".into()))
            }
            _ => {
                let text = path_text(self.source, self.tokens, &mut self.at);
                if text.is_empty() {
                    return Err(self.fault("a segment of a path"));
                }
                Ok(Segment::Literal(text.into()))
            }
        }
    }

    fn allow(&mut self, scope: usize) -> Result<(), Fault> {
        let at = self.at;
        self.skip();
        let mut bits = 0;
        loop {
            let wanted = "get, list, create, update, delete, read or write";
            let word = self.word().and_then(methods);
            bits |= word.ok_or_else(|| self.fault(wanted))?;
            self.skip();
            if self.text() != "," {
                break;
            }
            self.skip();
        }
        let (mut condition, mut end) = (None, self.at);
        if self.text() == ":" {
            self.skip();
            if self.word() != Some("if") {
                return Err(self.fault("\"if\""));
            }
            self.skip();
            let range = self.expression()?;
            end = range.end;
            condition = Some(range);
        } else {
            self.expect(";")?;
        }
        if self.frame.scopes.get(scope).is_none_or(|scope| scope.parent.is_none()) {
            return Err(Fault::new(self.place(), "an allow stands in a match"));
        }
        self.frame.allows.push(Allow { scope, tokens: at..end, methods: bits, condition });
        Ok(())
    }

    /// The tokens up to the `;`, which is skipped.
    fn expression(&mut self) -> Result<Range<usize>, Fault> {
        let start = self.at;
        let mut depth = 0_usize;
        while let Some(token) = self.peek() {
            match (token.kind, token.text(self.source)) {
                (Kind::Sign, "(" | "[" | "{") => depth = depth.saturating_add(1),
                (Kind::Sign, ")" | "]" | "}") => match depth.checked_sub(1) {
                    Some(less) => depth = less,
                    None => return Err(self.fault("\";\"")),
                },
                (Kind::Sign, ";") if depth == 0 => {
                    if start == self.at {
                        return Err(self.fault("an expression"));
                    }
                    let range = start..self.at;
                    self.skip();
                    return Ok(range);
                }
                (Kind::Sign, ";") | (Kind::Word, "allow" | "match" | "function" | "return") => {
                    return Err(self.fault("the rest of the expression and its \";\""));
                }
                _ => {}
            }
            self.skip();
        }
        Err(self.fault("\";\""))
    }

    fn function(&mut self, scope: usize) -> Result<(), Fault> {
        self.skip();
        let at = self.place();
        let (name, parameters) = match self.signature() {
            Ok(signature) => signature,
            Err(fault) => {
                self.faults.push(fault);
                self.skip_block(false);
                return Ok(());
            }
        };
        match self.function_body() {
            Ok((lets, body)) => {
                self.declare(Declaration { scope, name, at, parameters, lets, body })
            }
            Err(fault) => {
                self.faults.push(fault);
                self.skip_block(true);
                Ok(())
            }
        }
    }

    /// `name(parameters) {`
    fn signature(&mut self) -> Result<(String, Vec<String>), Fault> {
        let name = self.name("the name of a function")?;
        let mut parameters = Vec::new();
        self.expect("(")?;
        while self.text() != ")" {
            let at = self.place();
            let parameter = self.name("the name of a parameter")?;
            if parameters.contains(&parameter) {
                return Err(Fault::new(at, format!("two parameters are called {parameter:?}")));
            }
            parameters.push(parameter);
            if self.text() != "," {
                break;
            }
            self.skip();
        }
        self.expect(")")?;
        self.expect("{")?;
        Ok((name, parameters))
    }

    /// `let name = value; … return body; }`
    fn function_body(&mut self) -> Result<(Vec<Let>, Range<usize>), Fault> {
        let mut lets = Vec::new();
        while self.word() == Some("let") {
            self.skip();
            let at = self.place();
            let name = self.name("the name of a variable")?;
            self.expect("=")?;
            lets.push(Let { name, value: self.expression()? });
            if lets.len() > RULE_LETS {
                return Err(Fault::new(at, format!("more than {RULE_LETS} let in a function")));
            }
        }
        if self.word() != Some("return") {
            return Err(self.fault("\"return\" or \"let\""));
        }
        self.skip();
        let body = self.expression()?;
        self.expect("}")?;
        Ok((lets, body))
    }

    fn declare(&mut self, function: Declaration) -> Result<(), Fault> {
        let number = self.frame.functions.len();
        if number >= RULES_FUNCTIONS {
            return Err(Fault::new(function.at, format!("more than {RULES_FUNCTIONS} functions")));
        }
        let Some(scope) = self.frame.scopes.get_mut(function.scope) else { return Ok(()) };
        if scope.functions.iter().any(|(name, _)| *name == function.name) {
            let message = format!("two functions are called {:?}", function.name);
            return Err(Fault::new(function.at, message));
        }
        scope.functions.push((function.name.clone(), number));
        self.frame.functions.push(function);
        Ok(())
    }
}

/// Words that name nothing: CEL's own, and those of the frame.
const RESERVED: [&str; 23] = [
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
    "is",
    "request",
];

/// The letters, digits, `_`, `-`, `~` and `.` of a path's segment, which no white space parts.
pub(super) fn path_text<'s>(source: &'s str, tokens: &[Token], at: &mut usize) -> &'s str {
    let Some(first) = tokens.get(*at).copied() else { return "" };
    let mut end = first.start;
    while let Some(token) = tokens.get(*at) {
        let text = token.text(source);
        let part =
            matches!(token.kind, Kind::Word | Kind::Number) || matches!(text, "-" | "~" | ".");
        if !part || token.start != end {
            break;
        }
        end = token.end;
        *at = at.saturating_add(1);
    }
    source.get(first.start..end).unwrap_or_default()
}
