// In demo mode only: answers for the authenticator with the key of the person picked on /demo-accounts. The
// answers are real ones (WebAuthn Level 3, ECDSA on P-256), and the server checks them as it checks all others.

(() => {
  const KEPT = "demo-key";
  const chosen = () => JSON.parse(localStorage.getItem(KEPT) ?? "null");
  const bytes = (text) =>
    Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  const joined = (...parts) => Uint8Array.from(parts.flatMap((part) => [...new Uint8Array(part)]));
  const digest = (content) => crypto.subtle.digest("SHA-256", content);
  const ascii = (letters) => new TextEncoder().encode(letters);
  const CURVE = { name: "ECDSA", namedCurve: "P-256" };

  /** A positive INTEGER of DER (X.690 §8.3). */
  const integer = (content) => {
    let value = [...content];
    while (value.length > 1 && value[0] === 0) value = value.slice(1);
    if (value[0] > 127) value.unshift(0);
    return [2, value.length, ...value];
  };
  const der = (signature) => {
    const both = [...integer(signature.slice(0, 32)), ...integer(signature.slice(32))];
    return Uint8Array.from([0x30, both.length, ...both]);
  };

  const clientData = (type, challenge) =>
    ascii(JSON.stringify({ type, challenge: text(challenge), origin: location.origin, crossOrigin: false }));
  const PRESENT_AND_VERIFIED = 0x05;
  const ATTESTED = 0x40;
  const authenticatorData = async (party, flags) =>
    joined(await digest(ascii(party ?? location.hostname)), [flags], [0, 0, 0, 0]);
  const credential = (key, response) => ({ id: key.id, rawId: bytes(key.id).buffer, type: "public-key", response });

  const get = async ({ publicKey }) => {
    const key = chosen();
    const wanted = publicKey.allowCredentials ?? [];
    if (wanted.length && !wanted.some((each) => text(each.id) === key.id)) {
      throw new DOMException("no such key", "NotAllowedError");
    }
    const { x, y, d } = key;
    const jwk = { kty: "EC", crv: "P-256", x, y, d };
    const signer = await crypto.subtle.importKey("jwk", jwk, CURVE, false, ["sign"]);
    const data = await authenticatorData(publicKey.rpId, PRESENT_AND_VERIFIED);
    const client = clientData("webauthn.get", publicKey.challenge);
    const signed = joined(data, await digest(client));
    const signature = new Uint8Array(await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, signer, signed));
    return credential(key, {
      clientDataJSON: client,
      authenticatorData: data,
      signature: der(signature),
      userHandle: bytes(key.user),
    });
  };

  const create = async ({ publicKey }) => {
    const pair = await crypto.subtle.generateKey(CURVE, true, ["sign"]);
    const { x, y, d } = await crypto.subtle.exportKey("jwk", pair.privateKey);
    const name = crypto.getRandomValues(new Uint8Array(16));
    const key = { id: text(name), user: text(publicKey.user.id), x, y, d, name: publicKey.user.displayName };
    // CBOR (RFC 8949): {1: 2, 3: -7, -1: 1, -2: x, -3: y}, then {"fmt": "none", "attStmt": {}, "authData": …}
    const cose = joined([0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32], bytes(x), [0x22, 0x58, 32], bytes(y));
    const head = await authenticatorData(publicKey.rp.id, PRESENT_AND_VERIFIED | ATTESTED);
    const data = joined(head, new Uint8Array(16), [0, name.length], name, cose);
    const attestationObject = joined(
      [0xa3, 0x63], ascii("fmt"), [0x64], ascii("none"), [0x67], ascii("attStmt"), [0xa0],
      [0x68], ascii("authData"), [0x58, data.length], data,
    );
    localStorage.setItem(KEPT, JSON.stringify(key));
    return credential(key, { clientDataJSON: clientData("webauthn.create", publicKey.challenge), attestationObject });
  };

  if (chosen()) Object.assign(navigator.credentials, { get, create });

  const says = document.getElementById("demo-says");
  if (!says) return;
  const show = () => {
    const key = chosen();
    says.textContent = key ? `${says.dataset.chosen} ${key.name}.` : says.dataset.none;
  };
  for (const button of document.querySelectorAll("[data-demo-key]")) {
    button.addEventListener("click", () => {
      const [id, user, x, y, d] = button.dataset.demoKey.split(" ");
      const name = button.textContent;
      localStorage.setItem(KEPT, JSON.stringify({ id, user, x, y, d, name }));
      show();
      says.scrollIntoView({ block: "center" });
    });
  }
  document.getElementById("demo-forget").addEventListener("click", () => {
    localStorage.removeItem(KEPT);
    show();
  });
  show();
})();
