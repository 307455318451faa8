//! Who this client is: the token that it shows, when it wants another one, and who waits for that.
//!
//! ```text
//!             wanted               given
//!   Stale ───────────▶ Asking ───────────▶ Known ──╮
//!    ▲                   ▲                   │     │ its end is near, and sockets are open
//!    │                   ╰───────────────────│─────╯
//!    ╰───────────────────────────────────────╯ refused; its end is near
//! ```
//!
//! In scope: every decision about the token. Out of scope: calling the application, timers, the clock. Tell it
//! what happened, then do the effects, in order. A token is not verified here: that is the server's work.

use crate::core::json;
use blaze_schema::base64::decode_url;
use blaze_schema::error::Error;
use blaze_schema::timestamp::Timestamp;
use serde_json::Value;
use std::mem;
use std::rc::Rc;

/// A new token is asked for so long before the present one ends, in milliseconds; half its life before, if that is less.
pub const RENEW_MS: i64 = 60_000;
/// A token of which less is left is not renewed before the server refuses it, in milliseconds: an application that gives
/// the same one again and again would be asked without end.
pub const LAST_MS: i64 = 1_000;
/// An application that could not say is asked again so much later, if sockets are open, in milliseconds.
pub const AGAIN_MS: u32 = 5_000;
/// No timer is longer, in milliseconds: browsers count them in 31 bits.
pub const TIMER_MS: i64 = 86_400_000;

/// A token; `None` is nobody.
pub type Token = Option<Rc<str>>;

/// Where tokens come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// There are none.
    #[default]
    Nobody,
    /// This is it, and there is no other.
    Fixed(Rc<str>),
    /// The application is asked.
    Asked,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Ask the application for a token, and tell [`Identity::given`] of this number.
    Ask {
        /// The number.
        number: u64,
        /// Whether the token that it gave last will not do.
        fresh: bool,
    },
    /// Those who waited have this, and if it is a token, open sockets are to say it.
    Answer(Result<Token, Error>),
    /// Start the timer anew, with so many milliseconds. One that is not stopped does no harm.
    StartTimer(u32),
}

/// The identity.
#[derive(Debug, Default)]
pub struct Identity {
    source: Source,
    phase: Phase,
    token: Token,
    /// From when on another token is wanted, in microseconds; `None` where that is not known.
    renew_at: Option<i64>,
    /// Whether the token came because another one was refused, and the server has not accepted it so far.
    last_try: bool,
    /// The number of the last question.
    asked: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// There is no token yet, or it is of no use. With `refused`, by the server's word.
    Stale { refused: bool },
    /// The application is asked.
    Asking { refused: bool },
    /// There is a token, or it is known that there is none.
    #[default]
    Known,
}

impl Identity {
    /// From now on tokens come from there. Open sockets are told as soon as there is one.
    ///
    /// `is_wanted` is whether anybody needs it now: an open socket, a waiting request.
    pub fn become_of(&mut self, source: Source, is_wanted: bool, effects: &mut Vec<Effect>) {
        // A question that is open is one to the source before.
        let (asked, waiting) = (self.asked, matches!(self.phase, Phase::Asking { .. }));
        *self = Identity { source, asked, ..Identity::default() };
        match &self.source {
            Source::Nobody => self.is_known(None, effects),
            Source::Fixed(token) => self.is_known(Some(Rc::clone(token)), effects),
            Source::Asked => {
                self.phase = Phase::Stale { refused: false };
                if is_wanted || waiting {
                    self.ask(effects);
                }
            }
        }
    }

    /// The token to show, if no other one is awaited.
    pub fn known(&self) -> Option<&Token> {
        (self.phase == Phase::Known).then_some(&self.token)
    }

    /// Somebody needs a token. `None`: [`Effect::Answer`] comes when there is one.
    pub fn wanted(&mut self, now: Timestamp, effects: &mut Vec<Effect>) -> Option<Token> {
        match self.phase {
            Phase::Known if !self.is_due(now) => return Some(self.token.clone()),
            Phase::Known | Phase::Stale { .. } => self.ask(effects),
            Phase::Asking { .. } => {}
        }
        None
    }

    /// The application answered the question of this number. An answer to an earlier one is nothing.
    pub fn given(
        &mut self,
        number: u64,
        token: Result<Token, Error>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let Phase::Asking { refused } = self.phase else { return };
        if number != self.asked {
            return;
        }
        match token {
            Ok(token) => {
                self.last_try = refused;
                self.renew_at = token.as_deref().and_then(|token| renew_at(token, now));
                self.is_known(token, effects);
                self.wait(now, effects);
            }
            Err(error) => {
                let usable = self.token.is_some() && !refused;
                if usable {
                    // It has not ended yet, and if it has, the server says so.
                    self.phase = Phase::Known;
                    let after = i64::from(AGAIN_MS) * 1_000;
                    self.renew_at = Some(now.micros().saturating_add(after));
                } else {
                    self.phase = Phase::Stale { refused };
                }
                let answer = if usable { Ok(self.token.clone()) } else { Err(error) };
                effects.push(Effect::Answer(answer));
                effects.push(Effect::StartTimer(AGAIN_MS));
            }
        }
    }

    /// The server refused this token as no good. Returns whether it is worth to come again with another one.
    pub fn refused(&mut self, token: &Token) -> bool {
        if self.phase != Phase::Known || *token != self.token {
            return true;
        }
        if self.source != Source::Asked {
            return false;
        }
        self.phase = Phase::Stale { refused: true };
        !mem::take(&mut self.last_try)
    }

    /// The server accepted this token.
    pub fn accepted(&mut self, token: &Token) {
        if self.last_try && *token == self.token {
            self.last_try = false;
        }
    }

    /// The timer ran out. `is_wanted` is whether sockets are open: without, a token is asked for when it is needed.
    pub fn timer(&mut self, now: Timestamp, is_wanted: bool, effects: &mut Vec<Effect>) {
        match self.phase {
            Phase::Known if !self.is_due(now) => self.wait(now, effects),
            Phase::Known | Phase::Stale { .. } if is_wanted => self.ask(effects),
            _ => {}
        }
    }

    /// Whether its end is near.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.source == Source::Asked && self.renew_at.is_some_and(|at| at <= now.micros())
    }

    fn ask(&mut self, effects: &mut Vec<Effect>) {
        let (refused, fresh) = match self.phase {
            // Its end is near.
            Phase::Known => (false, true),
            Phase::Stale { refused } | Phase::Asking { refused } => (refused, refused),
        };
        self.phase = Phase::Asking { refused };
        self.asked += 1;
        effects.push(Effect::Ask { number: self.asked, fresh });
    }

    fn is_known(&mut self, token: Token, effects: &mut Vec<Effect>) {
        self.phase = Phase::Known;
        self.token = token.clone();
        effects.push(Effect::Answer(Ok(token)));
    }

    /// Starts the timer that ends when another token is wanted.
    fn wait(&self, now: Timestamp, effects: &mut Vec<Effect>) {
        if let Some(at) = self.renew_at {
            let after_ms = (at.saturating_sub(now.micros()) / 1_000 + 1).clamp(1, TIMER_MS);
            effects.push(Effect::StartTimer(u32::try_from(after_ms).unwrap_or(u32::MAX)));
        }
    }
}

/// The tokens that one socket has shown.
#[derive(Debug, Default)]
pub struct Shown {
    /// The last one.
    said: Token,
    /// The one that a refusal may still be about: it may have been on its way when the last one was said.
    doubted: Token,
}

impl Shown {
    /// A socket is opened for this one.
    pub fn opened_for(token: Token) -> Self {
        Shown { doubted: token.clone(), said: token }
    }

    /// The socket is to say this one. Returns whether it has to: it is another one than before.
    pub fn say(&mut self, token: &Token) -> bool {
        let is_another = self.said != *token;
        self.said.clone_from(token);
        is_another
    }

    /// The server said something that is no refusal.
    pub fn accepted(&mut self, identity: &mut Identity) {
        self.doubted.clone_from(&self.said);
        identity.accepted(&self.said);
    }

    /// The server refused. Returns whether it is worth to come again: with a new socket, of whose refusal there is no
    /// doubt.
    pub fn refused(&self, identity: &mut Identity) -> bool {
        identity.refused(&self.doubted)
    }
}

/// When another token is wanted, in microseconds: [`RENEW_MS`] before its `exp` (RFC 7519, section 4.1.4; seconds), or
/// halfway there. `None` for what is no JWT or has no end, and where the local clock says that it has ended: then the
/// clock is wrong, or the server will say so.
fn renew_at(token: &str, now: Timestamp) -> Option<i64> {
    let left_ms = expiry_ms(token)?.saturating_sub(now.micros() / 1_000);
    (left_ms >= LAST_MS).then(|| {
        let before_ms = RENEW_MS.min(left_ms / 2);
        now.micros().saturating_add(left_ms.saturating_sub(before_ms).saturating_mul(1_000))
    })
}

/// A JWT's `exp`, in milliseconds.
fn expiry_ms(token: &str) -> Option<i64> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let text = String::from_utf8(decode_url(payload)?).ok()?;
    let Ok(Value::Object(claims)) = json::parse(&text) else { return None };
    Some((claims.get("exp")?.as_f64()? * 1_000.0) as i64)
}

#[cfg(test)]
mod tests;
