//! Passwords: kept as Argon2id hashes (RFC 9106), written as PHC strings, so that each says how it was made.

use super::Secret;
use argon2::password_hash::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{PASSWORD_BYTES, PASSWORD_MIN_BYTES};

/// KiB of memory, passes, lanes: the third of the equal choices in OWASP's "Password Storage Cheat Sheet" (12 MiB). The
/// second (19 MiB, 2 passes) took 31 ms of a processor as wasm where this took 26, and an isolate, which has 128 MB for
/// all its objects, keeps what was needed once. Either is more than the 10 ms of Cloudflare's free plan.
const COST: (u32, u32, u32) = (12 * 1_024, 3, 1);

/// Bytes of a hash.
const HASH_BYTES: usize = 32;

/// Refuses a password that nobody may have.
///
/// # Errors
/// `invalid-argument`.
pub fn check(password: &str) -> Result<(), Error> {
    if (PASSWORD_MIN_BYTES..=PASSWORD_BYTES).contains(&password.len()) {
        return Ok(());
    }
    Err(Error::invalid(format!("password: not {PASSWORD_MIN_BYTES} to {PASSWORD_BYTES} bytes")))
}

/// The work of hashing a password. It is slow on purpose, and needs nothing else: it may be done apart from everything.
#[derive(Clone, Debug, PartialEq)]
pub struct Hashing {
    password: Secret,
    against: Against,
    /// For a new hash.
    salt: [u8; 16],
}

/// The hash that a password is held against.
#[derive(Clone, Debug, PartialEq)]
enum Against {
    /// None: a new one is made.
    New,
    /// The one that is kept; without one the same work is done for nothing.
    Kept(Option<String>),
}

/// The outcome of [`Hashing::run`].
#[derive(Clone, Debug, PartialEq)]
pub struct Hashed {
    /// True if the password is the one of the hash that is kept.
    pub(super) fits: bool,
    /// A new hash, as a PHC string: of a new password, or in place of one that was made otherwise than hashes are made
    /// now.
    pub(super) fresh: Option<Secret>,
}

impl Hashing {
    /// Makes the hash of a new password.
    pub(super) fn of_new(password: &str, salt: [u8; 16]) -> Self {
        Hashing { password: Secret(password.to_owned()), against: Against::New, salt }
    }

    /// Holds a password against a hash. Takes as long without one.
    pub(super) fn of_kept(password: &str, kept: Option<&str>, salt: [u8; 16]) -> Self {
        let against = Against::Kept(kept.map(str::to_owned));
        Hashing { password: Secret(password.to_owned()), against, salt }
    }

    /// Does the work: some ten milliseconds and 12 MiB.
    ///
    /// # Errors
    /// `unavailable` when there is not the memory for it, `internal` for a hash that cannot be read.
    pub fn run(&self) -> Result<Hashed, Error> {
        let (password, fresh) =
            (&self.password.0, || hash(&self.password.0, &self.salt).map(Secret));
        Ok(match &self.against {
            Against::New => Hashed { fits: true, fresh: Some(fresh()?) },
            Against::Kept(None) => {
                pretend(password)?;
                Hashed { fits: false, fresh: None }
            }
            Against::Kept(Some(kept)) => {
                let fits = verify(password, kept)?;
                let fresh = (fits && is_outdated(kept)).then(fresh).transpose()?;
                Hashed { fits, fresh }
            }
        })
    }
}

/// The hash of a password, as a PHC string.
///
/// # Errors
/// `unavailable` when there is not the memory for it.
fn hash(password: &str, salt: &[u8; 16]) -> Result<String, Error> {
    let params = current()?;
    let mut output = [0; HASH_BYTES];
    compute(&params, Version::V0x13, password, salt, &mut output)?;
    let salt = argon2::password_hash::SaltString::encode_b64(salt).map_err(failed)?;
    let salt = Salt::from_b64(salt.as_str()).map_err(failed)?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).map_err(failed)?,
        salt: Some(salt),
        hash: Some(Output::new(&output).map_err(failed)?),
    };
    Ok(hash.to_string())
}

/// Whether a password is the one of a hash. Takes as long for one as for another.
///
/// # Errors
/// `unavailable` when there is not the memory for it, `internal` for a hash that cannot be read.
fn verify(password: &str, hash: &str) -> Result<bool, Error> {
    let hash = PasswordHash::new(hash).map_err(failed)?;
    let params = Params::try_from(&hash).map_err(failed)?;
    let (Some(salt), Some(expected)) = (hash.salt, hash.hash) else {
        return Err(Error::internal("a password's hash without salt or without hash"));
    };
    if hash.algorithm != Algorithm::Argon2id.ident() || expected.len() != HASH_BYTES {
        return Err(Error::internal("a password's hash that is not Argon2id"));
    }
    let mut bytes = [0; Salt::MAX_LENGTH];
    let salt = salt.decode_b64(&mut bytes).map_err(failed)?;
    let mut output = [0; HASH_BYTES];
    compute(&params, Version::V0x13, password, salt, &mut output)?;
    // `Output` compares in constant time.
    Ok(Output::new(&output).map_err(failed)? == expected)
}

/// Does the work of [`verify`] for an account that there is not.
///
/// # Errors
/// As [`verify`].
fn pretend(password: &str) -> Result<(), Error> {
    compute(&current()?, Version::V0x13, password, &[0; 16], &mut [0; HASH_BYTES])
}

/// Whether a hash was made otherwise than hashes are made now.
pub(super) fn is_outdated(hash: &str) -> bool {
    let params = PasswordHash::new(hash).ok().and_then(|hash| Params::try_from(&hash).ok());
    let (memory, passes, lanes) = COST;
    params.is_none_or(|params| {
        (params.m_cost(), params.t_cost(), params.p_cost()) != (memory, passes, lanes)
    })
}

fn current() -> Result<Params, Error> {
    let (memory, passes, lanes) = COST;
    Params::new(memory, passes, lanes, Some(HASH_BYTES)).map_err(failed)
}

fn compute(
    params: &Params,
    version: Version,
    password: &str,
    salt: &[u8],
    output: &mut [u8; HASH_BYTES],
) -> Result<(), Error> {
    let count = params.block_count();
    let mut memory = Vec::new();
    // Memory that there is not is no reason to end everything.
    memory.try_reserve_exact(count).map_err(|_| {
        Error::new(Code::Unavailable, "no memory to hash a password; repeat the request")
    })?;
    memory.resize(count, Block::default());
    Argon2::new(Algorithm::Argon2id, version, params.clone())
        .hash_password_into_with_memory(password.as_bytes(), salt, output, &mut memory)
        .map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::internal(format!("hashing a password: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_its_own_and_no_others() {
        let made = hash("correct horse", &[7; 16]).unwrap();
        assert!(made.starts_with("$argon2id$v=19$m=12288,t=3,p=1$"), "{made}");
        assert_eq!(verify("correct horse", &made), Ok(true));
        assert_eq!(verify("correct horsf", &made), Ok(false));
        assert_ne!(made, hash("correct horse", &[8; 16]).unwrap());
        assert!(!is_outdated(&made));
        assert_eq!(pretend("correct horse"), Ok(()));
    }

    #[test]
    fn a_hash_made_at_another_cost_is_verified_and_made_anew() {
        // Of the reference implementation: phc-winner-argon2, src/test.c, version 0x13, argon2id.
        let made =
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        assert_eq!(verify("password", made), Ok(true));
        assert_eq!(verify("passwort", made), Ok(false));
        assert!(is_outdated(made));
        assert!(is_outdated("nothing"));
        assert_eq!(verify("password", "nothing").unwrap_err().code, Code::Internal);
    }

    #[test]
    fn a_password_has_a_length() {
        for (bytes, fits) in [
            (PASSWORD_MIN_BYTES - 1, false),
            (PASSWORD_MIN_BYTES, true),
            (PASSWORD_BYTES, true),
            (PASSWORD_BYTES + 1, false),
        ] {
            assert_eq!(check(&"x".repeat(bytes)).is_ok(), fits, "{bytes}");
        }
    }
}
