// Asks limiters along traces, in real time, each trace with a key of its own; one JSON object in, one out.
import { readFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import express from 'express';
import { rateLimit } from 'express-rate-limit';
import { RedisStore } from 'rate-limit-redis';
import { RateLimiterMemory, RateLimiterRedis } from 'rate-limiter-flexible';
import { createClient } from 'redis';

const { limit, window_seconds: windowSeconds, replicas: fleets, traces } = JSON.parse(
  readFileSync(0, 'utf8'),
);
const windowMillis = windowSeconds * 1000;

const clients = [];
// Each replica has a connection of its own, as a process would.
const connect = async () => {
  const client = createClient({
    url: process.env.BENCH_REDIS_URL,
    socket: { reconnectStrategy: (tries) => (tries < 200 ? 25 : new Error('Redis is not there')) },
  });
  client.on('error', () => {}); // until it is there
  await client.connect();
  clients.push(client);
  return client;
};

const flexible = (limiter) => async (key) => {
  try {
    await limiter.consume(key);
    return true;
  } catch (refusal) {
    if (refusal instanceof Error) throw refusal;
    return false;
  }
};

// Connections that stay open, as those of a proxy do.
const agent = new Agent({ keepAlive: true, maxSockets: 32 });
const statusOf = (url) =>
  new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode));
    }).on('error', reject);
  });

const servers = [];
const expressWithRedis = async () => {
  const client = await connect();
  const app = express();
  app.use(
    rateLimit({
      windowMs: windowMillis,
      limit,
      standardHeaders: false,
      legacyHeaders: false,
      keyGenerator: (request) => request.path,
      store: new RedisStore({ sendCommand: (...command) => client.sendCommand(command) }),
    }),
  );
  app.use((_, response) => response.end('ok'));
  const server = await new Promise((resolve) => {
    const listening = app.listen(0, '127.0.0.1', () => resolve(listening));
  });
  servers.push(server);
  const origin = `http://127.0.0.1:${server.address().port}`;
  return async (key) => {
    const status = await statusOf(`${origin}/${encodeURIComponent(key)}`);
    if (status !== 200 && status !== 429) throw new Error(`answered ${status}`);
    return status === 200;
  };
};

const options = { points: limit, duration: windowSeconds };
const contestants = {
  'rate-limiter-flexible, Redis': async () =>
    flexible(
      new RateLimiterRedis({ storeClient: await connect(), useRedisPackage: true, ...options }),
    ),
  'rate-limiter-flexible, memory of each process': async () =>
    flexible(new RateLimiterMemory(options)),
  'express-rate-limit, Redis': expressWithRedis,
};

const sleepUntil = (time) =>
  new Promise((resolve) => setTimeout(resolve, Math.max(0, time - performance.now())));
const sent = (begin) => (performance.now() - begin) / windowMillis;

const follow = async (ask, key, at, begin) => {
  const answers = at.map(async (due, number) => {
    await sleepUntil(begin + due * windowMillis);
    const from = sent(begin);
    const admitted = await ask[number % ask.length](key);
    return [from, sent(begin), admitted];
  });
  return Promise.all(answers);
};

// Contestants in turn; what one process admits and what three do at once.
const results = [];
for (const [name, make] of Object.entries(contestants)) {
  const prepared = fleets.map(async (replicas) => {
    const ask = await Promise.all(Array.from({ length: replicas }, make));
    await Promise.all(ask.map((one, replica) => one(`${name} ${replicas} ${replica} warm`)));
    return { replicas, ask };
  });
  const runs = await Promise.all(prepared);
  // At the beginning of a window of those that count by the clock.
  const begin = performance.now() + windowMillis - (Date.now() % windowMillis) + 1;
  const measured = runs.map(async ({ replicas, ask }) => {
    const entries = Object.entries(traces).map(async ([trace, at]) => [
      trace,
      await follow(ask, `${name} ${replicas} ${trace}`, at, begin),
    ]);
    const answers = Object.fromEntries(await Promise.all(entries));
    return { name, replicas, time: 'real', answers };
  });
  results.push(...(await Promise.all(measured)));
}
agent.destroy();
for (const server of servers) server.closeAllConnections();
for (const server of servers) server.close();
for (const client of clients) client.destroy();

const version = (name) =>
  JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url), 'utf8'))
    .version;
const versions = ['rate-limiter-flexible', 'express-rate-limit', 'rate-limit-redis'];
console.log(
  JSON.stringify({
    version: [
      ...versions.map((name) => `${name} ${version(name)}`),
      `Redis ${process.env.BENCH_REDIS_VERSION}`,
    ].join(', '),
    contestants: results,
  }),
);
