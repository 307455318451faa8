//! A key that verifies tokens: read once, checked, and good for one algorithm only.

use super::algorithm::Algorithm;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use blaze_schema::limits::{RSA_MAX_BITS, RSA_MIN_BITS, SECRET_MIN_BYTES};
use blaze_schema::value::Map;
use jsonwebtoken::DecodingKey;
use rsa::pkcs8::DecodePublicKey;
use rsa::traits::PublicKeyParts;
use rsa::{BigUint, RsaPublicKey};

/// A key that verifies. `jsonwebtoken` verifies; what it would take and should not (a small modulus, a point of small
/// order, a point beside the curve) is refused here, before.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// Its name among the issuer's keys.
    pub(super) kid: Option<String>,
    /// The only algorithm that it is good for (RFC 8725, 3.1).
    pub(super) algorithm: Algorithm,
    decoding: DecodingKey,
}

/// Why a key is refused.
pub(super) type Refusal = &'static str;

impl Key {
    /// An HS256 key.
    pub(super) fn from_secret(kid: Option<String>, secret: &[u8]) -> Result<Self, Refusal> {
        if secret.len() < SECRET_MIN_BYTES {
            return Err("shorter than 32 bytes");
        }
        let decoding = DecodingKey::from_secret(secret);
        Ok(Key { kid, algorithm: Algorithm::Hs256, decoding })
    }

    /// A public key as PEM: `-----BEGIN PUBLIC KEY-----` (RFC 7468, 13).
    pub(super) fn from_pem(
        kid: Option<String>,
        algorithm: Algorithm,
        pem: &str,
    ) -> Result<Self, Refusal> {
        let wrong = "not a public key of the algorithm, in PEM";
        let decoding = match algorithm {
            Algorithm::Hs256 => return Err("HS256 has a secret, no public key"),
            Algorithm::Rs256 => {
                // The library refuses more than 4,096 bits itself, here and below.
                rsa_key(&RsaPublicKey::from_public_key_pem(pem).map_err(|_| wrong)?)
            }
            Algorithm::Es256 => {
                let key = p256::ecdsa::VerifyingKey::from_public_key_pem(pem);
                Ok(ec_key(&key.map_err(|_| wrong)?))
            }
            Algorithm::EdDsa => {
                let key = ed25519_dalek::VerifyingKey::from_public_key_pem(pem);
                ed_key(&key.map_err(|_| wrong)?)
            }
        }?;
        Ok(Key { kid, algorithm, decoding })
    }

    /// A public key as JWK (RFC 7517; RFC 7518, 6; RFC 8037, 2). Its algorithm follows from its type; where it says
    /// what it is for (`alg`, `use`, `key_ops`), that has to agree.
    pub(super) fn from_jwk(jwk: &Map) -> Result<Self, Refusal> {
        let text = |name: &str| match jwk.get(name) {
            None => Ok(None),
            Some(value) => value.as_str().map(Some).ok_or("a member is not a string"),
        };
        // `d` is what makes any of them private, `k` is a secret.
        if jwk.contains_key("d") || jwk.contains_key("k") {
            return Err("not a public key");
        }
        let verifies = |operations: &serde_json::Value| {
            let mut operations = operations.as_array().into_iter().flatten();
            operations.any(|operation| operation == "verify")
        };
        if text("use")?.is_some_and(|usage| usage != "sig")
            || jwk.get("key_ops").is_some_and(|operations| !verifies(operations))
        {
            return Err("not for signatures");
        }
        let bytes = |name: &str| {
            let encoded = text(name)?.ok_or("a member is missing")?;
            URL_SAFE_NO_PAD.decode(encoded).map_err(|_| "a member is not base64url")
        };
        let (algorithm, decoding) = match (text("kty")?, text("crv")?) {
            (Some("RSA"), _) => {
                let integer = |name: &str| bytes(name).map(|bytes| BigUint::from_bytes_be(&bytes));
                let key = RsaPublicKey::new(integer("n")?, integer("e")?);
                let key = key.map_err(|_| "not an RSA key of at most 4096 bits")?;
                (Algorithm::Rs256, rsa_key(&key)?)
            }
            (Some("EC"), Some("P-256")) => {
                let point = [vec![4], bytes("x")?, bytes("y")?].concat();
                let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point);
                (Algorithm::Es256, ec_key(&key.map_err(|_| "not a point of P-256")?))
            }
            (Some("OKP"), Some("Ed25519")) => {
                let point = <[u8; 32]>::try_from(bytes("x")?).map_err(|_| "not 32 bytes")?;
                let key = ed25519_dalek::VerifyingKey::from_bytes(&point);
                (Algorithm::EdDsa, ed_key(&key.map_err(|_| "not a point of Ed25519")?)?)
            }
            _ => return Err("neither RSA, nor EC with P-256, nor OKP with Ed25519"),
        };
        if text("alg")?.is_some_and(|alg| alg != algorithm.as_str()) {
            return Err("its alg is not supported, or not of its type");
        }
        Ok(Key { kid: text("kid")?.map(str::to_owned), algorithm, decoding })
    }

    /// Whether a signature (base64url) of a message is this key's.
    pub(super) fn verifies(&self, message: &str, signature: &str) -> bool {
        let (message, algorithm) = (message.as_bytes(), self.algorithm.external());
        jsonwebtoken::crypto::verify(signature, message, &self.decoding, algorithm)
            .unwrap_or_default()
    }
}

fn rsa_key(key: &RsaPublicKey) -> Result<DecodingKey, Refusal> {
    let bits = key.n().bits();
    if !(RSA_MIN_BITS..=RSA_MAX_BITS).contains(&bits) {
        return Err("not an RSA key of at least 2048 bits, and at most 4096");
    }
    let (modulus, exponent) = (key.n().to_bytes_be(), key.e().to_bytes_be());
    Ok(DecodingKey::from_rsa_raw_components(&modulus, &exponent))
}

fn ec_key(key: &p256::ecdsa::VerifyingKey) -> DecodingKey {
    DecodingKey::from_ec_der(key.to_encoded_point(false).as_bytes())
}

/// With a key of small order a signature can be made that is good for many messages.
fn ed_key(key: &ed25519_dalek::VerifyingKey) -> Result<DecodingKey, Refusal> {
    if key.is_weak() {
        return Err("an Ed25519 key of small order");
    }
    Ok(DecodingKey::from_ed_der(key.as_bytes()))
}
