// The entry for Vercel's edge runtime, and Next's: as in Workers, with another word for it.
import { connect as connectWith } from "./index.js";
import wasm from "./blaze_client_bg.wasm?module";

export * from "./index.js";
export const connect = (url, options) => connectWith(url, options, wasm);
