// What a page weighs, with all it loads, in a browser that has nothing yet.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { demoSession } from "../support/api.mjs";
import { spec, visit } from "../support/browser.mjs";
import { NOWHERE, OUTSIDE, inside } from "../pages.mjs";

const MOST_BYTES = 150_000;

const session = await demoSession();
const walks = [...OUTSIDE.map((path) => [path, false]), ...[...(await inside()), NOWHERE].map((path) => [path, true])];

describe("pages", { concurrency: 2 }, () => {
  for (const [path, isSigned] of walks) {
    spec(path.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "{id}"), async (t) => {
      const page = await visit(t, { session: isSigned && session });
      const done = [];
      page.on("requestfinished", (request) => done.push(request));
      const answer = await page.goto(path, { waitUntil: "networkidle" });
      assert.equal(answer.status(), path === NOWHERE ? 404 : 200);
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
