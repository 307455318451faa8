//! Whatever comes is refused or known, and nothing panics.

use super::keys::{ALL, at, backend, claims, header, identities, name, pair, sign, token};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use blaze_identity::auth::{Identified, Identities, Issuers, jwks::Jwks};
use blaze_schema::timestamp::Timestamp;
use jsonwebtoken::Algorithm;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::cell::RefCell;

/// Any JSON.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop_oneof![
            ".{0,12}",
            Just("backend".to_owned()),
            Just("app".to_owned()),
            Just("blaze".to_owned()),
            Just("HS256".to_owned()),
            Just("EdDSA".to_owned()),
            Just("none".to_owned()),
        ]
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{0,4}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// An object with some members that mean something, and any values.
fn object(members: &'static [&'static str], base: fn() -> Value) -> impl Strategy<Value = Value> {
    prop::collection::vec((prop::sample::select(members), any_json()), 0..3).prop_map(
        move |changes| {
            let mut object = base();
            changes.into_iter().for_each(|(member, value)| object[member] = value);
            object
        },
    )
}

const CLAIMS: &[&str] = &["iss", "aud", "sub", "exp", "nbf", "iat", "roles", "jti", "deep"];
const HEADER: &[&str] = &["alg", "kid", "typ", "crit", "jwk", "jku", "b64"];

#[derive(Clone, Debug)]
enum Forged {
    /// Bytes.
    Text(String),
    /// Three parts of anything.
    Parts(Vec<u8>, Vec<u8>, Vec<u8>),
    /// A header and claims, signed as they should be.
    Signed(Value, Value),
    /// A true token with some characters changed.
    Changed(usize, Vec<(prop::sample::Index, char)>),
}

fn forged() -> impl Strategy<Value = Forged> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..80);
    prop_oneof![
        1 => ".{0,120}".prop_map(Forged::Text),
        1 => "blz_[0-9a-z_é]{0,70}".prop_map(Forged::Text),
        1 => "[A-Za-z0-9_.=-]{0,120}".prop_map(Forged::Text),
        2 => (bytes(), bytes(), bytes()).prop_map(|(a, b, c)| Forged::Parts(a, b, c)),
        4 => (object(HEADER, || header(Algorithm::HS256)), object(CLAIMS, claims))
            .prop_map(|(header, claims)| Forged::Signed(header, claims)),
        2 => (0..4_usize, prop::collection::vec((any::<prop::sample::Index>(), any::<char>()), 1..4))
            .prop_map(|(which, changes)| Forged::Changed(which, changes)),
    ]
}

fn text(forged: &Forged, truth: &[String]) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    match forged {
        Forged::Text(text) => text.clone(),
        Forged::Parts(a, b, c) => [a, b, c].map(|part| encode(part)).join("."),
        Forged::Signed(header, claims) => {
            let key = pair(Algorithm::HS256, 0).private;
            sign(&header.to_string(), &claims.to_string(), Algorithm::HS256, &key)
        }
        Forged::Changed(which, changes) => {
            let mut characters: Vec<char> = truth[*which].chars().collect();
            for (index, character) in changes {
                let at = index.index(characters.len());
                characters[at] = *character;
            }
            characters.into_iter().collect()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(forged in forged(), now in any::<i64>(), is_now in any::<bool>()) {
        thread_local! {
            static WORLD: (RefCell<Identities>, Vec<String>) =
                (RefCell::new(backend()), ALL.map(|algorithm| token(algorithm, &claims())).into());
        }
        WORLD.with(|(identities, truth)| {
            let mut identities = identities.borrow_mut();
            let text = text(&forged, truth);
            let now = if is_now { at(super::keys::NOW) } else { Timestamp::from_micros(now) };
            let found = identities.identify(&text, now);
            if let Identified::Known(auth) = &found {
                // What is true was signed with the key, has a subject, and is in time.
                let is_signed = matches!(forged, Forged::Signed(..)) || truth.contains(&text);
                prop_assert!(is_signed, "{text}");
                prop_assert!(!auth.uid.is_empty() && !auth.is_admin());
                prop_assert!(auth.expires.is_some_and(|expires| now < expires));
                prop_assert_eq!(&auth.token["iss"], &json!("backend"));
            }
            // The second time, from memory or not, it is the same.
            prop_assert_eq!(identities.identify(&text, now), found);
            Ok(())
        })?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_in_configuration_and_key_sets(
        keys in prop::collection::vec(
            object(&["kty", "crv", "x", "y", "n", "e", "alg", "use", "key_ops", "kid", "d", "algorithm", "jwk", "pem"],
                || json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})),
            0..3,
        ),
        issuer in object(&["issuer", "audience", "jwks", "keys", "algorithms", "roles", "admins"],
            || json!({"issuer": "a", "audience": "b", "jwks": "https://c"})),
        any in any_json(),
    ) {
        let algorithms = blaze_identity::auth::Algorithm::PUBLIC.into_iter().collect();
        let _ = Jwks::parse(&json!({"keys": keys}).to_string(), &algorithms);
        let _ = Jwks::parse(&any.to_string(), &algorithms);
        let _ = Issuers::from_json(&any);
        let _ = Issuers::from_json(&json!([issuer, {"issuer": "d", "audience": "e", "keys": keys}]));
    }
}

/// Tokens that are true for their issuer stay so among many others: the cache forgets, and never confuses.
#[test]
fn many_tokens_are_told_apart() {
    let key = pair(Algorithm::HS256, 0);
    let mut identities = identities(&json!([{
        "issuer": "backend", "audience": "app",
        "keys": [super::keys::configured(&key, Some(&name(Algorithm::HS256)))],
    }]));
    let tokens: Vec<String> = (0..3_000)
        .map(|number| {
            let mut claims = claims();
            claims["sub"] = format!("user-{number}").into();
            token(Algorithm::HS256, &claims)
        })
        .collect();
    for _ in 0..2 {
        for (number, token) in tokens.iter().enumerate() {
            assert_eq!(super::keys::uid(&mut identities, token), format!("user-{number}"));
        }
    }
}
