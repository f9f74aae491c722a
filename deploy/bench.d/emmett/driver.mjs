// Appends events through Emmett, or reads all that it holds; prints one JSON object. Appends are of single events, each to a
// new stream, from many concurrent writers; only to fill it they have a thousand each.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { STREAM_DOES_NOT_EXIST } from '@event-driven-io/emmett';
import { dumbo } from '@event-driven-io/dumbo';
import { getPostgreSQLEventStore, readMessagesBatch } from '@event-driven-io/emmett-postgresql';

const EVENTS_EACH = 1_000;
const PAGE_EVENTS = 1_000;

const { values } = parseArgs({
  options: {
    writers: { type: 'string' },
    seconds: { type: 'string' },
    'payload-bytes': { type: 'string', default: '200' },
    fill: { type: 'string' },
    replay: { type: 'boolean' },
  },
});
// Not an argument: everyone on the machine can read those.
const databaseUrl = process.env.BENCH_DATABASE_URL;
if (!databaseUrl) throw new Error('BENCH_DATABASE_URL must name a database');
const payloadBytes = Number(values['payload-bytes']);

// With its own pool: ten connections, with which it is faster than with more.
const store = getPostgreSQLEventStore(databaseUrl);
const event = { type: 'measured', data: { filler: 'x'.repeat(payloadBytes) } };
const append = (stream, events = [event]) =>
  store.appendToStream(stream, events, { expectedStreamVersion: STREAM_DOES_NOT_EXIST });

async function measureAppends() {
  const writers = Number(values.writers);
  await append('first'); // makes the tables
  const millis = [];
  const start = performance.now();
  const end = start + Number(values.seconds) * 1000;
  await Promise.all(
    Array.from({ length: writers }, async (_, writer) => {
      for (let number = 0; ; number++) {
        const begun = performance.now();
        if (begun >= end) break;
        await append(`s-${writer}-${number}`);
        millis.push(performance.now() - begun);
      }
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  millis.sort((a, b) => a - b);
  const quantile = (q) => Number((millis[Math.floor(millis.length * q)] ?? 0).toFixed(3));
  return {
    writers,
    payload_bytes: payloadBytes,
    ...rate(millis.length, seconds),
    p50_ms: quantile(0.5),
    p99_ms: quantile(0.99),
  };
}

async function fill() {
  const events = Number(values.fill);
  for (let missing = events; missing > 0; missing -= EVENTS_EACH)
    await append(`s-${missing}`, Array(Math.min(missing, EVENTS_EACH)).fill(event));
  return { events };
}

// Page by page, as its consumers do.
async function replay() {
  const pool = dumbo({ connectionString: databaseUrl });
  const start = performance.now();
  let events = 0;
  let last = 0n;
  for (;;) {
    const page = await readMessagesBatch(pool.execute, { after: last, batchSize: PAGE_EVENTS });
    events += page.messages.length;
    last = page.currentGlobalPosition;
    if (!page.areMessagesLeft) break;
  }
  const seconds = (performance.now() - start) / 1000;
  await pool.close();
  return rate(events, seconds);
}

function rate(events, seconds) {
  return {
    events,
    seconds: Number(seconds.toFixed(3)),
    events_per_second: Number((events / seconds).toFixed(1)),
  };
}

let measured;
if (values.replay) measured = await replay();
else if (values.fill) measured = await fill();
else measured = await measureAppends();
await store.close();

const manifest = new URL(
  'node_modules/@event-driven-io/emmett-postgresql/package.json',
  import.meta.url,
);
const version = JSON.parse(readFileSync(manifest, 'utf8')).version;
console.log(JSON.stringify({ peer: 'emmett', version, ...measured }));
