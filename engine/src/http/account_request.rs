//! Requests about accounts: each is read into an action for an object, and the object's answer written as a response.
//! All that can be refused without an object is refused here.

use super::Request;
use super::conditional::no_preconditions;
use super::document_request::check_json;
use super::reply::Reply;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use blaze_identity::accounts::session::RefreshToken;
use blaze_identity::accounts::settings::{PASSWORD, Settings};
use blaze_identity::accounts::{
    Action, Answer, Refusal, Secret, email, email_object, password, provider_of, sign_in_object,
};
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::ACCOUNT_REQUEST_BYTES;
use serde_json::{Map, Value, json};

/// A resource below `/v1/accounts/`; all of them are for `POST`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Resource<'a> {
    SignUp,
    SignIn,
    Refresh,
    SignOut,
    Start(&'a str),
    Finish(&'a str),
}

/// An action for an object of the class `Account`.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// The object's name.
    pub object: String,
    /// The action.
    pub action: Action,
}

/// Returns the methods of a resource of accounts; `None` if `path` is not one.
pub(super) fn methods(path: &str) -> Option<&'static str> {
    resource(path).map(|_| "POST")
}

fn resource(path: &str) -> Option<Resource<'_>> {
    let rest = path.strip_prefix("/v1/accounts/")?;
    Some(match rest {
        "signUp" => Resource::SignUp,
        "signIn" => Resource::SignIn,
        "refresh" => Resource::Refresh,
        "signOut" => Resource::SignOut,
        _ => match rest.strip_prefix("oidc/")?.split_once('/')? {
            (provider, "start") => Resource::Start(provider),
            (provider, "finish") => Resource::Finish(provider),
            _ => return None,
        },
    })
}

/// Answers `GET /v1/accounts`, so that a page knows which ways to sign in to offer:
/// `{"passwords","signUp","providers":[name…]}`; all of them off if there are no accounts.
pub fn offered(settings: Option<&Settings>) -> Reply {
    let providers: Vec<&str> = settings
        .iter()
        .flat_map(|settings| settings.providers.keys().map(String::as_str))
        .collect();
    let is = |way: fn(&Settings) -> bool| settings.is_some_and(way);
    let passwords = is(|settings| settings.passwords);
    let sign_up = is(|settings| settings.sign_up);
    let body = json!({"passwords": passwords, "signUp": sign_up, "providers": providers});
    Reply::json(200, body.to_string())
}

/// Reads a request about accounts. `body` is `None` if it is too large, `settings` if `access.json` has no
/// `accounts`; `random` is 256 fresh random bits.
///
/// # Errors
/// The mistake in the request, or the feature that is off.
pub fn read(
    request: &Request<'_>,
    body: Option<&[u8]>,
    settings: Option<&Settings>,
    random: [u128; 2],
) -> Result<Ask, Error> {
    let settings =
        settings.ok_or_else(|| off("accounts are off: access.json has no \"accounts\""))?;
    let no_route = || Error::new(Code::NotFound, format!("no route {:.200}", request.path));
    let resource = resource(request.path).ok_or_else(no_route)?;
    check_json(request.method, request.headers.get("content-type").as_deref())?;
    no_preconditions(request.headers, "an account has no versions")?;
    let mut body = Body::read(body)?;
    let ask = match resource {
        Resource::SignUp => sign_up(&mut body, settings)?,
        Resource::SignIn => sign_in(&mut body, settings)?,
        Resource::Refresh => refresh(&mut body, settings)?,
        Resource::SignOut => {
            let everywhere = body.flag("everywhere")?;
            let (object, token) = token(&mut body)?;
            Ask { object, action: Action::SignOut { token, everywhere } }
        }
        Resource::Start(provider) => {
            settings.provider(provider)?;
            let (provider, redirect_uri) = (provider.to_owned(), redirect(&mut body, settings)?);
            let object = sign_in_object(&state(random));
            Ask { object, action: Action::Start { provider, redirect_uri } }
        }
        Resource::Finish(provider) => {
            settings.provider(provider)?;
            let state = body.text("state")?;
            let bytes = URL_SAFE_NO_PAD.decode(&state).ok();
            if bytes.is_none_or(|bytes| bytes.len() != 32) {
                return Err(Error::invalid("state: not one that a start gave"));
            }
            let action = Action::Finish {
                provider: provider.to_owned(),
                redirect_uri: redirect(&mut body, settings)?,
                code: Secret(body.text("code")?),
                issuer: body.optional("iss")?,
                secret: Secret(body.text("secret")?),
            };
            Ask { object: sign_in_object(&state), action }
        }
    };
    body.end()?;
    Ok(ask)
}

fn sign_up(body: &mut Body, settings: &Settings) -> Result<Ask, Error> {
    check_passwords(settings)?;
    if !settings.sign_up {
        let detail = "access.json's accounts.signUp lets nobody make an account";
        return Err(Error::new(Code::PermissionDenied, detail));
    }
    let (email, given) = (email(&body.text("email")?)?, body.text("password")?);
    password::check(&given)?;
    let object = email_object(&email);
    Ok(Ask { object, action: Action::SignUp { email, password: Secret(given) } })
}

fn sign_in(body: &mut Body, settings: &Settings) -> Result<Ask, Error> {
    check_passwords(settings)?;
    let (email, given) = (email(&body.text("email")?)?, body.text("password")?);
    // No account has a password that fails this check.
    password::check(&given)?;
    Ok(Ask { object: email_object(&email), action: Action::SignIn { password: Secret(given) } })
}

/// Reads a refresh. The way to sign in by which the session began must still be allowed.
fn refresh(body: &mut Body, settings: &Settings) -> Result<Ask, Error> {
    let (object, token) = token(body)?;
    match provider_of(&object) {
        Some(PASSWORD) => check_passwords(settings)?,
        provider => {
            settings.provider(provider.unwrap_or_default())?;
        }
    }
    Ok(Ask { object, action: Action::Refresh { token } })
}

fn check_passwords(settings: &Settings) -> Result<(), Error> {
    if settings.passwords {
        return Ok(());
    }
    Err(off(
        "accounts with passwords are off: access.json has no \"passwords\": true in \"accounts\"",
    ))
}

/// Makes the error of a route that does not exist until the settings say so.
fn off(detail: &str) -> Error {
    Error::new(Code::Unimplemented, detail).with_status(404)
}

/// Reads the refresh token and the object of its account.
fn token(body: &mut Body) -> Result<(String, Secret), Error> {
    let text = body.text("refreshToken")?;
    let account = RefreshToken::parse(&text).map(|token| token.account);
    let object = account.filter(|object| provider_of(object).is_some());
    let object = object.ok_or_else(|| Error::invalid("refreshToken: not a refresh token"))?;
    Ok((object, Secret(text)))
}

fn redirect(body: &mut Body, settings: &Settings) -> Result<String, Error> {
    let url = body.text("redirectUri")?;
    if settings.redirects.contains(&url) {
        return Ok(url);
    }
    Err(Error::invalid("redirectUri: not one of access.json's accounts.redirects, to the letter"))
}

/// Makes a new state: it names an object, and cannot be guessed.
fn state(random: [u128; 2]) -> String {
    let [first, second] = random.map(u128::to_be_bytes);
    URL_SAFE_NO_PAD.encode([first, second].concat())
}

/// The fields of a body that are not read yet. Errors do not show their values: they are secrets.
struct Body(Map<String, Value>);

impl Body {
    fn read(body: Option<&[u8]>) -> Result<Self, Error> {
        let body = body.filter(|body| body.len() <= ACCOUNT_REQUEST_BYTES).ok_or_else(|| {
            let detail = format!("body: more than {ACCOUNT_REQUEST_BYTES} bytes");
            Error::new(Code::ResourceExhausted, detail)
        })?;
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Body(fields)),
            Ok(_) => Err(Error::invalid("body: not a JSON object")),
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                Err(Error::invalid(format!("body: not JSON, line {line}, column {column}")))
            }
        }
    }

    fn text(&mut self, name: &str) -> Result<String, Error> {
        self.optional(name)?.ok_or_else(|| Error::invalid(format!("{name} is missing")))
    }

    fn optional(&mut self, name: &str) -> Result<Option<String>, Error> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Error::invalid(format!("{name}: not a text"))),
        }
    }

    fn flag(&mut self, name: &str) -> Result<bool, Error> {
        match self.0.remove(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(Error::invalid(format!("{name}: neither true nor false"))),
        }
    }

    fn end(&self) -> Result<(), Error> {
        let other = self.0.keys().next();
        other.map_or(Ok(()), |name| Err(Error::invalid(format!("{name:.100}: no such field"))))
    }
}

/// Makes the response to an object's answer. No cache may keep it (RFC 6749, section 5.1).
pub fn reply(answer: Result<Answer, Refusal>) -> Reply {
    let mut reply = match answer {
        Ok(Answer::Tokens { uid, access_token, expires_in, refresh_token }) => {
            let body = json!({
                "uid": uid, "accessToken": access_token, "expiresIn": expires_in,
                "refreshToken": refresh_token,
            });
            Reply::json(200, body.to_string())
        }
        Ok(Answer::SignedOut) => Reply::empty(204),
        Ok(Answer::Started { authorization_url, state, secret, expires_in }) => {
            let body = json!({
                "authorizationUrl": authorization_url, "state": state, "secret": secret,
                "expiresIn": expires_in,
            });
            Reply::json(200, body.to_string())
        }
        Err(Refusal { error, retry_after }) => {
            let mut reply = Reply::from(error);
            if let Some(seconds) = retry_after {
                reply.headers.push(("retry-after", seconds.to_string()));
            }
            reply
        }
    };
    reply.headers.push(("cache-control", "no-store".to_owned()));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Headers;
    use blaze_schema::limits::{PASSWORD_BYTES, PASSWORD_MIN_BYTES};

    struct Type(&'static str);

    impl Headers for Type {
        fn get(&self, name: &str) -> Option<String> {
            (name == "content-type").then(|| self.0.to_owned())
        }
    }

    fn settings() -> Value {
        json!({
            "passwords": true, "signUp": true,
            "providers": {"own": {"issuer": "https://a.example", "clientId": "c"}},
            "redirects": ["http://localhost/"],
        })
    }

    fn under(settings: Option<&Value>, path: &str, body: &[u8]) -> Result<Ask, Error> {
        let settings = settings.map(|settings| Settings::from_json(settings).unwrap());
        let path = format!("/v1/accounts/{path}");
        let headers = &Type("application/json");
        let request = Request { method: "POST", path: &path, query: "", headers };
        read(&request, Some(body), settings.as_ref(), [1, 2])
    }

    fn ask(path: &str, body: Value) -> Result<Ask, Error> {
        under(Some(&settings()), path, body.to_string().as_bytes())
    }

    fn secret(text: &str) -> Secret {
        Secret(text.to_owned())
    }

    const TOKEN: &str =
        "blzr_ZW1haWw6YUBiLmM.s.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    #[test]
    fn a_request_says_what_is_asked_of_whom() {
        let account = "email:a@b.c".to_owned();
        let credentials = json!({"email": "A@b.c", "password": "12345678"});
        let password = || secret("12345678");
        let up = Action::SignUp { email: "a@b.c".to_owned(), password: password() };
        let expected = Ask { object: account.clone(), action: up };
        assert_eq!(ask("signUp", credentials.clone()), Ok(expected));
        let expected =
            Ask { object: account.clone(), action: Action::SignIn { password: password() } };
        assert_eq!(ask("signIn", credentials), Ok(expected));
        let token = || secret(TOKEN);
        let refresh = Action::Refresh { token: token() };
        let expected = Ask { object: account.clone(), action: refresh };
        assert_eq!(ask("refresh", json!({"refreshToken": TOKEN})), Ok(expected));
        let out = Action::SignOut { token: token(), everywhere: true };
        let body = json!({"refreshToken": TOKEN, "everywhere": true});
        assert_eq!(ask("signOut", body), Ok(Ask { object: account, action: out }));
        let redirect = "http://localhost/".to_owned();
        let started = ask("oidc/own/start", json!({"redirectUri": redirect})).unwrap();
        let state = started.object.strip_prefix("signin:").unwrap().to_owned();
        assert_eq!(state.len(), 43);
        let (provider, redirect_uri) = ("own".to_owned(), redirect.clone());
        assert_eq!(started.action, Action::Start { provider, redirect_uri });
        let body = json!({
            "state": state, "code": "c", "redirectUri": redirect, "secret": "s", "iss": "i"});
        let finish = Action::Finish {
            provider: "own".to_owned(),
            redirect_uri: redirect,
            code: secret("c"),
            issuer: Some("i".to_owned()),
            secret: secret("s"),
        };
        let expected = Ask { object: started.object, action: finish };
        assert_eq!(ask("oidc/own/finish", body), Ok(expected.clone()));
        let json = serde_json::to_string(&expected.action).unwrap();
        assert_eq!(serde_json::from_str::<Action>(&json).unwrap(), expected.action);
    }

    #[test]
    fn what_can_be_refused_touches_no_object() {
        let credentials =
            |email: &str, bytes: usize| json!({"email": email, "password": "x".repeat(bytes)});
        let least = PASSWORD_MIN_BYTES;
        let redirect = "http://localhost/";
        let of_sign_in = format!("blzr_{}.{}", URL_SAFE_NO_PAD.encode("signin:x"), &TOKEN[21..]);
        let of_other = format!("blzr_{}.{}", URL_SAFE_NO_PAD.encode("oidc:gone|1"), &TOKEN[21..]);
        for (path, body, what) in [
            ("signUp", credentials("a", least), "email"),
            ("signUp", credentials("a@b.c", least - 1), "password"),
            ("signIn", credentials("a@b.c", least - 1), "password"),
            ("signIn", credentials("a@b.c", PASSWORD_BYTES + 1), "password"),
            ("signIn", json!({"email": "a@b.c"}), "password is missing"),
            ("signIn", json!({"email": 7, "password": "x"}), "email: not a text"),
            ("signUp", json!({"email": "a@b.c", "password": "12345678", "roles": []}), "roles: no"),
            ("signUp", json!([]), "body: not a JSON object"),
            ("refresh", json!({"refreshToken": "x"}), "refreshToken: not"),
            ("refresh", json!({"refreshToken": of_sign_in}), "refreshToken: not"),
            ("refresh", json!({"refreshToken": of_other}), "gone: no such provider"),
            ("signOut", json!({"refreshToken": TOKEN, "everywhere": 1}), "everywhere: neither"),
            ("oidc/other/start", json!({"redirectUri": redirect}), "other: no such provider"),
            ("oidc/own/start", json!({"redirectUri": "http://localhost"}), "redirectUri: not"),
            ("oidc/own/finish", json!({"state": "x"}), "state: not"),
            ("oidc/own/else", json!({}), "no route"),
        ] {
            let detail = ask(path, body.clone()).unwrap_err().detail;
            assert!(detail.starts_with(what), "{path} {body}: {detail}");
        }
        assert!(ask("signIn", credentials("a@b.c", PASSWORD_BYTES)).is_ok());
        let secret = under(Some(&settings()), "signIn", br#"{"password":hush}"#).unwrap_err();
        assert_eq!(secret.detail, "body: not JSON, line 1, column 13");
    }

    #[test]
    fn a_body_has_so_many_bytes() {
        let of = |bytes: usize| {
            let mut body = json!({"refreshToken": TOKEN}).to_string();
            body.push_str(&" ".repeat(bytes - body.len()));
            under(Some(&settings()), "refresh", body.as_bytes())
        };
        assert!(of(ACCOUNT_REQUEST_BYTES).is_ok());
        assert_eq!(of(ACCOUNT_REQUEST_BYTES + 1).unwrap_err().status, 413);
    }

    #[test]
    fn what_is_off_says_how_it_is_turned_on() {
        let is_off = |settings: Option<&Value>, path: &str, body: Value| {
            let error = under(settings, path, body.to_string().as_bytes()).unwrap_err();
            assert_eq!((error.status, error.code), (404, Code::Unimplemented), "{path}");
            assert!(error.detail.contains("access.json"), "{}", error.detail);
        };
        let credentials = || json!({"email": "a@b.c", "password": "12345678"});
        for path in ["signUp", "signIn", "refresh", "signOut", "oidc/own/start"] {
            is_off(None, path, json!({}));
        }
        let closed = json!({});
        is_off(Some(&closed), "signUp", credentials());
        is_off(Some(&closed), "signIn", credentials());
        is_off(Some(&closed), "refresh", json!({"refreshToken": TOKEN}));
        let denied = under(
            Some(&json!({"passwords": true})),
            "signUp",
            credentials().to_string().as_bytes(),
        );
        assert_eq!(denied.unwrap_err().code, Code::PermissionDenied);
    }

    #[test]
    fn an_answer_is_kept_by_nobody() {
        let tokens = Answer::Tokens {
            uid: "u".to_owned(),
            access_token: secret("a"),
            expires_in: 60,
            refresh_token: secret("r"),
        };
        let refused = Refusal {
            error: Error::new(Code::ResourceExhausted, "wait").with_status(429),
            retry_after: Some(30),
        };
        for (answer, status) in
            [(Ok(tokens.clone()), 200), (Ok(Answer::SignedOut), 204), (Err(refused.clone()), 429)]
        {
            let reply = reply(answer);
            assert_eq!(reply.status, status);
            assert!(reply.headers.contains(&("cache-control", "no-store".to_owned())));
        }
        let body: Value = serde_json::from_str(&reply(Ok(tokens)).body).unwrap();
        let expected =
            json!({"uid": "u", "accessToken": "a", "expiresIn": 60, "refreshToken": "r"});
        assert_eq!(body, expected);
        assert!(reply(Err(refused)).headers.contains(&("retry-after", "30".to_owned())));
    }
}
