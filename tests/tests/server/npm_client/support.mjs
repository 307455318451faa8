// What the scripts share: a database, collections that nobody else uses, and a look at what is stored.
import assert from "node:assert/strict";
import { BlazeError, connect } from "blaze-client";

export const URL = process.env.BASE_URL;
export const db = await connect(URL);

let number = 0;
/** A collection that is empty. */
export const fresh = () => db.collection(`js-${process.pid}-${Date.now().toString(36)}-${(number += 1)}`);

/** A document's data as the server sends it: JSON text, in which nothing is lost. */
export async function raw(doc) {
  const answer = await fetch(`${URL}/v1/docs/${doc.path}`);
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  return text.slice(text.indexOf('"data":') + '"data":'.length, -1);
}

/** Stores data that is JSON text. */
export async function store(doc, text) {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${URL}/v1/docs/${doc.path}`, { method: "PUT", headers, body: text });
  assert.ok(answer.ok, await answer.text());
}

/** Holds a call, or the promise it returns, to a refusal that names `name`. */
export async function refused(call, name, code = "invalid-argument") {
  let problem;
  try {
    await call();
  } catch (error) {
    problem = error;
  }
  assert.ok(problem, `nothing was refused: ${call}`);
  assert.ok(problem instanceof BlazeError, `${call}: ${problem.stack}`);
  assert.equal(problem.code, code, `${call}: ${problem.message}`);
  assert.ok(name instanceof RegExp ? name.test(problem.message) : problem.message.includes(name), `${call}: ${problem.message}`);
}

/** Waits until `condition` holds. */
export async function until(condition) {
  for (const end = Date.now() + 10_000; !(await condition()); await new Promise((done) => setTimeout(done, 10))) {
    assert.ok(Date.now() < end, `never: ${condition}`);
  }
}

/** Lets everything happen that is on its way. */
export const settle = (ms = 300) => new Promise((done) => setTimeout(done, ms));
