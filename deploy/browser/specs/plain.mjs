// Without scripts everything is links and forms.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { PASSWORD, call, newInbox, newOrg, v1 } from "../support/api.mjs";
import { catchUp, main, spec, visit } from "../support/browser.mjs";

const button = (page, name) => page.getByRole("button", { name, exact: true });

describe("without scripts", { concurrency: 2 }, () => {
  spec("one signs in, makes a key, revokes it, and signs out", async (t) => {
    const { admin } = await newOrg("Plain");
    const page = await visit(t, { javaScriptEnabled: false });
    await page.goto("/settings/api-keys");
    await page.getByLabel("Email address").fill(admin.email);
    await page.getByLabel("Password").fill(PASSWORD);
    await button(page, "Sign in").click();
    await page.getByRole("heading", { name: "API keys" }).waitFor();
    await page.getByRole("link", { name: "+ New API key" }).first().click();
    await page.getByLabel("Name", { exact: true }).fill("Plain");
    await button(page, "Create key").click();
    const secret = await page.locator("#secret").textContent();
    const status = async () => (await call("GET", "/api/v1/projects", { as: secret })).status;
    assert.equal(await status(), 200);
    assert.equal(await page.getByRole("button", { name: "Copy" }).count(), 0);
    await page.getByRole("link", { name: "I have copied it" }).click();
    await page.getByRole("link", { name: "Delete" }).click();
    await page.waitForURL("**/revoke");
    await button(page, "Delete the key").click();
    assert.match(await main(page), /The key is revoked[\s\S]+\d+ ms/);
    assert.equal(await status(), 401);
    await page.locator("details.menu summary").click();
    await button(page, "Sign out").click();
    await page.waitForURL("**/login");
  });

  spec("the inbox is decided, one by one and together", async (t) => {
    const { admin } = await newOrg("Plain inbox");
    const { path } = await newInbox(admin.session, 5);
    const page = await visit(t, { session: admin.session, javaScriptEnabled: false });
    await page.goto(path);
    assert.equal(await page.getByRole("listitem").filter({ hasText: "Goat number" }).count(), 5);
    await button(page, "Approve Goat number 3").click();
    assert.match(await main(page), /1 video was approved\./);
    await page.getByLabel("Goat number 1").check();
    await page.getByLabel("Goat number 5").check();
    await button(page, "Exclude selected").click();
    assert.match(await main(page), /2 videos were excluded\./);
    await page.getByRole("link", { name: "Select all" }).click();
    await button(page, "Approve selected").click();
    assert.match(await main(page), /2 videos were approved\.[\s\S]*Nothing waits for you/);
    await page.getByRole("link", { name: "Excluded" }).click();
    await button(page, "Approve Goat number 5").click();
    const titles = async (status) => {
      await catchUp(page);
      const videos = await v1("GET", `${path}?status=${status}`, { as: admin.session });
      return videos.map((video) => video.title.slice(-1)).sort().join("");
    };
    assert.deepEqual([await titles("included"), await titles("excluded")], ["2345", "1"]);
    await button(page, "Approve selected").click();
    assert.match(await main(page), /no video is selected/);
  });
});
