//! Every limit of Blaze, in one place. Each is tested at the limit and one past it (`tests/tests/server/limits/`).

/// Bytes of an id (one segment of a path), UTF-8. Firestore: quotas, "document ID".
pub const ID_BYTES: usize = 1_500;
/// Bytes of a whole path, segments joined by `/`. Firestore: quotas, "full document name", 6 KiB.
pub const PATH_BYTES: usize = 6 * 1_024;
/// Segments of a path: a hundred collections, each with a document. Firestore: quotas, "depth of subcollections".
pub const PATH_SEGMENTS: usize = 200;
/// Bytes of a document's data as compact JSON.
pub const DOCUMENT_BYTES: usize = 1_024 * 1_024;
/// Levels of maps and arrays in a document's data, the outermost map being the first. A typed value is no level.
pub const DOCUMENT_DEPTH: usize = 100;
/// Keys in a field path: no field lies deeper than a document may be.
pub const FIELD_PATH_KEYS: usize = DOCUMENT_DEPTH;
/// Bytes of a request's body, and of one message on a socket.
pub const BODY_BYTES: usize = 10 * 1_024 * 1_024;
/// Writes of one commit. Firestore: quotas of old, "maximum number of writes in a batch".
pub const COMMIT_WRITES: usize = 500;
/// Bytes of a document that the writes of one commit, after the first, may go over in all: each may look at all of it, and
/// hundreds on a large one would hold up every document of the isolate for many seconds.
pub const COMMIT_DOCUMENT_BYTES: usize = 32 * DOCUMENT_BYTES;
/// Operations in one JSON Patch, and in all those of one commit on one document.
pub const PATCH_OPERATIONS: usize = 10_000;
/// Bytes that the `copy` operations of one JSON Patch may duplicate in all (those of one commit on one document): without this bound a few hundred bytes of
/// `copy` could double a document until memory ends.
pub const PATCH_COPY_BYTES: usize = 2 * DOCUMENT_BYTES;
/// Bytes that the `move` operations of one JSON Patch may carry in all (those of one commit on one document): each looks at what it moves, so that thousands of
/// moves of a large value would hold up every document of the isolate.
pub const PATCH_MOVE_BYTES: usize = 16 * DOCUMENT_BYTES;
/// Bytes of an `Idempotency-Key`.
pub const IDEMPOTENCY_KEY_BYTES: usize = 255;
/// How long an idempotency record answers a repeated request, in microseconds: 24 hours.
pub const IDEMPOTENCY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;
/// Delay of the alarm that looks after a document's outbox, from a write, in microseconds: so short that the object has not
/// been closed meanwhile, and so long that one alarm serves many writes.
pub const OUTBOX_MICROS: i64 = 8 * 1_000_000;
/// Bytes of one row of the store: the platform's limit is 2 MB for a row, less some room for the key.
pub const ROW_BYTES: usize = 2_000_000 - 4_096;
/// Patches kept in a document's log for listeners that come back.
pub const LOG_PATCHES: usize = 256;
/// Bytes of a patch log that are kept even when the document is smaller: a few dozen patches of small documents.
pub const LOG_MIN_BYTES: usize = 4 * 1_024;
/// An alarm whose handling failed rings again after so long, in microseconds.
pub const ALARM_RETRY_MICROS: i64 = 10 * 1_000_000;
/// Bytes of a WebSocket subprotocol list that are looked at.
pub const SUBPROTOCOL_BYTES: usize = 16 * 1_024;
/// A write's id on a socket, in bytes.
pub const WRITE_ID_BYTES: usize = 255;
/// Bytes of a string, bytes value or reference that its index entry holds; what is longer is told apart by reading the
/// document. Firestore: quotas, "indexed field value" (where such queries "may return inconsistent results").
pub const INDEXED_BYTES: usize = 1_500;
/// Index entries of one document, those of declared composite indexes left out. Firestore: quotas, "index entries per
/// document".
pub const ENTRIES: usize = 40_000;
/// Disjunctions of a query's filter in disjunctive normal form; an `in` or `array-contains-any` counts as its values.
/// Firestore: "Limitations", OR queries.
pub const QUERY_DISJUNCTIONS: usize = 30;
/// Values of an `in` or `array-contains-any`. Firestore: "in, not-in, and array-contains-any".
pub const IN_VALUES: usize = 30;
/// Values of a `not-in`. Firestore: the same.
pub const NOT_IN_VALUES: usize = 10;
/// Filters on fields and orders of one query, together. Firestore: quotas, "filters, sort orders, and parent document
/// path"; the path is not counted here.
pub const QUERY_TERMS: usize = 100;
/// Levels of `and` and `or` in a query's filter. Reading one takes stack for every level.
pub const QUERY_DEPTH: usize = 32;
/// Index objects that share one collection.
pub const SHARDS: u32 = 64;
/// Composite indexes of the collections of one id. Firestore: quotas, 200 for a database without billing.
pub const COMPOSITES: usize = 200;
/// Fields of one composite index. Firestore: quotas, "fields in a composite index".
pub const COMPOSITE_COLUMNS: usize = 100;
/// Aggregates of one request. Firestore: "Summarize data with aggregation queries", limitations.
pub const AGGREGATES: usize = 5;
/// Bytes of documents in one answer to a query; the rest is on the next page.
pub const ANSWER_BYTES: usize = 8 * 1_024 * 1_024;
/// How long an index remembers a deleted document, in microseconds: an hour. No earlier change of it can be on its way
/// for so long.
pub const TOMBSTONE_MICROS: i64 = 60 * 60 * 1_000_000;
/// Objects that share the indexes of collections that are in no group.
pub const REGISTRIES: u32 = 16;
/// Indexes of collections that one answer of such an object names.
pub const REGISTRY_PAGE: usize = 100;
/// Documents of a collection that join the index of a group that was declared late at a time, and at least; between two
/// times it answers.
pub const JOINING_DOCUMENTS: usize = 192;
/// Bytes of documents that join at a time, and those of at most 15 more.
pub const JOINING_BYTES: usize = 4 * 1_024 * 1_024;
/// Documents that an index brings to new settings at a time, between which it answers.
pub const REBUILD_DOCUMENTS: usize = 200;
/// Documents in the result of a live query.
pub const LIVE_DOCUMENTS: usize = 20_000;
/// Bytes of a live query as JSON: it is kept with its socket, where the platform has room for 16 KiB.
pub const LIVE_QUERY_BYTES: usize = 8 * 1_024;
/// Changes that an index remembers for listeners that come back.
pub const LIVE_LOG_CHANGES: usize = 1_024;
/// Bytes of documents that it remembers for that.
pub const LIVE_LOG_BYTES: usize = 1_024 * 1_024;
/// Bytes of a frame of changes; a frame that holds a single change may be larger. Many proxies and servers refuse
/// messages of more than 1 MiB.
pub const FRAME_BYTES: usize = 1_024 * 1_024;
/// Bytes sent to a socket since its peer last sent anything. A socket that is further behind is closed instead of being
/// sent more: the runtime buffers what a peer does not read, and its memory is shared by all objects of an isolate.
pub const UNREAD_BYTES: usize = 4 * 1_024 * 1_024;
/// Bytes received on a socket after which a peer that reads sends a ping: a quarter of [`UNREAD_BYTES`], so that three
/// quarters may be on the way.
pub const ACKNOWLEDGE_BYTES: usize = UNREAD_BYTES / 4;
/// Sockets to objects that one listener opens at a time, until each has delivered its first result: so many of
/// [`ANSWER_BYTES`] may be sent at once. Cloudflare opens six connections at a time.
pub const OPENING_UPSTREAMS: usize = 4;
/// Documents that the clients of one page listen to: each has a socket, of which Chromium opens 255 to one host, all tabs
/// together, and Firefox 200.
pub const PAGE_DOCUMENTS: usize = 100;
/// Targets of one socket on `/v1/listen`.
pub const TARGETS: usize = 200;
/// Pings of one socket on `/v1/listen` on their way: each becomes a message to every object behind the socket.
pub const LISTENER_PINGS: usize = 4;
/// Writes of one socket on `/v1/listen` that wait for the one before them.
pub const WAITING_WRITES: usize = 5_000;
/// Bytes of those writes, and of the messages of one socket that wait for an earlier one: two of the largest messages.
pub const WAITING_BYTES: usize = 2 * BODY_BYTES;
/// A write of a socket on `/v1/listen` whose outcome is not known after so long is given up, and the socket with it, in
/// milliseconds: half a minute. An answer waits ten seconds for the indexes at most.
pub const LISTENER_WRITE_MS: u32 = 30_000;
/// Requests to objects that one socket on `/v1/listen` makes before it ends for the client to open another: the platform
/// lets one invocation of a Worker make 10,000, and 1,000 are left for a step that makes many.
pub const LISTENER_REQUESTS: u32 = 9_000;
/// Field paths in a query's `select`. Each is looked up in every document of the answer: without this bound one request
/// could ask for millions.
pub const QUERY_SELECT: usize = 1_000;
/// Sockets of one document: the platform has room for 32,768 of one object.
pub const SOCKETS: usize = 20_000;
/// Sockets of one identity on one document.
pub const IDENTITY_SOCKETS: usize = 100;
/// How long a listener's access may rest on a document that rules looked up, in microseconds: 10 seconds.
pub const LOOKUP_MICROS: i64 = 10 * 1_000_000;
/// Documents that are looked up for one step: by the rules of who asks, and by those of who listens.
pub const STEP_LOOKUPS: usize = 20;
/// Bytes of a credential: a bearer token or an API key. Headers of most servers end there too.
pub const TOKEN_BYTES: usize = 8 * 1_024;
/// Bytes of who somebody is, as JSON (`Auth` of `blaze-rules`: the claims of a token, the uid, the roles): it is kept with
/// their socket, beside its path or query, where the platform has room for 16 KiB.
pub const AUTH_BYTES: usize = 6 * 1_024;
/// Levels of maps and arrays in a token's claims, the claims themselves being the first.
pub const CLAIMS_DEPTH: usize = 32;
/// Bytes of a token's `sub`.
pub const SUBJECT_BYTES: usize = 255;
/// Roles of one token.
pub const ROLES: usize = 64;
/// Bytes of a role.
pub const ROLE_BYTES: usize = 128;
/// How far an issuer's clock may be ahead of ours, in microseconds: a minute.
pub const CLOCK_LEEWAY_MICROS: i64 = 60 * 1_000_000;
/// Verified tokens that are remembered.
pub const AUTH_CACHE: usize = 1_024;
/// Bytes of verified tokens that are remembered. What they say takes a few times as much.
pub const AUTH_CACHE_BYTES: usize = 2 * 1_024 * 1_024;
/// Issuers of tokens.
pub const ISSUERS: usize = 32;
/// Bytes of an issuer's JSON Web Key Set.
pub const JWKS_BYTES: usize = 64 * 1_024;
/// Keys of one issuer.
pub const JWKS_KEYS: usize = 64;
/// Keys that a signature is tried with, where the token does not name one: each costs as much as a verification.
pub const KEYS_TRIED: usize = 4;
/// Bytes that an HS256 secret has at least. RFC 7518, 3.2: no shorter than the hash.
pub const SECRET_MIN_BYTES: usize = 32;
/// Bits that an RSA modulus has at least. RFC 7518, 3.3.
pub const RSA_MIN_BITS: usize = 2_048;
/// Bits that an RSA modulus has at most: verifying takes the more time.
pub const RSA_MAX_BITS: usize = 4_096;
/// Versions of the rules that are kept, the present one among them.
pub const RULES_VERSIONS: usize = 50;
/// API keys, those that have expired among them until their place is needed.
pub const API_KEYS: usize = 1_000;
/// Bytes of an API key's name, and of each of its roles.
pub const API_KEY_NAME_BYTES: usize = 255;
/// Roles of an API key.
pub const API_KEY_ROLES: usize = 32;
/// An issuer that has keys here is asked for them no more often than this, in microseconds: 30 seconds.
pub const JWKS_PAUSE_MICROS: i64 = 30 * 1_000_000;
/// One that has none here is asked no more often than this, in microseconds: a second.
pub const JWKS_RETRY_MICROS: i64 = 1_000_000;
/// An issuer's keys are fetched again when they are older, in microseconds: ten minutes.
pub const JWKS_FRESH_MICROS: i64 = 10 * 60 * 1_000_000;
/// An issuer's keys that cannot be fetched again hold for so long, in microseconds: a day.
pub const JWKS_GRACE_MICROS: i64 = 24 * 60 * 60 * 1_000_000;
/// Blaze's own signing key, once another one signs, is known for so long, in microseconds: a day.
pub const OWN_KEY_GRACE_MICROS: i64 = 24 * 60 * 60 * 1_000_000;
/// Blaze's next signing key is published so long before it signs, in microseconds: ten minutes. Copies of
/// `/v1/jwks.json` may be kept for five.
pub const OWN_KEY_LEAD_MICROS: i64 = 10 * 60 * 1_000_000;
/// Signing keys of Blaze that are known at a time, the one that signs and the next one among them.
pub const OWN_KEYS: usize = 8;
/// Entries of the audit log.
pub const AUDIT_ENTRIES: u64 = 10_000;
/// Entries of one answer about the audit log.
pub const AUDIT_PAGE: usize = 1_000;
/// Bytes of an actor, of an act and of what it was done to in an entry of the audit log; what is longer is cut.
pub const AUDIT_TEXT_BYTES: usize = 2_048;
/// Schemas inside one collection's JSON Schema, itself among them.
pub const SCHEMA_NODES: usize = 5_000;
/// Levels of schemas in one JSON Schema. Reading one takes stack for every level.
pub const SCHEMA_DEPTH: usize = 50;
/// Steps of checking one document against a schema: about one for every keyword at every value, more for a pattern. Four
/// for each byte of the largest document.
pub const SCHEMA_STEPS: usize = 4 * DOCUMENT_BYTES;
/// Schemas inside each other while a document is checked: references, alternatives and levels of the document together.
/// Each takes stack.
pub const SCHEMA_NESTING: usize = 400;
/// Violations that a refusal names.
pub const SCHEMA_VIOLATIONS: usize = 5;
/// Bytes of a compiled pattern. What a pattern costs at each character grows with it.
pub const PATTERN_BYTES: usize = 64 * 1_024;
/// Requests that a rate may allow at once.
pub const RATE_REQUESTS: u32 = 1_000_000;
/// Seconds in which it allows them: an hour. What is left is kept in memory, which no object has for much longer.
pub const RATE_SECONDS: u32 = 60 * 60;
/// Addresses and identities whose leases an isolate remembers; of what is older it knows nothing, and asks again.
pub const RATE_SUBJECTS: usize = 10_000;
/// Bytes of an identity in the name of its limiter; a longer one is hashed.
pub const RATE_NAME_BYTES: usize = 128;
/// Bytes of the text of rules. Firestore: quotas, "maximum size of a ruleset", 256 KB of text.
pub const RULES_BYTES: usize = 256 * 1_024;
/// Levels of `match` in each other.
pub const RULES_DEPTH: usize = 20;
/// Functions that the text of rules declares.
pub const RULES_FUNCTIONS: usize = 1_000;
/// Errors that are told of one text.
pub const RULES_DIAGNOSTICS: usize = 100;
/// Words, numbers, texts and signs of one expression in rules.
pub const RULE_TOKENS: usize = 1_000;
/// Levels of brackets in one expression of rules, and of `? :` in each other. Reading one takes stack for every level.
pub const RULE_NESTING: usize = 40;
/// Levels of operations that a condition evaluates in each other, those of the functions it calls included.
pub const RULE_DEPTH: usize = 200;
/// `let` of one function. Firestore: "Use functions", 10.
pub const RULE_LETS: usize = 10;
/// Functions that call each other, the deepest chain. Firestore: quotas, "maximum function call depth", 20.
pub const RULE_CALLS: usize = 20;
/// Steps of one decision by rules.
pub const RULE_STEPS: usize = 10_000;
/// Bytes of texts, lists and maps that one decision by rules makes.
pub const RULE_BYTES: usize = 1_024 * 1_024;
/// Steps of an explanation of one decision: it evaluates parts of conditions again.
pub const RULE_EXPLANATION: usize = 4 * RULE_STEPS;
/// Refusals that an isolate explains in its log in a second.
pub const EXPLANATIONS: usize = 10;
/// Reasons of one `allow` in an explanation, and `allow`s in it.
pub const RULE_REASONS: usize = 20;
/// Characters of a value or of a part of the text in an explanation.
pub const RULE_SHOWN: usize = 100;
/// Documents that one decision by rules looks up. Firestore: quotas, "exists(), get(), and getAfter() calls".
pub const RULE_LOOKUPS: usize = 10;
/// Bytes of a password, at least. NIST SP 800-63B-4, 3.1.1.2, has characters: none is less than a byte.
pub const PASSWORD_MIN_BYTES: usize = 8;
/// Bytes of a password, at most: each is hashed.
pub const PASSWORD_BYTES: usize = 1_024;
/// Bytes of an email address. RFC 3696, erratum 1690.
pub const EMAIL_BYTES: usize = 254;
/// Sessions of an account; one more ends the one that was used longest ago.
pub const SESSIONS: usize = 20;
/// Failures to sign in, in a row, after which an account refuses to try for a while.
pub const SIGN_IN_FAILURES: u32 = 5;
/// How long an access token is good, in seconds: at most a day.
pub const ACCESS_SECONDS: u32 = 24 * 60 * 60;
/// How long a session lives without use, in days: at most a year.
pub const REFRESH_DAYS: u32 = 365;
/// Providers that accounts can sign in with.
pub const PROVIDERS: usize = 20;
/// Bytes of a provider's name, which is part of an object's.
pub const PROVIDER_NAME_BYTES: usize = 64;
/// Scopes that are asked of one provider.
pub const SCOPES: usize = 20;
/// Addresses that a provider may send browsers back to.
pub const REDIRECTS: usize = 100;
/// Bytes of such an address, and of an issuer's.
pub const URL_BYTES: usize = 2_048;
/// Bytes of an answer of a provider: its discovery document, its keys, a token.
pub const PROVIDER_ANSWER_BYTES: usize = 256 * 1_024;
/// Keys of a provider that are looked at.
pub const PROVIDER_KEYS: usize = 100;
/// Bytes of an id token.
pub const ID_TOKEN_BYTES: usize = 32 * 1_024;
/// How long a sign-in with a provider may take, from start to finish, in microseconds: ten minutes.
pub const SIGN_IN_MICROS: i64 = 10 * 60 * 1_000_000;
/// Bytes of a request about accounts.
pub const ACCOUNT_REQUEST_BYTES: usize = 16 * 1_024;
/// Bytes of a request's URL. A path of [`PATH_BYTES`] has three times as many when each is percent-encoded.
pub const REQUEST_URL_BYTES: usize = 32 * 1_024;
/// Age of a process's copy of rules and keys up to which it is fresh, in microseconds: 10 seconds.
pub const SNAPSHOT_MICROS: i64 = 10 * 1_000_000;
/// Age up to which the copy is used while the access object cannot be asked, in microseconds: a minute.
pub const SNAPSHOT_GRACE_MICROS: i64 = 60 * 1_000_000;
/// A process asks for the keys of an issuer no more often than this, in microseconds: a second. Anybody can make up keys.
pub const KEYS_PAUSE_MICROS: i64 = 1_000_000;
/// Others wait for such a call for so long, in microseconds: two seconds. The platform may have ended the request that made it.
pub const KEYS_JOIN_MICROS: i64 = 2 * 1_000_000;
/// And look so often whether it was answered, in microseconds.
pub const KEYS_POLL_MICROS: i64 = 20_000;
/// Calls for such a copy that a process makes at a time; further requests wait for the answer to these.
pub const SNAPSHOT_CALLS: u32 = 8;
/// Rounds in which one decision may ask for more facts.
pub const ROUNDS: u32 = 16;
/// A request that waits for facts longer than this was abandoned by its sender, in microseconds: two minutes.
pub const TASK_MICROS: i64 = 2 * 60 * 1_000_000;
/// An answer waits no longer for the document's indexes, in microseconds: 10 seconds. The alarm goes on.
pub const INDEX_WAIT_MICROS: i64 = 10 * 1_000_000;
/// Pauses before an index that failed is told again, in microseconds.
pub const TELL_PAUSES: [i64; 4] = [20_000, 100_000, 500_000, 2_000_000];
/// Time for a document's socket to authenticate, in microseconds: two seconds.
pub const LATE_MICROS: i64 = 2 * 1_000_000;
/// Interval at which a socket of `/v1/listen` notices that a token ended or rules changed, in microseconds: 5 seconds.
pub const TICK_MICROS: i64 = 5 * 1_000_000;
/// Time for an issuer to send its keys, in milliseconds.
pub const JWKS_MS: u32 = 5_000;
/// Time for a provider of identities to answer, in milliseconds.
pub const PROVIDER_MS: u32 = 10_000;
/// Answers of providers that a process keeps: a provider has two, and there are [`PROVIDERS`].
pub const KEPT_ANSWERS: usize = 2 * PROVIDERS;
