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
  | DocumentReference<any>
  | Value[]
  | { [field: string]: Value };

/** A document's fields. */
export type DocumentData = { [field: string]: any };

/** `T`, where each field may also be a change that the server computes. */
export type WithFieldValue<T> =
  | T
  | (T extends Date | Uint8Array | GeoPoint | DocumentReference<any> | readonly unknown[]
      ? FieldValue
      : T extends object
        ? { [Key in keyof T]: WithFieldValue<T[Key]> | FieldValue }
        : FieldValue);

/** As `WithFieldValue`, with any of the fields. */
export type PartialWithFieldValue<T> =
  | Partial<T>
  | (T extends Date | Uint8Array | GeoPoint | DocumentReference<any> | readonly unknown[]
      ? FieldValue
      : T extends object
        ? { [Key in keyof T]?: PartialWithFieldValue<T[Key]> | FieldValue }
        : FieldValue);

/** The data of an update: fields, or dotted paths to them. */
export type UpdateData<T> = { [Key in keyof T]?: WithFieldValue<T[Key]> | FieldValue } & {
  [path: `${string}.${string}` | `\`${string}`]: any;
};

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

/** What every promise of this package is rejected with, and what an error callback gets. */
export class BlazeError extends Error {
  constructor(code: ErrorCode, message: string, status: number);
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
export class DocumentSnapshot<T = DocumentData> {
  private constructor();
  readonly ref: DocumentReference<T>;
  readonly id: string;
  /** The version; 0 when the document never existed. */
  readonly version: number;
  readonly metadata: SnapshotMetadata;
  /** Known after `get`. */
  readonly createTime: Date | undefined;
  /** Known after `get`. */
  readonly updateTime: Date | undefined;
  exists(): boolean;
  /** The fields; `undefined` when the document does not exist. */
  data(): T | undefined;
  /** One field, by its path: `address.city`, with backticks around a key that holds a dot. */
  get(fieldPath: string): any;
}

/** Ends a subscription. */
export type Unsubscribe = () => void;

/** Callbacks of `onUpdate`. */
export interface Observer<T> {
  next?: (snapshot: DocumentSnapshot<T>) => void;
  error?: (error: BlazeError) => void;
}

/** A document, whether it exists or not. */
export class DocumentReference<T = DocumentData> {
  private constructor();
  readonly firestore: Blaze;
  readonly path: string;
  readonly id: string;
  readonly parent: CollectionReference<T>;
  /** The collection `id` under this document. */
  collection<U = DocumentData>(id: string): CollectionReference<U>;
  isEqual(other: DocumentReference<any>): boolean;
  /** Reads it, after the writes that this client made before. */
  get(): Promise<DocumentSnapshot<T>>;
  /** Replaces it, or creates it; with `merge`, changes only the given fields. */
  set(data: WithFieldValue<T>): Promise<WriteResult>;
  set(data: PartialWithFieldValue<T>, options: { merge?: boolean }): Promise<WriteResult>;
  /** Changes some of its fields; refused with `not-found` when it does not exist. */
  update(data: UpdateData<T>): Promise<WriteResult>;
  update(fieldPath: string, value: unknown, ...more: unknown[]): Promise<WriteResult>;
  /** Applies a JSON Patch (RFC 6902), all or nothing. */
  patch(operations: PatchOperation[]): Promise<WriteResult>;
  /** Creates it; refused with `already-exists` when it exists. */
  create(data: WithFieldValue<T>): Promise<WriteResult>;
  delete(): Promise<WriteResult>;
  /** Calls `next` with the document as it is, and again whenever it changes. An error ends it. */
  onUpdate(
    next: (snapshot: DocumentSnapshot<T>) => void,
    error?: (error: BlazeError) => void,
  ): Unsubscribe;
  onUpdate(observer: Observer<T>): Unsubscribe;
}

/** Some documents, by their ids. */
export class CollectionReference<T = DocumentData> {
  private constructor();
  readonly firestore: Blaze;
  readonly path: string;
  readonly id: string;
  /** The document `id`; a new one without. */
  doc(id?: string): DocumentReference<T>;
  /** Creates a document under a new id. */
  add(data: WithFieldValue<T>): Promise<DocumentReference<T>>;
}

/** Whether the server can be reached, over all documents that are listened to. */
export interface ConnectionState {
  readonly state: "idle" | "connecting" | "connected" | "offline";
  /** While offline: the time to the next attempt, in milliseconds. */
  readonly retryInMs?: number;
}

/** A database. */
export class Blaze {
  private constructor();
  collection<T = DocumentData>(path: string): CollectionReference<T>;
  doc<T = DocumentData>(path: string): DocumentReference<T>;
  /** Calls back with the present state, and with every change of it. */
  onConnection(callback: (state: ConnectionState) => void): Unsubscribe;
  /** Ends every subscription and every write that is not answered. */
  close(): void;
}

/** The database at `url`. Makes no request to it. */
export function connect(url: string, options?: { token?: string }): Promise<Blaze>;
