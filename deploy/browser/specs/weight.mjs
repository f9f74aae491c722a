// What a page weighs, with all it loads, in a browser that has nothing yet.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { spec, visit } from "../support/browser.mjs";
import { pages } from "../pages.mjs";

const MOST_BYTES = 150_000;

// What a form is answered with is one of these, and a few words.
const list = (await pages()).filter(({ act }) => !act);

describe("pages", { concurrency: 2 }, () => {
  for (const { name, path, session, status } of list) {
    spec(name, async (t) => {
      const page = await visit(t, { session });
      const done = [];
      page.on("requestfinished", (request) => done.push(request));
      const answer = await page.goto(path, { waitUntil: "networkidle" });
      assert.equal(answer.status(), status);
      const sizes = await Promise.all(done.map((request) => request.sizes()));
      const weigh = ({ responseBodySize, responseHeadersSize }) => responseBodySize + responseHeadersSize;
      const bytes = sizes.map(weigh).reduce((sum, size) => sum + size);
      assert.ok(done.length >= 4, "the page, its style and its scripts");
      for (const request of done.filter((request) => ["document", "stylesheet", "script"].includes(request.resourceType()))) {
        const encoding = (await request.response()).headers()["content-encoding"];
        assert.match(`${encoding}`, /^(gzip|br|zstd|deflate)$/, request.url());
      }
      assert.ok(bytes <= MOST_BYTES, `${bytes} bytes`);
      t.diagnostic(`${Math.round(bytes / 1000)} kB`);
    });
  }
});
