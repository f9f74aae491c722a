// For everybody: judged by axe, on a phone, and with nothing but a keyboard.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { call, demoSession, newOrg } from "../support/api.mjs";
import { AXE, NARROW, WIDE, answerTo, main, spec, tabTo, visit } from "../support/browser.mjs";
import { NOWHERE, OUTSIDE, inside } from "../pages.mjs";

const COLOURS = { runOnly: ["color-contrast", "link-in-text-block"] };

/** What axe finds. Colours depend on the scheme, all else on the width at most. */
async function judge(page, path) {
  const found = [];
  for (const [viewport, size] of [[WIDE, "wide"], [NARROW, "narrow"]]) {
    await page.setViewportSize(viewport);
    for (const [colorScheme, options] of [["light", {}], ["dark", COLOURS]]) {
      await page.emulateMedia({ colorScheme });
      const { violations } = await page.evaluate((options) => window.axe.run(options), options);
      for (const { id, nodes } of violations) {
        const where = `${path} ${size} ${colorScheme}`;
        found.push(...nodes.slice(0, 3).map(({ html, failureSummary }) => `${where} ${id}: ${html} ${failureSummary}`));
      }
    }
  }
  const [width, within] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  if (width > within) found.push(`${path} is ${width} wide in ${within}`);
  return found;
}

const session = await demoSession();
const walks = [...OUTSIDE.map((path) => [path, false]), ...[...(await inside()), NOWHERE].map((path) => [path, true])];

describe("pages", { concurrency: 2 }, () => {
  for (const [path, isSigned] of walks) {
    // Ids differ from run to run.
    const name = path.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "{id}");
    spec(name, async (t) => {
      const page = await visit(t, { session: isSigned && session, bypassCSP: true, reducedMotion: "reduce" });
      const answer = await page.goto(path);
      assert.equal(answer.status(), path === NOWHERE ? 404 : 200);
      assert.equal(await page.locator("h1").count(), 1);
      await page.addScriptTag({ path: AXE });
      assert.deepEqual(await judge(page, path), []);
    });
  }
});

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
    const secret = await page.locator("[data-secret]").textContent();
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

  spec("what has the focus is seen", async (t) => {
    const page = await visit(t, { session: await demoSession() });
    await page.goto("/settings/api-keys");
    for (let n = 0; n < 25; n += 1) {
      await page.keyboard.press("Tab");
      const [outline, html] = await page.evaluate(() => {
        const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
        return [`${outlineStyle} ${parseFloat(outlineWidth) > 1}`, document.activeElement.outerHTML.slice(0, 100)];
      });
      assert.equal(outline, "solid true", html);
    }
  });
});
