// Appends single events through Emmett, each to a new stream, from many concurrent writers; prints one JSON object.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { STREAM_DOES_NOT_EXIST } from '@event-driven-io/emmett';
import { getPostgreSQLEventStore } from '@event-driven-io/emmett-postgresql';

const { values } = parseArgs({
  options: {
    writers: { type: 'string' },
    seconds: { type: 'string' },
    'payload-bytes': { type: 'string' },
  },
});
// Not an argument: everyone on the machine can read those.
const databaseUrl = process.env.BENCH_DATABASE_URL;
if (!databaseUrl) throw new Error('BENCH_DATABASE_URL must name an empty database');
const writers = Number(values.writers);
const payloadBytes = Number(values['payload-bytes']);

// With its own pool: ten connections, with which it is faster than with more.
const store = getPostgreSQLEventStore(databaseUrl);
const event = { type: 'measured', data: { filler: 'x'.repeat(payloadBytes) } };
const append = (stream) =>
  store.appendToStream(stream, [event], { expectedStreamVersion: STREAM_DOES_NOT_EXIST });
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
await store.close();

millis.sort((a, b) => a - b);
const quantile = (q) => Number((millis[Math.floor(millis.length * q)] ?? 0).toFixed(3));
const manifest = new URL(
  'node_modules/@event-driven-io/emmett-postgresql/package.json',
  import.meta.url,
);
console.log(
  JSON.stringify({
    peer: 'emmett',
    version: JSON.parse(readFileSync(manifest, 'utf8')).version,
    writers,
    payload_bytes: payloadBytes,
    events: millis.length,
    seconds: Number(seconds.toFixed(3)),
    events_per_second: Number((millis.length / seconds).toFixed(1)),
    p50_ms: quantile(0.5),
    p99_ms: quantile(0.99),
  }),
);
