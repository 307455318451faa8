//! Tokens that are signed as they should be, and what they claim.

use super::keys::{
    ALL, NOW, at, backend, claims, configured, header, identities, name, pair, refusal, secret,
    sign, token, uid,
};
use blaze_identity::auth::{Identities, Issuers};
use blaze_schema::limits::{
    AUTH_BYTES, CLAIMS_DEPTH, CLOCK_LEEWAY_MICROS, ROLE_BYTES, ROLES, SUBJECT_BYTES,
};
use blaze_schema::timestamp::Timestamp;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

/// The claims, but for one; without it where `value` is none.
fn with(claim: &str, value: Option<Value>) -> Value {
    let mut claims = claims();
    match value {
        Some(value) => claims[claim] = value,
        None => {
            claims.as_object_mut().unwrap().remove(claim);
        }
    }
    claims
}

const LEEWAY: i64 = CLOCK_LEEWAY_MICROS / 1_000_000;

#[test]
fn claims_that_are_wrong_are_refused() {
    let mut identities = backend();
    let late = "nbf: not valid yet";
    let soon = "iat: issued in the future";
    let aud = "aud: for somebody else";
    let iss = "iss: missing, or not a string";
    let sub = "sub: missing, or not a string";
    let length = "sub: not 1 to 255 bytes";
    for (claim, value, detail) in [
        ("exp", None, "exp: missing"),
        ("exp", Some(json!(null)), "exp: not a number"),
        ("exp", Some(json!((NOW + 10).to_string())), "exp: not a number"),
        ("exp", Some(json!(true)), "exp: not a number"),
        ("exp", Some(json!([NOW + 10])), "exp: not a number"),
        ("exp", Some(json!(NOW)), "expired"),
        ("exp", Some(json!(NOW - 1)), "expired"),
        ("exp", Some(json!(0)), "expired"),
        ("exp", Some(json!(-1)), "expired"),
        ("exp", Some(json!(i64::MIN)), "expired"),
        ("exp", Some(json!(-1e300)), "expired"),
        ("exp", Some(json!(NOW as f64 - 0.5)), "expired"),
        ("nbf", Some(json!(NOW + LEEWAY + 1)), late),
        ("nbf", Some(json!(1e300)), late),
        ("nbf", Some(json!(u64::MAX)), late),
        ("nbf", Some(json!("0")), "nbf: not a number"),
        ("iat", Some(json!(NOW + LEEWAY + 1)), soon),
        ("iat", Some(json!((NOW + LEEWAY) as f64 + 0.001)), soon),
        ("iat", Some(json!(i64::MAX)), soon),
        ("iat", Some(json!(null)), "iat: not a number"),
        ("aud", None, aud),
        ("aud", Some(json!("other")), aud),
        ("aud", Some(json!("App")), aud),
        ("aud", Some(json!("app ")), aud),
        ("aud", Some(json!("")), aud),
        ("aud", Some(json!([])), aud),
        ("aud", Some(json!(["other"])), aud),
        ("aud", Some(json!([["app"]])), aud),
        ("aud", Some(json!({"app": "app"})), aud),
        ("aud", Some(json!(null)), aud),
        ("iss", None, iss),
        ("iss", Some(json!(["backend"])), iss),
        ("iss", Some(json!(null)), iss),
        ("iss", Some(json!(1)), iss),
        ("iss", Some(json!("")), "iss: unknown"),
        ("iss", Some(json!("backend/")), "iss: unknown"),
        ("iss", Some(json!("Backend")), "iss: unknown"),
        ("iss", Some(json!("other")), "iss: unknown"),
        ("iss", Some(json!("blaze")), "algorithm"),
        ("sub", None, sub),
        ("sub", Some(json!(null)), sub),
        ("sub", Some(json!(17)), sub),
        ("sub", Some(json!(["ada"])), sub),
        ("sub", Some(json!("")), length),
        ("sub", Some(json!("x".repeat(SUBJECT_BYTES + 1))), length),
        ("sub", Some(json!("key:0123456789")), "sub: begins as that of an API key"),
    ] {
        let token = token(Algorithm::HS256, &with(claim, value.clone()));
        let found = refusal(&mut identities, &token);
        assert_eq!(found, format!("token: {detail}"), "{claim}: {value:?}");
    }
    // With another algorithm too, once each: the claims do not depend on it.
    for algorithm in ALL {
        let token = token(algorithm, &with("exp", Some(json!(NOW))));
        assert_eq!(refusal(&mut identities, &token), "token: expired");
    }
}

#[test]
fn claims_at_their_limits_are_taken() {
    let mut identities = backend();
    for (claim, value) in [
        ("exp", json!(NOW + 1)),
        ("exp", json!(NOW as f64 + 0.5)),
        ("exp", json!(1e300)),
        ("exp", json!(u64::MAX)),
        ("nbf", json!(NOW + LEEWAY)),
        ("nbf", json!((NOW + LEEWAY) as f64)),
        ("nbf", json!(-1e300)),
        ("iat", json!(NOW + LEEWAY)),
        ("iat", json!(0)),
        ("aud", json!("app")),
        ("aud", json!(["other", "app", 1])),
        ("sub", json!("x".repeat(SUBJECT_BYTES))),
        ("sub", json!("é")),
        ("jti", json!([1])),
    ] {
        uid(&mut identities, &token(Algorithm::HS256, &with(claim, Some(value))));
    }
    uid(&mut identities, &token(Algorithm::HS256, &with("iat", None)));
}

#[test]
fn the_clock_is_ours_to_the_microsecond() {
    let mut identities = backend();
    let token = token(Algorithm::HS256, &with("nbf", Some(json!(NOW))));
    let mut at = |micros: i64| {
        let now = Timestamp::from_micros(micros);
        identities.identify_final(&token, now).map_err(|error| error.detail).map(|_| ())
    };
    let early = at(NOW * 1_000_000 - CLOCK_LEEWAY_MICROS - 1);
    assert_eq!(early, Err("token: nbf: not valid yet".to_owned()));
    assert_eq!(at(NOW * 1_000_000 - CLOCK_LEEWAY_MICROS), Ok(()));
    assert_eq!(at(Timestamp::MAX.micros()), Err("token: expired".to_owned()));
    for extreme in [i64::MIN, i64::MAX] {
        // At no time does anything overflow.
        let _ = at(extreme);
    }
}

#[test]
fn the_type_is_of_a_token_if_there_is_one() {
    let mut identities = backend();
    for (typ, is_taken) in [
        (None, true),
        (Some(json!("JWT")), true),
        (Some(json!("jwt")), true),
        (Some(json!("at+jwt")), true),
        (Some(json!("AT+JWT")), true),
        (Some(json!("application/at+jwt")), true),
        (Some(json!("dpop+jwt")), false),
        (Some(json!("logout+jwt")), false),
        (Some(json!("JWE")), false),
        (Some(json!("")), false),
        (Some(json!(null)), false),
        (Some(json!(["JWT"])), false),
    ] {
        let mut header = json!({"alg": "ES256", "kid": "ES256"});
        if let Some(typ) = &typ {
            header["typ"] = typ.clone();
        }
        let key = pair(Algorithm::ES256, 0).private;
        let token = sign(&header.to_string(), &claims().to_string(), Algorithm::ES256, &key);
        if is_taken {
            uid(&mut identities, &token);
        } else {
            let detail = "token: header: typ is neither JWT nor at+jwt";
            assert_eq!(refusal(&mut identities, &token), detail, "{typ:?}");
        }
    }
}

/// What a header or claims should not be, made of what they should.
fn spoilt(good: &str) -> Vec<Vec<u8>> {
    let text = |bytes: &[u8]| bytes.to_vec();
    let mut wrong: Vec<Vec<u8>> =
        ["null", "1", "[]", "\"x\"", "{", "{}x", "{\"a\":1,}", " ", "\u{feff}{}", "{\"a\":1e999}"]
            .map(|part| part.as_bytes().to_vec())
            .to_vec();
    wrong.push(text(format!("[{good}]").as_bytes()));
    wrong.push(text(format!("{good}{good}").as_bytes()));
    wrong.push(text(format!("\u{feff}{good}").as_bytes()));
    wrong.push(text(good.replacen('{', "{\"\u{e9}\":1,\"\u{e9}\":1,", 1).as_bytes()));
    let mut latin = text(good.replacen('{', "{\"x\":\"?\",", 1).as_bytes());
    let at = latin.iter().position(|byte| *byte == b'?').unwrap();
    latin[at] = 0xe9;
    wrong.push(latin);
    wrong.push(good.encode_utf16().flat_map(u16::to_le_bytes).collect());
    wrong
}

#[test]
fn headers_and_claims_are_objects_with_each_member_once() {
    let mut identities = backend();
    let (good_header, good) = (header(Algorithm::EdDSA).to_string(), claims().to_string());
    let key = pair(Algorithm::EdDSA, 0).private;
    let signed = |header: &[u8], claims: &[u8]| {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let message = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::EdDSA).unwrap();
        format!("{message}.{signature}")
    };
    uid(&mut identities, &signed(good_header.as_bytes(), good.as_bytes()));
    let detail =
        |part: &str| format!("token: {part}: not a JSON object, each member once, in base64url");
    for part in spoilt(&good_header) {
        let found = refusal(&mut identities, &signed(&part, good.as_bytes()));
        assert_eq!(found, detail("header"), "{}", String::from_utf8_lossy(&part));
    }
    for part in spoilt(&good) {
        let found = refusal(&mut identities, &signed(good_header.as_bytes(), &part));
        assert_eq!(found, detail("claims"), "{}", String::from_utf8_lossy(&part));
    }
    for (member, again) in
        [("sub", "\"eve\""), ("exp", "1"), ("iss", "\"backend\""), ("roles", "[]")]
    {
        let twice = good.replacen('{', &format!("{{\"{member}\":{again},"), 1);
        assert_eq!(
            refusal(&mut identities, &signed(good_header.as_bytes(), twice.as_bytes())),
            detail("claims")
        );
        // The same name, written otherwise.
        let escaped = format!("\\u{:04x}{}", u32::from(member.as_bytes()[0]), &member[1..]);
        let twice = good.replacen('{', &format!("{{\"{escaped}\":{again},"), 1);
        assert_eq!(
            refusal(&mut identities, &signed(good_header.as_bytes(), twice.as_bytes())),
            detail("claims")
        );
    }
    for again in ["\"alg\":\"none\",", "\"alg\":\"HS256\",", "\"kid\":\"x\","] {
        let twice = good_header.replacen('{', &format!("{{{again}"), 1);
        assert_eq!(
            refusal(&mut identities, &signed(twice.as_bytes(), good.as_bytes())),
            detail("header")
        );
    }
    let kid = good_header.replace("\"kid\":\"EdDSA\"", "\"kid\":[\"EdDSA\"]");
    let found = refusal(&mut identities, &signed(kid.as_bytes(), good.as_bytes()));
    assert_eq!(found, "token: header: kid is not a string");
}

#[test]
fn claims_are_only_so_deep() {
    let mut identities = backend();
    let nested = |levels: usize, map: bool| {
        (1..levels)
            .fold(json!(1), |inner, _| if map { json!({"a": inner}) } else { json!([inner]) })
    };
    let mut signed = |value: &Value| {
        let token = token(Algorithm::HS256, &with("deep", Some(value.clone())));
        identities.identify_final(&token, at(NOW)).map_err(|error| error.detail)
    };
    for map in [true, false] {
        assert!(signed(&nested(CLAIMS_DEPTH, map)).is_ok());
        let deeper = signed(&nested(CLAIMS_DEPTH + 1, map)).unwrap_err();
        assert_eq!(deeper, "token: claims: deeper than 32");
    }
    // As deep as a token is long.
    let key = pair(Algorithm::HS256, 0).private;
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[", ""), ("{\"a\":", "")] {
        let levels = 5_500 / (open.len() + close.len());
        let value = format!("{}1{}", open.repeat(levels), close.repeat(levels));
        let deep = claims().to_string().replacen('{', &format!("{{\"deep\":{value},"), 1);
        let as_claims = sign(&header(Algorithm::HS256).to_string(), &deep, Algorithm::HS256, &key);
        assert!(refusal(&mut backend(), &as_claims).starts_with("token: claims: not a JSON"));
        let head = header(Algorithm::HS256).to_string();
        let head = head.replacen('{', &format!("{{\"deep\":{value},"), 1);
        let as_header = sign(&head, &claims().to_string(), Algorithm::HS256, &key);
        assert!(refusal(&mut backend(), &as_header).starts_with("token: header: not a JSON"));
    }
}

#[test]
fn who_somebody_is_has_its_greatest_size() {
    let mut identities = backend();
    let mut sized = |bytes: usize| {
        // Each role is there twice: in the claims and by itself.
        let roles: Vec<String> = (0..20).map(|number| format!("{number:0>80}")).collect();
        let mut claims = with("roles", Some(json!(roles)));
        claims["fill"] = "x".repeat(bytes).into();
        let auth = identities.identify_final(&token(Algorithm::HS256, &claims), at(NOW));
        auth.map(|auth| serde_json::to_string(&*auth).unwrap().len())
    };
    let base = sized(0).unwrap();
    assert_eq!(sized(AUTH_BYTES - base), Ok(AUTH_BYTES));
    let large = sized(AUTH_BYTES - base + 1).unwrap_err();
    assert_eq!(large.detail, "token: claims: more than 6144 bytes");
}

/// The issuer `backend`, with its roles in this claim.
fn with_roles(settings: Value) -> Identities {
    let mut issuer = json!({
        "issuer": "backend", "audience": "app",
        "keys": [configured(&pair(Algorithm::HS256, 0), Some("HS256"))],
    });
    issuer.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    Identities::new(&Issuers::from_json(&json!([issuer])).unwrap(), secret).unwrap()
}

fn roles(identities: &mut Identities, claims: &Value) -> Result<Vec<String>, String> {
    let auth = identities.identify_final(&token(Algorithm::HS256, claims), at(NOW));
    auth.map(|auth| auth.roles.iter().cloned().collect()).map_err(|error| error.detail)
}

#[test]
fn roles_are_in_the_claim_that_is_configured() {
    let mut claims = claims();
    claims["realm_access"] = json!({"roles": ["a", "b", "a"]});
    claims["https://app.example/roles"] = json!(["c"]);
    claims["role"] = json!("d");
    for (setting, expected) in [
        (json!({}), vec!["reader"]),
        (json!({"roles": "realm_access.roles"}), vec!["a", "b"]),
        (json!({"roles": "https://app.example/roles"}), vec!["c"]),
        (json!({"roles": "role"}), vec!["d"]),
        (json!({"roles": "nowhere"}), vec![]),
        (json!({"roles": "realm_access.nowhere"}), vec![]),
        (json!({"roles": "realm_access.roles.0"}), vec![]),
        (json!({"roles": "role.x"}), vec![]),
        (json!({"roles": "..."}), vec![]),
    ] {
        let found = roles(&mut with_roles(setting.clone()), &claims).unwrap();
        assert_eq!(found, expected, "{setting}");
    }
}

#[test]
fn roles_have_limits() {
    let wrong = Err("token: roles: not 64 texts of 1 to 128 bytes".to_owned());
    let mut identities = with_roles(json!({}));
    let many = |count: usize| json!((0..count).map(|role| role.to_string()).collect::<Vec<_>>());
    let mut of = |value: Value| roles(&mut identities, &with("roles", Some(value)));
    assert_eq!(of(many(ROLES)).unwrap().len(), ROLES);
    assert_eq!(of(many(ROLES + 1)), wrong);
    assert_eq!(of(json!(["x".repeat(ROLE_BYTES)])).unwrap().len(), 1);
    assert_eq!(of(json!(["x".repeat(ROLE_BYTES + 1)])), wrong);
    assert_eq!(of(json!([])), Ok(vec![]));
    assert_eq!(of(json!(null)), Ok(vec![]));
    for value in
        [json!([""]), json!(""), json!([1]), json!(1), json!({"admin": true}), json!([["a"]])]
    {
        assert_eq!(of(value.clone()), wrong, "{value}");
    }
}

#[test]
fn an_issuer_makes_admins_only_if_it_is_trusted_with_that() {
    let claims = with("roles", Some(json!(["admin", "reader"])));
    let of = |settings: Value| roles(&mut with_roles(settings), &claims).unwrap();
    assert_eq!(of(json!({})), ["reader"]);
    assert_eq!(of(json!({"admins": false})), ["reader"]);
    assert_eq!(of(json!({"admins": true})), ["admin", "reader"]);
}

#[test]
fn one_audience_of_several_is_enough() {
    let key = configured(&pair(Algorithm::HS256, 0), None);
    let issuer = json!({"issuer": "backend", "audience": ["a", "b"], "keys": [key]});
    let mut identities = identities(&json!([issuer]));
    for aud in [json!("a"), json!("b"), json!(["c", "b"])] {
        uid(&mut identities, &token(Algorithm::HS256, &with("aud", Some(aud))));
    }
    let other = token(Algorithm::HS256, &claims());
    assert_eq!(refusal(&mut identities, &other), "token: aud: for somebody else");
    assert_eq!(name(Algorithm::HS256), "HS256");
}
