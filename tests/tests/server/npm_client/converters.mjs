// `withConverter` of documents, collections, queries and groups.
import { test } from "node:test";
import assert from "node:assert/strict";
import { BlazeError, increment } from "blaze-client";
import { db, fresh, raw, refused, until } from "./support.mjs";

class City {
  constructor(name, size) {
    Object.assign(this, { name, size });
  }
}

const calls = [];
const converter = {
  toFirestore(city, ...options) {
    calls.push(options);
    return { ...("name" in city && { title: city.name }), ...("size" in city && { size: city.size }) };
  },
  fromFirestore(snapshot, options) {
    const { title, size } = snapshot.data(options);
    return new City(title, size);
  },
};

const plain = fresh();
const cities = plain.withConverter(converter);

test("what is written goes through toFirestore", async () => {
  await cities.doc("paris").set(new City("Paris", 2));
  assert.equal(await raw(plain.doc("paris")), '{"size":2,"title":"Paris"}');
  await cities.doc("paris").set({ size: increment(1) }, { merge: true });
  await cities.doc("paris").set({ name: "PARIS" }, { merge: true });
  assert.equal(await raw(plain.doc("paris")), '{"size":3,"title":"PARIS"}');
  await cities.doc("rome").create(new City("Rome", 3));
  const added = await cities.add(new City("Oslo", 1));
  assert.equal((await added.get()).data().name, "Oslo");
  assert.deepEqual(calls, [[], [{ merge: true }], [{ merge: true }], [], []]);
  // An update and a patch are of what is stored.
  await cities.doc("rome").update({ title: "Roma" });
  await cities.doc("rome").patch([{ op: "replace", path: "/size", value: 4 }]);
  assert.deepEqual((await cities.doc("rome").get()).data(), new City("Roma", 4));
});

test("what is read goes through fromFirestore, and get() does not", async () => {
  const snapshot = await cities.doc("paris").get();
  assert.ok(snapshot.data() instanceof City);
  assert.equal(snapshot.get("title"), "PARIS");
  assert.equal((await cities.doc("nowhere").get()).data(), undefined);
  const found = await cities.where("size", ">", 1).orderBy("size").limit(9).get();
  assert.deepEqual(found.docs.map((doc) => doc.data().name), ["PARIS", "Roma"]);
  assert.ok(found.docChanges()[0].doc.data() instanceof City);
  assert.equal(found.docs[0].ref.converter, converter);
  const group = await db.collectionGroup(plain.id).withConverter(converter).get().catch((error) => error);
  assert.ok(group instanceof BlazeError || group.docs.every((doc) => doc.data() instanceof City), group);
});

test("listeners convert too", async () => {
  const seen = [];
  const stops = [
    cities.doc("paris").onSnapshot((snapshot) => seen.push(snapshot.data())),
    cities.onSnapshot((snapshot) => seen.push(snapshot.docs[0].data())),
  ];
  await until(() => seen.length >= 2);
  assert.ok(seen.every((city) => city instanceof City));
  stops.forEach((stop) => stop());
});

test("a converter stays with what comes of a reference, and null takes it away", async () => {
  const doc = cities.doc("paris");
  assert.equal(doc.parent.converter, converter);
  assert.equal(doc.collection("streets").converter, null);
  assert.equal(cities.parent, null);
  assert.equal(doc.collection("streets").parent.path, doc.path);
  assert.ok(cities.withConverter(null).isEqual(plain) && !cities.isEqual(plain));
  assert.ok(doc.withConverter(null).isEqual(plain.doc("paris")) && !doc.isEqual(plain.doc("paris")));
  assert.ok(cities.limit(1).isEqual(plain.limit(1).withConverter(converter)));
  assert.deepEqual((await doc.withConverter(null).get()).data(), { title: "PARIS", size: 3 });
});

test("an exception of a converter is the cause of a BlazeError", async () => {
  const own = new RangeError("not mine");
  const broken = { toFirestore() { throw own; }, fromFirestore() { throw own; } };
  const doc = plain.doc("paris").withConverter(broken);
  await refused(() => doc.set({}), "toFirestore: not mine");
  await assert.rejects(doc.set({}), (error) => error.cause === own);
  const snapshot = await doc.get();
  await refused(() => snapshot.data(), "fromFirestore: not mine");
});

test("the end", () => db.close());
