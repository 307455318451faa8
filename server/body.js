// The reading of bodies, up to a limit.

/** Reads a request's body; resolves to undefined if it has more than `limit` bytes, inflated. */
export async function readBody(request, limit, isGzip) {
  const length = request.headers.get("content-length");
  // A length that is no number is not known to be within the limit. What exceeds it is read, up to four times as much: a
  // client that is still sending would not see the answer.
  const isWithin = length !== null && Number(length) <= limit;
  const body = isWithin ? await request.bytes() : await readChunks(request.body ?? [], limit, 4 * limit);
  if (!isGzip || body === undefined || body.byteLength === 0) return body;
  try {
    // A bomb is inflated up to the limit and no further.
    return await readChunks(new Response(body).body.pipeThrough(new DecompressionStream("gzip")), limit, limit);
  } catch (error) {
    throw new Error(`its Content-Encoding is gzip, and it cannot be inflated: ${error.message}`);
  }
}

/** Reads a body; undefined if it exceeds `limit`. The excess is dropped, up to `most`. */
export async function readChunks(stream, limit, most) {
  const chunks = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.byteLength;
    if (size <= limit) chunks.push(chunk);
    else if (size > most) break;
  }
  return size > limit ? undefined : new Blob(chunks).bytes();
}
