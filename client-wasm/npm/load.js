// Loads the WebAssembly, once: browsers fetch it, Node.js reads it from the package.
import init from "./blaze_client.js";

let loading;

export const load = () => (loading ??= loaded());

async function loaded() {
  // In the form in which bundlers find a file that a module needs.
  const wasm = new URL("./blaze_client_bg.wasm", import.meta.url);
  try {
    await init({ module_or_path: wasm });
  } catch (error) {
    if (!globalThis.process?.versions?.node) throw error;
    // Not a literal, so that bundlers for browsers leave it alone.
    const fs = "node:fs/promises";
    const { readFile } = await import(/* @vite-ignore */ /* webpackIgnore: true */ fs);
    await init({ module_or_path: await readFile(wasm) });
  }
}
