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
