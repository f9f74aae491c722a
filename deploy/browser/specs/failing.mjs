// An API that is slow, away or broken, between the console and the real one.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { PASSWORD, home, newInbox, newOrg, v1 } from "../support/api.mjs";
import { answerTo, cookie, main, spec, visit } from "../support/browser.mjs";
import { startProxy } from "../support/proxy.mjs";
import { startConsole } from "../support/system.mjs";

const refusal = (code, error = "Not now") => JSON.stringify({ data: null, error, meta: { code } });
const button = (page, name) => page.getByRole("button", { name, exact: true });

// One console over one bad API for each test.
async function badDay(t, name) {
  const api = await startProxy(home);
  const console = await startConsole(`failing-${name}`, api.url);
  const { admin } = await newOrg(name);
  t.after(async () => {
    await console.stop();
    api.stop();
  });
  const page = await visit(t, { at: console.ready.url, api: home, session: admin.session });
  const keys = () => v1("GET", "/api-keys", { as: admin.session });
  return { api, page, keys, admin };
}

/** A page that says what is wrong, whether anything was done, and what to do. */
async function says(page, answer, status, ...texts) {
  assert.equal(answer.status(), status);
  const shown = await main(page);
  for (const text of texts) assert.match(shown, text);
  assert.match(shown, /request [0-9a-zA-Z_-]{8,}/);
}

async function fill(page, name) {
  await page.goto("/settings/api-keys/new");
  await page.getByLabel("Name", { exact: true }).fill(name);
}

spec("what a console that cannot be reached was asked for, the browser goes to itself", async (t) => {
  const { admin } = await newOrg("Unreached");
  await v1("POST", "/api-keys", { as: admin.session, body: { name: "Held up" } });
  const page = await visit(t, { session: admin.session, expected: /^htmx: htmx:error/ });
  await page.goto("/settings/api-keys");
  const link = page.getByRole("link", { name: "Delete Held up" });
  let answer;
  const held = new Promise((resolve) => (answer = resolve));
  await page.route("**/revoke", async (route) => {
    const isPart = "hx-request" in route.request().headers();
    if (isPart) await held;
    await (isPart ? route.abort() : route.continue());
  });
  await link.click();
  await page.locator("a[aria-busy=true]").filter({ hasText: "Held up" }).waitFor();
  answer();
  await page.waitForURL(/\/revoke$/);
  await page.getByRole("heading", { name: "Delete Held up?" }).waitFor();
});

describe("a failing API", { concurrency: 3 }, () => {
  spec("is told, with the status it is, and can be tried again", async (t) => {
    const { api, page } = await badDay(t, "reads");
    const isRead = ({ method, path }) => method === "GET" && path.includes("/api-keys");
    const cases = [
      ["lost", 502, /cannot be reached/, true],
      [{ status: 200, body: "<html>" }, 502, /does not understand/, false],
      [{ status: 500, body: refusal("internal_error") }, 500, /Something went wrong/, true],
      [{ status: 503, body: refusal("projection_unavailable") }, 503, /Not just now/, true],
      [{ status: 429, body: refusal("rate_limit_exceeded"), headers: { "Retry-After": "7" } }, 429, /Too many requests/, true],
      [{ status: 403, body: refusal("org_suspended") }, 403, /suspended/, false],
    ];
    for (const [fault, status, text, mayRepeat] of cases) {
      api.fault = (request) => isRead(request) && fault;
      const answer = await page.goto("/settings/api-keys?show=all");
      await says(page, answer, status, text);
      await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Settings" }).waitFor();
      if (status === 429) assert.equal(answer.headers()["retry-after"], "7");
      api.fault = () => undefined;
      if (!mayRepeat) continue;
      await page.getByRole("link", { name: "Try again" }).click();
      await page.getByRole("heading", { name: "API keys" }).waitFor();
      assert.equal(new URL(page.url()).search, "?show=all");
    }
  });

  spec("does not make a live key look dead, nor a dead one live", async (t) => {
    const { api, page, keys } = await badDay(t, "rotated");
    await fill(page, "Rotated");
    await answerTo(page, "POST", () => button(page, "Create key").click());
    const [old] = await keys();
    await page.goto(`/settings/api-keys/${old.id}/rotate`);
    await page.getByLabel("1 hour").check();
    await answerTo(page, "POST", () => button(page, "Rotate").click());
    const { id } = (await keys()).find((key) => key.id !== old.id);
    const cannotRead = (which) => {
      const fault = { status: 503, body: refusal("projection_unavailable") };
      api.fault = ({ path }) => path.endsWith(`/api-keys/${which}`) && fault;
    };
    cannotRead(old.id);
    await page.goto(`/settings/api-keys/${id}`);
    assert.match(await main(page), /whether the old one is still accepted could not be asked/);
    cannotRead(id);
    await page.goto(`/settings/api-keys/${old.id}/revoke`);
    assert.match(await main(page), /look whether its new key is live, which could not be asked/);
  });

  spec("a decision that is still being worked on is not said to be refused", async (t) => {
    const { api, page, admin } = await badDay(t, "twice");
    await page.goto((await newInbox(admin.session, 1)).path);
    api.fault = ({ method }) => method === "POST" && { status: 409, body: refusal("idempotency_in_progress") };
    await page.getByRole("button", { name: /^Approve Goat/ }).click();
    const told = await page.getByRole("alert").innerText();
    assert.match(told, /sent twice.+done once all the same/s);
    assert.doesNotMatch(told, /Nothing was done/);
  });

  spec("that cannot check a credential for a moment is asked again", async (t) => {
    const { api, page } = await badDay(t, "moment");
    const refused = new Set();
    api.fault = ({ method, path }) => {
      if (refused.has(method + path)) return undefined;
      refused.add(method + path);
      return { status: 503, body: refusal("verification_unavailable") };
    };
    await fill(page, "Asked again");
    assert.equal((await answerTo(page, "POST", () => button(page, "Create key").click())).status(), 201);
    assert.ok(refused.size >= 4);
  });

  spec("that is slow is waited for, and not for ever", async (t) => {
    const { api, page } = await badDay(t, "slow");
    api.fault = ({ path }) => path.includes("/api-keys") && { after: 1_500 };
    assert.equal((await page.goto("/settings/api-keys")).status(), 200);
    api.fault = ({ path }) => path.includes("/api-keys") && { after: 20_000 };
    const began = Date.now();
    const answer = await page.goto("/settings/api-keys");
    await says(page, answer, 504, /took too long/);
    assert.ok(Date.now() - began < 12_000);
  });

  spec("a command that did not arrive has made nothing, and the same form can be sent again", async (t) => {
    const { api, page, keys } = await badDay(t, "lost");
    await fill(page, "Again");
    api.fault = ({ method }) => method === "POST" && "lost";
    const answer = await answerTo(page, "POST", () => button(page, "Create key").click());
    await says(page, answer, 502, /cannot be reached/, /look first whether it was done/);
    assert.equal((await keys()).length, 0);
    api.fault = () => undefined;
    assert.equal((await answerTo(page, "POST", () => page.reload())).status(), 201);
    assert.deepEqual((await keys()).map(({ name }) => name), ["Again"]);
  });

  spec("a command that was done unheard is not done twice", async (t) => {
    const { api, page, keys } = await badDay(t, "unheard");
    await fill(page, "Once");
    api.fault = ({ method }) => method === "POST" && "unanswered";
    const answer = await answerTo(page, "POST", () => button(page, "Create key").click());
    await says(page, answer, 502, /look first whether it was done/);
    api.fault = () => undefined;
    await page.reload();
    await page.getByText("This form made its key already").waitFor();
    const made = await keys();
    assert.equal(made.length, 1);
    // A revocation that nobody heard of is made again, and its receipt comes.
    await page.goto(`/settings/api-keys/${made[0].id}/revoke`);
    api.fault = ({ method }) => method === "DELETE" && "unanswered";
    await says(page, await answerTo(page, "POST", () => button(page, "Delete the key").click()), 502, /look first/);
    api.fault = () => undefined;
    await page.goto(`/settings/api-keys/${made[0].id}/revoke`);
    await answerTo(page, "POST", () => button(page, "Delete the key").click());
    assert.match(await main(page), /\d+ ms/);
  });

  spec("a key that was made is shown, whatever fails then", async (t) => {
    const { api, page } = await badDay(t, "shown");
    await fill(page, "Shown");
    let isMade = false;
    api.fault = ({ method }) => {
      isMade ||= method === "POST";
      return isMade && method === "GET" && "lost";
    };
    await answerTo(page, "POST", () => button(page, "Create key").click());
    assert.match(await page.locator("#secret").textContent(), /^tga_/);
    api.fault = () => undefined;
    await page.getByRole("link", { name: "I have copied it" }).click();
    await page.getByRole("link", { name: "Rotate" }).click();
    isMade = false;
    api.fault = ({ method }) => {
      isMade ||= method === "POST";
      return isMade && method === "GET" && "lost";
    };
    await answerTo(page, "POST", () => button(page, "Rotate").click());
    assert.match(await page.locator("#secret").textContent(), /^tga_/);
  });

  spec("in the dialog the same is said", async (t) => {
    const { api, page } = await badDay(t, "dialog");
    await fill(page, "Dialog");
    await answerTo(page, "POST", () => button(page, "Create key").click());
    await page.goto("/settings/api-keys");
    api.fault = () => ({ status: 503, body: refusal("verification_unavailable") });
    await page.getByRole("link", { name: "Delete Dialog" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("heading", { name: "Not just now" }).waitFor();
    await dialog.getByRole("link", { name: "Close" }).click();
    await dialog.waitFor({ state: "hidden" });
  });

  spec("a sign-in says that it cannot be, and nothing of the password", async (t) => {
    const { api, page } = await badDay(t, "sign-in");
    await page.context().clearCookies();
    await page.goto("/login");
    await page.getByLabel("Email address").fill("ada@browser.example");
    await page.getByLabel("Password").fill("correct horse battery");
    api.fault = ({ path }) => path.startsWith("/auth") && "lost";
    const answer = await answerTo(page, "POST", () => button(page, "Sign in").click());
    await says(page, answer, 502, /cannot be reached/);
    assert.ok(!(await page.content()).includes("correct horse"));
  });

  spec("a session that does not end when somebody signs in anew is told of, and waited for no longer", async (t) => {
    const { api, page, admin } = await badDay(t, "former");
    await page.goto("/login");
    await page.getByLabel("Email address").fill(admin.email);
    await page.getByLabel("Password").fill(PASSWORD);
    api.fault = ({ method }) => method === "DELETE" && { after: 20_000 };
    const began = Date.now();
    assert.equal((await answerTo(page, "POST", () => button(page, "Sign in").click())).status(), 303);
    assert.ok(Date.now() - began < 14_000);
    assert.match(await page.locator(".notice").innerText(), /could not be ended just now/);
    assert.notEqual((await cookie(page)).value, admin.session);
  });
});
