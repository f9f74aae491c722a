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

// Where tabs do not fit, the one that is shown is seen.
for (const tab of document.querySelectorAll(".tabs [aria-current], .side [aria-current]")) {
  const tabs = tab.parentElement;
  tabs.scrollLeft = tab.offsetLeft - (tabs.clientWidth - tab.offsetWidth) / 2;
}

// A form is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "1";
  form.setAttribute("aria-busy", "true");
  const again = () => {
    delete form.dataset.sent;
    form.removeAttribute("aria-busy");
  };
  // Pages that come back from the browser's memory can be sent again, and so can what was stopped: all that a form
  // asks for and commands takes no longer (client/mod.rs).
  addEventListener("pageshow", again, { once: true });
  setTimeout(again, 60_000);
});

// What htmx asks for is seen to be under way. If the console cannot be reached, the browser goes there itself, and says so;
// what was to be done is not done again.
const newest = new WeakMap();
document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  newest.set(ctx.sourceElement, ctx);
  ctx.sourceElement.setAttribute("aria-busy", "true");
});
document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  // One that was replaced ends while that which replaces it goes on.
  if (newest.get(ctx.sourceElement) === ctx) ctx.sourceElement.removeAttribute("aria-busy");
});
document.addEventListener("htmx:error", ({ detail }) => {
  const element = detail.ctx?.sourceElement;
  if (element?.href) location.assign(element.href);
  else if (element?.method === "get") element.submit();
});

// The inbox by keyboard. Keys act on what is focused, never in a field, and can be switched off.
const inbox = document.getElementById("inbox");
const inboxKeys = () => {
  const said = document.getElementById("inbox-said");
  const help = document.getElementById("inbox-help");
  const use = help.querySelector("[data-inbox-keys]");
  const boxes = () => [...inbox.querySelectorAll("[name=video_ids]")];
  const ticked = () => boxes().filter((box) => box.checked);
  const rowOf = (element) => element?.closest("[data-video]");
  const current = () => rowOf(document.activeElement)?.querySelector("[name=video_ids]");
  // Which video comes after a decision, so that the place is not lost.
  let next = null;

  const go = (box) => {
    (box ?? inbox).focus({ preventScroll: true });
    rowOf(box)?.scrollIntoView({ block: "nearest" });
  };
  const step = (by) => {
    const all = boxes();
    const at = all.indexOf(current());
    if (all.length) go(all[at < 0 ? 0 : Math.min(Math.max(at + by, 0), all.length - 1)]);
  };
  const show = () => {
    const [count, of] = [ticked().length, boxes().length];
    const all = inbox.querySelector("[data-select-all]");
    if (!all) return;
    all.closest("label").hidden = false;
    all.checked = count === of;
    all.indeterminate = count > 0 && count < of;
    inbox.querySelector("[data-selected]").textContent = count ? `${count} selected` : "";
  };
  const tick = () => {
    const box = current();
    if (box) box.click();
    said.textContent = box ? `${ticked().length} selected` : "Press j to go to the first video.";
  };
  const decide = (decision) => {
    const row = rowOf(current());
    const button = ticked().length
      ? inbox.querySelector(`[name=decision][value=${decision}]`)
      : row?.querySelector(`[name=one][value^=${decision}]`);
    if (button) button.click();
    else said.textContent = row || ticked().length ? "This video is there already." : "Press j to go to the first video.";
  };
  const acts = new Map([
    ["j", () => step(1)], ["ArrowDown", () => step(1)],
    ["k", () => step(-1)], ["ArrowUp", () => step(-1)],
    ["x", tick], ["a", () => decide("include")], ["e", () => decide("exclude")],
    ["?", () => help.showModal()],
  ]);

  document.addEventListener("keydown", (event) => {
    const act = acts.get(event.key);
    if (!act || event.ctrlKey || event.metaKey || event.altKey || !use.checked) return;
    if (event.target.closest("input:not([type=checkbox]), select, textarea, dialog")) return;
    // Elsewhere arrows scroll.
    if (event.key.startsWith("Arrow") && !current()) return;
    event.preventDefault();
    act();
  });
  inbox.addEventListener("change", (event) => {
    if (event.target.matches("[data-select-all]")) {
      for (const box of boxes()) box.checked = event.target.checked;
    }
    show();
  });
  inbox.addEventListener("submit", (event) => {
    const { name, value } = event.submitter ?? {};
    const gone = name === "one" ? [value.split(" ")[1]] : ticked().map((box) => box.value);
    const all = boxes();
    const at = Math.max(all.indexOf(current()), 0);
    const order = [...all.slice(at), ...all.slice(0, at).reverse()];
    next = order.find((box) => !gone.includes(box.value))?.id;
  }, true);
  document.addEventListener("htmx:after:swap", (event) => {
    const told = inbox.querySelector("[data-said]");
    if (!told) return;
    document.querySelector("main > .notice")?.remove();
    told.scrollIntoView({ block: "nearest" });
    // What failed left the list, and the place in it, as they were; an alert speaks for itself.
    const target = event.detail?.ctx?.target;
    if ((target?.id ?? target?.slice?.(1)) === "inbox-told") return;
    said.textContent = told.textContent;
    const { waiting } = inbox.querySelector("#inbox-told").dataset;
    const count = document.querySelector("[data-count]");
    count.hidden = !waiting;
    count.querySelector("[data-figure]").textContent = waiting;
    show();
    go(document.getElementById(next) ?? boxes()[0]);
  });
  // Nothing came back at all.
  document.addEventListener("htmx:error", () => {
    const unreached = document.getElementById("inbox-unreached");
    inbox.querySelector("#inbox-told").replaceChildren(unreached.content.cloneNode(true));
  });

  use.checked = localStorage.getItem("inbox-keys") !== "off";
  use.addEventListener("change", () => localStorage.setItem("inbox-keys", use.checked ? "on" : "off"));
  const button = document.querySelector("[data-inbox-help]");
  button.hidden = false;
  button.addEventListener("click", () => help.showModal());
  show();
};
if (inbox) inboxKeys();
