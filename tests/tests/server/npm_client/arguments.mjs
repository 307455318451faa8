// Wrong arguments: each is refused with a `BlazeError` that names it, and nothing is written.
import { test } from "node:test";
import assert from "node:assert/strict";
import * as blaze from "blaze-client";
import { URL as address, db, fresh, refused } from "./support.mjs";

const { GeoPoint, Timestamp, connect, count, documentId, increment, where } = blaze;
const col = fresh();
const doc = col.doc("a");
await doc.set({ a: 1, b: 1 });

const CUT = "a\ud83d";
/** Values that are no text, and texts that are none in UTF-8. */
const NO_TEXT = [undefined, null, 5, 5n, true, {}, [], () => "a", Symbol("a"), new String("a"), CUT, "\udc00b"];

test("ids, paths and field paths are texts", async () => {
  const calls = {
    "doc: id": (value) => col.doc(value),
    "doc: path": (value) => db.doc(value),
    "collection: path": (value) => db.collection(value),
    "collection: id": (value) => doc.collection(value),
    "collectionGroup: id": (value) => db.collectionGroup(value),
    "where: fieldPath": (value) => where(value, "==", 1),
    "orderBy: fieldPath": (value) => col.orderBy(value),
    "select: fieldPath": (value) => col.select("a", value),
    "sum: fieldPath": (value) => blaze.sum(value),
    "average: fieldPath": (value) => col.average(value),
    "get: fieldPath": async (value) => (await doc.get()).get(value),
    "set: mergeFields[1]": (value) => doc.set({ a: 2 }, { mergeFields: ["a", value] }),
    "argument 3": (value) => doc.update("a", 2, value, 3),
    "email": (value) => db.auth.signIn(value, "password"),
    "password": (value) => db.auth.signUp("a@example.com", value),
    "provider": (value) => db.auth.signInWithRedirect(value),
    "connect: url": (value) => connect(value),
    "Timestamp": (value) => new Timestamp(value),
  };
  for (const [name, call] of Object.entries(calls)) {
    for (const value of NO_TEXT) await refused(() => call(value), name);
  }
  // Two cut halves of different characters are not one id.
  await refused(() => col.doc("a\ud83d"), "surrogate");
  for (const whole of ["a😀", "é", "\u{10ffff}", "__", "a b"]) assert.equal(col.doc(whole).id, whole);
  assert.match(col.doc().id, /^[0-9A-Z]{26}$/);
  assert.notEqual(col.doc().id, col.doc().id);
});

test("paths that lead nowhere", async () => {
  for (const path of ["", "a", "a/b/c", "a//b", "/a/b", "a/..", "a/__b__", "a/.", `a/${"x".repeat(1501)}`]) {
    await refused(() => db.doc(path), "path");
  }
  for (const path of ["", "a/b", "a//", "..", "__a__"]) await refused(() => db.collection(path), "path");
  await refused(() => col.doc(""), "path");
  await refused(() => doc.collection(""), "path");
  await refused(() => db.collectionGroup("a/b").get(), /group|path|from/);
  await refused(() => col.where("a..b", "==", 1).get(), "a..b");
  await refused(async () => (await doc.get()).get("a..b"), "a..b");
});

test("options are known, and of the right type", async () => {
  for (const [options, name] of [
    [{ mergeField: ["a"] }, "mergeField"],
    [{ Merge: true }, "Merge"],
    [{ merge: "true" }, "merge"],
    [{ merge: 1 }, "merge"],
    [{ merge: null }, "merge"],
    [{ mergeFields: "a" }, "mergeFields"],
    [{ mergeFields: null }, "mergeFields"],
    [{ merge: true, mergeFields: ["a"] }, "mergeFields"],
    [null, "set"],
    [true, "set"],
    ["merge", "set"],
  ]) {
    await refused(() => doc.set({ b: { c: 2 } }, options), name);
  }
  for (const [options, name] of [
    [{ source: "cache" }, "source"],
    [{ includeMetadataChanges: 1 }, "includeMetadataChanges"],
    [{ includemetadatachanges: true }, "includemetadatachanges"],
  ]) {
    for (const it of [doc, col]) {
      await refused(() => it.onUpdate(options, () => {}), name);
      await refused(() => it.onSnapshot(options, { next() {} }), name);
    }
  }
  await refused(() => connect(address, { tokens: "a" }), "tokens");
  await refused(() => connect(address, { persistence: "forever" }), "forever");
  await refused(() => connect(address, { persistence: null }), "persistence");
  await refused(() => connect(address, null), "connect");
  await refused(() => connect(address, "token"), "connect");
  const [snapshot, result] = [await doc.get(), await col.get()];
  await refused(() => snapshot.data({ serverTimestamps: "none" }), "serverTimestamps");
  await refused(() => result.docChanges({ includeMetadataChanges: true }), "includeMetadataChanges");
  await refused(() => result.docChanges({ metadata: true }), "metadata");
});

test("more arguments than a call takes", async () => {
  const snapshot = await doc.get();
  const result = await col.get();
  for (const [name, call] of [
    ["doc", () => col.doc("a", "b")],
    ["doc", () => db.doc("a/b", "c")],
    ["collection", () => db.collection("a", "b", "c")],
    ["collection", () => doc.collection("a", "b")],
    ["collectionGroup", () => db.collectionGroup("a", "b")],
    ["get", () => doc.get({ source: "server" })],
    ["set", () => doc.set({}, {}, {})],
    ["create", () => doc.create({}, { merge: true })],
    ["update", () => doc.update({ a: 2 }, { lastUpdateTime: 1 })],
    ["delete", () => doc.delete({ ifVersion: 3 })],
    ["patch", () => doc.patch([], {})],
    ["onUpdate", () => doc.onUpdate(() => {}, () => {}, () => {})],
    ["onUpdate", () => doc.onUpdate({ next() {} }, () => {})],
    ["get", () => col.get({ source: "cache" })],
    ["count", () => col.count(5)],
    ["sum", () => col.sum("a", "b")],
    ["aggregate", () => col.aggregate({ n: count() }, {})],
    ["limit", () => col.limit(1, 2)],
    ["orderBy", () => col.orderBy("a", "asc", "b")],
    ["where", () => col.where("a", "==", 1, 2)],
    ["where", () => col.where(where("a", "==", 1), 2)],
    ["startAt", () => col.startAt(snapshot, 2)],
    ["add", () => col.add({}, {})],
    ["exists", () => snapshot.exists("a")],
    ["docChanges", () => result.docChanges({}, 1)],
    ["increment", () => increment(1, 2)],
    ["documentId", () => documentId("a")],
    ["setToken", () => db.setToken(null, "a")],
    ["signIn", () => db.auth.signIn("a@example.com", "b", { remember: true })],
    ["signOut", () => db.auth.signOut(true)],
  ]) {
    await refused(call, name);
  }
});

test("arguments that are missing or of another type", async () => {
  for (const [name, call] of [
    ["data", () => doc.set()],
    ["data", () => doc.set(null)],
    ["data", () => doc.set([1])],
    ["data", () => doc.set("text")],
    ["data", () => doc.set(new Date())],
    ["data", () => doc.create()],
    ["data", () => col.add()],
    ["update", () => doc.update()],
    ["update", () => doc.update(null)],
    ["update", () => doc.update("a")],
    ["update", () => doc.update("a", 1, "b")],
    ["named twice", () => doc.update("a", 1, "a", 2)],
    ["data", () => doc.patch()],
    ["operations", () => doc.patch({ op: "remove", path: "/a" })],
    ["next", () => doc.onUpdate()],
    ["next", () => doc.onUpdate(null)],
    ["next", () => doc.onUpdate("callback")],
    ["next", () => col.onUpdate({})],
    ["next", () => col.onUpdate({ error() {} })],
    ["next", () => col.onUpdate({ includeMetadataChanges: true })],
    ["error", () => doc.onUpdate(() => {}, "error")],
    ["error", () => doc.onUpdate({ next() {}, error: 5 })],
    ["onNext", () => doc.onUpdate({ next() {}, onNext() {} })],
    ["onConnection", () => db.onConnection()],
    ["onAuthStateChanged", () => db.auth.onAuthStateChanged()],
    ["token", () => db.setToken()],
    ["token", () => db.setToken(5)],
    ["token", () => connect(address, { token: {} })],
    ["token", () => connect(address, { token: CUT })],
    ["url", () => connect()],
    ["url", () => connect("ftp://example.com")],
    ["url", () => connect("localhost:8787")],
    ["url", () => connect(`${address}?a=1`)],
    ["url", () => connect(`${address}/#a`)],
    ["url", () => connect("http://")],
    ['"="', () => col.where("a", "=", 1).get()],
    ['"==="', () => col.where("a", "===", 1).count()],
    ["where: op", () => col.where("a", null, 1)],
    ["where: op", () => where("a", undefined, 1)],
    ["where: a", () => col.where("a", "==")],
    ["where: a", () => col.where("a", "==", undefined)],
    ["where: a[1]", () => col.where("a", "in", [1, undefined])],
    ['"up"', () => col.orderBy("a", "up").get()],
    ['"DESC"', () => col.orderBy("a", "DESC").get()],
    ["direction", () => col.orderBy("a", null)],
    ["no filter", () => blaze.and(where("a", "==", 1), { json: "{}" })],
    ["no filter", () => blaze.or("a")],
    ["aggregate", () => col.aggregate()],
    ["aggregate", () => col.aggregate([count()])],
    ["aggregate: n", () => col.aggregate({ n: "count" })],
    ["aggregate", () => col.aggregate({ [CUT]: count() })],
    ["startAt", () => col.orderBy("a").startAt()],
    ["startAfter[0]", () => col.orderBy("a").startAfter(undefined)],
    ["endAt[1]", () => col.orderBy("a").orderBy("b").endAt(1, CUT)],
    ["forEach", async () => (await col.get()).forEach()],
    ["withConverter", () => doc.withConverter()],
    ["toFirestore", () => col.withConverter({})],
    ["fromFirestore", () => col.withConverter({ toFirestore() {} })],
    ["latitude", () => new GeoPoint("48", 2)],
    ["latitude", () => new GeoPoint(90.5, 2)],
    ["longitude", () => new GeoPoint(48, NaN)],
    ["longitude", () => new GeoPoint(48)],
    ["Timestamp", () => new Timestamp("yesterday")],
  ]) {
    await refused(call, name);
  }
  for (const name of ["limit", "limitToLast", "offset"]) {
    for (const value of [undefined, null, "x", "1", -1, 1.5, NaN, Infinity, 2 ** 53, 2n ** 63n, -1n, {}, [1]]) {
      await refused(() => col[name](value), name);
    }
  }
});

test("values that no document can hold", async () => {
  const circle = { list: [] };
  circle.list.push(circle);
  const nested = (levels) => (levels ? [nested(levels - 1)] : 1);
  let deep = 1;
  for (let level = 0; level < 20_000; level += 1) deep = [deep];
  class Own {}
  const throws = {
    get a() {
      throw new RangeError("from a getter");
    },
  };
  for (const [name, value] of [
    ["data.v: undefined", undefined],
    ["data.v[0].b: undefined", [{ b: undefined }]],
    ["data.v[1]: undefined", [1, , 2]],
    ["data.v: a function", () => 1],
    ["data.v: a symbol", Symbol("a")],
    ["data.v: a Own object", new Own()],
    ["data.v: a Map object", new Map()],
    ["data.v: a RegExp object", /a/],
    ["data.v: a ArrayBuffer object", new ArrayBuffer(1)],
    ["data.v: a Promise object", Promise.resolve(1)],
    ["data.v: an invalid Date", new Date(NaN)],
    ["data.v", new Date(-1e15)],
    ["data.v", new Date(8.64e15)],
    ["data.v: 9223372036854775808n", 2n ** 63n],
    ["data.v: the string holds half", CUT],
    ["data.v.k: the string holds half", { k: "\udfff" }],
    ["the string holds half", { [CUT]: 1 }],
    ['data.v.$ref: the key of a map cannot begin with "$"', { $ref: "a/b" }],
    ["data.v.$x", { $x: 1, y: 2 }],
    ["data.v: $increment", increment("x")],
    ["data.v.list[0].list", circle],
    ["data.v[0][0]", deep],
    ["data.v[0]", nested(100)],
    ["data: from a getter", throws],
  ]) {
    await refused(() => doc.set({ v: value }), name);
    await refused(() => doc.update("v", value), name);
    await refused(() => doc.create({ v: value }), name);
  }
  await refused(() => doc.update({ [CUT]: 1 }), "surrogate");
  await refused(() => doc.update({ "a..b": 1 }), "a..b");
  await refused(() => doc.update({ $a: 1 }), "$a");
  await refused(() => doc.patch([{ op: "add", path: "/v", value: CUT }]), "[0].value");
  for (const value of [undefined, CUT, circle, new Own()]) {
    await refused(() => col.where("v", "==", value), "where: v");
    await refused(() => col.orderBy("v").startAt(value), "startAt[0]");
    await refused(() => col.where(documentId(), "==", value), "where: __name__");
  }
  for (const id of [null, 5, ""]) await refused(() => col.where(documentId(), "==", id).get(), "where.value");
  // At the limit.
  const levels = fresh().doc("levels");
  await levels.set({ v: nested(99) });
  assert.deepEqual((await levels.get()).data(), { v: nested(99) });
});

test("nothing of it was written", async () => {
  assert.deepEqual((await doc.get()).data(), { a: 1, b: 1 });
  assert.equal((await doc.get()).version, 1);
  assert.equal(await col.count(), 1);
});

test("a URL is as good as its text, and trailing arguments that are undefined are none", async () => {
  const other = await connect(new globalThis.URL(address));
  assert.equal((await other.doc(doc.path).get()).get("a"), 1);
  await doc.set({ a: 1, b: 1 }, undefined);
  await doc.set({ a: 1 }, { merge: true, mergeFields: undefined });
  assert.equal((await doc.get(undefined)).get("b"), 1);
  other.close();
  await refused(() => other.doc("a/b").set({}), "closed", "aborted");
  await refused(() => other.doc("a/b").get(), "closed", "aborted");
  await refused(() => other.collection("a").get(), "closed", "aborted");
});

test("a token that is none is said by what needed it", async () => {
  for (const token of [() => 5, () => ({ token: "a" }), async () => CUT, () => Promise.reject(new Error("token: lost"))]) {
    const other = await connect(address, { token });
    await refused(() => other.doc("a/b").get(), "token", "unavailable");
    other.close();
  }
});

test("a session of another kind of page is refused", async () => {
  await refused(() => db.auth.signInWithRedirect("google"), "page");
  await refused(() => db.auth.completeSignIn(), "page");
});

test("the end", () => db.close());
