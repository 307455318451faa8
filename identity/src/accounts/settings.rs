//! What `access.json` says about accounts.

use crate::url::{check_redirect, check_secure};
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{
    ACCESS_SECONDS, PROVIDER_NAME_BYTES, PROVIDERS, REDIRECTS, REFRESH_DAYS, SCOPES,
};
use blaze_schema::settings::{Field, Kind, Setting};
use serde_json::Value;
use std::collections::BTreeMap;

/// The provider that is none: the account has a password.
pub const PASSWORD: &str = "password";

/// The `accounts` of `access.json`:
///
/// ```json
/// {
///   "passwords": true,
///   "signUp": true,
///   "accessSeconds": 3600,
///   "refreshDays": 30,
///   "providers": {
///     "google": {
///       "issuer": "https://accounts.google.com",
///       "clientId": "…",
///       "clientSecret": "NAME_OF_SECRET",
///       "scopes": ["openid", "email"]
///     }
///   },
///   "redirects": ["http://localhost:8787/"]
/// }
/// ```
///
/// All of it may be left out; what is open is open because it says so: without `passwords` nobody signs in with one,
/// without `signUp` no account is made, also not by a first sign-in with a provider.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Whether accounts may have passwords.
    pub passwords: bool,
    /// Whether anybody may make an account.
    pub sign_up: bool,
    /// How long an access token is good, in seconds.
    pub access_seconds: u32,
    /// How long a session lives without use, in days.
    pub refresh_days: u32,
    /// The providers, by the names that URLs and accounts have for them.
    pub providers: BTreeMap<String, Provider>,
    /// Where a provider may send browsers back to, each in full: they are compared as texts (RFC 9700, section 4.1.3).
    pub redirects: Vec<String>,
}

/// A provider of identities: OpenID Connect.
#[derive(Clone, Debug, PartialEq)]
pub struct Provider {
    /// Its issuer: the URL that its discovery document is under, and the `iss` of its tokens.
    pub issuer: String,
    /// What it calls this server.
    pub client_id: String,
    /// The name of the secret in the environment, if the provider gave one.
    pub client_secret: Option<String>,
    /// What is asked for; `openid` is in it.
    pub scopes: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            passwords: false,
            sign_up: false,
            access_seconds: 3_600,
            refresh_days: 30,
            providers: BTreeMap::new(),
            redirects: Vec::new(),
        }
    }
}

/// A provider.
const PROVIDER: Kind = Kind::Object(&[
    Field::required("issuer", Kind::Text),
    Field::required("clientId", Kind::Text),
    Field::optional("clientSecret", Kind::Text),
    Field::or("scopes", Kind::Array(0, SCOPES, &Kind::Text), r#"["openid","email"]"#),
]);

impl Settings {
    /// The description of the settings.
    pub const KIND: Kind = Kind::Object(&[
        Field::or("passwords", Kind::Boolean, "false"),
        Field::or("signUp", Kind::Boolean, "false"),
        Field::or("accessSeconds", Kind::Integer(60, ACCESS_SECONDS), "3600"),
        Field::or("refreshDays", Kind::Integer(1, REFRESH_DAYS), "30"),
        Field::or("providers", Kind::Map(PROVIDERS, &PROVIDER), "{}"),
        Field::or("redirects", Kind::Array(0, REDIRECTS, &Kind::Text), "[]"),
    ]);

    /// Reads the `accounts` of `access.json`.
    ///
    /// # Errors
    /// `invalid-argument` naming the place, such as `access.json: accounts.redirects[0]: …`.
    pub fn from_json(value: &Value) -> Result<Self, Error> {
        Settings::read(&Setting::new("access.json: accounts", value, Settings::KIND))
    }

    /// Reads settings of [`Settings::KIND`].
    ///
    /// # Errors
    /// `invalid-argument` naming the place: besides what [`Setting`] refuses a provider's name that does not fit a URL, URLs
    /// that are not confidential, and scopes without `openid`.
    pub fn read(setting: &Setting<'_>) -> Result<Self, Error> {
        let fields = setting.object()?;
        let mut providers = BTreeMap::new();
        for (name, setting) in fields.get("providers")?.entries()? {
            check_name(name).map_err(|error| setting.wrong(error.detail))?;
            providers.insert(name.to_owned(), Provider::read(&setting)?);
        }
        let redirects = fields.get("redirects")?;
        for redirect in redirects.elements()? {
            check_redirect(redirect.text()?).map_err(|error| redirect.wrong(error.detail))?;
        }
        Ok(Settings {
            passwords: fields.get("passwords")?.boolean()?,
            sign_up: fields.get("signUp")?.boolean()?,
            access_seconds: fields.get("accessSeconds")?.integer()?,
            refresh_days: fields.get("refreshDays")?.integer()?,
            providers,
            redirects: redirects.texts()?,
        })
    }

    /// The provider of this name.
    ///
    /// # Errors
    /// `not-found`.
    pub fn provider(&self, name: &str) -> Result<&Provider, Error> {
        self.providers.get(name).ok_or_else(|| {
            let detail =
                format!("{name:.64}: no such provider in access.json's accounts.providers");
            Error::new(Code::NotFound, detail)
        })
    }

    /// The names of the secrets that the environment is to have.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.providers.values().filter_map(|provider| provider.client_secret.as_deref())
    }
}

impl Provider {
    fn read(setting: &Setting<'_>) -> Result<Self, Error> {
        let fields = setting.object()?;
        let issuer = fields.get("issuer")?;
        check_secure(issuer.text()?).map_err(|error| issuer.wrong(error.detail))?;
        if issuer.text()?.contains('?') {
            return Err(issuer.wrong("has a query"));
        }
        let scopes = fields.get("scopes")?;
        for scope in scopes.elements()? {
            // RFC 6749, section 3.3.
            let is_odd = |c: char| !c.is_ascii_graphic() || matches!(c, '"' | '\\');
            if scope.text()?.contains(is_odd) {
                return Err(scope.wrong("a scope has no spaces and no quotes"));
            }
        }
        let provider = Provider {
            issuer: issuer.text()?.to_owned(),
            client_id: fields.get("clientId")?.text()?.to_owned(),
            client_secret: fields.text("clientSecret")?,
            scopes: scopes.texts()?,
        };
        if !provider.scopes.iter().any(|scope| scope == "openid") {
            return Err(scopes.wrong("without openid there is no id token"));
        }
        Ok(provider)
    }
}

/// A provider's name stands in URLs and in the names of objects.
fn check_name(name: &str) -> Result<(), Error> {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    if name.is_empty() || name.len() > PROVIDER_NAME_BYTES || !name.bytes().all(is_plain) {
        return Err(Error::invalid(format!(
            "a provider's name is 1 to {PROVIDER_NAME_BYTES} of a-z, 0-9, - and _"
        )));
    }
    if name == PASSWORD {
        return Err(Error::invalid("tokens have this name for accounts with a password"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use blaze_schema::limits::URL_BYTES;
    use serde_json::{Map, json};

    fn google() -> Value {
        json!({"issuer": "https://accounts.google.com", "clientId": "c"})
    }

    #[test]
    fn what_is_not_written_is_closed() {
        let settings = Settings::from_json(&json!({})).unwrap();
        assert_eq!((settings.passwords, settings.sign_up), (false, false));
        assert_eq!((settings.access_seconds, settings.refresh_days), (3_600, 30));
        assert!(settings.providers.is_empty() && settings.redirects.is_empty());
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn what_is_written_is_read() {
        let settings = Settings::from_json(&json!({
            "passwords": true, "signUp": true, "accessSeconds": ACCESS_SECONDS, "refreshDays": REFRESH_DAYS,
            "providers": {"google": google(), "own": {
                "issuer": "http://localhost:1", "clientId": "c", "clientSecret": "S", "scopes": ["openid", "profile"]}},
            "redirects": ["http://localhost:8787/", "com.example.app:/back"],
        }))
        .unwrap();
        assert!(settings.passwords && settings.sign_up);
        assert_eq!(settings.provider("google").unwrap().scopes, ["openid", "email"]);
        assert_eq!(settings.provider("own").unwrap().scopes, ["openid", "profile"]);
        assert_eq!(settings.secrets().collect::<Vec<_>>(), ["S"]);
        assert_eq!(settings.provider("other").unwrap_err().code, Code::NotFound);
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let provider = |key: &str, value: Value| {
            let mut provider = google();
            provider[key] = value;
            json!({"providers": {"p": provider}})
        };
        let many: Map<String, Value> =
            (0..=PROVIDERS).map(|n| (format!("p{n}"), google())).collect();
        let long = format!("https://a/{}", "b".repeat(URL_BYTES));
        for (value, place) in [
            (json!([]), ": an array, not an object"),
            (json!({"colour": 1}), ".colour: unknown key; known: passwords, signUp"),
            (json!({"passwords": 1}), ".passwords: 1, not a boolean"),
            (json!({"signUp": null}), ".signUp: null, not a boolean"),
            (json!({"accessSeconds": 59}), ".accessSeconds: 59, not an integer from 60 to 86400"),
            (json!({"accessSeconds": ACCESS_SECONDS + 1}), ".accessSeconds: 86401, not"),
            (json!({"refreshDays": 0}), ".refreshDays: 0, not an integer from 1 to 365"),
            (json!({"refreshDays": REFRESH_DAYS + 1}), ".refreshDays: 366, not"),
            (json!({"providers": many}), ".providers: an object of 21, not an object of at most"),
            (json!({"providers": {"A": google()}}), ".providers.A: a provider's name"),
            (json!({"providers": {"a".repeat(PROVIDER_NAME_BYTES + 1): google()}}), ".providers.a"),
            (json!({"providers": {PASSWORD: google()}}), ".providers.password: tokens"),
            (json!({"providers": {"p": {"clientId": "c"}}}), ".providers.p.issuer: missing"),
            (
                json!({"providers": {"p": {"issuer": "https://a"}}}),
                ".providers.p.clientId: missing; it must be a non-empty string",
            ),
            (provider("issuer", json!("http://a.example")), ".providers.p.issuer: not an https"),
            (provider("issuer", json!("https://a?b")), ".providers.p.issuer: has a query"),
            (provider("clientSecret", json!("")), ".providers.p.clientSecret: an empty string"),
            (provider("scopes", json!(["email"])), ".providers.p.scopes: without openid"),
            (provider("scopes", json!(["openid", "a b"])), ".providers.p.scopes[1]: a scope"),
            (
                provider("scopes", json!(vec!["openid"; SCOPES + 1])),
                ".providers.p.scopes: an array of 21, not an array of at most 20",
            ),
            (provider("secret", json!("x")), ".providers.p.secret: unknown key"),
            (json!({"redirects": ["http://a.example/"]}), ".redirects[0]: not an https"),
            (json!({"redirects": ["https://a/#b"]}), ".redirects[0]: has a fragment"),
            (json!({"redirects": [long]}), ".redirects[0]: more"),
            (
                json!({"redirects": vec!["https://a/"; REDIRECTS + 1]}),
                ".redirects: an array of 101, not an array of at most 100",
            ),
        ] {
            let detail = Settings::from_json(&value).unwrap_err().detail;
            assert!(
                detail.starts_with(&format!("access.json: accounts{place}")),
                "{value}: {detail}"
            );
        }
        let most: Map<String, Value> =
            (0..PROVIDERS).map(|n| (format!("{n:0>PROVIDER_NAME_BYTES$}"), google())).collect();
        let most = json!({"providers": most, "redirects": vec!["https://a/"; REDIRECTS]});
        assert!(Settings::from_json(&most).is_ok());
        assert!(Settings::from_json(&provider("scopes", json!(vec!["openid"; SCOPES]))).is_ok());
    }
}
