// Reads an org's events over NATS with an API key: each of a stream once and in order, from a checkpoint of its own.
//
// Each event is a line on standard output. That is what "handled" means here: put your own work in place of `handle`. A
// crash between it and the checkpoint has the last events handled again, so it must be able to bear that.

import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { setTimeout as rest } from "node:timers/promises";
import { jetstream, type JsMsg } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";

const STREAM = "TGA_EVENTS";
const BATCH = 100;
// Milliseconds. A question waits so long for an event; a broken connection is made again after a rest, which grows up to a
// longest.
const WAIT = 5_000;
const REST = 500;
const LONGEST_REST = 5_000;
// The same, of HTTP.
const WITHIN = 30_000;

interface Event {
  stream: string;
  streamversion: string;
  position: string;
  prevhash: string;
  hash: string;
}

interface Place {
  version: number;
  position: number;
  hash: string;
}

/** Nothing but a new key, or another checkpoint, helps. */
class Over extends Error {}

/** The same events over HTTP, for what NATS does not keep any more. */
class Api {
  constructor(
    private readonly url: string,
    readonly key: string,
  ) {}

  async open(path: string): Promise<Response> {
    const headers = { authorization: `Bearer ${this.key}` };
    const answer = await fetch(this.url + path, { headers, signal: AbortSignal.timeout(WITHIN) });
    if (answer.status === 401 || answer.status === 403) throw new Over(`${path} answers ${answer.status}`);
    if (!answer.ok) throw new Error(`${path} answers ${answer.status}`);
    return answer;
  }

  async data<T>(path: string): Promise<T> {
    const body = (await (await this.open(path)).json()) as { data: T };
    return body.data;
  }

  /** The events of a stream after one position and up to another, in order. */
  async *export(stream: string, after: number, to: number): AsyncGenerator<Event> {
    const query = new URLSearchParams({ stream, after_position: `${after}`, to_position: `${to}` });
    const answer = await this.open(`/audit/export?${query}`);
    let rest = "";
    for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) yield JSON.parse(line) as Event;
    }
  }
}

/** How far each of the two streams was handled, and the hash that the next event must name. */
class Checkpoint {
  private readonly streams: Record<string, Place>;
  moves = 0;

  constructor(private readonly path: string) {
    this.streams = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Record<string, Place>) : {};
  }

  of(stream: string): Place {
    return this.streams[stream] ?? { version: 0, position: 0, hash: "0".repeat(64) };
  }

  move(event: Event): void {
    const [version, position] = [Number(event.streamversion), Number(event.position)];
    this.streams[event.stream] = { version, position, hash: event.hash };
    this.moves += 1;
  }

  /** Whole or not at all. */
  save(): void {
    writeFileSync(`${this.path}.new`, JSON.stringify(this.streams), { flush: true });
    renameSync(`${this.path}.new`, this.path);
  }
}

/** What only the key's holder can tell, since nobody else may have answers sent there. */
function inboxes(key: string): string {
  return `_INBOX_${createHash("sha256").update(`inbox:${key}`).digest("hex").slice(0, 32)}`;
}

function handle(event: Event): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

/** Handles an event if it is the next of its stream, and before it what is missing. What was handled is dropped. */
async function take(event: Event, checkpoint: Checkpoint, api: Api): Promise<void> {
  const last = checkpoint.of(event.stream);
  const version = Number(event.streamversion);
  if (version <= last.version) return;
  if (version > last.version + 1) {
    console.error(`${event.stream}: ${last.version + 1} to ${version - 1} are missing, asking the API`);
    const missing = api.export(event.stream, last.position, Number(event.position) - 1);
    for await (const one of missing) takeNext(one, checkpoint);
    // The service may have stopped; what came was handled, and the rest is asked for again.
    if (checkpoint.of(event.stream).version !== version - 1) throw new Error("the export ended early");
  }
  takeNext(event, checkpoint);
}

function takeNext(event: Event, checkpoint: Checkpoint): void {
  const last = checkpoint.of(event.stream);
  // The log was restored to an earlier moment, and went on from there.
  if (Number(event.streamversion) !== last.version + 1 || event.prevhash !== last.hash) {
    throw new Over(`another history: position ${event.position} does not follow ${last.position}`);
  }
  handle(event);
  checkpoint.move(event);
}

/** Reads until the connection ends. */
async function read(connection: NatsConnection, durable: string, checkpoint: Checkpoint, api: Api): Promise<void> {
  const source = await jetstream(connection, { apiPrefix: "tga.api" }).consumers.get(STREAM, durable);
  while (!connection.isClosed()) {
    const handled: JsMsg[] = [];
    try {
      // To its end: what comes for a question that was left is lost until it comes again.
      for await (const message of await source.fetch({ max_messages: BATCH, expires: WAIT })) {
        await take(message.json<Event>(), checkpoint, api);
        handled.push(message);
        if (message.info.pending > 0 && handled.length < BATCH) continue;
        checkpoint.save();
        // Only now: what is not acknowledged comes again.
        for (const one of handled.splice(0)) one.ack();
      }
    } finally {
      checkpoint.save();
    }
    for (const one of handled) one.ack();
  }
}

async function main(apiUrl: string, natsUrl: string, checkpointPath: string): Promise<never> {
  const api = new Api(apiUrl, process.env["TGA_API_KEY"] ?? "");
  const checkpoint = new Checkpoint(checkpointPath);
  let pause = REST;
  for (;;) {
    const before = checkpoint.moves;
    let connection: NatsConnection | undefined;
    try {
      // The key is asked for each time: a connection that is refused does not say whether it has ended.
      const org = await api.data<{ id: string }>("/orgs/self");
      const key = await api.data<{ id: string; scopes: string[] }>("/api-keys/self");
      if (!key.scopes.includes("audit")) throw new Over("the key lacks the scope audit");
      const inboxPrefix = inboxes(api.key);
      connection = await connect({ servers: natsUrl, token: api.key, inboxPrefix, reconnect: false });
      console.error("connected");
      await read(connection, `${org.id}-${key.id}`, checkpoint, api);
    } catch (error) {
      if (error instanceof Over) throw error;
      console.error(`not connected: ${error}`);
    } finally {
      await connection?.close();
    }
    // Every connection ends after a while.
    pause = checkpoint.moves > before ? REST : Math.min(2 * pause, LONGEST_REST);
    await rest(pause);
  }
}

const [apiUrl, natsUrl, checkpointPath] = process.argv.slice(2);
if (!apiUrl || !natsUrl || !checkpointPath || !process.env["TGA_API_KEY"]) {
  console.error("usage: TGA_API_KEY=tga_... subscribe API_URL NATS_URL CHECKPOINT");
  process.exit(2);
}
main(apiUrl, natsUrl, checkpointPath).catch((error: unknown) => {
  console.error(error instanceof Over ? error.message : error);
  process.exit(1);
});
