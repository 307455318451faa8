// Objects that were never written. workerd makes a file for every object that is addressed, and keeps it for ever. So
// there an object without a file is not addressed: what is asked of it is asked of the same code over no rows. Only what
// writes a row or opens a socket makes the object. On Cloudflare there is no binding FILES: an object without rows leaves
// nothing there.
import { env } from "cloudflare:workers";

/** The greatest number of names remembered for each class. */
const KNOWN = 50_000;

/** By class: the names of objects that are known to have a file, of the classes whose files matter. */
const known = { Document: new Set(), Index: new Set(), Account: new Set() };

/** False if an object may be asked; else a promise that is true if it was never addressed. */
export function isAbsent(cls, name) {
  if (env.FILES === undefined || (known[cls]?.has(name) ?? true)) return false;
  const id = env[cls.toUpperCase()].idFromName(name).toString();
  return env.FILES.fetch(`http://files/${cls}/${id}.sqlite`, { method: "HEAD" }).then(({ status }) => status === 404);
}

/** Notes that an object has a file, or will have one. */
export function note(cls, name) {
  if (known[cls].size >= KNOWN) known[cls].clear();
  known[cls].add(name);
}
