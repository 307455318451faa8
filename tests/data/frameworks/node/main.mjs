import * as blaze from "blaze-client";
import { outcome } from "./attempt.mjs";

const [url, id] = process.argv.slice(2);
console.log(await outcome(blaze, url, id));
