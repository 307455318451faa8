//! Tokens that somebody made who has no key, of every kind that was ever tried.

use super::keys::{
    ALL, ED25519_ORDER, SECRET, backend, backend_with, claims, header, identities, name, pair, pem,
    refusal, sign, token, uid,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use blaze_schema::limits::TOKEN_BYTES;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

fn unsigned(header: &Value) -> String {
    [header, &claims()].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".")
}

/// A true token with another signature.
fn with_signature(token: &str, signature: &[u8]) -> String {
    let (message, _) = token.rsplit_once('.').unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn signature(token: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(token.rsplit('.').next().unwrap()).unwrap()
}

#[test]
fn no_algorithm_and_others_are_refused() {
    let mut identities = backend();
    for alg in [
        json!("none"),
        json!("NoNe"),
        json!("NONE"),
        json!("nOnE"),
        json!("none "),
        json!(""),
        json!("hs256"),
        json!("Hs256"),
        json!("HS384"),
        json!("HS512"),
        json!("RS384"),
        json!("RS512"),
        json!("PS256"),
        json!("ES384"),
        json!("ES256K"),
        json!("EDDSA"),
        json!("Ed25519"),
        json!("HS256\u{0}"),
        json!(null),
        json!(0),
        json!(["HS256"]),
        json!({"HS256": 1}),
        json!("dir"),
        json!("A128KW"),
    ] {
        let mut header = json!({"alg": alg, "typ": "JWT"});
        for kid in [None, Some("HS256"), Some("RS256")] {
            if let Some(kid) = kid {
                header["kid"] = kid.into();
            }
            let token = unsigned(&header);
            let form = "token: neither a JWT nor an API key";
            assert_eq!(refusal(&mut identities, &format!("{token}.")), form);
            assert_eq!(refusal(&mut identities, &token), form);
            assert_eq!(refusal(&mut identities, &format!("{token}.AAAA")), "token: algorithm");
            let key = pair(Algorithm::HS256, 0).private;
            let signed = sign(&header.to_string(), &claims().to_string(), Algorithm::HS256, &key);
            assert_eq!(refusal(&mut identities, &signed), "token: algorithm", "{alg}");
        }
    }
    let nothing = unsigned(&json!({"typ": "JWT"}));
    assert_eq!(refusal(&mut identities, &format!("{nothing}.AAAA")), "token: algorithm");
}

/// CVE-2015-9235 and its kin: what is public is taken for a secret.
#[test]
fn a_public_key_is_no_secret() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let public = pair(algorithm, 0);
        let text = pem(&public.public);
        let mut secrets: Vec<Vec<u8>> = vec![
            text.clone().into_bytes(),
            text.trim_end().to_owned().into_bytes(),
            text.replace('\n', "\r\n").into_bytes(),
            text.replace('\n', "").into_bytes(),
            public.public.clone(),
            STANDARD.encode(&public.public).into_bytes(),
            public.jwk.to_string().into_bytes(),
            Vec::new(),
        ];
        for member in ["n", "x", "y"] {
            if let Some(text) = public.jwk[member].as_str() {
                secrets.push(text.as_bytes().to_vec());
                secrets.push(URL_SAFE_NO_PAD.decode(text).unwrap());
            }
        }
        let names = [Some(name(algorithm)), Some("HS256".to_owned()), None];
        for (secret, kid) in
            secrets.iter().flat_map(|secret| names.iter().map(move |kid| (secret, kid)))
        {
            let mut header = json!({"alg": "HS256", "typ": "JWT"});
            if let Some(kid) = kid {
                header["kid"] = kid.as_str().into();
            }
            let key = EncodingKey::from_secret(secret);
            let forged = sign(&header.to_string(), &claims().to_string(), Algorithm::HS256, &key);
            let mut only = backend_with(&[algorithm]);
            assert_eq!(refusal(&mut only, &forged), "token: algorithm");
            assert_eq!(refusal(&mut backend(), &forged), "token: signature");
        }
    }
}

#[test]
fn a_key_is_good_for_its_own_algorithm_only() {
    let mut identities = backend();
    for signed in ALL {
        for claimed in ALL.into_iter().filter(|claimed| *claimed != signed) {
            for kid in [Some(name(signed)), Some(name(claimed)), None] {
                let mut header = json!({"alg": name(claimed)});
                if let Some(kid) = kid {
                    header["kid"] = kid.into();
                }
                let key = pair(signed, 0).private;
                let forged = sign(&header.to_string(), &claims().to_string(), signed, &key);
                assert_eq!(refusal(&mut identities, &forged), "token: signature");
            }
        }
    }
}

#[test]
fn the_key_of_somebody_else_signs_nothing() {
    for algorithm in ALL {
        let (mut all, mut only) = (backend(), backend_with(&[algorithm]));
        let theirs = pair(algorithm, 1).private;
        let forged =
            |header: &Value| sign(&header.to_string(), &claims().to_string(), algorithm, &theirs);
        for header in [header(algorithm), json!({"alg": name(algorithm)})] {
            assert_eq!(refusal(&mut all, &forged(&header)), "token: signature");
            assert_eq!(refusal(&mut only, &forged(&header)), "token: signature");
        }
        // Names of keys are names, and nothing is looked up by them but keys.
        for kid in ["", "../../etc/passwd", "/dev/null", "' OR 1=1 --", "HS256\u{0}", "hs256", "*"]
        {
            let header = json!({"alg": name(algorithm), "kid": kid});
            assert_eq!(refusal(&mut all, &forged(&header)), "token: signature", "{kid}");
            let own = pair(algorithm, 0).private;
            let header = header.to_string();
            let misnamed = sign(&header, &claims().to_string(), algorithm, &own);
            assert_eq!(refusal(&mut all, &misnamed), "token: signature", "{kid}");
        }
    }
}

#[test]
fn two_issuers_may_name_their_keys_alike() {
    for algorithm in ALL {
        if algorithm == Algorithm::HS256 {
            continue;
        }
        let issuer = |name: &str, owner: usize| {
            let key = super::keys::configured(&pair(algorithm, owner), Some("k"));
            json!({"issuer": name, "audience": "app", "keys": [key]})
        };
        let mut identities = identities(&json!([issuer("backend", 0), issuer("other", 1)]));
        let header = json!({"alg": name(algorithm), "kid": "k"}).to_string();
        let token = |iss: &str, owner: usize| {
            let mut claims = claims();
            claims["iss"] = iss.into();
            let key = pair(algorithm, owner).private;
            sign(&header, &claims.to_string(), algorithm, &key)
        };
        assert_eq!(refusal(&mut identities, &token("backend", 1)), "token: signature");
        assert_eq!(refusal(&mut identities, &token("other", 0)), "token: signature");
        uid(&mut identities, &token("other", 1));
        uid(&mut identities, &token("backend", 0));
    }
}

/// CVE-2018-0114: whom to believe is not for the token to say.
#[test]
fn keys_that_a_token_brings_along_are_not_looked_at() {
    let mut identities = backend();
    for algorithm in ALL {
        let theirs = pair(algorithm, 1);
        for (member, value) in [
            ("jwk", theirs.jwk.clone()),
            ("jwk", json!("not a key")),
            ("jku", json!("https://evil.example/jwks")),
            ("x5u", json!("https://evil.example/cert")),
            ("x5c", json!([STANDARD.encode(&theirs.public)])),
            ("x5t", json!("AAAA")),
            ("zip", json!("DEF")),
        ] {
            for named in [true, false] {
                let mut header = header(algorithm);
                header[member] = value.clone();
                if !named {
                    header.as_object_mut().unwrap().remove("kid");
                }
                let (header, claims) = (header.to_string(), claims().to_string());
                let forged = sign(&header, &claims, algorithm, &theirs.private);
                assert_eq!(refusal(&mut identities, &forged), "token: signature", "{member}");
                // A true token that has one is true.
                uid(
                    &mut identities,
                    &sign(&header, &claims, algorithm, &pair(algorithm, 0).private),
                );
            }
        }
    }
}

#[test]
fn what_is_critical_and_not_known_is_refused() {
    let mut identities = backend();
    for crit in [json!(["b64"]), json!(["exp"]), json!([]), json!(null), json!("x")] {
        for algorithm in ALL {
            let mut header = header(algorithm);
            header["crit"] = crit.clone();
            header["b64"] = false.into();
            let key = pair(algorithm, 0).private;
            let token = sign(&header.to_string(), &claims().to_string(), algorithm, &key);
            assert_eq!(refusal(&mut identities, &token), "token: header: crit is not supported");
        }
    }
}

#[test]
fn no_part_of_a_token_may_change_or_be_missing() {
    for algorithm in ALL {
        let mut identities = backend();
        let token = token(algorithm, &claims());
        for at in 0..token.len() {
            refusal(&mut identities, &token[..at]);
            refusal(&mut identities, &token[at + 1..]);
            let without = format!("{}{}", &token[..at], &token[at + 1..]);
            refusal(&mut identities, &without);
            for bit in 0..7 {
                let mut bytes = token.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                refusal(&mut identities, &String::from_utf8(bytes).unwrap());
            }
        }
        // Every bit of the signature, and of what is signed.
        let signature = signature(&token);
        for at in 0..signature.len() * 8 {
            let mut flipped = signature.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            let detail = refusal(&mut identities, &with_signature(&token, &flipped));
            assert_eq!(detail, "token: signature");
        }
        uid(&mut identities, &token);
    }
}

#[test]
fn other_forms_of_the_same_token_are_refused() {
    for algorithm in ALL {
        let mut identities = backend();
        let token = token(algorithm, &claims());
        let parts: Vec<&str> = token.split('.').collect();
        let [header, claims, signature] = parts[..] else { panic!() };
        let padded = |part: &str| URL_SAFE.encode(URL_SAFE_NO_PAD.decode(part).unwrap());
        for other in [
            format!(" {token}"),
            format!("{token} "),
            format!("{token}\n"),
            format!("\t{token}"),
            format!("Bearer {token}"),
            format!("{header} .{claims}.{signature}"),
            format!("{header}.{claims}\n.{signature}"),
            format!("{header}.{claims}. {signature}"),
            format!("{header}.{claims}.{signature}="),
            format!("{header}.{claims}.{signature}=="),
            format!("{}=.{claims}.{signature}", header),
            format!("{}.{}=.{}", padded(header), padded(claims), padded(signature)),
            format!("{token}."),
            format!(".{token}"),
            format!("{token}.{signature}"),
            format!("{header}.{claims}.{signature}.."),
            format!("{header}..{claims}.{signature}"),
            format!("{header}.{claims}"),
            format!("{header}.{signature}"),
            format!("..{signature}"),
            format!("{header}..{signature}"),
            format!(".{claims}.{signature}"),
            format!("{claims}.{header}.{signature}"),
            format!("{header}.{claims}.{signature}é"),
            format!("{header}.{claims}.{}", signature.replace('-', "+").replace('_', "/") + "/"),
            format!("{header}%2E{claims}%2E{signature}"),
            "..".to_owned(),
            "...".to_owned(),
            ".".to_owned(),
            String::new(),
            " ".to_owned(),
            "\u{feff}".to_owned() + &token,
        ] {
            refusal(&mut identities, &other);
        }
        uid(&mut identities, &token);
    }
}

/// CVE-2022-21449: zeros are a signature of everything, where nobody looks.
#[test]
fn signatures_beyond_the_order_are_refused() {
    let mut identities = backend();
    let token = token(Algorithm::ES256, &claims());
    let order: Vec<u8> = (0..32)
        .map(|at| {
            let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
            u8::from_str_radix(&order[2 * at..2 * at + 2], 16).unwrap()
        })
        .collect();
    let (zero, mut one) = (vec![0; 32], vec![0; 32]);
    one[31] = 1;
    let all = [&zero, &one, &order, &vec![0xff; 32]];
    for (r, s) in all.iter().flat_map(|r| all.iter().map(move |s| (r, s))) {
        let forged = with_signature(&token, &[r.as_slice(), s.as_slice()].concat());
        assert_eq!(refusal(&mut identities, &forged), "token: signature");
    }
    for length in [0, 1, 32, 63, 65, 96, 128] {
        if length > 0 {
            refusal(&mut identities, &with_signature(&token, &vec![0; length]));
        }
    }
    let raw = signature(&token);
    let der = p256::ecdsa::Signature::from_slice(&raw).unwrap().to_der();
    assert_eq!(
        refusal(&mut identities, &with_signature(&token, der.as_bytes())),
        "token: signature"
    );
    // s and n - s are the same signature to ECDSA, and both are in use: JOSE asks for neither (RFC 7518, 3.4).
    let (r, s) = p256::ecdsa::Signature::from_slice(&raw).unwrap().split_scalars();
    let mirrored = p256::ecdsa::Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
    assert_eq!(
        uid(&mut identities, &with_signature(&token, &mirrored.to_bytes())),
        "marker-of-ada"
    );
}

#[test]
fn signatures_of_ed25519_have_one_form() {
    let mut identities = backend();
    let token = token(Algorithm::EdDSA, &claims());
    let mut forged = signature(&token);
    let mut carry = 0;
    for (byte, order) in forged[32..].iter_mut().zip(ED25519_ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    assert_eq!(refusal(&mut identities, &with_signature(&token, &forged)), "token: signature");
    assert_eq!(refusal(&mut identities, &with_signature(&token, &[0; 64])), "token: signature");
    let mut identity = [0; 64];
    identity[0] = 1;
    assert_eq!(refusal(&mut identities, &with_signature(&token, &identity)), "token: signature");
}

#[test]
fn signatures_of_rsa_have_the_length_of_the_key() {
    let mut identities = backend();
    let token = token(Algorithm::RS256, &claims());
    let own = signature(&token);
    for forged in [
        vec![0; 256],
        vec![1; 256],
        vec![0xff; 256],
        vec![0; 1],
        own[1..].to_vec(),
        [&[0], own.as_slice()].concat(),
        [own.as_slice(), &[0]].concat(),
    ] {
        assert_eq!(refusal(&mut identities, &with_signature(&token, &forged)), "token: signature");
    }
}

#[test]
fn a_secret_is_taken_whole() {
    for wrong in [&SECRET[1..], &SECRET[..31], "", "SECRET", &format!("{SECRET}\u{0}\u{0}")] {
        let key = EncodingKey::from_secret(wrong.as_bytes());
        let header = header(Algorithm::HS256).to_string();
        let forged = sign(&header, &claims().to_string(), Algorithm::HS256, &key);
        // HMAC fills short keys up with zeros (RFC 2104): that is one secret, and no forgery.
        assert_eq!(wrong.starts_with(SECRET), uid_of(&forged).is_some(), "{wrong:?}");
    }
}

fn uid_of(token: &str) -> Option<String> {
    backend().identify_final(token, super::keys::at(super::keys::NOW)).ok().map(|a| a.uid.clone())
}

#[test]
fn a_token_has_its_greatest_length() {
    // Filled up in the header: who somebody is has a limit of its own.
    let filled = |algorithm: Algorithm, bytes: usize| {
        let mut header = header(algorithm);
        header["fill"] = "x".repeat(bytes).into();
        let key = pair(algorithm, 0).private;
        sign(&header.to_string(), &claims().to_string(), algorithm, &key)
    };
    for algorithm in ALL {
        let longest = (5_000..6_200)
            .map(|bytes| filled(Algorithm::HS256, bytes).len())
            .filter(|length| *length <= TOKEN_BYTES)
            .max();
        assert!(longest > Some(TOKEN_BYTES - 3));
        let (mut fits, mut fill) = (None, 6_200);
        while fits.is_none() {
            fill -= 1;
            fits = Some(filled(algorithm, fill)).filter(|token| token.len() <= TOKEN_BYTES);
        }
        uid(&mut backend(), &fits.unwrap());
        let long = filled(algorithm, fill + 1);
        assert!(long.len() <= TOKEN_BYTES + 2);
        assert_eq!(refusal(&mut backend(), &long), "token: more than 8192 bytes");
    }
    assert_eq!(
        refusal(&mut backend(), &"a".repeat(TOKEN_BYTES + 1)),
        "token: more than 8192 bytes"
    );
    let form = "token: neither a JWT nor an API key";
    assert_eq!(refusal(&mut backend(), &"a".repeat(TOKEN_BYTES)), form);
    refusal(&mut backend(), &"é.".repeat(1 << 22));
    refusal(&mut backend(), &".".repeat(TOKEN_BYTES));
}
