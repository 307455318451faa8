// This isolate's copy of what the access object keeps: rules, API keys, public keys.
import * as wasm from "./blaze_server.js";

/** The greatest age of a fresh copy, in milliseconds. */
const FRESH = 10_000;
/** The greatest age of a copy that is used while the access object cannot be asked, in milliseconds. */
const GRACE = 60_000;

/** Pause between calls for an issuer's key that is not known, in milliseconds. Anybody can make such keys up. */
const PAUSE = 1_000;

/** Time for which others join a call, in milliseconds: the runtime may end the request that began it. */
const JOINED = 2_000;

/** The text, its version, when it was asked for, the call that is under way, and when that began. */
let text, version, asked, asking, began;

/** By issuer, the last call for its keys, and when it began. */
const renewed = new Map();

/** True if the copy is fresh enough to decide by. */
export function isFresh() {
  return Date.now() - asked < FRESH;
}

/** Asks for what is new. With `issuer`, that issuer's keys are fetched anew first. */
export function refresh(env, issuer) {
  if (issuer === undefined) {
    if (asking === undefined || Date.now() - began > JOINED) {
      began = Date.now();
      const mine = ask(env).finally(() => {
        if (asking === mine) asking = undefined;
      });
      asking = mine;
    }
    return asking;
  }
  const last = renewed.get(issuer);
  if (last !== undefined && Date.now() - last.began < PAUSE) return last.asking;
  const renewal = { began: Date.now(), asking: ask(env, issuer) };
  renewed.set(issuer, renewal);
  return renewal.asking;
}

/** Asks for a change that was made just now: the answer to an earlier call may lack it. */
export function refreshAnew(env) {
  return ask(env);
}

async function ask(env, issuer) {
  const before = Date.now();
  const access = env.ACCESS.getByName("access");
  let answer;
  try {
    answer = await (issuer === undefined ? access.snapshot(version) : access.refresh(issuer, version));
  } catch (error) {
    console.error("access: " + error);
    if (before - asked < GRACE) return;
    throw error;
  }
  // A later call was answered before.
  if (before < asked) return;
  const taken = wasm.takeSnapshot(env, answer);
  if (taken !== version) [text, version] = [answer, taken];
  // A change made during the call may not be in the answer.
  asked = before;
}

/** Gives wasm the copy again, after it was instantiated anew. */
export function restore(env) {
  if (text !== undefined) wasm.takeSnapshot(env, text);
}
