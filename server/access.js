// The Durable Object class of access: the wasm class `Access`, and around it the fetching of issuers' keys, which is all
// that is ever awaited there.

import { isTrustworthy, readText } from "./remote.js";

/** How long an issuer may take to send its keys, in milliseconds. */
const JWKS_TIMEOUT = 5_000;

/** The text that an issuer has at `url`: fetched without cookies or a cache, and from nowhere else. */
export async function fetchKeys(url, limit, signal = AbortSignal.timeout(JWKS_TIMEOUT)) {
  if (!isTrustworthy(new URL(url))) throw new Error("neither https nor this machine");
  const headers = { accept: "application/jwk-set+json, application/json" };
  const response = await fetch(url, { headers, redirect: "manual", cache: "no-store", signal });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`answered with ${response.status}`);
  }
  return await readText(response, limit);
}

/**
 * The class of the access object. `durableObject` and `guarded` are those of `shim.js`, `wasm` is the glue. The methods
 * are for RPC: `env.ACCESS.getByName("access")`.
 */
export function accessClass(durableObject, guarded, wasm) {
  return class extends durableObject("Access") {
    /** By issuer, the fetch of its keys that is going on. */
    #fetching = new Map();

    /** Nothing is asked by HTTP. */
    fetch() {
      return new Response(null, { status: 404 });
    }

    /** The snapshot as JSON; `{"version":n}` where that is `known`. Fetches issuers' keys meanwhile, if it is time. */
    snapshot(known) {
      const [text, ...fetches] = guarded(() => this.current().snapshot(known));
      this.#fetchAll(fetches);
      return text;
    }

    /** A snapshot, as `snapshot` gives it, once an issuer's keys have been fetched anew, if it is time for that. */
    async refresh(issuer, known) {
      const [, ...fetches] = guarded(() => this.current().refresh(issuer));
      this.#fetchAll(fetches);
      await this.#fetching.get(issuer);
      return this.snapshot(known);
    }

    /** A token of Blaze with these claims, a JSON object's text. */
    sign(claims) {
      return guarded(() => this.current().sign(claims));
    }

    /** Notes what an administrator did elsewhere. */
    audited(actor, act, what) {
      guarded(() => this.current().audited(actor, act, what));
    }

    /**
     * Answers an administrator's request: `[status, headers, body]` for `respond` in `bridge.js`. `description` is what
     * `describe` there gives; `body` is bytes, or undefined where it is too large.
     */
    act(description, body, actor) {
      return guarded(() => this.current().act(description, body, actor));
    }

    /** `fetches` are issuers and URLs in turn. Whoever wants keys that are on their way waits for the same fetch. */
    #fetchAll(fetches) {
      for (let i = 0; i + 1 < fetches.length; i += 2) {
        const [issuer, url] = [fetches[i], fetches[i + 1]];
        if (this.#fetching.has(issuer)) continue;
        const fetched = this.#fetch(issuer, url).finally(() => this.#fetching.delete(issuer));
        this.#fetching.set(issuer, fetched);
      }
    }

    /** Never rejects: keys that did not come are a line in the log. */
    async #fetch(issuer, url) {
      let text, problem;
      try {
        text = await fetchKeys(url, wasm.jwksLimit());
      } catch (error) {
        problem = String(error?.message ?? error);
      }
      try {
        guarded(() => this.current().jwks(issuer, text, problem));
      } catch (error) {
        console.error("issuer: " + error);
      }
    }
  };
}
