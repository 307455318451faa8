//! Rules, API keys and the audit log: what [`super::super::admin_request`] reads, and what `blaze_identity::access` answers.

use super::refusals::{for_everybody, problem, with_problems};
use super::{answer, body, header, parameter, path_parameter, reference, with};
use crate::http::admin_request::AUDIT_LIMIT;
use blaze_schema::limits::{
    API_KEY_NAME_BYTES, API_KEY_ROLES, AUDIT_ENTRIES, AUDIT_PAGE, OWN_KEYS, RULES_BYTES,
    RULES_VERSIONS,
};
use serde_json::{Map, Value, json};

/// Of every operation here.
const FOR: &str = "For administrators: it takes an API key or token with the role admin.";

/// The components, by their names.
pub(super) fn schemas() -> [(&'static str, Value); 12] {
    [
        ("Rules", rules()),
        ("RulesVersion", rules_version()),
        ("RulesVersions", rules_versions()),
        ("NewApiKey", new_api_key()),
        ("MintedApiKey", minted_api_key()),
        ("ApiKeys", api_keys()),
        ("AuditEntry", audit_entry()),
        ("Audit", audit()),
        ("JsonWebKey", key()),
        ("JsonWebKeySet", key_set()),
        ("SigningKey", signing_key()),
        ("Group", group()),
    ]
}

/// The paths.
pub(super) fn paths() -> Map<String, Value> {
    let id = path_parameter("id", "The key's id, percent-encoded.");
    let paths = json!({
        "/v1/rules": {"get": get_rules(), "put": put_rules()},
        "/v1/rules/versions": {"get": operation("listRules", "The versions of the rules that are kept", json!({
            "responses": with_problems(json!({"200": answer("The versions", "RulesVersions")}))
        }))},
        "/v1/keys": {
            "get": operation("listKeys", "The API keys, without what is secret in them", json!({
                "responses": with_problems(json!({"200": answer("The keys, by id", "ApiKeys")}))
            })),
            "post": operation("createKey", "Make an API key", json!({
                "requestBody": body("application/json", reference("NewApiKey")),
                "responses": with_problems(json!({"201": answer("Made. The key is shown this once.", "MintedApiKey")}))
            }))
        },
        "/v1/keys/{id}": {
            "parameters": [id],
            "delete": operation("revokeKey", "End an API key", json!({
                "responses": with_problems(json!({
                    "204": {"description": "Within ten seconds it is good nowhere"},
                    "404": problem("There is no key of this id")
                }))
            }))
        },
        "/v1/signing-keys": {"post": operation("rotateSigningKey", "Make the next key that signs this server's tokens", json!({
            "requestBody": with(body("application/json", rotation()), "required", false),
            "responses": with_problems(json!({
                "201": answer("Made. It is published at once, and signs in ten minutes.", "SigningKey"),
                "409": problem("The next one is there already")
            }))
        }))},
        "/v1/audit": {"get": list_audit()},
        "/v1/groups/{group}": {
            "parameters": [path_parameter("group", "The id of the group's collections, percent-encoded.")],
            "get": operation("getGroup", "How far the documents of collections have joined the index of their group", json!({
                "responses": with_problems(json!({
                    "200": answer("How far it is. It goes on by itself.", "Group"),
                    "409": problem("The collections are no group")
                }))
            }))
        },
        "/v1/jwks.json": {"get": {
            "operationId": "jwks",
            "summary": "The public keys of the tokens that this server signs (RFC 7517)",
            "security": [],
            "responses": for_everybody(json!({"200": answer("The keys", "JsonWebKeySet")}))
        }}
    });
    paths.as_object().cloned().unwrap_or_default()
}

fn group() -> Value {
    json!({
        "type": "object",
        "properties": {
            "group": {"type": "string", "description": "The id of the collections"},
            "complete": {"type": "boolean", "description": "Queries of the group are answered."},
            "documents": {"type": "integer", "minimum": 0, "description": "Documents that have joined late, while others are missing."}
        },
        "required": ["group", "complete"]
    })
}

/// An operation for administrators, whose other fields are `more`.
fn operation(id: &str, summary: &str, more: Value) -> Value {
    let operation = with(with(more, "operationId", id), "summary", summary);
    with(with(operation, "description", FOR), "security", json!([{"bearer": []}]))
}

fn get_rules() -> Value {
    let version = parameter("query", "version", "Not the present version.", positive());
    operation(
        "getRules",
        "The rules",
        json!({
            "parameters": [version],
            "responses": with_problems(json!({
                "200": with_tag(answer("The rules", "Rules")),
                "404": problem("There are none, or this version is not kept")
            }))
        }),
    )
}

fn put_rules() -> Value {
    let text = body("text/plain", json!({"type": "string", "maxLength": RULES_BYTES}));
    let size = format!("{RULES_BYTES} bytes of UTF-8 at most, of any type but JSON");
    let text = with(text, "description", size);
    operation(
        "putRules",
        "Replace the rules",
        json!({
            "parameters": [
                header("If-Match", "A version in quotes: 412 unless it is the present one."),
                header("If-None-Match", "*: 412 unless there are no rules."),
            ],
            "requestBody": text,
            "responses": with_problems(json!({
                "200": with_tag(answer("Replaced, or the same as before", "RulesVersion")),
                "201": with_tag(answer("The first", "RulesVersion")),
                "400": problem("The text is not right: every error is a line of the detail, with its line and column"),
                "412": problem("The present version is another"),
                "415": problem("It is said to be JSON")
            }))
        }),
    )
}

fn list_audit() -> Value {
    let limit =
        json!({"type": "integer", "minimum": 1, "maximum": AUDIT_PAGE, "default": AUDIT_LIMIT});
    let before = "Only entries with smaller numbers: nextBefore of the answer before.";
    operation(
        "listAudit",
        "What administrators did",
        json!({
            "parameters": [
                parameter("query", "before", before, json!({"type": "integer", "minimum": 0})),
                parameter("query", "limit", "How many entries.", limit),
            ],
            "responses": with_problems(json!({"200": answer("The newest first", "Audit")}))
        }),
    )
}

fn with_tag(answer: Value) -> Value {
    let tag = json!({"description": "The version in quotes", "schema": {"type": "string"}});
    with(answer, "headers", json!({ "ETag": tag }))
}

fn positive() -> Value {
    json!({"type": "integer", "minimum": 1})
}

fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

/// An object that has all of these and nothing else.
fn all_of(properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().into_iter().flat_map(Map::keys).collect();
    json!({"type": "object", "required": required, "additionalProperties": false, "properties": properties})
}

/// A list of at most `most` of the component `of`.
fn list(description: &str, most: usize, of: &str) -> Value {
    json!({"type": "array", "description": description, "maxItems": most, "items": reference(of)})
}

fn rules() -> Value {
    let text = text("The text, as it was put.");
    all_of(json!({"version": positive(), "text": text, "updateTime": time()}))
}

fn rules_version() -> Value {
    let changed = "Only of a PUT: whether it made this version. The same text again makes none.";
    let actor = text("Only of a list: who put it.");
    json!({
        "type": "object",
        "properties": {
            "version": positive(),
            "updateTime": time(),
            "changed": {"type": "boolean", "description": changed},
            "actor": actor
        },
        "required": ["version", "updateTime"],
        "additionalProperties": false
    })
}

fn rules_versions() -> Value {
    all_of(json!({"versions": list("The newest first.", RULES_VERSIONS, "RulesVersion")}))
}

/// A name of a key or of a role.
fn name() -> Value {
    json!({
        "type": "string", "minLength": 1, "maxLength": API_KEY_NAME_BYTES,
        "description": format!("{API_KEY_NAME_BYTES} bytes at most.")
    })
}

fn new_api_key() -> Value {
    let roles = format!(
        "{API_KEY_ROLES} at most, each once. With admin, rules do not apply to the key, and it may do what is here."
    );
    json!({
        "type": "object",
        "properties": {
            "name": name(),
            "roles": {"type": "array", "description": roles, "items": name(), "default": []},
            "expireTime": {
                "type": ["string", "null"], "format": "date-time",
                "description": "When it ends; never without."
            }
        },
        "required": ["name"],
        "additionalProperties": false
    })
}

fn minted_api_key() -> Value {
    let key = "What to send as the bearer token. Nobody can be told it again.";
    all_of(json!({"id": text("For the list, and to revoke it."), "key": text(key)}))
}

fn api_keys() -> Value {
    let key = all_of(json!({
        "id": {"type": "string"},
        "name": name(),
        "roles": {"type": "array", "maxItems": API_KEY_ROLES, "items": name()},
        "createTime": time(),
        "expireTime": {"type": ["string", "null"], "format": "date-time"}
    }));
    all_of(json!({"keys": {"type": "array", "items": key}}))
}

fn audit_entry() -> Value {
    all_of(json!({
        "number": positive(),
        "time": time(),
        "actor": text("The uid of who did it."),
        "act": text("What, such as rules.put."),
        "what": text("To what. No secrets.")
    }))
}

fn audit() -> Value {
    let kept = format!("Of the last {AUDIT_ENTRIES}, the newest first.");
    let next = "For the entries before these; null where there are none.";
    all_of(json!({
        "entries": list(&kept, AUDIT_PAGE, "AuditEntry"),
        "nextBefore": {"type": ["integer", "null"], "minimum": 1, "description": next}
    }))
}

fn key() -> Value {
    all_of(json!({
        "kty": {"const": "OKP"},
        "crv": {"const": "Ed25519"},
        "x": text("The public key, in base64url."),
        "kid": text("The key's thumbprint (RFC 7638)."),
        "alg": {"const": "EdDSA"},
        "use": {"const": "sig"}
    }))
}

/// The signing keys: the present one, the former ones and the next one.
fn key_set() -> Value {
    let keys = json!({"type": "array", "maxItems": OWN_KEYS, "items": reference("JsonWebKey")});
    all_of(json!({ "keys": keys }))
}

fn signing_key() -> Value {
    all_of(json!({"key": reference("JsonWebKey"), "signsFrom": time()}))
}

fn rotation() -> Value {
    let revoke = "It signs at once, and no token that was signed before is good any more.";
    json!({
        "type": "object",
        "properties": {"revoke": {"type": "boolean", "default": false, "description": revoke}},
        "additionalProperties": false
    })
}
