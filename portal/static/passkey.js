// Forms that a passkey completes: <form data-passkey="confirm | sign-in | new">. The server asks, the device
// answers, the answer goes with the form in the hidden field "passkey". Their buttons come disabled, with words that
// say why, until this script can do something with a press.

const says = document.getElementById("passkey-says");

const bytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
const keys = (list) => (list ?? []).map((key) => ({ ...key, id: bytes(key.id) }));

/** What went wrong, in words of ours. */
class Told extends Error {}

/** What the form is about to send; files by the SHA-256 of their content. */
const fieldsOf = async (form) => {
  const fields = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (typeof value === "string") {
      fields.append(name, value);
    } else if (value.name) {
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await value.arrayBuffer()));
      fields.append(name, `sha256:${[...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`);
    }
  }
  return fields;
};

/** The server's question. */
const ask = async (address, fields) => {
  const answer = await fetch(address, {
    method: "POST",
    body: new URLSearchParams({ form_token: says.dataset.token, ...fields }),
    headers: { Accept: "application/json" },
  });
  const content = await answer.json();
  if (answer.ok) return content;
  throw new Told(content.errors?.map((error) => error.detail).join(" ") || content.detail);
};

/** The device's answer, as JSON (WebAuthn Level 3 §5.1). */
const answer = async (options, creates) => {
  const publicKey = { ...options, challenge: bytes(options.challenge) };
  let credential;
  if (creates) {
    publicKey.user = { ...options.user, id: bytes(options.user.id) };
    publicKey.excludeCredentials = keys(options.excludeCredentials);
    credential = await navigator.credentials.create({ publicKey });
  } else {
    publicKey.allowCredentials = keys(options.allowCredentials);
    credential = await navigator.credentials.get({ publicKey });
  }
  const response = {};
  for (const part of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[part]) response[part] = text(credential.response[part]);
  }
  return JSON.stringify({ id: credential.id, rawId: text(credential.rawId), type: credential.type, response });
};

const worded = (error, waited, limit) => {
  if (error instanceof Told) return error.message;
  const words = { InvalidStateError: "known", SecurityError: "elsewhere", NotAllowedError: "cancelled" };
  if (error.name === "NotAllowedError" && waited >= limit) return says.dataset.late;
  return says.dataset[words[error.name] ?? "failed"];
};

const send = async (form) => {
  const button = form.querySelector("button");
  const say = (words, waiting = false) => {
    form.append(says);
    says.classList.toggle("working", waiting);
    says.classList.toggle("mistake", !waiting);
    says.textContent = words;
  };
  if (!window.PublicKeyCredential || !navigator.credentials) return say(says.dataset.unsupported);
  button.disabled = true;
  let begun = performance.now();
  let limit = Infinity;
  try {
    const address = new URL(form.action);
    const confirms = !form.dataset.options;
    const asked = confirms
      ? { for: address.pathname + address.search, fields: (await fieldsOf(form)).toString() }
      : {};
    const options = await ask(form.dataset.options ?? says.dataset.confirm, asked);
    say(says.dataset.waiting, true);
    begun = performance.now();
    limit = options.timeout;
    const given = await answer(options, form.dataset.passkey === "new");
    const field = form.elements.passkey ?? form.appendChild(document.createElement("input"));
    Object.assign(field, { type: "hidden", name: "passkey", value: given });
    HTMLFormElement.prototype.submit.call(form);
  } catch (error) {
    say(worded(error, performance.now() - begun, limit));
    button.disabled = false;
  }
};

for (const form of document.querySelectorAll("form[data-passkey]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
  form.querySelector("button").disabled = false;
}
says.textContent = "";

// Back from the answer: the forms are ready again, and must be confirmed again.
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.elements.passkey?.remove();
    form.querySelector("button").disabled = false;
  }
  says.textContent = "";
});
