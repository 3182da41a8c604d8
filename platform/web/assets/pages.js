// What makes the pages easier to use.

// The token of a link from a mail is in the fragment, which no server sees. It goes into the
// forms that ask for it, and is sent when the person submits one. Then the address loses it.
const token = new URLSearchParams(location.hash.slice(1)).get("link_token");
if (token) {
  for (const field of document.querySelectorAll("input[name=link_token]")) field.value = token;
  for (const part of document.querySelectorAll("[data-with-link]")) part.hidden = false;
  for (const part of document.querySelectorAll("[data-without-link]")) part.remove();
  history.replaceState(null, "", location.pathname + location.search);
}

// No form is sent twice.
addEventListener("submit", (event) => {
  if (event.target.ariaBusy === "true") event.preventDefault();
  event.target.ariaBusy = "true";
});
addEventListener("pageshow", () => {
  for (const form of document.forms) form.ariaBusy = null;
});
