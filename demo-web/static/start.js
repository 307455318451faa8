// Starts the page's program, which cargo xtask build puts beside this file.
import init from "/demo.js";

const splash = document.getElementById("splash");
try {
  await init({ module_or_path: "/demo_bg.wasm" });
  splash.remove();
} catch (error) {
  splash.textContent = "This page could not start. Does the browser support WebAssembly?";
  throw error;
}
