// The bundle's entry: the Worker's handler, and one class per kind of object.
import { DurableObject } from "cloudflare:workers";
import * as wasm from "./blaze_server.js";
import { Host, guarded } from "./host.js";

/** Makes the class of the objects of one kind: each hands all that comes to its host. */
function durableObject(cls) {
  const made = class extends DurableObject {
    host = new Host(cls, this.ctx.id.name, this.ctx);
  };
  for (const event of ["fetch", "call", "alarm", "webSocketMessage", "webSocketClose", "webSocketError"]) {
    made.prototype[event] = function (...given) {
      return this.host[event](...given);
    };
  }
  return made;
}

export const Document = durableObject("Document");
export const Index = durableObject("Index");
export const Access = durableObject("Access");
export const Account = durableObject("Account");
export const Limiter = durableObject("Limiter");

const front = new Host("Front");

export default {
  fetch(request) {
    return front.fetch(request).catch((error) => guarded(() => wasm.failed(request, error)));
  },
};
