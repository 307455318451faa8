//! The digest of parts: keys, fingerprints, numbers of shards and slots.

use sha2::{Digest, Sha256};

/// A SHA-256 of the parts, each with its length, so that no two lists of parts are hashed as the same bytes.
pub fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}
