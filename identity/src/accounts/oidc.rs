//! What is said to a provider of identities, and what it answers: OpenID Connect Discovery 1.0, the authorization code
//! with PKCE (RFC 6749, RFC 7636).

use super::settings::Provider;
use crate::url::{check_secure, is_loopback};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{JWKS_BYTES, JWKS_MS, PROVIDER_ANSWER_BYTES, PROVIDER_MS};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// How old a discovery document or a set of keys may be, in seconds, if the shell has kept one.
pub const KEPT_SECONDS: u32 = 600;

/// A request to a provider. No redirect is followed, and no answer longer than `PROVIDER_ANSWER_BYTES` is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The method.
    pub method: &'static str,
    /// The URL.
    pub url: String,
    /// The headers, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Option<String>,
    /// How old an answer of status 200 that is given instead may be, in seconds.
    pub max_age: u32,
    /// Bytes of an answer at most.
    pub limit: usize,
    /// Milliseconds that it may take.
    pub within_ms: u32,
}

/// What came of it: status and body, or why there is none.
pub type Fetched = Result<(u16, String), String>;

impl Fetch {
    fn get(url: String, max_age: u32) -> Self {
        let headers = vec![("accept", "application/json".to_owned())];
        let (limit, within_ms) = (PROVIDER_ANSWER_BYTES, PROVIDER_MS);
        Fetch { method: "GET", url, headers, body: None, max_age, limit, within_ms }
    }

    /// For the keys of an issuer whose tokens are trusted (RFC 7517 section 5).
    pub fn issuer_keys(url: String) -> Self {
        let accept = "application/jwk-set+json, application/json".to_owned();
        let headers = vec![("accept", accept)];
        Fetch { headers, limit: JWKS_BYTES, within_ms: JWKS_MS, ..Fetch::get(url, 0) }
    }

    /// For a provider's discovery document (Discovery, section 4).
    pub(crate) fn discovery(provider: &Provider) -> Self {
        let issuer = provider.issuer.trim_end_matches('/');
        Fetch::get(format!("{issuer}/.well-known/openid-configuration"), KEPT_SECONDS)
    }

    /// For its keys; fresh ones if it has a key that is not known.
    pub(crate) fn keys(endpoints: &Endpoints, max_age: u32) -> Self {
        Fetch::get(endpoints.jwks.clone(), max_age)
    }
}

/// What of a discovery document is needed after the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Endpoints {
    token: String,
    jwks: String,
    /// Whether the client's secret goes into the body instead of a header.
    secret_in_body: bool,
    /// Whether the provider says with each code who it is (RFC 9207).
    pub(crate) names_itself: bool,
}

/// The text of a good answer.
///
/// # Errors
/// `unavailable` for any other.
pub(crate) fn body(fetched: &Fetched, what: &str) -> Result<String, Error> {
    match fetched {
        Ok((200, body)) if body.len() <= PROVIDER_ANSWER_BYTES => Ok(body.clone()),
        Ok((200, _)) => {
            Err(unavailable(format!("{what}: more than {PROVIDER_ANSWER_BYTES} bytes")))
        }
        Ok((status, _)) => Err(unavailable(format!("{what}: answered with status {status}"))),
        Err(error) => Err(unavailable(format!("{what}: {error:.200}"))),
    }
}

fn unavailable(what: impl AsRef<str>) -> Error {
    Error::new(Code::Unavailable, format!("the provider's {}", what.as_ref()))
}

impl Endpoints {
    /// Reads a discovery document: the endpoints, and the one that browsers are sent to.
    ///
    /// # Errors
    /// `unavailable` naming what is wrong with the document.
    pub(crate) fn read(document: &str, provider: &Provider) -> Result<(Self, String), Error> {
        let wrong = |what: &str| unavailable(format!("discovery document: {what}"));
        let document: Value = serde_json::from_str(document).map_err(|_| wrong("not JSON"))?;
        let text = |key: &str| document.get(key).and_then(Value::as_str);
        // Discovery, section 4.3: exactly.
        if text("issuer") != Some(provider.issuer.as_str()) {
            return Err(wrong("it is of another issuer than access.json says"));
        }
        let url = |key: &str| {
            let url = text(key).ok_or_else(|| wrong(&format!("{key} is missing")))?;
            check_secure(url).map_err(|error| wrong(&format!("{key}: {}", error.detail)))?;
            if is_loopback(url) && !is_loopback(&provider.issuer) {
                return Err(wrong(&format!("{key}: an address of this machine")));
            }
            Ok(url.to_owned())
        };
        let has = |key: &str, wanted: &str| {
            let values = document.get(key).and_then(Value::as_array);
            values.map(|values| values.iter().any(|value| value == wanted))
        };
        if has("code_challenge_methods_supported", "S256") == Some(false) {
            return Err(wrong("it does not support PKCE with S256"));
        }
        let methods = "token_endpoint_auth_methods_supported";
        let endpoints = Endpoints {
            token: url("token_endpoint")?,
            jwks: url("jwks_uri")?,
            secret_in_body: has(methods, "client_secret_basic") == Some(false),
            names_itself: document.get("authorization_response_iss_parameter_supported")
                == Some(&Value::Bool(true)),
        };
        Ok((endpoints, url("authorization_endpoint")?))
    }

    /// The exchange of a code for tokens (Core, section 3.1.3.1; RFC 7636, section 4.5).
    pub(crate) fn exchange(
        &self,
        provider: &Provider,
        secret: Option<&str>,
        code: &str,
        redirect_uri: &str,
        verifier: &str,
    ) -> Fetch {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
        ];
        let mut headers = vec![
            ("accept", "application/json".to_owned()),
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ];
        match secret {
            Some(secret) if !self.secret_in_body => {
                // RFC 6749, section 2.3.1: both are encoded as a form's before they are joined.
                let pair = format!("{}:{}", encode(&provider.client_id), encode(secret));
                headers.push(("authorization", format!("Basic {}", STANDARD.encode(pair))));
            }
            Some(secret) => {
                form.extend([
                    ("client_id", provider.client_id.as_str()),
                    ("client_secret", secret),
                ]);
            }
            None => form.push(("client_id", &provider.client_id)),
        }
        let body = Some(encode_form(&form));
        Fetch { method: "POST", headers, body, ..Fetch::get(self.token.clone(), 0) }
    }
}

/// The id token of an answer to an exchange.
///
/// # Errors
/// `unauthenticated` when the provider does not take the code, `unavailable` when it does not answer as it should.
pub(crate) fn id_token(fetched: &Fetched) -> Result<String, Error> {
    if let Ok((400 | 401, text)) = fetched
        && let Ok(answer) = serde_json::from_str::<Value>(text)
        && let Some(error) = answer.get("error").and_then(Value::as_str)
    {
        // RFC 6749, section 5.2. What else it says may be long, and for whoever configured this.
        let error: String = error.chars().filter(char::is_ascii_graphic).take(64).collect();
        if error == "invalid_client" || error == "unauthorized_client" {
            let detail =
                format!("the provider refuses this server: {error}; see clientId and clientSecret");
            return Err(Error::internal(detail));
        }
        let detail = format!("the provider refuses the code: {error}");
        return Err(Error::new(Code::Unauthenticated, detail));
    }
    let text = body(fetched, "token endpoint")?;
    let answer: Option<Value> = serde_json::from_str(&text).ok();
    let token = answer.as_ref().and_then(|answer| answer.get("id_token")?.as_str());
    token
        .map(str::to_owned)
        .ok_or_else(|| unavailable("token endpoint: answered without an id token"))
}

/// Where a browser is sent to (Core, section 3.1.2.1; RFC 7636, section 4.3).
pub(crate) fn authorization_url(
    endpoint: &str,
    provider: &Provider,
    redirect_uri: &str,
    state: &str,
    nonce: &str,
    verifier: &str,
) -> String {
    let scopes = provider.scopes.join(" ");
    let query = encode_form(&[
        ("response_type", "code"),
        ("client_id", &provider.client_id),
        ("redirect_uri", redirect_uri),
        ("scope", &scopes),
        ("state", state),
        ("nonce", nonce),
        ("code_challenge", &challenge(verifier)),
        ("code_challenge_method", "S256"),
    ]);
    let joint = if endpoint.contains('?') { '&' } else { '?' };
    format!("{endpoint}{joint}{query}")
}

/// The challenge of a verifier (RFC 7636, section 4.2, S256).
pub(crate) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

/// What stays as it is in a form: RFC 3986, section 2.3.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn encode(text: &str) -> String {
    utf8_percent_encode(text, FORM).to_string()
}

fn encode_form(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn provider() -> Provider {
        Provider {
            issuer: "https://a.example".to_owned(),
            client_id: "the client".to_owned(),
            client_secret: None,
            scopes: vec!["openid".to_owned(), "email".to_owned()],
        }
    }

    fn document() -> Value {
        json!({
            "issuer": "https://a.example",
            "authorization_endpoint": "https://a.example/auth?x=1",
            "token_endpoint": "https://a.example/token",
            "jwks_uri": "https://a.example/jwks",
        })
    }

    #[test]
    fn the_challenge_is_the_one_of_the_rfc() {
        // RFC 7636, appendix B.
        let octets: [u8; 32] = [
            116, 24, 223, 180, 151, 153, 224, 37, 79, 250, 96, 125, 216, 173, 187, 186, 22, 212,
            37, 77, 105, 214, 191, 240, 91, 88, 5, 88, 83, 132, 141, 121,
        ];
        let verifier = URL_SAFE_NO_PAD.encode(octets);
        assert_eq!(verifier, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge(&verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn a_browser_is_sent_with_everything_and_no_secret() {
        let (_, endpoint) = Endpoints::read(&document().to_string(), &provider()).unwrap();
        let url =
            authorization_url(&endpoint, &provider(), "http://localhost/?a=b&c", "s", "n", "v");
        let before = "https://a.example/auth?x=1&response_type=code&client_id=the%20client\
            &redirect_uri=http%3A%2F%2Flocalhost%2F%3Fa%3Db%26c&scope=openid%20email&state=s&nonce=n";
        let challenge = challenge("v");
        let after = format!("&code_challenge={challenge}&code_challenge_method=S256");
        assert_eq!(url, format!("{before}{after}"));
    }

    #[test]
    fn a_discovery_document_is_of_its_issuer_and_secure() {
        let read = |key: &str, value: Value| {
            let mut document = document();
            document[key] = value;
            Endpoints::read(&document.to_string(), &provider())
        };
        for (key, value, what) in [
            ("issuer", json!("https://a.example/"), "another issuer"),
            ("issuer", Value::Null, "another issuer"),
            ("token_endpoint", Value::Null, "token_endpoint is missing"),
            ("token_endpoint", json!("http://a.example/token"), "token_endpoint: not an https"),
            (
                "token_endpoint",
                json!("http://localhost/token"),
                "token_endpoint: an address of this",
            ),
            ("jwks_uri", json!(7), "jwks_uri is missing"),
            ("authorization_endpoint", json!("javascript:x"), "authorization_endpoint: not an abs"),
            ("code_challenge_methods_supported", json!(["plain"]), "S256"),
        ] {
            let detail = read(key, value).unwrap_err().detail;
            assert!(detail.contains(what), "{key}: {detail}");
        }
        assert!(read("code_challenge_methods_supported", json!(["plain", "S256"])).is_ok());
        let named = read("authorization_response_iss_parameter_supported", json!(true)).unwrap();
        assert!(named.0.names_itself);
        assert!(Endpoints::read("{", &provider()).unwrap_err().detail.contains("not JSON"));
    }

    #[test]
    fn the_secret_goes_where_the_provider_wants_it() {
        let exchange = |methods: Value, secret: Option<&str>| {
            let mut document = document();
            document["token_endpoint_auth_methods_supported"] = methods;
            let (endpoints, _) = Endpoints::read(&document.to_string(), &provider()).unwrap();
            endpoints.exchange(&provider(), secret, "c", "r", "v")
        };
        let basic = exchange(json!(["client_secret_basic"]), Some("a:b"));
        let header = &basic.headers.last().unwrap().1;
        assert_eq!(header, &format!("Basic {}", STANDARD.encode("the%20client:a%3Ab")));
        let form = "grant_type=authorization_code&code=c&redirect_uri=r&code_verifier=v";
        assert_eq!(basic.body.as_deref(), Some(form));
        let default = exchange(Value::Null, Some("a:b"));
        assert_eq!(default, basic);
        let post = exchange(json!(["client_secret_post"]), Some("a:b"));
        assert_eq!(post.headers.len(), 2);
        let body = format!("{form}&client_id=the%20client&client_secret=a%3Ab");
        assert_eq!(post.body, Some(body));
        let public = exchange(Value::Null, None);
        assert_eq!(public.body, Some(format!("{form}&client_id=the%20client")));
    }

    #[test]
    fn an_exchange_that_fails_says_whose_fault_it_is() {
        let of = |status: u16, body: &str| id_token(&Ok((status, body.to_owned())));
        assert_eq!(of(200, r#"{"id_token":"t"}"#).as_deref(), Ok("t"));
        let code = |result: Result<String, Error>| result.unwrap_err().code;
        assert_eq!(code(of(400, r#"{"error":"invalid_grant"}"#)), Code::Unauthenticated);
        assert_eq!(code(of(401, r#"{"error":"invalid_client"}"#)), Code::Internal);
        assert_eq!(code(of(400, "oops")), Code::Unavailable);
        assert_eq!(code(of(500, "{}")), Code::Unavailable);
        assert_eq!(code(of(302, "")), Code::Unavailable);
        assert_eq!(code(of(200, "{}")), Code::Unavailable);
        assert_eq!(code(id_token(&Err("no".to_owned()))), Code::Unavailable);
        let just = |bytes: usize| body(&Ok((200, "x".repeat(bytes))), "keys");
        assert!(just(PROVIDER_ANSWER_BYTES).is_ok());
        assert_eq!(just(PROVIDER_ANSWER_BYTES + 1).unwrap_err().code, Code::Unavailable);
    }
}
