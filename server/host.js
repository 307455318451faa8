// The host of one object: hands events to the wasm class `Actor`, and carries out its effects. No decision is made here.
// Each method that `Actor` calls does what the effect of its name says (`engine/src/actor/mod.rs`).
//
// A wasm trap (a Rust panic, a stack overflow, memory exhausted) leaves the wasm instance unusable, for every object of
// the isolate. `initState.criticalError` is set by the Rust panic hook or here; the next call re-instantiates the wasm,
// each object is constructed again from its storage, and what waited in memory is answered as unavailable.
import { env } from "cloudflare:workers";
import * as wasm from "./blaze_server.js";
import access from "./access.json";
import collections from "./collections.json";
import { isAbsent, note } from "./absent.js";
import { readBody, readChunks } from "./body.js";
import { pairs } from "./platform.js";

const initState = wasm.__worker_init_state();
wasm.configure(collections, access, env);

/** Calls into wasm; an error that it throws may be a trap. */
export function guarded(call) {
  if (initState.criticalError) {
    wasm.__wbg_reset_state();
    wasm.configure(collections, access, env);
    initState.criticalError = false;
    initState.instanceId++;
  }
  try {
    return call();
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) initState.criticalError = true;
    throw error;
  }
}

/** The header in which an object learns its name, where the runtime does not keep it: one of over 1,024 bytes. */
const NAME = "blaze-object";

function named(name, request) {
  if (name.length <= 256 || new TextEncoder().encode(name).length <= 1_024) return request;
  const copy = new Request(request);
  copy.headers.set(NAME, encodeURIComponent(name));
  return copy;
}

/** Asks an object; resolves to the outcome. `ask` gets the object, and the request if there is one. */
async function reach(cls, name, ask, request) {
  const absent = isAbsent(cls, name);
  if (absent !== false && (await absent)) {
    const outcome = await askAbsent(cls, name, ask, request);
    if (outcome !== null) return outcome;
  }
  if (absent !== false) note(cls, name);
  return ask(env[cls.toUpperCase()].getByName(name), request);
}

/** Asks for an object that was never written; resolves to null if only the object itself can tell. */
async function askAbsent(cls, name, ask, request) {
  const host = new Host(cls, name);
  try {
    const outcome = await ask(host, request?.body ? request.clone() : request);
    if (outcome === null) return null;
    request?.body?.cancel().catch(() => {});
    // The runtime tells the length of an answer to HEAD, but not of one that an object gave.
    return request?.method === "HEAD" ? new Response(null, outcome) : outcome;
  } finally {
    host.release();
  }
}

export class Host {
  #class;
  #name;
  /** The platform's object; undefined for the front, a listener, and an object that was never written. */
  #ctx;
  #object;
  #instanceId;
  /** By ticket: a request or a call without an outcome, `{ request, resolve, reject }`. */
  #waiting = new Map();
  #tickets = 0;
  /** By number: sockets. By socket: their numbers. */
  #sockets = new Map();
  #numbers = new WeakMap();
  /** The calls and fetches that are under way. */
  #open = new Set();
  #timer;
  #isRinging = false;
  #isReleased = false;

  constructor(cls, name, ctx) {
    this.#class = cls;
    this.#name = name;
    this.#ctx = ctx;
  }

  /** True if the object in memory is of this instance of wasm. */
  #isCurrent() {
    return this.#instanceId === initState.instanceId && !initState.criticalError;
  }

  /** Numbers the sockets that there are; returns their attachments. */
  #woken() {
    return (this.#ctx?.getWebSockets() ?? []).map((socket, place) => {
      const [attachment, name] = socket.deserializeAttachment() ?? [];
      this.#name ??= name;
      this.#number(place + 1, socket);
      return new TextDecoder().decode(attachment);
    });
  }

  /** Ends what a trap took: those who wait are told, and clients come again. A listener lives in memory alone. */
  #lose() {
    for (const { reject } of this.#waiting.values()) reject(new Error("the object's memory was lost"));
    this.#waiting.clear();
    this.#isReleased ||= this.#class === "Listener";
    for (const number of this.#sockets.keys()) this.close(number, 1012, "");
    this.#numbers = new WeakMap();
  }

  #number(number, socket) {
    this.#sockets.set(number, socket);
    this.#numbers.set(socket, number);
  }

  /** Hands an event in, to the object in memory, which is made if need be. */
  async tell(event) {
    if (!this.#isCurrent()) {
      // While its handler is at work an alarm is not seen.
      const alarm = this.#isRinging ? undefined : ((await this.#ctx?.storage.getAlarm()) ?? null);
      guarded(() => {
        if (this.#isCurrent()) return;
        const isFirst = this.#instanceId === undefined;
        if (!isFirst) this.#lose();
        if (this.#isReleased) return;
        const attachments = isFirst ? this.#woken() : [];
        this.#object = new wasm.Actor(this.#class, this.#name ?? "", this, this.#ctx, alarm, attachments);
        this.#instanceId = initState.instanceId;
      });
    }
    if (!this.#isReleased) guarded(() => event(this.#object));
  }

  /** Hands a request or a call in; resolves to its outcome. */
  async #ask(event, request) {
    const ticket = ++this.#tickets;
    const { promise, resolve, reject } = Promise.withResolvers();
    await this.tell((object) => {
      this.#waiting.set(ticket, { request, resolve, reject });
      event(object, ticket);
    });
    return promise;
  }

  fetch(request) {
    if (this.#ctx !== undefined) this.#name ??= decodeURIComponent(request.headers.get(NAME));
    return this.#ask((object, ticket) => object.request(ticket, request, request.method, request.url), request);
  }

  /** Takes a call of another object, as bytes; resolves to the bytes of the answer. */
  call(name, call) {
    this.#name ??= name;
    return this.#ask((object, ticket) => object.call(ticket, call));
  }

  async webSocketMessage(socket, message) {
    const text = typeof message === "string" ? message : undefined;
    await this.tell((object) => object.message(this.#numbers.get(socket), text));
    await Promise.all(this.#open);
  }

  webSocketClose(socket, code, reason) {
    // The runtime leaves the answer to us: a client would wait for it.
    try {
      socket.close(code, reason);
    } catch {
      // A code that must not be sent, such as 1005: the client gave none.
      socket.close();
    }
    return this.webSocketError(socket);
  }

  webSocketError(socket) {
    return this.tell((object) => {
      const number = this.#numbers.get(socket);
      this.#sockets.delete(number);
      object.closed(number);
    });
  }

  async alarm() {
    if (this.#name === undefined) return;
    this.#isRinging = true;
    try {
      await this.tell((object) => object.alarm());
      const made = this.#object;
      await Promise.all(this.#open);
      if (this.#object !== made) throw new Error("the object's memory was lost");
    } catch (error) {
      console.error(`${this.#class}: ${error}`);
      // The runtime would try a few times and then give up.
      this.setAlarm(guarded(wasm.alarmAgain));
    } finally {
      this.#isRinging = false;
    }
  }

  /** Ends the use of an object that is in memory alone. */
  async release() {
    while (this.#open.size > 0) await Promise.all(this.#open);
    await undefined;
    this.#isReleased = true;
    clearTimeout(this.#timer);
    if (this.#isCurrent()) guarded(() => this.#object.free());
  }

  /** Hands the outcome of a call in by `then`, to the object that made it; undefined if the call failed. */
  #await(promise, then) {
    const made = this.#object;
    const log = (error) => console.error(`${this.#class}: ${error}`);
    const hand = (outcome) => this.tell((object) => object === made && then(object, outcome));
    const told = promise.catch(log).then(hand).catch(log);
    this.#open.add(told);
    told.then(() => {
      this.#open.delete(told);
      if (!this.#isCurrent()) this.#lose();
    });
  }

  // The effects.

  settle(ticket, outcome) {
    this.#waiting.get(ticket)?.resolve(outcome);
    this.#waiting.delete(ticket);
  }

  read(ticket, limit, isGzip) {
    const { request } = this.#waiting.get(ticket);
    const body = readBody(request, limit, isGzip);
    const read = body.then((body) => [body], (error) => [undefined, error]);
    this.#await(read, (object, read) => object.body(ticket, ...read));
  }

  pass(ticket, cls, name, url) {
    const { request } = this.#waiting.get(ticket);
    const passed = url === undefined ? request : new Request(url, request);
    this.settle(ticket, reach(cls, name, (object, request) => object.fetch(request), named(name, passed)));
  }

  relay(ticket, cls, name, call, status, lines) {
    const { request } = this.#waiting.get(ticket);
    // An answer that begins with 0 is nothing but a text.
    const respond = (answer) =>
      answer[0] === 0
        ? new Response(answer.subarray(1), { status, headers: pairs(lines) })
        : guarded(() => wasm.relayed(request, answer));
    this.settle(ticket, reach(cls, name, (object) => object.call(name, call)).then(respond));
  }

  serve(ticket, files, otherwise) {
    const { origin } = new URL(this.#waiting.get(ticket).request.url);
    const find = async () => {
      for (const [path, lines] of env.ASSETS === undefined ? [] : files) {
        const file = await env.ASSETS.fetch(origin + path);
        if (file.status === 200) return new Response(file.body, { headers: pairs(lines) });
        await file.body?.cancel();
      }
      return otherwise;
    };
    this.settle(ticket, find());
  }

  /** Answers a request with a socket that may speak a subprotocol, after `use` has taken this end of it. */
  #upgrade(ticket, protocol, use) {
    const [webSocket, server] = Object.values(new WebSocketPair());
    use(server);
    const headers = protocol === "" ? {} : { "sec-websocket-protocol": protocol };
    this.settle(ticket, new Response(null, { status: 101, webSocket, headers }));
  }

  listen(ticket, protocol, credential, address) {
    const host = new Host("Listener");
    this.#upgrade(ticket, protocol, (socket) => host.#attend(0, socket));
    host.tell((object) => object.listen(credential, address));
  }

  refuse(ticket, protocol, frame, code) {
    this.#upgrade(ticket, protocol, (socket) => {
      socket.accept();
      socket.send(frame);
      socket.close(code);
    });
  }

  accept(ticket, number, protocol, attachment) {
    this.#upgrade(ticket, protocol, (socket) => {
      this.#ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(`{"ping":0}`, `{"pong":0}`));
      this.#number(number, socket);
      this.attach(number, attachment);
      this.#ctx.acceptWebSocket(socket);
    });
  }

  /** The name is attached, too, where the runtime does not keep it: that of names over 1,024 bytes. */
  attach(socket, attachment) {
    this.#sockets.get(socket)?.serializeAttachment(this.#ctx.id.name === undefined ? [attachment, this.#name] : [attachment]);
  }

  /** Opens a socket to an object, for a listener. */
  open(number, cls, name, url, credential) {
    const unsent = [];
    this.#sockets.set(number, { send: (text) => unsent.push(text), close() {} });
    const connect = async () => {
      const headers = { upgrade: "websocket" };
      if (credential !== "") headers.authorization = "Bearer " + credential;
      const request = named(name, new Request(url, { headers }));
      const { webSocket } = await reach(cls, name, (object, request) => object.fetch(request), request);
      if (!webSocket) throw new Error(name + " gave no socket");
      const isWanted = this.#sockets.has(number);
      this.#attend(number, webSocket);
      if (!isWanted) return this.close(number, 1000, "");
      for (const text of unsent) webSocket.send(text);
      return true;
    };
    this.#await(connect(), (object, isOpen) => (isOpen ? object.opened(number) : object.closed(number)));
  }

  /** Listens to a socket that is in memory alone. */
  #attend(number, socket) {
    socket.accept();
    this.#number(number, socket);
    socket.addEventListener("message", ({ data }) => this.webSocketMessage(socket, data));
    const closed = () => this.#sockets.get(number) === socket && this.webSocketError(socket);
    socket.addEventListener("close", closed);
    socket.addEventListener("error", closed);
  }

  send(sockets, text) {
    for (const number of sockets) {
      try {
        this.#sockets.get(number)?.send(text);
      } catch {
        // Its close event tells that it has gone.
      }
    }
  }

  close(number, code, reason) {
    const socket = this.#sockets.get(number);
    this.#sockets.delete(number);
    try {
      socket?.close(code, reason);
    } catch {
      // The peer was faster.
    }
    if (this.#ctx === undefined && number === 0) this.release();
  }

  ask(number, cls, name, call) {
    this.#await(reach(cls, name, (object) => object.call(name, call)), (object, answer) => object.told(number, answer));
  }

  /** Asks a server elsewhere, without cookies, a cache or redirects. */
  load(number, method, url, lines, body, limit, within) {
    const signal = AbortSignal.timeout(within);
    const options = { method, headers: pairs(lines), body, redirect: "manual", cache: "no-store", signal };
    const read = async (response) => {
      const text = await readChunks(response.body ?? [], limit, limit);
      if (text === undefined) throw new Error(`more than ${limit} bytes`);
      return [response.status, new TextDecoder("utf-8", { fatal: true }).decode(text)];
    };
    const fetched = fetch(url, options).then(read).catch((error) => [0, "", error]);
    this.#await(fetched, (object, outcome) => object.fetched(number, ...outcome));
  }

  setAlarm(at) {
    this.#ctx?.storage.setAlarm(at).catch((error) => console.error("alarm: " + error));
  }

  erase() {
    this.#ctx?.storage.deleteAll().catch((error) => console.error("erase: " + error));
  }

  wake(at) {
    clearTimeout(this.#timer);
    if (at !== undefined) this.#timer = setTimeout(() => this.tell((object) => object.timer()), at - Date.now());
  }

  /** Of the request that is being handled: another one's timer ends with it. */
  sleep(number, at) {
    this.#await(new Promise((resolve) => setTimeout(resolve, at - Date.now())), (object) => object.told(number, undefined));
  }

  pinged(socket) {
    return this.#ctx?.getWebSocketAutoResponseTimestamp(this.#sockets.get(socket))?.getTime();
  }
}
