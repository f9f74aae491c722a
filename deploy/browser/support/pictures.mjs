// The pictures in README's tour: the demo's org with something in it, page by page, into the folder that is named.
import { createRequire } from "node:module";
import { find, join, ready, signIn, v1 } from "./api.mjs";

const require = createRequire(`${process.env.TGA_BROWSER_NPM}/`);
const { chromium } = require("playwright-core");
const [folder] = process.argv.slice(2);
const { demo } = ready;
const project = `/projects/${demo.project_id}`;
const origin = new URL(ready.console).origin;

const followed = await v1("POST", `${project}/creators`, {
  body: { handle: "meadow_stories", display_name: "Meadow Stories", tracking_mode: "selective", tracking_start_date: null },
});
const titles = ["Morning on the ridge", "How we milk", "Five goats, one gate", "The cheese cellar", "Rain again", "A kid is born"];
await find(demo.api_key, followed, titles);
const [first, second, third] = await v1("GET", `/creators?project_id=${demo.project_id}&limit=4&platform=youtube`);
const campaign = await v1("POST", `${project}/campaigns`, {
  body: { name: "Spring launch", readme: "Everything about the new cheese.", target_views: 20_000_000 },
});
const items = [first, second, third].map(({ id }) => ({ item_type: "creator", item_id: id }));
await v1("POST", `/campaigns/${campaign.id}/items`, { body: { items } });
const date = new Date(Date.now() - 9 * 86_400_000).toISOString().slice(0, 10);
await v1("POST", "/analytics/annotations", { body: { project_id: demo.project_id, date, label: "Spring launch", kind: "launch" } });
const keys = {};
for (const name of ["Reporting", "Dashboard", "Nightly import"]) keys[name] = await v1("POST", "/api-keys", { body: { name } });
const rotated = await v1("POST", `/api-keys/${keys.Reporting.id}/rotate`, { body: { overlap_seconds: 604_800 } });
await v1("DELETE", `/api-keys/${keys.Dashboard.id}`);
await join(demo.org_id, "member", "Ada Lovelace");
const grace = await join(demo.org_id, "member", "Grace Hopper");
const graceId = (await v1("GET", "/sessions/self", { as: grace.session })).user.id;
const { accept_url: link } = await v1("POST", "/invitations", { body: { email: "katherine@example.com" } });

/** Asks so often with a key. */
async function use(key, times, path) {
  for (let n = 0; n < times; n += 1) {
    await (await fetch(`${ready.api}${path}`, { headers: { authorization: `Bearer ${key}` } })).arrayBuffer();
  }
}
await use(keys["Nightly import"].key, 23, "/creators?limit=1");
await use(keys["Nightly import"].key, 9, "/projects");
await use(keys.Reporting.key, 6, "/projects");
await use(rotated.new.key, 18, "/projects");
// What was asked is counted once a minute.
const isCounted = async () => {
  const used = await Promise.all([keys["Nightly import"], rotated.new].map(({ id }) => v1("GET", `/api-keys/${id}`)));
  return used.every(({ requests_today }) => requests_today >= 18);
};
for (const until = Date.now() + 75_000; !(await isCounted()); await new Promise((resolve) => setTimeout(resolve, 500))) {
  if (Date.now() > until) throw new Error("what was asked is not counted");
}
const [event] = await v1("GET", "/audit/events?type=key.revoked&limit=1");
const [video] = await v1("GET", `/videos?project_id=${demo.project_id}&creator_id=${first.id}&limit=1`);

const browser = await chromium.launch({
  executablePath: process.env.TGA_CHROMIUM,
  args: process.getuid() === 0 ? ["--no-sandbox"] : [],
});
const session = await signIn(demo.admin_email, demo.admin_password);
await signIn(demo.admin_email, demo.admin_password);

async function page(options = {}) {
  const context = await browser.newContext({ baseURL: origin, viewport: { width: 1160, height: 900 }, ...options });
  await context.addCookies([{
    name: "__Host-tga_session", value: session, domain: new URL(origin).hostname,
    path: "/", httpOnly: true, secure: true, sameSite: "Lax",
  }]);
  return context.newPage();
}

// Of these the whole is worth seeing.
const WHOLE = new Set(["creator", "video", "campaign", "api-key", "api-key-rotating", "api-key-new", "members", "audit-as-of"]);
const save = (shown, name) => shown.screenshot({ path: `${folder}/${name}.png`, fullPage: WHOLE.has(name) });
const wide = await page();
for (const [name, path] of Object.entries({
  projects: "/projects",
  project,
  creators: `${project}/creators`,
  creator: `/creators/${first.id}?metric=views&mode=cumulative`,
  videos: `${project}/videos`,
  video: `/videos/${video.id}`,
  campaigns: `${project}/campaigns`,
  campaign: `/campaigns/${campaign.id}`,
  inbox: `${project}/inbox`,
  "api-keys": "/settings/api-keys",
  "api-key-new": "/settings/api-keys/new",
  "api-key": `/settings/api-keys/${keys["Nightly import"].id}`,
  "api-key-change": `/settings/api-keys/${keys["Nightly import"].id}/change`,
  "api-key-rotate": `/settings/api-keys/${keys["Nightly import"].id}/rotate`,
  "api-key-rotating": `/settings/api-keys/${rotated.new.id}`,
  "key-safety": "/settings/api-keys/safety",
  general: "/settings/general",
  members: "/settings/members",
  "member-role": `/settings/members/${graceId}/role?role=admin`,
  "member-remove": `/settings/members/${graceId}/remove`,
  "member-leave": "/settings/members/self/leave",
  invitations: "/settings/invitations",
  "invitation-new": "/settings/invitations/new",
  limits: "/settings/limits",
  sessions: "/settings/sessions",
  "sessions-end": "/settings/sessions/end-all",
  account: "/settings/account",
  organizations: "/orgs",
  "not-found": "/settings/api-keys/00000000-0000-7000-8000-000000000000",
  audit: "/audit",
  "audit-event": `/audit/events/${event.position}`,
  "audit-as-of": `/audit/as-of?position=${event.position - 1}`,
})) {
  await wide.goto(path);
  await save(wide, name);
}

// A key from its form to its receipt.
await wide.goto("/settings/api-keys/new");
await wide.getByLabel("Name").fill("Trying things out");
await wide.getByRole("button", { name: "Create key" }).click();
await wide.waitForSelector("#secret");
// A picture of a key would be one that somebody could use.
await wide.evaluate(() => {
  for (const shown of document.querySelectorAll("[data-secret]")) {
    shown.textContent = shown.textContent.replace(/(tga_.{8}).+(.{4})/, (_, first, last) => `${first}${"•".repeat(52)}${last}`);
  }
});
await save(wide, "api-key-secret");
await wide.getByRole("link", { name: "I have copied it" }).click();
await wide.getByRole("link", { name: "Delete" }).click();
await wide.getByRole("button", { name: "Delete the key" }).waitFor();
await save(wide, "api-key-delete");
await wide.getByRole("button", { name: "Delete the key" }).click();
await wide.waitForSelector(".receipt");
await save(wide, "api-key-receipt");

const dark = await page({ colorScheme: "dark" });
await dark.goto(project);
await save(dark, "project-dark");
const phone = await page({ viewport: { width: 390, height: 780 } });
await phone.goto(`${project}/inbox`);
await save(phone, "inbox-phone");
const outside = await browser.newPage({ viewport: { width: 1160, height: 760 } });
for (const [name, path] of [["login", "/login"], ["setup", "/setup"], ["invitation-accept", new URL(link).pathname + new URL(link).search]]) {
  await outside.goto(`${origin}${path}`);
  await save(outside, name);
}
await browser.close();
