// Functions of the platform for which one call from JavaScript is better than many from wasm. No decision is made
// here.

// The headers that the engine reads; `src/incoming.rs` has the same list. Those of a write come last.
const HEADERS = [
  "authorization",
  "if-match",
  "if-none-match",
  "origin",
  "upgrade",
  "sec-websocket-protocol",
  "content-type",
  "idempotency-key",
  "prefer",
  "if-unmodified-since",
  "content-range",
];
const READ_HEADERS = HEADERS.slice(0, 6);

/** Describes a request: its method, URL and headers, a line each; a missing header is a line with a NUL. */
export function describe(request) {
  const { method, url, headers } = request;
  let text = method + "\n" + url;
  for (const name of method === "GET" ? READ_HEADERS : HEADERS) text += "\n" + (headers.get(name) ?? "\0");
  return text;
}

/**
 * Describes a request by its method and URL, a line each, as `describe` does; with `credential` by the first header
 * too.
 */
export function summarize(request, credential) {
  const text = request.method + "\n" + request.url;
  return credential ? text + "\n" + (request.headers.get(HEADERS[0]) ?? "\0") : text;
}

/** `result`, and what is to be done before it is passed on: see `Document` in `server/shim.js`. */
export function afterIndex(result, version, names, row, socket, frames, broadcast, bytes, sockets) {
  return { result, version, names, row, socket, frames, broadcast, bytes, sockets };
}

/** Asks to look documents up before the same call is repeated with them: paths with `//` between them. */
export function lookup(paths) {
  return { lookup: paths.split("//") };
}

/** Asks to tell objects of indexes something before the same call is repeated: names and messages in turn. */
export function calls(calls) {
  return { calls };
}

/** Asks to erase everything that the object keeps. */
export function erase() {
  return { erase: true };
}

/** Asks to count a request of `uid` before the same call is repeated. */
export function count(uid) {
  return { count: uid };
}

/** Asks for fresh keys of an issuer before the same call is repeated. */
export function refresh(issuer) {
  return { refresh: issuer };
}

/** Sets the object's alarm, in the transaction of the present step. */
export function setAlarm(state, at) {
  state.storage.setAlarm(at).catch((error) => console.error("alarm: " + error));
}

/** Makes a response; `lines` are header names and values in turn. */
export function respond(status, lines, body) {
  return new Response(body === "" ? null : body, { status, headers: pairs(lines) });
}

function pairs(lines) {
  const parts = lines.split("\n");
  const headers = {};
  for (let i = 0; i + 1 < parts.length; i += 2) headers[parts[i]] = parts[i + 1];
  return headers;
}

/**
 * The tags of sockets: that of listeners, and that of clients that were late to authenticate, whose attachments say
 * if they listen.
 */
const [LISTENING, LATE] = ["listening", "late"];
/** The first lines of attachments: of a socket that listens, that was not admitted yet, that is to be forgotten. */
const [ON, WAITING, GONE] = ["on", "waiting", "gone"];

/**
 * Accepts a hibernatable socket with an attachment, which says whether it listens already; returns the response and the
 * server's end.
 */
export function acceptSocket(state, attachment, protocol, ping, pong) {
  const [client, server] = Object.values(new WebSocketPair());
  state.setWebSocketAutoResponse(new WebSocketRequestResponsePair(ping, pong));
  state.acceptWebSocket(server, [attachment.startsWith(ON) ? LISTENING : LATE]);
  attach(server, attachment);
  return [response101(client, protocol), server];
}

/**
 * Makes the response for a socket that is sent `frame` and closed. A browser sees nothing of a refusal by HTTP
 * status.
 */
export function refuseSocket(frame, code, protocol) {
  const [client, server] = Object.values(new WebSocketPair());
  server.accept();
  server.send(frame);
  server.close(code);
  return response101(client, protocol);
}

function response101(webSocket, protocol) {
  const headers = protocol === "" ? {} : { "sec-websocket-protocol": protocol };
  return new Response(null, { status: 101, webSocket, headers });
}

/**
 * Attaches to a socket what it keeps while the object hibernates: a text, the bytes that its peer has not read, and
 * since when (ms).
 */
export function attach(socket, attachment) {
  socket.serializeAttachment([encoder.encode(attachment), 0, 0]);
}

/** Stores the number of bytes that a socket's peer has not read, and since when (ms). */
export function attachUnread(socket, bytes, since) {
  const [attachment] = socket.deserializeAttachment();
  socket.serializeAttachment([attachment, bytes, since]);
}

/** Returns what `attachUnread` stored: the bytes, and since when (ms). */
export function unreadOf(socket) {
  return socket.deserializeAttachment().slice(1);
}

/** Returns when the runtime last answered a ping of a socket's peer (ms); undefined for never. */
export function pinged(state, socket) {
  return state.getWebSocketAutoResponseTimestamp(socket)?.getTime();
}

/**
 * Sends `frame` to a socket that was not admitted in time, and closes it. The socket does not wait through
 * hibernation.
 */
export function endLate(socket, frame, code, milliseconds) {
  setTimeout(() => {
    if (!attachmentOf(socket).startsWith(WAITING)) return;
    dismiss(socket, frame, code);
  }, milliseconds);
}

/** Sends a socket its last frame, if there is one, and closes it. */
export function dismiss(socket, frame, code, reason) {
  attach(socket, GONE);
  try {
    if (frame !== undefined) socket.send(frame);
  } catch {
    // The socket has gone by itself.
  }
  close(socket, code, reason);
}

/** Closes a socket. */
export function close(socket, code, reason) {
  try {
    socket.close(code, reason);
  } catch {
    // The socket has gone by itself.
  }
}

/** Dismisses all sockets of a listener, which is the second line of their attachments. */
export function endListener(state, listener, frame, code) {
  for (const socket of state.getWebSockets()) {
    const [kind, name] = attachmentOf(socket).split("\n", 2);
    if (kind === ON && name === listener) dismiss(socket, frame, code);
  }
}

/**
 * The encoder of attachments. They are UTF-8: a string with one character beyond Latin-1 would take two bytes for
 * each, and there is room for 16 KiB.
 */
const encoder = new TextEncoder();

/** Accepts a hibernatable socket with an attachment and a tag; returns the response and the server's end. */
export function acceptTagged(state, attachment, tag, ping, pong) {
  const [client, server] = Object.values(new WebSocketPair());
  state.setWebSocketAutoResponse(new WebSocketRequestResponsePair(ping, pong));
  state.acceptWebSocket(server, [tag]);
  attach(server, attachment);
  return [new Response(null, { status: 101, webSocket: client }), server];
}

/** Returns the sockets that have the tag. */
export function tagged(state, tag) {
  return state.getWebSockets(tag);
}

/** Returns the text attached to a socket. */
export function attachmentOf(socket) {
  return new TextDecoder().decode(socket.deserializeAttachment()[0]);
}

/** Returns the different attachments of the object's sockets. */
export function attachments(state) {
  return [...new Set(state.getWebSockets().map(attachmentOf))];
}

/** True if sockets other than `socket` have the tag. */
export function isListenedTo(state, tag, socket) {
  return state.getWebSockets(tag).some((other) => other !== socket);
}

/** Reads the `value` of a statement's one row: a number, bytes or null. Adds to `counts`, if there are any. */
export function valueOf(sql, query, counts, ...bindings) {
  const cursor = sql.exec(query, ...bindings);
  const { value } = cursor.one();
  countRows(cursor, counts);
  return value instanceof ArrayBuffer ? new Uint8Array(value) : value;
}

/**
 * Runs changes, all or none of them. `statements` are those for a put, a delete, a move, and for a record's put and
 * its delete. `packed` holds for each change the number of its statement, then each of its bindings: its length in
 * four bytes, and its bytes. Adds to `counts`, if there are any.
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
    countRows(cursor, counts);
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

function countRows(cursor, counts) {
  if (counts === undefined) return;
  counts[0] += cursor.rowsRead;
  counts[1] += cursor.rowsWritten;
}

/** Returns the sockets that listen. */
export function listeners(state) {
  const late = state.getWebSockets(LATE).filter((socket) => attachmentOf(socket).startsWith(ON));
  return state.getWebSockets(LISTENING).concat(late);
}

const TYPES = {
  css: "text/css; charset=utf-8",
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  json: "application/json",
  md: "text/plain; charset=utf-8",
  svg: "image/svg+xml",
  ts: "text/plain; charset=utf-8",
  wasm: "application/wasm",
};

/** Fetches a file that the Worker serves; resolves to null if there is none. `headers` are as in `respond`. */
export async function file(assets, origin, path, headers) {
  const type = TYPES[path.slice(path.lastIndexOf(".") + 1)];
  if (assets === undefined || type === undefined) return null;
  const file = await assets.fetch(origin + path);
  if (file.status !== 200) {
    await file.body?.cancel();
    return null;
  }
  return new Response(file.body, { headers: { ...pairs(headers), "content-type": type } });
}
