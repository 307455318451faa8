//! What `access.json` says about accounts.

use super::url::{check_redirect, check_secure};
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{
    ACCESS_SECONDS, PROVIDER_NAME_BYTES, PROVIDERS, REDIRECTS, REFRESH_DAYS, SCOPES,
};
use serde_json::{Map, Value};
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

impl Settings {
    /// Reads the `accounts` of `access.json`.
    ///
    /// # Errors
    /// `invalid-argument` naming the place: an unknown key, a value of another type, a limit exceeded.
    pub fn from_json(value: &Value) -> Result<Self, Error> {
        let place = "access.json: accounts";
        let mut settings = Settings::default();
        for (key, value) in object(value, place)? {
            let place = format!("{place}.{key}");
            match key.as_str() {
                "passwords" => settings.passwords = boolean(value, &place)?,
                "signUp" => settings.sign_up = boolean(value, &place)?,
                "accessSeconds" => {
                    settings.access_seconds = number(value, 60, ACCESS_SECONDS, &place)?;
                }
                "refreshDays" => settings.refresh_days = number(value, 1, REFRESH_DAYS, &place)?,
                "providers" => {
                    let providers = object(value, &place)?;
                    if providers.len() > PROVIDERS {
                        return Err(wrong(&place, format!("more than {PROVIDERS}")));
                    }
                    for (name, value) in providers {
                        let place = format!("{place}.{name}");
                        check_name(name).map_err(|error| wrong(&place, error.detail))?;
                        let provider = Provider::from_json(value, &place)?;
                        settings.providers.insert(name.clone(), provider);
                    }
                }
                "redirects" => {
                    settings.redirects = texts(value, REDIRECTS, &place)?;
                    for (number, url) in settings.redirects.iter().enumerate() {
                        check_redirect(url)
                            .map_err(|error| wrong(&format!("{place}[{number}]"), error.detail))?;
                    }
                }
                _ => return Err(wrong(&place, "no such setting")),
            }
        }
        Ok(settings)
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
    fn from_json(value: &Value, place: &str) -> Result<Self, Error> {
        let (mut issuer, mut client_id, mut client_secret) = (None, None, None);
        let mut scopes = vec!["openid".to_owned(), "email".to_owned()];
        for (key, value) in object(value, place)? {
            let place = format!("{place}.{key}");
            match key.as_str() {
                "issuer" => {
                    let url = text(value, &place)?;
                    check_secure(&url).map_err(|error| wrong(&place, error.detail))?;
                    if url.contains('?') {
                        return Err(wrong(&place, "has a query"));
                    }
                    issuer = Some(url);
                }
                "clientId" => client_id = Some(text(value, &place)?),
                "clientSecret" => client_secret = Some(text(value, &place)?),
                "scopes" => {
                    scopes = texts(value, SCOPES, &place)?;
                    // RFC 6749, section 3.3.
                    let is_odd = |c: char| !c.is_ascii_graphic() || matches!(c, '"' | '\\');
                    if scopes.iter().any(|scope| scope.contains(is_odd)) {
                        return Err(wrong(&place, "a scope has no spaces and no quotes"));
                    }
                    if !scopes.iter().any(|scope| scope == "openid") {
                        return Err(wrong(&place, "without openid there is no id token"));
                    }
                }
                _ => return Err(wrong(&place, "no such setting")),
            }
        }
        let issuer = issuer.ok_or_else(|| wrong(place, "issuer is missing"))?;
        let client_id = client_id.ok_or_else(|| wrong(place, "clientId is missing"))?;
        Ok(Provider { issuer, client_id, client_secret, scopes })
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

fn wrong(place: &str, what: impl AsRef<str>) -> Error {
    Error::invalid(format!("{place}: {}", what.as_ref()))
}

fn object<'a>(value: &'a Value, place: &str) -> Result<&'a Map<String, Value>, Error> {
    value.as_object().ok_or_else(|| wrong(place, "not a JSON object"))
}

fn boolean(value: &Value, place: &str) -> Result<bool, Error> {
    value.as_bool().ok_or_else(|| wrong(place, "neither true nor false"))
}

fn number(value: &Value, least: u32, most: u32, place: &str) -> Result<u32, Error> {
    value
        .as_u64()
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| wrong(place, format!("not a number from {least} to {most}")))
}

fn text(value: &Value, place: &str) -> Result<String, Error> {
    let text = value.as_str().filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or_else(|| wrong(place, "not a text"))
}

fn texts(value: &Value, most: usize, place: &str) -> Result<Vec<String>, Error> {
    let values = value.as_array().filter(|values| values.len() <= most);
    let values = values.ok_or_else(|| wrong(place, format!("not a list of at most {most}")))?;
    values.iter().map(|value| text(value, place)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use blaze_schema::limits::URL_BYTES;
    use serde_json::json;

    fn google() -> Value {
        json!({"issuer": "https://accounts.google.com", "clientId": "c"})
    }

    #[test]
    fn what_is_not_written_is_closed() {
        let settings = Settings::from_json(&json!({})).unwrap();
        assert_eq!((settings.passwords, settings.sign_up), (false, false));
        assert_eq!((settings.access_seconds, settings.refresh_days), (3_600, 30));
        assert!(settings.providers.is_empty() && settings.redirects.is_empty());
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
            (json!([]), ": not a JSON object"),
            (json!({"colour": 1}), ".colour: no such"),
            (json!({"passwords": 1}), ".passwords: neither"),
            (json!({"signUp": null}), ".signUp: neither"),
            (json!({"accessSeconds": 59}), ".accessSeconds: not"),
            (json!({"accessSeconds": ACCESS_SECONDS + 1}), ".accessSeconds: not"),
            (json!({"refreshDays": 0}), ".refreshDays: not"),
            (json!({"refreshDays": REFRESH_DAYS + 1}), ".refreshDays: not"),
            (json!({"providers": many}), ".providers: more"),
            (json!({"providers": {"A": google()}}), ".providers.A: a provider's name"),
            (json!({"providers": {"a".repeat(PROVIDER_NAME_BYTES + 1): google()}}), ".providers.a"),
            (json!({"providers": {PASSWORD: google()}}), ".providers.password: tokens"),
            (json!({"providers": {"p": {"clientId": "c"}}}), ".providers.p: issuer is"),
            (json!({"providers": {"p": {"issuer": "https://a"}}}), ".providers.p: clientId is"),
            (provider("issuer", json!("http://a.example")), ".providers.p.issuer: not an https"),
            (provider("issuer", json!("https://a?b")), ".providers.p.issuer: has a query"),
            (provider("clientSecret", json!("")), ".providers.p.clientSecret: not a text"),
            (provider("scopes", json!(["email"])), ".providers.p.scopes: without openid"),
            (provider("scopes", json!(["openid", "a b"])), ".providers.p.scopes: a scope"),
            (provider("scopes", json!(vec!["openid"; SCOPES + 1])), ".providers.p.scopes: not"),
            (provider("secret", json!("x")), ".providers.p.secret: no such"),
            (json!({"redirects": ["http://a.example/"]}), ".redirects[0]: not an https"),
            (json!({"redirects": ["https://a/#b"]}), ".redirects[0]: has a fragment"),
            (json!({"redirects": [long]}), ".redirects[0]: more"),
            (json!({"redirects": vec!["https://a/"; REDIRECTS + 1]}), ".redirects: not"),
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
