// Verifies a token of Blaze with `jose`, as a service elsewhere would: it knows nothing of Blaze but where its keys are.
// The token comes on standard input; prints the claims, or what is wrong, and then ends with 1.
import { text } from "node:stream/consumers";
import { createRemoteJWKSet, jwtVerify } from "jose";

const keys = createRemoteJWKSet(new URL(process.argv[2]));
try {
  const { payload } = await jwtVerify(await text(process.stdin), keys, {
    issuer: "blaze",
    audience: "blaze",
    algorithms: ["EdDSA"],
    requiredClaims: ["sub", "exp", "iat"],
  });
  console.log(JSON.stringify(payload));
} catch (error) {
  console.log(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
