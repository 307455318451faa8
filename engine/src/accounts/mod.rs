//! Accounts: who signed up, by password or with a provider, and the sessions that they have.
