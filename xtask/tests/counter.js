// A Worker with one Durable Object that counts its POSTs on disk.
import { DurableObject } from "cloudflare:workers";

export class Counter extends DurableObject {
  async fetch(request) {
    const sql = this.ctx.storage.sql;
    sql.exec("CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY, n INTEGER)");
    if (request.method === "POST") {
      sql.exec("INSERT INTO counter VALUES (0, 1) ON CONFLICT DO UPDATE SET n = n + 1");
    }
    const rows = sql.exec("SELECT n FROM counter").toArray();
    return new Response(`${this.env.GREETING} ${rows[0]?.n ?? 0}`);
  }
}

export default {
  fetch(request, env) {
    if (new URL(request.url).pathname === "/health") return new Response("up");
    return env.COUNTER.get(env.COUNTER.idFromName("only")).fetch(request);
  },
};
