// How often somebody may ask: the object that counts for one subject, and what an isolate does to ask it. Nothing is
// decided here; `wasm` has the leases (`server/src/limiter.rs`), and `guarded` calls into it.

/** Whose requests are counted; `server/src/limiter.rs` has the same numbers. */
export const [ADDRESS, IDENTITY, SIGN_IN] = [0, 1, 2];

/** The class of the objects. It has no rows; it stays in memory while there is something to remember. */
export const limiterClass = (durableObject, guarded) =>
  class Limiter extends durableObject("Limiter") {
    #timer;
    #until = 0;

    /** A lease of at most `want` requests: `[how many, for how many microseconds]`; none, and how long to wait. */
    lease(subject, want) {
      const [amount, micros, memory] = guarded(() => this.current().lease(subject, want));
      // An object that waits for a timer is not put away, as one would be after ten seconds: somebody who has used up
      // much must not find it forgotten.
      const until = Date.now() + memory / 1_000;
      if (memory > 0 && until > this.#until) {
        this.#until = until;
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => {}, memory / 1_000);
      }
      return [amount, micros];
    }
  };

/** The one object of a machine on its own, which keeps a file for every object that is ever addressed. */
const ALL = "all";

/** Whether the runtime says by itself where a connection comes from, as workerd does. */
let isDirect;

/**
 * The address that a request comes from. Cloudflare's network sets `CF-Connecting-IP`, whatever the client sent; workerd
 * on its own does not, so that there it is not believed. `ADDRESS_HEADER` names the header of a proxy in front, which
 * must set it or add to its end.
 */
export function addressOf(request, env) {
  const header = env.ADDRESS_HEADER;
  if (header) return request.headers.get(header)?.split(",").pop().trim() ?? "";
  isDirect ??= request.cf?.clientIp !== undefined;
  return (isDirect ? request.cf?.clientIp : request.headers.get("cf-connecting-ip")) ?? "";
}

/** Counts a request: 0 if it may go on, else after how many seconds to come back. Mostly a number, now and then a promise. */
export function take(wasm, guarded, env, kind, who) {
  const taken = guarded(() => wasm.rateTake(kind, who));
  return taken >= 0 ? taken : ask(wasm, guarded, env, kind, who, -taken);
}

/** Counts a socket's message by where and who it comes from, each of which may be empty: the frame that ends it, if any. */
export async function refusal(wasm, guarded, env, address, uid) {
  for (const [kind, who] of [[ADDRESS, address], [IDENTITY, uid]]) {
    if (who === "") continue;
    const wait = await take(wasm, guarded, env, kind, who);
    if (wait > 0) return guarded(() => wasm.tooManyFrame(kind, wait));
  }
}

async function ask(wasm, guarded, env, kind, who, want) {
  const name = guarded(() => wasm.rateSubject(kind, who));
  let lease = [];
  try {
    lease = await env.LIMITER.getByName(env.FILES === undefined ? name : ALL).lease(name, want);
  } catch (error) {
    console.error("limiter: " + error);
  }
  return guarded(() => wasm.rateGranted(name, ...lease));
}
