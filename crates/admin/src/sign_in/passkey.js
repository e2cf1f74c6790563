// Passkeys: the one thing that browsers offer to scripts only. A button with `data-passkey="get"` signs in or
// steps up, one with `data-passkey="create"` adds a passkey; both belong to a form with the hidden fields.
"use strict";

const toBytes = (text) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (character) => character.charCodeAt(0));
const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

async function post(address, body) {
  const response = await fetch(address, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.code || String(response.status));
  return answer;
}

const withBytes = (list) => (list || []).map((one) => ({ ...one, id: toBytes(one.id) }));

async function get(form) {
  const csrf = form.csrf.value;
  const { handle, options } = await post("/sign-in/passkey/options", { csrf });
  const credential = await navigator.credentials.get({
    publicKey: {
      ...options,
      challenge: toBytes(options.challenge),
      allowCredentials: withBytes(options.allowCredentials),
    },
  });
  return post("/sign-in/passkey", {
    csrf,
    txn: form.txn ? form.txn.value : "",
    assurance: form.assurance ? form.assurance.value : "",
    answer: {
      handle,
      credentialId: toText(credential.rawId),
      clientData: toText(credential.response.clientDataJSON),
      authenticatorData: toText(credential.response.authenticatorData),
      signature: toText(credential.response.signature),
    },
  });
}

async function create(form) {
  const csrf = form.csrf.value;
  const { handle, options } = await post("/account/passkey/options", { csrf });
  const credential = await navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: toBytes(options.challenge),
      user: { ...options.user, id: toBytes(options.user.id) },
      excludeCredentials: withBytes(options.excludeCredentials),
    },
  });
  return post("/account/passkey", {
    csrf,
    answer: {
      handle,
      name: form.passkey_name ? form.passkey_name.value : "",
      credentialId: toText(credential.rawId),
      clientData: toText(credential.response.clientDataJSON),
      authenticatorData: toText(credential.response.getAuthenticatorData()),
      publicKey: toText(credential.response.getPublicKey()),
      algorithm: credential.response.getPublicKeyAlgorithm(),
    },
  });
}

for (const button of document.querySelectorAll("[data-passkey]")) {
  if (!window.PublicKeyCredential) continue;
  button.hidden = false;
  button.addEventListener("click", async (event) => {
    event.preventDefault();
    const form = button.form;
    const message = form.querySelector("[data-passkey-error]");
    button.disabled = true;
    try {
      const { location } = await (button.dataset.passkey === "create" ? create(form) : get(form));
      window.location.assign(location);
    } catch (error) {
      button.disabled = false;
      if (message) message.hidden = false;
      console.warn("passkey:", error.message);
    }
  });
}
