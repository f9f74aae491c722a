// The whole life of an API key.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { call, home, join, newOrg, v1 } from "../support/api.mjs";
import { answerTo, catchUp, main, spec, visit } from "../support/browser.mjs";
import { startProxy } from "../support/proxy.mjs";

const KEY = /^tga_[0-9a-f]{64}$/;
const status = async (as, method = "GET", body = undefined) => (await call(method, "/api/v1/projects", { as, body })).status;
const button = (page, name) => page.getByRole("button", { name, exact: true });
const secretOf = (page) => page.locator("#secret").textContent();

/** What a page holds; one that is on its way to another is asked again. */
async function contentOf(page) {
  for (;;) {
    try {
      return await page.content();
    } catch {
      await page.waitForLoadState();
    }
  }
}

async function fill(page, name) {
  await page.goto("/settings/api-keys/new");
  await page.getByLabel("Name", { exact: true }).fill(name);
}

/** Revokes by the dialog that a list or a page opens. */
async function revoke(page, link) {
  await link.click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("heading", { name: /^Delete .+\?$/ }).waitFor();
  await answerTo(page, "POST", () => dialog.getByRole("button", { name: "Delete the key" }).click());
  return page.locator(".notice").innerText();
}

/** That it is in force on every replica, and how long that took. */
function isReceipt(text) {
  assert.match(text, /\d+ ms/);
  const [, confirmed, replicas] = text.match(/(\d+) of (\d+)/);
  assert.ok(Number(replicas) >= 1 && confirmed === replicas, text);
  assert.match(text, /[0-9a-f]{64}/);
}

describe("the life of a key", { concurrency: 2 }, () => {
  spec("made, shown once, changed, rotated, revoked", async (t) => {
    const { admin } = await newOrg("Keys");
    // What the browser gets goes through here, so that it can be counted.
    const proxy = await startProxy(home);
    t.after(proxy.stop);
    const holds = (secret) => proxy.answers.filter(({ text }) => text.includes(secret));
    const page = await visit(t, { session: admin.session, at: proxy.url, api: home });

    await page.goto("/settings/api-keys");
    await page.getByRole("heading", { name: "No live keys" }).waitFor();
    await page.getByRole("link", { name: "+ New API key" }).first().click();
    await page.getByLabel("Name", { exact: true }).fill("Reporting");
    await page.getByLabel("30 days").check();
    await page.getByText("From where, and how much").click();
    await page.getByLabel("Addresses it may come from").fill("127.0.0.0/8\n::1");
    await page.getByLabel("Requests per minute").fill("50");
    const made = await answerTo(page, "POST", () => button(page, "Create key").click());
    assert.equal(made.status(), 201);
    assert.match(made.headers()["cache-control"], /no-store/);
    assert.equal(made.headers()["content-encoding"], undefined, "its length would tell something");
    const secret = await secretOf(page);
    assert.match(secret, KEY);
    assert.equal(await status(secret), 200);

    await page.getByRole("link", { name: "I have copied it" }).click();
    await page.getByRole("heading", { name: "Reporting" }).waitFor();
    const shown = await main(page);
    for (const part of [/127\.0\.0\.0\/8/, /50 per minute/, /in \d+ days|active/, /read/, /write/]) assert.match(shown, part);
    // Going back and loading again repeat nothing and show nothing.
    for (const move of ["goBack", "reload"]) {
      // Browsers may refuse to show again what was posted.
      await page[move]().catch(() => {});
      assert.ok(!(await contentOf(page)).includes(secret), move);
    }
    assert.deepEqual(holds(secret).map(({ method, status }) => [method, status]), [["POST", 201]]);
    const [key, ...others] = await v1("GET", "/api-keys", { as: admin.session });
    assert.equal(others.length, 0);
    assert.equal(key.rate_limit_per_minute, 50);

    await page.goto(`/settings/api-keys/${key.id}/change`);
    await page.getByLabel(/^write/).uncheck();
    await answerTo(page, "POST", () => button(page, "Save changes").click());
    isReceipt(await page.locator(".notice").innerText());
    assert.equal(await status(secret, "POST", { name: "Refused" }), 403);
    await page.reload();
    assert.equal(await page.locator(".notice").count(), 0, "it is told once");

    await page.getByRole("link", { name: "Rotate" }).click();
    await page.getByLabel("1 hour").check();
    await answerTo(page, "POST", () => button(page, "Rotate").click());
    const second = await secretOf(page);
    assert.match(second, KEY);
    assert.match(await main(page), /works until/);
    assert.deepEqual([await status(secret), await status(second)], [200, 200]);
    assert.equal(holds(second).length, 1);

    await page.goto("/settings/api-keys");
    await page.getByRole("link", { name: "Reporting" }).first().click();
    assert.match(await main(page), /Replaces the old key; the old one ends in|Replaced by its new key; the old one ends in/);
    await page.goto("/settings/api-keys");
    const row = page.getByRole("row").filter({ hasText: "rotating" });
    isReceipt(await revoke(page, row.getByRole("link", { name: /^Delete/ })));
    assert.deepEqual([await status(secret), await status(second)], [401, 200]);
    assert.match(await main(page), /the old one is refused already/);
    await page.goto("/settings/api-keys");
    assert.equal(await page.getByRole("row").filter({ hasText: "Reporting" }).count(), 1);
    await page.getByRole("link", { name: "Revoked and expired" }).click();
    const ended = page.getByRole("row").filter({ hasText: "revoked" }).getByRole("link", { name: "Reporting" });
    const place = await ended.getAttribute("href");
    assert.equal(holds(secret).length, 1);
    // Nothing is left of it to rotate.
    await page.goto(`${place}/rotate`);
    await page.getByText(/cannot be rotated/).waitFor();
    assert.equal(new URL(page.url()).pathname, place);
  });

  spec("who deletes the old key of a rotation is told whether the new one goes on", async (t) => {
    const { admin } = await newOrg("Successors");
    const as = admin.session;
    const key = await v1("POST", "/api-keys", { as, body: { name: "Rotated" } });
    const rotated = await v1("POST", `/api-keys/${key.id}/rotate`, { as, body: { overlap_seconds: 3_600 } });
    const page = await visit(t, { session: as });
    await page.goto(`/settings/api-keys/${key.id}/revoke`);
    assert.match(await main(page), /old one of a rotation: its new key goes on\./);
    await page.goto(`/settings/api-keys/${rotated.new.id}/revoke`);
    assert.match(await main(page), /new one of a rotation: the old key still ends in .+, and then nothing goes on\./);
    // An end of its own is no way out of the rotation.
    await page.goto(`/settings/api-keys/${key.id}/change`);
    assert.match(await main(page), /It is being replaced, and ends in .+ at the latest/);
    await page.getByLabel("never", { exact: true }).check();
    await answerTo(page, "POST", () => button(page, "Save changes").click());
    await page.getByText("It ends with its rotation all the same.").waitFor();
    const soon = new Date(Date.now() + 600_000).toISOString();
    await v1("PATCH", `/api-keys/${key.id}`, { as, body: { expires_at: soon } });
    await page.goto(`/settings/api-keys/${rotated.new.id}`);
    assert.match(await main(page), /the old one ends in \d minutes/);
    await page.goto(`/settings/api-keys/${key.id}`);
    assert.equal(await page.getByRole("link", { name: "Rotate" }).count(), 0);
    await v1("DELETE", `/api-keys/${rotated.new.id}`, { as });
    await page.goto(`/settings/api-keys/${key.id}/revoke`);
    assert.match(await main(page), /its new key is refused already: see to it that something goes on/);
    await page.goto(`/settings/api-keys/${key.id}`);
    assert.match(await main(page), /Replaced by its new key, which is refused already; the old one ends in/);
  });

  spec("it is copied by its button, and what it is used for is shown", async (t) => {
    const { admin } = await newOrg("Used");
    const permissions = ["clipboard-read", "clipboard-write"];
    const page = await visit(t, { session: admin.session, permissions });
    await fill(page, "Counted");
    await answerTo(page, "POST", () => button(page, "Create key").click());
    const secret = await secretOf(page);
    await page.locator("[data-copy=secret]").click();
    await page.getByText("Copied", { exact: true }).waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), secret);
    assert.deepEqual(await Promise.all([1, 2, 3].map(() => status(secret))), [200, 200, 200]);
    await page.getByRole("link", { name: "I have copied it" }).click();
    // It is counted once a minute.
    const counted = /GET \/projects\s+3\s/;
    for (const until = Date.now() + 75_000; Date.now() < until && !counted.test(await main(page)); ) {
      await page.waitForTimeout(1_000);
      await page.reload();
    }
    assert.match(await main(page), counted);
    // A day of UTC may have begun meanwhile.
    assert.match(await main(page), /Requests today\s+[0-3]\s/);
    assert.match(await main(page), /3 in 30 days, at most [23] on one/);
  }, 150_000);

  spec("a form that is sent twice makes one key", async (t) => {
    const { admin } = await newOrg("Twice");
    for (const [name, javaScriptEnabled] of [["With scripts", true], ["Without", false]]) {
      const page = await visit(t, { session: admin.session, javaScriptEnabled });
      await fill(page, name);
      await button(page, "Create key").dblclick();
      await page.getByText(/Copy it now|made its key already/).waitFor();
    }
    // Two windows with the same form.
    const page = await visit(t, { session: admin.session });
    await fill(page, "Two windows");
    const send = () => page.evaluate(async () => {
      const body = new URLSearchParams(new FormData(document.querySelector("main form")));
      return (await fetch("/settings/api-keys", { method: "POST", body })).status;
    });
    const answers = await Promise.all([send(), send()]);
    assert.ok(answers.includes(201), answers.join());
    await catchUp(page);
    const names = (await v1("GET", "/api-keys", { as: admin.session })).map((key) => key.name);
    assert.deepEqual(names.sort(), ["Two windows", "With scripts", "Without"]);
  });

  spec("two admins who revoke a key at once both get a receipt", async (t) => {
    const org = await newOrg("Both");
    const grace = await join(org.id, "admin", "Grace");
    const key = await v1("POST", "/api-keys", { as: org.admin.session, body: { name: "Shared" } });
    const pages = await Promise.all([org.admin, grace].map(({ session }) => visit(t, { session })));
    await Promise.all(pages.map((page) => page.goto(`/settings/api-keys/${key.id}/revoke`)));
    await Promise.all(pages.map((page) => answerTo(page, "POST", () => button(page, "Delete the key").click())));
    for (const page of pages) isReceipt(await page.locator(".notice").innerText());
    assert.equal(await status(key.key), 401);
  });

  spec("the limit that is reached while the form is open is told, and nothing is lost", async (t) => {
    const { admin } = await newOrg("Full", { max_api_keys_per_org: 1 });
    const page = await visit(t, { session: admin.session });
    await fill(page, "One too many");
    await page.getByLabel("1 year").check();
    const key = await v1("POST", "/api-keys", { as: admin.session, body: { name: "Faster" } });
    const answer = await answerTo(page, "POST", () => button(page, "Create key").click());
    assert.equal(answer.status(), 402);
    assert.match(await page.getByRole("alert").innerText(), /allows 1 live key/);
    assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), "One too many");
    assert.ok(await page.getByLabel("1 year").isChecked());
    await v1("DELETE", `/api-keys/${key.id}`, { as: admin.session });
    assert.equal((await answerTo(page, "POST", () => button(page, "Create key").click())).status(), 201);
  });

  spec("a key that was revoked while its dialog was open is revoked all the same", async (t) => {
    const { admin } = await newOrg("Late");
    const key = await v1("POST", "/api-keys", { as: admin.session, body: { name: "Gone" } });
    const page = await visit(t, { session: admin.session });
    await page.goto("/settings/api-keys");
    await page.getByRole("link", { name: "Delete Gone" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("heading").waitFor();
    await v1("DELETE", `/api-keys/${key.id}`, { as: admin.session });
    await answerTo(page, "POST", () => dialog.getByRole("button", { name: "Delete the key" }).click());
    isReceipt(await page.locator(".notice").innerText());
  });

  spec("what cannot be taken is told beside its field", async (t) => {
    const { admin } = await newOrg("Fields");
    const page = await visit(t, { session: admin.session });
    await fill(page, "Narrow");
    await page.getByText("From where, and how much").click();
    await page.getByLabel("Addresses it may come from").fill("10.0.0.1/8");
    const answer = await answerTo(page, "POST", () => button(page, "Create key").click());
    assert.equal(answer.status(), 400);
    await page.locator("#ip_allowlist-error").waitFor();
    assert.equal(await page.getByLabel("Addresses it may come from").inputValue(), "10.0.0.1/8");
    assert.equal((await v1("GET", "/api-keys", { as: admin.session })).length, 0);
  });

  spec("a member sees no keys", async (t) => {
    const org = await newOrg("Members");
    const { session } = await join(org.id, "member", "Grace");
    const page = await visit(t, { session });
    const answer = await page.goto("/settings/api-keys");
    assert.equal(answer.status(), 403);
    assert.match(await main(page), /You may not do that/);
  });
});
