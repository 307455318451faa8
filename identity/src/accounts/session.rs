//! Sessions and their refresh tokens: `blzr_<the account's object, base64url>.<session id>.<secret>`.
//!
//! The secret is two: the session's, the same in all its tokens, and the token's own, which changes with every use (RFC
//! 9700, section 4.14.2). Of both only hashes are kept. Who has the session's and an own one that is not the newest has
//! an earlier token of this session: it was stolen from its owner, or the owner's newest was used by a thief. Nobody
//! can tell which, so the session ends. Who knows only the session's id (it is in every access token) can end nothing.
//!
//! The next own secret is computed from the present one and a salt that is kept. So a use that is repeated within
//! [`GRACE_MICROS`], because its answer was lost or because two tabs had the same token, gets the very same next token:
//! it opens no second line, and what is kept computes nothing for somebody who has not seen the token before.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use blaze_schema::hash::hash;
use blaze_schema::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// What a refresh token begins with.
const PREFIX: &str = "blzr_";

/// The secret that was replaced last still gets the one that replaced it for so long, in microseconds: 10 s.
pub const GRACE_MICROS: i64 = 10_000_000;

/// Bytes of the session's part of the secret.
const FAMILY_BYTES: usize = 16;
/// Bytes of the token's own.
const OWN_BYTES: usize = 32;
/// Bytes of a refresh token, at most: the name of the longest account, an id, a secret.
const TOKEN_BYTES: usize = 640;

/// A refresh token.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// The name of the account's object.
    pub account: String,
    /// The session's id.
    pub session: String,
    family: [u8; FAMILY_BYTES],
    own: [u8; OWN_BYTES],
}

impl RefreshToken {
    /// Reads a token; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(PREFIX).filter(|_| text.len() <= TOKEN_BYTES)?.split('.');
        let (account, session, secret) = (parts.next()?, parts.next()?, parts.next()?);
        let account = String::from_utf8(URL_SAFE_NO_PAD.decode(account).ok()?).ok()?;
        let secret = URL_SAFE_NO_PAD.decode(secret).ok()?;
        let (family, own) = secret.split_at_checked(FAMILY_BYTES)?;
        let token = RefreshToken {
            account,
            session: session.to_owned(),
            family: family.try_into().ok()?,
            own: own.try_into().ok()?,
        };
        parts.next().is_none().then_some(token)
    }

    /// The token as its owner keeps it.
    pub fn text(&self) -> String {
        let account = URL_SAFE_NO_PAD.encode(&self.account);
        let secret = URL_SAFE_NO_PAD.encode([&self.family[..], &self.own[..]].concat());
        format!("{PREFIX}{account}.{}.{secret}", self.session)
    }

    /// The token that comes after this one.
    fn next(&self, salt: &str) -> Self {
        RefreshToken { own: hash(&[b"next", salt.as_bytes(), &self.own]), ..self.clone() }
    }
}

/// What is in it is not for logs.
impl std::fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RefreshToken({}, {})", self.account, self.session)
    }
}

/// A session as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) id: String,
    family: String,
    own: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<Previous>,
    /// When it began or was last refreshed, in microseconds.
    used: i64,
}

/// The own secret before the present one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Previous {
    own: String,
    /// What the present one was computed with.
    salt: String,
}

/// What a token is to its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The newest.
    Newest,
    /// The one before, a moment ago.
    Repeated,
    /// An earlier one.
    Earlier,
    /// None of its.
    Foreign,
}

impl Session {
    /// A new session of an account, and its first token.
    pub(crate) fn begin(
        account: &str,
        id: String,
        secrets: ([u8; 32], [u8; 32]),
        now: Timestamp,
    ) -> (Self, RefreshToken) {
        let (family, own) = secrets;
        let mut token = RefreshToken {
            account: account.to_owned(),
            session: id.clone(),
            family: [0; FAMILY_BYTES],
            own,
        };
        for (byte, random) in token.family.iter_mut().zip(family) {
            *byte = random;
        }
        let (family, own) = (kept(b"family", &token.family), kept(b"own", &token.own));
        (Session { id, family, own, previous: None, used: now.micros() }, token)
    }

    /// What a token is to it. Hashes are compared as they come: who could choose them could compute the secrets.
    pub(crate) fn standing(&self, token: &RefreshToken, now: Timestamp) -> Standing {
        if token.session != self.id || kept(b"family", &token.family) != self.family {
            return Standing::Foreign;
        }
        let own = kept(b"own", &token.own);
        let is_recent = now.micros() < self.used.saturating_add(GRACE_MICROS);
        match &self.previous {
            _ if own == self.own => Standing::Newest,
            Some(previous) if own == previous.own && is_recent => Standing::Repeated,
            _ => Standing::Earlier,
        }
    }

    /// Replaces the newest token. `random` is fresh.
    pub(crate) fn rotate(
        &mut self,
        token: &RefreshToken,
        random: &[u8; 32],
        now: Timestamp,
    ) -> RefreshToken {
        let salt = URL_SAFE_NO_PAD.encode(random);
        let next = token.next(&salt);
        let own = std::mem::replace(&mut self.own, kept(b"own", &next.own));
        self.previous = Some(Previous { own, salt });
        self.used = now.micros();
        next
    }

    /// The token that a repeated one was replaced by.
    pub(crate) fn repeat(&self, token: &RefreshToken) -> Option<RefreshToken> {
        self.previous.as_ref().map(|previous| token.next(&previous.salt))
    }

    /// Whether it was not used for so long that it has ended.
    pub(crate) fn is_over(&self, days: u32, now: Timestamp) -> bool {
        let micros = i64::from(days).saturating_mul(24 * 60 * 60 * 1_000_000);
        now.micros() >= self.used.saturating_add(micros)
    }

    /// When it was last used, in microseconds.
    pub(crate) fn used(&self) -> i64 {
        self.used
    }
}

fn kept(what: &[u8], secret: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(hash(&[what, secret]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use blaze_schema::limits::{EMAIL_BYTES, PROVIDER_NAME_BYTES, SUBJECT_BYTES};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn begun() -> (Session, RefreshToken) {
        Session::begin("email:a@b.c", "s".to_owned(), ([1; 32], [2; 32]), at(0))
    }

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let (_, token) = begun();
        let text = token.text();
        assert!(text.starts_with("blzr_ZW1haWw6YUBiLmM.s."), "{text}");
        assert_eq!(RefreshToken::parse(&text), Some(token));
        let last = text.len() - 1;
        for other in ["", "blzr_", "blzr_a.b.c", &text[..last], &format!("{text}.x"), &text[1..]] {
            assert_eq!(RefreshToken::parse(other), None, "{other}");
        }
        let longest = [EMAIL_BYTES + 6, PROVIDER_NAME_BYTES + SUBJECT_BYTES + 6].map(|bytes| {
            let id = "0".repeat(26);
            Session::begin(&"a".repeat(bytes), id, ([1; 32], [2; 32]), at(0)).1.text()
        });
        for text in longest {
            assert!(RefreshToken::parse(&text).is_some(), "{} bytes", text.len());
        }
    }

    #[test]
    fn a_token_is_good_once_and_its_repetition_gets_the_same() {
        let (mut session, first) = begun();
        assert_eq!(session.standing(&first, at(0)), Standing::Newest);
        let second = session.rotate(&first, &[3; 32], at(100));
        assert_ne!(first.text(), second.text());
        assert_eq!(session.standing(&second, at(100)), Standing::Newest);
        assert_eq!(session.standing(&first, at(109)), Standing::Repeated);
        assert_eq!(session.repeat(&first), Some(second.clone()));
        let end = Timestamp::from_micros(100_000_000 + GRACE_MICROS);
        assert_eq!(session.standing(&first, end), Standing::Earlier);
        let third = session.rotate(&second, &[4; 32], at(101));
        assert_eq!(session.standing(&first, at(102)), Standing::Earlier);
        assert_eq!(session.standing(&second, at(102)), Standing::Repeated);
        assert_eq!(session.standing(&third, at(102)), Standing::Newest);
    }

    #[test]
    fn who_knows_only_the_id_has_no_token_of_the_session() {
        let (session, token) = begun();
        let forged = RefreshToken { family: [9; FAMILY_BYTES], ..token.clone() };
        assert_eq!(session.standing(&forged, at(0)), Standing::Foreign);
        let other = RefreshToken { session: "t".to_owned(), ..token };
        assert_eq!(session.standing(&other, at(0)), Standing::Foreign);
    }

    #[test]
    fn nothing_that_is_kept_is_a_secret() {
        let (mut session, first) = begun();
        let second = session.rotate(&first, &[3; 32], at(1));
        let row = serde_json::to_string(&session).unwrap();
        for token in [first, second] {
            let text = token.text();
            let secret = URL_SAFE_NO_PAD.decode(text.rsplit('.').next().unwrap()).unwrap();
            for part in [&secret[..FAMILY_BYTES], &secret[FAMILY_BYTES..]] {
                assert!(!row.contains(&URL_SAFE_NO_PAD.encode(part)));
            }
        }
    }
}
