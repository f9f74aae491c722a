// Every page of the console, for the specs that walk all of them. A new page gets a line here: `routes` fails without it.
import { readFileSync } from "node:fs";
import { FURNISHED, PASSWORD, demoSession, newEmail, ready, signIn, v1 } from "./support/api.mjs";
import { answerTo } from "./support/browser.mjs";

const project = `/projects/${ready.demo.project_id}`;
const NOBODY = "00000000-0000-7000-8000-000000000000";

/** A page with an address. */
const at = (path, status = 200) => ({ path, status });

/** The answer to a form: what is done on the page with an address, and to which button. */
const after = (path, button, status, fill = () => {}) => ({
  path,
  status,
  name: `${path}, ${button}`,
  async act(page) {
    await fill(page);
    // What the browser itself would hold back is sent, as by one that does not know the rule.
    await page.locator("form").evaluateAll((forms) => forms.forEach((form) => (form.noValidate = true)));
    return answerTo(page, "POST", () => page.locator("main").getByRole("button", { name: button }).first().click());
  },
});

/** With a field filled in. */
const fill = (label, value) => (page) => page.getByLabel(label, { exact: true }).fill(value);

/** What a link opens in the dialog of its page. */
const dialog = (path, link) => ({
  path,
  status: 200,
  name: `${path}, ${link} in the dialog`,
  async act(page) {
    const answer = page.waitForResponse((response) => ["fetch", "xhr"].includes(response.request().resourceType()));
    await page.locator("main").getByRole("link", { name: link }).first().click();
    await page.getByRole("dialog").getByRole("heading").waitFor();
    return answer;
  },
});

/** For whom nobody is signed in. */
const outside = () => [
  at("/login"),
  at("/login?next=/settings/api-keys"),
  // The provider that the specs name is never there (`check`).
  at("/login/oidc", 503),
  at("/login/oidc/callback?error=access_denied", 400),
  at("/setup"),
  at("/invitations/accept"),
  at("/invitations/accept?token=none"),
  after("/login", "Sign in", 401, async (page) => {
    await fill("Email address", newEmail("nobody"))(page);
    await fill("Password", "not the password")(page);
  }),
  after("/setup", "Set up", 400),
  after("/invitations/accept?token=none", "Join", 400),
];

async function look() {
  const in_project = `project_id=${ready.demo.project_id}`;
  const [keys, ended, admins, members, invitations, creators, videos, campaigns, events] = await Promise.all([
    v1("GET", "/api-keys?status=active"),
    v1("GET", "/api-keys?status=revoked,rotating"),
    v1("GET", "/members?role=admin"),
    v1("GET", "/members?role=member"),
    v1("GET", "/invitations?status=pending"),
    v1("GET", `/creators?${in_project}`),
    v1("GET", `/videos?${in_project}`),
    v1("GET", `/campaigns?${in_project}`),
    v1("GET", "/audit/events?limit=1"),
  ]);
  return { keys, ended, admins, members, invitations, creators, videos, campaigns, events };
}

/** For the demo's admin, whose org has one of everything. */
function admin({ keys, ended, admins, members, invitations, creators, videos, campaigns, events }, others) {
  const key = `/settings/api-keys/${keys[0].id}`;
  const member = members[0].user_id;
  const owner = admins.find(({ email }) => email === others.owner).user_id;
  return [
    at("/orgs"),
    at("/projects"),
    at("/projects?search=nothing+is+called+so"),
    at(project),
    at(`${project}?metric=likes&granularity=week&compare=prior_period`),
    at(`${project}?metric=views&granularity=day&from=2031-02-01&to=2031-01-01`, 400),
    at(`${project}/creators`),
    at(`${project}/creators?search=nobody+is+called+so`),
    at(`${project}/videos`),
    at(`${project}/campaigns`),
    at(`${project}/inbox`),
    at(`${project}/inbox?status=included`),
    at(`${project}/inbox?status=excluded&platform=youtube`),
    at(`/creators/${creators[0].id}`),
    at(`/creators/${creators[0].id}?metric=views&breakdown=video&mode=cumulative`),
    at(`/videos/${videos[0].id}`),
    at(`/campaigns/${campaigns[0].id}`),
    at("/settings/general"),
    at("/settings/api-keys"),
    at("/settings/api-keys?show=all"),
    at("/settings/api-keys?search=nothing+is+called+so"),
    at("/settings/api-keys/new"),
    at("/settings/api-keys/safety"),
    at(key),
    at(`${key}/change`),
    at(`${key}/rotate`),
    at(`${key}/revoke`),
    ...ended.map(({ id }) => at(`/settings/api-keys/${id}`)),
    at("/settings/members"),
    at("/settings/members?search=nobody+is+called+so"),
    at(`/settings/members/${member}/remove`),
    at(`/settings/members/${owner}/remove`),
    at(`/settings/members/${member}/role?role=admin`),
    at("/settings/members/self/leave"),
    at("/settings/invitations"),
    at("/settings/invitations?status=declined"),
    at("/settings/invitations/new"),
    at(`/settings/invitations/${invitations[0].id}/revoke`),
    at("/settings/limits"),
    at("/settings/sessions"),
    at(`/settings/sessions?user_id=${member}`),
    at(`/settings/sessions/end-all?user_id=${member}`),
    at(`/settings/sessions/${others.sessionOfMember}/end?user_id=${member}`),
    at("/settings/account"),
    at("/audit"),
    at("/audit?type=key.*"),
    at("/audit?from=never", 400),
    at(`/audit/events/${events[0].position}`),
    at("/audit/as-of"),
    at(`/audit/as-of?position=${events[0].position}`),
    at("/audit/as-of?at=2001-01-01T00:00:00Z", 404),
    dialog("/settings/api-keys", /^Delete/),
    dialog("/settings/members", "Remove Grace"),
    dialog("/settings/invitations", /^Revoke the/),
    after("/settings/api-keys/new", "Create key", 400, fill("Name", " ")),
    after("/settings/api-keys/new", "Create key", 201, fill("Name", "Shown once")),
    after(`${key}/change`, "Save changes", 400, fill("Name", " ")),
    after(`/settings/api-keys/${others.turned}/rotate`, "Rotate", 201),
    after(`/settings/api-keys/${others.doomed}/revoke`, "Delete the key", 200),
    after("/settings/general", "Save changes", 400, fill("Name", " ")),
    after("/settings/general", "Save changes", 200),
    after("/settings/invitations/new", "Invite", 400, fill("Email address", "nobody at all")),
    after("/settings/invitations/new", "Invite", 201, (page) => fill("Email address", newEmail("invited"))(page)),
    after(`/settings/members/${owner}/remove`, "Remove Grace", 409),
    at(`/projects/${NOBODY}/nothing`, 404),
    at(`/projects/${NOBODY}`, 404),
  ];
}

/** For another admin of the demo's org, who owns keys. */
const owner = (session) => [
  at(`/settings/sessions/${session}/end`),
  at("/settings/sessions/end-all"),
  at("/settings/members/self/leave"),
  after("/settings/members/self/leave", /^Leave/, 409),
  after("/settings/account", "Change password", 401, async (page) => {
    await fill("Current password", "not the password")(page);
    await fill("New password", PASSWORD)(page);
  }),
];

/** For somebody who is no admin. */
const member = (self) => [
  at("/settings/general"),
  at("/settings/members"),
  at(`/settings/members/${self}/role`),
  at("/settings/invitations/new"),
  at("/settings/api-keys", 403),
  at("/settings/api-keys/new", 403),
  at("/audit", 403),
];

/** For an admin alone in an org that has nothing. */
const newcomer = (self) => [
  at("/projects"),
  at("/orgs"),
  at("/audit"),
  at("/settings/api-keys"),
  at("/settings/api-keys/safety"),
  at("/settings/members"),
  at("/settings/invitations"),
  after(`/settings/members/${self}/role`, "Save role", 409, (page) => page.getByLabel(/^member/).check()),
  after("/settings/members/self/leave", /^Leave/, 409),
];

/** Addresses of the demo's admin that lead on, or to a file. */
export async function elsewhere() {
  const { creators, videos, campaigns } = await look();
  return [
    "/",
    "/settings",
    "/audit/export",
    `${project}/analytics.csv`,
    `/creators/${creators[0].id}/analytics.csv`,
    `/videos/${videos[0].id}/analytics.csv`,
    `/campaigns/${campaigns[0].id}/analytics.csv`,
  ];
}

/**
 * All pages: who sees them, with which session; where they are; what is done there, if they are the answer to a form; and
 * their status. Sessions are of whoever asks, since each may make only so many requests a minute.
 */
export async function pages() {
  const emails = JSON.parse(readFileSync(FURNISHED, "utf8"));
  const people = Object.entries(emails).map(async ([who, email]) => [who, await signIn(email, PASSWORD)]);
  const sessions = { admin: await demoSession(), ...Object.fromEntries(await Promise.all(people)) };
  const self = async (who) => v1("GET", "/sessions/self", { as: sessions[who] });
  const oldest = async (who) => (await v1("GET", "/sessions", { as: sessions[who] })).find(({ current }) => !current).id;
  const [turned, doomed] = await Promise.all(["Turned", "Doomed"].map((name) => v1("POST", "/api-keys", { body: { name } })));
  const others = { ...emails, sessionOfMember: await oldest("member"), turned: turned.id, doomed: doomed.id };
  const lists = {
    stranger: outside(),
    admin: admin(await look(), others),
    owner: owner(await oldest("owner")),
    member: member((await self("member")).user.id),
    newcomer: newcomer((await self("newcomer")).user.id),
  };
  return Object.entries(lists).flatMap(([who, list]) =>
    list.map((page) => ({ who, session: sessions[who], ...page, name: nameOf(who, page) })));
}

// Ids differ from run to run.
const nameOf = (who, { path, name = path, status }) =>
  `${who}: ${name.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "{id}").replace(/position=\d+|events\/\d+/, "{position}")}, ${status}`;
