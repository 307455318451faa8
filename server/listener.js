// One client's socket on `/v1/listen`, and the sockets behind it. Nothing is decided here: `wasm.Listener` is told what
// happens, and its effects are carried out.

/** Opens the client's socket. `make` makes the listener; `guarded` calls into wasm. */
export function listen(env, protocol, make, guarded) {
  const [client, server] = Object.values(new WebSocketPair());
  server.accept();
  const listener = guarded(make);
  const upstreams = new Map();
  let ended = false;

  /** Calls the listener, and does what it says. */
  const tell = (call) => {
    if (ended) return;
    let effects;
    try {
      effects = guarded(() => call(listener));
    } catch (error) {
      console.error("listener: " + error);
      end(1011);
      return;
    }
    for (const [name, ...rest] of effects) perform[name](...rest);
  };

  const end = (code) => {
    if (ended) return;
    ended = true;
    for (const upstream of upstreams.keys()) perform.close(upstream);
    try {
      server.close(code);
    } catch {}
  };

  const perform = {
    send(text) {
      try {
        server.send(text);
      } catch {
        end(1011);
      }
    },
    async open(upstream, namespace, name, url) {
      const connection = { socket: undefined, closed: false };
      upstreams.set(upstream, connection);
      try {
        const headers = { upgrade: "websocket" };
        const { webSocket } = await env[namespace].getByName(name).fetch(url, { headers });
        if (!webSocket) throw new Error(name + " gave no socket");
        connection.socket = webSocket;
        webSocket.addEventListener("message", ({ data }) => tell((listener) => listener.frame(upstream, data)));
        const lost = () => {
          if (!connection.closed) tell((listener) => listener.lost(upstream));
        };
        webSocket.addEventListener("close", lost);
        webSocket.addEventListener("error", lost);
        webSocket.accept();
        if (connection.closed) webSocket.close(1000);
      } catch (error) {
        console.error("listener: " + error);
        tell((listener) => listener.lost(upstream));
      }
    },
    close(upstream) {
      const connection = upstreams.get(upstream);
      upstreams.delete(upstream);
      if (connection === undefined) return;
      connection.closed = true;
      try {
        connection.socket?.close(1000);
      } catch {}
    },
    async write(path, text) {
      try {
        perform.send(await env.DOCUMENT.getByName(path).frame(path, text));
      } catch (error) {
        // Nobody knows whether the write was done. The client, told nothing, would wait for ever.
        console.error("listener: " + error);
        end(1011);
      }
    },
    end() {
      end(1012);
    },
  };

  server.addEventListener("message", ({ data }) => {
    if (typeof data === "string") tell((listener) => listener.message(data));
    else tell((listener) => listener.message("binary"));
  });
  server.addEventListener("close", () => end(1000));
  server.addEventListener("error", () => end(1011));

  const headers = protocol === "" ? {} : { "sec-websocket-protocol": protocol };
  return new Response(null, { status: 101, webSocket: client, headers });
}
