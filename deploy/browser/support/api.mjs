// The API as a client calls it, and orgs of a spec's own, which the operator makes.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const PATIENCE_MS = 20_000;
// A password that everybody here has.
export const PASSWORD = "correct horse battery";

/** What `trackagoat dev` says of itself. */
export const ready = JSON.parse(readFileSync(process.env.TGA_READY_FILE, "utf8"));
/** Addresses of those whom `furnish` has let in, by what they are there for. */
export const FURNISHED = `${process.env.TGA_BROWSER_WORK}/furnished.json`;
/** Where its console is, without a slash at the end. */
export const home = new URL(ready.console).origin;

// How far each server's log was when it answered: what is read then shows what was done before.
const positions = new Map();

/** How far a server's log was when it last answered here. */
export const seen = (at) => positions.get(at) ?? 0;

/** What is read from now on is at least so far. */
export const note = (at, position) => positions.set(at, Math.max(position, seen(at)));

/** Whether a busy machine was late with something, and nothing was done. */
const isLate = (method, { status, meta }) =>
  meta?.code === "verification_unavailable" || (method === "GET" && status === 503);

/** Any call; one that a busy machine was late with is made again. */
export async function call(method, path, { as = ready.demo.api_key, body, type = "application/json", at = home } = {}) {
  for (let attempt = 0; ; attempt += 1) {
    const response = await fetch(at + path, {
      method,
      headers: {
        ...(as && { Authorization: `Bearer ${as}` }),
        ...(body && { "Content-Type": type }),
        "Tga-Min-Position": `${seen(at)}`,
      },
      body: body && typeof body !== "string" ? JSON.stringify(body) : body,
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const answer = { status: response.status, ...(await response.json()) };
    note(at, Number(response.headers.get("Tga-Position") ?? 0));
    if (!isLate(method, answer) || attempt === 4) return answer;
    await sleep(500);
  }
}

/** The data of a call of v1 that must go well. */
export async function v1(method, path, options) {
  const answer = await call(method, `/api/v1${path}`, options);
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.error}`);
  return answer.data;
}

/** A credential for the browser and for calls. */
export async function signIn(email, password, at = home) {
  const answer = await call("POST", "/auth/sessions", { as: null, body: { email, password }, at });
  assert.equal(answer.status, 201, answer.error);
  return answer.data.token;
}

/** Of the demo's admin. */
export const demoSession = () => signIn(ready.demo.admin_email, ready.demo.admin_password);

async function operate(...what) {
  const { stdout } = await promisify(execFile)(process.env.TGA_BINARY, [...what, "--log", "warn"]);
  return stdout.trim();
}

/** An org that nobody else uses, with an admin. */
export async function newOrg(name, limits = {}) {
  const id = await operate("orgs", "create", "--name", name, "--plan", "ultra");
  for (const [limit, value] of Object.entries(limits)) await operate("orgs", "set-limit", id, limit, `${value}`);
  return { id, admin: await join(id, "admin", "Ada") };
}

/** An address that nobody has. */
export const newEmail = (name) => `${name}-${randomBytes(6).toString("hex")}@browser.example`;

/** An admin invites somebody: the token of the link that they get. */
export async function invite(session, email) {
  const { accept_url } = await v1("POST", "/invitations", { as: session, body: { email } });
  return new URL(accept_url).searchParams.get("token");
}

/** Somebody new in an org. */
export async function join(org, role, name) {
  const email = newEmail(role);
  const link = await operate("members", "invite", org, email, "--role", role);
  const token = new URL(link).searchParams.get("token");
  const body = { token, name, password: PASSWORD };
  const answer = await call("POST", "/auth/invitations/accept", { as: null, body });
  assert.equal(answer.status, 201, answer.error);
  return { email, name, session: answer.data.token };
}

/** A project with a selective creator, and so many videos that wait in its inbox. */
export async function newInbox(session, count) {
  const as = session;
  const project = await v1("POST", "/projects", { as, body: { name: "Meadow" } });
  const creator = await v1("POST", `/projects/${project.id}/creators`, {
    as,
    body: { handle: `herder_${randomBytes(4).toString("hex")}`, tracking_mode: "selective", tracking_start_date: null },
  });
  await find(session, creator, Array.from({ length: count }, (_, n) => `Goat number ${n + 1}`));
  return { project, creator, path: `/projects/${project.id}/inbox` };
}

/** Videos of a creator on TikTok with these titles, each with figures. */
export async function find(session, creator, titles) {
  const at = { platform: "tiktok", observed_at: new Date(Date.now() - 60_000).toISOString() };
  const lines = titles.flatMap((title) => {
    const platform_video_id = `7${BigInt(`0x${randomBytes(6).toString("hex")}`)}`;
    const video = { ...at, platform_video_id };
    return [
      { kind: "video", ...video, creator_handle: creator.handle, title, posted_at: at.observed_at },
      { kind: "video_stats", ...video, view_count: 1234, like_count: 56, comment_count: 7 },
    ];
  });
  const body = lines.map((line) => JSON.stringify(line)).join("\n");
  const answer = await v1("POST", "/ingest/observations", { as: session, body, type: "application/x-ndjson" });
  assert.equal(answer.rejected, 0, JSON.stringify(answer.errors));
}
