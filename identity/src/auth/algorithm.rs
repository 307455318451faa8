//! The algorithms that a token may be signed with.

/// An algorithm of RFC 7518 (RFC 8037 for EdDSA). Others, `none` first of all, are not known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// HMAC with SHA-256: whoever verifies can sign too.
    Hs256,
    /// RSA (PKCS #1 v1.5) with SHA-256.
    Rs256,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// Those that verify with a public key, so that the key may come from a JWKS.
    pub const PUBLIC: [Algorithm; 3] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];

    /// The names of all algorithms.
    pub const NAMES: [&str; 4] = [
        Algorithm::Hs256.as_str(),
        Algorithm::Rs256.as_str(),
        Algorithm::Es256.as_str(),
        Algorithm::EdDsa.as_str(),
    ];

    /// The names of [`Algorithm::PUBLIC`].
    pub const PUBLIC_NAMES: [&str; 3] =
        [Algorithm::Rs256.as_str(), Algorithm::Es256.as_str(), Algorithm::EdDsa.as_str()];

    /// The algorithm of this name, in exactly these letters (RFC 7515, 4.1.1).
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Algorithm::Hs256, Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];
        all.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// Its name, such as `RS256`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Algorithm::Hs256 => "HS256",
            Algorithm::Rs256 => "RS256",
            Algorithm::Es256 => "ES256",
            Algorithm::EdDsa => "EdDSA",
        }
    }

    /// The same, for the library.
    pub(super) fn external(self) -> jsonwebtoken::Algorithm {
        match self {
            Algorithm::Hs256 => jsonwebtoken::Algorithm::HS256,
            Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
            Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
            Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}
