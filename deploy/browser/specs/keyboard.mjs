// With nothing but a keyboard.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { call, newOrg } from "../support/api.mjs";
import { answerTo, main, spec, tabTo, visit } from "../support/browser.mjs";

describe("without a mouse", () => {
  spec("a key is made, looked at and revoked by keyboard", async (t) => {
    const { admin } = await newOrg("Keyboard");
    const page = await visit(t, { session: admin.session });
    const press = (key) => page.keyboard.press(key);
    await page.goto("/settings/api-keys");
    await press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to content");
    await press("Enter");
    await tabTo(page, "+ New API key");
    await press("Enter");
    await page.waitForURL("**/settings/api-keys/new");
    await tabTo(page, /^Name/);
    await page.keyboard.type("By keyboard");
    await tabTo(page, /^write/);
    await press("Space");
    await tabTo(page, "Create key");
    await answerTo(page, "POST", () => press("Enter"));
    const secret = await page.locator("#secret").textContent();
    assert.equal((await call("GET", "/api/v1/projects", { as: secret })).status, 200);
    await tabTo(page, "Copy");
    await tabTo(page, "I have copied it");
    await press("Enter");
    await page.getByRole("heading", { name: "By keyboard" }).waitFor();

    await tabTo(page, "Delete");
    await press("Enter");
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("heading", { name: "Delete By keyboard?" }).waitFor();
    assert.ok(await dialog.evaluate((dialog) => dialog.contains(document.activeElement)), "the dialog has the focus");
    await press("Escape");
    await dialog.waitFor({ state: "hidden" });
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Delete", "the focus comes back");
    await press("Enter");
    await dialog.getByRole("heading").waitFor();
    await tabTo(page, "Delete the key");
    await answerTo(page, "POST", () => press("Enter"));
    assert.match(await main(page), /The key is revoked/);
    assert.equal((await call("GET", "/api/v1/projects", { as: secret })).status, 401);
  });
});
