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
await v1("POST", `/api-keys/${keys.Reporting.id}/rotate`, { body: { overlap_seconds: 604_800 } });
await v1("DELETE", `/api-keys/${keys.Dashboard.id}`);
await join(demo.org_id, "member", "Ada Lovelace");
const [event] = await v1("GET", "/audit/events?type=key.revoked&limit=1");
const [video] = await v1("GET", `/videos?project_id=${demo.project_id}&creator_id=${first.id}&limit=1`);

const browser = await chromium.launch({
  executablePath: process.env.TGA_CHROMIUM,
  args: process.getuid() === 0 ? ["--no-sandbox"] : [],
});
const session = await signIn(demo.admin_email, demo.admin_password);

async function page(options = {}) {
  const context = await browser.newContext({ baseURL: origin, viewport: { width: 1160, height: 900 }, ...options });
  await context.addCookies([{
    name: "__Host-tga_session", value: session, domain: new URL(origin).hostname,
    path: "/", httpOnly: true, secure: true, sameSite: "Lax",
  }]);
  return context.newPage();
}

const save = (shown, name) => shown.screenshot({ path: `${folder}/${name}.png` });
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
  "key-safety": "/settings/api-keys/safety",
  general: "/settings/general",
  members: "/settings/members",
  invitations: "/settings/invitations",
  limits: "/settings/limits",
  sessions: "/settings/sessions",
  account: "/settings/account",
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
await wide.waitForSelector("[data-secret]");
// A picture of a key would be one that somebody could use.
await wide.evaluate(() => {
  const secret = document.querySelector("[data-secret]");
  secret.textContent = `${secret.textContent.slice(0, 12)}${"•".repeat(52)}${secret.textContent.slice(-4)}`;
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
await outside.goto(`${origin}/login`);
await save(outside, "login");
await browser.close();
