// Values that are read and written back, used as cursors, or compared with, are the values that they were.
import { test } from "node:test";
import assert from "node:assert/strict";
import { Timestamp, arrayRemove, average, count, documentId, increment, sum } from "blaze-client";
import { db, fresh, raw, store } from "./support.mjs";

let state = Number(process.env.SEED ?? 20261130);
/** A number below `below`, from a generator that is the same every time (mulberry32). */
function random(below) {
  state = (state + 0x6d2b79f5) | 0;
  let bits = Math.imul(state ^ (state >>> 15), 1 | state);
  bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
  return ((bits ^ (bits >>> 14)) >>> 0) % below;
}
const pick = (list) => list[random(list.length)];

const digits = (count) => Array.from({ length: count }, () => random(10)).join("");
/** A time as the server prints it: with no digits after the point, three or six. */
function time() {
  const text = `${pick(["0001", "1583", "1969", "2026", "9999"])}-0${1 + random(9)}-1${random(10)}T1${random(10)}:00:0${random(10)}`;
  const fraction = pick(["", "", "123", digits(3), digits(6), digits(6), "000001", "999999", "100000"]);
  // As few digits as are needed.
  const short = /^0*$/.test(fraction) ? "" : fraction.length === 6 && fraction.endsWith("000") ? fraction.slice(0, 3) : fraction;
  return `{"$timestamp":"${text}${short && `.${short}`}Z"}`;
}

const NUMBERS = [
  "0", "-0.0", "1", "-1", "0.5", "9007199254740991", "-9007199254740991", "9007199254740992", "9007199254740993",
  "-9007199254740993", "9223372036854775807", "-9223372036854775808", "9007199254740992.0", "1e+21", "5e-324",
  "1.7976931348623157e+308", "0.30000000000000004", "3.3333333333333334e-8", "9300000000000000000.0",
  '{"$number":"NaN"}', '{"$number":"Infinity"}', '{"$number":"-Infinity"}',
];
const TEXTS = ["", "a", "é", "😀", "\u2028\0", "$", "__proto__", '"\\', "\ufffd", "2026-11-21T10:00:00Z", "1"];
const KEYS = ["a", "b", "__proto__", "constructor", "toJSON", "length", "hasOwnProperty", "", "a.b", "`", "0", "é", "then"];
const bytes = () => `{"$bytes":"${Buffer.from(Array.from({ length: random(5) }, () => random(256))).toString("base64")}"}`;
const place = () => `{"$geopoint":[${pick(["0", "48", "-90", "48.85", "0.1"])},${pick(["180", "-0.5", "2", "-179.999"])}]}`;
const reference = () => `{"$ref":${JSON.stringify(`users/${pick(["alice", "Zoë & co", "a%2Fb", "😀"])}`)}}`;

/** Any value, as the JSON text that the server prints for it. */
function any(levels = 3) {
  const leaf = [
    () => pick(["null", "true", "false"]),
    () => pick(NUMBERS),
    () => String(random(1000)),
    () => JSON.stringify(pick(TEXTS)),
    time,
    bytes,
    place,
    reference,
  ];
  const list = () => `[${Array.from({ length: random(4) }, () => any(levels - 1))}]`;
  return pick(levels > 0 ? [...leaf, list, () => map(levels)] : leaf)();
}
function map(levels) {
  const keys = new Set(Array.from({ length: random(5) }, () => pick(KEYS)));
  // The server's order of keys is that of their bytes.
  const sorted = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return `{${sorted.map((key) => `${JSON.stringify(key)}:${any(levels - 1)}`)}}`;
}

/** The same text where both spell the escapes of strings differently. */
const spelled = (text) => text.replace(/"(?:[^"\\]|\\.)*"/g, (string) => JSON.stringify(JSON.parse(string)));

test("a document that is read and written is the same document", async () => {
  const col = fresh();
  const [from, to] = [col.doc("from"), col.doc("to")];
  for (let round = 0; round < 60; round += 1) {
    const text = map(4);
    await store(from, text);
    const stored = await raw(from);
    assert.equal(spelled(stored), spelled(text));
    const snapshot = await from.get();
    await to.set(snapshot.data());
    assert.equal(await raw(to), stored, "set");
    // The same value again is no change, and none is broadcast.
    const { version } = await to.get();
    assert.equal((await to.set(snapshot.data())).version, version);
    await to.set({ keep: 1 });
    await to.update("v", snapshot.data());
    assert.equal(await raw(to), `{"keep":1,"v":${stored}}`, "update");
  }
});

test("every value finds its document again, and pages neither repeat nor leave out any", async () => {
  const col = fresh();
  const texts = new Set(Array.from({ length: 30 }, time));
  for (let near = 0; near < 8; near += 1) texts.add(`{"$timestamp":"2026-11-21T10:00:00.12345${near}Z"}`);
  for (const number of NUMBERS) texts.add(number);
  for (let more = 0; more < 30; more += 1) texts.add(any(1));
  let number = 0;
  for (const text of texts) await store(col.doc(`d${(number += 1)}`), `{"v":${text}}`);
  const all = await col.orderBy("v").get();
  assert.equal(all.size, texts.size);
  for (const doc of all.docs) {
    const found = await col.where("v", "==", doc.get("v")).get();
    assert.ok(found.docs.some(({ id }) => id === doc.id), `== finds ${await raw(doc.ref)}`);
  }
  for (const direction of ["asc", "desc"]) {
    const order = await col.orderBy("v", direction).get();
    const expected = order.docs.map(({ id }) => id);
    const pages = [];
    for (let page = await col.orderBy("v", direction).limit(3).get(); !page.empty && pages.length <= expected.length; ) {
      pages.push(...page.docs.map(({ id }) => id));
      page = await col.orderBy("v", direction).startAfter(page.docs.at(-1)).limit(3).get();
    }
    assert.deepEqual(pages, expected, direction);
    // The same by the value alone: it skips those that are equal, and no other.
    for (const [place, doc] of order.docs.entries()) {
      const [next] = (await col.orderBy("v", direction).startAt(doc.get("v")).limit(1).get()).docs;
      const equal = (await col.where("v", "==", doc.get("v")).get()).docs.map(({ id }) => id);
      assert.ok(next.id === doc.id || equal.includes(next.id), `startAt ${await raw(doc.ref)} (${place})`);
    }
  }
});

test("a cursor from a listener, and integers beyond 2^53 in it", async () => {
  const col = fresh();
  for (const n of [9007199254740992n, 9007199254740993n, 9007199254740994n]) await col.doc(`n${n}`).set({ n, m: -n });
  const seen = await new Promise((done) => {
    const stop = col.orderBy("n").orderBy("m").onUpdate((snapshot) => (stop(), done(snapshot.docs)), done);
  });
  const after = await col.orderBy("n").orderBy("m").startAfter(seen[0]).get();
  assert.deepEqual(after.docs.map((doc) => doc.get("n")), [9007199254740993n, 9007199254740994n]);
  const upTo = await col.orderBy("n").orderBy("m").endBefore(seen[1]).get();
  assert.deepEqual(upTo.docs.map((doc) => doc.get("n")), [9007199254740992n]);
});

test("timestamps are Dates with microseconds", async () => {
  const doc = fresh().doc("a");
  await store(doc, '{"at":{"$timestamp":"2026-11-21T10:00:00.123456Z"},"old":{"$timestamp":"1969-12-31T23:59:59.999999Z"}}');
  const { at, old } = (await doc.get()).data();
  assert.ok(at instanceof Date && at instanceof Timestamp);
  assert.equal(at.toISOString(), "2026-11-21T10:00:00.123Z");
  assert.equal(at.text, "2026-11-21T10:00:00.123456Z");
  assert.equal(at.microseconds, BigInt(at.getTime()) * 1000n + 456n);
  assert.equal(old.microseconds, -1n);
  assert.equal(new Timestamp("2026-11-21T12:00:00.5+02:00").microseconds, 1795255200500000n);
  // One that was changed is what it was changed to.
  at.setMilliseconds(7);
  assert.equal(at.text, "2026-11-21T10:00:00.007Z");
  await doc.update({ at, more: new Timestamp("2026-11-21T12:00:00.000001+02:00") });
  const changed = '{"at":{"$timestamp":"2026-11-21T10:00:00.007Z"},"more":{"$timestamp":"2026-11-21T10:00:00.000001Z"},';
  assert.ok((await raw(doc)).startsWith(changed), await raw(doc));
  const { createTime, updateTime } = await doc.get();
  const answer = await (await fetch(`${process.env.BASE_URL}/v1/docs/${doc.path}`)).json();
  assert.deepEqual([createTime.text, updateTime.text], [answer.createTime, answer.updateTime]);
});

test("values as operands of transforms", async () => {
  const doc = fresh().doc("a");
  const times = ["000001", "000002"].map((micros) => `{"$timestamp":"2026-11-21T10:00:00.${micros}Z"}`);
  await store(doc, `{"list":[${times}],"n":9007199254740993}`);
  const { list, n } = (await doc.get()).data();
  await doc.update({ list: arrayRemove(list[0]), n: increment(n) });
  assert.equal(await raw(doc), `{"list":[${times[1]}],"n":18014398509481986}`);
});

test("a double that is whole is written back as an integer, which is equal to it", async () => {
  const doc = fresh().doc("a");
  await store(doc, '{"v":1.0,"zero":-0.0,"big":9007199254740992.0}');
  const data = (await doc.get()).data();
  await doc.set(data);
  assert.equal(await raw(doc), '{"big":9007199254740992.0,"v":1,"zero":-0.0}');
  assert.equal((await doc.parent.where("v", "==", 1).get()).size, 1);
});

test("integers beyond 2^53 wherever a number stands", async () => {
  const col = fresh();
  await col.doc("a").set({ n: 9007199254740993n });
  await col.doc("b").set({ n: 2 });
  assert.equal(await col.sum("n"), 9007199254740995n);
  assert.equal(await col.where("n", "<", 3).sum("n"), 2);
  assert.equal(await col.count(), 2);
  assert.equal((await col.where("n", "==", 9007199254740992n).get()).size, 0);
  assert.equal((await col.limit(9007199254740991).get()).size, 2);
  assert.equal((await col.limit(9223372036854775807n).get()).size, 2);
  assert.equal((await col.offset(9007199254740993n).get()).size, 0);
  // Names are names, whatever they begin with.
  const named = { $number: count(), 2: sum("n"), ["__proto__"]: average("n"), $bytes: count(), $timestamp: count() };
  const answers = await col.aggregate(named);
  assert.deepEqual(Object.keys(answers), Object.keys(named));
  assert.deepEqual([answers.$number, answers[2], answers.$bytes], [2, 9007199254740995n, 2]);
  assert.equal(Object.getOwnPropertyDescriptor(answers, "__proto__").value, 4503599627370497.5);
  await col.doc("c").set({ n: NaN });
  assert.ok(Number.isNaN(await col.sum("n")));
  assert.equal(await col.where("n", "==", "x").average("n"), null);
});

test("documentId takes what it gave", async () => {
  const col = fresh();
  for (const id of ["a", "é", "😀"]) await col.doc(id).set({ self: col.doc(id) });
  for (const doc of (await col.orderBy(documentId()).get()).docs) {
    for (const value of [doc.id, doc.ref, doc.get("self")]) {
      assert.equal((await col.where(documentId(), "==", value).get()).docs[0].id, doc.id);
    }
  }
});

test("fields of an update are own fields, whatever their names", async () => {
  const doc = fresh().doc("a");
  await doc.set({});
  await doc.update("__proto__", 1, "constructor.prototype", 2, "`a.b`", 3);
  assert.equal(await raw(doc), '{"__proto__":1,"a.b":3,"constructor":{"prototype":2}}');
  const snapshot = await doc.get();
  assert.deepEqual([snapshot.get("__proto__"), snapshot.get("`a.b`"), snapshot.get("toString")], [1, 3, undefined]);
});

test("the end", () => db.close());
