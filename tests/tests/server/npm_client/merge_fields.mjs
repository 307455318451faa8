// `set` with `mergeFields`, with Firestore's meaning.
import { test } from "node:test";
import assert from "node:assert/strict";
import { deleteField, increment, serverTimestamp } from "blaze-client";
import { db, fresh, raw, refused, settle, until } from "./support.mjs";

test("mergeFields writes the named fields, each as a whole", async () => {
  const col = fresh();
  const doc = col.doc("a");
  const before = { a: 1, b: { c: 1, d: 1 }, e: { f: { g: 1 } }, h: 1, "i.j": 1 };
  for (const [data, mergeFields, after] of [
    [{ a: 2, h: 2 }, ["a"], { ...before, a: 2 }],
    [{ b: { c: 2 } }, ["b"], { ...before, b: { c: 2 } }],
    [{ b: { c: 2, d: 2 } }, ["b.c"], { ...before, b: { c: 2, d: 1 } }],
    [{ e: { f: {} } }, ["e.f"], { ...before, e: { f: {} } }],
    [{ n: { m: 5 } }, ["n.m"], { ...before, n: { m: 5 } }],
    [{ "i.j": 2, i: 3 }, ["`i.j`"], { ...before, "i.j": 2 }],
    [{ a: increment(4), h: increment(4) }, ["a"], { ...before, a: 5 }],
    [{ h: deleteField(), a: 9 }, ["h"], (({ h, ...rest }) => rest)(before)],
    [{ a: 2 }, [], before],
    [{ a: null, b: { c: null } }, ["a", "b.c"], { ...before, a: null, b: { c: null, d: 1 } }],
  ]) {
    await doc.set(before);
    const seen = [];
    const stop = doc.onUpdate((snapshot) => seen.push(snapshot.data()));
    await until(() => seen.length === 1);
    await doc.set(data, { mergeFields });
    assert.deepEqual((await doc.get()).data(), after, JSON.stringify(mergeFields));
    // The listener showed the same, before the answer and after it.
    await settle(50);
    assert.deepEqual(seen.at(-1), after);
    stop();
  }
  // It creates the document.
  await col.doc("new").set({ a: 1, b: 2 }, { mergeFields: ["b"] });
  assert.equal(await raw(col.doc("new")), '{"b":2}');
  await col.doc("empty").set({ a: 1 }, { mergeFields: [] });
  assert.equal(await raw(col.doc("empty")), "{}");
  await col.doc("time").set({ at: serverTimestamp(), no: 1 }, { mergeFields: ["at"] });
  assert.match(await raw(col.doc("time")), /^\{"at":\{"\$timestamp":"[^"]+"\}\}$/);
});

test("fields that data lacks, that overlap or that are none are refused, and nothing is written", async () => {
  const doc = fresh().doc("a");
  await doc.set({ a: 1 });
  for (const [mergeFields, name] of [
    [["x"], "x"],
    [["b.x"], "b.x"],
    [["b", "b.c"], "b.c"],
    [["b..c"], "b..c"],
    [["a", ""], "mergeFields"],
  ]) {
    await refused(() => doc.set({ a: 2, b: { c: 2 } }, { mergeFields }), name);
  }
  assert.equal(await raw(doc), '{"a":1}');
});

test("the data goes through a converter", async () => {
  const calls = [];
  const toFirestore = (city, ...options) => (calls.push(options), { title: city.name, size: city.size });
  const doc = fresh().doc("a").withConverter({ toFirestore, fromFirestore: (snapshot) => snapshot.data() });
  await doc.set({ name: "Paris", size: 2 });
  await doc.set({ name: "PARIS", size: 9 }, { mergeFields: ["title"] });
  assert.deepEqual(calls, [[], [{ mergeFields: ["title"] }]]);
  assert.equal(await raw(doc), '{"size":2,"title":"PARIS"}');
});

test("the end", () => db.close());
