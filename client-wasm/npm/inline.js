// The entry that has the WebAssembly inside, for tools that take modules and no other files.
import { connect as connectWith } from "./index.js";
import { bytes } from "./wasm.js";

export * from "./index.js";
export const connect = (url, options) => connectWith(url, options, bytes());
