//! Accounts against what they will meet: a real provider of identities, and owners and thieves who do things in any
//! order. Objects are made anew for every step, over the SQLite that the Durable Objects have.

use blaze_engine::http::account_request::{Ask, read};
use blaze_engine::http::{Headers, Request, query_value};
use blaze_identity::accounts::oidc::{Fetch, Fetched};
use blaze_identity::accounts::session::GRACE_MICROS;
use blaze_identity::accounts::settings::Settings;
use blaze_identity::accounts::{
    Action, Answer, Effect, Event, Object, Refusal, Secret, subject_object,
};
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{SESSIONS, SIGN_IN_FAILURES};
use blaze_schema::timestamp::Timestamp;
use blaze_store::Store;
use blaze_tests::identity_provider::{Browser, IdentityProvider, REDIRECT, SECRET, agent};
use blaze_tests::rusqlite_store::RusqliteStore;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};
use ureq::http;

/// The objects of accounts as a shell runs them: access tokens are their claims.
struct Shell {
    settings: Settings,
    objects: BTreeMap<String, RusqliteStore>,
    now: Timestamp,
    steps: u128,
    audited: Vec<String>,
}

struct NoHeaders;

impl Headers for NoHeaders {
    fn get(&self, _: &str) -> Option<String> {
        None
    }
}

impl Shell {
    fn new(settings: &Value) -> Self {
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let now = Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap());
        let settings = Settings::from_json(settings).unwrap();
        Shell { settings, objects: BTreeMap::new(), now, steps: 0, audited: Vec::new() }
    }

    fn post(&mut self, path: &str, body: &Value) -> Result<Answer, Refusal> {
        let path = format!("/v1/accounts/{path}");
        let request = Request { method: "POST", path: &path, query: "", headers: &NoHeaders };
        self.steps += 1;
        let body = body.to_string().into_bytes();
        let random = [self.steps, 1];
        let Ask { object, action } = read(&request, Some(&body), Some(&self.settings), random)?;
        self.run(&object, Event::Act(action))
    }

    fn run(&mut self, name: &str, event: Event) -> Result<Answer, Refusal> {
        self.steps += 1;
        let secrets = [("SECRET", SECRET), ("WRONG", "another")];
        let secrets = secrets.map(|(name, secret)| (name.to_owned(), Secret(secret.to_owned())));
        let object = Object::new(name.to_owned(), self.settings.clone(), secrets.into());
        let store = self.objects.entry(name.to_owned());
        let store = store.or_insert_with(|| RusqliteStore::in_memory().unwrap());
        let effects = object.handle(store, self.now, [self.steps, 2], event);
        for effect in effects {
            match effect {
                Effect::SetAlarm(_) => {}
                Effect::Erase => drop(self.objects.remove(name)),
                Effect::Audit { act, .. } => self.audited.push(act.to_owned()),
                Effect::Hash { hashing, pending } => {
                    return self.run(name, Event::Hashed(pending, hashing.run()));
                }
                Effect::Sign { claims, pending } => {
                    return self.run(name, Event::Signed(pending, Ok(Secret(claims))));
                }
                Effect::Fetch { fetch, pending } => {
                    return self.run(name, Event::Fetched(pending, carry_out(fetch)));
                }
                Effect::Pass { object, action } => return self.run(&object, Event::Act(action)),
                Effect::Answer(answer) => return answer,
            }
        }
        panic!("a step without an end");
    }
}

fn carry_out(fetch: Fetch) -> Fetched {
    let mut request = http::Request::builder().method(fetch.method).uri(fetch.url);
    for (name, value) in fetch.headers {
        request = request.header(name, value);
    }
    let request = request.body(fetch.body.unwrap_or_default()).unwrap();
    let response = agent().run(request).map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    Ok((status, response.into_body().read_to_string().unwrap()))
}

/// A sign-in that has begun, and where the provider sent the browser.
struct Begun {
    state: String,
    secret: String,
    back: String,
}

fn settings(provider: &IdentityProvider) -> Value {
    let client = |id: &str, secret: Option<&str>| {
        let mut client = json!({"issuer": provider.issuer, "clientId": id});
        if let Some(secret) = secret {
            client["clientSecret"] = secret.into();
        }
        client
    };
    json!({
        "signUp": true,
        "redirects": [REDIRECT],
        "providers": {
            "basic": client("basic", Some("SECRET")),
            "public": client("public", None),
            "es256": client("es256", Some("SECRET")),
            "eddsa": client("eddsa", Some("SECRET")),
            "wrong": client("basic", Some("WRONG")),
            "nobody": client("nobody", None),
        },
    })
}

fn begin(shell: &mut Shell, name: &str, provider: &str) -> Begun {
    let answer = shell.post(&format!("oidc/{provider}/start"), &json!({"redirectUri": REDIRECT}));
    let Answer::Started { authorization_url, state, secret: Secret(secret), .. } = answer.unwrap()
    else {
        panic!("not started")
    };
    let back = Browser::default().log_in(&authorization_url, name);
    Begun { state, secret, back }
}

fn finish(shell: &mut Shell, provider: &str, begun: &Begun) -> Result<Answer, Refusal> {
    let (_, query) = begun.back.split_once('?').unwrap();
    assert_eq!(query_value(query, "state").as_deref(), Some(begun.state.as_str()));
    let body = json!({
        "state": begun.state, "secret": begun.secret, "redirectUri": REDIRECT,
        "code": query_value(query, "code"), "iss": query_value(query, "iss"),
    });
    shell.post(&format!("oidc/{provider}/finish"), &body)
}

fn tokens(answer: Result<Answer, Refusal>) -> (String, Value, String) {
    let Answer::Tokens { uid, access_token, refresh_token, .. } = answer.unwrap() else {
        panic!("no tokens")
    };
    (uid, serde_json::from_str(&access_token.0).unwrap(), refresh_token.0)
}

fn error(answer: Result<Answer, Refusal>) -> Error {
    answer.unwrap_err().error
}

#[test]
fn somebody_signs_in_with_a_real_provider() {
    let provider = IdentityProvider::start();
    let mut shell = Shell::new(&settings(&provider));
    // Secret in a header, no secret; keys of each kind.
    for client in ["basic", "public", "es256", "eddsa"] {
        let begun = begin(&mut shell, "alice", client);
        let (uid, claims, refresh) = tokens(finish(&mut shell, client, &begun));
        assert_eq!(claims["email"], "alice@example.com");
        assert_eq!(
            (&claims["email_verified"], &claims["provider"]),
            (&true.into(), &client.into())
        );
        let (again, ..) = tokens(shell.post("refresh", &json!({"refreshToken": refresh})));
        assert_eq!(again, uid);
        let begun = begin(&mut shell, "alice", client);
        assert_eq!(tokens(finish(&mut shell, client, &begun)).0, uid, "{client}: the same account");
        let begun = begin(&mut shell, "bob", client);
        assert_ne!(tokens(finish(&mut shell, client, &begun)).0, uid, "{client}: somebody else's");
        assert_eq!(error(finish(&mut shell, client, &begun)).code, Code::Unauthenticated, "twice");
    }
    // Of the sign-ins nothing is left.
    for (name, store) in &shell.objects {
        let has_row = store.get(b"s").unwrap().is_some() || store.get(b"a").unwrap().is_some();
        assert_eq!(has_row, name.starts_with("oidc:"), "{name}");
    }
}

#[test]
fn a_code_is_good_only_where_it_was_asked_for() {
    let provider = IdentityProvider::start();
    let mut shell = Shell::new(&settings(&provider));
    let (alice, thief) =
        (begin(&mut shell, "alice", "basic"), begin(&mut shell, "mallory", "basic"));
    // The thief has seen what the provider sent Alice's browser back with, but not what the browser keeps.
    let seen = |state: &str, secret: &str, back: &str| {
        let state = state.to_owned();
        Begun { state, secret: secret.to_owned(), back: back.to_owned() }
    };
    let stolen = seen(&alice.state, &thief.secret, &alice.back);
    assert_eq!(error(finish(&mut shell, "basic", &stolen)).code, Code::Unauthenticated);
    // Their own sign-in with Alice's code: the provider holds it against PKCE.
    let code = |begun: &Begun| query_value(begun.back.split_once('?').unwrap().1, "code").unwrap();
    let back = thief.back.replace(&code(&thief), &code(&alice));
    assert_ne!(back, thief.back);
    let refused = error(finish(&mut shell, "basic", &seen(&thief.state, &thief.secret, &back)));
    assert_eq!(refused.code, Code::Unauthenticated);
    assert_eq!(refused.detail, "the provider refuses the code: invalid_grant");
    // And a code of another provider is told by its issuer.
    let other = begin(&mut shell, "alice", "basic");
    let issuer = query_value(other.back.split_once('?').unwrap().1, "iss").unwrap();
    assert_eq!(issuer, provider.issuer);
    let mixed = other.back.replace("&iss=", "&iss=x");
    let refused = error(finish(&mut shell, "basic", &seen(&other.state, &other.secret, &mixed)));
    assert!(refused.detail.starts_with("iss:"), "{}", refused.detail);
    tokens(finish(&mut shell, "basic", &other));
}

#[test]
fn a_server_that_the_provider_does_not_know_is_told_so() {
    let provider = IdentityProvider::start();
    let mut shell = Shell::new(&settings(&provider));
    let begun = begin(&mut shell, "alice", "wrong");
    let refused = error(finish(&mut shell, "wrong", &begun));
    assert_eq!(refused.code, Code::Internal);
    assert!(refused.detail.contains("clientSecret"), "{}", refused.detail);
    drop(provider);
    let gone = shell.post("oidc/basic/start", &json!({"redirectUri": REDIRECT}));
    assert_eq!(error(gone).code, Code::Unavailable);
}

#[test]
fn an_account_that_there_is_not_takes_as_long_as_a_wrong_password() {
    let mut shell = Shell::new(&json!({"passwords": true, "signUp": true}));
    let known = json!({"email": "alice@example.com", "password": "correct horse"});
    tokens(shell.post("signUp", &known));
    // The least of several: the machine has other things to do too.
    let mut time = |email: &str| {
        let mut least = Duration::MAX;
        for _ in 0..SIGN_IN_FAILURES {
            let start = Instant::now();
            let wrong = shell.post("signIn", &json!({"email": email, "password": "wrong horse"}));
            least = least.min(start.elapsed());
            assert_eq!(error(wrong).code, Code::Unauthenticated);
        }
        least.as_secs_f64()
    };
    let (known, unknown) = (time("alice@example.com"), time("bob@example.com"));
    assert!(known < 3.0 * unknown && unknown < 3.0 * known, "{known} s, {unknown} s");
}

/// A session as it should be: all its tokens in their order, and when the last was given.
#[derive(Debug)]
struct Session {
    tokens: Vec<String>,
    used: i64,
    has_ended: bool,
}

/// What an owner, or a thief, or both do. Tokens are named by a number, whoever has them by now.
#[derive(Clone, Debug)]
enum Deed {
    SignIn,
    Refresh(usize),
    SignOut(usize, bool),
    Wait(i64),
}

const DAYS: i64 = 30 * 24 * 60 * 60 * 1_000_000;

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let waits = [1, GRACE_MICROS - 1, GRACE_MICROS, 3_600_000_000, DAYS - 1, DAYS];
    let deed = prop_oneof![
        2 => Just(Deed::SignIn),
        6 => (0..3_usize).prop_map(Deed::Refresh),
        2 => any::<usize>().prop_map(Deed::Refresh),
        1 => (any::<usize>(), prop::bool::weighted(0.3)).prop_map(|(n, all)| Deed::SignOut(n, all)),
        3 => prop::sample::select(waits.to_vec()).prop_map(Deed::Wait),
    ];
    prop::collection::vec(deed, 1..60)
}

/// The sessions as they should be, told what happens.
#[derive(Debug, Default)]
struct Model {
    sessions: Vec<Session>,
    reused: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token {
    Newest,
    Repeated,
    Earlier,
    Dead,
}

impl Model {
    /// The nth token from the newest: of which session, and which of its tokens.
    fn token(&self, number: usize) -> Option<(usize, usize)> {
        let of = |(place, session): (usize, &Session)| {
            (0..session.tokens.len()).map(move |token| (place, token)).collect::<Vec<_>>()
        };
        let all: Vec<(usize, usize)> = self.sessions.iter().enumerate().flat_map(of).collect();
        let number = number.checked_rem(all.len())?;
        all.iter().rev().nth(number).copied()
    }

    fn standing(&mut self, (place, token): (usize, usize), now: i64) -> Token {
        let session = &mut self.sessions[place];
        session.has_ended |= now >= session.used + DAYS;
        let back = session.tokens.len() - 1 - token;
        match back {
            _ if session.has_ended => Token::Dead,
            0 => Token::Newest,
            1 if now < session.used + GRACE_MICROS => Token::Repeated,
            _ => {
                session.has_ended = true;
                self.reused += 1;
                Token::Earlier
            }
        }
    }

    fn begin(&mut self, token: String, now: i64) {
        for session in &mut self.sessions {
            session.has_ended |= now >= session.used + DAYS;
        }
        let alive = self.sessions.iter().enumerate().filter(|(_, session)| !session.has_ended);
        let alive: Vec<(usize, i64)> =
            alive.map(|(place, session)| (place, session.used)).collect();
        if alive.len() == SESSIONS {
            let (oldest, _) = alive.iter().min_by_key(|(_, used)| *used).unwrap();
            self.sessions[*oldest].has_ended = true;
        }
        self.sessions.push(Session { tokens: vec![token], used: now, has_ended: false });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn sessions_are_as_simple_as_their_model(deeds in deeds()) {
        let provider = json!({"issuer": "https://a.example", "clientId": "c"});
        let settings = json!({"signUp": true, "providers": {"own": provider}});
        let (mut shell, mut model) = (Shell::new(&settings), Model::default());
        let object = subject_object("own", "alice");
        let sign_in = || Event::Act(Action::SignInWith {
            provider: "own".to_owned(), sub: "alice".to_owned(), email: None, email_verified: false,
        });
        for deed in deeds {
            let now = shell.now.micros();
            match deed {
                Deed::Wait(micros) => shell.now = Timestamp::from_micros(now + micros),
                Deed::SignIn => {
                    let (_, _, token) = tokens(shell.run(&object, sign_in()));
                    model.begin(token, now);
                }
                Deed::Refresh(number) => {
                    let Some((place, token)) = model.token(number) else { continue };
                    let text = model.sessions[place].tokens[token].clone();
                    let answer = shell.post("refresh", &json!({"refreshToken": text}));
                    let standing = model.standing((place, token), now);
                    let session = &mut model.sessions[place];
                    match standing {
                        Token::Newest => {
                            session.tokens.push(tokens(answer).2);
                            session.used = now;
                        }
                        Token::Repeated => {
                            prop_assert_eq!(&tokens(answer).2, session.tokens.last().unwrap());
                        }
                        Token::Earlier | Token::Dead => {
                            prop_assert_eq!(error(answer).code, Code::Unauthenticated);
                        }
                    }
                }
                Deed::SignOut(number, everywhere) => {
                    let Some((place, token)) = model.token(number) else { continue };
                    let text = model.sessions[place].tokens[token].clone();
                    let body = json!({"refreshToken": text, "everywhere": everywhere});
                    let answer = shell.post("signOut", &body);
                    let standing = model.standing((place, token), now);
                    let is_good = matches!(standing, Token::Newest | Token::Repeated);
                    if is_good || !everywhere {
                        prop_assert_eq!(answer, Ok(Answer::SignedOut));
                    } else {
                        prop_assert_eq!(error(answer).code, Code::Unauthenticated);
                    }
                    model.sessions[place].has_ended = true;
                    if everywhere && is_good {
                        model.sessions.iter_mut().for_each(|session| session.has_ended = true);
                    }
                }
            }
            prop_assert_eq!(shell.audited.len(), model.reused);
        }
    }
}
