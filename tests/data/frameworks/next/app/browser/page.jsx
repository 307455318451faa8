// A component of the browser.
"use client";
import * as blaze from "blaze-client";
import { useEffect, useState } from "react";
import { outcome } from "../../attempt.mjs";

export default function Page() {
  const [text, setText] = useState("");
  useEffect(() => {
    const asked = new URLSearchParams(location.search);
    outcome(blaze, asked.get("server"), asked.get("id")).then(setText);
  }, []);
  return <p id="outcome">{text}</p>;
}
