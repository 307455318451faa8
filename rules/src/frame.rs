//! The frame of the text: `service`, `match`, `allow`, `function`; expressions are left as ranges of tokens.

use super::cursor::{Cursor, RESERVED};
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
    cursor: Cursor<'s>,
    frame: Frame,
    faults: &'s mut Vec<Fault>,
}

impl<'s> Reader<'s> {
    /// Reads the whole file; what is wrong goes to `faults`.
    pub(super) fn read(source: &'s str, tokens: &'s [Token], faults: &'s mut Vec<Fault>) -> Frame {
        let cursor = Cursor::new(source, tokens, 0);
        let mut reader = Reader { cursor, frame: Frame::default(), faults };
        reader.frame.scopes.push(Scope::default());
        if reader.cursor.word() == Some("rules_version") {
            let read = reader.version();
            reader.recover(read);
        }
        reader.block(0, 0);
        reader.frame
    }

    /// Reads a name to declare.
    fn name(&mut self, what: &str) -> Result<String, Fault> {
        let reserved = [RESERVED, &["is", "request", "__name__"]].concat();
        self.cursor.name(what, &reserved).map(str::to_owned)
    }

    /// Skips what is left of a declaration: to the end of its block, or to the end of the block that it stands in when its
    /// own is open already.
    fn skip_block(&mut self, open: bool) {
        let mut depth = usize::from(open);
        while self.cursor.peek().is_some() {
            match self.cursor.text() {
                "{" => depth = depth.saturating_add(1),
                "}" if depth <= 1 => {
                    self.cursor.at = self.cursor.at.saturating_add(depth);
                    return;
                }
                "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.cursor.skip();
        }
    }

    /// After a fault, goes on at the next statement.
    fn recover(&mut self, read: Result<(), Fault>) {
        let Err(fault) = read else { return };
        self.faults.push(fault);
        while let Some(token) = self.cursor.peek() {
            match self.cursor.text() {
                ";" => {
                    self.cursor.skip();
                    return;
                }
                "}" => return,
                "match" | "allow" | "function" | "service" if token.kind == Kind::Word => return,
                _ => self.cursor.skip(),
            }
        }
    }

    fn version(&mut self) -> Result<(), Fault> {
        self.cursor.skip();
        self.cursor.expect("=")?;
        match self.cursor.text() {
            "'2'" | "\"2\"" => self.cursor.skip(),
            _ => {
                return Err(self.cursor.fault("'2', the only version of rules that there is here"));
            }
        }
        self.cursor.expect(";")
    }

    /// The statements of a scope, up to its brace or the end.
    fn block(&mut self, scope: usize, depth: usize) {
        while self.cursor.peek().is_some() {
            let before = self.cursor.at;
            let read = match self.cursor.text() {
                "}" if scope > 0 => return,
                ";" => {
                    self.cursor.skip();
                    Ok(())
                }
                "service" if depth == 0 => self.service(scope, depth),
                "match" => self.matching(scope, depth),
                "allow" => self.allow(scope),
                "function" => self.function(scope),
                _ => {
                    let fault = self.cursor.fault("\"match\", \"allow\" or \"function\"");
                    self.cursor.skip();
                    Err(fault)
                }
            };
            self.recover(read);
            if self.cursor.at == before {
                self.cursor.skip();
            }
        }
    }

    fn service(&mut self, scope: usize, depth: usize) -> Result<(), Fault> {
        self.cursor.skip();
        self.name("the name of a service")?;
        while self.cursor.text() == "." {
            self.cursor.skip();
            self.name("the name of a service")?;
        }
        self.inner(Scope { parent: Some(scope), ..Scope::default() }, depth)
    }

    /// `{ … }` as a scope of its own.
    fn inner(&mut self, scope: Scope, depth: usize) -> Result<(), Fault> {
        self.cursor.expect("{")?;
        let number = self.frame.scopes.len();
        self.frame.scopes.push(scope);
        self.block(number, depth.saturating_add(1));
        self.cursor.expect("}")
    }

    fn matching(&mut self, scope: usize, depth: usize) -> Result<(), Fault> {
        let at = self.cursor.place();
        self.cursor.skip();
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
        if self.cursor.text() == "/" {
            self.cursor.skip();
        }
        loop {
            let segment = self.segment(scope)?;
            scope.pattern.push(segment);
            if self.cursor.text() != "/" {
                return Ok(());
            }
            self.cursor.skip();
        }
    }

    fn segment(&mut self, scope: &mut Scope) -> Result<Segment, Fault> {
        match self.cursor.text() {
            "{" => {
                self.cursor.skip();
                let name = self.name("the name of a wildcard")?;
                let rest = self.cursor.text() == "=";
                if rest {
                    self.cursor.skip();
                    self.cursor.expect("**")?;
                }
                self.cursor.expect("}")?;
                scope.wildcards.push(name);
                Ok(if rest { Segment::Rest } else { Segment::One })
            }
            _ => Ok(Segment::Literal(self.cursor.segment()?.into())),
        }
    }

    fn allow(&mut self, scope: usize) -> Result<(), Fault> {
        let at = self.cursor.at;
        self.cursor.skip();
        let mut bits = 0;
        loop {
            let wanted = "get, list, create, update, delete, read or write";
            let word = self.cursor.word().and_then(methods);
            bits |= word.ok_or_else(|| self.cursor.fault(wanted))?;
            self.cursor.skip();
            if self.cursor.text() != "," {
                break;
            }
            self.cursor.skip();
        }
        let (mut condition, mut end) = (None, self.cursor.at);
        if self.cursor.text() == ":" {
            self.cursor.skip();
            if self.cursor.word() != Some("if") {
                return Err(self.cursor.fault("\"if\""));
            }
            self.cursor.skip();
            let range = self.expression()?;
            end = range.end;
            condition = Some(range);
        } else {
            self.cursor.expect(";")?;
        }
        if self.frame.scopes.get(scope).is_none_or(|scope| scope.parent.is_none()) {
            return Err(Fault::new(self.cursor.place(), "an allow stands in a match"));
        }
        self.frame.allows.push(Allow { scope, tokens: at..end, methods: bits, condition });
        Ok(())
    }

    /// The tokens up to the `;`, which is skipped.
    fn expression(&mut self) -> Result<Range<usize>, Fault> {
        let start = self.cursor.at;
        let mut depth = 0_usize;
        while let Some(token) = self.cursor.peek() {
            match (token.kind, self.cursor.text()) {
                (Kind::Sign, "(" | "[" | "{") => depth = depth.saturating_add(1),
                (Kind::Sign, ")" | "]" | "}") => match depth.checked_sub(1) {
                    Some(less) => depth = less,
                    None => return Err(self.cursor.fault("\";\"")),
                },
                (Kind::Sign, ";") if depth == 0 => {
                    if start == self.cursor.at {
                        return Err(self.cursor.fault("an expression"));
                    }
                    let range = start..self.cursor.at;
                    self.cursor.skip();
                    return Ok(range);
                }
                (Kind::Sign, ";") | (Kind::Word, "allow" | "match" | "function" | "return") => {
                    return Err(self.cursor.fault("the rest of the expression and its \";\""));
                }
                _ => {}
            }
            self.cursor.skip();
        }
        Err(self.cursor.fault("\";\""))
    }

    fn function(&mut self, scope: usize) -> Result<(), Fault> {
        self.cursor.skip();
        let at = self.cursor.place();
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
        self.cursor.expect("(")?;
        while self.cursor.text() != ")" {
            let at = self.cursor.place();
            let parameter = self.name("the name of a parameter")?;
            if parameters.contains(&parameter) {
                return Err(Fault::new(at, format!("two parameters are called {parameter:?}")));
            }
            parameters.push(parameter);
            if self.cursor.text() != "," {
                break;
            }
            self.cursor.skip();
        }
        self.cursor.expect(")")?;
        self.cursor.expect("{")?;
        Ok((name, parameters))
    }

    /// `let name = value; … return body; }`
    fn function_body(&mut self) -> Result<(Vec<Let>, Range<usize>), Fault> {
        let mut lets = Vec::new();
        while self.cursor.word() == Some("let") {
            self.cursor.skip();
            let at = self.cursor.place();
            let name = self.name("the name of a variable")?;
            self.cursor.expect("=")?;
            lets.push(Let { name, value: self.expression()? });
            if lets.len() > RULE_LETS {
                return Err(Fault::new(at, format!("more than {RULE_LETS} let in a function")));
            }
        }
        if self.cursor.word() != Some("return") {
            return Err(self.cursor.fault("\"return\" or \"let\""));
        }
        self.cursor.skip();
        let body = self.expression()?;
        self.cursor.expect("}")?;
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
