// Charts with scripts: what is chosen is asked for at once and stands in the address; the file behind has the same figures.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { demoSession, ready } from "../support/api.mjs";
import { spec, visit } from "../support/browser.mjs";

const place = `/projects/${ready.demo.project_id}`;

describe("charts", () => {
  spec("what is chosen is shown, stands in the address, and can be gone back from", async (t) => {
    const page = await visit(t, { session: await demoSession() });
    await page.goto(place);
    const title = page.locator("#chart h2").first();
    const before = await title.innerText();
    await page.getByLabel("Metric").selectOption("likes");
    await page.waitForURL(/[?&]metric=likes/);
    await title.filter({ hasText: /likes/i }).waitFor();
    await page.goBack();
    await page.waitForURL((url) => !url.search.includes("metric=likes"));
    await title.filter({ hasText: before }).waitFor();
  });

  spec("its file has its figures", async (t) => {
    const page = await visit(t, { session: await demoSession() });
    await page.goto(`${place}?metric=views&granularity=week`);
    const file = await page.getByRole("link", { name: "Download CSV" }).getAttribute("href");
    const [status, type, text] = await page.evaluate(async (href) => {
      const answer = await fetch(href);
      return [answer.status, answer.headers.get("content-type"), await answer.text()];
    }, file);
    assert.equal(status, 200);
    assert.match(type, /^text\/csv/);
    const [head, ...lines] = text.trim().split(/\r?\n/).map((line) => line.split(","));
    const value = head.indexOf("value");
    const inFile = lines.map((line) => line[value]);
    // As people read it: with spaces between thousands, and a sign where there is nothing.
    const shown = await page.locator("#chart table tbody td").allTextContents();
    assert.deepEqual(inFile, shown.map((text) => text.replace(/\D/g, "")));
    assert.ok(inFile.filter((figure) => Number(figure) > 0).length >= 2, text);
  });
});
