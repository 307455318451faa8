//! The access object: the one place that keeps rules, API keys and issuers' public keys, of which every isolate has a copy.
