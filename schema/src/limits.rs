//! Every limit of Blaze, in one place. Each is tested at the limit and one past it (`tests/tests/limits/`).

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
/// Operations in one JSON Patch.
pub const PATCH_OPERATIONS: usize = 10_000;
/// Bytes that the `copy` operations of one JSON Patch may duplicate in all: without this bound a few hundred bytes of
/// `copy` could double a document until memory ends.
pub const PATCH_COPY_BYTES: usize = 2 * DOCUMENT_BYTES;
/// Bytes that the `move` operations of one JSON Patch may carry in all: each looks at what it moves, so that thousands of
/// moves of a large value would hold up every document of the isolate.
pub const PATCH_MOVE_BYTES: usize = 16 * DOCUMENT_BYTES;
/// Bytes of an `Idempotency-Key`.
pub const IDEMPOTENCY_KEY_BYTES: usize = 255;
/// How long an idempotency record answers a repeated request, in microseconds: 24 hours.
pub const IDEMPOTENCY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;
/// Bytes of one row of the store: the platform's limit is 2 MB for a row, less some room for the key.
pub const ROW_BYTES: usize = 2_000_000 - 4_096;
/// Patches kept in a document's log for listeners that come back.
pub const LOG_PATCHES: usize = 256;
/// Bytes of a patch log that are kept even when the document is smaller: a few dozen patches of small documents.
pub const LOG_MIN_BYTES: usize = 4 * 1_024;
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
/// Targets of one socket on `/v1/listen`.
pub const TARGETS: usize = 200;
/// Field paths in a query's `select`. Each is looked up in every document of the answer: without this bound one request
/// could ask for millions.
pub const QUERY_SELECT: usize = 1_000;
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
/// Bytes of a provider's subject. OpenID Connect Core 1.0, section 2: 255 ASCII characters.
pub const SUBJECT_BYTES: usize = 255;
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
