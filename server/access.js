// The Durable Object class of access: the wasm class `Access`, and around it the fetching of issuers' keys, which is
// all that is ever awaited there.

import { isTrustworthy, readText } from "./remote.js";

/** Time for an issuer to send its keys, in milliseconds. */
const JWKS_TIMEOUT = 5_000;

/** Fetches the text that an issuer has at `url`: without cookies or a cache, and from nowhere else. */
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
    /** By issuer, the fetch of its keys that is under way. */
    #fetching = new Map();

    /** Answers 404: the object is not used over HTTP. */
    fetch() {
      return new Response(null, { status: 404 });
    }

    /**
     * Returns the snapshot as JSON; `{"version":n}` if that is `known`. Fetches issuers' keys meanwhile, if it is
     * time.
     */
    snapshot(known) {
      const [text, ...fetches] = guarded(() => this.current().snapshot(known));
      this.#fetchAll(fetches);
      return text;
    }

    /** Returns a snapshot, as `snapshot` does, once an issuer's keys have been fetched anew, if it is time for that. */
    async refresh(issuer, known) {
      const [, ...fetches] = guarded(() => this.current().refresh(issuer));
      this.#fetchAll(fetches);
      await this.#fetching.get(issuer);
      return this.snapshot(known);
    }

    /** Signs a token of Blaze with these claims, a JSON object's text. */
    sign(claims) {
      return guarded(() => this.current().sign(claims));
    }

    /** Records an administrator's act that was done elsewhere. */
    audited(actor, act, what) {
      guarded(() => this.current().audited(actor, act, what));
    }

    /**
     * Answers an administrator's request: `[status, headers, body]` for `respond` in `bridge.js`. `description` is
     * the result of `describe` there; `body` is bytes, or undefined if it is too large.
     */
    act(description, body, actor) {
      return guarded(() => this.current().act(description, body, actor));
    }

    /**
     * Starts the fetches, `fetches` being issuers and URLs in turn. Callers that want the same keys share one fetch.
     */
    #fetchAll(fetches) {
      for (let i = 0; i + 1 < fetches.length; i += 2) {
        const [issuer, url] = [fetches[i], fetches[i + 1]];
        if (this.#fetching.has(issuer)) continue;
        const fetched = this.#fetch(issuer, url).finally(() => this.#fetching.delete(issuer));
        this.#fetching.set(issuer, fetched);
      }
    }

    /** Fetches an issuer's keys. Never rejects: a failed fetch is a line in the log. */
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
