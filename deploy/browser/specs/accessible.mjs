// For everybody: judged by axe, on a phone, and with nothing but a keyboard.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { call, newOrg } from "../support/api.mjs";
import { AXE, NARROW, WIDE, answerTo, go, main, spec, tabTo, visit } from "../support/browser.mjs";
import { pages } from "../pages.mjs";

const COLOURS = ["color-contrast", "link-in-text-block"];
// Colours depend on the scheme, all else on the width at most.
const LOOKS = [
  ["wide, light", WIDE, "light", {}],
  ["wide, dark", WIDE, "dark", { runOnly: COLOURS }],
  ["narrow", NARROW, "light", { rules: Object.fromEntries(COLOURS.map((rule) => [rule, { enabled: false }])) }],
];

/** What axe finds, what has the focus unseen, and whether a phone must scroll sideways. */
async function judge(page, path) {
  const found = [];
  for (const [look, viewport, colorScheme, options] of LOOKS) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme });
    const { violations } = await page.evaluate(
      (options) => window.axe.run({ resultTypes: ["violations"], ...options }),
      options,
    );
    for (const { id, nodes } of violations) {
      const told = nodes.slice(0, 3).map(({ html, failureSummary }) => `${path}, ${look}: ${id}: ${html} ${failureSummary}`);
      found.push(...told);
    }
  }
  found.push(...(await unseen(page)).map((html) => `${path}: the focus is not seen on ${html}`));
  const [width, within] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  if (width > within) found.push(`${path} is ${width} wide in ${within}`);
  return found;
}

/** What can have the focus of the keyboard without being marked then. */
async function unseen(page) {
  // From then on what a script gives the focus to is as if a key had led there.
  await page.keyboard.press("Tab");
  return page.evaluate(() => {
    const within = document.querySelector("dialog[open]") ?? document;
    const stops = within.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']");
    const isUnseen = (stop) => {
      stop.focus();
      if (document.activeElement !== stop) return false;
      const { outlineStyle, outlineWidth } = getComputedStyle(stop);
      return outlineStyle !== "solid" || parseFloat(outlineWidth) <= 1;
    };
    return [...stops].filter(isUnseen).map(({ outerHTML }) => outerHTML.slice(0, 100));
  });
}

const list = await pages();

describe("pages", { concurrency: 2 }, () => {
  for (const one of list) {
    spec(one.name, async (t) => {
      const page = await visit(t, { session: one.session, bypassCSP: true, reducedMotion: "reduce" });
      await go(page, one);
      assert.equal(await page.locator("dialog[open] h1, body:not(:has(dialog[open])) h1").count(), 1);
      await page.addScriptTag({ path: AXE });
      assert.deepEqual(await judge(page, one.name), []);
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
});
