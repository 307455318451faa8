use super::session::GRACE_MICROS;
use super::*;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use blaze_schema::limits::{
    JWKS_BYTES, JWKS_MS, PASSWORD_BYTES, PROVIDER_ANSWER_BYTES, PROVIDER_MS, SESSIONS,
    SIGN_IN_FAILURES, SIGN_IN_MICROS,
};
use blaze_store::memory::MemoryStore;
use serde_json::{Value, json};

const ALICE: &str = "alice@example.com";
const PASSWORD: &str = "correct horse";
const DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// An object, its store, and a clock that stands still unless it is told. The object is a new one at every step, so
/// that nothing can rest on its memory.
struct Bench {
    name: String,
    settings: Value,
    store: MemoryStore,
    now: i64,
    steps: u128,
}

impl Bench {
    fn new(name: &str) -> Self {
        let settings = json!({
            "passwords": true, "signUp": true,
            "providers": {"own": {
                "issuer": "https://a.example", "clientId": "client", "clientSecret": "OWN_SECRET"}},
            "redirects": ["http://localhost/"],
        });
        let (store, now) = (MemoryStore::default(), 1_800_000_000_000_000);
        Bench { name: name.to_owned(), settings, store, now, steps: 0 }
    }

    fn alice() -> Self {
        Bench::new(&email_object(ALICE))
    }

    /// Takes a step, and those that follow from it when passwords are hashed.
    fn step(&mut self, event: Event) -> Vec<Effect> {
        let effects = self.step_alone(event);
        match &effects[..] {
            [Effect::Hash { hashing, pending }] => {
                self.step_alone(Event::Hashed(pending.clone(), hashing.run()))
            }
            _ => effects,
        }
    }

    fn step_alone(&mut self, event: Event) -> Vec<Effect> {
        self.steps += 1;
        let settings = Settings::from_json(&self.settings).unwrap();
        let secrets = [("OWN_SECRET".to_owned(), Secret("hush".to_owned()))].into();
        let object = Object::new(self.name.clone(), settings, secrets);
        let now = Timestamp::from_micros(self.now);
        object.handle(&mut self.store, now, [self.steps, 7], event)
    }

    /// Acts, and has tokens signed: they are their claims.
    fn act(&mut self, action: Action) -> Vec<Effect> {
        let effects = self.step(Event::Act(action));
        match &effects[..] {
            [Effect::Sign { claims, pending }] => {
                self.step(Event::Signed(pending.clone(), Ok(Secret(claims.clone()))))
            }
            _ => effects,
        }
    }

    fn sign_up(&mut self) -> Tokens {
        tokens(&self.act(sign_up()))
    }

    fn refresh(&mut self, token: &str) -> Vec<Effect> {
        self.act(refresh(token))
    }

    fn wait(&mut self, micros: i64) -> &mut Self {
        self.now += micros;
        self
    }

    fn row(&self) -> Value {
        serde_json::from_slice(self.store.rows().values().next().unwrap()).unwrap()
    }
}

/// A session as its owner has it.
#[derive(Clone, Debug, PartialEq)]
struct Tokens {
    uid: String,
    claims: Value,
    refresh: String,
}

fn sign_up() -> Action {
    Action::SignUp { email: ALICE.to_owned(), password: Secret(PASSWORD.to_owned()) }
}

fn sign_in(password: &str) -> Action {
    Action::SignIn { password: Secret(password.to_owned()) }
}

fn refresh(token: &str) -> Action {
    Action::Refresh { token: Secret(token.to_owned()) }
}

fn sign_out(token: &str, everywhere: bool) -> Action {
    Action::SignOut { token: Secret(token.to_owned()), everywhere }
}

fn tokens(effects: &[Effect]) -> Tokens {
    let [Effect::Answer(Ok(Answer::Tokens { uid, access_token, refresh_token, .. }))] = effects
    else {
        panic!("no tokens: {effects:?}")
    };
    Tokens {
        uid: uid.clone(),
        claims: serde_json::from_str(&access_token.0).unwrap(),
        refresh: refresh_token.0.clone(),
    }
}

fn refusal(effects: &[Effect]) -> &Refusal {
    match effects.last() {
        Some(Effect::Answer(Err(refusal))) => refusal,
        _ => panic!("no refusal: {effects:?}"),
    }
}

fn code(effects: &[Effect]) -> Code {
    refusal(effects).error.code
}

fn is_audited(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Audit { act: "session.reuse", .. }))
}

#[test]
fn a_sign_up_makes_an_account_and_its_first_session() {
    let mut bench = Bench::alice();
    let first = bench.sign_up();
    let now = bench.now / 1_000_000;
    let sid = first.claims["sid"].clone();
    assert_eq!(
        first.claims,
        json!({
            "iss": "blaze", "aud": "blaze", "sub": first.uid, "provider": "password", "roles": [],
            "email": ALICE, "email_verified": false, "iat": now, "exp": now + 3_600, "sid": sid,
        })
    );
    assert_eq!((first.uid.len(), sid.as_str().unwrap().len()), (26, 26));
    let row = bench.row().to_string();
    assert!(row.contains("$argon2id$") && !row.contains(PASSWORD), "{row}");
    let second = tokens(&bench.wait(1_000_000).act(sign_in(PASSWORD)));
    assert_eq!(second.uid, first.uid);
    assert_ne!(second.claims["sid"], sid);
    assert_eq!(code(&bench.act(sign_up())), Code::AlreadyExists);
}

#[test]
fn nothing_is_kept_before_the_token_is_signed() {
    let mut bench = Bench::alice();
    let [Effect::Sign { pending, .. }] = &bench.step(Event::Act(sign_up()))[..] else { panic!() };
    assert!(bench.store.rows().is_empty());
    let failed = bench.step(Event::Signed(pending.clone(), Err("no".to_owned())));
    assert_eq!(code(&failed), Code::Unavailable);
    assert!(bench.store.rows().is_empty());
    // Two at once: the second comes too late.
    let first = bench.sign_up();
    let late = bench.step(Event::Signed(pending.clone(), Ok(Secret("{}".to_owned()))));
    assert_eq!(code(&late), Code::AlreadyExists);
    assert!(bench.row().to_string().contains(&first.uid));
    let [Effect::Sign { pending, .. }] = &bench.step(Event::Act(refresh(&first.refresh)))[..]
    else {
        panic!()
    };
    let before = bench.store.contents();
    bench.step(Event::Signed(pending.clone(), Err("no".to_owned())));
    assert_eq!(bench.store.contents(), before);
    tokens(&bench.refresh(&first.refresh));
}

#[test]
fn an_account_that_there_is_not_does_what_a_wrong_password_does() {
    let (mut known, mut unknown) = (Bench::alice(), Bench::alice());
    known.sign_up();
    let was = known.store.rows_written();
    for attempt in 1..=SIGN_IN_FAILURES + 2 {
        let wrong = known.act(sign_in("wrong horse"));
        assert_eq!(wrong, unknown.act(sign_in("wrong horse")));
        let expected = if attempt <= SIGN_IN_FAILURES { 401 } else { 429 };
        assert_eq!(refusal(&wrong).error.status, expected, "attempt {attempt}");
    }
    assert_eq!(known.store.rows_written() - was, unknown.store.rows_written());
    let long = "x".repeat(PASSWORD_BYTES + 1);
    known.wait(DAY);
    unknown.wait(DAY);
    assert_eq!(known.act(sign_in(&long)), unknown.act(sign_in(&long)));
}

#[test]
fn passwords_that_are_tried_at_once_are_as_many_as_those_tried_one_after_the_other() {
    let mut bench = Bench::alice();
    bench.sign_up();
    let begun = |bench: &mut Bench, password: &str| match &bench
        .step_alone(Event::Act(sign_in(password)))[..]
    {
        [Effect::Hash { hashing, pending }] => (hashing.clone(), pending.clone()),
        other => panic!("{other:?}"),
    };
    let mut tries: Vec<_> =
        (0..=SIGN_IN_FAILURES).map(|_| begun(&mut bench, "wrong horse")).collect();
    tries.push(begun(&mut bench, PASSWORD));
    let mut end = |(hashing, pending): (Hashing, _)| {
        refusal(&bench.step_alone(Event::Hashed(pending, hashing.run()))).error.status
    };
    let statuses: Vec<u16> = tries.into_iter().map(&mut end).collect();
    let (counted, rest) = statuses.split_at(SIGN_IN_FAILURES as usize);
    assert!(counted.iter().all(|status| *status == 401), "{statuses:?}");
    assert_eq!(rest, [429, 429], "the right one among them");
}

#[test]
fn failures_make_an_account_wait_and_longer_each_time() {
    let mut bench = Bench::alice();
    bench.sign_up();
    for _ in 0..SIGN_IN_FAILURES {
        assert_eq!(code(&bench.act(sign_in("wrong horse"))), Code::Unauthenticated);
    }
    for pause in [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600] {
        // Also the right password has to wait.
        let refused = bench.act(sign_in(PASSWORD));
        assert_eq!(refusal(&refused).error.status, 429);
        assert_eq!(refusal(&refused).retry_after, Some(pause));
        let before = bench.store.rows_written();
        let end = i64::try_from(pause).unwrap() * 1_000_000;
        let refused = bench.wait(end - 1).act(sign_in(PASSWORD));
        assert_eq!(refusal(&refused).retry_after, Some(1));
        assert_eq!(bench.store.rows_written(), before, "waiting writes nothing");
        assert_eq!(code(&bench.wait(1).act(sign_in("wrong horse"))), Code::Unauthenticated);
    }
    tokens(&bench.wait(3_600_000_000).act(sign_in(PASSWORD)));
    assert_eq!(code(&bench.act(sign_in("wrong horse"))), Code::Unauthenticated);
    tokens(&bench.act(sign_in(PASSWORD)));
}

#[test]
fn failures_are_forgotten_and_with_them_what_has_no_account() {
    let mut unknown = Bench::alice();
    for _ in 0..SIGN_IN_FAILURES {
        unknown.act(sign_in("wrong horse"));
    }
    let end = Timestamp::from_micros(unknown.now + DAY);
    assert_eq!(unknown.wait(DAY - 1).step(Event::Alarm), [Effect::SetAlarm(end)]);
    assert_eq!(unknown.wait(1).step(Event::Alarm), [Effect::Erase]);
    assert!(unknown.store.rows().is_empty());
    let mut known = Bench::alice();
    known.sign_up();
    known.act(sign_in("wrong horse"));
    assert_eq!(known.wait(DAY).step(Event::Alarm), []);
    tokens(&known.act(sign_in(PASSWORD)));
}

#[test]
fn an_old_hash_is_made_anew_at_the_next_sign_in() {
    let mut bench = Bench::alice();
    bench.sign_up();
    let mut row = bench.row();
    // Of the password "password"; see `password.rs`.
    row["account"]["password"] =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
            .into();
    let key = bench.store.rows().keys().next().unwrap().clone();
    bench.store.put_all(&[(&key, row.to_string().as_bytes())]).unwrap();
    tokens(&bench.act(sign_in("password")));
    let hash = bench.row()["account"]["password"].as_str().unwrap().to_owned();
    assert!(!password::is_outdated(&hash), "{hash}");
    tokens(&bench.act(sign_in("password")));
}

#[test]
fn a_refresh_token_is_used_once() {
    let mut bench = Bench::alice();
    let first = bench.sign_up();
    let second = tokens(&bench.wait(3_600_000_000).refresh(&first.refresh));
    assert_eq!(second.uid, first.uid);
    assert_eq!(second.claims["sid"], first.claims["sid"]);
    assert_eq!(second.claims["iat"], bench.now / 1_000_000);
    assert_ne!(second.refresh, first.refresh);
    let third = tokens(&bench.wait(3_600_000_000).refresh(&second.refresh));
    // The first again: whoever has it, the session ends for all.
    let reused = bench.refresh(&first.refresh);
    assert_eq!(code(&reused), Code::Unauthenticated);
    assert!(is_audited(&reused));
    let ended = bench.refresh(&third.refresh);
    assert_eq!(code(&ended), Code::Unauthenticated);
    assert!(!is_audited(&ended));
    tokens(&bench.act(sign_in(PASSWORD)));
}

#[test]
fn a_use_that_is_repeated_at_once_gets_the_same_token() {
    let mut bench = Bench::alice();
    let first = bench.sign_up();
    let second = tokens(&bench.wait(DAY).refresh(&first.refresh));
    let before = bench.store.contents();
    let again = tokens(&bench.wait(GRACE_MICROS - 1).refresh(&first.refresh));
    assert_eq!(again.refresh, second.refresh);
    assert_eq!(bench.store.contents(), before);
    let late = bench.wait(1).refresh(&first.refresh);
    assert!(is_audited(&late));
    assert_eq!(code(&bench.refresh(&second.refresh)), Code::Unauthenticated);
}

#[test]
fn two_uses_at_once_get_the_same_token() {
    let mut bench = Bench::alice();
    let first = bench.sign_up();
    let sign = |bench: &mut Bench| match &bench.step(Event::Act(refresh(&first.refresh)))[..] {
        [Effect::Sign { claims, pending }] => (claims.clone(), pending.clone()),
        other => panic!("{other:?}"),
    };
    let (one, two) = (sign(&mut bench), sign(&mut bench));
    let [one, two] = [one, two]
        .map(|(claims, pending)| tokens(&bench.step(Event::Signed(pending, Ok(Secret(claims))))));
    assert_eq!(one.refresh, two.refresh);
    let next = tokens(&bench.wait(DAY).refresh(&one.refresh));
    // One is signed only after the other has been replaced again: it is an earlier one by now.
    let (claims, pending) = match &bench.step(Event::Act(refresh(&next.refresh)))[..] {
        [Effect::Sign { claims, pending }] => (claims.clone(), pending.clone()),
        other => panic!("{other:?}"),
    };
    bench.refresh(&next.refresh);
    let late = bench.wait(GRACE_MICROS).step(Event::Signed(pending, Ok(Secret(claims))));
    assert!(is_audited(&late));
    assert_eq!(code(&late), Code::Unauthenticated);
}

#[test]
fn a_session_that_ends_while_its_token_is_signed_stays_ended() {
    let mut bench = Bench::alice();
    let first = bench.sign_up();
    let effects = bench.step(Event::Act(refresh(&first.refresh)));
    let [Effect::Sign { claims, pending }] = &effects[..] else { panic!("{effects:?}") };
    bench.act(sign_out(&first.refresh, false));
    let late = bench.step(Event::Signed(pending.clone(), Ok(Secret(claims.clone()))));
    assert_eq!(code(&late), Code::Unauthenticated);
}

#[test]
fn a_session_ends_after_days_without_use_and_at_the_very_second() {
    let mut bench = Bench::alice();
    let mut token = bench.sign_up().refresh;
    for _ in 0..3 {
        token = tokens(&bench.wait(30 * DAY - 1).refresh(&token)).refresh;
    }
    assert_eq!(code(&bench.wait(30 * DAY).refresh(&token)), Code::Unauthenticated);
}

#[test]
fn an_account_has_so_many_sessions_and_the_oldest_ends() {
    let mut bench = Bench::alice();
    let mut all = vec![bench.sign_up().refresh];
    for _ in 1..SESSIONS {
        all.push(tokens(&bench.wait(1_000_000).act(sign_in(PASSWORD))).refresh);
    }
    for token in &mut all {
        *token = tokens(&bench.wait(1_000_000).refresh(token)).refresh;
    }
    let newest = tokens(&bench.wait(1_000_000).act(sign_in(PASSWORD))).refresh;
    assert_eq!(bench.row()["account"]["sessions"].as_array().unwrap().len(), SESSIONS);
    assert_eq!(code(&bench.refresh(&all[0])), Code::Unauthenticated);
    for token in all[1..].iter().chain([&newest]) {
        tokens(&bench.refresh(token));
    }
}

#[test]
fn a_sign_out_ends_one_session_or_all() {
    let mut bench = Bench::alice();
    let one = bench.sign_up().refresh;
    let two = tokens(&bench.act(sign_in(PASSWORD))).refresh;
    let done = [Effect::Answer(Ok(Answer::SignedOut))];
    assert_eq!(bench.act(sign_out(&one, false)), done);
    assert_eq!(bench.act(sign_out(&one, false)), done, "again");
    assert_eq!(code(&bench.act(sign_out(&one, true))), Code::Unauthenticated);
    assert_eq!(code(&bench.refresh(&one)), Code::Unauthenticated);
    let three = tokens(&bench.act(sign_in(PASSWORD))).refresh;
    let two = tokens(&bench.refresh(&two)).refresh;
    assert_eq!(bench.act(sign_out(&two, true)), done);
    for token in [two, three] {
        assert_eq!(code(&bench.refresh(&token)), Code::Unauthenticated);
    }
    // An earlier token ends its session, and no others.
    let old = tokens(&bench.act(sign_in(PASSWORD))).refresh;
    let new = tokens(&bench.refresh(&old)).refresh;
    let other = tokens(&bench.act(sign_in(PASSWORD))).refresh;
    let reused = bench.wait(GRACE_MICROS).act(sign_out(&old, true));
    assert!(is_audited(&reused));
    assert_eq!(code(&bench.refresh(&new)), Code::Unauthenticated);
    tokens(&bench.refresh(&other));
}

#[test]
fn tokens_of_others_are_nothing() {
    let mut bench = Bench::alice();
    let token = bench.sign_up().refresh;
    let mut other = Bench::new(&email_object("bob@example.com"));
    let of_bob = tokens(&other.act(Action::SignUp {
        email: "bob@example.com".to_owned(),
        password: Secret(PASSWORD.to_owned()),
    }));
    let before = bench.store.contents();
    let (head, secret) = token.rsplit_once('.').unwrap();
    let forged = URL_SAFE_NO_PAD.encode([9; 48]);
    let own = URL_SAFE_NO_PAD.decode(secret).unwrap();
    let wrong_family = URL_SAFE_NO_PAD.encode([&[9; 16], &own[16..]].concat());
    for token in [
        of_bob.refresh,
        "x".to_owned(),
        format!("{head}.{forged}"),
        format!("{head}.{wrong_family}"),
    ] {
        let refused = bench.refresh(&token);
        assert_eq!(code(&refused), Code::Unauthenticated);
        assert!(!is_audited(&refused));
        bench.act(sign_out(&token, false));
    }
    assert_eq!(bench.store.contents(), before);
    tokens(&bench.refresh(&token));
}

fn with(email: Option<&str>) -> Action {
    Action::SignInWith {
        provider: "own".to_owned(),
        sub: "1".to_owned(),
        email: email.map(str::to_owned),
        email_verified: email.is_some(),
    }
}

#[test]
fn a_providers_account_is_made_at_the_first_sign_in() {
    let mut bench = Bench::new(&subject_object("own", "1"));
    let first = tokens(&bench.act(with(Some("a@b.c"))));
    assert_eq!(first.claims["email_verified"], true);
    assert_eq!(first.claims["provider"], "own");
    bench.settings["signUp"] = false.into();
    let second = tokens(&bench.act(with(None)));
    assert_eq!(second.uid, first.uid);
    assert_eq!(second.claims.get("email"), None);
    let next = tokens(&bench.refresh(&second.refresh));
    assert_eq!(next.claims.get("email"), None, "what the provider said last");
    let mut nobody = Bench::new(&subject_object("own", "2"));
    nobody.settings["signUp"] = false.into();
    assert_eq!(code(&nobody.act(with(None))), Code::PermissionDenied);
    // It has no password, so none is right.
    assert_eq!(code(&bench.act(sign_in(PASSWORD))), Code::Unauthenticated);
}

#[test]
fn two_first_sign_ins_at_once_make_one_account() {
    let mut bench = Bench::new(&subject_object("own", "1"));
    let effects = bench.step(Event::Act(with(None)));
    let [Effect::Sign { pending, .. }] = &effects[..] else { panic!("{effects:?}") };
    let uid = tokens(&bench.act(with(None))).uid;
    let late = bench.step(Event::Signed(pending.clone(), Ok(Secret("{}".to_owned()))));
    assert_eq!(code(&late), Code::Aborted);
    assert_eq!(tokens(&bench.act(with(None))).uid, uid);
}

#[test]
fn an_event_of_another_object_changes_nothing() {
    let mut account = Bench::alice();
    let start = Action::Start { provider: "own".to_owned(), redirect_uri: String::new() };
    assert_eq!(code(&account.act(start)), Code::Internal);
    let mut sign_in = Bench::new(&sign_in_object("s"));
    assert_eq!(code(&sign_in.act(sign_up())), Code::Internal);
    assert!(account.store.rows().is_empty() && sign_in.store.rows().is_empty());
}

#[test]
fn an_email_address_is_in_lower_case_and_looks_like_one() {
    assert_eq!(email("Alice@Example.COM").as_deref(), Ok(ALICE));
    assert_eq!(email("a@localhost").as_deref(), Ok("a@localhost"));
    for text in ["", "a", "@", "a@", "@b", "a@b@c", "a@b..c", "a@.b", "a b@c", "a@b\n", "a@b."] {
        assert!(email(text).is_err(), "{text:?}");
    }
    let of = |bytes: usize| {
        let domain = vec!["d".repeat(49); 4].join(".");
        let rest = bytes - domain.len() - 1;
        format!("{}@{domain}", "l".repeat(rest))
    };
    assert!(email(&of(EMAIL_BYTES)).is_ok());
    assert!(email(&of(EMAIL_BYTES + 1)).is_err());
    // A letter that is longer in lower case.
    let grows = format!("\u{130}{}", &of(EMAIL_BYTES)[2..]);
    assert_eq!(grows.len(), EMAIL_BYTES);
    assert!(email(&grows).is_err());
}

#[test]
fn the_name_of_an_object_says_whose_it_is() {
    assert_eq!(provider_of(&email_object(ALICE)), Some(settings::PASSWORD));
    assert_eq!(provider_of("email:Alice@example.com"), None);
    assert_eq!(provider_of("email:"), None);
    assert_eq!(provider_of(&subject_object("own", "a|b")), Some("own"));
    assert_eq!(provider_of(&sign_in_object("s")), None);
    assert_eq!(provider_of(""), None);
}

#[test]
fn secrets_are_not_shown() {
    let mut bench = Bench::alice();
    let effects = bench.step(Event::Act(sign_up()));
    let shown = format!("{:?} {effects:?}", sign_up());
    assert!(!shown.contains(PASSWORD) && !shown.contains("argon2"), "{shown}");
}

// Signing in with a provider.

mod with_a_provider {
    use super::*;
    use jsonwebtoken::jwk::Jwk;
    use jsonwebtoken::{Algorithm, EncodingKey};

    const REDIRECT: &str = "http://localhost/";

    struct Started {
        bench: Bench,
        url: String,
        secret: String,
        alarm: Timestamp,
    }

    fn document() -> String {
        json!({
            "issuer": "https://a.example", "authorization_endpoint": "https://a.example/auth",
            "token_endpoint": "https://a.example/token", "jwks_uri": "https://a.example/jwks",
        })
        .to_string()
    }

    fn start(document: &str) -> (Bench, Vec<Effect>) {
        let mut bench = Bench::new(&sign_in_object("the-state"));
        let (provider, redirect_uri) = ("own".to_owned(), REDIRECT.to_owned());
        let effects = bench.step(Event::Act(Action::Start { provider, redirect_uri }));
        let [Effect::Fetch { fetch, pending }] = &effects[..] else { panic!("{effects:?}") };
        assert_eq!(fetch.url, "https://a.example/.well-known/openid-configuration");
        assert_eq!((fetch.method, fetch.max_age), ("GET", oidc::KEPT_SECONDS));
        assert_eq!((fetch.limit, fetch.within_ms), (PROVIDER_ANSWER_BYTES, PROVIDER_MS));
        let keys = Fetch::issuer_keys("https://a.example/jwks".to_owned());
        assert_eq!((keys.limit, keys.within_ms), (JWKS_BYTES, JWKS_MS));
        assert!(bench.store.rows().is_empty());
        let fetched = Ok((200, document.to_owned()));
        let effects = bench.step(Event::Fetched(pending.clone(), fetched));
        (bench, effects)
    }

    fn started() -> Started {
        let (bench, effects) = start(&document());
        let [Effect::SetAlarm(alarm), Effect::Answer(Ok(answer))] = &effects[..] else {
            panic!("{effects:?}")
        };
        let Answer::Started { authorization_url, state, secret, expires_in } = answer else {
            panic!("{answer:?}")
        };
        assert_eq!((state.as_str(), *expires_in), ("the-state", 600));
        let (url, secret) = (authorization_url.clone(), secret.0.clone());
        Started { bench, url, secret, alarm: *alarm }
    }

    fn parameter<'a>(text: &'a str, name: &str) -> &'a str {
        let pairs = text.rsplit('?').next().unwrap().split('&');
        pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).unwrap().1
    }

    fn finish(secret: &str) -> Action {
        Action::Finish {
            provider: "own".to_owned(),
            redirect_uri: REDIRECT.to_owned(),
            code: Secret("the-code".to_owned()),
            issuer: None,
            secret: Secret(secret.to_owned()),
        }
    }

    fn signer() -> EncodingKey {
        let before = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];
        EncodingKey::from_ed_der(&[&before[..], &[7; 32]].concat())
    }

    fn keys(kid: &str) -> String {
        let jwk = Jwk::from_encoding_key(&signer(), Algorithm::EdDSA).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk["kid"] = kid.into();
        json!({"keys": [jwk]}).to_string()
    }

    fn id_token(bench: &Bench, nonce: &str) -> String {
        let now = bench.now / 1_000_000;
        let claims = json!({
            "iss": "https://a.example", "aud": "client", "sub": "s|1", "nonce": nonce,
            "iat": now, "exp": now + 60, "email": "a@b.c", "email_verified": true,
        });
        let header = json!({"alg": "EdDSA", "kid": "k"});
        let parts = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let message = parts.join(".");
        let signed = jsonwebtoken::crypto::sign(message.as_bytes(), &signer(), Algorithm::EdDSA);
        format!("{message}.{}", signed.unwrap())
    }

    /// The end as far as the exchange, and what goes on then.
    fn exchange(it: &mut Started) -> (Fetch, Pending) {
        let effects = it.bench.step(Event::Act(finish(&it.secret)));
        let [Effect::Erase, Effect::Fetch { fetch, pending }] = &effects[..] else {
            panic!("{effects:?}")
        };
        assert!(it.bench.store.rows().is_empty());
        (fetch.clone(), pending.clone())
    }

    fn fetched(it: &mut Started, pending: Pending, body: String) -> Vec<Effect> {
        it.bench.step(Event::Fetched(pending, Ok((200, body))))
    }

    #[test]
    fn from_start_to_finish() {
        let mut it = started();
        let nonce = parameter(&it.url, "nonce").to_owned();
        let (fetch, pending) = exchange(&mut it);
        assert_eq!((fetch.method, fetch.url.as_str()), ("POST", "https://a.example/token"));
        assert_eq!(fetch.max_age, 0);
        let body = fetch.body.unwrap();
        assert_eq!(parameter(&body, "code"), "the-code");
        let verifier = parameter(&body, "code_verifier");
        assert_eq!(oidc::challenge(verifier), parameter(&it.url, "code_challenge"));
        assert!((43..=128).contains(&verifier.len()), "RFC 7636, section 4.1");
        let token = json!({"id_token": id_token(&it.bench, &nonce)}).to_string();
        let effects = fetched(&mut it, pending, token);
        let [Effect::Fetch { fetch, pending }] = &effects[..] else { panic!("{effects:?}") };
        assert_eq!((fetch.url.as_str(), fetch.max_age), ("https://a.example/jwks", 600));
        let effects = fetched(&mut it, pending.clone(), keys("k"));
        let action = Action::SignInWith {
            provider: "own".to_owned(),
            sub: "s|1".to_owned(),
            email: Some("a@b.c".to_owned()),
            email_verified: true,
        };
        assert_eq!(effects, [Effect::Pass { object: "oidc:own|s|1".to_owned(), action }]);
        // It was good once.
        let again = it.bench.step(Event::Act(finish(&it.secret)));
        assert_eq!(code(&again), Code::Unauthenticated);
    }

    #[test]
    fn nothing_in_the_url_is_a_secret() {
        let it = started();
        let row = it.bench.row();
        for secret in [&it.secret, row["verifier"].as_str().unwrap(), "hush"] {
            assert!(!it.url.contains(secret));
        }
        assert!(!row.to_string().contains(&it.secret));
        assert_eq!(parameter(&it.url, "state"), "the-state");
        assert_eq!(parameter(&it.url, "code_challenge_method"), "S256");
    }

    #[test]
    fn an_end_that_does_not_match_changes_nothing() {
        let mut it = started();
        let before = it.bench.store.contents();
        let with = |change: &dyn Fn(&mut Action)| {
            let mut action = finish(&it.secret);
            change(&mut action);
            action
        };
        let wrong: [(Action, Code); 5] = [
            (finish("another browser"), Code::Unauthenticated),
            (finish(""), Code::Unauthenticated),
            (
                with(&|action| {
                    let Action::Finish { provider, .. } = action else { return };
                    *provider = "other".to_owned();
                }),
                Code::InvalidArgument,
            ),
            (
                with(&|action| {
                    let Action::Finish { redirect_uri, .. } = action else { return };
                    redirect_uri.push('x');
                }),
                Code::InvalidArgument,
            ),
            (
                with(&|action| {
                    let Action::Finish { issuer, .. } = action else { return };
                    *issuer = Some("https://b.example".to_owned());
                }),
                Code::Unauthenticated,
            ),
        ];
        for (action, expected) in wrong {
            let refused = it.bench.step(Event::Act(action.clone()));
            assert_eq!(code(&refused), expected, "{action:?}");
            assert_eq!(it.bench.store.contents(), before);
        }
        exchange(&mut it);
    }

    #[test]
    fn a_provider_that_names_itself_must_have_been_named() {
        let mut document: Value = serde_json::from_str(&document()).unwrap();
        document["authorization_response_iss_parameter_supported"] = true.into();
        let (mut bench, effects) = start(&document.to_string());
        let Some(Effect::Answer(Ok(Answer::Started { secret, .. }))) = effects.last() else {
            panic!("{effects:?}")
        };
        let refused = bench.step(Event::Act(finish(&secret.0)));
        assert!(refusal(&refused).error.detail.starts_with("iss is missing"));
        let mut named = finish(&secret.0);
        if let Action::Finish { issuer, .. } = &mut named {
            *issuer = Some("https://a.example".to_owned());
        }
        let effects = bench.step(Event::Act(named));
        assert!(matches!(&effects[..], [Effect::Erase, Effect::Fetch { .. }]));
    }

    #[test]
    fn a_sign_in_ends_at_the_very_second() {
        let mut it = started();
        assert_eq!(it.alarm.micros(), it.bench.now + SIGN_IN_MICROS);
        it.bench.wait(SIGN_IN_MICROS - 1);
        assert_eq!(it.bench.step(Event::Alarm), [Effect::SetAlarm(it.alarm)]);
        exchange(&mut it);
        let mut it = started();
        it.bench.wait(SIGN_IN_MICROS);
        let late = it.bench.step(Event::Act(finish(&it.secret)));
        assert_eq!(code(&late), Code::Unauthenticated);
        assert_eq!(it.bench.step(Event::Alarm), [Effect::Erase]);
        assert!(it.bench.store.rows().is_empty());
    }

    #[test]
    fn new_keys_of_the_provider_are_asked_for_once() {
        let mut it = started();
        let nonce = parameter(&it.url, "nonce").to_owned();
        let (_, pending) = exchange(&mut it);
        let token = json!({"id_token": id_token(&it.bench, &nonce)}).to_string();
        let effects = fetched(&mut it, pending, token);
        let [Effect::Fetch { pending, .. }] = &effects[..] else { panic!("{effects:?}") };
        let effects = fetched(&mut it, pending.clone(), keys("old"));
        let [Effect::Fetch { fetch, pending }] = &effects[..] else { panic!("{effects:?}") };
        assert_eq!(fetch.max_age, 0);
        let good = fetched(&mut it, pending.clone(), keys("k"));
        assert!(matches!(&good[..], [Effect::Pass { .. }]));
        let bad = fetched(&mut it, pending.clone(), keys("old"));
        assert_eq!(code(&bad), Code::Unauthenticated);
    }

    #[test]
    fn a_token_of_another_sign_in_is_not_taken() {
        let mut it = started();
        let (_, pending) = exchange(&mut it);
        let token = json!({"id_token": id_token(&it.bench, "another")}).to_string();
        let effects = fetched(&mut it, pending, token);
        let [Effect::Fetch { pending, .. }] = &effects[..] else { panic!("{effects:?}") };
        let refused = fetched(&mut it, pending.clone(), keys("k"));
        assert!(refusal(&refused).error.detail.contains("nonce"));
    }

    #[test]
    fn a_provider_that_fails_is_unavailable() {
        let (bench, effects) = start("{}");
        assert_eq!(code(&effects), Code::Unavailable);
        assert_eq!(refusal(&effects).retry_after, Some(1));
        assert!(bench.store.rows().is_empty());
        let mut it = started();
        let (_, pending) = exchange(&mut it);
        let failed = it.bench.step(Event::Fetched(pending.clone(), Err("timeout".to_owned())));
        assert_eq!(code(&failed), Code::Unavailable);
        let grant = Ok((400, r#"{"error":"invalid_grant"}"#.to_owned()));
        let refused = it.bench.step(Event::Fetched(pending, grant));
        assert_eq!(code(&refused), Code::Unauthenticated);
    }

    #[test]
    fn a_secret_that_the_environment_has_not_is_named() {
        let mut it = started();
        it.bench.settings["providers"]["own"]["clientSecret"] = "MISSING".into();
        let refused = it.bench.step(Event::Act(finish(&it.secret)));
        let detail = &refusal(&refused).error.detail;
        assert!(detail.contains("providers.own.clientSecret") && detail.contains("MISSING"));
        it.bench.settings["providers"]["own"]["clientSecret"] = "OWN_SECRET".into();
        exchange(&mut it);
    }
}
