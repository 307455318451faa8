// Blaze's client. The work is done in WebAssembly (blaze_client.js and blaze_client_bg.wasm, generated from Rust);
// this file gives it the shape that JavaScript expects: classes, callbacks and converters.
import { Client, checkCollection, checkDocument, cursorOf, fieldKeys, newId } from "./blaze_client.js";
import { Auth } from "./auth.js";
import { applied, callbackOf, counted, flagOf, guarded, invalid, optionsOf, strict, textOf, thrown, typeName } from "./errors.js";
import { load } from "./load.js";
import { FieldValue, Timestamp, decode, encode, isMap } from "./values.js";

export { BlazeError } from "./errors.js";
export { FieldValue, GeoPoint, Timestamp } from "./values.js";

export const increment = counted("increment", 1, (by) => new FieldValue("$increment", by));
export const minimum = counted("minimum", 1, (operand) => new FieldValue("$min", operand));
export const maximum = counted("maximum", 1, (operand) => new FieldValue("$max", operand));
export const serverTimestamp = counted("serverTimestamp", 0, () => new FieldValue("$serverTimestamp", true));
export const arrayUnion = (...elements) => new FieldValue("$arrayUnion", elements);
export const arrayRemove = (...elements) => new FieldValue("$arrayRemove", elements);
export const deleteField = counted("deleteField", 0, () => new FieldValue("$delete", true));

// ------------------------------------------------------------------------------------------------ documents

/** The data of snapshots as JSON text: every digit of it, where the decoded data may have lost some. */
const stored = new WeakMap();

/** A document as it was at one moment. */
export class DocumentSnapshot {
  #parts;
  #fields;

  constructor(ref, parts) {
    const [version, hasPendingWrites, json] = parts;
    this.ref = ref;
    this.id = ref.id;
    this.version = version;
    this.metadata = Object.freeze({ hasPendingWrites });
    this.#parts = parts;
    stored.set(this, json);
  }
  get createTime() {
    return timestamp(this.#parts[3]);
  }
  get updateTime() {
    return timestamp(this.#parts[4]);
  }
  exists() {
    return stored.get(this) !== undefined;
  }
  data(options) {
    optionsOf(options, "data", []);
    if (!this.exists()) return undefined;
    const { converter } = this.ref;
    if (!converter) return this.#decoded();
    const plain = new QueryDocumentSnapshot(this.ref.withConverter(null), this.#parts);
    return applied("fromFirestore", () => converter.fromFirestore(plain));
  }
  get(fieldPath) {
    const keys = fieldKeys(textOf(fieldPath, "get: fieldPath"));
    const find = (fields) => keys.reduce(child, fields);
    const found = find((this.#fields ??= this.#decoded()));
    // An object is handed out anew each time: the caller may change it.
    return typeof found === "object" && found !== null ? find(this.#decoded()) : found;
  }
  #decoded() {
    return this.exists() ? decode(stored.get(this), this.ref.firestore) : undefined;
  }
}

const child = (map, key) => (isMap(map) && Object.hasOwn(map, key) ? map[key] : undefined);
const timestamp = (text) => text && new Timestamp(text);

/** A document of a query's result. */
export class QueryDocumentSnapshot extends DocumentSnapshot {}

/** Checks a converter; `null` is none. */
function converterOf(value) {
  if (value === null) return null;
  if (typeof value !== "object") throw invalid(`withConverter: ${typeName(value)} is no converter`);
  for (const name of ["toFirestore", "fromFirestore"]) callbackOf(value[name], `withConverter: ${name}`);
  return value;
}

/** The data that a converter makes of an application's object. */
const converted = (converter, ...values) =>
  converter ? applied("toFirestore", () => converter.toFirestore(...values)) : values[0];

/** Checks the options of a `set`. */
function setOptionsOf(value) {
  const options = optionsOf(value, "set", ["merge", "mergeFields"]);
  const merge = flagOf(options.merge, "set: merge");
  if (options.mergeFields === undefined) return { merge };
  if (options.merge !== undefined) throw invalid("set: merge and mergeFields exclude each other");
  if (!Array.isArray(options.mergeFields)) throw invalid(`set: mergeFields: ${typeName(options.mergeFields)} is not an array`);
  return { fields: options.mergeFields.map((path, index) => textOf(path, `set: mergeFields[${index}]`)) };
}

/** The fields of an update: an object of them, or field paths and values in turn. */
function updateOf(values) {
  const [first, ...rest] = values;
  if (isMap(first)) {
    if (rest.length) throw invalid(`update: ${values.length} arguments, of 1 at most with an object of fields`);
    return first;
  }
  if (!values.length || values.length % 2) throw invalid("update: neither an object of fields, nor field paths with a value each");
  const fields = new Map();
  for (let at = 0; at < values.length; at += 2) {
    const path = textOf(values[at], `update: argument ${at + 1}`);
    if (fields.has(path)) throw invalid(`update: the field ${path} is named twice`);
    fields.set(path, values[at + 1]);
  }
  // Not by assignment, of which `__proto__` would make something else.
  return Object.fromEntries(fields);
}

/** A document, whether it exists or not. */
export class DocumentReference {
  #client;

  constructor(firestore, client, path, converter = null) {
    checkDocument(path);
    this.firestore = firestore;
    this.path = path;
    this.id = path.slice(path.lastIndexOf("/") + 1);
    this.converter = converter;
    this.#client = client;
  }
  get parent() {
    const collection = this.firestore.collection(this.path.slice(0, this.path.lastIndexOf("/")));
    return this.converter ? collection.withConverter(this.converter) : collection;
  }
  withConverter(converter) {
    return new DocumentReference(this.firestore, this.#client, this.path, converterOf(converter));
  }
  collection(id) {
    return this.firestore.collection(`${this.path}/${textOf(id, "collection: id")}`);
  }
  isEqual(other) {
    const isSame = (name) => this[name] === other[name];
    return other instanceof DocumentReference && ["firestore", "path", "converter"].every(isSame);
  }
  async get() {
    return new DocumentSnapshot(this, await this.#client.get(this.path));
  }
  async set(data, options) {
    const { merge, fields } = setOptionsOf(options);
    const plain = converted(this.converter, data, ...(options === undefined ? [] : [options]));
    return this.#write(fields ? "mergeFields" : merge ? "merge" : "set", plain, fields);
  }
  async update(...values) {
    return this.#write("update", updateOf(values));
  }
  async patch(operations) {
    return this.#write("patch", operations);
  }
  async delete() {
    return this.#write("delete", null);
  }
  async create(data) {
    return this.#write("create", converted(this.converter, data));
  }
  async #write(kind, data, fields = []) {
    return { version: await this.#client.write(this.path, kind, encode(data, "data"), JSON.stringify(fields)) };
  }
  onUpdate(...values) {
    return subscribe(this.path, values, (next, error, metadata) =>
      this.#client.listen(this.path, (parts) => next(new DocumentSnapshot(this, parts)), error, metadata),
    );
  }
}

strict(DocumentReference, {
  direct: { collection: 1, withConverter: 1, isEqual: 1, onUpdate: 3 },
  promised: { get: 0, set: 2, update: Infinity, patch: 1, delete: 0, create: 1 },
});
strict(DocumentSnapshot, { direct: { exists: 0, data: 1, get: 1 } });
DocumentReference.prototype.onSnapshot = DocumentReference.prototype.onUpdate;

// ------------------------------------------------------------------------------------------------ listeners

const CALLBACKS = ["next", "error", "complete"];

/** Checks the arguments of `onUpdate`: `(next, error)` or `(observer)`, and options before either. */
function observerOf(values) {
  const hasCallback = (value) => CALLBACKS.some((name) => typeof value[name] === "function");
  const isOptions = typeof values[0] === "object" && values[0] !== null && !hasCallback(values[0]);
  const options = isOptions ? optionsOf(values[0], "onUpdate", ["includeMetadataChanges"]) : {};
  const metadata = flagOf(options.includeMetadataChanges, "onUpdate: includeMetadataChanges");
  const [first, error, ...more] = isOptions ? values.slice(1) : values;
  const observer = typeof first === "object" && first !== null ? first : { next: first, error };
  const surplus = observer === first ? [error, ...more] : more;
  if (surplus.some((value) => value !== undefined)) throw invalid("onUpdate: more arguments than callbacks that it has");
  // Other libraries' observers have members of their own.
  if (isMap(observer)) optionsOf(observer, "onUpdate", CALLBACKS);
  callbackOf(observer.next, "onUpdate: next");
  for (const name of ["error", "complete"]) observer[name] === undefined || callbackOf(observer[name], `onUpdate: ${name}`);
  return { observer, metadata };
}

/** Listens by `listen`, which is given callbacks; returns the function that ends it. */
function subscribe(what, values, listen) {
  const { observer, metadata } = observerOf(values);
  const failed = observer.error?.bind(observer) ?? ((reason) => console.error(`Listening to ${what}:`, reason));
  return hold(() =>
    listen(
      guarded((snapshot) => observer.next(snapshot)),
      guarded((problem) => failed(thrown(problem))),
      metadata,
    ),
  );
}

/** Subscriptions that nobody has ended: what nothing refers to, the garbage collector would end. */
const subscriptions = new Set();

/** Makes a subscription; returns the function that ends it. */
function hold(subscribe) {
  const subscription = subscribe();
  subscriptions.add(subscription);
  return () => {
    if (subscriptions.delete(subscription)) subscription.free();
  };
}

// ------------------------------------------------------------------------------------------------ queries

/** What a filter, an order or a cursor calls a document's id. */
export const documentId = counted("documentId", 0, () => "__name__");

/** A condition on a document. */
export class Filter {
  constructor(json) {
    this.json = json;
  }
}

// Texts of a query are checked to be texts; their meaning is the server's to check, when the query is used.
const jsonOf = (text, name) => JSON.stringify(textOf(text, name));
const fieldOf = (path, name) => jsonOf(path, `${name}: fieldPath`);

/** Checks a number of documents, and gives its JSON. */
function countOf(value, name) {
  const isCount = typeof value === "bigint" ? BigInt.asUintN(63, value) === value : Number.isSafeInteger(value) && value >= 0;
  if (!isCount) {
    const given = typeof value === "number" || typeof value === "bigint" ? value : typeName(value);
    throw invalid(`${name}: ${given} is not a whole number from 0 to ${Number.MAX_SAFE_INTEGER}, or a bigint`);
  }
  return String(value);
}

/** Checks that all of `values` are filters, and gives their JSON. */
const filtersOf = (values, name) =>
  values.map((value, index) => {
    if (!(value instanceof Filter)) throw invalid(`${name}: argument ${index + 1}: ${typeName(value)} is no filter`);
    return value.json;
  });

export const where = counted("where", 3, (field, op, value) => {
  const [name, operator] = [fieldOf(field, "where"), jsonOf(op, "where: op")];
  return new Filter(`{"field":${name},"op":${operator},"value":${encode(value, `where: ${field}`)}}`);
});
export const and = (...filters) => new Filter(`{"and":[${filtersOf(filters, "and")}]}`);
export const or = (...filters) => new Filter(`{"or":[${filtersOf(filters, "or")}]}`);

/** Something that is computed over a query's documents. */
export class AggregateField {
  constructor(json) {
    this.json = json;
  }
}

export const count = counted("count", 0, () => new AggregateField('"count"'));
export const sum = counted("sum", 1, (field) => new AggregateField(`{"sum":${fieldOf(field, "sum")}}`));
export const average = counted("average", 1, (field) => new AggregateField(`{"avg":${fieldOf(field, "average")}}`));

/** A query. It never changes: each call returns another one. */
export class Query {
  #client;
  #from;
  #filters = [];
  #orders = [];
  /** What else there is, as JSON by its name. */
  #rest = {};

  constructor(firestore, client, from, converter = null) {
    this.firestore = firestore;
    this.converter = converter;
    this.#client = client;
    this.#from = from;
  }
  /** The same query, changed by `change`. */
  #with(change, converter = this.converter) {
    const query = new Query(this.firestore, this.#client, this.#from, converter);
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
    if (!values.length) throw invalid(`${name}: neither a snapshot nor values`);
    if (!(doc instanceof DocumentSnapshot)) return this.#set(name, encode(values, name), instead);
    if (values.length > 1) throw invalid(`${name}: ${values.length} arguments, of 1 at most with a snapshot`);
    return this.#set(name, cursorOf(this.#json(), doc.ref.path, stored.get(doc) ?? "{}"), instead);
  }
  #json() {
    const filters = this.#filters.length > 1 ? and(...this.#filters).json : this.#filters[0]?.json;
    const fields = { from: this.#from, where: filters, ...this.#rest };
    if (this.#orders.length) fields.orderBy = `[${this.#orders}]`;
    const present = Object.entries(fields).filter(([, json]) => json !== undefined);
    return `{${present.map(([name, json]) => `"${name}":${json}`)}}`;
  }
  withConverter(converter) {
    return this.#with(() => {}, converterOf(converter));
  }
  where(...values) {
    if (values[0] instanceof Filter && values.length > 1) throw invalid(`where: ${values.length} arguments, of 1 at most with a filter`);
    const filter = values[0] instanceof Filter ? values[0] : where(...values);
    return this.#with((query) => query.#filters.push(filter));
  }
  orderBy(field, direction = "asc") {
    const order = `{"field":${fieldOf(field, "orderBy")},"direction":${jsonOf(direction, "orderBy: direction")}}`;
    return this.#with((query) => query.#orders.push(order));
  }
  limit(count) {
    return this.#set("limit", countOf(count, "limit"), "limitToLast");
  }
  limitToLast(count) {
    return this.#set("limitToLast", countOf(count, "limitToLast"), "limit");
  }
  offset(count) {
    return this.#set("offset", countOf(count, "offset"));
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
    return this.#set("select", `[${fields.map((field) => fieldOf(field, "select"))}]`);
  }
  isEqual(other) {
    const isSame = (name) => this[name] === other[name];
    return other instanceof Query && ["firestore", "converter"].every(isSame) && this.#json() === other.#json();
  }
  async get() {
    return new QuerySnapshot(this, await this.#client.getQuery(this.#json()));
  }
  async aggregate(fields) {
    if (!isMap(fields)) throw invalid(`aggregate: ${typeName(fields)} is not an object of aggregates`);
    const wanted = Object.entries(fields).map(([name, field]) => {
      textOf(name, "aggregate: a name");
      if (!(field instanceof AggregateField)) throw invalid(`aggregate: ${name}: ${typeName(field)} is no aggregate`);
      return `${JSON.stringify(name)}:${field.json}`;
    });
    const answer = await this.#client.aggregate(this.#json(), `{${wanted}}`);
    // Each value by itself: names that begin with `$` do not make typed values.
    const place = (name) => answer.findIndex((text, at) => at % 2 === 0 && text === name);
    return Object.fromEntries(Object.keys(fields).map((name) => [name, decode(answer[place(name) + 1], this.firestore)]));
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
  onUpdate(...values) {
    const json = this.#json();
    return subscribe(json, values, (next, error, metadata) => {
      const told = (docs, changes) => next(new QuerySnapshot(this, docs, { changes, metadata }));
      return this.#client.listenQuery(json, told, error, metadata);
    });
  }
}

strict(Query, {
  direct: {
    withConverter: 1,
    where: 3,
    orderBy: 2,
    limit: 1,
    limitToLast: 1,
    offset: 1,
    startAt: Infinity,
    startAfter: Infinity,
    endAt: Infinity,
    endBefore: Infinity,
    select: Infinity,
    isEqual: 1,
    onUpdate: 3,
  },
  promised: { get: 0, aggregate: 1, count: 0, sum: 1, average: 1 },
});
Query.prototype.onSnapshot = Query.prototype.onUpdate;

/** A query's result as it was at one moment. */
export class QuerySnapshot {
  #parts;
  #listened;
  #docs;

  constructor(query, parts, listened = {}) {
    this.query = query;
    this.size = parts.length;
    this.empty = parts.length === 0;
    this.metadata = Object.freeze({ hasPendingWrites: parts.some(([, hasPendingWrites]) => hasPendingWrites) });
    this.#parts = parts;
    this.#listened = listened;
  }
  #doc(parts) {
    const { firestore, converter } = this.query;
    const ref = firestore.doc(parts[5]);
    return new QueryDocumentSnapshot(converter ? ref.withConverter(converter) : ref, parts);
  }
  get docs() {
    this.#docs ??= this.#parts.map((parts) => this.#doc(parts));
    return [...this.#docs];
  }
  forEach(callback, thisArg) {
    callbackOf(callback, "forEach");
    this.docs.forEach((doc) => callback.call(thisArg, doc));
  }
  docChanges(options) {
    const { includeMetadataChanges } = optionsOf(options, "docChanges", ["includeMetadataChanges"]);
    const metadata = flagOf(includeMetadataChanges, "docChanges: includeMetadataChanges");
    if (metadata && !this.#listened.metadata) {
      throw invalid("docChanges: includeMetadataChanges: the listener was not begun with this option");
    }
    // Without a snapshot before, everything was added.
    const changes = this.#listened.changes ?? this.#parts.flatMap((parts, index) => ["added", parts, -1, index]);
    const all = Array.from({ length: changes.length / 4 }, (_, number) => changes.slice(number * 4, number * 4 + 4));
    return all
      .filter(([type]) => metadata || type !== "metadata")
      .map(([type, parts, oldIndex, newIndex]) => {
        return { type: type === "metadata" ? "modified" : type, doc: this.#doc(parts), oldIndex, newIndex };
      });
  }
}

// Not `forEach`, which throws what the application's callback throws.
strict(QuerySnapshot, { direct: { docChanges: 1 } });

/** Some documents, by their ids, and the query for all of them. */
export class CollectionReference extends Query {
  #client;

  constructor(firestore, client, path, converter) {
    checkCollection(path);
    super(firestore, client, JSON.stringify(path), converter);
    this.path = path;
    this.id = path.slice(path.lastIndexOf("/") + 1);
    this.#client = client;
  }
  get parent() {
    const end = this.path.lastIndexOf("/");
    return end < 0 ? null : this.firestore.doc(this.path.slice(0, end));
  }
  withConverter(converter) {
    return new CollectionReference(this.firestore, this.#client, this.path, converterOf(converter));
  }
  doc(...values) {
    const id = values.length ? textOf(values[0], "doc: id") : newId();
    return new DocumentReference(this.firestore, this.#client, `${this.path}/${id}`, this.converter);
  }
  async add(data) {
    const doc = this.doc();
    await doc.create(data);
    return doc;
  }
}

strict(CollectionReference, { direct: { withConverter: 1, doc: 1 }, promised: { add: 1 } });

// ------------------------------------------------------------------------------------------------ connecting

/** A database. */
export class Blaze {
  #client;

  constructor(client, url, persistence) {
    this.#client = client;
    this.auth = new Auth(url, persistence, (token) => this.setToken(token));
  }
  setToken(token) {
    this.#client.setToken(tokenSource(token));
  }
  collection(path) {
    return new CollectionReference(this, this.#client, textOf(path, "collection: path"));
  }
  collectionGroup(id) {
    return new Query(this, this.#client, `{"group":${jsonOf(id, "collectionGroup: id")}}`);
  }
  doc(path) {
    return new DocumentReference(this, this.#client, textOf(path, "doc: path"));
  }
  onConnection(callback) {
    callbackOf(callback, "onConnection");
    return hold(() =>
      this.#client.onConnection(
        guarded((state, retryInMs, error) => callback({ state, retryInMs, error: error && thrown(error) })),
      ),
    );
  }
  reconnect() {
    this.#client.reconnect();
  }
  close() {
    this.auth.close();
    this.#client.close();
  }
}

strict(Blaze, { direct: { setToken: 1, collection: 1, collectionGroup: 1, doc: 1, onConnection: 1, reconnect: 0, close: 0 } });

/** Checks a token, or what was given for one. */
const tokenOf = (token) => (token === null ? null : textOf(token, "token"));

/** The source of tokens as WebAssembly takes it: a function gives a promise that is rejected with the reason in words. */
function tokenSource(token) {
  if (typeof token !== "function") return tokenOf(token);
  return async (fresh) => {
    try {
      return tokenOf((await token(fresh)) ?? null);
    } catch (error) {
      throw String(error?.message ?? error);
    }
  };
}

const PERSISTENCES = ["local", "session", "none"];

/** The database at `url`. Makes no request to it. `own` is the WebAssembly that another entry of the package has. */
export async function connect(url, options, own) {
  try {
    const { token, persistence = "local", wasm } = optionsOf(options, "connect", ["token", "persistence", "wasm"]);
    if (!PERSISTENCES.includes(textOf(persistence, "connect: persistence"))) {
      throw invalid(`connect: persistence: ${JSON.stringify(persistence)} is none of ${PERSISTENCES.join(", ")}`);
    }
    // A `URL`, of whatever realm.
    const address = textOf(typeof url?.href === "string" ? url.href : url, "connect: url");
    const source = tokenSource(token ?? null);
    await load(wasm ?? own);
    const db = new Blaze(new Client(address, source), address, persistence);
    if (token === undefined) db.auth.resume();
    return db;
  } catch (problem) {
    throw thrown(problem);
  }
}
