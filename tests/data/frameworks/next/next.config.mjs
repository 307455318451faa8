// The tools are installed one folder above.
const above = new URL("..", import.meta.url).pathname.replace(/\/$/, "");

export default {
  distDir: process.env.DIST,
  turbopack: { root: above },
  outputFileTracingRoot: above,
};
