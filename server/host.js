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
import { readBody, readText } from "./body.js";
import { pairs } from "./platform.js";

const initState = wasm.__worker_init_state();
configure();

function configure() {
  // On a machine of its own the runtime keeps a file for every object: see `absent.js`.
  wasm.configure(collections, access, env, env.FILES !== undefined);
}

addEventListener("error", ({ error }) => noticeTrap(error));

function noticeTrap(error) {
  if (error instanceof WebAssembly.RuntimeError) initState.criticalError = true;
}

/** Calls into wasm; an error that it throws may be a trap. */
export function guarded(call) {
  if (initState.criticalError) {
    wasm.__wbg_reset_state();
    configure();
    initState.criticalError = false;
    initState.instanceId++;
  }
  try {
    return call();
  } catch (error) {
    noticeTrap(error);
    throw error;
  }
}

/** The message of something that was thrown. */
export const messageOf = (error) => String(error?.message ?? error);

/** An alarm whose handler failed rings again after so long, in milliseconds. */
const ALARM_PAUSE = 10_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** An answer of one object to another begins with this byte if it is nothing but a text. */
const DONE = 0;

/** Milliseconds until a time. */
const until = (at) => Math.max(0, at - Date.now());

/** The header in which an object learns its name, where the runtime does not keep it: one of over 1,024 bytes. */
export const NAME = "blaze-object";

function named(name, request) {
  if (name.length <= 256 || encoder.encode(name).length <= 1_024) return request;
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
  const object = { fetch: (request) => host.request(request, name), call: (name, call) => host.call(call, name) };
  try {
    const outcome = await ask(object, request?.body ? request.clone() : request);
    if (outcome === null || host.needsObject()) return null;
    request?.body?.cancel().catch(() => {});
    // The runtime tells the length of an answer to HEAD, but not of one that an object gave.
    return request?.method === "HEAD" ? new Response(null, outcome) : outcome;
  } finally {
    host.release();
  }
}

/** Makes a socket that may speak a subprotocol: this end of it, and the response with the other end. */
function makeSocket(protocol) {
  const [webSocket, server] = Object.values(new WebSocketPair());
  const headers = protocol === "" ? {} : { "sec-websocket-protocol": protocol };
  return [server, new Response(null, { status: 101, webSocket, headers })];
}

export class Host {
  #class;
  #name;
  /** The platform's object; undefined for the front, a listener, and an object that was never written. */
  #ctx;
  #object;
  #instanceId;
  /** By ticket: a request or a call without an outcome, `{ request, outcome, resolve, reject }`. */
  #waiting = new Map();
  #tickets = 0;
  /** By number: sockets. By socket: their numbers. */
  #sockets = new Map();
  #numbers = new WeakMap();
  /** The calls and fetches that are under way. */
  #open = new Set();
  #at;
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

  /** Makes the object in memory, unless there is one. */
  #make(alarm) {
    if (this.#isCurrent()) return;
    this.#lose();
    this.#at = undefined;
    const attachments = this.#ctx === undefined ? [] : this.#woken(this.#instanceId !== undefined);
    this.#object = new wasm.Actor(this.#class, this.#name ?? "", this, this.#ctx, alarm, attachments);
    this.#instanceId = initState.instanceId;
  }

  /** Numbers the sockets that there are; returns their attachments. After a trap, which took frames, they come again. */
  #woken(isLost) {
    const attachments = [];
    this.#sockets.clear();
    for (const socket of this.#ctx.getWebSockets()) {
      const [attachment, name] = socket.deserializeAttachment() ?? [];
      this.#name ??= name;
      if (isLost) {
        this.#numbers.delete(socket);
        socket.close(1012, "");
      } else this.#number(attachments.push(decoder.decode(attachment)), socket);
    }
    return attachments;
  }

  #number(number, socket) {
    this.#sockets.set(number, socket);
    this.#numbers.set(socket, number);
  }

  /** Has in memory what a loss of it took; resolves to nothing, undefined if all is at hand. */
  #ready(name) {
    this.#name ??= name;
    if (this.#isCurrent()) return undefined;
    if (this.#ctx !== undefined) return this.#prepare();
    // A listener lives in memory alone: its client comes again.
    if (this.#class === "Listener" && this.#instanceId !== undefined) {
      this.#isReleased = true;
      for (const number of this.#sockets.keys()) this.close(number, 1012, "");
    }
    return guarded(() => this.#make(null));
  }

  async #prepare() {
    // While its handler is at work an alarm is not seen.
    const alarm = this.#isRinging ? undefined : await this.#ctx.storage.getAlarm();
    guarded(() => this.#make(alarm));
  }

  /** Hands an event in. */
  tell(event, name) {
    if (this.#isReleased) return undefined;
    const ready = this.#ready(name);
    if (ready !== undefined) return ready.then(() => this.tell(event));
    if (!this.#isReleased) return guarded(() => event(this.#object));
  }

  /** Hands a request or a call in; returns its outcome, or a promise of it. */
  #ask(event, request, name) {
    const ready = this.#ready(name);
    if (ready !== undefined) return ready.then(() => this.#ask(event, request));
    const ticket = ++this.#tickets;
    const waiting = { request };
    this.#waiting.set(ticket, waiting);
    try {
      guarded(() => event(this.#object, ticket));
    } catch (error) {
      this.#waiting.delete(ticket);
      throw error;
    }
    if (waiting.outcome !== undefined) return waiting.outcome;
    return new Promise((resolve, reject) => Object.assign(waiting, { resolve, reject }));
  }

  request(request, name) {
    const { method, url } = request;
    return this.#ask((object, ticket) => object.request(ticket, request, method, url), request, name);
  }

  call(call, name) {
    return this.#ask((object, ticket) => object.call(ticket, call), undefined, name);
  }

  /** True if only the object itself can tell the outcome of what was asked. */
  needsObject() {
    return guarded(() => this.#object.needsObject());
  }

  message(socket, message) {
    const text = typeof message === "string" ? message : undefined;
    return this.tell((object) => object.message(this.#numbers.get(socket), text));
  }

  closed(socket) {
    return this.tell((object) => {
      const number = this.#numbers.get(socket);
      this.#sockets.delete(number);
      object.closed(number);
    });
  }

  async rings() {
    if (this.#name === undefined) return;
    this.#isRinging = true;
    try {
      await this.tell((object) => object.alarm());
      const made = this.#object;
      await this.idle();
      if (this.#object !== made) throw new Error("the object's memory was lost");
    } catch (error) {
      console.error(`${this.#class}: ${error}`);
      // The runtime would try a few times and then give up.
      this.setAlarm(Date.now() + ALARM_PAUSE);
    } finally {
      this.#isRinging = false;
    }
  }

  /** Resolves when the calls have ended that are under way now. */
  async idle() {
    await Promise.all([...this.#open]);
  }

  /** Ends the use of an object that is in memory alone. */
  async release() {
    while (this.#open.size > 0) await this.idle();
    await undefined;
    this.#isReleased = true;
    clearTimeout(this.#timer);
    if (this.#isCurrent()) this.#object.free();
  }

  /** Hands the outcome of a call in by `then`, to the object that made it; undefined if the call failed. */
  #await(promise, then) {
    const told = this.#told(promise, then, this.#object).catch((error) => console.error(`${this.#class}: ${error}`));
    this.#open.add(told);
    told.then(() => this.#open.delete(told));
  }

  async #told(promise, then, made) {
    let outcome;
    try {
      outcome = await promise;
    } catch (error) {
      console.error(`${this.#class}: ${error}`);
    }
    try {
      await this.tell((object) => object === made && then(object, outcome));
    } finally {
      if (!this.#isCurrent()) this.#lose();
    }
  }

  /** Ends the waiting for what a trap took. */
  #lose() {
    for (const { reject } of this.#waiting.values()) reject?.(new Error("the object's memory was lost"));
    this.#waiting.clear();
  }

  // The effects.

  settle(ticket, outcome) {
    const waiting = this.#waiting.get(ticket);
    this.#waiting.delete(ticket);
    if (waiting?.resolve === undefined) Object.assign(waiting ?? {}, { outcome });
    else waiting.resolve(outcome);
  }

  fail(ticket, error) {
    if (this.#waiting.has(ticket)) this.settle(ticket, Promise.reject(error));
  }

  read(ticket, limit, isGzip) {
    const { request } = this.#waiting.get(ticket);
    const body = readBody(request, limit, isGzip).then((body) => [body]);
    const read = body.catch((error) => [undefined, messageOf(error)]);
    this.#await(read, (object, body) => object.body(ticket, ...body));
  }

  pass(ticket, cls, name, url) {
    const { request } = this.#waiting.get(ticket);
    const passed = url === undefined ? request : new Request(url, request);
    this.settle(ticket, reach(cls, name, (object, request) => object.fetch(request), named(name, passed)));
  }

  relay(ticket, cls, name, call, status, lines) {
    const { request } = this.#waiting.get(ticket);
    const respond = (answer) =>
      answer[0] === DONE
        ? new Response(answer.subarray(1), { status, headers: pairs(lines) })
        : guarded(() => wasm.relayed(request, answer));
    this.settle(ticket, reach(cls, name, (object) => object.call(name, call)).then(respond));
  }

  serve(ticket, files, otherwise) {
    const { origin } = new URL(this.#waiting.get(ticket).request.url);
    this.settle(ticket, serve(origin, files, otherwise));
  }

  listen(ticket, protocol, credential, address) {
    const [server, response] = makeSocket(protocol);
    const host = new Host("Listener");
    host.#attend(0, server);
    host.tell((object) => object.listen(credential, address));
    this.settle(ticket, response);
  }

  refuse(ticket, protocol, frame, code) {
    const [server, response] = makeSocket(protocol);
    server.accept();
    server.send(frame);
    server.close(code);
    this.settle(ticket, response);
  }

  accept(ticket, socket, protocol, attachment) {
    // A socket needs the object.
    if (this.#ctx === undefined) return this.settle(ticket, null);
    const [server, response] = makeSocket(protocol);
    this.#ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(`{"ping":0}`, `{"pong":0}`));
    this.#number(socket, server);
    this.attach(socket, attachment);
    this.#ctx.acceptWebSocket(server);
    this.settle(ticket, response);
  }

  /** The name is attached, too, where the runtime does not keep it: that of names over 1,024 bytes. */
  attach(socket, attachment) {
    this.#sockets.get(socket)?.serializeAttachment(this.#ctx.id.name === undefined ? [attachment, this.#name] : [attachment]);
  }

  /** Opens a socket to an object, for a listener. */
  open(number, cls, name, url, credential) {
    this.#sockets.set(number, []);
    const opened = this.#connect(number, cls, name, url, credential);
    this.#await(opened, (object, isOpen) => (isOpen ? object.opened(number) : object.closed(number)));
  }

  async #connect(number, cls, name, url, credential) {
    const headers = { upgrade: "websocket" };
    if (credential !== "") headers.authorization = "Bearer " + credential;
    const request = named(name, new Request(url, { headers }));
    const { webSocket } = await reach(cls, name, (object, request) => object.fetch(request), request);
    if (!webSocket) throw new Error(name + " gave no socket");
    const unsent = this.#sockets.get(number);
    this.#attend(number, webSocket);
    // Closed meanwhile.
    if (unsent === undefined) return this.close(number, 1000, "");
    for (const text of unsent) webSocket.send(text);
    return true;
  }

  /** Listens to a socket that is in memory alone. */
  #attend(number, socket) {
    socket.accept();
    this.#number(number, socket);
    socket.addEventListener("message", ({ data }) => this.message(socket, data));
    const closed = () => this.#sockets.get(number) === socket && this.closed(socket);
    socket.addEventListener("close", closed);
    socket.addEventListener("error", closed);
  }

  send(sockets, text) {
    for (const number of sockets) {
      const socket = this.#sockets.get(number);
      if (Array.isArray(socket)) socket.push(text);
      else
        try {
          socket?.send(text);
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

  fetch(number, method, url, lines, body, limit, within) {
    const text = fetchText(method, url, pairs(lines), body, limit, within);
    const fetched = text.catch((error) => [0, messageOf(error)]);
    this.#await(fetched, (object, outcome) => object.fetched(number, ...outcome));
  }

  setAlarm(at) {
    this.#ctx?.storage.setAlarm(at).catch((error) => console.error("alarm: " + error));
  }

  erase() {
    this.#ctx?.storage.deleteAll().catch((error) => console.error("erase: " + error));
  }

  wake(at) {
    if (at === this.#at) return;
    clearTimeout(this.#timer);
    this.#at = at;
    if (at === undefined) return;
    this.#timer = setTimeout(() => {
      this.#at = undefined;
      this.tell((object) => object.timer());
    }, until(at));
  }

  /** Of the request that is being handled: another one's timer ends with it. */
  sleep(number, at) {
    this.#await(new Promise((resolve) => setTimeout(resolve, until(at))), (object) => object.told(number, undefined));
  }

  pinged(socket) {
    return this.#ctx?.getWebSocketAutoResponseTimestamp(this.#sockets.get(socket))?.getTime();
  }
}

/** Resolves to the first of the files that there is. */
async function serve(origin, files, otherwise) {
  for (const [path, lines] of env.ASSETS === undefined ? [] : files) {
    const file = await env.ASSETS.fetch(origin + path);
    if (file.status === 200) return new Response(file.body, { headers: pairs(lines) });
    await file.body?.cancel();
  }
  return otherwise;
}

/** Asks a server elsewhere, without cookies, a cache or redirects; resolves to the status and the text. */
async function fetchText(method, url, headers, body, limit, within) {
  const signal = AbortSignal.timeout(within);
  const response = await fetch(url, { method, headers, body, redirect: "manual", cache: "no-store", signal });
  return [response.status, await readText(response, limit)];
}
