// The yardstick of `cargo xtask bench`: what one would write by hand for one JSON document per Durable Object and one
// query over a collection of them, in plain JavaScript. It has the Worker, the objects, the durable write, the merge, the
// push to sockets and the index of Blaze, and nothing else: no validation, no preconditions, no patches, no log, no
// idempotency, no outbox that survives a crash, one indexed field and one query. It is meant to be fast and has no tricks:
// every read comes from SQLite, every write is one UPSERT in the document and one in the index.
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

  /**
   * Stores `data` as `version`, tells the sockets the changed fields and the index the whole document, and answers when
   * the index has it. The platform sends after the commit.
   */
  async write(version, data, change) {
    this.sql.exec(
      "INSERT INTO document (id, version, data) VALUES (1, ?1, ?2) " +
        "ON CONFLICT (id) DO UPDATE SET version = excluded.version, data = excluded.data",
      version,
      JSON.stringify(data),
    );
    const message = JSON.stringify({ type: "change", version, data: change });
    for (const socket of this.ctx.getWebSockets()) socket.send(message);
    const [collection, id] = this.ctx.id.name.split("/");
    await this.env.INDEX.getByName(collection).update(id, data.n, JSON.stringify({ id, version, data }));
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

/** All documents of a collection, in one table with an index on the field `n`. */
export class Index extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.sql.exec(
      "CREATE TABLE IF NOT EXISTS documents (id TEXT PRIMARY KEY, n INTEGER, document TEXT NOT NULL); " +
        "CREATE INDEX IF NOT EXISTS by_n ON documents (n)",
    );
  }

  update(id, n, document) {
    this.sql.exec(
      "INSERT INTO documents (id, n, document) VALUES (?1, ?2, ?3) " +
        "ON CONFLICT (id) DO UPDATE SET n = excluded.n, document = excluded.document",
      id,
      n,
      document,
    );
  }

  /** The first documents whose `n` is at least `n`, as JSON: the stored texts as they are. */
  query(n) {
    const rows = this.sql.exec("SELECT document FROM documents WHERE n >= ? ORDER BY n LIMIT 20", n);
    return `{"documents":[${rows.toArray().map((row) => row.document)}]}`;
  }
}

const DOCUMENTS = "/v1/docs/";

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith(DOCUMENTS)) {
      return env.DOCUMENT.getByName(pathname.slice(DOCUMENTS.length)).fetch(request);
    }
    if (pathname !== "/v1/query") return new Response("not found", { status: 404 });
    // The one query that there is: `n` from a value on, in its order.
    const { from, where } = await request.json();
    const answer = await env.INDEX.getByName(from).query(where.value);
    return new Response(answer, { headers: { "content-type": "application/json" } });
  },
};
