// What other sites, and what is stored, may not do.
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { after, before, describe } from "node:test";
import { call, demoSession, home, newOrg, v1 } from "../support/api.mjs";
import { go, spec, visit } from "../support/browser.mjs";
import { HOSTILE, MADE } from "../support/hostile.mjs";
import { pages } from "../pages.mjs";

const POLICY = {
  "default-src": ["'none'"],
  "script-src": ["'self'"],
  "style-src": ["'self'"],
  "img-src": ["'self'"],
  "connect-src": ["'self'"],
  "form-action": ["'self'"],
  "base-uri": ["'none'"],
  "frame-ancestors": ["'none'"],
};

// A site of somebody else: another port of the same host, and another host.
let elsewhere;
let evil;
before(async () => {
  elsewhere = http.createServer((_, response) => response.writeHead(200, { "Content-Type": "text/html" }).end(evil));
  elsewhere.listen(0);
  await once(elsewhere, "listening");
});
after(() => elsewhere.close());
const origins = () => ["127.0.0.1", "localhost"].map((host) => `http://${host}:${elsewhere.address().port}`);

const csp = (header) =>
  Object.fromEntries(header.split(";").map((part) => part.trim().split(/\s+/)).map(([name, ...values]) => [name, values]));

describe("safety", () => {
  spec("another site's form does nothing, even with the right token", async (t) => {
    const { admin } = await newOrg("Forged");
    for (const origin of origins()) {
      const page = await visit(t, { session: admin.session, hosts: [origin] });
      await page.goto("/settings/api-keys/new");
      const token = await page.locator("main [name=form_token]").inputValue();
      evil = `<form method="post" action="${home}/settings/api-keys"><input name="name" value="Forged">
        <input name="scopes" value="read"><input name="form_token" value="${token}"><button>Win a goat</button></form>`;
      await page.goto(origin);
      const answer = page.waitForResponse((response) => response.request().method() === "POST");
      await page.getByRole("button", { name: "Win a goat" }).click();
      assert.equal((await answer).status(), 403, origin);
      await page.getByText("nothing was done").waitFor();
    }
    assert.deepEqual(await v1("GET", "/api-keys", { as: admin.session }), []);
  });

  spec("a post without the token, or with another's, does nothing", async (t) => {
    const [{ admin }, other] = await Promise.all([newOrg("Tokens"), newOrg("Other tokens")]);
    const theirs = await visit(t, { session: other.admin.session });
    await theirs.goto("/settings/api-keys/new");
    const token = await theirs.locator("main [name=form_token]").inputValue();
    const page = await visit(t, { session: admin.session });
    await page.goto("/settings/api-keys/new");
    for (const form_token of [undefined, "", token]) {
      const status = await page.evaluate(async (fields) => {
        const body = new URLSearchParams(JSON.parse(fields));
        return (await fetch("/settings/api-keys", { method: "POST", body })).status;
      }, JSON.stringify({ name: "Forged", scopes: "read", form_token }));
      assert.equal(status, 403, `${form_token}`);
    }
    assert.deepEqual(await v1("GET", "/api-keys", { as: admin.session }), []);
  });

  spec("no other site shows a page of ours in a frame", async (t) => {
    const session = await demoSession();
    for (const origin of origins()) {
      const page = await visit(t, { hosts: [origin], session });
      evil = `<iframe src="${home}/settings/api-keys"></iframe>`;
      // That the frame was refused is what browsers report as an error.
      page.context().removeAllListeners("console");
      await page.goto(origin, { waitUntil: "load" });
      const frame = page.frames()[1];
      await frame.waitForURL(/./, { waitUntil: "commit" }).catch(() => {});
      assert.equal(frame.url(), "chrome-error://chromewebdata/");
      assert.equal(await frame.getByText("API keys").count(), 0);
    }
  });

  spec("the API takes no cookie", async (t) => {
    const page = await visit(t, { session: await demoSession() });
    await page.goto("/login");
    const ask = (path) => page.evaluate(async (path) => (await fetch(path)).status, path);
    assert.equal(await ask("/api/v1/orgs/self"), 401);
    assert.equal((await call("GET", "/api/v1/orgs/self", { as: "" })).status, 401);
  });

  spec("every page says what it may load, and is kept by no cache", async (t) => {
    const browsers = {};
    for (const one of await pages()) {
      const { who, session, name: path } = one;
      const page = (browsers[who] ??= await visit(t, { session }));
      const answer = await go(page, one);
      const headers = answer.headers();
      assert.deepEqual(csp(headers["content-security-policy"]), POLICY, path);
      assert.equal(headers["x-frame-options"], "DENY", path);
      assert.equal(headers["x-content-type-options"], "nosniff", path);
      assert.equal(headers["referrer-policy"], "same-origin", path);
      assert.match(headers["cache-control"], /no-store/, path);
      const inline = await page.locator("script:not([src]), style, [style], [onclick], [onerror], [onload]").count();
      assert.equal(inline, 0, `${path} has something inline`);
      for (const link of await page.locator("a[target=_blank], a[href^=http]").all()) {
        const rel = (await link.getAttribute("rel")) ?? "";
        assert.match(rel, /noopener/, `${path}: ${await link.getAttribute("href")}`);
        assert.match(rel, /noreferrer/, `${path}: ${await link.getAttribute("href")}`);
      }
      // Names full of HTML are text (support/furnish.mjs).
      assert.equal(await page.locator(MADE).count(), 0, `${path} takes a name for HTML`);
      assert.notEqual(await page.title(), "owned", path);
    }
    const page = browsers.admin;
    await page.goto("/settings/api-keys?show=all");
    await page.getByRole("link", { name: HOSTILE, exact: true }).first().waitFor();
    assert.equal(await page.locator(".menu .org").innerText(), HOSTILE);
  });
});
