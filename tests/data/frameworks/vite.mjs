// Serves the page in a folder as `vite` does, then as `vite build` and `vite preview` do, and says where, a line each.
// It ends with its standard input. Arguments: Vite's npm package, the folder.
const [name, root] = process.argv.slice(2);
const { build, createServer, preview } = await import(name);
// As on the command line; where the usual port is taken, it takes another one.
const host = { host: "127.0.0.1" };
const common = { root, configFile: false, logLevel: "warn", cacheDir: `${root}/.${name}`, build: { outDir: `dist-${name}` } };
const urlOf = ({ httpServer }) => `http://127.0.0.1:${httpServer.address().port}`;

const dev = await createServer({ ...common, server: host });
await dev.listen();
console.log(urlOf(dev));
await build(common);
console.log(urlOf(await preview({ ...common, preview: host })));
process.stdin.on("end", () => process.exit(0)).resume();
