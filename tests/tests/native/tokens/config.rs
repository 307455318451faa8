//! The array `issuers` of `access.json`: what is wrong with it is said, with its place.

use super::keys::{configured, pair, pem, secret};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use blaze_identity::auth::{Identities, Issuers};
use blaze_schema::error::Code;
use blaze_schema::limits::{ISSUERS, JWKS_KEYS, RSA_MAX_BITS, RSA_MIN_BITS, SECRET_MIN_BYTES};
use jsonwebtoken::Algorithm;
use rsa::pkcs8::EncodePublicKey;
use serde_json::{Value, json};

fn wrong(issuers: &Value) -> String {
    let error = Issuers::from_json(issuers).map(|_| ()).unwrap_err();
    assert_eq!(error.code, Code::InvalidArgument);
    error.detail
}

fn remote() -> Value {
    json!({"issuer": "a", "audience": "app", "jwks": "https://a.example/keys"})
}

/// The issuer with one key, which is this.
fn with_key(key: &Value) -> Value {
    json!([remote(), {"issuer": "b", "audience": "app", "keys": [key]}])
}

/// An issuer with another value of a setting; null takes it away.
fn but(mut issuer: Value, setting: &str, value: Value) -> Value {
    if value.is_null() {
        issuer.as_object_mut().unwrap().remove(setting);
    } else {
        issuer[setting] = value;
    }
    json!([issuer])
}

#[test]
fn the_examples_of_the_documentation_are_taken() {
    let issuers = json!([
        {"issuer": "https://accounts.example", "audience": ["my-app"],
         "jwks": "https://accounts.example/keys", "algorithms": ["RS256", "ES256"],
         "roles": "realm_access.roles"},
        {"issuer": "my-backend", "audience": "blaze", "admins": true, "keys": [
            configured(&pair(Algorithm::HS256, 0), Some("k1")),
            configured(&pair(Algorithm::EdDSA, 0), Some("k2")),
            configured(&pair(Algorithm::RS256, 0), None),
        ]},
    ]);
    let issuers = Issuers::from_json(&issuers).unwrap();
    let published: Vec<_> = issuers.jwks().collect();
    assert_eq!(published, [("https://accounts.example", "https://accounts.example/keys")]);
    assert!(Identities::new(&issuers, secret).is_ok());
    assert!(Issuers::from_json(&json!([])).unwrap().jwks().next().is_none());
}

#[test]
fn settings_that_are_wrong_are_named() {
    let audience = "not a non-empty string, or an array of 1 or more";
    let text = "not a non-empty string";
    let name = "not one of RS256, ES256, EdDSA";
    let names = format!("not an array of 1 or more, each {}", &name[4..]);
    let not_one = "not exactly one of jwks and keys";
    let own = |keys: Value| json!([{"issuer": "b", "audience": "app", "keys": keys}]);
    for (issuers, detail) in [
        (json!({}), ": an object, not an array of at most 32, each an object".to_owned()),
        (json!(null), ": null, not an array of at most 32, each an object".to_owned()),
        (json!([1]), "[0]: 1, not an object".to_owned()),
        (
            but(remote(), "isuer", json!("a")),
            "[0].isuer: unknown key; known: issuer, audience, jwks, algorithms, keys, roles, admins"
                .to_owned(),
        ),
        (
            but(remote(), "issuer", json!(null)),
            "[0].issuer: missing; it must be a non-empty string".to_owned(),
        ),
        (but(remote(), "issuer", json!("")), format!("[0].issuer: an empty string, {text}")),
        (but(remote(), "issuer", json!(["a"])), format!("[0].issuer: an array, {text}")),
        (
            but(remote(), "issuer", json!("blaze")),
            "[0].issuer: there is one of this name already".to_owned(),
        ),
        (
            json!([remote(), remote()]),
            "[1].issuer: there is one of this name already".to_owned(),
        ),
        (
            but(remote(), "audience", json!(null)),
            format!("[0].audience: missing; it must be {}", &audience[4..]),
        ),
        (but(remote(), "audience", json!([])), format!("[0].audience: an array of 0, {audience}")),
        (but(remote(), "audience", json!("")), format!("[0].audience: an empty string, {text}")),
        (but(remote(), "audience", json!(["a", 1])), format!("[0].audience[1]: 1, {text}")),
        (but(remote(), "admins", json!("true")), "[0].admins: a string, not a boolean".to_owned()),
        (but(remote(), "roles", json!(["a"])), format!("[0].roles: an array, {text}")),
        (but(remote(), "algorithms", json!("RS256")), format!("[0].algorithms: a string, {names}")),
        (but(remote(), "algorithms", json!([])), format!("[0].algorithms: an array of 0, {names}")),
        (
            but(remote(), "algorithms", json!(["RS256", "HS256"])),
            format!("[0].algorithms[1]: \"HS256\", {name}"),
        ),
        (
            but(remote(), "algorithms", json!(["none"])),
            format!("[0].algorithms[0]: \"none\", {name}"),
        ),
        (but(remote(), "jwks", json!(null)), format!("[0]: {not_one}")),
        (but(remote(), "keys", json!([])), format!("[0]: {not_one}")),
        (own(json!([])), "[0].keys: an array of 0, not an array of 1 to 64, each an object".to_owned()),
        (own(json!({})), "[0].keys: an object, not an array of 1 to 64, each an object".to_owned()),
        (
            json!([{"issuer": "b", "audience": "app", "keys": [], "algorithms": ["RS256"]}]),
            "[0].algorithms: each of the keys names its own".to_owned(),
        ),
    ] {
        assert_eq!(wrong(&issuers), format!("access.json: issuers{detail}"), "{issuers}");
    }
}

#[test]
fn keys_are_fetched_where_nobody_can_change_them() {
    for url in [
        "https://a.example/keys",
        "http://localhost/keys",
        "http://localhost:8080/keys",
        "http://127.0.0.1:8080",
        "http://[::1]:8080/keys",
        "http://[::1]",
    ] {
        assert!(Issuers::from_json(&but(remote(), "jwks", json!(url))).is_ok(), "{url}");
    }
    for url in [
        "http://a.example/keys",
        "HTTPS://a.example/keys",
        "https://",
        "ftp://a.example",
        "a.example",
        "http://localhost.a.example/",
        "http://localhost@a.example/",
        "http://localhost:80@a.example/",
        "http://a.example/#localhost",
        "http://a.example?localhost",
        "file:///etc/passwd",
    ] {
        let found = wrong(&but(remote(), "jwks", json!(url)));
        assert!(found.starts_with("access.json: issuers[0].jwks: "), "{url}: {found}");
    }
}

#[test]
fn keys_that_are_wrong_are_named() {
    let key = |algorithm: Algorithm| configured(&pair(algorithm, 0), Some("k"));
    let with = |algorithm: Algorithm, member: &str, value: Value| {
        let mut key = key(algorithm);
        key[member] = value;
        key
    };
    let rsa_pem = pem(&pair(Algorithm::RS256, 0).public);
    let ec_pem = pem(&pair(Algorithm::ES256, 0).public);
    let private = json!({"kty": "OKP", "crv": "Ed25519", "x": "A", "d": "A"});
    let mut small = pair(Algorithm::EdDSA, 0).jwk;
    small["x"] = "A".repeat(43).into();
    let mut other = pair(Algorithm::EdDSA, 0).jwk;
    other["kid"] = "other".into();
    let not = "not one of HS256, RS256, ES256, EdDSA";
    let secret = ": HS256 has a secret, and neither jwk nor pem";
    let public = ": not exactly one of jwk and pem, without a secret";
    let pem = ".pem: not a public key of the algorithm, in PEM";
    let text = "not a non-empty string";
    for (key, detail) in [
        (json!(1), ": 1, not an object".to_owned()),
        (
            with(Algorithm::HS256, "secrets", json!("x")),
            ".secrets: unknown key; known: kid, algorithm, secret, jwk, pem".to_owned(),
        ),
        (with(Algorithm::HS256, "kid", json!(1)), format!(".kid: 1, {text}")),
        (with(Algorithm::HS256, "kid", json!("")), format!(".kid: an empty string, {text}")),
        (json!({"secret": "SECRET"}), format!(".algorithm: missing; it must be {}", &not[4..])),
        (
            with(Algorithm::HS256, "algorithm", json!("none")),
            format!(".algorithm: \"none\", {not}"),
        ),
        (
            with(Algorithm::HS256, "algorithm", json!("HS512")),
            format!(".algorithm: \"HS512\", {not}"),
        ),
        (with(Algorithm::HS256, "algorithm", json!("RS256")), public.to_owned()),
        (with(Algorithm::HS256, "pem", json!(rsa_pem)), secret.to_owned()),
        (with(Algorithm::RS256, "algorithm", json!("HS256")), secret.to_owned()),
        (with(Algorithm::EdDSA, "algorithm", json!("HS256")), secret.to_owned()),
        (with(Algorithm::RS256, "secret", json!("SECRET")), public.to_owned()),
        (with(Algorithm::RS256, "jwk", json!({})), public.to_owned()),
        (json!({"algorithm": "RS256"}), public.to_owned()),
        (json!({"algorithm": "HS256"}), secret.to_owned()),
        (
            with(Algorithm::EdDSA, "algorithm", json!("ES256")),
            ".algorithm: not that of the key".to_owned(),
        ),
        (
            with(Algorithm::EdDSA, "jwk", json!("x")),
            ".jwk: a string, not an object: a public key as a JSON Web Key (RFC 7517)".to_owned(),
        ),
        (with(Algorithm::EdDSA, "jwk", private), ".jwk: not a public key".to_owned()),
        (with(Algorithm::EdDSA, "jwk", small), ".jwk: an Ed25519 key of small order".to_owned()),
        (with(Algorithm::EdDSA, "jwk", other), ".kid: not that of the key".to_owned()),
        (with(Algorithm::RS256, "pem", json!(ec_pem)), pem.to_owned()),
        (with(Algorithm::ES256, "pem", json!(rsa_pem)), pem.to_owned()),
        (with(Algorithm::ES256, "pem", json!("-----BEGIN PUBLIC KEY-----")), pem.to_owned()),
        (with(Algorithm::ES256, "algorithm", json!("EdDSA")), pem.to_owned()),
    ] {
        let found = wrong(&with_key(&key));
        assert_eq!(found, format!("access.json: issuers[1].keys[0]{detail}"), "{key}");
    }
}

#[test]
fn every_public_key_may_be_pem_or_jwk() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let pair = pair(algorithm, 0);
        let claims = super::keys::claims();
        for material in [json!({"pem": pem(&pair.public)}), json!({"jwk": pair.jwk})] {
            let mut key = json!({"algorithm": super::keys::name(algorithm)});
            key.as_object_mut().unwrap().extend(material.as_object().unwrap().clone());
            let issuers = json!([{"issuer": "backend", "audience": "app", "keys": [key]}]);
            let mut identities = super::keys::identities(&issuers);
            super::keys::uid(&mut identities, &super::keys::token(algorithm, &claims));
        }
    }
}

#[test]
fn secrets_are_there_and_long_enough() {
    let resolve = |name: &str| {
        let key = json!({"algorithm": "HS256", "secret": name});
        let issuers = Issuers::from_json(&with_key(&key)).unwrap();
        Identities::new(&issuers, secret).map(|_| ()).map_err(|error| error.detail)
    };
    assert_eq!(secret("SECRET").unwrap().len(), SECRET_MIN_BYTES);
    assert_eq!(secret("SHORT").unwrap().len(), SECRET_MIN_BYTES - 1);
    assert_eq!(resolve("SECRET"), Ok(()));
    let place = "access.json: issuers[1].keys[0].secret:";
    assert_eq!(resolve("SHORT"), Err(format!("{place} \"SHORT\": shorter than 32 bytes")));
    assert_eq!(resolve("NONE"), Err(format!("{place} \"NONE\": there is no such secret")));
}

/// An RSA public key of so many bits. Nobody has the private one.
fn rsa_of(bits: usize) -> (Value, String) {
    let one = rsa::BigUint::from(1_u8);
    let modulus = (&one << (bits - 1)) + &one;
    let n = URL_SAFE_NO_PAD.encode(modulus.to_bytes_be());
    let large = rsa::RsaPublicKey::new_with_max_size(modulus, 65_537_u32.into(), 1 << 14).unwrap();
    let der = large.to_public_key_der().unwrap();
    (json!({"kty": "RSA", "n": n, "e": "AQAB"}), pem(der.as_bytes()))
}

#[test]
fn rsa_keys_are_neither_weak_nor_costly() {
    for (bits, is_taken) in [
        (512, false),
        (1_024, false),
        (RSA_MIN_BITS - 1, false),
        (RSA_MIN_BITS, true),
        (3_072, true),
        (RSA_MAX_BITS, true),
        (RSA_MAX_BITS + 1, false),
        (8_192, false),
    ] {
        let (jwk, pem) = rsa_of(bits);
        for key in [json!({"jwk": jwk}), json!({"pem": pem})] {
            let mut key = key;
            key["algorithm"] = "RS256".into();
            let found = Issuers::from_json(&with_key(&key));
            assert_eq!(found.is_ok(), is_taken, "{bits}: {key}");
        }
    }
}

#[test]
fn there_are_only_so_many() {
    let issuers = |count: usize| {
        let issuer = |number: usize| {
            let mut issuer = remote();
            issuer["issuer"] = number.to_string().into();
            issuer
        };
        Value::from((0..count).map(issuer).collect::<Vec<_>>())
    };
    assert!(Issuers::from_json(&issuers(ISSUERS)).is_ok());
    let most = "access.json: issuers: an array of 33, not an array of at most 32, each an object";
    assert_eq!(wrong(&issuers(ISSUERS + 1)), most);
    let keys = |count: usize| {
        let key = configured(&pair(Algorithm::HS256, 0), None);
        json!([{"issuer": "b", "audience": "app", "keys": vec![key; count]}])
    };
    assert!(Issuers::from_json(&keys(JWKS_KEYS)).is_ok());
    let most =
        "access.json: issuers[0].keys: an array of 65, not an array of 1 to 64, each an object";
    assert_eq!(wrong(&keys(JWKS_KEYS + 1)), most);
}
