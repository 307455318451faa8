// The reading of bodies, up to a limit.

/** Reads a request's body; resolves to undefined if it has more than `limit` bytes, inflated. */
export async function readBody(request, limit, isGzip) {
  const body = await readPlain(request, limit);
  if (!isGzip || body === undefined || body.byteLength === 0) return body;
  try {
    // A bomb is inflated up to the limit and no further.
    return await readChunks(new Response(body).body.pipeThrough(new DecompressionStream("gzip")), limit, limit);
  } catch (error) {
    throw new Error(`its Content-Encoding is gzip, and it cannot be inflated: ${error.message}`);
  }
}

/** Reads a request's body as it was sent. */
function readPlain(request, limit) {
  const length = request.headers.get("content-length");
  // A length that is no number is not known to be within the limit.
  if (length === null || !(Number(length) <= limit)) return readChunks(request.body ?? [], limit, 4 * limit);
  return request.arrayBuffer().then((body) => new Uint8Array(body));
}

/**
 * Reads a body; undefined if it exceeds `limit`. The excess is dropped, up to `most`: a client that is still sending
 * would not see the answer.
 */
async function readChunks(stream, limit, most) {
  const chunks = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.byteLength;
    if (size <= limit) chunks.push(chunk);
    else if (size > most) break;
  }
  if (size > limit) return undefined;
  const body = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    body.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return body;
}

/** Reads the text of a response; throws if it has more than `limit` bytes. */
export async function readText(response, limit) {
  const body = await readChunks(response.body ?? [], limit, limit);
  if (body === undefined) throw new Error(`more than ${limit} bytes`);
  return new TextDecoder("utf-8", { fatal: true }).decode(body);
}
