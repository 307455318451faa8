//! What can be wrong with a request: a closed set of codes, Firestore's own, each with its HTTP status.

use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The kind of an error: what the caller should do about it. Firestore's canonical codes (google.rpc.Code).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The request is wrong whatever the state of the database. Do not repeat it.
    InvalidArgument,
    /// Who asks is not known.
    Unauthenticated,
    /// Who asks may not do this.
    PermissionDenied,
    /// The document or route does not exist.
    NotFound,
    /// `create` of a document that exists.
    AlreadyExists,
    /// The state of the database forbids it: a precondition, a failed `test`. Read, then decide.
    FailedPrecondition,
    /// Contention with another request. Repeat it from the start.
    Aborted,
    /// Too large or too much.
    ResourceExhausted,
    /// Not built yet.
    Unimplemented,
    /// Not now. Repeat the request as it is, later.
    Unavailable,
    /// A fault of the server.
    Internal,
}

impl Code {
    /// The code as it is written on the wire, such as `invalid-argument`.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::InvalidArgument => "invalid-argument",
            Code::Unauthenticated => "unauthenticated",
            Code::PermissionDenied => "permission-denied",
            Code::NotFound => "not-found",
            Code::AlreadyExists => "already-exists",
            Code::FailedPrecondition => "failed-precondition",
            Code::Aborted => "aborted",
            Code::ResourceExhausted => "resource-exhausted",
            Code::Unimplemented => "unimplemented",
            Code::Unavailable => "unavailable",
            Code::Internal => "internal",
        }
    }

    /// The code that is written as `text`.
    pub fn parse(text: &str) -> Option<Self> {
        Code::deserialize(StrDeserializer::<serde::de::value::Error>::new(text)).ok()
    }

    /// A short title for people.
    pub fn title(self) -> &'static str {
        match self {
            Code::InvalidArgument => "Invalid argument",
            Code::Unauthenticated => "Unauthenticated",
            Code::PermissionDenied => "Permission denied",
            Code::NotFound => "Not found",
            Code::AlreadyExists => "Already exists",
            Code::FailedPrecondition => "Failed precondition",
            Code::Aborted => "Aborted",
            Code::ResourceExhausted => "Resource exhausted",
            Code::Unimplemented => "Unimplemented",
            Code::Unavailable => "Unavailable",
            Code::Internal => "Internal error",
        }
    }

    /// The HTTP status that the code has unless an [`Error`] says otherwise.
    pub fn status(self) -> u16 {
        match self {
            Code::InvalidArgument => 400,
            Code::Unauthenticated => 401,
            Code::PermissionDenied => 403,
            Code::NotFound => 404,
            Code::AlreadyExists | Code::FailedPrecondition | Code::Aborted => 409,
            Code::ResourceExhausted => 413,
            Code::Unimplemented => 501,
            Code::Unavailable => 503,
            Code::Internal => 500,
        }
    }
}

/// The beginning of every problem document's `type`; its code follows.
pub const PROBLEM_TYPE: &str = "urn:blaze:";

/// A refusal: its kind, its HTTP status, and a sentence that names what was wrong and where. What travels is a
/// [`Problem`]; this is how the engine keeps a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// The kind.
    pub code: Code,
    /// The HTTP status; mostly [`Code::status`].
    pub status: u16,
    /// What was wrong, and where.
    pub detail: String,
}

impl Error {
    /// An error with its code's own status.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Error { code, status: code.status(), detail: detail.into() }
    }

    /// The request is wrong in itself.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Error::new(Code::InvalidArgument, detail)
    }

    /// A fault of the server.
    pub fn internal(detail: impl fmt::Display) -> Self {
        Error::new(Code::Internal, detail.to_string())
    }

    /// The same, with its place before it: `writes[2]: …`.
    #[must_use]
    pub fn at(mut self, place: &str) -> Self {
        self.detail = format!("{place}: {}", self.detail);
        self
    }

    /// The same error under another HTTP status (412, 415, 422 and 405 are special cases of a code).
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The RFC 9457 problem document, as JSON text.
    pub fn to_problem_json(&self) -> String {
        Problem::from(self).to_json()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}

impl std::error::Error for Error {}

/// The body of a refused request, `application/problem+json` (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Problem {
    /// A URN of the kind: `urn:blaze:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// A short title, the same for every problem of this kind.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The code.
    pub code: Code,
    /// What was wrong, and where.
    pub detail: String,
    /// The document that a read found missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The version of that document's delete; 0 if it never existed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

impl Problem {
    /// The JSON text.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        Problem {
            kind: format!("{PROBLEM_TYPE}{}", error.code.as_str()),
            title: error.code.title().to_owned(),
            status: error.status,
            code: error.code,
            detail: error.detail.clone(),
            path: None,
            version: None,
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Error { code: problem.code, status: problem.status, detail: problem.detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_type_title_status_code_and_detail() {
        let error = Error::new(Code::FailedPrecondition, "version is 3, not 2").with_status(412);
        let problem: Problem = serde_json::from_str(&error.to_problem_json()).unwrap();
        assert_eq!(problem.kind, "urn:blaze:failed-precondition");
        assert_eq!(problem.title, "Failed precondition");
        assert_eq!(problem.status, 412);
        assert_eq!(Error::from(problem), error);
    }

    #[test]
    fn the_wire_name_of_every_code_is_its_own_text() {
        use Code::*;
        for code in [
            InvalidArgument,
            Unauthenticated,
            PermissionDenied,
            NotFound,
            AlreadyExists,
            FailedPrecondition,
            Aborted,
            ResourceExhausted,
            Unimplemented,
            Unavailable,
            Internal,
        ] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert_eq!(Code::parse(code.as_str()), Some(code));
        }
    }
}
