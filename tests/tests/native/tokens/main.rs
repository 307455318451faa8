//! Who asks: true tokens are known, everything else is refused.

mod claims;
mod config;
mod cost;
mod forgeries;
mod fuzz;
mod keys;
mod rotation;

use blaze_identity::auth::{ApiKey, Identified, Signer, access_claims};
use blaze_rules::auth::Auth;
use blaze_schema::timestamp::Timestamp;
use jsonwebtoken::Header;
use keys::{ALL, NOW, at, backend, backend_with, claims, name, pair, refusal, token, uid};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn a_true_token_of_every_algorithm_is_known() {
    let mut identities = backend();
    for algorithm in ALL {
        let Identified::Known(auth) = identities.identify(&token(algorithm, &claims()), at(NOW))
        else {
            panic!("{algorithm:?}");
        };
        let expected = Auth {
            uid: "marker-of-ada".to_owned(),
            token: claims().as_object().unwrap().clone(),
            roles: BTreeSet::from(["reader".to_owned()]),
            expires: Some(at(NOW + 3_600)),
        };
        assert_eq!(*auth, expected);
    }
}

#[test]
fn tokens_of_another_implementation_are_known() {
    for algorithm in ALL {
        let encode = |kid: Option<String>| {
            let header = Header { kid, ..Header::new(algorithm) };
            jsonwebtoken::encode(&header, &claims(), &pair(algorithm, 0).private).unwrap()
        };
        // Without a name too, when the issuer has one key for the algorithm, or only one key.
        for kid in [Some(name(algorithm)), None] {
            for mut identities in [backend(), backend_with(&[algorithm])] {
                assert_eq!(uid(&mut identities, &encode(kid.clone())), "marker-of-ada");
            }
        }
    }
}

#[test]
fn a_token_that_was_verified_ends_all_the_same() {
    let mut identities = backend();
    for algorithm in ALL {
        let token = token(algorithm, &claims());
        let end = at(NOW + 3_600);
        let before = Timestamp::from_micros(end.micros() - 1);
        assert!(matches!(identities.identify(&token, before), Identified::Known(_)));
        let expired = identities.identify_final(&token, end).unwrap_err();
        assert_eq!(expired.detail, "token: expired");
        assert!(identities.identify_final(&token, before).is_ok());
    }
}

#[test]
fn the_same_token_is_verified_once() {
    let mut identities = backend();
    let token = token(ALL[1], &claims());
    let [first, second] = [0, 1].map(|_| identities.identify_final(&token, at(NOW)).unwrap());
    assert!(std::rc::Rc::ptr_eq(&first, &second));
}

fn api_key(random: [u128; 2], expires: Option<Timestamp>) -> (ApiKey, String) {
    let roles = BTreeSet::from(["admin".to_owned(), "writer".to_owned()]);
    ApiKey::mint(random, "nightly".to_owned(), roles, at(NOW), expires)
}

#[test]
fn an_api_key_says_what_it_grants_until_it_ends_or_is_gone() {
    let mut identities = backend();
    let (key, text) = api_key([1 << 90, 2 << 90], Some(at(NOW + 1)));
    let (other, other_text) = api_key([3 << 90, 4 << 90], None);
    assert_eq!(refusal(&mut identities, &text), "API key: unknown");
    let keys = [key.clone(), other.clone()].map(|key| (key.id.clone(), key));
    identities.set_api_keys(BTreeMap::from(keys));
    let auth = identities.identify_final(&text, at(NOW)).unwrap();
    let expected = Auth {
        uid: format!("key:{}", key.id),
        token: Default::default(),
        roles: key.roles.clone(),
        expires: Some(at(NOW + 1)),
    };
    assert_eq!(*auth, expected);
    assert!(auth.is_admin());
    let expired = identities.identify_final(&text, at(NOW + 1)).unwrap_err();
    assert_eq!(expired.detail, "API key: expired");
    // The secret of another key, of none, and what is no key.
    let other_secret = other_text.rsplit('_').next().unwrap();
    let forged = format!("blz_{}_{other_secret}", key.id);
    assert_eq!(refusal(&mut identities, &forged), "API key: unknown");
    let forged = format!("blz_{}_{}", key.id, "0".repeat(52));
    assert_eq!(refusal(&mut identities, &forged), "API key: unknown");
    let forged = format!("blz_{}_{}", key.id, key.hash);
    assert_eq!(refusal(&mut identities, &forged), "API key: malformed");
    for at in 4..text.len() {
        assert!(refusal(&mut identities, &text[..at]).starts_with("API key: malformed"), "{at}");
    }
    identities.set_api_keys(BTreeMap::from([(other.id.clone(), other)]));
    assert_eq!(refusal(&mut identities, &text), "API key: unknown");
    assert!(identities.identify_final(&other_text, at(NOW + 1)).is_ok());
}

#[test]
fn blazes_own_tokens_are_known_by_its_own_keys() {
    let (signer, old) = (Signer::from_seed([1; 32]), Signer::from_seed([2; 32]));
    let jwks = |signers: &[&Signer]| {
        let keys: Vec<_> = signers.iter().map(|signer| signer.public_jwk()).collect();
        json!({"keys": keys}).to_string()
    };
    let roles = BTreeSet::from(["admin".to_owned()]);
    let extra = json!({"email": "ada@example.com"});
    let claims = access_claims("ada", &roles, extra.as_object().unwrap(), at(NOW), 900_000_000);
    let mut identities = backend();
    let token = signer.sign(&claims).unwrap();
    let refresh = Identified::Refresh { issuer: "blaze".to_owned() };
    assert_eq!(identities.identify(&token, at(NOW)), refresh);
    identities.set_jwks("blaze", &jwks(&[&old])).unwrap();
    assert_eq!(identities.identify(&token, at(NOW)), refresh);
    identities.set_jwks("blaze", &jwks(&[&old, &signer])).unwrap();
    let auth = identities.identify_final(&token, at(NOW)).unwrap();
    assert_eq!(
        (auth.uid.as_str(), &auth.roles, auth.expires),
        ("ada", &roles, Some(at(NOW + 900)))
    );
    assert_eq!(auth.token["email"], "ada@example.com");
    assert!(identities.identify_final(&old.sign(&claims).unwrap(), at(NOW)).is_ok());
    // Who runs another issuer cannot pass for Blaze, nor can Blaze's own key sign for them.
    let mut theirs = claims.clone();
    theirs.insert("iss".to_owned(), "backend".into());
    theirs.insert("aud".to_owned(), "app".into());
    assert_eq!(refusal(&mut identities, &signer.sign(&theirs).unwrap()), "token: signature");
    let forged = keys::token(jsonwebtoken::Algorithm::HS256, &json!(claims));
    assert_eq!(refusal(&mut identities, &forged), "token: algorithm");
    // Its own algorithm is EdDSA, even if another key came among its own.
    let mut jwk = pair(jsonwebtoken::Algorithm::ES256, 0).jwk;
    jwk["kid"] = "ES256".into();
    identities.set_jwks("blaze", &json!({"keys": [jwk]}).to_string()).unwrap();
    let forged = keys::token(jsonwebtoken::Algorithm::ES256, &json!(claims));
    assert_eq!(refusal(&mut identities, &forged), "token: algorithm");
}
