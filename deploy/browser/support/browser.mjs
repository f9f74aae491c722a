// The browser. Whatever a spec is about, no page may ask another host, break the policy, or fail in a script.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, test } from "node:test";
import { home, note, seen } from "./api.mjs";

const require = createRequire(`${process.env.TGA_BROWSER_NPM}/`);
const { chromium } = require("playwright-core");
export const AXE = require.resolve("axe-core/axe.min.js");

/** How long a test may take, and how long anything in it may be waited for. */
const DEADLINE_MS = 90_000;
const PATIENCE_MS = 15_000;
export const WIDE = { width: 1280, height: 800 };
export const NARROW = { width: 390, height: 844 };

let launched;
const browser = () => (launched ??= chromium.launch({
  executablePath: process.env.TGA_CHROMIUM,
  // The browser's sandbox does not work for root.
  args: process.getuid() === 0 ? ["--no-sandbox"] : [],
}));
after(async () => (await launched)?.close());

// Of a test its browsers, and of a browser where its console is and where its spec reaches the API.
const contexts = new WeakMap();
const places = new WeakMap();

/** A test with a deadline; of one that fails, what its pages showed is told and kept as pictures. */
export function spec(name, body, timeout = DEADLINE_MS) {
  test(name, { timeout }, async (t) => {
    contexts.set(t, []);
    try {
      await body(t);
    } catch (error) {
      await shown(t, name.replace(/[^a-z0-9]+/gi, "-").slice(0, 60)).catch(() => {});
      throw error;
    }
  });
}

async function shown(t, name) {
  const pages = contexts.get(t).flatMap((context) => context.pages());
  for (const [n, page] of pages.entries()) {
    const path = `${process.env.TGA_BROWSER_WORK}/${name}-${n}.png`;
    t.diagnostic(`${page.url()} (${path}): ${(await page.locator("body").innerText()).replace(/\s+/g, " ").slice(0, 600)}`);
    await page.screenshot({ path, fullPage: true });
  }
}

/**
 * Somebody's browser, with a page of it; signed in with a session, if there is one. `at` is where the console is, `api` where
 * the spec reaches the API behind it, `hosts` what else may be asked, `expected` what may stand in its log of errors.
 */
export async function visit(t, { session, at = home, api = at, hosts = [], expected, ...options } = {}) {
  const context = await (await browser()).newContext({ baseURL: at, viewport: WIDE, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  contexts.get(t).push(context);
  places.set(context, { at, api });
  const faults = watch(context, [at, ...hosts], expected);
  t.after(async () => {
    await context.close();
    assert.deepEqual(faults, []);
  });
  // Signed in without the forms.
  if (session) await keep(context, at, COOKIE, session);
  const page = await context.newPage();
  for (const load of ["goto", "reload"]) {
    const asIs = page[load].bind(page);
    page[load] = async (...what) => {
      await showAll(page);
      return asIs(...what);
    };
  }
  return page;
}

/** What is loaded from now on shows what the spec did through the API, as it shows what the browser did; `goto` and `reload` see to it. */
export async function showAll(page) {
  const { at, api } = places.get(page.context());
  const known = Number((await cookie(page, SEEN))?.value ?? 0);
  if (seen(api) > known) await keep(page.context(), at, SEEN, `${seen(api)}`);
}

const keep = (context, at, name, value) =>
  context.addCookies([{ name, value, domain: new URL(at).hostname, path: "/", httpOnly: true, secure: true, sameSite: "Lax" }]);

export const COOKIE = "__Host-tga_session";
const SEEN = "__Host-tga_seen";

/** Lets calls of the spec see what the browser did. */
export async function catchUp(page) {
  const position = await cookie(page, SEEN);
  if (position) note(places.get(page.context()).api, Number(position.value));
}

/** The cookie with this name, if the browser has it. */
export const cookie = async (page, name = COOKIE) =>
  (await page.context().cookies()).find((cookie) => cookie.name === name);

function watch(context, hosts, expected) {
  const faults = [];
  const origins = new Set(hosts.map((host) => new URL(host).origin));
  context.on("request", (request) => {
    const { protocol, origin } = new URL(request.url());
    if (protocol.startsWith("http") && !origins.has(origin)) faults.push(`asked ${request.url()}`);
  });
  context.on("weberror", (error) => faults.push(`failed: ${error.error()}`));
  context.on("console", (message) => {
    // Browsers say so of every status that is none of success.
    const isStatus = message.text().startsWith("Failed to load resource");
    const isExpected = isStatus || expected?.test(message.text());
    if (message.type() === "error" && !isExpected) faults.push(message.text());
  });
  return faults;
}

/** Goes where a link or button leads, and says what the server answered to what was sent. */
export async function answerTo(page, method, act) {
  const answer = page.waitForResponse((response) => response.request().method() === method);
  await act();
  const response = await answer;
  await page.waitForLoadState();
  await catchUp(page);
  return response;
}

/** Goes to a page of the list (pages.mjs), and says with what the server answered. */
export async function go(page, { path, act, status }) {
  let answer = await page.goto(path);
  if (act) answer = await lastOf(await act(page));
  assert.equal(answer.status(), status, path);
  return answer;
}

/** What a redirect leads to. */
async function lastOf(answer) {
  for (let next = answer.request().redirectedTo(); next; next = next.redirectedTo()) answer = await next.response();
  return answer;
}

/** The text of the page's main part. */
export const main = (page) => page.locator("main").innerText();

/** Presses Tab until an element with this name has the focus. */
export async function tabTo(page, name) {
  const seen = [];
  for (let n = 0; n < 120; n += 1) {
    await page.keyboard.press("Tab");
    const focused = await page.evaluate(nameOfFocused);
    if (focused === name || (name instanceof RegExp && name.test(focused))) return;
    seen.push(focused);
  }
  assert.fail(`Tab does not reach ${name}: ${seen.join(" | ")}`);
}

function nameOfFocused() {
  const element = document.activeElement;
  const text = element.ariaLabel ?? element.labels?.[0]?.innerText ?? element.innerText ?? "";
  return text.replace(/\s+/g, " ").trim();
}
