import * as blaze from "blaze-client";
import { outcome } from "./attempt.mjs";

const asked = new URLSearchParams(location.search);
outcome(blaze, asked.get("server"), asked.get("id")).then((text) => (document.title = text));
