//! The writes of one client: carried out in the order in which they came, each after the outcome of the one before it.
//!
//! ```text
//!   message ──▶ waiting ──▶ under way ──▶ done, or refused      the next one goes
//!                                     ╰─▶ no final outcome      the socket ends, the waiting ones with it
//! ```
//!
//! The end makes sure that no later write overtakes one that the client is to send again.

use super::{Effect, Listener, RESUME};
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{LISTENER_WRITE_MS, WAITING_BYTES, WAITING_WRITES};
use blaze_schema::path::DocumentPath;
use blaze_schema::wire::document::{ServerMessage, close_code, error_text};
use std::collections::VecDeque;

/// The writes without an answer.
#[derive(Debug, Default)]
pub(super) struct Writes {
    waiting: VecDeque<Waiting>,
    /// Bytes of the waiting ones.
    bytes: usize,
    under_way: bool,
}

#[derive(Debug)]
struct Waiting {
    path: DocumentPath,
    text: String,
    /// The client's token when it sent the write.
    token: String,
}

impl Writes {
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way
    }

    /// True if one more write of so many bytes may wait.
    fn has_room(&self, bytes: usize) -> bool {
        self.waiting.len() < WAITING_WRITES && self.bytes.saturating_add(bytes) <= WAITING_BYTES
    }
}

impl Listener {
    /// Handles a write of the client.
    pub(super) fn write(&mut self, path: DocumentPath, text: String, effects: &mut Vec<Effect>) {
        if !self.writes.has_room(text.len()) {
            let detail = format!(
                "write: more than {WAITING_WRITES} writes or {WAITING_BYTES} bytes wait on this socket; \
                 send the next ones when some are answered"
            );
            let error = Error::new(Code::ResourceExhausted, detail);
            effects.push(Effect::Send(error_text(&error)));
            effects.push(Effect::End { code: close_code(error.code), reason: "" });
            return;
        }
        self.writes.bytes = self.writes.bytes.saturating_add(text.len());
        let token = self.token.clone();
        self.writes.waiting.push_back(Waiting { path, text, token });
        self.write_next(effects);
    }

    /// Handles the outcome of the write that is under way.
    pub(super) fn written(&mut self, answer: Option<String>, effects: &mut Vec<Effect>) {
        self.writes.under_way = false;
        let is_final = answer.as_deref().is_some_and(is_final);
        effects.extend(answer.map(Effect::Send));
        if is_final {
            self.write_next(effects);
        } else {
            self.writes = Writes::default();
            effects.push(RESUME);
        }
    }

    /// Begins the first of the waiting writes, unless one is under way.
    fn write_next(&mut self, effects: &mut Vec<Effect>) {
        if self.writes.under_way || self.is_spent() {
            return;
        }
        if let Some(Waiting { path, text, token }) = self.writes.waiting.pop_front() {
            self.writes.bytes = self.writes.bytes.saturating_sub(text.len());
            self.writes.under_way = true;
            effects.push(Effect::Write { path, text, token, within_ms: LISTENER_WRITE_MS });
        }
    }
}

/// True if the frame is a final answer: the write sent again gets the same one.
fn is_final(answer: &str) -> bool {
    match ServerMessage::parse(answer) {
        Ok(ServerMessage::Written { result: Ok(_), .. }) => true,
        Ok(ServerMessage::Written { result: Err(error), .. }) => {
            !matches!(error.code, Code::Unavailable | Code::Aborted | Code::Internal)
        }
        _ => false,
    }
}
