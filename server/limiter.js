// Rate limits: the object that counts for one subject, and the calls by which an isolate asks it. No decision is made
// here; `wasm` has the leases (`server/src/limiter.rs`), and `guarded` calls into it.

/** The kinds of subjects whose requests are counted; `server/src/limiter.rs` has the same numbers. */
export const [ADDRESS, IDENTITY, SIGN_IN] = [0, 1, 2];

/**
 * Makes the class of the counting objects. One has no rows; it stays in memory while there is something to remember.
 */
export const limiterClass = (durableObject, guarded) =>
  class Limiter extends durableObject("Limiter") {
    #timer;
    #until = 0;

    /**
     * Gives a lease of at most `want` requests: `[number of requests, microseconds that it lasts]`; with 0 requests,
     * the microseconds to wait.
     */
    lease(subject, want) {
      const [amount, micros, memory] = guarded(() => this.current().lease(subject, want));
      // An object that waits for a timer is not evicted, as one would be after ten seconds: a client that has used up
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

/** The name of the one object of a standalone machine, which keeps a file for every object that is ever addressed. */
const ALL = "all";

/** True if the runtime itself tells the address of a connection, as workerd does. */
let isDirect;

/**
 * Returns the address that a request comes from. Cloudflare's network sets `CF-Connecting-IP`, whatever the client
 * sent. workerd on its own does not, so the header is not trusted there. `ADDRESS_HEADER` names the header of a proxy
 * in front, which must set it or add to its end.
 */
export function addressOf(request, env) {
  const header = env.ADDRESS_HEADER;
  if (header) return request.headers.get(header)?.split(",").pop().trim() ?? "";
  isDirect ??= request.cf?.clientIp !== undefined;
  return (isDirect ? request.cf?.clientIp : request.headers.get("cf-connecting-ip")) ?? "";
}

/**
 * Counts a request. Returns 0 if it may go on, else the seconds after which to come back; mostly a number, now and
 * then a promise.
 */
export function take(wasm, guarded, env, kind, who) {
  const taken = guarded(() => wasm.rateTake(kind, who));
  return taken >= 0 ? taken : ask(wasm, guarded, env, kind, who, -taken);
}

/**
 * Counts a socket's message by its address and its identity, each of which may be empty. Resolves to the frame that
 * ends the socket, if any.
 */
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
