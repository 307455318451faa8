//! The keys of these tests, and the tokens that are made with them. None of them is used anywhere else.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use blaze_identity::auth::{Identified, Identities, Issuers};
use blaze_schema::error::Code;
use blaze_schema::timestamp::Timestamp;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use jsonwebtoken::{Algorithm, EncodingKey};
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::pkcs8::EncodePublicKey;
use rsa::traits::PublicKeyParts;
use rsa::{BigUint, RsaPrivateKey};
use serde_json::{Value, json};
use std::sync::LazyLock;

/// Primes of two RSA keys of 2,048 bits.
const PRIMES: [&str; 4] = [
    "\
        f076a4f3bddc0ef3d702b8fe3b9766c9c0b90014f4e8d30d609b5116a5541f51\
        9d76318268bedfe33c79b798864a107ffab901ed1cbc238246337b881ea69d58\
        f6ebbda5430c5ff5391ee32f8649e26ad5f68ddfc93972b52f30d0e2ecd0dc60\
        40eedc0e345b40706a297b9bb4cf7c91eac14de8bdd34bf56653408ba852699f",
    "\
        d50caff6c5161b84ced8040ad1fea595f3064be11fd4b1133a9bd3063e2cef3a\
        2f3823b4145b1c0afa9630ac0db0818b26e1da0093f4d932fdc85fceb823fb65\
        76661350a64a71600a7eef4ae693abf100a151ad31ee30209843a5fe812dcba1\
        bf4ff9869c6fd66456cec7a481a9ae395ddc9d4bbd5278757df910d0014e7197",
    "\
        d8ac01319652961eabe653bcd794e03befd12e1ca7b7761999a646b057bcfbc9\
        5b72820bad029a49fc10eb5314ee0e77da935728a20d32c5fbc8f7f058a35c3a\
        50e4592747c4bdb2ebf16702ce6bdedddd4c5e1dc58d523907acd89e53128d51\
        b94318428ea3ff3b3416b0287530ce3aafab2d5468f8ddee65486c3a963820f7",
    "\
        d5429553eddb998713145372027765947f84573d7f4e198d7c1d1d7c40b9309d\
        0c45b3a2ec5be510a056f248ebf21f5bb613e4cba0ce1e7a0185a691ff4bcddf\
        78560525e42905cbfccc06c6691a1d856fd2f9ff8320c9699112033438bebf8f\
        2a235d4bfd1627ff907659ba0e89f1e6e18259a8ee4e42208a75923dc7cf740f",
];
/// The secret of the tests' HS256 key.
pub(crate) const SECRET: &str = "a secret of the tests: 32 bytes.";
/// The time of the tests, in seconds.
pub(crate) const NOW: i64 = 1_800_000_000;
/// The order of Ed25519's group (RFC 8032, 5.1), little-endian.
pub(crate) const ED25519_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// All algorithms that are supported.
pub(crate) const ALL: [Algorithm; 4] =
    [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// The two RSA keys.
static RSA: LazyLock<[RsaPrivateKey; 2]> = LazyLock::new(|| {
    let prime = |index: usize| BigUint::parse_bytes(PRIMES[index].as_bytes(), 16).unwrap();
    [0, 2].map(|at| {
        let exponent = BigUint::from(65_537_u32);
        RsaPrivateKey::from_p_q(prime(at), prime(at + 1), exponent).unwrap()
    })
});

/// A key pair: the issuer's own (0), or that of somebody else (1).
pub(crate) struct Pair {
    pub(crate) algorithm: Algorithm,
    pub(crate) private: EncodingKey,
    /// The public key in DER (SubjectPublicKeyInfo), or the secret.
    pub(crate) public: Vec<u8>,
    /// The public key as JWK.
    pub(crate) jwk: Value,
}

pub(crate) fn pair(algorithm: Algorithm, owner: usize) -> Pair {
    let base64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let seed = [7 + owner as u8; 32];
    let (private, public, jwk) = match algorithm {
        Algorithm::HS256 => {
            let secret = SECRET.replace("tests", ["tests", "other"][owner]).into_bytes();
            let jwk = json!({"kty": "oct", "k": base64(&secret)});
            (EncodingKey::from_secret(&secret), secret, jwk)
        }
        Algorithm::RS256 => {
            let key = &RSA[owner];
            let public = key.to_public_key();
            let (n, e) = (public.n().to_bytes_be(), public.e().to_bytes_be());
            let jwk = json!({"kty": "RSA", "n": base64(&n), "e": base64(&e)});
            let private = EncodingKey::from_rsa_der(key.to_pkcs1_der().unwrap().as_bytes());
            (private, public.to_public_key_der().unwrap().into_vec(), jwk)
        }
        Algorithm::ES256 => {
            let key = p256::SecretKey::from_slice(&seed).unwrap();
            let public = key.public_key();
            let point = p256::ecdsa::VerifyingKey::from(public).to_encoded_point(false);
            let (x, y) = (base64(point.x().unwrap()), base64(point.y().unwrap()));
            let jwk = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y});
            let private = EncodingKey::from_ec_der(key.to_pkcs8_der().unwrap().as_bytes());
            (private, public.to_public_key_der().unwrap().into_vec(), jwk)
        }
        Algorithm::EdDSA => {
            let key = ed25519_dalek::SigningKey::from_bytes(&seed);
            let public = key.verifying_key();
            let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": base64(public.as_bytes())});
            let private = EncodingKey::from_ed_der(key.to_pkcs8_der().unwrap().as_bytes());
            (private, public.to_public_key_der().unwrap().into_vec(), jwk)
        }
        other => panic!("{other:?} is not supported"),
    };
    Pair { algorithm, private, public, jwk }
}

/// A public key as PEM.
pub(crate) fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

/// The name of an algorithm.
pub(crate) fn name(algorithm: Algorithm) -> String {
    format!("{algorithm:?}")
}

/// A key as it is configured.
pub(crate) fn configured(pair: &Pair, kid: Option<&str>) -> Value {
    let mut key = match pair.algorithm {
        Algorithm::HS256 => json!({"secret": "SECRET"}),
        Algorithm::EdDSA => json!({"jwk": pair.jwk}),
        _ => json!({"pem": pem(&pair.public)}),
    };
    key["algorithm"] = name(pair.algorithm).into();
    if let Some(kid) = kid {
        key["kid"] = kid.into();
    }
    key
}

/// The secrets of the environment: the tests' one, and one that is too short by a byte.
pub(crate) fn secret(name: &str) -> Option<String> {
    match name {
        "SECRET" => Some(SECRET.to_owned()),
        "SHORT" => Some(SECRET[1..].to_owned()),
        _ => None,
    }
}

pub(crate) fn identities(issuers: &Value) -> Identities {
    Identities::new(&Issuers::from_json(issuers).unwrap(), secret).unwrap()
}

/// The issuer `backend` with a key for each of these algorithms, each named as its algorithm.
pub(crate) fn backend_with(algorithms: &[Algorithm]) -> Identities {
    let keys: Vec<Value> = algorithms
        .iter()
        .map(|algorithm| configured(&pair(*algorithm, 0), Some(&name(*algorithm))))
        .collect();
    identities(&json!([{"issuer": "backend", "audience": "app", "keys": keys}]))
}

pub(crate) fn backend() -> Identities {
    backend_with(&ALL)
}

/// The claims of a token that is good for an hour.
pub(crate) fn claims() -> Value {
    json!({
        "iss": "backend", "aud": "app", "sub": "marker-of-ada", "iat": NOW - 10, "exp": NOW + 3_600,
        "roles": ["reader"],
    })
}

/// The header of a token.
pub(crate) fn header(algorithm: Algorithm) -> Value {
    json!({"alg": name(algorithm), "kid": name(algorithm), "typ": "JWT"})
}

/// A token of any two texts, signed.
pub(crate) fn sign(header: &str, claims: &str, algorithm: Algorithm, key: &EncodingKey) -> String {
    let message = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

/// A token that is as it should be, but for its claims.
pub(crate) fn token(algorithm: Algorithm, claims: &Value) -> String {
    let private = pair(algorithm, 0).private;
    sign(&header(algorithm).to_string(), &claims.to_string(), algorithm, &private)
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

/// Why a token is refused, which tells nothing of it.
pub(crate) fn refusal(identities: &mut Identities, token: &str) -> String {
    match identities.identify(token, at(NOW)) {
        Identified::Refused(error) => {
            assert_eq!((error.code, error.status), (Code::Unauthenticated, 401));
            for part in token.split(['.', '_']).filter(|part| part.len() > 12) {
                assert!(!error.detail.contains(part), "{}", error.detail);
            }
            assert!(!error.detail.contains("marker") && !error.detail.contains("secret of"));
            error.detail
        }
        other => panic!("{other:?}: {token}"),
    }
}

/// The uid of a token that is true.
pub(crate) fn uid(identities: &mut Identities, token: &str) -> String {
    match identities.identify(token, at(NOW)) {
        Identified::Known(auth) => auth.uid.clone(),
        other => panic!("{other:?}: {token}"),
    }
}
