//! Runs scripts.

use super::ScriptError;
use super::home::{Connection, Home, Received, Request, Response, Settings};
use super::json_layout::lay_out;
use super::names::Names;
use super::parse::{Asked, Command, Script};
use serde_json::Value;
use std::collections::BTreeMap;

/// The headers of an answer that are shown.
const SHOWN: [&str; 7] = [
    "etag",
    "location",
    "allow",
    "accept-patch",
    "preference-applied",
    "retry-after",
    "www-authenticate",
];
/// The number of the first ping of a run; scripts use smaller ones.
const FIRST_PING: u64 = 1_000_000;

/// Runs a script in a home that `start` makes. Returns the script with the answers of this run.
///
/// # Errors
/// A mistake of the script.
pub fn run(
    text: &str,
    start: impl FnOnce(&Settings) -> Box<dyn Home>,
) -> Result<String, ScriptError> {
    let script = Script::parse(text)?;
    let home = start(&script.settings);
    let mut run = Run {
        names: Names::new(home.now()),
        home,
        callers: BTreeMap::new(),
        sockets: BTreeMap::new(),
        pings: FIRST_PING,
    };
    let mut paragraphs = Vec::new();
    for paragraph in &script.paragraphs {
        let mut transcript = paragraph.source.clone();
        if paragraph.is_answered() {
            transcript.push_str("---\n");
        }
        for (line, command) in &paragraph.commands {
            let answers = run.command(command).map_err(|detail| ScriptError::new(*line, detail))?;
            for answer in answers {
                transcript.push_str(&answer);
                transcript.push('\n');
            }
        }
        paragraphs.push(transcript);
    }
    Ok(paragraphs.join("\n"))
}

struct Run {
    home: Box<dyn Home>,
    names: Names,
    /// Tokens by the names of their callers.
    callers: BTreeMap<String, String>,
    sockets: BTreeMap<String, Box<dyn Connection>>,
    /// The number of the last ping.
    pings: u64,
}

impl Run {
    /// Carries out a command; returns its answer and the frames that it caused, as paragraphs without blank lines.
    fn command(&mut self, command: &Command) -> Result<Vec<String>, String> {
        let mut answers = Vec::new();
        let mut sent = None;
        match command {
            Command::Server => return Ok(answers),
            Command::Token { caller, claims } => {
                self.callers.insert(caller.clone(), self.home.token(claims));
                return Ok(answers);
            }
            Command::Request(asked) => {
                let response = self.ask(asked)?;
                answers.push(self.response(&response));
            }
            Command::Given(given) => {
                self.given(given)?;
                self.settle(None, &mut answers);
                return match answers.is_empty() {
                    true => Ok(answers),
                    false => Err(format!("given: told to a socket: {}", answers.join(" "))),
                };
            }
            Command::Open { caller, socket, path } => {
                let credential = self.credential(caller.as_deref())?;
                let path = self.names.reveal(path)?;
                self.home.tick();
                match self.home.open(&path, credential.as_deref()) {
                    Ok(connection) => drop(self.sockets.insert(socket.clone(), connection)),
                    Err(response) => answers.push(self.response(&response)),
                }
            }
            Command::Send { socket, text } => {
                let text = self.names.reveal(text)?;
                self.home.tick();
                self.socket(socket)?.send(&text);
                sent = Some((socket.as_str(), text));
            }
            Command::Close { socket } => {
                self.socket(socket)?;
                if let Some(connection) = self.sockets.remove(socket) {
                    connection.close();
                }
            }
        }
        self.settle(sent, &mut answers);
        if answers.is_empty() {
            answers.push("nothing".to_owned());
        }
        Ok(answers)
    }

    fn socket(&mut self, name: &str) -> Result<&mut Box<dyn Connection>, String> {
        self.sockets.get_mut(name).ok_or_else(|| format!("no socket is open that is called {name}"))
    }

    /// Carries out a request that must succeed. Its values get no names.
    fn given(&mut self, asked: &Asked) -> Result<(), String> {
        let response = self.ask(asked)?;
        match response.status {
            200..300 => Ok(()),
            status => Err(format!("given: answered by {status} {}", response.body)),
        }
    }

    fn ask(&mut self, asked: &Asked) -> Result<Response, String> {
        let mut headers = Vec::new();
        for (name, value) in &asked.headers {
            headers.push((name.clone(), self.names.reveal(value)?));
        }
        let body = asked.body.as_deref().map(|body| self.names.reveal(body)).transpose()?;
        let is_typed = headers.iter().any(|(name, _)| name == "content-type");
        if body.as_ref().is_some_and(|body| body.starts_with(['{', '['])) && !is_typed {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        let request = Request {
            method: asked.method.clone(),
            path: self.names.reveal(&asked.path)?,
            credential: self.credential(asked.caller.as_deref())?,
            headers,
            body,
        };
        self.home.tick();
        Ok(self.home.request(&request))
    }

    /// The credential of a caller: a token that has been made, an API key by its name, or any text in quotes.
    fn credential(&self, caller: Option<&str>) -> Result<Option<String>, String> {
        let Some(caller) = caller else { return Ok(None) };
        let quoted = caller.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let credential = match (self.callers.get(caller), quoted) {
            (Some(token), _) => token.clone(),
            (None, Some(text)) => text.to_owned(),
            (None, None) if caller.starts_with('<') => self.names.reveal(caller)?,
            (None, None) => return Err(format!("nobody is called {caller}")),
        };
        Ok(Some(credential))
    }

    /// Shows a response: status, headers, body.
    fn response(&mut self, response: &Response) -> String {
        let mut head = response.status.to_string();
        for name in SHOWN {
            for (_, value) in response.headers.iter().filter(|(other, _)| other == name) {
                let shown = self.names.conceal(value);
                let shown = if value.contains(' ') { format!("({shown})") } else { shown };
                head.push_str(&format!(" {name}={shown}"));
            }
        }
        let body = &response.body;
        if body.is_empty() {
            return head;
        }
        let value: Option<Value> = serde_json::from_str(body).ok();
        let body = match value {
            Some(value) => problem(response.status, &value).unwrap_or_else(|| body.clone()),
            None => Value::String(body.clone()).to_string(),
        };
        // Before it is broken into lines, which are for the names.
        let (code, json) = body.split_at(body.find(['{', '[', '"']).unwrap_or(0));
        let json = self.names.conceal(json);
        lay_out(format!("{head} {code}").trim_end(), &json)
    }

    /// Waits until every socket has received all that has been caused so far, and shows it; first the frames of the
    /// socket on which something was sent, which causes those of others.
    fn settle(&mut self, sent: Option<(&str, String)>, answers: &mut Vec<String>) {
        let mut frames: BTreeMap<String, Vec<Received>> = BTreeMap::new();
        if let Some((name, text)) = sent
            && let Some(expected) = Expected::of(&text)
            && let Some(connection) = self.sockets.get_mut(name)
        {
            let received = frames.entry(name.to_owned()).or_default();
            while !received.last().is_some_and(|last| expected.is_met(last)) {
                received.push(connection.receive());
            }
        }
        for (name, connection) in &mut self.sockets {
            let received = frames.entry(name.clone()).or_default();
            if matches!(received.last(), Some(Received::Closed(_))) {
                continue;
            }
            self.pings += 1;
            connection.send(&format!("{{\"ping\":{}}}", self.pings));
            let pong = Received::Text(format!("{{\"pong\":{}}}", self.pings));
            loop {
                match connection.receive() {
                    frame if frame == pong => break,
                    end @ Received::Closed(_) => {
                        received.push(end);
                        break;
                    }
                    frame => received.push(frame),
                }
            }
        }
        for (name, mut received) in frames {
            received.sort_by_key(rank);
            for frame in received {
                match frame {
                    Received::Text(text) => {
                        answers.push(lay_out(&format!("{name}:"), &self.names.conceal(&text)));
                    }
                    Received::Closed(code) => {
                        answers.push(format!("{name}: closed {code}"));
                        self.sockets.remove(&name);
                    }
                }
            }
        }
    }
}

/// An RFC 9457 problem as code and detail; `None` for other JSON, and for a problem that is not as the contract has it.
/// Members of its own follow.
fn problem(status: u16, value: &Value) -> Option<String> {
    let mut fields = value.as_object()?.clone();
    let mut take = |key: &str| fields.remove(key);
    let (kind, title) = (take("type")?, take("title")?);
    let (own, code, detail) = (take("status")?, take("code")?, take("detail")?);
    let code = code.as_str()?;
    let is_whole = kind == format!("urn:blaze:{code}")
        && title.as_str().is_some_and(|title| !title.is_empty())
        && own == status
        && detail.is_string();
    let others = if fields.is_empty() { String::new() } else { Value::Object(fields).to_string() };
    is_whole.then(|| format!("{code} {detail} {others}").trim_end().to_owned())
}

/// The frame that answers a frame of the client. A ping says nothing of targets and writes that are still on their way.
enum Expected {
    /// The first frame about a target.
    Target(Value),
    /// The answer to a write or commit.
    Id(Value),
}

impl Expected {
    fn of(sent: &str) -> Option<Self> {
        let frame: Value = serde_json::from_str(sent).ok()?;
        let target = frame["listen"].get("target").filter(|target| target.is_u64());
        let id = ["write", "commit"].into_iter().find_map(|key| frame[key].get("id"));
        match (target, id.filter(|id| id.is_string())) {
            (Some(target), _) => Some(Expected::Target(target.clone())),
            (None, Some(id)) => Some(Expected::Id(id.clone())),
            (None, None) => None,
        }
    }

    /// True if this is the frame, or no frame will come: the socket has ended, or what was sent could not be read.
    fn is_met(&self, frame: &Received) -> bool {
        let Received::Text(text) = frame else { return true };
        let frame: Value = serde_json::from_str(text).unwrap_or_default();
        let is_refusal = frame["type"] == "error" && frame.get("target").is_none();
        is_refusal
            || match self {
                Expected::Target(target) => frame["target"] == *target,
                Expected::Id(id) => frame["id"] == *id,
            }
    }
}

/// The place of a frame among those that a command caused: nothing is promised of the order of frames about different
/// targets, and of answers to writes among them.
fn rank(frame: &Received) -> (u8, u64) {
    let Received::Text(text) = frame else { return (3, 0) };
    let frame: Value = serde_json::from_str(text).unwrap_or_default();
    match (frame["target"].as_u64(), frame.get("id")) {
        (Some(target), _) => (0, target),
        (None, None) => (1, 0),
        (None, Some(_)) => (2, 0),
    }
}
