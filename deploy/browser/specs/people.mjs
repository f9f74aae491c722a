// Members and invitations: each form is sent, with scripts and without, and the API says what became of it.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { PASSWORD, call, invite, join, newEmail, newOrg, v1 } from "../support/api.mjs";
import { answerTo, catchUp, cookie, main, spec, visit } from "../support/browser.mjs";

const button = (page, name) => page.getByRole("button", { name, exact: true });
const link = (page, name) => page.getByRole("link", { name });
const notice = (page) => page.getByRole("main").getByRole("status").innerText();
const works = async (as) => (await call("GET", "/api/v1/sessions/self", { as })).status;
const opens = async (key) => (await call("GET", "/api/v1/projects", { as: key })).status;

/** Every promise that is made without scripts is kept with them, too: there links open a dialog. */
const WAYS = [["with scripts", true], ["without scripts", false]];

async function people(session, query = "") {
  return v1("GET", `/members${query}`, { as: session });
}

/** An org, and an admin of it who owns a key: `it` is where they are on the page of members. */
async function withOwner(name) {
  const org = await newOrg(name);
  const grace = await join(org.id, "admin", "Grace");
  const key = await v1("POST", "/api-keys", { as: grace.session, body: { name: "Nightly import" } });
  const ada = (await v1("GET", "/sessions/self", { as: org.admin.session })).user;
  return { org, session: org.admin.session, grace, key, ada };
}

/** Opens what a link of the list asks; with scripts it is a dialog over the list. */
async function ask(page, name, heading) {
  await link(page, name).click();
  await page.getByRole("heading", { name: heading }).waitFor();
}

const send = (page, name) => answerTo(page, "POST", () => button(page, name).click());

describe("members", { concurrency: 2 }, () => {
  for (const [way, javaScriptEnabled] of WAYS) {
    spec(`a demotion ends their sessions, a promotion ends nothing, ${way}`, async (t) => {
      const org = await newOrg("Roles");
      const session = org.admin.session;
      const grace = await join(org.id, "admin", "Grace");
      const page = await visit(t, { session, javaScriptEnabled });
      await page.goto("/settings/members");
      await ask(page, "Change role of Grace", "Role of Grace");
      await page.getByLabel(/^member/).check();
      assert.equal((await send(page, "Save role")).status(), 303);
      assert.match(await notice(page), /Grace is a member now[\s\S]*\d+ ms/);
      assert.equal(await works(grace.session), 401);
      assert.deepEqual((await people(session, "?role=member")).map(({ email }) => email), [grace.email]);

      await ask(page, "Change role of Grace", "Role of Grace");
      await page.getByLabel(/^admin/).check();
      await send(page, "Save role");
      assert.match(await notice(page), /Grace is an admin now/);
      assert.equal((await people(session, "?role=admin")).length, 2);
    });

    for (const [choice, status, owner] of [["keep", 200, null], ["transfer", 200, "Ada"], ["revoke", 401, undefined]]) {
      spec(`who is removed is out at once, and their key is under "${choice}", ${way}`, async (t) => {
        const { session, grace, key, ada } = await withOwner(choice);
        const page = await visit(t, { session, javaScriptEnabled });
        await page.goto("/settings/members");
        await ask(page, "Remove Grace", "Remove Grace?");
        await page.getByText("Nightly import").waitFor();
        await page.getByRole("radio", { name: new RegExp(`^${choice}`, "i") }).check();
        if (choice === "transfer") await page.getByRole("combobox", { name: /^To/ }).selectOption({ label: "Ada" });
        assert.equal((await send(page, "Remove Grace")).status(), 303);
        assert.match(await notice(page), /\d+ ms/);
        assert.equal(await page.getByRole("row").filter({ hasText: "Grace" }).count(), 0);
        assert.deepEqual([await works(grace.session), await opens(key.key)], [401, status]);
        assert.deepEqual((await people(session)).map(({ name }) => name), ["Ada"]);
        if (owner === undefined) return;
        const [left] = await v1("GET", "/api-keys", { as: session });
        assert.equal(left.owner_id, owner && ada.id);
      });
    }

    spec(`nobody goes before it is said what becomes of the keys, ${way}`, async (t) => {
      const { session, grace, key } = await withOwner("Unsaid");
      const page = await visit(t, { session, javaScriptEnabled });
      await page.goto("/settings/members");
      await ask(page, "Remove Grace", "Remove Grace?");
      // The browser holds the form back by itself; a transfer to nobody it lets through.
      await button(page, "Remove Grace").click();
      assert.equal(await page.getByRole("radio", { checked: true }).count(), 0);
      await page.getByRole("radio", { name: /^Transfer/ }).check();
      const answer = await send(page, "Remove Grace");
      assert.ok(answer.status() >= 400 && answer.status() < 500, `${answer.status()}`);
      assert.match(await main(page), /Choose who takes the keys over/);
      assert.ok(await page.getByRole("radio", { name: /^Transfer/ }).isChecked());
      assert.deepEqual([await works(grace.session), await opens(key.key)], [200, 200]);
    });

    spec(`the only admin stays, ${way}`, async (t) => {
      const { admin } = await newOrg("Only");
      const page = await visit(t, { session: admin.session, javaScriptEnabled });
      await page.goto("/settings/members");
      await ask(page, "Change role of Ada", "Role of Ada");
      await page.getByLabel(/^member/).check();
      assert.equal((await send(page, "Save role")).status(), 409);
      assert.match(await main(page), /only admin/);
      await page.goto("/settings/account");
      await ask(page, "Leave the organization", /^Leave Only/);
      assert.equal((await send(page, "Leave Only")).status(), 409);
      assert.match(await main(page), /only admin/);
      assert.equal(await works(admin.session), 200);
      assert.deepEqual((await people(admin.session)).map(({ role }) => role), ["admin"]);
    });

    spec(`who leaves is signed out, and their key dies if they say so, ${way}`, async (t) => {
      const { session, grace, key } = await withOwner("Left");
      const page = await visit(t, { session: grace.session, javaScriptEnabled });
      await page.goto("/settings/members");
      await ask(page, /^Leave/, "Leave Left?");
      await page.getByRole("radio", { name: /^Revoke/ }).check();
      assert.equal((await send(page, "Leave Left")).status(), 303);
      assert.equal(new URL(page.url()).pathname, "/login");
      assert.match(await main(page), /You left Left/);
      assert.equal(await cookie(page), undefined);
      assert.deepEqual([await works(grace.session), await opens(key.key)], [401, 401]);
      // A browser that was signed out does not say how far the log is; what comes after it in the log does.
      await invite(session, newEmail("next"));
      assert.deepEqual((await people(session)).map(({ name }) => name), ["Ada"]);
    });
  }
});

describe("invitations", { concurrency: 2 }, () => {
  for (const [way, javaScriptEnabled] of WAYS) {
    spec(`one is made, its link shown once, and whoever has the link joins, ${way}`, async (t) => {
      const org = await newOrg("Inviting");
      const session = org.admin.session;
      const email = newEmail("linus");
      const page = await visit(t, { session, javaScriptEnabled });
      await page.goto("/settings/members");
      await link(page, "+ Invite").first().click();
      await page.getByLabel("Email address").fill(email);
      await page.getByLabel(/^admin/).check();
      assert.equal((await send(page, "Invite")).status(), 201);
      const shown = (await main(page)).match(/https?:\/\/\S+token=\S+/)[0];
      await link(page, "I have copied it").click();
      await page.getByRole("row").filter({ hasText: email }).waitFor();
      assert.ok(!(await page.content()).includes(new URL(shown).searchParams.get("token")));

      const guest = await visit(t, { javaScriptEnabled });
      const { pathname, search } = new URL(shown);
      await guest.goto(pathname + search);
      await guest.getByLabel("Your name").fill("Linus");
      await guest.getByLabel("Password").fill(PASSWORD);
      assert.equal((await send(guest, "Join")).status(), 303);
      assert.equal(new URL(guest.url()).pathname, "/projects");
      assert.equal(await works((await cookie(guest)).value), 200);
      const joined = (await people(session)).find((member) => member.email === email);
      assert.deepEqual([joined.name, joined.role], ["Linus", "admin"]);
      // The link is used.
      const late = await visit(t, { javaScriptEnabled });
      await late.goto(pathname + search);
      await late.getByLabel("Your name").fill("Somebody else");
      await late.getByLabel("Password").fill(PASSWORD);
      const refused = await send(late, "Join");
      assert.ok(refused.status() >= 400 && refused.status() < 500, `${refused.status()}`);
      assert.equal(await cookie(late), undefined);
      assert.equal((await people(session)).length, 2);
    });

    spec(`a revoked one is worth nothing, ${way}`, async (t) => {
      const org = await newOrg("Taken back");
      const session = org.admin.session;
      const email = newEmail("eve");
      const token = await invite(session, email);
      const page = await visit(t, { session, javaScriptEnabled });
      await page.goto("/settings/invitations");
      await ask(page, `Revoke the invitation to ${email}`, "Revoke the invitation?");
      assert.equal((await send(page, "Revoke the invitation")).status(), 303);
      assert.match(await notice(page), /is revoked/);
      const revoked = await v1("GET", "/invitations?status=revoked", { as: session });
      assert.deepEqual(revoked.map((invitation) => invitation.email), [email]);
      const body = { token, name: "Eve", password: PASSWORD };
      assert.equal((await call("POST", "/auth/invitations/accept", { as: null, body })).status, 409);
      const guest = await visit(t, { javaScriptEnabled });
      await guest.goto(`/invitations/accept?token=${token}`);
      await guest.getByLabel("Your name").fill("Eve");
      await guest.getByLabel("Password").fill(PASSWORD);
      assert.equal((await send(guest, "Join")).status(), 409);
      await guest.getByRole("alert").waitFor();
      assert.equal(await cookie(guest), undefined);
      assert.equal((await people(session)).length, 1);
    });

    spec(`who has an account accepts one and declines another, ${way}`, async (t) => {
      const [own, good, bad] = await Promise.all(["Own", "Good", "Bad"].map((name) => newOrg(name)));
      for (const { admin } of [good, bad]) await invite(admin.session, own.admin.email);
      const page = await visit(t, { session: own.admin.session, javaScriptEnabled });
      await page.goto("/orgs");
      const from = (name) => page.locator("section").filter({ hasText: `${name} invites you` });
      await answerTo(page, "POST", () => from("Bad").getByRole("button", { name: "Decline" }).click());
      assert.match(await notice(page), /declined/);
      assert.equal(await from("Bad").count(), 0);
      await answerTo(page, "POST", () => from("Good").getByRole("button", { name: "Accept" }).click());
      assert.equal(new URL(page.url()).pathname, "/projects");
      await catchUp(page);
      const there = (await cookie(page)).value;
      assert.equal((await v1("GET", "/orgs/self", { as: there })).id, good.id);
      assert.equal(await works(own.admin.session), 401, "the session of before has ended");
      assert.deepEqual((await people(bad.admin.session)).length, 1);
      // And back.
      await page.goto("/orgs");
      await send(page, "Go to Own");
      assert.equal((await v1("GET", "/orgs/self", { as: (await cookie(page)).value })).id, own.id);
    });
  }

  spec("who is there or invited already is told beside the field, and nobody is invited", async (t) => {
    const org = await newOrg("Again");
    const session = org.admin.session;
    const email = newEmail("linus");
    await invite(session, email);
    const page = await visit(t, { session });
    for (const [address, text] of [[org.admin.email, /member already/], [email, /open invitation/]]) {
      await page.goto("/settings/invitations/new");
      await page.getByLabel("Email address").fill(address);
      assert.equal((await send(page, "Invite")).status(), 409, address);
      assert.match(await main(page), text);
      assert.equal(await page.getByLabel("Email address").inputValue(), address);
    }
    assert.equal((await v1("GET", "/invitations", { as: session })).length, 1);
  });

  spec("a plan without a place left says so", async (t) => {
    const { admin } = await newOrg("Small", { max_members_per_org: 1 });
    const page = await visit(t, { session: admin.session });
    await page.goto("/settings/invitations/new");
    await page.getByText("1 of 1 places").waitFor();
    await page.getByLabel("Email address").fill(newEmail("linus"));
    assert.equal((await send(page, "Invite")).status(), 402);
    assert.match(await main(page), /no place left/);
    assert.deepEqual(await v1("GET", "/invitations", { as: admin.session }), []);
  });
});
