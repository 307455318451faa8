// A component of the server.
import * as blaze from "blaze-client";
import { outcome } from "../attempt.mjs";

export default async function Page({ searchParams }) {
  const { server, id } = await searchParams;
  return <p id="outcome">{await outcome(blaze, server, id)}</p>;
}
