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
      return guarded(() => this.#current().fetch(request));
    }
    webSocketMessage(socket, message) {
      return guarded(() => this.#current().webSocketMessage(socket, message));
    }
    // The runtime has answered the close by itself, and nothing is kept about a socket.
    webSocketClose() {}
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
