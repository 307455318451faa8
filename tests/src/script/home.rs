//! The home of a script: one Blaze and its clients, whatever is between them.

use blaze_schema::timestamp::Timestamp;
use serde_json::{Map, Value};

/// The differences of a script's Blaze from one that has just been installed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Without rules nobody may do anything, and an issuer is trusted whose tokens are [`Home::token`].
    pub is_closed: bool,
    /// `collections.json`.
    pub collections: Map<String, Value>,
}

/// A request. The path has its query, and only characters that a URL may have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET` and the like.
    pub method: String,
    /// From `/` on.
    pub path: String,
    /// The token or API key of the caller.
    pub credential: Option<String>,
    /// Names and values, in order.
    pub headers: Vec<(String, String)>,
    /// The body, if there is one.
    pub body: Option<String>,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body as text; empty for none.
    pub body: String,
}

/// A message that a socket's client receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A text frame.
    Text(String),
    /// The end of the socket: the close frame's code.
    Closed(u16),
}

/// One Blaze, empty at first. It ends with the value.
pub trait Home {
    /// Carries out a request.
    fn request(&mut self, request: &Request) -> Response;

    /// Opens the socket of a path.
    ///
    /// # Errors
    /// The answer, if it is not an upgrade.
    fn open(
        &mut self,
        path: &str,
        credential: Option<&str>,
    ) -> Result<Box<dyn Connection>, Response>;

    /// Makes a token with these claims. The issuer, its audience and an end in the future are added.
    fn token(&mut self, claims: &Map<String, Value>) -> String;

    /// Returns the time of the clock that the times in answers come from.
    fn now(&self) -> Timestamp;

    /// Lets a millisecond begin: no time of what was done before is a time of what is done after.
    fn tick(&mut self);
}

/// The client's end of a socket.
pub trait Connection {
    /// Sends a text frame.
    fn send(&mut self, text: &str);

    /// Waits for the next frame or the end.
    ///
    /// # Panics
    /// If neither comes in time.
    fn receive(&mut self) -> Received;

    /// Closes the socket and waits until the server has too.
    fn close(self: Box<Self>);
}
