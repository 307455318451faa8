// Functions of the platform for which one call from JavaScript is better than many from wasm. No decision is made here.

/** Describes headers by their names, a line each; a missing one is a NUL. */
export function describe(headers, names) {
  return names.map((name) => headers.get(name) ?? "\0").join("\n");
}

/** Returns the address of a request's connection, where the runtime itself tells it. */
export function connection(request) {
  return request.cf?.clientIp;
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

/** Runs a statement; returns its rows, as arrays of columns. Adds to `counts`, if there are any. */
export function rowsOf(sql, query, counts, bindings) {
  const cursor = sql.exec(query, ...bindings);
  const rows = cursor.raw().toArray();
  countRows(cursor, counts);
  return rows;
}

/** Reads the value of a statement's one row. */
export function valueOf(sql, query, counts, ...bindings) {
  return rowsOf(sql, query, counts, bindings)[0][0];
}

/**
 * Runs changes, all or none of them. `statements` are those for a put, a delete, a move, and for a record's put and its
 * delete. `packed` holds for each change the number of its statement and that of its bindings, then of each binding the
 * length in four bytes and the bytes. Adds to `counts`, if there are any.
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
      const bindings = Array.from({ length: packed[offset++] }, next);
      // A move (2) of a row that is not there is a put (0).
      if (run(statement, bindings) === 0 && statement === 2) run(0, bindings.slice(1));
    }
  });
}

function countRows(cursor, counts) {
  if (counts === undefined) return;
  counts[0] += cursor.rowsRead;
  counts[1] += cursor.rowsWritten;
}
