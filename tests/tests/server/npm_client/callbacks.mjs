// Callbacks that throw: the exception is reported as uncaught, and everything else goes on.
import { test } from "node:test";
import assert from "node:assert/strict";
import { connect } from "blaze-client";
import { URL as address, db, fresh, until } from "./support.mjs";

const uncaught = [];
process.setUncaughtExceptionCaptureCallback((error) => uncaught.push(error.message));

test("a callback that throws ends nothing else", async () => {
  const [col, seen] = [fresh(), []];
  const doc = col.doc("a");
  await doc.set({ n: 1 });
  const boom = (name) => () => {
    seen.push(name);
    throw new Error(name);
  };
  const stops = [
    doc.onUpdate(boom("document")),
    doc.onUpdate({ next: () => seen.push("after the document") }),
    col.onUpdate(boom("query")),
    col.onUpdate(() => seen.push("after the query")),
    db.onConnection(boom("connection")),
    db.auth.onAuthStateChanged(boom("auth")),
    db.auth.onAuthStateChanged(() => seen.push("after auth")),
  ];
  const all = ["document", "after the document", "query", "after the query", "connection", "auth", "after auth"];
  await until(() => all.every((name) => seen.includes(name)));
  seen.length = 0;
  await doc.update({ n: 2 });
  await until(() => all.slice(0, 4).every((name) => seen.includes(name)));
  for (const name of ["document", "query", "connection", "auth"]) assert.ok(uncaught.includes(name), name);
  stops.forEach((stop) => stop());
});

test("an error callback that throws, too", async () => {
  const other = await connect(address);
  const heard = [];
  const query = other.collection(fresh().path).where("a", "in", []);
  query.onUpdate(
    () => {},
    (error) => {
      heard.push(error.name);
      throw new Error("error callback");
    },
  );
  query.onUpdate(
    () => {},
    (error) => heard.push(error.name),
  );
  await until(() => heard.length === 2);
  assert.deepEqual(heard, ["BlazeError", "BlazeError"]);
  await until(() => uncaught.includes("error callback"));
  other.close();
});

test("a forEach throws what its callback throws", async () => {
  const col = fresh();
  await col.doc("a").set({});
  const result = await col.get();
  const own = new TypeError("mine");
  assert.throws(() => result.forEach(() => { throw own; }), (error) => error === own);
});

test("the end", () => db.close());
