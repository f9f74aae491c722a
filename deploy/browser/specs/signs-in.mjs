// Coming in and going out, on a server that nobody has set up.
import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { PASSWORD, call } from "../support/api.mjs";
import { COOKIE, answerTo, cookie, main, spec, visit } from "../support/browser.mjs";
import { startDev } from "../support/system.mjs";

const EMAIL = "first@browser.example";
// More than an address may guess wrong at once, and than are forgotten meanwhile.
const GUESSES = 60;
let system;
let at;
before(async () => {
  system = await startDev("signs-in");
  at = new URL(system.ready.console).origin;
});
after(() => system?.stop());

/** What the API answers to the credential that the browser holds. */
const ask = async (as) => (await call("GET", "/api/v1/sessions/self", { as, at })).status;

async function signIn(page, password = PASSWORD) {
  await page.getByLabel("Email address").fill(EMAIL);
  await page.getByLabel("Password").fill(password);
  return answerTo(page, "POST", () => page.getByRole("button", { name: "Sign in", exact: true }).click());
}

async function setUp(page) {
  await page.getByLabel("Setup token").fill(system.ready.setup_token);
  await page.getByLabel("Name of the organization").fill("First");
  await page.getByLabel("Your name").fill("Ada");
  await page.getByLabel("Your email address").fill(EMAIL);
  await page.getByLabel("Password").fill(PASSWORD);
  return answerTo(page, "POST", () => page.getByRole("button", { name: "Set up" }).click());
}

describe("signing in", () => {
  spec("the first start is set up once, with its token", async (t) => {
    const page = await visit(t, { at });
    await page.goto("/setup");
    assert.equal((await setUp(page)).status(), 303);
    assert.equal(new URL(page.url()).pathname, "/projects");
    assert.equal(await ask((await cookie(page)).value), 200);
    const late = await visit(t, { at });
    await late.goto("/setup");
    assert.equal((await setUp(late)).status(), 410);
    await late.locator("main a[href='/login']").first().waitFor();
    assert.equal(await cookie(late), undefined);
  });

  spec("a wrong password says neither which part is wrong nor who is known", async (t) => {
    const page = await visit(t, { at });
    const said = [];
    for (const email of [EMAIL, "nobody@browser.example"]) {
      await page.goto("/login");
      await page.getByLabel("Email address").fill(email);
      await page.getByLabel("Password").fill("not the password");
      const answer = await answerTo(page, "POST", () => page.getByRole("button", { name: "Sign in", exact: true }).click());
      assert.equal(answer.status(), 401);
      said.push(await page.getByRole("alert").innerText());
      assert.equal(await page.getByLabel("Email address").inputValue(), email);
      assert.equal(await page.getByLabel("Password").inputValue(), "");
      assert.equal(await cookie(page), undefined);
    }
    assert.equal(said[0], said[1]);
  });

  spec("the cookie is kept from scripts, other hosts and other sites", async (t) => {
    const page = await visit(t, { at });
    await page.goto("/login");
    const answer = await signIn(page);
    const set = (await answer.headersArray()).filter(({ name }) => name.toLowerCase() === "set-cookie");
    const kept = set.map(({ value }) => value).filter((value) => !/max-age=0/i.test(value));
    assert.ok(kept.some((value) => value.startsWith(`${COOKIE}=tgs_`)), kept.join("\n"));
    for (const { value } of set) {
      const [name, ...attributes] = value.toLowerCase().split(/;\s*/);
      assert.ok(name.startsWith("__host-"), value);
      for (const wanted of ["path=/", "secure", "httponly", "samesite=lax"]) assert.ok(attributes.includes(wanted), value);
      assert.ok(!attributes.some((attribute) => attribute.startsWith("domain")), value);
    }
    assert.equal(await page.evaluate(() => document.cookie), "");
  });

  spec("who signs in gets another session, whatever the browser held", async (t) => {
    const page = await visit(t, { at, session: `tgs_${"0".repeat(64)}` });
    await page.goto("/settings/api-keys");
    assert.equal(new URL(page.url()).pathname, "/login");
    const before = await page.locator("[name=form_token]").first().inputValue();
    await signIn(page);
    const first = (await cookie(page)).value;
    assert.notEqual(first, `tgs_${"0".repeat(64)}`);
    assert.equal(await cookie(page, "__Host-tga_browser"), undefined);
    await page.goto("/orgs");
    assert.notEqual(await page.locator("[name=form_token]").first().inputValue(), before);
    await page.context().clearCookies();
    await page.goto("/login");
    await signIn(page);
    assert.notEqual((await cookie(page)).value, first);
  });

  spec("signing out ends the session at once, for the API too", async (t) => {
    const page = await visit(t, { at });
    await page.goto("/login?next=/settings/api-keys");
    await signIn(page);
    await page.getByRole("heading", { name: "API keys" }).waitFor();
    const session = (await cookie(page)).value;
    assert.equal(await ask(session), 200);
    await page.locator("details.menu summary").click();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.waitForURL("**/login");
    // The receipt of what ended is told, once.
    await page.getByText("You are signed out").waitFor();
    await page.getByText(/^\d+ ms$/).waitFor();
    assert.equal(await ask(session), 401);
    assert.equal(await cookie(page), undefined);
    await page.goBack();
    await page.waitForURL("**/login**");
    // A copy of the cookie opens nothing.
    const copy = await visit(t, { at, session });
    await copy.goto("/settings/api-keys");
    assert.equal(new URL(copy.url()).pathname, "/login");
  });

  spec("a session that ended elsewhere leads to the sign-in, and back", async (t) => {
    const page = await visit(t, { at });
    await page.goto("/login");
    await signIn(page);
    const session = (await cookie(page)).value;
    assert.equal((await call("DELETE", "/api/v1/sessions/self", { as: session, at })).status, 200);
    await page.goto("/settings/api-keys?show=all");
    assert.equal(new URL(page.url()).pathname, "/login");
    await signIn(page);
    assert.equal(page.url(), `${at}/settings/api-keys?show=all`);
  });

  spec("after the sign-in comes a page of ours and no other", async (t) => {
    for (const next of ["https://example.com/", "//example.com", "/\\example.com", "javascript:alert(1)", "/a\r\nb"]) {
      const page = await visit(t, { at });
      await page.goto(`/login?next=${encodeURIComponent(next)}`);
      // Nor if the form itself is tampered with.
      await page.evaluate((value) => {
        const field = Object.assign(document.createElement("input"), { type: "hidden", name: "next", value });
        document.querySelector("form[action='/login']").append(field);
      }, next);
      await signIn(page);
      assert.equal(new URL(page.url()).origin, at, next);
      assert.equal(new URL(page.url()).pathname, "/projects", next);
    }
  });

  spec("a form of before the sign-in is worth nothing after it", async (t) => {
    const page = await visit(t, { at });
    await page.goto("/login");
    await signIn(page);
    await page.goto("/settings/api-keys/new");
    await page.getByLabel("Name").fill("Out of date");
    const other = await page.context().newPage();
    await page.context().clearCookies();
    await other.goto("/login");
    await signIn(other);
    const answer = await answerTo(page, "POST", () => page.getByRole("button", { name: "Create key" }).click());
    assert.equal(answer.status(), 403);
    assert.match(await main(page), /out of date[\s\S]*Nothing was done/);
  });

  // The last one: whoever comes from this address is slowed down afterwards.
  spec("whose password is not looked at is told so, and not that it is wrong", async (t) => {
    const guess = { email: EMAIL, password: "not the password" };
    const guesses = Array.from({ length: GUESSES }, () => fetch(`${at}/auth/sessions`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(guess),
    }));
    const statuses = (await Promise.all(guesses)).map(({ status }) => status);
    assert.ok(statuses.includes(503), statuses.join(" "));
    const page = await visit(t, { at });
    await page.goto("/login");
    const answer = await signIn(page);
    assert.equal(answer.status(), 503);
    assert.match(await page.getByRole("alert").innerText(), /not looked at[\s\S]*Wait some seconds/);
    assert.equal(await page.getByLabel("Email address").inputValue(), EMAIL);
    assert.equal(await cookie(page), undefined);
  });
});
