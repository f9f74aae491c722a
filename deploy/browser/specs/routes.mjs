// No page of the console is left out of the list that other specs walk.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { demoSession, home } from "../support/api.mjs";
import { COOKIE } from "../support/browser.mjs";
import { elsewhere, pages } from "../pages.mjs";

const SOURCE = new URL("../../../services/console/src/routes/", import.meta.url);

/** Paths that answer GET, as the console's source declares them. */
function routes() {
  const files = readdirSync(SOURCE, { recursive: true }).filter((name) => name.endsWith(".rs"));
  return files.flatMap((name) => declared(name, readFileSync(new URL(name, SOURCE), "utf8")));
}

function declared(name, source) {
  assert.doesNotMatch(source, /\.(nest|nest_service|route_service)\(/, `${name} declares routes in a way that is not read here`);
  return source.split(".route(").slice(1).flatMap((rest) => {
    const [, literal, constant, methods] = rest.match(/^\s*(?:"([^"]+)"|([A-Z_]+)),\s*([\s\S]+)/) ?? [];
    const path = literal ?? source.match(new RegExp(`const ${constant}: &str = "([^"]+)"`))?.[1];
    assert.ok(path, `${name}: a route without a path that is understood: ${rest.slice(0, 80)}`);
    return /^(post|put|patch|delete)\(/.test(methods) && !/^[^;]*?\)\.get\(/.test(methods) ? [] : [path];
  });
}

/** The route that answers to an address: of several that could, the one with the fewest parameters. */
function routeOf(address, routes) {
  const { pathname } = new URL(address, home);
  const fits = (route) => new RegExp(`^${route.replace(/[.]/g, "\\.").replace(/\{[^}]+\}/g, "[^/]+")}$`).test(pathname);
  const parameters = (route) => route.split("{").length;
  return routes.filter(fits).sort((a, b) => parameters(a) - parameters(b))[0];
}

test("every route that answers with a page is in the list of pages", async () => {
  const all = routes();
  assert.ok(all.includes("/settings/invitations") && !all.includes("/logout"), all.join(" "));
  const [walked, others] = await Promise.all([pages(), elsewhere()]);
  const known = [...walked.filter(({ act }) => !act).map(({ path }) => path), ...others];
  const met = new Set(known.map((path) => routeOf(path, all)));
  assert.deepEqual(all.filter((route) => !met.has(route)), []);
});

test("what is said to be no page is none", async () => {
  const headers = { Cookie: `${COOKIE}=${await demoSession()}` };
  for (const path of await elsewhere()) {
    const answer = await fetch(home + path, { headers, redirect: "manual" });
    await answer.body?.cancel();
    const isPage = answer.status !== 303 && /html/.test(answer.headers.get("content-type"));
    assert.ok(!isPage && answer.status < 400, `${path}: ${answer.status} ${answer.headers.get("content-type")}`);
  }
});
