import * as blaze from "blaze-client";
import { outcome } from "./attempt.mjs";

export default {
  async fetch(request) {
    const asked = new URL(request.url).searchParams;
    return new Response(await outcome(blaze, asked.get("server"), asked.get("id")));
  },
};
