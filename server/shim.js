// The bundle's entry: the Worker's handlers and one class per Durable Object, over the wasm glue.
//
// A wasm trap (a Rust panic, a stack overflow, memory exhausted) leaves the wasm instance unusable, for every
// object of the isolate. `initState.criticalError` is set by the Rust panic hook or here; the next call
// re-instantiates the wasm, and each object is constructed again from its storage.
import { DurableObject, env } from "cloudflare:workers";
import * as wasm from "./blaze_server.js";
import { classOf, hasFile, isKnown, note } from "./absent.js";
import access from "./access.json";
import { accessClass } from "./access.js";
import { accountClass, answerAccount } from "./account.js";
import collections from "./collections.json";
import * as limiter from "./limiter.js";
import { listen } from "./listener.js";
import { isFresh, refresh, refreshAnew, restore } from "./snapshot.js";

const initState = wasm.__worker_init_state();
configure();

function configure() {
  wasm.configure(collections);
  wasm.configureAccess(access);
}

function checkReinitialize() {
  if (initState.criticalError) {
    wasm.__wbg_reset_state();
    configure();
    restore(env);
    initState.criticalError = false;
    initState.instanceId++;
  }
}

addEventListener("error", (event) => noticeTrap(event.error));

function noticeTrap(error) {
  if (error instanceof WebAssembly.RuntimeError) initState.criticalError = true;
}

/** Calls into wasm at once; returns the result of the call, which may be a promise. */
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

/** Number of times that a decision may ask for more before it is made. */
const ROUNDS = 8;

/** True if a call into wasm must be repeated with what it lacks. */
const lacks = (outcome) => outcome?.lookup !== undefined || outcome?.refresh !== undefined;

/**
 * Fetches what a call into wasm lacked (documents that rules look up, an issuer's keys), and repeats the call. `call`
 * takes paths and data in turn, and whether there are no fresher keys.
 */
async function complete(outcome, call) {
  const found = [];
  let isFinal = false;
  for (let round = 0; lacks(outcome); round++) {
    if (round === ROUNDS) throw new Error("a decision that asks for ever more");
    if (outcome.refresh !== undefined) {
      await refresh(env, outcome.refresh);
      isFinal = true;
    } else {
      found.push(...(await lookUp(outcome.lookup)));
    }
    outcome = await guarded(() => call(found, isFinal));
  }
  return outcome;
}

/** Reads the documents that rules look up; resolves to their paths and data in turn. */
async function lookUp(paths) {
  const found = paths.map(async (path) => [path, await reach(env, "DOCUMENT", path, (object) => object.peek(path))]);
  return (await Promise.all(found)).flat();
}

/**
 * Asks an object. `ask` gets the object. An object that was never written is not made for it: `alone`, by default the
 * same function, gets a wasm object of its class without rows, and returns undefined if only the object can answer.
 */
function reach(env, binding, name, ask, alone = ask) {
  if (isKnown(env, binding, name)) return ask(env[binding].getByName(name));
  return reachFirst(env, binding, name, ask, alone);
}

async function reachFirst(env, binding, name, ask, alone) {
  if (!(await hasFile(env, binding, name))) {
    const answer = await answerAlone(env, binding, alone, name);
    if (answer !== undefined) return answer;
  }
  note(binding, name);
  return ask(env[binding].getByName(name));
}

/** Answers for an object without rows; resolves to undefined if the object itself is needed. */
async function answerAlone(env, binding, call, name) {
  if (!isFresh()) await refresh(env);
  const object = guarded(() => new wasm[classOf(binding)](undefined, env));
  const { instanceId } = initState;
  try {
    const step = (found, isFinal) => call(object, found, isFinal);
    let outcome = guarded(() => step(NOTHING, false));
    if (lacks(outcome)) outcome = await complete(outcome, step);
    for (let round = 0; outcome?.calls !== undefined; round++) {
      if (round === ROUNDS) throw new Error("an index that asks for ever more");
      const { calls } = outcome;
      const answers = await tellAll(env, calls);
      guarded(() => object.told(name, calls, answers));
      outcome = guarded(() => step(NOTHING, false));
    }
    return guarded(() => object.needsObject()) ? undefined : outcome;
  } catch (error) {
    // The call tried to write, and there are no rows.
    if (!initState.criticalError && guarded(() => object.needsObject())) return undefined;
    throw error;
  } finally {
    // Another instance of wasm does not know the object.
    if (initState.instanceId === instanceId && !initState.criticalError) object.free();
  }
}

/** Sends messages to objects of indexes, `calls` being names and messages in turn; resolves to the answers. */
function tellAll(env, calls) {
  const asked = [];
  for (let i = 0; i < calls.length; i += 2) {
    const [name, message] = calls.slice(i, i + 2);
    const tell = (object) => object.tell(name, message);
    // An object that was never written need not be erased.
    const alone = (object) => ((outcome) => (outcome?.erase ? "" : outcome))(tell(object));
    asked.push(reach(env, "INDEX", name, tell, alone));
  }
  return Promise.all(asked);
}

/** Passes a request on to a document if its object was ever written or must be: see `reach`. */
async function askFirst(request, env, name, url) {
  const pass = () => {
    note("DOCUMENT", name);
    return env.DOCUMENT.getByName(name).fetch(url === undefined ? request : new Request(url, request));
  };
  if (await hasFile(env, "DOCUMENT", name)) return pass();
  const { method, headers } = request;
  let body = NO_BODY;
  if (method !== "GET" && method !== "HEAD") {
    try {
      body = await readBody(request.clone(), wasm.bodyLimit());
    } catch (error) {
      return guarded(() => wasm.unreadable(request, env, error));
    }
  }
  const asked = url === undefined ? request : new Request(url, { method, headers });
  const answer = await answerAlone(env, "DOCUMENT", (object, ...more) => object.fetch(asked, body, ...more));
  if (answer === undefined) return pass();
  request.body?.cancel().catch(() => {});
  // The runtime tells the length of an answer to HEAD, but not of one that an object gave.
  return method === "HEAD" ? new Response(null, answer) : answer;
}

/** Reads a request's body, inflated; resolves to undefined if it has more than `limit` bytes. */
function readBody(request, limit) {
  const encoding = request.headers.get("content-encoding");
  const body = readPlain(request, limit);
  return encoding === null ? body : body.then((body) => decode(body, encoding, limit));
}

/** Removes a body's `Content-Encoding`. A bomb is inflated up to the limit and no further. */
async function decode(body, encoding, limit) {
  const isGzip = guarded(() => wasm.isGzip(encoding));
  if (!isGzip || body === undefined || body.byteLength === 0) return body;
  try {
    return await readChunks(new Response(body).body.pipeThrough(new DecompressionStream("gzip")), limit, limit);
  } catch (error) {
    throw new Error(`its Content-Encoding is ${encoding}, and it cannot be inflated: ${error.message}`);
  }
}

/** Reads a request's body as it was sent; resolves to undefined if it has more than `limit` bytes. */
function readPlain(request, limit) {
  const length = request.headers.get("content-length");
  // A length that is no number is not known to be within the limit.
  if (length === null || !(Number(length) <= limit)) return readChunks(request.body ?? [], limit);
  return request.arrayBuffer().then((body) => new Uint8Array(body));
}

/**
 * Reads a body; undefined if it exceeds `limit`. The excess is dropped, up to `most`: a client that is still sending
 * would not see the answer.
 */
async function readChunks(stream, limit, most = 4 * limit) {
  const chunks = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.byteLength;
    if (size <= limit) chunks.push(chunk);
    else if (size > most) break;
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

/** An answer waits no longer for the indexes, in milliseconds. The alarm goes on. */
const INDEX_WAIT = 10_000;
/** Pauses before an index that failed is told again, in milliseconds. */
const INDEX_RETRY = [20, 100, 500, 2_000];

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Tells an index a document's row; resolves to the rows that it cost, if they are counted. */
async function tellIndex(env, name, row) {
  for (let attempt = 0; ; attempt++) {
    try {
      return await env.INDEX.getByName(name).update(name, row);
    } catch (error) {
      if (attempt === INDEX_RETRY.length) throw error;
      await sleep(INDEX_RETRY[attempt]);
    }
  }
}

/** Makes a Durable Object class whose every handler goes to the Rust class `name`. */
function durableObject(name) {
  return class extends DurableObject {
    #object;
    #instanceId;

    current() {
      if (this.#instanceId !== initState.instanceId) {
        this.#object = new wasm[name](this.ctx, this.env);
        this.#instanceId = initState.instanceId;
      }
      return this.#object;
    }
    /** True if the object in memory is of this instance of wasm. */
    isCurrent() {
      return this.#instanceId === initState.instanceId && !initState.criticalError;
    }
    webSocketError() {}
  };
}

/** Answers a close, which the runtime leaves to us: a client would wait for the answer. */
function answerClose(socket, code, reason) {
  try {
    socket.close(code, reason);
  } catch {
    // A code that must not be sent, such as 1005: the client gave none.
    socket.close();
  }
}

/** A response with the rows that the indexes read and wrote for it, where they are counted. */
function counted(result, counts) {
  if (counts[0] !== undefined && result instanceof Response) {
    const sum = (column) => counts.reduce((total, rows) => total + rows[column], 0);
    result.headers.set("blaze-index-rows-read", sum(0));
    result.headers.set("blaze-index-rows-written", sum(1));
  }
  return result;
}

/** No lookups. */
const NOTHING = [];

export class Document extends durableObject("Document") {
  #turn = Promise.resolve();
  /** By socket: the promise for its last message, while that waits for something. */
  #busy = new WeakMap();
  /** The newest version that the indexes were told of, and a promise of their counts; of undefined if they do not have it. */
  #telling = { version: 0, told: Promise.resolve([]) };
  /** The newest version that they have. */
  #indexed = 0;
  /** The sending of frames: in the order of the states that they tell of. */
  #line = Promise.resolve();
  #isRinging = false;

  /** Has the rules fresh, and in memory what a loss of it took; undefined if all is at hand. */
  #ready() {
    return isFresh() && this.isCurrent() ? undefined : this.#prepare();
  }
  async #prepare() {
    if (!isFresh()) await refresh(env);
    // Names of over 1,024 bytes are not kept by the runtime: such objects have no alarms.
    if (this.isCurrent() || this.ctx.id.name === undefined) return;
    const alarm = await this.ctx.storage.getAlarm();
    // While its handler is at work an alarm is not seen.
    if (!this.isCurrent() && !this.#isRinging) guarded(() => this.current().waking(alarm ?? undefined));
  }
  fetch(request) {
    return this.#ready()?.then(() => this.#fetch(request)) ?? this.#fetch(request);
  }
  #fetch(request) {
    const address = isLimited && request.method === "GET" ? limiter.addressOf(request, this.env) : undefined;
    const call = (body, found, isFinal) => this.current().fetch(request, body, found, isFinal, address);
    if (request.method === "GET") {
      const outcome = guarded(() => call(NO_BODY, NOTHING, false));
      return outcome instanceof Response ? outcome : this.#finish(request, outcome, (...more) => call(NO_BODY, ...more));
    }
    return readBody(request, wasm.bodyLimit()).then(
      (body) => this.#finish(request, guarded(() => call(body, NOTHING, false)), (...more) => call(body, ...more)),
      (error) => guarded(() => wasm.unreadable(request, this.env, error)),
    );
  }
  /** The response that a call came to, once it has what it lacked and the indexes know. */
  #finish(request, outcome, call) {
    if (lacks(outcome)) return complete(outcome, call).then((outcome) => this.#finish(request, outcome));
    return this.#settle(outcome, () => guarded(() => wasm.respondWith(request, this.env, ...wasm.unindexed())));
  }
  /**
   * Passes on what a step came to (`afterIndex` in `bridge.js`), once the indexes have the version that it tells of; what
   * `otherwise` gives if they do not. What is for sockets is sent in line, and not waited for.
   */
  #settle(outcome, otherwise) {
    if (outcome?.version === undefined) return outcome;
    const { result, version, names, row, socket, frames, broadcast, bytes, sockets } = outcome;
    if (row !== undefined) this.#tell(version, names, row);
    const { told } = this.#telling;
    if (broadcast !== undefined || frames.length > 0) {
      const release = (counts) =>
        guarded(() => this.current().release(counts !== undefined, socket, frames, broadcast, bytes, sockets));
      this.#line = this.#line.then(() => told).then(release).catch((error) => {
        console.error("document: " + error);
        // They resume, and miss nothing.
        for (const one of socket === undefined ? sockets : [socket, ...sockets]) answerClose(one, 1012, "");
      });
    }
    if (socket !== undefined) return result;
    return told.then((counts) => (counts === undefined ? otherwise() : counted(result, counts)));
  }
  /** Tells the indexes a version. */
  #tell(version, names, row) {
    const told = Promise.all(names.map((name) => tellIndex(this.env, name, row))).then(
      (counts) => {
        this.#indexed = Math.max(this.#indexed, version);
        guarded(() => this.current().indexed(version, true));
        return counts;
      },
      (error) => {
        console.error("index: " + error);
        guarded(() => this.current().indexed(version, false));
      },
    );
    let timer;
    const late = new Promise((resolve) => (timer = setTimeout(resolve, INDEX_WAIT)));
    const first = Promise.race([told, late]).then((counts) => {
      clearTimeout(timer);
      // A newer version that they have is as good.
      return counts ?? (this.#indexed >= version ? [] : undefined);
    });
    this.#telling = { version, told: first };
  }
  /** Handles a write that came on `/v1/listen`, with its credential; resolves to the frame that answers it. */
  async frame(path, text, credential) {
    await this.#ready();
    const call = (found, isFinal) => this.current().frame(path, text, credential, found, isFinal);
    const outcome = await complete(guarded(() => call(NOTHING, false)), call);
    return this.#settle(outcome, () => {
      throw new Error("the document's index does not answer");
    });
  }
  /** Handles this document's part of a commit, whose request is described; resolves to the answer in parts. */
  async commit(path, description, part, isPart) {
    await this.#ready();
    const call = (found, isFinal) => this.current().commit(path, description, part, isPart, found, isFinal);
    const outcome = await complete(guarded(() => call(NOTHING, false)), call);
    return this.#settle(outcome, () => wasm.unindexed());
  }
  /** Returns the document's data as JSON, for rules of other documents. */
  peek(path) {
    return guarded(() => this.current().peek(path));
  }
  /**
   * Counts a message, after the one before it; resolves to true if it is not one too many. Ends the socket if it is.
   */
  #isCounted(socket) {
    const counted = this.#turn.then(async () => {
      const [address, uid = ""] = guarded(() => this.current().counted(socket)).split("\n");
      const refusal = await limiter.refusal(wasm, guarded, env, address, uid);
      if (refusal !== undefined) guarded(() => this.current().quiet(socket, refusal));
      return refusal === undefined;
    });
    this.#turn = counted.catch(() => {});
    return counted;
  }
  /** Handles a socket's messages one after the other; several may wait for the indexes. */
  async webSocketMessage(socket, message) {
    const before = this.#busy.get(socket);
    const decided = before === undefined ? this.#decide(socket, message) : before.then(() => this.#decide(socket, message));
    if (decided instanceof Promise) {
      const done = decided.then(
        () => {},
        () => {},
      );
      this.#busy.set(socket, done);
      done.then(() => this.#busy.get(socket) === done && this.#busy.delete(socket));
    }
    this.#settle(await decided);
    await this.#line;
  }
  /** Decides on a message; returns a promise if something must be fetched first. */
  #decide(socket, message) {
    const call = (found, isFinal) => this.current().webSocketMessage(socket, message, found, isFinal);
    const decide = () => {
      const outcome = guarded(() => call(NOTHING, false));
      return lacks(outcome) ? complete(outcome, call) : outcome;
    };
    const preparing = this.#ready();
    if (!isLimited && preparing === undefined) return decide();
    return (async () => {
      await preparing;
      if (isLimited && !(await this.#isCounted(socket))) return undefined;
      return decide();
    })();
  }
  webSocketClose(socket, code, reason) {
    answerClose(socket, code, reason);
    guarded(() => this.current().webSocketClose(socket));
  }
  webSocketError(socket) {
    guarded(() => this.current().webSocketClose(socket));
  }
  async alarm() {
    const name = this.ctx.id.name;
    if (name === undefined) return;
    this.#isRinging = true;
    try {
      await this.#ready();
      await this.#settle(guarded(() => this.current().alarm(name)), () => {});
    } catch (error) {
      // The runtime would try a few times and then give up.
      console.error("alarm: " + error);
      await this.ctx.storage.setAlarm(Date.now() + INDEX_WAIT);
    } finally {
      this.#isRinging = false;
    }
  }
}

export const Limiter = limiter.limiterClass(durableObject, guarded);

export const Access = accessClass(durableObject, guarded, wasm);

export const Account = accountClass(durableObject, guarded, wasm);

export class Index extends durableObject("Index") {
  fetch(request) {
    const name = new URL(request.url).searchParams.get("name");
    return this.#settle(name, () => this.current().fetch(request));
  }
  update(name, row) {
    return this.#settle(name, () => this.current().update(name, row));
  }
  ask(name, question) {
    return this.#settle(name, () => this.current().ask(name, question));
  }
  /** Answers a message of another object of this class, or of an administrator. */
  tell(name, message) {
    return this.#settle(name, () => {
      const outcome = this.current().tell(name, message);
      // In the same turn as the step, and the alarm with it: nothing comes between.
      return outcome?.erase ? this.ctx.storage.deleteAll().then(() => "") : outcome;
    });
  }
  /** Takes a step, and repeats it while it lacks messages to other objects. The runtime does not keep long names. */
  #settle(name, step, rounds = ROUNDS) {
    const outcome = guarded(step);
    if (outcome?.calls === undefined) return outcome;
    if (rounds === 0) throw new Error("an index that asks for ever more");
    return this.#call(name, outcome.calls).then(() => this.#settle(name, step, rounds - 1));
  }
  /** Sends objects their messages, names and messages in turn, and passes their answers on. */
  async #call(name, calls) {
    const answers = await tellAll(this.env, calls);
    guarded(() => this.current().told(name, calls, answers));
  }
  webSocketMessage(socket, message) {
    guarded(() => this.current().webSocketMessage(socket, message));
  }
  webSocketClose(socket, code, reason) {
    answerClose(socket, code, reason);
    guarded(() => this.current().webSocketClose(socket));
  }
  async alarm() {
    const name = this.ctx.id.name;
    if (name === undefined) return;
    const outcome = guarded(() => this.current().alarm(name));
    if (outcome === undefined) return;
    try {
      await this.#call(name, outcome.calls);
    } catch (error) {
      console.error("index: " + error);
      guarded(() => this.current().told(name, outcome.calls, undefined));
    }
  }
}

/** The headers of a query's answer: a copy of `ANSWER` in `engine/src/http/security.rs`, which other answers use. */
const ANSWER = {
  headers: {
    "content-type": "application/json",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  },
};

/** Reads the body of a request that the Worker answers, undefined if it is too large, and calls `answer` with it. */
async function withBody(request, env, answer) {
  let body = NO_BODY;
  try {
    if (request.method !== "GET" && request.method !== "HEAD") body = await readBody(request, wasm.bodyLimit());
  } catch (error) {
    return guarded(() => wasm.unreadable(request, env, error));
  }
  return answer(body);
}

/** Asks the indexes a request's question. `what` is the number that `wasm.fetch` returned. */
const ask = (request, env, what) => withBody(request, env, (body) => askWith(body, request, env, what));

async function askWith(body, request, env, what) {
  const { headers } = request;
  const type = headers.get("content-type") ?? undefined;
  const call = (found) => wasm.ask(request, env, what, body, type, found);
  let asked = guarded(() => call(NOTHING));
  if (lacks(asked)) asked = await complete(asked, call);
  if (!Array.isArray(asked)) return asked;
  const [names, question] = asked;
  const askOne = (name) => reach(env, "INDEX", name, (object) => object.ask(name, question));
  if (names.length === 1) {
    const answer = await askOne(names[0]);
    const isText = typeof answer === "string";
    if (isText && !headers.has("origin")) return new Response(answer, ANSWER);
    return guarded(() => wasm.answered(request, env, ...(isText ? [200, answer] : answer)));
  }
  const answers = await Promise.all(names.map(askOne));
  const refused = answers.find((answer) => typeof answer !== "string" && answer[0] !== 200);
  if (refused !== undefined) return guarded(() => wasm.answered(request, env, ...refused));
  const parts = answers.map((answer) => (typeof answer === "string" ? answer : answer[1]));
  return guarded(() => wasm.merge(request, env, body, parts));
}

/** Whether requests are counted. */
const isLimited = wasm.isLimited();

/** The tasks that `wasm.fetch` leaves to be done, by their names. */
const perform = {
  /** Passes a request on to a document; `url` replaces the request's own, if there is one. */
  document(request, env, name, url) {
    if (!isKnown(env, "DOCUMENT", name)) return askFirst(request, env, name, url);
    return env.DOCUMENT.getByName(name).fetch(url === undefined ? request : new Request(url, request));
  },
  /** Opens a socket of many targets. */
  listen(request, env, protocol, credential) {
    const address = isLimited ? limiter.addressOf(request, env) : "";
    const refusal = (uid) => (isLimited ? limiter.refusal(wasm, guarded, env, address, guarded(uid)) : undefined);
    const make = () => new wasm.Listener();
    const open = (namespace, name, url, headers) =>
      namespace === "DOCUMENT"
        ? perform.document(new Request(url, { headers }), env, name)
        : env[namespace].getByName(name).fetch(url, { headers });
    const shell = { env, make, guarded, lookUp, isFresh, refresh, refusal, reach, open };
    return listen(shell, protocol, credential);
  },
  /** Signs somebody up, in or out. */
  async accounts(request, env) {
    if (isLimited) {
      const wait = await limiter.take(wasm, guarded, env, limiter.SIGN_IN, limiter.addressOf(request, env));
      if (wait > 0) return guarded(() => wasm.tooMany(request, env, limiter.SIGN_IN, wait));
    }
    return answerAccount(request, env, guarded, wasm, readBody, reach);
  },
  /** Commits writes together. */
  commit: (request, env, description) =>
    withBody(request, env, async (body) => {
      const parts = guarded(() => wasm.splitCommit(request, env, body));
      if (!Array.isArray(parts)) return parts;
      const asked = [];
      for (let i = 0; i < parts.length; i += 2) {
        const [path, part] = parts.slice(i, i + 2);
        const commit = (object, ...more) => object.commit(path, description, part, parts.length > 2, ...more);
        asked.push(reach(env, "DOCUMENT", path, (object) => commit(object), commit));
      }
      const answers = await Promise.all(asked);
      const decisive = guarded(() => wasm.decisiveAnswer(answers.map(([status]) => status)));
      return guarded(() => wasm.respondWith(request, env, ...answers[decisive]));
    }),
  /** Answers with the progress of a collection group whose index consists of these objects. */
  async group(request, env, id, names) {
    const states = await tellAll(env, names.flatMap((name) => [name, "join"]));
    return guarded(() => wasm.groupState(request, env, id, states));
  },
  /** Answers an administrator's request. */
  admin: (request, env, description, actor) =>
    withBody(request, env, async (body) => {
      const answer = await env.ACCESS.getByName("access").act(description, body, actor);
      // An administrator's act is in force here at once.
      await refreshAnew(env);
      return guarded(() => wasm.respondWith(request, env, ...answer));
    }),
};

/** Answers a request, once it is counted and this isolate knows what is in force. */
async function answerFreshly(request, env) {
  if (!isFresh()) await refresh(env);
  if (isLimited) {
    const wait = await limiter.take(wasm, guarded, env, limiter.ADDRESS, limiter.addressOf(request, env));
    if (wait > 0) return guarded(() => wasm.tooMany(request, env, limiter.ADDRESS, wait));
  }
  let isCounted = !isLimited;
  const call = (found, isFinal) => wasm.fetch(request, env, isFinal, isCounted);
  let outcome = await guarded(() => call(NOTHING, false));
  if (lacks(outcome)) outcome = await complete(outcome, call);
  if (outcome.count !== undefined) {
    const wait = await limiter.take(wasm, guarded, env, limiter.IDENTITY, outcome.count);
    if (wait > 0) return guarded(() => wasm.tooMany(request, env, limiter.IDENTITY, wait));
    isCounted = true;
    outcome = await guarded(() => call(NOTHING, true));
  }
  return settle(request, env, outcome);
}

/** Carries out what `wasm.fetch` leaves to be done. */
function settle(request, env, outcome) {
  if (typeof outcome === "number") return ask(request, env, outcome);
  if (!Array.isArray(outcome)) return outcome;
  const [name, ...rest] = outcome;
  return perform[name](request, env, ...rest);
}

export default {
  async fetch(request, env) {
    try {
      if (isLimited || !isFresh()) return await answerFreshly(request, env);
      const outcome = guarded(() => wasm.fetch(request, env, false, true));
      if (!lacks(outcome)) return await settle(request, env, outcome);
      const call = (found, isFinal) => wasm.fetch(request, env, isFinal, true);
      return await settle(request, env, await complete(outcome, call));
    } catch (error) {
      return guarded(() => wasm.unavailable(error));
    }
  },
};
