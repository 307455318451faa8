// The stored session: of another shape, or in a storage that is full, forbidden or broken.
import { test } from "node:test";
import assert from "node:assert/strict";
import { connect } from "blaze-client";
import { URL as address } from "./support.mjs";

const warnings = [];
console.warn = (...words) => warnings.push(words.join(" "));
const KEY = `blaze:${address}/v1/accounts/`;

/** A page with this storage. */
function page(storage) {
  warnings.length = 0;
  globalThis.window = Object.defineProperty({ addEventListener() {}, removeEventListener() {} }, "localStorage", storage);
}

/** A storage that keeps what it is given, and lets `faults` stand in for its methods. */
function kept(faults = {}) {
  const map = new Map();
  const storage = {
    map,
    getItem: (key) => map.get(key) ?? null,
    setItem: (key, value) => void map.set(key, value),
    removeItem: (key) => void map.delete(key),
  };
  return Object.assign(storage, faults);
}

const boom = () => {
  throw new DOMException("The quota has been exceeded", "QuotaExceededError");
};
let number = 0;
const email = () => `storage-${process.pid}-${(number += 1)}@example.com`;
const PASSWORD = "correct horse battery staple";

test("a session of another shape is nobody's", async () => {
  const token = (claims) => `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.x`;
  const good = { uid: "a", accessToken: token({}), refreshToken: "r", ends: 1 };
  for (const text of [
    "", "null", "1", '"text"', "[]", "{", "{}", '{"uid":"a"}', '{"session":{"uid":"a"}}',
    JSON.stringify({ ...good, accessToken: "no token" }),
    JSON.stringify({ ...good, accessToken: "a.b.c" }),
    JSON.stringify({ ...good, accessToken: token([]) }),
    JSON.stringify({ ...good, accessToken: token(null) }),
    JSON.stringify({ ...good, uid: 5 }),
    JSON.stringify({ ...good, ends: "soon" }),
    JSON.stringify({ ...good, refreshToken: null }),
  ]) {
    const storage = kept();
    storage.map.set(KEY, text);
    page({ value: storage });
    const db = await connect(address);
    assert.equal(db.auth.currentUser, null, text);
    await db.doc("storage/anything").get();
    if (/^\{$|soon/.test(text)) {
      const user = await db.auth.signUp(email(), PASSWORD);
      assert.equal(JSON.parse(storage.map.get(KEY)).uid, user.uid);
    }
    assert.deepEqual(warnings, []);
    db.close();
  }
});

test("a storage that fails is replaced by the page's memory, with one warning", async () => {
  const forbidden = { get: () => boom() };
  const faults = { setItem: boom, getItem: boom, removeItem: boom };
  const storages = [forbidden, { value: null }, { value: undefined }, { value: kept(faults) }, { value: {} }];
  for (const name of Object.keys(faults)) storages.push({ value: kept({ [name]: faults[name] }) });
  for (const storage of storages) {
    page(storage);
    const db = await connect(address);
    const seen = [];
    db.auth.onAuthStateChanged((user) => seen.push(user?.uid ?? null));
    const user = await db.auth.signUp(email(), PASSWORD);
    assert.equal(db.auth.currentUser.uid, user.uid);
    assert.equal(seen.at(-1), user.uid);
    await db.doc("storage/anything").get();
    await db.auth.signOut();
    assert.equal(db.auth.currentUser, null);
    assert.ok(warnings.length <= 1, warnings.join("\n"));
    db.close();
  }
});

test("a full storage does not bring back who was there before", async () => {
  const storage = kept();
  page({ value: storage });
  const first = await connect(address);
  await first.auth.signUp(email(), PASSWORD);
  first.close();
  storage.setItem = boom;
  const second = await connect(address);
  assert.ok(second.auth.currentUser);
  const user = await second.auth.signUp(email(), PASSWORD);
  assert.equal(second.auth.currentUser.uid, user.uid);
  assert.equal(warnings.length, 1);
  second.close();
  const third = await connect(address);
  assert.equal(third.auth.currentUser, null);
  third.close();
});

test("a user is nobody's to change", async () => {
  page({ value: kept() });
  const db = await connect(address);
  const user = await db.auth.signUp(email(), PASSWORD);
  assert.throws(() => (user.uid = "mine"), TypeError);
  assert.throws(() => (user.claims.sub = "mine"), TypeError);
  db.close();
});
