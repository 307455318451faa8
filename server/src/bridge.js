// What the platform does better in one call from JavaScript than in many calls from wasm. Nothing is decided here.

// The headers that the engine reads; `src/incoming.rs` has the same list. Those of a write come last.
const HEADERS = [
  "if-match",
  "if-none-match",
  "origin",
  "upgrade",
  "sec-websocket-protocol",
  "content-type",
  "idempotency-key",
  "prefer",
];
const READ_HEADERS = HEADERS.slice(0, 5);

/** A request's method, URL and headers, a line each; a header that is missing is a line with a NUL. */
export function describe(request) {
  const { method, url, headers } = request;
  let text = method + "\n" + url;
  for (const name of method === "GET" ? READ_HEADERS : HEADERS) text += "\n" + (headers.get(name) ?? "\0");
  return text;
}

/** A request's method and URL, a line each. */
export function summarize(request) {
  return request.method + "\n" + request.url;
}

/** Passes a request to the document's object; `url` replaces the request's own, if there is one. */
export function forward(env, name, request, url) {
  return env.DOCUMENT.getByName(name).fetch(url === undefined ? request : new Request(url, request));
}

/** `result`, and what is to be done before it is passed on (see `server/shim.js`). */
export function afterIndex(result, names, row, version, frame) {
  return { result, names: names.split("\n"), row, version, frame };
}

/** Sets the object's alarm: in the transaction of the step that is going on. */
export function setAlarm(state, at) {
  state.storage.setAlarm(at).catch((error) => console.error("alarm: " + error));
}

/** A response; `lines` are header names and values in turn. */
export function respond(status, lines, body) {
  const parts = lines.split("\n");
  const headers = {};
  for (let i = 0; i + 1 < parts.length; i += 2) headers[parts[i]] = parts[i + 1];
  return new Response(body === "" ? null : body, { status, headers });
}

/** Accepts a hibernatable socket with `path` attached; returns the response and the server's end. */
export function acceptSocket(state, path, protocol, ping, pong) {
  const [client, server] = Object.values(new WebSocketPair());
  state.setWebSocketAutoResponse(new WebSocketRequestResponsePair(ping, pong));
  state.acceptWebSocket(server);
  server.serializeAttachment(path);
  const headers = protocol === "" ? {} : { "sec-websocket-protocol": protocol };
  return [new Response(null, { status: 101, webSocket: client, headers }), server];
}

/** As UTF-8: a string with one character beyond Latin-1 would take two bytes for each, and there is room for 16 KiB. */
const encoder = new TextEncoder();

/** Accepts a hibernatable socket with an attachment and a tag; returns the response and the server's end. */
export function acceptTagged(state, attachment, tag, ping, pong) {
  const [client, server] = Object.values(new WebSocketPair());
  state.setWebSocketAutoResponse(new WebSocketRequestResponsePair(ping, pong));
  state.acceptWebSocket(server, [tag]);
  server.serializeAttachment(encoder.encode(attachment));
  return [new Response(null, { status: 101, webSocket: client }), server];
}

/** Sends `text` to every socket that has the tag. One that is broken is left to its own close event. */
export function publish(state, tag, text) {
  for (const socket of state.getWebSockets(tag)) {
    try {
      socket.send(text);
    } catch {}
  }
}

/** What `acceptTagged` attached to a socket. */
export function attachmentOf(socket) {
  return new TextDecoder().decode(socket.deserializeAttachment());
}

/** The different attachments of the object's sockets. */
export function attachments(state) {
  return [...new Set(state.getWebSockets().map(attachmentOf))];
}

/** Whether sockets other than `socket` have the tag. */
export function isListenedTo(state, tag, socket) {
  return state.getWebSockets(tag).some((other) => other !== socket);
}

/** The `value` of a statement's one row: a number, bytes or null. Adds to `counts`, if there are any. */
export function valueOf(sql, query, counts, ...bindings) {
  const cursor = sql.exec(query, ...bindings);
  const { value } = cursor.one();
  count(cursor, counts);
  return value instanceof ArrayBuffer ? new Uint8Array(value) : value;
}

/**
 * Runs changes, all or none of them. `statements` are those for a put, a delete, a move, and for a record's put and its
 * delete. `packed` holds for each
 * change the number of its statement, then each of its bindings: its length in four bytes, and its bytes. Adds to
 * `counts`, if there are any.
 */
export function runAll(storage, statements, packed, counts) {
  const { sql } = storage;
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  let offset = 0;
  const next = () => {
    const start = offset + 4;
    offset = start + view.getUint32(offset);
    return packed.subarray(start, offset);
  };
  const run = (statement, ...bindings) => {
    const cursor = sql.exec(statements[statement], ...bindings);
    count(cursor, counts);
    return cursor.rowsWritten;
  };
  const runEach = () => {
    while (offset < packed.byteLength) {
      switch (packed[offset++]) {
        case PUT:
          run(PUT, next(), next());
          break;
        case DELETE:
          run(DELETE, next());
          break;
        case MOVE: {
          const [from, to, value] = [next(), next(), next()];
          if (run(MOVE, from, to, value) === 0) run(PUT, to, value);
          break;
        }
        case PUT_RECORD:
          run(PUT_RECORD, next(), next());
          break;
        case DELETE_RECORD:
          run(DELETE_RECORD, next());
      }
    }
  };
  storage.transactionSync(runEach);
}

const [PUT, DELETE, MOVE, PUT_RECORD, DELETE_RECORD] = [0, 1, 2, 3, 4];

function count(cursor, counts) {
  if (counts === undefined) return;
  counts[0] += cursor.rowsRead;
  counts[1] += cursor.rowsWritten;
}

/** Sends `text` to every socket of the object. One that is broken is left to its own close event. */
export function broadcast(state, text) {
  for (const socket of state.getWebSockets()) {
    try {
      socket.send(text);
    } catch {}
  }
}

const TYPES = {
  css: "text/css; charset=utf-8",
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  json: "application/json",
  svg: "image/svg+xml",
  ts: "text/plain; charset=utf-8",
  wasm: "application/wasm",
};

/** A file of the demo page, or null when there is none. */
export async function page(assets, url) {
  const { origin, pathname } = new URL(url);
  const path = pathname === "/" ? "/index.html" : pathname;
  const type = TYPES[path.slice(path.lastIndexOf(".") + 1)];
  if (assets === undefined || type === undefined) return null;
  const file = await assets.fetch(origin + path);
  if (file.status !== 200) {
    await file.body?.cancel();
    return null;
  }
  return new Response(file.body, { headers: { "content-type": type, "cache-control": "no-cache" } });
}
