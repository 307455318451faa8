// The types of Blaze's client. They read like Firestore's.

/** Any value that a document may hold. */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Date
  | Uint8Array
  | GeoPoint
  | DocumentReference<any, any>
  | Value[]
  | { [field: string]: Value };

/** A document's fields. */
export type DocumentData = { [field: string]: any };

/** `T`, where each field may also be a change that the server computes. */
export type WithFieldValue<T> =
  | T
  | (T extends Leaf
      ? FieldValue
      : T extends object
        ? { [Key in keyof T]: WithFieldValue<T[Key]> | FieldValue }
        : FieldValue);

/** As `WithFieldValue`, with any of the fields. */
export type PartialWithFieldValue<T> =
  | Partial<T>
  | (T extends Leaf
      ? FieldValue
      : T extends object
        ? { [Key in keyof T]?: PartialWithFieldValue<T[Key]> | FieldValue }
        : FieldValue);

/** The values that are no maps. */
type Leaf =
  | null
  | undefined
  | boolean
  | number
  | bigint
  | string
  | Date
  | Uint8Array
  | GeoPoint
  | DocumentReference<any, any>
  | readonly unknown[];

/** The paths of the fields of `T`'s maps, such as `address.city`; five levels of them are looked at. */
type NestedPath<T, Levels extends unknown[] = []> = {
  [Key in keyof T & string]-?: PathBelow<Key, T[Key], Levels>;
}[keyof T & string];

type PathBelow<Key extends string, Field, Levels extends unknown[]> = unknown extends Field
  ? `${Key}.${string}`
  : Field extends Leaf
    ? never
    : Levels["length"] extends 5
      ? `${Key}.${string}`
      : `${Key}.${keyof Field & string}` | `${Key}.${NestedPath<Field, [...Levels, unknown]>}`;

/** The type of the field at a path. */
type FieldAt<T, Path> = T extends Leaf
  ? never
  : Path extends keyof T
    ? T[Path]
    : Path extends `${infer Key}.${infer Rest}`
      ? Key extends keyof T
        ? FieldAt<T[Key], Rest>
        : any
      : any;

/** The data of an update: fields, or dotted paths to fields of maps. A key between backticks is not checked. */
export type UpdateData<T> = string extends keyof T
  ? { [path: string]: any }
  : { [Key in keyof T]?: WithFieldValue<T[Key]> | FieldValue } & {
      [Path in NestedPath<T>]?: WithFieldValue<FieldAt<T, Path>> | FieldValue;
    } & { [path: `${string}\`${string}`]: any };

/** Options of a `set`: with `merge` it changes the fields of its data, with `mergeFields` only those that are named. */
export type SetOptions =
  | { readonly merge?: boolean; readonly mergeFields?: undefined }
  | { readonly mergeFields: readonly string[]; readonly merge?: undefined };

/** Options of `data()`: none yet. */
export interface SnapshotOptions {}

/** Converts between an application's objects and the data of documents. */
export interface FirestoreDataConverter<T, D = DocumentData> {
  toFirestore(object: WithFieldValue<T>): WithFieldValue<D>;
  toFirestore(object: PartialWithFieldValue<T>, options: SetOptions): PartialWithFieldValue<D>;
  fromFirestore(snapshot: QueryDocumentSnapshot<DocumentData>, options?: SnapshotOptions): T;
}

/** What went wrong, as one of Firestore's codes. */
export type ErrorCode =
  | "invalid-argument"
  | "unauthenticated"
  | "permission-denied"
  | "not-found"
  | "already-exists"
  | "failed-precondition"
  | "aborted"
  | "resource-exhausted"
  | "unimplemented"
  | "unavailable"
  | "internal";

/**
 * The error that every promise of this package is rejected with, that its calls throw, and that error callbacks get. An
 * exception of the application's own code is its `cause`.
 */
export class BlazeError extends Error {
  constructor(code: ErrorCode, message: string, status: number, options?: { cause?: unknown });
  readonly name: "BlazeError";
  /** What kind of error it is. */
  readonly code: ErrorCode;
  /** The HTTP status. */
  readonly status: number;
}

/** A place on Earth, in degrees. */
export class GeoPoint {
  constructor(latitude: number, longitude: number);
  readonly latitude: number;
  readonly longitude: number;
  isEqual(other: GeoPoint): boolean;
}

/**
 * A timestamp with all its microseconds, of which a `Date` by itself keeps three digits less. Every timestamp that is read is
 * one. It is written back and compared exactly, unless a setter of `Date` has changed it.
 */
export class Timestamp extends Date {
  /** Reads a date and time of RFC 3339, such as `2026-11-21T10:00:00.123456Z`. */
  constructor(text: string);
  /** Microseconds since 1970. */
  readonly microseconds: bigint;
  /** RFC 3339 with all its digits. */
  readonly text: string;
}

/** A change that the server computes from the field's present value. */
export class FieldValue {
  private constructor();
  /** Without a member that is its own, every value would pass for one. */
  private readonly operand: unknown;
}

/** Adds `by`; a field that is missing or no number becomes `by`. */
export function increment(by: number | bigint): FieldValue;
/** The smaller of the field and `operand`. */
export function minimum(operand: number | bigint): FieldValue;
/** The larger of the field and `operand`. */
export function maximum(operand: number | bigint): FieldValue;
/** The time at which the server commits the write. */
export function serverTimestamp(): FieldValue;
/** Appends the elements that the array lacks. */
export function arrayUnion(...elements: unknown[]): FieldValue;
/** Removes every copy of the elements from the array. */
export function arrayRemove(...elements: unknown[]): FieldValue;
/** Removes the field. Only in `update`, and in `set` with `merge`. */
export function deleteField(): FieldValue;

/** An operation of JSON Patch (RFC 6902). */
export type PatchOperation =
  | { op: "add" | "replace" | "test"; path: string; value: unknown }
  | { op: "remove"; path: string }
  | { op: "move" | "copy"; from: string; path: string };

/** What a write came to. */
export interface WriteResult {
  /** The document's version after it. */
  readonly version: number;
}

/** How a snapshot came about. */
export interface SnapshotMetadata {
  /** Whether it holds writes of this client that the server has not confirmed. */
  readonly hasPendingWrites: boolean;
}

/** A document as it was at one moment. */
export class DocumentSnapshot<T = DocumentData, D = T> {
  protected constructor();
  readonly ref: DocumentReference<T, D>;
  readonly id: string;
  /** The version; of a deleted document that of its delete, and 0 when it never existed. */
  readonly version: number;
  readonly metadata: SnapshotMetadata;
  /** Known after `get`, and in a query's result. */
  readonly createTime: Timestamp | undefined;
  /** Known after `get`, and in a query's result. */
  readonly updateTime: Timestamp | undefined;
  exists(): this is QueryDocumentSnapshot<T, D>;
  /** The fields, a copy for every call; `undefined` when the document does not exist. */
  data(options?: SnapshotOptions): T | undefined;
  /** One field, a copy for every call, by its path: `address.city`, with backticks around a key that holds a dot. */
  get(fieldPath: string): any;
}

/** A document that exists, such as one of a query's result. */
export class QueryDocumentSnapshot<T = DocumentData, D = T> extends DocumentSnapshot<T, D> {
  private constructor();
  data(options?: SnapshotOptions): T;
}

/** Ends a subscription. */
export type Unsubscribe = () => void;

/** Callbacks of `onUpdate`. An exception of one is reported as uncaught, and keeps no other from being called. */
export interface Observer<S> {
  next: (snapshot: S) => void;
  error?: (error: BlazeError) => void;
  /** Never called: listening has no end but an error. */
  complete?: () => void;
}

/** Options of listening. */
export interface ListenOptions {
  /** Also calls back when only metadata changed: `hasPendingWrites`, and `version`. */
  readonly includeMetadataChanges?: boolean;
}

/** Calls `next` with the present state, and again whenever it changes, until an error ends it. */
export interface Listen<S> {
  (next: (snapshot: S) => void, error?: (error: BlazeError) => void): Unsubscribe;
  (observer: Observer<S>): Unsubscribe;
  (options: ListenOptions, next: (snapshot: S) => void, error?: (error: BlazeError) => void): Unsubscribe;
  (options: ListenOptions, observer: Observer<S>): Unsubscribe;
}

/**
 * A document, whether it exists or not. `T` is what the application has, `D` what is stored; they differ only with a
 * converter.
 */
export class DocumentReference<T = DocumentData, D = T> {
  private constructor();
  readonly firestore: Blaze;
  readonly path: string;
  readonly id: string;
  readonly converter: FirestoreDataConverter<T, D> | null;
  readonly parent: CollectionReference<T, D>;
  /** The same document, read and written through `converter`; `null` takes it away. */
  withConverter<U, E = DocumentData>(converter: FirestoreDataConverter<U, E>): DocumentReference<U, E>;
  withConverter(converter: null): DocumentReference;
  /** The collection `id` under this document. */
  collection<U = DocumentData>(id: string): CollectionReference<U>;
  isEqual(other: DocumentReference<any, any>): boolean;
  /** Reads it, after the writes that this client made before. */
  get(): Promise<DocumentSnapshot<T, D>>;
  /** Replaces it, or creates it; with options, changes only the given fields. */
  set(data: WithFieldValue<T>): Promise<WriteResult>;
  set(data: PartialWithFieldValue<T>, options: SetOptions): Promise<WriteResult>;
  /** Changes some of its fields; refused with `not-found` when it does not exist. */
  update(data: UpdateData<D>): Promise<WriteResult>;
  update(fieldPath: string, value: unknown, ...more: unknown[]): Promise<WriteResult>;
  /** Applies a JSON Patch (RFC 6902), all or nothing. */
  patch(operations: PatchOperation[]): Promise<WriteResult>;
  /** Creates it; refused with `already-exists` when it exists. */
  create(data: WithFieldValue<T>): Promise<WriteResult>;
  delete(): Promise<WriteResult>;
  /** Listens to the document. */
  readonly onUpdate: Listen<DocumentSnapshot<T, D>>;
  /** The same as `onUpdate`. */
  readonly onSnapshot: Listen<DocumentSnapshot<T, D>>;
}

/** How a filter compares a field. `in`, `not-in` and `array-contains-any` take an array of values. */
export type WhereFilterOp =
  | "=="
  | "!="
  | "<"
  | "<="
  | ">"
  | ">="
  | "in"
  | "not-in"
  | "array-contains"
  | "array-contains-any";

export type OrderByDirection = "asc" | "desc";

/** A condition on a document. */
export class Filter {
  private constructor();
  /** Without a member that is its own, every value would pass for one. */
  private readonly json: string;
}

/** A field compares as it should: its path (`address.city`), or `documentId()`. */
export function where(fieldPath: string, op: WhereFilterOp, value: unknown): Filter;
/** All hold. */
export function and(...filters: Filter[]): Filter;
/** At least one holds. */
export function or(...filters: Filter[]): Filter;
/** What a filter, an order or a cursor calls a document's id: its path, or in a query of one collection its id. */
export function documentId(): string;

/** Something that is computed over a query's documents; `R` is what it comes to. */
export class AggregateField<R extends number | bigint | null> {
  private constructor();
  private readonly json: string;
  private readonly result: R;
}

/** How many documents there are. */
export function count(): AggregateField<number>;
/** The sum of a field's numbers; 0 of none. A `bigint` where no number holds it. */
export function sum(fieldPath: string): AggregateField<number | bigint>;
/** The average of a field's numbers; `null` of none. */
export function average(fieldPath: string): AggregateField<number | null>;

/**
 * A query. It never changes: each call returns another one. Arguments of a wrong type are refused at once; what else is
 * wrong with it, the server says to the call that uses it.
 *
 * Documents that lack a field that is compared or ordered by are not in the result.
 */
export class Query<T = DocumentData, D = T> {
  protected constructor();
  readonly firestore: Blaze;
  readonly converter: FirestoreDataConverter<T, D> | null;
  /** The same query, its documents read through `converter`; `null` takes it away. */
  withConverter<U, E = DocumentData>(converter: FirestoreDataConverter<U, E>): Query<U, E>;
  withConverter(converter: null): Query;
  where(fieldPath: string, op: WhereFilterOp, value: unknown): Query<T, D>;
  where(filter: Filter): Query<T, D>;
  orderBy(fieldPath: string, direction?: OrderByDirection): Query<T, D>;
  /** The first so many. */
  limit(count: number | bigint): Query<T, D>;
  /** The last so many, in the query's order; it needs `orderBy`. */
  limitToLast(count: number | bigint): Query<T, D>;
  /** Without the first so many. */
  offset(count: number | bigint): Query<T, D>;
  /** From a document on, or from values of the fields that are ordered by. */
  startAt(snapshot: DocumentSnapshot<any, any>): Query<T, D>;
  startAt(...values: unknown[]): Query<T, D>;
  /** As `startAt`, without what is there. */
  startAfter(snapshot: DocumentSnapshot<any, any>): Query<T, D>;
  startAfter(...values: unknown[]): Query<T, D>;
  /** Up to a document, or to values of the fields that are ordered by. */
  endAt(snapshot: DocumentSnapshot<any, any>): Query<T, D>;
  endAt(...values: unknown[]): Query<T, D>;
  /** As `endAt`, without what is there. */
  endBefore(snapshot: DocumentSnapshot<any, any>): Query<T, D>;
  endBefore(...values: unknown[]): Query<T, D>;
  /** Only these fields of each document. */
  select(...fieldPaths: string[]): Query<Partial<T>, D>;
  isEqual(other: Query<any, any>): boolean;
  /** Reads the result, after the writes that this client made before. */
  get(): Promise<QuerySnapshot<T, D>>;
  count(): Promise<number>;
  sum(fieldPath: string): Promise<number | bigint>;
  /** `null` if there are no numbers. */
  average(fieldPath: string): Promise<number | null>;
  /** Computes several things at once, each under its name. */
  aggregate<F extends { [name: string]: AggregateField<any> }>(
    fields: F,
  ): Promise<{ [Name in keyof F]: F[Name] extends AggregateField<infer R> ? R : never }>;
  /** Listens to the result. */
  readonly onUpdate: Listen<QuerySnapshot<T, D>>;
  /** The same as `onUpdate`. */
  readonly onSnapshot: Listen<QuerySnapshot<T, D>>;
}

/** A query's result as it was at one moment. */
export class QuerySnapshot<T = DocumentData, D = T> {
  private constructor();
  readonly query: Query<T, D>;
  readonly metadata: SnapshotMetadata;
  /** The documents, in the query's order. */
  readonly docs: QueryDocumentSnapshot<T, D>[];
  readonly size: number;
  readonly empty: boolean;
  forEach(callback: (doc: QueryDocumentSnapshot<T, D>) => void, thisArg?: unknown): void;
  /**
   * What changed since the listener's snapshot before; in the first one, and after `get`, everything is added. First what
   * was removed, then what was added, then what was modified. A document of which only the version or
   * `hasPendingWrites` changed is not among them, or with `includeMetadataChanges`, for which the listener must have been
   * begun with it, as modified after the others.
   */
  docChanges(options?: ListenOptions): DocumentChange<T, D>[];
}

/** A change of a query's result. */
export interface DocumentChange<T = DocumentData, D = T> {
  readonly type: "added" | "modified" | "removed";
  /** The document as it is now; as it was, if it was removed. */
  readonly doc: QueryDocumentSnapshot<T, D>;
  /** Its place before, where the earlier changes are applied; -1 if it was added. */
  readonly oldIndex: number;
  /** Its place after; -1 if it was removed. */
  readonly newIndex: number;
}

/** Some documents, by their ids, and the query for all of them. */
export class CollectionReference<T = DocumentData, D = T> extends Query<T, D> {
  private constructor();
  readonly path: string;
  readonly id: string;
  /** The document that it lies under; `null` at the root. */
  readonly parent: DocumentReference | null;
  withConverter<U, E = DocumentData>(converter: FirestoreDataConverter<U, E>): CollectionReference<U, E>;
  withConverter(converter: null): CollectionReference;
  /** A document with a new id. */
  doc(): DocumentReference<T, D>;
  /** The document `id`. */
  doc(id: string): DocumentReference<T, D>;
  /** Creates a document under a new id. */
  add(data: WithFieldValue<T>): Promise<DocumentReference<T, D>>;
}

/**
 * Whether the server can be reached, over all documents and queries that are listened to, and all writes. "offline" also
 * says that something other than Blaze answers, or that the server refuses something for the moment.
 */
export interface ConnectionState {
  readonly state: "idle" | "connecting" | "connected" | "offline";
  /** While offline: the time to the next attempt, in milliseconds. */
  readonly retryInMs?: number;
  /** While offline: why, where that is known. */
  readonly error?: BlazeError;
}

/**
 * What gives a token: a JWT or an API key, or nothing for nobody. It is asked when one is needed, shortly before the one that
 * it gave ends, and when the server refuses that: then `fresh` is true, and the same one will not do. It is not asked again
 * while it is being asked. What it throws delays whatever needs the token.
 */
export type TokenCallback = (fresh: boolean) => string | null | undefined | Promise<string | null | undefined>;

/** Who asks: a token, what gives one, or nobody. */
export type Token = string | TokenCallback | null;

/** Who is signed in. */
export interface User {
  readonly uid: string;
  readonly email: string | null;
  readonly emailVerified: boolean;
  /** What the account was made with: `password`, or a provider's name. */
  readonly providerId: string;
  /** All that the access token says. */
  readonly claims: { readonly [name: string]: any };
}

/** The accounts that are built into the server. While somebody is signed in, everything is asked in that name. */
export class Auth {
  private constructor();
  /** `null` is nobody. */
  readonly currentUser: User | null;
  /** Makes an account and signs in. */
  signUp(email: string, password: string): Promise<User>;
  signIn(email: string, password: string): Promise<User>;
  /** Ends the session, here and for the other tabs that share it, also where the server cannot be reached. */
  signOut(): Promise<void>;
  /** Calls back with who is signed in, soon, and whenever that is somebody else. */
  onAuthStateChanged(callback: (user: User | null) => void): Unsubscribe;
  /**
   * Leaves the page to sign in with a provider, which sends the browser back to `redirectUri`, one of those that the
   * server's configuration names; this page's address without its query if it is left out.
   */
  signInWithRedirect(provider: string, redirectUri?: string): Promise<void>;
  /** In the page that the provider sent the browser back to: ends what was begun. `null` if nothing was. */
  completeSignIn(): Promise<User | null>;
}

/** How to connect. */
export interface ConnectOptions {
  /** Who asks. Without it, who is signed in. */
  token?: Token;
  /**
   * Where the session of who signs in is kept: for all tabs and the next visit (`local`, the default), for this tab, or
   * for this page alone.
   */
  persistence?: "local" | "session" | "none";
  /**
   * The client's WebAssembly (`blaze-client/blaze_client_bg.wasm`), where it is not found by itself: its bytes, a
   * `WebAssembly.Module`, its URL or a `Response` with it, or a promise of one of them. It is loaded once: later calls
   * ignore it.
   */
  wasm?: WasmSource | Promise<WasmSource>;
}

/** Bytes, a `WebAssembly.Module`, a URL or a `Response`. Only platforms' own type libraries name the last three. */
export type WasmSource = string | ArrayBuffer | ArrayBufferView | object;

/** A database. */
export class Blaze {
  private constructor();
  readonly auth: Auth;
  /**
   * From now on this is who asks. What is listened to goes on in the new name; where the server refuses that, it ends with
   * an error. Writes that were not answered are sent in the new name.
   */
  setToken(token: Token): void;
  collection<T = DocumentData>(path: string): CollectionReference<T>;
  /** All documents of the collections called `id`, wherever they are. */
  collectionGroup<T = DocumentData>(id: string): Query<T>;
  doc<T = DocumentData>(path: string): DocumentReference<T>;
  /** Calls back with the present state, and with every change of it. */
  onConnection(callback: (state: ConnectionState) => void): Unsubscribe;
  /** Ends every subscription and every write that is not answered. */
  close(): void;
}

/** The database at `url`, a text or a `URL`. Makes no request to it. */
export function connect(url: string | { readonly href: string }, options?: ConnectOptions): Promise<Blaze>;
