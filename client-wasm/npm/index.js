// Blaze's client. The work is done in WebAssembly (blaze_client.js and blaze_client_bg.wasm, generated from Rust);
// this file gives it the shape that JavaScript expects: classes, and values converted both ways.
import { Client, checkCollection, checkDocument, cursorOf, fieldKeys, newId } from "./blaze_client.js";
import { Auth } from "./auth.js";
import { load } from "./load.js";

/** What went wrong: `code` is one of Firestore's, `status` the HTTP status. */
export class BlazeError extends Error {
  constructor(code, message, status) {
    super(message);
    this.name = "BlazeError";
    this.code = code;
    this.status = status;
  }
}

/** A place on Earth, in degrees. */
export class GeoPoint {
  constructor(latitude, longitude) {
    this.latitude = latitude;
    this.longitude = longitude;
  }
  isEqual(other) {
    return this.latitude === other.latitude && this.longitude === other.longitude;
  }
}

/** A change that the server computes from the field's present value. */
export class FieldValue {
  constructor(name, operand) {
    this.name = name;
    this.operand = operand;
  }
}

export const increment = (by) => new FieldValue("$increment", by);
export const minimum = (operand) => new FieldValue("$min", operand);
export const maximum = (operand) => new FieldValue("$max", operand);
export const serverTimestamp = () => new FieldValue("$serverTimestamp", true);
export const arrayUnion = (...elements) => new FieldValue("$arrayUnion", elements);
export const arrayRemove = (...elements) => new FieldValue("$arrayRemove", elements);
export const deleteField = () => new FieldValue("$delete", true);

// ------------------------------------------------------------------------------------------------ errors

/** What WebAssembly threw, as it is thrown on: its own errors are the parts of a `BlazeError`. */
function thrown(problem) {
  return Array.isArray(problem) ? new BlazeError(...problem) : problem;
}

function attempt(call) {
  try {
    return call();
  } catch (problem) {
    throw thrown(problem);
  }
}

async function settle(call) {
  try {
    return await call();
  } catch (problem) {
    throw thrown(problem);
  }
}

/** `callback`, its exceptions reported as uncaught ones: they are the application's. */
export const guarded = (callback) => (...values) => {
  try {
    callback(...values);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
};

// ------------------------------------------------------------------------------------------------ values

const refuse = (place, what) => {
  const where = place.length ? ` (in field ${place.join(".")})` : "";
  throw new BlazeError("invalid-argument", `Unsupported field value: ${what}${where}`, 400);
};

function encodeNumber(value) {
  if (!Number.isFinite(value)) return `{"$number":"${value}"}`;
  if (Object.is(value, -0)) return "-0.0";
  const text = String(value);
  // A number is a double: beyond 2^53 it is written as one, and only a BigInt as an integer.
  return Number.isInteger(value) && !Number.isSafeInteger(value) && !text.includes("e") ? text + ".0" : text;
}

function encodeBigInt(value, place) {
  if (BigInt.asIntN(64, value) !== value) refuse(place, `${value}n, which has more than 64 bits`);
  return String(value);
}

function encodeBytes(bytes) {
  let text = "";
  // As many arguments as every engine takes.
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return `{"$bytes":"${btoa(text)}"}`;
}

function encodeObject(value, place) {
  if (Array.isArray(value)) return `[${Array.from(value, (item, index) => encode(item, [...place, index]))}]`;
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) refuse(place, "an invalid Date");
    return `{"$timestamp":"${value.toISOString()}"}`;
  }
  if (value instanceof Uint8Array) return encodeBytes(value);
  if (value instanceof DocumentReference) return `{"$ref":${JSON.stringify(value.path)}}`;
  if (value instanceof GeoPoint) return `{"$geopoint":${encode([value.latitude, value.longitude], place)}}`;
  if (value instanceof FieldValue) return `{"${value.name}":${encode(value.operand, place)}}`;
  if (!isMap(value)) refuse(place, `a ${value.constructor?.name} object`);
  return `{${Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}:${encode(item, [...place, key])}`)}}`;
}

/** Whether `value` is a plain object, of this realm or another one. */
function isMap(value) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** `value` as JSON text with Blaze's typed values; `place` is the keys that led to it. */
function encode(value, place = []) {
  if (value === null) return "null";
  switch (typeof value) {
    case "string":
      return JSON.stringify(value);
    case "boolean":
      return String(value);
    case "number":
      return encodeNumber(value);
    case "bigint":
      return encodeBigInt(value, place);
    case "object":
      return encodeObject(value, place);
    default:
      return refuse(place, value === undefined ? "undefined" : `a ${typeof value}`);
  }
}

const decoders = {
  // Engines agree on three digits after the point, and not on what more of them mean.
  $timestamp: (text) => new Date(text.replace(/(\.\d{3})\d+/, "$1")),
  $bytes: (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0)),
  $ref: (path, db) => db.doc(path),
  $geopoint: (degrees) => new GeoPoint(...degrees),
  // Beside the non-finite numbers, integers that no JavaScript number holds.
  $number: (text) => (/\d/.test(text) ? BigInt(text) : Number(text)),
};

/** The value that JSON text with typed values stands for. */
function decode(text, db) {
  return JSON.parse(text, (_, value) => {
    if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
    const [key, ...others] = Object.keys(value);
    return others.length === 0 && Object.hasOwn(decoders, key) ? decoders[key](value[key], db) : value;
  });
}

// ------------------------------------------------------------------------------------------------ documents

/** A document as it was at one moment. */
export class DocumentSnapshot {
  #json;
  #fields;

  constructor(ref, [version, hasPendingWrites, json, createTime, updateTime]) {
    this.ref = ref;
    this.id = ref.id;
    this.version = version;
    this.metadata = { hasPendingWrites };
    this.createTime = createTime && new Date(createTime);
    this.updateTime = updateTime && new Date(updateTime);
    this.#json = json;
  }
  exists() {
    return this.#json !== undefined;
  }
  data() {
    // Anew each time: who asks may change it.
    return this.exists() ? decode(this.#json, this.ref.firestore) : undefined;
  }
  get(fieldPath) {
    let value = (this.#fields ??= this.data());
    for (const key of attempt(() => fieldKeys(fieldPath))) {
      value = isMap(value) && Object.hasOwn(value, key) ? value[key] : undefined;
    }
    return value;
  }
}

/** A document of a query's result. */
export class QueryDocumentSnapshot extends DocumentSnapshot {}

/** A document, whether it exists or not. */
export class DocumentReference {
  #client;

  constructor(firestore, client, path) {
    attempt(() => checkDocument(path));
    this.firestore = firestore;
    this.path = path;
    this.id = path.slice(path.lastIndexOf("/") + 1);
    this.#client = client;
  }
  get parent() {
    return this.firestore.collection(this.path.slice(0, this.path.lastIndexOf("/")));
  }
  collection(id) {
    return this.firestore.collection(`${this.path}/${id}`);
  }
  isEqual(other) {
    return other instanceof DocumentReference && this.firestore === other.firestore && this.path === other.path;
  }
  async get() {
    return new DocumentSnapshot(this, await settle(() => this.#client.get(this.path)));
  }
  set(data, options) {
    return this.#write(options?.merge ? "merge" : "set", data);
  }
  update(first, ...rest) {
    if (typeof first !== "string") return this.#write("update", first);
    const fields = {};
    for (let at = -1; at < rest.length; at += 2) fields[at < 0 ? first : rest[at]] = rest[at + 1];
    return this.#write("update", fields);
  }
  patch(operations) {
    return this.#write("patch", operations);
  }
  delete() {
    return this.#write("delete", null);
  }
  create(data) {
    return this.#write("create", data);
  }
  async #write(kind, data) {
    const json = encode(data);
    return { version: await settle(() => this.#client.write(this.path, kind, json)) };
  }
  onUpdate(observer, onError) {
    return subscribe(this.path, observer, onError, (next, error) =>
      this.#client.listen(this.path, (parts) => next(new DocumentSnapshot(this, parts)), error),
    );
  }
}

/** Listens by `listen`, which is given callbacks; returns the function that ends it. */
function subscribe(what, observer, onError, listen) {
  const { next, error } = typeof observer === "function" ? { next: observer, error: onError } : observer;
  const failed = error?.bind(observer) ?? ((reason) => console.error(`Listening to ${what}:`, reason));
  return hold(() =>
    listen(
      guarded((snapshot) => next?.call(observer, snapshot)),
      guarded((problem) => failed(thrown(problem))),
    ),
  );
}

// ------------------------------------------------------------------------------------------------ queries

/** What a filter, an order or a cursor calls a document's id. */
export const documentId = () => "__name__";

/** A condition on a document. */
export class Filter {
  constructor(json) {
    this.json = json;
  }
}

export const where = (field, op, value) =>
  new Filter(`{"field":${encode(field)},"op":${encode(op)},"value":${encode(value)}}`);
export const and = (...filters) => new Filter(`{"and":[${filters.map(({ json }) => json)}]}`);
export const or = (...filters) => new Filter(`{"or":[${filters.map(({ json }) => json)}]}`);

/** Something that is computed over a query's documents. */
export class AggregateField {
  constructor(json) {
    this.json = json;
  }
}

export const count = () => new AggregateField('"count"');
export const sum = (field) => new AggregateField(`{"sum":${encode(field)}}`);
export const average = (field) => new AggregateField(`{"avg":${encode(field)}}`);

/** A query. It never changes: each call returns another one. */
export class Query {
  #client;
  #from;
  #filters = [];
  #orders = [];
  /** What else there is, as JSON by its name. */
  #rest = {};

  constructor(firestore, client, from) {
    this.firestore = firestore;
    this.#client = client;
    this.#from = from;
  }
  /** The same query, changed by `change`. */
  #with(change) {
    const query = new Query(this.firestore, this.#client, this.#from);
    query.#filters = [...this.#filters];
    query.#orders = [...this.#orders];
    query.#rest = { ...this.#rest };
    change(query);
    return query;
  }
  /** Sets one of two that exclude each other; in the order of their names, so that equal queries are equal texts. */
  #set(name, value, instead) {
    return this.#with((query) => {
      delete query.#rest[instead];
      const entries = Object.entries({ ...query.#rest, [name]: value });
      query.#rest = Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
    });
  }
  #bound(name, values, instead) {
    const [doc] = values;
    if (!(doc instanceof DocumentSnapshot)) return this.#set(name, encode(values), instead);
    const place = attempt(() => cursorOf(this.#json(), doc.ref.path, encode(doc.data() ?? {})));
    return this.#set(name, place, instead);
  }
  #json() {
    const filters = this.#filters.length > 1 ? and(...this.#filters).json : this.#filters[0]?.json;
    const fields = { from: this.#from, where: filters, ...this.#rest };
    if (this.#orders.length) fields.orderBy = `[${this.#orders}]`;
    const present = Object.entries(fields).filter(([, json]) => json !== undefined);
    return `{${present.map(([name, json]) => `"${name}":${json}`)}}`;
  }
  where(field, op, value) {
    const filter = field instanceof Filter ? field : where(field, op, value);
    return this.#with((query) => query.#filters.push(filter));
  }
  orderBy(field, direction = "asc") {
    const order = `{"field":${encode(field)},"direction":${encode(direction)}}`;
    return this.#with((query) => query.#orders.push(order));
  }
  limit(count) {
    return this.#set("limit", encode(count), "limitToLast");
  }
  limitToLast(count) {
    return this.#set("limitToLast", encode(count), "limit");
  }
  offset(count) {
    return this.#set("offset", encode(count));
  }
  startAt(...values) {
    return this.#bound("startAt", values, "startAfter");
  }
  startAfter(...values) {
    return this.#bound("startAfter", values, "startAt");
  }
  endAt(...values) {
    return this.#bound("endAt", values, "endBefore");
  }
  endBefore(...values) {
    return this.#bound("endBefore", values, "endAt");
  }
  select(...fields) {
    return this.#set("select", encode(fields));
  }
  isEqual(other) {
    return other instanceof Query && this.firestore === other.firestore && this.#json() === other.#json();
  }
  async get() {
    return new QuerySnapshot(this, await settle(() => this.#client.getQuery(this.#json())));
  }
  async aggregate(fields) {
    const wanted = Object.entries(fields).map(([name, { json }]) => `${JSON.stringify(name)}:${json}`);
    const json = `{${wanted}}`;
    return decode(await settle(() => this.#client.aggregate(this.#json(), json)), this.firestore);
  }
  async count() {
    return (await this.aggregate({ value: count() })).value;
  }
  async sum(field) {
    return (await this.aggregate({ value: sum(field) })).value;
  }
  async average(field) {
    return (await this.aggregate({ value: average(field) })).value;
  }
  onUpdate(observer, onError) {
    const json = this.#json();
    return subscribe(json, observer, onError, (next, error) =>
      this.#client.listenQuery(json, (docs, changes) => next(new QuerySnapshot(this, docs, changes)), error),
    );
  }
}

/** A query's result as it was at one moment. */
export class QuerySnapshot {
  #parts;
  #changes;
  #docs;

  constructor(query, parts, changes) {
    this.query = query;
    this.size = parts.length;
    this.empty = parts.length === 0;
    this.metadata = { hasPendingWrites: parts.some(([, hasPendingWrites]) => hasPendingWrites) };
    this.#parts = parts;
    this.#changes = changes;
  }
  #doc(parts) {
    return new QueryDocumentSnapshot(this.query.firestore.doc(parts[5]), parts);
  }
  get docs() {
    return (this.#docs ??= this.#parts.map((parts) => this.#doc(parts)));
  }
  forEach(callback, thisArg) {
    this.docs.forEach((doc) => callback.call(thisArg, doc));
  }
  docChanges() {
    // Without a snapshot before, everything was added.
    const changes = this.#changes ?? this.#parts.flatMap((parts, index) => ["added", parts, -1, index]);
    return Array.from({ length: changes.length / 4 }, (_, number) => {
      const [type, parts, oldIndex, newIndex] = changes.slice(number * 4, number * 4 + 4);
      return { type, doc: this.#doc(parts), oldIndex, newIndex };
    });
  }
}

/** Some documents, by their ids, and the query for all of them. */
export class CollectionReference extends Query {
  constructor(firestore, client, path) {
    attempt(() => checkCollection(path));
    super(firestore, client, encode(path));
    this.path = path;
    this.id = path.slice(path.lastIndexOf("/") + 1);
  }
  doc(id = newId()) {
    return this.firestore.doc(`${this.path}/${id}`);
  }
  async add(data) {
    const doc = this.doc();
    await doc.create(data);
    return doc;
  }
}

/** A database. */
export class Blaze {
  #client;

  constructor(client, url, persistence) {
    this.#client = client;
    this.auth = new Auth(url, persistence, (token) => this.setToken(token));
  }
  setToken(token) {
    attempt(() => this.#client.setToken(tokenSource(token)));
  }
  collection(path) {
    return new CollectionReference(this, this.#client, path);
  }
  collectionGroup(id) {
    return new Query(this, this.#client, `{"group":${encode(id)}}`);
  }
  doc(path) {
    return new DocumentReference(this, this.#client, path);
  }
  onConnection(callback) {
    return hold(() =>
      this.#client.onConnection(guarded((state, retryInMs) => callback({ state, retryInMs }))),
    );
  }
  close() {
    this.auth.close();
    this.#client.close();
  }
}

/** What gives tokens, as WebAssembly takes it: it says in words why there is none. */
function tokenSource(token) {
  if (typeof token !== "function") return token;
  return async (fresh) => {
    try {
      return await token(fresh);
    } catch (error) {
      throw String(error?.message ?? error);
    }
  };
}

/** Subscriptions that nobody has ended: what nothing refers to, the garbage collector would end. */
const subscriptions = new Set();

/** Makes a subscription; returns the function that ends it. */
function hold(subscribe) {
  const subscription = attempt(subscribe);
  subscriptions.add(subscription);
  return () => {
    if (subscriptions.delete(subscription)) subscription.free();
  };
}

// ------------------------------------------------------------------------------------------------ connecting

/** The database at `url`. Makes no request to it. `own` is the WebAssembly that another entry of the package has. */
export async function connect(url, { token, persistence = "local", wasm } = {}, own) {
  await load(wasm ?? own);
  const db = new Blaze(
    attempt(() => new Client(url, tokenSource(token))),
    url,
    persistence,
  );
  if (token === undefined) db.auth.resume();
  return db;
}
