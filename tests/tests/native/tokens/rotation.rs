//! Keys that issuers publish: fetched when they are needed, replaced while Blaze runs.

use super::keys::{ALL, NOW, at, claims, identities, name, pair, refusal, sign, token, uid};
use blaze_identity::auth::{Algorithm as Ours, Identified, Identities, jwks::Jwks};
use blaze_schema::error::Code;
use blaze_schema::limits::{JWKS_BYTES, JWKS_KEYS, KEYS_TRIED};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PUBLIC: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// The issuer `backend`, which publishes its keys.
fn published() -> Identities {
    let url = "https://backend.example/keys";
    identities(&json!([{"issuer": "backend", "audience": "app", "jwks": url}]))
}

/// A public key of an issuer with a name.
fn jwk(algorithm: Algorithm, owner: usize, kid: &str) -> Value {
    let mut jwk = pair(algorithm, owner).jwk;
    jwk["kid"] = kid.into();
    jwk
}

fn jwks(keys: &[Value]) -> String {
    json!({"keys": keys}).to_string()
}

fn named(algorithm: Algorithm, owner: usize, kid: Option<&str>, claims: &Value) -> String {
    let mut header = json!({"alg": name(algorithm)});
    if let Some(kid) = kid {
        header["kid"] = kid.into();
    }
    sign(&header.to_string(), &claims.to_string(), algorithm, &pair(algorithm, owner).private)
}

fn refresh() -> Identified {
    Identified::Refresh { issuer: "backend".to_owned() }
}

#[test]
fn a_key_that_is_not_there_is_asked_for_once() {
    for algorithm in PUBLIC {
        let mut identities = published();
        let first = named(algorithm, 0, Some("1"), &claims());
        assert_eq!(identities.identify(&first, at(NOW)), refresh());
        assert_eq!(identities.identify(&named(algorithm, 0, None, &claims()), at(NOW)), refresh());
        let error = identities.identify_final(&first, at(NOW)).unwrap_err();
        assert_eq!(error.detail, "token: kid: its issuer has no such key");
        assert_eq!(error.code, Code::Unauthenticated);
        identities.set_jwks("backend", &jwks(&[jwk(algorithm, 0, "1")])).unwrap();
        uid(&mut identities, &first);
        uid(&mut identities, &named(algorithm, 0, None, &claims()));
        // A wrong signature with a key that is known is wrong, whatever there is to fetch.
        let forged = named(algorithm, 1, Some("1"), &claims());
        assert_eq!(refusal(&mut identities, &forged), "token: signature");
        let forged = named(algorithm, 1, None, &claims());
        assert_eq!(refusal(&mut identities, &forged), "token: signature");
        assert_eq!(
            identities.identify(&named(algorithm, 1, Some("2"), &claims()), at(NOW)),
            refresh()
        );
    }
}

#[test]
fn what_no_key_would_save_is_not_asked_for() {
    let mut identities = published();
    let mut expired = claims();
    expired["exp"] = json!(NOW);
    let token = named(Algorithm::ES256, 0, Some("1"), &expired);
    assert_eq!(refusal(&mut identities, &token), "token: expired");
    let mut foreign = claims();
    foreign["aud"] = json!("other");
    let token = named(Algorithm::ES256, 0, Some("1"), &foreign);
    assert_eq!(refusal(&mut identities, &token), "token: aud: for somebody else");
    let token = named(Algorithm::HS256, 0, Some("1"), &claims());
    assert_eq!(refusal(&mut identities, &token), "token: algorithm");
    // Nor from an issuer whose keys are configured.
    let token = named(Algorithm::ES256, 0, Some("1"), &claims());
    assert_eq!(refusal(&mut super::keys::backend(), &token), "token: signature");
}

#[test]
fn a_key_that_is_gone_verifies_nothing_more() {
    for algorithm in PUBLIC {
        let mut identities = published();
        let [old, new] = [0, 1].map(|owner| jwk(algorithm, owner, &owner.to_string()));
        let [by_old, by_new] =
            [0, 1].map(|owner: usize| named(algorithm, owner, Some(&owner.to_string()), &claims()));
        identities.set_jwks("backend", &jwks(std::slice::from_ref(&old))).unwrap();
        uid(&mut identities, &by_old);
        assert_eq!(identities.identify(&by_new, at(NOW)), refresh());
        // Both, for as long as tokens of the old one last.
        identities.set_jwks("backend", &jwks(&[old, new.clone()])).unwrap();
        uid(&mut identities, &by_old);
        uid(&mut identities, &by_new);
        identities.set_jwks("backend", &jwks(&[new])).unwrap();
        uid(&mut identities, &by_new);
        assert_eq!(identities.identify(&by_old, at(NOW)), refresh());
        assert!(identities.identify_final(&by_old, at(NOW)).is_err());
        identities.set_jwks("backend", &jwks(&[])).unwrap();
        assert_eq!(identities.identify(&by_new, at(NOW)), refresh());
    }
}

#[test]
fn a_name_may_be_used_again_for_another_key() {
    let mut identities = published();
    let token = named(Algorithm::EdDSA, 0, Some("k"), &claims());
    identities.set_jwks("backend", &jwks(&[jwk(Algorithm::EdDSA, 0, "k")])).unwrap();
    uid(&mut identities, &token);
    identities.set_jwks("backend", &jwks(&[jwk(Algorithm::EdDSA, 1, "k")])).unwrap();
    assert_eq!(refusal(&mut identities, &token), "token: signature");
}

#[test]
fn what_was_verified_is_kept_while_keys_stay() {
    let mut identities = published();
    let token = named(Algorithm::ES256, 0, Some("1"), &claims());
    let first = jwks(&[jwk(Algorithm::ES256, 0, "1")]);
    let mut identify = |text: &str| {
        let set = identities.set_jwks("backend", text);
        (set.map_err(|error| error.code), identities.identify_final(&token, at(NOW)).unwrap())
    };
    let (_, auth) = identify(&first);
    // The same, and what is none: an issuer that is down for a moment takes nobody away.
    for text in [first.as_str(), "", "{}", "<html>", "{\"keys\":{}}", "[]"] {
        let (_, again) = identify(text);
        assert!(std::rc::Rc::ptr_eq(&auth, &again), "{text}");
    }
    assert_eq!(identify("{}").0, Err(Code::InvalidArgument));
    let (_, again) = identify(&format!(" {first}"));
    assert!(!std::rc::Rc::ptr_eq(&auth, &again));
}

#[test]
fn keys_come_only_for_issuers_that_publish_them() {
    let text = jwks(&[jwk(Algorithm::ES256, 1, "ES256")]);
    let mut identities = super::keys::backend();
    for issuer in ["backend", "nobody", ""] {
        assert_eq!(identities.set_jwks(issuer, &text).unwrap_err().code, Code::NotFound);
    }
    uid(&mut identities, &token(Algorithm::ES256, &claims()));
}

/// How many keys of a JWKS can be used.
fn usable(keys: &[Value]) -> usize {
    Jwks::parse(&jwks(keys), &Ours::PUBLIC.into_iter().collect()).unwrap().len()
}

#[test]
fn a_key_that_is_not_for_this_is_left_out() {
    let with = |algorithm: Algorithm, member: &str, value: Value| {
        let mut jwk = jwk(algorithm, 0, "k");
        jwk[member] = value;
        jwk
    };
    let good = jwk(Algorithm::EdDSA, 0, "good");
    let weak = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let wrong = [
        json!(null),
        json!("x"),
        json!([]),
        json!({}),
        json!({"kty": "RSA"}),
        json!({"kty": "EC", "crv": "P-256"}),
        json!({"kty": "OKP", "crv": "Ed25519"}),
        pair(Algorithm::HS256, 0).jwk,
        with(Algorithm::RS256, "d", json!("AQAB")),
        with(Algorithm::ES256, "d", json!("AQAB")),
        with(Algorithm::EdDSA, "d", json!(null)),
        with(Algorithm::EdDSA, "k", json!("AQAB")),
        with(Algorithm::RS256, "use", json!("enc")),
        with(Algorithm::RS256, "use", json!(1)),
        with(Algorithm::RS256, "key_ops", json!(["encrypt"])),
        with(Algorithm::RS256, "key_ops", json!("verify")),
        with(Algorithm::RS256, "alg", json!("HS256")),
        with(Algorithm::RS256, "alg", json!("RS512")),
        with(Algorithm::RS256, "alg", json!("PS256")),
        with(Algorithm::RS256, "alg", json!("none")),
        with(Algorithm::ES256, "alg", json!("RS256")),
        with(Algorithm::EdDSA, "alg", json!(7)),
        with(Algorithm::RS256, "kty", json!("EC")),
        with(Algorithm::RS256, "kty", json!("oct")),
        with(Algorithm::RS256, "e", json!("")),
        with(Algorithm::RS256, "e", json!("AQ")),
        with(Algorithm::RS256, "e", json!("AA")),
        with(Algorithm::RS256, "e", json!("BA")),
        with(Algorithm::RS256, "n", json!("")),
        with(Algorithm::RS256, "n", json!("AQAB")),
        with(Algorithm::RS256, "n", json!("not base64!")),
        with(Algorithm::RS256, "kid", json!(1)),
        with(Algorithm::ES256, "crv", json!("P-384")),
        with(Algorithm::ES256, "crv", json!("secp256k1")),
        with(Algorithm::ES256, "x", json!("AAAA")),
        with(Algorithm::ES256, "x", with(Algorithm::ES256, "", json!(0))["y"].clone()),
        with(Algorithm::ES256, "y", json!("A".repeat(43))),
        with(Algorithm::EdDSA, "crv", json!("X25519")),
        with(Algorithm::EdDSA, "crv", json!("Ed448")),
        with(Algorithm::EdDSA, "x", json!("")),
        with(Algorithm::EdDSA, "x", json!("AAAA")),
        // The identity, zero (of order 4), and a point of order 8.
        with(Algorithm::EdDSA, "x", json!(weak)),
        with(Algorithm::EdDSA, "x", json!("A".repeat(43))),
        with(Algorithm::EdDSA, "x", json!("JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU")),
    ];
    for key in &wrong {
        assert_eq!(usable(&[key.clone(), good.clone()]), 1, "{key}");
    }
    for key in [
        with(Algorithm::RS256, "use", json!("sig")),
        with(Algorithm::RS256, "key_ops", json!(["verify"])),
        with(Algorithm::RS256, "alg", json!("RS256")),
        with(Algorithm::RS256, "x5c", json!(["…"])),
        with(Algorithm::ES256, "alg", json!("ES256")),
        with(Algorithm::EdDSA, "alg", json!("EdDSA")),
    ] {
        assert_eq!(usable(&[key.clone(), good.clone()]), 2, "{key}");
    }
}

/// A key of small order, which a lax reader would take, signs any message with a signature of zeros.
#[test]
fn a_key_of_small_order_does_not_verify() {
    let mut identities = published();
    let mut weak = jwk(Algorithm::EdDSA, 0, "k");
    weak["x"] = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into();
    identities.set_jwks("backend", &jwks(&[weak])).unwrap();
    let token = named(Algorithm::EdDSA, 0, Some("k"), &claims());
    let (message, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{message}.AQ{}", "A".repeat(84));
    assert_eq!(identities.identify(&forged, at(NOW)), refresh());
    assert!(identities.identify_final(&forged, at(NOW)).is_err());
}

#[test]
fn only_the_algorithms_that_are_configured_are_taken() {
    let url = "https://backend.example/keys";
    for allowed in PUBLIC {
        let mut identities = identities(&json!([
            {"issuer": "backend", "audience": "app", "jwks": url, "algorithms": [name(allowed)]}
        ]));
        let keys: Vec<Value> = PUBLIC.map(|algorithm| jwk(algorithm, 0, &name(algorithm))).into();
        identities.set_jwks("backend", &jwks(&keys)).unwrap();
        for algorithm in ALL {
            let token = token(algorithm, &claims());
            if algorithm == allowed {
                uid(&mut identities, &token);
            } else {
                assert_eq!(refusal(&mut identities, &token), "token: algorithm");
            }
        }
    }
    let only = BTreeSet::from([Ours::Es256]);
    let keys: Vec<Value> = PUBLIC.map(|algorithm| jwk(algorithm, 0, "k")).into();
    assert_eq!(Jwks::parse(&jwks(&keys), &only).unwrap().len(), 1);
}

#[test]
fn a_key_set_has_limits() {
    let algorithms = BTreeSet::from(Ours::PUBLIC);
    let filled = |bytes: usize| {
        let text = jwks(&[jwk(Algorithm::EdDSA, 0, "k")]);
        text.clone() + &" ".repeat(bytes - text.len())
    };
    assert_eq!(Jwks::parse(&filled(JWKS_BYTES), &algorithms).unwrap().len(), 1);
    let long = Jwks::parse(&filled(JWKS_BYTES + 1), &algorithms).unwrap_err();
    assert_eq!(long.detail, "jwks: more than 65536 bytes");
    let many = |count: usize| {
        let keys: Vec<Value> =
            (0..count).map(|kid| jwk(Algorithm::EdDSA, 0, &kid.to_string())).collect();
        Jwks::parse(&jwks(&keys), &algorithms)
    };
    assert_eq!(many(JWKS_KEYS).unwrap().len(), JWKS_KEYS);
    assert_eq!(many(JWKS_KEYS + 1).unwrap_err().detail, "jwks: more than 64 keys");
    for deep in ["[".repeat(60_000), "{\"keys\":".repeat(8_000)] {
        assert_eq!(Jwks::parse(&deep, &algorithms).unwrap_err().detail, "jwks: not JSON");
    }
    assert!(Jwks::parse("{\"keys\":[]}", &algorithms).unwrap().is_empty());
}

#[test]
fn a_token_without_a_name_is_tried_with_few_keys() {
    let mut identities = published();
    let mut keys: Vec<Value> =
        (1..KEYS_TRIED).map(|kid| jwk(Algorithm::ES256, 1, &kid.to_string())).collect();
    keys.push(jwk(Algorithm::ES256, 0, "mine"));
    let token = named(Algorithm::ES256, 0, None, &claims());
    identities.set_jwks("backend", &jwks(&keys)).unwrap();
    uid(&mut identities, &token);
    keys.push(jwk(Algorithm::ES256, 1, "one more"));
    identities.set_jwks("backend", &jwks(&keys)).unwrap();
    assert_eq!(refusal(&mut identities, &token), "token: kid: more than 4 keys fit");
    uid(&mut identities, &named(Algorithm::ES256, 0, Some("mine"), &claims()));
}

#[test]
fn a_key_without_a_name_may_be_any() {
    for algorithm in PUBLIC {
        let mut identities = published();
        identities.set_jwks("backend", &jwks(&[pair(algorithm, 0).jwk])).unwrap();
        for kid in [None, Some("any")] {
            uid(&mut identities, &named(algorithm, 0, kid, &claims()));
        }
        let forged = named(algorithm, 1, Some("any"), &claims());
        assert_eq!(identities.identify(&forged, at(NOW)), refresh());
        assert!(identities.identify_final(&forged, at(NOW)).is_err());
    }
}
