//! The accounts that are built in: with a password, or by a provider of identities (OpenID Connect).
//!
//! Each account is an object of its own, named by what signs it in: [`email_object`], [`subject_object`]. Accounts are
//! not joined by their email addresses: nobody here proves that an address is theirs, so whoever takes one first would
//! own what its owner does later. While somebody signs in with a provider, an object that is named by the state of it
//! ([`sign_in_object`]) keeps what the end must match.
//!
//! [`Object::handle`] is one step, as a document's: it may read the row, commits at most one change, and says what is
//! to be done. It remembers nothing: what waits for an answer of the world is in the effect and in the event that
//! brings it ([`Pending`]), and is looked at again by then. A token is signed before a session is changed, so that a
//! signature that fails has cost nobody a session.

mod account;
pub mod id_token;
pub mod oidc;
pub mod password;
pub mod session;
pub mod settings;
mod sign_in;

use account::SigningIn;
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::EMAIL_BYTES;
use blaze_schema::timestamp::Timestamp;
use oidc::{Fetch, Fetched};
use password::{Hashed, Hashing};
use serde::{Deserialize, Serialize};
use session::RefreshToken;
use settings::Settings;
use sign_in::{Attempt, Verifying};
use std::collections::BTreeMap;
use std::fmt;

use blaze_schema::hash::hash;
use blaze_store::Store;

/// `iss` and `aud` of the tokens that are signed here.
pub const ISSUER: &str = "blaze";

/// A text that is not for logs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What somebody wants of an object. As JSON it goes from the Worker to the object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Action {
    /// Makes an account with a password, and a session.
    SignUp {
        /// The email address, as [`email`] gave it.
        email: String,
        /// The password.
        password: Secret,
    },
    /// Makes a session of an account with a password.
    SignIn {
        /// The password.
        password: Secret,
    },
    /// Makes a session of a provider's account, and the account if there is none. It comes from a [`sign_in_object`]
    /// and from nowhere else: who says this is believed.
    SignInWith {
        /// The provider's name.
        provider: String,
        /// Who, to the provider.
        sub: String,
        /// The email address that the provider says.
        email: Option<String>,
        /// Whether the provider says that it is theirs.
        email_verified: bool,
    },
    /// Gives a new access token, and the next refresh token.
    Refresh {
        /// The refresh token.
        token: Secret,
    },
    /// Ends a session.
    SignOut {
        /// A refresh token of it.
        token: Secret,
        /// Whether all others of the account end too.
        everywhere: bool,
    },
    /// Begins to sign in with a provider.
    Start {
        /// The provider's name.
        provider: String,
        /// Where it is to send the browser back to.
        redirect_uri: String,
    },
    /// Ends to sign in with a provider.
    Finish {
        /// The provider's name.
        provider: String,
        /// The same as at the start.
        redirect_uri: String,
        /// What the provider sent the browser back with.
        code: Secret,
        /// `iss`, if the provider sent that too (RFC 9207).
        issuer: Option<String>,
        /// What the start answered to this browser alone.
        secret: Secret,
    },
}

impl Action {
    /// True if it is about a session or a sign-in that has begun: an object without rows refuses it.
    pub fn needs_session(&self) -> bool {
        matches!(self, Action::Refresh { .. } | Action::SignOut { .. } | Action::Finish { .. })
    }
}

/// What happens to an object.
#[derive(Clone, Debug)]
pub enum Event {
    /// Somebody wants something.
    Act(Action),
    /// The outcome of an [`Effect::Sign`]: the token, or why there is none.
    Signed(Pending, Result<Secret, String>),
    /// The outcome of an [`Effect::Hash`].
    Hashed(Pending, Result<Hashed, Error>),
    /// The outcome of an [`Effect::Fetch`].
    Fetched(Pending, Fetched),
    /// The alarm rings.
    Alarm,
}

/// What is to be done, in this order. A step that follows an [`Action`] or its outcomes has exactly one of
/// [`Effect::Sign`], [`Effect::Hash`], [`Effect::Fetch`], [`Effect::Pass`] and [`Effect::Answer`], as its last.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Ring at this time, instead of at any other. Part of the step's commit.
    SetAlarm(Timestamp),
    /// Remove everything that the platform keeps for the object, its alarm too: it has no rows any more.
    Erase,
    /// Write into the audit log.
    Audit {
        /// Whose account.
        uid: String,
        /// What was done.
        act: &'static str,
        /// To what.
        what: String,
    },
    /// Sign a token of these claims, and then [`Event::Signed`].
    Sign {
        /// The claims, a JSON object.
        claims: String,
        /// The continuation.
        pending: Pending,
    },
    /// Hash a password, and then [`Event::Hashed`].
    Hash {
        /// The work.
        hashing: Hashing,
        /// The continuation.
        pending: Pending,
    },
    /// Ask a provider, and then [`Event::Fetched`].
    Fetch {
        /// What.
        fetch: Fetch,
        /// The continuation.
        pending: Pending,
    },
    /// Ask another object, and answer what it answers.
    Pass {
        /// Its name.
        object: String,
        /// What it is to do.
        action: Action,
    },
    /// Answer the request.
    Answer(Result<Answer, Refusal>),
}

/// What goes on when the world has answered. It is of the step that gave it, and means nothing to others.
#[derive(Clone, Debug, PartialEq)]
pub struct Pending(Next);

#[derive(Clone, Debug, PartialEq)]
enum Next {
    /// The password of a new account is hashed.
    SigningUp {
        email: String,
    },
    /// A password is held against the hash that was kept then.
    Verified {
        kept: Option<String>,
    },
    SigningIn(Box<SigningIn>),
    /// A session goes on when its token is signed.
    Refreshing(Box<RefreshToken>),
    /// The discovery document is on its way.
    Starting {
        provider: String,
        redirect_uri: String,
    },
    /// The tokens are on their way.
    Exchanging(Box<Attempt>),
    Verifying(Box<Verifying>),
}

/// The answer to a request. As JSON it goes from the object to the Worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// A session.
    Tokens {
        /// The account's uid.
        uid: String,
        /// The access token, a JSON Web Token.
        access_token: Secret,
        /// How long it is good, in seconds.
        expires_in: u32,
        /// The refresh token.
        refresh_token: Secret,
    },
    /// The session has ended, or there was none.
    SignedOut,
    /// The sign-in has begun.
    Started {
        /// Where the browser is to go.
        authorization_url: String,
        /// The state, which the provider sends the browser back with.
        state: String,
        /// What this browser must show at the end, and nobody else may have.
        secret: Secret,
        /// How long it may take, in seconds.
        expires_in: u32,
    },
}

/// A request that nothing was done for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Why.
    pub error: Error,
    /// After how many seconds it may be repeated (`Retry-After`).
    pub retry_after: Option<u64>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let retry_after = (error.code == Code::Unavailable).then_some(1);
        Refusal { error, retry_after }
    }
}

/// The object of an account, or of a sign-in with a provider.
#[derive(Debug)]
pub struct Object {
    name: String,
    settings: Settings,
    secrets: BTreeMap<String, Secret>,
}

impl Object {
    /// The object of this name. `secrets` are those of the environment that the settings name.
    pub fn new(name: String, settings: Settings, secrets: BTreeMap<String, Secret>) -> Self {
        Object { name, settings, secrets }
    }

    /// One step. `random` is 256 fresh random bits.
    pub fn handle(
        &self,
        store: &mut impl Store,
        now: Timestamp,
        random: [u128; 2],
        event: Event,
    ) -> Vec<Effect> {
        let random = Random(random);
        let is_alarm = matches!(event, Event::Alarm);
        let effects = match self.name.strip_prefix(SIGN_IN) {
            Some(state) => sign_in::Step {
                state,
                settings: &self.settings,
                secrets: &self.secrets,
                now,
                random,
            }
            .run(store, event),
            None => {
                let settings = &self.settings;
                account::Step { name: &self.name, settings, now, random }.run(store, event)
            }
        };
        effects.unwrap_or_else(|refusal| {
            if is_alarm {
                // The store failed. Nobody waits for an answer.
                return vec![Effect::SetAlarm(now.after(RETRY_MICROS))];
            }
            vec![Effect::Answer(Err(refusal))]
        })
    }
}

/// An alarm that failed rings again so long after, in microseconds.
const RETRY_MICROS: i64 = 60_000_000;

const EMAIL: &str = "email:";
const SUBJECT: &str = "oidc:";
const SIGN_IN: &str = "signin:";

/// The object of the account with an email address and a password.
pub fn email_object(email: &str) -> String {
    format!("{EMAIL}{email}")
}

/// The object of a provider's account. A provider's name has no `|`.
pub fn subject_object(provider: &str, sub: &str) -> String {
    format!("{SUBJECT}{provider}|{sub}")
}

/// The object of a sign-in with a provider.
pub fn sign_in_object(state: &str) -> String {
    format!("{SIGN_IN}{state}")
}

/// The provider of the account that has this object; [`settings::PASSWORD`] is one with a password. `None` for an object that is
/// none of an account.
pub fn provider_of(object: &str) -> Option<&str> {
    if let Some(address) = object.strip_prefix(EMAIL) {
        return email(address).is_ok_and(|read| read == address).then_some(settings::PASSWORD);
    }
    object.strip_prefix(SUBJECT)?.split_once('|').map(|(provider, _)| provider)
}

/// An email address as accounts know it: in lower case. Its syntax is looked at only as far as a typing error shows:
/// whether there is such an address nobody knows who has not written to it.
///
/// # Errors
/// `invalid-argument`.
pub fn email(text: &str) -> Result<String, Error> {
    if text.len() > EMAIL_BYTES {
        return Err(Error::invalid(format!("email: more than {EMAIL_BYTES} bytes")));
    }
    let is_odd = |c: char| c.is_control() || c.is_whitespace();
    let (local, domain) = text.rsplit_once('@').unwrap_or_default();
    let is_domain =
        !domain.is_empty() && domain.split('.').all(|label| !label.is_empty() && label.len() <= 63);
    if local.is_empty() || local.contains('@') || !is_domain || text.contains(is_odd) {
        return Err(Error::invalid("email: not an address such as alice@example.com"));
    }
    let lower = text.to_lowercase();
    if lower.len() > EMAIL_BYTES {
        return Err(Error::invalid(format!("email: more than {EMAIL_BYTES} bytes")));
    }
    Ok(lower)
}

/// Random bits for several uses, each with its own name.
#[derive(Clone, Copy)]
struct Random([u128; 2]);

impl Random {
    fn bytes(self, name: &str) -> [u8; 32] {
        let [first, second] = self.0.map(u128::to_be_bytes);
        hash(&[name.as_bytes(), &first, &second])
    }

    fn bits(self, name: &str) -> u128 {
        self.bytes(name).iter().take(16).fold(0, |bits, byte| (bits << 8) | u128::from(*byte))
    }
}

fn seconds(time: Timestamp) -> i64 {
    time.micros().div_euclid(1_000_000)
}

fn unauthenticated(detail: impl Into<String>) -> Refusal {
    Error::new(Code::Unauthenticated, detail).into()
}

/// An event that is not for this object, or not the outcome of what it asked for.
fn misdirected() -> Refusal {
    Error::internal("accounts: an event that this object does not take").into()
}

#[cfg(test)]
mod tests;
