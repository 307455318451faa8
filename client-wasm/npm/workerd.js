// The entry for Cloudflare Workers: there only files of the bundle are compiled, and none at run time.
import { connect as connectWith } from "./index.js";
import wasm from "./blaze_client_bg.wasm";

export * from "./index.js";
export const connect = (url, options) => connectWith(url, options, wasm);
