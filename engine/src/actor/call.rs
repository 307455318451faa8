//! Objects, the calls that one makes to another, and the one encoding of both.
//!
//! ```text
//!   call     kind (1 byte) │ field │ field │ …            field: length (4 bytes, big-endian) │ bytes
//!   answer   0 done, 1 refused, 2 done and counted (1 byte) │ [rows read │ rows written (4 bytes each)] │ text
//! ```
//!
//! A refusal's text is the error as JSON. What is asked within one process need not be encoded.

use crate::document::Stage;
use blaze_identity::accounts::Action;
use blaze_schema::error::Error;

/// The kind of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// One document; its name is the path.
    Document,
    /// The index of a collection, of a shard of it, or of a group; or a registry of indexes.
    Index,
    /// The authority for rules and keys.
    Access,
    /// One account, or a sign-in that has begun.
    Account,
    /// The counter of one subject's requests.
    Limiter,
}

impl Class {
    /// All of them, each at the place of its number.
    pub const ALL: [Class; 5] =
        [Class::Document, Class::Index, Class::Access, Class::Account, Class::Limiter];

    /// The class's name in wrangler.toml, such as `Document`.
    pub fn name(self) -> &'static str {
        match self {
            Class::Document => "Document",
            Class::Index => "Index",
            Class::Access => "Access",
            Class::Account => "Account",
            Class::Limiter => "Limiter",
        }
    }
}

/// The address of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    /// Its kind.
    pub class: Class,
    /// Its name, unique within the class.
    pub name: String,
}

impl Object {
    /// The address of an object.
    pub fn new(class: Class, name: impl Into<String>) -> Self {
        Object { class, name: name.into() }
    }

    /// The one access object.
    pub fn access() -> Self {
        Object::new(Class::Access, "access")
    }
}

/// A call to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// To a document, for rules of another: its data as JSON, `null` if there is none.
    Peek,
    /// To a document: a client's write. The answer is the frame that tells its outcome.
    Write {
        /// The client's frame.
        text: String,
        /// The client's token; empty for none.
        token: String,
    },
    /// To a document: its part of a commit. The answer is a [`document::Answer`](crate::document::Answer) as JSON.
    Commit {
        /// The client's request, as [`Request::describe`](crate::http::Request::describe) writes it.
        request: String,
        /// The part: a commit's body.
        part: String,
        /// The commit's stage.
        stage: Stage,
    },
    /// To an index: a document's row. The answer is empty.
    Update {
        /// The row.
        row: String,
    },
    /// To an index: a question, as [`query_request::event`](crate::http::query_request::event) reads it.
    Ask {
        /// The question.
        question: String,
    },
    /// To an index or a registry, of another one.
    Tell {
        /// The message.
        message: String,
    },
    /// To the access object: what is in force; `{"version":n}` if that is `known`.
    Snapshot {
        /// The version that the caller has.
        known: Option<u64>,
    },
    /// To the access object: the same, after an issuer's keys were fetched anew.
    Keys {
        /// The issuer.
        issuer: String,
        /// The version that the caller has.
        known: Option<u64>,
    },
    /// To the access object: a token of these claims.
    Sign {
        /// The claims, a JSON object.
        claims: String,
    },
    /// To the access object: a line for the audit log.
    Audited {
        /// The actor.
        actor: String,
        /// The act.
        act: String,
        /// The object of the act.
        what: String,
    },
    /// To the access object: an administrator's request.
    Administer {
        /// The request, as [`Request::describe`](crate::http::Request::describe) writes it.
        request: String,
        /// Its body.
        body: Vec<u8>,
        /// The administrator.
        actor: String,
    },
    /// To an account: an action, as JSON. The answer is the outcome, as JSON.
    Act {
        /// The action.
        action: String,
    },
    /// To a limiter: a lease. The answer is the number of requests and the microseconds, with a blank between them.
    Lease {
        /// The subject whose requests are counted.
        subject: String,
        /// The number of requests.
        want: u32,
    },
}

/// The answer to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The text, or the refusal.
    pub result: Result<String, Error>,
    /// The rows read and written, if they are counted.
    pub rows: Option<(u32, u32)>,
}

impl From<Result<String, Error>> for Answer {
    fn from(result: Result<String, Error>) -> Self {
        Answer { result, rows: None }
    }
}

impl From<Error> for Answer {
    fn from(error: Error) -> Self {
        Err(error).into()
    }
}

impl Call {
    /// Writes the call.
    pub fn encode(&self) -> Vec<u8> {
        let known = |known: &Option<u64>| known.map_or_else(String::new, |known| known.to_string());
        match self {
            Call::Peek => fields(0, &[]),
            Call::Write { text, token } => fields(1, &[text.as_bytes(), token.as_bytes()]),
            Call::Commit { request, part, stage } => {
                let stage: &[u8] = match stage {
                    Stage::Alone => b"",
                    Stage::Trial => b"1",
                    Stage::Decided => b"2",
                };
                fields(2, &[request.as_bytes(), part.as_bytes(), stage])
            }
            Call::Update { row } => fields(3, &[row.as_bytes()]),
            Call::Ask { question } => fields(4, &[question.as_bytes()]),
            Call::Tell { message } => fields(5, &[message.as_bytes()]),
            Call::Snapshot { known: version } => fields(6, &[known(version).as_bytes()]),
            Call::Keys { issuer, known: version } => {
                fields(7, &[issuer.as_bytes(), known(version).as_bytes()])
            }
            Call::Sign { claims } => fields(8, &[claims.as_bytes()]),
            Call::Audited { actor, act, what } => {
                fields(9, &[actor.as_bytes(), act.as_bytes(), what.as_bytes()])
            }
            Call::Administer { request, body, actor } => {
                fields(10, &[request.as_bytes(), body, actor.as_bytes()])
            }
            Call::Act { action } => fields(11, &[action.as_bytes()]),
            Call::Lease { subject, want } => {
                fields(12, &[subject.as_bytes(), want.to_string().as_bytes()])
            }
        }
    }

    /// True if the object is needed for it, even one without rows: an action that hashes a password or asks a provider is
    /// carried out once, where its result is kept.
    pub fn makes_object(&self) -> bool {
        let Call::Act { action } = self else { return false };
        serde_json::from_str::<Action>(action).is_ok_and(|action| !action.needs_session())
    }

    /// Reads a call.
    ///
    /// # Errors
    /// `internal` for bytes that [`Call::encode`] does not write.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        read(bytes).ok_or_else(|| Error::internal("a call that no object makes"))
    }
}

fn fields(kind: u8, fields: &[&[u8]]) -> Vec<u8> {
    let bytes =
        fields.iter().fold(1_usize, |sum, field| sum.saturating_add(field.len()).saturating_add(4));
    let mut text = Vec::with_capacity(bytes);
    text.push(kind);
    for field in fields {
        text.extend_from_slice(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
        text.extend_from_slice(field);
    }
    text
}

/// The fields of a call that are still to be read.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let (field, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        self.0 = rest;
        Some(field)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    fn known(&mut self) -> Option<Option<u64>> {
        match self.text()?.as_str() {
            "" => Some(None),
            known => known.parse().ok().map(Some),
        }
    }
}

fn read(bytes: &[u8]) -> Option<Call> {
    let (kind, rest) = bytes.split_first()?;
    let mut fields = Fields(rest);
    let call = match kind {
        0 => Call::Peek,
        1 => Call::Write { text: fields.text()?, token: fields.text()? },
        2 => Call::Commit {
            request: fields.text()?,
            part: fields.text()?,
            stage: match fields.bytes()? {
                b"" => Stage::Alone,
                b"1" => Stage::Trial,
                b"2" => Stage::Decided,
                _ => return None,
            },
        },
        3 => Call::Update { row: fields.text()? },
        4 => Call::Ask { question: fields.text()? },
        5 => Call::Tell { message: fields.text()? },
        6 => Call::Snapshot { known: fields.known()? },
        7 => Call::Keys { issuer: fields.text()?, known: fields.known()? },
        8 => Call::Sign { claims: fields.text()? },
        9 => Call::Audited { actor: fields.text()?, act: fields.text()?, what: fields.text()? },
        10 => Call::Administer {
            request: fields.text()?,
            body: fields.bytes()?.to_vec(),
            actor: fields.text()?,
        },
        11 => Call::Act { action: fields.text()? },
        12 => Call::Lease { subject: fields.text()?, want: fields.text()?.parse().ok()? },
        _ => return None,
    };
    fields.0.is_empty().then_some(call)
}

/// The first byte of an [`Answer`]: the text follows, the error, or the counts and the text.
const DONE: u8 = 0;
const REFUSED: u8 = 1;
const COUNTED: u8 = 2;

impl Answer {
    /// Writes the answer.
    pub fn encode(&self) -> Vec<u8> {
        match (&self.result, self.rows) {
            (Ok(text), None) => [&[DONE], text.as_bytes()].concat(),
            (Ok(text), Some((read, written))) => {
                let counts = [read.to_be_bytes(), written.to_be_bytes()].concat();
                [&[COUNTED], counts.as_slice(), text.as_bytes()].concat()
            }
            (Err(error), _) => {
                let error = serde_json::to_vec(error).unwrap_or_default();
                [&[REFUSED], error.as_slice()].concat()
            }
        }
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// `internal` for bytes that [`Answer::encode`] does not write.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let broken = || Error::internal("an answer that no object gives");
        let (kind, rest) = bytes.split_first().ok_or_else(broken)?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| broken());
        match *kind {
            DONE => Ok(Ok(text(rest)?).into()),
            REFUSED => {
                Ok(Answer::from(serde_json::from_slice::<Error>(rest).map_err(|_| broken())?))
            }
            COUNTED => {
                let (read, rest) = rest.split_first_chunk::<4>().ok_or_else(broken)?;
                let (written, rest) = rest.split_first_chunk::<4>().ok_or_else(broken)?;
                let rows = (u32::from_be_bytes(*read), u32::from_be_bytes(*written));
                Ok(Answer { result: Ok(text(rest)?), rows: Some(rows) })
            }
            _ => Err(broken()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls() -> Vec<Call> {
        let text = |text: &str| text.to_owned();
        vec![
            Call::Peek,
            Call::Write { text: text("{\"write\":{}}"), token: text("") },
            Call::Commit {
                request: text("POST\nhttps://h/v1/commit"),
                part: text("{}"),
                stage: Stage::Trial,
            },
            Call::Update { row: text("ä\n{}") },
            Call::Ask { question: text("query {}") },
            Call::Tell { message: text("join") },
            Call::Snapshot { known: None },
            Call::Snapshot { known: Some(7) },
            Call::Keys { issuer: text("https://a"), known: Some(0) },
            Call::Sign { claims: text("{}") },
            Call::Audited { actor: text("a"), act: text("b"), what: text("c") },
            Call::Administer { request: text("PUT"), body: vec![0xff, 0], actor: text("root") },
            Call::Act { action: text("{}") },
            Call::Lease { subject: text("address:::1"), want: 10 },
        ]
    }

    #[test]
    fn the_encoding_is_pinned() {
        // Isolates of two versions of the code talk to each other while one replaces the other.
        let encoded: Vec<u8> = calls().iter().flat_map(Call::encode).collect();
        let hash = blaze_schema::hash::hash(&[&encoded]);
        let hash: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, "4630707a9a9b28ca");
        assert_eq!(
            Call::Write { text: "ab".to_owned(), token: String::new() }.encode(),
            b"\x01\0\0\0\x02ab\0\0\0\0"
        );
    }

    #[test]
    fn calls_and_answers_come_back_as_they_went() {
        for call in calls() {
            let encoded = call.encode();
            assert_eq!(Call::decode(&encoded), Ok(call));
            for end in 0..encoded.len() {
                assert!(Call::decode(&encoded[..end]).is_err());
            }
            assert!(Call::decode(&[encoded.as_slice(), b"x"].concat()).is_err());
        }
        let refused = Error::invalid("limit: 0").with_status(422);
        for answer in [
            Answer::from(Ok(String::new())),
            Answer::from(Ok("é".to_owned())),
            Answer { result: Ok("{}".to_owned()), rows: Some((3, u32::MAX)) },
            Answer::from(refused),
        ] {
            assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
        }
        for wrong in [&b""[..], b"\x01", b"\x02abc", b"\x03", b"\0\xff"] {
            assert!(Answer::decode(wrong).is_err());
        }
    }
}
