// What is fetched from elsewhere: from whom, and how much of it.

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** Whether nobody between it and us can listen, or change what it says. */
export function isTrustworthy({ protocol, hostname }) {
  return protocol === "https:" || (protocol === "http:" && LOOPBACK.has(hostname));
}

/** The text of a response, of `limit` bytes at most. */
export async function readText(response, limit) {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let size = 0;
  let text = "";
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > limit) throw new Error(`more than ${limit} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
