// Values as JavaScript has them, and as JSON text with Blaze's typed values.
import { DocumentReference } from "./index.js";
import { applied, invalid, textOf, typeName } from "./errors.js";

/** Levels of maps and arrays in a value: the schema's `DOCUMENT_DEPTH`. */
const LEVELS = 100;

/** Checks a coordinate, which must lie within ±`limit` degrees. */
function degreesOf(value, limit, name) {
  if (typeof value !== "number" || !(Math.abs(value) <= limit)) {
    throw invalid(`GeoPoint: ${name}: not a number within ±${limit}`);
  }
  return value;
}

/** A place on Earth, in degrees. */
export class GeoPoint {
  constructor(latitude, longitude) {
    this.latitude = degreesOf(latitude, 90, "latitude");
    this.longitude = degreesOf(longitude, 180, "longitude");
  }
  isEqual(other) {
    return other instanceof GeoPoint && this.latitude === other.latitude && this.longitude === other.longitude;
  }
}

/** A `Date` with the microseconds that a `Date` by itself has no place for. */
export class Timestamp extends Date {
  #text;
  #read;

  constructor(text) {
    // Engines agree on three digits after the point, and not on what more or fewer of them mean.
    super(textOf(text, "Timestamp").replace(/\.(\d+)/, (_, digits) => `.${digits.slice(0, 3).padEnd(3, "0")}`));
    if (Number.isNaN(this.getTime())) throw invalid(`Timestamp: ${JSON.stringify(text)} is no date and time (RFC 3339)`);
    this.#text = text;
    this.#read = this.getTime();
  }
  get microseconds() {
    const [, digits = ""] = /\.\d{3}(\d{1,3})/.exec(this.text) ?? [];
    return BigInt(this.getTime()) * 1000n + BigInt(digits.padEnd(3, "0"));
  }
  /** The text that the timestamp was read from, or a new one if a setter of `Date` has changed it since. */
  get text() {
    return this.getTime() === this.#read ? this.#text : this.toISOString();
  }
}

/** A change that the server computes from the field's present value. */
export class FieldValue {
  constructor(name, operand) {
    this.name = name;
    this.operand = operand;
  }
}

// ------------------------------------------------------------------------------------------------ writing

// The place of a value: the key that leads to it, the place around it, and the levels around it. The outermost key is
// what error texts call the whole value.

function refuse(place, reason) {
  const keys = [];
  for (let outer = place; outer; outer = outer.around) {
    keys.unshift(outer.around ? (typeof outer.key === "number" ? `[${outer.key}]` : `.${outer.key}`) : outer.key);
  }
  const text = keys.length > 12 ? `${keys.slice(0, 12).join("")}…` : keys.join("");
  throw invalid(`${text}: ${reason}`);
}

const inside = (place, key) => ({ key, around: place, level: place.level + 1 });

function encodeText(text, place) {
  // Not by `textOf`, which is given the place as text: that would take longer to make than the check.
  if (/\p{Surrogate}/u.test(text)) refuse(place, "the string holds half a surrogate pair (a lone surrogate)");
  return JSON.stringify(text);
}

function encodeNumber(value) {
  if (!Number.isFinite(value)) return `{"$number":"${value}"}`;
  if (Object.is(value, -0)) return "-0.0";
  const text = String(value);
  // A number is a double: beyond 2^53 it is written as one, and only a BigInt as an integer.
  return Number.isInteger(value) && !Number.isSafeInteger(value) && !text.includes("e") ? text + ".0" : text;
}

function encodeBigInt(value, place) {
  if (BigInt.asIntN(64, value) !== value) refuse(place, `${value}n has more than 64 bits`);
  return String(value);
}

function encodeDate(date, place) {
  if (Number.isNaN(date.getTime())) refuse(place, "an invalid Date cannot be stored");
  return `{"$timestamp":${JSON.stringify(date instanceof Timestamp ? date.text : date.toISOString())}}`;
}

function encodeBytes(bytes) {
  let text = "";
  // As many arguments as every engine takes.
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return `{"$bytes":"${btoa(text)}"}`;
}

function encodeMap(map, place) {
  const fields = Object.entries(map).map(([key, item]) => {
    const at = inside(place, key);
    if (key.startsWith("$")) refuse(at, 'the key of a map cannot begin with "$"');
    return `${encodeText(key, at)}:${encodeAt(item, at)}`;
  });
  return `{${fields}}`;
}

function encodeObject(value, place) {
  if (value instanceof DocumentReference) return `{"$ref":${JSON.stringify(value.path)}}`;
  if (value instanceof GeoPoint) return `{"$geopoint":[${[value.latitude, value.longitude].map(encodeNumber)}]}`;
  if (value instanceof FieldValue) return `{"${value.name}":${encodeAt(value.operand, place)}}`;
  const list = Array.isArray(value);
  if (list || isMap(value)) {
    if (place.level >= LEVELS) refuse(place, `nested more than ${LEVELS} levels deep, or in a circle`);
    return list ? `[${Array.from(value, (item, index) => encodeAt(item, inside(place, index)))}]` : encodeMap(value, place);
  }
  // Of another realm too, such as a frame's or a test runner's, where `instanceof` does not know them.
  const kind = Object.prototype.toString.call(value);
  if (kind === "[object Date]") return encodeDate(value, place);
  if (kind === "[object Uint8Array]") return encodeBytes(value);
  return refuse(place, `${typeName(value)} cannot be stored`);
}

/** True if `value` is a plain object, of this realm or another one. */
export function isMap(value) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function encodeAt(value, place) {
  if (value === null) return "null";
  switch (typeof value) {
    case "string":
      return encodeText(value, place);
    case "boolean":
      return String(value);
    case "number":
      return encodeNumber(value);
    case "bigint":
      return encodeBigInt(value, place);
    case "object":
      return encodeObject(value, place);
    default:
      return refuse(place, `${typeName(value)} cannot be stored`);
  }
}

/** Writes `value` as JSON text with typed values. Errors name the place in it, from `name` on. */
export const encode = (value, name) => applied(name, () => encodeAt(value, { key: name, level: 0 }));

// ------------------------------------------------------------------------------------------------ reading

const decoders = {
  $timestamp: (text) => new Timestamp(text),
  $bytes: (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0)),
  $ref: (path, db) => db.doc(path),
  $geopoint: (degrees) => new GeoPoint(...degrees),
  // Beside the non-finite numbers, integers that no JavaScript number holds.
  $number: (text) => (/\d/.test(text) ? BigInt(text) : Number(text)),
};

/** Reads the value that JSON text with typed values stands for. */
export function decode(text, db) {
  return JSON.parse(text, (_, value) => {
    if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
    const [key, ...others] = Object.keys(value);
    return others.length === 0 && Object.hasOwn(decoders, key) ? decoders[key](value[key], db) : value;
  });
}
