// The bundle's entry: the Worker's handlers and one class per Durable Object, over the wasm glue.
//
// A wasm trap (a Rust panic, a stack overflow, memory exhausted) leaves the wasm instance unusable, for every
// object of the isolate. `initState.criticalError` is set by the Rust panic hook or here; the next call
// re-instantiates the wasm, and each object is constructed again from its storage.
import { DurableObject } from "cloudflare:workers";
import * as wasm from "./blaze_server.js";

const initState = wasm.__worker_init_state();

function checkReinitialize() {
  if (initState.criticalError) {
    wasm.__wbg_reset_state();
    initState.criticalError = false;
    initState.instanceId++;
  }
}

addEventListener("error", (event) => noticeTrap(event.error));

function noticeTrap(error) {
  if (error instanceof WebAssembly.RuntimeError) initState.criticalError = true;
}

/** Calls into wasm, now; gives what it gives, which may be a promise. */
function guarded(call) {
  checkReinitialize();
  try {
    return call();
  } catch (error) {
    noticeTrap(error);
    throw error;
  }
}

const NO_BODY = new Uint8Array();

/** A request's body, or undefined when it has more than `limit` bytes. */
async function readBody(request, limit) {
  const length = request.headers.get("content-length");
  if (length !== null && Number(length) <= limit) return new Uint8Array(await request.arrayBuffer());
  const chunks = [];
  let size = 0;
  for await (const chunk of request.body) {
    size += chunk.byteLength;
    // What is too much is read and dropped, up to a point: a client that is still sending would not see the answer.
    if (size <= limit) chunks.push(chunk);
    else if (size > 4 * limit) break;
  }
  if (size > limit) return undefined;
  const body = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    body.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return body;
}

/** A Durable Object class whose every handler goes to the Rust class `name`. */
function durableObject(name) {
  return class extends DurableObject {
    #object;
    #instanceId;

    #current() {
      if (this.#instanceId !== initState.instanceId) {
        this.#object = new wasm[name](this.ctx, this.env);
        this.#instanceId = initState.instanceId;
      }
      return this.#object;
    }
    fetch(request) {
      if (request.body === null) return guarded(() => this.#current().fetch(request, NO_BODY));
      return readBody(request, wasm.bodyLimit()).then(
        (body) => guarded(() => this.#current().fetch(request, body)),
        (error) => guarded(() => wasm.unreadable(error)),
      );
    }
    webSocketMessage(socket, message) {
      return guarded(() => this.#current().webSocketMessage(socket, message));
    }
    // Nothing is kept about a socket, but the runtime leaves it to us to answer a close: a client would wait for it.
    webSocketClose(socket, code, reason) {
      try {
        socket.close(code, reason);
      } catch {
        // A code that must not be sent, such as 1005: the client gave none.
        socket.close();
      }
    }
    webSocketError() {}
  };
}

export const Document = durableObject("Document");

export default {
  async fetch(request, env) {
    try {
      return await guarded(() => wasm.fetch(request, env));
    } catch (error) {
      return guarded(() => wasm.unavailable(error));
    }
  },
};
