//! API keys: for programs that have no issuer. The text is shown once; what is kept of it is a hash.

use blaze_rules::auth::{ADMIN, Auth};
use blaze_schema::error::{Code, Error};
use blaze_schema::hash::hash;
use blaze_schema::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use subtle::ConstantTimeEq;
use ulid::Ulid;

/// How every API key begins.
pub(super) const PREFIX: &str = "blz_";
/// Characters of a key's id: 50 bits.
const ID_CHARACTERS: usize = 10;

/// What is kept of an API key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its name in its text, in the list of keys, and in the uid of who has it.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The SHA-256 of the secret's text, in hexadecimal. The secret has 256 bits: nothing slower is needed to keep it.
    pub hash: String,
    /// What it grants.
    pub roles: BTreeSet<String>,
    /// When it was made.
    #[serde(with = "blaze_schema::micros::required")]
    pub created: Timestamp,
    /// When it ends.
    #[serde(with = "blaze_schema::micros", default)]
    pub expires: Option<Timestamp>,
}

impl ApiKey {
    /// A new key from 256 random bits, and its text `blz_<id>_<secret>`: an id of 10 characters and a secret of 52, both
    /// in Crockford's base32, in lower case.
    pub fn mint(
        random: [u128; 2],
        name: String,
        roles: BTreeSet<String>,
        now: Timestamp,
        expires: Option<Timestamp>,
    ) -> (Self, String) {
        let base32 = |bits: u128| Ulid(bits).to_string().to_ascii_lowercase();
        let [first, second] = random;
        let secret = base32(first) + &base32(second);
        // Of another kind of hash than the one that is kept, so that the id tells nothing.
        let digest = hash(&[b"API key's id", secret.as_bytes()]);
        let bits = digest.iter().take(16).fold(0, |bits: u128, byte| bits << 8 | u128::from(*byte));
        let id: String = base32(bits).chars().rev().take(ID_CHARACTERS).collect();
        let text = format!("{PREFIX}{id}_{secret}");
        (ApiKey { id, name, hash: secret_hash(&secret), roles, created: now, expires }, text)
    }

    /// The first administrator's key, as a deployment is told it: `<id>:<hash>`, see [`ApiKey::configuration`]. `None` for
    /// any other text.
    pub fn configured(text: &str) -> Option<Self> {
        let (id, hash) = text.trim().split_once(':')?;
        let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        (id.len() == ID_CHARACTERS && is_hash).then(|| ApiKey {
            id: id.to_owned(),
            name: "configured".to_owned(),
            hash: hash.to_ascii_lowercase(),
            roles: BTreeSet::from([ADMIN.to_owned()]),
            created: Timestamp::from_micros(0),
            expires: None,
        })
    }

    /// What [`ApiKey::configured`] reads, from a key's text; `None` for what is no key.
    pub fn configuration(text: &str) -> Option<String> {
        let (id, secret) = parse(text.trim())?;
        Some(format!("{id}:{}", secret_hash(secret)))
    }

    /// Whether this is the key with that secret. It takes the same time wherever the two differ.
    pub fn verifies(&self, secret: &str) -> bool {
        secret_hash(secret).as_bytes().ct_eq(self.hash.as_bytes()).into()
    }

    /// Who has the key, unless it has ended.
    pub fn auth(&self) -> Auth {
        Auth {
            uid: format!("key:{}", self.id),
            token: Default::default(),
            roles: self.roles.clone(),
            expires: self.expires,
        }
    }
}

/// The id and the secret in the text of an API key.
pub fn parse(text: &str) -> Option<(&str, &str)> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let is_base32 = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (id.len() == ID_CHARACTERS && secret.len() == 52 && is_base32(id) && is_base32(secret))
        .then_some((id, secret))
}

/// A refusal: what is wrong, and nothing of the key itself.
pub(super) fn refused(what: &str) -> Error {
    Error::new(Code::Unauthenticated, format!("API key: {what}"))
}

fn secret_hash(secret: &str) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |half: u8| DIGITS.get(usize::from(half)).copied().unwrap_or_default();
    Sha256::digest(secret).iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> (ApiKey, String) {
        let roles = BTreeSet::from(["reader".to_owned()]);
        ApiKey::mint([7, u128::MAX], "nightly".to_owned(), roles, Timestamp::from_micros(1), None)
    }

    #[test]
    fn a_deployment_is_told_the_first_key_by_its_hash() {
        let (key, text) = key();
        let told = ApiKey::configuration(&format!("{text}\n")).unwrap();
        assert!(!told.contains(parse(&text).unwrap().1));
        let configured = ApiKey::configured(&told).unwrap();
        assert_eq!((&configured.id, &configured.hash), (&key.id, &key.hash));
        assert!(configured.auth().is_admin());
        for wrong in ["", ":", "a:b", &told[1..], &told[..told.len() - 1], &text] {
            assert_eq!(ApiKey::configured(wrong), None, "{wrong}");
        }
        assert_eq!(ApiKey::configuration("blz_a_b"), None);
    }

    #[test]
    fn a_key_has_an_id_and_a_secret_of_256_bits() {
        let (key, text) = key();
        let (id, secret) = parse(&text).unwrap();
        assert_eq!(text, format!("blz_{id}_{secret}"));
        assert_eq!(secret, "000000000000000000000000077zzzzzzzzzzzzzzzzzzzzzzzzz");
        assert_eq!((id, id.len()), (key.id.as_str(), 10));
        assert!(key.verifies(secret));
        assert!(!key.verifies(&secret.replace('7', "8")));
        assert!(!key.verifies(""));
        assert!(!format!("{key:?}").contains(secret));
        let (other, _) = ApiKey::mint([8, 9], String::new(), BTreeSet::new(), key.created, None);
        assert_ne!(other.id, key.id);
        assert_ne!(other.hash, key.hash);
    }

    #[test]
    fn the_hash_is_that_of_everybody_else() {
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(secret_hash("abc"), abc);
    }

    #[test]
    fn what_is_kept_can_be_read_again() {
        let (mut key, _) = key();
        key.expires = Some(Timestamp::from_micros(5));
        let text = serde_json::to_string(&key).unwrap();
        assert!(text.contains(r#""created":1,"expires":5"#), "{text}");
        assert_eq!(serde_json::from_str::<ApiKey>(&text).unwrap(), key);
    }

    #[test]
    fn other_texts_are_no_keys() {
        let (_, text) = key();
        for wrong in [
            "",
            "blz_",
            "blz__",
            &text.replace("blz_", "BLZ_"),
            &text.replace("blz_", ""),
            &format!("{text}0"),
            &format!("{text}_"),
            &format!(" {text}"),
            &text[..text.len() - 1],
            &text.replace("zz", "é"),
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
