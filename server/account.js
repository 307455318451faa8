// The Durable Object class of accounts: the wasm class `Account`, and around it the awaiting of what its steps need.
// No decision is made here.

import { isTrustworthy, readText } from "./remote.js";

/** Time for a provider to answer, in milliseconds. */
const PROVIDER_TIMEOUT = 10_000;

/** The greatest number of answers kept: a provider has two. */
const KEPT = 40;

/** Providers' answers with status 200, by URL: `{ time, text }`. All objects of the isolate share them. */
const kept = new Map();

/**
 * Asks a provider; resolves to `[status, text]`, with status 0 and the error if there is no answer. `maxAge` is in
 * seconds.
 */
async function askProvider(limit, method, url, lines, body, maxAge) {
  const known = kept.get(url);
  if (known !== undefined && Date.now() - known.time < maxAge * 1_000) return [200, known.text];
  try {
    if (!isTrustworthy(new URL(url))) throw new Error("neither https nor this machine");
    const parts = lines.split("\n");
    const headers = {};
    for (let i = 0; i + 1 < parts.length; i += 2) headers[parts[i]] = parts[i + 1];
    const signal = AbortSignal.timeout(PROVIDER_TIMEOUT);
    const response = await fetch(url, { method, headers, body, redirect: "manual", cache: "no-store", signal });
    const text = await readText(response, limit);
    if (method === "GET" && response.status === 200) {
      if (kept.size >= KEPT) kept.delete(kept.keys().next().value);
      kept.set(url, { time: Date.now(), text });
    }
    return [response.status, text];
  } catch (error) {
    return [0, String(error?.message ?? error)];
  }
}

/** The signing of tokens and the recording of acts, both by the access object. */
const BY_ACCESS = {
  sign: (env, claims) => env.ACCESS.getByName("access").sign(claims),
  audit: (env, uid, act, what) => env.ACCESS.getByName("access").audited(uid, act, what),
};

/**
 * The class of the objects of accounts. `durableObject` and `guarded` are those of `shim.js`, `wasm` is the glue. Its
 * method for RPC is `act`: `env.ACCOUNT.getByName(name).act(action)`.
 */
export function accountClass(durableObject, guarded, wasm, { sign, audit } = BY_ACCESS) {
  return class extends durableObject("Account") {
    /** Answers 404: the object is not used over HTTP. */
    fetch() {
      return new Response(null, { status: 404 });
    }

    /** Carries out the action of `wasm.askAccount`; resolves to `[status, headers as lines, body]`. */
    act(action) {
      const name = this.ctx.id.name;
      return this.#perform(name, guarded(() => this.current().act(name, action)));
    }

    async alarm() {
      const name = this.ctx.id.name;
      if (name !== undefined) await this.#perform(name, guarded(() => this.current().alarm(name)));
    }

    /** Carries effects out, and those of the steps that follow; resolves to the answer. */
    async #perform(name, effects) {
      for (;;) {
        let next;
        for (const [effect, ...rest] of effects) {
          switch (effect) {
            case "erase":
              // In the same turn as the step, and the alarm with it: nothing comes between.
              await this.ctx.storage.deleteAll();
              break;
            case "audit":
              await this.#audit(rest);
              break;
            case "sign":
              next = () => this.#sign(name, ...rest);
              break;
            case "fetch":
              next = () => this.#fetch(name, ...rest);
              break;
            case "pass":
              return await this.env.ACCOUNT.getByName(rest[0]).act(rest[1]);
            case "answer":
              return rest;
          }
        }
        if (next === undefined) return undefined;
        effects = await next();
      }
    }

    async #sign(name, number, claims) {
      let token;
      try {
        token = await sign(this.env, claims);
      } catch (error) {
        console.error("sign: " + error);
      }
      return guarded(() => this.current().signed(name, number, token));
    }

    async #fetch(name, number, ...request) {
      const [status, text] = await askProvider(wasm.providerLimit(), ...request);
      return guarded(() => this.current().fetched(name, number, status, text));
    }

    /** Records an act. The act stands, whether it can be recorded or not. */
    async #audit([uid, act, what]) {
      try {
        await audit(this.env, uid, act, what);
      } catch (error) {
        console.error(`audit: ${act} of ${uid}, ${what}: ${error}`);
      }
    }
  };
}

/** Answers a request about accounts. `readBody` and `reach` are those of `shim.js`. */
export async function answerAccount(request, env, guarded, wasm, readBody, reach) {
  let body;
  try {
    body = await readBody(request, wasm.accountLimit());
  } catch (error) {
    return guarded(() => wasm.unreadable(request, env, error));
  }
  const asked = guarded(() => wasm.askAccount(request, env, body));
  if (!Array.isArray(asked)) return asked;
  const [name, action] = asked;
  const alone = (object) => {
    const [effect, ...rest] = object.act(name, action).at(-1) ?? [];
    return effect === "answer" ? rest : undefined;
  };
  const [status, lines, text] = await reach(env, "ACCOUNT", name, (object) => object.act(action), alone);
  return guarded(() => wasm.respondWith(request, env, status, lines, text));
}
