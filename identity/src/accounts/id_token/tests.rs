use super::*;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::EncodingKey;
use jsonwebtoken::jwk::Jwk;
use serde_json::json;

/// A private key of 2,048 bits for tests (PKCS #1).
const RSA: &str = "\
    MIIEpAIBAAKCAQEA8h/H4D1YgywjK6F1Ge5bRr1xSiHBGjzWfynFKEvmr98puJ/9W7oGvsyTHhFj4koH8BCy2MwMcNVoNSFVp7ykTLo1svXRXK\
    8f1giQD6SN2OX4IWlh3bW3TZxgyDea9GPkITLH6wq9CMcE+CVXdVLv8QjCTri+FeYIqHkwL+tpJC87bjucDLP6BdudSY+O9mOP0Z7fO8Kh7rRA\
    HsJzk9vUmERTmO+Bl0Zir/McArPxUs/v/ZeNl0DhmVkDiP9GiDu50sY9+pL02DskfOu6huCMFXd1yHJNvc7LNDgPncsW1IYlIGxeKQxFEDPPTE\
    hwxEVNt9ndet4GvFCPylZTyILw1QIDAQABAoIBADpGx/cDDPDViMmRnPvW0QVfx4rOQQotpnsI9LlUO3wNPJ+BcpvHVKRL3QUZrm7i3rI7crCX\
    vE7ULrbLBTDQSMNm9lHStMeYJxN/EB2Tv8h64ZQ5JyMT/8CgaPMH3zX/bQNIk7HQ7drU/C813a0Rf0sGjq4f7TCcI21Zbe26vZ3FgLFYbnY1ZX\
    UKBwNTxxZbSdMC9x7v8pbWyrOgl1+CzOXriBe8a8nqZ+4+UUaAksfZZqSpc1aweyR+goajs7WIBfZkvcB7sUxv/h/U7YQVIjAbhoKjp///7aJb\
    4RowWDJDB/vaf1ob8/eBY9tUU5KRcsGTQMoPaTfWhIqHRIFdWukCgYEA+Ptw/CwBJNaL0HT5aW736qXBNercOJ5nXkYvWal/Yi99t0Piy9UDYd\
    rjeoVKWzxwGtU53EzUuXhzuyU1E8ZSUSPCz2IHfYryKDiXrnnl6+DzC0HmKs5kb/HvAug5kONKPbJ3E7MptM9rwHk0nMQEM9F23Ifc+4fzzBid\
    36zQQBMCgYEA+PLauiBRyY6/fSfDxsfP38EIPqi3IIdsw44w9oi5JEUhIxyYlM7aOtM090Or2H2W382T/t08L5P/wJjrsJQ27Y/Xg2oSwamC2Y\
    oIM8NzNGPxmK3JePz7+Jzq1NjcG0YgHZae7oc6p5EouschOAYD7YuJCgQr3kMBYz48gqOrOHcCgYACUj3MbBCaqlFlYSHOJNW031S8zvK8qGVo\
    UJkyac0hOjYe1kgwBE1ixSqnwsRds2OMLH68mg7Fp+TUUtV62Ld9wCqZyl0tg3UcgOKRItvM5iz95uBhd8kh7gx/Z3DZ8/SGPLq1eU8jO2fSxI\
    6EA6PSY9qK1c1unubb+ULHihHq9wKBgQCt4XqSzGYz4Qew1ChzXDa+c2Zd1ZvrFYwLXvKmD8M5KSvHCX8tWPmmYsU4+8Q4tye9dCqttjsGhFn7\
    XRQqRqvC7Fg8SseFCvABH98wwJBkBHbIDIKPhiw8buW6+ylpx2ZBJGYn9r4qMkJ/ivyR0+nEblSucVFuseBzQBIlsUmzawKBgQCpj1RvL6gHNH\
    bCt7H8Fp9GVz2ZkzrmQ4wZDEaJcr+qrUJZXYmDKCDGT/l+7S4bTraRShodJD/opx4jQ1MnnjN9Y6rj5qws/V9fcbmLuGPPepoetKgRlvdf5yJ2\
    3RyEND7G8yegSp3Mm5KF5WaUlqdeM7YQcvKJEmOMfuGqgGrwAg==";

/// A private key of P-256 for tests (PKCS #8).
const EC: &str = "\
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgPKto6l0wIadXo1NFGWYqf14K4Uej2l7h/vaCPAqF4T+hRANCAASGdnJ1b9eJD0\
    Xm4oJjTZxN92uLrK1zCLFsbhjuATp7fZowu+VbkLvv8mprkzSYrkdOPO9Ee1tBNwTk2YbNnrog";

const NOW: i64 = 1_800_000_000;

fn signer(algorithm: Algorithm) -> EncodingKey {
    let der = |text| STANDARD.decode(text).unwrap();
    match algorithm {
        Algorithm::RS256 => EncodingKey::from_rsa_der(&der(RSA)),
        Algorithm::ES256 => EncodingKey::from_ec_der(&der(EC)),
        _ => {
            // RFC 8410, section 7: what comes before the seed is always the same.
            let before = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];
            EncodingKey::from_ed_der(&[&before[..], &[7; 32]].concat())
        }
    }
}

fn key(algorithm: Algorithm, kid: &str) -> Value {
    let jwk = Jwk::from_encoding_key(&signer(algorithm), algorithm).unwrap();
    let mut jwk = serde_json::to_value(jwk).unwrap();
    jwk["kid"] = kid.into();
    jwk["use"] = "sig".into();
    jwk
}

fn keys(keys: &[Value]) -> String {
    json!({"keys": keys}).to_string()
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn sign(header: &Value, claims: &Value, algorithm: Algorithm) -> String {
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = crypto::sign(message.as_bytes(), &signer(algorithm), algorithm).unwrap();
    format!("{message}.{signature}")
}

fn claims() -> Value {
    json!({
        "iss": "https://a.example", "aud": "client", "sub": "248289", "nonce": "n",
        "iat": NOW, "exp": NOW + 60, "email": "a@b.c", "email_verified": true,
    })
}

const EXPECTED: Expected<'_> =
    Expected { issuer: "https://a.example", client_id: "client", nonce: "n" };

fn at(token: &str, keys: &str, micros: i64) -> Result<Identity, Untrue> {
    verify(token, keys, EXPECTED, Timestamp::from_micros(micros))
}

fn now(token: &str, keys: &str) -> Result<Identity, Untrue> {
    at(token, keys, NOW * 1_000_000)
}

fn of_claims(claims: &Value) -> Result<Identity, Untrue> {
    let header = json!({"alg": "EdDSA", "kid": "k"});
    now(&sign(&header, claims, Algorithm::EdDSA), &keys(&[key(Algorithm::EdDSA, "k")]))
}

fn is_wrong(result: Result<Identity, Untrue>, what: &str) {
    match result {
        Err(Untrue::Wrong(why)) => assert!(why.contains(what), "{why}, not {what}"),
        other => panic!("{other:?}, not {what}"),
    }
}

const ALGORITHMS: [(Algorithm, &str); 3] =
    [(Algorithm::RS256, "RS256"), (Algorithm::ES256, "ES256"), (Algorithm::EdDSA, "EdDSA")];

#[test]
fn a_true_token_says_who() {
    let identity = Identity {
        sub: "248289".to_owned(),
        email: Some("a@b.c".to_owned()),
        email_verified: true,
    };
    let all = keys(&ALGORITHMS.map(|(algorithm, name)| key(algorithm, name)));
    for (algorithm, name) in ALGORITHMS {
        let token = sign(&json!({"alg": name, "kid": name}), &claims(), algorithm);
        assert_eq!(now(&token, &all), Ok(identity.clone()), "{name}");
        let unnamed = sign(&json!({"alg": name}), &claims(), algorithm);
        assert_eq!(now(&unnamed, &all), Ok(identity.clone()), "{name}");
        // The last byte of the claims, and the first of the signature.
        let (message, signature) = token.rsplit_once('.').unwrap();
        let swapped = if signature.starts_with('A') { 'B' } else { 'A' };
        is_wrong(now(&format!("{message}.{swapped}{}", &signature[1..]), &all), "signature");
        is_wrong(now(&format!("{message}A.{signature}"), &all), "signature");
        is_wrong(now(&format!("{message}."), &all), "signature");
    }
}

#[test]
fn the_algorithm_is_the_keys_own() {
    let all = keys(&[key(Algorithm::RS256, "k")]);
    for (header, what) in [
        (json!({"alg": "none", "kid": "k"}), "algorithm"),
        (json!({"alg": "HS256", "kid": "k"}), "algorithm"),
        (json!({"alg": "RS512", "kid": "k"}), "algorithm"),
        (json!({"kid": "k"}), "algorithm"),
        (json!({"alg": "RS256", "kid": "k", "crit": ["b64"], "b64": false}), "critical"),
    ] {
        is_wrong(now(&sign(&header, &claims(), Algorithm::RS256), &all), what);
    }
    // A key of another kind is none, whatever its name.
    let token = sign(&json!({"alg": "ES256", "kid": "k"}), &claims(), Algorithm::ES256);
    assert_eq!(now(&token, &all), Err(Untrue::UnknownKey));
    let mut other = key(Algorithm::RS256, "k");
    other["alg"] = "RS512".into();
    let token = sign(&json!({"alg": "RS256", "kid": "k"}), &claims(), Algorithm::RS256);
    assert_eq!(now(&token, &keys(&[other])), Err(Untrue::UnknownKey));
    let mut other = key(Algorithm::RS256, "k");
    other["use"] = "enc".into();
    assert_eq!(now(&token, &keys(&[other])), Err(Untrue::UnknownKey));
}

#[test]
fn a_key_that_is_not_there_may_come() {
    let token = sign(&json!({"alg": "RS256", "kid": "new"}), &claims(), Algorithm::RS256);
    assert_eq!(now(&token, &keys(&[key(Algorithm::RS256, "old")])), Err(Untrue::UnknownKey));
    assert_eq!(now(&token, &keys(&[])), Err(Untrue::UnknownKey));
    is_wrong(now(&token, "{"), "not JSON");
    is_wrong(now(&token, "{}"), "Key Set");
    let unnamed = sign(&json!({"alg": "RS256"}), &claims(), Algorithm::RS256);
    let two = keys(&[key(Algorithm::RS256, "a"), key(Algorithm::RS256, "b")]);
    is_wrong(now(&unnamed, &two), "which of several");
}

#[test]
fn only_so_many_keys_are_looked_at() {
    let token = sign(&json!({"alg": "ES256", "kid": "k"}), &claims(), Algorithm::ES256);
    let mut many = vec![json!({"kty": "EC"}); PROVIDER_KEYS - 1];
    many.push(key(Algorithm::ES256, "k"));
    assert!(now(&token, &keys(&many)).is_ok());
    many.insert(0, json!({"kty": "EC"}));
    assert_eq!(now(&token, &keys(&many)), Err(Untrue::UnknownKey));
}

#[test]
fn a_weak_key_is_not_used() {
    let token = sign(&json!({"alg": "RS256", "kid": "k"}), &claims(), Algorithm::RS256);
    for (bytes, zeros) in [(RSA_BYTES - 1, 0), (RSA_BYTES - 1, 1), (0, 0)] {
        let mut weak = key(Algorithm::RS256, "k");
        weak["n"] = URL_SAFE_NO_PAD.encode([vec![0; zeros], vec![255; bytes]].concat()).into();
        is_wrong(now(&token, &keys(&[weak])), "cannot be used");
    }
    for (name, value) in [("n", json!("!")), ("e", Value::Null)] {
        let mut broken = key(Algorithm::RS256, "k");
        broken[name] = value;
        is_wrong(now(&token, &keys(&[broken])), "cannot be used");
    }
}

#[test]
fn every_claim_is_checked() {
    for (name, value, what) in [
        ("iss", json!("https://a.example/"), "iss"),
        ("iss", Value::Null, "iss"),
        ("aud", json!("other"), "aud"),
        ("aud", json!(["client", "other"]), "aud"),
        ("aud", json!([]), "aud"),
        ("aud", Value::Null, "aud"),
        ("azp", json!("other"), "azp"),
        ("nonce", json!("m"), "nonce"),
        ("nonce", Value::Null, "nonce"),
        ("exp", json!(NOW), "exp"),
        ("exp", json!("2000000000"), "exp"),
        ("exp", Value::Null, "exp"),
        ("iat", json!(NOW as f64 + SKEW_SECONDS + 1.0), "iat"),
        ("iat", Value::Null, "iat"),
        ("nbf", json!(NOW as f64 + SKEW_SECONDS + 1.0), "nbf"),
        ("nbf", json!("x"), "nbf"),
        ("sub", json!(""), "sub"),
        ("sub", json!(7), "sub"),
        ("sub", json!("\n"), "sub"),
        ("sub", json!("x".repeat(SUBJECT_BYTES + 1)), "sub"),
    ] {
        let mut claims = claims();
        claims[name] = value;
        is_wrong(of_claims(&claims), what);
    }
    for (name, value) in [
        ("aud", json!(["client"])),
        ("azp", json!("client")),
        ("iat", json!(NOW as f64 + SKEW_SECONDS)),
        ("nbf", json!(NOW as f64 + SKEW_SECONDS)),
        ("exp", json!(NOW as f64 + 0.5)),
        ("sub", json!("x".repeat(SUBJECT_BYTES))),
    ] {
        let mut claims = claims();
        claims[name] = value;
        assert!(of_claims(&claims).is_ok(), "{name}");
    }
}

#[test]
fn a_token_ends_at_the_very_second() {
    let token = sign(&json!({"alg": "EdDSA", "kid": "k"}), &claims(), Algorithm::EdDSA);
    let keys = keys(&[key(Algorithm::EdDSA, "k")]);
    let end = (NOW + 60) * 1_000_000;
    assert!(at(&token, &keys, end - 1).is_ok());
    is_wrong(at(&token, &keys, end), "exp");
}

#[test]
fn an_email_is_verified_only_if_it_is_said() {
    let of = |email: Value, verified: Value| {
        let mut claims = claims();
        claims["email"] = email;
        claims["email_verified"] = verified;
        let identity = of_claims(&claims).unwrap();
        (identity.email, identity.email_verified)
    };
    let email = || Some("a@b.c".to_owned());
    assert_eq!(of(json!("a@b.c"), json!("true")), (email(), true));
    assert_eq!(of(json!("a@b.c"), json!("yes")), (email(), false));
    assert_eq!(of(json!("a@b.c"), Value::Null), (email(), false));
    assert_eq!(of(Value::Null, json!(true)), (None, false));
    assert_eq!(of(json!("x".repeat(EMAIL_BYTES + 1)), json!(true)), (None, false));
}

#[test]
fn what_is_no_token_is_refused() {
    for text in ["", ".", "..", "a.b", "a.b.c", "e30.e30.", "\u{0}.\u{0}.\u{0}"] {
        assert!(matches!(now(text, &keys(&[])), Err(Untrue::Wrong(_))), "{text:?}");
    }
    let header = json!({"alg": "EdDSA", "kid": "k"});
    let all = keys(&[key(Algorithm::EdDSA, "k")]);
    let of = |padding: usize| {
        let mut claims = claims();
        claims["x"] = "x".repeat(padding).into();
        sign(&header, &claims, Algorithm::EdDSA)
    };
    let fixed = of(0).len();
    // Three bytes are four characters.
    let fitting = (ID_TOKEN_BYTES - fixed) / 4 * 3;
    assert!(of(fitting).len() <= ID_TOKEN_BYTES && now(&of(fitting), &all).is_ok());
    let beyond = fitting + 6;
    assert!(of(beyond).len() > ID_TOKEN_BYTES);
    is_wrong(now(&of(beyond), &all), "bytes");
}
