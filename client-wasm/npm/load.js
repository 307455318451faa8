// Loads the WebAssembly, once for all databases of the page or process: from what `connect` was given, or else from the
// file beside this module, or else from a module that has the same bytes inside. The last is for tools that bundle
// modules and leave the file behind, and for where `fetch` reads no files.
import init, { initSync } from "./blaze_client.js";
import { BlazeError } from "./errors.js";

let isLoaded = false;
/** The attempt that is being made to load it from where the package has it. */
let loading;

/** Loads it unless it is loaded. A failure is forgotten: the next call tries again. */
export async function load(wasm) {
  if (isLoaded) return;
  if (wasm === undefined) return (loading ??= loadOwn().finally(() => (loading = undefined)));
  // A promise of another request must not be waited for in Workers: with a module this ends without one.
  try {
    await start(isModule(wasm) ? wasm : await compiled(await wasm));
  } catch (error) {
    throw error instanceof BlazeError ? error : unavailable(error);
  }
}

async function loadOwn() {
  try {
    // In the form in which bundlers find a file that a module needs.
    await start(await fetched(new URL("./blaze_client_bg.wasm", import.meta.url)));
  } catch (error) {
    try {
      const { bytes } = await import("./wasm.js");
      await start(await WebAssembly.compile(bytes()));
    } catch {
      throw unavailable(error);
    }
  }
}

/** An instance that is being made of a module of another realm. */
let starting;

async function start(module) {
  if (module instanceof WebAssembly.Module) initSync({ module });
  else await (starting ??= init({ module_or_path: module }).finally(() => (starting = undefined)));
  isLoaded = true;
}

/** Of another realm too, where `instanceof` knows nothing. */
const kindOf = (value) => Object.prototype.toString.call(value).slice(8, -1);
const isModule = (value) => kindOf(value) === "WebAssembly.Module";

/** The module in whatever form `connect` was given it. */
async function compiled(wasm) {
  if (isModule(wasm)) return wasm;
  if (typeof wasm === "string" || kindOf(wasm) === "URL") return fetched(wasm);
  if (kindOf(wasm) === "Response") return read(wasm);
  if (ArrayBuffer.isView(wasm) || /^(Shared)?ArrayBuffer$/.test(kindOf(wasm))) return WebAssembly.compile(wasm);
  const forms = "bytes, a WebAssembly.Module, a URL or a Response";
  throw new BlazeError("invalid-argument", `wasm: a ${kindOf(wasm)} is none of ${forms}`, 400);
}

const fetched = async (url) => read(await fetch(url));

async function read(response) {
  if (!response.ok) throw new Error(`${response.url} was answered ${response.status}`);
  const isTyped = response.headers.get("content-type")?.startsWith("application/wasm");
  // Only what is said to be WebAssembly can be compiled while it comes.
  return isTyped ? WebAssembly.compileStreaming(response) : WebAssembly.compile(await response.arrayBuffer());
}

function unavailable(error) {
  const message = `the client's WebAssembly could not be loaded: ${error?.message ?? error}`;
  return new BlazeError("unavailable", message, 503, { cause: error });
}
