// A certified OpenID provider (oidc-provider) on loopback, with its own development pages for signing in: whoever
// types a name is that person. Arguments: port, redirect URI. Prints "ready".
import Provider from "oidc-provider";

const [port, redirectUri] = process.argv.slice(2);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: "hoc-ba", client_secret: "a+secret/with:signs%", redirect_uris: [redirectUri] }],
  cookies: { keys: ["only for tests"] },
  findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  features: { devInteractions: { enabled: true } },
  pkce: { required: () => true },
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
