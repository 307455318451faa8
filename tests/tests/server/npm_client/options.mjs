// `includeMetadataChanges`, with Firestore's meaning.
import { test } from "node:test";
import assert from "node:assert/strict";
import { db, fresh, settle, until } from "./support.mjs";

test("metadata alone is told to those who asked for it: documents", async () => {
  const doc = fresh().doc("a");
  await doc.set({ n: 1 });
  const [quiet, all] = [[], []];
  const note = (list) => (snapshot) => list.push([snapshot.get("n"), snapshot.metadata.hasPendingWrites]);
  const stops = [doc.onUpdate(note(quiet)), doc.onUpdate({ includeMetadataChanges: true }, note(all))];
  await until(() => quiet.length === 1 && all.length === 1);
  await doc.update({ n: 2 });
  await until(() => all.length === 3);
  await settle();
  assert.deepEqual(all, [[1, false], [2, true], [2, false]]);
  assert.deepEqual(quiet, [[1, false], [2, true]]);
  await doc.update({ n: 3 });
  await until(() => quiet.length === 3);
  stops.forEach((stop) => stop());
});

test("metadata alone is told to those who asked for it: queries", async () => {
  const col = fresh();
  await col.doc("a").set({ n: 1 });
  await col.doc("b").set({ n: 2 });
  const [quiet, all] = [[], []];
  const told = (list, options) => (snapshot) => {
    const changes = snapshot.docChanges(options).map(({ type, doc, oldIndex, newIndex }) => `${type} ${doc.id} ${oldIndex} ${newIndex}`);
    list.push([changes.join(), snapshot.metadata.hasPendingWrites, snapshot.docChanges().length]);
  };
  const options = { includeMetadataChanges: true };
  const stops = [col.onSnapshot(told(quiet)), col.onSnapshot(options, { next: told(all, options) })];
  await until(() => quiet.length === 1 && all.length === 1);
  await col.doc("b").update({ n: 5 });
  await until(() => all.length === 3);
  await settle();
  assert.deepEqual(all, [
    ["added a -1 0,added b -1 1", false, 2],
    ["modified b 1 1", true, 1],
    ["modified b 1 1", false, 0],
  ]);
  assert.deepEqual(quiet, [
    ["added a -1 0,added b -1 1", false, 2],
    ["modified b 1 1", true, 1],
  ]);
  stops.forEach((stop) => stop());
});

test("the end", () => db.close());
