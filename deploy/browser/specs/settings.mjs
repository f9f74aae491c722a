// Sessions, name and time zone, password, limits: each form is sent, with scripts and without, and the API says what became of it.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { PASSWORD, call, join, newOrg, signIn, v1 } from "../support/api.mjs";
import { answerTo, cookie, main, spec, visit } from "../support/browser.mjs";

const button = (page, name) => page.getByRole("button", { name, exact: true });
const notice = (page) => page.getByRole("main").getByRole("status").innerText();
const works = async (as) => (await call("GET", "/api/v1/sessions/self", { as })).status;
const send = (page, name) => answerTo(page, "POST", () => button(page, name).click());
const live = async (session) => (await v1("GET", "/sessions", { as: session })).map(({ id }) => id);
const idOf = async (session) => (await v1("GET", "/sessions/self", { as: session })).id;
const WAYS = [["with scripts", true], ["without scripts", false]];

describe("sessions", { concurrency: 2 }, () => {
  for (const [way, javaScriptEnabled] of WAYS) {
    spec(`one that is ended leads to the sign-in, ${way}`, async (t) => {
      const { admin } = await newOrg("One");
      const elsewhere = await signIn(admin.email, PASSWORD);
      const theirs = await visit(t, { session: elsewhere, javaScriptEnabled });
      assert.equal((await theirs.goto("/projects")).status(), 200);
      const page = await visit(t, { session: admin.session, javaScriptEnabled });
      await page.goto("/settings/sessions");
      await page.getByRole("row").filter({ hasNotText: "this session" }).getByRole("link", { name: /^End/ }).click();
      await page.getByRole("heading", { name: "End the session?" }).waitFor();
      assert.equal((await send(page, "End the session")).status(), 303);
      assert.match(await notice(page), /session ended[\s\S]*\d+ ms/);
      assert.deepEqual([await works(elsewhere), await works(admin.session)], [401, 200]);
      await theirs.goto("/projects");
      assert.equal(new URL(theirs.url()).pathname, "/login");
      assert.equal(await page.getByRole("link", { name: /^End/ }).count(), 0);
    });

    spec(`all others end, this one stays, ${way}`, async (t) => {
      const { admin } = await newOrg("Others");
      const others = [];
      for (let n = 0; n < 3; n += 1) others.push(await signIn(admin.email, PASSWORD));
      const page = await visit(t, { session: admin.session, javaScriptEnabled });
      await page.goto("/settings/sessions");
      await page.getByRole("link", { name: "End all others" }).click();
      await page.getByRole("heading", { name: "End all other sessions?" }).waitFor();
      await page.getByText("3 sessions").waitFor();
      assert.equal((await send(page, "End all others")).status(), 303);
      assert.match(await notice(page), /3/);
      assert.deepEqual(await Promise.all([...others, admin.session].map(works)), [401, 401, 401, 200]);
      assert.deepEqual(await live(admin.session), [await idOf(admin.session)]);
    });

    spec(`an admin ends those of somebody else, ${way}`, async (t) => {
      const org = await newOrg("Theirs");
      const grace = await join(org.id, "member", "Grace");
      const again = await signIn(grace.email, PASSWORD);
      const page = await visit(t, { session: org.admin.session, javaScriptEnabled });
      await page.goto("/settings/members");
      await page.getByRole("link", { name: "Sessions of Grace" }).click();
      await page.getByRole("link", { name: "End all" }).click();
      await page.getByRole("heading", { name: "End all sessions of Grace?" }).waitFor();
      await send(page, "End all sessions");
      assert.deepEqual(await Promise.all([grace.session, again, org.admin.session].map(works)), [401, 401, 200]);
      await page.getByText("no session is live").waitFor();
    });
  }
});

describe("the organization", { concurrency: 2 }, () => {
  for (const [way, javaScriptEnabled] of WAYS) {
    spec(`its name and zone are changed, and shown at once, ${way}`, async (t) => {
      const { id, admin } = await newOrg("Before");
      const page = await visit(t, { session: admin.session, javaScriptEnabled });
      await page.goto("/settings/general");
      await page.getByLabel("Name", { exact: true }).fill("After & <b>");
      await page.getByLabel("Time zone").selectOption("Asia/Kathmandu");
      assert.equal((await send(page, "Save changes")).status(), 303);
      await page.getByRole("main").getByRole("status").waitFor();
      assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), "After & <b>");
      assert.equal(await page.getByLabel("Time zone").inputValue(), "Asia/Kathmandu");
      assert.match(await page.getByRole("banner").innerText(), /After & <b>/);
      const org = await v1("GET", "/orgs/self", { as: admin.session });
      assert.deepEqual([org.id, org.name, org.timezone], [id, "After & <b>", "Asia/Kathmandu"]);
    });

    spec(`a name that cannot be is refused beside its field, ${way}`, async (t) => {
      const { admin } = await newOrg("Kept");
      const page = await visit(t, { session: admin.session, javaScriptEnabled });
      await page.goto("/settings/general");
      await page.getByLabel("Name", { exact: true }).fill("   ");
      assert.equal((await send(page, "Save changes")).status(), 400);
      await page.locator("#name-error").waitFor();
      assert.equal((await v1("GET", "/orgs/self", { as: admin.session })).name, "Kept");
    });
  }

  spec("a member sees it, and can change nothing", async (t) => {
    const org = await newOrg("Seen");
    const { session } = await join(org.id, "member", "Grace");
    const page = await visit(t, { session });
    await page.goto("/settings/general");
    assert.match(await main(page), /Seen[\s\S]*Admins of the organization/);
    assert.equal(await page.getByRole("main").getByRole("button").count(), 0);
  });

  spec("limits say what is used up, and of what there is more", async (t) => {
    const { admin } = await newOrg("Limits", { max_api_keys_per_org: 1, max_projects_per_org: 3 });
    const page = await visit(t, { session: admin.session });
    const full = async () => {
      await page.goto("/settings/limits");
      return (await main(page)).match(/Used up:[^\n]*/)?.[0] ?? "";
    };
    assert.equal(await full(), "");
    await v1("POST", "/api-keys", { as: admin.session, body: { name: "The only one" } });
    await v1("POST", "/projects", { as: admin.session, body: { name: "One of three" } });
    const told = await full();
    assert.match(told, /keys/i);
    assert.doesNotMatch(told, /projects/i);
    const gauges = Object.fromEntries((await v1("GET", "/limits", { as: admin.session })).limits.map((limit) => [limit.key, limit]));
    assert.deepEqual([gauges.max_api_keys_per_org.current, gauges.max_projects_per_org.current], [1, 1]);
    await page.getByRole("listitem").filter({ hasText: /projects/i }).filter({ hasText: /1 of 3/ }).waitFor();
  });
});

describe("the password", { concurrency: 2 }, () => {
  const NEXT = "another horse battery";
  const changeTo = async (page, current, next) => {
    await page.goto("/settings/account");
    await page.getByLabel("Current password").fill(current);
    await page.getByLabel("New password").fill(next);
    return send(page, "Change password");
  };
  const lets = async (email, password) =>
    (await call("POST", "/auth/sessions", { as: null, body: { email, password } })).status;

  for (const [way, javaScriptEnabled] of WAYS) {
    spec(`is changed: the old one and all other sessions are worth nothing, ${way}`, async (t) => {
      const { admin } = await newOrg("Password");
      const other = await signIn(admin.email, PASSWORD);
      const page = await visit(t, { session: admin.session, javaScriptEnabled });
      assert.equal((await changeTo(page, PASSWORD, NEXT)).status(), 303);
      await page.getByRole("main").getByRole("status").waitFor();
      assert.deepEqual([await works(other), await works((await cookie(page)).value)], [401, 200]);
      assert.deepEqual([await lets(admin.email, PASSWORD), await lets(admin.email, NEXT)], [401, 201]);
    });

    spec(`stays as it is after a wrong one, and neither is shown again, ${way}`, async (t) => {
      const { admin } = await newOrg("Wrong password");
      const page = await visit(t, { session: admin.session, javaScriptEnabled });
      const answer = await changeTo(page, "not the password", NEXT);
      assert.ok(answer.status() >= 400 && answer.status() < 500, `${answer.status()}`);
      await page.locator("#current-error").waitFor();
      const html = await page.content();
      assert.ok(!html.includes("not the password") && !html.includes(NEXT));
      assert.deepEqual([await works(admin.session), await lets(admin.email, PASSWORD)], [200, 201]);
    });
  }
});
