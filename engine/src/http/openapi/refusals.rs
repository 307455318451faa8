//! Refusals of callers: the answers that many operations have in common.

use super::{reference, with};
use serde_json::{Map, Value, json};

/// An answer that tells the caller that it may not, or not now.
#[derive(Clone, Copy)]
pub(super) enum Refusal {
    /// 401
    Unauthenticated,
    /// 403
    PermissionDenied,
    /// 429
    TooMany,
    /// 503
    Unavailable,
}

use Refusal::{PermissionDenied, TooMany, Unauthenticated, Unavailable};

impl Refusal {
    /// The refusals of any operation that rules decide.
    pub(super) const ALL: [Refusal; 4] = [Unauthenticated, PermissionDenied, TooMany, Unavailable];

    fn status(self) -> &'static str {
        match self {
            Unauthenticated => "401",
            PermissionDenied => "403",
            TooMany => "429",
            Unavailable => "503",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Unauthenticated => "Unauthenticated",
            PermissionDenied => "PermissionDenied",
            TooMany => "TooMany",
            Unavailable => "Unavailable",
        }
    }

    fn response(self) -> Value {
        let (description, headers) = match self {
            Unauthenticated => (
                "The token or API key is not good, or it takes one; a password or a refresh token is not good",
                one_header("WWW-Authenticate", "Bearer (RFC 6750)", json!({"const": "Bearer"})),
            ),
            PermissionDenied => (
                "Who asks is known, and may not. The answer is the same whether the document exists or not.",
                json!({}),
            ),
            TooMany => (
                "More than access.json's rates allow, or too many failures to sign in",
                retry_after(),
            ),
            Unavailable => ("Not now; the same request may be repeated", retry_after()),
        };
        with(problem(description), "headers", headers)
    }
}

fn one_header(name: &str, description: &str, schema: Value) -> Value {
    json!({name: {"description": description, "schema": schema}})
}

fn retry_after() -> Value {
    let schema = json!({"type": "integer", "minimum": 1});
    one_header("Retry-After", "Seconds to wait", schema)
}

/// The component `responses`.
pub(super) fn components() -> Map<String, Value> {
    Refusal::ALL.into_iter().map(|one| (one.name().to_owned(), one.response())).collect()
}

/// Adds to the responses these refusals, and that any other is a problem.
pub(super) fn with_refusals(mut responses: Value, refusals: &[Refusal]) -> Value {
    if let Some(responses) = responses.as_object_mut() {
        for refusal in refusals {
            let reference = format!("#/components/responses/{}", refusal.name());
            responses.insert(refusal.status().to_owned(), json!({"$ref": reference}));
        }
        responses.insert("default".to_owned(), problem("Refused; nothing was changed"));
    }
    responses
}

/// Adds to the responses all refusals, and that any other is a problem.
pub(super) fn with_problems(responses: Value) -> Value {
    with_refusals(responses, &Refusal::ALL)
}

/// Adds to the responses the refusals of operations that are open to everybody, whatever credential they send.
pub(super) fn for_everybody(responses: Value) -> Value {
    with_refusals(responses, &[TooMany, Unavailable])
}

pub(super) fn problem(description: &str) -> Value {
    json!({"description": description, "content": {"application/problem+json": {"schema": reference("Problem")}}})
}
