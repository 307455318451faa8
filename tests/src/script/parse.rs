//! Reads scripts.

use super::ScriptError;
use super::home::Settings;
use super::names::name_length;
use serde_json::{Map, Value};

/// A script without its answers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Script {
    /// Its Blaze.
    pub(super) settings: Settings,
    /// Paragraphs in order.
    pub(super) paragraphs: Vec<Paragraph>,
}

/// The lines between two blank lines.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Paragraph {
    /// Comments and commands as they were written, each line with its end.
    pub(super) source: String,
    /// The commands, each with its line.
    pub(super) commands: Vec<(usize, Command)>,
}

impl Paragraph {
    /// True if answers stand below the commands.
    pub(super) fn is_answered(&self) -> bool {
        self.commands.iter().any(|(_, command)| !command.is_silent())
    }
}

/// A request as a script has it. Texts may have names in them, such as `<id 1>`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    /// The caller.
    pub(super) caller: Option<String>,
    /// The method.
    pub(super) method: String,
    /// Path and query, percent-encoded.
    pub(super) path: String,
    /// Names and values.
    pub(super) headers: Vec<(String, String)>,
    /// The body.
    pub(super) body: Option<String>,
}

/// A command. Texts may have names in them, such as `<id 1>`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Command {
    /// `server {…}`: see [`Settings`].
    Server,
    /// `token alice {"sub":"alice"}`
    Token {
        /// The caller's name in later commands.
        caller: String,
        /// Claims of the token.
        claims: Map<String, Value>,
    },
    /// `GET /v1/docs/users/alice`
    Request(Asked),
    /// `given PUT /v1/docs/users/alice {…}`: a request that succeeds, and whose answer is not shown.
    Given(Asked),
    /// `open alice /v1/docs/users/alice`
    Open {
        /// The caller.
        caller: Option<String>,
        /// The socket's name.
        socket: String,
        /// Path and query.
        path: String,
    },
    /// `send alice {…}`
    Send {
        /// The socket's name.
        socket: String,
        /// The frame.
        text: String,
    },
    /// `close alice`
    Close {
        /// The socket's name.
        socket: String,
    },
}

impl Command {
    /// True for commands that have no answer.
    pub(super) fn is_silent(&self) -> bool {
        matches!(self, Command::Server | Command::Token { .. } | Command::Given(_))
    }
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, ScriptError> {
        if !text.starts_with("# ") {
            return Err(ScriptError::new(
                1,
                "a script begins with a comment that says what it shows",
            ));
        }
        let mut script = Script { settings: Settings::default(), paragraphs: Vec::new() };
        let lines: Vec<&str> = text.lines().collect();
        let mut first = 0;
        for paragraph in lines.split(|line| line.trim().is_empty()) {
            if !paragraph.is_empty() {
                script.paragraph(first + 1, paragraph)?;
            }
            first += paragraph.len() + 1;
        }
        Ok(script)
    }

    /// Reads lines, the first of which has this number.
    fn paragraph(&mut self, first: usize, lines: &[&str]) -> Result<(), ScriptError> {
        let end = lines.iter().position(|line| *line == "---").unwrap_or(lines.len());
        let mut paragraph = Paragraph { source: String::new(), commands: Vec::new() };
        let mut texts: Vec<(usize, String)> = Vec::new();
        for (number, line) in (first..).zip(&lines[..end]) {
            paragraph.source.push_str(line);
            paragraph.source.push('\n');
            if line.starts_with('#') {
                continue;
            }
            match (line.strip_prefix("  "), texts.last_mut()) {
                (Some(more), Some((_, text))) => {
                    text.push('\n');
                    text.push_str(more);
                }
                _ => texts.push((number, (*line).to_owned())),
            }
        }
        for (line, text) in texts {
            let command = self.command(&text).map_err(|detail| ScriptError::new(line, detail))?;
            paragraph.commands.push((line, command));
        }
        if end < lines.len() && !paragraph.is_answered() {
            return Err(ScriptError::new(first + end, "answers to no command"));
        }
        self.paragraphs.push(paragraph);
        Ok(())
    }

    fn command(&mut self, text: &str) -> Result<Command, String> {
        if let Some(rest) = text.strip_prefix("given ") {
            return match self.command(rest)? {
                Command::Request(asked) => Ok(Command::Given(asked)),
                _ => Err("given: not a request".to_owned()),
            };
        }
        let (caller, text) = match text.strip_prefix("as ") {
            Some(rest) => {
                let (caller, rest) = word(rest);
                (Some(caller.to_owned()), rest)
            }
            None => (None, text),
        };
        let (verb, rest) = word(text);
        let has_caller = caller.is_some();
        let command = match verb {
            "server" => {
                self.settings(rest)?;
                Command::Server
            }
            "token" => {
                let (name, claims) = word(rest);
                let claims = serde_json::from_str(claims).map_err(|error| error.to_string())?;
                Command::Token { caller: name.to_owned(), claims }
            }
            "open" => {
                let (socket, path) = word(rest);
                return Ok(Command::Open { caller, socket: named(socket)?, path: url(path)? });
            }
            "send" => {
                let (socket, text) = word(rest);
                Command::Send { socket: named(socket)?, text: text.to_owned() }
            }
            "close" => Command::Close { socket: named(rest)? },
            method if !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase()) => {
                return request(caller, method, rest);
            }
            other => return Err(format!("{other:?} is no command")),
        };
        if has_caller { Err(format!("{verb} is done by nobody")) } else { Ok(command) }
    }

    fn settings(&mut self, text: &str) -> Result<(), String> {
        if self.paragraphs.iter().any(Paragraph::is_answered) {
            return Err("server: comes before the first answer".to_owned());
        }
        let fields: Map<String, Value> =
            serde_json::from_str(text).map_err(|error| format!("server: {error}"))?;
        for (key, value) in fields {
            match (key.as_str(), value) {
                ("closed", Value::Bool(closed)) => self.settings.is_closed = closed,
                ("collections", Value::Object(all)) => self.settings.collections = all,
                _ => return Err(format!("server: {key:?} is no setting, or not of its type")),
            }
        }
        Ok(())
    }
}

/// Reads what follows a method: a path, headers as `name=value`, a body.
fn request(caller: Option<String>, method: &str, rest: &str) -> Result<Command, String> {
    let (path, mut rest) = word(rest);
    let mut headers = Vec::new();
    while let (text, after) = word(rest)
        && let Some((name, value)) = text.split_once('=')
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
    {
        headers.push((name.to_owned(), value.to_owned()));
        rest = after;
    }
    let body = (!rest.is_empty()).then(|| rest.to_owned());
    let (method, path) = (method.to_owned(), url(path)?);
    Ok(Command::Request(Asked { caller, method, path, headers, body }))
}

/// Splits text after its first word. A name such as `<id 1>` is one word, or a part of one.
fn word(text: &str) -> (&str, &str) {
    let mut at = 0;
    while let Some(character) = text[at..].chars().next() {
        match name_length(&text[at..]) {
            Some(length) => at += length,
            None if character.is_whitespace() => break,
            None => at += character.len_utf8(),
        }
    }
    (&text[..at], text[at..].trim_start())
}

fn named(socket: &str) -> Result<String, String> {
    let is_name = !socket.is_empty() && socket.bytes().all(|byte| byte.is_ascii_lowercase());
    if is_name { Ok(socket.to_owned()) } else { Err(format!("{socket:?} is no socket's name")) }
}

/// Percent-encodes what a URL may not have, as browsers do, so that conditions can be read.
fn url(path: &str) -> Result<String, String> {
    if !path.starts_with('/') {
        return Err(format!("{path:?} is no path"));
    }
    let mut encoded = String::new();
    let mut rest = path;
    while let Some(character) = rest.chars().next() {
        let length = name_length(rest);
        match length {
            Some(length) => encoded.push_str(&rest[..length]),
            None if character.is_ascii() && !"\"<>\\^`{|}".contains(character) => {
                encoded.push(character);
            }
            None => {
                let mut bytes = [0; 4];
                for byte in character.encode_utf8(&mut bytes).bytes() {
                    encoded.push_str(&format!("%{byte:02X}"));
                }
            }
        }
        rest = &rest[length.unwrap_or(character.len_utf8())..];
    }
    Ok(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str) -> Command {
        let script = Script::parse(&format!("# Shown.\n{text}\n---\nanswer\n")).unwrap();
        let [paragraph] = script.paragraphs.as_slice() else { panic!("{script:?}") };
        let [(2, command)] = paragraph.commands.as_slice() else { panic!("{script:?}") };
        command.clone()
    }

    #[test]
    fn a_request_has_caller_headers_and_body() {
        let command = only(
            "as <secret 1> PUT /v1/docs/c/<id 2>?a>=\"é\" if-match=\"1\",\"2\" a=b=c {\"a=b\":\n   1}",
        );
        let headers = [("if-match", "\"1\",\"2\""), ("a", "b=c")];
        let expected = Asked {
            caller: Some("<secret 1>".to_owned()),
            method: "PUT".to_owned(),
            path: "/v1/docs/c/<id 2>?a%3E=%22%C3%A9%22".to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            body: Some("{\"a=b\":\n 1}".to_owned()),
        };
        assert_eq!(command, Command::Request(expected));
    }

    #[test]
    fn answers_are_left_out_and_comments_stay() {
        let text =
            "# Shown.\n\nserver {\"closed\":true}\n\n# Why.\nclose a\n# More.\nclose b\n---\nx\n";
        let script = Script::parse(text).unwrap();
        assert!(script.settings.is_closed);
        let sources: Vec<&str> = script.paragraphs.iter().map(|one| one.source.as_str()).collect();
        let last = "# Why.\nclose a\n# More.\nclose b\n";
        assert_eq!(sources, ["# Shown.\n", "server {\"closed\":true}\n", last]);
        let lines: Vec<usize> =
            script.paragraphs[2].commands.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [6, 8]);
    }

    #[test]
    fn what_is_no_script_is_an_error_of_its_line() {
        for (text, line) in [
            ("GET /a\n", 1),
            ("# Shown.\nJump\n", 2),
            ("# Shown.\n\nclose A\n", 3),
            ("# Shown.\nGET a\n", 2),
            ("# Shown.\n\n\nserver {\"open\":1}\n", 4),
            ("# Shown.\nclose a\n\nserver {}\n", 4),
            ("# Shown.\nas a send b {}\n", 2),
            ("# Shown.\ngiven close a\n", 2),
            ("# Shown.\n---\nanswer\n", 2),
        ] {
            assert_eq!(Script::parse(text).unwrap_err().line, line, "{text}");
        }
    }
}
