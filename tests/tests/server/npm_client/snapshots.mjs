// Snapshots: what a caller does with what it was given changes nothing for others.
import { test } from "node:test";
import assert from "node:assert/strict";
import { db, fresh } from "./support.mjs";

test("a field is handed out anew each time", async () => {
  const doc = fresh().doc("a");
  await doc.set({ map: { list: [1, { x: 1 }] }, at: new Date(0), bytes: new Uint8Array([1]) });
  const snapshot = await doc.get();
  snapshot.get("map").list.push("mine");
  snapshot.get("map.list")[1].x = "mine";
  snapshot.get("at").setTime(5);
  snapshot.get("bytes")[0] = 9;
  snapshot.data().map.list.length = 0;
  snapshot.updateTime.setTime(5);
  assert.deepEqual(snapshot.get("map"), { list: [1, { x: 1 }] });
  assert.equal(snapshot.get("at").getTime(), 0);
  assert.deepEqual(snapshot.get("bytes"), new Uint8Array([1]));
  assert.deepEqual(snapshot.data().map.list, [1, { x: 1 }]);
  assert.ok(snapshot.updateTime > 1e12);
  assert.throws(() => (snapshot.metadata.hasPendingWrites = true), TypeError);
});

test("a result's list is the caller's own", async () => {
  const col = fresh();
  for (const id of ["a", "b", "c"]) await col.doc(id).set({});
  const result = await col.get();
  result.docs.reverse().pop();
  assert.deepEqual(result.docs.map(({ id }) => id), ["a", "b", "c"]);
  const seen = [];
  result.forEach(({ id }) => seen.push(id));
  assert.deepEqual(seen, ["a", "b", "c"]);
});

test("a deleted document has the version of its delete", async () => {
  const doc = fresh().doc("a");
  assert.equal((await doc.get()).version, 0);
  await doc.set({});
  const { version } = await doc.delete();
  const snapshot = await doc.get();
  assert.deepEqual([snapshot.exists(), snapshot.version, version], [false, 2, 2]);
  await doc.set({});
  assert.equal((await doc.get()).version, 3);
});

test("the end", () => db.close());
