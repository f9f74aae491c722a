// What other sites, and what is stored, may not do.
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { after, before, describe } from "node:test";
import { call, demoSession, home, newOrg, v1 } from "../support/api.mjs";
import { spec, visit } from "../support/browser.mjs";
import { HOSTILE } from "../support/hostile.mjs";

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

  spec("names full of HTML are shown as they are", async (t) => {
    const page = await visit(t, { session: await demoSession() });
    await page.goto("/settings/api-keys?show=all");
    await page.getByRole("link", { name: HOSTILE, exact: true }).first().waitFor();
    assert.equal(await page.locator(".menu .org").innerText(), HOSTILE);
  });
});
