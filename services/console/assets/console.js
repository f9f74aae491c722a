// What pages do where there are scripts; without them everything works as links and forms.
"use strict";

// Copy buttons.
const copied = async (button) => {
  const text = document.getElementById(button.dataset.copy)?.textContent ?? "";
  const said = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    const range = document.createRange();
    range.selectNodeContents(document.getElementById(button.dataset.copy));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    button.textContent = "Selected: press Ctrl+C";
  }
  setTimeout(() => { button.textContent = said; }, 2000);
};
for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;

document.addEventListener("click", (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) copied(copy);
  const close = event.target.closest("dialog [data-close]");
  if (close) {
    event.preventDefault();
    close.closest("dialog").close();
  }
  // A menu closes when something else is clicked.
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

// A page with a secret that is left, or kept for going back, forgets it.
addEventListener("pagehide", () => {
  for (const secret of document.querySelectorAll("[data-secret]")) {
    secret.textContent = "This was shown once and is gone.";
  }
});

// What is loaded into the dialog is shown in it.
document.addEventListener("htmx:after:swap", (event) => {
  const dialog = document.getElementById("dialog");
  const target = event.detail?.ctx?.target ?? event.target;
  if (target?.id === "dialog-body" && !dialog.open) dialog.showModal();
});

// A form is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "1";
  // Pages that come back from the browser's memory can be sent again.
  addEventListener("pageshow", () => { delete form.dataset.sent; }, { once: true });
});
