// What the page does: shows a greeting, counts it, and hears when somebody else does.
const greeting = "/v1/docs/greetings/hello";

function show({ text, count }) {
  document.getElementById("text").textContent = `${text} × ${count}`;
}

async function read() {
  const answer = await fetch(greeting);
  return answer.ok ? (await answer.json()).data : { text: "Hello", count: 0 };
}

document.getElementById("greet").addEventListener("click", () =>
  fetch(`${greeting}?merge=true`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ text: "Hello", count: { $increment: 1 } }),
  }),
);

// Every change comes over the document's own socket.
function listen() {
  const socket = new WebSocket(greeting);
  socket.addEventListener("message", async () => show(await read()));
  socket.addEventListener("close", () => setTimeout(listen, 1_000));
}

show(await read());
listen();
