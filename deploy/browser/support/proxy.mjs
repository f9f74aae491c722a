// Between a client and the program: keeps every answer, and does to some of them what a bad day does.
import { once } from "node:events";
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";

/**
 * Listens in front of an origin. `fault` may be set to a function of `{ method, path }` that says what becomes of a request:
 * `"lost"` never arrives, `"unanswered"` is done but nobody hears of it, `{ after }` milliseconds late, `{ status, body }`
 * is answered in its place; all else goes through.
 */
export async function startProxy(target) {
  const proxy = { fault: () => undefined, answers: [], asked: [] };
  const server = http.createServer(async (request, response) => {
    const asked = { method: request.method, path: request.url };
    proxy.asked.push(asked);
    const body = await collect(request);
    const fault = proxy.fault(asked);
    if (fault === "lost") return request.socket.destroy();
    if (fault?.after) await sleep(fault.after);
    if (fault?.status) return void response.writeHead(fault.status, fault.headers).end(fault.body);
    const answer = await forward(target, request, body).catch(() => null);
    if (!answer || fault === "unanswered") return request.socket.destroy();
    proxy.answers.push({ ...asked, ...answer, text: text(answer) });
    response.writeHead(answer.status, answer.raw).end(answer.body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  proxy.url = `http://127.0.0.1:${server.address().port}`;
  proxy.stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return proxy;
}

async function collect(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

async function forward(target, request, body) {
  const headers = { ...request.headers };
  // The one encoding that is read here; without it, what is compressed could not be told from what is not.
  if (headers["accept-encoding"]) headers["accept-encoding"] = "gzip";
  const { hostname, port } = new URL(target);
  const onward = http.request({ hostname, port, method: request.method, path: request.url, headers, agent: false });
  onward.end(body);
  const [answer] = await once(onward, "response");
  const raw = [];
  for (let n = 0; n < answer.rawHeaders.length; n += 2) {
    const name = answer.rawHeaders[n];
    if (!["connection", "transfer-encoding"].includes(name.toLowerCase())) raw.push(name, answer.rawHeaders[n + 1]);
  }
  return { status: answer.statusCode, headers: answer.headers, raw, body: await collect(answer) };
}

const text = ({ headers, body }) =>
  (headers["content-encoding"] === "gzip" ? gunzipSync(body) : body).toString("utf8");
