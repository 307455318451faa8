//! An account with a password, in some histories: it costs a hash to sign up and in.

use super::rules::Who;
use super::workload::{Asked, World};
use blaze_engine::http::reply::Reply;
use serde_json::{Value, json};

/// Of so many histories two have an account: one without faults, one with faults.
const HISTORIES: u64 = 32;

/// The state that its owner keeps of it.
#[derive(Debug, Default)]
pub(super) struct Account {
    is_there: bool,
    /// True while a request about it is under way.
    is_busy: bool,
    access: Option<String>,
    refresh: Option<String>,
    has_faults: bool,
}

/// A request about an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    SignUp,
    SignIn,
    Refresh,
    /// A read with the token that Blaze signed.
    Read,
}

impl Account {
    /// The account of a history, if it has one.
    pub(super) fn of(seed: u64) -> Option<Self> {
        match seed % HISTORIES {
            4 => Some(Account::default()),
            7 => Some(Account { has_faults: true, ..Account::default() }),
            _ => None,
        }
    }
}

impl World {
    /// Does something with the account, if there is one.
    pub(super) fn act_on_account(&mut self) {
        let Some(account) = &mut self.account else { return };
        if std::mem::replace(&mut account.is_busy, true) {
            return;
        }
        let credentials = json!({"email": "ada@example.com", "password": "a long pass phrase"});
        let (access, refresh) = (account.access.clone(), account.refresh.clone());
        let (act, body) = match (account.is_there, self.random.below(4), refresh) {
            (false, ..) => (Act::SignUp, credentials),
            (true, 0, Some(token)) => (Act::Refresh, json!({"refreshToken": token})),
            (true, 1 | 2, _) if access.is_some() => (Act::Read, Value::Null),
            _ => (Act::SignIn, credentials),
        };
        let (method, path) = match act {
            Act::SignUp => ("POST", "/v1/accounts/signUp"),
            Act::SignIn => ("POST", "/v1/accounts/signIn"),
            Act::Refresh => ("POST", "/v1/accounts/refresh"),
            Act::Read => ("GET", "/v1/docs/open/d0"),
        };
        let mut sent = self.sent(&Who::Nobody, method, path, &body);
        if let (Act::Read, Some(token)) = (act, access) {
            sent.headers.push(("authorization".to_owned(), format!("Bearer {token}")));
        }
        self.ask(Who::Nobody, sent, Asked::Account(act));
    }

    /// A request about the account was answered; `None` if it was not.
    ///
    /// # Panics
    /// If an account is not there any more, or one of its tokens is refused.
    pub(super) fn account_answered(&mut self, act: Act, reply: Option<&Reply>) {
        let is_full = self.has_full_disks();
        let Some(account) = &mut self.account else { return };
        account.is_busy = false;
        // A full disk keeps nothing, and says so.
        let Some(reply) = reply.filter(|reply| reply.status != 500 || !is_full) else { return };
        let (status, is_good) = (reply.status, (200..300).contains(&reply.status));
        if matches!(act, Act::SignUp | Act::SignIn | Act::Refresh) && is_good {
            let body: Value = serde_json::from_str(&reply.body).expect("JSON");
            let text = |name: &str| body[name].as_str().map(str::to_owned);
            (account.access, account.refresh) = (text("accessToken"), text("refreshToken"));
            assert!(account.access.is_some() && account.refresh.is_some(), "{body}");
            account.is_there = true;
            return self.count("signed in");
        }
        match act {
            // An earlier request was not answered, and done.
            Act::SignUp => account.is_there |= status == 409,
            Act::SignIn => {
                assert!(matches!(status, 429 | 503), "an account is lost: {}", reply.body);
            }
            // An earlier answer with the next token was lost.
            Act::Refresh if account.has_faults => account.refresh = None,
            Act::Read if account.has_faults => {}
            Act::Refresh => assert!(is_good, "a session is lost: {}", reply.body),
            Act::Read => {
                assert_ne!(status, 401, "a token that was just signed is refused: {}", reply.body);
                self.count("read with an own token");
            }
        }
    }
}
