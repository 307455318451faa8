//! The caller: what a bearer token or an API key says, once it is found to be true.
//!
//! In scope: the issuers that are trusted ([`issuers`]) and their keys ([`jwks`]), what a credential says
//! ([`identities`]), API keys ([`api_key`]), Blaze's own tokens ([`signer`]). Out of scope: what somebody may do
//! ([`blaze_rules`]), fetching keys, and where secrets come from.

mod algorithm;
pub mod api_key;
mod cache;
pub mod identities;
pub mod issuers;
pub mod jwks;
mod key;
pub mod signer;
mod token;

pub use algorithm::Algorithm;
pub use api_key::ApiKey;
pub use identities::{Identified, Identities};
pub use issuers::Issuers;
pub use signer::{OWN_AUDIENCE, OWN_ISSUER, Signer, access_claims};
