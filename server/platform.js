// Functions of the platform for which one call from JavaScript is better than many from wasm. No decision is made here.

/** Describes headers by their names, each after a line break; a missing one is a NUL. */
export function describe(headers, names) {
  let text = "";
  for (const name of names) text += "\n" + (headers.get(name) ?? "\0");
  return text;
}

/** True if the runtime itself tells the address of a connection, as workerd does. */
let isDirect;

/**
 * Returns the address that a request comes from. Cloudflare's network sets `CF-Connecting-IP`, whatever the client sent.
 * workerd on its own does not, so the header is not trusted there.
 */
export function address(request) {
  isDirect ??= request.cf?.clientIp !== undefined;
  return (isDirect ? request.cf?.clientIp : request.headers.get("cf-connecting-ip")) ?? "";
}

/** Makes a response; `lines` are header names and values in turn, a line each. */
export function respond(status, lines, body) {
  return new Response(body === "" ? null : body, { status, headers: pairs(lines) });
}

/** Reads headers: names and values in turn, a line each. */
export function pairs(lines) {
  const parts = lines.split("\n");
  const headers = {};
  for (let i = 0; i + 1 < parts.length; i += 2) headers[parts[i]] = parts[i + 1];
  return headers;
}

/** Reads the `value` of a statement's one row: a number, bytes or null. Adds to `counts`, if there are any. */
export function valueOf(sql, query, counts, ...bindings) {
  const cursor = sql.exec(query, ...bindings);
  const { value } = cursor.one();
  countRows(cursor, counts);
  return value instanceof ArrayBuffer ? new Uint8Array(value) : value;
}

/** By the numbers of the statements of `runAll`: how many bindings each has. */
const BINDINGS = [2, 1, 3, 2, 1];
const [PUT, MOVE] = [0, 2];

/**
 * Runs changes, all or none of them. `statements` are those for a put, a delete, a move, and for a record's put and its
 * delete. `packed` holds for each change the number of its statement, then each of its bindings: its length in four bytes,
 * and its bytes. Adds to `counts`, if there are any.
 */
export function runAll(storage, statements, packed, counts) {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  let offset = 0;
  const next = () => {
    const start = offset + 4;
    offset = start + view.getUint32(offset);
    return packed.subarray(start, offset);
  };
  const run = (statement, bindings) => {
    const cursor = storage.sql.exec(statements[statement], ...bindings);
    countRows(cursor, counts);
    return cursor.rowsWritten;
  };
  storage.transactionSync(() => {
    while (offset < packed.byteLength) {
      const statement = packed[offset++];
      const bindings = Array.from({ length: BINDINGS[statement] }, next);
      // A move of a row that is not there is a put.
      if (run(statement, bindings) === 0 && statement === MOVE) run(PUT, bindings.slice(1));
    }
  });
}

function countRows(cursor, counts) {
  if (counts === undefined) return;
  counts[0] += cursor.rowsRead;
  counts[1] += cursor.rowsWritten;
}
