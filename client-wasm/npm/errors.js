// Errors, and the checks of arguments that come before anything is done with them.

/** An error of this package: `code` is one of Firestore's, `status` the HTTP status. */
export class BlazeError extends Error {
  constructor(code, message, status, options) {
    super(message, options);
    this.name = "BlazeError";
    this.code = code;
    this.status = status;
  }
}

/** The error for a wrong argument. */
export const invalid = (message, options) => new BlazeError("invalid-argument", message, 400, options);

/** The error to throw for `problem`: WebAssembly throws the parts of a `BlazeError`. */
export function thrown(problem) {
  if (problem instanceof BlazeError) return problem;
  if (Array.isArray(problem)) return new BlazeError(...problem);
  return new BlazeError("internal", String(problem?.message ?? problem), 500, { cause: problem });
}

/** Calls code of the application on behalf of one of its calls; its exception becomes the `cause`. */
export function applied(name, call) {
  try {
    return call();
  } catch (error) {
    throw error instanceof BlazeError ? error : invalid(`${name}: ${error?.message ?? error}`, { cause: error });
  }
}

/** Wraps a callback of the application: its exceptions are reported as uncaught and end nothing else. */
export const guarded = (callback) => (...values) => {
  try {
    callback(...values);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
};

/** The type of a value in words, for error texts. */
export function typeName(value) {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return "an array";
  if (typeof value !== "object") return `a ${typeof value}`;
  const name = Object.getPrototypeOf(value)?.constructor?.name ?? "Object";
  return name === "Object" ? "an object" : `a ${name} object`;
}

/** Checks a string: JavaScript allows half a surrogate pair in one, UTF-8 does not. */
export function textOf(value, name) {
  if (typeof value !== "string") throw invalid(`${name}: ${typeName(value)} is not a string`);
  if (/\p{Surrogate}/u.test(value)) throw invalid(`${name}: the string holds half a surrogate pair (a lone surrogate)`);
  return value;
}

/** Checks a callback. */
export function callbackOf(value, name) {
  if (typeof value !== "function") throw invalid(`${name}: ${typeName(value)} is not a function`);
  return value;
}

/** Checks an object of options: each key is one of `known`. */
export function optionsOf(value, name, known) {
  if (value === undefined) return {};
  if (typeof value !== "object" || value === null) throw invalid(`${name}: ${typeName(value)} is no options`);
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) throw invalid(`${name}: unknown option ${JSON.stringify(key)}`);
  }
  return value;
}

/** Checks an option that is true, false or left out. */
export function flagOf(value, name) {
  if (value !== undefined && typeof value !== "boolean") throw invalid(`${name}: ${typeName(value)} is not a boolean`);
  return value === true;
}

/** Checks that a call has at most so many arguments. */
function checkCount(name, values, most) {
  if (values.slice(most).some((value) => value !== undefined)) {
    throw invalid(`${name}: ${values.length} arguments, of ${most} at most`);
  }
}

/** Makes a function refuse more arguments than `most`. */
export const counted = (name, most, call) => (...values) => {
  checkCount(name, values, most);
  return call(...values);
};

/**
 * Makes methods of a class refuse more arguments than stand beside their names, and throw nothing but `BlazeError`s.
 * `promised` methods return promises, which are then rejected with nothing else.
 */
export function strict(type, { direct = {}, promised = {} }) {
  const wrap = (name, most, failed) => {
    const method = type.prototype[name];
    type.prototype[name] = function (...values) {
      try {
        checkCount(name, values, most);
        const result = method.apply(this, values);
        return name in promised ? result.catch(failed) : result;
      } catch (problem) {
        return failed(problem);
      }
    };
  };
  for (const [name, most] of Object.entries(direct)) {
    wrap(name, most, (problem) => {
      throw thrown(problem);
    });
  }
  for (const [name, most] of Object.entries(promised)) wrap(name, most, (problem) => Promise.reject(thrown(problem)));
}
