// A provider of identities for the tests: `oidc-provider` on a free port of this machine, with its own pages to log in
// and to consent. Prints its issuer, a line, and ends with its standard input. Its arguments are addresses to which
// browsers may be sent back, beside the one below.
//
// Anybody may log in, with any password; their address is their name's at example.com. It signs with a key of each
// kind; what each client is given is in its name.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const REDIRECT = "http://localhost/back";

/** A private key as a JWK. */
function key(kind, options, alg) {
  const { privateKey } = generateKeyPairSync(kind, options);
  return { ...privateKey.export({ format: "jwk" }), alg, use: "sig", kid: alg };
}

function client(client_id, more) {
  return {
    client_id,
    client_secret: "the secret: & of it",
    redirect_uris: [REDIRECT, ...process.argv.slice(2)],
    response_types: ["code"],
    grant_types: ["authorization_code"],
    ...more,
  };
}

const settings = {
  clients: [
    client("basic", { token_endpoint_auth_method: "client_secret_basic" }),
    client("public", { token_endpoint_auth_method: "none", client_secret: undefined }),
    client("es256", { id_token_signed_response_alg: "ES256" }),
    client("eddsa", { id_token_signed_response_alg: "EdDSA" }),
  ],
  jwks: {
    keys: [
      key("rsa", { modulusLength: 2048 }, "RS256"),
      key("ec", { namedCurve: "P-256" }, "ES256"),
      key("ed25519", {}, "EdDSA"),
    ],
  },
  enabledJWA: { idTokenSigningAlgValues: ["RS256", "ES256", "EdDSA"] },
  claims: { openid: ["sub"], email: ["email", "email_verified"] },
  // The address is in the id token, as with the providers that people use.
  conformIdTokenClaims: false,
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@example.com`, email_verified: true }),
  }),
  pkce: { required: () => true },
  features: { devInteractions: { enabled: true } },
  cookies: { keys: ["for tests"] },
};

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  server.on("request", new Provider(issuer, settings).callback());
  console.log(issuer);
});
process.stdin.on("end", () => process.exit()).resume();
