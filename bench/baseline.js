// The yardstick of `cargo xtask bench`: what one would write by hand for one JSON document per Durable Object, in
// plain JavaScript. It has the Worker, the object, the durable write, the merge and the push to sockets of Blaze, and
// nothing else: no validation, no preconditions, no patches, no log, no idempotency. It is meant to be fast and has no
// tricks: every read comes from SQLite, every write is one UPSERT.
import { DurableObject } from "cloudflare:workers";

export class Document extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.sql.exec(
      "CREATE TABLE IF NOT EXISTS document (id INTEGER PRIMARY KEY, version INTEGER NOT NULL, data TEXT NOT NULL)",
    );
  }

  async fetch(request) {
    if (request.headers.get("Upgrade") === "websocket") return this.listen();
    switch (request.method) {
      case "GET": {
        const document = this.read();
        return document.version > 0 ? Response.json(document) : new Response("not found", { status: 404 });
      }
      case "PUT": {
        const data = await request.json();
        return this.write(this.read().version + 1, data, data);
      }
      case "PATCH": {
        // The body first: from the read to the write nothing else may run.
        const change = await request.json();
        const { version, data } = this.read();
        return this.write(version + 1, { ...data, ...change }, change);
      }
      default:
        return new Response("method not allowed", { status: 405 });
    }
  }

  read() {
    const [row] = this.sql.exec("SELECT version, data FROM document WHERE id = 1").toArray();
    return row ? { version: row.version, data: JSON.parse(row.data) } : { version: 0, data: null };
  }

  /** Stores `data` as `version` and tells the sockets the changed fields; the platform sends after the commit. */
  write(version, data, change) {
    this.sql.exec(
      "INSERT INTO document (id, version, data) VALUES (1, ?1, ?2) " +
        "ON CONFLICT (id) DO UPDATE SET version = excluded.version, data = excluded.data",
      version,
      JSON.stringify(data),
    );
    const message = JSON.stringify({ type: "change", version, data: change });
    for (const socket of this.ctx.getWebSockets()) socket.send(message);
    return Response.json({ version, data });
  }

  listen() {
    const [client, server] = Object.values(new WebSocketPair());
    this.ctx.acceptWebSocket(server);
    server.send(JSON.stringify({ type: "snapshot", ...this.read() }));
    return new Response(null, { status: 101, webSocket: client });
  }

  // A hibernatable socket's close is not answered by the runtime.
  webSocketClose(socket) {
    socket.close();
  }
}

export default {
  fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (!pathname.startsWith("/v1/docs/")) return new Response("not found", { status: 404 });
    return env.DOCUMENT.get(env.DOCUMENT.idFromName(pathname)).fetch(request);
  },
};
