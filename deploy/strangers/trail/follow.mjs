// The audit trail followed by the npm package `eventsource`, which reconnects by itself: its connection is cut again and
// again, and it must have every event once, in order. argv: URL of the API, position to begin after, events to wait for. Says that
// it is connected, and in the end what it has seen.
import { EventSource } from "eventsource";

const [api, after, wanted] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const key = process.env.TGA_KEY;
const CHUNKS_UNTIL_CUT = 2;
const PATIENCE_MS = 30_000;

let cuts = 0;
// What a connection through a bad network is: it ends in the middle.
const cutting = async (url, init) => {
  const response = await fetch(url, { ...init, headers: { ...init.headers, Authorization: `Bearer ${key}` } });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  let chunks = 0;
  const cut = new TransformStream({
    transform(chunk, controller) {
      controller.enqueue(chunk);
      chunks += 1;
      if (chunks === CHUNKS_UNTIL_CUT) {
        cuts += 1;
        controller.terminate();
      }
    },
  });
  return new Response(response.body.pipeThrough(cut), { status: response.status, headers: response.headers });
};

const seen = [];
const source = new EventSource(`${api}/audit/stream?after_position=${after}&type=project.*`, { fetch: cutting });
const fail = (text) => {
  console.error(text);
  process.exit(1);
};
source.addEventListener("open", () => console.log("open"), { once: true });
const timer = setTimeout(() => fail(`${seen.length} of ${wanted} events in ${PATIENCE_MS} ms, ${cuts} cuts`), PATIENCE_MS);
source.addEventListener("project.changed", ({ lastEventId, data }) => {
  const event = JSON.parse(data);
  if (lastEventId !== event.position) fail(`id ${lastEventId} of position ${event.position}`);
  if (seen.length > 0 && Number(lastEventId) <= seen.at(-1)) fail(`${lastEventId} after ${seen.at(-1)}`);
  seen.push(Number(lastEventId));
  if (seen.length < wanted) return;
  clearTimeout(timer);
  source.close();
  console.log(JSON.stringify({ seen, cuts }));
});
