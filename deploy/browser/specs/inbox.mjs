// The inbox with scripts: by keyboard, and without losing the place.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { find, newInbox, newOrg, v1 } from "../support/api.mjs";
import { catchUp, showAll, spec, visit } from "../support/browser.mjs";

/** An inbox whose first page, newest first, is from `Goat number <count>` on. */
async function open(t, name, count) {
  const { admin } = await newOrg(name);
  const inbox = await newInbox(admin.session, count);
  const page = await visit(t, { session: admin.session });
  await page.goto(inbox.path);
  const rows = page.locator("[data-video] .title");
  return {
    ...inbox, page, rows, session: admin.session,
    press: (keys) => keys.split(" ").reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve()),
    at: () => page.evaluate(() => document.activeElement.closest("[data-video]")?.querySelector(".title").innerText),
    said: (text) => page.locator("#inbox-said").filter({ hasText: text }).waitFor({ state: "attached" }),
    of: async (status) => {
      await catchUp(page);
      const videos = await v1("GET", `${inbox.path}?status=${status}`, { as: admin.session });
      return videos.map(({ title }) => title).sort();
    },
  };
}

describe("the inbox", { concurrency: 2 }, () => {
  spec("keys move, select, approve and exclude", async (t) => {
    const { page, rows, press, at, said, of } = await open(t, "By keyboard", 6);
    const [first, second, third, fourth, fifth, sixth] = await rows.allInnerTexts();
    await press("j");
    assert.equal(await at(), first);
    await press("j ArrowDown k ArrowUp k");
    assert.equal(await at(), first);
    const waiting = () => page.locator("[data-count]").innerText();
    assert.match(await waiting(), /^6/);
    await press("j a");
    await said("1 video was approved");
    assert.match(await waiting(), /^5/);
    // The place is kept: the next video stands where the approved one stood.
    assert.equal(await at(), third);
    await press("e");
    await said("1 video was excluded");
    assert.equal(await at(), fourth);
    await press("x j x");
    await page.getByText("2 selected").first().waitFor();
    await press("a");
    await said("2 videos were approved");
    assert.equal(await at(), sixth);
    assert.deepEqual(await rows.allInnerTexts(), [first, sixth]);
    assert.deepEqual(await of("included"), [second, fourth, fifth].sort());
    assert.deepEqual(await of("excluded"), [third]);
    await press("e");
    await page.getByLabel(sixth, { exact: true }).waitFor({ state: "detached" });
    await press("e");
    await page.getByText("Nothing waits for you").waitFor();
    assert.equal(await page.locator("[data-count]").isVisible(), false);
  });

  spec("keys do nothing in fields, in the help, or once they are switched off", async (t) => {
    const { page, rows, press, at, of } = await open(t, "In fields", 2);
    await page.getByLabel("Search").click();
    await page.keyboard.type("jaxe?");
    assert.equal(await page.getByLabel("Search").inputValue(), "jaxe?");
    await page.locator("h1").click();
    await press("j Shift+?");
    const help = page.getByRole("dialog", { name: "Keyboard shortcuts" });
    await help.waitFor();
    await press("a e");
    await help.getByLabel("Use these keys in this browser").uncheck();
    await press("Escape");
    await help.waitFor({ state: "hidden" });
    await press("a e x");
    await page.reload();
    await press("j a");
    assert.equal(await at(), undefined);
    assert.equal(await rows.count(), 2);
    assert.deepEqual([await of("included"), await of("excluded")], [[], []]);
  });

  spec("all are selected at once, and what was removed meanwhile is told", async (t) => {
    const { page, rows, said, session, project, creator } = await open(t, "Together", 4);
    const videos = await v1("GET", `/videos?project_id=${project.id}`, { as: session });
    await v1("DELETE", `/videos/${videos[0].id}`, { as: session });
    await page.getByLabel("Select all").check();
    await page.getByText("4 selected").first().waitFor();
    await page.getByRole("button", { name: "Approve selected" }).click();
    await said("3 videos were approved. 1 video was removed meanwhile.");
    assert.equal(await rows.count(), 0);
    await page.getByRole("link", { name: "Approved" }).click();
    assert.equal(await rows.count(), 3);
    assert.equal(await page.locator("[data-count]").isVisible(), false);
    await find(session, creator, ["A goat that came late"]);
    await page.getByRole("button", { name: /^Exclude Goat/ }).first().click();
    await said("1 video was excluded");
    assert.equal(await rows.count(), 2);
    await page.getByRole("link", { name: "Inbox 1 waiting" }).waitFor();
  });

  spec("a row's own button leaves what is selected selected", async (t) => {
    const { page, rows } = await open(t, "Selected", 3);
    assert.equal(await rows.count(), 3);
    const [first, second, third] = await rows.allInnerTexts();
    await page.getByLabel(first).check();
    await page.getByLabel(third).check();
    await page.getByRole("button", { name: `Exclude ${second}` }).click();
    await page.getByText("1 video was excluded").first().waitFor();
    assert.ok((await page.getByLabel(first).isChecked()) && (await page.getByLabel(third).isChecked()));
    await page.getByText("2 selected").first().waitFor();
  });

  spec("a page that is decided makes room for the next, and filters stay", async (t) => {
    const { page, rows, said, session, creator } = await open(t, "Pages", 55);
    assert.equal(await rows.count(), 50);
    await page.getByLabel("Select all").check();
    await page.getByRole("button", { name: "Exclude selected" }).click();
    await said("50 videos were excluded");
    assert.equal(await rows.count(), 5);
    await find(session, creator, ["A sheep"]);
    await showAll(page);
    await page.getByLabel("Search").fill("sheep");
    await page.getByRole("button", { name: "Show" }).click();
    await rows.filter({ hasText: "A sheep" }).waitFor();
    assert.equal(await rows.count(), 1);
    await page.getByRole("button", { name: "Approve A sheep" }).click();
    await page.getByText("No video is like that").waitFor();
    assert.match(page.url(), /search=sheep/);
  });

  spec("a decision that fails leaves the list, what is selected and the focus as they were", async (t) => {
    const { page, rows, of } = await open(t, "Failing", 3);
    const [first, second] = await rows.allInnerTexts();
    await page.getByLabel(first).check();
    await page.getByLabel(second).check();
    const approve = page.getByRole("button", { name: "Approve selected" });
    await approve.evaluate((button) => { button.value = "applaud"; });
    await approve.click();
    await page.getByRole("alert").filter({ hasText: "Nothing was done" }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.innerText), "Approve selected");
    assert.equal(await rows.count(), 3);
    assert.ok((await page.getByLabel(first).isChecked()) && (await page.getByLabel(second).isChecked()));
    assert.deepEqual(await of("included"), []);
  });
});
