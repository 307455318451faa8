// The bundle's entry: the Worker's handler, and one class per kind of object.
import { DurableObject } from "cloudflare:workers";
import * as wasm from "./blaze_server.js";
import { Host, NAME, guarded, messageOf } from "./host.js";

/** Makes the class of the objects of one kind. */
function durableObject(cls) {
  return class extends DurableObject {
    #host = new Host(cls, this.ctx.id.name, this.ctx);

    fetch(request) {
      const name = this.ctx.id.name ?? decodeURIComponent(request.headers.get(NAME));
      return this.#host.request(request, name);
    }
    /** Takes a call of another object, as bytes; resolves to the bytes of the answer. */
    call(name, call) {
      return this.#host.call(call, name);
    }
    alarm() {
      return this.#host.rings();
    }
    async webSocketMessage(socket, message) {
      await this.#host.message(socket, message);
      await this.#host.idle();
    }
    webSocketClose(socket, code, reason) {
      // The runtime leaves the answer to us: a client would wait for it.
      try {
        socket.close(code, reason);
      } catch {
        // A code that must not be sent, such as 1005: the client gave none.
        socket.close();
      }
      return this.#host.closed(socket);
    }
    webSocketError(socket) {
      return this.#host.closed(socket);
    }
  };
}

export const Document = durableObject("Document");
export const Index = durableObject("Index");
export const Access = durableObject("Access");
export const Account = durableObject("Account");
export const Limiter = durableObject("Limiter");

const front = new Host("Front");

/** The beginnings of the errors of a request whose URL the runtime cannot read. */
const UNREADABLE = ["Invalid URL", "Fetch API cannot load"];

export default {
  async fetch(request) {
    try {
      return await front.request(request);
    } catch (error) {
      const message = messageOf(error);
      if (UNREADABLE.some((words) => message.startsWith(words))) return guarded(() => wasm.unreadable(request, message));
      console.error("front: " + message);
      return guarded(() => wasm.relayed(request, undefined));
    }
  },
};
