// Objects that were never written. workerd makes a file for every object that is addressed, and keeps it for ever. So
// a request to an object without a file is answered without the object, by the same code over no rows. Only a request
// that writes a row or opens a socket makes the object. On Cloudflare there is no binding FILES: an object without
// rows leaves nothing there.

/** The greatest number of names remembered for each class. */
const KNOWN = 50_000;

/** By binding: the class, named like the folder of its files, and the names of objects known to have a file. */
const CLASSES = {
  DOCUMENT: { name: "Document", known: new Set() },
  INDEX: { name: "Index", known: new Set() },
  ACCOUNT: { name: "Account", known: new Set() },
};

/** True if an object may be asked without a check for its file. */
export function isKnown(env, binding, name) {
  return env.FILES === undefined || CLASSES[binding].known.has(name);
}

/** Notes that an object has a file, or will have one. */
export function note(binding, name) {
  const { known } = CLASSES[binding];
  if (known.size >= KNOWN) known.clear();
  known.add(name);
}

/** Checks for an object's file: true if the object was ever addressed. */
export async function hasFile(env, binding, name) {
  const id = env[binding].idFromName(name).toString();
  const { status } = await env.FILES.fetch(`http://files/${CLASSES[binding].name}/${id}.sqlite`, { method: "HEAD" });
  return status !== 404;
}

/** The wasm class of a binding's objects. */
export const classOf = (binding) => CLASSES[binding].name;
