// Every page of the console, for the specs that walk all of them. A new page gets a line here.
import { ready, v1 } from "./support/api.mjs";

/** Pages for which nobody is signed in. */
export const OUTSIDE = ["/login", "/setup", "/invitations/accept?token=none"];

/** Pages of the demo's org, for its admin; what they are about is looked up. */
export async function inside() {
  const project = `/projects/${ready.demo.project_id}`;
  const in_project = `project_id=${ready.demo.project_id}`;
  const [keys, ended, members, creators, videos, campaigns, events] = await Promise.all([
    v1("GET", "/api-keys?status=active"),
    v1("GET", "/api-keys?status=revoked,rotating"),
    v1("GET", "/members?role=member"),
    v1("GET", `/creators?${in_project}`),
    v1("GET", `/videos?${in_project}`),
    v1("GET", `/campaigns?${in_project}`),
    v1("GET", "/audit/events?limit=1"),
  ]);
  const key = `/settings/api-keys/${keys[0].id}`;
  return [
    "/orgs",
    "/projects",
    project,
    `${project}/creators`,
    `${project}/videos`,
    `${project}/campaigns`,
    `${project}/inbox`,
    `${project}/inbox?status=included`,
    `${project}/inbox?status=excluded&platform=youtube`,
    `/creators/${creators[0].id}`,
    `/videos/${videos[0].id}`,
    `/campaigns/${campaigns[0].id}`,
    "/settings/general",
    "/settings/api-keys",
    "/settings/api-keys?show=all",
    "/settings/api-keys/new",
    "/settings/api-keys/safety",
    key,
    `${key}/change`,
    `${key}/rotate`,
    `${key}/revoke`,
    ...ended.map(({ id }) => `/settings/api-keys/${id}`),
    "/settings/members",
    `/settings/members/${members[0].user_id}/remove`,
    `/settings/members/${members[0].user_id}/role?role=admin`,
    "/settings/members/self/leave",
    "/settings/invitations",
    "/settings/invitations/new",
    "/settings/sessions/end-all",
    "/settings/limits",
    "/settings/sessions",
    "/settings/account",
    "/audit",
    `/audit/events/${events[0].position}`,
    "/audit/as-of",
  ];
}

/** What is shown where there is nothing. */
export const NOWHERE = "/projects/00000000-0000-7000-8000-000000000000/nothing";
