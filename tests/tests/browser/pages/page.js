// Run first in a page: the npm package, a database, and what the tests say with them.

const Socket = window.WebSocket;
window.sockets = { opened: 0, closed: 0 };
window.WebSocket = class extends Socket {
  constructor(...of) {
    super(...of);
    sockets.opened += 1;
    this.addEventListener("close", () => (sockets.closed += 1));
  }
};

Object.assign(window, await import("/client/index.js"));
window.db = await connect(location.origin);

/** Listens to a document; returns what the listener was told. */
window.listen = (doc) => {
  const seen = [];
  seen.stop = doc.onUpdate(
    { includeMetadataChanges: true },
    (snapshot) => seen.push(snapshot),
    (error) => (seen.error = error),
  );
  return seen;
};

/** Listens to a query; returns what the listener was told: each result, and each change. */
window.follow = (query) => {
  const told = { results: [], changes: [], list: [], pending: [], wrong: [] };
  told.stop = query.onUpdate(
    { includeMetadataChanges: true },
    (snapshot) => {
      // What an application does that draws only what has changed.
      for (const { type, doc, oldIndex, newIndex } of snapshot.docChanges()) {
        if (oldIndex >= 0 && told.list.splice(oldIndex, 1)[0] !== doc.id) told.wrong.push(doc.id);
        if (newIndex >= 0) told.list.splice(newIndex, 0, doc.id);
        told.changes.push(`${type} ${doc.id} ${oldIndex} ${newIndex}`);
      }
      const ids = snapshot.docs.map(({ id }) => id).join(" ");
      if (told.list.join(" ") !== ids) told.wrong.push(ids);
      told.results.push(ids);
      told.pending.push(snapshot.metadata.hasPendingWrites);
      told.last = snapshot;
    },
    (error) => (told.error = error),
  );
  return told;
};

/** What came of a promise, as something that WebDriver can carry. */
window.outcome = (promise) =>
  promise.then(
    (value) => ({ value }),
    ({ name, code, status, message }) => ({ name, code, status, message }),
  );

/** A value as text from which another value, or one of another type, differs. */
window.describe = (value) => {
  if (Array.isArray(value)) return `[${value.map(describe)}]`;
  if (value instanceof Date) return `Date ${value.toISOString()}`;
  if (value instanceof Uint8Array) return `Uint8Array ${Array.from(value)}`;
  if (value instanceof GeoPoint) return `GeoPoint ${describe([value.latitude, value.longitude])}`;
  if (value instanceof DocumentReference) return `DocumentReference ${value.path}`;
  if (typeof value === "object" && value !== null) {
    const keys = Object.keys(value).sort();
    return `{${keys.map((key) => `${JSON.stringify(key)}: ${describe(value[key])}`).join(", ")}}`;
  }
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "string") return JSON.stringify(value);
  return Object.is(value, -0) ? "-0" : String(value);
};
