// What makes the pages easier to use. Each of them works without it.
const policy = self.trustedTypes?.createPolicy("ui", { createHTML: (html) => html });
const parse = (html) => new DOMParser().parseFromString(policy ? policy.createHTML(html) : html, "text/html");

// The token of a link from a mail is in the fragment, which no server sees. It goes into the
// forms that ask for it, and is sent when the person submits one. Then the address loses it.
const token = new URLSearchParams(location.hash.slice(1)).get("link_token");
if (token) {
  for (const field of document.querySelectorAll("input[name=link_token]")) field.value = token;
  for (const part of document.querySelectorAll("[data-with-link]")) part.hidden = false;
  for (const part of document.querySelectorAll("[data-without-link]")) part.remove();
  history.replaceState(null, "", location.pathname + location.search);
}

// Times are shown in the reader's zone, in the language of the page.
function localize(root) {
  for (const time of root.querySelectorAll("time")) {
    const style = "day" in time.dataset ? { dateStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" };
    time.title = time.textContent;
    time.textContent = new Intl.DateTimeFormat(document.documentElement.lang, style).format(new Date(time.dateTime));
  }
}

// prepare gives the parts of a page that were just shown what the page has.
function prepare(root) {
  localize(root);
  for (const button of root.querySelectorAll("button[data-match]")) {
    const typed = button.form.elements.typed;
    const shown = (text) => text.normalize().split(/\s+/).filter(Boolean).join(" ").toLowerCase();
    const check = () => { button.disabled = shown(typed.value) !== shown(button.dataset.match); };
    typed.addEventListener("input", check);
    check();
  }
}
prepare(document);

// What is shown once can be copied, and is not kept for the way back.
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const field = document.getElementById(button.dataset.copy);
    const said = button.parentElement.querySelector("[data-copied]");
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      document.execCommand("copy"); // over plain HTTP
    }
    said.textContent = said.dataset.copied;
  });
}
for (const button of document.querySelectorAll("button[data-save]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([document.getElementById(button.dataset.save).value], { type: "text/plain" }));
    link.download = button.dataset.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}
for (const button of document.querySelectorAll("button[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
addEventListener("pagehide", () => {
  for (const field of document.querySelectorAll("[data-once]")) field.closest(".secret")?.remove();
});

// Where the navigation is a narrow row, it shows the current page.
document.querySelector(".side [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });

// load returns a page of ours. Where the server leads elsewhere, the browser follows.
async function load(url, options) {
  const answer = await fetch(url, options);
  if (answer.redirected) {
    location.assign(answer.url);
    return null;
  }
  return parse(await answer.text());
}

// A list follows what is typed into its form: <form data-live="ID of the list">.
for (const form of document.querySelectorAll("form[data-live]")) {
  let wait, running;
  const refresh = async () => {
    running?.abort();
    running = new AbortController();
    const asked = new FormData(form);
    for (const [name, value] of [...asked]) if (!value) asked.delete(name);
    const url = form.action + "?" + new URLSearchParams(asked);
    const list = document.getElementById(form.dataset.live);
    list.ariaBusy = "true";
    try {
      const fresh = (await load(url, { signal: running.signal }))?.getElementById(form.dataset.live);
      if (!fresh) return form.submit();
      prepare(fresh);
      list.replaceChildren(...fresh.childNodes);
      list.ariaBusy = null;
      history.replaceState(null, "", url);
    } catch (e) {
      if (e.name !== "AbortError") form.submit();
    }
  };
  form.addEventListener("input", () => {
    clearTimeout(wait);
    wait = setTimeout(refresh, 200);
  });
  for (const button of form.querySelectorAll("button")) button.hidden = true;
}

// The form of another page opens in a dialog: <a data-dialog>.
document.addEventListener("click", async (click) => {
  const link = click.target.closest("a[data-dialog]");
  if (!link || click.metaKey || click.ctrlKey || click.shiftKey || click.button) return;
  click.preventDefault();
  if (link.ariaBusy === "true") return; // a double click asks once
  link.ariaBusy = "true";
  const dialog = document.createElement("dialog");
  const show = (page, address) => {
    const [title, form] = [page.querySelector("h1"), page.querySelector("form[data-part]")];
    if (!title || !form) return false;
    title.id = "dialog-title";
    if (!form.hasAttribute("action")) form.action = address;
    dialog.setAttribute("aria-labelledby", title.id);
    dialog.replaceChildren(title, ...page.querySelectorAll(".notice.bad"), form);
    prepare(dialog);
    (dialog.querySelector("[aria-invalid], [autofocus]") ?? form.querySelector("input:not([type=hidden]), textarea, select, button"))?.focus();
    return true;
  };
  try {
    const page = await load(link.href);
    if (!page) return;
    document.body.append(dialog);
    dialog.showModal();
    if (!show(page, link.href)) location.assign(link.href);
  } catch {
    location.assign(link.href);
  } finally {
    link.ariaBusy = null;
  }
  dialog.addEventListener("click", (e) => {
    if (e.target !== dialog && !e.target.closest("[data-close]")) return;
    e.preventDefault();
    dialog.close();
  });
  dialog.addEventListener("submit", async (submit) => {
    submit.preventDefault();
    const form = submit.target;
    if (form.ariaBusy === "true") return;
    form.ariaBusy = "true";
    try {
      const again = await load(form.action, { method: "POST", body: new URLSearchParams(new FormData(form, submit.submitter)) });
      if (again && !show(again, form.action)) location.assign(form.action);
    } catch {
      location.assign(form.action);
    }
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    link.focus();
  });
});

// A passkey answers a form: <form data-passkey="get" data-options="JSON for navigator.credentials">.
// Browsers that translate the JSON themselves do just this, and some password managers do not.
const unpack = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const pack = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

async function passkey(kind, asked, signal, mediation) {
  asked.challenge = unpack(asked.challenge);
  if (asked.user) asked.user.id = unpack(asked.user.id);
  for (const known of [...asked.allowCredentials ?? [], ...asked.excludeCredentials ?? []]) known.id = unpack(known.id);
  const made = await navigator.credentials[kind]({ publicKey: asked, signal, mediation });
  const response = { transports: made.response.getTransports?.() };
  for (const part of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (made.response[part]) response[part] = pack(made.response[part]);
  }
  return { id: made.id, rawId: pack(made.rawId), type: made.type, authenticatorAttachment: made.authenticatorAttachment, clientExtensionResults: {}, response };
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const said = form.querySelector("[role=alert]");
  const supported = self.PublicKeyCredential && navigator.credentials;
  let asking;
  const ask = async () => {
    asking?.abort();
    asking = new AbortController();
    said.textContent = supported ? "" : said.dataset.unsupported;
    if (!supported) return;
    try {
      form.elements.credential.value = JSON.stringify(await passkey(form.dataset.passkey, JSON.parse(form.dataset.options), asking.signal));
    } catch (e) {
      if (e.name !== "AbortError") said.textContent = said.dataset[e.name.toLowerCase()] ?? said.dataset.failed;
      return;
    }
    form.ariaBusy = "true";
    form.submit();
  };
  form.addEventListener("submit", (submit) => {
    if (submit.submitter?.name || form.ariaBusy === "true") return; // another way was chosen
    submit.preventDefault();
    ask();
  });
  if ("start" in form.dataset || !supported) ask();
}

// A browser offers its passkeys at the address of the log-in, among the passwords that it keeps. The button
// leads to the form that asks for one; here that form is fetched, and again when its challenge has ended.
async function offerPasskeys(button, address) {
  if (!await self.PublicKeyCredential?.isConditionalMediationAvailable?.()) return;
  let offered, until = 0;
  const offer = async () => {
    if (Date.now() < until) return;
    until = Date.now() + 4 * 60_000;
    offered?.abort();
    const { signal } = offered = new AbortController();
    try {
      const page = await load(button.action, { method: "POST", body: new URLSearchParams(new FormData(button)), signal });
      const form = page.querySelector("form[data-passkey]");
      form.elements.credential.value = JSON.stringify(await passkey("get", JSON.parse(form.dataset.options), signal, "conditional"));
      form.hidden = true;
      document.body.append(form);
      form.submit();
    } catch {} // the button and the password are there
  };
  address.addEventListener("focus", offer);
  if (document.activeElement === address) offer();
}
for (const button of document.querySelectorAll("form[data-passkey-log-in]")) {
  const address = document.querySelector("[autocomplete~=webauthn]");
  if (address) offerPasskeys(button, address);
}

// No form is sent twice.
addEventListener("submit", (event) => {
  if (event.defaultPrevented) return;
  if (event.target.ariaBusy === "true") event.preventDefault();
  event.target.ariaBusy = "true";
});
addEventListener("pageshow", () => {
  for (const form of document.forms) form.ariaBusy = null;
});

// Menus close with Escape and with a click elsewhere; "/" leads to the search.
document.addEventListener("click", (click) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(click.target)) menu.open = false;
});
document.addEventListener("keydown", (key) => {
  const menu = document.querySelector("details.menu[open]");
  if (key.key === "Escape" && menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
  if (key.key === "/" && !key.target.closest("input, select, textarea, dialog")) {
    const search = document.querySelector("input[type=search]");
    if (search) {
      key.preventDefault();
      search.select();
    }
  }
});
