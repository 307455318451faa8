//! The token of a client: the shell around its [`Identity`].

use crate::core::error::{closed, may_pass};
use crate::core::identity::{Effect, Identity, Source, Token};
use crate::shell::hub::Hub;
use crate::shell::platform::{Alarm, now, spawn};
use crate::shell::work::weakly;
use blaze_schema::Error;
use futures_channel::oneshot;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::pin::Pin;
use std::rc::{Rc, Weak};

/// What a callback for tokens gives: a token, `None` for nobody, or why there is neither now.
type Given = Pin<Box<dyn Future<Output = Result<Option<String>, Error>>>>;
type Callback = Rc<dyn Fn(bool) -> Given>;

/// Who asks.
#[derive(Clone, Default)]
pub enum TokenSource {
    /// Nobody in particular.
    #[default]
    Nobody,
    /// Who has this token: a JWT or an API key. When it has ended, everything is refused.
    Fixed(String),
    /// Whose token this gives; see [`TokenSource::asked`].
    Asked(TokenCallback),
}

/// A callback that gives tokens.
#[derive(Clone)]
pub struct TokenCallback(Callback);

impl TokenSource {
    /// `callback` is asked for a token when one is needed, shortly before it ends (its `exp`), and when the server refuses
    /// it: then with `true`, for one that is fresh. It is not asked anew while it is being asked. `None` is nobody. An
    /// error that may pass, `unavailable` say, delays what needs the token; another one is its outcome.
    pub fn asked<F>(callback: impl Fn(bool) -> F + 'static) -> Self
    where
        F: Future<Output = Result<Option<String>, Error>> + 'static,
    {
        TokenSource::Asked(TokenCallback(Rc::new(move |fresh| Box::pin(callback(fresh)))))
    }
}

impl From<&str> for TokenSource {
    fn from(token: &str) -> Self {
        TokenSource::Fixed(token.to_owned())
    }
}

impl From<String> for TokenSource {
    fn from(token: String) -> Self {
        TokenSource::Fixed(token)
    }
}

/// Tokens are not for logs.
impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TokenSource::Nobody => "Nobody",
            TokenSource::Fixed(_) => "Fixed",
            TokenSource::Asked(_) => "Asked",
        })
    }
}

impl fmt::Debug for TokenCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenCallback")
    }
}

/// The token of one client, and who waits for it.
pub(crate) struct Credentials {
    client: Weak<dyn Hub>,
    identity: RefCell<Identity>,
    callback: RefCell<Option<Callback>>,
    alarm: Alarm,
    waiting: RefCell<Vec<oneshot::Sender<Result<Token, Error>>>>,
    /// True if a socket of the client has worked: its address is that of a Blaze server.
    knows_server: Cell<bool>,
}

impl Credentials {
    pub(crate) fn new(client: Weak<dyn Hub>) -> Rc<Self> {
        Rc::new_cyclic(|credentials: &Weak<Credentials>| {
            let ring = |credentials: &Rc<Credentials>, ()| {
                let (wanted, mut effects) = (credentials.is_wanted(), Vec::new());
                credentials.identity.borrow_mut().timer(now(), wanted, &mut effects);
                credentials.perform(effects);
            };
            Credentials {
                client,
                identity: RefCell::default(),
                callback: RefCell::default(),
                alarm: Alarm::new(weakly(credentials, ring)),
                waiting: RefCell::default(),
                knows_server: Cell::new(false),
            }
        })
    }

    /// From now on tokens come from there.
    ///
    /// # Errors
    /// `invalid-argument` for a token with characters that neither a JWT nor an API key has.
    pub(crate) fn become_of(self: &Rc<Self>, source: TokenSource) -> Result<(), Error> {
        let (source, callback) = match source {
            TokenSource::Nobody => (Source::Nobody, None),
            TokenSource::Fixed(token) => (Source::Fixed(checked(&token)?), None),
            TokenSource::Asked(TokenCallback(callback)) => (Source::Asked, Some(callback)),
        };
        self.callback.replace(callback);
        let (wanted, mut effects) = (self.is_wanted(), Vec::new());
        self.identity.borrow_mut().become_of(source, wanted, &mut effects);
        let is_awaited = self.identity.borrow().known().is_none();
        if let Some(client) = self.client.upgrade().filter(|_| is_awaited) {
            client.tell_replaced();
        }
        self.perform(effects);
        Ok(())
    }

    /// The token, if it takes no waiting to have it.
    pub(crate) fn at_hand(&self) -> Option<Token> {
        let identity = self.identity.borrow();
        identity.known().filter(|_| !identity.is_due(now())).cloned()
    }

    /// The token.
    ///
    /// # Errors
    /// The callback's.
    pub(crate) async fn token(self: &Rc<Self>) -> Result<Token, Error> {
        if let Some(token) = self.at_hand() {
            return Ok(token);
        }
        let (answer, token) = oneshot::channel();
        self.waiting.borrow_mut().push(answer);
        self.want();
        token.await.unwrap_or_else(|_| Err(closed()))
    }

    /// The server refused this token. Returns whether it is worth to come again.
    pub(crate) fn refused(&self, token: &Token) -> bool {
        self.identity.borrow_mut().refused(token)
    }

    /// The server accepted this token.
    pub(crate) fn accepted(&self, token: &Token) {
        self.identity.borrow_mut().accepted(token);
    }

    /// Tells the identity something that has no effects.
    pub(crate) fn with<T>(&self, tell: impl FnOnce(&mut Identity) -> T) -> T {
        tell(&mut self.identity.borrow_mut())
    }

    pub(crate) fn knows_server(&self) -> bool {
        self.knows_server.get()
    }

    pub(crate) fn know_server(&self) {
        self.knows_server.set(true);
    }

    /// Asks no more.
    pub(crate) fn close(&self) {
        self.alarm.stop();
        self.callback.take();
        self.waiting.take();
    }

    fn is_wanted(&self) -> bool {
        let open = self.client.upgrade().is_some_and(|client| client.has_sockets());
        open || !self.waiting.borrow().is_empty()
    }

    fn want(self: &Rc<Self>) {
        let mut effects = Vec::new();
        self.identity.borrow_mut().wanted(now(), &mut effects);
        self.perform(effects);
    }

    fn given(self: &Rc<Self>, number: u64, given: Result<Option<String>, Error>) {
        let token = given.and_then(|token| token.as_deref().map(checked).transpose());
        let mut effects = Vec::new();
        self.identity.borrow_mut().given(number, token, now(), &mut effects);
        self.perform(effects);
    }

    fn perform(self: &Rc<Self>, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Ask { number, fresh } => self.ask(number, fresh),
                Effect::Answer(answer) => {
                    if let Some(client) = self.client.upgrade() {
                        match &answer {
                            Ok(token) => client.tell_token(token),
                            Err(error) if may_pass(error) => {}
                            Err(error) => client.tell_nameless(error),
                        }
                    }
                    for waiting in self.waiting.take() {
                        // Whoever waited may have lost interest.
                        let _ = waiting.send(answer.clone());
                    }
                }
                Effect::StartTimer(after_ms) => self.alarm.start(after_ms),
            }
        }
    }

    fn ask(self: &Rc<Self>, number: u64, fresh: bool) {
        let Some(callback) = self.callback.borrow().clone() else { return };
        let credentials = Rc::clone(self);
        spawn(async move {
            let given = callback(fresh).await;
            credentials.given(number, given);
        });
    }
}

/// RFC 9110 section 5.6.2: what may stand in a header and in a subprotocol.
fn checked(token: &str) -> Result<Rc<str>, Error> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if token.is_empty() || !token.bytes().all(fits) {
        return Err(Error::invalid("token: a character that no JWT and no API key has"));
    }
    Ok(token.into())
}
