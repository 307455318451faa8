// Fetches from elsewhere: the trusted servers, and the limit on what is read.

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** True if nobody on the way to the server can listen, or change what it says. */
export function isTrustworthy({ protocol, hostname }) {
  return protocol === "https:" || (protocol === "http:" && LOOPBACK.has(hostname));
}

/** Reads the text of a response; throws if it has more than `limit` bytes. */
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
