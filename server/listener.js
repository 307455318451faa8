// One client's socket on `/v1/listen`, and the sockets behind it. No decision is made here: `wasm.Listener` is told
// of events, and its effects are carried out.

/** Interval at which the listener is told that time has passed, in milliseconds: a token may end, rules may change. */
const TICK = 5_000;

/**
 * Opens the client's socket. `shell` has what it needs of `shim.js`; `credential` is the request's, empty if it had
 * none.
 */
export function listen(shell, protocol, credential) {
  const { env, make, guarded } = shell;
  const [client, server] = Object.values(new WebSocketPair());
  server.accept();
  const listener = guarded(make);
  const upstreams = new Map();
  let ended = false;
  /** The promise that the client's messages so far are handled, one after the other. */
  let turn = Promise.resolve();

  /** Calls the listener, and carries its effects out. */
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

  const end = (code, reason = "") => {
    if (ended) return;
    ended = true;
    clearInterval(ticking);
    for (const upstream of upstreams.keys()) perform.close(upstream);
    try {
      server.close(code, reason);
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
      const connection = { socket: undefined, closed: false, unsent: [] };
      upstreams.set(upstream, connection);
      try {
        const headers = { upgrade: "websocket" };
        if (namespace === "DOCUMENT" && credential !== "") headers.authorization = "Bearer " + credential;
        const { webSocket } = await shell.open(namespace, name, url, headers);
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
        else {
          for (const text of connection.unsent) webSocket.send(text);
          tell((listener) => listener.opened(upstream));
        }
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
    forward(upstream, text) {
      const connection = upstreams.get(upstream);
      if (connection === undefined) return;
      if (connection.socket === undefined) connection.unsent.push(text);
      else
        try {
          connection.socket.send(text);
        } catch {
          // The socket has gone, and its close event says so.
        }
    },
    identify(token) {
      credential = token;
      turn = turn.then(identify);
    },
    async lookup(target, paths) {
      try {
        const found = await shell.lookUp(paths);
        tell((listener) => listener.lookedUp(target, found));
      } catch (error) {
        console.error("listener: " + error);
        end(1011);
      }
    },
    async write(path, text, token, within) {
      let timer, answer;
      const late = new Promise((_, reject) => (timer = setTimeout(reject, within, "a write without an answer")));
      try {
        const frame = (object, ...more) => object.frame(path, text, token, ...more);
        const reached = shell.reach(env, "DOCUMENT", path, (object) => frame(object), frame);
        answer = await Promise.race([reached, late]);
      } catch (error) {
        console.error("listener: " + error);
      }
      clearTimeout(timer);
      tell((listener) => listener.written(answer));
    },
    end,
  };

  /** Tells the listener the client's identity, once the issuer's keys are there. */
  const identify = async () => {
    try {
      let issuer;
      const ask = (isFinal) =>
        tell((listener) => {
          const answer = listener.identify(credential, isFinal);
          if (Array.isArray(answer)) return answer;
          issuer = answer;
          return [];
        });
      ask(false);
      if (issuer === undefined) return;
      await shell.refresh(env, issuer);
      ask(true);
    } catch (error) {
      console.error("listener: " + error);
      end(1011);
    }
  };

  const tick = async () => {
    try {
      if (!shell.isFresh()) await shell.refresh(env);
      tell((listener) => listener.tick());
    } catch (error) {
      console.error("listener: " + error);
      end(1012);
    }
  };
  const ticking = setInterval(tick, TICK);
  if (credential !== "") turn = turn.then(identify);

  const hear = async (data) => {
    const refusal = await shell.refusal(() => listener.uid());
    if (refusal !== undefined) {
      perform.send(refusal);
      end(4429);
      return;
    }
    tell((listener) => listener.message(typeof data === "string" ? data : "binary"));
  };
  // Each message waits for everything that the one before it waits for.
  server.addEventListener("message", ({ data }) => {
    turn = turn.then(() => hear(data)).catch((error) => {
      console.error("listener: " + error);
      end(1011);
    });
  });
  server.addEventListener("close", () => end(1000));
  server.addEventListener("error", () => end(1011));

  const headers = protocol === "" ? {} : { "sec-websocket-protocol": protocol };
  return new Response(null, { status: 101, webSocket: client, headers });
}
