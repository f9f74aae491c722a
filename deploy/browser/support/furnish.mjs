// Gives the demo's org one of everything, under names that would do harm if they were taken for HTML, and says who else
// is there now (`furnished` in api.mjs).
import { writeFileSync } from "node:fs";
import { FURNISHED, find, invite, join, newOrg, ready, v1 } from "./api.mjs";
import { HOSTILE } from "./hostile.mjs";

const project = ready.demo.project_id;
const creators = await v1("GET", `/creators?project_id=${project}&limit=2`);
const [creator, other] = creators;
await v1("PATCH", "/orgs/self", { body: { name: HOSTILE } });
await v1("PATCH", `/projects/${project}`, { body: { readme: HOSTILE } });
await v1("PATCH", `/creators/${creator.id}`, { body: { display_name: HOSTILE, readme: HOSTILE } });
// On TikTok, where the videos are that `find` makes.
const followed = await v1("POST", `/projects/${project}/creators`, {
  body: { handle: "hostile_herder", display_name: HOSTILE, tracking_mode: "selective", tracking_start_date: null },
});
await find(ready.demo.api_key, followed, Array.from({ length: 60 }, (_, n) => `${n} ${HOSTILE}`));
const waiting = await v1("GET", `/projects/${project}/inbox?limit=4`);
const review = (decision, of) =>
  v1("POST", `/projects/${project}/inbox/review`, { body: { decision, video_ids: of.map((video) => video.id) } });
await review("include", waiting.slice(0, 2));
await review("exclude", waiting.slice(2));
await v1("POST", "/projects", { body: { name: HOSTILE, readme: HOSTILE } });
const campaign = await v1("POST", `/projects/${project}/campaigns`, {
  body: { name: HOSTILE, readme: HOSTILE, target_views: 5_000_000, target_at: "2031-01-01T00:00:00Z" },
});
const items = [creator, other].map(({ id }) => ({ item_type: "creator", item_id: id }));
items.push({ item_type: "video", item_id: waiting[0].id });
await v1("POST", `/campaigns/${campaign.id}/items`, { body: { items } });
const date = new Date(Date.now() - 5 * 86_400_000).toISOString().slice(0, 10);
await v1("POST", "/analytics/annotations", { body: { project_id: project, date, label: HOSTILE, body: HOSTILE } });
const keys = [];
for (const name of [HOSTILE, "Reporting", "Dashboard"]) keys.push(await v1("POST", "/api-keys", { body: { name } }));
await v1("POST", `/api-keys/${keys[1].id}/rotate`, { body: {} });
await v1("DELETE", `/api-keys/${keys[2].id}`);
await v1("POST", "/invitations", { body: { email: "guest@browser.example" } });
const member = await join(ready.demo.org_id, "member", HOSTILE);
// An admin who owns keys, which others are asked about.
const owner = await join(ready.demo.org_id, "admin", "Grace");
for (const name of [HOSTILE, "Nightly import"]) await v1("POST", "/api-keys", { as: owner.session, body: { name } });
// Another org wants the demo's admin.
const { admin } = await newOrg(HOSTILE);
await invite(admin.session, ready.demo.admin_email);
// Somebody whose org has nothing yet.
const { admin: newcomer } = await newOrg("Bare");
writeFileSync(FURNISHED, JSON.stringify({ member: member.email, owner: owner.email, newcomer: newcomer.email }));
