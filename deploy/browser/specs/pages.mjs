// Every page as it comes: what it may load, that nothing keeps it, that names are text, what it weighs in a browser that has
// nothing yet, and whether everybody can use it.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { go, spec, visit } from "../support/browser.mjs";
import { MADE } from "../support/hostile.mjs";
import { LOOKS, judge } from "../support/judge.mjs";
import { pages } from "../pages.mjs";

const MOST_BYTES = 150_000;

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

const csp = (header) =>
  Object.fromEntries(header.split(";").map((part) => part.trim().split(/\s+/)).map(([name, ...values]) => [name, values]));

/** Of everything that came, as it came. */
async function weigh(done) {
  for (const request of done.filter((request) => ["document", "stylesheet", "script"].includes(request.resourceType()))) {
    const encoding = (await request.response()).headers()["content-encoding"];
    assert.match(`${encoding}`, /^(gzip|br|zstd|deflate)$/, request.url());
  }
  const sizes = await Promise.all(done.map((request) => request.sizes()));
  return sizes.reduce((sum, { responseBodySize, responseHeadersSize }) => sum + responseBodySize + responseHeadersSize, 0);
}

function isGuarded(headers) {
  assert.deepEqual(csp(headers["content-security-policy"]), POLICY);
  assert.equal(headers["x-frame-options"], "DENY");
  assert.equal(headers["x-content-type-options"], "nosniff");
  assert.equal(headers["referrer-policy"], "same-origin");
  assert.match(headers["cache-control"], /no-store/);
}

async function isHarmless(page) {
  const inline = await page.locator("script:not([src]), style, [style], [onclick], [onerror], [onload]").count();
  assert.equal(inline, 0, "something is inline");
  for (const link of await page.locator("a[target=_blank], a[href^=http]").all()) {
    const [rel, href] = await Promise.all(["rel", "href"].map((name) => link.getAttribute(name)));
    assert.match(rel ?? "", /noopener/, href);
    assert.match(rel ?? "", /noreferrer/, href);
  }
  // Names full of HTML are text (support/furnish.mjs).
  assert.equal(await page.locator(MADE).count(), 0, "a name is taken for HTML");
  assert.notEqual(await page.title(), "owned");
}

async function isLight(t, page, done) {
  await page.waitForLoadState("networkidle");
  assert.ok(done.length >= 4, "the page, its style and its scripts");
  const bytes = await weigh(done);
  assert.ok(bytes <= MOST_BYTES, `${bytes} bytes`);
  t.diagnostic(`${Math.round(bytes / 1000)} kB`);
}

/** A page of the list with a few other words on it: colours and width are judged where it is whole. */
const isVariant = ({ path, act, status }) =>
  act ? status >= 400 : path.includes("?") && !path.startsWith("/audit/as-of");

const list = await pages();

describe("pages", { concurrency: 3 }, () => {
  for (const one of list) {
    spec(one.name, async (t) => {
      // The policy keeps out scripts of the spec too; that it holds is seen wherever else a page is opened.
      const page = await visit(t, { session: one.session, bypassCSP: true, reducedMotion: "reduce" });
      const done = [];
      page.on("requestfinished", (request) => done.push(request));
      const answer = await go(page, one);
      isGuarded(answer.headers());
      await isHarmless(page);
      // What a form is answered with is one of the others, and a few words.
      if (!one.act) await isLight(t, page, done);
      assert.equal(await page.locator("dialog[open] h1, body:not(:has(dialog[open])) h1").count(), 1);
      assert.deepEqual(await judge(page, one.name, isVariant(one) ? LOOKS.slice(0, 1) : LOOKS), []);
    });
  }
});
