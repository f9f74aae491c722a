// One working day with the API, through a client whose types are made from the served document.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./api.js";

type Schemas = components["schemas"];
type Failure = Pick<Schemas["ErrorAnswer"], "error" | "meta">;
interface Ready {
  api: string;
  demo: { org_id: string; api_key: string };
}

const CREATORS = 60;
const VIDEOS = 90;
const DAYS = 12;
const TRIES = 5;
const ready = JSON.parse(readFileSync(process.env["TGA_READY_FILE"] ?? "", "utf8")) as Ready;

/** On a busy machine a check of a credential may take too long; nothing was done then, and it is tried again. */
async function patiently(request: Request): Promise<Response> {
  for (let tries = 1; ; tries++) {
    const answer = await fetch(request.clone());
    if (answer.status !== 503 || tries === TRIES) return answer;
    const { meta } = (await answer.clone().json()) as Failure;
    if (meta.code !== "verification_unavailable") return answer;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function clientOf(key: string): Client<paths> {
  return createClient<paths>({
    baseUrl: ready.api,
    headers: { Authorization: `Bearer ${key}` },
    fetch: patiently,
    // As the document says of lists in a query.
    querySerializer: { array: { style: "form", explode: false } },
  });
}

/** What a call that must succeed brought. */
function good<T>(answer: { data?: T; error?: unknown; response: Response }): T {
  assert.equal(answer.error, undefined, `${answer.response.status} ${JSON.stringify(answer.error)}`);
  assert.ok(answer.data !== undefined);
  return answer.data;
}

/** The same of a call that answers with JSON or with text, as it is asked. */
function goodJson<T>(answer: { data?: T; error?: unknown; response: Response }): Exclude<T, string> {
  const data = good(answer);
  assert.notEqual(typeof data, "string");
  return data as Exclude<T, string>;
}

/** What a call that must fail said; unless asked for, it is no problem as RFC 9457 has them. */
function failure(answer: { data?: unknown; error?: object; response: Response }): Failure {
  assert.equal(answer.data, undefined);
  assert.ok(answer.error && "meta" in answer.error, `${answer.response.status} without an error`);
  return answer.error as Failure;
}

/** Its status, and what programs branch on. */
function refused(answer: { data?: unknown; error?: object; response: Response }) {
  return { status: answer.response.status, ...failure(answer).meta };
}

function positionOf(answer: { response: Response }): number {
  const position = Number(answer.response.headers.get("tga-position"));
  assert.ok(Number.isSafeInteger(position) && position > 0);
  return position;
}

interface PageOf<T> {
  data: T[];
  meta: { nextCursor: string | null };
}

/** Where the next page begins, if there was one before. */
const after = (cursor?: string) => (cursor === undefined ? {} : { cursor });

/** A list from its first page to its last, which holds what is left. */
async function toTheEnd<T>(limit: number, page: (cursor?: string) => Promise<PageOf<T>>): Promise<T[]> {
  const all: T[] = [];
  let cursor: string | undefined;
  for (;;) {
    const answer = await page(cursor);
    all.push(...answer.data);
    if (answer.meta.nextCursor === null) {
      assert.ok(answer.data.length <= limit);
      return all;
    }
    assert.equal(answer.data.length, limit, "a page before the last is full");
    cursor = answer.meta.nextCursor;
  }
}

function same(left: Iterable<string>, right: Iterable<string>, what: string): void {
  assert.deepEqual([...left].sort(), [...right].sort(), what);
}

const handle = (number: number) => `goat.story.${number}`;
const videoId = (number: number) => `73000000000000${1000 + number}`;
const day = (number: number) => `2026-02-${String(number + 1).padStart(2, "0")}`;
/** Views of a video on a day: each gains another number, and one loses some. */
const views = (video: number, on: number) => (video === 5 ? 10_000 - 10 * on : 1_000 * video + (video + 1) * on);

async function createProject(api: Client<paths>): Promise<Schemas["Project"]> {
  const header = { "Idempotency-Key": `story-${process.pid}-${Date.now()}` };
  const body = { name: "A goat's year", readme: "Reach a million.", metadata: { colour: "white" } };
  const made = await api.POST("/projects", { params: { header }, body });
  const project = good(made).data;
  assert.equal(made.response.status, 201);
  assert.equal(made.response.headers.get("location"), `/api/v1/projects/${project.id}`);
  assert.equal(project.org_id, ready.demo.org_id);
  assert.equal(project.description, "Reach a million.");
  assert.deepEqual(project.metadata, { colour: "white" });

  const again = await api.POST("/projects", { params: { header }, body });
  assert.equal(good(again).data.id, project.id);
  assert.equal(again.response.headers.get("idempotency-replayed"), "true");
  assert.equal(made.response.headers.get("idempotency-replayed"), null);

  const other = await api.POST("/projects", { params: { header }, body: { name: "Another" } });
  assert.deepEqual(refused(other), { status: 422, code: "idempotency_mismatch" });
  return project;
}

async function addCreators(api: Client<paths>, project: string): Promise<number> {
  const all = Array.from({ length: CREATORS }, (_, number) => ({
    handle: handle(number),
    tracking_start_date: null,
    // What the last ten post waits for a decision.
    tracking_mode: number < CREATORS - 10 ? ("auto" as const) : ("selective" as const),
  }));
  let position = 0;
  for (const creators of [all.slice(0, 40), [...all.slice(40), { ...all[0], handle: `@${handle(0).toUpperCase()}` }]]) {
    const answer = await api.POST("/projects/{id}/creators", { params: { path: { id: project } }, body: { creators } });
    const bulk = good(answer).data;
    assert.ok("results" in bulk, "a list is answered with what became of each");
    assert.deepEqual(
      bulk.results.map((result) => result.index),
      creators.map((_, index) => index),
    );
    const failed = bulk.results.filter((result) => result.status === "error");
    assert.deepEqual(
      failed.map((result) => result.code),
      creators.length === 40 ? [] : ["duplicate"],
    );
    assert.deepEqual(bulk.summary, { ok: creators.length - failed.length, error: failed.length });
    position = positionOf(answer);
  }
  return position;
}

async function observe(api: Client<paths>, project: string): Promise<number> {
  const lines: object[] = [];
  for (let video = 0; video < VIDEOS; video++) {
    const of = { platform: "tiktok", platform_video_id: videoId(video) };
    const posted_at = `${day(video % DAYS)}T08:00:00Z`;
    const found = { kind: "video", ...of, creator_handle: handle(video % CREATORS), title: `Goat ${video}`, posted_at };
    lines.push({ ...found, observed_at: `${day(0)}T00:00:00Z` });
    for (let on = 0; on < DAYS; on++) {
      lines.push({ kind: "video_stats", ...of, observed_at: `${day(on)}T12:00:00Z`, view_count: views(video, on) });
    }
  }
  lines.push({ kind: "video_stats", platform: "tiktok", platform_video_id: "1", observed_at: day(0), view_count: 1 });
  const request = {
    params: { query: { project_id: project } },
    body: lines.map((line) => JSON.stringify(line)).join("\n"),
    bodySerializer: (text: string) => text,
    headers: { "Content-Type": "application/x-ndjson" },
  };
  const first = await api.POST("/ingest/observations", request);
  const sent = good(first).data;
  assert.deepEqual([sent.accepted, sent.duplicate, sent.rejected], [lines.length - 1, 0, 1]);
  assert.deepEqual(
    sent.errors.map((error) => [error.line, error.code]),
    [[lines.length, "invalid_line"]],
  );
  const again = good(await api.POST("/ingest/observations", request)).data;
  assert.deepEqual([again.accepted, again.duplicate, again.rejected], [0, lines.length - 1, 1]);
  return positionOf(first);
}

async function readToTheEnd(api: Client<paths>, project: string, position: number): Promise<void> {
  const header = { "Tga-Min-Position": position };
  const creators = await toTheEnd(7, async (cursor) =>
    good(
      await api.GET("/creators", {
        params: { query: { project_id: project, limit: 7, ...after(cursor) }, header },
      }),
    ),
  );
  same(creators.map((creator) => creator.handle), Array.from({ length: CREATORS }, (_, n) => handle(n)), "creators");
  const newest = creators.map((creator) => `${creator.created_at} ${creator.id}`);
  assert.deepEqual(newest, [...newest].sort().reverse(), "newest first");

  const videos = await toTheEnd(11, async (cursor) =>
    good(
      await api.GET("/videos", {
        params: { query: { project_id: project, limit: 11, ...after(cursor) }, header },
      }),
    ),
  );
  same(videos.map((video) => video.platform_video_id), Array.from({ length: VIDEOS }, (_, n) => videoId(n)), "videos");
  for (const video of videos) {
    const number = Number(video.title?.split(" ")[1]);
    assert.equal(video.view_count, views(number, DAYS - 1));
    assert.equal(video.like_count, null, "what nobody reported is null");
    assert.equal(video.tracking_status, number % CREATORS < CREATORS - 10 ? "auto_tracked" : "pending_review");
  }
  const inbox = await toTheEnd(3, async (cursor) =>
    good(
      await api.GET("/projects/{id}/inbox", {
        params: { path: { id: project }, query: { limit: 3, ...after(cursor) }, header },
      }),
    ),
  );
  const pending = videos.filter((video) => video.tracking_status === "pending_review");
  same(inbox.map((video) => video.id), pending.map((video) => video.id), "inbox");
  const projects = await toTheEnd(1, async (cursor) =>
    good(await api.GET("/projects", { params: { query: { limit: 1, ...after(cursor) }, header } })),
  );
  assert.equal(projects[0]?.id, project);

  const foreign = good(await api.GET("/creators", { params: { query: { limit: 1 } } })).meta.nextCursor ?? "";
  const elsewhere = refused(await api.GET("/videos", { params: { query: { limit: 1, cursor: foreign } } }));
  assert.equal(elsewhere.code, "invalid_query");
  assert.equal(elsewhere.issues?.[0]?.path, "cursor");
}

async function analyse(api: Client<paths>, project: string, position: number): Promise<void> {
  const counted = Array.from({ length: VIDEOS }, (_, n) => n).filter((n) => n % CREATORS < CREATORS - 10);
  const all = (on: number) => counted.reduce((sum, video) => sum + views(video, on), 0);
  const query = {
    entity: "project" as const,
    entity_id: [project],
    metric: "views" as const,
    from: day(0),
    to: day(DAYS - 1),
    tz: "UTC",
  };
  const header = { "Tga-Min-Position": position };
  const gained = goodJson(await api.GET("/analytics", { params: { query, header } })).data;
  const series = gained.series[0];
  assert.ok(series);
  assert.equal(series.entity_ref.label, "A goat's year");
  const expected = Array.from({ length: DAYS }, (_, on) => (on === 0 ? 0 : all(on) - all(on - 1)));
  assert.deepEqual(series.points.map((point) => point.value), expected);
  assert.deepEqual(series.points.map((point) => point.is_baseline), expected.map((_, on) => on === 0));
  assert.equal(series.total, all(DAYS - 1) - all(0));
  assert.equal(series.start_value, all(0));

  const cumulative = { ...query, mode: "cumulative" as const, granularity: "custom" as const, bucket_days: 5 };
  const answer = await api.GET("/analytics", { params: { query: cumulative, header } });
  const running = goodJson(answer).data.series[0];
  assert.deepEqual(
    running?.points.map((point) => [point.t, point.value, point.is_partial]),
    [
      [day(0), all(4), false],
      [day(5), all(9), false],
      [day(10), all(DAYS - 1), true],
    ],
  );
  const tag = answer.response.headers.get("etag") ?? "";
  assert.match(tag, /^W\/"/);
  const unchanged = await api.GET("/analytics", { params: { query: cumulative, header: { "If-None-Match": tag } } });
  assert.equal(unchanged.response.status, 304);

  const csv = await api.GET("/analytics", { params: { query: { ...query, format: "csv" }, header }, parseAs: "text" });
  assert.match(csv.response.headers.get("content-type") ?? "", /^text\/csv/);
  const rows = String(good(csv)).split("\r\n");
  assert.equal(rows.pop(), "");
  assert.equal(rows[0]?.split(",").length, 12);
  assert.deepEqual(
    rows.slice(1).map((row) => [row.split(",").at(-5), Number(row.split(",").at(-3))]),
    expected.map((value, on) => [day(on), value]),
  );
}

/** A campaign in a campaign: what is in both counts once, and what is taken out leaves the next answer. */
async function runCampaigns(api: Client<paths>, project: string): Promise<void> {
  const videos = await toTheEnd(50, async (cursor) =>
    good(await api.GET("/videos", { params: { query: { project_id: project, limit: 50, ...after(cursor) } } })),
  );
  const video = (number: number) => videos.find((one) => one.platform_video_id === videoId(number));
  const [first, second] = [video(3), video(4)];
  assert.ok(first?.creator_id && second);
  const create = async (name: string) => {
    const body = { name, target_views: 1_000 };
    return good(await api.POST("/projects/{id}/campaigns", { params: { path: { id: project } }, body })).data;
  };
  const [spring, year] = [await create("Spring"), await create("Year")];
  const add = (campaign: string, items: Schemas["AddCampaignItem"][]) =>
    api.POST("/campaigns/{id}/items", { params: { path: { id: campaign } }, body: { items } });
  const creator = { item_type: "creator" as const, item_id: first.creator_id };
  good(
    await add(spring.id, [
      creator,
      { item_type: "video", item_id: first.id },
      { item_type: "video", item_id: second.id },
    ]),
  );
  const nested = await add(year.id, [{ item_type: "campaign", item_id: spring.id }]);
  good(nested);
  const cycle = await api.POST("/campaigns/{id}/items", {
    params: { path: { id: spring.id } },
    body: { item_type: "campaign", item_id: year.id },
  });
  assert.equal(refused(cycle).code, "campaign_cycle");

  const viewsOfYear = async (position: number) => {
    const query = {
      entity: "campaign" as const,
      entity_id: [year.id],
      metric: "views" as const,
      mode: "cumulative" as const,
      from: day(0),
      to: day(DAYS - 1),
      tz: "UTC",
    };
    const answer = await api.GET("/analytics", { params: { query, header: { "Tga-Min-Position": position } } });
    return goodJson(answer).data.series[0]?.points.at(-1)?.value;
  };
  const all = (...numbers: number[]) => numbers.reduce((sum, number) => sum + views(number, DAYS - 1), 0);
  // The creator posted videos 3 and 63.
  assert.equal(await viewsOfYear(positionOf(nested)), all(3, 3 + CREATORS, 4));
  const left = await api.DELETE("/campaigns/{id}/items", { params: { path: { id: spring.id }, query: creator } });
  assert.equal(good(left).data.item_id, creator.item_id);
  assert.equal(await viewsOfYear(positionOf(left)), all(3, 4));
}

async function endAKey(api: Client<paths>): Promise<void> {
  const header = { "Idempotency-Key": `key-${process.pid}-${Date.now()}` };
  const body = { name: "Dashboard", scopes: ["read" as const] };
  const made = good(await api.POST("/api-keys", { params: { header }, body })).data;
  assert.match(made.key ?? "", /^tga_[0-9a-f]{64}$/);
  const replayed = good(await api.POST("/api-keys", { params: { header }, body })).data;
  assert.deepEqual([replayed.id, replayed.key, replayed.secret_already_delivered], [made.id, null, true]);

  const reader = clientOf(made.key ?? "");
  const own = good(await reader.GET("/api-keys/self")).data;
  assert.deepEqual([own.id, own.scopes, own.org.id], [made.id, ["read"], ready.demo.org_id]);
  const denied = refused(await reader.POST("/projects", { body: { name: "Not for readers" } }));
  assert.deepEqual(denied, { status: 403, code: "insufficient_scope", required: "write", granted: ["read"] });
  const keys = await toTheEnd(1, async (cursor) =>
    good(await api.GET("/api-keys", { params: { query: { limit: 1, ...after(cursor) } } })),
  );
  assert.ok(keys.some((key) => key.id === made.id));
  assert.ok(keys.every((key) => !("key" in key)), "a secret is told once");

  const path = { id: made.id };
  const receipt = good(await api.DELETE("/api-keys/{id}", { params: { path } })).data;
  assert.equal(receipt.id, made.id);
  assert.ok(receipt.effective_at !== null && receipt.effective_at >= receipt.revoked_at);
  assert.ok(receipt.barrier && receipt.barrier.acked >= 1);
  assert.match(receipt.event_hash, /^[0-9a-f]{64}$/);
  const dead = await reader.GET("/projects");
  assert.deepEqual(refused(dead), { status: 401, code: "invalid_api_key" });
  assert.equal(failure(dead).error, "Invalid or missing API key");
  assert.equal(dead.response.headers.get("www-authenticate"), 'Bearer realm="trackagoat", error="invalid_token"');
  const again = good(await api.DELETE("/api-keys/{id}", { params: { path } })).data;
  assert.equal(again.position, receipt.position, "the same denial");
  const seen = { "Tga-Min-Position": receipt.position };
  const ended = good(await api.GET("/api-keys/{id}", { params: { path, header: seen } })).data;
  assert.equal(ended.status, "revoked");
  assert.equal(ended.revocation?.position, receipt.position);
}

async function handleErrors(api: Client<paths>, project: string): Promise<void> {
  const path = { id: project };
  const twice = refused(await api.POST("/projects/{id}/creators", { params: { path }, body: { handle: handle(3) } }));
  assert.deepEqual([twice.status, twice.code], [409, "duplicate"]);
  const there = good(await api.GET("/creators/{id}", { params: { path: { id: twice.id ?? "" } } })).data;
  assert.equal(there.handle, handle(3), "the error names what is there");
  const future = { "Tga-Min-Position": 9_000_000_000_000 };
  const early = await api.GET("/projects", { params: { header: future } });
  assert.deepEqual(refused(early), { status: 503, code: "projection_unavailable" });
  assert.match(early.response.headers.get("retry-after") ?? "", /^[123]$/);

  const removed = await api.DELETE("/projects/{id}", { params: { path } });
  assert.equal(good(removed).data.id, project);
  const header = { "Tga-Min-Position": positionOf(removed) };
  const gone = await api.GET("/projects/{id}", { params: { path, header } });
  assert.deepEqual(refused(gone), { status: 404, code: "not_found" });
  const lost = await api.GET("/creators/{id}", { params: { path: { id: there.id } } });
  assert.equal(refused(lost).code, "not_found", "what was in it is gone with it");
}

const api = clientOf(ready.demo.api_key);
const project = await createProject(api);
const added = await addCreators(api, project.id);
const observed = await observe(api, project.id);
assert.ok(observed > added);
await readToTheEnd(api, project.id, observed);
await analyse(api, project.id, observed);
await runCampaigns(api, project.id);
await endAKey(api);
await handleErrors(api, project.id);
console.log("create, read, page, analyse, export, campaigns, revoke: done");
