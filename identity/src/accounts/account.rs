//! One account: who signs in how, and its sessions.
//!
//! An account that there is not does the same as one whose password is another: the same work, the same row written,
//! the same alarm set, the same answer. Otherwise anybody could ask which addresses have accounts. Signing up with an address that has one
//! says so (`already-exists`): there is no letter to its owner in which to say it instead, and whoever signs up has to
//! know why they have no account. Who does not want that told leaves `signUp` off.

use super::session::{RefreshToken, Session, Standing};
use super::settings::{PASSWORD, Settings};
use super::{
    Action, Answer, Effect, Event, Hashed, Hashing, ISSUER, Next, Pending, Random, Refusal, Secret,
    misdirected, password, seconds, unauthenticated,
};
use blaze_schema::error::{Code, Error};
use blaze_schema::id::ulid;
use blaze_schema::limits::{SESSIONS, SIGN_IN_FAILURES};
use blaze_schema::timestamp::Timestamp;
use blaze_store::{Change, Store};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The key of the account's row.
const ROW: &[u8] = b"a";

/// How long nobody may try after the last failure that was let pass, in microseconds: 30 s, and twice as long after each
/// further one, up to an hour. So in a day some 30 passwords of one account can be tried; and whoever keeps failing on
/// purpose keeps the owner from signing in, though not from the sessions that there are.
const PAUSE_MICROS: i64 = 30_000_000;
const PAUSE_MOST_MICROS: i64 = 60 * 60 * 1_000_000;

/// Failures are forgotten when there was none for so long, in microseconds: a day.
const FORGET_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

/// What is kept. Without an account it is only how often somebody failed to sign in.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Record {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<Known>,
    /// Failures in a row.
    #[serde(default)]
    failures: u32,
    /// When the last was, in microseconds.
    #[serde(default)]
    failed: i64,
}

/// An account.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Known {
    uid: String,
    provider: String,
    email: Option<String>,
    email_verified: bool,
    /// The hash of the password, a PHC string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    /// When it was made, in microseconds.
    created: i64,
    sessions: Vec<Session>,
}

/// A session that begins when its token is signed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SigningIn {
    uid: String,
    provider: String,
    email: Option<String>,
    email_verified: bool,
    /// A hash of the password that is to be kept: of a new account, or made anew.
    password: Option<Secret>,
    /// Whether the account is to be made.
    is_new: bool,
    session: Session,
    token: RefreshToken,
}

pub(super) struct Step<'a> {
    pub(super) name: &'a str,
    pub(super) settings: &'a Settings,
    pub(super) now: Timestamp,
    pub(super) random: Random,
}

type Effects = Result<Vec<Effect>, Refusal>;

impl Step<'_> {
    pub(super) fn run(&self, store: &mut impl Store, event: Event) -> Effects {
        match event {
            Event::Act(Action::SignUp { email, password }) => {
                self.sign_up(store, email, &password.0)
            }
            Event::Act(Action::SignIn { password }) => self.sign_in(store, &password.0),
            Event::Act(Action::SignInWith { provider, sub: _, email, email_verified }) => {
                self.sign_in_with(store, provider, email, email_verified)
            }
            Event::Act(Action::Refresh { token }) => self.refresh(store, &token.0),
            Event::Act(Action::SignOut { token, everywhere }) => {
                self.sign_out(store, &token.0, everywhere)
            }
            Event::Hashed(_, Err(error)) => Err(error.into()),
            Event::Hashed(Pending(Next::SigningUp { email }), Ok(hashed)) => {
                self.signing_up(store, email, hashed)
            }
            Event::Hashed(Pending(Next::Verified { kept }), Ok(hashed)) => {
                self.verified(store, kept, hashed)
            }
            Event::Signed(_, Err(_)) => {
                let detail = "the token could not be signed; repeat the request";
                Err(Error::new(Code::Unavailable, detail).into())
            }
            Event::Signed(Pending(Next::SigningIn(signing_in)), Ok(token)) => {
                self.signed_in(store, *signing_in, token)
            }
            Event::Signed(Pending(Next::Refreshing(refreshed)), Ok(token)) => {
                self.refreshed(store, &refreshed, token)
            }
            Event::Alarm => self.alarm(store),
            Event::Act(_) | Event::Hashed(..) | Event::Signed(..) | Event::Fetched(..) => {
                Err(misdirected())
            }
        }
    }

    fn load(&self, store: &impl Store) -> Result<Record, Refusal> {
        let Some(row) = store.get(ROW).map_err(Error::from)? else { return Ok(Record::default()) };
        let mut record: Record = serde_json::from_slice(&row).map_err(|error| {
            Error::internal(format!("the account's row cannot be read: {error}"))
        })?;
        if self.now >= record.forgotten() {
            (record.failures, record.failed) = (0, 0);
        }
        if let Some(account) = &mut record.account {
            let days = self.settings.refresh_days;
            account.sessions.retain(|session| !session.is_over(days, self.now));
        }
        Ok(record)
    }

    fn save(&self, store: &mut impl Store, record: &Record) -> Result<(), Refusal> {
        let row = serde_json::to_vec(record)
            .map_err(|error| Error::internal(format!("the account's row: {error}")))?;
        store.commit(&[Change::Put(ROW, &row)]).map_err(Error::from)?;
        Ok(())
    }

    fn sign_up(&self, store: &impl Store, email: String, given: &str) -> Effects {
        password::check(given)?;
        if self.load(store)?.account.is_some() {
            return Err(exists());
        }
        let hashing = Hashing::of_new(given, self.salt());
        Ok(vec![Effect::Hash { hashing, pending: Pending(Next::SigningUp { email }) }])
    }

    /// The password of a new account is hashed.
    fn signing_up(&self, store: &impl Store, email: String, hashed: Hashed) -> Effects {
        if self.load(store)?.account.is_some() {
            return Err(exists());
        }
        let (session, token) = self.begin();
        Ok(self.sign(SigningIn {
            uid: ulid(self.now, self.random.bits("uid")),
            provider: PASSWORD.to_owned(),
            email: Some(email),
            email_verified: false,
            password: hashed.fresh,
            is_new: true,
            session,
            token,
        }))
    }

    fn sign_in(&self, store: &mut impl Store, given: &str) -> Effects {
        let record = self.load(store)?;
        if let Some(refusal) = record.pause(self.now) {
            return Err(refusal);
        }
        // Too long a password is nobody's, and not worth the work of hashing it.
        if password::check(given).is_err() {
            return self.failed(store, record);
        }
        let kept = record.account.and_then(|account| account.password);
        let hashing = Hashing::of_kept(given, kept.as_deref(), self.salt());
        Ok(vec![Effect::Hash { hashing, pending: Pending(Next::Verified { kept }) }])
    }

    /// A password was held against a hash. Others may have failed meanwhile: whoever tries many at once is let try no more
    /// than whoever tries one after the other.
    fn verified(&self, store: &mut impl Store, kept: Option<String>, hashed: Hashed) -> Effects {
        let record = self.load(store)?;
        if let Some(refusal) = record.pause(self.now) {
            return Err(refusal);
        }
        let Some(account) = record.account.as_ref().filter(|_| hashed.fits) else {
            return self.failed(store, record);
        };
        if account.password != kept {
            return Err(changed());
        }
        let (session, token) = self.begin();
        Ok(self.sign(SigningIn {
            uid: account.uid.clone(),
            provider: account.provider.clone(),
            email: account.email.clone(),
            email_verified: account.email_verified,
            password: hashed.fresh,
            is_new: false,
            session,
            token,
        }))
    }

    /// Counts a failure.
    fn failed(&self, store: &mut impl Store, mut record: Record) -> Effects {
        record.failures = record.failures.saturating_add(1);
        record.failed = self.now.micros();
        self.save(store, &record)?;
        Ok(vec![
            Effect::SetAlarm(record.forgotten()),
            Effect::Answer(Err(unauthenticated("the email or the password is not right"))),
        ])
    }

    fn salt(&self) -> [u8; 16] {
        self.random.bits("salt").to_be_bytes()
    }

    fn sign_in_with(
        &self,
        store: &impl Store,
        provider: String,
        email: Option<String>,
        email_verified: bool,
    ) -> Effects {
        let account = self.load(store)?.account;
        if account.is_none() && !self.settings.sign_up {
            let detail =
                "there is no account, and access.json's accounts.signUp lets nobody make one";
            return Err(Error::new(Code::PermissionDenied, detail).into());
        }
        let (session, token) = self.begin();
        Ok(self.sign(SigningIn {
            is_new: account.is_none(),
            uid: account.map_or_else(|| ulid(self.now, self.random.bits("uid")), |it| it.uid),
            provider,
            email,
            email_verified,
            password: None,
            session,
            token,
        }))
    }

    fn begin(&self) -> (Session, RefreshToken) {
        let id = ulid(self.now, self.random.bits("session"));
        let secrets = (self.random.bytes("family"), self.random.bytes("own"));
        Session::begin(self.name, id, secrets, self.now)
    }

    fn sign(&self, signing_in: SigningIn) -> Vec<Effect> {
        let claims = self.claims(
            &signing_in.uid,
            (signing_in.email.as_deref(), signing_in.email_verified),
            &signing_in.provider,
            &signing_in.session.id,
        );
        vec![Effect::Sign { claims, pending: Pending(Next::SigningIn(Box::new(signing_in))) }]
    }

    fn claims(
        &self,
        uid: &str,
        (email, verified): (Option<&str>, bool),
        provider: &str,
        session: &str,
    ) -> String {
        let now = seconds(self.now);
        let exp = now.saturating_add(i64::from(self.settings.access_seconds));
        let mut claims = json!({
            "iss": ISSUER, "aud": ISSUER, "sub": uid, "provider": provider, "roles": [],
            "iat": now, "exp": exp, "sid": session,
        });
        if let (Some(email), Some(claims)) = (email, claims.as_object_mut()) {
            claims.insert("email".to_owned(), email.into());
            claims.insert("email_verified".to_owned(), verified.into());
        }
        claims.to_string()
    }

    /// The token is signed: the session begins, if the account is still as it was.
    fn signed_in(&self, store: &mut impl Store, it: SigningIn, access: Secret) -> Effects {
        let mut record = self.load(store)?;
        let mut account = match record.account.take() {
            Some(_) if it.is_new && it.provider == PASSWORD => return Err(exists()),
            Some(account) if account.uid == it.uid => account,
            None if it.is_new => Known {
                uid: it.uid,
                provider: it.provider,
                email: None,
                email_verified: false,
                password: None,
                created: self.now.micros(),
                sessions: Vec::new(),
            },
            _ => return Err(changed()),
        };
        (account.email, account.email_verified) = (it.email, it.email_verified);
        if let Some(Secret(hash)) = it.password {
            account.password = Some(hash);
        }
        while account.sessions.len() >= SESSIONS {
            let oldest = account.sessions.iter().enumerate().min_by_key(|(_, it)| it.used());
            let Some((oldest, _)) = oldest else { break };
            account.sessions.remove(oldest);
        }
        account.sessions.push(it.session);
        let answer = self.tokens(&account.uid, access, &it.token);
        (record.failures, record.failed) = (0, 0);
        record.account = Some(account);
        self.save(store, &record)?;
        Ok(vec![answer])
    }

    fn tokens(&self, uid: &str, access_token: Secret, refresh: &RefreshToken) -> Effect {
        Effect::Answer(Ok(Answer::Tokens {
            uid: uid.to_owned(),
            access_token,
            expires_in: self.settings.access_seconds,
            refresh_token: Secret(refresh.text()),
        }))
    }

    /// The account, the place of a token's session in it, and what the token is to that.
    fn find(
        &self,
        store: &impl Store,
        token: &RefreshToken,
    ) -> Result<(Record, Option<(usize, Standing)>), Refusal> {
        let record = self.load(store)?;
        let sessions = record.account.iter().flat_map(|account| &account.sessions).enumerate();
        let standing = |(place, session): (usize, &Session)| {
            let standing = session.standing(token, self.now);
            (standing != Standing::Foreign).then_some((place, standing))
        };
        let found = sessions.filter(|_| token.account == self.name).find_map(standing);
        Ok((record, found))
    }

    fn refresh(&self, store: &mut impl Store, token: &str) -> Effects {
        let token = RefreshToken::parse(token).ok_or_else(over)?;
        let (record, found) = self.find(store, &token)?;
        match found {
            None => Err(over()),
            Some((place, Standing::Earlier)) => self.end_reused(store, record, place),
            Some(_) => {
                let account = record.account.as_ref().ok_or_else(over)?;
                let email = (account.email.as_deref(), account.email_verified);
                let claims = self.claims(&account.uid, email, &account.provider, &token.session);
                let pending = Pending(Next::Refreshing(Box::new(token)));
                Ok(vec![Effect::Sign { claims, pending }])
            }
        }
    }

    /// The token is signed: the refresh token is replaced, if it is still good.
    fn refreshed(&self, store: &mut impl Store, token: &RefreshToken, access: Secret) -> Effects {
        let (mut record, found) = self.find(store, token)?;
        let (place, standing) = found.ok_or_else(over)?;
        if standing == Standing::Earlier {
            return self.end_reused(store, record, place);
        }
        let account = record.account.as_mut().ok_or_else(over)?;
        let session = account.sessions.get_mut(place).ok_or_else(over)?;
        let is_repeated = standing == Standing::Repeated;
        let next = if is_repeated {
            session.repeat(token).ok_or_else(over)?
        } else {
            session.rotate(token, &self.random.bytes("rotate"), self.now)
        };
        let answer = self.tokens(&account.uid, access, &next);
        if !is_repeated {
            self.save(store, &record)?;
        }
        Ok(vec![answer])
    }

    /// An earlier token of a session came back: it ends for whoever has one.
    fn end_reused(&self, store: &mut impl Store, record: Record, place: usize) -> Effects {
        let audit = self.end(store, record, place, "session.reuse")?;
        let refused = Effect::Answer(Err(over()));
        Ok(audit.into_iter().chain([refused]).collect())
    }

    fn end(
        &self,
        store: &mut impl Store,
        mut record: Record,
        place: usize,
        act: &'static str,
    ) -> Result<Option<Effect>, Refusal> {
        let Some(account) = &mut record.account else { return Ok(None) };
        if place >= account.sessions.len() {
            return Ok(None);
        }
        let session = account.sessions.remove(place);
        let audit = Effect::Audit { uid: account.uid.clone(), act, what: session.id };
        self.save(store, &record)?;
        Ok(Some(audit))
    }

    fn sign_out(&self, store: &mut impl Store, token: &str, everywhere: bool) -> Effects {
        let done = Effect::Answer(Ok(Answer::SignedOut));
        let token = RefreshToken::parse(token).ok_or_else(over)?;
        let (mut record, found) = self.find(store, &token)?;
        match found {
            // As RFC 7009, section 2.2: what is wanted is so already. But not that others have ended.
            None if everywhere => Err(over()),
            None => Ok(vec![done]),
            Some((place, Standing::Earlier)) if everywhere => self.end_reused(store, record, place),
            Some((place, Standing::Earlier)) => {
                let audit = self.end(store, record, place, "session.reuse")?;
                Ok(audit.into_iter().chain([done]).collect())
            }
            Some((place, _)) => {
                if let Some(account) = &mut record.account {
                    if everywhere {
                        account.sessions.clear();
                    } else if place < account.sessions.len() {
                        account.sessions.remove(place);
                    }
                }
                self.save(store, &record)?;
                Ok(vec![done])
            }
        }
    }

    /// Failures are forgotten, and an object that had nothing else.
    fn alarm(&self, store: &mut impl Store) -> Effects {
        let record = self.load(store)?;
        if record.failures > 0 {
            return Ok(vec![Effect::SetAlarm(record.forgotten())]);
        }
        if record.account.is_some() {
            return Ok(Vec::new());
        }
        store.commit(&[Change::Delete(ROW)]).map_err(Error::from)?;
        Ok(vec![Effect::Erase])
    }
}

impl Record {
    /// When its failures are forgotten.
    fn forgotten(&self) -> Timestamp {
        Timestamp::from_micros(self.failed).after(FORGET_MICROS)
    }

    /// The refusal of an attempt, if it is too soon after the last.
    fn pause(&self, now: Timestamp) -> Option<Refusal> {
        let beyond = self.failures.checked_sub(SIGN_IN_FAILURES)?;
        let pause = PAUSE_MICROS.saturating_mul(1_i64.checked_shl(beyond.min(32))?);
        let until = self.failed.saturating_add(pause.min(PAUSE_MOST_MICROS));
        let left = until.saturating_sub(now.micros());
        if left <= 0 {
            return None;
        }
        let seconds = left.saturating_add(999_999).div_euclid(1_000_000).unsigned_abs();
        let detail = format!("too many failures to sign in; try again in {seconds} s");
        let error = Error::new(Code::ResourceExhausted, detail).with_status(429);
        Some(Refusal { error, retry_after: Some(seconds) })
    }
}

fn changed() -> Refusal {
    Error::new(Code::Aborted, "the account has changed meanwhile; sign in again").into()
}

/// The answer to a sign-up of an account that there is.
fn exists() -> Refusal {
    Error::new(Code::AlreadyExists, "there is an account with this email; sign in").into()
}

/// The answer to a refresh token that is not good. It does not say why: that is for the owner, in the audit log.
fn over() -> Refusal {
    unauthenticated("the refresh token is not good, or no longer: sign in again")
}
