//! Accounts: what [`super::super::account_request`] reads and answers.

use super::refusals::{Refusal, problem, with_refusals};
use super::{answer, path_parameter, reference, with};
use blaze_schema::limits::{
    ACCESS_SECONDS, ACCOUNT_REQUEST_BYTES, EMAIL_BYTES, PASSWORD_BYTES, PASSWORD_MIN_BYTES,
    SIGN_IN_MICROS, URL_BYTES,
};
use serde_json::{Map, Value, json};

/// Of every operation here.
const WHERE: &str = "Only where access.json has accounts.";

/// The components, by their names.
pub(super) fn schemas() -> [(&'static str, Value); 7] {
    [
        ("Credentials", credentials()),
        ("Refresh", object(json!({"refreshToken": refresh_token()}), json!({}))),
        ("SignOut", sign_out()),
        ("Session", session()),
        ("StartSignIn", object(json!({"redirectUri": redirect_uri()}), json!({}))),
        ("StartedSignIn", started_sign_in()),
        ("FinishSignIn", finish_sign_in()),
    ]
}

/// The paths.
pub(super) fn paths() -> Map<String, Value> {
    let provider = path_parameter("provider", "The provider's name in access.json.");
    let session = |description| json!({"200": answer(description, "Session")});
    let sign_up = session("The account is made; this is its first session");
    let sign_up = with(sign_up, "409", problem("There is an account with this email"));
    let finished = session("A session; the account is made by the first one");
    let started = answer("What the browser keeps, and where it goes", "StartedSignIn");
    let paths = json!({
        "/v1/accounts/signUp": {
            "post": operation("signUp", "Make an account with a password", "Credentials", sign_up)
        },
        "/v1/accounts/signIn": {
            "post": operation("signIn", "Begin a session", "Credentials", session("A session"))
        },
        "/v1/accounts/refresh": {"post": operation(
            "refresh",
            "Get a new access token, and the next refresh token. Each is used once: one that comes back ends the session, \
             but for ten seconds after it was used, when the answer is the same again",
            "Refresh",
            session("The session goes on")
        )},
        "/v1/accounts/signOut": {"post": operation(
            "signOut",
            "End a session. Access tokens that were given stay good until they expire",
            "SignOut",
            json!({"204": {"description": "It has ended, now or before"}})
        )},
        "/v1/accounts/oidc/{provider}/start": {
            "parameters": [provider],
            "post": operation("startSignIn", "Begin to sign in with a provider (OpenID Connect)", "StartSignIn", json!({"200": started}))
        },
        "/v1/accounts/oidc/{provider}/finish": {
            "parameters": [provider],
            "post": operation("finishSignIn", "Sign in with what the provider sent the browser back with", "FinishSignIn", finished)
        }
    });
    paths.as_object().cloned().unwrap_or_default()
}

fn operation(id: &str, summary: &str, takes: &str, responses: Value) -> Value {
    let off = "Accounts are off, or passwords are, or there is no such provider; the detail says how to turn them on";
    let responses = with(responses, "404", problem(off));
    let schema = reference(takes);
    json!({
        "operationId": id,
        "summary": summary,
        "description": WHERE,
        "security": [],
        "requestBody": {
            "required": true,
            "description": format!("{ACCOUNT_REQUEST_BYTES} bytes at most"),
            "content": {"application/json": {"schema": schema}}
        },
        "responses": with_refusals(responses, &Refusal::ALL)
    })
}

/// An object of what it must have and what it may have.
fn object(required: Value, optional: Value) -> Value {
    let fields = |value: Value| value.as_object().cloned().unwrap_or_default();
    let (mut properties, optional) = (fields(required), fields(optional));
    let required: Vec<String> = properties.keys().cloned().collect();
    properties.extend(optional);
    json!({"type": "object", "required": required, "additionalProperties": false, "properties": properties})
}

fn credentials() -> Value {
    // A byte is at least a quarter of a character.
    let shortest = PASSWORD_MIN_BYTES.div_ceil(4);
    object(
        json!({
            "email": {
                "type": "string", "maxLength": EMAIL_BYTES, "pattern": "^[^@]+@[^@.]+(?:\\.[^@.]+)*$",
                "description": format!("{EMAIL_BYTES} bytes at most; in whatever case.")
            },
            "password": {
                "type": "string", "format": "password",
                "minLength": shortest, "maxLength": PASSWORD_BYTES,
                "description": format!("{PASSWORD_MIN_BYTES} to {PASSWORD_BYTES} bytes.")
            }
        }),
        json!({}),
    )
}

fn refresh_token() -> Value {
    json!({"type": "string", "pattern": "^blzr_[\\w-]+\\.[^.]*\\.[\\w-]+$", "description": "The newest one of the session."})
}

fn sign_out() -> Value {
    let everywhere = "Whether all other sessions of the account end too.";
    object(
        json!({"refreshToken": refresh_token()}),
        json!({"everywhere": {"type": "boolean", "default": false, "description": everywhere}}),
    )
}

fn session() -> Value {
    let access = "A JWT that /v1/jwks.json verifies: sub is the uid, and it has email, email_verified, provider, sid.";
    object(
        json!({
            "uid": {"type": "string", "description": "Who, for ever: request.auth.uid."},
            "accessToken": {"type": "string", "description": access},
            "expiresIn": {
                "type": "integer", "minimum": 1, "maximum": ACCESS_SECONDS,
                "description": "How long the access token is good, in seconds."
            },
            "refreshToken": refresh_token()
        }),
        json!({}),
    )
}

fn redirect_uri() -> Value {
    json!({
        "type": "string", "minLength": 1, "maxLength": URL_BYTES,
        "description": "Where the provider sends the browser back to: one of access.json's accounts.redirects, to the letter."
    })
}

fn state() -> Value {
    json!({"type": "string", "pattern": "^[\\w-]{43}$", "description": "Comes back as a parameter of the redirectUri."})
}

fn started_sign_in() -> Value {
    let secret = "The browser keeps it to itself; finish takes it.";
    object(
        json!({
            "authorizationUrl": {"type": "string", "description": "Where the browser goes."},
            "state": state(),
            "secret": {"type": "string", "description": secret},
            "expiresIn": {
                "type": "integer", "minimum": 1, "maximum": SIGN_IN_MICROS.div_euclid(1_000_000),
                "description": "How long the sign-in may take, in seconds."
            }
        }),
        json!({}),
    )
}

fn finish_sign_in() -> Value {
    let iss = "The parameter iss of the redirectUri, if the provider added one (RFC 9207).";
    object(
        json!({
            "state": state(),
            "code": {"type": "string", "description": "The parameter code of the redirectUri."},
            "secret": {"type": "string", "description": "What start answered."},
            "redirectUri": redirect_uri()
        }),
        json!({"iss": {"type": "string", "description": iss}}),
    )
}
