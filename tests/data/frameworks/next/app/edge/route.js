// The same in Next's edge runtime.
import * as blaze from "blaze-client";
import { outcome } from "../../attempt.mjs";

export const runtime = "edge";

export async function GET(request) {
  const asked = new URL(request.url).searchParams;
  return new Response(await outcome(blaze, asked.get("server"), asked.get("id")));
}
